//! The real node is killed without warning, at random moments and under load, again and again:
//! what it acknowledged is in the books, once, whatever the senders repeat.
//!
//! `GAVEL_CRASH_ROUNDS` says how often; the seed of a failing run is in its message.

use crate::client::Client;
use crate::node::{Node, SMALL, banner_request};
use ledger::Micros;
use ledger::statement::Period;
use ledger::store::{SqliteStore, Store};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Connections that ask for bids, and those that bill them.
const ASKING: usize = 2;
const BILLING: usize = 4;
/// Connections over which all is said again after a crash.
const REPEATING: usize = 16;
/// What each bill says, in micros per thousand: whole micros an impression, so that the sum is
/// exact whatever the order.
const PRICES: [(&str, i64); 3] = [("1.5", 1_500), ("0.75", 750), ("1.999", 1_999)];

/// A bill that was sent at least once.
#[derive(Clone, Debug)]
struct Bill {
    path: String,
    cost: i64,
    line_item: usize,
    acknowledged: bool,
}

/// Two line items: one with room, and one whose small budget must hold.
fn resources() -> String {
    let second = "\n[[campaigns]]\nid = \"cmp_tight\"\nadvertiser = \"adv_it\"\nname = \"Tight\"\n\
        start = \"2020-01-01T00:00:00Z\"\nend = \"2099-01-01T00:00:00Z\"\n\
        budget = { total = \"0.4\", daily = \"0.3\" }\npacing = \"asap\"\n\
        [[line_items]]\nid = \"li_tight\"\ncampaign = \"cmp_tight\"\nname = \"Tight\"\n\
        bid = { strategy = \"fixed_cpm\", max_cpm = \"2.50\" }\n\
        targeting = { formats = [\"banner\"] }\ncreatives = [\"cr_it\"]\n";
    let roomy = SMALL.replace("daily = \"100\"", "daily = \"1000\"");
    format!("{roomy}{second}")
}

/// Asks for bids until the node is gone, and hands their bills over.
fn ask(node: SocketAddr, round: u64, bills: &Sender<Bill>, asked: &AtomicU64, stop: &AtomicBool) {
    let Some(mut client) = Client::try_new(node) else {
        return;
    };
    for number in 0.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let id = format!("{round}-{:?}-{number}", std::thread::current().id());
        let body = banner_request(&id).to_string();
        let Some(answer) = client.try_post("/openrtb2/bid/demo", body.as_bytes()) else {
            return;
        };
        asked.fetch_add(1, Ordering::Relaxed);
        if answer.status != 200 {
            continue;
        }
        let response = answer.json();
        let bid = &response["seatbid"][0]["bid"][0];
        let (price, cost) = PRICES[number % PRICES.len()];
        let burl = bid["burl"].as_str().unwrap();
        let path = burl[burl.find("/n/").unwrap()..]
            .replace("${AUCTION_PRICE}", price)
            .replace("${AUCTION_CURRENCY}", "EUR");
        let bill = Bill {
            path,
            cost,
            line_item: usize::from(bid["cid"] == "li_tight"),
            acknowledged: false,
        };
        // About one in four is billed, as fast as the ledger takes them.
        if number % 4 == 0 && bills.send(bill).is_err() {
            return;
        }
    }
}

/// Sends bills until the node is gone; notes each, and whether it was acknowledged.
fn bill(node: SocketAddr, bills: &Mutex<Receiver<Bill>>, sent: &Mutex<Vec<Bill>>) {
    let mut client = Client::try_new(node);
    loop {
        let Ok(mut bill) = bills.lock().unwrap().recv() else {
            return;
        };
        let answer = client
            .as_mut()
            .and_then(|client| client.try_get(&bill.path));
        bill.acknowledged = answer.is_some_and(|answer| answer.status == 200);
        sent.lock().unwrap().push(bill);
    }
}

