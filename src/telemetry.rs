//! Metric handles, made once at start so that the bid path never looks one up by name.
//!
//! Latencies go into [`Latency`], a table of shared atomics (about 10 ns a record); counters are
//! handles of the `metrics` crate. The exporter renders both as Prometheus text.

use bidder::NoBid;
use bidder::notice::Refusal;
use ledger::Outcome;
use ledger::token::Rejected;
use metrics::{Counter, counter, describe_counter, describe_gauge, gauge};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Buckets per power of two: a value is off by at most 1/16 of itself.
const FINE: usize = 16;
const POWERS: usize = 40;

/// A histogram of durations: log-linear buckets of nanoseconds, lock-free.
pub struct Latency {
    buckets: Box<[AtomicU64]>,
}

impl Default for Latency {
    fn default() -> Self {
        Self {
            buckets: (0..FINE * POWERS).map(|_| AtomicU64::new(0)).collect(),
        }
    }
}

impl Latency {
    /// Counts one duration.
    pub fn record(&self, duration: Duration) {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.buckets[bucket(nanos)].fetch_add(1, Relaxed);
    }

    /// A copy of the counts, to take differences and quantiles from.
    pub fn counts(&self) -> Counts {
        Counts(
            self.buckets
                .iter()
                .map(|bucket| bucket.load(Relaxed))
                .collect(),
        )
    }
}

/// The counts of a [`Latency`] at one moment.
#[derive(Clone, Default)]
pub struct Counts(Vec<u64>);

impl Counts {
    /// What was counted since `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Counts) -> Counts {
        let before = |index: usize| earlier.0.get(index).copied().unwrap_or(0);
        Counts(
            self.0
                .iter()
                .enumerate()
                .map(|(i, n)| n.saturating_sub(before(i)))
                .collect(),
        )
    }

    /// How many durations were counted.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// The upper edge of the bucket that holds the `quantile` (0 to 1); zero without counts.
    pub fn quantile(&self, quantile: f64) -> Duration {
        let total = self.total();
        let wanted = ((total as f64 * quantile).ceil() as u64).max(1);
        let mut seen = 0;
        for (index, count) in self.0.iter().enumerate() {
            seen += count;
            if total > 0 && seen >= wanted {
                return Duration::from_nanos(upper_edge(index));
            }
        }
        Duration::ZERO
    }
}

fn bucket(nanos: u64) -> usize {
    if nanos < FINE as u64 {
        return nanos as usize;
    }
    let power = 63 - nanos.leading_zeros() as usize;
    let fine = (nanos >> (power - 4)) as usize & (FINE - 1);
    ((power - 3) * FINE + fine).min(FINE * POWERS - 1)
}

fn upper_edge(index: usize) -> u64 {
    if index < FINE {
        return index as u64;
    }
    let (power, fine) = (index / FINE + 3, (index % FINE) as u64);
    ((FINE as u64 + fine + 1) << (power - 4)) - 1
}

/// Every HTTP status that the data plane answers with, so that each has a handle.
const STATUSES: [u16; 15] = [
    200, 204, 302, 400, 401, 404, 405, 408, 409, 413, 415, 429, 431, 500, 503,
];

/// What may become of an event, as metric labels.
const OUTCOMES: [&str; 7] = [
    "recorded",
    "charged",
    "over_delivered",
    "duplicate",
    "refused",
    "shed",
    "stopped",
];

/// The counters of one endpoint of the data plane.
pub struct Endpoint {
    statuses: [Counter; STATUSES.len()],
    other: Counter,
    /// Time from the whole body to the finished answer, without waiting for partners' sockets
    /// on the bidder's side, and with it on the exchange's.
    pub latency: Latency,
}

impl Endpoint {
    fn new(name: &'static str) -> Self {
        let of = |status: String| counter!("gavel_http_requests_total", "endpoint" => name, "status" => status);
        Self {
            statuses: STATUSES.map(|status| of(status.to_string())),
            other: of("other".to_owned()),
            latency: Latency::default(),
        }
    }

    /// Counts one answer.
    pub fn answered(&self, status: u16) {
        let known = STATUSES.iter().position(|known| *known == status);
        known
            .map_or(&self.other, |index| &self.statuses[index])
            .increment(1);
    }
}

/// All handles of the node.
pub struct Telemetry {
    /// `POST /openrtb2/bid/{exchange}`.
    pub bid: Endpoint,
    /// `POST /openrtb2/auction`.
    pub auction: Endpoint,
    /// `/n/{win,bill,loss}`.
    pub notice: Endpoint,
    /// `/t/{imp,view,click,conv}`.
    pub track: Endpoint,
    /// Everything else on the data plane.
    pub other: Endpoint,
    /// Snapshots published since the start.
    pub publications: Counter,
    /// Bids made.
    pub bids: Counter,
    /// Requests that the bidder left, by [`NoBid::index`].
    pub no_bids: [Counter; NoBid::ALL.len()],
    /// Notices that charge nothing, by [`Refusal::index`].
    pub notices_refused: [Counter; Refusal::ALL.len()],
    /// Tokens that are not ours or not valid, by [`Rejected::index`].
    pub tokens_refused: [Counter; Rejected::ALL.len()],
    /// Events of playback of our video and audio, in the order of [`bidder::vast::EVENTS`].
    pub playback: [Counter; bidder::vast::EVENTS.len()],
    /// What became of events, in the order of [`OUTCOMES`].
    outcomes: [Counter; OUTCOMES.len()],
    exporter: PrometheusHandle,
}

