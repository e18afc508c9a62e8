//! Where documents are kept: SQLite, one table for every kind, with an audit trail.
//!
//! The only part of the crate that does input and output. Validation and writing happen in one
//! immediate transaction, so that two writers, in one process or in two, never validate
//! against what the other is about to change. A change costs one synced commit.

mod trail;

pub use trail::{AuditEntry, REMEMBERED_S, Version};

use crate::fault::Fault;
use crate::resource::{Kind, Resource, Status};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, params};
use serde_json::Value;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS resource (
        kind TEXT NOT NULL,
        id TEXT NOT NULL,
        account TEXT NOT NULL,
        parent TEXT NOT NULL,
        version INTEGER NOT NULL,
        body TEXT NOT NULL,
        updated_at INTEGER NOT NULL,
        archived INTEGER NOT NULL,
        PRIMARY KEY (kind, id)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS resource_by_account ON resource (kind, account, id);
    CREATE INDEX IF NOT EXISTS resource_by_parent ON resource (kind, parent, id);
    CREATE TABLE IF NOT EXISTS claim (
        kind TEXT NOT NULL,
        name TEXT NOT NULL,
        id TEXT NOT NULL,
        PRIMARY KEY (kind, name)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS claim_by_holder ON claim (kind, id);
    CREATE TABLE IF NOT EXISTS audit (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        at INTEGER NOT NULL,
        who TEXT NOT NULL,
        kind TEXT NOT NULL,
        id TEXT NOT NULL,
        before TEXT,
        after TEXT
    ) STRICT;
    CREATE INDEX IF NOT EXISTS audit_by_document ON audit (kind, id, seq);
    CREATE TABLE IF NOT EXISTS idempotency (
        who TEXT NOT NULL,
        key TEXT NOT NULL,
        request BLOB NOT NULL,
        at INTEGER NOT NULL,
        answer TEXT NOT NULL,
        PRIMARY KEY (who, key)
    ) STRICT, WITHOUT ROWID;
";

/// The form of the tables; a file of a later form is refused.
const FORM: i64 = 1;

/// Why the store cannot answer.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database refused.
    #[error("the resource store cannot be used: {0}")]
    Database(#[from] rusqlite::Error),
    /// A stored document is not what this program writes.
    #[error("the stored document {kind}/{id} cannot be read: {problem}")]
    Corrupt {
        /// Its kind.
        kind: String,
        /// Its id.
        id: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The file belongs to a later program.
    #[error("the resource store has form {found}, this program reads up to {FORM}")]
    TooNew {
        /// The form of the file.
        found: i64,
    },
}

/// A document as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Kind.
    pub kind: Kind,
    /// Id, unique among its kind.
    pub id: String,
    /// The advertiser or publisher that it belongs to; empty for what belongs to the platform.
    pub account: String,
    /// Id of its parent; empty without one.
    pub parent: String,
    /// Counts the changes, from 1.
    pub version: u64,
    /// The normal form.
    pub body: Value,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// Whether it was put away.
    pub archived: bool,
}

impl Record {
    /// The typed document.
    ///
    /// # Errors
    /// Where it was written by another program and is not valid here.
    pub fn resource(&self) -> Result<Resource, StoreError> {
        Resource::read(self.kind, &self.body).map_err(|faults| {
            let told: Vec<String> = faults.iter().map(Fault::to_string).collect();
            corrupt(self.kind.path(), &self.id, told.join("; "))
        })
    }

    /// Whether it is in use.
    ///
    /// # Errors
    /// Like [`Record::resource`].
    pub fn status(&self) -> Result<Status, StoreError> {
        if self.archived {
            Ok(Status::Archived)
        } else {
            Ok(self.resource()?.status())
        }
    }
}

/// Which records a list holds.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Ids after this one.
    pub after: String,
    /// Of these accounts alone; `None` means of all.
    pub accounts: Option<Vec<String>>,
    /// With this parent alone.
    pub parent: Option<String>,
    /// Whether what was put away is listed too.
    pub archived: bool,
    /// At most this many.
    pub limit: usize,
}

/// The store. Calls block for the disk, so none is made on the bid path.
pub struct Store {
    connection: Mutex<Connection>,
}

impl Store {
    /// Opens the store in a file, which is made where it does not exist.
    ///
    /// # Errors
    /// Where the file cannot be opened, is no database, or is of a later form.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let connection = Connection::open(path)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        Self::prepare(connection)
    }

    /// A store that is forgotten with its value.
    ///
    /// # Errors
    /// Where the database refuses.
    pub fn in_memory() -> Result<Self, StoreError> {
        Self::prepare(Connection::open_in_memory()?)
    }

    fn prepare(connection: Connection) -> Result<Self, StoreError> {
        connection.busy_timeout(Duration::from_secs(5))?;
        let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if found > FORM {
            return Err(StoreError::TooNew { found });
        }
        connection.execute_batch(SCHEMA)?;
        connection.pragma_update(None, "user_version", FORM)?;
        Ok(Self {
            connection: Mutex::new(connection),
        })
    }

    /// A panic under the lock rolled its transaction back, so the connection stays good.
    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads from one state.
    ///
    /// # Errors
    /// What `work` returns, or a refusal of the database.
    pub fn read<T, E: From<StoreError>>(
        &self,
        work: impl FnOnce(&View<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut connection = self.lock();
        let transaction = connection.transaction().map_err(StoreError::from)?;
        work(&View {
            connection: &transaction,
        })
    }

    /// Reads and writes in one transaction; `work` says whether to keep what it wrote. Nothing
    /// is kept where it fails.
    ///
    /// # Errors
    /// What `work` returns, or a refusal of the database.
    pub fn write<T, E: From<StoreError>>(
        &self,
        work: impl FnOnce(&View<'_>) -> Result<(T, Keep), E>,
    ) -> Result<T, E> {
        let mut connection = self.lock();
        let transaction = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(StoreError::from)?;
        let (value, keep) = work(&View {
            connection: &transaction,
        })?;
        if keep == Keep::Changes {
            transaction.commit().map_err(StoreError::from)?;
        }
        Ok(value)
    }

    /// A number that rises with every change, by whichever process.
    ///
    /// # Errors
    /// Where the database refuses.
    pub fn generation(&self) -> Result<u64, StoreError> {
        let connection = self.lock();
        let query = "SELECT COALESCE(MAX(seq), 0) FROM audit";
        Ok(connection.query_row(query, [], |row| row.get(0))?)
    }

    /// Every document that was not put away, by kind and id.
    ///
    /// # Errors
    /// Where the database refuses.
    pub fn all(&self) -> Result<Vec<Record>, StoreError> {
        View {
            connection: &self.lock(),
        }
        .all()
    }
}

/// Whether a transaction keeps what it wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Commit.
    Changes,
    /// Roll back.
    Nothing,
}

/// The state inside a transaction.
pub struct View<'c> {
    connection: &'c Connection,
}

