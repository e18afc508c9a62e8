//! The offers for an imp: candidates by what each could bid, the dearest first, looked at until
//! nobody left could bid more.

use super::{Snapshot, Work};
use crate::bits::Ones;
use crate::catalog::Bound;
use crate::draw::{Draw, Subject};
use crate::index::Dimension;
use crate::nobid::Closest;
use crate::permit::{self, Rules};
use crate::reserve::Offer;
use crate::respond::Winner;
use crate::{NoBid, pace, shade, value};
use audience::UserKey;
use ledger::{Cpm, Currency, RateTable};
use openrtb::BidRequest;
use openrtb::request::Imp;
use std::iter::Peekable;
use std::ops::Range;

/// The line items of the one currency that the request allows, which stand in order of price;
/// or else the candidates ranked by the most that each could bid in the currency of comparison.
pub(super) fn rank(
    snapshot: &Snapshot<'_>,
    currency: Comparison,
    work: &mut Work,
) -> Option<Range<u32>> {
    let catalog = snapshot.catalog;
    let mut allowed = work.rules.currencies();
    if let (Some(only), None) = (allowed.next(), allowed.next()) {
        return Some(catalog.priced_in(only));
    }
    work.ranking.clear();
    for own in work.rules.currencies() {
        let code = catalog.currencies[own as usize];
        for item in Ones::new(&work.selection.words, catalog.priced_in(own)) {
            let bound = catalog.bounds[item as usize].cpm;
            let ranked = currency.rank(bound, code, snapshot.rates);
            work.ranking.extend(ranked.map(|rank| (rank, item)));
        }
    }
    work.ranking.sort_unstable_by(|one, other| other.cmp(one));
    None
}

