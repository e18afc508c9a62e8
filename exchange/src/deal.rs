//! Deals: what publishers have agreed with buyers, offered on the imps that they are about.
//!
//! A deal of ours is added to `imp.pmp.deals` where its dates, placement, format, country and
//! audience fit, and only its partners see it and may bid on it. Deals that a request brings by
//! itself stay as they are. Guaranteed deals are offered no faster than they were agreed: their
//! wins since the node began stay below the agreed rate, so a restart makes up nothing and never
//! delivers twice. Cost: deals × imps comparisons, nothing for publishers without deals.

use crate::catalog::{Format, Invalid};
use crate::counters::{Tally, labels};
use crate::lot;
use crate::market::Seller;
use crate::price::to_wire;
use crate::screen::Loss;
use bumpalo::Bump;
use ledger::{Cpm, Currency};
use openrtb::request::{self as wire, Imp, Pmp};
use openrtb::{BidRequest, List};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The tier of open bids and of deals that compete with them by price.
pub const OPEN_TIER: u8 = 3;

/// How a deal's winner pays (`deal.at`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// Its bid.
    FirstPrice,
    /// The second price among the bids of its tier.
    SecondPrice,
    /// The deal's floor.
    Fixed,
}

/// A number of impressions that is guaranteed between two times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Goal {
    /// Impressions.
    pub impressions: u64,
}

/// A deal.
#[derive(Clone, Debug)]
pub struct Deal {
    /// Its id, in requests and bids.
    pub id: Arc<str>,
    /// Id of the publisher that sells.
    pub publisher: Arc<str>,
    /// Nothing is sold on it below this, in the publisher's currency.
    pub floor: Cpm,
    /// The least price per second of video or audio, in the publisher's currency.
    pub floor_per_second: Option<Cpm>,
    /// How its winner pays.
    pub at: At,
    /// Whoever bids in a lower tier wins over all higher ones; [`OPEN_TIER`] is that of open bids.
    pub tier: u8,
    /// Impressions that are guaranteed from `starts_s` to `ends_s`.
    pub goal: Option<Goal>,
    /// Partners that may buy; empty means any.
    pub partners: Vec<Arc<str>>,
    /// Seats that may buy; empty means any.
    pub seats: Vec<Arc<str>>,
    /// Domains of advertisers that may be shown; empty means any.
    pub advertisers: Vec<Arc<str>>,
    /// Ids of placements that it is about; empty means all of the publisher's.
    pub placements: Vec<Arc<str>>,
    /// Formats that it is about; empty means any.
    pub formats: Vec<Format>,
    /// Countries that it is about, ISO 3166-1 alpha-3; empty means any.
    pub countries: Vec<Arc<str>>,
    /// Ids of segments in `user.data`, of which the user has one; empty means any user.
    pub segments: Vec<Arc<str>>,
    /// Unix seconds from which it is offered.
    pub starts_s: u32,
    /// Unix seconds until which it is offered.
    pub ends_s: u32,
}

labels! {
    /// What became of a deal on an imp that it is about.
    pub enum DealEvent {
        /// It was offered.
        Offered = "offered",
        /// It was not offered, since as much as was agreed so far is delivered.
        Paced = "paced",
        /// A buyer bid on it.
        Bid = "bid",
        /// A buyer won on it.
        Won = "won",
    }
}

/// What the node has counted of a deal.
#[derive(Debug, Default)]
pub struct Progress {
    /// What became of it.
    pub events: Tally<DealEvent>,
    /// Why bids on it did not win.
    pub losses: Tally<Loss>,
    /// Unix seconds of its first offer by this node; 0 before it.
    since_s: AtomicU64,
}

/// What the node has counted of one buyer of a deal.
#[derive(Debug, Default)]
pub struct Dealt {
    /// What became of its bids on the deal: [`DealEvent::Bid`] and [`DealEvent::Won`].
    pub events: Tally<DealEvent>,
    /// Why they did not win.
    pub losses: Tally<Loss>,
}

