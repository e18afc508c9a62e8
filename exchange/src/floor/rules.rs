//! Floor rules as a lookup: from the values of a request's fields to a price.
//!
//! Rules are numbered in the order in which they are tried: fewest wildcards first, among equals
//! the left-most specific. For each field the table knows which rules a value admits, as a set
//! of those numbers; the intersection over the fields has the matching rules, and its first
//! member is the answer. So the cost depends on the number of rules and fields alone, not on how
//! many patterns of wildcards the rules use: a block of 512 rules and a field take a few
//! instructions, and the search ends with the first block that has a match.

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
    /// When it is asked: the field that admits the fewest rules comes first, so that most blocks
    /// are done with at once.
    turn: usize,
    /// The rules with a wildcard.
    any: Box<[Block]>,
}

/// The rules that name a value.
#[derive(Clone, Debug)]
enum Admitted {
    /// A short list, to be joined with the wildcards.
    Few(Box<[u16]>),
    /// A set that has the wildcards already.
    Many(Box<[Block]>),
}

/// The longest list; a longer one would cost more than a set.
const FEW: usize = 32;
const BITS: usize = u64::BITS as usize;
/// Words of a block. Sets are whole blocks.
const BLOCK: usize = 8;
const BLOCK_RULES: usize = BLOCK * BITS;

type Block = [u64; BLOCK];

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

    /// Finds the first rule that matches. `value` tells the probe the request's value of a field,
    /// or nothing where the request has none.
    pub(super) fn find(&self, mut value: impl FnMut(Field, &mut Probe<'_>)) -> Option<Hit<'_>> {
        if self.ranked.is_empty() {
            return None;
        }
        let mut admits = [Admits::default(); MAX_FIELDS];
        let admits = &mut admits[..self.fields.len()];
        for (field, dimension) in self.fields.iter().zip(&self.dimensions) {
            let mut probe = Probe {
                dimension,
                found: None,
            };
            value(*field, &mut probe);
            admits[dimension.turn] = dimension.admits(probe.found);
        }
        for block in 0..self.ranked.len().div_ceil(BLOCK_RULES) {
            let Some(first) = first_of_all(admits, block) else {
                continue;
            };
            let (rule, price) = &self.ranked[block * BLOCK_RULES + first];
            return Some(Hit {
                rule,
                price: *price,
            });
        }
        None
    }
}

/// The place in a block of the first rule that every field admits. Blocks come in order.
fn first_of_all(admits: &mut [Admits<'_>], block: usize) -> Option<usize> {
    let mut left = [u64::MAX; BLOCK];
    for field in admits {
        left = if field.list.is_empty() {
            both(&left, &field.set[block])
        } else {
            both(&left, &field.joined(block))
        };
        if is_empty(&left) {
            return None;
        }
    }
    let word = left.iter().position(|word| *word != 0)?;
    Some(word * BITS + left[word].trailing_zeros() as usize)
}

fn is_empty(block: &Block) -> bool {
    // In halves, as vectors are folded.
    let half: [u64; BLOCK / 2] = std::array::from_fn(|word| block[word] | block[word + BLOCK / 2]);
    half.iter().fold(0, |any, word| any | word) == 0
}

fn both(one: &Block, other: &Block) -> Block {
    std::array::from_fn(|word| one[word] & other[word])
}

/// What a field admits for one request, walked through block by block.
#[derive(Clone, Copy, Default)]
struct Admits<'d> {
    set: &'d [Block],
    /// Rules besides the set; those of earlier blocks may be gone.
    list: &'d [u16],
}

impl Admits<'_> {
    /// A block of the set with the rules of the list.
    fn joined(&mut self, block: usize) -> Block {
        let mut set = self.set[block];
        let begin = block * BLOCK_RULES;
        while let Some((rule, rest)) = self.list.split_first() {
            let rule = usize::from(*rule);
            if rule >= begin + BLOCK_RULES {
                break;
            }
            if let Some(place) = rule.checked_sub(begin) {
                set[place / BITS] |= 1 << (place % BITS);
            }
            self.list = rest;
        }
        set
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
        let named = &self.dimension.named;
        // Without a way out the loop is done on many bytes at once.
        let odd = text.bytes().fold(false, |odd, byte| {
            odd | byte.is_ascii_uppercase() | !byte.is_ascii()
        });
        if !odd {
            self.found = named.get(text);
            return;
        }
        let mut lowered = [0; 64];
        self.found = match lowered.get_mut(..text.len()) {
            Some(lowered) if text.is_ascii() => {
                lowered.copy_from_slice(text.as_bytes());
                lowered.make_ascii_lowercase();
                named.get(std::str::from_utf8(lowered).unwrap_or_default())
            }
            // Other scripts and long texts are rare, and cost an allocation.
            _ => named.get(text.to_lowercase().as_str()),
        };
    }
}

impl Dimension {
    /// About how many of `rules` it admits: those with a wildcard, and an even share of the rest.
    fn admitted(&self, rules: usize) -> usize {
        let any = self.any.iter().flatten();
        let any: usize = any.map(|word| word.count_ones() as usize).sum();
        any + (rules - any) / self.named.len().max(1)
    }

    fn admits<'d>(&'d self, found: Option<&'d Admitted>) -> Admits<'d> {
        match found {
            Some(Admitted::Many(many)) => Admits {
                set: many,
                list: &[],
            },
            Some(Admitted::Few(few)) => Admits {
                set: &self.any,
                list: few,
            },
            None => Admits {
                set: &self.any,
                list: &[],
            },
        }
    }
}

fn set(blocks: &mut [Block], rule: u16) {
    let rule = usize::from(rule);
    let block = &mut blocks[rule / BLOCK_RULES];
    block[rule % BLOCK_RULES / BITS] |= 1 << (rule % BITS);
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
        let blocks = self.rules.len().div_ceil(BLOCK_RULES);
        let dimensions = (0..self.fields.len()).map(|field| self.dimension(field, blocks));
        let mut dimensions: Vec<Dimension> = dimensions.collect();
        let mut order: Vec<usize> = (0..dimensions.len()).collect();
        order.sort_by_key(|field| dimensions[*field].admitted(self.rules.len()));
        for (turn, field) in order.into_iter().enumerate() {
            dimensions[field].turn = turn;
        }
        Rules {
            dimensions,
            fields: self.fields,
            ranked: self
                .rules
                .into_iter()
                .map(|(_, text, price)| (text, price))
                .collect(),
        }
    }

    fn dimension(&self, field: usize, blocks: usize) -> Dimension {
        let mut any = vec![[0; BLOCK]; blocks];
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
            turn: field,
            any: any.into(),
        }
    }
}

#[cfg(test)]
mod tests;
