//! What closings have left in the tables.

use super::{Clock, Closing};
use crate::carry::Carry;
use crate::money::Micros;
use crate::posting::Account;
use crate::statement::{Adjustment, Balances, Line, Month, Opening, Period, Statement};
use crate::store::StoreError;
use crate::store::sqlite::adjustments;
use crate::store::sqlite::log::{read_account, read_balance, read_currency};
use rusqlite::{Connection, OptionalExtension, Row};
use std::collections::BTreeMap;

/// The lines of a closed month, and the clocks that it was closed by.
pub(in crate::store::sqlite) fn frozen(
    reading: &Connection,
    month: Month,
) -> Result<(Statement, BTreeMap<Account, Clock>), StoreError> {
    let mut rows = reading.prepare_cached(
        "SELECT account, currency, item, zone, from_ms, to_ms, impressions, gross, fees, data_cost,
                over_impressions, over_delivery, adjustments
         FROM closing_line WHERE month = ?1",
    )?;
    let mut rows = rows.query([month.to_string()])?;
    let (mut statement, mut clocks) = (Statement::default(), BTreeMap::new());
    while let Some(row) = rows.next()? {
        let line = read_line(row)?;
        let period = Period {
            from_ms: row.get(4)?,
            to_ms: row.get(5)?,
        };
        let zone = row.get(3)?;
        clocks.insert(line.account.clone(), Clock { zone, period });
        if !line.item.is_empty() {
            statement.items.push(line);
        } else if line.moved() {
            statement.lines.push(line);
        }
    }
    let within = |one: &Adjustment| {
        let entries = one.entries.iter();
        let mut clocks = entries.filter_map(|entry| clocks.get(&entry.account));
        clocks.any(|clock| clock.period.contains(one.at_ms))
    };
    statement.adjustments = adjustments::after(reading, 0)?;
    statement.adjustments.retain(within);
    Ok((statement, clocks))
}

fn read_line(row: &Row<'_>) -> Result<Line, StoreError> {
    let line = Line::new(read_account(row, 0)?, read_currency(row, 1)?, row.get(2)?);
    Ok(Line {
        impressions: row.get::<_, i64>(6)? as u64,
        gross: Micros(row.get(7)?),
        fees: Micros(row.get(8)?),
        data_cost: Micros(row.get(9)?),
        over_impressions: row.get::<_, i64>(10)? as u64,
        over_delivery: Micros(row.get(11)?),
        adjustments: Micros(row.get(12)?),
        ..line
    })
}

pub(in crate::store::sqlite) fn read_month(name: &str) -> Result<Month, StoreError> {
    name.parse()
        .map_err(|_| StoreError::Corrupt(format!("the month {name:?}")))
}

pub(in crate::store::sqlite) fn accounts(reading: &Connection) -> Result<Vec<Account>, StoreError> {
    let mut statement = reading.prepare("SELECT DISTINCT name FROM account ORDER BY 1")?;
    let mut rows = statement.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read_account(row, 0)?);
    }
    Ok(found)
}

pub(in crate::store::sqlite) fn closing(
    reading: &Connection,
    month: Month,
) -> Result<Option<Closing>, StoreError> {
    Ok(reading
        .prepare_cached("SELECT at_ms, who FROM closing WHERE month = ?1")?
        .query_row([month.to_string()], |row| {
            Ok(Closing {
                at_ms: row.get(0)?,
                who: row.get(1)?,
            })
        })
        .optional()?)
}

/// The last event that is not in the log any more.
pub(in crate::store::sqlite) fn pruned(reading: &Connection) -> Result<i64, StoreError> {
    let found = reading
        .prepare_cached("SELECT value FROM meta WHERE name = 'pruned'")?
        .query_row([], |row| row.get(0))
        .optional()?;
    Ok(found.unwrap_or(0))
}

/// The books at the end of the last month that was closed before `month`.
pub(in crate::store::sqlite) fn opening(
    reading: &Connection,
    month: Month,
) -> Result<Opening, StoreError> {
    let name: Option<String> = reading.query_row(
        "SELECT max(month) FROM closing WHERE month < ?1",
        [month.to_string()],
        |row| row.get(0),
    )?;
    name.map_or_else(
        || Ok(Opening::default()),
        |name| read_opening(reading, &name),
    )
}

/// The earliest books from which the log is whole.
pub(in crate::store::sqlite) fn first_opening(reading: &Connection) -> Result<Opening, StoreError> {
    let pruned = pruned(reading)?;
    if pruned == 0 {
        return Ok(Opening::default());
    }
    let name: Option<String> = reading.query_row(
        "SELECT min(month) FROM closing WHERE seq >= ?1",
        [pruned],
        |row| row.get(0),
    )?;
    let name = name.ok_or_else(|| {
        StoreError::Corrupt("a pruned log without the closing that it needs".to_owned())
    })?;
    read_opening(reading, &name)
}

fn read_opening(reading: &Connection, month: &str) -> Result<Opening, StoreError> {
    let (seq, adjustment) = reading.query_row(
        "SELECT seq, adjustment FROM closing WHERE month = ?1",
        [month],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let mut statement =
        reading.prepare_cached("SELECT name, rest FROM opening_carry WHERE month = ?1")?;
    let carries = statement.query_map([month], |row| Ok((row.get(0)?, Carry(row.get(1)?))))?;
    let carries = carries.collect::<Result<_, _>>()?;
    let mut statement = reading.prepare_cached(
        "SELECT account, currency, debit, credit FROM opening_balance WHERE month = ?1",
    )?;
    let mut rows = statement.query([month])?;
    let mut balances = Balances::new();
    while let Some(row) = rows.next()? {
        let (name, sums) = read_balance(row)?;
        balances.insert(name, sums);
    }
    Ok(Opening {
        seq,
        adjustment,
        carries,
        balances,
    })
}
