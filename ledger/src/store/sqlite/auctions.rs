//! The file of the auction log. It is not money: a power cut may cost the last second of it, so
//! that its writes do not compete with the ledger's for the disk.

use super::PATIENCE;
use super::log::read_currency;
use crate::auction::{AuctionRecord, BidRecord, ImpRecord};
use crate::money::Cpm;
use crate::statement::Period;
use crate::store::StoreError;
use rusqlite::{Connection, OpenFlags, Row, params};
use std::path::Path;

const TABLES: &str = "
CREATE TABLE auction (
    id INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, auction TEXT NOT NULL, publisher TEXT NOT NULL,
    country TEXT NOT NULL, imps INTEGER NOT NULL, currency TEXT NOT NULL, ended TEXT NOT NULL)
    STRICT;
CREATE INDEX auction_at ON auction (at_ms);
CREATE TABLE bid (
    auction INTEGER NOT NULL, imp TEXT NOT NULL, placement TEXT NOT NULL, floor INTEGER NOT NULL,
    partner TEXT NOT NULL, seat TEXT NOT NULL, line_item TEXT NOT NULL, creative TEXT NOT NULL,
    bid INTEGER NOT NULL, currency TEXT NOT NULL, outcome TEXT NOT NULL, reason INTEGER NOT NULL,
    price INTEGER NOT NULL, key BLOB NOT NULL) STRICT;
CREATE INDEX bid_auction ON bid (auction);
";

/// What the second version has beside the first.
const SECOND: &str = "
ALTER TABLE bid ADD COLUMN deal TEXT NOT NULL DEFAULT '';
ALTER TABLE bid ADD COLUMN held_to INTEGER NOT NULL DEFAULT 0;
CREATE TABLE imp (
    auction INTEGER NOT NULL, imp TEXT NOT NULL, request_floor INTEGER NOT NULL,
    placement_floor INTEGER NOT NULL, fields TEXT NOT NULL) STRICT;
CREATE INDEX imp_auction ON imp (auction);
";

/// Version of the file.
const VERSION: i64 = 2;

/// The auction log in a file of its own.
pub struct AuctionFile {
    connection: Connection,
}

/// An auction as it is read back; its texts were written by this program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedAuction {
    /// Its number in the file, rising.
    pub id: i64,
    /// How it ended.
    pub ended: String,
    /// The outcome of each bid.
    pub outcomes: Vec<String>,
    /// All else; the labels in it are empty.
    pub record: AuctionRecord,
}

