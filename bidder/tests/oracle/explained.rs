//! What is explained is what is done: for each request the explanation is taken first, then the
//! bidder is asked, with the same lots.

use crate::market::{Market, NOW_MS};
use bidder::decide::{Explained, Step, explain};
use bidder::{DecisionScratch, NoBid};
use openrtb::Fault;
use serde_json::Value;
use std::collections::BTreeSet;

/// A bid as both tell it: place of the imp, line item, creative, price in micros.
type Bid = (u64, String, String, i64);

/// The explanation of a request.
pub(crate) fn ask<'m>(
    market: &'m Market,
    scratch: &mut DecisionScratch,
    body: &str,
    seed: u64,
) -> Result<Explained<'m>, Fault> {
    let (snapshot, runtime) = (market.snapshot(), market.runtime());
    let now = (NOW_MS, seed);
    explain(body.as_bytes(), &snapshot, runtime, scratch, now, |_| true)
}

/// Panics where a response is not what was explained.
pub(crate) fn agrees(explained: &Explained<'_>, request: &Value, response: &Value) {
    let imps = request["imp"].as_array().unwrap();
    let text = |bid: &Value, name: &str| bid[name].as_str().unwrap().to_owned();
    let seats = response["seatbid"].as_array().unwrap().iter();
    let bids = seats.flat_map(|seat| seat["bid"].as_array().unwrap());
    let done: BTreeSet<Bid> = bids
        .map(|bid| {
            let imp = imps
                .iter()
                .position(|imp| imp["id"] == bid["impid"])
                .unwrap();
            let micros = (bid["price"].as_f64().unwrap() * 1e6).round() as i64;
            (imp as u64, text(bid, "cid"), text(bid, "crid"), micros)
        })
        .collect();
    let told = explained
        .verdicts
        .iter()
        .filter_map(|verdict| match &verdict.step {
            Step::Bid(price) => {
                assert!(
                    price.floor <= price.price && price.price <= price.max_cpm,
                    "{price:?}"
                );
                assert!(
                    price.paced <= price.value && price.value <= price.max_cpm,
                    "{price:?}"
                );
                let (line_item, creative) =
                    (verdict.line_item.to_owned(), price.creative.to_owned());
                Some((u64::from(verdict.imp), line_item, creative, price.price.0))
            }
            _ => None,
        });
    let told: BTreeSet<Bid> = told.collect();
    let same_imps = imps
        .iter()
        .map(|imp| imp["id"].to_string())
        .collect::<BTreeSet<_>>();
    if same_imps.len() == imps.len() {
        assert_eq!(told, done, "{request:#}");
    }
    assert!(explained.outcome.is_ok(), "{request:#}");
}

/// Panics where the reason of a no-bid is not what was explained: the same one, which stopped
/// somebody, and nobody on an imp that could have bid.
pub(crate) fn agrees_on(explained: &Explained<'_>, reason: NoBid, body: &str) {
    assert_eq!(explained.outcome, Err(reason), "{body}");
    let mut stopped = explained
        .verdicts
        .iter()
        .map(|verdict| verdict.step.no_bid());
    assert!(stopped.clone().all(|reason| reason.is_some()), "{body}");
    assert!(
        stopped.any(|own| own == Some(reason)),
        "{reason:?} {explained:#?} {body}"
    );
}
