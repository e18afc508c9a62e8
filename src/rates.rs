//! Currency rates: from the configuration or from a file in the form in which the European
//! Central Bank publishes them each day, read again when it changes.
//!
//! Rates have a day. Older than the configured age they are not used at all: a deal across
//! currencies is then no deal, which costs less than a wrong one.

use crate::config::Settings;
use anyhow::{Context, Result, bail, ensure};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;
use ledger::{Currency, Micros, RateTable};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

/// The rates of a node, and whether they may be used.
pub struct Rates {
    file: Option<PathBuf>,
    base: Currency,
    max_age_days: i64,
    seen: Option<(SystemTime, u64)>,
    table: Arc<RateTable>,
    /// The day of the table; `None` where it has no rates, so nothing can be too old.
    day: Option<Date>,
}

impl Rates {
    /// The rates of the configuration; a file is read at the first [`Rates::reread`].
    ///
    /// # Errors
    /// Where there are rates and their date is none.
    pub fn new(settings: &Settings) -> Result<Self> {
        let pairs: Vec<(Currency, Micros)> = settings
            .currency_rates
            .iter()
            .filter_map(|(currency, rate)| Some((*currency, rate.parse().ok()?)))
            .collect();
        let text = &settings.currency_date;
        let day = if pairs.is_empty() {
            None
        } else {
            let what = || {
                format!("currency.date: rates need their day, such as 2026-11-24, found {text:?}")
            };
            Some(text.parse().ok().with_context(what)?)
        };
        let base = settings.currency_base;
        Ok(Self {
            file: settings.currency_file.clone(),
            base,
            max_age_days: settings.currency_max_age_days,
            seen: None,
            table: Arc::new(RateTable::new(base, &pairs, text)),
            day,
        })
    }

    /// The table to convert with at `now`: without any rate where they are too old.
    pub fn at(&self, now: Timestamp) -> Arc<RateTable> {
        if self.stale(now) {
            Arc::new(RateTable::new(self.base, &[], self.table.date()))
        } else {
            Arc::clone(&self.table)
        }
    }

    /// Whether there are rates and they are older than allowed.
    pub fn stale(&self, now: Timestamp) -> bool {
        let today = now.to_zoned(TimeZone::UTC).date();
        let age = |day: Date| {
            today
                .since(day)
                .map_or(i64::MAX, |age| age.get_days().into())
        };
        self.day.is_some_and(|day| age(day) > self.max_age_days)
    }

    /// Reads the file where it has changed, and says whether it has.
    ///
    /// # Errors
    /// Where it cannot be read or is not in the form of the European Central Bank. The rates in
    /// use stay in use until they are too old.
    pub fn reread(&mut self) -> Result<bool> {
        let Some(file) = &self.file else {
            return Ok(false);
        };
        let what = || format!("the currency rates in {}", file.display());
        let metadata = std::fs::metadata(file).with_context(what)?;
        let seen = Some((metadata.modified().with_context(what)?, metadata.len()));
        if self.seen == seen {
            return Ok(false);
        }
        let text = std::fs::read_to_string(file).with_context(what)?;
        let (day, rates) = parse(&text).with_context(what)?;
        self.table = Arc::new(RateTable::new(self.base, &rates, &day.to_string()));
        (self.day, self.seen) = (Some(day), seen);
        Ok(true)
    }
}

