//! What of an auction goes into the auction log, after its answer was written.

use crate::clear::Award;
use crate::floor;
use crate::lot::{Auction, Lot};
use crate::screen::Offer;
use crate::settle;
use ledger::auction::{AuctionLog, AuctionRecord, BidRecord, ImpRecord, MAX_BIDS, cut};
use ledger::{Cpm, Currency};

/// Puts an auction that is kept into the log. Tests are no auctions.
pub(crate) fn put(
    log: &AuctionLog,
    exchange: &str,
    auction: &Auction<'_>,
    (offers, awards): (&[Offer<'_>], &[Award]),
    ended: &'static str,
    now_s: u32,
) {
    let id = auction.request.id.unwrap_or_default();
    if auction.is_test() || !log.keeps(id, !awards.is_empty()) {
        return;
    }
    let bid = |(place, offer): (usize, &Offer<'_>)| {
        let won = awards.iter().find(|award| award.offer == place);
        bid(exchange, auction, offer, won)
    };
    // Winners first: they are kept whatever the number of bids.
    let mut places: Vec<(usize, &Offer<'_>)> = offers.iter().enumerate().collect();
    places.sort_by_key(|(place, _)| awards.iter().all(|award| award.offer != *place));
    places.truncate(MAX_BIDS);
    let geo = auction.request.device.and_then(|device| device.geo);
    log.put(AuctionRecord {
        at_ms: i64::from(now_s) * 1_000,
        auction: cut(id),
        publisher: auction.seller.publisher.id.to_string(),
        country: cut(geo.and_then(|geo| geo.country).unwrap_or_default()),
        imps: u32::try_from(auction.lots.len()).unwrap_or(u32::MAX),
        currency: auction.currency,
        ended,
        offered: if log.samples(id) {
            auction.lots.iter().map(|lot| imp(auction, lot)).collect()
        } else {
            Vec::new()
        },
        bids: places.into_iter().map(bid).collect(),
    });
}

/// What floors are found by.
fn imp(auction: &Auction<'_>, lot: &Lot<'_>) -> ImpRecord {
    let rates = auction.market.rates();
    let own = (lot.imp.bidfloor, lot.imp.bidfloorcur);
    let request_floor = floor::convert(own.0, own.1, auction.currency, rates);
    let of_placement = lot.placement.and_then(|placement| placement.floor);
    let from = auction.seller.publisher.currency;
    let placement_floor =
        of_placement.and_then(|floor| rates.convert(floor, from, auction.currency));
    ImpRecord {
        imp: cut(lot.imp.id.unwrap_or_default()),
        // An imp whose floor has no rate is no lot.
        request_floor: request_floor.unwrap_or(Cpm(0)),
        placement_floor: placement_floor.unwrap_or(Cpm(0)),
        fields: floor::simulate::recorded(&auction.request, lot.imp),
    }
}

fn bid(exchange: &str, auction: &Auction<'_>, offer: &Offer<'_>, won: Option<&Award>) -> BidRecord {
    let lot = offer.lot.map(|lot| &auction.lots[lot]);
    let placement = lot.and_then(|lot| lot.placement);
    let (outcome, reason) = match (won, offer.standing) {
        (Some(_), _) | (None, Ok(_)) => ("won", 0),
        (None, Err(loss)) => (crate::counters::Label::label(loss), loss.code()),
    };
    BidRecord {
        imp: cut(offer.bid.impid.unwrap_or_default()),
        placement: placement.map_or(String::new(), |placement| placement.id.to_string()),
        floor: lot.map_or(Cpm(0), |lot| lot.floor.enforced),
        partner: auction.market.buyers()[offer.buyer].partner.id.to_string(),
        seat: cut(offer.seat),
        line_item: cut(offer.bid.cid.unwrap_or_default()),
        creative: cut(offer.bid.crid.unwrap_or_default()),
        bid: offer.own_price,
        currency: Currency(offer.currency.0),
        outcome,
        reason,
        price: won.map_or(Cpm(0), |award| award.cleared.price),
        key: won.map_or([0; 16], |award| {
            settle::sale_key(exchange, auction, offer, award)
        }),
        deal: cut(offer.bid.dealid.unwrap_or_default()),
        held_to: offer
            .lot
            .map_or(Cpm(0), |lot| auction.floor(lot, offer.buyer).enforced),
    }
}
