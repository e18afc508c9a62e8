//! Permission: what the exchange's rules leave of the candidates.
//!
//! Blocked advertisers, categories and applications become one set of blocked creatives, once
//! for each request, so that a candidate costs one bit test however long the lists are
//! ([`Blocks`]). Floors of the imp are converted once for each currency that we pay in
//! ([`floor`]). What a place takes is in [`place`], and what categories are in other taxonomies
//! in [`taxonomy`].

mod blocks;
pub(crate) mod floor;
pub(crate) mod place;

pub(crate) use blocks::{Blocks, Categories, categories};
#[cfg(test)]
pub(crate) use place::has_place as fits;

use crate::NoBid;
use crate::bits::{has, put, words_for};
use crate::catalog::{Catalog, Display, Item};
use crate::dimension::inventory::suffixes;
use crate::exchange::{Exchange, SeatUse};
use floor::Money;
use ledger::{Cpm, RateTable};
use openrtb::native::NativeRequest;
use openrtb::request::{Deal, Imp};
use openrtb::{BidRequest, Flag};

/// Where an advertisement would be shown.
#[derive(Clone, Copy)]
pub(crate) struct Spot<'s, 'a> {
    pub(crate) request: &'s BidRequest<'a>,
    pub(crate) imp: &'s Imp<'a>,
    /// What the imp's native placement asks for, where it can be read.
    pub(crate) native: Option<&'s NativeRequest<'s>>,
}

/// The exchange's rules for one request, reused from request to request.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    blocked: Vec<u64>,
    /// Creatives that wait for the exchange's approval; empty where none does.
    waiting: Vec<u64>,
    /// Seats that may buy; `None` where all may.
    seats: Option<Vec<u64>>,
    kept_seats: Vec<u64>,
    /// For each currency that we pay in, whether the request allows it.
    allowed: Vec<bool>,
    /// The floor of the imp in each currency; `None` where no rate is known.
    floors: Vec<Option<Cpm>>,
    /// Whether durations have prices of their own in the imp.
    timed: bool,
    /// The imp's deals that any line item buys under: number in the catalog, place in the imp.
    deals: Vec<(u32, u32)>,
    /// Whether the imp is for the buyers of its deals only.
    private: bool,
    /// The family of taxonomies that the request's categories are in.
    asked: i64,
    /// Most bytes of markup that the exchange takes.
    most_markup: usize,
}

impl Rules {
    /// Reads the rules of a request.
    ///
    /// # Errors
    /// No seat or no currency of ours may buy.
    pub(crate) fn read(
        &mut self,
        request: &BidRequest<'_>,
        catalog: &Catalog,
        exchange: &Exchange,
    ) -> Result<(), NoBid> {
        self.read_seats(request, catalog, exchange)?;
        catalog.blocks.apply(request, &mut self.blocked);
        catalog.blocks.waiting(&exchange.id, &mut self.waiting);
        self.asked = blocks::asked(request);
        self.most_markup = exchange.most_markup;
        self.allowed.clear();
        let allows = |own: &ledger::Currency| match request.cur.items() {
            [] => *own == exchange.currency,
            cur => cur.contains(&own.code()),
        };
        self.allowed.extend(catalog.currencies.iter().map(allows));
        if self.allowed.contains(&true) {
            Ok(())
        } else {
            Err(NoBid::CurrencyNotAllowed)
        }
    }

    fn read_seats(
        &mut self,
        request: &BidRequest<'_>,
        catalog: &Catalog,
        exchange: &Exchange,
    ) -> Result<(), NoBid> {
        if let Some(seats) = self.seats.take() {
            self.kept_seats = seats;
        }
        let may = |seat: &str| {
            (request.wseat.is_empty() || request.wseat.contains(&seat))
                && !request.bseat.contains(&seat)
        };
        match &exchange.seat {
            SeatUse::Single(seat) => may(seat).then_some(()).ok_or(NoBid::SeatNotAllowed),
            SeatUse::Advertiser if request.wseat.is_empty() && request.bseat.is_empty() => Ok(()),
            SeatUse::Advertiser => {
                let mut seats = std::mem::take(&mut self.kept_seats);
                seats.clear();
                seats.resize(words_for(catalog.advertisers.len()), 0);
                for (advertiser, at) in catalog.advertisers.iter().zip(0..) {
                    if may(&advertiser.id) {
                        put(&mut seats, at);
                    }
                }
                let none = seats.iter().all(|word| *word == 0);
                self.seats = Some(seats);
                if none {
                    Err(NoBid::SeatNotAllowed)
                } else {
                    Ok(())
                }
            }
        }
    }

