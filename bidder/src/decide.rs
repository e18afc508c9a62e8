//! A decision: one request in, one response out.
//!
//! Reads top to bottom in the order of the phases. Between decoding and encoding nothing locks
//! (the caps' shard is tried, never waited for), nothing allocates once the scratch has grown,
//! and nothing logs or reads a clock: time and chance are arguments, so that a recorded request
//! replays bit for bit.

use crate::catalog::Catalog;
use crate::draw::{Draw, Subject};
use crate::exchange::{Exchange, Links, NoBidStyle};
use crate::index::Dimension;
use crate::intake::{self, Features};
use crate::nobid::Closest;
use crate::permit::{self, Rules};
use crate::reserve::{self, Holder, Offer, Runtime};
use crate::respond::{self, Terms, Tokens, Winner};
use crate::select::Selection;
use crate::{NoBid, Plan, pace, shade, value};
use audience::{KeySeed, Lookup, UserKey};
use ledger::token::Signer;
use ledger::{Cpm, Currency, RateTable};
use openrtb::request::Imp;
use openrtb::{BidRequest, Fault, Flag, Limits, Scratch};
use std::iter::Peekable;

/// All that a decision reads and nobody changes meanwhile.
#[derive(Clone, Copy)]
pub struct Snapshot<'s> {
    /// What to buy with.
    pub catalog: &'s Catalog,
    /// Who may bid now, and how often; made from the same catalog.
    pub plan: &'s Plan,
    /// User → segments.
    pub audience: &'s Lookup,
    /// The seed of user keys, the one that the audience was built with.
    pub seed: KeySeed,
    /// Signs tokens.
    pub signer: &'s Signer,
    /// Where notices come back to.
    pub links: &'s Links,
    /// Exchange rates of the day; without them only floors in the advertiser's own currency can
    /// be met.
    pub rates: Option<&'s RateTable>,
    /// The exchange that calls.
    pub exchange: &'s Exchange,
    /// What is accepted.
    pub limits: Limits,
}

/// The buffers of a decision, owned by a serving thread and reused from request to request.
#[derive(Default)]
pub struct DecisionScratch {
    decode: Scratch,
    work: Work,
}

/// The buffers behind decoding, for a request that is decoded already.
#[derive(Default)]
pub struct Work {
    features: Features,
    selection: Selection,
    rules: Rules,
    /// The candidates with the most that each could bid, highest first.
    ranking: Vec<(Cpm, u32)>,
    offers: Vec<Offer>,
    winners: Vec<Winner>,
    tokens: Tokens,
}

/// A request was answered with bids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decided {
    /// Bids in the response.
    pub bids: u32,
    /// Their currency.
    pub currency: Currency,
    /// Line items that were targeted at the request.
    pub candidates: u32,
    /// Offers that a lease refused.
    pub refusals: u32,
    /// The request was a test: nothing was reserved and nothing will be billed.
    pub test: bool,
}

/// A request was not answered with bids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Not a request that can be read: 413 where [`Fault::is_limit`], else 400.
    Malformed(Fault),
    /// No bid; the output holds the body that the exchange asks for, or nothing.
    NoBid(NoBid),
}

/// Decides on the bytes of a request at `now_ms` (unix milliseconds) and leaves the response in
/// `out`, whose content is replaced. `seed` must differ from request to request.
///
/// # Errors
/// The [`Outcome`] where there is no bid.
pub fn decide(
    body: &[u8],
    snapshot: &Snapshot<'_>,
    runtime: Runtime<'_>,
    scratch: &mut DecisionScratch,
    (now_ms, seed): (i64, u64),
    out: &mut Vec<u8>,
) -> Result<Decided, Outcome> {
    out.clear();
    let DecisionScratch { decode, work } = scratch;
    let request = intake::decode(decode, body, snapshot.limits).map_err(Outcome::Malformed)?;
    decide_request(&request, snapshot, runtime, work, (now_ms, seed), out).map_err(Outcome::NoBid)
}

