//! The wall clock jumps under a running node: an hour, a year, over a leap day and the days on
//! which the clocks change. No day is billed twice, nothing acknowledged is lost or charged twice,
//! and the node goes on.

use crate::client::Client;
use crate::node::{BINARY, Node, SMALL, banner_request};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use ledger::statement::Period;
use ledger::store::{SqliteStore, Store};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// What a day may spend: a little more than five bids hold.
const DAY: usize = 5;
const COST: i64 = 2_000;

/// The library that fakes clocks; `None`, loudly, where it is not installed.
#[allow(clippy::print_stderr, reason = "a test that is skipped says so")]
fn library() -> Option<PathBuf> {
    let folders = ["x86_64-linux-gnu", "aarch64-linux-gnu", "."];
    let mut found = folders.iter().map(|folder| {
        Path::new("/usr/lib")
            .join(folder)
            .join("faketime/libfaketimeMT.so.1")
    });
    let library = found.find(|path| path.exists());
    if library.is_none() {
        let needed = std::env::var_os("GAVEL_REQUIRE_SERVICES").is_some();
        assert!(!needed, "faketime is needed and not installed");
        eprintln!("SKIPPED: clocks that jump need faketime, which is not installed");
    }
    library
}

/// A node whose wall clock is told by a file; the monotonic one is the machine's.
struct Jumping {
    node: Node,
    clock: PathBuf,
}

impl Jumping {
    fn new(library: &Path, resources: &str, at: Timestamp) -> Self {
        let name = format!("gavel-clock-{}-{}", std::process::id(), at.as_second());
        let clock = std::env::temp_dir().join(name);
        set(&clock, at);
        let mut program = Command::new(BINARY);
        program
            .env("LD_PRELOAD", library)
            .env("FAKETIME_TIMESTAMP_FILE", &clock)
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        let node = Node::start_by(resources, "", program);
        Self { node, clock }
    }

    fn jump_to(&self, at: Timestamp) {
        set(&self.clock, at);
    }

    /// Asks until nothing is bid for a second and a half, and returns the notices.
    fn bids(&self, round: &str) -> Vec<String> {
        let mut client = Client::new(self.node.data);
        let (mut bids, mut asked) = (Vec::new(), 0);
        let mut last = Instant::now();
        while last.elapsed() < Duration::from_millis(1_500) {
            asked += 1;
            let body = banner_request(&format!("{round}-{asked}")).to_string();
            let begun = Instant::now();
            let answer = client.post("/openrtb2/bid/demo", body.as_bytes());
            assert!(begun.elapsed() < Duration::from_secs(1), "an answer waits");
            assert!([200, 204].contains(&answer.status), "{answer:?}");
            if answer.status == 204 {
                std::thread::sleep(Duration::from_millis(20));
                continue;
            }
            last = Instant::now();
            let response = answer.json();
            let burl = response["seatbid"][0]["bid"][0]["burl"].as_str().unwrap();
            let path = burl[burl.find("/n/").unwrap()..]
                .replace("${AUCTION_PRICE}", "2")
                .replace("${AUCTION_CURRENCY}", "EUR")
                .replace("${AUCTION_SEAT_ID}", "adv_it");
            bids.push(path);
        }
        bids
    }

    /// Says bills, twice each, and says how many were acknowledged.
    fn bill(&self, paths: &[String]) -> usize {
        let mut client = Client::new(self.node.data);
        let mut acknowledged = 0;
        for path in paths {
            let first = client.get(path).status;
            assert!([200, 410].contains(&first), "{first} {path}");
            assert_eq!(client.get(path).status, first, "a retry is answered alike");
            acknowledged += usize::from(first == 200);
        }
        acknowledged
    }
}

impl Drop for Jumping {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.clock);
    }
}

