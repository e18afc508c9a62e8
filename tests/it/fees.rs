//! What an advertiser pays beside the media, from its price list to every party's statement.

use crate::node::{Node, SMALL, banner_request, gavel, until};
use serde_json::{Value, json};

const BUYER: &str =
    r#"targeting = { audience = { include = [["autos", "travel"]], exclude = ["kids"] }, formats"#;

/// A node whose line item asks for people that a provider knows, one of whom is `u-1`.
fn node() -> Node {
    let name = format!("gavel-it-fees-{}.tsv", std::process::id());
    let file = std::env::temp_dir().join(name);
    std::fs::write(&file, "userid\tu-1\ttravel,autos\nuserid\tu-2\ttravel\n").unwrap();
    let configuration = format!("audience.file = \"{}\"\n", file.display());
    Node::start(
        &SMALL.replace("targeting = { formats", BUYER),
        &configuration,
    )
}

fn bid(node: &Node, id: &str, user: &str) -> Option<Value> {
    let mut request = banner_request(id);
    request["user"] = json!({ "id": user });
    let body = request.to_string();
    let answer = node.client().post("/openrtb2/bid/demo", body.as_bytes());
    (answer.status == 200).then(|| answer.json()["seatbid"][0]["bid"][0].clone())
}

fn set(node: &Node, method: &str, path: &str, body: &Value) {
    let answer = node.api(method, path, &body.to_string());
    assert!([200, 201].contains(&answer.status), "{answer:?}");
}

/// The first line of an account's statement.
fn stated(node: &Node, account: &str) -> Value {
    let arguments = [
        "statement",
        "--config",
        "gavel.toml",
        "--format",
        "json",
        "--account",
    ];
    let arguments: Vec<&str> = arguments.into_iter().chain([account]).collect();
    let output = gavel(&node.folder, &arguments);
    assert!(output.status.success(), "{output:?}");
    let statement: Value = serde_json::from_slice(&output.stdout).unwrap();
    statement["lines"][0].clone()
}

#[test]
fn fees_are_taken_out_held_charged_and_stated() {
    let node = node();
    until(10, "a bid", || bid(&node, "warm", "u-1").is_some());
    let plain = bid(&node, "plain", "u-1").unwrap()["price"]
        .as_f64()
        .unwrap();
    assert!((plain - 2.0).abs() < 1e-9, "{plain}");
    set(
        &node,
        "PATCH",
        "/v1/advertisers/adv_it",
        &json!({ "platform_fee": "0.25" }),
    );
    let segment = |id: &str, cpm: &str| {
        let prices = json!([{ "currency": "EUR", "cpm": cpm }, { "currency": "USD", "cpm": "9" }]);
        let body = json!({ "name": id, "provider": "prv_it", "data_cpm": prices });
        set(&node, "PUT", &format!("/v1/segments/{id}"), &body);
    };
    segment("autos", "0.50");
    segment("travel", "0.25");
    // (2.00 - 0.50) / 1.25: of the two segments of the list the first one is paid.
    let price = |user: &str| bid(&node, "price", user).and_then(|bid| bid["price"].as_f64());
    until(10, "the fees are live", || {
        [price("u-1"), price("u-2")] == [Some(1.2), Some(1.4)]
    });

    let explained = |user: &str| -> Value {
        let mut request = banner_request("why");
        request["user"] = json!({ "id": user });
        let answer = node.api("POST", "/v1/explain?line_item=li_it", &request.to_string());
        answer.json()["verdicts"][0].clone()
    };
    let told = &explained("u-1")["price"];
    assert_eq!(
        told["fees"],
        json!({ "platform_fee": "0.25", "data_cpm": "0.50", "left": "1.20" }),
        "{told}"
    );

    let sold = bid(&node, "sold", "u-1").unwrap();
    let link = sold["burl"].as_str().unwrap();
    let link = &link[link.find("/n/bill").unwrap()..];
    let link = link
        .replace("${AUCTION_PRICE}", "1.00")
        .replace("${AUCTION_CURRENCY}", "EUR")
        .replace("${AUCTION_SEAT_ID}", "adv_it");
    for _ in 0..2 {
        assert_eq!(node.client().get(&link).status, 200, "once and again");
    }
    let line = |account: &str| stated(&node, account);
    let advertiser = line("adv_it");
    assert_eq!(
        ["gross", "fees", "data_cost", "net"].map(|part| advertiser[part].clone()),
        ["0.001", "0.00025", "0.0005", "0.00175"].map(Value::from),
        "{advertiser}"
    );
    assert_eq!(line("platform_fee")["net"], "0.00025");
    assert_eq!(line("data:prv_it")["net"], "0.0005");
    assert_eq!(line("media:demo:adv_it")["net"], "0.001");
    let folder = node.folder.clone();
    let config = folder.join("gavel.toml");
    let out = folder.join("exported");
    let arguments = [
        "export",
        "--from",
        "2020-01-01",
        "--to",
        "2099-01-01",
        "--config",
        config.to_str().unwrap(),
        "--format",
        "jsonl",
        "--out",
        out.to_str().unwrap(),
    ];
    let exported = gavel(&folder, &arguments);
    assert!(exported.status.success(), "{exported:?}");
    let rows = rows(&out);
    let bill = rows.iter().find(|row| row["kind"] == "bill").unwrap();
    assert_eq!(
        ["cost_micros", "platform_fee_micros", "data_cost_micros"].map(|part| &bill[part]),
        [&json!(1_000), &json!(250), &json!(500)]
    );
    assert_eq!(bill["data"], "prv_it=500000");

    // Data that costs the whole price leaves nothing to bid with.
    segment("autos", "2.00");
    until(10, "nothing is left", || price("u-1").is_none());
    let refused = explained("u-1");
    assert_eq!(refused["rule"], "below_minimum", "{refused}");
    assert!(
        refused["wanted"].as_str().unwrap().contains("fees, data"),
        "{refused}"
    );
}