/// Load on a node until it is killed after `life`; says how many bids were asked for.
fn live_and_die(node: &mut Node, round: u64, life: Duration, sent: &Mutex<Vec<Bill>>) -> u64 {
    let (bills, billed) = channel();
    let (billed, asked, stop) = (
        Mutex::new(billed),
        AtomicU64::new(0),
        AtomicBool::new(false),
    );
    let address = node.data;
    std::thread::scope(|scope| {
        for _ in 0..ASKING {
            let bills = bills.clone();
            let (asked, stop) = (&asked, &stop);
            scope.spawn(move || ask(address, round, &bills, asked, stop));
        }
        drop(bills);
        for _ in 0..BILLING {
            scope.spawn(|| bill(address, &billed, sent));
        }
        std::thread::sleep(life);
        node.kill();
        stop.store(true, Ordering::Relaxed);
    });
    asked.into_inner()
}

#[test]
#[allow(
    clippy::print_stderr,
    reason = "the figures of a long run are what it is for"
)]
fn nothing_acknowledged_is_lost_and_nothing_is_charged_twice() {
    let rounds: u64 = std::env::var("GAVEL_CRASH_ROUNDS")
        .ok()
        .map_or(3, |rounds| rounds.parse().expect("a number of rounds"));
    let seed = std::time::SystemTime::UNIX_EPOCH
        .elapsed()
        .map_or(1, |since| since.as_millis() as u64);
    let mut random = SmallRng::seed_from_u64(seed);
    // Small slices, so that what each crash freezes leaves enough for all rounds.
    let configuration = "bidder.min_slice = \"0.05\"\nbidder.lease_share_percent = 1\n";
    let mut node = Node::start(&resources(), configuration);
    let sent = Arc::new(Mutex::new(Vec::new()));
    let (mut asked, mut slowest, mut begun) = (0, Duration::ZERO, 0);
    for round in 0..rounds {
        let life = Duration::from_millis(random.random_range(50..3_000));
        asked += live_and_die(&mut node, round, life, &sent);
        let dead = Instant::now();
        node.restart();
        slowest = slowest.max(dead.elapsed());
        // The senders repeat all of the round, acknowledged or not.
        let bills = sent.lock().unwrap();
        let again = &bills[begun..];
        std::thread::scope(|scope| {
            for part in again.chunks(again.len() / REPEATING + 1) {
                let mut client = node.client();
                scope.spawn(move || {
                    for bill in part {
                        let answer = client.get(&bill.path);
                        assert_eq!(answer.status, 200, "seed {seed}, round {round}: {bill:?}");
                    }
                });
            }
        });
        begun = bills.len();
    }
    let bills = sent.lock().unwrap().clone();
    let acknowledged = bills.iter().filter(|bill| bill.acknowledged).count();
    let total: i64 = bills.iter().map(|bill| bill.cost).sum();
    let file = node.folder.join("data/ledger.sqlite");
    let store = SqliteStore::read(&file).unwrap();
    // Balances and event log are compared inside; the senders' own list is the third account.
    let statement = store.statement(Period::ALL).unwrap();
    let spent: i64 = statement
        .lines
        .iter()
        .filter(|line| line.account == "advertiser:adv_it")
        .map(|line| line.gross.0)
        .sum();
    assert_eq!(spent, total, "seed {seed}: what is in the books");
    let over = statement
        .lines
        .iter()
        .any(|line| line.account == "over_delivery");
    assert!(!over, "seed {seed}: bids of a crashed run have its lease");
    let roomy = store.budget("campaign:cmp_it").unwrap().unwrap();
    let tight = store.budget("campaign:cmp_tight").unwrap().unwrap();
    for (budget, line_item) in [(&roomy, 0), (&tight, 1)] {
        let own: i64 = bills
            .iter()
            .filter(|bill| bill.line_item == line_item)
            .map(|bill| bill.cost)
            .sum();
        assert_eq!(budget.spent, Micros(own), "seed {seed}");
        assert!(budget.remaining() >= Micros(0), "seed {seed}: {budget:?}");
    }
    eprintln!(
        "{rounds} rounds: {asked} bids asked for, {} bills sent, {acknowledged} acknowledged \
         before a crash, {spent} micros in the books; slowest restart {slowest:?}",
        bills.len()
    );
    assert!(acknowledged > 0, "seed {seed}: the load was none");
}
