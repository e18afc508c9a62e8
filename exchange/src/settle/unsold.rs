//! Why imps were not sold: `ext.gavel` of a response, for the publisher.
//!
//! It names no buyer and no price but the publisher's own floor. Cost: nothing where everything
//! is sold, else offers × imps comparisons.

use crate::clear::Award;
use crate::counters::Label;
use crate::floor::Floor;
use crate::lot::Auction;
use crate::price::to_wire;
use crate::screen::Offer;
use ledger::Cpm;
use openrtb::encode::Object;

/// Adds `ext.gavel.unsold` to a response that was written to `out` without `ext`: each imp that
/// was not sold, with the reason of the highest bid on it, how many bids there were, and the
/// floor. Nothing is added where every imp was sold.
pub fn explain(auction: &Auction<'_>, offers: &[Offer<'_>], awards: &[Award], out: &mut Vec<u8>) {
    let unsold = |id: Option<&str>| {
        let lot = auction.lots.iter().position(|lot| lot.imp.id == id);
        !awards.iter().any(|award| Some(award.lot) == lot)
    };
    let mut imps = auction
        .request
        .imp
        .iter()
        .filter(|imp| unsold(imp.id))
        .peekable();
    if imps.peek().is_none() || out.pop() != Some(b'}') {
        return;
    }
    out.extend_from_slice(br#","ext":{"gavel":{"unsold":["#);
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
    out.extend_from_slice(b"]}}}");
}
