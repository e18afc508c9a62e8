//! Keeps the node's leases topped up, ahead of need and off the bid path.
//!
//! Each budget in use holds a slice of what remains; below half of it the difference is granted,
//! above double it is given back, and a budget out of use gives back everything. The grant is
//! durable before a bid can spend it, and a return leaves the node before the ledger hears of it,
//! so the sum of leases never exceeds a budget.

use ledger::lease::slice;
use ledger::store::StoreError;
use ledger::writer::Writer;
use ledger::{Book, BudgetSlot};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// The budgets that this node knows, by key.
pub struct Leases {
    book: Arc<Book>,
    slots: HashMap<String, BudgetSlot>,
    min_slice: i64,
    share_percent: i64,
}

impl Leases {
    /// Leases in `book`, each slice at least `min_slice` micros and `share_percent` of what
    /// remains.
    pub fn new(book: Arc<Book>, min_slice: i64, share_percent: i64) -> Self {
        Self {
            book,
            slots: HashMap::new(),
            min_slice,
            share_percent,
        }
    }

    /// The slot of a budget, made at its first use; `None` when the book is full.
    pub fn slot(&mut self, key: &str) -> Option<BudgetSlot> {
        if let Some(slot) = self.slots.get(key) {
            return Some(*slot);
        }
        let slot = self.book.add()?;
        self.slots.insert(key.to_owned(), slot);
        Some(slot)
    }

    /// Tops up the budgets in `used` and takes the others back. `None` when the writer has ended.
    ///
    /// # Errors
    /// Where the ledger fails; the node then spends what it holds and stops.
    pub fn balance(
        &self,
        writer: &Writer,
        used: &HashSet<String>,
    ) -> Option<Result<(), StoreError>> {
        let book = Arc::clone(&self.book);
        let (min_slice, share_percent) = (self.min_slice, self.share_percent);
        let budgets: Vec<(String, BudgetSlot, bool)> = self
            .slots
            .iter()
            .map(|(key, slot)| (key.clone(), *slot, used.contains(key)))
            .filter(|(_, slot, used)| *used || self.book.available(*slot) > 0)
            .collect();
        if budgets.is_empty() {
            return Some(Ok(()));
        }
        writer.call(move |store| {
            let mut wanted = Vec::with_capacity(budgets.len());
            for (key, slot, used) in &budgets {
                let remaining = store.budget(key)?.map_or(0, |state| state.remaining().0);
                let available = book.available(*slot);
                // What the node holds counts as remaining: a slice is a share of both.
                let target = slice(remaining.max(0) + available, min_slice, share_percent);
                let change = if !used {
                    -book.withdraw(*slot, available)
                } else if available < target / 2 {
                    target - available
                } else if available > target.saturating_mul(2) {
                    -book.withdraw(*slot, available - target)
                } else {
                    0
                };
                wanted.push((key.clone(), change));
            }
            let granted = store.lease(&wanted)?;
            for ((_, slot, _), micros) in budgets.iter().zip(granted) {
                if micros > 0 {
                    book.grant(*slot, micros);
                }
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ledger::store::{Budget, BudgetState, SqliteStore, Store};
    use ledger::{BudgetPath, Currency, Micros, Reservations};
    use std::time::Duration;

    struct Fixture {
        leases: Leases,
        writer: Writer,
        book: Arc<Book>,
        folder: std::path::PathBuf,
    }

    impl Fixture {
        fn new(name: &str, limit: i64) -> Self {
            let folder =
                std::env::temp_dir().join(format!("gavel-leases-{}-{name}", std::process::id()));
            std::fs::create_dir_all(&folder).unwrap();
            let mut store = SqliteStore::open(&folder.join("ledger.sqlite"), 0, 600).unwrap();
            let currency = Currency(*b"EUR");
            let budget = Budget {
                key: "b".to_owned(),
                currency,
                limit: Micros(limit),
            };
            store.set_budgets(&[budget]).unwrap();
            let (book, open) = (Arc::new(Book::default()), Arc::new(Reservations::new(64)));
            let (writer, _) = Writer::start(
                Box::new(store),
                Arc::clone(&book),
                open,
                64,
                Duration::from_millis(1),
            );
            let leases = Leases::new(Arc::clone(&book), 100, 25);
            Self {
                leases,
                writer,
                book,
                folder,
            }
        }

        fn balance(&self, used: bool) -> BudgetState {
            let used = if used {
                HashSet::from(["b".to_owned()])
            } else {
                HashSet::new()
            };
            self.leases.balance(&self.writer, &used).unwrap().unwrap();
            self.writer
                .call(|store| store.budget("b").unwrap().unwrap())
                .unwrap()
        }
    }

    impl Drop for Fixture {
        fn drop(&mut self) {
            self.writer.stop();
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }

    #[test]
    fn a_slice_is_topped_up_and_given_back() {
        let mut fixture = Fixture::new("slice", 1_000);
        let slot = fixture.leases.slot("b").unwrap();
        assert_eq!(fixture.leases.slot("b"), Some(slot));
        assert_eq!(fixture.balance(true).leased, Micros(250));
        assert_eq!(fixture.book.available(slot), 250);
        // Still above half: nothing moves. Below it: up to a quarter of what is left.
        fixture
            .book
            .reserve(&BudgetPath::new(&[slot]), 100)
            .unwrap();
        assert_eq!(fixture.balance(true).leased, Micros(250));
        fixture.book.reserve(&BudgetPath::new(&[slot]), 60).unwrap();
        let state = fixture.balance(true);
        assert_eq!(fixture.book.available(slot), (750 + 90) / 4);
        assert_eq!(state.leased.0, fixture.book.available(slot) + 160);
        // Out of use: what is not held by bids goes back.
        let state = fixture.balance(false);
        assert_eq!(
            (state.leased, fixture.book.available(slot)),
            (Micros(160), 0)
        );
    }

    #[test]
    fn a_small_budget_is_leased_whole_and_never_more() {
        let mut fixture = Fixture::new("small", 60);
        let slot = fixture.leases.slot("b").unwrap();
        for _ in 0..3 {
            assert_eq!(fixture.balance(true).leased, Micros(60));
        }
        assert_eq!(fixture.book.available(slot), 60);
        assert_eq!(fixture.balance(true).remaining(), Micros(0));
    }
}
