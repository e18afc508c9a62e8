//! Refused notices: each with its reason, its count and its line, and what a replay makes of them.

use crate::client::Client;
use crate::node::{Node, SMALL, gavel};
use crate::notices::{bid, metric, notice, sealed};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

pub fn charged(node: &Node) -> u64 {
    metric(node, "gavel_ledger_events_total{outcome=\"charged\"}")
}

/// The lines that are there once `count` are: nobody waits for them.
fn lines(node: &Node, query: &str, count: usize) -> Vec<Value> {
    let start = Instant::now();
    loop {
        let answer = node.api("GET", &format!("/v1/notices/refused{query}"), "");
        assert_eq!(answer.status, 200, "{answer:?}");
        let items = answer.json()["items"].as_array().unwrap().clone();
        if items.len() >= count {
            return items;
        }
        assert!(start.elapsed() < Duration::from_secs(8), "{items:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn replay(node: &Node, body: &Value) -> Value {
    let answer = node.api("POST", "/v1/notices/refused/replay", &body.to_string());
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

fn reasons(lines: &[Value]) -> Vec<&str> {
    lines
        .iter()
        .map(|line| line["reason"].as_str().unwrap())
        .collect()
}

#[test]
fn every_refusal_has_its_reason_its_count_and_its_line() {
    let node = Node::start(SMALL, "");
    let bid = bid(&node, "refused");
    let mut client = node.client();
    let bill = |price: &str| notice(&bid, "burl", price, "");
    let cases = [
        (bill("2.000001"), "p", "above_bid"),
        (bill("-0.5"), "p", "negative"),
        (bill("99999999999"), "p", "absurd"),
        (bill("two"), "p", "not_a_number"),
        (bill(""), "p", "no_price"),
        (bill("${AUCTION_PRICE}"), "p", "unresolved_macro"),
        (bill("%24%7BAUCTION_PRICE%7D"), "p", "unresolved_macro"),
        (bill("AUDIT"), "p", "audit"),
        (bill("1").replace("c=EUR", "c=USD"), "c", "wrong_currency"),
        (
            bill("1").replace("s=${AUCTION_SEAT_ID}", "s=somebody"),
            "s",
            "unknown_seat",
        ),
        (format!("{}&q=2", bill("1")), "q", "multiplier"),
    ];
    let mut expected: Vec<&str> = Vec::new();
    for (path, field, reason) in &cases {
        let answer = client.get(path);
        assert_eq!(
            (answer.status, answer.field().as_str()),
            (400, *field),
            "{path}"
        );
        if !expected.contains(reason) {
            expected.push(reason);
        }
        let line = format!("gavel_notices_refused_total{{reason=\"{reason}\"}}");
        let told = cases.iter().filter(|(_, _, other)| other == reason).count();
        assert!(
            (1..=told as u64).contains(&metric(&node, &line)),
            "{reason}"
        );
    }
    let kept = lines(&node, "?limit=100", expected.len());
    let mut found = reasons(&kept);
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
    for line in &kept {
        assert_eq!(
            (&line["exchange"], &line["line_item"]),
            (&"demo".into(), &"li_it".into())
        );
        assert_eq!(
            (&line["state"], &line["bid_cpm"]),
            (&"open".into(), &"2.00".into())
        );
        assert!(line["told"].as_str().unwrap().starts_with("/n/bill?t="));
    }
    // Nothing of it was charged, and the bid may still be billed rightly; then nothing is open.
    assert_eq!(charged(&node), 0);
    assert_eq!(client.get(&bill("1")).status, 200);
    assert_eq!(lines(&node, "", 0).len(), 0);
    assert_eq!(lines(&node, "?state=all&reason=above_bid", 1).len(), 1);
    assert_eq!(replay(&node, &json!({}))["items"], json!([]));
    assert_eq!(charged(&node), 1);
}

#[test]
fn tokens_that_are_not_ours_leave_a_line_and_charge_nothing() {
    let node = Node::start(SMALL, "");
    let bid = bid(&node, "strays");
    let right = notice(&bid, "burl", "1", "");
    let start = right.find("t=").unwrap() + 2;
    let token = &right[start..right.find("&p=").unwrap()];
    let mut bytes = URL_SAFE_NO_PAD.decode(token).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    let forged = URL_SAFE_NO_PAD.encode(&bytes);
    bytes[1] ^= 0x55;
    let foreign = URL_SAFE_NO_PAD.encode(&bytes);
    // A pixel's token does not open the billing notice.
    let markup = bid["adm"].as_str().unwrap();
    let pixel = markup.split("/t/imp?t=").nth(1).unwrap();
    let pixel = pixel.split(['"', '\'', '&']).next().unwrap();
    let mut client = node.client();
    for (token, status, reason) in [
        ("AAAA", 400, "malformed"),
        (&forged, 403, "forged"),
        (&foreign, 403, "unknown_key"),
        (pixel, 403, "forged"),
    ] {
        let path = format!("/n/bill?t={token}&p=1&c=EUR");
        let answer = client.get(&path);
        assert_eq!(
            (answer.status, answer.field().as_str()),
            (status, "t"),
            "{reason}"
        );
        let line = format!("gavel_tokens_refused_total{{reason=\"{reason}\"}}");
        assert!(metric(&node, &line) > 0, "{reason}");
    }
    let kept = lines(&node, "", 4);
    assert_eq!(
        reasons(&kept),
        ["forged", "unknown_key", "forged", "malformed"]
    );
    assert!(kept.iter().all(|line| line["exchange"].is_null()));
    let done = replay(&node, &json!({ "limit": 3 }));
    let outcomes = json!({ "malformed": 1, "forged": 1, "unknown_key": 1 });
    assert_eq!(done["outcomes"], outcomes);
    let rest = replay(&node, &json!({ "after": done["next"] }));
    assert_eq!(
        (&rest["outcomes"], &rest["next"]),
        (&json!({ "forged": 1 }), &Value::Null)
    );
    assert_eq!(charged(&node), 0);
    // The list beside the node says the same.
    let output = gavel(
        &node.folder,
        &["notices", "--reason", "forged", "--format", "json"],
    );
    let listed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        listed,
        json!([
            lines(&node, "?reason=forged", 2)[0],
            lines(&node, "?reason=forged", 2)[1]
        ])
    );
    let wrong = gavel(&node.folder, &["notices", "--reason", "frogged"]);
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("--reason: expected one of"));
}

#[test]
fn what_was_refused_for_want_of_a_key_is_charged_once_after_the_key_has_come() {
    let folder = std::env::temp_dir().join(format!("gavel-it-replay-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let resources = SMALL.replace("name = \"demo\"", "name = \"demo\"\nprice = \"hmac_sha1\"");
    let configuration = format!("bidder.price_keys = \"{}\"\n", folder.display());
    let mut node = Node::start(&resources, &configuration);
    let mut client = node.client();
    let bills: Vec<String> = (0..5)
        .map(|number| bid(&node, &format!("keyless-{number}")))
        .map(|bid| notice(&bid, "burl", &sealed(1_500_000), ""))
        .collect();
    for bill in &bills {
        assert_eq!(client.get(bill).status, 400);
    }
    assert_eq!(lines(&node, "?reason=no_key", 5).len(), 5);
    let still = replay(&node, &json!({ "reason": "no_key" }));
    assert_eq!(still["outcomes"], json!({ "no_key": 5 }));
    // The letters survive a crash, and so does that they were paid.
    node.crash_and_restart();
    let keys = [1, 2].map(|key| URL_SAFE_NO_PAD.encode([key; 32]));
    std::fs::write(folder.join("demo.keys"), keys.join("\n")).unwrap();
    node.hang_up();
    let mut client = node.client();
    let start = Instant::now();
    while client.get(&bills[0]).status != 200 {
        assert!(
            start.elapsed() < Duration::from_secs(8),
            "the keys are not read"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    let done = replay(
        &node,
        &json!({ "reason": "no_key", "exchange": "demo", "limit": 2 }),
    );
    assert_eq!(done["outcomes"], json!({ "charged": 2 }));
    let done = replay(&node, &json!({ "after": done["next"] }));
    assert_eq!(done["outcomes"], json!({ "charged": 2 }));
    assert_eq!(charged(&node), 5);
    assert_eq!(replay(&node, &json!({}))["items"], json!([]));
    // The sender tries again as well.
    for bill in &bills {
        assert_eq!(client.get(bill).status, 200);
    }
    assert_eq!(charged(&node), 5);
    let all = lines(&node, "?state=all", 5);
    assert!(all.iter().all(|line| line["state"] == "settled"));
    assert_eq!(all[0]["replay_outcome"], "charged");
    let statement = node.api(
        "GET",
        &format!("/v1/statements?account=adv_it&month={}", month()),
        "",
    );
    let line = &statement.json()["lines"][0];
    assert_eq!(
        (&line["impressions"], &line["gross"]),
        (&5.into(), &"0.0075".into())
    );
    std::fs::remove_dir_all(&folder).unwrap();
}

pub fn month() -> String {
    jiff::Timestamp::now().strftime("%Y-%m").to_string()
}

#[test]
fn a_flood_of_forged_notices_is_counted_to_the_last_and_stops_no_bill() {
    let node = Node::start(SMALL, "");
    let bids = ["before", "amid"].map(|id| bid(&node, id));
    let flood: Vec<_> = (0..4)
        .map(|thread| {
            let mut client = node.client();
            std::thread::spawn(move || {
                for number in 0..200 {
                    let answer = client.get(&format!("/n/bill?t=AwEA{thread}{number:03}&p=1"));
                    assert!((400..500).contains(&answer.status), "{answer:?}");
                }
            })
        })
        .collect();
    for bid in &bids {
        let answer = node.client().get(&notice(bid, "burl", "1", ""));
        assert_eq!(answer.status, 200);
    }
    for thread in flood {
        thread.join().unwrap();
    }
    let count = |outcome: &str| {
        let line = format!("gavel_dead_letters_total{{outcome=\"{outcome}\"}}");
        metric(&node, &line)
    };
    let start = Instant::now();
    while count("kept") + count("shed") < 800 {
        assert!(start.elapsed() < Duration::from_secs(8), "letters are lost");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(count("kept") + count("shed"), 800);
    let kept = usize::try_from(count("kept")).unwrap();
    assert!(kept > 0);
    assert_eq!(lines(&node, "?limit=1000", kept).len(), kept);
    assert_eq!(charged(&node), 2);
}

#[test]
fn refused_notices_are_shown_to_the_operator_alone() {
    let node = Node::start(SMALL, "");
    let mut client = Client::new(node.control);
    assert_eq!(client.get("/v1/notices/refused").status, 401);
}
