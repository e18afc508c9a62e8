//! Whose frequency counts impressions move: written in the transaction of the first event that
//! shows the impression, and kept until whoever counts has saved the counts.

use crate::event::{Event, Outcome};
use crate::exposure::{Exposure, Shown};
use crate::store::StoreError;
use rusqlite::{Connection, Transaction, params};

/// Notes the impression that an event shows, unless an event before it has shown the same.
pub(super) fn note(
    change: &Transaction<'_>,
    event: &Event,
    outcome: Outcome,
) -> Result<Option<Shown>, StoreError> {
    let written = match outcome {
        Outcome::Recorded | Outcome::Charged { .. } | Outcome::OverDelivered { .. } => true,
        Outcome::Duplicate | Outcome::Refused { .. } => false,
    };
    let Some(other) = event.kind.also_shows().filter(|_| written) else {
        return Ok(None);
    };
    if !event.exposure.counts() {
        return Ok(None);
    }
    // The event was written just now, so it has the highest number.
    let seq = last_event(change)?;
    let told = change
        .prepare_cached("SELECT 1 FROM event WHERE key = ?1 AND kind = ?2")?
        .exists(params![event.key, other.label()])?;
    if told {
        return Ok(None);
    }
    let shown = Shown {
        seq,
        exposure: event.exposure,
        held_until: event.held_until,
        at_s: u32::try_from(event.at_ms / 1_000).unwrap_or_default(),
    };
    let scopes: Vec<u8> = shown
        .exposure
        .scopes
        .iter()
        .flat_map(|scope| scope.to_le_bytes())
        .collect();
    change
        .prepare_cached("INSERT INTO shown VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
        .execute(params![
            seq,
            shown.at_s,
            shown.held_until,
            shown.exposure.user as i64,
            shown.exposure.household as i64,
            scopes,
        ])?;
    Ok(Some(shown))
}

/// The number of the last event.
fn last_event(connection: &Connection) -> Result<i64, StoreError> {
    let mut statement = connection.prepare_cached("SELECT coalesce(max(seq), 0) FROM event")?;
    Ok(statement.query_row([], |row| row.get(0))?)
}

/// Visits the impressions of the events after `seq`.
pub(super) fn after(
    connection: &Connection,
    seq: i64,
    visit: &mut dyn FnMut(Shown),
) -> Result<(), StoreError> {
    let mut statement = connection.prepare(
        "SELECT seq, at_s, held_until, user, household, scopes FROM shown WHERE seq > ?1
         ORDER BY seq",
    )?;
    let mut rows = statement.query([seq])?;
    while let Some(row) = rows.next()? {
        let mut scopes = [0; Exposure::SCOPES];
        let bytes: [u8; 4 * Exposure::SCOPES] = row.get(5)?;
        for (scope, bytes) in scopes.iter_mut().zip(bytes.as_chunks().0) {
            *scope = u32::from_le_bytes(*bytes);
        }
        visit(Shown {
            seq: row.get(0)?,
            exposure: Exposure {
                user: row.get::<_, i64>(3)? as u64,
                household: row.get::<_, i64>(4)? as u64,
                scopes,
            },
            held_until: row.get(2)?,
            at_s: row.get(1)?,
        });
    }
    Ok(())
}

/// Forgets whose impressions the events up to `seq` were.
pub(super) fn forget(change: &Transaction<'_>, seq: i64) -> Result<(), StoreError> {
    change
        .prepare_cached("DELETE FROM shown WHERE seq <= ?1")?
        .execute([seq])?;
    Ok(())
}
