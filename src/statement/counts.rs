//! What another party counted: its CSV, a row a day or several.

use anyhow::{Result, bail};
use jiff::civil::Date;
use ledger::{Currency, Micros};
use std::collections::BTreeMap;

/// What was counted on a day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    /// Impressions.
    pub(super) impressions: i64,
    /// What they cost, in micros; `None` where the file does not say.
    pub(super) gross: Option<i64>,
}

/// The counts of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Counts {
    /// By day.
    pub(super) days: BTreeMap<Date, Count>,
    /// The currency of the amounts, where the file names one.
    pub(super) currency: Option<Currency>,
}

/// Most faults that are told at once.
const MOST_FAULTS: usize = 20;

/// Reads a file with a header: `date` and `impressions`, and where there are amounts `gross` and
/// perhaps `currency`; other columns are left alone. Rows of one day add up.
///
/// # Errors
/// Everything that is wrong, with its line and column.
pub(super) fn read(text: &str) -> Result<Counts> {
    let rows = rows(text.trim_start_matches('\u{feff}'));
    let mut rows = rows.into_iter();
    let Some((_, header)) = rows.next() else {
        bail!("the counts are empty: expected a header with date and impressions");
    };
    let header: Vec<String> = header
        .iter()
        .map(|name| name.trim().to_lowercase())
        .collect();
    let place = |name: &str| header.iter().position(|known| known == name);
    let (Some(date), Some(impressions)) = (place("date"), place("impressions")) else {
        bail!(
            "line 1: expected the columns date and impressions, found {}",
            header.join(", ")
        );
    };
    let columns = Columns {
        date,
        impressions,
        gross: place("gross"),
        currency: place("currency"),
    };
    let mut counts = Counts {
        days: BTreeMap::new(),
        currency: None,
    };
    let mut faults = Vec::new();
    for (line, cells) in rows {
        if let Err(fault) = columns.add(&cells, &mut counts) {
            faults.push(format!("line {line}: {fault}"));
        }
    }
    if faults.len() > MOST_FAULTS {
        let more = faults.len() - MOST_FAULTS;
        faults.truncate(MOST_FAULTS);
        faults.push(format!("and {more} more"));
    }
    if !faults.is_empty() {
        bail!("faults in the counts\n{}", faults.join("\n"));
    }
    if counts.days.is_empty() {
        bail!("the counts have a header and no day");
    }
    Ok(counts)
}

struct Columns {
    date: usize,
    impressions: usize,
    gross: Option<usize>,
    currency: Option<usize>,
}

impl Columns {
    fn add(&self, cells: &[String], counts: &mut Counts) -> Result<(), String> {
        let cell = |place: usize| cells.get(place).map_or("", |text| text.trim());
        let text = cell(self.date);
        let date: Date = text
            .parse()
            .map_err(|_| format!("date: expected a day such as 2026-11-24, found {text:?}"))?;
        let text = cell(self.impressions);
        let impressions: u32 = text
            .parse()
            .map_err(|_| format!("impressions: expected a whole number, found {text:?}"))?;
        let mut gross = None;
        if let Some(place) = self.gross {
            let text = cell(place);
            let amount: Micros = text
                .parse()
                .map_err(|error| format!("gross: {error}, found {text:?}"))?;
            gross = Some(amount.0);
        }
        if let Some(text) = self.currency.map(cell).filter(|text| !text.is_empty()) {
            let own: Currency = text
                .parse()
                .map_err(|error| format!("currency: {error}, found {text:?}"))?;
            let known = *counts.currency.get_or_insert(own);
            if known != own {
                return Err(format!(
                    "currency: the file has {known} and {own}, split it"
                ));
            }
        }
        let count = counts.days.entry(date).or_default();
        count.impressions += i64::from(impressions);
        if let Some(gross) = gross {
            let sum = count.gross.unwrap_or(0).checked_add(gross);
            count.gross = Some(sum.ok_or("gross: the day's amount is too large")?);
        }
        Ok(())
    }
}

/// The rows of CSV (RFC 4180) that are not empty, with the number of the line that each begins on.
/// A semicolon separates where the header has no comma.
fn rows(text: &str) -> Vec<(usize, Vec<String>)> {
    let header = text.lines().next().unwrap_or_default();
    let separator = if header.contains(',') { ',' } else { ';' };
    let (mut rows, mut cells, mut cell) = (Vec::new(), Vec::new(), String::new());
    let (mut line, mut begun, mut quoted) = (1, 1, false);
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => {
                letters.next();
                cell.push('"');
            }
            '"' => quoted = !quoted,
            '\n' if !quoted => {
                cells.push(std::mem::take(&mut cell));
                rows.push((begun, std::mem::take(&mut cells)));
                line += 1;
                begun = line;
            }
            '\r' if !quoted => {}
            other if other == separator && !quoted => cells.push(std::mem::take(&mut cell)),
            other => {
                line += usize::from(other == '\n');
                cell.push(other);
            }
        }
    }
    cells.push(cell);
    rows.push((begun, cells));
    rows.retain(|(_, cells)| cells.iter().any(|cell| !cell.trim().is_empty()));
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_a_day_add_up() {
        let text = "\u{feff}Date,seat,Impressions,gross,currency\r\n\
                    2026-11-24,\"a, \"\"b\"\"\",3,0.0075,EUR\r\n\r\n2026-11-24,c,2,0.005,EUR\r\n";
        let counts = read(text).unwrap();
        let count = Count {
            impressions: 5,
            gross: Some(12_500),
        };
        assert_eq!(
            counts.days.into_iter().collect::<Vec<_>>(),
            [("2026-11-24".parse().unwrap(), count)]
        );
        assert_eq!(counts.currency.unwrap().code(), "EUR");
        assert!(read("date;impressions\n2026-11-24;1\n").is_ok());
    }

    #[test]
    fn every_fault_is_told_with_its_line() {
        let text = "date,impressions,gross,currency\n24.11.2026,1,1,EUR\n2026-11-24,-1,1,EUR\n\
                    2026-11-24,1,1e3,EUR\n2026-11-24,1,1,EUR\n2026-11-24,1,1,USD\n";
        let error = read(text).unwrap_err().to_string();
        for part in [
            "line 2: date",
            "line 3: impressions",
            "line 4: gross",
            "line 6: currency",
        ] {
            assert!(error.contains(part), "{part}: {error}");
        }
        for (text, part) in [
            ("", "empty"),
            ("a,b\n", "date and impressions"),
            ("date,impressions\n", "no day"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