/// Every row that was exported.
fn rows(folder: &std::path::Path) -> Vec<Value> {
    let mut rows = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rows.extend(self::rows(&path));
        } else if path.extension().is_some_and(|ext| ext == "jsonl") {
            let text = std::fs::read_to_string(path).unwrap();
            rows.extend(
                text.lines()
                    .map(|line| serde_json::from_str::<Value>(line).unwrap()),
            );
        }
    }
    rows
}

#[test]
fn a_segment_that_is_not_sold_in_the_currency_stops_whoever_asks_for_it() {
    let node = node();
    until(10, "a bid", || bid(&node, "warm", "u-1").is_some());
    let body = json!({ "name": "Autos", "provider": "prv_it",
        "data_cpm": [{ "currency": "USD", "cpm": "0.50" }] });
    set(&node, "PUT", "/v1/segments/autos", &body);
    let serving = || node.api("GET", "/v1/line_items/li_it", "").json()["serving"].clone();
    until(10, "it is told", || {
        serving()["reasons"][0]["code"] == "no_data_price"
    });
    let detail = serving()["reasons"][0]["detail"].clone();
    assert_eq!(detail, "the segment autos has no price in EUR");
    until(10, "nobody bids", || bid(&node, "stopped", "u-1").is_none());
    set(
        &node,
        "PATCH",
        "/v1/segments/autos",
        &json!({ "status": "archived" }),
    );
    until(10, "it costs nothing", || {
        bid(&node, "free", "u-1").is_some()
    });
}

#[test]
fn faulty_prices_are_refused_with_every_fault() {
    let node = node();
    let body = json!({ "name": "", "provider": "a b", "data_cpm": [
        { "currency": "EUR", "cpm": "0" }, { "currency": "XYZ", "cpm": "1" }], "price": 1 });
    let answer = node.api("PUT", "/v1/segments/autos", &body.to_string());
    assert_eq!(answer.status, 422, "{answer:?}");
    let faults = answer.json()["faults"].clone();
    let faults = faults.as_array().unwrap().iter();
    let mut pointers: Vec<&str> = faults.map(|one| one["pointer"].as_str().unwrap()).collect();
    pointers.sort_unstable();
    let expected = [
        "/data_cpm/0/cpm",
        "/data_cpm/1/currency",
        "/name",
        "/price",
        "/provider",
    ];
    assert_eq!(pointers, expected);
    let twice = json!([{ "currency": "EUR", "cpm": "1" }, { "currency": "EUR", "cpm": "2" }]);
    let body = json!({ "name": "Autos", "provider": "prv_it", "data_cpm": twice });
    let answer = node.api("PUT", "/v1/segments/autos", &body.to_string());
    assert_eq!(
        answer.json()["faults"][0]["pointer"],
        "/data_cpm/1/currency",
        "{answer:?}"
    );
    let answer = node.api(
        "PATCH",
        "/v1/advertisers/adv_it",
        r#"{"platform_fee": "1.2"}"#,
    );
    assert_eq!(
        answer.json()["faults"][0]["pointer"],
        "/platform_fee",
        "{answer:?}"
    );
}
