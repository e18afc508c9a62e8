//! What a mock partner has seen: requests, bids and the notices about its bids.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

/// Notices remembered to tell a repetition from a first one; later ones count as first.
const SEEN_MAX: usize = 2_000_000;

/// Which notice about a bid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Notice {
    /// `nurl`.
    Win,
    /// `burl`.
    Bill,
    /// `lurl`.
    Loss,
}

/// The counters of one partner, safe to read while it serves.
#[derive(Debug, Default)]
pub struct Stats(Mutex<Inner>);

/// A copy of the counters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Connections accepted.
    pub connections: u64,
    /// Bid requests read.
    pub requests: u64,
    /// Bid requests that were not JSON with an id and impressions.
    pub malformed: u64,
    /// Requests answered without a bid, whatever the reason.
    pub no_bids: u64,
    /// Bids sent, all seats and impressions.
    pub bids: u64,
    /// Requests to the target of the redirect profile: 0 unless a caller follows redirects.
    pub redirects_followed: u64,
    /// Win notices.
    pub win: NoticeCount,
    /// Billing notices.
    pub bill: NoticeCount,
    /// Loss notices.
    pub loss: NoticeCount,
}

/// The notices of one kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NoticeCount {
    /// Notices received, repetitions included.
    pub count: u64,
    /// Notices that named a bid which had one of this kind already.
    pub repeated: u64,
    /// First notices whose price was absent or no decimal number of at most six places.
    pub unpriced: u64,
    /// Sum of the prices of first notices, CPM in micros of the bid's currency.
    pub price_micros: i64,
}

#[derive(Debug, Default)]
struct Inner {
    counts: Snapshot,
    seen: HashSet<(Notice, String)>,
}

impl Stats {
    /// The counters now.
    pub fn snapshot(&self) -> Snapshot {
        self.with(|inner| inner.counts)
    }

    pub(super) fn count(&self, change: impl FnOnce(&mut Snapshot)) {
        self.with(|inner| change(&mut inner.counts));
    }

    /// Counts one notice about `bid`.
    pub(super) fn notice(&self, kind: Notice, bid: &str, price_micros: Option<i64>) {
        self.with(|inner| {
            let first = inner.seen.len() >= SEEN_MAX || inner.seen.insert((kind, bid.to_owned()));
            let count = match kind {
                Notice::Win => &mut inner.counts.win,
                Notice::Bill => &mut inner.counts.bill,
                Notice::Loss => &mut inner.counts.loss,
            };
            count.count += 1;
            match (first, price_micros) {
                (false, _) => count.repeated += 1,
                (true, None) => count.unpriced += 1,
                (true, Some(price)) => count.price_micros += price,
            }
        });
    }

    fn with<T>(&self, work: impl FnOnce(&mut Inner) -> T) -> T {
        // Counters stay readable after a panic elsewhere; no count is half done.
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Snapshot {
    /// The body of `/stats`.
    pub fn to_json(&self) -> Value {
        json!({
            "connections": self.connections,
            "requests": self.requests,
            "malformed": self.malformed,
            "no_bids": self.no_bids,
            "bids": self.bids,
            "redirects_followed": self.redirects_followed,
            "notices": {
                "win": self.win.to_json(),
                "bill": self.bill.to_json(),
                "loss": self.loss.to_json(),
            },
        })
    }
}

impl NoticeCount {
    fn to_json(self) -> Value {
        json!({
            "count": self.count,
            "repeated": self.repeated,
            "unpriced": self.unpriced,
            "price_micros": self.price_micros,
        })
    }
}
