//! `GET /metrics`: the counters that live outside the recorder are copied into it, then all is
//! written as Prometheus text. Label sets are closed, but for the names of partners, which the
//! operator gives.

mod partners;

use crate::node::Node;
use exchange::counters::{Label, NoticeEvent, Tally};
use metrics::{Counter, counter, describe_counter, describe_gauge, gauge};

/// The Prometheus text of a node.
pub fn render(node: &Node) -> String {
    exchange(node);
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
    describe_gauge!(
        "gavel_caps_entries",
        "Pairs of user and line item that are counted."
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
    partners::deals(node);
}

fn bidder(node: &Node) {
    let (contended, full) = node.caps.held_back();
    counter!("gavel_caps_held_back_total", "reason" => "contended").absolute(contended);
    counter!("gavel_caps_held_back_total", "reason" => "full").absolute(full);
    gauge!("gavel_caps_entries").set(node.caps.entries() as f64);
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
