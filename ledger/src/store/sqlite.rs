//! The embedded store: SQLite in WAL mode with full synchronisation. One writer, one
//! transaction for each batch; cost about one fdatasync a batch and 30 µs an event.

use super::{Budget, BudgetState, Funding, Store, StoreError};
use crate::carry::Carry;
use crate::currency::Currency;
use crate::event::{Event, Kind, Outcome};
use crate::invariant;
use crate::money::{Cpm, Micros};
use crate::posting::{Column, Posting};
use crate::statement::{Books, Logged};
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use std::path::Path;

const VERSION: i64 = 1;

const SCHEMA: &str = "
CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE event (
    seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, key BLOB NOT NULL, at_ms INTEGER NOT NULL,
    exchange TEXT NOT NULL, seat TEXT NOT NULL, advertiser TEXT NOT NULL, line_item TEXT NOT NULL,
    creative TEXT NOT NULL, publisher TEXT NOT NULL, placement TEXT NOT NULL,
    partner TEXT NOT NULL, cpm INTEGER NOT NULL, currency TEXT NOT NULL,
    share_ppm INTEGER NOT NULL, reason INTEGER NOT NULL, funded INTEGER NOT NULL,
    cost INTEGER NOT NULL, UNIQUE (key, kind)) STRICT;
CREATE TABLE entry (
    event INTEGER NOT NULL, account TEXT NOT NULL, currency TEXT NOT NULL,
    debit INTEGER NOT NULL, credit INTEGER NOT NULL) STRICT;
CREATE TABLE account (
    name TEXT NOT NULL, currency TEXT NOT NULL, debit INTEGER NOT NULL, credit INTEGER NOT NULL,
    PRIMARY KEY (name, currency)) STRICT, WITHOUT ROWID;
CREATE TABLE carry (name TEXT PRIMARY KEY, rest INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE budget (
    name TEXT PRIMARY KEY, currency TEXT NOT NULL, bound INTEGER NOT NULL,
    spent INTEGER NOT NULL DEFAULT 0, leased INTEGER NOT NULL DEFAULT 0,
    frozen INTEGER NOT NULL DEFAULT 0, frozen_until INTEGER NOT NULL DEFAULT 0)
    STRICT, WITHOUT ROWID;
";

/// The books in a SQLite file.
pub struct SqliteStore {
    connection: Connection,
    epoch: u32,
}

impl SqliteStore {
    /// Opens the books for writing and begins a new run: what earlier runs had leased is frozen
    /// until `hold_s` seconds after `now_s` (unix seconds), by when their reservations have
    /// expired.
    ///
    /// # Errors
    /// Where the file cannot be opened or is of a newer version.
    pub fn open(path: &Path, now_s: i64, hold_s: i64) -> Result<Self, StoreError> {
        let mut connection = Connection::open(path)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "wal_autocheckpoint", 4000)?;
        connection.busy_timeout(std::time::Duration::from_secs(5))?;
        let change = connection.transaction()?;
        migrate(&change)?;
        change.execute(
            "INSERT INTO meta VALUES ('epoch', 1) ON CONFLICT DO UPDATE SET value = value + 1",
            [],
        )?;
        let epoch = change.query_row("SELECT value FROM meta WHERE name = 'epoch'", [], |row| {
            row.get(0)
        })?;
        change.execute(
            "UPDATE budget SET frozen = frozen + leased, leased = 0, frozen_until = ?1 + ?2
             WHERE leased > 0",
            [now_s, hold_s],
        )?;
        change.commit()?;
        Ok(Self { connection, epoch })
    }

    /// Opens the books to read them, beside a running node if need be.
    ///
    /// # Errors
    /// Where the file cannot be opened or is of a newer version.
    pub fn read(path: &Path) -> Result<Self, StoreError> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(std::time::Duration::from_secs(5))?;
        check_version(&connection)?;
        Ok(Self {
            connection,
            epoch: 0,
        })
    }
}

fn check_version(connection: &Connection) -> Result<i64, StoreError> {
    let found = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if found > VERSION {
        Err(StoreError::Newer {
            found,
            known: VERSION,
        })
    } else {
        Ok(found)
    }
}

