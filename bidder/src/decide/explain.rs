//! Why each line item bids on a request or does not: the decision itself, watched.
//!
//! Nothing is decided here. [`explain`] runs the decision as it would be made now, holds and
//! all, listens to what stops whom, and gives back what was held. Whoever had no turn, because
//! dearer offers came before, is given one by the same code. For people: linear in the line
//! items, and it allocates.

mod detail;
mod verdict;

pub use verdict::{Beside, Explained, Price, Step, Taken, Verdict};

use super::watch::Watch;
use super::{Auction, DecisionScratch, Place, Snapshot, Work, buy, holder, intake, read};
use crate::NoBid;
use crate::catalog::{Catalog, Dimension, PodPosition};
use crate::index::SLOT;
use crate::intake::{Call, Features};
use crate::permit::Rules;
use crate::reserve::{self, Holder, Offer, Runtime};
use detail::Facts;
use openrtb::{BidRequest, Fault, Flag};
use std::collections::{BTreeMap, HashMap, HashSet};

/// Explains the decision on the bytes of a request at `now_ms` (unix milliseconds) for the line
/// items that `wanted` picks by their ids. The same `seed` draws the same lots.
///
/// What the decision holds on leases and caps is given back before this returns.
///
/// # Errors
/// Not a request that can be read.
pub fn explain<'s>(
    body: &[u8],
    snapshot: &Snapshot<'s>,
    runtime: Runtime<'_>,
    scratch: &mut DecisionScratch,
    (now_ms, seed): (i64, u64),
    wanted: impl Fn(&str) -> bool,
) -> Result<Explained<'s>, Fault> {
    let DecisionScratch { decode, work } = scratch;
    let request = intake::decode(decode, body, snapshot.limits)?;
    let numbered = (0..).zip(&snapshot.catalog.items);
    let picked = numbered.filter(|(_, item)| wanted(&item.id));
    let items = picked.map(|(at, _)| at).collect();
    let now = (now_ms, seed);
    Ok(watched(request, (snapshot, runtime), work, now, items))
}

/// Explains the decision for every line item as if the request were a test: leases and caps are
/// not even asked. For requests of the past, which take nothing from anybody now.
///
/// # Errors
/// Not a request that can be read.
pub fn rehearse<'s>(
    body: &[u8],
    snapshot: &Snapshot<'s>,
    runtime: Runtime<'_>,
    scratch: &mut DecisionScratch,
    now: (i64, u64),
) -> Result<Explained<'s>, Fault> {
    let all = (0..snapshot.catalog.items.len() as u32).collect();
    as_test(body, (snapshot, runtime), scratch, now, all)
}

/// The offers that would be taken if the request were a test. Costs what a decision does.
///
/// # Errors
/// Not a request that can be read.
pub fn taken(
    body: &[u8],
    snapshot: &Snapshot<'_>,
    runtime: Runtime<'_>,
    scratch: &mut DecisionScratch,
    now: (i64, u64),
) -> Result<Vec<Taken>, Fault> {
    let explained = as_test(body, (snapshot, runtime), scratch, now, Vec::new());
    explained.map(|explained| explained.taken)
}

fn as_test<'s>(
    body: &[u8],
    surroundings: (&Snapshot<'s>, Runtime<'_>),
    scratch: &mut DecisionScratch,
    now: (i64, u64),
    items: Vec<u32>,
) -> Result<Explained<'s>, Fault> {
    let DecisionScratch { decode, work } = scratch;
    let mut request = *intake::decode(decode, body, surroundings.0.limits)?;
    request.test = Some(Flag(1));
    Ok(watched(&request, surroundings, work, now, items))
}

fn watched<'s>(
    request: &BidRequest<'_>,
    (snapshot, runtime): (&Snapshot<'s>, Runtime<'_>),
    work: &mut Work,
    (now_ms, seed): (i64, u64),
    items: Vec<u32>,
) -> Explained<'s> {
    let catalog = snapshot.catalog;
    let mut explainer = Explainer {
        snapshot: *snapshot,
        runtime,
        call: Call {
            request,
            exchange: &snapshot.exchange.id,
            now_ms,
        },
        items,
        noted: HashMap::new(),
        visited: HashSet::new(),
        steps: BTreeMap::new(),
        taken: Vec::new(),
    };
    work.winners.clear();
    let mut out = Vec::new();
    let now = (now_ms, seed);
    let outcome = buy(
        request,
        (snapshot, runtime),
        work,
        now,
        &mut explainer,
        &mut out,
    );
    let holder = holder(request, snapshot, runtime, now_ms);
    for winner in &work.winners {
        if let Some(id) = winner.reservation {
            let item = &catalog.items[winner.item as usize];
            let shown = &catalog.creatives[winner.creative as usize];
            reserve::undo((item, shown), id, holder, runtime);
        }
    }
    if explainer.visited.is_empty() {
        // It may have ended before anything was read.
        read(request, snapshot, work, now_ms);
    }
    explainer.rest(&work.features, outcome.err());
    let taken = std::mem::take(&mut explainer.taken);
    Explained {
        outcome,
        verdicts: explainer.verdicts(),
        taken,
    }
}

