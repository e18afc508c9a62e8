//! Reading the books: the log event by event, the balances, the statement.

use super::{adjustments, closing, mark, read_budget};
use crate::currency::Currency;
use crate::event::{Event, Kind};
use crate::exposure::Exposure;
use crate::money::{Cpm, Micros, Multiplier};
use crate::posting::Account;
use crate::statement::{Balances, Books, Logged, Opening, Period, Periods, Replay, Statement};
use crate::store::{BudgetState, StoreError};
use rusqlite::{Connection, Row, params};

/// Everything at one moment, in memory: what is still in the log, and what was before it.
pub(super) fn books(connection: &Connection) -> Result<Books, StoreError> {
    // One read transaction: balances and log of the same moment.
    let reading = connection.unchecked_transaction()?;
    let opening = closing::first_opening(&reading)?;
    let mut log = Vec::new();
    for_each(&reading, opening.seq, |logged| log.push(logged))?;
    Ok(Books {
        log,
        adjustments: adjustments::after(&reading, opening.adjustment)?,
        balances: balances(&reading)?,
        budgets: budgets(&reading)?,
        opening,
    })
}

/// The statement of the periods, with the log behind `opening` read once and never held whole.
pub(super) fn statement(
    reading: &Connection,
    opening: Opening,
    periods: Periods,
) -> Result<Statement, StoreError> {
    let (seq, adjustment) = (opening.seq, opening.adjustment);
    let posted = posted(reading, seq, &periods)?;
    let mut replay = Replay::new(opening, periods);
    for_each(reading, seq, |logged| replay.push(&logged))?;
    for one in adjustments::after(reading, adjustment)? {
        replay.adjust(one);
    }
    agreed(reading, replay, &posted)
}

/// What a replay of the whole log says, where the books say the same.
pub(super) fn agreed(
    reading: &Connection,
    replay: Replay,
    posted: &Balances,
) -> Result<Statement, StoreError> {
    let (balances, budgets) = (balances(reading)?, budgets(reading)?);
    Ok(replay.statement(&balances, Some(posted), &budgets)?)
}

/// Refusals by fault.
pub(super) fn refusals(connection: &Connection) -> Result<Vec<(String, u64)>, StoreError> {
    let mut statement =
        connection.prepare("SELECT fault, count(*) FROM refusal GROUP BY 1 ORDER BY 1")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)? as u64)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Visits the log behind `after`, in its order.
pub(super) fn for_each(
    connection: &Connection,
    after: i64,
    visit: impl FnMut(Logged),
) -> Result<(), StoreError> {
    for_each_within(connection, after, Period::ALL, visit)
}

/// Visits those events of the log behind `after` whose own time lies in a period.
pub(super) fn for_each_within(
    connection: &Connection,
    after: i64,
    period: Period,
    mut visit: impl FnMut(Logged),
) -> Result<(), StoreError> {
    let mut statement = connection.prepare(
        "SELECT kind, key, at_ms, exchange, seat, advertiser, line_item, creative, publisher,
                placement, partner, cpm, currency, share_ppm, reason, funded, cost, bid, seq,
                booked_ms, multiplier, mark, platform_ppm, data, platform_fee, data_cost
         FROM event WHERE seq > ?1 AND at_ms >= ?2 AND at_ms < ?3 ORDER BY seq",
    )?;
    let mut rows = statement.query(params![after, period.from_ms, period.to_ms])?;
    while let Some(row) = rows.next()? {
        visit(read_event(row)?);
    }
    Ok(())
}

/// The balances as they are kept.
pub(super) fn balances(connection: &Connection) -> Result<Balances, StoreError> {
    let mut statement = connection.prepare("SELECT name, currency, debit, credit FROM account")?;
    let mut rows = statement.query([])?;
    let mut found = Balances::new();
    while let Some(row) = rows.next()? {
        let (name, sums) = read_balance(row)?;
        found.insert(name, sums);
    }
    Ok(found)
}

/// What the postings of each account's period add up to, event by event as they were made.
pub(super) fn posted(
    connection: &Connection,
    after: i64,
    periods: &Periods,
) -> Result<Balances, StoreError> {
    let mut statement = connection.prepare(
        "SELECT entry.account, entry.currency, sum(entry.debit), sum(entry.credit)
         FROM entry JOIN event ON event.seq = entry.event
         WHERE entry.event > ?1 AND event.booked_ms >= ?2 AND event.booked_ms < ?3 GROUP BY 1, 2",
    )?;
    let mut different = vec![periods.common];
    for period in periods.own.values() {
        if !different.contains(period) {
            different.push(*period);
        }
    }
    let mut found = Balances::new();
    for period in different {
        let mut rows = statement.query(params![after, period.from_ms, period.to_ms])?;
        while let Some(row) = rows.next()? {
            let (name, sums) = read_balance(row)?;
            if periods.of(&name.0) == period {
                found.insert(name, sums);
            }
        }
    }
    Ok(found)
}

fn budgets(connection: &Connection) -> Result<Vec<(String, BudgetState)>, StoreError> {
    let mut statement = connection
        .prepare("SELECT name, bound, spent, leased, frozen, allowed FROM budget ORDER BY 1")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, read_budget(row, 1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

type Balance = ((Account, Currency), (Micros, Micros));

/// Account, currency, debit and credit in the first four columns.
pub(super) fn read_balance(row: &Row<'_>) -> Result<Balance, StoreError> {
    let name = (read_account(row, 0)?, read_currency(row, 1)?);
    Ok((name, (Micros(row.get(2)?), Micros(row.get(3)?))))
}

/// An account by its name.
pub(super) fn read_account(row: &Row<'_>, column: usize) -> Result<Account, StoreError> {
    let name = row
        .get_ref(column)?
        .as_str()
        .map_err(rusqlite::Error::from)?;
    name.parse()
        .map_err(|_| StoreError::Corrupt(format!("the account {name:?}")))
}

/// A currency by its code.
pub(super) fn read_currency(row: &Row<'_>, column: usize) -> Result<Currency, StoreError> {
    let code = row
        .get_ref(column)?
        .as_str()
        .map_err(rusqlite::Error::from)?;
    code.parse()
        .map_err(|_| StoreError::Corrupt(format!("the currency {code:?}")))
}

fn read_event(row: &Row<'_>) -> Result<Logged, StoreError> {
    let label = row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?;
    let kind = Kind::ALL.into_iter().find(|kind| kind.label() == label);
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
        currency: read_currency(row, 12)?,
        multiplier: Multiplier::new(row.get(20)?)
            .ok_or_else(|| StoreError::Corrupt("a multiplier beyond all bounds".to_owned()))?,
        share_ppm: row.get(13)?,
        platform_ppm: row.get(22)?,
        data: row.get(23)?,
        reason: row.get(14)?,
        budgets: Vec::new(),
        reservation: None,
        exposure: Exposure::default(),
        held_until: 0,
        touch: None,
    };
    let logged = Logged {
        seq: row.get(18)?,
        booked_ms: row.get(19)?,
        event,
        funded: row.get(15)?,
        cost: Micros(row.get(16)?),
        platform_fee: Micros(row.get(24)?),
        data_cost: Micros(row.get(25)?),
    };
    // Events of before the eighth version of the file have none.
    let written: Option<i64> = row.get(21)?;
    let beside = (logged.platform_fee, logged.data_cost);
    let found = mark::of(&logged.event, logged.funded, logged.cost, beside);
    if written.is_some_and(|written| written != found) {
        let what = format!("event {}, which does not match its checksum", logged.seq);
        return Err(StoreError::Corrupt(what));
    }
    Ok(logged)
}