fn migrate(change: &Transaction<'_>) -> Result<(), StoreError> {
    if check_version(change)? == 0 {
        change.execute_batch(SCHEMA)?;
        change.pragma_update(None, "user_version", VERSION)?;
    }
    Ok(())
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
        let change = self.connection.transaction()?;
        let outcomes = events
            .iter()
            .map(|event| apply_one(&change, event, funding))
            .collect::<Result<Vec<_>, _>>()?;
        change.commit()?;
        Ok(outcomes)
    }

    fn set_budgets(&mut self, budgets: &[Budget]) -> Result<(), StoreError> {
        let change = self.connection.transaction()?;
        for budget in budgets {
            change
                .prepare_cached(
                    "INSERT INTO budget (name, currency, bound) VALUES (?1, ?2, ?3)
                     ON CONFLICT (name) DO UPDATE SET bound = excluded.bound
                     WHERE bound <> excluded.bound",
                )?
                .execute(params![budget.key, budget.currency.code(), budget.limit.0])?;
        }
        Ok(change.commit()?)
    }

    fn lease(&mut self, wanted: &[(String, i64)]) -> Result<Vec<i64>, StoreError> {
        let change = self.connection.transaction()?;
        let mut granted = Vec::with_capacity(wanted.len());
        for (key, micros) in wanted {
            let state = budget_state(&change, key)?.unwrap_or_default();
            let slice = (*micros)
                .min(state.remaining().0.max(0))
                .max(-state.leased.0);
            change
                .prepare_cached("UPDATE budget SET leased = leased + ?2 WHERE name = ?1")?
                .execute(params![key, slice])?;
            granted.push(slice);
        }
        change.commit()?;
        Ok(granted)
    }

    fn thaw(&mut self, now_s: i64) -> Result<(), StoreError> {
        self.connection.execute(
            "UPDATE budget SET frozen = 0 WHERE frozen > 0 AND frozen_until < ?1",
            [now_s],
        )?;
        Ok(())
    }

    fn budget(&self, key: &str) -> Result<Option<BudgetState>, StoreError> {
        budget_state(&self.connection, key)
    }

    fn books(&self) -> Result<Books, StoreError> {
        // One read transaction: balances and log of the same moment.
        let reading = self.connection.unchecked_transaction()?;
        let mut statement = reading.prepare(
            "SELECT kind, key, at_ms, exchange, seat, advertiser, line_item, creative, publisher,
                    placement, partner, cpm, currency, share_ppm, reason, funded, cost
             FROM event ORDER BY seq",
        )?;
        let log = statement
            .query_map([], |row| Ok(read_event(row)))?
            .map(|row| row.map_err(StoreError::from).and_then(|event| event))
            .collect::<Result<Vec<_>, _>>()?;
        let mut statement =
            reading.prepare("SELECT name, currency, debit, credit FROM account ORDER BY 1, 2")?;
        let balances = statement
            .query_map([], |row| {
                let currency: String = row.get(1)?;
                Ok((
                    (row.get(0)?, currency),
                    (Micros(row.get(2)?), Micros(row.get(3)?)),
                ))
            })?
            .collect::<Result<_, _>>()?;
        let mut statement =
            reading.prepare("SELECT name, bound, spent, leased, frozen FROM budget ORDER BY 1")?;
        let budgets = statement
            .query_map([], |row| Ok((row.get(0)?, read_budget(row, 1)?)))?
            .collect::<Result<_, _>>()?;
        Ok(Books {
            log,
            balances,
            budgets,
        })
    }
}

fn apply_one(
    change: &Transaction<'_>,
    event: &Event,
    funding: &mut dyn FnMut(&Event, Micros) -> Funding,
) -> Result<Outcome, StoreError> {
    let known = change
        .prepare_cached("SELECT 1 FROM event WHERE key = ?1 AND kind = ?2")?
        .exists(params![event.key, event.kind.label()])?;
    if known {
        return Ok(Outcome::Duplicate);
    }
    if event.kind.charges().is_none() {
        insert(change, event, true, Micros(0))?;
        return Ok(Outcome::Recorded);
    }
    let mut carry = read_carry(change, &event.carry_key())?;
    let cost = carry.impression(event.cpm);
    write_carry(change, &event.carry_key(), carry)?;
    let funded = event.kind != Kind::Bill || fund(change, event, cost, funding(event, cost))?;
    let mut share = read_carry(change, &event.share_key())?;
    let posting = event.posting(cost, &mut share, funded);
    if event.kind == Kind::Sale {
        write_carry(change, &event.share_key(), share)?;
    }
    let seq = insert(change, event, funded, cost)?;
    post(change, seq, &posting)?;
    Ok(if funded {
        Outcome::Charged { cost }
    } else {
        Outcome::OverDelivered { cost }
    })
}

/// Takes a bill from its budgets, all or none, and says whether they had it.
fn fund(
    change: &Transaction<'_>,
    event: &Event,
    cost: Micros,
    funding: Funding,
) -> Result<bool, StoreError> {
    let mut parts = Vec::with_capacity(event.budgets.len());
    for key in &event.budgets {
        let Some(state) = budget_state(change, key)? else {
            return Ok(false);
        };
        let (from_lease, from_frozen) = match funding {
            Funding::Lease => (cost.0.min(state.leased.0), 0),
            Funding::Late => (0, cost.0.min(state.frozen.0)),
        };
        if cost.0 - from_lease - from_frozen > state.remaining().0.max(0) {
            return Ok(false);
        }
        parts.push((key, from_lease, from_frozen));
    }
    for (key, from_lease, from_frozen) in parts {
        change
            .prepare_cached(
                "UPDATE budget SET spent = spent + ?2, leased = leased - ?3, frozen = frozen - ?4
                 WHERE name = ?1",
            )?
            .execute(params![key, cost.0, from_lease, from_frozen])?;
        debug_assert!(budget_state(change, key)?.is_some_and(|b| invariant::within_budget(&b)));
    }
    Ok(true)
}

