//! What `/metrics` tells of each partner: events, notices, and histograms of its calls.

use super::copy;
use crate::node::Node;
use exchange::catalog::Route;
use exchange::link::notice::Kind;
use metrics::{counter, describe_counter, describe_gauge, gauge};
use std::fmt::Write as _;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Says what the numbers are.
pub(super) fn describe() {
    describe_counter!(
        "gavel_partner_events_total",
        "What became of each partner in auctions."
    );
    describe_counter!(
        "gavel_partner_notices_total",
        "Notices to each partner, by kind and what became of them."
    );
    describe_counter!(
        "gavel_partner_bids_lost_total",
        "Bids of each partner that were rejected or lost, by reason."
    );
    describe_counter!(
        "gavel_publisher_bids_lost_total",
        "Bids on the imps of each publisher that were rejected or lost, by reason."
    );
    describe_counter!(
        "gavel_deal_events_total",
        "What became of each deal on the imps that it is about."
    );
    describe_counter!(
        "gavel_deal_bids_lost_total",
        "Bids on each deal that were rejected or lost, by reason."
    );
    describe_gauge!(
        "gavel_partner_notices_waiting",
        "Notices to each partner that wait on disk to be tried again."
    );
    describe_gauge!(
        "gavel_partner_in_flight",
        "Calls to each partner that are under way."
    );
}

/// Copies the counters of publishers and their deals into the recorder; whoever may set up deals
/// names them.
pub(super) fn sellers(node: &Node) {
    for seller in node.snapshot.load().market.sellers() {
        let publisher = seller.publisher.id.to_string();
        copy(
            &seller.losses,
            |label| counter!("gavel_publisher_bids_lost_total", "publisher" => publisher.clone(), "reason" => label),
        );
        for agreed in seller.deals() {
            let deal = agreed.deal.id.to_string();
            copy(
                &agreed.progress.events,
                |label| counter!("gavel_deal_events_total", "deal" => deal.clone(), "event" => label),
            );
            copy(
                &agreed.progress.losses,
                |label| counter!("gavel_deal_bids_lost_total", "deal" => deal.clone(), "reason" => label),
            );
        }
    }
}

/// Copies the counters of partners into the recorder.
pub(super) fn count(node: &Node) {
    for buyer in node.snapshot.load().market.buyers() {
        let partner = buyer.partner.id.to_string();
        copy(
            &buyer.events,
            |label| counter!("gavel_partner_events_total", "partner" => partner.clone(), "event" => label),
        );
        copy(
            &buyer.live.losses,
            |label| counter!("gavel_partner_bids_lost_total", "partner" => partner.clone(), "reason" => label),
        );
        let in_flight = buyer.live.in_flight.load(Ordering::Relaxed);
        gauge!("gavel_partner_in_flight", "partner" => partner.clone()).set(f64::from(in_flight));
        let deliveries = &buyer.live.deliveries;
        gauge!("gavel_partner_notices_waiting", "partner" => partner.clone())
            .set(deliveries.waiting() as f64);
        for kind in Kind::ALL {
            copy(
                deliveries.of(kind),
                |label| counter!("gavel_partner_notices_total", "partner" => partner.clone(), "kind" => kind.label(), "event" => label),
            );
        }
    }
}

/// Upper edges of the exposed buckets, in milliseconds.
const EDGES_MS: [u64; 14] = [1, 2, 5, 10, 20, 30, 50, 75, 100, 150, 200, 300, 500, 1_000];

/// Writes the histograms of partners' calls, which the recorder cannot be given whole.
pub(super) fn times(node: &Node, out: &mut String) {
    const NAME: &str = "gavel_partner_seconds";
    out.push_str("# HELP gavel_partner_seconds Time of calls to partners, by part of the call.\n");
    out.push_str("# TYPE gavel_partner_seconds histogram\n");
    for buyer in node.snapshot.load().market.buyers() {
        let Route::Http(_) = buyer.partner.route else {
            continue;
        };
        let timing = &buyer.live.timing;
        let parts = [
            ("connect", &timing.connect),
            ("first_byte", &timing.first_byte),
            ("total", &timing.total),
        ];
        for (part, latency) in parts {
            let counts = latency.counts();
            let labels = format!("partner=\"{}\",part=\"{part}\"", buyer.partner.id);
            for edge in EDGES_MS {
                let within = counts.within(Duration::from_millis(edge));
                let le = edge as f64 / 1e3;
                let _ = writeln!(out, "{NAME}_bucket{{{labels},le=\"{le}\"}} {within}");
            }
            let (total, sum) = (counts.total(), counts.sum().as_secs_f64());
            let _ = writeln!(out, "{NAME}_bucket{{{labels},le=\"+Inf\"}} {total}");
            let _ = writeln!(out, "{NAME}_sum{{{labels}}} {sum}");
            let _ = writeln!(out, "{NAME}_count{{{labels}}} {total}");
        }
    }
}
