//! The logged auctions of a publisher, as floors are tried on them.

use crate::clock;
use crate::log;
use crate::node::Node;
use control::api::Past;
use exchange::counters::Label;
use exchange::floor::simulate::{Auction, Bid, Imp, values};
use exchange::screen::Loss;
use ledger::store::{AuctionFile, LoggedAuction};
use ledger::{Cpm, RateTable};

/// The most auctions that are looked at, the latest ones.
const MOST: u32 = 20_000;
const DAY_MS: i64 = 86_400_000;

/// The auctions of a publisher in the last days that are in the sample.
///
/// # Errors
/// Why there are none to be read.
pub fn past(node: &Node, publisher: &str, days: u32) -> Result<Past, String> {
    let snapshot = node.snapshot.load_full();
    let seller = snapshot.market.seller(publisher);
    let seller =
        seller.ok_or_else(|| format!("{publisher} is paused, so nothing is sold for it"))?;
    let settings = &node.settings;
    if !settings.log_auctions {
        return Err("auctions are not logged: log.auctions is false".to_owned());
    }
    let mut past = Past {
        publisher: seller.publisher.clone(),
        rates: (*snapshot.rates).clone(),
        auctions: Vec::new(),
        span_ms: None,
        sample_ppm: settings.log_sample_ppm,
        on_deals: 0,
        without_rate: 0,
    };
    let failed = |error: ledger::store::StoreError| format!("the auction log: {error}");
    let from_ms = clock::unix_ms() - i64::from(days) * DAY_MS;
    let Some(file) = AuctionFile::read(&log::file(&settings.storage)).map_err(failed)? else {
        return Ok(past);
    };
    let found = file.offered(publisher, from_ms, MOST).map_err(failed)?;
    let first = found.last().map(|logged| logged.record.at_ms);
    past.span_ms = first.zip(found.first().map(|logged| logged.record.at_ms));
    for logged in &found {
        match auction(logged, &snapshot.rates, &mut past) {
            Some(auction) => past.auctions.push(auction),
            None => past.without_rate += 1,
        }
    }
    Ok(past)
}

/// An auction in the publisher's currency; `None` where there is no rate to it.
fn auction(logged: &LoggedAuction, rates: &RateTable, past: &mut Past) -> Option<Auction> {
    let record = &logged.record;
    let to = past.publisher.currency;
    let own = |price: Cpm| rates.convert(price, record.currency, to);
    let mut imps = Vec::with_capacity(record.offered.len());
    for offered in &record.offered {
        let all = record.bids.iter().zip(&logged.outcomes);
        let on_it = all.filter(|(bid, _)| bid.imp == offered.imp);
        if on_it
            .clone()
            .any(|(bid, outcome)| outcome == "won" && !bid.deal.is_empty())
        {
            past.on_deals += 1;
            continue;
        }
        let mut bids = Vec::new();
        for (bid, _) in on_it.filter(|(bid, outcome)| bid.deal.is_empty() && by_price(outcome)) {
            let price = rates.convert(bid.bid, bid.currency, to);
            let Some((price, floor)) = price.zip(own(bid.held_to)) else {
                past.without_rate += 1;
                continue;
            };
            bids.push(Bid {
                partner: bid.partner.as_str().into(),
                price,
                floor,
            });
        }
        imps.push(Imp {
            values: values(&offered.fields),
            request: own(offered.request_floor)?,
            placement: own(offered.placement_floor)?,
            bids,
        });
    }
    Some(Auction {
        at_s: u32::try_from(record.at_ms / 1_000).unwrap_or_default(),
        seed: logged.id.unsigned_abs(),
        imps,
    })
}

/// Whether nothing but its price and floor kept a bid from winning.
fn by_price(outcome: &str) -> bool {
    let lost = [Loss::Outbid, Loss::BelowFloor].map(Label::label);
    outcome == "won" || lost.contains(&outcome)
}
