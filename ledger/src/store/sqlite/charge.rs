//! What one event does to the tables: a ladder of checks, then the writes.

use super::{budget_state, conversions, letters, mark};
use crate::budget::Unit;
use crate::carry::{Carries, Carry};
use crate::event::{Charge, Event, Fault, Kind, Outcome};
use crate::invariant;
use crate::letter::DeadLetter;
use crate::money::{Micros, Multiplier};
use crate::posting::{Column, Entry, Posting};
use crate::store::{BudgetState, Funding, StoreError};
use rusqlite::{OptionalExtension, Transaction, params};

/// Asks where the money of a new bill comes from.
pub(super) type Ask<'f> = dyn FnMut(&Event, Micros) -> Funding + 'f;

/// Writes one event and what it does to the books.
pub(super) fn apply(
    change: &Transaction<'_>,
    event: &Event,
    funding: &mut Ask<'_>,
) -> Result<Outcome, StoreError> {
    if known(change, event.key, event.kind)? {
        return Ok(Outcome::Duplicate);
    }
    if let Some(fault) = event.fault() {
        return refuse(change, event, fault);
    }
    match event.kind {
        Kind::Bill => bill(change, event, funding),
        Kind::Sale => {
            let charge = event.charge(&mut Kept(change), true)?;
            write(change, event, &charge, true)
        }
        Kind::Click => {
            insert(change, event, true, &Charge::default())?;
            event
                .budgets
                .iter()
                .try_for_each(|goal| click(change, goal))?;
            Ok(Outcome::Recorded)
        }
        Kind::Win | Kind::Loss | Kind::Impression | Kind::View => {
            insert(change, event, true, &Charge::default())?;
            Ok(Outcome::Recorded)
        }
    }
}

/// Counts a click for its goal; what exceeds it changes nothing.
fn click(change: &Transaction<'_>, goal: &str) -> Result<(), StoreError> {
    change
        .prepare_cached(
            "UPDATE budget SET spent = min(spent + ?2, max(bound, spent)) WHERE name = ?1",
        )?
        .execute(params![goal, Multiplier::ONE.millionths()])?;
    Ok(())
}

/// Whether the event has been written before.
pub(super) fn known(
    change: &Transaction<'_>,
    key: [u8; 16],
    kind: Kind,
) -> Result<bool, StoreError> {
    Ok(change
        .prepare_cached("SELECT 1 FROM event WHERE key = ?1 AND kind = ?2")?
        .exists(params![key, kind.label()])?)
}

fn bill(
    change: &Transaction<'_>,
    event: &Event,
    funding: &mut Ask<'_>,
) -> Result<Outcome, StoreError> {
    let mut budgets: Vec<Known<'_>> = Vec::with_capacity(event.budgets.len());
    for key in &event.budgets {
        let Some((currency, state)) = budget_state(change, key)? else {
            continue;
        };
        if currency != event.currency && Unit::of(key) == Unit::Money {
            return refuse(change, event, Fault::WrongCurrency);
        }
        if budgets.iter().all(|known| known.key != key) {
            budgets.push(Known {
                key,
                state,
                wanted: 0,
            });
        }
    }
    let unknown = event
        .budgets
        .iter()
        .any(|key| budgets.iter().all(|known| known.key != key));
    let mut charge = event.charge(&mut Kept(change), true)?;
    let cost = charge.gross();
    // Asked before anything is decided: the reservation ends with its bill, whoever pays.
    let funding = funding(event, cost);
    for known in &mut budgets {
        known.wanted = match Unit::of(known.key) {
            Unit::Money => cost.0,
            Unit::Impressions | Unit::Clicks => event.multiplier.millionths(),
        };
    }
    let funded = !unknown && fund(change, &budgets, funding)?;
    if !funded {
        charge = event.unfunded(charge, &mut Kept(change))?;
    }
    write(change, event, &charge, funded)
}

struct Known<'e> {
    key: &'e str,
    state: BudgetState,
    /// What the bill takes, in the budget's unit.
    wanted: i64,
}

