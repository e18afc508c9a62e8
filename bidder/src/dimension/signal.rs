//! What a reader saw of one dimension, in the index's numbers.

use super::agent;
use crate::catalog::Version;
use crate::index::names::{self, Names};
use audience::SegmentId;
use openrtb::Flag;

/// The value of a request without the signal, in every dimension.
pub(crate) const MISSING: u32 = 0;

/// Longest text that is compared, in bytes; a longer one is known by no line item.
pub(crate) const MAX_TEXT: usize = 253;

/// Takes what a reader saw: values that no line item mentions are seen, and dropped.
pub(crate) struct Signal<'s> {
    names: &'s Names,
    values: &'s mut Vec<u32>,
    from: usize,
    seen: bool,
}

impl<'s> Signal<'s> {
    pub(crate) fn new(names: &'s Names, values: &'s mut Vec<u32>) -> Self {
        let from = values.len();
        Self {
            names,
            values,
            from,
            seen: false,
        }
    }

    /// Where its values begin.
    pub(crate) fn start(&self) -> u32 {
        self.from as u32
    }

    /// Ends the reading: what was not seen is missing.
    pub(crate) fn finish(self) {
        if !self.seen {
            self.values.push(MISSING);
        }
    }

    fn push(&mut self, value: Option<u32>) {
        self.seen = true;
        if let Some(value) = value
            && !self.values[self.from..].contains(&value)
        {
            self.values.push(value);
        }
    }

    /// Saw that there is a signal, whatever it is.
    pub(crate) fn present(&mut self) {
        self.seen = true;
    }

    /// Saw a text; an empty one is none.
    pub(crate) fn text(&mut self, text: &str) {
        if !text.is_empty() {
            self.push(self.names.text(text));
        }
    }

    /// Saw a text whose case does not matter.
    pub(crate) fn lower(&mut self, text: &str) {
        let text = text.trim();
        if !text.is_empty() {
            self.seen = true;
            let names = self.names;
            if let Some(value) = with_lower(text, |text| names.text(text)) {
                self.push(Some(value));
            }
        }
    }

    /// Saw a code.
    pub(crate) fn code(&mut self, code: i64) {
        self.push(self.names.code(code as u64));
    }

    /// Saw a segment of the user, each once.
    pub(crate) fn segment(&mut self, segment: SegmentId) {
        self.seen = true;
        self.values.extend(self.names.code(u64::from(segment.0)));
    }

    /// Saw a flag; where `implied`, its absence says that it is not set.
    pub(crate) fn flag(&mut self, flag: Option<Flag>, implied: bool) {
        if flag.is_some() || implied {
            self.code(i64::from(flag.is_some_and(Flag::is_set)));
        }
    }

    /// Saw a number of `bits`; beyond them it counts as the last one, below 0 it is none.
    pub(crate) fn number(&mut self, number: i64, bits: u32) {
        let Ok(number) = u32::try_from(number.min(i64::from(u32::MAX))) else {
            return;
        };
        self.seen = true;
        let number = number.min((1 << bits) - 1);
        for code in names::ranges_around(number, bits) {
            if let Some(value) = self.names.code(code) {
                self.push(Some(value));
            }
        }
    }

    /// Saw software of a name, and perhaps its version.
    pub(crate) fn software(&mut self, name: &str, version: Option<Version>) {
        let name = name.trim();
        if name.is_empty() {
            return;
        }
        self.seen = true;
        let names = self.names;
        let Some(name) = with_lower(name, |name| names.text(agent::usual(name))) else {
            return;
        };
        self.push(Some(name));
        match version {
            None => {
                if let Some(value) = names.code(names::unknown_version(name)) {
                    self.push(Some(value));
                }
            }
            Some(Version(version)) => {
                for code in names::ranges_around(version, Version::BITS) {
                    if let Some(value) = names.code(names::of_software(name, code)) {
                        self.push(Some(value));
                    }
                }
            }
        }
    }
}

/// Calls `with` with the text in lower case. A text that is too long is no text at all.
pub(crate) fn with_lower<T: Default>(text: &str, with: impl FnOnce(&str) -> T) -> T {
    if text.len() > MAX_TEXT {
        return T::default();
    }
    if text
        .bytes()
        .all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase())
    {
        return with(text);
    }
    let mut joined = Joined::default();
    joined
        .lower(text)
        .map_or_else(T::default, |()| with(joined.as_str()))
}

/// A short text that is put together without allocation.
pub(crate) struct Joined {
    bytes: [u8; 2 * MAX_TEXT],
    len: usize,
}

impl Default for Joined {
    fn default() -> Self {
        Self {
            bytes: [0; 2 * MAX_TEXT],
            len: 0,
        }
    }
}

impl Joined {
    /// Adds a text; `None` where there is no room.
    pub(crate) fn add(&mut self, text: &str) -> Option<()> {
        let place = self.bytes.get_mut(self.len..self.len + text.len())?;
        place.copy_from_slice(text.as_bytes());
        self.len += text.len();
        Some(())
    }

    /// Adds a text in lower case; `None` where there is no room.
    pub(crate) fn lower(&mut self, text: &str) -> Option<()> {
        let mut letter = [0; 4];
        for char in text.chars().flat_map(char::to_lowercase) {
            self.add(char.encode_utf8(&mut letter))?;
        }
        Some(())
    }

    /// The beginning of `len` bytes, where a letter ends there.
    pub(crate) fn beginning(&self, len: usize) -> Option<&str> {
        self.as_str().get(..len)
    }

    pub(crate) fn as_str(&self) -> &str {
        // Only whole texts are ever added.
        std::str::from_utf8(&self.bytes[..self.len]).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lower_case_is_bounded_and_knows_every_alphabet() {
        assert_eq!(with_lower("News.É", str::to_owned), "news.é");
        assert_eq!(with_lower(&"A".repeat(300), str::to_owned), "");
        assert_eq!(with_lower("plain", str::to_owned), "plain");
    }

    #[test]
    fn texts_are_joined_while_there_is_room() {
        let mut joined = Joined::default();
        assert_eq!(joined.add("FRA:"), Some(()));
        assert_eq!(joined.lower("Évry"), Some(()));
        assert_eq!(joined.as_str(), "FRA:évry");
        assert_eq!(joined.beginning(4), Some("FRA:"));
        assert_eq!(joined.beginning(5), None);
        assert_eq!(joined.add(&"x".repeat(500)), None);
    }

    #[test]
    fn nothing_seen_is_missing_and_something_unknown_is_not() {
        let mut names = Names::default();
        let known = names.add_text("known");
        let read = |text: &str| {
            let mut values = vec![7];
            let mut signal = Signal::new(&names, &mut values);
            signal.text(text);
            signal.text(text);
            signal.finish();
            values
        };
        assert_eq!(read(""), [7, MISSING]);
        assert_eq!(read("other"), [7]);
        assert_eq!(read("known"), [7, known]);
    }
}
