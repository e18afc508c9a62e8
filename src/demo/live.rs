//! The demo's line a second: what the publishers asked and got, how long our bidder took to
//! decide, and what the ledger holds by now. Cost: one read of some twenty balances.

use crate::demo::statement::CURRENCY;
use crate::demo::traffic::Seen;
use crate::serve::Serving;
use crate::telemetry::{Counts, Latency};
use anyhow::Result;
use ledger::Currency;
use ledger::posting::Account;
use ledger::statement::Balances;
use ledger::store::{SqliteStore, Store};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// What the columns mean, printed above them.
pub(super) const LEGEND: &str = "\
Each second: requests of the publishers, share of them filled, time in which our bidder decided
(the middle one and the slowest of a hundred); and so far: spent by our advertisers, earned by
the publishers, from partners too.
";

/// What was counted up to the last line.
pub(super) struct Live<'s> {
    decisions: &'s Latency,
    seen: &'s Seen,
    store: SqliteStore,
    requests: u64,
    answered: u64,
    filled: u64,
    counts: Counts,
}

impl<'s> Live<'s> {
    /// Counts from now on.
    ///
    /// # Errors
    /// Where the ledger cannot be read.
    pub(super) fn new(serving: &'s Serving, seen: &'s Seen) -> Result<Self> {
        let node = &serving.node;
        let decisions = &node.telemetry.bid.latency;
        Ok(Self {
            decisions,
            seen,
            store: SqliteStore::read(&crate::node::ledger_file(&node.settings.storage))?,
            requests: 0,
            answered: 0,
            filled: 0,
            counts: decisions.counts(),
        })
    }

    /// The line of the second that has just ended.
    ///
    /// # Errors
    /// Where the ledger cannot be read.
    pub(super) fn line(&mut self, second: u64) -> Result<String> {
        let load = |counter: &std::sync::atomic::AtomicU64| counter.load(Relaxed);
        let (requests, filled) = (load(&self.seen.requests), load(&self.seen.filled));
        let answered = load(&self.seen.answered);
        let counts = self.decisions.counts();
        let line = line(&Second {
            number: second,
            requests: requests - self.requests,
            answered: answered - self.answered,
            filled: filled - self.filled,
            decisions: counts.since(&self.counts),
            balances: self.store.balances()?,
        });
        (self.requests, self.answered, self.filled) = (requests, answered, filled);
        self.counts = counts;
        Ok(line)
    }
}

/// What one line tells.
struct Second {
    number: u64,
    requests: u64,
    answered: u64,
    filled: u64,
    decisions: Counts,
    balances: Balances,
}

fn line(of: &Second) -> String {
    let share = 100 * of.filled / of.answered.max(1);
    let took = |quantile| match of.decisions.total() {
        0 => "-".to_owned(),
        _ => short(of.decisions.quantile(quantile)),
    };
    let sum = |prefix: &str| -> String {
        let named = |(account, currency): &(Account, Currency)| {
            account.to_string().starts_with(prefix) && currency.code() == CURRENCY
        };
        let of = of.balances.iter().filter(|(name, _)| named(name));
        let micros: i64 = of
            .map(|(_, (debit, credit))| (debit.0 - credit.0).abs())
            .sum();
        // Cents are enough here; the statement has every micro.
        format!("{}.{:02}", micros / 1_000_000, micros % 1_000_000 / 10_000)
    };
    format!(
        "{:>4} s {:>5} req/s  fill {share:>3}%  decision p50 {:>6} p99 {:>6}  \
         spend {:>7} €  publishers {:>7} €\n",
        of.number,
        of.requests,
        took(0.5),
        took(0.99),
        sum("advertiser:"),
        sum("publisher:"),
    )
}

/// A duration in at most six characters, so that a slow second stays within its columns.
fn short(took: Duration) -> String {
    let micros = took.as_micros();
    match micros {
        0..1_000 => format!("{micros} µs"),
        1_000..10_000 => format!("{}.{} ms", micros / 1_000, micros % 1_000 / 100),
        10_000..1_000_000 => format!("{} ms", micros / 1_000),
        _ => format!("{} s", micros / 1_000_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ledger::Micros;

    fn second() -> Second {
        let latency = Latency::default();
        latency.record(Duration::from_micros(10));
        let amounts = [
            ("advertiser:adv_a", 12_345_678, 0),
            ("advertiser:adv_b", 999_999_999, 0),
            ("publisher:pub_a", 0, 1_500_000),
            ("exchange_fee", 0, 7),
        ];
        let balance = |(name, debit, credit): (&str, i64, i64)| {
            let name = (name.parse().unwrap(), CURRENCY.parse().unwrap());
            (name, (Micros(debit), Micros(credit)))
        };
        Second {
            number: 3600,
            requests: 10_000,
            answered: 9_000,
            filled: 4_500,
            decisions: latency.counts(),
            balances: amounts.into_iter().map(balance).collect(),
        }
    }

    #[test]
    fn a_line_tells_all_within_a_hundred_columns() {
        let line = line(&second());
        assert_eq!(
            line,
            "3600 s 10000 req/s  fill  50%  decision p50  10 µs p99  10 µs  \
             spend 1012.34 €  publishers    1.50 €\n"
        );
        assert!(line.trim_end().chars().count() <= 100);
    }

    #[test]
    fn durations_take_six_characters() {
        for (micros, expected) in [
            (0, "0 µs"),
            (999, "999 µs"),
            (1_000, "1.0 ms"),
            (9_999, "9.9 ms"),
            (10_000, "10 ms"),
            (999_999, "999 ms"),
            (61_000_000, "61 s"),
        ] {
            let text = short(Duration::from_micros(micros));
            assert_eq!(text, expected);
            assert!(text.chars().count() <= 6);
        }
    }

    #[test]
    fn a_second_without_decisions_has_no_quantiles() {
        let empty = Second {
            answered: 0,
            filled: 0,
            decisions: Counts::default(),
            balances: Balances::new(),
            ..second()
        };
        let line = line(&empty);
        assert!(
            line.contains("fill   0%  decision p50      - p99      -  spend"),
            "{line}"
        );
        assert!(line.contains("publishers    0.00 €"), "{line}");
    }
}
