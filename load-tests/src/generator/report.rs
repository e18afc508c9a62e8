//! What came back: latencies, statuses, faults and the rate that was really reached.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use super::wire::Answer;

const QUANTILES: [(&str, f64); 4] = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99_9", 0.999)];
const LATENCY_MAX_MICROS: u64 = 3_600_000_000;

/// The result of a run.
#[derive(Debug, Clone)]
pub struct Report {
    /// From the first request due to the last answer.
    pub elapsed: Duration,
    /// Requests that an open loop had to start; `None` for a closed loop.
    pub planned: Option<u64>,
    /// Requests that started more than a millisecond after they were due.
    pub late_starts: u64,
    /// Answers by HTTP status.
    pub statuses: BTreeMap<u16, u64>,
    /// Answers without a bid, by OpenRTB's reason in the header `x-openrtb-nbr`; 0 is a reason
    /// that the specification's list has no word for.
    pub no_bids: BTreeMap<u16, u64>,
    /// Requests without an answer, by what happened.
    pub faults: BTreeMap<&'static str, u64>,
    /// From when a request was due to the end of its answer.
    pub latency: Latency,
    /// From when a request was really sent to the end of its answer.
    pub service: Latency,
}

/// A histogram of durations in microseconds, with three significant digits.
#[derive(Debug, Clone)]
pub struct Latency(Histogram<u64>);

impl Report {
    pub(super) fn new() -> Self {
        Self {
            elapsed: Duration::ZERO,
            planned: None,
            late_starts: 0,
            statuses: BTreeMap::new(),
            no_bids: BTreeMap::new(),
            faults: BTreeMap::new(),
            latency: Latency::new(),
            service: Latency::new(),
        }
    }

    /// Answers of any status.
    pub fn answers(&self) -> u64 {
        self.statuses.values().sum()
    }

    /// Requests without an answer.
    pub fn faulted(&self) -> u64 {
        self.faults.values().sum()
    }

    /// Requests that an open loop could not start in time, because all connections were busy.
    pub fn unsent(&self) -> u64 {
        self.planned.map_or(0, |planned| {
            planned.saturating_sub(self.answers() + self.faulted())
        })
    }

    /// Answers a second, over the whole run.
    pub fn achieved_rate(&self) -> f64 {
        self.answers() as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }

    /// The report for programs. Latencies are in microseconds.
    pub fn to_json(&self) -> Value {
        json!({
            "elapsed_s": self.elapsed.as_secs_f64(),
            "planned": self.planned,
            "answers": self.answers(),
            "achieved_per_s": self.achieved_rate(),
            "unsent": self.unsent(),
            "late_starts": self.late_starts,
            "statuses": by_name(&self.statuses),
            "no_bids_by_nbr": by_name(&self.no_bids),
            "faults": self.faults,
            "latency_us": self.latency.to_json(),
            "service_us": self.service.to_json(),
        })
    }

    pub(super) fn answer(&mut self, answer: Answer, latency: Duration, service: Duration) {
        *self.statuses.entry(answer.status).or_default() += 1;
        if let Some(nbr) = answer.nbr {
            *self.no_bids.entry(nbr).or_default() += 1;
        }
        self.latency.record(latency);
        self.service.record(service);
    }

    pub(super) fn fault(&mut self, label: &'static str) {
        *self.faults.entry(label).or_default() += 1;
    }
}

/// JSON has no numbers for keys.
fn by_name(counts: &BTreeMap<u16, u64>) -> BTreeMap<String, u64> {
    let named = counts
        .iter()
        .map(|(number, count)| (number.to_string(), *count));
    named.collect()
}

