//! Floor rules as a lookup: from the values of a request's fields to a price.
//!
//! A table holds one map for each pattern of wildcards that its rules use, in the order in which
//! patterns are tried, so that a lookup costs one hash per pattern in use and not one per
//! pattern that is possible. Values are interned per field: a value that no rule names cannot
//! match and costs no lookup at all.

use foldhash::fast::RandomState;
use ledger::Cpm;
use std::borrow::Cow;
use std::collections::HashMap;

type Map<K, V> = HashMap<K, V, RandomState>;

/// The most fields of a rule: each field of the schema once.
pub const MAX_FIELDS: usize = 11;

/// A field that rules can match on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// Domain of the site, application or screen.
    SiteDomain,
    /// Domain of the publisher object.
    PubDomain,
    /// Domain of the site or, failing that, of the publisher object.
    Domain,
    /// Bundle of the application.
    Bundle,
    /// Name of the integration channel.
    Channel,
    /// The imp's format.
    MediaType,
    /// The imp's size as `WxH`.
    Size,
    /// Slot of the ad server.
    GptSlot,
    /// The ad unit's code.
    AdUnitCode,
    /// The country, ISO 3166-1 alpha-3.
    Country,
    /// `phone`, `tablet` or `desktop`.
    DeviceType,
}

impl Field {
    /// Every field with its name in the schema.
    pub const ALL: [(&'static str, Field); MAX_FIELDS] = [
        ("siteDomain", Field::SiteDomain),
        ("pubDomain", Field::PubDomain),
        ("domain", Field::Domain),
        ("bundle", Field::Bundle),
        ("channel", Field::Channel),
        ("mediaType", Field::MediaType),
        ("size", Field::Size),
        ("gptSlot", Field::GptSlot),
        ("adUnitCode", Field::AdUnitCode),
        ("country", Field::Country),
        ("deviceType", Field::DeviceType),
    ];

    /// The field of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, field)| *field)
    }
}

/// A rule that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit {
    /// Which rule, counted in the alphabetical order of the group's rules.
    pub rule: u32,
    /// Its price.
    pub price: Cpm,
}

/// The rules of one model group.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    fields: Vec<Field>,
    /// What the rules name, per field.
    values: Vec<Map<Box<str>, u32>>,
    /// Tables by wildcard pattern, the most specific first.
    tables: Vec<(Pattern, Table)>,
}

/// Rules of one pattern, by the numbers of their values.
type Table = Map<Box<[u32]>, Hit>;

/// Which fields are wildcards, the left-most field in the highest bit, so that the numeric order
/// among patterns with the same number of wildcards keeps left-most values specific.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pattern(u32);

impl Pattern {
    fn rank(self) -> (u32, u32) {
        (self.0.count_ones(), self.0)
    }

    fn is_wildcard(self, field: usize, fields: usize) -> bool {
        self.0 >> (fields - 1 - field) & 1 == 1
    }
}

/// Why a rule is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// It has another number of parts than there are fields.
    Parts(usize),
    /// An earlier rule matches the same values.
    Repeated,
}

/// A wildcard's place in a key; values are numbered from 1.
const ANY: u32 = 0;

impl Rules {
    /// No rules yet over `fields`, at most [`MAX_FIELDS`].
    pub fn new(fields: Vec<Field>) -> Self {
        assert!(fields.len() <= MAX_FIELDS, "a schema names each field once");
        let values = fields.iter().map(|_| Map::default()).collect();
        Self {
            fields,
            values,
            tables: Vec::new(),
        }
    }

