//! Corrections: postings with a reason and a name, made in the open month, each once.

use super::SqliteStore;
use super::charge;
use super::log::{read_account, read_currency};
use crate::currency::Currency;
use crate::event::Kind;
use crate::money::Micros;
use crate::posting::{Account, Column, Entry, Posting};
use crate::statement::Adjustment;
use crate::store::{Objection, StoreError};
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use std::fmt::Write;

/// What is corrected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Correction {
    /// An amount, against the account `adjustments`.
    Amount {
        /// The account.
        account: Account,
        /// The currency.
        currency: Currency,
        /// Above zero: the account owes or is owed more; below: less.
        amount: Micros,
    },
    /// A charge is taken back whole, by the same posting the other way round. Its budgets do not
    /// get the money back: their days are over.
    Reverse {
        /// Key of the charge.
        key: [u8; 16],
    },
}

/// A correction that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAdjustment {
    /// Its number for people. The same one again changes nothing, with other contents it is
    /// refused.
    pub reference: String,
    /// Now, in unix milliseconds.
    pub at_ms: i64,
    /// Who asks.
    pub who: String,
    /// Why.
    pub reason: String,
    /// What is corrected.
    pub what: Correction,
}

impl SqliteStore {
    /// Posts a correction, in the open month.
    ///
    /// # Errors
    /// [`Objection`] where there is nothing to correct; otherwise where the database refuses.
    pub fn adjust(&mut self, new: &NewAdjustment) -> Result<Adjustment, StoreError> {
        let behavior = TransactionBehavior::Immediate;
        let change = self.connection.transaction_with_behavior(behavior)?;
        let known = by_reference(&change, &new.reference)?;
        let (posting, reverses) = match &new.what {
            Correction::Amount {
                account,
                currency,
                amount,
            } => (amount_of(&change, account, *currency, *amount)?, None),
            Correction::Reverse { key } => (reversal(&change, key)?, Some(*key)),
        };
        if let Some(known) = known {
            let same = known.reverses == reverses && known.entries == posting.entries();
            return if same {
                Ok(known)
            } else {
                Err(taken(known).into())
            };
        }
        if let Some(reference) = reverses
            .map(|key| reversed(&change, &key))
            .transpose()?
            .flatten()
        {
            return Err(Objection::AlreadyReversed { reference }.into());
        }
        let id = insert(&change, new, &posting, reverses)?;
        charge::balance(&change, &posting)?;
        change.commit()?;
        let made = after(&self.connection, id - 1)?.into_iter().next();
        made.ok_or_else(|| StoreError::Corrupt("no adjustment that was just made".to_owned()))
    }
}

fn taken(known: Adjustment) -> Objection {
    Objection::ReferenceTaken {
        reference: known.reference,
        who: known.who,
    }
}

fn by_reference(
    connection: &Connection,
    reference: &str,
) -> Result<Option<Adjustment>, StoreError> {
    let id: Option<i64> = connection
        .prepare_cached("SELECT id FROM adjustment WHERE reference = ?1")?
        .query_row([reference], |row| row.get(0))
        .optional()?;
    let Some(id) = id else { return Ok(None) };
    Ok(after(connection, id - 1)?.into_iter().next())
}

fn reversed(connection: &Connection, key: &[u8; 16]) -> Result<Option<String>, StoreError> {
    Ok(connection
        .prepare_cached("SELECT reference FROM adjustment WHERE event = ?1")?
        .query_row([key], |row| row.get(0))
        .optional()?)
}

/// A mistyped account must not come into being by its correction.
fn amount_of(
    connection: &Connection,
    account: &Account,
    currency: Currency,
    amount: Micros,
) -> Result<Posting, StoreError> {
    if amount == Micros(0) {
        return Err(Objection::Nothing.into());
    }
    if *account == Account::Adjustments {
        return Err(Objection::OtherSide.into());
    }
    // A provider of data may be paid by adjustment before anything else.
    let known = matches!(account, Account::Data(_))
        || connection
            .prepare_cached("SELECT 1 FROM account WHERE name = ?1 AND currency = ?2")?
            .exists(params![account.to_string(), currency.code()])?;
    if !known {
        let account = account.clone();
        return Err(Objection::NoSuchAccount { account, currency }.into());
    }
    let normal = account.normal();
    let column = if amount.0 > 0 { normal } else { normal.other() };
    let amount = Micros(amount.0.saturating_abs());
    let entry = |account, column| Entry {
        account,
        column,
        amount,
    };
    let entries = vec![
        entry(account.clone(), column),
        entry(Account::Adjustments, column.other()),
    ];
    Ok(Posting::new(currency, entries).expect("both sides are the same amount"))
}