impl Default for Report {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let planned = self
            .planned
            .map_or_else(String::new, |planned| format!(" of {planned}"));
        writeln!(
            out,
            "answers   {}{planned} in {:.2} s: {:.0} a second",
            self.answers(),
            self.elapsed.as_secs_f64(),
            self.achieved_rate()
        )?;
        writeln!(
            out,
            "late      {} started late, {} never",
            self.late_starts,
            self.unsent()
        )?;
        writeln!(out, "statuses  {:?}", self.statuses)?;
        writeln!(out, "no bids   {:?} by nbr", self.no_bids)?;
        writeln!(out, "faults    {:?}", self.faults)?;
        writeln!(out, "latency   {} (from when due)", self.latency)?;
        write!(out, "service   {} (from when sent)", self.service)
    }
}

impl Latency {
    /// An empty histogram from 1 µs to an hour.
    ///
    /// # Panics
    /// Never: the bounds are valid.
    pub fn new() -> Self {
        Self(Histogram::new_with_bounds(1, LATENCY_MAX_MICROS, 3).expect("the bounds are valid"))
    }

    /// Counts one duration; longer than an hour counts as an hour.
    pub fn record(&mut self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.0.saturating_record(micros.max(1));
    }

    /// The duration that `share` (0 to 1) of all do not pass.
    pub fn quantile(&self, share: f64) -> Duration {
        Duration::from_micros(self.0.value_at_quantile(share))
    }

    /// The longest duration.
    pub fn max(&self) -> Duration {
        Duration::from_micros(self.0.max())
    }

    /// Durations counted.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    fn to_json(&self) -> Value {
        let mut object: BTreeMap<&str, u64> = QUANTILES
            .into_iter()
            .map(|(name, share)| (name, self.0.value_at_quantile(share)))
            .collect();
        object.insert("max", self.0.max());
        json!(object)
    }
}

impl Default for Latency {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for Latency {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, share) in QUANTILES {
            let millis = self.quantile(share).as_secs_f64() * 1e3;
            write!(out, "{} {millis:.3} ms, ", name.replace('_', "."))?;
        }
        write!(out, "max {:.3} ms", self.max().as_secs_f64() * 1e3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_sorted_durations() {
        let mut latency = Latency::new();
        for micros in 1..=10_000 {
            latency.record(Duration::from_micros(micros));
        }
        for (share, exact) in [
            (0.5, 5_000.0),
            (0.9, 9_000.0),
            (0.99, 9_900.0),
            (0.999, 9_990.0),
        ] {
            let got = latency.quantile(share).as_micros() as f64;
            assert!(
                (got - exact).abs() <= exact / 1_000.0 + 1.0,
                "{share}: {got}"
            );
        }
        assert_eq!(latency.count(), 10_000);
    }

    #[test]
    fn extremes_are_counted_at_the_bounds() {
        let mut latency = Latency::new();
        latency.record(Duration::ZERO);
        latency.record(Duration::from_secs(100_000));
        assert_eq!(latency.quantile(0.0), Duration::from_micros(1));
        assert!(latency.max() >= Duration::from_hours(1));
        assert_eq!(latency.count(), 2);
    }

    #[test]
    fn a_report_adds_up() {
        let mut report = Report {
            planned: Some(10),
            ..Report::new()
        };
        report.elapsed = Duration::from_secs(2);
        for (status, nbr) in [(200, None), (204, Some(0)), (204, Some(9))] {
            let answer = Answer {
                status,
                keep_alive: true,
                nbr,
            };
            report.answer(answer, Duration::from_millis(3), Duration::from_millis(2));
        }
        report.fault("timeout");
        assert_eq!(
            (report.answers(), report.faulted(), report.unsent()),
            (3, 1, 6)
        );
        let json = report.to_json();
        assert_eq!(json["statuses"], json!({"200": 1, "204": 2}));
        assert_eq!(json["no_bids_by_nbr"], json!({"0": 1, "9": 1}));
        assert_eq!(
            (&json["achieved_per_s"], &json["unsent"]),
            (&json!(1.5), &json!(6))
        );
        assert!(report.to_string().contains("3 of 10"), "{report}");
    }
}
