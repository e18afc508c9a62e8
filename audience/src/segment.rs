//! Segments as dense indexes, and the dictionary between an index and its name.
//!
//! Past the parser a segment is a `u32`, so that targeting can use it as a position in a bitset
//! and the lookup can store it in two bytes. The dictionary only grows: carry it from one
//! generation to the next and an index keeps its meaning for as long as the node lives. Cost: one
//! hash and one comparison for a name, one array access for an index; each name is stored once.

use std::collections::HashMap;
use std::sync::Arc;

use thiserror::Error;

/// Longest name of a segment, in bytes.
pub const NAME_BYTES_MAX: usize = 128;

/// The dense index of a segment: the n-th name of its [`SegmentNames`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentId(pub u32);

/// Why a name is not in the dictionary.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NameError {
    /// The name has no bytes.
    #[error("segment name is empty")]
    Empty,
    /// The name is longer than [`NAME_BYTES_MAX`].
    #[error("segment name has {bytes} bytes, at most {NAME_BYTES_MAX} are allowed")]
    TooLong {
        /// Bytes found.
        bytes: usize,
    },
    /// The name holds a character that separates fields in one of the file formats.
    #[error(
        "segment name has {found:?}; white space, control characters and , ; \" are not allowed"
    )]
    Character {
        /// The first such character.
        found: char,
    },
    /// The dictionary holds as many names as it may.
    #[error("segment dictionary is full, at most {limit} names are allowed")]
    Full {
        /// Names allowed.
        limit: u32,
    },
}

/// An append-only dictionary: name ↔ [`SegmentId`], bounded in count.
///
/// Clone it to start the next generation; a clone shares the text of the names.
#[derive(Debug, Clone)]
pub struct SegmentNames {
    by_id: Vec<Arc<str>>,
    by_name: HashMap<Arc<str>, SegmentId>,
    limit: u32,
}

impl SegmentNames {
    /// An empty dictionary that accepts up to `limit` names.
    pub fn with_limit(limit: u32) -> Self {
        Self {
            by_id: Vec::new(),
            by_name: HashMap::new(),
            limit,
        }
    }

    /// Restores a dictionary from its names in index order, as [`Self::iter`] gave them.
    ///
    /// # Errors
    /// The first name that is not allowed, or too many of them. A repeated name keeps its first
    /// index, which would shift all later ones, so callers persist what `iter` yields.
    pub fn from_names<'a>(
        limit: u32,
        names: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, NameError> {
        let mut restored = Self::with_limit(limit);
        for name in names {
            restored.intern(name)?;
        }
        Ok(restored)
    }

    /// Says whether `name` may stand in a dictionary.
    ///
    /// # Errors
    /// Empty, longer than [`NAME_BYTES_MAX`], or with a character that a file format needs.
    pub fn check(name: &str) -> Result<(), NameError> {
        if name.is_empty() {
            return Err(NameError::Empty);
        }
        if name.len() > NAME_BYTES_MAX {
            return Err(NameError::TooLong { bytes: name.len() });
        }
        match name.chars().find(|&c| is_separator(c)) {
            Some(found) => Err(NameError::Character { found }),
            None => Ok(()),
        }
    }

    /// The index of `name`, appended if it is new.
    ///
    /// # Errors
    /// As [`Self::check`], or [`NameError::Full`]; the dictionary is then unchanged.
    pub fn intern(&mut self, name: &str) -> Result<SegmentId, NameError> {
        if let Some(&id) = self.by_name.get(name) {
            return Ok(id);
        }
        Self::check(name)?;
        if self.len() >= self.limit {
            return Err(NameError::Full { limit: self.limit });
        }
        let id = SegmentId(self.len());
        let text: Arc<str> = Arc::from(name);
        self.by_id.push(Arc::clone(&text));
        self.by_name.insert(text, id);
        Ok(id)
    }

    /// The index of `name`, if it has one.
    pub fn get(&self, name: &str) -> Option<SegmentId> {
        self.by_name.get(name).copied()
    }

    /// The name of `id`, if this dictionary gave it out.
    pub fn name(&self, id: SegmentId) -> Option<&str> {
        self.by_id.get(id.0 as usize).map(|name| &**name)
    }

    /// All names in index order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        self.by_id.iter().map(|name| &**name)
    }

    /// How many names it holds; also the index that the next new name gets.
    pub fn len(&self) -> u32 {
        u32::try_from(self.by_id.len()).expect("intern stops at a u32 limit")
    }

    /// Whether it holds no name.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }
}

fn is_separator(c: char) -> bool {
    c.is_whitespace() || c.is_control() || matches!(c, ',' | ';' | '"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indexes_stay_stable_from_one_generation_to_the_next() {
        let mut first = SegmentNames::with_limit(10);
        let autos = first.intern("autos").unwrap();
        let travel = first.intern("travel").unwrap();
        let mut second = first.clone();
        assert_eq!(second.intern("travel").unwrap(), travel);
        let sport = second.intern("sport").unwrap();
        assert_eq!([autos, travel, sport].map(|id| id.0), [0, 1, 2]);
        assert_eq!(second.name(sport), Some("sport"));
        assert_eq!(first.get("sport"), None);

        let restored = SegmentNames::from_names(10, second.iter()).unwrap();
        assert_eq!(restored.get("sport"), Some(sport));
        assert_eq!(restored.len(), 3);
    }

    #[test]
    fn the_count_is_bounded_and_known_names_still_resolve() {
        let mut names = SegmentNames::with_limit(2);
        names.intern("a").unwrap();
        names.intern("b").unwrap();
        assert_eq!(names.intern("c"), Err(NameError::Full { limit: 2 }));
        assert_eq!(names.intern("b"), Ok(SegmentId(1)));
        assert_eq!(names.len(), 2);
    }

    #[test]
    fn names_that_would_break_a_file_are_refused() {
        assert_eq!(SegmentNames::check(""), Err(NameError::Empty));
        for found in ['\t', ',', ';', '"', ' ', '\n', '\u{0}', '\u{a0}'] {
            let name = format!("a{found}b");
            assert_eq!(
                SegmentNames::check(&name),
                Err(NameError::Character { found })
            );
        }
        let long = "x".repeat(NAME_BYTES_MAX + 1);
        assert_eq!(
            SegmentNames::check(&long),
            Err(NameError::TooLong { bytes: 129 })
        );
        assert_eq!(SegmentNames::check("iab-4:1.2/é"), Ok(()));
    }
}
