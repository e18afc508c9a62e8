//! `gavel discrepancy`: another party's counts beside ours, day by day, and where the difference
//! comes from. What nothing in our books explains is called unexplained, not spread.

use super::counts::{self, Count};
use super::{csv, grouped};
use crate::config::Settings;
use crate::node;
use anyhow::{Context, Result, bail};
use clap::Args;
use control::api::Format;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use ledger::posting::Account;
use ledger::statement::Period;
use ledger::store::Store;
use ledger::store::{Party, SqliteStore, Tally};
use ledger::{Currency, Micros};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::PathBuf;

/// How far from midnight an event may have been counted on the other day.
const EDGE_MS: i64 = 3_600_000;

/// What `gavel discrepancy` is told.
#[derive(Args)]
pub struct DiscrepancyArguments {
    /// The configuration file.
    #[arg(long, default_value = "gavel.toml")]
    pub config: PathBuf,
    /// The exchange that counted what it billed us.
    #[arg(long, required_unless_present = "partner", conflicts_with = "partner")]
    pub exchange: Option<String>,
    /// The partner that counted what it bought.
    #[arg(long)]
    pub partner: Option<String>,
    /// Its counts: CSV with date, impressions and perhaps gross and currency.
    #[arg(long)]
    pub counts: PathBuf,
    /// Timezone of its days.
    #[arg(long, default_value = "UTC")]
    pub timezone: String,
    /// text, json or csv.
    #[arg(long, default_value_t = Format::Text)]
    pub format: Format,
}

impl DiscrepancyArguments {
    /// The report.
    ///
    /// # Errors
    /// Where the counts or the ledger cannot be read.
    pub fn run(&self, settings: &Settings) -> Result<String> {
        let name = self.counts.display();
        let text = std::fs::read_to_string(&self.counts);
        let theirs = counts::read(&text.with_context(|| format!("{name} cannot be read"))?)?;
        let zone = TimeZone::get(&self.timezone)
            .with_context(|| format!("--timezone: no timezone is called {:?}", self.timezone))?;
        let party = match (&self.exchange, &self.partner) {
            (Some(exchange), _) => Party::Exchange(exchange.clone()),
            (None, Some(partner)) => Party::Partner(partner.clone()),
            (None, None) => bail!("give --exchange or --partner"),
        };
        let store = SqliteStore::read(&node::ledger_file(&settings.storage))
            .context("the ledger cannot be read")?;
        let ours = Ours::count(&store, &party, &theirs, &zone)?;
        if ours.days.is_empty() {
            known(&store, &party)?;
        }
        let days = compare(&ours.days, &theirs.days);
        let report = Report {
            party,
            zone: self.timezone.clone(),
            currency: ours.currency,
            days,
        };
        match self.format {
            Format::Text => Ok(report.text()),
            Format::Json => Ok(report.json()),
            Format::Csv => Ok(report.csv()),
            Format::Html => bail!("--format: a discrepancy report is text, json or csv"),
        }
    }
}

/// A name that the books have never met is a slip more often than a party without a day.
fn known(store: &SqliteStore, party: &Party) -> Result<()> {
    let balances = store.balances()?;
    let name = |account: &Account| match (party, account) {
        (Party::Exchange(_), Account::Media { exchange, .. }) => Some(exchange.clone()),
        (Party::Partner(_), Account::Buyer { partner, .. }) => Some(partner.clone()),
        _ => None,
    };
    let names: BTreeSet<String> = balances
        .keys()
        .filter_map(|(account, _)| name(account))
        .collect();
    let (option, own) = match party {
        Party::Exchange(own) => ("--exchange", own),
        Party::Partner(own) => ("--partner", own),
    };
    if names.contains(own) {
        return Ok(());
    }
    let names: Vec<String> = names.into_iter().collect();
    let found = if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    };
    bail!("{option}: the ledger has no account of {own:?}; it has {found}")
}

