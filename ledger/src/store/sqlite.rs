//! The embedded store: SQLite in WAL mode with full synchronisation. One writer, one
//! transaction for each batch; cost about one fdatasync a batch and 30 µs an event.
//!
//! This is the one place of the crate that opens a file. Two processes cannot both write: opening
//! begins a new epoch, and a transaction of an older one is refused before it reads anything.

mod adjustments;
mod auctions;
mod charge;
mod checkpoint;
mod closing;
mod conversions;
mod letters;
mod log;
mod mark;
mod prune;
mod report;
mod schema;
mod shown;

use self::checkpoint::Checkpointer;
use super::{Budget, BudgetState, Funding, Store, StoreError};
use crate::budget::{BudgetKey, Day, MonthOf};
use crate::conversion::{Conversion, Credit};
use crate::currency::Currency;
use crate::event::{Event, Outcome};
use crate::exposure::Shown;
use crate::letter::DeadLetter;
use crate::money::Micros;
use crate::statement::{Balances, Books, Period, Statement};
use rusqlite::{
    Connection, OpenFlags, OptionalExtension, Transaction, TransactionBehavior, params,
};
use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

pub use adjustments::{Correction, NewAdjustment};
pub use auctions::{AuctionFile, LoggedAuction};
pub use closing::{Clock, Closing, MonthStatement};
pub use letters::MOST_LETTERS;
pub use prune::Pruned;
pub use report::{Party, Refused, Tally, loss_reason};

/// How long to wait for a lock that another program holds on the file, a backup for example.
const PATIENCE: Duration = Duration::from_secs(5);

/// Pages that the writer keeps in memory, in KiB: the ends of the tables and most of the indexes of
/// some million events, which it would otherwise read from the system again and again.
const CACHE_KIB: i64 = 64 * 1024;

/// The books in a SQLite file.
pub struct SqliteStore {
    connection: Connection,
    epoch: u32,
    /// A commit failed: what the file holds is unknown until it is opened again.
    failed: bool,
    /// Keys of the budgets that changed since somebody asked.
    changed: HashSet<String>,
    /// Impressions that nobody has been told of.
    shown: Vec<Shown>,
    /// Of who writes events.
    checkpointer: Option<Checkpointer>,
}

impl SqliteStore {
    /// Opens the books for writing and begins a new run: what earlier runs had leased is frozen
    /// until `hold_s` seconds after `now_s` (unix seconds), by when their reservations have
    /// expired. A run that still writes is shut out.
    ///
    /// # Errors
    /// Where the file cannot be opened or is of a newer version.
    pub fn open(path: &Path, now_s: i64, hold_s: i64) -> Result<Self, StoreError> {
        let mut connection = Connection::open(path)?;
        connection.busy_timeout(PATIENCE)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "wal_autocheckpoint", checkpoint::BACKSTOP)?;
        connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
        let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        schema::migrate(&change)?;
        change.execute(
            "INSERT INTO meta VALUES ('epoch', 1) ON CONFLICT DO UPDATE SET value = value + 1",
            [],
        )?;
        let epoch = current_epoch(&change)?;
        // Only the run before this one can have leased: every other was fenced or frozen.
        change.execute(
            "INSERT INTO frozen SELECT name, ?1, leased, ?2 FROM budget WHERE leased > 0",
            params![epoch - 1, now_s + hold_s],
        )?;
        change.execute(
            "UPDATE budget SET frozen = frozen + leased, leased = 0 WHERE leased > 0",
            [],
        )?;
        change.commit()?;
        Ok(Self {
            connection,
            epoch,
            failed: false,
            changed: HashSet::new(),
            shown: Vec::new(),
            checkpointer: Some(Checkpointer::start(path)?),
        })
    }

    /// Opens the books to read them, beside a running node if need be. Writing is refused.
    ///
    /// # Errors
    /// Where the file does not exist, cannot be opened or is of another version.
    pub fn read(path: &Path) -> Result<Self, StoreError> {
        let store = Self::correct(path)?;
        store.connection.pragma_update(None, "query_only", true)?;
        Ok(store)
    }

    /// Opens the books to close months, to correct and to prune, beside a running node if need
    /// be: each is one short transaction, and none touches budgets or leases. Events are refused.
    ///
    /// # Errors
    /// Where the file does not exist, cannot be opened or is of another version.
    pub fn correct(path: &Path) -> Result<Self, StoreError> {
        // Not read-only: the first reader of a WAL file has to be able to recover it.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(PATIENCE)?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        schema::check(&connection)?;
        Ok(Self {
            connection,
            epoch: 0,
            failed: false,
            changed: HashSet::new(),
            shown: Vec::new(),
            checkpointer: None,
        })
    }

    /// The number of the run that opened the books of a file last.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn last_run(path: &Path) -> Result<u32, StoreError> {
        let store = Self::read(path)?;
        let sql = "SELECT value FROM meta WHERE name = 'epoch'";
        Ok(store.connection.query_row(sql, [], |row| row.get(0))?)
    }

    /// Remembers whose state changed. Bounded by the budgets that the file knows.
    fn note<'k>(&mut self, keys: impl IntoIterator<Item = &'k String>) {
        for key in keys {
            if !self.changed.contains(key) {
                self.changed.insert(key.clone());
            }
        }
    }

    /// Runs one transaction of this epoch.
    fn change<T>(
        &mut self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        if self.failed {
            return Err(StoreError::Stopped);
        }
        let behavior = TransactionBehavior::Immediate;
        let change = self.connection.transaction_with_behavior(behavior)?;
        let current = current_epoch(&change)?;
        if current != self.epoch {
            let ours = self.epoch;
            return Err(StoreError::Fenced { ours, current });
        }
        let done = work(&change)?;
        let committed = change.commit();
        self.failed = committed.is_err();
        committed?;
        Ok(done)
    }
}

