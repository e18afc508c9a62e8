//! Why a line item bids or does not, asked of a running node, against what the node answers; and
//! the funnel that is counted meanwhile.

use crate::client::Answer;
use crate::node::{Node, SMALL, banner_request, until};
use serde_json::{Value, json};

/// [`SMALL`], with line items of its campaign beside `li_it` that stop for reasons of their own.
fn market() -> String {
    let others = [
        ("li_german", "1.50", "geo = [\"DEU\"]"),
        ("li_cheap", "0.50", ""),
        (
            "li_late",
            "1.50",
            "hours = [{ days = [], from = 0, to = 24 }]",
        ),
        (
            "li_section",
            "1.50",
            "ext = [{ path = \"imp.ext.data.section\", include = [\"sport\"] }]",
        ),
    ];
    let line_item = |(id, cpm, rule): (&str, &str, &str)| {
        format!(
            "[[line_items]]\nid = \"{id}\"\ncampaign = \"cmp_it\"\nname = \"{id}\"\n\
             bid = {{ strategy = \"fixed_cpm\", max_cpm = \"{cpm}\" }}\n\
             creatives = [\"cr_it\"]\n[line_items.targeting]\nsizes = [\"300x250\"]\n{rule}\n\n"
        )
    };
    others
        .into_iter()
        .map(line_item)
        .fold(SMALL.to_owned(), |all, one| all + &one)
}

fn request(id: &str) -> Value {
    let mut request = banner_request(id);
    request["imp"][0]["bidfloor"] = json!(1.0);
    request["imp"][0]["bidfloorcur"] = json!("EUR");
    request["device"] = json!({"geo": {"country": "FRA"}});
    request
}

fn explained(node: &Node, query: &str, request: &Value) -> Answer {
    node.api("POST", &format!("/v1/explain{query}"), &request.to_string())
}

fn bid(node: &Node, request: &Value) -> Answer {
    node.client()
        .post("/openrtb2/bid/demo", request.to_string().as_bytes())
}

fn step<'a>(answer: &'a Value, line_item: &str) -> &'a Value {
    let verdicts = answer["verdicts"].as_array().unwrap();
    verdicts
        .iter()
        .find(|one| one["line_item"] == line_item)
        .unwrap()
}

#[test]
fn every_line_item_is_told_its_first_failing_rule_and_the_bid_its_price() {
    let node = Node::start(&market(), "");
    until(8, "a bid", || bid(&node, &request("warm")).status == 200);
    let answer = explained(&node, "", &request("a"));
    assert_eq!(answer.status, 200, "{answer:?}");
    let answer = answer.json();
    assert_eq!(answer["outcome"], json!({"bids": 1, "currency": "EUR"}));
    let price = &step(&answer, "li_it")["price"];
    assert_eq!(step(&answer, "li_it")["step"], "bid");
    assert_eq!(
        (&price["floor"], &price["price"]),
        (&json!("1.00"), &json!("2.00"))
    );
    let german = step(&answer, "li_german");
    assert_eq!(
        (&german["rule"], &german["seen"]),
        (&json!("geo"), &json!(["FRA"]))
    );
    assert_eq!(german["wanted"], json!({"/targeting/geo": ["DEU"]}));
    let section = step(&answer, "li_section");
    assert_eq!(section["rule"], "ext/imp.ext.data.section");
    assert_eq!(
        section["wanted"]["/targeting/ext/0"]["include"],
        json!(["sport"])
    );
    assert_eq!(section["seen"], json!([]));
    let cheap = step(&answer, "li_cheap");
    assert_eq!(
        (&cheap["rule"], &cheap["seen"]),
        (&json!("below_floor"), &json!("bidfloor 1 EUR"))
    );
    assert_eq!(step(&answer, "li_late")["step"], "outbid");
    assert_eq!(step(&answer, "li_late")["by"], "li_it");
    let done = bid(&node, &request("a")).json();
    assert_eq!(done["seatbid"][0]["bid"][0]["cid"], "li_it");

    // The header of a no-bid and the explanation have one reason.
    let mut late = request("late");
    late["tmax"] = json!(1);
    let refused = bid(&node, &late);
    let answer = explained(&node, "?line_item=li_it", &late).json();
    assert_eq!(refused.status, 204);
    let nbr = refused
        .header("x-openrtb-nbr")
        .unwrap()
        .parse::<i64>()
        .unwrap();
    assert_eq!(
        answer["outcome"],
        json!({"bids": 0, "reason": "insufficient_time", "nbr": nbr})
    );
    assert_eq!(answer["verdicts"].as_array().unwrap().len(), 1);

    let malformed = explained(&node, "", &json!({"id": "x"}));
    assert_eq!(malformed.status, 422);
    assert_eq!(
        malformed.json()["detail"],
        "imp: required field is missing or empty"
    );
    assert_eq!(explained(&node, "?exchange=x", &request("a")).status, 404);
}

