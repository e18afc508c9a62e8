//! What was counted with one party of the trade, for comparing it with the party's own counts, and
//! the log as it is exported.

use super::SqliteStore;
use super::log;
use super::log::read_currency;
use crate::currency::Currency;
use crate::event::{Event, Kind};
use crate::money::{Cpm, Micros, Multiplier};
use crate::statement::{Adjustment, Logged, Period};
use crate::store::StoreError;
use crate::store::sqlite::adjustments;
use rusqlite::{Row, ToSql, params};

/// Somebody whom we trade with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Party {
    /// An exchange that bills us.
    Exchange(String),
    /// A partner that we bill.
    Partner(String),
}

/// One thing that was counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tally {
    /// A charge: what it cost and how many impressions it counts.
    Charged(Currency, Micros, u64),
    /// A charge that was refused, with the label of its fault, and never made rightly.
    Refused(String),
    /// A win without a charge.
    Won,
    /// A shown impression without a charge.
    Shown,
}

/// The columns of a [`Refused`]. One is settled when its event was written, by whatever notice.
pub(super) const REFUSALS: &str = "SELECT * FROM (
    SELECT id, key, kind, fault, at_ms, exchange, seat, line_item, bid, cpm, currency, told,
        verified, replayed_ms, outcome, EXISTS
            (SELECT 1 FROM event WHERE event.key = refusal.key AND event.kind = refusal.kind)
            AS settled
    FROM refusal)";

/// A refusal as it was noted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Its number, rising.
    pub id: i64,
    /// The event's key.
    pub key: [u8; 16],
    /// The kind's label.
    pub kind: String,
    /// The fault's label.
    pub fault: String,
    /// Unix milliseconds.
    pub at_ms: i64,
    /// The exchange.
    pub exchange: String,
    /// The seat.
    pub seat: String,
    /// The line item.
    pub line_item: String,
    /// What was bid.
    pub bid: Cpm,
    /// What was asked for.
    pub cpm: Cpm,
    /// The currency of both; `None` where it is not known.
    pub currency: Option<Currency>,
    /// Path and query of the notice; empty where they are not known.
    pub told: String,
    /// Whether the notice's token was signed by us.
    pub verified: bool,
    /// When it was last judged again, unix milliseconds; 0 for never.
    pub replayed_ms: i64,
    /// What came of that.
    pub outcome: String,
    /// Whether its event has been written since.
    pub settled: bool,
}

pub(super) fn read_refused(row: &Row<'_>) -> Result<Refused, StoreError> {
    let known = !row.get_ref(10)?.as_str().unwrap_or_default().is_empty();
    Ok(Refused {
        id: row.get(0)?,
        key: row.get(1)?,
        kind: row.get(2)?,
        fault: row.get(3)?,
        at_ms: row.get(4)?,
        exchange: row.get(5)?,
        seat: row.get(6)?,
        line_item: row.get(7)?,
        bid: Cpm(row.get(8)?),
        cpm: Cpm(row.get(9)?),
        currency: known.then(|| read_currency(row, 10)).transpose()?,
        told: row.get(11)?,
        verified: row.get(12)?,
        replayed_ms: row.get(13)?,
        outcome: row.get(14)?,
        settled: row.get(15)?,
    })
}

