//! Touches and conversions: who saw and clicked what, and which of it is credited.

use super::SqliteStore;
use super::log::read_currency;
use crate::conversion::{Conversion, Converted, Credit, MOST_OF_TOKEN, Source, TOUCH_DAYS, Tally};
use crate::event::Event;
use crate::money::Micros;
use crate::statement::Period;
use crate::store::StoreError;
use rusqlite::{OptionalExtension, Row, Transaction, TransactionBehavior, params};

const DAY_MS: i64 = 86_400_000;
/// The columns of a [`Converted`].
const COLUMNS: &str = "SELECT id, advertiser, order_id, at_ms, received_ms, booked_ms, source,
    value, currency, credit, key, touched_ms, campaign, line_item, creative, exchange, publisher
    FROM conversion";

/// Keeps what an event shows to somebody.
pub(super) fn touch(change: &Transaction<'_>, event: &Event) -> Result<(), StoreError> {
    let Some(touch) = &event.touch else {
        return Ok(());
    };
    change
        .prepare_cached(
            "INSERT INTO touch (key, click, user, advertiser, at_ms, campaign, line_item, creative,
                 exchange, publisher)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?
        .execute(params![
            event.key,
            touch.click,
            touch.user.cast_signed(),
            event.advertiser,
            event.at_ms,
            touch.campaign,
            event.line_item,
            event.creative,
            event.exchange,
            event.publisher,
        ])?;
    Ok(())
}

/// Counts a conversion, once for its order, and credits it.
pub(super) fn convert(
    change: &Transaction<'_>,
    conversion: &Conversion,
) -> Result<Credit, StoreError> {
    let known = change
        .prepare_cached("SELECT 1 FROM conversion WHERE advertiser = ?1 AND order_id = ?2")?
        .exists([&conversion.advertiser, &conversion.order])?;
    if known {
        return Ok(Credit::Duplicate);
    }
    let token = conversion
        .bid
        .filter(|_| conversion.source == Source::Pixel)
        .map_or_else(Vec::new, Vec::from);
    if !token.is_empty() {
        let reported: u32 = change
            .prepare_cached("SELECT count(*) FROM conversion WHERE token = ?1 AND token <> x''")?
            .query_row([&token], |row| row.get(0))?;
        if reported >= MOST_OF_TOKEN {
            return Ok(Credit::TooMany);
        }
    }
    // A click goes before any view, however new.
    let found = match credited(change, conversion, true)? {
        None => credited(change, conversion, false)?.map(|one| (Credit::View, one)),
        Some(one) => Some((Credit::Click, one)),
    };
    let (credit, touch) = found.map_or((Credit::None, None), |(credit, one)| (credit, Some(one)));
    change
        .prepare_cached(
            "INSERT INTO conversion (advertiser, order_id, at_ms, received_ms, booked_ms, source,
                 token, value, currency, credit, key, touched_ms, campaign, line_item, creative,
                 exchange, publisher)
             SELECT ?1, ?2, ?3, ?4, max(?3, (SELECT coalesce(max(at_ms), ?3) FROM closing)), ?5,
                 ?6, ?7, ?8, ?9, touch.key, touch.at_ms, coalesce(touch.campaign, ''),
                 coalesce(touch.line_item, ''), coalesce(touch.creative, ''),
                 coalesce(touch.exchange, ''), coalesce(touch.publisher, '')
             FROM (SELECT ?10 AS wanted) LEFT JOIN touch ON touch.id = wanted",
        )?
        .execute(params![
            conversion.advertiser,
            conversion.order,
            conversion.at_ms,
            conversion.received_ms,
            conversion.source.label(),
            token,
            conversion.value.0,
            conversion.currency.code(),
            credit.label(),
            touch,
        ])?;
    Ok(credit)
}

