//! What the publisher is told beside the response, as `ext.gavel`: why imps were not sold, and, to
//! whoever may look into the auction, what it did.
//!
//! `unsold` names no buyer and no price but the publisher's own floor. Cost: nothing where
//! everything is sold, else offers × imps comparisons.

use crate::clear::Award;
use crate::counters::Label;
use crate::floor::Floor;
use crate::lot::Auction;
use crate::price::to_wire;
use crate::screen::Offer;
use ledger::Cpm;
use openrtb::encode::Object;
use openrtb::request::Imp;
use std::iter::Peekable;

/// Adds `ext.gavel` to a response that was written to `out` without `ext`: under `unsold` each imp
/// that was not sold, with the reason of the highest bid on it, how many bids there were, and the
/// floor; under `debug` the trace. Nothing is added where there is neither.
pub fn explain(auction: &Auction<'_>, offers: &[Offer<'_>], awards: &[Award], out: &mut Vec<u8>) {
    let unsold = |id: Option<&str>| {
        let lot = auction.lots.iter().position(|lot| lot.imp.id == id);
        !awards.iter().any(|award| Some(award.lot) == lot)
    };
    let imps = auction.request.imp.iter();
    let mut imps = imps.filter(|imp| unsold(imp.id)).peekable();
    let debug = auction
        .trace
        .map(|trace| trace.told(auction, offers, awards));
    if (imps.peek().is_none() && debug.is_none()) || out.pop() != Some(b'}') {
        return;
    }
    out.extend_from_slice(br#","ext":{"gavel":{"#);
    let any = imps.peek().is_some();
    if any {
        out.extend_from_slice(br#""unsold":["#);
        reasons(auction, offers, imps, out);
        out.push(b']');
    }
    if let Some(debug) = debug {
        let comma = if any { "," } else { "" };
        out.extend_from_slice(format!("{comma}\"debug\":{debug}").as_bytes());
    }
    out.extend_from_slice(b"}}}");
}

fn reasons<'i, 'a: 'i>(
    auction: &Auction<'_>,
    offers: &[Offer<'_>],
    mut imps: Peekable<impl Iterator<Item = &'i Imp<'a>>>,
    out: &mut Vec<u8>,
) {
    while let Some(imp) = imps.next() {
        let lot = auction.lots.iter().position(|lot| lot.imp.id == imp.id);
        let on_it = offers
            .iter()
            .filter(|offer| lot.is_some() && offer.lot == lot);
        let best = on_it.clone().max_by_key(|offer| offer.own_price);
        let reason = match (lot, best.and_then(|offer| offer.standing.err())) {
            (None, _) => "no_rate",
            (Some(_), None) => "no_bids",
            (Some(_), Some(loss)) => loss.label(),
        };
        let mut object = Object::open(out);
        object.member("imp", &imp.id.unwrap_or_default());
        object.member("reason", &reason);
        object.member("bids", &i64::try_from(on_it.count()).unwrap_or(i64::MAX));
        if let Some(Floor { enforced, .. }) = lot.map(|lot| auction.lots[lot].floor)
            && enforced > Cpm(0)
        {
            object.member("floor", &to_wire(enforced));
            object.member("floorcur", &auction.currency.code());
        }
        object.close();
        if imps.peek().is_some() {
            out.push(b',');
        }
    }
}