const COLUMNS: &str = "kind, id, account, parent, version, body, updated_at, archived";

impl View<'_> {
    /// A document, also one that was put away.
    ///
    /// # Errors
    /// Where the database refuses.
    pub fn get(&self, kind: Kind, id: &str) -> Result<Option<Record>, StoreError> {
        let query = format!("SELECT {COLUMNS} FROM resource WHERE kind = ?1 AND id = ?2");
        let mut statement = self.connection.prepare_cached(&query)?;
        statement
            .query_row(params![kind.path(), id], raw)
            .optional()?
            .map(record)
            .transpose()
    }

    /// Every document that was not put away, by kind and id.
    ///
    /// # Errors
    /// Where the database refuses.
    pub fn all(&self) -> Result<Vec<Record>, StoreError> {
        let query = format!("SELECT {COLUMNS} FROM resource WHERE archived = 0 ORDER BY kind, id");
        let mut statement = self.connection.prepare_cached(&query)?;
        let rows = statement.query_map([], raw)?;
        rows.map(|row| record(row?)).collect()
    }

    /// Documents of a kind by id, as the filter says.
    ///
    /// # Errors
    /// Where the database refuses.
    pub fn list(&self, kind: Kind, filter: &Filter) -> Result<Vec<Record>, StoreError> {
        let query = format!(
            "SELECT {COLUMNS} FROM resource
             WHERE kind = ?1 AND id > ?2 AND archived <= ?3
               AND (?4 IS NULL OR account IN (SELECT value FROM json_each(?4)))
               AND (?5 IS NULL OR parent = ?5)
             ORDER BY id LIMIT ?6"
        );
        let mut statement = self.connection.prepare_cached(&query)?;
        let accounts = filter
            .accounts
            .as_ref()
            .map(|ids| Value::from(ids.clone()).to_string());
        let limit = i64::try_from(filter.limit).unwrap_or(i64::MAX);
        let wanted = params![
            kind.path(),
            filter.after,
            filter.archived,
            accounts,
            filter.parent,
            limit
        ];
        let rows = statement.query_map(wanted, raw)?;
        rows.map(|row| record(row?)).collect()
    }

    /// The key whose hash is `sha256` and that was not put away.
    ///
    /// # Errors
    /// Where the database refuses.
    pub fn key_by_hash(&self, sha256: &str) -> Result<Option<Record>, StoreError> {
        let Some(id) = self.holder(Kind::Key, sha256)? else {
            return Ok(None);
        };
        self.get(Kind::Key, &id)
    }

    /// Who among a kind uses a name.
    ///
    /// # Errors
    /// Where the database refuses.
    pub fn holder(&self, kind: Kind, name: &str) -> Result<Option<String>, StoreError> {
        let query = "SELECT id FROM claim WHERE kind = ?1 AND name = ?2";
        let mut statement = self.connection.prepare_cached(query)?;
        Ok(statement
            .query_row([kind.path(), name], |row| row.get(0))
            .optional()?)
    }

    /// How many documents of a kind are active beside `id`.
    ///
    /// # Errors
    /// Where the database refuses.
    pub fn active(&self, kind: Kind, id: &str) -> Result<usize, StoreError> {
        let query = "SELECT count(*) FROM resource WHERE kind = ?1 AND id <> ?2 AND archived = 0
            AND json_extract(body, '$.status') = ?3";
        let mut statement = self.connection.prepare_cached(query)?;
        let active = Status::Active.word();
        Ok(statement.query_row(params![kind.path(), id, active], |row| row.get(0))?)
    }

    /// Makes `names` the ones that a document uses; without any it uses none.
    ///
    /// # Errors
    /// Where the database refuses, above all a name that another document uses.
    pub fn claim(&self, kind: Kind, id: &str, names: &[String]) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("DELETE FROM claim WHERE kind = ?1 AND id = ?2")?
            .execute(params![kind.path(), id])?;
        for name in names {
            self.connection
                .prepare_cached("INSERT INTO claim VALUES (?1, ?2, ?3)")?
                .execute(params![kind.path(), name, id])?;
        }
        Ok(())
    }

    /// Writes a document with the version that follows, and the audit trail.
    ///
    /// # Errors
    /// Where the database refuses.
    pub fn put(
        &self,
        mut record: Record,
        claims: &[String],
        before: Option<&Record>,
        who: &str,
    ) -> Result<Record, StoreError> {
        self.claim(record.kind, &record.id, claims)?;
        record.version = before.map_or(0, |before| before.version) + 1;
        let body = record.body.to_string();
        self.connection
            .prepare_cached(
                "INSERT OR REPLACE INTO resource VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute(params![
                record.kind.path(),
                record.id,
                record.account,
                record.parent,
                record.version,
                body,
                record.updated_at.as_microsecond(),
                record.archived
            ])?;
        let before = before
            .filter(|before| !before.archived)
            .map(|before| before.body.to_string());
        let after = (!record.archived).then_some(body);
        self.connection
            .prepare_cached(
                "INSERT INTO audit (at, who, kind, id, before, after)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![
                record.updated_at.as_microsecond(),
                who,
                record.kind.path(),
                record.id,
                before,
                after
            ])?;
        Ok(record)
    }
}

type Raw = (String, String, String, String, u64, String, i64, bool);

fn raw(row: &Row<'_>) -> rusqlite::Result<Raw> {
    Ok((
        row.get(0)?,
        row.get(1)?,
        row.get(2)?,
        row.get(3)?,
        row.get(4)?,
        row.get(5)?,
        row.get(6)?,
        row.get(7)?,
    ))
}

fn record(
    (kind, id, account, parent, version, body, at, archived): Raw,
) -> Result<Record, StoreError> {
    let body = serde_json::from_str(&body).map_err(|error| corrupt(&kind, &id, error))?;
    let updated_at = Timestamp::from_microsecond(at).map_err(|error| corrupt(&kind, &id, error))?;
    let kind = Kind::at(&kind).ok_or_else(|| corrupt(&kind, &id, "its kind is unknown"))?;
    Ok(Record {
        kind,
        id,
        account,
        parent,
        version,
        body,
        updated_at,
        archived,
    })
}

fn corrupt(kind: &str, id: &str, problem: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt {
        kind: kind.to_owned(),
        id: id.to_owned(),
        problem: problem.to_string(),
    }
}

#[cfg(test)]
mod tests;
