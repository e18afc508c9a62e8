//! A change is on the bid path within a second, without a restart; money follows the notices.

use crate::client::Answer;
use crate::node::{Node, SMALL, banner_request, gavel};
use std::time::{Duration, Instant};

fn bid(node: &Node, id: &str) -> Answer {
    node.client().post(
        "/openrtb2/bid/demo",
        banner_request(id).to_string().as_bytes(),
    )
}

/// Asks until `wanted` holds. The contract says a second; a loaded machine gets a few more.
fn eventually(node: &Node, wanted: impl Fn(&Answer) -> bool) {
    let start = Instant::now();
    for round in 0.. {
        let answer = bid(node, &format!("change-{round}"));
        if wanted(&answer) {
            return;
        }
        assert!(start.elapsed() < Duration::from_secs(8), "still {answer:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_line_item_is_paused_and_resumed_by_the_api() {
    let node = Node::start(SMALL, "");
    eventually(&node, |answer| answer.status == 200);
    let patched = node.api("PATCH", "/v1/line_items/li_it", r#"{"status":"paused"}"#);
    assert_eq!(
        patched.status,
        200,
        "{:?}",
        String::from_utf8_lossy(&patched.body)
    );
    eventually(&node, |answer| answer.status == 204);
    let patched = node.api(
        "PATCH",
        "/v1/line_items/li_it",
        r#"{"status":"active","bid":{"strategy":"fixed_cpm","max_cpm":"3.50"}}"#,
    );
    assert_eq!(patched.status, 200);
    eventually(&node, |answer| {
        answer.status == 200 && answer.json()["seatbid"][0]["bid"][0]["price"] == 3.5
    });
}

#[test]
fn apply_beside_a_running_node_is_seen() {
    let node = Node::start(SMALL, "");
    eventually(&node, |answer| answer.status == 200);
    let changed = SMALL.replace("max_cpm = \"2.00\"", "max_cpm = \"2.75\"");
    std::fs::write(node.folder.join("resources.toml"), &changed).unwrap();
    let dry = gavel(
        &node.folder,
        &[
            "apply",
            "--config",
            "gavel.toml",
            "--dry-run",
            "resources.toml",
        ],
    );
    let shown = String::from_utf8_lossy(&dry.stdout).into_owned();
    assert!(
        dry.status.success() && shown.contains("li_it") && shown.contains("2.75"),
        "{shown}"
    );
    let applied = gavel(
        &node.folder,
        &["apply", "--config", "gavel.toml", "resources.toml"],
    );
    assert!(applied.status.success());
    eventually(&node, |answer| {
        answer.status == 200 && answer.json()["seatbid"][0]["bid"][0]["price"] == 2.75
    });
}

#[test]
fn a_bill_is_charged_once_and_a_forgery_never() {
    let node = Node::start(SMALL, "");
    eventually(&node, |answer| answer.status == 200);
    let answer = bid(&node, "bill-1").json();
    let burl = answer["seatbid"][0]["bid"][0]["burl"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = &burl[burl.find("/n/bill").unwrap()..];
    let mut client = node.client();

    let unresolved = client.get(path);
    assert_eq!(unresolved.status, 400, "the price macro was left in");
    let priced = |price: &str| {
        path.replace("${AUCTION_PRICE}", price)
            .replace("${AUCTION_CURRENCY}", "EUR")
    };
    assert_eq!(client.get(&priced("2.01")).status, 400, "above the bid");
    assert_eq!(client.get(&priced("-1")).status, 400);
    let forged = priced("1.5").replacen("t=", "t=A", 1);
    assert!((400..500).contains(&client.get(&forged).status));
    for _ in 0..3 {
        assert_eq!(client.get(&priced("1.5")).status, 200);
    }
    let month = "statement --config gavel.toml --account adv_it";
    let arguments: Vec<&str> = month.split(' ').collect();
    let statement = gavel(&node.folder, &arguments);
    let text = String::from_utf8_lossy(&statement.stdout).into_owned();
    assert!(
        statement.status.success(),
        "{text} {:?}",
        String::from_utf8_lossy(&statement.stderr)
    );
    assert!(
        text.contains("0.0015"),
        "one impression at 1.50 CPM: {text}"
    );
}

/// Maintenance on a core that it shares gives way to whoever waits for an answer.
#[cfg(target_os = "linux")]
#[test]
fn maintenance_gives_way_to_serving() {
    let node = Node::start(SMALL, "");
    eventually(&node, |answer| answer.status == 200);
    let nice = |wanted: &str| {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", node.pid())).unwrap();
        let stats = tasks.map(|task| {
            std::fs::read_to_string(task.unwrap().path().join("stat")).unwrap_or_default()
        });
        let named = format!("({wanted})");
        let stat = stats
            .into_iter()
            .find(|stat| stat.contains(&named))
            .unwrap();
        // The nineteenth field of proc(5), the seventeenth after the name.
        let mut fields = stat.rsplit_once(')').unwrap().1.split_whitespace();
        fields.nth(16).unwrap().parse::<i32>().unwrap()
    };
    let served = nice("data-0");
    assert_eq!(nice("ledger"), served);
    for maintenance in ["publisher", "caps", "log", "floors"] {
        assert_eq!(nice(maintenance), (served + 10).min(19), "{maintenance}");
    }
}