/// A deal with what was counted of it.
#[derive(Debug)]
pub struct Agreed {
    /// The deal.
    pub deal: Deal,
    /// What was counted.
    pub progress: Arc<Progress>,
    /// The same of each buyer who may see it or once might, in the market's order.
    pub buyers: Vec<Option<Arc<Dealt>>>,
}

impl Agreed {
    /// Counts a bid on the deal by the buyer at a place of the market, and why it did not win.
    pub(crate) fn count(&self, buyer: usize, lost: Option<Loss>) {
        let own = self.buyers.get(buyer).and_then(Option::as_ref);
        let each = [
            Some((&self.progress.events, &self.progress.losses)),
            own.map(|own| (&own.events, &own.losses)),
        ];
        for (events, losses) in each.into_iter().flatten() {
            events.count(DealEvent::Bid);
            match lost {
                None => events.count(DealEvent::Won),
                Some(loss) => losses.count(loss),
            }
        }
    }
}

impl Deal {
    /// Whether a partner may see it and bid on it.
    pub fn admits(&self, partner: &str) -> bool {
        self.partners.is_empty() || self.partners.iter().any(|one| &**one == partner)
    }

    /// What is wrong with it, each with its field.
    pub fn faults(&self) -> Vec<Invalid> {
        let mut faults = Vec::new();
        if self.floor < Cpm(0) {
            faults.push(Invalid::new("floor", "expected 0 or more"));
        }
        if self.at == At::Fixed && self.floor == Cpm(0) {
            faults.push(Invalid::new("floor", "a fixed price needs a floor above 0"));
        }
        if self.starts_s >= self.ends_s {
            faults.push(Invalid::new("end", "expected a time after the start"));
        }
        faults
    }

    fn is_about(&self, seller: &Seller, request: &BidRequest<'_>, imp: &Imp<'_>) -> bool {
        let placement = || {
            let placement = imp.tagid.and_then(|tagid| seller.placement(tagid));
            placement.is_some_and(|placement| self.placements.contains(&placement.id))
        };
        let geo = request.device.and_then(|device| device.geo);
        let country = || {
            let country = geo.and_then(|geo| geo.country);
            country.is_some_and(|own| {
                let mut countries = self.countries.iter();
                countries.any(|one| one.eq_ignore_ascii_case(own))
            })
        };
        let member = || {
            let data = request
                .user
                .map(|user| user.data.items())
                .unwrap_or_default();
            let mut ids = data.iter().flat_map(|data| data.segment.items());
            ids.any(|own| {
                let id = own.id.unwrap_or_default();
                self.segments.iter().any(|one| &**one == id)
            })
        };
        let format = || lot::formats(imp).any(|format| self.formats.contains(&format));
        (self.formats.is_empty() || format())
            && (self.placements.is_empty() || placement())
            && (self.countries.is_empty() || country())
            && (self.segments.is_empty() || member())
    }
}

impl Agreed {
    /// Whether a guaranteed deal has had what was agreed up to now.
    fn is_ahead(&self, now_s: u32) -> bool {
        let Some(goal) = self.deal.goal else {
            return false;
        };
        let first = self.progress.since_s.load(Ordering::Relaxed);
        let since = if first == 0 {
            self.progress.since_s.store(now_s.into(), Ordering::Relaxed);
            u64::from(now_s)
        } else {
            first
        };
        let begun = since.max(self.deal.starts_s.into());
        let whole = u64::from(self.deal.ends_s.saturating_sub(self.deal.starts_s)).max(1);
        let passed = u64::from(now_s).saturating_sub(begun) + 1;
        let due = u128::from(goal.impressions) * u128::from(passed) / u128::from(whole);
        // The first is due at once.
        u128::from(self.progress.events.get(DealEvent::Won)) >= due.max(1)
    }
}