#[test]
fn the_funnel_leads_from_requests_to_bills() {
    let node = Node::start(&market(), "");
    let funnel = |line_item: &str| {
        let path = format!("/v1/line_items/{line_item}/funnel");
        node.api("GET", &path, "").json()["total"].clone()
    };
    until(8, "a bid", || bid(&node, &request("warm")).status == 200);
    let before = funnel("li_it")["requests"].as_u64().unwrap();
    let mut burl = String::new();
    for at in 0..20 {
        let answer = bid(&node, &request(&format!("f{at}"))).json();
        burl = answer["seatbid"][0]["bid"][0]["burl"]
            .as_str()
            .unwrap()
            .to_owned();
        // Nobody counts what is only explained, nor a test.
        assert_eq!(explained(&node, "", &request("e")).status, 200);
        let mut test = request("t");
        test["test"] = json!(1);
        assert_eq!(bid(&node, &test).status, 200);
    }
    let own = funnel("li_it");
    assert_eq!(own["requests"], before + 20, "{own}");
    let bids = own["bids"].as_u64().unwrap();
    assert!((20..=before + 20).contains(&bids), "{own}");
    assert!(own["targeted"].as_u64().unwrap() >= 20, "{own}");
    assert_eq!(funnel("li_german")["targeted"], 0);
    assert_eq!((&own["wins"], &own["billed"]), (&json!(0), &json!(0)));
    let path = burl.split_once("/n/bill").unwrap().1;
    let path = format!("/n/bill{path}").replace("${AUCTION_PRICE}", "1.5");
    let path = path.replace("${AUCTION_CURRENCY}", "EUR");
    for _ in 0..2 {
        assert_eq!(node.client().get(&path).status, 200);
    }
    assert_eq!(funnel("li_it")["billed"], 1, "a repeated bill is one");
}

#[test]
fn a_line_item_without_a_budget_says_so_in_its_status() {
    let poor = SMALL.replace("total = \"1000\", daily = \"100\"", "total = \"0.001\"");
    let node = Node::start(&poor, "");
    let serving = || node.api("GET", "/v1/line_items/li_it", "").json()["serving"].clone();
    until(8, "a status", || serving()["status"] == "not_serving");
    assert_eq!(
        serving()["reasons"][0]["code"],
        "no_budget_left",
        "{}",
        serving()
    );
    let answer = explained(&node, "", &request("a")).json();
    assert_eq!(answer["outcome"]["reason"], "nothing_active");
    assert_eq!(step(&answer, "li_it")["rule"], "no_budget_left");
}

#[test]
fn a_draft_is_forecast_from_the_traffic_that_was_seen() {
    let node = Node::start(&market(), "");
    let draft = |cpm: &str, country: &str| {
        let draft = json!({"campaign": "cmp_it", "name": "D", "bid": {"max_cpm": cpm},
            "creatives": ["cr_it"], "targeting": {"geo": [country]}});
        node.api("POST", "/v1/forecast", &draft.to_string())
    };
    let nothing = draft("2.50", "FRA");
    assert_eq!(nothing.status, 503, "{nothing:?}");
    until(8, "a bid", || bid(&node, &request("warm")).status == 200);
    for at in 0..30 {
        assert_eq!(bid(&node, &request(&format!("f{at}"))).status, 200);
    }
    let dear = draft("2.50", "FRA");
    assert_eq!(dear.status, 200, "{dear:?}");
    let dear = dear.json();
    let seen = dear["sample"]["requests"].as_u64().unwrap();
    assert!(seen >= 31 && dear["sample"]["looked_at"] == seen, "{dear}");
    let likely = |answer: &Value, name: &str| answer[name]["likely"].as_u64().unwrap();
    assert!(likely(&dear, "avails") > seen, "a day is longer: {dear}");
    // Every request was looked at: all that can be bid on is known.
    assert_eq!(dear["avails"], dear["bids"]);
    assert_eq!(dear["avails"]["low"], dear["avails"]["high"]);
    assert!(
        likely(&dear, "wins") < likely(&dear, "bids"),
        "none was billed: {dear}"
    );
    // Another line item bids 2.00.
    let cheap = draft("1.50", "FRA").json();
    assert_eq!(likely(&cheap, "offers"), likely(&cheap, "avails"));
    assert_eq!(likely(&cheap, "bids"), 0);
    assert_eq!(cheap["stopped"]["outbid"], cheap["offers"]["likely"]);
    let elsewhere = draft("2.50", "DEU").json();
    assert_eq!(likely(&elsewhere, "avails"), 0);
    assert!(
        elsewhere["stopped"]["geo"].as_u64().unwrap() > 0,
        "{elsewhere}"
    );
    let listed = node.api("GET", "/v1/line_items", "").json();
    assert_eq!(
        listed["items"].as_array().unwrap().len(),
        5,
        "nothing was kept"
    );
}
