//! Where months begin and end, and which is the next to be closed.

use super::Clock;
use super::read::{closing, read_month};
use crate::posting::Account;
use crate::statement::{Month, Period, Zones};
use crate::store::sqlite::log::read_account;
use crate::store::{Objection, StoreError};
use jiff::tz::TimeZone;
use rusqlite::Connection;
use std::collections::{BTreeMap, HashMap};

/// What the month is for accounts that follow no clock of their own.
pub(super) fn common(reading: &Connection, month: Month) -> Result<Period, StoreError> {
    bounded(reading, month, month.period(&TimeZone::UTC), None)
}

/// The clocks of accounts that have one of their own, or that the month before was closed for.
pub(super) fn clocks(
    reading: &Connection,
    month: Month,
    zones: &Zones,
) -> Result<BTreeMap<Account, Clock>, StoreError> {
    let before = ends(reading, month.previous())?;
    let mut named: Vec<Account> = before.keys().cloned().collect();
    named.extend(zones.0.keys().filter_map(|name| name.parse().ok()));
    let mut clocks = BTreeMap::new();
    for account in named {
        let zone = zones.of(&account.to_string());
        let own = month.period(&zone);
        let period = bounded(reading, month, own, before.get(&account).copied())?;
        let zone = zone.iana_name().unwrap_or("UTC").to_owned();
        clocks.insert(account, Clock { zone, period });
    }
    Ok(clocks)
}

/// A month begins where the one before was closed, whatever the clock says now: no event falls
/// between two statements or into both.
fn bounded(
    reading: &Connection,
    month: Month,
    own: Period,
    ended_ms: Option<i64>,
) -> Result<Period, StoreError> {
    let from_ms = if let Some(ended_ms) = ended_ms {
        ended_ms
    } else if let Some(before) = closing(reading, month.previous())? {
        // The account is new since: all that it has came after the closing.
        own.from_ms.min(before.at_ms)
    } else {
        own.from_ms
    };
    Ok(Period { from_ms, ..own })
}

/// Where the month ended for each account of its closing.
fn ends(reading: &Connection, month: Month) -> Result<HashMap<Account, i64>, StoreError> {
    let mut statement = reading
        .prepare_cached("SELECT DISTINCT account, to_ms FROM closing_line WHERE month = ?1")?;
    let mut rows = statement.query([month.to_string()])?;
    let mut found = HashMap::new();
    while let Some(row) = rows.next()? {
        found.insert(read_account(row, 0)?, row.get(1)?);
    }
    Ok(found)
}

/// Objects to a month that is not the next to be closed.
pub(super) fn in_order(
    reading: &Connection,
    month: Month,
    zones: &Zones,
) -> Result<(), StoreError> {
    if closing(reading, month)?.is_some() {
        return Err(Objection::Closed { month }.into());
    }
    let last: Option<String> =
        reading.query_row("SELECT max(month) FROM closing", [], |row| row.get(0))?;
    let next = if let Some(last) = last {
        read_month(&last)?.next()
    } else {
        let first: Option<i64> =
            reading.query_row("SELECT min(booked_ms) FROM event", [], |row| row.get(0))?;
        let utc = TimeZone::UTC;
        let clocks = zones.0.values().chain([&utc]);
        // Some clock may still have the month before at the first event.
        let earliest = |first| clocks.map(|zone| Month::of(first, zone)).min();
        first.and_then(earliest).unwrap_or(month)
    };
    if next == month {
        Ok(())
    } else {
        Err(Objection::OutOfOrder { next }.into())
    }
}
