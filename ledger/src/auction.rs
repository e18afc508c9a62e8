//! The log of auctions: which are kept, and the queue by which they leave the bid path.
//!
//! Auctions that sold are always kept, others by a set rate. A record costs its handful of short
//! texts, about a microsecond, after the answer was written; an auction that is not kept costs one
//! hash. The queue is bounded: what it does not take is dropped and counted, nobody waits. No
//! record names a user or an address.

use crate::currency::Currency;
use crate::money::Cpm;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use xxhash_rust::xxh3::xxh3_64;

/// Longest text of a record, in bytes; what others sent is cut to it.
const MAX_TEXT: usize = 128;
/// Most bids of a record.
pub const MAX_BIDS: usize = 64;
/// Parts of a rate.
const PER_MILLION: u64 = 1_000_000;

/// An auction as it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuctionRecord {
    /// Unix milliseconds, to the second.
    pub at_ms: i64,
    /// The publisher's id of the auction.
    pub auction: String,
    /// The publisher.
    pub publisher: String,
    /// Country by three letters; empty where it is not known.
    pub country: String,
    /// Imps that were for sale.
    pub imps: u32,
    /// Currency of floors and clearing prices.
    pub currency: Currency,
    /// `sold`, or the label of why not.
    pub ended: &'static str,
    /// What floors are found by, of each imp: of a sample that is the same of auctions that sold
    /// and of others, so that floors can be tried on it.
    pub offered: Vec<ImpRecord>,
    /// Its bids, up to [`MAX_BIDS`].
    pub bids: Vec<BidRecord>,
}

/// An imp as floors see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImpRecord {
    /// Its id.
    pub imp: String,
    /// The request's own floor, in the auction's currency.
    pub request_floor: Cpm,
    /// The placement's own floor, in the auction's currency.
    pub placement_floor: Cpm,
    /// The values of the fields that rules match on, as the exchange writes them.
    pub fields: String,
}

/// A bid in an auction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BidRecord {
    /// The imp.
    pub imp: String,
    /// Our placement; empty where the imp names none.
    pub placement: String,
    /// The imp's floor, in the auction's currency.
    pub floor: Cpm,
    /// Who bid.
    pub partner: String,
    /// For which seat.
    pub seat: String,
    /// The bid's `cid`: our own bidder's line item.
    pub line_item: String,
    /// The bid's `crid`.
    pub creative: String,
    /// Its price, in its own currency.
    pub bid: Cpm,
    /// The currency of the bid.
    pub currency: Currency,
    /// `won`, or the label of why it lost.
    pub outcome: &'static str,
    /// The loss as OpenRTB counts it; 0 for a winner.
    pub reason: i64,
    /// What a winner pays, in the auction's currency; 0 for a loser.
    pub price: Cpm,
    /// Key of the sale in the event log; zeros for a loser.
    pub key: [u8; 16],
    /// The deal that it was on; empty for the open auction.
    pub deal: String,
    /// The floor that rules held it to, in the auction's currency.
    pub held_to: Cpm,
}

/// The end of the queue into which auctions put records.
#[derive(Clone, Debug)]
pub struct AuctionLog {
    sender: SyncSender<AuctionRecord>,
    sample_ppm: u64,
    counts: Arc<Counts>,
}

/// What became of records.
#[derive(Debug, Default)]
pub struct Counts {
    /// Queued to be written.
    pub queued: AtomicU64,
    /// Dropped, because the queue was full or its reader had gone.
    pub shed: AtomicU64,
    /// Queued, and then not written because the file refused.
    pub failed: AtomicU64,
}

impl AuctionLog {
    /// A queue of up to `queue` records that keeps `sample_ppm` of a million unsold auctions.
    pub fn new(queue: usize, sample_ppm: u32) -> (Self, Receiver<AuctionRecord>) {
        let (sender, receiver) = sync_channel(queue.max(1));
        let log = Self {
            sender,
            sample_ppm: u64::from(sample_ppm),
            counts: Arc::default(),
        };
        (log, receiver)
    }

    /// Whether an auction is kept. The draw is the auction's own id: every node that sees the
    /// auction draws the same.
    pub fn keeps(&self, auction: &str, sold: bool) -> bool {
        sold || self.samples(auction)
    }

    /// Whether an auction is in the sample, whatever became of it.
    pub fn samples(&self, auction: &str) -> bool {
        xxh3_64(auction.as_bytes()) % PER_MILLION < self.sample_ppm
    }

    /// Queues a record. Never waits.
    pub fn put(&self, record: AuctionRecord) {
        let count = match self.sender.try_send(record) {
            Ok(()) => &self.counts.queued,
            Err(_) => &self.counts.shed,
        };
        count.fetch_add(1, Relaxed);
    }

    /// What became of records so far.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }
}

/// What of a text that others sent goes into a record.
pub fn cut(text: &str) -> String {
    let mut end = text.len().min(MAX_TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(auction: &str) -> AuctionRecord {
        AuctionRecord {
            at_ms: 0,
            auction: auction.to_owned(),
            publisher: String::new(),
            country: String::new(),
            imps: 1,
            currency: Currency(*b"EUR"),
            ended: "no_bids",
            offered: Vec::new(),
            bids: Vec::new(),
        }
    }

    #[test]
    fn sold_auctions_are_kept_and_others_by_the_rate() {
        let (log, _reader) = AuctionLog::new(1, 50_000);
        let kept = |log: &AuctionLog, sold| -> usize {
            (0..20_000)
                .filter(|n| log.keeps(&format!("a{n}"), sold))
                .count()
        };
        assert_eq!(kept(&log, true), 20_000);
        let one_in_twenty = kept(&log, false);
        assert!((850..1_150).contains(&one_in_twenty), "{one_in_twenty}");
        let (none, _reader) = AuctionLog::new(1, 0);
        assert_eq!(kept(&none, false), 0);
        let (all, _reader) = AuctionLog::new(1, 1_000_000);
        assert_eq!(kept(&all, false), 20_000);
    }

    #[test]
    fn a_full_queue_sheds_and_counts() {
        let (log, reader) = AuctionLog::new(2, 0);
        for name in ["a", "b", "c"] {
            log.put(record(name));
        }
        let counts = log.counts();
        assert_eq!(
            (counts.queued.load(Relaxed), counts.shed.load(Relaxed)),
            (2, 1)
        );
        assert_eq!(reader.recv().unwrap().auction, "a");
        drop(reader);
        log.put(record("d"));
        assert_eq!(log.counts().shed.load(Relaxed), 2);
    }

    #[test]
    fn a_text_is_cut_between_letters() {
        let long = "ä".repeat(100);
        assert_eq!(cut(&long).chars().count(), 64);
        assert_eq!(cut("short"), "short");
    }
}
