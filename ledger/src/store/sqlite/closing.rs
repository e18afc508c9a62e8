//! Months: stated while they are open, closed once and for all.
//!
//! Closing writes the lines of the month and the books of its last moment. Statements of later
//! months replay the log from there, so that their cost does not grow with the years.

mod bounds;
mod read;

use super::SqliteStore;
use super::adjustments;
use super::log;
use crate::posting::Account;
use crate::statement::{
    Irreconcilable, Line, Month, Opening, Period, Periods, Replay, Statement, Zones,
};
use crate::store::{Objection, StoreError};
use bounds::{clocks, common, in_order};
use read::{accounts, closing, frozen, opening};
use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use std::collections::BTreeMap;

pub(super) use read::{first_opening, pruned, read_month};

/// How often a closing begins anew because events of its month came meanwhile.
const ATTEMPTS: u32 = 3;

/// When and by whom a month was closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closing {
    /// Unix milliseconds.
    pub at_ms: i64,
    /// Who closed it.
    pub who: String,
}

/// The statement of a month.
#[derive(Clone, Debug)]
pub struct MonthStatement {
    /// The month.
    pub month: Month,
    /// Its lines.
    pub statement: Statement,
    /// The timezone and the period of accounts that do not follow UTC or that the closing named.
    pub clocks: BTreeMap<Account, Clock>,
    /// Its closing; `None` while it is open.
    pub closed: Option<Closing>,
    /// Whether it was computed again from the log: always but for a closed month whose events
    /// were pruned.
    pub replayed: bool,
}

/// Whose clock a month follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clock {
    /// Name of the timezone.
    pub zone: String,
    /// What the month is by it.
    pub period: Period,
}

impl SqliteStore {
    /// Every account that has had a posting.
    ///
    /// # Errors
    /// Where the database refuses.
    pub fn accounts(&self) -> Result<Vec<Account>, StoreError> {
        accounts(&self.connection)
    }

    /// The statement of a month: as it was closed, or as it stands.
    ///
    /// # Errors
    /// [`StoreError::Irreconcilable`] where balances, postings, log and closing do not say the
    /// same; otherwise where the database refuses.
    pub fn month(&self, month: Month, zones: &Zones) -> Result<MonthStatement, StoreError> {
        let reading = self.connection.unchecked_transaction()?;
        let opening = opening(&reading, month)?;
        let replayed = opening.seq >= pruned(&reading)?;
        let (closing, frozen, clocks) = match closing(&reading, month)? {
            Some(closing) => {
                let (frozen, clocks) = frozen(&reading, month)?;
                (Some(closing), Some(frozen), clocks)
            }
            None => (None, None, clocks(&reading, month, zones)?),
        };
        let statement = if replayed {
            let common = match &closing {
                // Who is not in a closing had no business then.
                Some(_) => Period {
                    from_ms: 0,
                    to_ms: 0,
                },
                None => common(&reading, month)?,
            };
            let own = clocks
                .iter()
                .map(|(account, clock)| (account.clone(), clock.period));
            let periods = Periods {
                common,
                own: own.collect(),
            };
            log::statement(&reading, opening, periods)?
        } else {
            frozen.clone().ok_or(Objection::Pruned { month })?
        };
        if let Some(frozen) = frozen.filter(|_| replayed) {
            compare(month, &frozen, &statement)?;
        }
        Ok(MonthStatement {
            month,
            statement,
            clocks,
            closed: closing,
            replayed,
        })
    }

    /// Closes a month: from now on its lines stand, and what comes later counts in a later month.
    /// Months are closed in their order, each once it has ended for every account.
    ///
    /// # Errors
    /// [`Objection`] and [`StoreError::Irreconcilable`]; otherwise where the database refuses.
    /// Nothing was changed then.
    pub fn close(
        &mut self,
        month: Month,
        zones: &Zones,
        closing: &Closing,
    ) -> Result<(), StoreError> {
        for _ in 0..ATTEMPTS {
            let drawn = draw(&self.connection, month, zones, closing.at_ms)?;
            let behavior = TransactionBehavior::Immediate;
            let change = self.connection.transaction_with_behavior(behavior)?;
            if drawn.is_current(&change)? {
                drawn.write(&change, month, closing)?;
                change.commit()?;
                return Ok(());
            }
        }
        Err(Objection::Busy { month }.into())
    }
}

/// A month as it is about to be closed.
struct Drawn {
    statement: Statement,
    clocks: BTreeMap<Account, Clock>,
    /// The books at the month's end.
    opening: Opening,
    /// The last event and correction that were seen.
    seen: (i64, i64),
    /// The last moment of the month by any clock.
    last_ms: i64,
}