/// Listens to a decision.
struct Explainer<'x, 's, 'a> {
    snapshot: Snapshot<'s>,
    runtime: Runtime<'x>,
    call: Call<'x, 'a>,
    /// Who is explained, in the order of the catalog.
    items: Vec<u32>,
    /// What stopped those who had a turn on the imp.
    noted: HashMap<u32, NoBid>,
    /// Imps on which anybody could have a turn.
    visited: HashSet<u32>,
    /// By imp and line item.
    steps: BTreeMap<(u32, u32), Step<'s>>,
    taken: Vec<Taken>,
}

impl Watch for Explainer<'_, '_, '_> {
    const COUNTS: bool = false;

    fn targeted(&mut self, _: u32, _: u32) {}

    fn stopped(&mut self, item: u32, reason: NoBid) {
        self.noted.insert(item, reason);
    }

    fn over(
        &mut self,
        auction: &Auction<'_, '_, '_>,
        place: &Place<'_, '_>,
        holder: Holder,
        best: Option<&Offer>,
        left: &[Offer],
    ) {
        for item in self.items.clone() {
            let early = self.before_any_turn(auction.features, place.at, item);
            let noted = self.noted.get(&item).copied();
            debug_assert!(
                noted.is_none()
                    || early.is_some() == (noted == Some(NoBid::NotTargeted))
                    || self.snapshot.catalog.items[item as usize].pod_position != PodPosition::Any,
                "{noted:?} {early:?}"
            );
            let step = early.unwrap_or_else(|| match noted {
                Some(reason) => self.stopped_by(reason, place.at, item, holder),
                None => self.offered(auction, place, (item, holder), best, left),
            });
            // A pod is filled one after the other: who bid, bid, and else the first round says
            // why not.
            let at = (place.at, item);
            if !self.steps.contains_key(&at) || matches!(step, Step::Bid(_)) {
                self.steps.insert(at, step);
            }
        }
        self.taken.extend(best.map(|offer| Taken {
            imp: place.at,
            rank: offer.rank,
            currency: auction.currency.of(),
        }));
        self.noted.clear();
        self.visited.insert(place.at);
    }
}

