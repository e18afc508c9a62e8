//! Floor rules as a lookup: from the values of a request's fields to a price.
//!
//! Rules are numbered in the order in which they are tried: fewest wildcards first, among equals
//! the left-most specific. For each field the table knows which rules a value admits, as a set
//! of those numbers; the intersection over the fields has the matching rules, and its first
//! member is the answer. So the cost depends on the number of rules and fields alone, not on how
//! many patterns of wildcards the rules use: 64 rules and a field take one instruction.

use super::field::{Field, MAX_FIELDS};
use super::schema::MAX_RULES;
use foldhash::fast::RandomState;
use ledger::Cpm;
use std::collections::{HashMap, HashSet};

type Map<K, V> = HashMap<K, V, RandomState>;

/// A rule that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit<'r> {
    /// The rule as the publisher wrote it.
    pub rule: &'r str,
    /// Its price.
    pub price: Cpm,
}

/// Why a rule is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// It has another number of parts than there are fields.
    Parts(usize),
    /// An earlier rule matches the same values.
    Repeated,
    /// A part that its field never has.
    Value {
        /// Place of the field.
        field: usize,
        /// What is allowed.
        allowed: String,
    },
    /// There are [`MAX_RULES`] already.
    TooMany,
}

/// The rules of one model group.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    fields: Vec<Field>,
    /// In the order in which they are tried.
    ranked: Vec<(Box<str>, Cpm)>,
    /// What each field admits.
    dimensions: Vec<Dimension>,
}

/// Which rules the values of one field admit.
#[derive(Clone, Debug, Default)]
struct Dimension {
    named: Map<Box<str>, Admitted>,
    /// The rules with a wildcard.
    any: Box<[u64]>,
}

/// The rules that name a value.
#[derive(Clone, Debug)]
enum Admitted {
    /// A short list, to be joined with the wildcards.
    Few(Box<[u16]>),
    /// A set that has the wildcards already.
    Many(Box<[u64]>),
}

/// The longest list; a longer one would cost more than a set.
const FEW: usize = 32;
const BITS: usize = u64::BITS as usize;
/// Words of a set of all rules.
const WORDS: usize = MAX_RULES.div_ceil(BITS);

impl Rules {
    /// The fields, in the order of the rules' parts.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// How many rules there are.
    pub fn len(&self) -> usize {
        self.ranked.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ranked.is_empty()
    }

    /// Finds the first rule that matches. `admits` reads the request's value of a field into the
    /// reader that it is given, or nothing where the request has none.
    pub(super) fn find(&self, mut value: impl FnMut(Field, &mut Probe<'_>)) -> Option<Hit<'_>> {
        let words = self.ranked.len().div_ceil(BITS);
        if words == 0 {
            return None;
        }
        let mut left = [0; WORDS];
        let left = &mut left[..words];
        for (index, (field, dimension)) in self.fields.iter().zip(&self.dimensions).enumerate() {
            let mut probe = Probe {
                dimension,
                found: None,
            };
            value(*field, &mut probe);
            let found = probe.found;
            if index == 0 {
                dimension.begin(found, left);
            } else {
                dimension.narrow(found, left);
            }
        }
        let word = left.iter().position(|word| *word != 0)?;
        let first = word * BITS + left[word].trailing_zeros() as usize;
        let (rule, price) = &self.ranked[first];
        Some(Hit {
            rule,
            price: *price,
        })
    }
}

/// Takes a request's value of one field.
pub(super) struct Probe<'d> {
    dimension: &'d Dimension,
    found: Option<&'d Admitted>,
}

impl Probe<'_> {
    /// The value, in any case.
    pub(super) fn is(&mut self, text: &str) {
        let mut lowered = [0; 128];
        self.found = match lowered.get_mut(..text.len()) {
            Some(lowered) if text.is_ascii() => {
                lowered.copy_from_slice(text.as_bytes());
                lowered.make_ascii_lowercase();
                let text = std::str::from_utf8(lowered).unwrap_or_default();
                self.dimension.named.get(text)
            }
            // Other scripts and overlong texts are rare, and cost an allocation.
            _ => self.dimension.named.get(text.to_lowercase().as_str()),
        };
    }
}

impl Dimension {
    /// The set of the first field.
    fn begin(&self, found: Option<&Admitted>, left: &mut [u64]) {
        match found {
            Some(Admitted::Many(many)) => left.copy_from_slice(many),
            Some(Admitted::Few(few)) => {
                left.copy_from_slice(&self.any);
                for rule in few {
                    set(left, *rule);
                }
            }
            None => left.copy_from_slice(&self.any),
        }
    }