fn insert(
    change: &Transaction<'_>,
    event: &Event,
    funded: bool,
    cost: Micros,
) -> Result<i64, StoreError> {
    change
        .prepare_cached(
            "INSERT INTO event (kind, key, at_ms, exchange, seat, advertiser, line_item, creative,
                 publisher, placement, partner, cpm, currency, share_ppm, reason, funded, cost)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)",
        )?
        .execute(params![
            event.kind.label(),
            event.key,
            event.at_ms,
            event.exchange,
            event.seat,
            event.advertiser,
            event.line_item,
            event.creative,
            event.publisher,
            event.placement,
            event.partner,
            event.cpm.0,
            event.currency.code(),
            event.share_ppm,
            event.reason,
            funded,
            cost.0,
        ])?;
    Ok(change.last_insert_rowid())
}

fn post(change: &Transaction<'_>, event: i64, posting: &Posting) -> Result<(), StoreError> {
    for entry in posting.entries() {
        let account = entry.account.to_string();
        let (debit, credit) = match entry.column {
            Column::Debit => (entry.amount.0, 0),
            Column::Credit => (0, entry.amount.0),
        };
        let currency = posting.currency();
        change
            .prepare_cached("INSERT INTO entry VALUES (?1, ?2, ?3, ?4, ?5)")?
            .execute(params![event, account, currency.code(), debit, credit])?;
        change
            .prepare_cached(
                "INSERT INTO account VALUES (?1, ?2, ?3, ?4) ON CONFLICT (name, currency)
                 DO UPDATE SET debit = debit + excluded.debit, credit = credit + excluded.credit",
            )?
            .execute(params![account, currency.code(), debit, credit])?;
    }
    Ok(())
}

fn read_carry(change: &Transaction<'_>, key: &str) -> Result<Carry, StoreError> {
    let rest = change
        .prepare_cached("SELECT rest FROM carry WHERE name = ?1")?
        .query_row([key], |row| row.get(0))
        .optional()?;
    Ok(Carry(rest.unwrap_or(0)))
}

fn write_carry(change: &Transaction<'_>, key: &str, carry: Carry) -> Result<(), StoreError> {
    change
        .prepare_cached(
            "INSERT INTO carry VALUES (?1, ?2) ON CONFLICT DO UPDATE SET rest = excluded.rest",
        )?
        .execute(params![key, carry.0])?;
    Ok(())
}

fn budget_state(connection: &Connection, key: &str) -> Result<Option<BudgetState>, StoreError> {
    let state = connection
        .prepare_cached("SELECT bound, spent, leased, frozen FROM budget WHERE name = ?1")?
        .query_row([key], |row| read_budget(row, 0))
        .optional()?;
    Ok(state)
}

fn read_budget(row: &rusqlite::Row<'_>, from: usize) -> rusqlite::Result<BudgetState> {
    Ok(BudgetState {
        limit: Micros(row.get(from)?),
        spent: Micros(row.get(from + 1)?),
        leased: Micros(row.get(from + 2)?),
        frozen: Micros(row.get(from + 3)?),
    })
}

fn read_event(row: &rusqlite::Row<'_>) -> Result<Logged, StoreError> {
    let label: String = row.get(0)?;
    let kind = Kind::ALL.into_iter().find(|kind| kind.label() == label);
    let currency: String = row.get(12)?;
    let event = Event {
        kind: kind.ok_or_else(|| StoreError::Corrupt(format!("an event of kind {label:?}")))?,
        key: row.get(1)?,
        at_ms: row.get(2)?,
        exchange: row.get(3)?,
        seat: row.get(4)?,
        advertiser: row.get(5)?,
        line_item: row.get(6)?,
        creative: row.get(7)?,
        publisher: row.get(8)?,
        placement: row.get(9)?,
        partner: row.get(10)?,
        cpm: Cpm(row.get(11)?),
        currency: currency
            .parse::<Currency>()
            .map_err(|_| StoreError::Corrupt(format!("the currency {currency:?}")))?,
        share_ppm: row.get(13)?,
        reason: row.get(14)?,
        budgets: Vec::new(),
        reservation: None,
    };
    Ok(Logged {
        event,
        funded: row.get(15)?,
        cost: Micros(row.get(16)?),
    })
}
