//! A trace: what one auction did, told to whoever may look into it.
//!
//! Nobody pays for it but the request that asks for it, and it changes nothing: the same imps are
//! offered to the same partners, who are not told. What belongs to others stays out of it: of an
//! answer only members that are known to be harmless are told, as they were understood, so that no
//! markup, notice address or extension, which hold tokens, comes through in whatever shape.

use crate::clear::Award;
use crate::counters::{Label, PartnerEvent};
use crate::floor::Source;
use crate::lot::Auction;
use crate::price::to_wire;
use crate::screen::Offer;
use bytes::Bytes;
use openrtb::list::{CategoryTaxonomy, NoBidReason};
use openrtb::response::{Bid, SeatBid};
use openrtb::{BidResponse, Flag};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::time::Instant;

/// The longest body that is told, in bytes.
const MOST: usize = 64 * 1024;

/// What an auction did, while it does it.
#[derive(Debug)]
pub struct Trace {
    begun: Instant,
    /// The publishers whose auctions may be looked into; `None` for all.
    publishers: Option<Vec<String>>,
    calls: RefCell<Vec<Called>>,
}

/// What became of a partner.
#[derive(Debug)]
struct Called {
    buyer: usize,
    outcome: Option<PartnerEvent>,
    asked: Option<(Instant, Bytes)>,
    answered: Option<Answered>,
}

#[derive(Debug)]
struct Answered {
    at: Instant,
    bytes: usize,
    /// What was understood of it.
    told: Option<Value>,
}

impl Trace {
    /// A trace of an auction that began at a time, for whoever may look into those of
    /// `publishers`, or of all.
    pub fn new(begun: Instant, publishers: Option<Vec<String>>) -> Self {
        Self {
            begun,
            publishers,
            calls: RefCell::default(),
        }
    }

    /// Whether the auctions of a publisher may be looked into.
    pub(crate) fn covers(&self, publisher: &str) -> bool {
        let among = |own: &Vec<String>| own.iter().any(|one| one == publisher);
        self.publishers.as_ref().is_none_or(among)
    }

    fn of(&self, buyer: usize, change: impl FnOnce(&mut Called)) {
        let mut calls = self.calls.borrow_mut();
        let known = calls.iter().position(|call| call.buyer == buyer);
        let at = known.unwrap_or_else(|| {
            calls.push(Called {
                buyer,
                outcome: None,
                asked: None,
                answered: None,
            });
            calls.len() - 1
        });
        change(&mut calls[at]);
    }

    pub(crate) fn became(&self, buyer: usize, outcome: PartnerEvent) {
        self.of(buyer, |call| call.outcome = Some(outcome));
    }

    pub(crate) fn asked(&self, buyer: usize, at: Instant, body: &Bytes) {
        self.of(buyer, |call| call.asked = Some((at, body.clone())));
    }

    pub(crate) fn answered(&self, buyer: usize, at: Instant, bytes: usize) {
        let told = None;
        self.of(buyer, |call| {
            call.answered = Some(Answered { at, bytes, told });
        });
    }

    pub(crate) fn understood(&self, buyer: usize, response: &BidResponse<'_>) {
        self.of(buyer, |call| {
            if let Some(answered) = &mut call.answered {
                answered.told = Some(harmless(response));
            }
        });
    }

