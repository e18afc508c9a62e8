//! What notices do: to budgets, to reservations, to frequency counts, to the dead letters.

use crate::client::{Answer, Client};
use crate::node::{Node, SMALL, banner_request};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use sha1::Sha1;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// [`SMALL`] with one impression for each user and day.
fn capped() -> String {
    capped_at(1)
}

/// [`SMALL`] with so many impressions for each user and day.
fn capped_at(most: u32) -> String {
    let rule = format!("creatives = [\"cr_it\"]\nfrequency = [{{ max = {most}, per = \"day\" }}]");
    SMALL.replace("creatives = [\"cr_it\"]", &rule)
}

fn ask(node: &Node, id: &str) -> Answer {
    let body = banner_request(id).to_string();
    node.client().post("/openrtb2/bid/demo", body.as_bytes())
}

/// Asks until there is a bid: the plan of the first moment may not be made yet.
pub fn bid(node: &Node, id: &str) -> serde_json::Value {
    let start = Instant::now();
    loop {
        let answer = ask(node, id);
        if answer.status == 200 {
            return answer.json()["seatbid"][0]["bid"][0].clone();
        }
        assert!(start.elapsed() < Duration::from_secs(8), "{answer:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The path of a notice with its macros filled in.
pub fn notice(bid: &serde_json::Value, which: &str, price: &str, reason: &str) -> String {
    let url = bid[which].as_str().unwrap();
    url[url.find("/n/").unwrap()..]
        .replace("${AUCTION_PRICE}", price)
        .replace("${AUCTION_CURRENCY}", "EUR")
        .replace("${AUCTION_LOSS}", reason)
}

pub fn metric(node: &Node, line: &str) -> u64 {
    let answer = Client::new(node.control).get("/metrics");
    let text = String::from_utf8(answer.body).unwrap();
    let found = text.lines().find_map(|at| at.strip_prefix(line));
    found.map_or(0, |value| value.trim().parse().unwrap())
}

#[test]
fn a_lost_bid_gives_its_place_back_and_a_shown_one_keeps_it() {
    let node = Node::start(&capped(), "");
    let first = bid(&node, "cap-1");
    let held = ask(&node, "cap-2");
    assert_eq!(
        (held.status, held.header("x-openrtb-nbr")),
        (204, Some("9"))
    );
    let mut client = node.client();
    assert_eq!(client.get(&notice(&first, "lurl", "", "102")).status, 200);
    let second = bid(&node, "cap-3");
    assert_eq!(client.get(&notice(&second, "burl", "1.5", "")).status, 200);
    // The bill and a loss that comes after it, out of order: what was shown stays counted.
    assert_eq!(client.get(&notice(&second, "lurl", "", "102")).status, 200);
    let held = ask(&node, "cap-4");
    assert_eq!(
        (held.status, held.header("x-openrtb-nbr")),
        (204, Some("9"))
    );
    assert_eq!(metric(&node, "gavel_bids_total"), 2);
    let capped = "gavel_no_bids_total{reason=\"frequency_capped\"}";
    assert_eq!(metric(&node, capped), 2);
}

#[test]
fn a_loss_that_contradicts_a_bill_gives_no_other_bids_place_back() {
    let node = Node::start(&capped_at(2), "");
    let shown = bid(&node, "shown");
    let open = bid(&node, "open");
    let mut client = node.client();
    for told in [
        notice(&shown, "burl", "2", ""),
        notice(&shown, "lurl", "", "102"),
    ] {
        assert_eq!(client.get(&told).status, 200);
    }
    assert_eq!(ask(&node, "third").status, 204, "one is shown, one is open");
    assert_eq!(client.get(&notice(&open, "lurl", "", "102")).status, 200);
    assert_eq!(ask(&node, "fourth").status, 200);
}

#[test]
fn a_bill_for_what_has_ended_since_is_charged() {
    let node = Node::start(SMALL, "");
    let bid = bid(&node, "ended");
    for path in ["line_items/li_it", "campaigns/cmp_it"] {
        let answer = node.api("DELETE", &format!("/v1/{path}"), "");
        assert!(answer.status < 300, "{answer:?}");
    }
    let start = Instant::now();
    while ask(&node, "gone").status == 200 {
        assert!(start.elapsed() < Duration::from_secs(8), "still bidding");
        std::thread::sleep(Duration::from_millis(20));
    }
    let answer = node.client().get(&notice(&bid, "burl", "2", ""));
    assert_eq!(answer.status, 200);
    let charged = "gavel_ledger_events_total{outcome=\"charged\"}";
    assert_eq!(metric(&node, charged), 1);
}

#[test]
fn every_refusal_has_its_reason_and_its_count() {
    let node = Node::start(SMALL, "");
    let bid = bid(&node, "refused");
    let mut client = node.client();
    let cases = [
        ("2.000001", "above_bid"),
        ("-0.5", "negative"),
        ("99999999999", "absurd"),
        ("two", "not_a_number"),
        ("", "no_price"),
        ("${AUCTION_PRICE}", "unresolved_macro"),
        ("AUDIT", "audit"),
    ];
    for (price, reason) in cases {
        let answer = client.get(&notice(&bid, "burl", price, ""));
        assert_eq!(
            (answer.status, answer.field().as_str()),
            (400, "p"),
            "{price}"
        );
        let line = format!("gavel_notices_refused_total{{reason=\"{reason}\"}}");
        assert_eq!(metric(&node, &line), 1, "{reason}");
    }
    let dollars = notice(&bid, "burl", "1", "").replace("c=EUR", "c=USD");
    let answer = client.get(&dollars);
    assert_eq!((answer.status, answer.field().as_str()), (400, "c"));
    let cut = notice(&bid, "burl", "1", "").replacen("t=", "t=AAAA", 1);
    let answer = client.get(&cut);
    assert_eq!((answer.status, answer.field().as_str()), (400, "t"));
    assert_eq!(
        metric(&node, "gavel_tokens_refused_total{reason=\"malformed\"}"),
        1
    );
    let nobodys = client.get("/n/bill?p=1&c=EUR");
    assert_eq!((nobodys.status, nobodys.field().as_str()), (400, "t"));
    assert_eq!(
        metric(&node, "gavel_tokens_refused_total{reason=\"missing\"}"),
        1
    );
    // Nothing of it was charged, and the bid may still be billed rightly.
    assert_eq!(client.get(&notice(&bid, "burl", "1", "")).status, 200);
    assert_eq!(
        metric(&node, "gavel_ledger_events_total{outcome=\"charged\"}"),
        1
    );
}

/// Seals a price of `micros` per thousand as an exchange does, with keys of ones and of twos.
pub fn sealed(micros: u64) -> String {
    let mac = |key: u8, parts: [&[u8]; 2]| -> [u8; 20] {
        let mut mac = Hmac::<Sha1>::new_from_slice(&[key; 32]).unwrap();
        for part in parts {
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let mut vector = [9; 16];
    vector[..4].copy_from_slice(&u32::try_from(now.as_secs()).unwrap().to_be_bytes());
    let plain = micros.to_be_bytes();
    let pad = mac(1, [&vector, b""]);
    let hidden: Vec<u8> = plain
        .iter()
        .zip(pad)
        .map(|(byte, pad)| byte ^ pad)
        .collect();
    let signature = mac(2, [&plain, &vector]);
    URL_SAFE_NO_PAD.encode([&vector[..], &hidden, &signature[..4]].concat())
}

#[test]
fn a_sealed_price_is_charged_and_a_plain_one_is_not() {
    let folder = std::env::temp_dir().join(format!("gavel-it-seal-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let resources = SMALL.replace(
        "name = \"demo\"",
        "name = \"demo\"\nprice = \"hmac_sha1\"\nno_bid = \"body\"\nseat = \"gavel-1\"",
    );
    let configuration = format!("bidder.price_keys = \"{}\"\n", folder.display());
    let node = Node::start(&resources, &configuration);
    let first = bid(&node, "sealed");
    let mut client = node.client();
    // Without keys bids go on and nothing is charged; a hang-up reads the keys that came since.
    let early = client.get(&notice(&first, "burl", &sealed(1_500_000), ""));
    assert_eq!((early.status, early.field().as_str()), (400, "p"));
    let no_key = "gavel_notices_refused_total{reason=\"no_key\"}";
    assert_eq!(metric(&node, no_key), 1);
    let keys = [1, 2]
        .map(|key| URL_SAFE_NO_PAD.encode([key; 32]))
        .join("\n");
    std::fs::write(folder.join("demo.keys"), keys).unwrap();
    node.hang_up();
    let start = Instant::now();
    while client.get(&notice(&first, "burl", "plain", "")).status == 400
        && metric(&node, "gavel_notices_refused_total{reason=\"unsealed\"}") == 0
    {
        assert!(
            start.elapsed() < Duration::from_secs(8),
            "the keys are not read"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    for (price, reason) in [("1.5", "unsealed"), (&*sealed(2_000_001), "above_bid")] {
        assert_eq!(client.get(&notice(&first, "burl", price, "")).status, 400);
        let line = format!("gavel_notices_refused_total{{reason=\"{reason}\"}}");
        assert!(metric(&node, &line) > 0, "{reason}");
    }
    let bill = notice(&first, "burl", &sealed(1_500_000), "");
    assert_eq!(client.get(&bill).status, 200);
    let charged = "gavel_ledger_events_total{outcome=\"charged\"}";
    assert_eq!(metric(&node, charged), 1);
    // The other settings of the exchange: its seat for us, and no-bids with a body.
    let answer = ask(&node, "seat").json();
    assert_eq!(answer["seatbid"][0]["seat"], "gavel-1");
    let mut request = banner_request("nothing");
    request["imp"][0]["banner"] = serde_json::json!({ "w": 1, "h": 1 });
    let answer = client.post("/openrtb2/bid/demo", request.to_string().as_bytes());
    assert_eq!(
        (answer.status, answer.json()["nbr"].is_number()),
        (200, true)
    );
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_bid_of_before_a_crash_is_billed_once_after_it() {
    let mut node = Node::start(SMALL, "");
    let first = bid(&node, "crash-1");
    let second = bid(&node, "crash-2");
    assert_eq!(
        node.client().get(&notice(&first, "burl", "1", "")).status,
        200
    );
    node.crash_and_restart();
    for _ in 0..2 {
        for bid in [&first, &second] {
            assert_eq!(node.client().get(&notice(bid, "burl", "1", "")).status, 200);
        }
    }
    let outcome = |name: &str| {
        let line = format!("gavel_ledger_events_total{{outcome=\"{name}\"}}");
        metric(&node, &line)
    };
    // The acknowledged one was not lost, so it is a duplicate; the other comes from the lease
    // that the crash left, not from over-delivery.
    assert_eq!((outcome("charged"), outcome("duplicate")), (1, 3));
    assert_eq!(outcome("over_delivered"), 0);
}
