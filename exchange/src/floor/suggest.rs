//! Suggested floors: for each kind of imp the one that would have earned most over recorded
//! auctions, within bounds around the floor that is in force.
//!
//! Kinds are told apart by the values of the publisher's fields. Only kinds with enough imps are
//! looked at, and only a few prices within the bounds are tried: what was measured is the past,
//! and buyers answer to floors. Whoever shows the suggestion measures it on auctions that it was
//! not made of, with [`simulate`](super::simulate::simulate).

use super::simulate::{Auction, Imp, floor_of, sales};
use super::{Field, Plan, Stated};
use crate::catalog::Publisher;
use crate::draw::Draw;
use ledger::{Cpm, Currency, RateTable};
use std::collections::BTreeMap;

/// Prices that are tried on each side of the present one.
const STEPS: i64 = 5;
/// Floors have four decimals.
const GRAIN: i64 = 100;

/// How far a suggestion may go.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// By how many percent a floor may be raised or lowered. Where there is none, one of up to so
    /// many percent of the median best bid is tried.
    pub percent: u8,
    /// Kinds with fewer imps are left as they are.
    pub least_imps: usize,
}

/// The suggestion for a kind of imp.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suggestion {
    /// The values of the fields, each of which the imps have: a rule has no word for one that is
    /// missing.
    pub values: Vec<String>,
    /// Imps that it was made of.
    pub imps: usize,
    /// The median of the floors in force.
    pub now: Cpm,
    /// What is suggested.
    pub floor: Cpm,
}

/// An imp with its floor in force.
struct Seen<'i> {
    imp: &'i Imp,
    seed: u64,
    now: Cpm,
}

/// Suggests floors for a publisher by the values of `fields`, in the order of those values.
/// `market` is the currency of all recorded prices, with the rates of the floors in force.
pub fn suggest(
    publisher: &Publisher,
    auctions: &[Auction],
    fields: &[Field],
    bounds: Bounds,
    market: (Currency, &RateTable),
) -> Vec<Suggestion> {
    let stated = Stated::default();
    let mut kinds: BTreeMap<Vec<String>, Vec<Seen<'_>>> = BTreeMap::new();
    for auction in auctions {
        let mut draw = Draw::new(auction.seed);
        let plan = Plan::draw(publisher, &stated, auction.at_s, &mut draw);
        for (place, imp) in auction.imps.iter().enumerate() {
            let Ok(now) = floor_of(&plan, imp, None, market) else {
                continue;
            };
            let clock = plan.clock();
            let told = |field: &Field| {
                let text = match field {
                    Field::Hour => Some(&*clock.0),
                    Field::Weekday => Some(clock.1),
                    // Everybody is told the same: a partner has no floor of its own here.
                    Field::Partner => None,
                    field => imp.value(*field),
                };
                text.map(str::to_owned)
            };
            let Some(values) = fields.iter().map(told).collect() else {
                continue;
            };
            let seen = Seen {
                imp,
                seed: auction.seed ^ place as u64,
                now: now.enforced,
            };
            kinds.entry(values).or_default().push(seen);
        }
    }
    let enough = kinds
        .into_iter()
        .filter(|(_, seen)| seen.len() >= bounds.least_imps.max(1));
    let suggestion = |(values, seen): (Vec<String>, Vec<Seen<'_>>)| {
        let now = median(seen.iter().map(|one| one.now).collect());
        Suggestion {
            values,
            imps: seen.len(),
            now,
            floor: best(publisher, &seen, now, bounds),
        }
    };
    enough.map(suggestion).collect()
}

/// The price that would have earned most; of equal ones that nearest to the present one.
fn best(publisher: &Publisher, seen: &[Seen<'_>], now: Cpm, bounds: Bounds) -> Cpm {
    let percent = i64::from(bounds.percent.min(100));
    let (from, reach) = if now > Cpm(0) {
        (-STEPS, now.0)
    } else {
        let tops = seen.iter().filter_map(|one| {
            let prices = one.imp.bids.iter().map(|bid| bid.price);
            prices.max()
        });
        (0, median(tops.collect()).0)
    };
    let tried = (from..=STEPS).map(|step| {
        let exact = now.0 + reach * percent * step / (100 * STEPS);
        Cpm(exact / GRAIN * GRAIN)
    });
    let earned = |floor: Cpm| -> i128 {
        let sold = seen.iter().map(|one| {
            let held_to = floor.max(one.imp.placement);
            let bids: Vec<(Cpm, Cpm)> = one
                .imp
                .bids
                .iter()
                .map(|bid| (bid.price, held_to))
                .collect();
            sales(&bids, publisher, one.seed).gross
        });
        sold.sum()
    };
    let distance = |floor: Cpm| (floor.0 - now.0).abs();
    // The floor in force itself is tried as it is, with all its decimals.
    let tried = tried.filter(|floor| distance(*floor) > 0).chain([now]);
    let best = tried.max_by_key(|floor| (earned(*floor), -distance(*floor)));
    best.unwrap_or(now)
}

/// The middle one, the lower of two; 0 of none.
fn median(mut prices: Vec<Cpm>) -> Cpm {
    prices.sort_unstable();
    let middle = prices.len().saturating_sub(1) / 2;
    prices.get(middle).copied().unwrap_or(Cpm(0))
}

#[cfg(test)]
mod tests;
