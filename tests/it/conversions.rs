//! Conversions, from the bid to the statement: by the token of a click and from the advertiser's
//! server, once across restarts.

use crate::client::Client;
use crate::node::{Node, SMALL, banner_request, gavel};
use crate::notices::metric;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

fn resources() -> String {
    let page = "landing_page = \"https://it.example/?click=${CLICK_ID}&x=1\"";
    let with_id = SMALL.replace("landing_page = \"https://it.example/\"", page);
    assert_ne!(with_id, SMALL, "the landing page has moved");
    with_id
}

/// A bid for a user: the address of its click and of its pixel.
fn shown(node: &Node, auction: &str, user: &str) -> (String, String) {
    let mut body = banner_request(auction);
    body["user"] = json!({ "id": user });
    let start = Instant::now();
    loop {
        let body = body.to_string();
        let answer = node.client().post("/openrtb2/bid/demo", body.as_bytes());
        if answer.status == 200 {
            let bid = answer.json()["seatbid"][0]["bid"][0].clone();
            let markup = bid["adm"].as_str().unwrap();
            let address = |path: &str| {
                let rest = &markup[markup.find(path).unwrap()..];
                rest.split(['"', '\'', ' ', '<']).next().unwrap().to_owned()
            };
            return (address("/t/click?t="), address("/t/imp?t="));
        }
        assert!(start.elapsed() < Duration::from_secs(8), "{answer:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Clicks, and gives back what the landing page is told.
fn click(client: &mut Client, path: &str) -> String {
    let answer = client.get(path);
    assert_eq!(answer.status, 302, "{answer:?}");
    let page = answer.header("location").unwrap();
    let id = page.strip_prefix("https://it.example/?click=").unwrap();
    id.strip_suffix("&x=1").unwrap().to_owned()
}

fn now() -> String {
    jiff::Timestamp::now().to_string()
}

fn report(node: &Node, body: &Value) -> Value {
    let answer = node.api("POST", "/v1/conversions", &body.to_string());
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

fn listed(node: &Node) -> Vec<Value> {
    let answer = node.api("GET", "/v1/conversions?advertiser=adv_it", "");
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["items"].as_array().unwrap().clone()
}

#[test]
fn a_click_takes_a_token_along_that_reports_its_order_once_across_a_crash() {
    let mut node = Node::start(&resources(), "");
    let (address, _) = shown(&node, "conv-1", "user-1");
    let mut client = node.client();
    let token = click(&mut client, &address);
    assert!((60..400).contains(&token.len()), "{token}");
    let order = format!("/t/conv?t={token}&o=A%2F1&v=12.50&c=USD");
    for _ in 0..2 {
        let answer = client.get(&order);
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.header("content-type"), Some("image/gif"));
    }
    node.crash_and_restart();
    let mut client = node.client();
    assert_eq!(client.get(&order).status, 200);
    // The same token may report another order, and one without a number.
    assert_eq!(client.get(&format!("/t/conv?t={token}&v=1")).status, 200);
    assert_eq!(client.get(&format!("/t/conv?t={token}&v=2")).status, 200);
    let all = listed(&node);
    assert_eq!(all.len(), 2, "{all:?}");
    let (second, first) = (&all[0], &all[1]);
    assert_eq!(
        (&first["order_id"], &first["value"]),
        (&"A/1".into(), &"12.50".into())
    );
    assert_eq!(
        (&first["currency"], &first["credit"]),
        (&"USD".into(), &"click".into())
    );
    assert_eq!(
        (&first["line_item"], &first["source"]),
        (&"li_it".into(), &"pixel".into())
    );
    assert_eq!(
        (&second["currency"], &second["value"]),
        (&"EUR".into(), &"1.00".into())
    );
    for (query, status, field) in [
        (format!("t={token}&o=x&v=-1"), 400, "v"),
        (format!("t={token}&o=x&v=many"), 400, "v"),
        (format!("t={token}&o=x&v=10000001"), 400, "v"),
        (format!("t={token}&o=x&c=EURO"), 400, "c"),
        (format!("t={token}&o={}", "x".repeat(129)), 400, "o"),
        ("t=AAAA&o=x".to_owned(), 400, "t"),
        (format!("t={token}A&o=x"), 403, "t"),
        ("o=x".to_owned(), 400, "t"),
    ] {
        let answer = client.get(&format!("/t/conv?{query}"));
        assert_eq!(
            (answer.status, &*answer.field()),
            (status, field),
            "{query}"
        );
    }
    // The click's own token reports nothing, and that of conversions opens no landing page.
    let foreign = address.replace("/t/click", "/t/conv");
    assert_eq!(client.get(&foreign).status, 403);
    assert_eq!(client.get(&format!("/t/click?t={token}")).status, 403);
    assert_eq!(listed(&node).len(), 2);
    // Counted since the restart: two new ones, and two repeats of what was known.
    let count = |credit: &str| {
        metric(
            &node,
            &format!("gavel_conversions_total{{credit=\"{credit}\"}}"),
        )
    };
    assert_eq!((count("click"), count("duplicate")), (1, 2));
}

#[test]
fn a_server_reports_late_and_the_last_click_goes_before_newer_views() {
    let node = Node::start(&resources(), "");
    let mut client = node.client();
    let (clicked, _) = shown(&node, "up-1", "user-2");
    let token = click(&mut client, &clicked);
    let (_, viewed) = shown(&node, "up-2", "user-2");
    assert_eq!(client.get(&viewed).status, 200);
    let (_, seen) = shown(&node, "up-3", "user-3");
    assert_eq!(client.get(&seen).status, 200);
    let user = |id: &str| json!([{ "kind": "id", "id": id }]);
    let one = |order: &str, extra: Value| {
        let mut body = json!({ "advertiser": "adv_it", "order_id": order, "at": now(),
                               "value": "20" });
        body.as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        body
    };
    let batch = json!({ "conversions": [
        one("B1", json!({ "users": user("user-2") })),
        one("B2", json!({ "users": user("user-3") })),
        one("B3", json!({ "users": user("nobody") })),
        one("B4", json!({ "click_id": token })),
        one("B5", json!({ "click_id": token, "at": "2026-10-01T00:00:00Z" })),
        one("B1", json!({ "users": user("user-3") })),
    ]});
    let credits: Vec<Value> = report(&node, &batch)["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["credit"].clone())
        .collect();
    // The fifth happened before the click, and the last is an order that was reported already.
    assert_eq!(
        credits,
        ["click", "view", "none", "click", "none", "duplicate"]
    );
    let single = report(&node, &one("B6", json!({ "click_id": token })));
    assert_eq!(single, json!({ "order_id": "B6", "credit": "click" }));
    // Attribution that gives views nothing is in force with the next report.
    let narrow = json!({ "attribution": { "post_click_days": 0, "post_view_days": 0 } });
    let answer = node.api("PATCH", "/v1/advertisers/adv_it", &narrow.to_string());
    assert_eq!(answer.status, 200, "{answer:?}");
    let off = report(&node, &one("B7", json!({ "click_id": token })));
    assert_eq!(off["credit"], "none");
    for (extra, pointer) in [
        (json!({ "click_id": "AAAA" }), "/click_id"),
        (
            json!({ "users": [{ "kind": "ifa", "id": "00000000-0000" }] }),
            "/users",
        ),
        (
            json!({ "click_id": token, "at": "2020-01-01T00:00:00Z" }),
            "/at",
        ),
    ] {
        let body = one("B8", extra).to_string();
        let answer = node.api("POST", "/v1/conversions", &body);
        assert_eq!(answer.status, 422, "{answer:?}");
        assert_eq!(answer.json()["faults"][0]["pointer"], pointer);
    }
    told(&node);
}

/// What was counted is in the report, on the statement and in the export.
fn told(node: &Node) {
    let today = jiff::Timestamp::now().strftime("%Y-%m-%d").to_string();
    let path = format!("/v1/reports/conversions?advertiser=adv_it&from={today}&to={today}");
    let answer = node.api("GET", &path, "");
    assert_eq!(answer.status, 200, "{answer:?}");
    let report = answer.json();
    let sum = |credit: &str| {
        let items = report["items"].as_array().unwrap();
        items
            .iter()
            .find(|item| item["credit"] == credit)
            .unwrap()
            .clone()
    };
    let clicks = json!({ "line_item": "li_it", "credit": "click", "currency": "EUR",
                         "conversions": 3, "value": "60.00" });
    assert_eq!(sum("click"), clicks);
    assert_eq!(sum("view")["conversions"], 1);
    let output = gavel(
        &node.folder,
        &[
            "export", "--from", &today, "--to", &today, "--format", "jsonl", "--out", "out",
        ],
    );
    assert!(output.status.success(), "{output:?}");
    let file = format!("out/conversions/date={today}/conversions.jsonl");
    let text = std::fs::read_to_string(node.folder.join(file)).unwrap();
    let first: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!(
        (&first["order_id"], &first["value_micros"]),
        (&"B1".into(), &20_000_000.into())
    );
    // A statement is of an account that was charged.
    let bid = crate::notices::bid(node, "charged");
    let bill = crate::notices::notice(&bid, "burl", "1.5", "");
    assert_eq!(node.client().get(&bill).status, 200);
    let month = &today[..7];
    for (format, part) in [
        ("json", "\"conversions\": 3"),
        ("text", "conversions of"),
        ("csv", ",conversions,adv_it,li_it,EUR,3,60.00,"),
        ("html", "<h2>Conversions</h2>"),
    ] {
        let path = format!("/v1/statements?account=adv_it&month={month}&format={format}");
        let answer = node.api("GET", &path, "");
        let text = String::from_utf8(answer.body).unwrap();
        assert!(text.contains(part), "{format}: {text}");
    }
}