/// Candidates, the one that could bid the most first.
pub(super) enum Candidates<'c> {
    InOrder(Ones<'c>),
    Ranked(std::slice::Iter<'c, (Cpm, u32)>),
}

impl<'c> Candidates<'c> {
    /// Each with the most that it could bid, in the currency of comparison.
    pub(super) fn bounded(mut self, bounds: &'c [Bound]) -> impl Iterator<Item = (Cpm, u32)> + 'c {
        std::iter::from_fn(move || match &mut self {
            Self::InOrder(items) => items.next().map(|item| (bounds[item as usize].cpm, item)),
            Self::Ranked(pairs) => pairs.next().copied(),
        })
    }
}

/// The imp that is decided on.
pub(super) struct Place<'p, 'a> {
    pub(super) request: &'p BidRequest<'a>,
    pub(super) imp: &'p Imp<'a>,
    /// Place in the request.
    pub(super) at: u32,
    /// Value of its `tagid` in the index.
    placement: Option<u32>,
}

impl<'p, 'a> Place<'p, 'a> {
    pub(super) fn new(
        request: &'p BidRequest<'a>,
        imp: &'p Imp<'a>,
        at: u32,
        snapshot: &Snapshot<'_>,
    ) -> Self {
        let values = &snapshot.catalog.index.placements;
        let placement = imp.tagid.and_then(|tagid| values.get(tagid).copied());
        Self {
            request,
            imp,
            at,
            placement,
        }
    }
}

/// What the offers for an imp depend on.
pub(super) struct Auction<'w, 's> {
    pub(super) snapshot: &'w Snapshot<'s>,
    pub(super) rules: &'w Rules,
    pub(super) winners: &'w [Winner],
    pub(super) currency: Comparison,
    pub(super) draw: Draw,
    pub(super) user: Option<UserKey>,
}

impl Auction<'_, '_> {
    /// Adds the offers of what is left of the candidates, until the next one could not beat the
    /// best offer, and says how many candidates it looked at.
    pub(super) fn look(
        &self,
        place: &Place<'_, '_>,
        left: &mut Peekable<impl Iterator<Item = (Cpm, u32)>>,
        offers: &mut Vec<Offer>,
        closest: &mut Closest,
    ) -> u32 {
        let mut looked_at = 0;
        let mut best = offers.iter().map(|offer| offer.rank).max();
        while let Some((_, item)) =
            left.next_if(|(bound, _)| best.is_none_or(|best| *bound >= best))
        {
            looked_at += 1;
            match self.offer(place, item) {
                Ok(offer) => {
                    best = best.max(Some(offer.rank));
                    offers.push(offer);
                }
                Err(reason) => closest.note(reason),
            }
        }
        looked_at
    }

    /// The offer of one line item: whether it may be shown, what that is worth, whether it takes
    /// part, at which price.
    fn offer(&self, place: &Place<'_, '_>, at: u32) -> Result<Offer, NoBid> {
        let Snapshot {
            catalog,
            plan,
            rates,
            ..
        } = *self.snapshot;
        let item = &catalog.items[at as usize];
        let own = catalog.currencies[item.currency as usize];
        let placements = catalog.index.of(Dimension::Placement);
        let placement = place.placement.as_slice();
        // One bid of a line item is enough for one request.
        let used = self.winners.iter().any(|winner| winner.item == at);
        if used || !placements.admits(placement, at) {
            return Err(NoBid::NotTargeted);
        }
        let floor = self.rules.line_item(item)?;
        if item.daily_cap.is_some() && self.user.is_none() {
            return Err(NoBid::UnknownUser);
        }
        let first = self.draw.bits(Subject::Creative(place.at, at));
        let creative = rotate(&item.creatives, first, |creative| {
            let display = &catalog.creatives[creative as usize];
            self.rules
                .creative(creative, display, place.request, place.imp)
        })?;
        let display = &catalog.creatives[creative as usize];
        let media = permit::media_floor(place.imp, display, own, rates);
        let floor = floor.max(media.ok_or(NoBid::CurrencyNotAllowed)?);
        let value = value::of(item);
        let threshold = plan.participation[item.campaign as usize];
        if !pace::takes_part(threshold, item.campaign, self.draw) {
            return Err(NoBid::Paced);
        }
        let price = shade::price(value, floor).ok_or(NoBid::BelowFloor)?;
        let rank = self
            .currency
            .rank(price, own, rates)
            .ok_or(NoBid::CurrencyNotAllowed)?;
        debug_assert!(price <= item.max_cpm, "the bound holds for every price");
        Ok(Offer {
            rank,
            tie: self.draw.bits(Subject::Tie(place.at, at)),
            item: at,
            creative,
            price,
        })
    }
}

/// The first creative that is permitted, from a drawn one on; or the closest reason.
fn rotate(
    creatives: &[u32],
    drawn: u64,
    permitted: impl Fn(u32) -> Result<(), NoBid>,
) -> Result<u32, NoBid> {
    let start = ((u128::from(drawn) * creatives.len() as u128) >> 64) as usize;
    let mut closest = NoBid::NoCreative;
    let (before, after) = creatives.split_at(start);
    for &creative in after.iter().chain(before) {
        match permitted(creative) {
            Ok(()) => return Ok(creative),
            Err(reason) => closest = closest.max(reason),
        }
    }
    Err(closest)
}

/// The currency in which offers are compared. A response has one currency, so the first winner
/// decides for the imps after it.
#[derive(Clone, Copy)]
pub(super) struct Comparison {
    of: Currency,
    settled: Option<Currency>,
}

impl Comparison {
    /// Offers are compared in the first currency of the request that an advertiser pays in, so
    /// that rates are needed only where several are.
    pub(super) fn new(request: &BidRequest<'_>, snapshot: &Snapshot<'_>) -> Self {
        let ours = &snapshot.catalog.currencies;
        let paid = |code: &&str| ours.iter().copied().find(|own| own.code() == *code);
        let first = request.cur.iter().find_map(paid);
        Self {
            of: first.unwrap_or(snapshot.exchange.currency),
            settled: None,
        }
    }

    /// The first winner's currency is that of the response.
    pub(super) fn settle(&mut self, winner: Currency) {
        self.settled = Some(winner);
    }

    pub(super) fn of_response(self) -> Currency {
        self.settled.unwrap_or(self.of)
    }

    /// The price in the currency of comparison; `None` where it cannot be compared, or would
    /// need a second currency in the response.
    fn rank(self, price: Cpm, own: Currency, rates: Option<&RateTable>) -> Option<Cpm> {
        if self.settled.is_some_and(|settled| settled != own) {
            return None;
        }
        if own == self.of {
            Some(price)
        } else {
            rates?.convert(price, own, self.of)
        }
    }
}
