//! Floors in whole auctions: what each partner is told, and what it is held to.

use crate::partner::{Behaviour, Partner};
use crate::setting::{Exchange, market_of, on_a_worker, partner, publisher};
use exchange::Outcome;
use exchange::catalog::Publisher;
use exchange::floor::{FloorEvent, parse};
use exchange::screen::Loss;
use serde_json::{Value, json};
use std::sync::Arc;

fn with_floors(file: &str) -> Publisher {
    Publisher {
        floors: Some(Arc::new(parse(file).unwrap().floors)),
        ..publisher()
    }
}

fn request(imp: &str) -> String {
    format!(
        r#"{{"id":"r1","tmax":400,"cur":["EUR"],"site":{{"publisher":{{"id":"pub_1"}}}},
        "imp":[{{"id":"1","banner":{{"format":[{{"w":300,"h":250}}]}}{imp}}}]}}"#
    )
}

/// The `imp.bidfloor` that a partner was told.
fn told(partner: &Partner) -> Value {
    let body: Value = serde_json::from_str(&partner.asked.borrow()[0]).unwrap();
    let imp = &body["imp"][0];
    let currency = imp["bidfloor"].is_null() || imp["bidfloorcur"] == "EUR";
    assert!(currency, "{imp}");
    imp["bidfloor"].clone()
}

const BID: &str = r#"{"id":"@ID","cur":"EUR","seatbid":[{"seat":"s","bid":[{"id":"b","impid":"1",
    "price":1.5,"crid":"c","adm":"<b>1</b>"}]}]}"#;

#[test]
fn each_partner_is_told_and_held_to_its_own_floor() {
    on_a_worker(async {
        let file = r#"{"enforcement":{"noFloorSignalBidders":["quiet"]},"data":{"currency":"EUR",
            "modelGroups":[{"schema":{"fields":["mediaType","partner"]},
            "values":{"banner|dear":2,"banner|*":1.25}}]}}"#;
        let mut running = Vec::new();
        let mut partners = Vec::new();
        for id in ["dear", "quiet", "other"] {
            let one = Partner::start(Behaviour::Answer(BID)).await;
            partners.push(partner(id, &one.address));
            running.push(one);
        }
        let exchange = Exchange::new(market_of(with_floors(file), partners), "");
        let (outcome, answer) = exchange.sell(&request("")).await;
        let floors: Vec<Value> = running.iter().map(told).collect();
        assert_eq!(floors, [json!(2.0), Value::Null, json!(1.25)]);
        let Ok(Outcome::Sold(sold)) = outcome else {
            panic!("{outcome:?}")
        };
        assert_ne!(
            sold[0].buyer, 0,
            "the dear one's bid is below its own floor"
        );
        assert_eq!(answer["seatbid"][0]["bid"][0]["price"], 1.5);
        let counters = &exchange.desk.counters;
        assert_eq!(counters.losses.get(Loss::BelowFloor), 1);
        assert_eq!(counters.floors.get(FloorEvent::Rule), 1);
    });
}

/// How an auction of one bid ends: what it lost for, or nothing.
async fn lost(file: &str, imp: &str, answer: &'static str) -> Option<Loss> {
    let one = Partner::start(Behaviour::Answer(answer)).await;
    let partners = vec![partner("one", &one.address)];
    let exchange = Exchange::new(market_of(with_floors(file), partners), "");
    let (outcome, _) = exchange.sell(&request(imp)).await;
    let losses = &exchange.desk.counters.losses;
    let reasons = [Loss::BelowFloor, Loss::BelowDealFloor];
    let reason = reasons.into_iter().find(|loss| losses.get(*loss) > 0);
    let sold = matches!(outcome, Ok(Outcome::Sold(_)));
    assert_eq!(sold, reason.is_none(), "{outcome:?}");
    reason
}

/// Prebid Server in Go lets bids of up to 0.01 under the floor pass.
#[test]
fn the_least_bit_below_the_floor_is_below() {
    on_a_worker(async {
        let file = |price: &str| {
            format!(r#"{{"data":{{"currency":"EUR","modelGroups":[{{"default":{price}}}]}}}}"#)
        };
        assert_eq!(lost(&file("1.5"), "", BID).await, None);
        assert_eq!(lost(&file("1.5001"), "", BID).await, Some(Loss::BelowFloor));
    });
}

/// Neither implementation of Prebid Server applies `deal.bidfloor`.
#[test]
fn deals_are_held_to_their_own_floor_and_to_rules_by_the_publishers_word() {
    const DEAL: &str = r#"{"id":"@ID","cur":"EUR","seatbid":[{"seat":"s","bid":[{"id":"b",
        "impid":"1","price":1.5,"dealid":"d","crid":"c","adm":"<b>1</b>"}]}]}"#;
    on_a_worker(async {
        let file = |deals: bool| {
            format!(
                r#"{{"enforcement":{{"floorDeals":{deals}}},"data":{{"currency":"EUR",
                "modelGroups":[{{"default":2}}]}}}}"#
            )
        };
        let imp = |floor: f64| {
            format!(r#","pmp":{{"deals":[{{"id":"d","bidfloor":{floor},"bidfloorcur":"EUR"}}]}}"#)
        };
        assert_eq!(lost(&file(false), &imp(1.5), DEAL).await, None);
        let below = Some(Loss::BelowDealFloor);
        assert_eq!(lost(&file(false), &imp(1.51), DEAL).await, below);
        assert_eq!(lost(&file(true), &imp(0.0), DEAL).await, below);
    });
}

#[test]
fn a_net_floor_reaches_the_buyer_with_the_fee() {
    on_a_worker(async {
        let file = r#"{"gavel":{"basis":"net"},"data":{"currency":"EUR",
            "modelGroups":[{"default":1}]}}"#;
        let one = Partner::start(Behaviour::Answer(BID)).await;
        let partners = vec![partner("one", &one.address)];
        let exchange = Exchange::new(market_of(with_floors(file), partners), "");
        exchange.sell(&request("")).await.0.unwrap();
        assert_eq!(told(&one), json!(1.25), "the publisher's share is 0.8");
    });
}
