//! What a reader saw of one dimension, in the index's numbers.

use super::agent;
use super::inventory::suffixes;
use crate::catalog::Version;
use crate::index::names::{self, Names};
use audience::SegmentId;
use openrtb::Flag;

/// The value of a request without the signal, in every dimension.
pub(crate) const MISSING: u32 = 0;

/// Longest text that is compared, in bytes; a longer one is known by no line item.
const MAX_TEXT: usize = 253;

/// Takes what a reader saw: values that no line item mentions are seen, and dropped.
pub(crate) struct Signal<'s> {
    names: &'s Names,
    values: &'s mut Vec<u32>,
    scratch: &'s mut String,
    from: usize,
    seen: bool,
}

impl<'s> Signal<'s> {
    pub(crate) fn new(names: &'s Names, values: &'s mut Vec<u32>, scratch: &'s mut String) -> Self {
        let from = values.len();
        Self {
            names,
            values,
            scratch,
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

    /// Saw a text that is put together.
    pub(crate) fn joined(&mut self, parts: &[&str]) {
        self.seen = true;
        if join(parts, self.scratch) {
            self.push(self.names.text(self.scratch));
        }
    }

    /// Saw a text whose case does not matter.
    pub(crate) fn lower(&mut self, text: &str) {
        let text = text.trim();
        if !text.is_empty() {
            self.lower_joined(&[text]);
        }
    }

    /// Saw a text that is put together, and whose case does not matter.
    pub(crate) fn lower_joined(&mut self, parts: &[&str]) {
        self.seen = true;
        if join(parts, self.scratch) {
            lower(self.scratch);
            self.push(self.names.text(self.scratch));
        }
    }

    /// Saw a domain, and so every domain above it: `a.b.c`, `b.c`, `c`.
    pub(crate) fn domain(&mut self, host: &str) {
        self.seen = true;
        if join(&[host], self.scratch) {
            lower(self.scratch);
            let scratch = std::mem::take(self.scratch);
            suffixes(&scratch).for_each(|domain| self.text(domain));
            *self.scratch = scratch;
        }
    }

    /// Saw a text that is put together, and all its beginnings of `least` bytes or more, to which
    /// a star is added.
    pub(crate) fn beginnings(&mut self, parts: &[&str], least: usize) {
        self.seen = true;
        if !join(parts, self.scratch) {
            return;
        }
        lower(self.scratch);
        self.push(self.names.text(self.scratch));
        for end in (least..=self.scratch.len()).rev() {
            if self.scratch.is_char_boundary(end) {
                self.scratch.truncate(end);
                self.scratch.push('*');
                self.push(self.names.text(self.scratch));
                self.scratch.pop();
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
        let known = join(&[name], self.scratch).then(|| {
            lower(self.scratch);
            names.text(agent::usual(self.scratch))
        });
        let Some(name) = known.flatten() else { return };
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

/// Joins texts, unless they are too long together.
fn join(parts: &[&str], joined: &mut String) -> bool {
    joined.clear();
    let length: usize = parts.iter().map(|part| part.len()).sum();
    if length <= MAX_TEXT {
        joined.extend(parts.iter().copied());
    }
    length <= MAX_TEXT
}

/// Makes a text lower case in every alphabet.
fn lower(text: &mut String) {
    if text.is_ascii() {
        text.make_ascii_lowercase();
    } else {
        *text = text.to_lowercase();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_bounded_and_lower_in_every_alphabet() {
        let mut joined = String::new();
        assert!(join(&["News.", "É"], &mut joined));
        lower(&mut joined);
        assert_eq!(joined, "news.é");
        assert!(!join(&[&"A".repeat(300)], &mut joined) && joined.is_empty());
    }

    #[test]
    fn beginnings_end_between_letters() {
        let mut names = Names::default();
        let known = ["ab:é1", "ab:é*", "ab:é1*"].map(|text| names.add_text(text));
        let (mut values, mut scratch) = (Vec::new(), String::new());
        let mut signal = Signal::new(&names, &mut values, &mut scratch);
        signal.beginnings(&["AB:", "É", "1"], 4);
        signal.finish();
        assert_eq!(values, [known[0], known[2], known[1]]);
    }

    #[test]
    fn nothing_seen_is_missing_and_something_unknown_is_not() {
        let mut names = Names::default();
        let known = names.add_text("known");
        let read = |text: &str| {
            let (mut values, mut scratch) = (vec![7], String::new());
            let mut signal = Signal::new(&names, &mut values, &mut scratch);
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