    /// Reads the rules of one imp.
    ///
    /// # Errors
    /// The imp is for the buyers of its deals only, and we are in none of them.
    pub(crate) fn read_imp(
        &mut self,
        imp: &Imp<'_>,
        catalog: &Catalog,
        rates: Option<&RateTable>,
    ) -> Result<(), NoBid> {
        let private = imp.pmp.and_then(|pmp| pmp.private_auction);
        self.private = private.is_some_and(Flag::is_set);
        self.deals.clear();
        if let Some(pmp) = imp.pmp {
            let known = |id: Option<&str>| catalog.deals.get(id?).copied();
            let numbered = pmp.deals.iter().zip(0..);
            let ours = numbered.filter_map(|(deal, at)| Some((known(deal.id)?, at)));
            self.deals.extend(ours);
        }
        if self.private && self.deals.is_empty() {
            return Err(NoBid::PrivateAuction);
        }
        self.timed = floor::is_timed(imp);
        self.floors.clear();
        let floors = catalog
            .currencies
            .iter()
            .map(|own| floor::of_imp(imp, Money { own: *own, rates }));
        self.floors.extend(floors);
        Ok(())
    }

    /// The currencies that the request allows, by their places in the catalog.
    pub(crate) fn currencies(&self) -> impl Iterator<Item = u32> {
        let allowed = self
            .allowed
            .iter()
            .zip(0..)
            .filter(|(allowed, _)| **allowed);
        allowed.map(|(_, currency)| currency)
    }

    /// Whether the request allows a currency, by its place in the catalog.
    pub(crate) fn allows(&self, currency: u32) -> bool {
        self.allowed[currency as usize]
    }

    /// Whether a line item may buy here at all, as far as that can be said before a creative
    /// is chosen.
    ///
    /// # Errors
    /// Its seat is not allowed, no deal of its is offered, no rate is known, or the floor is out
    /// of reach.
    pub(crate) fn line_item(&self, item: &Item) -> Result<(), NoBid> {
        let seats = self.seats.as_ref();
        if seats.is_some_and(|seats| !has(seats, item.advertiser)) {
            return Err(NoBid::SeatNotAllowed);
        }
        if !item.deals.is_empty() {
            let offered = |(deal, _): &(u32, u32)| item.deals.contains(deal);
            let any = self.deals.iter().any(offered);
            return any.then_some(()).ok_or(NoBid::NoDeal);
        }
        if self.private {
            return Err(NoBid::PrivateAuction);
        }
        if self.timed {
            return Ok(());
        }
        let floor = self.floors[item.currency as usize].ok_or(NoBid::CurrencyNotAllowed)?;
        if item.max_cpm < floor {
            Err(NoBid::BelowFloor)
        } else {
            Ok(())
        }
    }

    /// The ways in which a line item may buy: the places of its deals in the imp, or `None` for
    /// the open auction.
    pub(crate) fn ways<'r>(&'r self, item: &'r Item) -> impl Iterator<Item = Option<u32>> + 'r {
        let open = item.deals.is_empty().then_some(None);
        let offered = self.deals.iter();
        let own = offered.filter(|(deal, _)| item.deals.contains(deal));
        open.into_iter().chain(own.map(|(_, at)| Some(*at)))
    }

    /// The floor of a creative without a deal.
    ///
    /// # Errors
    /// No rate is known.
    pub(crate) fn floor(
        &self,
        imp: &Imp<'_>,
        item: &Item,
        creative: &Display,
        money: Money<'_>,
    ) -> Result<Cpm, NoBid> {
        let floor = if self.timed {
            floor::open(imp, creative.format, creative.seconds, money)
        } else {
            self.floors[item.currency as usize]
        };
        floor.ok_or(NoBid::CurrencyNotAllowed)
    }

