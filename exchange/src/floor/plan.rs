//! What the draws of one auction decided, and the floor of each of its imps.

use super::data::Group;
use super::field::{Subject, value, weekday};
use super::rules::Probe;
use super::stated::{Least, Stated};
use super::{Basis, Data, Enforcement, Field, Floors, Silent, convert};
use crate::catalog::Publisher;
use crate::counters::labels;
use crate::draw::Draw;
use crate::price::{four_decimals, four_decimals_up};
use ledger::{Cpm, Currency, RateTable};
use openrtb::BidRequest;
use openrtb::request::Imp;
use std::sync::Arc;

/// The floor of one imp, in the currency of the auction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Floor<'f> {
    /// What buyers are told in `imp.bidfloor`; 0 is not told.
    pub signalled: Cpm,
    /// Below what a bid in the open auction is rejected.
    pub enforced: Cpm,
    /// Below what a bid on a deal is rejected, besides the deal's own floor.
    pub deals: Cpm,
    /// Where the price comes from.
    pub source: Source<'f>,
}

/// Where a floor comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source<'f> {
    /// A rule of the drawn group, as the publisher wrote it.
    Rule(&'f str),
    /// The drawn group's default.
    Default,
    /// The request's `imp.bidfloor`, or nothing.
    Request,
    /// The placement's own floor.
    Placement,
}

labels! {
    /// Where the floors of imps came from.
    pub enum FloorEvent {
        /// A rule of the drawn group.
        Rule = "rule",
        /// The drawn group's default.
        Default = "default",
        /// The request's `imp.bidfloor`, or nothing.
        Request = "request",
        /// The placement's own floor.
        Placement = "placement",
    }
}

impl Source<'_> {
    /// Without the rule's text, for counters.
    pub fn event(self) -> FloorEvent {
        match self {
            Source::Rule(_) => FloorEvent::Rule,
            Source::Default => FloorEvent::Default,
            Source::Request => FloorEvent::Request,
            Source::Placement => FloorEvent::Placement,
        }
    }
}

/// A currency that the rate table does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRate;

/// What the draws of an auction decided.
#[derive(Clone, Copy, Debug)]
pub struct Plan<'f> {
    /// The drawn group, where floors apply and are not skipped.
    group: Option<&'f Group>,
    silent: Option<&'f Silent>,
    enforced: bool,
    deals: bool,
    least: Least,
    /// The publisher's part of what buyers pay, where prices are what it earns.
    share_ppm: Option<u32>,
    merge_request: bool,
    local_s: i64,
}

/// What is asked of a plan besides the values of the fields.
#[derive(Clone, Copy)]
pub(super) struct Asked<'p> {
    /// The partner that is asked; `None` for whoever no rule names.
    pub(super) partner: Option<&'p str>,
    /// The placement's own floor.
    pub(super) placement: Cpm,
    /// What the imp says is the least price of rules.
    pub(super) of_imp: Least,
}

