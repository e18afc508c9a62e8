//! The values of one dimension that line items mention, by number.
//!
//! Ranges become values too: a range of numbers is cut into at most two aligned blocks of each
//! power of two, and a request's number is in one block of each. So a range costs a line item
//! some `2 × bits` entries, and a request `bits + 1` lookups, however many ranges there are.

use crate::catalog::{Kind, Missing, Value, Version};
use crate::dimension::{MISSING, agent, place};
use foldhash::fast::FixedState;
use std::collections::HashMap;

/// Values by name. Number 0 is the value of a request without the signal.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    texts: HashMap<Box<str>, u32, FixedState>,
    codes: HashMap<u64, u32, FixedState>,
}

impl Names {
    /// How many values there are, the missing one among them.
    pub(crate) fn len(&self) -> usize {
        1 + self.texts.len() + self.codes.len()
    }

    /// The value of a text that some line item mentions.
    #[inline]
    pub(crate) fn text(&self, text: &str) -> Option<u32> {
        self.texts.get(text).copied()
    }

    /// The value of a code that some line item mentions.
    #[inline]
    pub(crate) fn code(&self, code: u64) -> Option<u32> {
        self.codes.get(&code).copied()
    }

    /// The value of a text, a new one where it has none.
    pub(crate) fn add_text(&mut self, text: &str) -> u32 {
        let next = self.len() as u32;
        *self.texts.entry(Box::from(text)).or_insert(next)
    }

    /// The value of a code, a new one where it has none.
    pub(crate) fn add_code(&mut self, code: u64) -> u32 {
        let next = self.len() as u32;
        *self.codes.entry(code).or_insert(next)
    }

    fn add_software(&mut self, name: &str) -> u32 {
        self.add_text(agent::usual(&name.trim().to_lowercase()))
    }

    /// The values that stand for a side of a rule: a request with any of them is concerned.
    pub(crate) fn add_side(
        &mut self,
        kind: Kind,
        side: &[Value],
        unknown_versions: bool,
    ) -> Vec<u32> {
        let mut values = Vec::new();
        for value in side {
            self.add_value(kind, value, unknown_versions, &mut values);
        }
        values.sort_unstable();
        values.dedup();
        values
    }

    fn add_value(&mut self, kind: Kind, value: &Value, unknown: bool, values: &mut Vec<u32>) {
        match value {
            Value::Text(text) if kind == Kind::Text => values.push(self.add_text(text)),
            // As requests carry most of them, without the first taxonomy's number.
            Value::Text(text) if kind == Kind::Category => {
                values.push(self.add_text(text.strip_prefix("1:").unwrap_or(text)));
            }
            Value::Text(text) => values.push(self.add_text(&text.trim().to_lowercase())),
            Value::Bundle(bundle) => values.push(self.add_text(&format!("/{bundle}"))),
            Value::Code(code) => values.push(self.add_code(*code as u64)),
            Value::Named(name) => values.push(self.add_software(name)),
            Value::Numbers(from, to) => {
                let Kind::Number { bits } = kind else { return };
                let last = (1 << bits) - 1;
                let blocks = blocks((*from).min(last), (*to).min(last), bits);
                values.extend(blocks.into_iter().map(|code| self.add_code(code)));
            }
            Value::Versions(name, from, to) => {
                let name = self.add_software(name);
                for code in blocks(from.0, to.0, Version::BITS) {
                    values.push(self.add_code(of_software(name, code)));
                }
                if unknown {
                    values.push(self.add_code(unknown_version(name)));
                }
            }
            Value::Circle(circle) => {
                for code in place::cells_of(circle) {
                    values.push(self.add_code(code));
                }
            }
        }
    }
}

/// What a line item asks for and refuses in a dimension, by the numbers of the values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sides {
    /// `None` where it asks for nothing.
    pub(crate) asked: Option<Vec<u32>>,
    pub(crate) refused: Vec<u32>,
}

impl Sides {
    /// The sides of a rule whose values are known by number already.
    pub(crate) fn new(mut asked: Vec<u32>, open: bool, mut refused: Vec<u32>, of: Missing) -> Self {
        match of {
            Missing::Serve if !open => asked.push(MISSING),
            Missing::Skip if open => refused.push(MISSING),
            Missing::Serve | Missing::Skip => {}
        }
        // A line item is counted once for each value, however often its rule names it.
        for side in [&mut asked, &mut refused] {
            side.sort_unstable();
            side.dedup();
        }
        Self {
            asked: (!open).then_some(asked),
            refused,
        }
    }

    /// Whether a request with these values passes.
    pub(crate) fn admits(&self, values: &[u32]) -> bool {
        let among = |list: &Vec<u32>| values.iter().any(|value| list.binary_search(value).is_ok());
        self.asked.as_ref().is_none_or(among) && !among(&self.refused)
    }

    /// Whether it asks for a value.
    pub(crate) fn asks(&self, value: u32) -> bool {
        self.asked
            .as_ref()
            .is_some_and(|asked| asked.contains(&value))
    }
}

/// The code of one block of `2^level` numbers.
fn block(level: u32, number: u32) -> u64 {
    u64::from(level) << 24 | u64::from(number >> level)
}

/// Every block that a number of `bits` is in.
pub(crate) fn ranges_around(number: u32, bits: u32) -> impl Iterator<Item = u64> {
    (0..=bits).map(move |level| block(level, number))
}

/// The fewest blocks that make up the numbers from `from` to `to`.
fn blocks(from: u32, to: u32, bits: u32) -> Vec<u64> {
    let (mut at, to) = (u64::from(from), u64::from(to));
    let mut blocks = Vec::new();
    while at <= to {
        let aligned = at.trailing_zeros().min(bits);
        let level = (0..=aligned)
            .rev()
            .find(|level| at + (1 << level) - 1 <= to)
            .unwrap_or(0);
        blocks.push(block(level, at as u32));
        at += 1 << level;
    }
    blocks
}

/// The code of a block of versions of one piece of software.
pub(crate) fn of_software(name: u32, block: u64) -> u64 {
    u64::from(name) << 32 | block
}

/// The code of one piece of software whose version is not said.
pub(crate) fn unknown_version(name: u32) -> u64 {
    of_software(name, 31 << 24)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_number_shares_a_block_with_the_ranges_around_it(
            one in 0_u32..1 << 12, other in 0_u32..1 << 12, number in 0_u32..1 << 12,
        ) {
            let (from, to) = (one.min(other), one.max(other));
            let range = blocks(from, to, 12);
            prop_assert!(range.len() <= 24);
            let shared = ranges_around(number, 12).filter(|code| range.contains(code)).count();
            // Blocks do not overlap, so it is in one of them at most.
            prop_assert_eq!(shared, usize::from((from..=to).contains(&number)));
        }
    }

    #[test]
    fn everything_is_one_block() {
        assert_eq!(blocks(0, (1 << 24) - 1, 24).len(), 1);
        assert_eq!(blocks(5, 5, 24), [block(0, 5)]);
    }

    #[test]
    fn texts_and_codes_share_their_numbers() {
        let mut names = Names::default();
        let (text, code) = (names.add_text("a"), names.add_code(7));
        assert_eq!((text, code, names.add_text("a")), (1, 2, 1));
        assert_eq!((names.text("a"), names.code(7)), (Some(1), Some(2)));
        assert_eq!(
            (names.text("b"), names.code(8), names.len()),
            (None, None, 3)
        );
    }
}
