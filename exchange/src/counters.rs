//! Counters of the exchange: atomic numbers behind closed enums, made once and read by whoever
//! publishes metrics.
//!
//! Counting costs one relaxed addition. Label sets are closed, so no request can make a new one.

use crate::link::notice::Kind;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering};

/// A closed set of labels.
pub trait Label: Copy + 'static {
    /// Every label, in order.
    const ALL: &'static [Self];

    /// Place in [`Label::ALL`].
    fn index(self) -> usize;

    /// Name as a metric label.
    fn label(self) -> &'static str;
}

/// One counter for each label.
#[derive(Debug)]
pub struct Tally<L> {
    counts: Box<[AtomicU64]>,
    labels: PhantomData<fn(L)>,
}

impl<L: Label> Default for Tally<L> {
    fn default() -> Self {
        Self {
            counts: L::ALL.iter().map(|_| AtomicU64::new(0)).collect(),
            labels: PhantomData,
        }
    }
}

impl<L: Label> Tally<L> {
    /// Counts one.
    pub fn count(&self, label: L) {
        self.counts[label.index()].fetch_add(1, Ordering::Relaxed);
    }

    /// What was counted so far.
    pub fn get(&self, label: L) -> u64 {
        self.counts[label.index()].load(Ordering::Relaxed)
    }

    /// Every label with its count.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        L::ALL.iter().map(|label| (label.label(), self.get(*label)))
    }
}

/// Declares a closed enum whose variants are metric labels.
macro_rules! labels {
    (
        $(#[$meta:meta])*
        pub enum $name:ident { $($(#[$doc:meta])* $variant:ident = $label:literal,)* }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$doc])* $variant,)* }

        impl $crate::counters::Label for $name {
            const ALL: &'static [Self] = &[$(Self::$variant),*];

            fn index(self) -> usize {
                self as usize
            }

            fn label(self) -> &'static str {
                match self { $(Self::$variant => $label,)* }
            }
        }
    };
}

pub(crate) use labels;

labels! {
    /// How an auction ended, one for each request.
    pub enum Ended {
        /// At least one imp was sold.
        Sold = "sold",
        /// Nothing was sold.
        Unsold = "unsold",
        /// The request was refused.
        Refused = "refused",
    }
}

labels! {
    /// What became of a partner in an auction.
    pub enum PartnerEvent {
        /// Not asked: no imp that it buys, or not in its countries or seats.
        NotInvited = "not_invited",
        /// Not asked: over its requests per second.
        OverQuota = "over_quota",
        /// Not asked: over its requests per second for this publisher.
        OverPublisherQuota = "over_publisher_quota",
        /// Not asked: as many calls under way as it takes.
        OverConcurrency = "over_concurrency",
        /// Not asked: it has not bid on this kind of traffic for long.
        Throttled = "throttled",
        /// Not asked: the time left is shorter than the way there and back.
        TooLate = "too_late",
        /// Not asked: its breaker is open.
        BreakerOpen = "breaker_open",
        /// Not asked in time: every connection busy, and enough auctions waiting.
        Busy = "busy",
        /// A request was sent.
        Asked = "asked",
        /// It answered with bids.
        Bid = "bid",
        /// It answered without bids.
        NoBid = "no_bid",
        /// It did not answer in time.
        TimedOut = "timed_out",
        /// The connection could not be made or broke.
        Broken = "broken",
        /// It does not speak TLS, or its certificate is not trusted.
        Untrusted = "tls_failed",
        /// It answered with a status that means failure.
        BadStatus = "bad_status",
        /// Its answer exceeded the limit.
        TooLarge = "too_large",
        /// Its answer was no bid response to this request.
        Invalid = "invalid",
        /// A bid won.
        Won = "won",
    }
}

labels! {
    /// What became of a notice.
    pub enum NoticeEvent {
        /// Taken into the queue.
        Queued = "queued",
        /// Dropped, because too many waited.
        Dropped = "dropped",
        /// Delivered.
        Delivered = "delivered",
        /// Tried again later.
        Retried = "retried",
        /// Given up after its last attempt.
        GivenUp = "given_up",
        /// The journal could not be written or read.
        JournalFailed = "journal_failed",
        /// Not an address that this partner's notices may go to.
        Forbidden = "forbidden",
    }
}

/// What became of the notices to one partner.
#[derive(Debug, Default)]
pub struct Deliveries {
    by_kind: [Tally<NoticeEvent>; 3],
    waiting: AtomicU64,
}

impl Deliveries {
    /// The counts of one kind.
    pub fn of(&self, kind: Kind) -> &Tally<NoticeEvent> {
        &self.by_kind[kind as usize]
    }

    /// How many wait to be tried again, as of a few seconds ago.
    pub fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Tells how many wait to be tried again.
    pub fn set_waiting(&self, waiting: u64) {
        self.waiting.store(waiting, Ordering::Relaxed);
    }
}

/// The counters of an exchange, shared by its workers.
#[derive(Debug, Default)]
pub struct Counters {
    /// How auctions ended.
    pub ended: Tally<Ended>,
    /// Why nothing was sold.
    pub no_bids: Tally<crate::NoBid>,
    /// Why requests were refused.
    pub refused: Tally<crate::Reason>,
    /// Where the floors of imps came from.
    pub floors: Tally<crate::floor::FloorEvent>,
    /// Why bids were rejected or lost.
    pub losses: Tally<crate::screen::Loss>,
    /// What became of notices.
    pub notices: Tally<NoticeEvent>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_label_counts_for_itself() {
        let tally = Tally::<Ended>::default();
        tally.count(Ended::Sold);
        tally.count(Ended::Sold);
        tally.count(Ended::Refused);
        let counts: Vec<_> = tally.iter().collect();
        assert_eq!(counts, [("sold", 2), ("unsold", 0), ("refused", 1)]);
    }
}