impl<'f> Plan<'f> {
    /// Draws the source, the model group, whether it is skipped and whether it is enforced, for
    /// an auction of `publisher` at `now_s`, in Unix seconds. `stated` is what the request says.
    pub fn draw(publisher: &'f Publisher, stated: &'f Stated, now_s: u32, draw: &mut Draw) -> Self {
        let floors = publisher.floors.as_deref();
        let merge_request = floors.is_none_or(|floors| floors.merge_request);
        let nothing = Stated::default();
        let said = if merge_request { stated } else { &nothing };
        let offset = floors.map_or(0, |floors| floors.utc_offset_s);
        let mut plan = Self {
            group: None,
            silent: None,
            enforced: true,
            deals: false,
            least: said.least.or(Least {
                price: floors.and_then(|floors| floors.min),
                currency: floors.and_then(|floors| floors.min_currency),
            }),
            share_ppm: floors
                .filter(|floors| floors.basis == Basis::Net)
                .map(|_| publisher.revenue_share_ppm),
            merge_request,
            local_s: i64::from(now_s) + i64::from(offset),
        };
        if said.disabled || floors.is_some_and(|floors| !floors.enabled) {
            return plan;
        }
        let stated_data = stated.data.as_ref().filter(|_| merge_request);
        let data = source(floors, stated_data, draw);
        let is_stated =
            data.is_some_and(|data| stated_data.is_some_and(|stated| std::ptr::eq(data, stated)));
        let Some(group) = data.and_then(|data| data.draw(draw)) else {
            return plan;
        };
        let root = if is_stated {
            said.skip_percent
        } else {
            floors.map(|floors| floors.skip_percent)
        };
        let skip = group.skip_percent.or(root).unwrap_or(0);
        if draw.chance(skip) {
            return plan;
        }
        let enforcement = merged(floors.map(|floors| floors.enforcement), said);
        plan.enforced = draw.chance(enforcement.percent) && enforcement.enabled;
        plan.deals = plan.enforced && enforcement.deals;
        plan.group = Some(group);
        let file = floors.map(|floors| &floors.silent);
        let silent = group.silent.as_ref().or(file);
        plan.silent = silent.filter(|silent| !silent.is_empty());
        plan
    }

    /// The drawn group's version, where floors apply.
    pub fn version(&self) -> Option<&'f str> {
        self.group.map(|group| &*group.version)
    }

    /// Whether the drawn group treats partners differently, so that the floor must be asked for
    /// each.
    pub fn is_per_partner(&self) -> bool {
        self.silent.is_some()
            || self
                .group
                .is_some_and(|group| group.rules.fields().contains(&Field::Partner))
    }

    /// The floor of an imp in `currency`, for a partner or, with `None`, for whoever no rule
    /// names; `placement` is the placement's own floor in that currency.
    ///
    /// # Errors
    /// The currency that has no rate: such an imp cannot be sold, since its floor is unknown.
    pub fn floor(
        &self,
        request: &BidRequest<'_>,
        imp: &Imp<'_>,
        partner: Option<&str>,
        placement: Option<Cpm>,
        market: (Currency, &RateTable),
    ) -> Result<Floor<'f>, NoRate> {
        let subject = Subject {
            request,
            imp,
            partner,
            local_s: self.local_s,
        };
        let of_imp = if self.merge_request {
            Least::of_imp(imp)
        } else {
            Least::default()
        };
        let asked = Asked {
            partner,
            placement: placement.unwrap_or(Cpm(0)),
            of_imp,
        };
        let own = |(currency, rates)| convert(imp.bidfloor, imp.bidfloorcur, currency, rates);
        let read = |field, probe: &mut Probe<'_>| {
            let mut buffer = [0; 48];
            if let Some(text) = value(field, subject, &mut buffer) {
                probe.is(text);
            }
        };
        self.floor_by(read, own, asked, market)
    }

    /// Hour and weekday on the publisher's clock.
    pub(super) fn clock(&self) -> (String, &'static str) {
        let hour = self.local_s.rem_euclid(86_400) / 3_600;
        (hour.to_string(), weekday(self.local_s))
    }

    /// The floor of an imp whose fields `read` tells and whose request asks for `own`: what
    /// live imps and recorded ones have in common.
    pub(super) fn floor_by<'r>(
        &self,
        read: impl FnMut(Field, &mut Probe<'_>),
        own: impl FnOnce((Currency, &'r RateTable)) -> Result<Cpm, NoRate>,
        asked: Asked<'_>,
        market: (Currency, &'r RateTable),
    ) -> Result<Floor<'f>, NoRate> {
        let least = asked.placement;
        let ruled = match self.group {
            Some(group) => self.ruled(group, read, asked.of_imp, market)?,
            None => None,
        };
        let (price, source, enforced, deals) = if let Some((price, source)) = ruled {
            (price, source, self.enforced, self.deals)
        } else {
            (own(market)?, Source::Request, true, false)
        };
        let price_if = |holds: bool| if holds { price.max(least) } else { least };
        let is_silent = asked
            .partner
            .zip(self.silent)
            .is_some_and(|(partner, silent)| silent.contains(partner));
        Ok(Floor {
            signalled: if is_silent { Cpm(0) } else { price.max(least) },
            enforced: price_if(enforced),
            deals: price_if(deals),
            source: if least > price {
                Source::Placement
            } else {
                source
            },
        })
    }

    fn ruled(
        &self,
        group: &'f Group,
        read: impl FnMut(Field, &mut Probe<'_>),
        of_imp: Least,
        (currency, rates): (Currency, &RateTable),
    ) -> Result<Option<(Cpm, Source<'f>)>, NoRate> {
        let hit = group.rules.find(read);
        let (price, source) = match (hit, group.default) {
            (Some(hit), _) => (hit.price, Source::Rule(hit.rule)),
            (None, Some(default)) => (default, Source::Default),
            (None, None) => return Ok(None),
        };
        let price = rates
            .convert(price, group.currency, currency)
            .ok_or(NoRate)?;
        let least = of_imp.or(self.least);
        let min = match least.price {
            Some(min) => rates
                .convert(min, least.currency.unwrap_or(group.currency), currency)
                .ok_or(NoRate)?,
            None => Cpm(0),
        };
        let price = price.max(min);
        let price = match self.share_ppm {
            None => four_decimals(price),
            Some(share) => four_decimals_up(grossed_up(price, share)),
        };
        Ok(Some((price, source)))
    }
}

impl Floors {
    /// Whether a request's own rules can never be used.
    pub fn displaces_stated(&self) -> bool {
        let always = |data: &Arc<Data>| data.use_percent == 100;
        !self.merge_request || self.data.is_some() || self.fetched.as_ref().is_some_and(always)
    }
}

/// Fetched data as often as it says, else the file's own, else the request's.
fn source<'f>(
    floors: Option<&'f Floors>,
    stated: Option<&'f Data>,
    draw: &mut Draw,
) -> Option<&'f Data> {
    let own = floors.and_then(|floors| floors.data.as_deref()).or(stated);
    let fetched = floors.and_then(|floors| floors.fetched.as_deref());
    let fetched = fetched.filter(|fetched| draw.chance(fetched.use_percent));
    fetched.or(own)
}

