//! A decision: one request in, one response out.
//!
//! Reads top to bottom in the order of the phases. Between decoding and encoding nothing locks
//! (the caps' shard is tried, never waited for), nothing allocates once the scratch has grown,
//! and nothing logs or reads a clock: time and chance are arguments, so that a recorded request
//! replays bit for bit.

mod explain;
mod offers;
pub(crate) mod watch;

pub use explain::{Beside, Explained, Price, Step, Taken, Verdict, explain, rehearse, taken};
pub(crate) use offers::{Auction, Place};

use crate::bits::Ones;
use crate::catalog::Catalog;
use crate::draw::Draw;
use crate::exchange::{Exchange, Links, NoBidStyle};
use crate::funnel::Counting;
use crate::intake::{self, Call, Features};
use crate::permit::Rules;
use crate::pod;
use crate::reserve::{self, Holder, Offer, Runtime};
use crate::respond::{self, Asked, Terms, Tokens, Winner};
use crate::select::Selection;
use crate::value::{self, Appraisal};
use crate::{NoBid, Plan};
use audience::{KeySeed, Lookup};
use bumpalo::Bump;
use ledger::token::Signer;
use ledger::{Cpm, Currency, Multiplier, RateTable};
use offers::{Candidates, Comparison};
use openrtb::native::NativeRequest;
use openrtb::{BidRequest, Fault, Flag, Limits, Scratch};
use pod::Company;
use std::ops::Range;
use watch::{Notes, Watch};

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
    /// What this impression is worth to line items that bid a value, where anything says so.
    pub appraisal: Option<&'s Appraisal>,
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
    /// The candidates with the most that each could bid, highest first, where they pay in
    /// several currencies.
    ranking: Vec<(Cpm, u32)>,
    offers: Vec<Offer>,
    winners: Vec<Winner>,
    tokens: Tokens,
    /// What native placements ask for is decoded here.
    arena: Bump,
}

/// A request was answered with bids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decided {
    /// Bids in the response.
    pub bids: u32,
    /// Their currency.
    pub currency: Currency,
    /// Candidates that were looked at: the dearest, until nobody left could bid more.
    pub looked_at: u32,
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
    decide_request(request, snapshot, runtime, work, (now_ms, seed), out).map_err(Outcome::NoBid)
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
    let funnel = runtime.funnel.filter(|_| !is_test(request));
    let (plans, caller) = ((snapshot.catalog, snapshot.plan), &snapshot.exchange.id);
    let mut counting = Counting::begin(funnel, plans, caller, Draw(seed));
    let surroundings = (snapshot, runtime);
    let decided = buy(
        request,
        surroundings,
        work,
        (now_ms, seed),
        &mut counting,
        out,
    );
    if let Err(reason) = decided
        && snapshot.exchange.no_bid == NoBidStyle::Body
    {
        respond::no_bid(request, reason, out);
    }
    decided
}

/// How many line items a request is narrowed to: intake and intersection alone, before the rules
/// that a line item is asked for when its turn comes, and before any price or budget.
///
/// # Errors
/// [`NoBid::NothingActive`] or [`NoBid::NotTargeted`].
pub fn candidates(
    request: &BidRequest<'_>,
    snapshot: &Snapshot<'_>,
    work: &mut Work,
    now_ms: i64,
) -> Result<u32, NoBid> {
    let plans = (snapshot.catalog, snapshot.plan);
    let mut nobody = Counting::begin(None, plans, "", Draw(0));
    select(request, snapshot, work, (Draw(0), now_ms), &mut nobody)?;
    let counts = work.selection.words.iter().map(|word| word.count_ones());
    Ok(counts.sum())
}