    /// Takes away what the field does not admit.
    fn narrow(&self, found: Option<&Admitted>, left: &mut [u64]) {
        match found {
            Some(Admitted::Many(many)) => intersect(left, many),
            Some(Admitted::Few(few)) => {
                // Which of the few are still in, one bit each: there are at most 32.
                let mut kept = 0_u32;
                for (index, rule) in few.iter().enumerate() {
                    kept |= u32::from(is_set(left, *rule)) << index;
                }
                intersect(left, &self.any);
                while kept != 0 {
                    set(left, few[kept.trailing_zeros() as usize]);
                    kept &= kept - 1;
                }
            }
            None => intersect(left, &self.any),
        }
    }
}

fn intersect(left: &mut [u64], right: &[u64]) {
    for (left, right) in left.iter_mut().zip(right) {
        *left &= right;
    }
}

fn set(bits: &mut [u64], rule: u16) {
    bits[usize::from(rule) / BITS] |= 1 << (usize::from(rule) % BITS);
}

fn is_set(bits: &[u64], rule: u16) -> bool {
    bits[usize::from(rule) / BITS] >> (usize::from(rule) % BITS) & 1 == 1
}

/// Rules that are being gathered.
#[derive(Debug)]
pub struct Builder {
    fields: Vec<Field>,
    /// Parts, text and price; an empty part is a wildcard.
    rules: Vec<(Vec<Part>, Box<str>, Cpm)>,
    seen: HashSet<Vec<Part>>,
}

/// A part of a rule; `None` is a wildcard.
type Part = Option<Box<str>>;

impl Builder {
    /// No rules yet over `fields`, at most [`MAX_FIELDS`].
    pub fn new(fields: Vec<Field>) -> Self {
        assert!(fields.len() <= MAX_FIELDS, "a schema names each field once");
        Self {
            fields,
            rules: Vec::new(),
            seen: HashSet::new(),
        }
    }

    /// The fields, in the order of the rules' parts.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// Adds a rule, written as its parts joined by `delimiter`.
    ///
    /// # Errors
    /// Why the rule is of no use; it is not added.
    pub fn insert(&mut self, rule: &str, delimiter: char, price: Cpm) -> Result<(), Unusable> {
        if self.rules.len() >= MAX_RULES {
            return Err(Unusable::TooMany);
        }
        let lowered = rule.to_lowercase();
        let texts: Vec<&str> = lowered.split(delimiter).map(str::trim).collect();
        if texts.len() != self.fields.len() {
            return Err(Unusable::Parts(texts.len()));
        }
        let mut parts = Vec::with_capacity(texts.len());
        for (index, text) in texts.into_iter().enumerate() {
            let part = if text == "*" {
                None
            } else {
                let canonical = self.fields[index].canonical(text);
                let canonical = canonical.map_err(|allowed| Unusable::Value {
                    field: index,
                    allowed,
                })?;
                Some(canonical.into_boxed_str())
            };
            parts.push(part);
        }
        if !self.seen.insert(parts.clone()) {
            return Err(Unusable::Repeated);
        }
        self.rules.push((parts, rule.into(), price));
        Ok(())
    }

    /// The lookup.
    pub fn build(mut self) -> Rules {
        // `false`, a specific part, sorts before `true`, from the left.
        self.rules.sort_by_cached_key(|(parts, ..)| {
            let wildcards: Vec<bool> = parts.iter().map(Option::is_none).collect();
            (wildcards.iter().filter(|wild| **wild).count(), wildcards)
        });
        let words = self.rules.len().div_ceil(BITS);
        let dimensions = (0..self.fields.len()).map(|field| {
            let mut any = vec![0; words];
            let mut named: Map<Box<str>, Vec<u16>> = Map::default();
            for (number, (parts, ..)) in (0_u16..).zip(&self.rules) {
                match &parts[field] {
                    None => set(&mut any, number),
                    Some(text) => named.entry(text.clone()).or_default().push(number),
                }
            }
            let named = named.into_iter().map(|(text, rules)| {
                let admitted = if rules.len() <= FEW {
                    Admitted::Few(rules.into())
                } else {
                    let mut many = any.clone();
                    for rule in rules {
                        set(&mut many, rule);
                    }
                    Admitted::Many(many.into())
                };
                (text, admitted)
            });
            Dimension {
                named: named.collect(),
                any: any.into(),
            }
        });
        Rules {
            dimensions: dimensions.collect(),
            fields: self.fields,
            ranked: self
                .rules
                .into_iter()
                .map(|(_, text, price)| (text, price))
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests;
