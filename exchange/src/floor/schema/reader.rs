//! Reads single values, and gathers what is wrong with its place.

use crate::catalog::Invalid;
use crate::floor::{MAX_RULES, Silent};
use ledger::{Cpm, Currency};
use serde_json::{Map, Value};
use std::ops::RangeInclusive;

/// The most faults and notes that are told one by one.
const MOST_TOLD: usize = 100;

/// The most partners of a list.
const MOST_SILENT: usize = 64;

pub(super) struct Reader {
    faults: Vec<Invalid>,
    notes: Vec<Invalid>,
    untold: usize,
    /// Whether what is of no use is a fault.
    pub(super) is_strict: bool,
    /// How many more rules are taken.
    pub(super) rules_left: usize,
    pub(super) max_rules: usize,
    pub(super) has_too_many_rules: bool,
}

/// Fields that say where a file came from, or speak to browsers.
const WITHOUT_EFFECT: [&str; 6] = [
    "floorProvider",
    "modelTimestamp",
    "modelVersion",
    "location",
    "fetchStatus",
    "skipped",
];

impl Reader {
    pub(super) fn strict() -> Self {
        Self::new(true, MAX_RULES)
    }

    pub(super) fn lenient(max_rules: usize) -> Self {
        Self::new(false, max_rules.min(MAX_RULES))
    }

    fn new(is_strict: bool, max_rules: usize) -> Self {
        Self {
            faults: Vec::new(),
            notes: Vec::new(),
            untold: 0,
            is_strict,
            rules_left: max_rules,
            max_rules,
            has_too_many_rules: false,
        }
    }

    /// Everything that is wrong, the first hundred one by one.
    pub(super) fn into_faults(mut self) -> Vec<Invalid> {
        if self.untold > 0 && !self.faults.is_empty() {
            let problem = format!("{} further faults are not shown", self.untold);
            self.faults.push(Invalid::new("", problem));
        }
        self.faults
    }

    pub(super) fn take_notes(&mut self) -> Vec<Invalid> {
        std::mem::take(&mut self.notes)
    }

    pub(super) fn fault(&mut self, pointer: &str, problem: impl Into<String>) {
        if self.faults.len() < MOST_TOLD {
            self.faults.push(Invalid::new(pointer, problem));
        } else {
            self.untold += 1;
        }
    }

    /// Tells of what is of no use: a fault in a file of ours, a note in anybody else's.
    pub(super) fn useless(&mut self, pointer: &str, problem: impl Into<String>) {
        if self.is_strict {
            self.fault(pointer, problem);
        } else if self.notes.len() < MOST_TOLD {
            self.notes.push(Invalid::new(pointer, problem));
        }
    }

    /// Turns the faults since `before` into notes, and says whether there were any.
    pub(super) fn forgive(&mut self, before: usize) -> bool {
        let faults = self.faults.split_off(before);
        let any = !faults.is_empty();
        let room = MOST_TOLD.saturating_sub(self.notes.len());
        self.notes.extend(faults.into_iter().take(room));
        any
    }

    pub(super) fn fault_count(&self) -> usize {
        self.faults.len()
    }

    pub(super) fn object<'v>(
        &mut self,
        pointer: &str,
        value: &'v Value,
        known: &[&str],
    ) -> Option<&'v Map<String, Value>> {
        let Some(object) = value.as_object() else {
            self.fault(pointer, "expected an object");
            return None;
        };
        for name in object.keys() {
            if !known.contains(&name.as_str()) && !WITHOUT_EFFECT.contains(&name.as_str()) {
                let problem = format!("unknown field, expected one of {}", known.join(", "));
                self.useless(&join(pointer, name), problem);
            }
        }
        Some(object)
    }

    fn read<'v, T>(
        &mut self,
        at: &str,
        object: &'v Map<String, Value>,
        name: &str,
        expected: &str,
        read: impl FnOnce(&'v Value) -> Option<T>,
    ) -> Option<T> {
        let value = object.get(name).filter(|value| !value.is_null())?;
        let found = read(value);
        if found.is_none() {
            let problem = format!("expected {expected}, found {}", shown(value));
            self.fault(&join(at, name), problem);
        }
        found
    }

    pub(super) fn flag(
        &mut self,
        at: &str,
        object: &Map<String, Value>,
        name: &str,
    ) -> Option<bool> {
        self.read(at, object, name, "true or false", Value::as_bool)
    }

    pub(super) fn percent(
        &mut self,
        at: &str,
        object: &Map<String, Value>,
        name: &str,
    ) -> Option<u8> {
        self.whole(at, object, name, 0..=100)
            .map(|percent| percent as u8)
    }

    pub(super) fn whole(
        &mut self,
        at: &str,
        object: &Map<String, Value>,
        name: &str,
        range: RangeInclusive<u32>,
    ) -> Option<u32> {
        let expected = format!("{} to {}", range.start(), range.end());
        self.read(at, object, name, &expected, |value| {
            let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
            number.filter(|number| range.contains(number))
        })
    }

    pub(super) fn currency(
        &mut self,
        at: &str,
        object: &Map<String, Value>,
        name: &str,
    ) -> Option<Currency> {
        self.read(at, object, name, "a currency code such as EUR", |value| {
            value.as_str()?.parse().ok()
        })
    }

    pub(super) fn choice<'v>(
        &mut self,
        at: &str,
        object: &'v Map<String, Value>,
        name: &str,
        known: &[&str],
    ) -> Option<&'v str> {
        let expected = known.join(" or ");
        self.read(at, object, name, &expected, |value| {
            value.as_str().filter(|text| known.contains(text))
        })
    }

    pub(super) fn price(&mut self, at: &str, value: Option<&Value>) -> Option<Cpm> {
        let value = value.filter(|value| !value.is_null())?;
        let price = value.as_f64().and_then(crate::price::from_wire);
        if price.is_none() {
            let problem = format!("expected a price of 0 or more, found {}", shown(value));
            self.fault(at, problem);
        }
        price
    }

    /// `noFloorSignalBidders`.
    pub(super) fn silent(&mut self, at: &str, object: &Map<String, Value>) -> Option<Silent> {
        let name = "noFloorSignalBidders";
        let expected = format!("a list of at most {MOST_SILENT} partners");
        self.read(at, object, name, &expected, |value| {
            let list = value.as_array().filter(|list| list.len() <= MOST_SILENT)?;
            let names = list.iter().map(|name| name.as_str().map(Into::into));
            names.collect::<Option<_>>().map(Silent)
        })
    }
}

/// A value for a message, cut short.
pub(super) fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(64) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// A JSON pointer (RFC 6901) one level deeper.
pub(super) fn join(at: &str, name: &str) -> String {
    format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"))
}
