//! The tables, and how a file of an older version becomes one of this version.

use crate::store::StoreError;
use rusqlite::{Connection, Transaction};

/// Each step makes a file of the version before it into the next.
const STEPS: [&str; 9] = [
    "
CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE event (
    seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, key BLOB NOT NULL, at_ms INTEGER NOT NULL,
    exchange TEXT NOT NULL, seat TEXT NOT NULL, advertiser TEXT NOT NULL, line_item TEXT NOT NULL,
    creative TEXT NOT NULL, publisher TEXT NOT NULL, placement TEXT NOT NULL,
    partner TEXT NOT NULL, cpm INTEGER NOT NULL, currency TEXT NOT NULL,
    share_ppm INTEGER NOT NULL, reason INTEGER NOT NULL, funded INTEGER NOT NULL,
    cost INTEGER NOT NULL, UNIQUE (key, kind)) STRICT;
CREATE TABLE entry (
    event INTEGER NOT NULL, account TEXT NOT NULL, currency TEXT NOT NULL,
    debit INTEGER NOT NULL, credit INTEGER NOT NULL) STRICT;
CREATE TABLE account (
    name TEXT NOT NULL, currency TEXT NOT NULL, debit INTEGER NOT NULL, credit INTEGER NOT NULL,
    PRIMARY KEY (name, currency)) STRICT, WITHOUT ROWID;
CREATE TABLE carry (name TEXT PRIMARY KEY, rest INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE budget (
    name TEXT PRIMARY KEY, currency TEXT NOT NULL, bound INTEGER NOT NULL,
    spent INTEGER NOT NULL DEFAULT 0, leased INTEGER NOT NULL DEFAULT 0,
    frozen INTEGER NOT NULL DEFAULT 0, frozen_until INTEGER NOT NULL DEFAULT 0)
    STRICT, WITHOUT ROWID;
",
    // The bid beside the price; what a budget may hold after its limit was lowered; the frozen
    // leases of each run by itself; refusals.
    "
ALTER TABLE event ADD COLUMN bid INTEGER NOT NULL DEFAULT 0;
UPDATE event SET bid = cpm;
ALTER TABLE budget ADD COLUMN allowed INTEGER NOT NULL DEFAULT 0;
UPDATE budget SET allowed = max(bound, spent + leased + frozen);
CREATE TABLE frozen (
    budget TEXT NOT NULL, epoch INTEGER NOT NULL, micros INTEGER NOT NULL, until INTEGER NOT NULL,
    PRIMARY KEY (budget, epoch)) STRICT, WITHOUT ROWID;
INSERT INTO frozen
    SELECT name, (SELECT value - 1 FROM meta WHERE name = 'epoch'), frozen, frozen_until
    FROM budget WHERE frozen > 0;
ALTER TABLE budget DROP COLUMN frozen_until;
CREATE TABLE refusal (
    key BLOB NOT NULL, kind TEXT NOT NULL, fault TEXT NOT NULL, at_ms INTEGER NOT NULL,
    exchange TEXT NOT NULL, seat TEXT NOT NULL, line_item TEXT NOT NULL, bid INTEGER NOT NULL,
    cpm INTEGER NOT NULL, currency TEXT NOT NULL, PRIMARY KEY (key, kind, fault))
    STRICT, WITHOUT ROWID;
",
    // When an event counts: its own time, or the first moment after a closed month. Corrections.
    // Closed months: their lines, and the books at their end, from which a later log is replayed.
    "
ALTER TABLE event ADD COLUMN booked_ms INTEGER NOT NULL DEFAULT 0;
UPDATE event SET booked_ms = at_ms;
CREATE TABLE adjustment (
    id INTEGER PRIMARY KEY, reference TEXT NOT NULL UNIQUE, at_ms INTEGER NOT NULL,
    who TEXT NOT NULL, reason TEXT NOT NULL, currency TEXT NOT NULL, event BLOB) STRICT;
CREATE UNIQUE INDEX adjustment_event ON adjustment (event) WHERE event IS NOT NULL;
CREATE TABLE adjustment_entry (
    adjustment INTEGER NOT NULL, account TEXT NOT NULL, debit INTEGER NOT NULL,
    credit INTEGER NOT NULL) STRICT;
CREATE TABLE closing (
    month TEXT PRIMARY KEY, at_ms INTEGER NOT NULL, who TEXT NOT NULL,
    seq INTEGER NOT NULL, adjustment INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE closing_line (
    month TEXT NOT NULL, account TEXT NOT NULL, currency TEXT NOT NULL, item TEXT NOT NULL,
    zone TEXT NOT NULL, from_ms INTEGER NOT NULL, to_ms INTEGER NOT NULL,
    impressions INTEGER NOT NULL, gross INTEGER NOT NULL, fees INTEGER NOT NULL,
    data_cost INTEGER NOT NULL, over_impressions INTEGER NOT NULL,
    over_delivery INTEGER NOT NULL, adjustments INTEGER NOT NULL,
    PRIMARY KEY (month, account, currency, item)) STRICT, WITHOUT ROWID;
CREATE TABLE opening_carry (
    month TEXT NOT NULL, name TEXT NOT NULL, rest INTEGER NOT NULL,
    PRIMARY KEY (month, name)) STRICT, WITHOUT ROWID;
CREATE TABLE opening_balance (
    month TEXT NOT NULL, account TEXT NOT NULL, currency TEXT NOT NULL, debit INTEGER NOT NULL,
    credit INTEGER NOT NULL, PRIMARY KEY (month, account, currency)) STRICT, WITHOUT ROWID;
CREATE TRIGGER closing_stays BEFORE UPDATE ON closing
    BEGIN SELECT raise(ABORT, 'a closed month does not change'); END;
CREATE TRIGGER closing_remains BEFORE DELETE ON closing
    BEGIN SELECT raise(ABORT, 'a closed month does not change'); END;
CREATE TRIGGER closing_line_stays BEFORE UPDATE ON closing_line
    BEGIN SELECT raise(ABORT, 'a closed month does not change'); END;
CREATE TRIGGER closing_line_remains BEFORE DELETE ON closing_line
    BEGIN SELECT raise(ABORT, 'a closed month does not change'); END;
CREATE TRIGGER adjustment_stays BEFORE UPDATE ON adjustment
    BEGIN SELECT raise(ABORT, 'an adjustment does not change'); END;
CREATE TRIGGER adjustment_entry_stays BEFORE UPDATE ON adjustment_entry
    BEGIN SELECT raise(ABORT, 'an adjustment does not change'); END;
",
    // Whose frequency counts an impression moves, until they are saved elsewhere.
    "
CREATE TABLE shown (
    seq INTEGER PRIMARY KEY, at_s INTEGER NOT NULL, held_until INTEGER NOT NULL,
    user INTEGER NOT NULL, household INTEGER NOT NULL, scopes BLOB NOT NULL) STRICT;
",
    // The postings of one event, to be taken back or pruned with it.
    "
CREATE INDEX entry_event ON entry (event);
",
    // How many impressions an event counts for. Refusals with a number and as they came, so that
    // they are listed in pages and judged again.
    "
ALTER TABLE event ADD COLUMN multiplier INTEGER NOT NULL DEFAULT 1000000;
ALTER TABLE refusal RENAME TO refusal_before;
CREATE TABLE refusal (
    id INTEGER PRIMARY KEY AUTOINCREMENT, key BLOB NOT NULL, kind TEXT NOT NULL,
    fault TEXT NOT NULL, at_ms INTEGER NOT NULL, exchange TEXT NOT NULL, seat TEXT NOT NULL,
    line_item TEXT NOT NULL, bid INTEGER NOT NULL, cpm INTEGER NOT NULL, currency TEXT NOT NULL,
    told TEXT NOT NULL DEFAULT '', verified INTEGER NOT NULL DEFAULT 1,
    replayed_ms INTEGER NOT NULL DEFAULT 0, outcome TEXT NOT NULL DEFAULT '',
    UNIQUE (key, kind, fault)) STRICT;
INSERT INTO refusal (key, kind, fault, at_ms, exchange, seat, line_item, bid, cpm, currency)
    SELECT * FROM refusal_before ORDER BY at_ms, key, kind, fault;
DROP TABLE refusal_before;
UPDATE refusal SET fault = 'absurd' WHERE fault = 'too_high';
CREATE INDEX refusal_stray ON refusal (id) WHERE verified = 0;
CREATE INDEX refusal_at ON refusal (at_ms);
",
    // Who saw and clicked what, and which conversions were credited to it.
    "
CREATE TABLE touch (
    id INTEGER PRIMARY KEY, key BLOB NOT NULL, click INTEGER NOT NULL, user INTEGER NOT NULL,
    advertiser TEXT NOT NULL, at_ms INTEGER NOT NULL, campaign TEXT NOT NULL,
    line_item TEXT NOT NULL, creative TEXT NOT NULL, exchange TEXT NOT NULL,
    publisher TEXT NOT NULL) STRICT;
CREATE INDEX touch_key ON touch (key);
CREATE INDEX touch_user ON touch (advertiser, user, click, at_ms) WHERE user <> 0;
CREATE TABLE conversion (
    id INTEGER PRIMARY KEY AUTOINCREMENT, advertiser TEXT NOT NULL, order_id TEXT NOT NULL,
    at_ms INTEGER NOT NULL, received_ms INTEGER NOT NULL, booked_ms INTEGER NOT NULL,
    source TEXT NOT NULL, token BLOB NOT NULL, value INTEGER NOT NULL, currency TEXT NOT NULL,
    credit TEXT NOT NULL, key BLOB, touched_ms INTEGER, campaign TEXT NOT NULL,
    line_item TEXT NOT NULL, creative TEXT NOT NULL, exchange TEXT NOT NULL,
    publisher TEXT NOT NULL, UNIQUE (advertiser, order_id)) STRICT;
CREATE INDEX conversion_token ON conversion (token) WHERE token <> x'';
CREATE INDEX conversion_booked ON conversion (advertiser, booked_ms);
CREATE INDEX conversion_at ON conversion (at_ms);
",
    // A checksum of each event.
    "
ALTER TABLE event ADD COLUMN mark INTEGER;
",
    // What a bill costs beside its media: the terms, and what they came to.
    "
ALTER TABLE event ADD COLUMN platform_ppm INTEGER NOT NULL DEFAULT 0;
ALTER TABLE event ADD COLUMN data TEXT NOT NULL DEFAULT '';
ALTER TABLE event ADD COLUMN platform_fee INTEGER NOT NULL DEFAULT 0;
ALTER TABLE event ADD COLUMN data_cost INTEGER NOT NULL DEFAULT 0;
",
];

/// Version of the files that this program writes.
const VERSION: i64 = STEPS.len() as i64;

fn version(connection: &Connection) -> Result<i64, StoreError> {
    let found = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if found > VERSION {
        let known = VERSION;
        return Err(StoreError::Newer { found, known });
    }
    Ok(found)
}

/// Refuses a file that this program cannot read as it is.
pub(super) fn check(connection: &Connection) -> Result<(), StoreError> {
    match version(connection)? {
        VERSION => Ok(()),
        found => Err(StoreError::Older {
            found,
            known: VERSION,
        }),
    }
}

/// Brings a file, which may be new, to this version.
pub(super) fn migrate(change: &Transaction<'_>) -> Result<(), StoreError> {
    let found = usize::try_from(version(change)?)
        .map_err(|_| StoreError::Corrupt("a version below zero".to_owned()))?;
    for step in &STEPS[found..] {
        change.execute_batch(step)?;
    }
    Ok(change.pragma_update(None, "user_version", VERSION)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_the_first_version_is_brought_forward() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(STEPS[0]).unwrap();
        connection
            .execute_batch(
                "PRAGMA user_version = 1;
                 INSERT INTO meta VALUES ('epoch', 7);
                 INSERT INTO budget (name, currency, bound, spent, leased, frozen, frozen_until)
                 VALUES ('b', 'EUR', 10, 8, 5, 2, 99);",
            )
            .unwrap();
        let error = check(&connection).unwrap_err().to_string();
        assert!(error.contains("version 1"), "{error}");
        let change = connection.transaction().unwrap();
        migrate(&change).unwrap();
        change.commit().unwrap();
        check(&connection).unwrap();
        let allowed: i64 = connection
            .query_row("SELECT allowed FROM budget", [], |row| row.get(0))
            .unwrap();
        assert_eq!(allowed, 15);
        let frozen: (i64, i64, i64) = connection
            .query_row("SELECT epoch, micros, until FROM frozen", [], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })
            .unwrap();
        assert_eq!(frozen, (6, 2, 99));
    }

    #[test]
    fn refusals_of_the_fourth_version_get_numbers() {
        let mut connection = Connection::open_in_memory().unwrap();
        for step in &STEPS[..4] {
            connection.execute_batch(step).unwrap();
        }
        connection
            .execute_batch(
                "PRAGMA user_version = 4;
                 INSERT INTO refusal VALUES
                     (x'02', 'bill', 'too_high', 20, 'x', 's', 'l', 1, 2, 'EUR'),
                     (x'01', 'bill', 'above_bid', 10, 'x', 's', 'l', 1, 2, 'EUR');",
            )
            .unwrap();
        let change = connection.transaction().unwrap();
        migrate(&change).unwrap();
        change.commit().unwrap();
        let mut found = connection
            .prepare("SELECT id, fault, cpm, currency, told FROM refusal ORDER BY id")
            .unwrap();
        let rows = found.query_map([], |row| {
            let texts: (String, String, String) = (row.get(1)?, row.get(3)?, row.get(4)?);
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(2)?, texts))
        });
        let rows: Vec<_> = rows.unwrap().map(Result::unwrap).collect();
        let text = |fault: &str| (fault.to_owned(), "EUR".to_owned(), String::new());
        assert_eq!(rows, [(1, 2, text("above_bid")), (2, 2, text("absurd"))]);
    }

    #[test]
    fn a_file_of_a_newer_version_is_refused() {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch("PRAGMA user_version = 99")
            .unwrap();
        let error = check(&connection).unwrap_err().to_string();
        assert!(error.contains("version 99"), "{error}");
    }
}
