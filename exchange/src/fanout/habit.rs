//! Habits: on which kinds of traffic a partner bids, so that it is not sent what it never buys.
//!
//! For each kind the partner's answers without a bid are counted since its last bid. Beyond the
//! partner's limit it is asked in `limit / answers` of the cases, and never in less than its
//! part for exploration; one bid opens the kind at once. Kinds share a fixed table by hash, so
//! two may be counted as one: that asks too often, never too rarely, where one of them is bid
//! on. Cost: one hash and one atomic load per partner and auction.

use crate::catalog::Format;
use crate::draw::Draw;
use crate::lot::{self, Auction};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use xxhash_rust::xxh3::Xxh3;

/// Places of the table, a power of two.
const KINDS: usize = 1024;

/// A kind of traffic: publisher, formats, country, type of device, and whether the person is
/// known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traffic(u64);

impl Traffic {
    /// The kind of the imps of `lots`.
    pub fn of(auction: &Auction<'_>, lots: &[usize]) -> Self {
        let request = &auction.request;
        let formats = lots
            .iter()
            .flat_map(|index| lot::formats(auction.lots[*index].imp));
        let formats = formats.fold(0_u8, |bits, format| bits | bit(format));
        let device = request.device;
        let country = device.and_then(|device| device.geo?.country);
        let devicetype = device.and_then(|device| device.devicetype);
        let user = request.user;
        let known = user.is_some_and(|user| user.buyeruid.is_some() || !user.eids.is_empty())
            || device.is_some_and(|device| device.ifa.is_some());
        let mut hash = Xxh3::new();
        hash.update(&auction.seller.index.to_le_bytes());
        hash.update(&[formats, u8::from(known), u8::from(request.app.is_some())]);
        hash.update(&devicetype.map_or(0, i64::from).to_le_bytes());
        hash.update(country.unwrap_or_default().as_bytes());
        Self(hash.digest())
    }
}

fn bit(format: Format) -> u8 {
    match format {
        Format::Banner => 1,
        Format::Video => 2,
        Format::Audio => 4,
        Format::Native => 8,
    }
}

/// What is known of one partner, shared by the node's workers.
#[derive(Debug)]
pub struct Habits(Box<[AtomicU32]>);

impl Default for Habits {
    fn default() -> Self {
        Self((0..KINDS).map(|_| AtomicU32::new(0)).collect())
    }
}

impl Habits {
    fn silence(&self, traffic: Traffic) -> &AtomicU32 {
        &self.0[traffic.0 as usize & (KINDS - 1)]
    }

    /// Whether to ask for this traffic: always up to `limit` answers without a bid, then less
    /// and less, and in at least `explore_percent` of the cases.
    pub fn worth_asking(
        &self,
        traffic: Traffic,
        limit: u32,
        explore_percent: u8,
        draw: &mut Draw,
    ) -> bool {
        let silent = self.silence(traffic).load(Relaxed);
        silent < limit || draw.below(silent) < limit || draw.chance(explore_percent)
    }

    /// Counts an answer.
    pub fn learn(&self, traffic: Traffic, bid: bool) {
        let silence = self.silence(traffic);
        if bid {
            silence.store(0, Relaxed);
        } else if silence.load(Relaxed) < u32::MAX / 2 {
            silence.fetch_add(1, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VIDEO: Traffic = Traffic(1);
    const BANNER: Traffic = Traffic(2);

    fn asked(habits: &Habits, traffic: Traffic, turns: u32) -> u32 {
        let mut draw = Draw::new(7);
        let ask = |_: &u32| habits.worth_asking(traffic, 100, 5, &mut draw);
        (0..turns).filter(ask).count() as u32
    }

    #[test]
    fn what_is_never_bought_is_asked_less_and_less_but_never_nothing() {
        let habits = Habits::default();
        for _ in 0..100 {
            assert_eq!(asked(&habits, VIDEO, 10), 10);
            habits.learn(VIDEO, false);
        }
        for _ in 100..1_000 {
            habits.learn(VIDEO, false);
        }
        // A tenth by the limit, and a twentieth of the rest by exploration.
        let part = asked(&habits, VIDEO, 100_000);
        assert!((14_000..15_000).contains(&part), "{part}");
        for _ in 0..1_000_000 {
            habits.learn(VIDEO, false);
        }
        let part = asked(&habits, VIDEO, 100_000);
        assert!((4_700..5_300).contains(&part), "{part}");
        assert_eq!(
            asked(&habits, BANNER, 1_000),
            1_000,
            "other traffic goes on"
        );
        habits.learn(VIDEO, true);
        assert_eq!(asked(&habits, VIDEO, 1_000), 1_000, "one bid opens it");
    }
}
