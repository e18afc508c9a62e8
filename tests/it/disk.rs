//! A disk that is full, and one that fails to synchronise: the node stops buying and selling, loses
//! nothing that it acknowledged, and goes on by itself when the disk does.

use crate::client::{Answer, Client};
use crate::node::{Node, SMALL, banner_request};
use std::process::{Child, Command, Stdio};
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

/// How many events had each outcome.
fn count(node: &Node, outcome: &str) -> u64 {
    node.metric(&format!(
        "gavel_ledger_events_total{{outcome=\"{outcome}\"}}"
    ))
}

/// Makes every synchronisation of the node fail until it is dropped.
struct Failing(Child);

impl Failing {
    /// `None` where one process may not look at another here.
    fn new(node: &Node) -> Option<Self> {
        let pid = node.pid().to_string();
        let mut strace = Command::new("strace");
        strace.args([
            "-f",
            "-qq",
            "-o",
            "/dev/null",
            "-e",
            "trace=fsync,fdatasync",
        ]);
        strace.args(["-e", "inject=fsync,fdatasync:error=EIO", "-p", &pid]);
        let child = strace
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut failing = Self(child);
        let tasks = format!("/proc/{pid}/task");
        let traced = |task: std::io::Result<std::fs::DirEntry>| {
            let status = std::fs::read_to_string(task.unwrap().path().join("status"));
            // A thread that has ended since is nobody's.
            status.is_ok_and(|status| !status.contains("TracerPid:\t0\n"))
        };
        let mut ended = false;
        wait_for("strace", || {
            ended = failing.0.try_wait().unwrap().is_some();
            ended || std::fs::read_dir(&tasks).unwrap().all(traced)
        });
        (!ended).then_some(failing)
    }
}

impl Drop for Failing {
    fn drop(&mut self) {
        // Interrupted it lets go; killed it would leave threads stopped.
        let pid = self.0.id().to_string();
        let _ = Command::new("kill").args(["-INT", &pid]).status();
        let _ = self.0.wait();
    }
}

#[test]
#[allow(clippy::print_stderr, reason = "a test that is skipped says so")]
fn what_cannot_be_synchronised_is_not_acknowledged_and_is_charged_once_later() {
    if Command::new("strace").arg("-V").output().is_err() {
        let needed = std::env::var_os("GAVEL_REQUIRE_SERVICES").is_some();
        assert!(!needed, "strace is needed to make a disk fail");
        eprintln!("SKIPPED: a failing disk; install strace, which can make system calls fail");
        return;
    }
    let node = Node::start(SMALL, "bidder.lease_share_percent = 1\n");
    let mut client = node.client();
    wait_for("a first bid", || {
        ask(&node, "/openrtb2/bid/demo", "first").status == 200
    });
    let bid = |id: &str| {
        let answer = ask(&node, "/openrtb2/bid/demo", id);
        bill(&answer.json()["seatbid"][0]["bid"][0])
    };
    let (before, during) = (bid("before"), bid("during"));
    assert_eq!(client.get(&before).status, 200);
    let Some(failing) = Failing::new(&node) else {
        eprintln!("SKIPPED: a failing disk; strace may not attach to processes here");
        return;
    };
    let refused = client.get(&during);
    assert_eq!(
        (refused.status, refused.header("retry-after")),
        (503, Some("1"))
    );
    let answer = ask(&node, "/openrtb2/bid/demo", "failing");
    assert_eq!(
        (answer.status, answer.header("x-openrtb-nbr")),
        (204, Some("1"))
    );
    assert_eq!(Client::new(node.control).get("/readyz").status, 503);
    drop(failing);
    let resumed = wait_for("bids again", || {
        ask(&node, "/openrtb2/bid/demo", "again").status == 200
    });
    eprintln!("bids again after {resumed:?}");
    for path in [&before, &during, &during] {
        assert_eq!(client.get(path).status, 200);
    }
    // What was written and not synchronised may be in the books already; it is there once.
    let (charged, duplicate) = (count(&node, "charged"), count(&node, "duplicate"));
    assert_eq!(
        charged + duplicate,
        4,
        "{charged} charged, {duplicate} duplicate"
    );
    let key = format!(
        "/v1/statements?account=adv_it&month={}",
        crate::dead_letters::month()
    );
    let stated = node.api("GET", &key, "").json();
    assert_eq!(stated["lines"][0]["impressions"], 2, "{stated}");
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
    let all = acknowledged.len() as u64;
    assert_eq!(count(&node, "charged"), all + 1);
    assert_eq!(
        (count(&node, "duplicate"), count(&node, "over_delivered")),
        (all, 0)
    );
}