    /// The fields, in the order of the rules' parts.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// Adds a rule, written as its parts joined by `delimiter`.
    ///
    /// # Errors
    /// Why the rule is of no use; the table is unchanged.
    pub fn insert(&mut self, rule: &str, delimiter: char, hit: Hit) -> Result<(), Unusable> {
        let lowered = rule.to_lowercase();
        let parts: Vec<&str> = lowered.split(delimiter).map(str::trim).collect();
        if parts.len() != self.fields.len() {
            return Err(Unusable::Parts(parts.len()));
        }
        let mut pattern = Pattern(0);
        let mut key = Vec::with_capacity(parts.len());
        for (index, part) in parts.iter().enumerate() {
            if *part == "*" {
                pattern.0 |= 1 << (parts.len() - 1 - index);
                key.push(ANY);
                continue;
            }
            let value = match (self.fields[index], *part) {
                (Field::MediaType, "video-instream") => "video",
                (_, value) => value,
            };
            let values = &mut self.values[index];
            let next = values.len() as u32 + 1;
            key.push(*values.entry(value.into()).or_insert(next));
        }
        let table = match self
            .tables
            .binary_search_by_key(&pattern.rank(), |(at, _)| at.rank())
        {
            Ok(found) => found,
            Err(place) => {
                self.tables.insert(place, (pattern, Map::default()));
                place
            }
        };
        let table = &mut self.tables[table].1;
        if table.contains_key(key.as_slice()) {
            return Err(Unusable::Repeated);
        }
        table.insert(key.into(), hit);
        Ok(())
    }

