//! The dead letters: kept once, listed in pages, marked when they were judged again.

use super::charge::known;
use super::{SqliteStore, report};
use crate::event::Outcome;
use crate::letter::{DeadLetter, MOST_STRAYS, Wanted};
use crate::store::{Refused, StoreError};
use rusqlite::types::Value;
use rusqlite::{Transaction, params, params_from_iter};
use std::fmt::Write;

/// How many stray letters come between two looks for those that are too many.
const STRAYS_BETWEEN: i64 = 256;

/// Most letters of one page.
pub const MOST_LETTERS: u32 = 1_000;

/// Keeps a letter, unless its event was written before.
pub(super) fn keep(change: &Transaction<'_>, letter: &DeadLetter) -> Result<Outcome, StoreError> {
    if letter.verified && known(change, letter.key, letter.kind)? {
        return Ok(Outcome::Duplicate);
    }
    write(change, letter)?;
    let fault = letter.fault;
    Ok(Outcome::Refused { fault })
}

/// Writes a letter, each fault once for a bid. A later one adds what was told where the first did
/// not know it.
pub(super) fn write(change: &Transaction<'_>, letter: &DeadLetter) -> Result<(), StoreError> {
    change
        .prepare_cached(
            "INSERT INTO refusal (key, kind, fault, at_ms, exchange, seat, line_item, bid, cpm,
                 currency, told, verified)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
             ON CONFLICT DO UPDATE SET told = excluded.told
             WHERE refusal.told = '' AND excluded.told <> ''",
        )?
        .execute(params![
            letter.key,
            letter.kind.label(),
            letter.fault.label(),
            letter.at_ms,
            letter.exchange,
            letter.seat,
            letter.line_item,
            letter.bid.0,
            letter.cpm.0,
            letter
                .currency
                .as_ref()
                .map_or("", |currency| currency.code()),
            letter.told,
            letter.verified,
        ])?;
    if !letter.verified && change.last_insert_rowid() % STRAYS_BETWEEN == 0 {
        change
            .prepare_cached(
                "DELETE FROM refusal WHERE verified = 0 AND id <=
                     (SELECT id FROM refusal WHERE verified = 0 ORDER BY id DESC
                      LIMIT 1 OFFSET ?1)",
            )?
            .execute([MOST_STRAYS])?;
    }
    Ok(())
}

/// Notes what became of letters.
pub(super) fn replayed(
    change: &Transaction<'_>,
    done: &[(i64, &'static str)],
    now_ms: i64,
) -> Result<(), StoreError> {
    let mut update =
        change.prepare_cached("UPDATE refusal SET replayed_ms = ?2, outcome = ?3 WHERE id = ?1")?;
    for (id, outcome) in done {
        update.execute(params![id, now_ms, outcome])?;
    }
    Ok(())
}

impl SqliteStore {
    /// Up to `most` letters (no more than [`MOST_LETTERS`]): the newest before the letter `before`
    /// first, or with `oldest_first` the oldest after it.
    ///
    /// # Errors
    /// Where the database refuses.
    pub fn letters(
        &self,
        wanted: &Wanted,
        from: Option<i64>,
        oldest_first: bool,
        most: u32,
    ) -> Result<Vec<Refused>, StoreError> {
        let mut query = format!("{} WHERE 1", report::REFUSALS);
        let mut values: Vec<Value> = Vec::new();
        let mut narrow = |condition: &str, value: Value| {
            values.push(value);
            let _ = write!(query, " AND {condition} ?{}", values.len());
        };
        if let Some(from) = from {
            narrow(if oldest_first { "id >" } else { "id <" }, from.into());
        }
        if let Some(fault) = &wanted.fault {
            narrow("fault =", fault.clone().into());
        }
        if let Some(exchange) = &wanted.exchange {
            narrow("exchange =", exchange.clone().into());
        }
        if wanted.open {
            query.push_str(" AND NOT settled");
        }
        if !wanted.ids.is_empty() {
            let ids: Vec<String> = wanted.ids.iter().map(i64::to_string).collect();
            let _ = write!(query, " AND id IN ({})", ids.join(", "));
        }
        let order = if oldest_first { "ASC" } else { "DESC" };
        let most = most.min(MOST_LETTERS);
        let _ = write!(query, " ORDER BY id {order} LIMIT {most}");
        let mut statement = self.connection.prepare(&query)?;
        let mut rows = statement.query(params_from_iter(values))?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(report::read_refused(row)?);
        }
        Ok(found)
    }
}
