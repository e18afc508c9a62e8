//! Where the books are kept: the transaction that a notice waits for.

mod sqlite;

use crate::budget::Day;
use crate::conversion::{Conversion, Credit};
use crate::currency::Currency;
use crate::event::{Event, Outcome};
use crate::exposure::Shown;
use crate::letter::DeadLetter;
use crate::money::Micros;
use crate::posting::Account;
use crate::statement::{Balances, Books, Irreconcilable, Month, Period, Statement};

pub use sqlite::{
    AuctionFile, Clock, Closing, Correction, LoggedAuction, MOST_LETTERS, MonthStatement,
    NewAdjustment, Party, Pruned, Refused, SqliteStore, Tally, loss_reason,
};

/// Where the money of a bill comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Funding {
    /// From this node's lease: the reservation was open. What exceeds it comes from what nobody
    /// has leased.
    Lease {
        /// What the reservation covered of the cost.
        held: Micros,
    },
    /// From the frozen lease of an earlier run of the node, which made the bid, and beyond that
    /// from what nobody has leased. What that bid held went with the run: a bill above its own
    /// win notice, or for a bid that was lost, takes from what other bids of the run held, and a
    /// later one of them may then be over-delivery. No budget is exceeded by it.
    Frozen {
        /// The run.
        epoch: u32,
    },
    /// From what nobody has leased: the reservation of this run had expired. Frozen money is not
    /// touched, the bids of the earlier run may still need it.
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
    /// The most that spent, leased and frozen may add up to: the limit, or what they added up to
    /// when the limit was lowered beneath it, less what has come back since.
    pub allowed: Micros,
}

