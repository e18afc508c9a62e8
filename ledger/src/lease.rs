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

/// The budgets that one bid draws on, all or none: of money line item, campaign of the day, of the
/// month and in total, advertiser; of impressions the line item's goal in all and of the day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BudgetPath {
    slots: [BudgetSlot; BudgetPath::MOST],
    length: u8,
    /// How many of them, the first, are of money.
    money: u8,
}

impl BudgetPath {
    /// The most budgets of one path.
    pub const MOST: usize = 7;

    /// A path over the given budgets of money.
    ///
    /// # Panics
    /// With more than [`BudgetPath::MOST`] budgets.
    pub fn new(slots: &[BudgetSlot]) -> Self {
        Self::with_goals(slots, &[])
    }

    /// A path over budgets of money and goals of impressions.
    ///
    /// # Panics
    /// With more than [`BudgetPath::MOST`] of both.
    pub fn with_goals(money: &[BudgetSlot], goals: &[BudgetSlot]) -> Self {
        let length = money.len() + goals.len();
        assert!(
            length <= Self::MOST,
            "a bid draws on at most seven budgets and goals"
        );
        let mut slots = [BudgetSlot(0); Self::MOST];
        slots[..money.len()].copy_from_slice(money);
        slots[money.len()..length].copy_from_slice(goals);
        Self {
            slots,
            length: length as u8,
            money: money.len() as u8,
        }
    }

    /// The budgets of money.
    pub fn money(&self) -> &[BudgetSlot] {
        &self.slots[..usize::from(self.money)]
    }

    /// The goals of impressions.
    pub fn goals(&self) -> &[BudgetSlot] {
        &self.slots[usize::from(self.money)..usize::from(self.length)]
    }

    /// Each budget with what of an amount belongs to it.
    fn parts(&self, amount: Amount) -> impl Iterator<Item = (BudgetSlot, i64)> {
        let money = self.money().iter().map(move |slot| (*slot, amount.micros));
        let goals = self.goals().iter().map(move |slot| (*slot, amount.shown));
        money.chain(goals)
    }
}

/// What a bid takes from its budgets, each in its unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// Of money, in micros.
    pub micros: i64,
    /// Of impressions, in millionths.
    pub shown: i64,
}

impl Amount {
    /// Money only.
    pub fn money(micros: i64) -> Self {
        Self { micros, shown: 0 }
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

    /// Moves an amount from available to reserved in every budget of the path, or in none.
    ///
    /// # Errors
    /// The first budget that does not have enough; a negative amount is refused by the first
    /// budget, as it would otherwise create money.
    pub fn reserve(&self, path: &BudgetPath, amount: Amount) -> Result<(), BudgetSlot> {
        for (index, (slot, wanted)) in path.parts(amount).enumerate() {
            let balance = self.balance(slot);
            let enough = |now: i64| (wanted >= 0 && now >= wanted).then(|| now - wanted);
            if balance
                .available
                .fetch_update(AcqRel, Acquire, enough)
                .is_err()
            {
                for (earlier, taken) in path.parts(amount).take(index) {
                    self.give_back(earlier, taken);
                }
                return Err(slot);
            }
            balance.reserved.fetch_add(wanted, AcqRel);
        }
        Ok(())
    }

    /// Ends a hold: `spent` of what was `held` is gone, the rest is available again.
    pub(crate) fn end(&self, path: &BudgetPath, held: Amount, spent: Amount) {
        for ((slot, held), (_, spent)) in path.parts(held).zip(path.parts(spent)) {
            let balance = self.balance(slot);
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
        assert_eq!(book.reserve(&path, Amount::money(8)), Ok(()));
        assert_eq!(book.reserve(&path, Amount::money(8)), Err(narrow));
        assert_eq!((book.available(wide), book.reserved(wide)), (92, 8));
        book.end(&path, Amount::money(8), Amount::money(3));
        assert_eq!((book.available(wide), book.reserved(wide)), (97, 0));
        assert_eq!(book.withdraw(narrow, 100), 7);
        assert_eq!(book.available(narrow), 0);
    }

    #[test]
    fn goals_are_held_in_impressions() {
        let book = Book::default();
        let (budget, goal) = (book.add().unwrap(), book.add().unwrap());
        book.grant(budget, 100);
        book.grant(goal, 2_000_000);
        let path = BudgetPath::with_goals(&[budget], &[goal]);
        assert_eq!((path.money(), path.goals()), (&[budget][..], &[goal][..]));
        let bid = Amount {
            micros: 10,
            shown: 1_000_000,
        };
        assert_eq!(book.reserve(&path, bid), Ok(()));
        assert_eq!(book.reserve(&path, bid), Ok(()));
        assert_eq!(book.reserve(&path, bid), Err(goal));
        assert_eq!((book.available(budget), book.reserved(budget)), (80, 20));
        let shown = Amount { micros: 7, ..bid };
        book.end(&path, bid, shown);
        book.end(&path, bid, Amount::default());
        assert_eq!((book.available(budget), book.reserved(budget)), (93, 0));
        assert_eq!((book.available(goal), book.reserved(goal)), (1_000_000, 0));
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
        assert_eq!(
            book.reserve(&BudgetPath::new(&[slot]), Amount::money(-5)),
            Err(slot)
        );
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
