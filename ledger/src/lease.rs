//! Leases on the node: what each budget may still spend, as atomics that never wait.
//!
//! The [`Book`] is a table that only grows. The maintenance thread adds budgets and grants
//! slices; serving threads take from them. A slot is never reused, so an index stays good for the
//! life of the process.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering::AcqRel, Ordering::Acquire};

const CHUNK: usize = 1024;
const CHUNKS: usize = 4096;

/// The index of a budget in the [`Book`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BudgetSlot(pub u32);

/// The budgets that one bid draws on, all or none: line item, campaign of the day, of the month and
/// in total, advertiser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BudgetPath {
    slots: [BudgetSlot; BudgetPath::MOST],
    length: u8,
}

impl BudgetPath {
    /// The most budgets of one path.
    pub const MOST: usize = 5;

    /// A path over the given budgets.
    ///
    /// # Panics
    /// With more than [`BudgetPath::MOST`] budgets.
    pub fn new(slots: &[BudgetSlot]) -> Self {
        assert!(
            slots.len() <= Self::MOST,
            "a bid draws on at most five budgets"
        );
        let mut path = Self {
            slots: [BudgetSlot(0); Self::MOST],
            length: slots.len() as u8,
        };
        path.slots[..slots.len()].copy_from_slice(slots);
        path
    }

    /// The budgets of the path.
    pub fn slots(&self) -> &[BudgetSlot] {
        &self.slots[..usize::from(self.length)]
    }
}

/// What the node holds of one budget.
#[derive(Default)]
struct Balance {
    /// Granted, and neither reserved nor spent.
    available: AtomicI64,
    /// Held by open bids.
    reserved: AtomicI64,
}

/// All budgets that this node may spend.
pub struct Book {
    chunks: Box<[OnceLock<Box<[Balance]>>]>,
    length: AtomicU32,
}

impl Default for Book {
    fn default() -> Self {
        let chunks = (0..CHUNKS).map(|_| OnceLock::new()).collect();
        Self {
            chunks,
            length: AtomicU32::new(0),
        }
    }
}

impl Book {
    /// Adds a budget with nothing granted yet; `None` when the book is full (4 million budgets).
    /// Called by the maintenance thread alone.
    pub fn add(&self) -> Option<BudgetSlot> {
        let index = self.length.load(Acquire);
        let chunk = self.chunks.get(index as usize / CHUNK)?;
        chunk.get_or_init(|| (0..CHUNK).map(|_| Balance::default()).collect());
        self.length
            .store(index + 1, std::sync::atomic::Ordering::Release);
        Some(BudgetSlot(index))
    }

    fn balance(&self, slot: BudgetSlot) -> &Balance {
        let chunk = self.chunks[slot.0 as usize / CHUNK].get();
        &chunk.expect("a slot is handed out after its chunk exists")[slot.0 as usize % CHUNK]
    }

    /// Adds a slice that the ledger has granted.
    pub fn grant(&self, slot: BudgetSlot, micros: i64) {
        self.balance(slot).available.fetch_add(micros, AcqRel);
    }

    /// Takes up to `micros` back for the ledger and says how much it was.
    pub fn withdraw(&self, slot: BudgetSlot, micros: i64) -> i64 {
        let available = &self.balance(slot).available;
        let mut taken = 0;
        let _ = available.fetch_update(AcqRel, Acquire, |now| {
            taken = now.clamp(0, micros.max(0));
            Some(now - taken)
        });
        taken
    }

    /// What may still be reserved, in micros.
    pub fn available(&self, slot: BudgetSlot) -> i64 {
        self.balance(slot).available.load(Acquire)
    }

    /// What open bids hold, in micros.
    pub fn reserved(&self, slot: BudgetSlot) -> i64 {
        self.balance(slot).reserved.load(Acquire)
    }

    /// Moves `micros` from available to reserved in every budget of the path, or in none.
    ///
    /// # Errors
    /// The first budget that does not have enough; a negative amount is refused by the first
    /// budget, as it would otherwise create money.
    pub fn reserve(&self, path: &BudgetPath, micros: i64) -> Result<(), BudgetSlot> {
        for (index, slot) in path.slots().iter().enumerate() {
            let balance = self.balance(*slot);
            let enough = |now: i64| (micros >= 0 && now >= micros).then(|| now - micros);
            if balance
                .available
                .fetch_update(AcqRel, Acquire, enough)
                .is_err()
            {
                for earlier in &path.slots()[..index] {
                    self.give_back(*earlier, micros);
                }
                return Err(*slot);
            }
            balance.reserved.fetch_add(micros, AcqRel);
        }
        Ok(())
    }

