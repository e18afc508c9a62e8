//! Bids that are won or lost together, through the real binary.

use crate::deals::partner_of;
use crate::node::{Node, SMALL, banner_request};
use serde_json::json;
use std::time::{Duration, Instant};

/// The seats that win the imps of two sizes; the node's own bidder has creatives for the first
/// alone and bids 2.00.
fn winners(node: &Node) -> Vec<(String, String)> {
    let mut request = banner_request("both");
    request["imp"] = json!([
        {"id": "1", "banner": {"w": 300, "h": 250}},
        {"id": "2", "banner": {"w": 728, "h": 90}},
    ]);
    let answer = node
        .client()
        .post("/openrtb2/auction", request.to_string().as_bytes());
    if answer.status != 200 {
        return Vec::new();
    }
    let mut winners = Vec::new();
    for seat in answer.json()["seatbid"].as_array().unwrap() {
        for bid in seat["bid"].as_array().unwrap() {
            let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
            winners.push((text(&bid["impid"]), text(&seat["seat"])));
        }
    }
    winners.sort();
    winners
}

fn eventually(wanted: &[(&str, &str)], price_micros: i64, together: bool) -> Node {
    let partner = partner_of("both", price_micros, together);
    let node = Node::start(&format!("{SMALL}{partner}"), "");
    let start = Instant::now();
    loop {
        let seen = winners(&node);
        let same = seen.iter().map(|(imp, seat)| (imp.as_str(), seat.as_str()));
        if same.eq(wanted.iter().copied()) {
            return node;
        }
        assert!(start.elapsed() < Duration::from_secs(15), "still {seen:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_group_is_sold_as_a_whole_or_not_at_all() {
    let apart = [("1", "adv_it"), ("2", "both")];
    eventually(&apart, 1_500_000, false);
    let node = eventually(&apart[..1], 1_500_000, true);
    let metrics = String::from_utf8(node.api("GET", "/metrics", "").body).unwrap();
    let lost = "gavel_partner_bids_lost_total{partner=\"both\",reason=\"group\"}";
    let found = metrics.lines().find(|line| line.starts_with(lost));
    assert!(found.is_some_and(|line| !line.ends_with(" 0")), "{found:?}");
    eventually(&[("1", "both"), ("2", "both")], 2_500_000, true);
}
