//! Retention: events of months that were closed long enough ago leave the log. What was never
//! billed on a closed statement never does.

use super::SqliteStore;
use super::closing;
use crate::statement::Month;
use crate::store::StoreError;
use rusqlite::{OptionalExtension, TransactionBehavior, params};

/// Fewest closed months whose events are kept: conversions refer to clicks for 90 days, and a
/// notice must find its event for as long as its token is valid.
const LEAST_MONTHS: u32 = 4;

/// What one step of pruning did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Events that are gone.
    pub events: u64,
    /// Refusals that are gone.
    pub refusals: u64,
    /// Whether there is more to prune.
    pub more: bool,
}

impl SqliteStore {
    /// Deletes up to `most` events that were booked before the last `keep_months` closed months;
    /// 0 keeps all, and fewer than four keep four. One short transaction, beside a running node.
    ///
    /// # Errors
    /// Where the database refuses; nothing was deleted then.
    pub fn prune(&mut self, keep_months: u32, most: u32) -> Result<Pruned, StoreError> {
        if keep_months == 0 {
            return Ok(Pruned::default());
        }
        let behavior = TransactionBehavior::Immediate;
        let change = self.connection.transaction_with_behavior(behavior)?;
        let kept = i64::from(keep_months.max(LEAST_MONTHS));
        // The events up to a closing's place were all booked in its month or before.
        let last: Option<(String, i64)> = change
            .prepare_cached("SELECT month, seq FROM closing ORDER BY month DESC LIMIT 1 OFFSET ?1")?
            .query_row([kept], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let Some((month, last)) = last else {
            return Ok(Pruned::default());
        };
        let before = closing::pruned(&change)?;
        let step: Option<i64> = change
            .prepare_cached(
                "SELECT max(seq) FROM
                     (SELECT seq FROM event WHERE seq <= ?1 ORDER BY seq LIMIT ?2)",
            )?
            .query_row(params![last, most], |row| row.get(0))?;
        let mut done = Pruned::default();
        if let Some(step) = step {
            change.execute("DELETE FROM entry WHERE event <= ?1", [step])?;
            done.events = change.execute("DELETE FROM event WHERE seq <= ?1", [step])? as u64;
            done.more = step < last;
            change.execute(
                "INSERT INTO meta VALUES ('pruned', ?1)
                 ON CONFLICT DO UPDATE SET value = excluded.value",
                [step.max(before)],
            )?;
        }
        let ended: Option<i64> = change.query_row(
            "SELECT min(to_ms) FROM closing_line WHERE month = ?1",
            [&month],
            |row| row.get(0),
        )?;
        let refusals = change.execute("DELETE FROM refusal WHERE at_ms < ?1", [ended])?;
        done.refusals = refusals as u64;
        change.commit()?;
        Ok(done)
    }

    /// The last month that was closed.
    ///
    /// # Errors
    /// Where the database refuses.
    pub fn last_closed(&self) -> Result<Option<Month>, StoreError> {
        let last: Option<String> =
            self.connection
                .query_row("SELECT max(month) FROM closing", [], |row| row.get(0))?;
        last.as_deref().map(closing::read_month).transpose()
    }
}
