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
//! A placement's own floor is under all of that: nothing is sold below it.

mod field;
mod rules;
mod schema;

pub use rules::{Field, Hit, MAX_FIELDS, Rules, Unusable};
pub use schema::{MAX_GROUPS, MAX_RULES, Parsed, parse, parse_value};

use crate::draw::Draw;
use crate::price::{USD, four_decimals, from_wire};
use ledger::{Cpm, Currency, RateTable};
use openrtb::BidRequest;
use openrtb::request::Imp;
use std::sync::Arc;

/// A publisher's floors, compiled.
#[derive(Clone, Debug)]
pub struct Floors {
    /// Whether they apply at all.
    pub enabled: bool,
    /// No rule's price is below this.
    pub min: Option<Cpm>,
    /// Currency of `min`.
    pub min_currency: Currency,
    /// How bids below a rule's floor are treated.
    pub enforcement: Enforcement,
    /// The groups, one of which is drawn for each auction.
    pub groups: Vec<Group>,
}

impl Default for Floors {
    fn default() -> Self {
        Self {
            enabled: true,
            min: None,
            min_currency: USD,
            enforcement: Enforcement::default(),
            groups: Vec::new(),
        }
    }
}

/// How bids below a rule's floor are treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Enforcement {
    /// In how many of a hundred auctions they are rejected.
    pub percent: u8,
    /// Whether bids on deals are held to the rules too.
    pub deals: bool,
}

impl Default for Enforcement {
    fn default() -> Self {
        Self {
            percent: 100,
            deals: false,
        }
    }
}

/// A model group: a set of rules that is drawn with its weight.
#[derive(Clone, Debug)]
pub struct Group {
    /// The publisher's name for it.
    pub version: Arc<str>,
    /// Weight of the draw, 1 to 100.
    pub weight: u32,
    /// In how many of a hundred auctions the floors are skipped.
    pub skip_percent: u8,
    /// Currency of the prices.
    pub currency: Currency,
    /// Price where no rule matches.
    pub default: Option<Cpm>,
    /// The rules.
    pub rules: Rules,
}

/// The floor of one imp, in the currency of the auction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Floor {
    /// What buyers are told in `imp.bidfloor`.
    pub signalled: Cpm,
    /// Below what a bid in the open auction is rejected.
    pub enforced: Cpm,
    /// Below what a bid on a deal is rejected, besides the deal's own floor.
    pub deals: Cpm,
    /// Where the signalled price comes from.
    pub source: Source,
}

/// Where a floor comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A rule of the drawn group, by its number.
    Rule(u32),
    /// The drawn group's default.
    Default,
    /// The request's `imp.bidfloor`, or nothing.
    Request,
    /// The placement's own floor.
    Placement,
}

/// What the draws of an auction decided.
#[derive(Clone, Copy, Debug)]
pub struct Plan<'f> {
    floors: Option<(&'f Floors, &'f Group)>,
    enforced: bool,
}

impl<'f> Plan<'f> {
    /// Draws the model group, whether it is skipped and whether it is enforced.
    pub fn draw(floors: Option<&'f Floors>, draw: &mut Draw) -> Self {
        let none = Self {
            floors: None,
            enforced: true,
        };
        let Some(floors) = floors.filter(|floors| floors.enabled) else {
            return none;
        };
        let Some(group) = floors.draw_group(draw) else {
            return none;
        };
        if draw.chance(group.skip_percent) {
            return none;
        }
        let enforced = draw.chance(floors.enforcement.percent);
        Self {
            floors: Some((floors, group)),
            enforced,
        }
    }

    /// The drawn group's version, where floors apply.
    pub fn version(&self) -> Option<&'f str> {
        self.floors.map(|(_, group)| &*group.version)
    }

    /// The floor of an imp in `currency`; `placement` is the placement's own floor in that
    /// currency.
    ///
    /// # Errors
    /// The currency that has no rate: such an imp cannot be sold, since its floor is unknown.
    pub fn floor(
        &self,
        request: &BidRequest<'_>,
        imp: &Imp<'_>,
        placement: Option<Cpm>,
        currency: Currency,
        rates: &RateTable,
    ) -> Result<Floor, NoRate> {
        let least = placement.unwrap_or(Cpm(0));
        let ruled = match self.floors {
            Some((floors, group)) => ruled(floors, group, request, imp, currency, rates)?,
            None => None,
        };
        let (price, source, enforced, deals) = match ruled {
            Some((price, source)) => {
                let deals = self.enforced
                    && self
                        .floors
                        .is_some_and(|(floors, _)| floors.enforcement.deals);
                (price, source, self.enforced, deals)
            }
            None => (own(imp, currency, rates)?, Source::Request, true, false),
        };
        let when = |holds: bool| if holds { price.max(least) } else { least };
        Ok(Floor {
            signalled: price.max(least),
            enforced: when(enforced),
            deals: when(deals),
            source: if least > price {
                Source::Placement
            } else {
                source
            },
        })
    }
}

/// A currency that the rate table does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRate;

fn ruled(
    floors: &Floors,
    group: &Group,
    request: &BidRequest<'_>,
    imp: &Imp<'_>,
    currency: Currency,
    rates: &RateTable,
) -> Result<Option<(Cpm, Source)>, NoRate> {
    let hit = group.rules.find(|field| field::value(field, request, imp));
    let found = match (hit, group.default) {
        (Some(hit), _) => (hit.price, Source::Rule(hit.rule)),
        (None, Some(default)) => (default, Source::Default),
        (None, None) => return Ok(None),
    };
    let price = rates
        .convert(found.0, group.currency, currency)
        .ok_or(NoRate)?;
    let min = match floors.min {
        Some(min) => rates
            .convert(min, floors.min_currency, currency)
            .ok_or(NoRate)?,
        None => Cpm(0),
    };
    Ok(Some((four_decimals(price.max(min)), found.1)))
}

/// The request's own floor.
fn own(imp: &Imp<'_>, currency: Currency, rates: &RateTable) -> Result<Cpm, NoRate> {
    convert(imp.bidfloor, imp.bidfloorcur, currency, rates)
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

impl Floors {
    fn draw_group(&self, draw: &mut Draw) -> Option<&Group> {
        if let [only] = self.groups.as_slice() {
            return Some(only);
        }
        let total: u32 = self.groups.iter().map(|group| group.weight).sum();
        if total == 0 {
            return None;
        }
        let mut left = draw.below(total);
        self.groups
            .iter()
            .find(|group| match left.checked_sub(group.weight) {
                Some(rest) => {
                    left = rest;
                    false
                }
                None => true,
            })
    }
}

#[cfg(test)]
mod tests;