/// Takes a bill from its budgets, all or none, and says whether they had it.
fn fund(
    change: &Transaction<'_>,
    budgets: &[Known<'_>],
    funding: Funding,
) -> Result<bool, StoreError> {
    let mut parts = Vec::with_capacity(budgets.len());
    for known in budgets {
        let (lease, frozen) = match funding {
            Funding::Lease { held } => {
                // What the bid held of a goal it held whole.
                let held = match Unit::of(known.key) {
                    Unit::Money => held.0,
                    Unit::Impressions | Unit::Clicks => known.wanted,
                };
                (held.min(known.state.leased.0), 0)
            }
            Funding::Frozen { epoch } => (0, frozen_of(change, known.key, epoch)?),
            Funding::Late => (0, 0),
        };
        let (lease, frozen) = (known.wanted.min(lease), known.wanted.min(frozen));
        parts.push((known, lease, frozen));
    }
    let funded = parts.iter().all(|(known, lease, frozen)| {
        known.wanted - lease - frozen <= known.state.remaining().0.max(0)
    });
    for (known, lease, frozen) in parts {
        // Where others did not have it, the node has still used up its part of the lease.
        let (spent, frozen) = if funded {
            (known.wanted, frozen)
        } else {
            (0, 0)
        };
        change
            .prepare_cached(
                "UPDATE budget SET spent = spent + ?2, leased = leased - ?3, frozen = frozen - ?4
                 WHERE name = ?1",
            )?
            .execute(params![known.key, spent, lease, frozen])?;
        if let Funding::Frozen { epoch } = funding {
            change
                .prepare_cached(
                    "UPDATE frozen SET micros = micros - ?3 WHERE budget = ?1 AND epoch = ?2",
                )?
                .execute(params![known.key, epoch, frozen])?;
        }
        debug_assert!(
            budget_state(change, known.key)?
                .is_some_and(|(_, state)| invariant::within_budget(&state)),
            "a bill overspent the budget {}",
            known.key
        );
    }
    Ok(funded)
}

/// What is still frozen of a run's lease; nothing once its hold has ended.
fn frozen_of(change: &Transaction<'_>, key: &str, epoch: u32) -> Result<i64, StoreError> {
    let micros = change
        .prepare_cached("SELECT micros FROM frozen WHERE budget = ?1 AND epoch = ?2")?
        .query_row(params![key, epoch], |row| row.get(0))
        .optional()?;
    Ok(micros.unwrap_or(0))
}

/// Logs and posts a charge.
fn write(
    change: &Transaction<'_>,
    event: &Event,
    charge: &Charge,
    funded: bool,
) -> Result<Outcome, StoreError> {
    let seq = insert(change, event, funded, charge)?;
    post(change, seq, &event.posting(charge, funded))?;
    let cost = charge.gross();
    Ok(if funded {
        Outcome::Charged { cost }
    } else {
        Outcome::OverDelivered { cost }
    })
}

/// Keeps the event as a dead letter and leaves the bid open to be billed rightly.
fn refuse(change: &Transaction<'_>, event: &Event, fault: Fault) -> Result<Outcome, StoreError> {
    letters::write(change, &DeadLetter::of(event, fault, ""))?;
    Ok(Outcome::Refused { fault })
}

fn insert(
    change: &Transaction<'_>,
    event: &Event,
    funded: bool,
    charge: &Charge,
) -> Result<i64, StoreError> {
    let data_cost = charge.data_cost();
    change
        .prepare_cached(
            "INSERT INTO event (kind, key, at_ms, exchange, seat, advertiser, line_item, creative,
                 publisher, placement, partner, cpm, currency, share_ppm, reason, funded, cost, bid,
                 multiplier, platform_ppm, data, platform_fee, data_cost, mark, booked_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15,
                 ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, max(?3, (SELECT coalesce(max(at_ms), ?3) FROM closing)))",
        )?
        .execute(params![
            event.kind.label(),
            event.key,
            event.at_ms,
            event.exchange,
            event.seat,
            event.advertiser,
            event.line_item,
            event.creative,
            event.publisher,
            event.placement,
            event.partner,
            event.cpm.0,
            event.currency.code(),
            event.share_ppm,
            event.reason,
            funded,
            charge.media.0,
            event.bid.0,
            event.multiplier.millionths(),
            event.platform_ppm,
            event.data,
            charge.platform.0,
            data_cost.0,
            mark::of(event, funded, charge.media, (charge.platform, data_cost)),
        ])?;
    let seq = change.last_insert_rowid();
    conversions::touch(change, event)?;
    Ok(seq)
}

fn post(change: &Transaction<'_>, event: i64, posting: &Posting) -> Result<(), StoreError> {
    for entry in posting.entries() {
        let account = entry.account.to_string();
        let (debit, credit) = columns(entry);
        let currency = posting.currency();
        change
            .prepare_cached("INSERT INTO entry VALUES (?1, ?2, ?3, ?4, ?5)")?
            .execute(params![event, account, currency.code(), debit, credit])?;
    }
    balance(change, posting)
}

/// Moves the balances of a posting's accounts.
pub(super) fn balance(change: &Transaction<'_>, posting: &Posting) -> Result<(), StoreError> {
    for entry in posting.entries() {
        let account = entry.account.to_string();
        let (debit, credit) = columns(entry);
        let currency = posting.currency();
        change
            .prepare_cached(
                "INSERT INTO account VALUES (?1, ?2, ?3, ?4) ON CONFLICT (name, currency)
                 DO UPDATE SET debit = debit + excluded.debit, credit = credit + excluded.credit",
            )?
            .execute(params![account, currency.code(), debit, credit])?;
    }
    Ok(())
}

/// An entry's amount as debit and credit.
pub(super) fn columns(entry: &Entry) -> (i64, i64) {
    match entry.column {
        Column::Debit => (entry.amount.0, 0),
        Column::Credit => (0, entry.amount.0),
    }
}

/// The carries in the tables.
struct Kept<'c, 't>(&'c Transaction<'t>);

impl Carries for Kept<'_, '_> {
    type Error = StoreError;

    fn take(
        &mut self,
        key: String,
        by: impl FnOnce(&mut Carry) -> Micros,
    ) -> Result<Micros, StoreError> {
        let Self(change) = self;
        let rest = change
            .prepare_cached("SELECT rest FROM carry WHERE name = ?1")?
            .query_row([&key], |row| row.get(0))
            .optional()?;
        let mut carry = Carry(rest.unwrap_or(0));
        let taken = by(&mut carry);
        change
            .prepare_cached(
                "INSERT INTO carry VALUES (?1, ?2) ON CONFLICT DO UPDATE SET rest = excluded.rest",
            )?
            .execute(params![key, carry.0])?;
        Ok(taken)
    }
}