/// The publisher's enforcement with the request's: each may only lower the rate and exempt
/// deals, and the request says last whether there is any.
fn merged(file: Option<Enforcement>, stated: &Stated) -> Enforcement {
    let own = file.unwrap_or(Enforcement {
        deals: true,
        ..Enforcement::default()
    });
    Enforcement {
        enabled: stated.enforce.unwrap_or(own.enabled),
        percent: own.percent.min(stated.enforce_percent.unwrap_or(100)),
        deals: own.deals && stated.deals.unwrap_or(file.is_some()),
    }
}

/// The lowest price of which the publisher's share is at least `net`.
fn grossed_up(net: Cpm, share_ppm: u32) -> Cpm {
    let share = i128::from(share_ppm.max(1));
    let gross = (i128::from(net.0) * 1_000_000 + share - 1) / share;
    Cpm(i64::try_from(gross).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// One micro less would earn the publisher too little.
        #[test]
        fn a_net_price_is_grossed_up_to_the_micro(
            net in 0_i64..1_000_000_000_000,
            share in 1_u32..=1_000_000,
        ) {
            let earned = |gross: i64| i128::from(gross) * i128::from(share) / 1_000_000;
            let gross = grossed_up(Cpm(net), share).0;
            prop_assert!(earned(gross) >= i128::from(net));
            prop_assert!(gross == 0 || earned(gross - 1) < i128::from(net));
        }
    }
}