/// Decides on a request that is decoded and valid.
///
/// # Errors
/// Why there is no bid; `out` then holds the body that the exchange asks for, or nothing.
pub fn decide_request(
    request: &BidRequest<'_>,
    snapshot: &Snapshot<'_>,
    runtime: Runtime<'_>,
    work: &mut Work,
    (now_ms, seed): (i64, u64),
    out: &mut Vec<u8>,
) -> Result<Decided, NoBid> {
    out.clear();
    let decided = buy(request, snapshot, runtime, work, (now_ms, seed), out);
    if let Err(reason) = decided
        && snapshot.exchange.no_bid == NoBidStyle::Body
    {
        respond::no_bid(request, reason, out);
    }
    decided
}

/// How many line items are targeted at a request: intake and selection alone, before any rule,
/// price or budget.
///
/// # Errors
/// [`NoBid::NothingActive`] or [`NoBid::NotTargeted`].
pub fn candidates(
    request: &BidRequest<'_>,
    snapshot: &Snapshot<'_>,
    work: &mut Work,
) -> Result<u32, NoBid> {
    select(request, snapshot, work)?;
    Ok(work.selection.items.len() as u32)
}

fn buy(
    request: &BidRequest<'_>,
    snapshot: &Snapshot<'_>,
    runtime: Runtime<'_>,
    work: &mut Work,
    (now_ms, seed): (i64, u64),
    out: &mut Vec<u8>,
) -> Result<Decided, NoBid> {
    in_time(request, snapshot.exchange)?;
    select(request, snapshot, work)?;
    work.rules
        .read(request, snapshot.catalog, snapshot.exchange)?;
    let candidates = work.selection.items.len() as u32;
    let now_s = u32::try_from(now_ms / 1_000).unwrap_or_default();
    let holder = Holder {
        user: work.features.user(),
        now_s,
        expires_at: now_s.saturating_add(snapshot.exchange.reservation_s),
        test: request.test.is_some_and(Flag::is_set),
    };
    let (draw, mut refusals, mut closest) = (Draw(seed), 0, Closest::default());
    let mut currency = Comparison::new(request, snapshot);
    work.winners.clear();
    rank(snapshot, currency, work, &mut closest);
    for (imp, at) in request.imp.iter().zip(0..) {
        if let Err(reason) = work.rules.read_imp(imp, snapshot.catalog, snapshot.rates) {
            closest.note(reason);
            continue;
        }
        let place = Place {
            request,
            imp,
            at,
            placement: placement(imp, snapshot),
        };
        let Work {
            ranking,
            offers,
            winners,
            rules,
            ..
        } = &mut *work;
        let auction = Auction {
            snapshot,
            rules,
            winners,
            currency,
            draw,
            user: holder.user,
        };
        let mut left = ranking.iter().peekable();
        let more = |offers: &mut Vec<Offer>, closest: &mut Closest| {
            auction.look(&place, &mut left, offers, closest);
        };
        let shared = (snapshot.catalog, snapshot.plan, runtime);
        let best = reserve::best(offers, more, holder, shared, &mut refusals, &mut closest);
        if let Some((offer, reservation)) = best {
            let own = snapshot.catalog.items[offer.item as usize].currency;
            currency.settled = Some(snapshot.catalog.currencies[own as usize]);
            let Offer {
                item,
                creative,
                price,
                ..
            } = offer;
            work.winners.push(Winner {
                imp: at,
                item,
                creative,
                price,
                reservation,
            });
        }
    }
    if work.winners.is_empty() {
        return Err(closest.reason());
    }
    let terms = Terms {
        currency: currency.settled.unwrap_or(currency.of),
        user: holder.user.map_or(0, |user| user.0),
        expires_at: holder.expires_at,
        epoch: runtime.epoch,
        draw,
        test: holder.test,
    };
    respond::bids(
        request,
        &work.winners,
        terms,
        snapshot,
        &mut work.tokens,
        out,
    );
    Ok(Decided {
        bids: work.winners.len() as u32,
        currency: terms.currency,
        candidates,
        refusals,
        test: terms.test,
    })
}

fn in_time(request: &BidRequest<'_>, exchange: &Exchange) -> Result<(), NoBid> {
    match request.tmax {
        Some(tmax @ 1..) if tmax <= i64::from(exchange.tmax_margin_ms) => {
            Err(NoBid::InsufficientTime)
        }
        _ => Ok(()),
    }
}

