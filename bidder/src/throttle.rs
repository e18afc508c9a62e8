//! Throttle: fewer bids to an exchange that no longer waits for our answers.
//!
//! A bid that comes too late costs the exchange and us the work of an auction and holds budget for
//! nothing. An exchange says so by a loss notice of reason 2 (opportunity expired). Where more than
//! a twentieth of the bids ends so, a tenth of its requests is passed over, then twice as many, up
//! to nine tenths, which leaves enough to see it recover; as soon as answers are in time again the
//! share falls by a quarter each turn. Cost on the path: one load, and one addition for a bid.

use crate::draw::{Draw, Subject};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// The loss reason of a bid that came too late (AdCOM, loss reason codes).
pub const EXPIRED: i64 = 2;

const MILLION: u32 = 1_000_000;
/// Of so many bids of a turn at least something is concluded.
const ENOUGH: u32 = 50;
/// One in so many may come too late.
const TOLERATED: u32 = 20;
const FIRST: u32 = MILLION / 10;
const MOST: u32 = MILLION / 10 * 9;
const LEAST: u32 = MILLION / 100;

/// The throttle of one exchange, shared by all serving threads.
#[derive(Debug, Default)]
pub struct Throttle {
    bids: AtomicU32,
    late: AtomicU32,
    /// Share of the requests that are passed over, in parts per million.
    skipped: AtomicU32,
}

impl Throttle {
    /// Whether the request with this draw is passed over.
    pub(crate) fn skips(&self, draw: Draw) -> bool {
        let skipped = self.skipped.load(Relaxed);
        let lot = || u128::from(draw.bits(Subject::Throttle)) * u128::from(MILLION);
        skipped > 0 && lot() >> 64 < u128::from(skipped)
    }

    /// So many bids were made.
    pub fn bid(&self, count: u32) {
        self.bids.fetch_add(count, Relaxed);
    }

    /// A bid came too late.
    pub fn was_late(&self) {
        self.late.fetch_add(1, Relaxed);
    }

    /// Share of the requests that are passed over, in parts per million.
    pub fn skipped_ppm(&self) -> u32 {
        self.skipped.load(Relaxed)
    }

    /// Concludes from the bids since the last turn; to be called every few seconds. With too few of
    /// them they are kept for the next turn, unless something is passed over already.
    pub fn turn(&self) {
        let (bids, skipped) = (self.bids.load(Relaxed), self.skipped_ppm());
        if bids < ENOUGH && skipped == 0 {
            return;
        }
        let (bids, late) = (self.bids.swap(0, Relaxed), self.late.swap(0, Relaxed));
        let too_late = u64::from(late) * u64::from(TOLERATED) > u64::from(bids);
        let next = if too_late {
            (skipped * 2).clamp(FIRST, MOST)
        } else {
            Some(skipped / 4 * 3)
                .filter(|next| *next >= LEAST)
                .unwrap_or(0)
        };
        self.skipped.store(next, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(throttle: &Throttle, bids: u32, late: u32) -> u32 {
        throttle.bid(bids);
        (0..late).for_each(|_| throttle.was_late());
        throttle.turn();
        throttle.skipped_ppm()
    }

    #[test]
    fn it_closes_by_doubling_and_opens_by_quarters() {
        let throttle = Throttle::default();
        assert_eq!(turn(&throttle, 1_000, 50), 0, "a twentieth is tolerated");
        assert_eq!(turn(&throttle, 1_000, 51), 100_000);
        assert_eq!(turn(&throttle, 1_000, 900), 200_000);
        let shares: Vec<u32> = (0..4).map(|_| turn(&throttle, 100, 90)).collect();
        assert_eq!(shares, [400_000, 800_000, 900_000, 900_000]);
        assert_eq!(turn(&throttle, 100, 1), 675_000);
        let turns = (1..100).find(|_| turn(&throttle, 0, 0) == 0).unwrap();
        assert!(turns < 20, "it opens without a bid too: {turns}");
    }

    #[test]
    fn few_bids_prove_nothing_until_they_are_enough() {
        let throttle = Throttle::default();
        assert_eq!(turn(&throttle, 30, 30), 0);
        assert_eq!(turn(&throttle, 30, 30), 100_000);
    }

    #[test]
    fn it_passes_over_its_share() {
        let throttle = Throttle::default();
        let skipped = || {
            (0..10_000)
                .filter(|seed| throttle.skips(Draw(*seed)))
                .count()
        };
        assert_eq!(skipped(), 0);
        turn(&throttle, 100, 100);
        assert!((900..1_100).contains(&skipped()), "{}", skipped());
    }
}