impl<'s> Explainer<'_, 's, '_> {
    fn catalog(&self) -> &'s Catalog {
        self.snapshot.catalog
    }

    /// What stops a line item before it could have a turn on an imp: its plan, its targeting,
    /// the formats and sizes of its creatives.
    fn before_any_turn(&self, features: &Features, imp: u32, item: u32) -> Option<Step<'s>> {
        let index = &self.catalog().index;
        if let Some(idle) = self.snapshot.plan.why_idle(item as usize) {
            return Some(Step::Idle(idle));
        }
        let place = index.first_failing(item, features, imp);
        if let Some(place) = place {
            let subject = index.at(place).subject.clone();
            let seen = self.seen(features, place, imp);
            return Some(Step::NotTargeted {
                subject,
                wanted: None,
                seen,
            });
        }
        (!index.offers_slot(item, features, imp)).then(|| Step::NotTargeted {
            subject: Dimension::Slot.into(),
            wanted: Some(
                self.facts(imp, None)
                    .creatives(&self.catalog().items[item as usize]),
            ),
            seen: self.seen(features, SLOT, imp),
        })
    }

    /// The step of a line item that no rule stopped in its turn, or that had none.
    fn offered(
        &self,
        auction: &Auction<'_, '_, '_>,
        place: &Place<'_, '_>,
        (item, holder): (u32, Holder),
        best: Option<&Offer>,
        left: &[Offer],
    ) -> Step<'s> {
        let taken = best.filter(|offer| offer.item == item);
        if let Some(offer) = taken {
            return Step::Bid(self.price(offer, auction));
        }
        let own = left.iter().find(|offer| offer.item == item).copied();
        let offer = own.map_or_else(|| auction.look_at(place, item), Ok);
        match (offer, best) {
            (Ok(offer), Some(best)) => {
                let by = self.items.binary_search(&best.item).is_ok();
                let by = by.then(|| &*self.catalog().items[best.item as usize].id);
                Step::Outbid {
                    price: self.price(&offer, auction),
                    by,
                }
            }
            // Leases refused so many that the imp was left alone.
            (Ok(_), None) => self.stopped_by(NoBid::NoBudget, place.at, item, holder),
            (Err(reason), _) => self.stopped_by(reason, place.at, item, holder),
        }
    }

    fn price(&self, offer: &Offer, auction: &Auction<'_, '_, '_>) -> Price<'s> {
        let catalog = self.catalog();
        let item = &catalog.items[offer.item as usize];
        Price {
            creative: &catalog.creatives[offer.creative as usize].id,
            deal: offer.form.deal,
            currency: catalog.currencies[item.currency as usize],
            max_cpm: item.max_cpm,
            value: offer.steps.value,
            factor: offer.steps.factor,
            modified: offer.steps.modified,
            fees: item.fees.as_ref().map(|fees| Beside {
                platform_ppm: fees.platform_ppm(),
                data: fees.data(offer.bought),
                left: offer.steps.left,
            }),
            paced: offer.steps.paced,
            floor: offer.steps.floor,
            price: offer.price,
            rank: offer.rank,
            compared_in: auction.currency.of(),
        }
    }

    fn seen(&self, features: &Features, place: u16, imp: u32) -> Vec<String> {
        let (index, request) = (&self.catalog().index, self.call.request);
        let seen = features.seen(self.call, index, place, &request.imp[imp as usize]);
        detail::readable(&index.at(place).subject, seen, request)
    }

    fn facts(&self, imp: u32, holder: Option<Holder>) -> Facts<'_, 's, '_> {
        Facts {
            snapshot: &self.snapshot,
            runtime: self.runtime,
            request: self.call.request,
            imp: &self.call.request.imp[imp as usize],
            holder,
        }
    }

    fn stopped_by(
        &self,
        reason: NoBid,
        imp: u32,
        item: u32,
        holder: impl Into<Option<Holder>>,
    ) -> Step<'s> {
        let facts = self.facts(imp, holder.into());
        let (wanted, seen) = facts.of(reason, &self.catalog().items[item as usize]);
        Step::Stopped {
            reason,
            wanted,
            seen,
        }
    }

    /// Says what became of those on imps on which nobody had a turn.
    fn rest(&mut self, features: &Features, outcome: Option<NoBid>) {
        for imp in 0..self.call.request.imp.len() as u32 {
            if self.visited.contains(&imp) {
                continue;
            }
            for item in self.items.clone() {
                let early = self.before_any_turn(features, imp, item);
                let step = early.unwrap_or_else(|| {
                    let reason = self.closed_to(imp, item, outcome);
                    self.stopped_by(reason, imp, item, None)
                });
                self.steps.insert((imp, item), step);
            }
        }
    }

    /// Why a line item had no turn on an imp on which nobody had one.
    fn closed_to(&self, imp: u32, item: u32, outcome: Option<NoBid>) -> NoBid {
        let (request, catalog) = (self.call.request, self.catalog());
        if let Some(whole @ (NoBid::InsufficientTime | NoBid::Throttled)) = outcome {
            return whole;
        }
        // Deals are looked at for the whole request, before any imp.
        let by_deals = self.visited.is_empty()
            && [Some(NoBid::NoDeal), Some(NoBid::PrivateAuction)].contains(&outcome);
        let item = &catalog.items[item as usize];
        let mut rules = Rules::default();
        let mut asked = || {
            rules.read(request, catalog, self.snapshot.exchange)?;
            let imp = &request.imp[imp as usize];
            if !by_deals {
                intake::multiplier(imp).ok_or(NoBid::Multiplier)?;
            }
            // Whoever buys under deals is told of them, and not of those of others.
            let read = rules.read_imp(imp, catalog, self.snapshot.rates);
            read.or_else(|reason| {
                if item.deals.is_empty() {
                    Err(reason)
                } else {
                    Ok(())
                }
            })?;
            rules.line_item(item)
        };
        let reason = asked().err().or(outcome);
        reason.unwrap_or(NoBid::CurrencyNotAllowed)
    }

    fn verdicts(self) -> Vec<Verdict<'s>> {
        let items = &self.snapshot.catalog.items;
        let verdict = |((imp, item), step)| Verdict {
            line_item: &items[item as usize].id,
            imp,
            step,
        };
        self.steps.into_iter().map(verdict).collect()
    }
}

#[cfg(test)]
mod tests;
