//! The offers for an imp: candidates by what each could bid, the dearest first, looked at until
//! nobody left could bid more.

use super::watch::{Notes, Watch};
use super::{Snapshot, Work};
use crate::bits::Ones;
use crate::catalog::{Bound, Catalog, Display, Factor, Format, Item, Strategy, Turns};
use crate::dimension::media::is_open;
use crate::draw::{Draw, Subject};
use crate::fees::Bought;
use crate::intake::Features;
use crate::modify::Seen;
use crate::permit::floor::{self, Money};
use crate::permit::{self, Rules, Spot};
use crate::pod::Company;
use crate::reserve::{Form, Holder, Offer, Runtime, Steps};
use crate::select::Selection;
use crate::{NoBid, pace, respond, shade, value};
use ledger::{Cpm, Currency, RateTable};
use openrtb::native::NativeRequest;
use openrtb::request::{Deal, Imp};
use openrtb::{BidRequest, Flag};
use std::iter::Peekable;
use std::ops::Range;

/// Takes from what was selected the line items that buy under deals where none of theirs is
/// offered, and those of the open auction where every imp is for the buyers of deals only.
///
/// # Errors
/// Nobody is left.
pub(super) fn by_deals(
    request: &BidRequest<'_>,
    catalog: &Catalog,
    selected: &mut [u64],
) -> Result<(), NoBid> {
    if catalog.dealt.count() == 0 {
        return Ok(());
    }
    let pmps = || request.imp.iter().filter_map(|imp| imp.pmp);
    let any = |selected: &[u64]| selected.iter().any(|word| *word != 0);
    let private = pmps().filter(|pmp| pmp.private_auction.is_some_and(Flag::is_set));
    if private.count() == request.imp.len() {
        catalog.open.remove_from(selected);
        if !any(selected) {
            return Err(NoBid::PrivateAuction);
        }
    }
    let ours = |deal: &Deal<'_>| deal.id.is_some_and(|id| catalog.deals.contains_key(id));
    if !pmps().any(|pmp| pmp.deals.iter().any(ours)) {
        catalog.dealt.remove_from(selected);
    }
    any(selected).then_some(()).ok_or(NoBid::NoDeal)
}

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
pub(crate) struct Place<'p, 'a> {
    pub(super) spot: Spot<'p, 'a>,
    /// Place in the request.
    pub(super) at: u32,
    /// Whether it has a banner that leaves its size open.
    open: bool,
}

impl<'p, 'a> Place<'p, 'a> {
    pub(super) fn new(
        request: &'p BidRequest<'a>,
        (imp, native): (&'p Imp<'a>, Option<&'p NativeRequest<'p>>),
        at: u32,
    ) -> Self {
        let open = imp.banner.is_some_and(is_open);
        let spot = Spot {
            request,
            imp,
            native,
        };
        Self { spot, at, open }
    }
}

/// What the offers for an imp depend on.
pub(crate) struct Auction<'w, 's, 'a> {
    pub(super) snapshot: &'w Snapshot<'s>,
    pub(super) runtime: Runtime<'w>,
    pub(super) rules: &'w Rules,
    pub(super) company: Company<'w, 'a>,
    pub(super) selection: &'w Selection,
    pub(super) features: &'w Features,
    pub(super) currency: Comparison,
    pub(super) draw: Draw,
    pub(super) holder: Holder,
}

