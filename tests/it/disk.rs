//! A disk that is full: the node stops buying and selling, loses nothing that it acknowledged,
//! and goes on by itself when there is room again.

use crate::client::{Answer, Client};
use crate::node::{Node, SMALL, banner_request};
use std::process::Command;
use std::time::{Duration, Instant};

/// Bytes that one file of the node may have at first.
const ROOM: u64 = 512 * 1024;

fn ask(node: &Node, endpoint: &str, id: &str) -> Answer {
    let body = banner_request(id).to_string();
    node.client().post(endpoint, body.as_bytes())
}

fn wait_for(what: &str, mut holds: impl FnMut() -> bool) -> Duration {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(10), "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
    start.elapsed()
}

fn bill(bid: &serde_json::Value) -> String {
    let burl = bid["burl"].as_str().unwrap();
    burl[burl.find("/n/").unwrap()..]
        .replace("${AUCTION_PRICE}", "1")
        .replace("${AUCTION_CURRENCY}", "EUR")
}

#[test]
#[allow(clippy::print_stderr, reason = "a test that is skipped says so")]
fn a_full_disk_stops_bids_and_loses_nothing_and_room_resumes_them() {
    if Command::new("prlimit").arg("--version").output().is_err() {
        let needed = std::env::var_os("GAVEL_REQUIRE_SERVICES").is_some();
        assert!(!needed, "prlimit of util-linux is needed to fill a disk");
        eprintln!("SKIPPED: a full disk; install util-linux, whose prlimit limits file sizes");
        return;
    }
    // More money than the frozen lease of the run that fails.
    let node = Node::start_limited(SMALL, "bidder.lease_share_percent = 1\n", ROOM);
    let mut client = node.client();
    let mut acknowledged = Vec::new();
    wait_for("a first bid", || {
        ask(&node, "/openrtb2/bid/demo", "first").status == 200
    });
    let mut refused = None;
    for number in 0..20_000 {
        let answer = ask(&node, "/openrtb2/bid/demo", &format!("fill-{number}"));
        if answer.status != 200 {
            assert_eq!(answer.header("x-openrtb-nbr"), Some("1"), "{answer:?}");
            break;
        }
        let path = bill(&answer.json()["seatbid"][0]["bid"][0]);
        let answer = client.get(&path);
        if answer.status != 200 {
            assert_eq!(answer.status, 503);
            assert_eq!(answer.header("retry-after"), Some("1"));
            refused = Some(path);
            break;
        }
        acknowledged.push(path);
    }
    let refused = refused.expect("the ledger has filled its room");
    assert!(!acknowledged.is_empty());
    // From here on nothing is bought or sold, and it is said why.
    let answer = ask(&node, "/openrtb2/bid/demo", "full");
    assert_eq!(
        (answer.status, answer.header("x-openrtb-nbr")),
        (204, Some("1"))
    );
    let answer = ask(&node, "/openrtb2/auction", "full");
    assert_eq!((answer.status, answer.field().as_str()), (503, "ledger"));
    let ready = Client::new(node.control).get("/readyz");
    assert_eq!(ready.status, 503);
    node.allow_files();
    let resumed = wait_for("bids again", || {
        ask(&node, "/openrtb2/bid/demo", "again").status == 200
    });
    eprintln!("bids again after {resumed:?}");
    // Everything once more, the refused one too: each is in the books exactly once.
    for path in acknowledged.iter().chain([&refused]) {
        assert_eq!(client.get(path).status, 200);
    }
    let answer = Client::new(node.control).get("/metrics");
    let text = String::from_utf8(answer.body).unwrap();
    let count = |outcome: &str| -> usize {
        let line = format!("gavel_ledger_events_total{{outcome=\"{outcome}\"}}");
        let found = text.lines().find_map(|at| at.strip_prefix(&line));
        found.map_or(0, |value| value.trim().parse().unwrap())
    };
    assert_eq!(count("charged"), acknowledged.len() + 1);
    assert_eq!(
        (count("duplicate"), count("over_delivered")),
        (acknowledged.len(), 0)
    );
}
