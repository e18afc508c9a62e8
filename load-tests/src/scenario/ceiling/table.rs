//! The result of a ceiling measurement, as a table and as JSON.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Value, json};

use super::Turn;

/// Below this share of its core a server was waiting, and its figure says little.
const BUSY: f64 = 0.7;

/// All turns of one endpoint.
#[derive(Debug, Clone)]
pub struct Row {
    /// The endpoint.
    pub name: &'static str,
    /// Its turns, in order of time.
    pub turns: Vec<Turn>,
}

/// The whole result; the first row is the yardstick.
#[derive(Debug, Clone)]
pub struct Table {
    /// One row an endpoint.
    pub rows: Vec<Row>,
    /// Whether servers and generator were kept on their cores.
    pub pinned: bool,
}

impl Row {
    /// Median over the turns of the answers per second of the server's processor time.
    pub fn answers_per_cpu_second(&self) -> f64 {
        self.median(Turn::answers_per_cpu_second)
    }

    /// Answers by status, all turns.
    pub fn statuses(&self) -> BTreeMap<u16, u64> {
        let mut sum = BTreeMap::new();
        for (status, count) in self.turns.iter().flat_map(|turn| &turn.report.statuses) {
            *sum.entry(*status).or_default() += count;
        }
        sum
    }

    /// What the server counted, all turns, as a share of its answers.
    fn counted(&self) -> BTreeMap<&str, f64> {
        let answers: u64 = self.turns.iter().map(|turn| turn.report.answers()).sum();
        let mut sum = BTreeMap::new();
        for (name, count) in self.turns.iter().flat_map(|turn| &turn.counted) {
            *sum.entry(name.as_str()).or_default() += *count as f64 / answers.max(1) as f64;
        }
        sum
    }

    /// Answers without a bid by OpenRTB's reason, all turns.
    fn no_bids(&self) -> BTreeMap<u16, u64> {
        let mut sum = BTreeMap::new();
        for (nbr, count) in self.turns.iter().flat_map(|turn| &turn.report.no_bids) {
            *sum.entry(*nbr).or_default() += count;
        }
        sum
    }

    /// Requests without an answer, all turns.
    pub fn faulted(&self) -> u64 {
        self.turns.iter().map(|turn| turn.report.faulted()).sum()
    }

    fn median(&self, figure: impl Fn(&Turn) -> f64) -> f64 {
        let mut figures: Vec<f64> = self.turns.iter().map(figure).collect();
        figures.sort_unstable_by(f64::total_cmp);
        match figures.len() {
            0 => 0.0,
            count if count % 2 == 1 => figures[count / 2],
            count => f64::midpoint(figures[count / 2 - 1], figures[count / 2]),
        }
    }

    fn utilisation(&self) -> f64 {
        self.median(Turn::utilisation)
    }

    fn quantile_ms(&self, share: f64) -> f64 {
        self.median(|turn| turn.report.service.quantile(share).as_secs_f64() * 1e3)
    }

    fn to_json(&self, bare: f64) -> Value {
        let per_turn: Vec<f64> = self
            .turns
            .iter()
            .map(Turn::answers_per_cpu_second)
            .collect();
        let reports: Vec<Value> = self
            .turns
            .iter()
            .map(|turn| turn.report.to_json())
            .collect();
        let per_cpu_second = self.answers_per_cpu_second();
        json!({
            "name": self.name,
            "answers_per_cpu_second": per_cpu_second,
            "answers_per_cpu_second_by_turn": per_turn,
            "cpu_us_per_answer": 1e6 / per_cpu_second.max(1e-9),
            "ratio_to_bare": per_cpu_second / bare.max(1e-9),
            "server_utilisation": self.utilisation(),
            "counted_per_answer": self.counted(),
            "faults": self.faulted(),
            "turns": reports,
        })
    }
}

impl Table {
    /// The result for programs.
    pub fn to_json(&self) -> Value {
        let bare = self.bare();
        let rows: Vec<Value> = self.rows.iter().map(|row| row.to_json(bare)).collect();
        json!({"pinned": self.pinned, "rows": rows})
    }

    fn bare(&self) -> f64 {
        self.rows.first().map_or(0.0, Row::answers_per_cpu_second)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.pinned {
            writeln!(out, "NOTHING WAS PINNED: these figures are not comparable")?;
        }
        writeln!(
            out,
            "{:<10}{:>12}{:>12}{:>9}{:>10}{:>9}{:>9}{:>7}  statuses",
            "endpoint",
            "per cpu-s",
            "cpu us/ans",
            "to bare",
            "answers/s",
            "p50 ms",
            "p99 ms",
            "busy"
        )?;
        let bare = self.bare();
        for row in &self.rows {
            let per_cpu_second = row.answers_per_cpu_second();
            writeln!(
                out,
                "{:<10}{per_cpu_second:>12.0}{:>12.2}{:>9.2}{:>10.0}{:>9.3}{:>9.3}{:>6.0}%  {:?}{}",
                row.name,
                1e6 / per_cpu_second.max(1e-9),
                per_cpu_second / bare.max(1e-9),
                row.median(|turn| turn.report.achieved_rate()),
                row.quantile_ms(0.5),
                row.quantile_ms(0.99),
                row.utilisation() * 100.0,
                row.statuses(),
                match row.faulted() {
                    0 => String::new(),
                    faulted => format!(" and {faulted} FAULTS"),
                }
            )?;
        }
        for row in self.rows.iter().filter(|row| !row.turns.is_empty()) {
            if !row.no_bids().is_empty() {
                writeln!(out, "{} no bids by nbr: {:?}", row.name, row.no_bids())?;
            }
            if !row.counted().is_empty() {
                writeln!(out, "{} counted, for each answer:", row.name)?;
            }
            for (name, share) in row.counted() {
                writeln!(out, "  {name} {share:.4}")?;
            }
        }
        for row in self.rows.iter().filter(|row| row.utilisation() < BUSY) {
            writeln!(
                out,
                "{} used only {:.0} % of its core: it waited for the generator, its figure is too \
                 low",
                row.name,
                row.utilisation() * 100.0
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::generator::Report;

    fn turn(answers: u64, server_ms: u64) -> Turn {
        let mut report = Report {
            elapsed: Duration::from_secs(1),
            ..Report::default()
        };
        report.statuses.insert(204, answers);
        Turn {
            report,
            server_time: Duration::from_millis(server_ms),
            counted: [("bids".to_owned(), answers / 2)].into(),
        }
    }

    #[test]
    fn figures_are_medians_and_ratios_are_to_the_first_row() {
        let bare = Row {
            name: "bare",
            turns: vec![turn(900, 900), turn(1_000, 500), turn(8, 1)],
        };
        let bidder = Row {
            name: "bidder",
            turns: vec![turn(500, 500), turn(100, 600)],
        };
        assert_eq!(bare.answers_per_cpu_second().round(), 2_000.0);
        let table = Table {
            rows: vec![bare, bidder],
            pinned: false,
        };
        let json = table.to_json();
        let ratio = json["rows"][1]["ratio_to_bare"].as_f64().unwrap();
        assert!((ratio - 0.291_667).abs() < 1e-4, "{ratio}");
        let text = table.to_string();
        assert!(text.starts_with("NOTHING WAS PINNED"), "{text}");
        assert!(text.contains("bidder used only 55 % of its core"), "{text}");
        assert!(text.contains("{204: 600}"), "{text}");
        assert!(text.contains("bids 0.5000"), "{text}");
    }
}
