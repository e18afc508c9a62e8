//! The stream of a simulation: one auction a line, as recorded or as generated.
//!
//! A line of a file costs about 2 µs to take apart; the request itself is left as bytes, which
//! only the bidder reads.

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use ledger::Cpm;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

/// One auction.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    /// Unix milliseconds.
    pub at_ms: i64,
    /// The bid request, JSON.
    pub request: String,
    /// What the impression is worth to line items that bid a value, per thousand.
    pub values: Vec<(String, Cpm)>,
    /// The highest competing bid, per thousand.
    pub market: Cpm,
}

/// Where records come from, in the order of their time.
pub trait Stream {
    /// Puts the next record in the place of `record`; false where there is none left.
    ///
    /// # Errors
    /// Where the record cannot be read, with its line.
    fn next(&mut self, record: &mut Record) -> Result<bool>;
}

/// A recorded stream.
pub struct Lines {
    reader: BufReader<File>,
    name: String,
    line: String,
    number: u64,
}

impl Lines {
    /// Opens a file of JSON lines.
    ///
    /// # Errors
    /// Where it cannot be opened.
    pub fn open(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let file = File::open(path).with_context(|| format!("{name} cannot be opened"))?;
        Ok(Self {
            reader: BufReader::with_capacity(1 << 20, file),
            name,
            line: String::new(),
            number: 0,
        })
    }
}

impl Stream for Lines {
    fn next(&mut self, record: &mut Record) -> Result<bool> {
        loop {
            self.line.clear();
            self.number += 1;
            let place = || format!("{}:{}", self.name, self.number);
            let read = self.reader.read_line(&mut self.line);
            if read.with_context(place)? == 0 {
                return Ok(false);
            }
            if self.line.trim().is_empty() {
                continue;
            }
            let before_ms = record.at_ms;
            read_line(&self.line, record).with_context(place)?;
            ensure!(
                self.number == 1 || record.at_ms >= before_ms,
                "{}: at: is earlier than the line before",
                place()
            );
            return Ok(true);
        }
    }
}

/// Takes a line apart.
///
/// # Errors
/// What is wrong with it.
pub fn read_line(text: &str, record: &mut Record) -> Result<()> {
    let line: Line<'_> = serde_json::from_str(text)?;
    let at: Timestamp = line.at.parse().context("at: expected a time of RFC 3339")?;
    record.at_ms = at.as_millisecond();
    record.request.clear();
    record.request.push_str(line.request.get());
    record.market = cpm(line.market_cpm).context("market_cpm")?;
    let mut values = line.value_cpm.0.into_iter();
    record.values.truncate(values.len());
    for (own, (id, value)) in record.values.iter_mut().zip(values.by_ref()) {
        own.0.clear();
        own.0.push_str(&id);
        own.1 = cpm(value).with_context(|| format!("value_cpm: {id}"))?;
    }
    for (id, value) in values {
        let value = cpm(value).with_context(|| format!("value_cpm: {id}"))?;
        record.values.push((id.into_owned(), value));
    }
    Ok(())
}

/// A price of a stream in micros. It is what a model says or an auction was like, not money that
/// anybody owes, so that digits beyond the sixth are rounded away.
fn cpm(units: f64) -> Result<Cpm> {
    const MOST: f64 = 1e6;
    ensure!(
        (0.0..=MOST).contains(&units),
        "{units} is not a price from 0 to {MOST} per thousand"
    );
    Ok(Cpm((units * 1e6).round() as i64))
}

#[derive(Deserialize)]
struct Line<'l> {
    #[serde(borrow)]
    at: Cow<'l, str>,
    #[serde(borrow)]
    request: &'l RawValue,
    #[serde(borrow, default)]
    value_cpm: Pairs<'l>,
    market_cpm: f64,
}

/// The members of an object, in their order.
#[derive(Default)]
struct Pairs<'l>(Vec<(Cow<'l, str>, f64)>);

impl<'de: 'l, 'l> Deserialize<'de> for Pairs<'l> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Pairs<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of prices by line item")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut pairs = Vec::with_capacity(map.size_hint().unwrap_or(4));
                while let Some(id) = map.next_key::<&str>()? {
                    pairs.push((Cow::Borrowed(id), map.next_value()?));
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_taken_apart() {
        let text = r#"{"at":"2026-01-01T00:00:01.250Z","request":{"id":"1", "imp":[]},
            "value_cpm":{"li_a":2.31,"li_b":0.1234567},"market_cpm":1.07,"more":1}"#;
        let mut record = Record {
            values: vec![("old".to_owned(), Cpm(1)); 3],
            ..Record::default()
        };
        read_line(text, &mut record).unwrap();
        let wanted = Record {
            at_ms: 1_767_225_601_250,
            request: r#"{"id":"1", "imp":[]}"#.to_owned(),
            values: vec![
                ("li_a".to_owned(), Cpm(2_310_000)),
                ("li_b".to_owned(), Cpm(123_457)),
            ],
            market: Cpm(1_070_000),
        };
        assert_eq!(record, wanted);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let faults = [
            (
                r#"{"at":"noon","request":{},"market_cpm":1}"#,
                "at: expected a time",
            ),
            (
                r#"{"at":"2026-01-01T00:00:00Z","request":{},"market_cpm":-1}"#,
                "market_cpm",
            ),
            (
                r#"{"at":"2026-01-01T00:00:00Z","market_cpm":1}"#,
                "missing field `request`",
            ),
            (
                r#"{"at":"2026-01-01T00:00:00Z","request":{},"market_cpm":1,"value_cpm":{"a":-2}}"#,
                "value_cpm: a",
            ),
        ];
        for (text, wanted) in faults {
            let fault = read_line(text, &mut Record::default()).unwrap_err();
            let said = format!("{fault:#}");
            assert!(said.contains(wanted), "{said}");
        }
    }
}
