//! The funnel from requests to what is billed: what became of each line item at each exchange in
//! one hour, in a table of fixed size.
//!
//! A cell belongs to a line item and an exchange from its first count on; when the table has no
//! room near a key, its counts are dropped and the drops counted. Nobody waits: a cell is taken
//! by one exchange of words and counted in relaxed atomics. Cost: one cache miss for each bid,
//! and one for each line item that has a turn, of which with many line items a sample is counted;
//! 128 bytes a cell.

use crate::catalog::Catalog;
use crate::decide::watch::Watch;
use crate::decide::{Auction, Place};
use crate::draw::Draw;
use crate::reserve::{Holder, Offer};
use crate::{NoBid, Plan};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// How many stages there are.
const STAGES: usize = NoBid::ALL.len() + 6;
/// Cells that are looked at for a key.
const PROBES: usize = 16;

/// How far a line item came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// The exchange asked; counted for the exchange, not for its line items.
    Requests,
    /// It was targeted at a request: an estimate where there are many line items, from a sample.
    Targeted,
    /// It had its turn on an imp, and this stopped it.
    Stopped(NoBid),
    /// It made an offer, and another one was dearer.
    Outbid,
    /// It bid.
    Bid,
    /// The exchange told that the bid won.
    Win,
    /// The exchange billed it.
    Billed,
}

impl Stage {
    /// Every stage, in order.
    pub fn all() -> impl Iterator<Item = Stage> {
        let stopped = NoBid::ALL.into_iter().map(Stage::Stopped);
        let before = [Stage::Requests, Stage::Targeted];
        let after = [Stage::Outbid, Stage::Bid, Stage::Win, Stage::Billed];
        before.into_iter().chain(stopped).chain(after)
    }

    fn index(self) -> usize {
        // What is counted most stands together, in the line of memory that has the key.
        match self {
            Stage::Bid => 0,
            Stage::Requests => 1,
            Stage::Targeted => 2,
            Stage::Outbid => 3,
            Stage::Win => 4,
            Stage::Billed => 5,
            Stage::Stopped(reason) => 6 + reason.index(),
        }
    }
}

/// The counts of one line item at one exchange, or sums of such.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts([u32; STAGES]);

impl Default for Counts {
    fn default() -> Self {
        Self([0; STAGES])
    }
}

impl Counts {
    /// What was counted at a stage.
    pub fn at(&self, stage: Stage) -> u32 {
        self.0[stage.index()]
    }
}

/// Whose counts: a line item at an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FunnelKey(u64);

impl FunnelKey {
    /// A line item at an exchange, by their ids.
    pub fn new(line_item: &str, exchange: &str) -> Self {
        Self::of(line_item_key(line_item), exchange_key(exchange))
    }

    /// An exchange itself: what it asked, and the bids, wins and bills of all line items there.
    pub fn exchange(exchange: &str) -> Self {
        Self::of(0, exchange_key(exchange))
    }

    fn of(line_item: u64, exchange: u64) -> Self {
        // An empty cell has the key 0.
        Self((line_item ^ exchange).max(1))
    }
}

/// The part of a key that is of a line item.
pub(crate) fn line_item_key(line_item: &str) -> u64 {
    xxhash_rust::xxh3::xxh3_64(line_item.as_bytes())
}

fn exchange_key(exchange: &str) -> u64 {
    xxhash_rust::xxh3::xxh3_64_with_seed(exchange.as_bytes(), 1)
}

#[derive(Debug)]
#[repr(C, align(128))]
struct Cell {
    key: AtomicU64,
    counts: [AtomicU32; STAGES],
}

/// The counts of one hour.
#[derive(Debug)]
pub struct Funnel {
    hour: u32,
    cells: Box<[Cell]>,
    dropped: AtomicU64,
}

impl Funnel {
    /// An empty table for an hour (hours since 1970), with room for about `cells` line items at
    /// an exchange each.
    pub fn new(hour: u32, cells: usize) -> Self {
        let cell = |_| Cell {
            key: AtomicU64::new(0),
            counts: std::array::from_fn(|_| AtomicU32::new(0)),
        };
        Self {
            hour,
            cells: (0..cells.next_power_of_two()).map(cell).collect(),
            dropped: AtomicU64::new(0),
        }
    }

    /// Hours since 1970.
    pub fn hour(&self) -> u32 {
        self.hour
    }

    /// Counts that found no room.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }

    /// Counts `times` of a stage.
    pub fn count(&self, key: FunnelKey, stage: Stage, times: u32) {
        match self.cell(key) {
            Some(cell) => {
                cell.counts[stage.index()].fetch_add(times, Relaxed);
            }
            None => {
                self.dropped.fetch_add(u64::from(times), Relaxed);
            }
        }
    }

    /// What was counted so far.
    pub fn read(&self, key: FunnelKey) -> Counts {
        let mut cells = self.near(key);
        let own = cells.find(|cell| cell.key.load(Relaxed) == key.0);
        own.map(Cell::read).unwrap_or_default()
    }

