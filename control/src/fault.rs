//! What is wrong with a document: every fault at once, each with its place.

use std::fmt;

/// One fault of a document.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// JSON pointer (RFC 6901) of the faulty value; empty for the whole document.
    pub pointer: String,
    /// What is wrong and what is allowed.
    pub detail: String,
}

impl Fault {
    /// A fault at `pointer`.
    pub fn new(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            pointer: pointer.into(),
            detail: detail.into(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.pointer.is_empty() {
            return f.write_str(&self.detail);
        }
        write!(f, "{}: {}", self.pointer, self.detail)
    }
}

/// A JSON pointer one level deeper.
pub(crate) fn join(at: &str, name: &str) -> String {
    format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// ", did you mean `x`?" where a known name is near; otherwise the list of what is known.
pub(crate) fn suggestion(name: &str, known: &[&str]) -> String {
    let nearest = known
        .iter()
        .map(|known| (distance(name, known), known))
        .min();
    match nearest {
        Some((distance, known)) if distance <= 1 + name.len() / 4 => {
            format!(", did you mean `{known}`?")
        }
        _ => format!(", allowed: {}", known.join(", ")),
    }
}

/// How many letters must be changed, added or removed (Levenshtein). Names beyond 64 letters
/// are near to nothing.
fn distance(a: &str, b: &str) -> usize {
    if a.len() > 64 || b.len() > 64 {
        return usize::MAX;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, right) in b.bytes().enumerate() {
            let cost = usize::from(!left.eq_ignore_ascii_case(&right));
            let next = (diagonal + cost).min(row[j] + 1).min(row[j + 1] + 1);
            diagonal = row[j + 1];
            row[j + 1] = next;
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_suggested() {
        let known = ["name", "currency", "timezone"];
        assert_eq!(suggestion("curency", &known), ", did you mean `currency`?");
        assert_eq!(
            suggestion("time_zone", &known),
            ", did you mean `timezone`?"
        );
        assert_eq!(
            suggestion("qqq", &known),
            ", allowed: name, currency, timezone"
        );
        assert_eq!(suggestion(&"x".repeat(100), &["a"]), ", allowed: a");
    }

    #[test]
    fn pointers_are_escaped() {
        assert_eq!(join("/a", "b/c~d"), "/a/b~1c~0d");
    }
}