/// A header of currencies and a line of values, the first of them the date. `N/A` is no rate.
fn parse(text: &str) -> Result<(Date, Vec<(Currency, Micros)>)> {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let header = lines.next().unwrap_or_default();
    let values = lines.next().unwrap_or_default();
    let cells = |line: &'_ str| -> Vec<String> {
        let cells = line.split(',').map(|cell| cell.trim().to_owned());
        cells.collect()
    };
    let (header, values) = (cells(header), cells(values));
    ensure!(
        header.first().is_some_and(|first| first == "Date") && values.len() == header.len(),
        "expected a line `Date, USD, …` and a line of as many values"
    );
    let day = date(&values[0])?;
    let mut rates = Vec::with_capacity(header.len());
    for (name, value) in header.iter().zip(&values).skip(1) {
        if name.is_empty() || value == "N/A" {
            continue;
        }
        let currency: Currency = name.parse().with_context(|| format!("found {name:?}"))?;
        match value.parse::<Micros>() {
            Ok(rate) if rate.0 > 0 => rates.push((currency, rate)),
            Ok(_) | Err(_) => bail!("{name}: expected a rate above 0, found {value:?}"),
        }
    }
    Ok((day, rates))
}

/// `2026-11-24`, or as the European Central Bank writes it `24 November 2026`.
fn date(text: &str) -> Result<Date> {
    let written = strtime::parse("%d %B %Y", text).and_then(|parsed| parsed.to_date());
    text.parse()
        .or(written)
        .ok()
        .with_context(|| format!("expected a date such as 24 November 2026, found {text:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ledger::Cpm;

    const PUBLISHED: &str =
        "Date, USD, JPY, RUB, GBP, \n24 November 2026, 1.25, 162.9, N/A, 0.5, \n";
    const EUR: Currency = Currency(*b"EUR");
    const USD: Currency = Currency(*b"USD");

    fn rates(file: Option<PathBuf>) -> Rates {
        Rates {
            file,
            base: EUR,
            max_age_days: 4,
            seen: None,
            table: Arc::new(RateTable::new(EUR, &[], "")),
            day: None,
        }
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn the_published_form_is_read() {
        let (day, rates) = parse(PUBLISHED).unwrap();
        assert_eq!(day.to_string(), "2026-11-24");
        let codes: Vec<&str> = rates.iter().map(|(currency, _)| currency.code()).collect();
        assert_eq!(codes, ["USD", "JPY", "GBP"]);
        assert_eq!(rates[1].1, Micros(162_900_000));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, named) in [
            ("", "Date, USD"),
            ("Date, USD\n24 November 2026", "as many values"),
            ("Date, USD\nyesterday, 1.1", "yesterday"),
            ("Date, dollars\n2026-11-24, 1.1", "dollars"),
            ("Date, USD\n2026-11-24, -1", "USD: expected a rate above 0"),
            ("Date, USD\n2026-11-24, 1e3", "1e3"),
        ] {
            let said = format!("{:#}", parse(text).unwrap_err());
            assert!(said.contains(named), "{said}");
        }
    }

    #[test]
    fn old_rates_convert_nothing_and_new_ones_do_again() {
        let file = std::env::temp_dir().join(format!("gavel-rates-{}.csv", std::process::id()));
        std::fs::write(&file, PUBLISHED).unwrap();
        let mut rates = rates(Some(file.clone()));
        assert!(!rates.stale(at("2026-11-24T12:00:00Z")), "there are none");
        assert!(rates.reread().unwrap());
        assert!(!rates.reread().unwrap(), "it has not changed");
        let convert = |rates: &Rates, now| rates.at(now).convert(Cpm(1_000_000), EUR, USD);
        let fresh = at("2026-11-28T23:59:59Z");
        assert_eq!(convert(&rates, fresh), Some(Cpm(1_250_000)));
        let late = at("2026-11-29T00:00:00Z");
        assert_eq!(convert(&rates, late), None);
        assert_eq!(rates.at(late).convert(Cpm(1), EUR, EUR), Some(Cpm(1)));
        std::fs::write(&file, "Date, USD\n2026-11-29, broken, 1").unwrap();
        assert!(rates.reread().is_err());
        assert_eq!(convert(&rates, late), None);
        std::fs::write(&file, "Date, USD,\n2026-11-29, 1.5,").unwrap();
        assert!(rates.reread().unwrap());
        assert_eq!(convert(&rates, late), Some(Cpm(1_500_000)));
        std::fs::remove_file(&file).unwrap();
    }
}
