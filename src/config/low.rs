//! Text to a flat table of checked values, with every fault at once.

use super::keys::KEYS;
use bidder::frequency::Source;
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::str::FromStr;
use toml::de::{DeTable, DeValue};

/// What a value may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// A file or directory; empty where the feature is off.
    Path,
    /// `host:port`.
    Address,
    /// An http or https URL without a trailing slash, or empty.
    Url,
    /// `true` or `false`.
    Bool,
    /// A whole number within bounds, both included.
    Integer(i64, i64),
    /// The same, or 0 where the feature is off.
    IntegerOrOff(i64, i64),
    /// A decimal amount of at most six places, in quotes or not.
    Money,
    /// Three capital letters.
    Currency,
    /// `CUR=decimal` pairs, separated by commas.
    Rates,
    /// Kinds of user ids, separated by commas.
    UserIds,
}

/// A key of the configuration.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key {
    /// `section.key`.
    pub name: &'static str,
    /// What its value may be.
    pub kind: Kind,
    /// The value where none is given.
    pub default: &'static str,
    /// One sentence for the person who sets it.
    pub doc: &'static str,
}

/// One thing that is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigFault {
    /// Line of the file, where there is one; environment variables have none.
    pub line: Option<usize>,
    /// The key, as `section.key`.
    pub key: String,
    /// What is wrong and what is allowed.
    pub what: String,
}

impl fmt::Display for ConfigFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        write!(f, "{}: {}", self.key, self.what)
    }
}

/// Checked values by key, as text.
pub(super) type Values = BTreeMap<&'static str, String>;

/// Reads a file's text and the environment into checked values.
///
/// `environment` are the variables of the process; only those that begin with `GAVEL_` and hold
/// a double underscore are ours (`GAVEL_DATA__LISTEN`).
///
/// # Errors
/// Everything that is wrong, in the order of the file.
pub fn read(
    text: &str,
    environment: impl Iterator<Item = (String, String)>,
) -> Result<Values, Vec<ConfigFault>> {
    let mut faults = Vec::new();
    let mut values: Values = KEYS
        .iter()
        .map(|key| (key.name, key.default.to_owned()))
        .collect();
    match DeTable::parse(text) {
        Ok(table) => read_table(text, table.get_ref(), &mut values, &mut faults),
        Err(error) => faults.push(ConfigFault {
            line: error.span().map(|span| line_of(text, span.start)),
            key: "file".to_owned(),
            what: format!("not TOML: {}", error.message()),
        }),
    }
    for (name, value) in environment {
        if let Some((section, key)) = name.strip_prefix("GAVEL_").and_then(|n| n.split_once("__")) {
            let key = format!("{}.{}", section.to_lowercase(), key.to_lowercase());
            set(&key, &value, None, &mut values, &mut faults);
        }
    }
    faults.sort_by_key(|fault| fault.line.unwrap_or(usize::MAX));
    if faults.is_empty() {
        Ok(values)
    } else {
        Err(faults)
    }
}

fn read_table(text: &str, table: &DeTable<'_>, values: &mut Values, faults: &mut Vec<ConfigFault>) {
    for (section, content) in table {
        let line = Some(line_of(text, section.span().start));
        let section = section.get_ref();
        let known = KEYS
            .iter()
            .any(|key| key.name.split('.').next() == Some(section));
        let DeValue::Table(entries) = content.get_ref() else {
            let what = "expected a [section]; keys stand inside sections".to_owned();
            faults.push(ConfigFault {
                line,
                key: section.to_string(),
                what,
            });
            continue;
        };
        if !known {
            let sections = KEYS.iter().filter_map(|key| key.name.split('.').next());
            let what = format!("unknown section{}", suggestion(section, sections));
            faults.push(ConfigFault {
                line,
                key: section.to_string(),
                what,
            });
            continue;
        }
        for (name, value) in entries {
            let line = Some(line_of(text, name.span().start));
            let key = format!("{section}.{}", name.get_ref());
            if let Some(value) = scalar(value.get_ref()) {
                set(&key, &value, line, values, faults);
            } else {
                let what = "expected text, a number or true/false".to_owned();
                faults.push(ConfigFault { line, key, what });
            }
        }
    }
}

fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => Some(number.as_str().to_owned()),
        DeValue::Float(number) => Some(number.as_str().to_owned()),
        DeValue::Boolean(flag) => Some(flag.to_string()),
        DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => None,
    }
}

fn set(
    name: &str,
    value: &str,
    line: Option<usize>,
    values: &mut Values,
    faults: &mut Vec<ConfigFault>,
) {
    let Some(key) = KEYS.iter().find(|key| key.name == name) else {
        let what = format!(
            "unknown key{}",
            suggestion(name, KEYS.iter().map(|key| key.name))
        );
        faults.push(ConfigFault {
            line,
            key: name.to_owned(),
            what,
        });
        return;
    };
    match check(key.kind, value) {
        Ok(()) => {
            values.insert(key.name, value.to_owned());
        }
        Err(what) => faults.push(ConfigFault {
            line,
            key: name.to_owned(),
            what,
        }),
    }
}