impl Store for SqliteStore {
    fn epoch(&self) -> u32 {
        self.epoch
    }

    fn apply(
        &mut self,
        events: &[Event],
        funding: &mut dyn FnMut(&Event, Micros) -> Funding,
    ) -> Result<Vec<Outcome>, StoreError> {
        let (outcomes, mut shown) = self.change(|change| {
            let mut shown = Vec::new();
            let outcomes = events.iter().map(|event| {
                let outcome = charge::apply(change, event, funding)?;
                shown.extend(shown::note(change, event, outcome)?);
                Ok(outcome)
            });
            let outcomes = outcomes.collect::<Result<Vec<_>, StoreError>>()?;
            Ok((outcomes, shown))
        })?;
        self.shown.append(&mut shown);
        let budgets = events.iter().flat_map(|event| &event.budgets);
        self.note(budgets);
        Ok(outcomes)
    }

    fn rest(&mut self) {
        if let Some(checkpointer) = &self.checkpointer {
            checkpointer.rest(&self.connection);
        }
    }

    fn shown(&mut self) -> Vec<Shown> {
        std::mem::take(&mut self.shown)
    }

    fn shown_after(&self, seq: i64, visit: &mut dyn FnMut(Shown)) -> Result<(), StoreError> {
        shown::after(&self.connection, seq, visit)
    }

    fn forget_shown(&mut self, seq: i64) -> Result<(), StoreError> {
        self.change(|change| shown::forget(change, seq))
    }

    fn refuse(&mut self, letters: &[DeadLetter]) -> Result<Vec<Outcome>, StoreError> {
        self.change(|change| {
            let kept = letters.iter().map(|letter| letters::keep(change, letter));
            kept.collect()
        })
    }