impl Telemetry {
    /// The handles of this process. There is one recorder per process, so every node in it
    /// (tests start several) shares the exporter.
    ///
    /// # Panics
    /// Where another recorder was installed before: two exporters would each tell half.
    pub fn install() -> Self {
        static EXPORTER: OnceLock<PrometheusHandle> = OnceLock::new();
        let exporter = EXPORTER.get_or_init(|| {
            let recorder = PrometheusBuilder::new().build_recorder();
            let handle = recorder.handle();
            metrics::set_global_recorder(recorder).expect("the program installs one recorder");
            handle
        });
        describe_counter!(
            "gavel_http_requests_total",
            "Answers of the data plane by status."
        );
        describe_counter!(
            "gavel_publications_total",
            "Snapshots published to the bid path."
        );
        describe_gauge!(
            "gavel_latency_seconds",
            "Quantiles of an endpoint since the start."
        );
        Self {
            bid: Endpoint::new("bid"),
            auction: Endpoint::new("auction"),
            notice: Endpoint::new("notice"),
            track: Endpoint::new("track"),
            other: Endpoint::new("other"),
            publications: counter!("gavel_publications_total"),
            bids: counter!("gavel_bids_total"),
            no_bids: NoBid::ALL
                .map(|reason| counter!("gavel_no_bids_total", "reason" => reason.label())),
            notices_refused: Refusal::ALL
                .map(|reason| counter!("gavel_notices_refused_total", "reason" => reason.label())),
            tokens_refused: Rejected::ALL
                .map(|reason| counter!("gavel_tokens_refused_total", "reason" => reason.label())),
            playback: bidder::vast::EVENTS
                .map(|event| counter!("gavel_playback_events_total", "event" => event)),
            outcomes: OUTCOMES
                .map(|outcome| counter!("gavel_ledger_events_total", "outcome" => outcome)),
            exporter: exporter.clone(),
        }
    }

    /// Counts what the ledger made of an event.
    pub fn settled(&self, outcome: Result<Outcome, ledger::Refusal>) {
        let place = match outcome {
            Ok(Outcome::Recorded) => 0,
            Ok(Outcome::Charged { .. }) => 1,
            Ok(Outcome::OverDelivered { .. }) => 2,
            Ok(Outcome::Duplicate) => 3,
            Ok(Outcome::Refused { .. }) => 4,
            Err(ledger::Refusal::Busy) => 5,
            Err(ledger::Refusal::Stopped) => 6,
        };
        self.outcomes[place].increment(1);
    }

    /// The Prometheus text of `GET /metrics`.
    pub fn render(&self) -> String {
        for (name, endpoint) in [
            ("bid", &self.bid),
            ("auction", &self.auction),
            ("notice", &self.notice),
        ] {
            let counts = endpoint.latency.counts();
            for (label, quantile) in [("0.5", 0.5), ("0.99", 0.99), ("0.999", 0.999)] {
                gauge!("gavel_latency_seconds", "endpoint" => name, "quantile" => label)
                    .set(counts.quantile(quantile).as_secs_f64());
            }
        }
        self.exporter.run_upkeep();
        self.exporter.render()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_within_a_sixteenth() {
        let latency = Latency::default();
        for micros in 1..=1000 {
            latency.record(Duration::from_micros(micros));
        }
        let counts = latency.counts();
        assert_eq!(counts.total(), 1000);
        for (quantile, exact) in [(0.5, 500.0), (0.99, 990.0), (1.0, 1000.0)] {
            let seen = counts.quantile(quantile).as_secs_f64() * 1e6;
            assert!(
                seen >= exact && seen <= exact * (1.0 + 1.0 / 16.0),
                "{quantile}: {seen}"
            );
        }
        assert_eq!(counts.since(&counts).quantile(0.5), Duration::ZERO);
    }

    #[test]
    fn every_value_lies_within_its_bucket() {
        for shift in 0..43 {
            for offset in [0, 1, 3] {
                let nanos = (1u64 << shift) + offset;
                let index = bucket(nanos);
                assert!(
                    upper_edge(index) >= nanos || index == FINE * POWERS - 1,
                    "{nanos}"
                );
                assert!(index == 0 || upper_edge(index - 1) < nanos, "{nanos}");
            }
        }
    }
}