    /// Ends a hold: `spent` of the `held` micros is gone, the rest is available again.
    pub(crate) fn end(&self, path: &BudgetPath, held: i64, spent: i64) {
        for slot in path.slots() {
            let balance = self.balance(*slot);
            balance.reserved.fetch_sub(held, AcqRel);
            balance.available.fetch_add(held - spent, AcqRel);
        }
    }

    fn give_back(&self, slot: BudgetSlot, micros: i64) {
        let balance = self.balance(slot);
        balance.reserved.fetch_sub(micros, AcqRel);
        balance.available.fetch_add(micros, AcqRel);
    }
}

/// How much to ask the ledger for (positive) or to give back (negative), so that this node holds
/// about one slice: asked for below half a slice, given back above two, nothing in between.
///
/// `remaining` is what nobody has leased, below zero where the limit was lowered under what is
/// out; `available` is what this node holds unreserved. The slice is taken of both together, so
/// that the last of a budget does not travel to and fro.
pub fn adjustment(remaining: i64, available: i64, min: i64, share_percent: i64) -> i64 {
    let slice = slice(remaining.saturating_add(available), min, share_percent);
    let wanted = if available < slice / 2 || available > slice.saturating_mul(2) {
        slice - available
    } else {
        0
    };
    wanted.min(remaining).max(-available)
}

/// How large a slice of a budget is: at least `min`, a share of what remains, never more than
/// remains.
pub fn slice(remaining: i64, min: i64, share_percent: i64) -> i64 {
    let share = i128::from(remaining) * i128::from(share_percent) / 100;
    i64::try_from(share)
        .unwrap_or(i64::MAX)
        .max(min)
        .min(remaining)
        .max(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_reserved_whole_or_not_at_all() {
        let book = Book::default();
        let (wide, narrow) = (book.add().unwrap(), book.add().unwrap());
        book.grant(wide, 100);
        book.grant(narrow, 10);
        let path = BudgetPath::new(&[wide, narrow]);
        assert_eq!(book.reserve(&path, 8), Ok(()));
        assert_eq!(book.reserve(&path, 8), Err(narrow));
        assert_eq!((book.available(wide), book.reserved(wide)), (92, 8));
        book.end(&path, 8, 3);
        assert_eq!((book.available(wide), book.reserved(wide)), (97, 0));
        assert_eq!(book.withdraw(narrow, 100), 7);
        assert_eq!(book.available(narrow), 0);
    }

    proptest::proptest! {
        #[test]
        fn an_adjusted_lease_stays_as_it_is(
            remaining in -1_000i64..1_000_000, available in 0i64..1_000_000,
            min in 0i64..10_000, share in 1i64..=100,
        ) {
            let change = adjustment(remaining, available, min, share);
            proptest::prop_assert!(change <= remaining.max(0) && change >= -available);
            let (remaining, available) = (remaining - change, available + change);
            proptest::prop_assert_eq!(adjustment(remaining, available, min, share), 0);
            // A lowered limit takes back at once what it can.
            proptest::prop_assert!(remaining >= 0 || available == 0);
        }
    }

    #[test]
    fn a_negative_amount_creates_no_money() {
        let book = Book::default();
        let slot = book.add().unwrap();
        book.grant(slot, 10);
        assert_eq!(book.reserve(&BudgetPath::new(&[slot]), -5), Err(slot));
        assert_eq!((book.available(slot), book.reserved(slot)), (10, 0));
    }

    #[test]
    fn slices_follow_what_remains() {
        assert_eq!(slice(1_000, 10, 25), 250);
        assert_eq!(slice(20, 10, 25), 10);
        assert_eq!(slice(7, 10, 25), 7);
        assert_eq!(slice(-5, 10, 25), 0);
    }

    #[test]
    fn the_book_grows_over_chunks() {
        let book = Book::default();
        for expected in 0..3 * CHUNK as u32 {
            assert_eq!(book.add(), Some(BudgetSlot(expected)));
        }
        book.grant(BudgetSlot(2_500), 1);
        assert_eq!(book.available(BudgetSlot(2_500)), 1);
    }
}