fn buy<W: Watch>(
    request: &BidRequest<'_>,
    (snapshot, runtime): (&Snapshot<'_>, Runtime<'_>),
    work: &mut Work,
    (now_ms, seed): (i64, u64),
    watch: &mut W,
    out: &mut Vec<u8>,
) -> Result<Decided, NoBid> {
    in_time(request, snapshot.exchange)?;
    let draw = Draw(seed);
    if snapshot.exchange.throttle.skips(draw) {
        return Err(NoBid::Throttled);
    }
    select(request, snapshot, work, (draw, now_ms), watch)?;
    work.rules
        .read(request, snapshot.catalog, snapshot.exchange)?;
    let holder = holder(request, snapshot, runtime, now_ms);
    let mut progress = Progress::new(Comparison::new(request, snapshot), watch);
    work.winners.clear();
    offers::by_deals(request, snapshot.catalog, &mut work.selection.words)?;
    let only = offers::rank(snapshot, progress.currency, work);
    let mut arena = std::mem::take(&mut work.arena);
    arena.reset();
    let natives = natives(request, &arena, snapshot.limits);
    for (imp, at) in request.imp.iter().zip(0..) {
        let native = natives.get(at as usize).and_then(Option::as_ref);
        let place = Place::new(request, (imp, native), at);
        let mut slots = 1;
        while slots > 0 {
            let only = only.clone();
            let surroundings = (snapshot, runtime);
            let parties = (holder, draw);
            match award(&place, only, surroundings, parties, work, &mut progress) {
                Ok(winner) => {
                    // Only a pod takes more than one.
                    let format = snapshot.catalog.creatives[winner.creative as usize].format;
                    let first = work.winners.last().is_none_or(|last| last.imp != at);
                    slots = if first {
                        pod::slots(imp, format)
                    } else {
                        slots
                    } - 1;
                    work.winners.push(winner);
                }
                Err(reason) => {
                    progress.notes.closest.note(reason);
                    break;
                }
            }
        }
    }
    let bids = work.winners.len() as u32;
    let terms = Terms {
        currency: progress.currency.of_response(),
        people: holder.people,
        expires_at: holder.expires_at,
        epoch: runtime.epoch,
        draw,
        test: holder.test,
    };
    if bids > 0 {
        let asked = Asked {
            request,
            natives: &natives,
        };
        let Work {
            winners, tokens, ..
        } = &mut *work;
        respond::bids(asked, winners, terms, snapshot, tokens, out);
    }
    drop(natives);
    work.arena = arena;
    if bids == 0 {
        return Err(progress.notes.closest.reason());
    }
    Ok(Decided {
        bids,
        currency: terms.currency,
        looked_at: progress.looked_at,
        refusals: progress.refusals,
        test: terms.test,
    })
}

/// What the native placements of a request ask for, by imp; nothing where there is none, which
/// costs nothing. They come as JSON within JSON, so reading them allocates.
fn natives<'n>(
    request: &'n BidRequest<'_>,
    arena: &'n Bump,
    limits: Limits,
) -> Vec<Option<NativeRequest<'n>>> {
    if request.imp.iter().all(|imp| imp.native.is_none()) {
        return Vec::new();
    }
    let decoded = request.imp.iter().map(|imp| {
        let markup = imp.native?.request?;
        openrtb::native::decode(markup, arena, limits).ok()
    });
    decoded.collect()
}

fn is_test(request: &BidRequest<'_>) -> bool {
    request.test.is_some_and(Flag::is_set)
}

/// Who holds what is bid.
fn holder(
    request: &BidRequest<'_>,
    snapshot: &Snapshot<'_>,
    runtime: Runtime<'_>,
    now_ms: i64,
) -> Holder {
    let now_s = u32::try_from(now_ms / 1_000).unwrap_or_default();
    Holder {
        people: runtime.caps.identity().people(request, snapshot.seed),
        now_s,
        expires_at: now_s.saturating_add(snapshot.exchange.reservation_s),
        multiplier: Multiplier::ONE,
        test: is_test(request),
    }
}

/// What the imps of a request know of each other.
struct Progress<'w, W> {
    currency: Comparison,
    refusals: u32,
    looked_at: u32,
    notes: Notes<'w, W>,
}

impl<'w, W: Watch> Progress<'w, W> {
    fn new(currency: Comparison, watch: &'w mut W) -> Self {
        Self {
            currency,
            refusals: 0,
            looked_at: 0,
            notes: Notes::new(watch),
        }
    }
}