/// What we have of a day.
#[derive(Clone, Debug, Default)]
struct Own {
    impressions: i64,
    gross: i64,
    /// Within an hour of the day's first and last moment.
    edges: (i64, i64),
    /// What we did not charge, by reason.
    missing: BTreeMap<String, i64>,
}

struct Ours {
    days: BTreeMap<Date, Own>,
    currency: Option<Currency>,
}

impl Ours {
    /// Counts the days of the file, by its clock.
    fn count(
        store: &SqliteStore,
        party: &Party,
        theirs: &counts::Counts,
        zone: &TimeZone,
    ) -> Result<Self> {
        let (Some(first), Some(last)) = (
            theirs.days.keys().next().copied(),
            theirs.days.keys().next_back().copied(),
        ) else {
            bail!("the counts have no day");
        };
        let begin = |date: Date| -> Result<i64> {
            Ok(date.to_zoned(zone.clone())?.timestamp().as_millisecond())
        };
        let period = Period {
            from_ms: begin(first)?,
            to_ms: begin(last.checked_add(1.day())?)?,
        };
        let mut days: BTreeMap<Date, Own> = BTreeMap::new();
        let mut sums: BTreeMap<Currency, BTreeMap<Date, (i64, i64)>> = BTreeMap::new();
        store.tallies(party, period, |at_ms, tally| {
            let at = Timestamp::from_millisecond(at_ms).unwrap_or_default();
            let date = zone.to_datetime(at).date();
            let day = days.entry(date).or_default();
            let missing = match tally {
                Tally::Charged(currency, cost, impressions) => {
                    let impressions = impressions as i64;
                    let sum = sums.entry(currency).or_default().entry(date).or_default();
                    sum.0 += impressions;
                    sum.1 += cost.0;
                    let edge = |moment: Result<i64>| {
                        let near = moment.is_ok_and(|moment| (at_ms - moment).abs() < EDGE_MS);
                        if near { impressions } else { 0 }
                    };
                    day.edges.0 += edge(begin(date));
                    day.edges.1 += edge(date.tomorrow().map_err(Into::into).and_then(begin));
                    return;
                }
                Tally::Refused(fault) => format!("refused_{fault}"),
                Tally::Won => "won_not_billed".to_owned(),
                Tally::Shown => "shown_not_billed".to_owned(),
            };
            *day.missing.entry(missing).or_default() += 1;
        })?;
        let currency = match (theirs.currency, sums.len()) {
            (Some(currency), _) => Some(currency),
            (None, 0 | 1) => sums.keys().next().copied(),
            (None, _) => {
                let names: Vec<String> = sums.keys().map(ToString::to_string).collect();
                bail!(
                    "our charges are in {}: the file needs a column currency",
                    names.join(", ")
                );
            }
        };
        let own = currency
            .and_then(|currency| sums.remove(&currency))
            .unwrap_or_default();
        for (date, (impressions, gross)) in own {
            let day = days.entry(date).or_default();
            (day.impressions, day.gross) = (impressions, gross);
        }
        Ok(Self { days, currency })
    }
}

/// A day of the report.
#[derive(Debug, PartialEq, Eq)]
struct DayReport {
    date: Date,
    ours: Count,
    theirs: Count,
    /// How many impressions more they have than we, by reason; the sum is the whole difference.
    reasons: Vec<(String, i64)>,
    /// What of the difference in money is not explained by the number of impressions.
    price: Option<i64>,
}

impl DayReport {
    fn impressions(&self) -> i64 {
        self.theirs.impressions - self.ours.impressions
    }

    fn gross(&self) -> Option<i64> {
        Some(self.theirs.gross? - self.ours.gross?)
    }
}

