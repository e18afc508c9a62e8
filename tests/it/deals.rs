//! Deals through the real binary: set up, offered, won, reported and refused.

use crate::node::{Node, SMALL, banner_request};
use load_tests::partner::{self, Partner, Settings};
use serde_json::{Value, json};
use std::net::TcpListener;
use std::time::{Duration, Instant};

/// A partner at that price on loopback, for as long as the test runs.
pub fn partner(name: &str, price_micros: i64) -> String {
    partner_of(name, price_micros, false)
}

/// The same, whose bids are won or lost together where it says so.
pub fn partner_of(name: &str, price_micros: i64, together: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    let partner = Partner::new(Settings {
        price_micros,
        currency: "EUR".to_owned(),
        seat: name.to_owned(),
        domain: format!("{name}.example"),
        together,
        ..Settings::default()
    });
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            partner::serve(listener, partner, std::future::pending()).await
        })
    });
    format!(
        "\n[[partners]]\nid = \"{name}\"\nname = \"{name}\"\nseats = [\"{name}\"]\n\
         endpoint = \"http://{address}/bid\"\ntimeout_ms = 400\n"
    )
}

const DEAL: &str = r#"
[[deals]]
id = "deal_it"
publisher = "pub_it"
name = "It"
kind = "private"
floor = "1.00"
partners = ["bidder"]
formats = ["banner"]
start = "2020-01-01T00:00:00Z"
end = "2099-01-01T00:00:00Z"
"#;

fn eventually<T: PartialEq + std::fmt::Debug>(wanted: &T, look: impl Fn() -> T) {
    let start = Instant::now();
    loop {
        let seen = look();
        if seen == *wanted {
            return;
        }
        assert!(start.elapsed() < Duration::from_secs(20), "still {seen:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn change(node: &Node, body: &Value) -> u16 {
    node.api("PATCH", "/v1/deals/deal_it", &body.to_string())
        .status
}

#[test]
fn a_deal_is_offered_reported_and_changed_while_the_node_runs() {
    // The bidder of the node bids on deals that a line item names; the partner bids openly.
    let small = SMALL.replace(
        "creatives = [\"cr_it\"]",
        "deals = [\"deal_it\"]\ncreatives = [\"cr_it\"]",
    );
    let node = Node::start(&format!("{small}{}{DEAL}", partner("open", 3_000_000)), "");
    let winner = || {
        let body = banner_request("deal").to_string();
        let answer = node.client().post("/openrtb2/auction", body.as_bytes());
        match answer.status {
            200 => {
                let bid = answer.json()["seatbid"][0]["bid"][0].clone();
                bid["dealid"].as_str().unwrap_or("open").to_owned()
            }
            other => other.to_string(),
        }
    };
    // A private deal competes by price, so 3.00 wins over its 2.00.
    eventually(&"open".to_owned(), winner);
    assert_eq!(change(&node, &json!({ "kind": "preferred" })), 200);
    eventually(&"deal_it".to_owned(), winner);
    let metrics = String::from_utf8(node.api("GET", "/metrics", "").body).unwrap();
    for line in [
        "gavel_deal_events_total{deal=\"deal_it\",event=\"offered\"}",
        "gavel_deal_events_total{deal=\"deal_it\",event=\"won\"}",
        "gavel_deal_bids_lost_total{deal=\"deal_it\",reason=\"outbid\"}",
        "gavel_bids_lost_total{reason=\"lower_tier\"}",
        "gavel_partner_bids_lost_total{partner=\"open\",reason=\"lower_tier\"}",
        "gavel_publisher_bids_lost_total{publisher=\"pub_it\",reason=\"lower_tier\"}",
    ] {
        let found = metrics.lines().find(|one| one.starts_with(line));
        assert!(
            !found.unwrap_or_else(|| panic!("{line}")).ends_with(" 0"),
            "{line}"
        );
    }
    assert_eq!(change(&node, &json!({ "partners": ["open"] })), 200);
    eventually(&"open".to_owned(), winner);
    assert_eq!(change(&node, &json!({ "partners": [] })), 200);
    eventually(&"deal_it".to_owned(), winner);
    // Nobody bids 2.50 on it: the partner bids openly.
    assert_eq!(change(&node, &json!({ "floor": "2.50" })), 200);
    eventually(&"open".to_owned(), winner);

    let answer = node.api("GET", "/v1/deals/deal_it/report", "");
    assert_eq!(answer.status, 200, "{answer:?}");
    let report = answer.json();
    for (event, count) in report["events"].as_object().unwrap() {
        assert_eq!(count.as_u64() > Some(0), event != "paced", "{report:#}");
    }
    let buyer = |name: &str| -> Value {
        let buyers = report["buyers"].as_array().unwrap();
        buyers
            .iter()
            .find(|one| one["partner"] == name)
            .unwrap()
            .clone()
    };
    assert_eq!(
        (&buyer("open")["bids"], &buyer("open")["lost"]),
        (&json!(0), &json!({}))
    );
    let own = buyer("bidder");
    assert!(
        own["won"].as_u64() > Some(0) && own["lost"]["outbid"].as_u64() > Some(0),
        "{own}"
    );
    let bids = report["events"]["bid"].as_u64().unwrap();
    assert_eq!(own["bids"].as_u64(), Some(bids), "nobody else bid on it");
    assert_eq!(node.api("GET", "/v1/deals/deal_no/report", "").status, 404);
    for (body, pointer) in [
        (json!({ "kind": "guaranteed" }), "/impressions"),
        (json!({ "price": "fixed", "floor": "0" }), "/floor"),
        (json!({ "end": "2019-01-01T00:00:00Z" }), "/end"),
        (json!({ "placements": ["plc_no"] }), "/placements/0"),
        (json!({ "formats": ["hologram"] }), "/formats/0"),
        (json!({ "publisher": "pub_no" }), "/publisher"),
        (json!({ "colour": 1 }), "/colour"),
    ] {
        let answer = node.api("PATCH", "/v1/deals/deal_it", &body.to_string());
        let told = answer.json();
        assert!(matches!(answer.status, 409 | 422), "{told}");
        assert_eq!(told["faults"][0]["pointer"], pointer, "{told}");
    }
}
