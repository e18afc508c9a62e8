//! Prices: floors at the deal, else at the media, else at the imp, in any currency.

use super::buyer::offered;
use super::read::{list, text};
use super::{Case, Faults, amount};
use crate::market::to_euros;
use serde_json::Value;

pub(super) fn check(case: &Case<'_>, faults: &mut Faults) {
    let price = amount(&case.bid["price"]).unwrap_or_default();
    faults.unless(price > 0.0, || format!("the price is {price}"));
    let most = case.fact.most;
    faults.unless(price <= most, || format!("{price} is above {most}"));
    let (floor, currency) = floor(case);
    // A floor of nothing needs no rate.
    if floor <= 0.0 {
        return;
    }
    let floors = to_euros(floor, &currency);
    let prices = to_euros(price, case.currency);
    let (Some(least), Some(offered_price)) = (floors, prices) else {
        let fits = currency == case.currency && price >= floor;
        return faults.unless(fits, || {
            format!("{price} {} against {floor} {currency}", case.currency)
        });
    };
    faults.unless(offered_price >= least - 1e-9, || {
        format!("{price} {} is below {floor} {currency}", case.currency)
    });
    if fixed(case) {
        faults.unless(offered_price <= least + 1e-3, || {
            format!("{price} {} at a fixed {floor} {currency}", case.currency)
        });
    }
}

/// The floor that counts, and its currency.
fn floor(case: &Case<'_>) -> (f64, String) {
    let seconds = case.fact.duration;
    let media = matches!(case.format, "video" | "audio");
    let own = |holder: &Value| {
        let found = media.then(|| by_duration(holder, seconds)).flatten();
        found.or_else(|| amount(&holder["bidfloor"]))
    };
    let currency = |holder: &Value| match text(&holder["bidfloorcur"]) {
        none if none.is_empty() => "USD".to_owned(),
        code => code,
    };
    let deal = case.bid["dealid"].as_str();
    if let Some(deal) = deal.and_then(|id| offered(&case.imp["pmp"], id)) {
        return (own(deal).unwrap_or_default(), currency(deal));
    }
    let slot = media.then(|| by_duration(case.slot, seconds)).flatten();
    let floor = slot.or_else(|| amount(&case.imp["bidfloor"]));
    (floor.unwrap_or_default(), currency(case.imp))
}

/// What a duration costs, where that is said.
fn by_duration(holder: &Value, seconds: i64) -> Option<f64> {
    let seconds = seconds as f64;
    let ranges = list(&holder["durfloors"]);
    let hit = ranges.into_iter().find(|range| {
        amount(&range["mindur"]).is_none_or(|least| seconds >= least)
            && amount(&range["maxdur"]).is_none_or(|most| seconds <= most)
    });
    if let Some(range) = hit {
        return Some(amount(&range["bidfloor"]).unwrap_or_default());
    }
    amount(&holder["mincpmpersec"]).map(|price| price * seconds)
}

/// Whether the deal has a fixed price.
fn fixed(case: &Case<'_>) -> bool {
    let id = case.bid["dealid"].as_str();
    let deal = id.and_then(|id| offered(&case.imp["pmp"], id));
    deal.is_some_and(|deal| amount(&deal["at"]) == Some(3.0))
}