fn draw(
    connection: &Connection,
    month: Month,
    zones: &Zones,
    now_ms: i64,
) -> Result<Drawn, StoreError> {
    let reading = connection.unchecked_transaction()?;
    in_order(&reading, month, zones)?;
    let mut clocks = clocks(&reading, month, zones)?;
    let common = common(&reading, month)?;
    // Every account is named in the closing: its next month begins where this one ends.
    for account in accounts(&reading)? {
        let (zone, period) = ("UTC".to_owned(), common);
        clocks.entry(account).or_insert(Clock { zone, period });
    }
    let ended = |clock: &Clock| clock.period.to_ms <= now_ms;
    if let Some((account, clock)) = clocks.iter().find(|(_, clock)| !ended(clock)) {
        let (account, zone) = (account.to_string(), clock.zone.clone());
        return Err(Objection::NotEnded {
            month,
            account,
            zone,
        }
        .into());
    }
    let ends = clocks.values().map(|clock| clock.period.to_ms);
    let (first_ms, last_ms) = (
        ends.clone().min().unwrap_or(common.to_ms).min(common.to_ms),
        ends.max().unwrap_or(common.to_ms).max(common.to_ms),
    );
    if last_ms > now_ms {
        let (account, zone) = ("every account".to_owned(), "UTC".to_owned());
        return Err(Objection::NotEnded {
            month,
            account,
            zone,
        }
        .into());
    }
    let own = clocks
        .iter()
        .map(|(account, clock)| (account.clone(), clock.period));
    let periods = Periods {
        common,
        own: own.collect(),
    };
    let before = opening(&reading, month)?;
    let (seq, adjustment) = (before.seq, before.adjustment);
    let posted = log::posted(&reading, seq, &periods)?;
    let mut replay = Replay::new(before, periods);
    // Corrections and events do not touch each other; those of the month come first, so that the
    // books of its end hold both.
    let mut later = Vec::new();
    let mut seen = (seq, adjustment);
    let mut last = adjustment;
    for one in adjustments::after(&reading, adjustment)? {
        seen.1 = one.id;
        if later.is_empty() && one.at_ms < first_ms {
            last = one.id;
            replay.adjust(one);
        } else {
            later.push(one);
        }
    }
    let snapshot = |replay: &Replay, seq| {
        let (carries, balances) = replay.books();
        Opening {
            seq,
            adjustment: last,
            carries,
            balances,
        }
    };
    let mut opening = None;
    log::for_each(&reading, seq, |logged| {
        if opening.is_none() && logged.booked_ms >= first_ms {
            opening = Some(snapshot(&replay, logged.seq - 1));
        }
        replay.push(&logged);
        seen.0 = logged.seq;
    })?;
    let opening = opening.unwrap_or_else(|| snapshot(&replay, seen.0));
    for one in later {
        replay.adjust(one);
    }
    let statement = log::agreed(&reading, replay, &posted)?;
    Ok(Drawn {
        statement,
        clocks,
        opening,
        seen,
        last_ms,
    })
}

impl Drawn {
    /// Whether nothing of the month came since it was drawn up.
    fn is_current(&self, change: &Transaction<'_>) -> Result<bool, StoreError> {
        let new = change
            .prepare("SELECT 1 FROM event WHERE seq > ?1 AND booked_ms < ?2")?
            .exists(params![self.seen.0, self.last_ms])?;
        let corrected = change
            .prepare("SELECT 1 FROM adjustment WHERE id > ?1 AND at_ms < ?2")?
            .exists(params![self.seen.1, self.last_ms])?;
        Ok(!new && !corrected)
    }

    fn write(
        &self,
        change: &Transaction<'_>,
        month: Month,
        closing: &Closing,
    ) -> Result<(), StoreError> {
        let name = month.to_string();
        let (seq, adjustment) = (self.opening.seq, self.opening.adjustment);
        change.execute(
            "INSERT INTO closing VALUES (?1, ?2, ?3, ?4, ?5)",
            params![name, closing.at_ms, closing.who, seq, adjustment],
        )?;
        let statement = &self.statement;
        for (account, clock) in &self.clocks {
            let lines = statement.lines.iter().chain(&statement.items);
            let mut own = lines.filter(|line| line.account == *account).peekable();
            if own.peek().is_none() {
                // Nothing happened; where its month ended is kept all the same.
                let currency = crate::Currency(*b"XXX");
                let nothing = Line::new(account.clone(), currency, String::new());
                insert_line(change, &name, &nothing, clock)?;
            }
            own.try_for_each(|line| insert_line(change, &name, line, clock))?;
        }
        for (key, carry) in &self.opening.carries {
            change
                .prepare_cached("INSERT INTO opening_carry VALUES (?1, ?2, ?3)")?
                .execute(params![name, key, carry.0])?;
        }
        for ((account, currency), (debit, credit)) in &self.opening.balances {
            let (account, currency) = (account.to_string(), currency.code());
            change
                .prepare_cached("INSERT INTO opening_balance VALUES (?1, ?2, ?3, ?4, ?5)")?
                .execute(params![name, account, currency, debit.0, credit.0])?;
        }
        Ok(())
    }
}

fn insert_line(
    change: &Transaction<'_>,
    month: &str,
    line: &Line,
    clock: &Clock,
) -> Result<(), StoreError> {
    change
        .prepare_cached(
            "INSERT INTO closing_line VALUES
                 (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
        )?
        .execute(params![
            month,
            line.account.to_string(),
            line.currency.code(),
            line.item,
            clock.zone,
            clock.period.from_ms,
            clock.period.to_ms,
            line.impressions as i64,
            line.gross.0,
            line.fees.0,
            line.data_cost.0,
            line.over_impressions as i64,
            line.over_delivery.0,
            line.adjustments.0,
        ])?;
    Ok(())
}

/// A closed month must say what its events say.
fn compare(month: Month, frozen: &Statement, replayed: &Statement) -> Result<(), Irreconcilable> {
    let mut differences = Vec::new();
    let one = |line: &Line, others: &[Line]| -> bool { others.contains(line) };
    for line in frozen.lines.iter().chain(&frozen.items) {
        if !one(line, &replayed.lines) && !one(line, &replayed.items) {
            let (account, item) = (&line.account, &line.item);
            differences.push(format!(
                "{month} was closed with {account} {item}: {line:?}"
            ));
        }
    }
    for line in replayed.lines.iter().chain(&replayed.items) {
        if !one(line, &frozen.lines) && !one(line, &frozen.items) {
            let (account, item) = (&line.account, &line.item);
            differences.push(format!("the log of {month} has {account} {item}: {line:?}"));
        }
    }
    if differences.is_empty() {
        Ok(())
    } else {
        Err(Irreconcilable { differences })
    }
}