fn check(kind: Kind, value: &str) -> Result<(), String> {
    let allowed = |fine: bool, allowed: &str| {
        if fine {
            Ok(())
        } else {
            Err(format!("expected {allowed}, found {value:?}"))
        }
    };
    match kind {
        Kind::Text | Kind::Path => Ok(()),
        Kind::Address => allowed(
            value.parse::<std::net::SocketAddr>().is_ok(),
            "an address such as 127.0.0.1:8080",
        ),
        Kind::Url => {
            let fine = value.is_empty()
                || ((value.starts_with("http://") || value.starts_with("https://"))
                    && !value.ends_with('/'));
            allowed(fine, "an http or https URL without a slash at the end")
        }
        Kind::Bool => allowed(matches!(value, "true" | "false"), "true or false"),
        Kind::Integer(least, most) => {
            let fine = value
                .parse::<i64>()
                .is_ok_and(|n| (least..=most).contains(&n));
            allowed(fine, &format!("a whole number from {least} to {most}"))
        }
        Kind::IntegerOrOff(least, most) => {
            let number = value.parse::<i64>().ok();
            allowed(
                number.is_some_and(|number| number == 0 || (least..=most).contains(&number)),
                &format!("0 or a whole number from {least} to {most}"),
            )
        }
        Kind::Money => {
            let fine = value
                .parse::<ledger::Micros>()
                .is_ok_and(|amount| amount.0 > 0);
            allowed(fine, "an amount above 0 with at most six decimals")
        }
        Kind::Currency => allowed(
            value.parse::<ledger::Currency>().is_ok(),
            "three capital letters",
        ),
        Kind::Rates => {
            let fine = value.is_empty()
                || value.split(',').all(|pair| {
                    pair.split_once('=').is_some_and(|(currency, rate)| {
                        currency.trim().parse::<ledger::Currency>().is_ok()
                            && rate.trim().parse::<ledger::Micros>().is_ok_and(|r| r.0 > 0)
                    })
                });
            allowed(fine, "pairs such as USD=1.09,GBP=0.85")
        }
        Kind::UserIds => {
            let kinds: Vec<_> = value
                .split(',')
                .map(str::trim)
                .map(Source::from_str)
                .collect();
            let twice = |(at, kind)| kinds[..at].contains(kind);
            let fine = kinds.iter().all(Result::is_ok) && !kinds.iter().enumerate().any(twice);
            let words = Source::ALL.map(Source::word).join(", ");
            allowed(fine, &format!("each once of {words}"))
        }
    }
}

fn line_of(text: &str, at: usize) -> usize {
    text[..text.floor_char_boundary(at)].split('\n').count()
}

/// `; did you mean X?` for the nearest name, where one is near.
fn suggestion<'k>(name: &str, known: impl Iterator<Item = &'k str>) -> String {
    known
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= candidate.len().max(3) / 3)
        .min()
        .map_or(String::new(), |(_, nearest)| {
            format!("; did you mean {nearest}?")
        })
}

/// Levenshtein distance.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in other.iter().enumerate() {
            let substituted = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}

/// The text of `gavel.example.toml`: every key with its documentation, set to its default.
pub fn example() -> String {
    let mut out = String::from(
        "# Every key of Gavel's configuration, set to its default. Environment variables of the\n\
         # form GAVEL_SECTION__KEY override the file.\n",
    );
    let mut section = "";
    for key in KEYS {
        let (of, name) = key.name.split_once('.').unwrap_or(("", key.name));
        if of != section {
            section = of;
            let _ = write!(out, "\n[{section}]\n");
        }
        let bare = match key.kind {
            Kind::Bool | Kind::Integer(..) | Kind::IntegerOrOff(..) => key.default.to_owned(),
            Kind::Text
            | Kind::Path
            | Kind::Address
            | Kind::Url
            | Kind::Money
            | Kind::Currency
            | Kind::Rates
            | Kind::UserIds => format!("{:?}", key.default),
        };
        let _ = write!(out, "# {}\n{name} = {bare}\n", key.doc);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str) -> Vec<String> {
        let faults = read(text, std::iter::empty()).unwrap_err();
        faults.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn everything_wrong_is_said_at_once_with_line_and_key() {
        let text = "[data]\nlisten = \"nowhere\"\nmax_imp = 3\nworkers = -1\n\n[dta]\nx = 1\n\n\
                    [exchange]\ntmax_ms = [1]\nmax_bid_cpm = \"2.1234567\"\n";
        assert_eq!(
            faults(text),
            [
                "line 2: data.listen: expected an address such as 127.0.0.1:8080, found \"nowhere\"",
                "line 3: data.max_imp: unknown key; did you mean data.max_imps?",
                "line 4: data.workers: expected a whole number from 0 to 256, found \"-1\"",
                "line 6: dta: unknown section; did you mean data?",
                "line 10: exchange.tmax_ms: expected text, a number or true/false",
                "line 11: exchange.max_bid_cpm: expected an amount above 0 with at most six decimals, found \"2.1234567\"",
            ]
        );
        assert_eq!(
            faults("data = 1"),
            ["line 1: data: expected a [section]; keys stand inside sections"]
        );
        assert!(faults("[data\n")[0].starts_with("line 1: file: not TOML"));
    }

    #[test]
    fn the_environment_overrides_the_file() {
        let environment = [
            ("GAVEL_DATA__MAX_IMPS".to_owned(), "5".to_owned()),
            ("GAVEL_CORPUS".to_owned(), "not ours".to_owned()),
        ];
        let values = read("[data]\nmax_imps = 3", environment.into_iter()).unwrap();
        assert_eq!(values["data.max_imps"], "5");
        let wrong = [("GAVEL_DATA__MAX_IMPZ".to_owned(), "5".to_owned())];
        assert!(read("", wrong.into_iter()).is_err());
    }

    #[test]
    fn the_example_file_documents_the_defaults() {
        let file = include_str!("../../gavel.example.toml");
        assert_eq!(
            file,
            example(),
            "write the output of `gavel check --example` to the file"
        );
        let of_example = read(file, std::iter::empty()).unwrap();
        assert_eq!(of_example, read("", std::iter::empty()).unwrap());
    }
}