    /// Finds the most specific rule for the values of a request, one per field, `None` where the
    /// request has none.
    pub fn find<'v>(&self, value: impl Fn(Field) -> Option<Cow<'v, str>>) -> Option<Hit> {
        let count = self.fields.len();
        let mut request = [ANY; MAX_FIELDS];
        for (index, field) in self.fields.iter().enumerate() {
            let known = value(*field).and_then(|text| self.number(index, &text));
            request[index] = known.unwrap_or(ANY);
        }
        self.tables.iter().find_map(|(pattern, table)| {
            let mut key = request;
            for (index, part) in key[..count].iter_mut().enumerate() {
                if pattern.is_wildcard(index, count) {
                    *part = ANY;
                } else if *part == ANY {
                    return None;
                }
            }
            table.get(&key[..count]).copied()
        })
    }

    fn number(&self, field: usize, text: &str) -> Option<u32> {
        let values = &self.values[field];
        if text.chars().any(char::is_uppercase) {
            values.get(text.to_lowercase().as_str()).copied()
        } else {
            values.get(text).copied()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hit(rule: usize) -> Hit {
        Hit {
            rule: rule as u32,
            price: Cpm(rule as i64),
        }
    }

    fn fields(count: usize) -> Vec<Field> {
        Field::ALL[..count]
            .iter()
            .map(|(_, field)| *field)
            .collect()
    }

    fn find(rules: &Rules, values: &[&str]) -> Option<u32> {
        let value = |field| {
            let at = rules
                .fields()
                .iter()
                .position(|known| *known == field)
                .unwrap();
            (values[at] != "*").then(|| Cow::Borrowed(values[at]))
        };
        rules.find(value).map(|hit| hit.rule)
    }

    /// Removes the winning rule again and again: what is left is the order of precedence.
    fn assert_order(values: &[&str], delimiter: &str, order: &[String]) {
        let delimiter_char = delimiter.chars().next().unwrap();
        for from in 0..order.len() {
            let mut rules = Rules::new(fields(values.len()));
            for (index, rule) in order.iter().enumerate().skip(from).rev() {
                rules.insert(rule, delimiter_char, hit(index)).unwrap();
            }
            assert_eq!(
                find(&rules, values),
                Some(from as u32),
                "{order:?} from {from}"
            );
        }
    }

    #[test]
    fn fewest_wildcards_first_then_the_left_most_specific() {
        let order = [
            "a|b|c", "a|b|*", "a|*|c", "*|b|c", "a|*|*", "*|b|*", "*|*|c", "*|*|*",
        ];
        assert_order(&["A", "b", "C"], "|", &order.map(str::to_owned));
        let order = ["*^b^c", "*^b^*", "*^*^c", "*^*^*"];
        assert_order(&["*", "b", "c"], "^", &order.map(str::to_owned));
    }

    #[test]
    fn the_order_holds_for_any_number_of_fields() {
        for count in 1..=MAX_FIELDS {
            let names: Vec<String> = (0..count).map(|index| format!("v{index}")).collect();
            let mut patterns: Vec<u32> = (0..1 << count).collect();
            patterns.sort_by_key(|pattern| {
                let places: Vec<usize> = (0..count).filter(|at| pattern >> at & 1 == 1).collect();
                // Among equals the pattern whose wildcards lie further right comes first.
                let from_left = (0..count).map(|at| places.contains(&at));
                (places.len(), from_left.collect::<Vec<bool>>())
            });
            let order: Vec<String> = patterns
                .iter()
                .map(|pattern| {
                    let part = |at: usize| {
                        if pattern >> at & 1 == 1 {
                            "*"
                        } else {
                            names[at].as_str()
                        }
                    };
                    (0..count).map(part).collect::<Vec<_>>().join("|")
                })
                .collect();
            let values: Vec<&str> = names.iter().map(String::as_str).collect();
            let sampled = if count > 5 {
                order[..12].to_vec()
            } else {
                order
            };
            assert_order(&values, "|", &sampled);
        }
    }

    #[test]
    fn rules_that_cannot_be_used_are_told() {
        let mut rules = Rules::new(fields(2));
        assert_eq!(rules.insert("a", '|', hit(0)), Err(Unusable::Parts(1)));
        assert_eq!(rules.insert("a|b|c", '|', hit(0)), Err(Unusable::Parts(3)));
        assert_eq!(rules.insert("a|b", '|', hit(1)), Ok(()));
        assert_eq!(rules.insert("A|B", '|', hit(2)), Err(Unusable::Repeated));
        assert_eq!(find(&rules, &["a", "b"]), Some(1));
        assert_eq!(find(&rules, &["a", "x"]), None);
    }

    #[test]
    fn the_shared_orders_hold() {
        let Ok(corpus) = std::env::var("GAVEL_CORPUS") else {
            eprintln!("SKIPPED: set GAVEL_CORPUS to the folder that has floors/rule_order.jsonl");
            return;
        };
        let path = std::path::Path::new(&corpus).join("floors/rule_order.jsonl");
        let text = std::fs::read_to_string(&path).unwrap();
        let mut cases = 0;
        for line in text.lines() {
            let case: serde_json::Value = serde_json::from_str(line).unwrap();
            let texts = |name: &str| -> Vec<String> {
                let list = case[name].as_array().unwrap();
                list.iter()
                    .map(|text| text.as_str().unwrap().to_owned())
                    .collect()
            };
            let (values, order) = (texts("values"), texts("order"));
            let values: Vec<&str> = values.iter().map(String::as_str).collect();
            assert_order(&values, case["delimiter"].as_str().unwrap(), &order);
            cases += 1;
        }
        assert!(cases > 0, "{} has no case", path.display());
    }

    proptest! {
        /// The table finds what a walk over all rules finds.
        #[test]
        fn the_table_agrees_with_a_walk(
            rules in prop::collection::vec(prop::collection::vec(0_usize..4, 4), 0..24),
            request in prop::collection::vec(0_usize..4, 4),
        ) {
            let names = ["*", "x", "y", "z"];
            let mut table = Rules::new(fields(4));
            let mut kept: Vec<Vec<&str>> = Vec::new();
            for rule in &rules {
                let parts: Vec<&str> = rule.iter().map(|at| names[*at]).collect();
                if table.insert(&parts.join("|"), '|', hit(kept.len())).is_ok() {
                    kept.push(parts);
                }
            }
            let values: Vec<&str> = request.iter().map(|at| names[*at]).collect();
            let matches = |rule: &[&str]| {
                rule.iter().zip(&values).all(|(part, value)| *part == "*" || part == value)
            };
            let wildcards = |rule: &[&str]| -> Vec<bool> {
                rule.iter().map(|part| *part == "*").collect()
            };
            let best = kept
                .iter()
                .enumerate()
                .filter(|(_, rule)| matches(rule))
                .min_by_key(|(_, rule)| {
                    let wild = wildcards(rule);
                    (wild.iter().filter(|wild| **wild).count(), wild)
                })
                .map(|(index, _)| index as u32);
            prop_assert_eq!(find(&table, &values), best);
        }
    }
}
