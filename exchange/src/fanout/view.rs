//! Views: the request as a partner sees it, written once for all partners that see the same.

use super::split;
use crate::catalog::{Format, Pricing};
use crate::deal;
use crate::invite::Invitation;
use crate::link::{Question, packed};
use crate::lot::Auction;
use crate::market::Buyer;
use crate::price::to_wire;
use bumpalo::Bump;
use bytes::Bytes;
use ledger::Cpm;
use openrtb::request::Imp;
use openrtb::{BidRequest, Encode, Flag, List};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The request bodies of an auction, one for each view that differs.
pub(super) struct Bodies<'b, 'a> {
    auction: &'b Auction<'a>,
    arena: &'b Bump,
    written: Vec<Written<'b>>,
}

struct Written<'b> {
    invited: Invitation<'b>,
    tmax: i64,
    body: Bytes,
    packed: Option<Bytes>,
}

impl<'b, 'a> Bodies<'b, 'a> {
    pub(super) fn new(auction: &'b Auction<'a>, arena: &'b Bump) -> Self {
        Self {
            auction,
            arena,
            written: Vec::new(),
        }
    }

    /// The question for a partner whose answer must be there at `until`.
    pub(super) fn question(
        &mut self,
        invited: Invitation<'b>,
        now: Instant,
        until: Instant,
    ) -> Question {
        let buyer = &self.auction.market.buyers()[invited.buyer];
        let treatment = &buyer.partner.treatment;
        let margin = Duration::from_millis(treatment.network_margin_ms.into());
        let left = until.saturating_duration_since(now).saturating_sub(margin);
        let tmax = i64::try_from(left.as_millis()).unwrap_or(i64::MAX);
        let mut known = self.written.iter();
        let known = known.position(|one| one.tmax == tmax && self.same_view(one.invited, invited));
        let at = known.unwrap_or_else(|| {
            let body = self.write(invited, buyer, tmax);
            self.written.push(Written {
                invited,
                tmax,
                body,
                packed: None,
            });
            self.written.len() - 1
        });
        let written = &mut self.written[at];
        if treatment.gzip_requests && written.packed.is_none() {
            written.packed = Some(packed(&written.body));
        }
        Question {
            body: written.body.clone(),
            packed: written.packed.clone().filter(|_| treatment.gzip_requests),
            told: Duration::from_millis(tmax.unsigned_abs()),
            until,
        }
    }

    /// Whether two partners see the same imps at the same floors in the same form.
    fn same_view(&self, one: Invitation<'_>, other: Invitation<'_>) -> bool {
        let buyers = self.auction.market.buyers();
        let (left, right) = (&buyers[one.buyer], &buyers[other.buyer]);
        let splits = |buyer: &Buyer| buyer.partner.treatment.splits_formats;
        let told = |lot: usize, buyer: usize| self.auction.floor(lot, buyer).signalled;
        one.lots == other.lots
            && Arc::ptr_eq(&left.shapes, &right.shapes)
            && left.partner.formats == right.partner.formats
            && splits(left) == splits(right)
            && self.auction.seller.deals().iter().all(|agreed| {
                agreed.deal.admits(&left.partner.id) == agreed.deal.admits(&right.partner.id)
            })
            && one
                .lots
                .iter()
                .all(|lot| told(*lot, one.buyer) == told(*lot, other.buyer))
    }

    fn write(&self, invited: Invitation<'_>, buyer: &Buyer, tmax: i64) -> Bytes {
        let mut out = Vec::with_capacity(4096);
        view(self.auction, invited, tmax, self.arena).encode(&mut out);
        for shape in &*buyer.shapes {
            let mut reshaped = Vec::with_capacity(out.len() + 256);
            shape.apply(&out, &mut reshaped);
            out = reshaped;
        }
        out.into()
    }
}

/// The request as a partner sees it: its imps with their floors and the formats that it buys, whether
/// they are all, the time that is truly left, the kind of auction, and the currencies that are accepted.
/// Everything else, unknown fields included, is as the publisher sent it.
pub fn view<'a>(
    auction: &Auction<'a>,
    invited: Invitation<'_>,
    tmax_ms: i64,
    arena: &'a Bump,
) -> BidRequest<'a> {
    let buyer = &auction.market.buyers()[invited.buyer];
    let currency: &'a str = arena.alloc_str(auction.currency.code());
    let splits = buyer.partner.treatment.splits_formats && split::can_split(auction);
    let mut imps = bumpalo::collections::Vec::with_capacity_in(invited.lots.len(), arena);
    for index in invited.lots {
        let lot = &auction.lots[*index];
        let floor = auction.floor(*index, invited.buyer).signalled;
        let given = floor > Cpm(0);
        let imp = Imp {
            bidfloor: given.then(|| to_wire(floor)),
            bidfloorcur: given.then_some(currency),
            ..split::only(lot.imp, |format: Format| buyer.buys(format))
        };
        let imp = deal::seen_by(auction.seller, &buyer.partner.id, &imp, arena);
        let parts = if splits {
            split::split(&imp, arena)
        } else {
            Vec::new()
        };
        if parts.is_empty() {
            imps.push(imp);
        } else {
            imps.extend(parts);
        }
    }
    let cur = match auction.request.cur.items() {
        [] => List::new(std::slice::from_ref(arena.alloc(currency))),
        _ => auction.request.cur,
    };
    let at = match auction.seller.publisher.pricing {
        Pricing::FirstPrice => 1,
        Pricing::SecondPrice { .. } => 2,
    };
    // A partner that is not shown every imp is not told that these are all.
    let whole = invited.lots.len() == auction.lots.len();
    BidRequest {
        imp: List::new(imps.into_bump_slice()),
        allimps: auction
            .request
            .allimps
            .map(|all| if whole { all } else { Flag(0) }),
        tmax: Some(tmax_ms),
        at: Some(at),
        cur,
        ..auction.request
    }
}