/// The posting of a charge the other way round.
fn reversal(connection: &Connection, key: &[u8; 16]) -> Result<Posting, StoreError> {
    let kinds = [Kind::Bill, Kind::Sale].map(Kind::label);
    let seq: Option<i64> = connection
        .prepare_cached("SELECT seq FROM event WHERE key = ?1 AND kind IN (?2, ?3)")?
        .query_row(params![key, kinds[0], kinds[1]], |row| row.get(0))
        .optional()?;
    let seq = seq.ok_or_else(|| Objection::NoSuchCharge(hexadecimal(key)))?;
    let mut statement = connection.prepare_cached(
        "SELECT account, currency, debit, credit FROM entry WHERE event = ?1 ORDER BY rowid",
    )?;
    let mut rows = statement.query([seq])?;
    let (mut currency, mut entries) = (None, Vec::new());
    while let Some(row) = rows.next()? {
        currency = Some(read_currency(row, 1)?);
        let entry = read_entry(read_account(row, 0)?, row.get(2)?, row.get(3)?);
        entries.push(Entry {
            column: entry.column.other(),
            ..entry
        });
    }
    let posting = currency.and_then(|currency| Posting::new(currency, entries).ok());
    // An impression of less than a micro posts nothing.
    Ok(posting.ok_or(Objection::Nothing)?)
}

fn read_entry(account: Account, debit: i64, credit: i64) -> Entry {
    let (column, amount) = if debit > 0 {
        (Column::Debit, debit)
    } else {
        (Column::Credit, credit)
    };
    Entry {
        account,
        column,
        amount: Micros(amount),
    }
}

fn insert(
    change: &Transaction<'_>,
    new: &NewAdjustment,
    posting: &Posting,
    reverses: Option<[u8; 16]>,
) -> Result<i64, StoreError> {
    change
        .prepare_cached(
            "INSERT INTO adjustment (reference, at_ms, who, reason, currency, event)
             VALUES (?1, max(?2, (SELECT coalesce(max(at_ms), ?2) FROM closing)), ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            new.reference,
            new.at_ms,
            new.who,
            new.reason,
            posting.currency().code(),
            reverses,
        ])?;
    let id = change.last_insert_rowid();
    for entry in posting.entries() {
        let (debit, credit) = charge::columns(entry);
        change
            .prepare_cached("INSERT INTO adjustment_entry VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![id, entry.account.to_string(), debit, credit])?;
    }
    Ok(id)
}

/// The corrections behind the one with the given number, in order.
pub(super) fn after(connection: &Connection, id: i64) -> Result<Vec<Adjustment>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT account, currency, debit, credit, id, reference, at_ms, who, reason, event
         FROM adjustment JOIN adjustment_entry ON adjustment = id
         WHERE id > ?1 ORDER BY id, adjustment_entry.rowid",
    )?;
    let mut rows = statement.query([id])?;
    let mut found: Vec<Adjustment> = Vec::new();
    while let Some(row) = rows.next()? {
        let id: i64 = row.get(4)?;
        let entry = read_entry(read_account(row, 0)?, row.get(2)?, row.get(3)?);
        if let Some(last) = found.last_mut().filter(|last| last.id == id) {
            last.entries.push(entry);
            continue;
        }
        found.push(Adjustment {
            id,
            reference: row.get(5)?,
            at_ms: row.get(6)?,
            who: row.get(7)?,
            reason: row.get(8)?,
            currency: read_currency(row, 1)?,
            reverses: row.get(9)?,
            entries: vec![entry],
        });
    }
    Ok(found)
}

fn hexadecimal(key: &[u8]) -> String {
    key.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
