//! Types to bytes: a direct writer, no intermediate tree.

use crate::value::{Flag, List, Value};
use simd_json::{Node, StaticNode};

/// A type that can write itself as JSON.
pub trait Encode {
    /// Appends the value to `out`.
    fn encode(&self, out: &mut Vec<u8>);
}

/// A field that knows whether it is there.
pub(crate) trait EncodeField {
    /// Appends the field, or nothing where it is absent; `member` is `,"name":`.
    fn encode_field(&self, member: &'static str, object: &mut Object<'_>);
}

/// An object being written.
pub struct Object<'o> {
    out: &'o mut Vec<u8>,
    empty: bool,
}

impl<'o> Object<'o> {
    /// Opens an object.
    pub fn open(out: &'o mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, empty: true }
    }

    /// Writes the comma and the key of the next member and lends the place of its value.
    ///
    /// Keys are written as they are: they come from declarations, or escaped by the caller.
    // Inlined, so that a key that is a literal is stored, not copied by three calls.
    #[inline]
    pub fn key(&mut self, name: &str) -> &mut Vec<u8> {
        if !self.empty {
            self.out.push(b',');
        }
        self.empty = false;
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.out
    }

    /// Writes `,"name":`, without its comma where it comes first, and lends the value's place.
    pub(crate) fn declared(&mut self, member: &'static str) -> &mut Vec<u8> {
        let from = usize::from(self.empty);
        self.out.extend_from_slice(&member.as_bytes()[from..]);
        self.empty = false;
        self.out
    }

    /// Writes a member whose key may need escaping.
    pub fn member(&mut self, name: &str, value: &impl Encode) {
        if !self.empty {
            self.out.push(b',');
        }
        self.empty = false;
        string(name, self.out);
        self.out.push(b':');
        value.encode(self.out);
    }

    /// Closes the object.
    pub fn close(self) {
        self.out.push(b'}');
    }
}

/// Appends `text` as a JSON string.
pub fn string(text: &str, out: &mut Vec<u8>) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    escape(text, out);
    out.push(b'"');
}

/// Appends `text` with the escapes of a JSON string and without its quotes.
pub fn escape(text: &str, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    let mut from = 0;
    while let Some(ahead) = next_escape(&bytes[from..]) {
        let at = from + ahead;
        let byte = bytes[at];
        out.extend_from_slice(&bytes[from..at]);
        from = at + 1;
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            control => {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                out.extend_from_slice(b"\\u00");
                out.push(HEX[usize::from(control >> 4)]);
                out.push(HEX[usize::from(control & 15)]);
            }
        }
    }
    out.extend_from_slice(&bytes[from..]);
}

/// Where the first byte is that a JSON string must escape, looking at eight bytes at once.
fn next_escape(bytes: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGH: u64 = ONES << 7;
    // Sets the high bit of bytes that are zero, and of some behind the first such byte.
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word & HIGH;
    let (words, rest) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let control = word.wrapping_sub(ONES * u64::from(b' ')) & !word & HIGH;
        let quote = zeros(word ^ (ONES * u64::from(b'"')));
        let backslash = zeros(word ^ (ONES * u64::from(b'\\')));
        let found = control | quote | backslash;
        if found != 0 {
            return Some(index * 8 + found.trailing_zeros() as usize / 8);
        }
    }
    let special = |byte: &u8| *byte < b' ' || *byte == b'"' || *byte == b'\\';
    let ahead = rest.iter().position(special)?;
    Some(words.len() * 8 + ahead)
}

impl Encode for str {
    fn encode(&self, out: &mut Vec<u8>) {
        string(self, out);
    }
}

impl Encode for i64 {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(itoa::Buffer::new().format(*self).as_bytes());
    }
}

/// JSON has no word for a number that is not finite; such a value is written as `null`.
impl Encode for f64 {
    fn encode(&self, out: &mut Vec<u8>) {
        if self.is_finite() {
            out.extend_from_slice(ryu::Buffer::new().format_finite(*self).as_bytes());
        } else {
            out.extend_from_slice(b"null");
        }
    }
}

impl Encode for Flag {
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
    }
}

impl<T: Encode + ?Sized> Encode for &T {
    fn encode(&self, out: &mut Vec<u8>) {
        (**self).encode(out);
    }
}

impl<T: Encode> Encode for [T] {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(b'[');
        for (index, item) in self.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            item.encode(out);
        }
        out.push(b']');
    }
}

impl Encode for Value<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        encode_nodes(self.nodes(), out);
    }
}

/// Writes a value from its tape. The depth was bounded when the value was kept.
fn encode_nodes<'n, 'a>(nodes: &'n [Node<'a>], out: &mut Vec<u8>) -> &'n [Node<'a>] {
    let (first, mut rest) = nodes.split_first().expect("a value has at least one node");
    match first {
        Node::String(text) => string(text, out),
        Node::Static(StaticNode::Null) => out.extend_from_slice(b"null"),
        Node::Static(StaticNode::Bool(true)) => out.extend_from_slice(b"true"),
        Node::Static(StaticNode::Bool(false)) => out.extend_from_slice(b"false"),
        Node::Static(StaticNode::I64(number)) => number.encode(out),
        Node::Static(StaticNode::U64(number)) => {
            out.extend_from_slice(itoa::Buffer::new().format(*number).as_bytes());
        }
        Node::Static(StaticNode::F64(number)) => number.encode(out),
        Node::Array { len, .. } => {
            out.push(b'[');
            for index in 0..*len {
                if index > 0 {
                    out.push(b',');
                }
                rest = encode_nodes(rest, out);
            }
            out.push(b']');
        }
        Node::Object { len, .. } => {
            out.push(b'{');
            for index in 0..*len {
                if index > 0 {
                    out.push(b',');
                }
                rest = encode_nodes(rest, out);
                out.push(b':');
                rest = encode_nodes(rest, out);
            }
            out.push(b'}');
        }
    }
    rest
}

impl<T: Encode> EncodeField for Option<T> {
    fn encode_field(&self, member: &'static str, object: &mut Object<'_>) {
        if let Some(value) = self {
            value.encode(object.declared(member));
        }
    }
}

impl<T: Encode> EncodeField for List<'_, T> {
    fn encode_field(&self, member: &'static str, object: &mut Object<'_>) {
        if self.is_present() {
            self.items().encode(object.declared(member));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Against one byte after another.
        #[test]
        fn the_next_escape_is_the_first_special_byte(
            bytes in proptest::collection::vec(
                prop_oneof![
                    8 => any::<u8>(),
                    8 => 0x20_u8..0x80,
                    1 => proptest::sample::select(&[0, 0x1f, 0x20, 0x21, b'"', b'#', b'\\', b']',
                        0x80, 0xa2, 0xdc, 0xff][..]),
                ],
                0..40,
            ),
        ) {
            let special = |byte: &u8| *byte < 0x20 || *byte == b'"' || *byte == b'\\';
            prop_assert_eq!(next_escape(&bytes), bytes.iter().position(special));
        }

        #[test]
        fn any_text_reads_back(text in ".{0,40}") {
            let mut out = Vec::new();
            string(&text, &mut out);
            prop_assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
        }
    }
}
