//! `GET /metrics`: the counters that live outside the recorder are copied into it, then all is
//! written as Prometheus text. Label sets are closed, but for the names of partners, which the
//! operator gives.

mod partners;

use crate::clock;
use crate::node::Node;
use exchange::counters::{Label, NoticeEvent, Tally};
use metrics::{Counter, counter, describe_counter, describe_gauge, gauge};
use std::sync::atomic::Ordering::Relaxed;

/// The Prometheus text of a node.
pub fn render(node: &Node) -> String {
    exchange(node);
    log(node);
    bidder(node);
    let mut text = node.telemetry.render();
    partners::times(node, &mut text);
    text
}

/// Says what the numbers are, once at start.
pub fn describe() {
    describe_counter!("gavel_auctions_total", "Auctions by how they ended.");
    describe_counter!(
        "gavel_auctions_unsold_total",
        "Auctions that sold nothing, by reason."
    );
    describe_counter!(
        "gavel_auctions_refused_total",
        "Requests refused by the exchange, by reason."
    );
    describe_counter!(
        "gavel_floors_total",
        "Floors of imps by where they came from."
    );
    describe_counter!(
        "gavel_bids_lost_total",
        "Bids that the exchange rejected or that lost, by reason."
    );
    describe_counter!(
        "gavel_notice_journal_failures_total",
        "Times that the journal of notices could not be written or read."
    );
    partners::describe();
    describe_counter!(
        "gavel_auction_log_total",
        "Auctions for the log, by what became of their record."
    );
    describe_counter!("gavel_bids_total", "Bids that the bidder made.");
    describe_counter!(
        "gavel_no_bids_total",
        "Requests that the bidder left, by reason."
    );
    describe_counter!(
        "gavel_notices_refused_total",
        "Notices that charged nothing, by reason."
    );
    describe_counter!(
        "gavel_dead_letters_total",
        "Refused notices, by whether they were kept."
    );
    describe_counter!(
        "gavel_conversions_total",
        "Conversions by what they were credited to."
    );
    describe_counter!(
        "gavel_tokens_refused_total",
        "Tokens that were not ours or not valid, by reason."
    );
    describe_counter!(
        "gavel_ledger_events_total",
        "Events handed to the ledger, by outcome."
    );
    describe_counter!(
        "gavel_caps_held_back_total",
        "Bids held back by the table of frequency caps itself, by reason."
    );
    describe_counter!(
        "gavel_funnel_dropped_total",
        "Counts of the funnel that found no room in the table of their hour."
    );
    describe_counter!(
        "gavel_caps_evicted_total",
        "Users and households, and marks of them, that limited nothing any more and were dropped."
    );
    describe_counter!(
        "gavel_caps_saves_total",
        "Saves of the frequency counts, by outcome."
    );
    describe_gauge!(
        "gavel_caps_subjects",
        "Users and households of whom impressions are counted."
    );
    describe_gauge!(
        "gavel_caps_heap_bytes",
        "Bytes of counts that do not stand in the table of users itself."
    );
    describe_gauge!(
        "gavel_caps_holding",
        "1 while places are kept free for bids of a run that crashed."
    );
    describe_gauge!(
        "gavel_exchange_skipped_ratio",
        "Share of an exchange's requests that is passed over because it does not wait."
    );
    describe_gauge!("gavel_line_items_active", "Line items that may bid now.");
    describe_gauge!("gavel_audience_users", "Users whose segments are known.");
    describe_gauge!(
        "gavel_rates_stale",
        "1 while the currency rates are too old to be used."
    );
    describe_gauge!(
        "gavel_ledger_healthy",
        "1 while commits succeed, 0 when the node has stopped bidding."
    );
}

fn exchange(node: &Node) {
    let counters = &node.counters;
    copy(
        &counters.ended,
        |label| counter!("gavel_auctions_total", "ended" => label),
    );
    copy(
        &counters.no_bids,
        |label| counter!("gavel_auctions_unsold_total", "reason" => label),
    );
    copy(
        &counters.refused,
        |label| counter!("gavel_auctions_refused_total", "reason" => label),
    );
    copy(
        &counters.floors,
        |label| counter!("gavel_floors_total", "source" => label),
    );
    copy(
        &counters.losses,
        |label| counter!("gavel_bids_lost_total", "reason" => label),
    );
    let failed = counters.notices.get(NoticeEvent::JournalFailed);
    counter!("gavel_notice_journal_failures_total").absolute(failed);
    partners::count(node);
    partners::sellers(node);
}

fn log(node: &Node) {
    let counts = node.auctions.counts();
    for (outcome, count) in [
        ("queued", &counts.queued),
        ("shed", &counts.shed),
        ("failed", &counts.failed),
    ] {
        counter!("gavel_auction_log_total", "outcome" => outcome).absolute(count.load(Relaxed));
    }
}

fn bidder(node: &Node) {
    counter!("gavel_funnel_dropped_total").absolute(node.hours.dropped());
    for (reason, count) in node.caps.held_back() {
        counter!("gavel_caps_held_back_total", "reason" => reason.label()).absolute(count);
    }
    let swept = node.caps.swept();
    for (what, count) in [("subjects", swept.subjects), ("marks", swept.marks)] {
        counter!("gavel_caps_evicted_total", "what" => what).absolute(count as u64);
    }
    gauge!("gavel_caps_subjects").set(node.caps.subjects() as f64);
    gauge!("gavel_caps_heap_bytes").set(node.caps.heap() as f64);
    let holding = node.caps.unknown_until() > clock::unix_s();
    gauge!("gavel_caps_holding").set(f64::from(u8::from(holding)));
    let snapshot = node.snapshot.load();
    gauge!("gavel_line_items_active").set(snapshot.plan.active_line_items() as f64);
    gauge!("gavel_audience_users").set(f64::from(snapshot.audience.lookup.users()));
    gauge!("gavel_ledger_healthy").set(f64::from(u8::from(node.writer.is_healthy())));
}

fn copy<L: Label>(tally: &Tally<L>, handle: impl Fn(&'static str) -> Counter) {
    for (label, count) in tally.iter() {
        handle(label).absolute(count);
    }
}