/// Explains the difference of each day of either side.
fn compare(ours: &BTreeMap<Date, Own>, theirs: &BTreeMap<Date, Count>) -> Vec<DayReport> {
    let mut dates: Vec<Date> = ours.keys().chain(theirs.keys()).copied().collect();
    dates.sort_unstable();
    dates.dedup();
    let nothing = Own::default();
    let mut days: Vec<DayReport> = Vec::with_capacity(dates.len());
    let mut rests: Vec<i64> = Vec::with_capacity(dates.len());
    for date in dates {
        let own = ours.get(&date).unwrap_or(&nothing);
        let other = theirs.get(&date).copied().unwrap_or_default();
        let mut rest = other.impressions - own.impressions;
        let mut reasons = Vec::new();
        for (reason, count) in &own.missing {
            let part = (*count).min(rest.max(0));
            if part > 0 {
                reasons.push((reason.clone(), part));
                rest -= part;
            }
        }
        rests.push(rest);
        days.push(DayReport {
            date,
            ours: Count {
                impressions: own.impressions,
                gross: Some(own.gross),
            },
            theirs: other,
            reasons,
            price: price(own, other),
        });
    }
    let edges = |date: &Date, edge: fn(&Own) -> i64| ours.get(date).map_or(0, edge);
    for place in 1..days.len() {
        let (before, after) = (rests[place - 1], rests[place]);
        let (date, next) = (days[place - 1].date, days[place].date);
        if date.tomorrow().ok() != Some(next) || before.signum() * after.signum() >= 0 {
            continue;
        }
        // One has on this day what the other has on the next: at most what happened around
        // midnight, on the side where we have it.
        let (edge, sign) = if before > 0 {
            (edges(&next, |own| own.edges.0), 1)
        } else {
            (edges(&date, |own| own.edges.1), -1)
        };
        let moved = before.abs().min(after.abs()).min(edge);
        if moved > 0 {
            rests[place - 1] -= sign * moved;
            rests[place] += sign * moved;
            days[place - 1]
                .reasons
                .push(("counted_on_next_day".to_owned(), sign * moved));
            days[place]
                .reasons
                .push(("counted_on_day_before".to_owned(), -sign * moved));
        }
    }
    for (day, rest) in days.iter_mut().zip(rests) {
        if rest != 0 {
            day.reasons.push(("unexplained".to_owned(), rest));
        }
    }
    days
}

/// The difference in money beyond that of the impressions at our average price, half to even.
fn price(own: &Own, other: Count) -> Option<i64> {
    let difference = i128::from(other.gross?) - i128::from(own.gross);
    let more = i128::from(other.impressions - own.impressions);
    let counted = (more * i128::from(own.gross))
        .checked_div(i128::from(own.impressions))
        .unwrap_or(difference);
    i64::try_from(difference - counted).ok()
}

struct Report {
    party: Party,
    zone: String,
    currency: Option<Currency>,
    days: Vec<DayReport>,
}

impl Report {
    fn party(&self) -> String {
        match &self.party {
            Party::Exchange(name) => format!("exchange {name}"),
            Party::Partner(name) => format!("partner {name}"),
        }
    }

    fn currency(&self) -> String {
        self.currency
            .map_or(String::new(), |currency| currency.to_string())
    }

    /// Impressions and gross of both sides, and the reasons summed up.
    fn total(&self) -> (DayReport, BTreeMap<&str, i64>) {
        let mut reasons: BTreeMap<&str, i64> = BTreeMap::new();
        let mut total = DayReport {
            date: Date::ZERO,
            ours: Count::default(),
            theirs: Count::default(),
            reasons: Vec::new(),
            price: None,
        };
        let add = |sum: &mut Count, count: Count| {
            sum.impressions += count.impressions;
            if let Some(gross) = count.gross {
                sum.gross = Some(sum.gross.unwrap_or(0) + gross);
            }
        };
        for day in &self.days {
            add(&mut total.ours, day.ours);
            add(&mut total.theirs, day.theirs);
            for (reason, count) in &day.reasons {
                *reasons.entry(reason).or_default() += count;
            }
        }
        (total, reasons)
    }

