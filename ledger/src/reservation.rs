//! Reservations: the full price of every open bid, held until it is billed, lost or expired.
//!
//! A fixed table of atomics. Opening one probes a few places from a moving cursor; each state
//! change is one compare-and-swap on the slot's tag, so of a billing notice, a loss notice and
//! the sweeper exactly one ends a reservation. Memory: 40 bytes a slot, touched when used.

use crate::lease::{Book, BudgetPath, BudgetSlot};
use crate::money::Micros;
use std::sync::atomic::{
    AtomicI64, AtomicU32, AtomicU64, Ordering::AcqRel, Ordering::Acquire, Ordering::Relaxed,
    Ordering::Release,
};

/// Places that opening looks at before it gives up.
const PROBES: usize = 16;

/// A reservation: its place, and which of the reservations that the place has held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ReservationId {
    /// Index in the table.
    pub slot: u32,
    /// Counts the reservations of that place.
    pub generation: u32,
}

/// Why a bid may not be made. Never a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// A budget of the path does not have enough on this node.
    Budget(BudgetSlot),
    /// Too many bids are open.
    Full,
}

const FREE: u64 = 0;
const WRITING: u64 = 1;
const OPEN: u64 = 2;

#[derive(Default)]
struct Slot {
    /// Generation in the upper half, state in the lower.
    tag: AtomicU64,
    amount: AtomicI64,
    expires_at: AtomicU32,
    length: AtomicU32,
    path: [AtomicU32; BudgetPath::MOST],
}

impl Slot {
    fn path(&self) -> BudgetPath {
        let slots: [BudgetSlot; BudgetPath::MOST] =
            std::array::from_fn(|index| BudgetSlot(self.path[index].load(Relaxed)));
        BudgetPath::new(&slots[..self.length.load(Relaxed) as usize])
    }
}

/// The open bids of this node.
pub struct Reservations {
    slots: Box<[Slot]>,
    cursor: AtomicU32,
    swept: AtomicU32,
}

impl Reservations {
    /// A table for `capacity` open bids.
    pub fn new(capacity: usize) -> Self {
        let slots = (0..capacity.max(PROBES)).map(|_| Slot::default()).collect();
        Self {
            slots,
            cursor: AtomicU32::new(0),
            swept: AtomicU32::new(0),
        }
    }

    /// Holds `amount` on every budget of the path until `expires_at` (unix seconds).
    ///
    /// # Errors
    /// [`Refused`], with nothing held.
    pub fn open(
        &self,
        book: &Book,
        path: &BudgetPath,
        amount: Micros,
        expires_at: u32,
    ) -> Result<ReservationId, Refused> {
        let (index, tag) = self.claim().ok_or(Refused::Full)?;
        let slot = &self.slots[index];
        if let Err(budget) = book.reserve(path, amount.0) {
            slot.tag.store(tag | FREE, Release);
            return Err(Refused::Budget(budget));
        }
        slot.amount.store(amount.0, Relaxed);
        slot.expires_at.store(expires_at, Relaxed);
        slot.length.store(path.slots().len() as u32, Relaxed);
        for (place, budget) in slot.path.iter().zip(path.slots()) {
            place.store(budget.0, Relaxed);
        }
        let generation = (tag >> 32) as u32 + 1;
        slot.tag.store(u64::from(generation) << 32 | OPEN, Release);
        Ok(ReservationId {
            slot: index as u32,
            generation,
        })
    }

    /// Finds a free place and marks it as being written.
    fn claim(&self) -> Option<(usize, u64)> {
        for _ in 0..PROBES {
            let index = self.cursor.fetch_add(1, Relaxed) as usize % self.slots.len();
            let tag = &self.slots[index].tag;
            let now = tag.load(Acquire);
            let free = now & 0xffff_ffff == FREE;
            if free
                && tag
                    .compare_exchange(now, now | WRITING, AcqRel, Relaxed)
                    .is_ok()
            {
                return Some((index, now));
            }
        }
        None
    }

