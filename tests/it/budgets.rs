//! What a running node bids within budgets that are changed under it.

use crate::client::Client;
use crate::node::{Node, SMALL, banner_request, until};
use serde_json::{Value, json};
use std::fs;
use std::time::{Duration, Instant};

/// Asks until nothing is bid for a second, and says how often something was.
fn bids_until_dry(node: &Node, round: &str) -> usize {
    bids_of(node, round, usize::MAX)
}

fn bids_of(node: &Node, round: &str, most: usize) -> usize {
    let mut client = Client::new(node.data);
    let (mut bids, mut asked) = (0, 0);
    let mut last = Instant::now();
    while bids < most && last.elapsed() < Duration::from_secs(1) {
        asked += 1;
        let body = banner_request(&format!("{round}-{asked}")).to_string();
        let answer = client.post("/openrtb2/bid/demo", body.as_bytes());
        if answer.status == 200 {
            bids += 1;
            last = Instant::now();
        } else {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    bids
}

#[test]
fn a_flexible_day_takes_more_and_no_more_than_it_may() {
    // A bid holds a little over 0.002, so a day takes five.
    let resources = SMALL.replace("daily = \"100\"", "daily = \"0.0101\"");
    let node = Node::start(&resources, "");
    assert_eq!(bids_until_dry(&node, "hard"), 5);
    let patch = |flex: &str| {
        let body = format!(r#"{{"budget": {{"flex": {flex}}}}}"#);
        node.api("PATCH", "/v1/campaigns/cmp_it", &body)
    };
    let refused = patch(r#"{"daily": 40}"#);
    assert_eq!(refused.status, 422, "{refused:?}");
    assert_eq!(refused.json()["faults"][0]["pointer"], "/budget/flex/daily");
    assert_eq!(patch("{}").status, 200);
    assert_eq!(bids_until_dry(&node, "twice"), 5, "two daily budgets");
    assert_eq!(patch(r#"{"daily": 2.4, "period": 2.4}"#).status, 200);
    assert_eq!(bids_until_dry(&node, "more"), 2, "twelve in all");
    assert_eq!(patch("null").status, 200);
    assert_eq!(bids_until_dry(&node, "hard again"), 0);
}

#[test]
fn pacers_outlive_a_restart_and_a_damaged_file_stops_nobody() {
    let mut node = Node::start(SMALL, "");
    let file = node.folder.join("data").join("pacers.json");
    let saved = || -> Value { serde_json::from_slice(&fs::read(&file).unwrap()).unwrap() };
    node.terminate();
    let mut pacers = saved();
    assert!(pacers["cmp_it"].is_object(), "{pacers}");
    pacers["cmp_it"]["multiplier"] = json!(0.25);
    pacers["cmp_gone"] = pacers["cmp_it"].clone();
    fs::write(&file, pacers.to_string()).unwrap();
    node.restart();
    // A node that is stopped before it has published knows of no campaign that is gone.
    assert_eq!(bids_of(&node, "kept", 1), 1);
    node.terminate();
    let kept = saved();
    assert_eq!(kept["cmp_it"]["multiplier"], 0.25);
    assert_eq!(kept["cmp_gone"], Value::Null);
    fs::write(&file, "{").unwrap();
    node.restart();
    assert_eq!(bids_of(&node, "new", 3), 3);
    node.terminate();
    assert!(saved()["cmp_it"].is_object());
    assert_eq!(fs::read(file.with_extension("json.damaged")).unwrap(), b"{");
}

/// The paths of the notices and of the click of a bid.
fn paths(node: &Node, id: &str) -> Option<[String; 2]> {
    let body = banner_request(id).to_string();
    let answer = node.client().post("/openrtb2/bid/demo", body.as_bytes());
    if answer.status != 200 {
        return None;
    }
    let bid = answer.json()["seatbid"][0]["bid"][0].clone();
    let path = |text: &str, from: &str| {
        let start = text.find(from).unwrap();
        let length = text[start..].find('"').unwrap_or(text.len() - start);
        text[start..start + length].to_owned()
    };
    let bill = path(bid["burl"].as_str().unwrap(), "/n/bill")
        .replace("${AUCTION_PRICE}", "1.5")
        .replace("${AUCTION_CURRENCY}", "EUR")
        .replace("${AUCTION_SEAT_ID}", "adv_it");
    Some([bill, path(bid["adm"].as_str().unwrap(), "/t/click")])
}

fn idle(node: &Node) -> Value {
    let serving = node.api("GET", "/v1/line_items/li_it", "").json()["serving"].clone();
    serving["reasons"][0]["code"].clone()
}

#[test]
fn goals_of_impressions_and_clicks_end_a_line_item() {
    let shown = "creatives = [\"cr_it\"]\n";
    let resources = SMALL.replace(shown, &format!("{shown}goal = {{ impressions = 5 }}\n"));
    let node = Node::start(&resources, "");
    let goal = |goal: Value| {
        let body = json!({ "goal": goal }).to_string();
        node.api("PATCH", "/v1/line_items/li_it", &body)
    };
    let refused = goal(json!({"impressions": 5, "daily_impressions": 6}));
    assert_eq!(refused.status, 422, "{refused:?}");
    let pointer = &refused.json()["faults"][0]["pointer"];
    assert_eq!(pointer, "/goal/daily_impressions");
    let first = paths(&node, "first").expect("a bid");
    assert_eq!(bids_of(&node, "rest", usize::MAX), 4, "five are held");
    assert_eq!(node.client().get(&first[0]).status, 200);
    assert_eq!(idle(&node), "goal_reached");
    assert_eq!(goal(json!({"impressions": 6})).status, 200);
    assert_eq!(bids_of(&node, "one more", usize::MAX), 1);
    // A goal of clicks stops bids and no click.
    assert_eq!(goal(json!({"impressions": null, "clicks": 2})).status, 200);
    let mut clicks = Vec::new();
    until(8, "bids", || {
        clicks.extend(paths(&node, &format!("c{}", clicks.len())));
        clicks.len() == 3
    });
    for [_, click] in &clicks {
        assert_eq!(node.client().get(click).status, 302);
    }
    until(8, "the goal", || idle(&node) == "goal_reached");
    assert_eq!(paths(&node, "after"), None);
    assert_eq!(goal(json!(null)).status, 200);
    until(8, "a bid", || paths(&node, "again").is_some());
}
