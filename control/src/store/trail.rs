//! What happened: the audit trail, and the answers remembered for idempotency keys.

use super::{Record, StoreError, View};
use jiff::Timestamp;
use rusqlite::{OptionalExtension, params};
use serde_json::Value;

/// How long an idempotency key is remembered, in seconds.
pub const REMEMBERED_S: i64 = 86_400;

/// One line of the audit trail.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditEntry {
    /// Number, rising.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// Id of the key, or the command.
    pub who: String,
    /// Path of the kind.
    pub kind: String,
    /// Id of the document.
    pub id: String,
    /// The body before; `None` where it was created.
    pub before: Option<Value>,
    /// The body after; `None` where it was put away.
    pub after: Option<Value>,
}

/// A document as it was made by one change.
#[derive(Clone, Debug, PartialEq)]
pub struct Version {
    /// Its number; the newest is the document's version.
    pub number: u64,
    /// When it was made.
    pub at: Timestamp,
    /// Id of the key, or the command.
    pub who: String,
    /// The body; `None` where the document was put away.
    pub body: Option<Value>,
}

impl View<'_> {
    /// The versions of a document up to number `from`, newest first. Each change has one line of
    /// the audit trail and raises the version by one, so the newest line is the document's
    /// present version.
    ///
    /// # Errors
    /// Where the database refuses.
    pub fn versions(
        &self,
        document: &Record,
        from: u64,
        limit: usize,
    ) -> Result<Vec<Version>, StoreError> {
        let newest = document.version;
        let from = from.min(newest);
        let mut statement = self.connection.prepare_cached(
            "SELECT at, who, after FROM audit WHERE kind = ?1 AND id = ?2
             ORDER BY seq DESC LIMIT ?3 OFFSET ?4",
        )?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let wanted = params![document.kind.path(), document.id, limit, newest - from];
        let rows = statement.query_map(wanted, |row| {
            let body: Option<String> = row.get(2)?;
            Ok(Version {
                number: 0,
                at: Timestamp::from_microsecond(row.get(0)?).unwrap_or_default(),
                who: row.get(1)?,
                body: body.and_then(|text| serde_json::from_str(&text).ok()),
            })
        })?;
        (0..=from)
            .rev()
            .zip(rows)
            .map(|(number, row)| Ok(Version { number, ..row? }))
            .collect()
    }

    /// The audit trail before `seq`, newest first.
    ///
    /// # Errors
    /// Where the database refuses.
    pub fn audit(&self, before: u64, limit: usize) -> Result<Vec<AuditEntry>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT seq, at, who, kind, id, before, after FROM audit
             WHERE seq < ?1 ORDER BY seq DESC LIMIT ?2",
        )?;
        let before = i64::try_from(before).unwrap_or(i64::MAX);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = statement.query_map(params![before, limit], |row| {
            let body = |at: usize| -> rusqlite::Result<Option<Value>> {
                let text: Option<String> = row.get(at)?;
                Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
            };
            Ok(AuditEntry {
                seq: row.get(0)?,
                at: Timestamp::from_microsecond(row.get(1)?).unwrap_or_default(),
                who: row.get(2)?,
                kind: row.get(3)?,
                id: row.get(4)?,
                before: body(5)?,
                after: body(6)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The answer remembered for an idempotency key, with the hash of its request.
    ///
    /// # Errors
    /// Where the database refuses.
    pub fn remembered(
        &self,
        who: &str,
        key: &str,
    ) -> Result<Option<([u8; 32], String)>, StoreError> {
        let query = "SELECT request, answer FROM idempotency WHERE who = ?1 AND key = ?2";
        let mut statement = self.connection.prepare_cached(query)?;
        Ok(statement
            .query_row([who, key], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?)
    }

    /// Remembers an answer, and forgets those older than [`REMEMBERED_S`].
    ///
    /// # Errors
    /// Where the database refuses.
    pub fn remember(
        &self,
        who: &str,
        key: &str,
        request: &[u8; 32],
        answer: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let now = now.as_second();
        let oldest = now.saturating_sub(REMEMBERED_S);
        self.connection
            .execute("DELETE FROM idempotency WHERE at < ?1", [oldest])?;
        self.connection.execute(
            "INSERT INTO idempotency (who, key, request, at, answer) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![who, key, request, now, answer],
        )?;
        Ok(())
    }
}
