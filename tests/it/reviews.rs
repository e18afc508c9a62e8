//! What a publisher says of creatives, through the real binary.

use crate::node::{Node, SMALL, banner_request, until};
use crate::raw::{Extra, partner};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

/// The seat that wins; nothing where none does.
fn winner(node: &Node) -> String {
    let body = banner_request("review").to_string();
    let answer = node.client().post("/openrtb2/auction", body.as_bytes());
    if answer.status != 200 {
        return String::new();
    }
    let seat = &answer.json()["seatbid"][0]["seat"];
    seat.as_str().unwrap_or_default().to_owned()
}

fn set(node: &Node, method: &str, path: &str, body: &Value) {
    let answer = node.api(method, path, &body.to_string());
    assert!([200, 201].contains(&answer.status), "{answer:?}");
}

fn lost(node: &Node, reason: &str) -> u64 {
    let line = format!("gavel_partner_bids_lost_total{{partner=\"raw\",reason=\"{reason}\"}}");
    node.metric(&line)
}

#[test]
fn a_creative_shows_where_its_publisher_lets_it() {
    let extra: Extra = Arc::new(Mutex::new(json!({"crid": "c-1"})));
    let node = Node::start(&format!("{SMALL}{}", partner(&extra)), "");
    until(8, "whatever is not reviewed is shown", || {
        winner(&node) == "raw"
    });
    let review = |state: &str| {
        let body = json!({"publisher": "pub_it", "partner": "raw", "creative": "c-1",
            "state": state, "reason": "seen by ann"});
        set(&node, "PUT", "/v1/creative_reviews/rev_1", &body);
    };
    review("rejected");
    until(8, "what is rejected is not shown", || {
        winner(&node) == "adv_it"
    });
    assert!(lost(&node, "disapproved") > 0);
    *extra.lock().unwrap() = json!({"crid": "c-2"});
    until(8, "another creative of the partner is", || {
        winner(&node) == "raw"
    });

    set(
        &node,
        "PATCH",
        "/v1/publishers/pub_it",
        &json!({"requires_approval": true}),
    );
    until(
        8,
        "nothing is approved, our own bidder's creative neither",
        || winner(&node).is_empty(),
    );
    assert!(lost(&node, "pending_approval") > 0);
    let own = json!({"publisher": "pub_it", "partner": "bidder", "creative": "cr_it",
        "state": "approved"});
    set(&node, "PUT", "/v1/creative_reviews/rev_own", &own);
    until(8, "what is approved is shown", || winner(&node) == "adv_it");
    review("approved");
    assert_eq!(
        winner(&node),
        "adv_it",
        "it is the other creative that is approved"
    );
    *extra.lock().unwrap() = json!({"crid": "c-1"});
    until(8, "the partner's, too", || winner(&node) == "raw");
    set(
        &node,
        "PATCH",
        "/v1/creative_reviews/rev_1",
        &json!({"status": "archived"}),
    );
    until(8, "a review that was put away counts no more", || {
        winner(&node) == "adv_it"
    });
}

#[test]
fn a_creative_has_one_review_of_a_publisher_that_exists() {
    let node = Node::start(SMALL, "");
    let body =
        json!({"publisher": "pub_it", "partner": "raw", "creative": "c", "state": "approved"});
    set(&node, "PUT", "/v1/creative_reviews/rev_1", &body);
    let refused = |path: &str, body: &Value| -> Value {
        let answer = node.api("PUT", path, &body.to_string());
        assert_eq!(answer.status, 422, "{answer:?}");
        answer.json()["faults"].clone()
    };
    let second = refused("/v1/creative_reviews/rev_2", &body);
    assert_eq!(second[0]["pointer"], "/creative");
    assert_eq!(second[0]["detail"], "is already used by rev_1");
    let stranger = json!({"publisher": "pub_no", "partner": "raw", "creative": "c", "state": "no"});
    let faults = refused("/v1/creative_reviews/rev_2", &stranger);
    assert_eq!(faults[0]["pointer"], "/state", "{faults}");
    let stranger = json!({"publisher": "pub_no", "partner": "raw", "creative": "c",
        "state": "approved"});
    let faults = refused("/v1/creative_reviews/rev_2", &stranger);
    assert_eq!(faults[0]["pointer"], "/publisher", "{faults}");
}
