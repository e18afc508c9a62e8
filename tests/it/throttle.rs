//! An exchange that does not wait for our answers gets fewer of them, until it does.

use crate::node::{Node, SMALL, banner_request, until};
use crate::notices::notice;
use serde_json::Value;

fn skipped(node: &Node) -> f64 {
    let answer = node.api("GET", "/metrics", "");
    let text = String::from_utf8(answer.body).unwrap();
    let line = "gavel_exchange_skipped_ratio{exchange=\"demo\"} ";
    let found = text.lines().find_map(|at| at.strip_prefix(line));
    found.map_or(0.0, |value| value.trim().parse().unwrap())
}

fn ask(node: &Node, id: &str) -> Option<Value> {
    let body = banner_request(id).to_string();
    let answer = node.client().post("/openrtb2/bid/demo", body.as_bytes());
    (answer.status == 200).then(|| answer.json()["seatbid"][0]["bid"][0].clone())
}

#[test]
fn answers_that_come_too_late_are_given_less_often_until_they_are_in_time() {
    let node = Node::start(SMALL, "");
    until(20, "a bid", || ask(&node, "warm").is_some());
    let mut number = 0;
    until(20, "it is throttled", || {
        number += 1;
        if let Some(bid) = ask(&node, &format!("late-{number}")) {
            let told = node.client().get(&notice(&bid, "lurl", "", "2"));
            assert_eq!(told.status, 200);
        }
        skipped(&node) > 0.0
    });
    let refused = "gavel_no_bids_total{reason=\"throttled\"}";
    until(20, "some requests are passed over", || {
        number += 1;
        ask(&node, &format!("some-{number}"));
        node.metric(refused) > 0
    });
    // One of these seeds is passed over, and that is what is told of it.
    let request = banner_request("why").to_string();
    let passed_over = (0..200_u32).any(|seed| {
        let path = format!("/v1/explain?seed={seed}");
        let answer = node.api("POST", &path, &request).json();
        answer["outcome"]["reason"] == "throttled" && answer["verdicts"][0]["rule"] == "throttled"
    });
    let first = skipped(&node);
    assert!(passed_over, "at {first}");
    until(20, "it opens again", || {
        number += 1;
        ask(&node, &format!("good-{number}"));
        skipped(&node) < first
    });
}
