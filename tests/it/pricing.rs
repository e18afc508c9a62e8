//! Prices that follow from the request: modifiers, the base price, the least price; live, as
//! explained, and refused where they contradict themselves.

use crate::node::{Node, SMALL, banner_request, until};
use serde_json::{Value, json};

fn request(id: &str, country: &str, device: u8) -> Value {
    let mut request = banner_request(id);
    request["device"] = json!({"devicetype": device, "geo": {"country": country}});
    request
}

fn bid(node: &Node, request: &Value) -> Option<f64> {
    let mut client = node.client();
    let answer = client.post("/openrtb2/bid/demo", request.to_string().as_bytes());
    let bids = (answer.status == 200).then(|| answer.json());
    bids.map(|bids| bids["seatbid"][0]["bid"][0]["price"].as_f64().unwrap())
}

fn patch(node: &Node, price: &Value) -> (u16, Value) {
    let body = json!({"bid": price}).to_string();
    let answer = node.api("PATCH", "/v1/line_items/li_it", &body);
    (answer.status, answer.json())
}

#[test]
fn a_price_follows_from_the_request_and_is_explained_step_by_step() {
    let node = Node::start(SMALL, "");
    until(8, "a bid", || {
        bid(&node, &request("warm", "FRA", 2)).is_some()
    });
    let (status, kept) = patch(
        &node,
        &json!({"strategy": "fixed_cpm", "max_cpm": "2.40", "base_cpm": "1.00", "min_cpm": "0.70",
        "modifiers": [
            {"when": {"geo": ["FRA"]}, "factor": "1.5"},
            {"when": {"devices": ["phone"]}, "factor": 1.2},
            {"when": {"geo": ["DEU"], "sizes": ["300x250"]}, "factor": "9"},
            {"when": {"geo": ["ITA"]}, "factor": "0.5"},
        ]}),
    );
    assert_eq!(status, 200, "{kept}");
    assert_eq!(kept["bid"]["modifiers"][1]["factor"], "1.20");
    let phone = request("a", "FRA", 4);
    until(8, "the modifiers are live", || {
        bid(&node, &phone) == Some(1.8)
    });
    for (country, device, expected) in [
        ("FRA", 2, Some(1.5)),
        ("ESP", 4, Some(1.2)),
        ("ESP", 2, Some(1.0)),
        // Nine times the price would be more than the most.
        ("DEU", 2, Some(2.4)),
        // Half of it is below the least.
        ("ITA", 2, None),
    ] {
        let asked = request(&format!("{country}{device}"), country, device);
        assert_eq!(bid(&node, &asked), expected, "{country} {device}");
    }
    let explained = |request: &Value| -> Value {
        let answer = node.api("POST", "/v1/explain?line_item=li_it", &request.to_string());
        answer.json()["verdicts"][0].clone()
    };
    let told = &explained(&phone)["price"];
    assert_eq!(
        (
            &told["value"],
            &told["factor"],
            &told["modified"],
            &told["price"]
        ),
        (
            &json!("1.00"),
            &json!("1.80"),
            &json!("1.80"),
            &json!("1.80")
        )
    );
    let refused = explained(&request("b", "ITA", 2));
    assert_eq!(refused["rule"], "below_minimum");
    assert!(
        refused["wanted"].as_str().unwrap().contains("0.70"),
        "{refused}"
    );
}

#[test]
fn a_value_follows_from_what_an_impression_brings() {
    let node = Node::start(SMALL, "");
    let clicks = |rate: &str| {
        json!({"strategy": "value", "max_cpm": "2.40",
            "worth": {"goal": "click", "amount": "0.80", "rate": rate}})
    };
    let (status, kept) = patch(&node, &clicks("0.0015"));
    assert_eq!(status, 200, "{kept}");
    // 0.80 a click, fifteen in ten thousand impressions.
    let asked = request("a", "FRA", 2);
    until(8, "the worth is live", || bid(&node, &asked) == Some(1.2));
    let told = node.api("POST", "/v1/explain?line_item=li_it", &asked.to_string());
    assert_eq!(told.json()["verdicts"][0]["price"]["value"], "1.20");
    assert_eq!(patch(&node, &clicks("0.5")).0, 200);
    until(8, "never more than the most", || {
        bid(&node, &asked) == Some(2.4)
    });
    for (change, pointer) in [
        (json!({"strategy": "fixed_cpm"}), "/bid/worth"),
        (json!({"base_cpm": "1"}), "/bid/base_cpm"),
        (json!({"worth": {"rate": "0"}}), "/bid/worth/rate"),
        (json!({"worth": {"goal": "impression"}}), "/bid/worth/rate"),
        (json!({"worth": {"goal": "fame"}}), "/bid/worth/goal"),
        (json!({"worth": {"amount": "0"}}), "/bid/worth/amount"),
    ] {
        let (status, answer) = patch(&node, &change);
        assert_eq!(status, 422, "{answer}");
        assert_eq!(answer["faults"][0]["pointer"], pointer, "{answer}");
    }
}

#[test]
fn prices_that_contradict_themselves_are_refused_with_every_fault() {
    let node = Node::start(SMALL, "");
    let (status, answer) = patch(
        &node,
        &json!({"strategy": "fixed_cpm", "max_cpm": "2", "base_cpm": "3", "min_cpm": "2.5",
        "modifier_limits": {"min": "2", "max": "1"},
        "modifiers": [
            {"when": {}, "factor": "2"},
            {"when": {"geo": {"include": ["FRA"], "exclude": ["FRA"]}}, "factor": "2"},
        ]}),
    );
    assert_eq!(status, 422, "{answer}");
    let faults = answer["errors"]
        .as_array()
        .or(answer["faults"].as_array())
        .unwrap();
    let mut pointers: Vec<&str> = faults
        .iter()
        .map(|fault| fault["pointer"].as_str().unwrap())
        .collect();
    pointers.sort_unstable();
    assert_eq!(
        pointers,
        [
            "/bid/base_cpm",
            "/bid/min_cpm",
            "/bid/modifier_limits",
            "/bid/modifiers/0/when",
            "/bid/modifiers/1/when/geo/include/0",
        ]
    );
    for factor in [json!("0"), json!("-1"), json!("101"), json!("much")] {
        let modifiers = json!([{"when": {"geo": ["FRA"]}, "factor": factor}]);
        let (status, answer) = patch(&node, &json!({"max_cpm": "2", "modifiers": modifiers}));
        assert_eq!(status, 422, "{answer}");
        assert!(
            answer.to_string().contains("/bid/modifiers/0/factor"),
            "{answer}"
        );
    }
}