/// The last touch of a kind within its window: of the bid itself, or of the user.
fn credited(
    change: &Transaction<'_>,
    conversion: &Conversion,
    click: bool,
) -> Result<Option<i64>, StoreError> {
    let at_ms = conversion.at_ms;
    let since_ms = conversion.windows.since_ms(click, at_ms);
    let mut last: Option<(i64, i64)> = None;
    if let Some(bid) = conversion.bid {
        last = change
            .prepare_cached(
                "SELECT at_ms, id FROM touch WHERE key = ?1 AND click = ?2 AND at_ms > ?3
                     AND at_ms <= ?4 AND advertiser = ?5 ORDER BY at_ms DESC, id DESC LIMIT 1",
            )?
            .query_row(
                params![bid, click, since_ms, at_ms, conversion.advertiser],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .optional()?;
    }
    for user in conversion.users.iter().filter(|user| **user != 0) {
        let found = change
            .prepare_cached(
                "SELECT at_ms, id FROM touch WHERE advertiser = ?1 AND user = ?2 AND click = ?3
                     AND at_ms > ?4 AND at_ms <= ?5 AND user <> 0
                 ORDER BY at_ms DESC, id DESC LIMIT 1",
            )?
            .query_row(
                params![
                    conversion.advertiser,
                    user.cast_signed(),
                    click,
                    since_ms,
                    at_ms
                ],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .optional()?;
        last = last.max(found);
    }
    Ok(last.map(|(_, id)| id))
}

impl SqliteStore {
    /// Up to `most` conversions of an advertiser, the newest before the number `before` first.
    ///
    /// # Errors
    /// Where the database refuses.
    pub fn conversions(
        &self,
        advertiser: &str,
        before: Option<i64>,
        most: u32,
    ) -> Result<Vec<Converted>, StoreError> {
        let query =
            format!("{COLUMNS} WHERE advertiser = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3");
        let mut statement = self.connection.prepare_cached(&query)?;
        let mut rows = statement.query(params![advertiser, before.unwrap_or(i64::MAX), most])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(read(row)?);
        }
        Ok(found)
    }

    /// Visits the conversions that happened in a period, in the order in which they were reported.
    ///
    /// # Errors
    /// Where the database refuses, or `visit` does.
    pub fn each_conversion<E: From<StoreError>>(
        &self,
        period: Period,
        mut visit: impl FnMut(&Converted) -> Result<(), E>,
    ) -> Result<(), E> {
        let failed = |error: rusqlite::Error| E::from(StoreError::from(error));
        let query = format!("{COLUMNS} WHERE at_ms >= ?1 AND at_ms < ?2 ORDER BY id");
        let mut statement = self.connection.prepare(&query).map_err(failed)?;
        let mut rows = statement
            .query(params![period.from_ms, period.to_ms])
            .map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            visit(&read(row)?)?;
        }
        Ok(())
    }

    /// The conversions of an advertiser that count in a period, added up.
    ///
    /// # Errors
    /// Where the database refuses.
    pub fn converted(&self, advertiser: &str, period: Period) -> Result<Vec<Tally>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT line_item, credit, currency, count(*), sum(value) FROM conversion
             WHERE advertiser = ?1 AND booked_ms >= ?2 AND booked_ms < ?3
             GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
        )?;
        let mut rows = statement.query(params![advertiser, period.from_ms, period.to_ms])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(Tally {
                line_item: row.get(0)?,
                credit: row.get(1)?,
                currency: read_currency(row, 2)?,
                count: row.get::<_, i64>(3)?.unsigned_abs(),
                value: Micros(row.get(4)?),
            });
        }
        Ok(found)
    }

    /// Deletes up to `most` touches that no conversion can be credited to any more at `now_ms`
    /// (unix milliseconds), and says how many. What was converted keeps what it was credited to.
    ///
    /// # Errors
    /// Where the database refuses; nothing was deleted then.
    pub fn prune_touches(&mut self, now_ms: i64, most: u32) -> Result<u64, StoreError> {
        let before = now_ms - i64::from(TOUCH_DAYS) * DAY_MS;
        let behavior = TransactionBehavior::Immediate;
        let change = self.connection.transaction_with_behavior(behavior)?;
        // The oldest have the lowest numbers, give or take a notice that came late.
        let gone = change.execute(
            "DELETE FROM touch WHERE at_ms < ?1
                 AND id IN (SELECT id FROM touch ORDER BY id LIMIT ?2)",
            params![before, most],
        )?;
        change.commit()?;
        Ok(gone as u64)
    }
}

fn read(row: &Row<'_>) -> Result<Converted, StoreError> {
    Ok(Converted {
        id: row.get(0)?,
        advertiser: row.get(1)?,
        order: row.get(2)?,
        at_ms: row.get(3)?,
        received_ms: row.get(4)?,
        booked_ms: row.get(5)?,
        source: row.get(6)?,
        value: Micros(row.get(7)?),
        currency: read_currency(row, 8)?,
        credit: row.get(9)?,
        key: row.get(10)?,
        touched_ms: row.get(11)?,
        campaign: row.get(12)?,
        line_item: row.get(13)?,
        creative: row.get(14)?,
        exchange: row.get(15)?,
        publisher: row.get(16)?,
    })
}