    fn text(&self) -> String {
        let mut out = format!(
            "counts of {} beside ours, days of {}, amounts in {}\n\n",
            self.party(),
            self.zone,
            self.currency()
        );
        let _ = writeln!(
            out,
            "{:<10} {:>12} {:>12} {:>10} {:>8} {:>16} {:>16} {:>14}  why",
            "day", "ours", "theirs", "more", "%", "our gross", "their gross", "price"
        );
        let (total, reasons) = self.total();
        for day in &self.days {
            row(&day.date.to_string(), day, &mut out);
        }
        row("all", &total, &mut out);
        for (reason, count) in reasons {
            let _ = writeln!(out, "  {reason:<28} {count:>+10}");
        }
        out
    }

    fn json(&self) -> String {
        let shown = |day: &DayReport| {
            let reasons = day
                .reasons
                .iter()
                .map(|(name, count)| (name.clone(), (*count).into()));
            json!({
                "date": day.date.to_string(),
                "ours": side(day.ours),
                "theirs": side(day.theirs),
                "more": day.impressions(),
                "reasons": Value::Object(reasons.collect()),
                "gross_difference": day.gross().map(amount),
                "price_difference": day.price.map(amount),
            })
        };
        let (total, reasons) = self.total();
        let days: Vec<Value> = self.days.iter().map(shown).collect();
        let report = json!({
            "party": self.party(),
            "timezone": self.zone,
            "currency": self.currency(),
            "days": days,
            "total": {
                "ours": side(total.ours),
                "theirs": side(total.theirs),
                "more": total.impressions(),
                "reasons": reasons,
                "gross_difference": total.gross().map(amount),
            },
        });
        format!("{report:#}\n")
    }

    fn csv(&self) -> String {
        let mut out = "date,party,currency,our_impressions,their_impressions,our_gross,\
                       their_gross,price_difference,reason,impressions\r\n"
            .to_owned();
        for day in &self.days {
            let gross = |count: Count| count.gross.map_or(String::new(), amount);
            let head = format!(
                "{},{},{},{},{},{},{},{}",
                day.date,
                csv::field(&self.party()),
                self.currency(),
                day.ours.impressions,
                day.theirs.impressions,
                gross(day.ours),
                gross(day.theirs),
                day.price.map_or(String::new(), amount),
            );
            if day.reasons.is_empty() {
                let _ = write!(out, "{head},none,0\r\n");
            }
            for (reason, count) in &day.reasons {
                let _ = write!(out, "{head},{reason},{count}\r\n");
            }
        }
        out
    }
}

fn row(name: &str, day: &DayReport, out: &mut String) {
    let gross = |count: Count| count.gross.map_or("-".to_owned(), amount);
    let count = |number: i64| grouped(number.unsigned_abs());
    let per_cent = match day.ours.impressions {
        0 => "-".to_owned(),
        ours => {
            let hundredths = day.impressions() * 10_000 / ours;
            let sign = if hundredths < 0 { "-" } else { "" };
            let hundredths = hundredths.unsigned_abs();
            format!("{sign}{}.{:02}", hundredths / 100, hundredths % 100)
        }
    };
    let why: Vec<String> = day
        .reasons
        .iter()
        .map(|(reason, count)| format!("{reason} {count:+}"))
        .collect();
    let line = format!(
        "{name:<10} {:>12} {:>12} {:>+10} {per_cent:>8} {:>16} {:>16} {:>14}  {}",
        count(day.ours.impressions),
        count(day.theirs.impressions),
        day.impressions(),
        gross(day.ours),
        gross(day.theirs),
        day.price.map_or("-".to_owned(), amount),
        why.join(", ")
    );
    let _ = writeln!(out, "{}", line.trim_end());
}

fn side(count: Count) -> Value {
    json!({ "impressions": count.impressions, "gross": count.gross.map(amount) })
}

fn amount(micros: i64) -> String {
    Micros(micros).to_string()
}

#[cfg(test)]
mod tests;