impl AuctionFile {
    /// Opens the file to write, and makes it where there is none.
    ///
    /// # Errors
    /// Where it cannot be opened or is of another version.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let mut connection = Connection::open(path)?;
        connection.busy_timeout(PATIENCE)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        let change = connection.transaction()?;
        let found = version(&change)?;
        if found == 0 {
            change.execute_batch(TABLES)?;
        }
        if (0..VERSION).contains(&found) {
            change.execute_batch(SECOND)?;
            change.pragma_update(None, "user_version", VERSION)?;
        }
        change.commit()?;
        check(&connection)?;
        Ok(Self { connection })
    }

    /// Opens the file to read, beside a running node if need be; `None` where there is none, or a
    /// node is just about to make it.
    ///
    /// # Errors
    /// Where it cannot be opened or is of another version.
    pub fn read(path: &Path) -> Result<Option<Self>, StoreError> {
        if !path.exists() {
            return Ok(None);
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(PATIENCE)?;
        connection.pragma_update(None, "query_only", true)?;
        if version(&connection)? == 0 {
            return Ok(None);
        }
        check(&connection)?;
        Ok(Some(Self { connection }))
    }

    /// Appends records in one transaction.
    ///
    /// # Errors
    /// Where the database refuses; none is then written.
    pub fn append<'r>(
        &mut self,
        records: impl IntoIterator<Item = &'r AuctionRecord>,
    ) -> Result<(), StoreError> {
        let change = self.connection.transaction()?;
        for record in records {
            change
                .prepare_cached("INSERT INTO auction VALUES (NULL, ?1, ?2, ?3, ?4, ?5, ?6, ?7)")?
                .execute(params![
                    record.at_ms,
                    record.auction,
                    record.publisher,
                    record.country,
                    record.imps,
                    record.currency.code(),
                    record.ended,
                ])?;
            let id = change.last_insert_rowid();
            for imp in &record.offered {
                change
                    .prepare_cached("INSERT INTO imp VALUES (?1, ?2, ?3, ?4, ?5)")?
                    .execute(params![
                        id,
                        imp.imp,
                        imp.request_floor.0,
                        imp.placement_floor.0,
                        imp.fields,
                    ])?;
            }
            for bid in &record.bids {
                change
                    .prepare_cached(
                        "INSERT INTO bid VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12,
                             ?13, ?14, ?15, ?16)",
                    )?
                    .execute(params![
                        id,
                        bid.imp,
                        bid.placement,
                        bid.floor.0,
                        bid.partner,
                        bid.seat,
                        bid.line_item,
                        bid.creative,
                        bid.bid.0,
                        bid.currency.code(),
                        bid.outcome,
                        bid.reason,
                        bid.price.0,
                        bid.key,
                        bid.deal,
                        bid.held_to.0,
                    ])?;
            }
        }
        Ok(change.commit()?)
    }

    /// Deletes up to `most` auctions before a moment (unix milliseconds), and says how many.
    ///
    /// # Errors
    /// Where the database refuses; none is then deleted.
    pub fn prune(&mut self, before_ms: i64, most: u32) -> Result<u64, StoreError> {
        let change = self.connection.transaction()?;
        let old = "SELECT id FROM auction WHERE at_ms < ?1 ORDER BY at_ms, id LIMIT ?2";
        for table in ["bid", "imp"] {
            change.execute(
                &format!("DELETE FROM {table} WHERE auction IN ({old})"),
                params![before_ms, most],
            )?;
        }
        let gone = change.execute(
            &format!("DELETE FROM auction WHERE id IN ({old})"),
            params![before_ms, most],
        )?;
        change.commit()?;
        Ok(gone as u64)
    }

    /// Visits the auctions of a period in the order of their time.
    ///
    /// # Errors
    /// Where the database refuses, or `visit` does.
    pub fn each<E: From<StoreError>>(
        &self,
        period: Period,
        mut visit: impl FnMut(&LoggedAuction) -> Result<(), E>,
    ) -> Result<(), E> {
        let failed = |error: rusqlite::Error| E::from(StoreError::from(error));
        let mut statement = self
            .connection
            .prepare(
                "SELECT id, at_ms, auction, publisher, country, imps, currency, ended
                 FROM auction WHERE at_ms >= ?1 AND at_ms < ?2 ORDER BY at_ms, id",
            )
            .map_err(failed)?;
        let mut rows = statement
            .query(params![period.from_ms, period.to_ms])
            .map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            visit(&self.auction(row)?)?;
        }
        Ok(())
    }

    /// The last auctions of a publisher since a moment (unix milliseconds) that floors can be tried
    /// on, the latest first, at most so many.
    ///
    /// # Errors
    /// Where the database refuses.
    pub fn offered(
        &self,
        publisher: &str,
        from_ms: i64,
        most: u32,
    ) -> Result<Vec<LoggedAuction>, StoreError> {
        let mut statement = self.connection.prepare(
            "SELECT id, at_ms, auction, publisher, country, imps, currency, ended FROM auction
             WHERE at_ms >= ?1 AND publisher = ?2
                 AND EXISTS (SELECT 1 FROM imp WHERE imp.auction = auction.id)
             ORDER BY at_ms DESC, id DESC LIMIT ?3",
        )?;
        let mut rows = statement.query(params![from_ms, publisher, most])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(self.auction(row)?);
        }
        Ok(found)
    }

    fn imps(&self, auction: i64) -> Result<Vec<ImpRecord>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT imp, request_floor, placement_floor, fields FROM imp WHERE auction = ?1
             ORDER BY rowid",
        )?;
        let imps = statement.query_map([auction], |row| {
            Ok(ImpRecord {
                imp: row.get(0)?,
                request_floor: Cpm(row.get(1)?),
                placement_floor: Cpm(row.get(2)?),
                fields: row.get(3)?,
            })
        })?;
        Ok(imps.collect::<Result<_, _>>()?)
    }

    fn auction(&self, row: &Row<'_>) -> Result<LoggedAuction, StoreError> {
        let id = row.get(0)?;
        let mut statement = self.connection.prepare_cached(
            "SELECT imp, placement, floor, partner, seat, line_item, creative, bid, currency,
                    outcome, reason, price, key, deal, held_to
             FROM bid WHERE auction = ?1 ORDER BY rowid",
        )?;
        let mut bids = statement.query([id])?;
        let (mut outcomes, mut found) = (Vec::new(), Vec::new());
        while let Some(bid) = bids.next()? {
            outcomes.push(bid.get(9)?);
            found.push(read_bid(bid)?);
        }
        Ok(LoggedAuction {
            id,
            ended: row.get(7)?,
            outcomes,
            record: AuctionRecord {
                at_ms: row.get(1)?,
                auction: row.get(2)?,
                publisher: row.get(3)?,
                country: row.get(4)?,
                imps: row.get(5)?,
                currency: read_currency(row, 6)?,
                ended: "",
                offered: self.imps(id)?,
                bids: found,
            },
        })
    }
}