impl<'a> Auction<'_, '_, 'a> {
    /// Adds the offers of what is left of the candidates, until the next one could not beat the
    /// best offer, and says how many candidates it looked at.
    pub(super) fn look(
        &self,
        place: &Place<'_, 'a>,
        left: &mut Peekable<impl Iterator<Item = (Cpm, u32)>>,
        offers: &mut Vec<Offer>,
        notes: &mut Notes<'_, impl Watch>,
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
                Err(reason) => notes.stopped(item, reason),
            }
        }
        looked_at
    }

    /// The offer of a line item that had no turn.
    pub(super) fn look_at(&self, place: &Place<'_, 'a>, item: u32) -> Result<Offer, NoBid> {
        let bound = self.snapshot.catalog.bounds[item as usize];
        let own = self.snapshot.catalog.currencies[bound.currency as usize];
        let compared = self.currency.rank(bound.cpm, own, self.snapshot.rates);
        if compared.is_none() || !self.rules.allows(bound.currency) {
            return Err(NoBid::CurrencyNotAllowed);
        }
        self.offer(place, item)
    }

    /// The offer of one line item: whether it may be shown, what that is worth, whether it takes
    /// part, at which price.
    fn offer(&self, place: &Place<'_, 'a>, at: u32) -> Result<Offer, NoBid> {
        let Snapshot { catalog, plan, .. } = *self.snapshot;
        let item = &catalog.items[at as usize];
        let (index, features) = (&catalog.index, self.features);
        // Of several imps one may have a format that another has not.
        let several = features.imps() > 1;
        if !self.selection.admits(index, features, at, place.at)
            || (several && !index.offers_slot(at, features, place.at))
        {
            return Err(NoBid::NotTargeted);
        }
        self.company.admits(at, item)?;
        self.rules.line_item(item)?;
        if !self.holder.people.satisfy(item.frequency.iter()) {
            return Err(NoBid::UnknownUser);
        }
        let control = plan.controls[item.campaign as usize];
        let threshold = match item.strategy {
            Strategy::Value => control.valued,
            Strategy::FixedCpm => control.fixed,
        };
        if !pace::takes_part(threshold, item.campaign, self.draw) {
            return Err(NoBid::Paced);
        }
        let mut closest = None;
        for way in self.rules.ways(item) {
            match self.by(way, place, (item, at)) {
                Ok(offer) => return Ok(offer),
                Err(reason) => closest = closest.max(Some(reason)),
            }
        }
        Err(closest.unwrap_or(NoBid::NoDeal))
    }

    /// The offer of a line item in the open auction, or under the deal at a place of the imp.
    fn by(
        &self,
        way: Option<u32>,
        place: &Place<'_, 'a>,
        (item, at): (&Item, u32),
    ) -> Result<Offer, NoBid> {
        let Snapshot { catalog, rates, .. } = *self.snapshot;
        let own = catalog.currencies[item.currency as usize];
        let money = Money { own, rates };
        let imp = place.spot.imp;
        let deals = imp.pmp.map(|pmp| pmp.deals.items()).unwrap_or_default();
        let deal = way.and_then(|way| deals.get(way as usize));
        let (creative, variant) = self.creative(place, (item, at), deal)?;
        let display = &catalog.creatives[creative as usize];
        let slot = self
            .company
            .position(item.pod_position, (imp, place.at), display.format)?;
        let floor = match deal {
            Some(deal) => floor::of_deal(deal, display.format, display.seconds, money)
                .ok_or(NoBid::CurrencyNotAllowed)?,
            None => self.rules.floor(imp, item, display, money)?,
        };
        let value = value::of(item, at, self.snapshot.appraisal).ok_or(NoBid::BelowFloor)?;
        let factor = self.factor((item, at), place, display);
        let modified = factor.of(value).min(item.max_cpm);
        let (left, bought) = match &item.fees {
            Some(fees) => {
                let bought = fees.bought(self.features);
                (fees.media_of(modified, bought), bought)
            }
            None => (modified, Bought::default()),
        };
        if left == Cpm(0) && item.fees.is_some() {
            return Err(NoBid::BelowMinimum);
        }
        let paced = self.paced(item, left);
        let worth = shade::price(paced, floor).ok_or(NoBid::BelowFloor)?;
        // The floor of a deal at a fixed price is that price (section 3.2.12).
        let fixed = deal.is_some_and(|deal| deal.at == Some(FIXED_PRICE)) && floor > Cpm(0);
        let price = if fixed { floor } else { worth };
        if item
            .priced
            .as_ref()
            .is_some_and(|priced| price < priced.least)
        {
            return Err(NoBid::BelowMinimum);
        }
        let rank = self
            .currency
            .rank(price, own, rates)
            .ok_or(NoBid::CurrencyNotAllowed)?;
        debug_assert!(price <= item.max_cpm, "the bound holds for every price");
        let form = Form {
            variant,
            deal: way,
            slot,
        };
        Ok(Offer {
            rank,
            tie: self.draw.bits(Subject::Tie(place.at, at)),
            item: at,
            creative,
            price,
            bought,
            steps: Steps {
                value,
                factor,
                modified,
                left,
                paced,
                floor,
            },
            form,
        })
    }

    /// What the line item's modifiers make of its price here.
    fn factor(&self, (item, at): (&Item, u32), place: &Place<'_, '_>, display: &Display) -> Factor {
        let Some(priced) = &item.priced else {
            return Factor::ONE;
        };
        let Snapshot { catalog, plan, .. } = *self.snapshot;
        let seen = Seen {
            features: self.features,
            imp: place.at,
            display,
            hour: plan.hour(item.advertiser),
        };
        priced.factor(catalog.index.modifiers_of(at), &seen)
    }

    /// What the line item would pay now: the value that it bids, paced, or its fixed price.
    fn paced(&self, item: &Item, value: Cpm) -> Cpm {
        match item.strategy {
            Strategy::Value => self.snapshot.plan.controls[item.campaign as usize].scale(value),
            Strategy::FixedCpm => value,
        }
    }

    /// The creative whose turn it is, of those that may be shown.
    fn creative(
        &self,
        place: &Place<'_, 'a>,
        (item, at): (&Item, u32),
        deal: Option<&Deal<'a>>,
    ) -> Result<(u32, u8), NoBid> {
        let catalog = self.snapshot.catalog;
        let drawn = self.draw.bits(Subject::Creative(place.at, at));
        let seen = || {
            let caps = self.runtime.caps;
            caps.seen(
                self.holder.people,
                item.sequence.as_ref()?,
                self.holder.now_s,
            )
        };
        let first = first(&item.rotation, item.creatives.len(), drawn, seen);
        rotate(&item.creatives, first, |creative| {
            let display = &catalog.creatives[creative as usize];
            if place.open && display.format == Format::Banner && !item.takes_open {
                return Err(NoBid::NoCreative);
            }
            let variant = self.rules.creative(creative, display, &place.spot)?;
            let seat = respond::seat(self.snapshot, item);
            if deal.is_some_and(|deal| !permit::deal_allows(deal, seat, display)) {
                return Err(NoBid::NoDeal);
            }
            self.company.shows(display, place.spot.imp, place.at)?;
            self.seldom(display)?;
            Ok(variant)
        })
    }
}

