//! Floors: below which price an imp is not sold.
//!
//! A publisher's floor file is compiled once ([`parse`]); an auction draws one model group and
//! looks each imp up in its table. What the file says is decided as the schema writes it:
//! - the rule with the fewest wildcards wins, the left-most specific values among equals, else
//!   the group's `default`, else the request's own `imp.bidfloor` stands;
//! - a skipped auction neither signals nor enforces the rules, and keeps the request's floor;
//! - the price is the higher of the rule and `floorMin`, at four decimals;
//! - enforcement is one draw per auction; bids on deals are exempt unless `floorDeals`.
//!
//! What a request itself says under `ext.prebid.floors` is merged in ([`Stated`]); data that
//! was fetched from the publisher's address goes before the file's own. A placement's own floor
//! is under all of that: nothing is sold below it. Cost: 0.24 µs an imp with 10,000 rules over
//! four fields, 0.79 µs over eleven (`benches/floors.rs`).

mod data;
mod field;
mod plan;
mod rules;
mod schema;
pub mod simulate;
mod stated;
pub mod suggest;

pub use data::{Data, Feed, Group, Silent};
pub use field::{Field, MAX_FIELDS};
pub use plan::{Floor, FloorEvent, NoRate, Plan, Source};
pub use rules::{Builder, Hit, Rules, Unusable};
pub use schema::{MAX_GROUPS, MAX_RULES, Parsed, parse, parse_data, parse_value};
pub use stated::{MAX_STATED_RULES, Stated};

use crate::price::{USD, from_wire};
use ledger::{Cpm, Currency, RateTable};
use std::sync::Arc;

/// A publisher's floors, compiled. Copies share the tables.
#[derive(Clone, Debug)]
pub struct Floors {
    /// Whether they apply at all.
    pub enabled: bool,
    /// In how many of a hundred auctions they are skipped, where the data does not say.
    pub skip_percent: u8,
    /// No rule's price is below this.
    pub min: Option<Cpm>,
    /// Currency of `min`; absent means that of the drawn group.
    pub min_currency: Option<Currency>,
    /// How bids below a rule's floor are treated.
    pub enforcement: Enforcement,
    /// Partners that are not told the floor, where the data does not say.
    pub silent: Silent,
    /// What the prices are compared with.
    pub basis: Basis,
    /// Whether the request's own `ext.prebid.floors` is merged in.
    pub merge_request: bool,
    /// The publisher's clock, in seconds ahead of UTC, for hours and weekdays.
    pub utc_offset_s: i32,
    /// Name of the timezone that `utc_offset_s` follows; the control plane keeps it up to date.
    pub timezone: Option<Arc<str>>,
    /// Where further data is fetched.
    pub feed: Option<Feed>,
    /// The rules of the file itself.
    pub data: Option<Arc<Data>>,
    /// The rules that were fetched last; they go before `data`.
    pub fetched: Option<Arc<Data>>,
}

impl Default for Floors {
    fn default() -> Self {
        Self {
            enabled: true,
            skip_percent: 0,
            min: None,
            min_currency: None,
            enforcement: Enforcement::default(),
            silent: Silent::default(),
            basis: Basis::Gross,
            merge_request: true,
            utc_offset_s: 0,
            timezone: None,
            feed: None,
            data: None,
            fetched: None,
        }
    }
}

/// How bids below a rule's floor are treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Enforcement {
    /// Whether they are rejected at all (`enforcePBS`).
    pub enabled: bool,
    /// In how many of a hundred auctions they are rejected (`enforceRate`).
    pub percent: u8,
    /// Whether bids on deals are held to the rules too (`floorDeals`).
    pub deals: bool,
}

impl Default for Enforcement {
    fn default() -> Self {
        Self {
            enabled: true,
            percent: 100,
            deals: false,
        }
    }
}

/// What a floor is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// What the buyer pays.
    Gross,
    /// What the publisher earns of it: the exchange's fee is added before buyers are told.
    Net,
}

/// A floor of the request in the auction's currency; none is 0, and so is a currency of nothing.
pub(crate) fn convert(
    floor: Option<f64>,
    floor_currency: Option<&str>,
    currency: Currency,
    rates: &RateTable,
) -> Result<Cpm, NoRate> {
    match floor {
        None | Some(0.0) => Ok(Cpm(0)),
        Some(floor) => {
            let from = floor_currency
                .map_or(Ok(USD), str::parse)
                .map_err(|_| NoRate)?;
            let price = from_wire(floor).ok_or(NoRate)?;
            rates.convert(price, from, currency).ok_or(NoRate)
        }
    }
}

#[cfg(test)]
mod tests;