    /// A win notice told the clearing price: what exceeds `amount` is available again.
    ///
    /// Says whether the reservation was open.
    pub fn narrow(&self, book: &Book, id: ReservationId, amount: Micros) -> bool {
        self.take(id).is_some_and(|slot| {
            let (held, path) = (slot.amount.load(Relaxed), slot.path());
            let kept = amount.0.clamp(0, held);
            slot.amount.store(kept, Relaxed);
            book.end(&path, held - kept, 0);
            slot.tag
                .store(u64::from(id.generation) << 32 | OPEN, Release);
            true
        })
    }

    /// A loss notice: everything is available again. Says whether the reservation was open.
    pub fn release(&self, book: &Book, id: ReservationId) -> bool {
        self.settle(book, id, Micros(0))
    }

    /// A bill: `cost` of what was held is spent, the rest available again. Says whether the
    /// reservation was open; where it was not, the node's leases are not touched.
    pub fn settle(&self, book: &Book, id: ReservationId, cost: Micros) -> bool {
        self.take(id).is_some_and(|slot| {
            finish(slot, book, id.generation, cost);
            true
        })
    }

    /// Whether the reservation still holds its amount.
    pub fn is_open(&self, id: ReservationId) -> bool {
        let slot = self.slots.get(id.slot as usize);
        slot.is_some_and(|s| s.tag.load(Acquire) == u64::from(id.generation) << 32 | OPEN)
    }

    /// Releases what has expired at `now` (unix seconds), looking at `work` places, and says how
    /// many it was.
    pub fn sweep(&self, book: &Book, now: u32, work: usize) -> usize {
        let mut expired = 0;
        for _ in 0..work.min(self.slots.len()) {
            let index = self.swept.fetch_add(1, Relaxed) as usize % self.slots.len();
            let slot = &self.slots[index];
            let tag = slot.tag.load(Acquire);
            if tag & 0xffff_ffff != OPEN || slot.expires_at.load(Relaxed) >= now {
                continue;
            }
            let id = ReservationId {
                slot: index as u32,
                generation: (tag >> 32) as u32,
            };
            expired += usize::from(self.release(book, id));
        }
        expired
    }

    /// Takes the slot out of circulation for its owner alone.
    fn take(&self, id: ReservationId) -> Option<&Slot> {
        let slot = self.slots.get(id.slot as usize)?;
        let open = u64::from(id.generation) << 32 | OPEN;
        let held = u64::from(id.generation) << 32 | WRITING;
        slot.tag
            .compare_exchange(open, held, AcqRel, Acquire)
            .ok()
            .map(|_| slot)
    }
}