/// The request with the deals of its publisher on the imps that they are about.
pub fn offer<'a>(
    seller: &'a Seller,
    mut request: BidRequest<'a>,
    now_s: u32,
    arena: &'a Bump,
) -> BidRequest<'a> {
    if seller.deals().is_empty() {
        return request;
    }
    let imps = request.imp.iter().map(|imp| {
        let mut deals = bumpalo::collections::Vec::new_in(arena);
        let known = imp.pmp.map(|pmp| pmp.deals.items()).unwrap_or_default();
        for agreed in seller.deals() {
            let deal = &agreed.deal;
            let open = (deal.starts_s..deal.ends_s).contains(&now_s);
            let stated = known.iter().any(|one| one.id == Some(&*deal.id));
            if !open || stated || !deal.is_about(seller, &request, imp) {
                continue;
            }
            if agreed.is_ahead(now_s) {
                agreed.progress.events.count(DealEvent::Paced);
                continue;
            }
            agreed.progress.events.count(DealEvent::Offered);
            deals.push(written(deal, seller.publisher.currency, arena));
        }
        if deals.is_empty() {
            return *imp;
        }
        deals.extend(known.iter().copied());
        let pmp = Pmp {
            deals: List::new(deals.into_bump_slice()),
            ..imp.pmp.copied().unwrap_or_default()
        };
        Imp {
            pmp: Some(arena.alloc(pmp)),
            ..*imp
        }
    });
    let imps = bumpalo::collections::Vec::from_iter_in(imps, arena);
    request.imp = List::new(imps.into_bump_slice());
    request
}

fn written<'a>(deal: &'a Deal, currency: Currency, arena: &'a Bump) -> wire::Deal<'a> {
    let texts = |list: &'a [Arc<str>]| -> List<'a, &'a str> {
        if list.is_empty() {
            return List::default();
        }
        let texts = list.iter().map(|one| &**one);
        List::new(bumpalo::collections::Vec::from_iter_in(texts, arena).into_bump_slice())
    };
    wire::Deal {
        id: Some(&deal.id),
        bidfloor: (deal.floor > Cpm(0)).then(|| to_wire(deal.floor)),
        bidfloorcur: Some(arena.alloc_str(currency.code())),
        at: Some(match deal.at {
            At::FirstPrice => 1,
            At::SecondPrice => 2,
            At::Fixed => 3,
        }),
        wseat: texts(&deal.seats),
        wadomain: texts(&deal.advertisers),
        guar: deal.goal.map(|_| 1),
        mincpmpersec: deal.floor_per_second.map(to_wire),
        ..wire::Deal::default()
    }
}

/// The imp as a partner sees it: without the deals of ours that are with others.
pub(crate) fn seen_by<'a>(
    seller: &Seller,
    partner: &str,
    imp: &Imp<'a>,
    arena: &'a Bump,
) -> Imp<'a> {
    let hidden = |deal: &wire::Deal<'_>| {
        let agreed = deal.id.and_then(|id| seller.deal(id));
        agreed.is_some_and(|agreed| !agreed.deal.admits(partner))
    };
    let Some(pmp) = imp.pmp.filter(|pmp| pmp.deals.iter().any(hidden)) else {
        return *imp;
    };
    let left = pmp.deals.iter().filter(|deal| !hidden(deal)).copied();
    let left = bumpalo::collections::Vec::from_iter_in(left, arena).into_bump_slice();
    let private = pmp.private_auction.is_some() || pmp.ext.is_some() || !left.is_empty();
    let pmp = Pmp {
        deals: List::new(left),
        ..*pmp
    };
    Imp {
        pmp: private.then(|| &*arena.alloc(pmp)),
        ..*imp
    }
}

/// The floor that a deal has for the length of a bid's video or audio, per thousand and in the
/// deal's currency; `None` where it has none for it.
pub(crate) fn floor_of_length(deal: &wire::Deal<'_>, seconds: Option<i64>) -> Option<f64> {
    let seconds = seconds.filter(|seconds| *seconds > 0)?;
    let ranges = deal.durfloors.iter().filter(|range| {
        range.mindur.is_none_or(|least| seconds >= least)
            && range.maxdur.is_none_or(|most| seconds <= most)
    });
    let of_range = ranges.filter_map(|range| range.bidfloor).reduce(f64::max);
    let of_second = deal.mincpmpersec.map(|price| price * seconds as f64);
    of_range.into_iter().chain(of_second).reduce(f64::max)
}