    fn replayed(&mut self, done: &[(i64, &'static str)], now_ms: i64) -> Result<(), StoreError> {
        self.change(|change| letters::replayed(change, done, now_ms))
    }

    fn convert(&mut self, conversions: &[Conversion]) -> Result<Vec<Credit>, StoreError> {
        self.change(|change| {
            let counted = conversions.iter();
            counted
                .map(|conversion| conversions::convert(change, conversion))
                .collect()
        })
    }

    fn refusals(&self) -> Result<Vec<(String, u64)>, StoreError> {
        log::refusals(&self.connection)
    }

    fn set_budgets(&mut self, budgets: &[Budget]) -> Result<(), StoreError> {
        self.change(|change| {
            budgets
                .iter()
                .try_for_each(|budget| set_budget(change, budget))
        })?;
        self.note(budgets.iter().map(|budget| &budget.key));
        Ok(())
    }

    fn lease(&mut self, wanted: &[(String, i64)]) -> Result<Vec<i64>, StoreError> {
        let granted = self.change(|change| {
            wanted
                .iter()
                .map(|(key, micros)| lease(change, key, *micros))
                .collect()
        })?;
        self.note(wanted.iter().map(|(key, _)| key));
        Ok(granted)
    }

    fn thaw(&mut self, now_s: i64) -> Result<(), StoreError> {
        // Asked each tick and nearly always in vain: a look takes no lock for writing.
        let ended: Vec<String> = self
            .connection
            .prepare_cached("SELECT DISTINCT budget FROM frozen WHERE until < ?1")?
            .query_map([now_s], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        if ended.is_empty() {
            return Ok(());
        }
        self.change(|change| {
            change.execute(
                "UPDATE budget SET frozen = frozen - ended.micros,
                     allowed = max(bound, spent + leased + frozen - ended.micros)
                 FROM (SELECT budget, sum(micros) AS micros FROM frozen WHERE until < ?1
                       GROUP BY budget) AS ended
                 WHERE name = ended.budget",
                [now_s],
            )?;
            change.execute("DELETE FROM frozen WHERE until < ?1", [now_s])?;
            Ok(())
        })?;
        self.note(&ended);
        Ok(())
    }

    fn changed(&mut self) -> Result<Vec<(String, BudgetState)>, StoreError> {
        let mut states = Vec::with_capacity(self.changed.len());
        for key in &self.changed {
            let state = budget_state(&self.connection, key)?;
            states.extend(state.map(|(_, state)| (key.clone(), state)));
        }
        self.changed.clear();
        Ok(states)
    }

    fn days_before(&self, campaign: &str, day: Day) -> Result<u32, StoreError> {
        let month = BudgetKey::CampaignMonth(campaign, MonthOf(day)).to_string();
        let first = days_of(&month).unwrap_or(month);
        let today = BudgetKey::CampaignDay(campaign, day).to_string();
        let days = self
            .connection
            .prepare_cached("SELECT count(*) FROM budget WHERE name >= ?1 AND name < ?2")?
            .query_row(params![first, today], |row| row.get(0))?;
        Ok(days)
    }

    fn budget(&self, key: &str) -> Result<Option<BudgetState>, StoreError> {
        Ok(budget_state(&self.connection, key)?.map(|(_, state)| state))
    }

    fn balances(&self) -> Result<Balances, StoreError> {
        log::balances(&self.connection)
    }

    fn books(&self) -> Result<Books, StoreError> {
        log::books(&self.connection)
    }

    fn statement(&self, period: Period) -> Result<Statement, StoreError> {
        let reading = self.connection.unchecked_transaction()?;
        let opening = closing::first_opening(&reading)?;
        log::statement(&reading, opening, period.into())
    }
}

/// A limit lowered beneath what is committed takes effect as that comes back: until then the
/// budget may hold what it holds, and nothing more.
fn set_budget(change: &Transaction<'_>, budget: &Budget) -> Result<(), StoreError> {
    let currency = budget.currency;
    if let Some((known, _)) = budget_state(change, &budget.key)?
        && known != currency
    {
        let key = budget.key.clone();
        return Err(StoreError::OtherCurrency { key, known });
    }
    // A month that becomes a budget of its own begins with what its days have spent.
    let spent: i64 = match days_of(&budget.key) {
        Some(days) => change
            .prepare_cached(
                "SELECT coalesce(sum(spent), 0) FROM budget WHERE name > ?1 AND name < ?1 || '~'",
            )?
            .query_row([&days], |row| row.get(0))?,
        None => 0,
    };
    change
        .prepare_cached(
            "INSERT INTO budget (name, currency, bound, spent, allowed)
             VALUES (?1, ?2, ?3, ?4, max(?3, ?4, 0))
             ON CONFLICT (name) DO UPDATE SET bound = excluded.bound,
                 allowed = max(excluded.bound, budget.spent + leased + frozen)
             WHERE bound <> excluded.bound",
        )?
        .execute(params![budget.key, currency.code(), budget.limit.0, spent])?;
    Ok(())
}

/// What the keys of the days begin with that belong to the budget of a month.
fn days_of(key: &str) -> Option<String> {
    let (campaign, month) = key.rsplit_once(":month:")?;
    Some(format!("{campaign}:day:{month}-"))
}

fn lease(change: &Transaction<'_>, key: &str, micros: i64) -> Result<i64, StoreError> {
    let Some((_, state)) = budget_state(change, key)? else {
        return Ok(0);
    };
    let slice = micros.min(state.remaining().0.max(0)).max(-state.leased.0);
    change
        .prepare_cached(
            "UPDATE budget SET leased = leased + ?2,
                 allowed = max(bound, min(allowed, spent + leased + ?2 + frozen))
             WHERE name = ?1",
        )?
        .execute(params![key, slice])?;
    Ok(slice)
}

fn current_epoch(change: &Transaction<'_>) -> Result<u32, StoreError> {
    let mut statement = change.prepare_cached("SELECT value FROM meta WHERE name = 'epoch'")?;
    Ok(statement.query_row([], |row| row.get(0))?)
}

fn budget_state(
    connection: &Connection,
    key: &str,
) -> Result<Option<(Currency, BudgetState)>, StoreError> {
    let found = connection
        .prepare_cached(
            "SELECT bound, spent, leased, frozen, allowed, currency FROM budget WHERE name = ?1",
        )?
        .query_row([key], |row| {
            Ok((row.get::<_, String>(5)?, read_budget(row, 0)?))
        })
        .optional()?;
    let Some((currency, state)) = found else {
        return Ok(None);
    };
    let currency = currency
        .parse()
        .map_err(|_| StoreError::Corrupt(format!("the currency {currency:?}")))?;
    Ok(Some((currency, state)))
}

fn read_budget(row: &rusqlite::Row<'_>, from: usize) -> rusqlite::Result<BudgetState> {
    Ok(BudgetState {
        limit: Micros(row.get(from)?),
        spent: Micros(row.get(from + 1)?),
        leased: Micros(row.get(from + 2)?),
        frozen: Micros(row.get(from + 3)?),
        allowed: Micros(row.get(from + 4)?),
    })
}
