//! Reservation: of all offers for an imp the best one that caps and leases allow.
//!
//! The full price is held on every budget of the line item before the bid leaves. Nothing waits:
//! a lease that refuses hands the imp to the next offer. Bounded in how many offers are tried.

use crate::catalog::{Catalog, Display, Factor, Item};
use crate::decide::watch::{Notes, Watch};
use crate::fees::Bought;
use crate::frequency::{Hold, People};
use crate::{FrequencyCaps, Funnel, NoBid};
use ledger::{Book, Cpm, Multiplier, Refused, ReservationId, Reservations};
use openrtb::list::SlotInPod;

/// Offers that a lease may refuse before the imp is left alone.
const MOST_REFUSALS: u32 = 8;
/// Offers that are tried at all.
const MOST_TRIES: u32 = 64;

/// What a bid takes from, shared by all serving threads.
#[derive(Clone, Copy)]
pub struct Runtime<'r> {
    /// Open bids.
    pub reservations: &'r Reservations,
    /// Leases.
    pub book: &'r Book,
    /// Impressions by user.
    pub caps: &'r FrequencyCaps,
    /// Which run of this node the reservations belong to.
    pub epoch: u32,
    /// Counts what becomes of line items, where anybody wants to know.
    pub funnel: Option<&'r Funnel>,
}

/// A bid that could be made for an imp.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Offer {
    /// The price in the currency in which offers are compared.
    pub(crate) rank: Cpm,
    /// Decides between equal ranks.
    pub(crate) tie: u64,
    pub(crate) item: u32,
    pub(crate) creative: u32,
    pub(crate) price: Cpm,
    /// What it pays providers of data.
    pub(crate) bought: Bought,
    pub(crate) steps: Steps,
    pub(crate) form: Form,
}

/// How the price of an offer came about, in the advertiser's currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Steps {
    /// What the impression is worth.
    pub(crate) value: Cpm,
    /// The product of the factors that match.
    pub(crate) factor: Factor,
    /// The value times the factor, at most what the line item bids.
    pub(crate) modified: Cpm,
    /// What of that is left for the media, less the platform's fee and the data.
    pub(crate) left: Cpm,
    /// What is left of it after pacing.
    pub(crate) paced: Cpm,
    /// The least that is taken.
    pub(crate) floor: Cpm,
}

/// The form of a bid, besides what is shown at which price.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Form {
    /// Which of the creative's variants.
    pub(crate) variant: u8,
    /// Place of the deal in the imp; `None` in the open auction.
    pub(crate) deal: Option<u32>,
    /// The place that it asks for in a pod.
    pub(crate) slot: SlotInPod,
}

/// When and for whom.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Holder {
    pub(crate) people: People,
    pub(crate) now_s: u32,
    pub(crate) expires_at: u32,
    /// How many impressions the imp counts for.
    pub(crate) multiplier: Multiplier,
    /// A test takes nothing from anybody.
    pub(crate) test: bool,
}

/// Takes the best offer that can be paid for, and counts in `refusals` what leases refused.
///
/// `more` adds offers until none that is still missing could beat the best one there.
pub(crate) fn best<W: Watch>(
    offers: &mut Vec<Offer>,
    mut more: impl FnMut(&mut Vec<Offer>, &mut Notes<'_, W>),
    holder: Holder,
    (catalog, runtime): (&Catalog, Runtime<'_>),
    refusals: &mut u32,
    notes: &mut Notes<'_, W>,
) -> Option<(Offer, Option<ReservationId>)> {
    let most = *refusals + MOST_REFUSALS;
    offers.clear();
    for _ in 0..MOST_TRIES {
        more(offers, notes);
        let ranked = offers.iter().enumerate();
        let (at, _) = ranked.max_by_key(|(_, offer)| (offer.rank, offer.tie))?;
        let offer = offers.swap_remove(at);
        if holder.test {
            return Some((offer, None));
        }
        let item = &catalog.items[offer.item as usize];
        let shown = &catalog.creatives[offer.creative as usize];
        let reason = match hold((item, shown), &offer, holder, runtime) {
            Ok(reservation) => return Some((offer, Some(reservation))),
            Err(reason) => reason,
        };
        notes.stopped(offer.item, reason);
        *refusals += u32::from(matches!(reason, NoBid::NoBudget | NoBid::GoalReached));
        if reason == NoBid::ReservationsFull || *refusals == most {
            return None;
        }
    }
    None
}

/// Holds one impression of every cap and the full price with its fees, or neither.
fn hold(
    (item, shown): (&Item, &Display),
    offer: &Offer,
    holder: Holder,
    runtime: Runtime<'_>,
) -> Result<ReservationId, NoBid> {
    let Runtime {
        reservations,
        book,
        caps,
        ..
    } = runtime;
    let people = holder.people;
    let (now_s, expires_at) = (holder.now_s, holder.expires_at);
    let rules = item.frequency.iter().chain(&shown.frequency);
    caps.reserve(people, rules.clone(), Hold { now_s, expires_at })
        .map_err(|_| NoBid::FrequencyCapped)?;
    let amount = match &item.fees {
        Some(fees) => fees.most_for(offer.price, holder.multiplier, offer.bought),
        None => offer.price.most_for(holder.multiplier),
    };
    reservations
        .open(book, &item.budget, (amount, holder.multiplier), expires_at)
        .map_err(|refused| {
            caps.release(&people.exposure(rules), expires_at);
            match refused {
                Refused::Budget(slot) if item.budget.goals().contains(&slot) => NoBid::GoalReached,
                Refused::Budget(_) => NoBid::NoBudget,
                Refused::Full => NoBid::ReservationsFull,
            }
        })
}

/// Gives back what was held for an offer that is not made after all.
pub(crate) fn undo(
    (item, shown): (&Item, &Display),
    id: ReservationId,
    holder: Holder,
    runtime: Runtime<'_>,
) {
    runtime.reservations.release(runtime.book, id);
    let rules = item.frequency.iter().chain(&shown.frequency);
    let exposure = holder.people.exposure(rules);
    runtime.caps.release(&exposure, holder.expires_at);
}
