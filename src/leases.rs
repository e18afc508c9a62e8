//! Keeps the node's leases topped up, ahead of need and off the bid path.
//!
//! Each budget in use holds a slice of what remains; below half of it the difference is granted,
//! above double it is given back, and a budget out of use gives back everything. The grant is
//! durable before a bid can spend it, and a return leaves the node before the ledger hears of it,
//! so the sum of leases never exceeds a budget. The node keeps a copy of what the ledger knows of
//! its budgets and asks only for what changed, so that a tick costs what happened in it.

use ledger::lease::adjustment;
use ledger::store::{Budget, BudgetState, StoreError};
use ledger::writer::Writer;
use ledger::{Book, BudgetSlot, Unit};
use std::collections::HashMap;
use std::sync::Arc;

/// The least slice of a goal: a hundred impressions.
const GOAL_SLICE: i64 = 100_000_000;

/// The budgets that this node knows, by key.
pub struct Leases {
    book: Arc<Book>,
    known: HashMap<String, Known>,
    min_slice: i64,
    share_percent: i64,
}

/// A budget of this node.
struct Known {
    slot: BudgetSlot,
    /// As the ledger last told it; `None` before it was told of the budget.
    state: Option<BudgetState>,
    used: bool,
}

impl Leases {
    /// Leases in `book`, each slice at least `min_slice` micros and `share_percent` of what
    /// remains.
    pub fn new(book: Arc<Book>, min_slice: i64, share_percent: i64) -> Self {
        Self {
            book,
            known: HashMap::new(),
            min_slice,
            share_percent,
        }
    }

    /// The slot of a budget, made at its first use; `None` when the book is full.
    pub fn slot(&mut self, key: &str) -> Option<BudgetSlot> {
        if let Some(known) = self.known.get(key) {
            return Some(known.slot);
        }
        let slot = self.book.add()?;
        let known = Known {
            slot,
            state: None,
            used: false,
        };
        self.known.insert(key.to_owned(), known);
        Some(slot)
    }

    /// Says which budgets are in use from now on, and makes those known to the ledger whose limit
    /// it does not know. `None` when the writer has ended.
    ///
    /// # Errors
    /// Where the ledger fails; then nothing has changed.
    pub fn employ(
        &mut self,
        writer: &Writer,
        budgets: Vec<Budget>,
    ) -> Option<Result<(), StoreError>> {
        let keys: Vec<String> = budgets.iter().map(|budget| budget.key.clone()).collect();
        let told = |budget: &Budget| {
            let state = self.known.get(&budget.key)?.state.as_ref()?;
            (state.limit == budget.limit).then_some(())
        };
        let new: Vec<Budget> = budgets
            .into_iter()
            .filter(|budget| told(budget).is_none())
            .collect();
        if !new.is_empty()
            && let Err(error) = writer.call(move |store| store.set_budgets(&new))?
        {
            return Some(Err(error));
        }
        for known in self.known.values_mut() {
            known.used = false;
        }
        for key in keys {
            if let Some(known) = self.known.get_mut(&key) {
                known.used = true;
            }
        }
        Some(Ok(()))
    }

    /// Frees what crashed runs held, takes over what changed, tops up the budgets in use and
    /// takes the others back. `now_s` in unix seconds. `None` when the writer has ended.
    ///
    /// # Errors
    /// Where the ledger fails; the node then spends what it holds and stops.
    pub fn balance(&mut self, writer: &Writer, now_s: i64) -> Option<Result<(), StoreError>> {
        let changed = writer.call(move |store| {
            store.thaw(now_s)?;
            store.changed()
        })?;
        match changed {
            Ok(changed) => self.take_over(changed),
            Err(error) => return Some(Err(error)),
        }
        let wanted: Vec<(String, BudgetSlot, i64)> = self
            .known
            .iter()
            .filter_map(|(key, known)| {
                let change = self.change(key, known);
                (change != 0).then(|| (key.clone(), known.slot, change))
            })
            .collect();
        let book = &self.book;
        self.known.retain(|_, known| {
            known.used || book.available(known.slot) > 0 || book.reserved(known.slot) > 0
        });
        if wanted.is_empty() {
            return Some(Ok(()));
        }
        let book = Arc::clone(&self.book);
        writer.call(move |store| {
            let changes: Vec<(String, i64)> = wanted
                .iter()
                .map(|(key, _, micros)| (key.clone(), *micros))
                .collect();
            let granted = store.lease(&changes)?;
            for ((_, slot, _), micros) in wanted.iter().zip(granted) {
                if micros > 0 {
                    book.grant(*slot, micros);
                }
            }
            Ok(())
        })
    }

