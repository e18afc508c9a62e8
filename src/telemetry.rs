//! Metric handles, made once at start so that the bid path never looks one up by name.
//!
//! Latencies go into [`Latency`], a table of shared atomics (about 10 ns a record); counters are
//! handles of the `metrics` crate. The exporter renders both as Prometheus text.

use bidder::NoBid;
use bidder::notice::Refusal;
pub use exchange::latency::{Counts, Latency};
use ledger::token::Rejected;
use ledger::{Credit, Outcome};
use metrics::{Counter, counter, describe_counter, describe_gauge, gauge};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use std::sync::OnceLock;

/// Every HTTP status that the data plane answers with, so that each has a handle.
const STATUSES: [u16; 17] = [
    200, 204, 302, 400, 401, 403, 404, 405, 408, 409, 410, 413, 415, 429, 431, 500, 503,
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
    /// Notices and trackers without a token: nobody's, so there is nothing to be kept of them.
    pub tokens_missing: Counter,
    /// Refused notices that were kept as dead letters.
    pub letters_kept: Counter,
    /// Refused notices that were not, since the ledger was busy or anybody could have sent them.
    pub letters_shed: Counter,
    /// Conversions by what became of them, by [`Credit::index`].
    pub conversions: [Counter; Credit::ALL.len()],
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
            tokens_missing: counter!("gavel_tokens_refused_total", "reason" => "missing"),
            tokens_refused: Rejected::ALL
                .map(|reason| counter!("gavel_tokens_refused_total", "reason" => reason.label())),
            letters_kept: counter!("gavel_dead_letters_total", "outcome" => "kept"),
            letters_shed: counter!("gavel_dead_letters_total", "outcome" => "shed"),
            conversions: Credit::ALL
                .map(|credit| counter!("gavel_conversions_total", "credit" => credit.label())),
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