impl BudgetState {
    /// What may be granted or charged late; below zero after the limit was lowered beneath what
    /// is committed, until enough has come back.
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
    /// A file of an older version, opened only to be read.
    #[error("the ledger's file has version {found}, open it once to write to bring it to {known}")]
    Older {
        /// Version in the file.
        found: i64,
        /// Version of this program.
        known: i64,
    },
    /// Another process has opened the books since; this one may not write any more.
    #[error("the ledger's file was opened by run {current}, this is run {ours} and must stop")]
    Fenced {
        /// Epoch of this run.
        ours: u32,
        /// Epoch of the file.
        current: u32,
    },
    /// An earlier commit failed.
    #[error("a commit of the ledger failed, reopen it to learn what its file holds")]
    Stopped,
    /// A budget cannot change its currency; what is spent would change its worth.
    #[error("the budget {key} is kept in {known}, a change of currency needs a new budget")]
    OtherCurrency {
        /// The budget's key.
        key: String,
        /// Its currency.
        known: Currency,
    },
    /// The books do not agree with themselves.
    #[error(transparent)]
    Irreconcilable(#[from] Irreconcilable),
    /// What was asked of the books is not possible.
    #[error(transparent)]
    Objection(#[from] Objection),
    /// A row that cannot be.
    #[error("the ledger's file holds {0}")]
    Corrupt(String),
}

/// Why a month is not closed, stated or corrected. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Objection {
    /// The month still runs for some account.
    #[error("{month} has not ended for {account} ({zone})")]
    NotEnded {
        /// The month.
        month: Month,
        /// The account whose clock is the latest.
        account: String,
        /// Its timezone.
        zone: String,
    },
    /// Months are closed in their order.
    #[error("the next month to be closed is {next}")]
    OutOfOrder {
        /// The month.
        next: Month,
    },
    /// The month was closed before.
    #[error("{month} was closed already")]
    Closed {
        /// The month.
        month: Month,
    },
    /// The events of a month that was never closed are not there any more.
    #[error("the events of {month} were pruned and it was never closed")]
    Pruned {
        /// The month.
        month: Month,
    },
    /// An adjustment's number was given to another before.
    #[error("the reference {reference:?} is that of another adjustment, made by {who}")]
    ReferenceTaken {
        /// The reference.
        reference: String,
        /// Who made the other.
        who: String,
    },
    /// There is no such charge.
    #[error("no charge has the key {0}, or it was pruned")]
    NoSuchCharge(String),
    /// A charge is taken back once.
    #[error("the charge was taken back before, by the adjustment {reference:?}")]
    AlreadyReversed {
        /// The reference of that adjustment.
        reference: String,
    },
    /// The account has no business in the currency.
    #[error("the account {account} has never had a posting in {currency}")]
    NoSuchAccount {
        /// The account.
        account: Account,
        /// The currency.
        currency: Currency,
    },
    /// An adjustment of nothing.
    #[error("the amount of an adjustment must not be 0")]
    Nothing,
    /// An adjustment of the account that balances them.
    #[error("the account `adjustments` is the other side of every adjustment")]
    OtherSide,
    /// New events kept coming for the month while it was being closed.
    #[error("events of {month} keep coming, try again")]
    Busy {
        /// The month.
        month: Month,
    },
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

    /// Called between batches, when all senders are answered: work that can wait until then.
    fn rest(&mut self) {}

    /// The impressions that became durable since this was last asked, each bid's once.
    fn shown(&mut self) -> Vec<Shown>;

    /// Visits the impressions of the events after `seq`, as far as they were not forgotten.
    ///
    /// # Errors
    /// [`StoreError`].
    fn shown_after(&self, seq: i64, visit: &mut dyn FnMut(Shown)) -> Result<(), StoreError>;

    /// Forgets whose impressions the events up to `seq` were; the events stay.
    ///
    /// # Errors
    /// [`StoreError`]; nothing is then forgotten.
    fn forget_shown(&mut self, seq: i64) -> Result<(), StoreError>;

    /// Keeps refused notices, each fault once for a bid; nothing is charged, and the events may
    /// still come rightly. [`Outcome::Duplicate`] for one that was already written.
    ///
    /// # Errors
    /// [`StoreError`]; nothing is then written.
    fn refuse(&mut self, letters: &[DeadLetter]) -> Result<Vec<Outcome>, StoreError>;

    /// Notes what became of letters, by their numbers, that were judged again at `now_ms` (unix
    /// milliseconds).
    ///
    /// # Errors
    /// [`StoreError`]; nothing is then written.
    fn replayed(&mut self, done: &[(i64, &'static str)], now_ms: i64) -> Result<(), StoreError>;

    /// Counts conversions, each order once, and credits them.
    ///
    /// # Errors
    /// [`StoreError`]; nothing is then written.
    fn convert(&mut self, conversions: &[Conversion]) -> Result<Vec<Credit>, StoreError>;

    /// How many refusals were noted, by the label of their fault.
    ///
    /// # Errors
    /// [`StoreError`].
    fn refusals(&self) -> Result<Vec<(String, u64)>, StoreError>;

    /// Makes budgets known or changes their limits. A limit lowered beneath what is committed
    /// grants nothing until enough has come back; the node gives back what it holds in excess.
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

    /// The budgets that changed since this was last asked, with what they are now: whoever keeps
    /// a copy pays for what happens, not for what there is.
    ///
    /// # Errors
    /// [`StoreError`].
    fn changed(&mut self) -> Result<Vec<(String, BudgetState)>, StoreError>;

    /// On how many days of its month, before `day`, a campaign had a budget of the day.
    ///
    /// # Errors
    /// [`StoreError`].
    fn days_before(&self, campaign: &str, day: Day) -> Result<u32, StoreError>;

    /// A budget's state.
    ///
    /// # Errors
    /// [`StoreError`].
    fn budget(&self, key: &str) -> Result<Option<BudgetState>, StoreError>;

    /// The balances as they are kept: cheap, and not checked against the log.
    ///
    /// # Errors
    /// [`StoreError`].
    fn balances(&self) -> Result<Balances, StoreError>;

    /// Everything that a statement is made of.
    ///
    /// # Errors
    /// [`StoreError`].
    fn books(&self) -> Result<Books, StoreError>;

    /// The statement of a period, checked against the whole books; memory does not grow with the
    /// log.
    ///
    /// # Errors
    /// [`StoreError`], above all [`StoreError::Irreconcilable`].
    fn statement(&self, period: Period) -> Result<Statement, StoreError>;
}
