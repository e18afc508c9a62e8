//! Where the books are kept: the transaction that a notice waits for.

mod sqlite;

use crate::currency::Currency;
use crate::event::{Event, Outcome};
use crate::money::Micros;
use crate::statement::Books;

pub use sqlite::SqliteStore;

/// Where the money of a bill comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Funding {
    /// From this node's lease: the reservation was open.
    Lease,
    /// From the frozen lease of an earlier run of the node, or from what nobody has leased.
    Late,
}

/// A budget that the ledger must know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    /// The key, for example `campaign:cmp_x:day:2026-11-24`.
    pub key: String,
    /// Its currency.
    pub currency: Currency,
    /// The most that may be spent.
    pub limit: Micros,
}

/// A budget as the ledger sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BudgetState {
    /// The most that may be spent.
    pub limit: Micros,
    /// Posted.
    pub spent: Micros,
    /// Granted to the running node and not yet spent.
    pub leased: Micros,
    /// Granted to an earlier run; held until its reservations must have expired.
    pub frozen: Micros,
}

impl BudgetState {
    /// What may be granted or charged late.
    pub fn remaining(&self) -> Micros {
        Micros(self.limit.0 - self.spent.0 - self.leased.0 - self.frozen.0)
    }
}

/// Why the store failed. After a failed commit the books must be reopened, never retried.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database said no.
    #[error("the ledger's database failed: {0}")]
    Database(#[from] rusqlite::Error),
    /// A file of a newer version.
    #[error("the ledger's file has version {found}, this program knows up to {known}")]
    Newer {
        /// Version in the file.
        found: i64,
        /// Version of this program.
        known: i64,
    },
    /// A row that cannot be.
    #[error("the ledger's file holds {0}")]
    Corrupt(String),
}

/// The books.
pub trait Store {
    /// The number of this run; reservations of other runs are not ours.
    fn epoch(&self) -> u32;

    /// Writes a batch in one transaction and says what became of each event. `funding` is asked
    /// once for each new bill, with its cost.
    ///
    /// # Errors
    /// [`StoreError`]; nothing of the batch is then written.
    fn apply(
        &mut self,
        events: &[Event],
        funding: &mut dyn FnMut(&Event, Micros) -> Funding,
    ) -> Result<Vec<Outcome>, StoreError>;

    /// Makes budgets known or changes their limits.
    ///
    /// # Errors
    /// [`StoreError`]; nothing is then changed.
    fn set_budgets(&mut self, budgets: &[Budget]) -> Result<(), StoreError>;

    /// Grants up to the wanted slices, each no more than remains, and says how much each is; a
    /// negative one is given back.
    ///
    /// # Errors
    /// [`StoreError`]; nothing is then granted.
    fn lease(&mut self, wanted: &[(String, i64)]) -> Result<Vec<i64>, StoreError>;

    /// Frees what earlier runs held, where `now_s` (unix seconds) is past their reservations.
    ///
    /// # Errors
    /// [`StoreError`].
    fn thaw(&mut self, now_s: i64) -> Result<(), StoreError>;

    /// A budget's state.
    ///
    /// # Errors
    /// [`StoreError`].
    fn budget(&self, key: &str) -> Result<Option<BudgetState>, StoreError>;

    /// Everything that a statement is made of.
    ///
    /// # Errors
    /// [`StoreError`].
    fn books(&self) -> Result<Books, StoreError>;
}
