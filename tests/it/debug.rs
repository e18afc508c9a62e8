//! `?debug=1` on the exchange: who may look into an auction, and that nothing else changes.

use crate::node::{Node, SMALL, banner_request, until};
use serde_json::{Value, json};

fn ask(node: &Node, path: &str, key: Option<&str>) -> crate::client::Answer {
    let header = key.map(|key| format!("Authorization: Bearer {key}\r\n"));
    let body = banner_request("debug").to_string();
    let header = header.unwrap_or_default();
    node.client()
        .request("POST", path, &header, body.as_bytes())
}

/// A key that the API has made.
fn key(node: &Node, role: &str, accounts: &Value) -> String {
    let body = json!({"name": role, "role": role, "accounts": accounts}).to_string();
    let answer = node.api("POST", "/v1/keys", &body);
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()["secret"].as_str().unwrap().to_owned()
}

#[test]
fn an_auction_is_told_to_whom_it_may_be_told() {
    let node = Node::start(SMALL, "");
    let other = json!({"name": "Other", "domain": "other.example", "currency": "EUR",
        "revenue_share": "0.8"});
    assert_eq!(
        node.api("PUT", "/v1/publishers/pub_other", &other.to_string())
            .status,
        201
    );
    let own = key(&node, "publisher", &json!(["pub_it"]));
    let others = key(&node, "publisher", &json!(["pub_other"]));
    until(8, "the key is not known", || {
        ask(&node, "/openrtb2/auction?debug=1", Some(&own)).status == 200
    });
    for key in [&own, &node.admin_key] {
        let answer = ask(&node, "/openrtb2/auction?debug=1", Some(key));
        let debug = answer.json()["ext"]["gavel"]["debug"].clone();
        assert_eq!(debug["publisher"], "pub_it", "{answer:?}");
        let call = &debug["calls"][0];
        assert_eq!(
            (&call["partner"], &call["outcome"]),
            (&json!("bidder"), &json!("bid"))
        );
        assert_eq!(call["request"]["id"], "debug");
        assert_eq!(debug["bids"][0]["outcome"], "won");
        let text = debug.to_string();
        assert!(!text.contains("?t="), "a token is told: {text}");
    }
    let refused = ask(&node, "/openrtb2/auction?debug=1", Some(&others));
    assert_eq!(refused.status, 403, "{refused:?}");
    assert_eq!(ask(&node, "/openrtb2/auction?debug=1", None).status, 401);
    assert_eq!(
        ask(&node, "/openrtb2/auction?debug=1", Some("no")).status,
        401
    );
    for path in ["/openrtb2/auction", "/openrtb2/auction?debug=0"] {
        let plain = ask(&node, path, Some(&own));
        assert_eq!((plain.status, plain.json().get("ext")), (200, None));
    }
    // Nobody buys this; who looks into it gets a body all the same.
    let stop = r#"{"status": "paused"}"#;
    assert_eq!(node.api("PATCH", "/v1/line_items/li_it", stop).status, 200);
    until(8, "it buys on", || {
        ask(&node, "/openrtb2/auction", None).status == 204
    });
    let unsold = ask(&node, "/openrtb2/auction?debug=1", Some(&own));
    assert_eq!(unsold.status, 200, "{unsold:?}");
    let gavel = unsold.json()["ext"]["gavel"].clone();
    assert_eq!(gavel["unsold"][0]["reason"], "no_bids");
    assert_eq!(gavel["debug"]["calls"][0]["outcome"], "no_bid");
}