/// The line items that are targeted at the request.
fn select(request: &BidRequest<'_>, snapshot: &Snapshot<'_>, work: &mut Work) -> Result<(), NoBid> {
    let Snapshot {
        catalog,
        plan,
        audience,
        seed,
        exchange,
        ..
    } = snapshot;
    if plan.active_line_items() == 0 {
        return Err(NoBid::NothingActive);
    }
    let Work {
        features,
        selection,
        ..
    } = work;
    features.read(request, &exchange.id, &catalog.index, audience, *seed);
    selection.run(&catalog.index, &plan.active, features, &catalog.groups);
    if selection.items.is_empty() {
        return Err(NoBid::NotTargeted);
    }
    Ok(())
}

/// Ranks the candidates by the most that each could bid, in the currency of comparison.
fn rank(snapshot: &Snapshot<'_>, currency: Comparison, work: &mut Work, closest: &mut Closest) {
    let catalog = snapshot.catalog;
    work.ranking.clear();
    for &item in &work.selection.items {
        let bound = catalog.bounds[item as usize];
        let own = catalog.currencies[bound.currency as usize];
        let allowed = work.rules.allows(bound.currency);
        match currency
            .rank(bound.cpm, own, snapshot.rates)
            .filter(|_| allowed)
        {
            Some(rank) => work.ranking.push((rank, item)),
            None => closest.note(NoBid::CurrencyNotAllowed),
        }
    }
    // The catalog's order is the right one already where one currency is left.
    let descending = |pair: &[(Cpm, u32)]| pair[0].0 >= pair[1].0;
    if !work.ranking.windows(2).all(descending) {
        work.ranking.sort_unstable_by(|one, other| other.cmp(one));
    }
}

/// The imp that is decided on.
struct Place<'p, 'a> {
    request: &'p BidRequest<'a>,
    imp: &'p Imp<'a>,
    /// Place in the request.
    at: u32,
    /// Value of its `tagid` in the index.
    placement: Option<&'p u32>,
}

fn placement<'s>(imp: &Imp<'_>, snapshot: &Snapshot<'s>) -> Option<&'s u32> {
    snapshot.catalog.index.placements.get(imp.tagid?)
}

/// What the offers for an imp depend on.
struct Auction<'w, 's> {
    snapshot: &'w Snapshot<'s>,
    rules: &'w Rules,
    winners: &'w [Winner],
    currency: Comparison,
    draw: Draw,
    user: Option<UserKey>,
}

impl Auction<'_, '_> {
    /// Adds the offers of what is left of the candidates, until the next one could not beat the
    /// best offer.
    fn look<'r>(
        &self,
        place: &Place<'_, '_>,
        left: &mut Peekable<impl Iterator<Item = &'r (Cpm, u32)>>,
        offers: &mut Vec<Offer>,
        closest: &mut Closest,
    ) {
        let mut best = offers.iter().map(|offer| offer.rank).max();
        while let Some((_, item)) =
            left.next_if(|(bound, _)| best.is_none_or(|best| *bound >= best))
        {
            match self.offer(place, *item) {
                Ok(offer) => {
                    best = best.max(Some(offer.rank));
                    offers.push(offer);
                }
                Err(reason) => closest.note(reason),
            }
        }
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
        let placement = place.placement.map_or(&[][..], std::slice::from_ref);
        // One bid of a line item is enough for one request.
        let used = self.winners.iter().any(|winner| winner.item == at);
        if used || !placements.admits(placement, at) {
            return Err(NoBid::NotTargeted);
        }
        let (value, floor) = (value::of(item), self.rules.line_item(item)?);
        if value < floor {
            return Err(NoBid::BelowFloor);
        }
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
        let price = shade::price(value, floor).ok_or(NoBid::BelowFloor)?;
        if !pace::takes_part(
            plan.participation[item.campaign as usize],
            item.campaign,
            self.draw,
        ) {
            return Err(NoBid::Paced);
        }
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
struct Comparison {
    of: Currency,
    settled: Option<Currency>,
}

impl Comparison {
    /// Offers are compared in the first currency of the request that an advertiser pays in, so
    /// that rates are needed only where several are.
    fn new(request: &BidRequest<'_>, snapshot: &Snapshot<'_>) -> Self {
        let ours = &snapshot.catalog.currencies;
        let paid = |code: &&str| ours.iter().copied().find(|own| own.code() == *code);
        let first = request.cur.iter().find_map(paid);
        Self {
            of: first.unwrap_or(snapshot.exchange.currency),
            settled: None,
        }
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

#[cfg(test)]
mod tests;
