//! What is up for sale in one auction: its imps with their floors, in the auction's currency.

use crate::catalog::{Format, Placement, Pricing};
use crate::counters::PartnerEvent;
use crate::floor::{Floor, Plan};
use crate::market::{Market, Seller};
use crate::trace::Trace;
use bumpalo::Bump;
use ledger::{Cpm, Currency, Multiplier};
use openrtb::BidRequest;
use openrtb::request::Imp;

/// One imp for sale.
#[derive(Clone, Copy, Debug)]
pub struct Lot<'a> {
    /// The imp, as it came.
    pub imp: &'a Imp<'a>,
    /// Its floor, as those are told whom no rule names.
    pub floor: Floor<'a>,
    /// Our placement, where `imp.tagid` names one.
    pub placement: Option<&'a Placement>,
    /// How many impressions a showing counts for.
    pub multiplier: Multiplier,
}

/// An auction: a request, its publisher and what is for sale.
#[derive(Clone, Copy)]
pub struct Auction<'a> {
    /// The market that it takes place on.
    pub market: &'a Market,
    /// Whose impressions are sold.
    pub seller: &'a Seller,
    /// The request, enriched and redacted.
    pub request: BidRequest<'a>,
    /// What is for sale.
    pub lots: &'a [Lot<'a>],
    /// The floors of each lot by partner, lot after lot; empty where all have the same.
    partner_floors: &'a [Floor<'a>],
    /// Currency of floors, prices and the response.
    pub currency: Currency,
    /// Seed of everything that is left to chance.
    pub seed: u64,
    /// Where it is kept what the auction does, where anybody may look into it.
    pub trace: Option<&'a Trace>,
}

impl<'a> Auction<'a> {
    /// Opens an auction. Imps whose floor is in a currency without a rate, and those that count for
    /// more impressions than anybody should pay for, are not for sale.
    pub fn open(
        market: &'a Market,
        seller: &'a Seller,
        request: BidRequest<'a>,
        plan: Plan<'a>,
        seed: u64,
        arena: &'a Bump,
    ) -> Self {
        let currency = currency(market, seller, &request);
        let lot = |imp: &'a Imp<'a>| {
            let multiplier = match imp.qty.and_then(|quantity| quantity.multiplier) {
                None => Multiplier::ONE,
                Some(told) => openrtb::decimal::from_f64(told).and_then(Multiplier::new)?,
            };
            let placement = imp.tagid.and_then(|tagid| seller.placement(tagid));
            let least = match placement.and_then(|placement| placement.floor) {
                Some(floor) => Some(market.rates().convert(
                    floor,
                    seller.publisher.currency,
                    currency,
                )?),
                None => None,
            };
            let rated = (currency, market.rates());
            let floor = plan.floor(&request, imp, None, least, rated).ok()?;
            let lot = Lot {
                imp,
                floor,
                placement,
                multiplier,
            };
            Some((lot, least))
        };
        let count = request.imp.len();
        let mut lots = bumpalo::collections::Vec::with_capacity_in(count, arena);
        let mut partner_floors = bumpalo::collections::Vec::new_in(arena);
        for (lot, least) in request.imp.items().iter().filter_map(lot) {
            if plan.is_per_partner() {
                let rated = (currency, market.rates());
                partner_floors.extend(market.buyers().iter().map(|buyer| {
                    let partner = Some(&*buyer.partner.id);
                    let floor = plan.floor(&request, lot.imp, partner, least, rated);
                    floor.unwrap_or(lot.floor)
                }));
            }
            lots.push(lot);
        }
        let lots = lots.into_bump_slice();
        let partner_floors = partner_floors.into_bump_slice();
        Self {
            market,
            seller,
            request,
            lots,
            partner_floors,
            currency,
            seed,
            trace: None,
        }
    }

    /// Counts what became of a partner.
    pub(crate) fn note(&self, buyer: usize, event: PartnerEvent) {
        self.market.buyers()[buyer].events.count(event);
        if let Some(trace) = self.trace {
            trace.became(buyer, event);
        }
    }

    /// The floor of a lot for the partner at that place in the market.
    pub fn floor(&self, lot: usize, buyer: usize) -> Floor<'a> {
        let place = lot * self.market.buyers().len() + buyer;
        let own = self.partner_floors.get(place);
        own.copied().unwrap_or(self.lots[lot].floor)
    }

    /// The lot of an imp id.
    pub fn lot(&self, imp: &str) -> Option<usize> {
        self.lots.iter().position(|lot| lot.imp.id == Some(imp))
    }

    /// How the winners' prices are found, with the increment in the auction's currency.
    pub fn pricing(&self) -> Pricing {
        match self.seller.publisher.pricing {
            Pricing::FirstPrice => Pricing::FirstPrice,
            Pricing::SecondPrice { increment } => {
                let from = self.seller.publisher.currency;
                let converted = self.market.rates().convert(increment, from, self.currency);
                Pricing::SecondPrice {
                    increment: converted.unwrap_or(Cpm(0)),
                }
            }
        }
    }

    /// Whether the request is a test: nothing is billed and nobody notified.
    pub fn is_test(&self) -> bool {
        self.request.test.is_some_and(openrtb::Flag::is_set)
    }
}

/// The publisher's currency where the request allows it, else the first that the request names
/// and we can convert.
fn currency(market: &Market, seller: &Seller, request: &BidRequest<'_>) -> Currency {
    let own = seller.publisher.currency;
    if request.cur.is_empty() || request.cur.contains(&own.code()) {
        return own;
    }
    let mut asked = request.cur.iter().filter_map(|code| code.parse().ok());
    asked
        .find(|asked| market.rates().convert(Cpm(1), own, *asked).is_some())
        .unwrap_or(own)
}

/// The formats that an imp takes.
pub(crate) fn formats(imp: &Imp<'_>) -> impl Iterator<Item = Format> {
    [
        imp.banner.map(|_| Format::Banner),
        imp.video.map(|_| Format::Video),
        imp.audio.map(|_| Format::Audio),
        imp.native.map(|_| Format::Native),
    ]
    .into_iter()
    .flatten()
}
