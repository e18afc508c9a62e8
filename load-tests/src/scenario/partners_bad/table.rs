//! The result, and whether it is within its bounds.

use std::time::Duration;

use serde_json::{Value, json};

use crate::generator::Report;

/// The most that an auction may take beyond its `tmax` at the 99th percentile.
const OVERTIME: Duration = Duration::from_millis(2);
/// How far the healthy partners' part may move.
const WINS: f64 = 0.01;
const BREAKER: Duration = Duration::from_secs(1);
const MEMORY: u64 = 32 * 1024 * 1024;
/// Sockets of the node that are no partner's: the generator's and its own.
const OTHER_SOCKETS: usize = 80;

/// One kind of bad partner.
#[derive(Debug)]
pub struct Row {
    /// Its name.
    pub name: &'static str,
    /// Whether it is to open breakers.
    pub is_failure: bool,
    /// What the generator saw.
    pub report: Report,
    /// Part of auctions that a healthy partner won.
    pub healthy_wins: f64,
    /// Auctions that a bad partner won.
    pub bad_wins: u64,
    /// When every bad partner's breaker had opened; `None` where one never did.
    pub breaker_open_after: Option<Duration>,
    /// Most resident memory of the node, in bytes.
    pub memory_peak: u64,
    /// Most sockets of the node.
    pub sockets_peak: usize,
    /// Sockets two seconds after the load.
    pub sockets_after: usize,
    /// Redirects that were followed.
    pub followed: u64,
}

/// The whole result.
#[derive(Debug)]
pub struct Table {
    /// Six partners that do not bid, beside four healthy ones.
    pub yardstick: Row,
    /// Each kind.
    pub rows: Vec<Row>,
    /// Time for an auction.
    pub tmax: Duration,
    /// Sockets that the partners' settings allow.
    pub sockets_allowed: usize,
}

impl Table {
    /// What is out of bounds, a line each; empty where all is well.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for row in &self.rows {
            let mut must = |holds: bool, what: String| {
                if !holds {
                    faults.push(format!("{}: {what}", row.name));
                }
            };
            let p99 = row.report.latency.quantile(0.99);
            let most = self.tmax + OVERTIME;
            must(p99 <= most, format!("p99 {p99:?}, at most {most:?}"));
            let moved = row.healthy_wins - self.yardstick.healthy_wins;
            must(moved.abs() <= WINS, format!("win rate moved by {moved:.4}"));
            must(row.followed == 0, "a redirect was followed".to_owned());
            let opened = row.breaker_open_after;
            must(
                !row.is_failure || opened.is_some_and(|after| after <= BREAKER),
                format!("breakers open after {opened:?}, at most {BREAKER:?}"),
            );
            let grown = row.memory_peak.saturating_sub(self.yardstick.memory_peak);
            must(
                grown <= MEMORY,
                format!("memory grew by {} KiB", grown / 1024),
            );
            let sockets = self.sockets_allowed + OTHER_SOCKETS;
            must(
                row.sockets_peak <= sockets,
                format!("{} sockets, at most {sockets}", row.sockets_peak),
            );
        }
        faults
    }

    /// The result for programs. Times are in milliseconds, memory in bytes.
    pub fn to_json(&self) -> Value {
        let row = |row: &Row| {
            json!({
                "name": row.name,
                "report": row.report.to_json(),
                "healthy_wins": row.healthy_wins,
                "bad_wins": row.bad_wins,
                "breaker_open_after_ms":
                    row.breaker_open_after.map(|after| after.as_millis() as u64),
                "memory_peak": row.memory_peak,
                "sockets_peak": row.sockets_peak,
                "sockets_after": row.sockets_after,
            })
        };
        json!({
            "yardstick": row(&self.yardstick),
            "rows": self.rows.iter().map(row).collect::<Vec<_>>(),
            "tmax_ms": self.tmax.as_millis() as u64,
            "faults": self.faults(),
        })
    }
}

/// One row for people, beside the yardstick.
pub(super) fn line(row: &Row, yardstick: &Row) -> String {
    let ms = |quantile| row.report.latency.quantile(quantile).as_secs_f64() * 1e3;
    let opened = row.breaker_open_after.map_or("-".to_owned(), |after| {
        format!("{:.1} s", after.as_secs_f64())
    });
    let grown = row.memory_peak.cast_signed() - yardstick.memory_peak.cast_signed();
    format!(
        "{:<15} p50 {:6.1} p99 {:6.1} ms  wins {:5.2} %  breakers {:>6}  memory {:+5.1} MiB  \
         sockets {:>4} then {:>3}  late {}",
        row.name,
        ms(0.5),
        ms(0.99),
        row.healthy_wins * 100.0,
        opened,
        grown as f64 / 1024.0 / 1024.0,
        row.sockets_peak,
        row.sockets_after,
        row.report.late_starts,
    )
}