    /// What there is to tell, as `ext.gavel.debug`.
    pub(crate) fn told(
        &self,
        auction: &Auction<'_>,
        offers: &[Offer<'_>],
        awards: &[Award],
    ) -> Value {
        let calls = self.calls.borrow();
        json!({
            "publisher": &*auction.seller.publisher.id,
            "currency": auction.currency.code(),
            "imps": imps(auction),
            "calls": calls.iter().map(|call| self.call(auction, call)).collect::<Vec<_>>(),
            "bids": bids(auction, offers, awards),
        })
    }

    fn call(&self, auction: &Auction<'_>, call: &Called) -> Value {
        let since = |at: Instant| {
            let micros = at.saturating_duration_since(self.begun).as_micros();
            micros as f64 / 1e3
        };
        let answered = call.answered.as_ref();
        let response = answered.map(|answered| match &answered.told {
            Some(told) => told.clone(),
            None => format!("{} bytes that were no answer", answered.bytes).into(),
        });
        json!({
            "partner": &*auction.market.buyers()[call.buyer].partner.id,
            "outcome": call.outcome.map(Label::label),
            "asked_ms": call.asked.as_ref().map(|(at, _)| since(*at)),
            "answered_ms": answered.map(|answered| since(answered.at)),
            "request": call.asked.as_ref().map(|(_, body)| shown(body)),
            "response": response,
        })
    }
}

/// Each imp that was for sale, with its floor and where that comes from.
fn imps(auction: &Auction<'_>) -> Vec<Value> {
    let told = auction.lots.iter().map(|lot| {
        let (source, rule) = match lot.floor.source {
            Source::Rule(rule) => ("rule", Some(rule)),
            Source::Default => ("default", None),
            Source::Request => ("request", None),
            Source::Placement => ("placement", None),
        };
        json!({
            "imp": lot.imp.id,
            "placement": lot.placement.map(|placement| &*placement.id),
            "floor": to_wire(lot.floor.signalled),
            "enforced": to_wire(lot.floor.enforced),
            "floor_source": source,
            "rule": rule,
        })
    });
    told.collect()
}

/// Each bid with what became of it.
fn bids(auction: &Auction<'_>, offers: &[Offer<'_>], awards: &[Award]) -> Vec<Value> {
    let told = offers.iter().enumerate().map(|(place, offer)| {
        let won = awards.iter().find(|award| award.offer == place);
        let loss = offer.standing.err().filter(|_| won.is_none());
        json!({
            "partner": &*auction.market.buyers()[offer.buyer].partner.id,
            "seat": offer.seat,
            "imp": offer.bid.impid,
            "bid": offer.bid.id,
            "creative": offer.bid.crid,
            "deal": offer.bid.dealid,
            "price": to_wire(offer.own_price),
            "currency": offer.currency.code(),
            "compared": offer.standing.ok().map(|standing| to_wire(standing.price)),
            "floor": offer.lot.map(|lot| to_wire(auction.floor(lot, offer.buyer).enforced)),
            "outcome": match (won, loss) {
                (Some(_), _) => "won",
                (None, Some(loss)) => loss.label(),
                (None, None) => "passed",
            },
            "loss": loss.map(crate::screen::Loss::code),
            "pays": won.map(|award| to_wire(award.cleared.price)),
        })
    });
    told.collect()
}

/// A body as JSON, or why it is not told.
fn shown(body: &Bytes) -> Value {
    if body.len() > MOST {
        return format!("{} bytes, more than {MOST} are not told", body.len()).into();
    }
    match serde_json::from_slice(body) {
        Ok(told) => told,
        Err(error) => format!("{} bytes that are no JSON: {error}", body.len()).into(),
    }
}

/// A response as far as nobody can bill or be billed by it.
fn harmless(response: &BidResponse<'_>) -> Value {
    let bid = |bid: &Bid<'_>| {
        json!({
            "id": bid.id,
            "impid": bid.impid,
            "price": bid.price,
            "adomain": bid.adomain.items(),
            "crid": bid.crid,
            "cid": bid.cid,
            "adid": bid.adid,
            "dealid": bid.dealid,
            "cat": bid.cat.items(),
            "cattax": bid.cattax.map(CategoryTaxonomy::code),
            "attr": bid.attr.items(),
            "mtype": bid.mtype,
            "w": bid.w,
            "h": bid.h,
            "dur": bid.dur,
            "protocol": bid.protocol,
            "language": bid.language,
            "adm_bytes": bid.adm.map(str::len),
        })
    };
    let seat = |seat: &SeatBid<'_>| {
        json!({
            "seat": seat.seat,
            "group": seat.group.is_some_and(Flag::is_set),
            "bid": seat.bid.iter().map(bid).collect::<Vec<_>>(),
        })
    };
    json!({
        "id": response.id,
        "cur": response.cur,
        "nbr": response.nbr.map(NoBidReason::code),
        "seatbid": response.seatbid.iter().map(seat).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_told_within_bounds() {
        assert_eq!(shown(&Bytes::from_static(b"{\"a\":1}")), json!({"a": 1}));
        let odd = shown(&Bytes::from_static(b"<html>"));
        assert!(
            odd.as_str()
                .unwrap()
                .starts_with("6 bytes that are no JSON"),
            "{odd}"
        );
        let long = shown(&Bytes::from(vec![b' '; MOST + 1]));
        assert!(long.as_str().unwrap().starts_with("65537 bytes"), "{long}");
    }
}
