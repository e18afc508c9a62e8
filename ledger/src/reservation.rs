//! Reservations: the full price of every open bid, held until it is billed, lost or expired.
//!
//! A fixed table of atomics. Opening one probes a few places from a moving cursor; each state
//! change is one compare-and-swap on the slot's tag, so of a billing notice, a loss notice and
//! the sweeper exactly one ends a reservation. Memory: 64 bytes a slot, all allocated at start.

use crate::lease::{Amount, Book, BudgetPath, BudgetSlot};
use crate::money::{Micros, Multiplier};
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
/// Open, while a win notice writes the smaller amount.
const NARROWING: u64 = 3;

/// What became of a reservation's money when its bill came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settled {
    /// Paid from what was held.
    pub covered: Micros,
    /// Available again.
    pub returned: Micros,
}

#[derive(Default)]
struct Slot {
    /// Generation in the upper half, state in the lower.
    tag: AtomicU64,
    micros: AtomicI64,
    shown: AtomicI64,
    expires_at: AtomicU32,
    /// Budgets of money in the lower half, goals in the upper.
    length: AtomicU32,
    path: [AtomicU32; BudgetPath::MOST],
}

impl Slot {
    fn path(&self) -> BudgetPath {
        let slots: [BudgetSlot; BudgetPath::MOST] =
            std::array::from_fn(|index| BudgetSlot(self.path[index].load(Relaxed)));
        let length = self.length.load(Relaxed);
        let (money, goals) = slots.split_at((length & 0xffff) as usize);
        BudgetPath::with_goals(money, &goals[..(length >> 16) as usize])
    }