impl SqliteStore {
    /// Visits everything that was counted with a party in a period, with its time.
    ///
    /// # Errors
    /// Where the database refuses.
    pub fn tallies(
        &self,
        party: &Party,
        period: Period,
        mut visit: impl FnMut(i64, Tally),
    ) -> Result<(), StoreError> {
        let (kind, column, name) = match party {
            Party::Exchange(name) => (Kind::Bill, "exchange", name),
            Party::Partner(name) => (Kind::Sale, "partner", name),
        };
        let wanted = params![name, kind.label(), period.from_ms, period.to_ms];
        let charged = format!(
            "SELECT at_ms, currency, cost, multiplier FROM event
             WHERE {column} = ?1 AND kind = ?2 AND at_ms >= ?3 AND at_ms < ?4"
        );
        self.each(&charged, wanted, |row| {
            let several = Multiplier::new(row.get(3)?).unwrap_or_default();
            let (currency, cost) = (read_currency(row, 1)?, Micros(row.get(2)?));
            let tally = Tally::Charged(currency, cost, several.impressions());
            visit(row.get(0)?, tally);
            Ok(())
        })?;
        if kind == Kind::Sale {
            // What the exchange refused is not known by partner.
            return Ok(());
        }
        let refused = "SELECT at_ms, fault FROM refusal
             WHERE exchange = ?1 AND kind = ?2 AND at_ms >= ?3 AND at_ms < ?4 AND NOT EXISTS
                 (SELECT 1 FROM event WHERE event.key = refusal.key AND event.kind = refusal.kind)";
        self.each(refused, wanted, |row| {
            visit(row.get(0)?, Tally::Refused(row.get(1)?));
            Ok(())
        })?;
        let unbilled = "SELECT at_ms, min(kind = ?5) FROM event
             WHERE exchange = ?1 AND kind IN (?5, ?6) AND at_ms >= ?3 AND at_ms < ?4
                 AND partner = '' AND NOT EXISTS
                 (SELECT 1 FROM event AS bill WHERE bill.key = event.key AND bill.kind = ?2)
                 AND NOT EXISTS
                 (SELECT 1 FROM refusal WHERE refusal.key = event.key AND refusal.kind = ?2)
             GROUP BY key";
        let (won, shown) = (Kind::Win.label(), Kind::Impression.label());
        let wanted = params![name, kind.label(), period.from_ms, period.to_ms, won, shown];
        self.each(unbilled, wanted, |row| {
            let only_won: bool = row.get(1)?;
            visit(
                row.get(0)?,
                if only_won { Tally::Won } else { Tally::Shown },
            );
            Ok(())
        })
    }

    /// Visits the events whose own time lies in a period, in the order of the log.
    ///
    /// # Errors
    /// Where the database refuses, or `visit` does.
    pub fn events<E: From<StoreError>>(
        &self,
        period: Period,
        mut visit: impl FnMut(&Logged) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut failed = None;
        log::for_each_within(&self.connection, 0, period, |logged| {
            if failed.is_none() {
                failed = visit(&logged).err();
            }
        })?;
        failed.map_or(Ok(()), Err)
    }

    /// The refusals of a period, in the order of their time.
    ///
    /// # Errors
    /// Where the database refuses.
    pub fn refused(&self, period: Period) -> Result<Vec<Refused>, StoreError> {
        let mut found = Vec::new();
        let query = format!("{REFUSALS} WHERE at_ms >= ?1 AND at_ms < ?2 ORDER BY at_ms, id");
        self.each(&query, params![period.from_ms, period.to_ms], |row| {
            found.push(read_refused(row)?);
            Ok(())
        })?;
        Ok(found)
    }

    /// Every correction, in order.
    ///
    /// # Errors
    /// Where the database refuses.
    pub fn adjustments(&self) -> Result<Vec<Adjustment>, StoreError> {
        adjustments::after(&self.connection, 0)
    }

    fn each(
        &self,
        query: &str,
        wanted: &[&dyn ToSql],
        mut visit: impl FnMut(&Row<'_>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut statement = self.connection.prepare(query)?;
        let mut rows = statement.query(wanted)?;
        while let Some(row) = rows.next()? {
            visit(row)?;
        }
        Ok(())
    }
}

/// The reason of a loss in words, as OpenRTB counts them; empty where the event is none.
pub fn loss_reason(event: &Event) -> &'static str {
    if event.kind != Kind::Loss {
        return "";
    }
    match event.reason {
        0 => "bid_won",
        1 => "internal_error",
        2 => "impression_expired",
        3 => "invalid_response",
        4 => "invalid_deal",
        5 => "invalid_auction",
        6 => "invalid_advertiser_domain",
        7 => "missing_markup",
        8 => "missing_creative_id",
        9 => "missing_price",
        10 => "missing_approval_data",
        100 => "below_floor",
        101 => "below_deal_floor",
        102 => "outbid",
        103 => "lost_to_deal",
        104 => "seat_blocked",
        200..=299 => "creative_filtered",
        _ => "other",
    }
}