    /// Gives back all that no open bid holds, for an orderly end: only what bids hold stays
    /// frozen until they have expired. `None` when the writer has ended.
    ///
    /// # Errors
    /// Where the ledger fails; what is not given back is frozen with the rest.
    pub fn surrender(&mut self, writer: &Writer, now_s: i64) -> Option<Result<(), StoreError>> {
        for known in self.known.values_mut() {
            known.used = false;
        }
        self.balance(writer, now_s)
    }

    /// What the ledger told last of a budget.
    pub fn state(&self, key: &str) -> Option<&BudgetState> {
        self.known.get(key)?.state.as_ref()
    }

    fn take_over(&mut self, changed: Vec<(String, BudgetState)>) {
        for (key, state) in changed {
            if let Some(known) = self.known.get_mut(&key) {
                known.state = Some(state);
            }
        }
    }

    /// What to ask for, or, below zero, what has just been taken from the book to be given back.
    fn change(&self, key: &str, known: &Known) -> i64 {
        let available = self.book.available(known.slot);
        let least = match Unit::of(key) {
            Unit::Money => self.min_slice,
            Unit::Impressions => GOAL_SLICE,
            // Nothing holds clicks.
            Unit::Clicks => return 0,
        };
        let wanted = match &known.state {
            Some(state) if known.used => {
                let remaining = state.remaining().0;
                adjustment(remaining, available, least, self.share_percent)
            }
            Some(_) | None => -available,
        };
        if wanted < 0 {
            -self.book.withdraw(known.slot, -wanted)
        } else {
            wanted
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ledger::store::SqliteStore;
    use ledger::{Amount, BudgetPath, Currency, Micros, Reservations};
    use std::time::Duration;

    struct Fixture {
        leases: Leases,
        writer: Writer,
        book: Arc<Book>,
        folder: std::path::PathBuf,
    }

    impl Fixture {
        fn new(name: &str) -> Self {
            let folder =
                std::env::temp_dir().join(format!("gavel-leases-{}-{name}", std::process::id()));
            std::fs::create_dir_all(&folder).unwrap();
            Self::open(folder, 0)
        }

        /// A run that starts at `now_s`; what an earlier one left is held for 600 seconds.
        fn open(folder: std::path::PathBuf, now_s: i64) -> Self {
            let store = SqliteStore::open(&folder.join("ledger.sqlite"), now_s, 600).unwrap();
            let (book, open) = (Arc::new(Book::default()), Arc::new(Reservations::new(64)));
            let (writer, _) = Writer::start(
                Box::new(store),
                Arc::clone(&book),
                open,
                Box::new(|_| ()),
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

        fn balance(&mut self, budgets: &[Budget]) -> BudgetState {
            self.balance_at(budgets, 0)
        }

        fn balance_at(&mut self, budgets: &[Budget], now_s: i64) -> BudgetState {
            let employed = self.leases.employ(&self.writer, budgets.to_vec());
            employed.unwrap().unwrap();
            self.leases.balance(&self.writer, now_s).unwrap().unwrap();
            self.writer
                .call(|store| store.budget("b").unwrap().unwrap())
                .unwrap()
        }
    }

    fn budget(limit: i64) -> Budget {
        Budget {
            key: "b".to_owned(),
            currency: Currency(*b"EUR"),
            limit: Micros(limit),
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
        let mut fixture = Fixture::new("slice");
        let used = [budget(1_000)];
        let slot = fixture.leases.slot("b").unwrap();
        assert_eq!(fixture.leases.slot("b"), Some(slot));
        assert_eq!(fixture.balance(&used).leased, Micros(250));
        assert_eq!(fixture.book.available(slot), 250);
        // Still above half: nothing moves. Below it: up to a quarter of what is left.
        fixture
            .book
            .reserve(&BudgetPath::new(&[slot]), Amount::money(100))
            .unwrap();
        assert_eq!(fixture.balance(&used).leased, Micros(250));
        fixture
            .book
            .reserve(&BudgetPath::new(&[slot]), Amount::money(60))
            .unwrap();
        let state = fixture.balance(&used);
        assert_eq!(fixture.book.available(slot), (750 + 90) / 4);
        assert_eq!(state.leased.0, fixture.book.available(slot) + 160);
        // Out of use: what is not held by bids goes back.
        let state = fixture.balance(&[]);
        assert_eq!(
            (state.leased, fixture.book.available(slot)),
            (Micros(160), 0)
        );
        assert_eq!(fixture.leases.slot("b"), Some(slot), "bids are still open");
    }

    #[test]
    fn a_small_budget_is_leased_whole_and_never_more() {
        let mut fixture = Fixture::new("small");
        let slot = fixture.leases.slot("b").unwrap();
        for _ in 0..3 {
            assert_eq!(fixture.balance(&[budget(60)]).leased, Micros(60));
        }
        assert_eq!(fixture.book.available(slot), 60);
        let state = fixture.balance(&[budget(60)]);
        assert_eq!(state.remaining(), Micros(0));
        assert_eq!(fixture.leases.state("b"), Some(&state));
    }

    #[test]
    fn a_lowered_limit_is_given_back_and_a_raised_one_granted() {
        let mut fixture = Fixture::new("limits");
        let slot = fixture.leases.slot("b").unwrap();
        assert_eq!(fixture.balance(&[budget(1_000)]).leased, Micros(250));
        // Down to the least slice of what is left.
        let state = fixture.balance(&[budget(120)]);
        assert_eq!((state.leased, state.remaining()), (Micros(100), Micros(20)));
        assert_eq!(fixture.book.available(slot), 100);
        fixture.balance(&[budget(4_000)]);
        assert_eq!(fixture.book.available(slot), 1_000);
    }

    #[test]
    fn what_a_crashed_run_held_comes_back_after_its_hold() {
        let mut crashed = Fixture::new("crash");
        crashed.leases.slot("b").unwrap();
        assert_eq!(crashed.balance(&[budget(1_000)]).leased, Micros(250));
        // The file is all that is left of it: the next run shuts it out.
        let mut next = Fixture::open(crashed.folder.clone(), 10);
        next.leases.slot("b").unwrap();
        let state = next.balance_at(&[budget(1_000)], 610);
        assert_eq!((state.frozen, state.leased), (Micros(250), Micros(187)));
        let state = next.balance_at(&[budget(1_000)], 611);
        assert_eq!((state.frozen, state.remaining()), (Micros(0), Micros(813)));
    }

    #[test]
    fn an_orderly_end_leaves_frozen_only_what_bids_hold() {
        let mut fixture = Fixture::new("surrender");
        let slot = fixture.leases.slot("b").unwrap();
        fixture.balance(&[budget(1_000)]);
        fixture
            .book
            .reserve(&BudgetPath::new(&[slot]), Amount::money(30))
            .unwrap();
        let surrendered = fixture.leases.surrender(&fixture.writer, 0);
        surrendered.unwrap().unwrap();
        let mut next = Fixture::open(fixture.folder.clone(), 10);
        next.leases.slot("b").unwrap();
        assert_eq!(next.balance(&[budget(1_000)]).frozen, Micros(30));
    }

    #[test]
    fn a_budget_that_nothing_holds_is_forgotten() {
        let mut fixture = Fixture::new("forgotten");
        fixture.leases.slot("b").unwrap();
        fixture.balance(&[budget(1_000)]);
        for _ in 0..2 {
            assert_eq!(fixture.balance(&[]).leased, Micros(0));
        }
        assert!(fixture.leases.known.is_empty());
    }
}
