//! Finding the ends of values in a message that is known to be well formed and without blanks.

use memchr::memchr2;

/// Where the string that begins at `at` ends.
pub(super) fn skip_string(bytes: &[u8], at: usize) -> usize {
    let mut at = at + 1;
    while let Some(ahead) = memchr2(b'"', b'\\', &bytes[at..]) {
        at += ahead;
        if bytes[at] == b'"' {
            return at + 1;
        }
        at += 2;
    }
    bytes.len()
}

/// Where the value that begins at `at` ends.
pub(super) fn skip_value(bytes: &[u8], at: usize) -> usize {
    match bytes[at] {
        b'"' => skip_string(bytes, at),
        b'{' | b'[' => skip_nested(bytes, at),
        _ => {
            let ends = |byte: &u8| matches!(byte, b',' | b'}' | b']');
            let ahead = bytes[at..].iter().position(ends);
            ahead.map_or(bytes.len(), |ahead| at + ahead)
        }
    }
}

fn skip_nested(bytes: &[u8], mut at: usize) -> usize {
    let mut depth = 0_usize;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                at = skip_string(bytes, at);
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

/// The value at a path of members below the object at `at`; none through a list.
pub(super) fn find<'b>(bytes: &'b [u8], at: usize, path: &[String]) -> Option<&'b [u8]> {
    let (name, rest) = path.split_first()?;
    if bytes[at] != b'{' {
        return None;
    }
    let mut at = at + 1;
    while bytes[at] != b'}' {
        if bytes[at] == b',' {
            at += 1;
        }
        let end = skip_string(bytes, at);
        let found = &bytes[at + 1..end - 1] == name.as_bytes();
        at = end + 1;
        if found && !rest.is_empty() {
            return find(bytes, at, rest);
        }
        let end = skip_value(bytes, at);
        if found {
            return Some(&bytes[at..end]);
        }
        at = end;
    }
    None
}