fn finish(slot: &Slot, book: &Book, generation: u32, cost: Micros) {
    let (held, path) = (slot.amount.load(Relaxed), slot.path());
    debug_assert!(cost.0 <= held, "a bill exceeds what was reserved for it");
    book.end(&path, held, cost.0.min(held));
    slot.tag.store(u64::from(generation) << 32 | FREE, Release);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    #[derive(Clone, Debug)]
    enum Step {
        Open {
            budget: usize,
            amount: i64,
            expires_at: u32,
        },
        Narrow {
            which: usize,
            amount: i64,
        },
        Release {
            which: usize,
        },
        Settle {
            which: usize,
            part: i64,
        },
        Sweep {
            now: u32,
        },
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0usize..3, 1i64..60, 0u32..100)
                .prop_map(|(budget, amount, expires_at)| Step::Open { budget, amount, expires_at }),
            1 => (0usize..50, 0i64..60).prop_map(|(which, amount)| Step::Narrow { which, amount }),
            1 => (0usize..50).prop_map(|which| Step::Release { which }),
            2 => (0usize..50, 0i64..60).prop_map(|(which, part)| Step::Settle { which, part }),
            1 => (0u32..120).prop_map(|now| Step::Sweep { now }),
        ]
    }

    /// What a person would write on paper: open bids with budget, amount and expiry.
    type Paper = HashMap<usize, (usize, i64, u32)>;

    proptest! {
        #[test]
        fn the_table_agrees_with_paper(steps in prop::collection::vec(step(), 1..120)) {
            let (book, table) = (Book::default(), Reservations::new(32));
            let granted = [100i64, 250, 1_000];
            let shared = book.add().unwrap();
            book.grant(shared, 800);
            let own: Vec<BudgetSlot> = granted.iter().map(|micros| {
                let slot = book.add().unwrap();
                book.grant(slot, *micros);
                slot
            }).collect();
            let mut ids: Vec<ReservationId> = Vec::new();
            let mut paper = Paper::new();
            let mut spent = [0i64; 3];
            for step in steps {
                match step {
                    Step::Open { budget, amount, expires_at } => {
                        let path = BudgetPath::new(&[own[budget], shared]);
                        let opened = table.open(&book, &path, Micros(amount), expires_at);
                        let held = |of: Option<usize>| -> i64 { paper.values()
                            .filter(|(b, ..)| of.is_none_or(|of| *b == of)).map(|(_, a, _)| a).sum() };
                        let fits = held(Some(budget)) + spent[budget] + amount <= granted[budget]
                            && held(None) + spent.iter().sum::<i64>() + amount <= 800;
                        match opened {
                            Ok(id) => {
                                prop_assert!(fits);
                                paper.insert(ids.len(), (budget, amount, expires_at));
                                ids.push(id);
                            }
                            Err(Refused::Budget(_)) => prop_assert!(!fits),
                            Err(Refused::Full) => prop_assert!(paper.len() > 16),
                        }
                    }
                    Step::Narrow { which, amount } if which < ids.len() => {
                        let open = table.narrow(&book, ids[which], Micros(amount));
                        prop_assert_eq!(open, paper.contains_key(&which));
                        if let Some((_, held, _)) = paper.get_mut(&which) {
                            *held = amount.min(*held);
                        }
                    }
                    Step::Release { which } if which < ids.len() => {
                        prop_assert_eq!(table.release(&book, ids[which]), paper.remove(&which).is_some());
                    }
                    Step::Settle { which, part } if which < ids.len() => {
                        let cost = paper.get(&which).map_or(0, |(_, held, _)| part.min(*held));
                        let settled = table.settle(&book, ids[which], Micros(cost));
                        let entry = paper.remove(&which);
                        prop_assert_eq!(settled, entry.is_some());
                        if let Some((budget, ..)) = entry {
                            spent[budget] += cost;
                        }
                    }
                    Step::Sweep { now } => {
                        table.sweep(&book, now, 32);
                        paper.retain(|_, (_, _, expires_at)| *expires_at >= now);
                    }
                    Step::Narrow { .. } | Step::Release { .. } | Step::Settle { .. } => {}
                }
                for (budget, slot) in own.iter().enumerate() {
                    let held: i64 =
                        paper.values().filter(|(b, ..)| *b == budget).map(|(_, a, _)| a).sum();
                    prop_assert_eq!(book.reserved(*slot), held);
                    prop_assert_eq!(book.available(*slot), granted[budget] - held - spent[budget]);
                }
            }
        }
    }

    #[test]
    fn threads_end_each_reservation_once() {
        let (book, table) = (Book::default(), Reservations::new(1024));
        let budget = book.add().unwrap();
        book.grant(budget, 1_000_000);
        let path = BudgetPath::new(&[budget]);
        let spent = AtomicI64::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for round in 0..5_000u32 {
                        let Ok(id) = table.open(&book, &path, Micros(10), round) else {
                            continue;
                        };
                        std::thread::scope(|race| {
                            // Most rounds race in this thread only; some against another.
                            let settle = || {
                                if table.settle(&book, id, Micros(3)) {
                                    spent.fetch_add(3, Relaxed);
                                }
                            };
                            if round % 100 == 0 {
                                race.spawn(settle);
                                race.spawn(|| table.release(&book, id));
                            } else {
                                settle();
                            }
                        });
                        assert!(!table.is_open(id));
                    }
                });
            }
        });
        assert_eq!(book.reserved(budget), 0);
        assert_eq!(book.available(budget), 1_000_000 - spent.load(Relaxed));
    }
}