    fn held(&self) -> Amount {
        Amount {
            micros: self.micros.load(Relaxed),
            shown: self.shown.load(Relaxed),
        }
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

    /// Holds `amount` on every budget of the path, and what one showing counts for on every goal,
    /// until `expires_at` (unix seconds).
    ///
    /// # Errors
    /// [`Refused`], with nothing held.
    pub fn open(
        &self,
        book: &Book,
        path: &BudgetPath,
        (amount, shown): (Micros, Multiplier),
        expires_at: u32,
    ) -> Result<ReservationId, Refused> {
        let (index, tag) = self.claim().ok_or(Refused::Full)?;
        let slot = &self.slots[index];
        let held = Amount {
            micros: amount.0,
            shown: shown.millionths(),
        };
        if let Err(budget) = book.reserve(path, held) {
            slot.tag.store(tag | FREE, Release);
            return Err(Refused::Budget(budget));
        }
        slot.micros.store(held.micros, Relaxed);
        slot.shown.store(held.shown, Relaxed);
        slot.expires_at.store(expires_at, Relaxed);
        let (money, goals) = (path.money(), path.goals());
        let length = money.len() as u32 | (goals.len() as u32) << 16;
        slot.length.store(length, Relaxed);
        for (place, budget) in slot.path.iter().zip(money.iter().chain(goals)) {
            place.store(budget.0, Relaxed);
        }
        let generation = ((tag >> 32) as u32).wrapping_add(1);
        slot.tag.store(tagged(generation, OPEN), Release);
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
        self.take(id, NARROWING).is_some_and(|slot| {
            let (held, path) = (slot.held(), slot.path());
            let kept = amount.0.clamp(0, held.micros);
            slot.micros.store(kept, Relaxed);
            // The price is known now, and the showing still to come.
            book.end(&path, Amount::money(held.micros - kept), Amount::default());
            slot.tag.store(tagged(id.generation, OPEN), Release);
            true
        })
    }

    /// A loss notice: everything is available again. Says whether the reservation was open.
    pub fn release(&self, book: &Book, id: ReservationId) -> bool {
        self.finish(book, id, |_| Amount::default()).is_some()
    }

    /// A bill: `cost` of what was held is spent, the rest available again. A bill above what is
    /// held (a win notice may have told less than the bill asks) takes what is held; the
    /// difference has to come from elsewhere. `None` where the reservation was not open: the
    /// node's leases are then not touched.
    pub fn settle(&self, book: &Book, id: ReservationId, cost: Micros) -> Option<Settled> {
        let spend = |held: Amount| Amount {
            micros: cost.0.clamp(0, held.micros),
            shown: held.shown,
        };
        let (held, spent) = self.finish(book, id, spend)?;
        Some(Settled {
            covered: Micros(spent.micros),
            returned: Micros(held.micros - spent.micros),
        })
    }

    /// Ends a reservation and says what it held and what of that is spent.
    fn finish(
        &self,
        book: &Book,
        id: ReservationId,
        spend: impl FnOnce(Amount) -> Amount,
    ) -> Option<(Amount, Amount)> {
        let slot = self.take(id, WRITING)?;
        let (held, path) = (slot.held(), slot.path());
        let spent = spend(held);
        book.end(&path, held, spent);
        slot.tag.store(tagged(id.generation, FREE), Release);
        Some((held, spent))
    }

    /// Whether the reservation still holds its amount.
    pub fn is_open(&self, id: ReservationId) -> bool {
        let slot = self.slots.get(id.slot as usize);
        slot.is_some_and(|slot| {
            let tag = slot.tag.load(Acquire);
            tag == tagged(id.generation, OPEN) || tag == tagged(id.generation, NARROWING)
        })
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

    /// Takes the slot out of circulation for its owner alone. Waits out a win notice that is just
    /// being written, a few stores long: a bill that gave up there would be charged as a late one.
    fn take(&self, id: ReservationId, state: u64) -> Option<&Slot> {
        let slot = self.slots.get(id.slot as usize)?;
        let (open, taken) = (tagged(id.generation, OPEN), tagged(id.generation, state));
        loop {
            match slot.tag.compare_exchange(open, taken, AcqRel, Acquire) {
                Ok(_) => return Some(slot),
                Err(now) if now == tagged(id.generation, NARROWING) => std::thread::yield_now(),
                Err(_) => return None,
            }
        }
    }
}

fn tagged(generation: u32, state: u64) -> u64 {
    u64::from(generation) << 32 | state
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
                        let opened = table.open(&book, &path, (Micros(amount), Multiplier::ONE), expires_at);
                        let held = |of: Option<usize>| -> i64 { paper.values()
                            .filter(|(b, ..)| of.is_none_or(|of| *b == of))
                            .map(|(_, a, _)| a).sum() };
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
                        let released = table.release(&book, ids[which]);
                        prop_assert_eq!(released, paper.remove(&which).is_some());
                    }
                    Step::Settle { which, part } if which < ids.len() => {
                        let settled = table.settle(&book, ids[which], Micros(part));
                        let entry = paper.remove(&which);
                        let expected = entry.map(|(_, held, _)| Settled {
                            covered: Micros(part.min(held)),
                            returned: Micros(held - part.min(held)),
                        });
                        prop_assert_eq!(settled, expected);
                        if let Some((budget, held, _)) = entry {
                            spent[budget] += part.min(held);
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

    /// Bills, losses, wins and the sweeper race for the same reservations, over budgets at three
    /// levels that do not have enough for all.
    #[test]
    fn threads_never_overspend_a_budget_at_any_level() {
        const ADVERTISER: i64 = 4_200;
        const CAMPAIGN: i64 = 1_600;
        const LINE: i64 = 700;
        let (book, table) = (Book::default(), Reservations::new(256));
        let fund = |micros| {
            let slot = book.add().unwrap();
            book.grant(slot, micros);
            slot
        };
        let advertiser = fund(ADVERTISER);
        let campaigns: Vec<BudgetSlot> = (0..3).map(|_| fund(CAMPAIGN)).collect();
        let lines: Vec<BudgetSlot> = (0..9).map(|_| fund(LINE)).collect();
        let spent: Vec<AtomicI64> = (0..9).map(|_| AtomicI64::new(0)).collect();
        let open = std::sync::Mutex::new(Vec::<(usize, ReservationId)>::new());
        let work = |thread: usize| {
            for round in 0..6_000usize {
                let line = (round * 7 + thread) % 9;
                let path = BudgetPath::new(&[lines[line], campaigns[line / 3], advertiser]);
                if let Ok(id) = table.open(
                    &book,
                    &path,
                    (Micros(12), Multiplier::ONE),
                    round as u32 / 8,
                ) {
                    open.lock().unwrap().push((line, id));
                }
                // Every thread ends what any thread opened: the same id is often tried by two.
                let pick = {
                    let open = open.lock().unwrap();
                    (!open.is_empty()).then(|| open[(round * 31 + thread * 17) % open.len()])
                };
                let Some((line, id)) = pick else { continue };
                match (round + thread) % 5 {
                    0 => {
                        table.narrow(&book, id, Micros(9));
                    }
                    1 => {
                        table.release(&book, id);
                    }
                    2 => {
                        table.sweep(&book, round as u32 / 16, 8);
                    }
                    3 | 4 => {
                        if let Some(settled) = table.settle(&book, id, Micros(11)) {
                            spent[line].fetch_add(settled.covered.0, Relaxed);
                        }
                    }
                    _ => unreachable!("a remainder of five"),
                }
                for slot in [lines[line], campaigns[line / 3], advertiser] {
                    assert!(book.available(slot) >= 0);
                    assert!(book.reserved(slot) >= 0);
                }
            }
        };
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let work = &work;
                scope.spawn(move || work(thread));
            }
        });
        for (_, id) in open.lock().unwrap().iter() {
            table.release(&book, *id);
        }
        let spent: Vec<i64> = spent.iter().map(|spent| spent.load(Relaxed)).collect();
        let check = |slot: BudgetSlot, budget: i64, spent: i64| {
            assert_eq!(book.reserved(slot), 0);
            assert_eq!(book.available(slot), budget - spent);
            assert!(spent <= budget);
        };
        for (line, slot) in lines.iter().enumerate() {
            check(*slot, LINE, spent[line]);
        }
        for (campaign, slot) in campaigns.iter().enumerate() {
            check(*slot, CAMPAIGN, spent[campaign * 3..][..3].iter().sum());
        }
        check(advertiser, ADVERTISER, spent.iter().sum());
        assert!(
            spent.iter().sum::<i64>() > ADVERTISER / 2,
            "the race did not spend: {spent:?}"
        );
    }

    /// A bill that meets a win notice half written waits for it instead of taking the reservation
    /// for ended.
    #[test]
    fn a_bill_waits_for_a_win_notice_that_is_being_written() {
        let (book, table) = (Book::default(), Reservations::new(64));
        let slot = book.add().unwrap();
        book.grant(slot, 100);
        let path = BudgetPath::new(&[slot]);
        let id = table
            .open(&book, &path, (Micros(10), Multiplier::ONE), 1)
            .unwrap();
        let tag = &table.slots[id.slot as usize].tag;
        tag.store(tagged(id.generation, NARROWING), Release);
        assert!(table.is_open(id));
        let begun = std::sync::Barrier::new(2);
        std::thread::scope(|scope| {
            let bill = scope.spawn(|| {
                begun.wait();
                table.settle(&book, id, Micros(3))
            });
            begun.wait();
            for _ in 0..1_000 {
                std::thread::yield_now();
            }
            tag.store(tagged(id.generation, OPEN), Release);
            let settled = bill.join().unwrap().expect("it was open");
            assert_eq!((settled.covered, settled.returned), (Micros(3), Micros(7)));
        });
        assert_eq!((book.reserved(slot), book.available(slot)), (0, 97));
    }
}
