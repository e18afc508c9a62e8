//! Screens that many look at: a showing counts for several impressions, on both sides of the trade.

use crate::client::Answer;
use crate::dead_letters::{charged, month};
use crate::node::{Node, SMALL, banner_request};
use crate::notices::{bid, notice};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

fn screen(id: &str, multiplier: f64) -> String {
    let mut body = banner_request(id);
    body["imp"][0]["qty"] = json!({ "multiplier": multiplier, "sourcetype": 1 });
    body.to_string()
}

/// Impressions and gross of an account in the current month.
fn stated(node: &Node, account: &str) -> (Value, Value) {
    let path = format!("/v1/statements?account={account}&month={}", month());
    let answer = node.api("GET", &path, "");
    let line = &answer.json()["lines"][0];
    (line["impressions"].clone(), line["gross"].clone())
}

#[test]
fn a_screen_that_many_look_at_is_billed_for_all_of_them_and_no_more() {
    let node = Node::start(SMALL, "");
    bid(&node, "warm");
    let ask = |id: &str, multiplier: f64| {
        let body = screen(id, multiplier);
        node.client().post("/openrtb2/bid/demo", body.as_bytes())
    };
    let mut client = node.client();
    let bill = |answer: &Answer, several: &str| {
        let bid = answer.json()["seatbid"][0]["bid"][0].clone();
        notice(&bid, "burl", "1.50", "").replace("${AUCTION_MULTIPLIER}", several)
    };
    let screen = ask("screen", 12.5);
    assert_eq!(screen.status, 200, "{screen:?}");
    let more = client.get(&bill(&screen, "12.6"));
    assert_eq!((more.status, more.field().as_str()), (400, "q"));
    assert_eq!(client.get(&bill(&screen, "12.5")).status, 200);
    assert_eq!(client.get(&bill(&screen, "12.5")).status, 200);
    // An exchange that leaves the macro alone means what its request said.
    let silent = ask("silent", 3.0);
    assert_eq!(
        client.get(&bill(&silent, "${AUCTION_MULTIPLIER}")).status,
        200
    );
    for odd in [0.0, -1.0, 10_001.0] {
        let answer = ask("odd", odd);
        assert_eq!(
            (answer.status, answer.header("x-openrtb-nbr")),
            (204, Some("2")),
            "{odd}"
        );
    }
    // 12.5 and 3 impressions at 1.50 per thousand; halves are counted to the even neighbour.
    let both = (Value::from(15), Value::from("0.02325"));
    assert_eq!(stated(&node, "adv_it"), both);
    assert_eq!(charged(&node), 2);
}

#[test]
fn both_sides_of_a_showing_agree_to_the_micro() {
    let node = Node::start(SMALL, "");
    let start = Instant::now();
    let sold = loop {
        let answer = node
            .client()
            .post("/openrtb2/auction", screen("sold", 12.5).as_bytes());
        if answer.status == 200 {
            break answer.json();
        }
        assert!(start.elapsed() < Duration::from_secs(8), "{answer:?}");
        std::thread::sleep(Duration::from_millis(20));
    };
    let pixel = sold["seatbid"][0]["bid"][0]["burl"].as_str().unwrap();
    let pixel = &pixel[pixel.find("/t/imp").unwrap()..];
    assert_eq!(node.client().get(pixel).status, 200);
    // The sale is in the books; the bill of the same trade follows by the exchange's notice.
    let start = Instant::now();
    while charged(&node) < 2 {
        assert!(start.elapsed() < Duration::from_secs(8), "no bill came");
        std::thread::sleep(Duration::from_millis(20));
    }
    let both = (Value::from(12), Value::from("0.025"));
    for account in [
        "adv_it",
        "pub_it",
        "buyer:bidder:adv_it",
        "media:demo:adv_it",
    ] {
        assert_eq!(stated(&node, account), both, "{account}");
    }
    let odd = node
        .client()
        .post("/openrtb2/auction", screen("odd", 20_000.0).as_bytes());
    assert_eq!(odd.status, 204, "nobody pays for so many");
}