/// Makes it `at` from now on.
fn set(clock: &Path, at: Timestamp) {
    let offset = at.as_second() - Timestamp::now().as_second();
    let new = clock.with_extension("new");
    std::fs::write(&new, format!("{offset:+}\n")).unwrap();
    std::fs::rename(new, clock).unwrap();
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// The books as they are after the node has ended.
fn store(node: &mut Node) -> SqliteStore {
    node.terminate();
    let file = node.folder.join("data").join("ledger.sqlite");
    SqliteStore::open(&file, 0, 600).unwrap()
}

#[test]
fn no_day_is_billed_twice_however_the_clock_jumps() {
    let Some(library) = library() else { return };
    // A bid holds a little over 0.002, and what is not billed is given back with the day.
    let resources = SMALL.replace("daily = \"100\"", "daily = \"0.0101\"");
    let late = at("2028-02-28T22:40:00Z");
    let mut jumping = Jumping::new(&library, &resources, late);
    let mut billed: HashMap<String, usize> = HashMap::new();
    let zone = TimeZone::get("Europe/Paris").unwrap();
    let days = [
        // Twenty minutes before midnight in Paris, an hour on and back, and on again.
        ("2028-02-28T22:40:00Z", DAY),
        ("2028-02-28T23:40:00Z", DAY),
        ("2028-02-28T22:41:00Z", 0),
        ("2028-02-28T23:41:00Z", 0),
        // The days on which the clocks change, before and after, and a year and more.
        ("2028-03-26T00:30:00Z", DAY),
        ("2028-03-26T01:30:00Z", 0),
        ("2028-10-29T00:30:00Z", DAY),
        ("2028-10-29T01:30:00Z", 0),
        ("2029-04-05T12:00:00Z", DAY),
        ("2028-02-29T12:00:00Z", 0),
    ];
    for (round, (instant, expected)) in days.into_iter().enumerate() {
        jumping.jump_to(at(instant));
        let bids = jumping.bids(&format!("r{round}"));
        assert_eq!(bids.len(), expected, "{instant}");
        let day = at(instant).to_zoned(zone.clone()).date().to_string();
        *billed.entry(day).or_default() += jumping.bill(&bids);
    }
    assert_eq!(billed.values().sum::<usize>(), 5 * DAY);
    let books = store(&mut jumping.node);
    for (day, count) in billed {
        let key = format!("campaign:cmp_it:day:{day}");
        let state = books.budget(&key).unwrap().unwrap();
        assert_eq!(state.spent.0, COST * count as i64, "{day}");
    }
    let statement = books.statement(Period::ALL).unwrap();
    let spent = statement
        .lines
        .iter()
        .find(|line| line.account == "advertiser:adv_it")
        .unwrap();
    assert_eq!(spent.gross.0, COST * 5 * DAY as i64);
}

#[test]
fn what_a_jump_overtakes_is_billed_once_or_refused_as_expired() {
    let Some(library) = library() else { return };
    let start = at("2027-06-15T12:00:00Z");
    let resources = SMALL.replace("daily = \"100\"", "daily = \"0.0101\"");
    let mut jumping = Jumping::new(&library, &resources, start);
    let hour = jiff::SignedDuration::from_hours(1);
    let mut acknowledged = 0;
    for (round, (jump, expected)) in [
        // Bills that are an hour late, or come before their bid, are still taken.
        (hour, Some(DAY)),
        (-hour, None),
        // A token does not live for four hundred days.
        (hour * 9_600, Some(0)),
        (-hour * 9_600, None),
    ]
    .into_iter()
    .enumerate()
    {
        // Each round on a day of its own.
        let day = start + hour * 24 * round as i32;
        jumping.jump_to(day);
        let bids = jumping.bids(&format!("j{round}"));
        assert_eq!(bids.len(), DAY, "{day}");
        jumping.jump_to(day + jump);
        let count = jumping.bill(&bids);
        assert!(expected.is_none_or(|expected| expected == count), "{jump}");
        acknowledged += count;
        // What was acknowledged stays so when the clock is right again.
        jumping.jump_to(day);
        let later = jumping.bill(&bids);
        assert!(later >= count, "{jump}: {later} of {count}");
        acknowledged += later - count;
    }
    let books = store(&mut jumping.node);
    let statement = books.statement(Period::ALL).unwrap();
    let events = statement.lines.iter();
    let spent = events
        .filter(|line| line.account == "advertiser:adv_it")
        .map(|line| line.gross.0);
    assert_eq!(spent.sum::<i64>(), COST * acknowledged as i64);
}