    /// Whether a creative may be shown in a spot: which of its variants if so.
    ///
    /// # Errors
    /// It does not fit, is blocked, is not approved, not in an allowed language, or not secure.
    pub(crate) fn creative(
        &self,
        at: u32,
        creative: &Display,
        spot: &Spot<'_, '_>,
    ) -> Result<u8, NoBid> {
        let fit = place::fits(spot, creative).ok_or(NoBid::NoCreative)?;
        if creative.size > self.most_markup {
            return Err(NoBid::NoCreative);
        }
        let attr = |blocked: &i64| match u32::try_from(*blocked) {
            Ok(bit @ 0..64) => creative.attributes >> bit & 1 == 1,
            _ => creative.attr.contains(blocked),
        };
        let (request, imp) = (spot.request, spot.imp);
        if has(&self.blocked, at)
            || fit.battr.iter().any(attr)
            || !self.category_allowed(creative, request)
        {
            return Err(NoBid::Blocked);
        }
        if !language_allowed(&creative.language, request) {
            return Err(NoBid::LanguageNotAllowed);
        }
        if !self.waiting.is_empty() && has(&self.waiting, at) {
            return Err(NoBid::NotApproved);
        }
        if imp.secure.is_some_and(Flag::is_set) && !creative.secure {
            return Err(NoBid::NotSecure);
        }
        Ok(fit.variant)
    }

    /// Whether `acat`, where it is given, names every category of the creative or one above.
    fn category_allowed(&self, creative: &Display, request: &BidRequest<'_>) -> bool {
        if request.acat.is_empty() {
            return true;
        }
        let known = creative.categories.iter();
        let known = known.filter(|known| known.family == self.asked);
        let named = |cat: &str| request.acat.contains(&cat);
        known.flat_map(|known| &known.chains).count() > 0
            && creative
                .categories
                .iter()
                .filter(|known| known.family == self.asked)
                .flat_map(|known| &known.chains)
                .all(|chain| chain.iter().any(|cat| named(cat)))
    }
}

/// Whether the seat and the advertiser of a bid are among those that a deal is for.
pub(crate) fn deal_allows(deal: &Deal<'_>, seat: &str, creative: &Display) -> bool {
    let seats = &deal.wseat;
    let named = |domain: &str| {
        let listed = &deal.wadomain;
        let is = |above: &str| listed.iter().any(|one| one.eq_ignore_ascii_case(above));
        suffixes(domain).any(is)
    };
    (seats.is_empty() || seats.contains(&seat))
        && (deal.wadomain.is_empty() || creative.domains.iter().all(|domain| named(domain)))
}

/// Whether a language is one of those that the request allows, or a form of one (RFC 4647,
/// basic filtering); a creative without a language cannot show that it is.
fn language_allowed(own: &str, request: &BidRequest<'_>) -> bool {
    let form_of = |listed: &&str| {
        let (head, rest) = own.split_at_checked(listed.len()).unwrap_or(("", ""));
        head.eq_ignore_ascii_case(listed) && (rest.is_empty() || rest.starts_with('-'))
    };
    let allows =
        |listed: &[&str]| listed.is_empty() || (!own.is_empty() && listed.iter().any(form_of));
    allows(&request.wlang) && allows(&request.wlangb)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_allow_their_forms() {
        let lists = |wlang: &[&'static str], own: &str| {
            let wlang: Vec<&str> = wlang.to_vec();
            let request = BidRequest {
                wlang: openrtb::List::new(&wlang),
                ..BidRequest::default()
            };
            language_allowed(own, &request)
        };
        assert!(lists(&[], ""));
        assert!(lists(&["fr"], "fr") && lists(&["de", "FR"], "fr-CA"));
        assert!(!lists(&["fr"], "") && !lists(&["fr"], "fra") && !lists(&["fr-CA"], "fr"));
    }
}
