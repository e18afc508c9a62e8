//! Reading the books: the log event by event, the balances, the statement.

use super::read_budget;
use crate::currency::Currency;
use crate::event::{Event, Kind};
use crate::money::{Cpm, Micros};
use crate::statement::{Balances, Books, Logged, Period, Replay, Statement};
use crate::store::{BudgetState, StoreError};
use rusqlite::{Connection, Row, params};

/// Everything at one moment, in memory.
pub(super) fn books(connection: &Connection) -> Result<Books, StoreError> {
    // One read transaction: balances and log of the same moment.
    let reading = connection.unchecked_transaction()?;
    let mut log = Vec::new();
    for_each(&reading, |logged| log.push(logged))?;
    Ok(Books {
        log,
        balances: balances(&reading)?,
        budgets: budgets(&reading)?,
    })
}

/// The statement of a period, with the log read once and never held whole.
pub(super) fn statement(connection: &Connection, period: Period) -> Result<Statement, StoreError> {
    let reading = connection.unchecked_transaction()?;
    let mut replay = Replay::new(period);
    for_each(&reading, |logged| replay.push(&logged))?;
    let entries = entries(&reading, period)?;
    let (balances, budgets) = (balances(&reading)?, budgets(&reading)?);
    Ok(replay.statement(&balances, Some(&entries), &budgets)?)
}

/// Refusals by fault.
pub(super) fn refusals(connection: &Connection) -> Result<Vec<(String, u64)>, StoreError> {
    let mut statement =
        connection.prepare("SELECT fault, count(*) FROM refusal GROUP BY 1 ORDER BY 1")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)? as u64)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn for_each(connection: &Connection, mut visit: impl FnMut(Logged)) -> Result<(), StoreError> {
    let mut statement = connection.prepare(
        "SELECT kind, key, at_ms, exchange, seat, advertiser, line_item, creative, publisher,
                placement, partner, cpm, currency, share_ppm, reason, funded, cost, bid
         FROM event ORDER BY seq",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        visit(read_event(row)?);
    }
    Ok(())
}

/// The balances as they are kept.
pub(super) fn balances(connection: &Connection) -> Result<Balances, StoreError> {
    let mut statement = connection.prepare("SELECT name, currency, debit, credit FROM account")?;
    let rows = statement.query_map([], read_balance)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// What the posted entries of a period add up to.
fn entries(connection: &Connection, period: Period) -> Result<Balances, StoreError> {
    let mut statement = connection.prepare(
        "SELECT entry.account, entry.currency, sum(entry.debit), sum(entry.credit)
         FROM entry JOIN event ON event.seq = entry.event
         WHERE event.at_ms >= ?1 AND event.at_ms < ?2 GROUP BY 1, 2",
    )?;
    let rows = statement.query_map(params![period.from_ms, period.to_ms], read_balance)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn budgets(connection: &Connection) -> Result<Vec<(String, BudgetState)>, StoreError> {
    let mut statement = connection
        .prepare("SELECT name, bound, spent, leased, frozen, allowed FROM budget ORDER BY 1")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, read_budget(row, 1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

type Balance = ((String, String), (Micros, Micros));

fn read_balance(row: &Row<'_>) -> rusqlite::Result<Balance> {
    let name = (row.get(0)?, row.get(1)?);
    Ok((name, (Micros(row.get(2)?), Micros(row.get(3)?))))
}

fn read_event(row: &Row<'_>) -> Result<Logged, StoreError> {
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
        bid: Cpm(row.get(17)?),
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