impl Auction<'_, '_, '_> {
    /// Whether the user has seen a creative seldom enough: another may then take its turn.
    fn seldom(&self, display: &Display) -> Result<(), NoBid> {
        let Holder { people, now_s, .. } = self.holder;
        let rules = || display.frequency.iter();
        if !people.satisfy(rules()) {
            return Err(NoBid::UnknownUser);
        }
        let admitted = rules().len() == 0 || self.runtime.caps.admits(people, &rules(), now_s);
        admitted.then_some(()).ok_or(NoBid::FrequencyCapped)
    }
}

/// `Deal.at` of a price that is agreed upon.
const FIXED_PRICE: i64 = 3;

/// The place of the creative whose turn it is.
fn first(turns: &Turns, count: usize, drawn: u64, seen: impl Fn() -> Option<u32>) -> usize {
    let below = |most: u64| ((u128::from(drawn) * u128::from(most)) >> 64) as u64;
    match turns {
        Turns::Even => below(count as u64) as usize,
        Turns::Weighted(ends) => {
            let drawn = below(ends.last().copied().unwrap_or(0));
            ends.partition_point(|end| *end <= drawn)
        }
        Turns::Sequential => match seen() {
            Some(seen) => seen as usize % count.max(1),
            None => below(count as u64) as usize,
        },
    }
}

/// The first creative that is permitted, from a place on; or the closest reason.
fn rotate(
    creatives: &[u32],
    first: usize,
    permitted: impl Fn(u32) -> Result<u8, NoBid>,
) -> Result<(u32, u8), NoBid> {
    let mut closest = None;
    let (before, after) = creatives.split_at(first.min(creatives.len()));
    for &creative in after.iter().chain(before) {
        match permitted(creative) {
            Ok(variant) => return Ok((creative, variant)),
            Err(reason) => closest = closest.max(Some(reason)),
        }
    }
    Err(closest.unwrap_or(NoBid::NoCreative))
}

/// The currency in which offers are compared. A response has one currency, so the first winner
/// decides for the imps after it.
#[derive(Clone, Copy)]
pub(crate) struct Comparison {
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

    /// The currency in which offers are compared.
    pub(super) fn of(self) -> Currency {
        self.of
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