/// The best offer for an imp that caps and leases allow.
fn award(
    place: &Place<'_, '_>,
    only: Option<Range<u32>>,
    (snapshot, runtime): (&Snapshot<'_>, Runtime<'_>),
    (holder, draw): (Holder, Draw),
    work: &mut Work,
    progress: &mut Progress<'_, impl Watch>,
) -> Result<Winner, NoBid> {
    let catalog = snapshot.catalog;
    let holder = Holder {
        multiplier: intake::multiplier(place.spot.imp).ok_or(NoBid::Multiplier)?,
        ..holder
    };
    work.rules
        .read_imp(place.spot.imp, catalog, snapshot.rates)?;
    let Work {
        features,
        selection,
        ranking,
        offers,
        winners,
        rules,
        ..
    } = work;
    let currency = progress.currency;
    let company = Company {
        request: place.spot.request,
        catalog,
        winners,
    };
    let auction = Auction {
        snapshot,
        runtime,
        rules,
        company,
        selection,
        features,
        currency,
        draw,
        holder,
    };
    let candidates = match only {
        Some(range) => Candidates::InOrder(Ones::new(&selection.words, range)),
        None => Candidates::Ranked(ranking.iter()),
    };
    let mut left = candidates.bounded(&catalog.bounds).peekable();
    let Progress {
        refusals,
        looked_at,
        notes,
        ..
    } = progress;
    let more = |offers: &mut Vec<Offer>, notes: &mut Notes<'_, _>| {
        *looked_at += auction.look(place, &mut left, offers, notes);
    };
    let shared = (catalog, runtime);
    let best = reserve::best(offers, more, holder, shared, refusals, notes);
    let taken = best.as_ref().map(|(offer, _)| offer);
    notes.watch.over(&auction, place, holder, taken, offers);
    let (offer, reservation) = best.ok_or(notes.closest.reason())?;
    let own = catalog.items[offer.item as usize].currency;
    progress.currency.settle(catalog.currencies[own as usize]);
    let Offer {
        item,
        creative,
        price,
        bought,
        form,
        ..
    } = offer;
    Ok(Winner {
        imp: place.at,
        item,
        creative,
        price,
        bought,
        multiplier: holder.multiplier,
        form,
        reservation,
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
fn select<W: Watch>(
    request: &BidRequest<'_>,
    snapshot: &Snapshot<'_>,
    work: &mut Work,
    (draw, now_ms): (Draw, i64),
    watch: &mut W,
) -> Result<(), NoBid> {
    let Snapshot {
        catalog,
        plan,
        appraisal,
        ..
    } = snapshot;
    let counted = W::COUNTS && plan.counts(draw);
    if plan.active_line_items() == 0 && !counted {
        return Err(NoBid::NothingActive);
    }
    read(request, snapshot, work, now_ms);
    let Work {
        features,
        selection,
        ..
    } = work;
    if !counted {
        let any = selection.run(&catalog.index, &plan.active, features);
        return if any { Ok(()) } else { Err(NoBid::NotTargeted) };
    }
    selection.run(&catalog.index, &plan.eligible, features);
    selection.settle(&catalog.index, features);
    plan.traffic.count(&selection.words, |at| {
        let worth = value::of(&catalog.items[at as usize], at, *appraisal);
        if worth.is_some() {
            watch.targeted(at, plan.traffic.weight());
        }
        worth.is_some()
    });
    // What is left is the same as if only these had been asked for.
    let pairs = selection.words.iter_mut().zip(&plan.active);
    let any = pairs.fold(0, |any, (word, active)| {
        *word &= active;
        any | *word
    });
    match (any, plan.active_line_items()) {
        (1.., _) => Ok(()),
        (0, 0) => Err(NoBid::NothingActive),
        (0, 1..) => Err(NoBid::NotTargeted),
    }
}

fn read(request: &BidRequest<'_>, snapshot: &Snapshot<'_>, work: &mut Work, now_ms: i64) {
    let Snapshot {
        catalog,
        audience,
        seed,
        exchange,
        ..
    } = snapshot;
    let call = Call {
        request,
        exchange: &exchange.id,
        now_ms,
    };
    work.features.read(call, &catalog.index, audience, *seed);
}

#[cfg(test)]
mod tests;