fn read_bid(row: &Row<'_>) -> Result<BidRecord, StoreError> {
    Ok(BidRecord {
        imp: row.get(0)?,
        placement: row.get(1)?,
        floor: Cpm(row.get(2)?),
        partner: row.get(3)?,
        seat: row.get(4)?,
        line_item: row.get(5)?,
        creative: row.get(6)?,
        bid: Cpm(row.get(7)?),
        currency: read_currency(row, 8)?,
        outcome: "",
        reason: row.get(10)?,
        price: Cpm(row.get(11)?),
        key: row.get(12)?,
        deal: row.get(13)?,
        held_to: Cpm(row.get(14)?),
    })
}

fn version(connection: &Connection) -> Result<i64, StoreError> {
    Ok(connection.pragma_query_value(None, "user_version", |row| row.get(0))?)
}

fn check(connection: &Connection) -> Result<(), StoreError> {
    match version(connection)? {
        VERSION => Ok(()),
        found if found > VERSION => Err(StoreError::Newer {
            found,
            known: VERSION,
        }),
        found => Err(StoreError::Older {
            found,
            known: VERSION,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_the_first_version_is_brought_forward() {
        let name = format!("ledger-auctions-first-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = std::fs::remove_file(&path);
        let first = Connection::open(&path).unwrap();
        first.execute_batch(TABLES).unwrap();
        first
            .execute_batch(
                "PRAGMA user_version = 1;
                 INSERT INTO auction VALUES (1, 5, 'a', 'pub', '', 1, 'EUR', 'sold');
                 INSERT INTO bid VALUES
                     (1, '1', '', 7, 'p', '', '', '', 9, 'EUR', 'won', 0, 9, x'00');",
            )
            .unwrap();
        drop(first);
        assert!(
            AuctionFile::read(&path.with_extension("none"))
                .unwrap()
                .is_none()
        );
        let older = AuctionFile::read(&path).err().unwrap();
        assert!(
            matches!(older, StoreError::Older { found: 1, .. }),
            "{older}"
        );
        drop(AuctionFile::open(&path).unwrap());
        let file = AuctionFile::read(&path).unwrap().unwrap();
        let bid = "SELECT deal || held_to FROM bid";
        let kept: String = file
            .connection
            .query_row(bid, [], |row| row.get(0))
            .unwrap();
        assert_eq!(kept, "0");
        assert_eq!(file.offered("pub", 0, 10).unwrap(), []);
        drop(file);
        for suffix in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{suffix}", path.display()));
        }
    }
}