    /// Everything that was counted, in the order of the keys.
    pub fn all(&self) -> Vec<(FunnelKey, Counts)> {
        let keyed = |cell: &Cell| (FunnelKey(cell.key.load(Relaxed)), cell.read());
        let mut all: Vec<_> = self.cells.iter().map(keyed).collect();
        all.retain(|(key, _)| key.0 != 0);
        all.sort_unstable_by_key(|(key, _)| *key);
        all
    }

    fn near(&self, key: FunnelKey) -> impl Iterator<Item = &Cell> {
        let (first, last) = (key.0 as usize, self.cells.len() - 1);
        (0..PROBES).map(move |step| &self.cells[first.wrapping_add(step) & last])
    }

    /// The cell of a key, a free one where it has none.
    fn cell(&self, key: FunnelKey) -> Option<&Cell> {
        self.near(key).find(|cell| {
            let found = cell.key.load(Relaxed);
            found == key.0
                || (found == 0
                    && match cell.key.compare_exchange(0, key.0, Relaxed, Relaxed) {
                        Ok(_) => true,
                        Err(taken) => taken == key.0,
                    })
        })
    }
}

impl Cell {
    fn read(&self) -> Counts {
        Counts(std::array::from_fn(|at| self.counts[at].load(Relaxed)))
    }
}

/// Counts what a decision does; a test is nobody's traffic.
pub(crate) struct Counting<'f> {
    funnel: Option<&'f Funnel>,
    catalog: &'f Catalog,
    exchange: u64,
    /// How many requests this one stands for where turns are counted; 0 where they are not.
    weight: u32,
}

impl<'f> Counting<'f> {
    /// Counts a request of an exchange, and then what becomes of it: what is bid always, and who
    /// had a turn for it where the plan counts the request as traffic too.
    pub(crate) fn begin(
        funnel: Option<&'f Funnel>,
        (catalog, plan): (&'f Catalog, &Plan),
        exchange: &str,
        draw: Draw,
    ) -> Self {
        let sampled = plan.traffic.samples(draw);
        let counting = Self {
            funnel,
            catalog,
            exchange: exchange_key(exchange),
            weight: if sampled { plan.traffic.weight() } else { 0 },
        };
        if let Some(funnel) = counting.funnel {
            funnel.count(FunnelKey::of(0, counting.exchange), Stage::Requests, 1);
        }
        counting
    }

    #[inline]
    fn count(&self, item: u32, stage: Stage, times: u32) {
        if let Some(funnel) = self.funnel.filter(|_| times > 0) {
            let line_item = self.catalog.items[item as usize].key;
            funnel.count(FunnelKey::of(line_item, self.exchange), stage, times);
        }
    }
}

impl Watch for Counting<'_> {
    const COUNTS: bool = true;

    fn targeted(&mut self, item: u32, requests: u32) {
        self.count(item, Stage::Targeted, requests);
    }

    fn stopped(&mut self, item: u32, reason: NoBid) {
        self.count(item, Stage::Stopped(reason), self.weight);
    }

    fn over(
        &mut self,
        _: &Auction<'_, '_, '_>,
        _: &Place<'_, '_>,
        _: Holder,
        best: Option<&Offer>,
        left: &[Offer],
    ) {
        for offer in left {
            self.count(offer.item, Stage::Outbid, self.weight);
        }
        if let Some(offer) = best {
            self.count(offer.item, Stage::Bid, 1);
            if let Some(funnel) = self.funnel {
                funnel.count(FunnelKey::of(0, self.exchange), Stage::Bid, 1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn stages_have_places_of_their_own() {
        let places: HashSet<usize> = Stage::all().map(Stage::index).collect();
        assert_eq!(places, (0..STAGES).collect());
        assert_eq!(Stage::all().count(), STAGES);
        assert_eq!(size_of::<Cell>(), 128);
    }

    #[test]
    fn what_is_counted_together_is_told_apart() {
        let funnel = Funnel::new(7, 4_096);
        let key = |at: usize| FunnelKey::new(&format!("li_{}", at % 500), ["a", "b"][at % 2]);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for at in 0..3_000 {
                        funnel.count(key(at), Stage::Bid, 1);
                        funnel.count(key(at), Stage::Stopped(NoBid::Paced), 2);
                    }
                });
            }
        });
        let all = funnel.all();
        assert_eq!((all.len(), funnel.dropped()), (500, 0));
        for at in 0..500 {
            let counts = funnel.read(key(at));
            let told = [Stage::Bid, Stage::Stopped(NoBid::Paced), Stage::Win];
            assert_eq!(told.map(|stage| counts.at(stage)), [24, 48, 0]);
        }
        assert_eq!(funnel.read(FunnelKey::new("li_x", "a")), Counts::default());
    }

    #[test]
    fn what_finds_no_room_is_counted_as_dropped() {
        let funnel = Funnel::new(0, 16);
        for at in 0..40 {
            funnel.count(FunnelKey::new(&format!("li_{at}"), "a"), Stage::Bid, 1);
        }
        let kept: u32 = funnel
            .all()
            .iter()
            .map(|(_, counts)| counts.at(Stage::Bid))
            .sum();
        assert_eq!((kept, funnel.dropped()), (16, 24));
    }
}
