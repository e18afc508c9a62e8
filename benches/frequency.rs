//! Frequency counts in process: what ten million users with three counters each cost in memory,
//! and how long bids, impressions, sweeps and saves take in a table of that size.
//!
//! Path: `FrequencyCaps::{confirm, reserve, release, sweep, save, load}`, as the ledger's thread,
//! the bid path and the maintenance thread call them. Input: `USERS` users (ten million unless the
//! environment says otherwise), each of whom has seen three line items, in an order that finds
//! nothing in the processor's caches. A regression in memory is one in how many users a node can
//! count; one in `reserve` is paid by every bid on a capped line item.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a measurement that prints its figures"
)]

use audience::UserKey;
use bidder::FrequencyCaps;
use bidder::frequency::{Cap, Head, Hold, Level, People, Scope, Subject, WithoutId};
use ledger::{Exposure, Shown};
use load_tests::corpus::Random;
use std::io::Cursor;
use std::time::{Duration, Instant};

/// Counters of each user.
const COUNTERS: u64 = 3;
/// Bids that are timed.
const BIDS: u64 = 1_000_000;
const NOW_S: u32 = 1_795_435_200;
/// Bit of an exposure's scope: the user's counts move.
const BY_USER: u32 = 1 << 24;

fn main() {
    let users: u64 = std::env::var("USERS").ok().map_or(10_000_000, |users| {
        users.parse().expect("a number of users")
    });
    let before = resident();
    let table = FrequencyCaps::new(users as usize);
    let start = Instant::now();
    for user in 0..users {
        for counter in 0..COUNTERS {
            table.confirm(&shown(user, counter), NOW_S);
        }
    }
    let filled = start.elapsed();
    let bytes = resident() - before;
    println!("users                  {users}, {COUNTERS} counters each");
    println!(
        "resident               {} MiB, {} bytes a user, {} of them on the heap",
        bytes >> 20,
        bytes / users,
        table.heap() as u64 / users
    );
    println!(
        "impression             {} ns",
        per(filled, users * COUNTERS)
    );
    bids(&table, users);
    let start = Instant::now();
    table.sweep(NOW_S);
    println!("sweep                  {} ms", start.elapsed().as_millis());
    let mut file = Vec::new();
    let start = Instant::now();
    table
        .save(Head::default(), &mut file)
        .expect("memory takes it");
    let saved = start.elapsed().as_millis();
    println!(
        "save to memory         {saved} ms, {} MiB",
        file.len() >> 20
    );
    drop(table);
    let next = FrequencyCaps::new(users as usize);
    let start = Instant::now();
    next.load(Cursor::new(&file)).expect("it was just written");
    println!("load from memory       {} ms", start.elapsed().as_millis());
}

/// Reserves and gives back, for users in random order.
fn bids(table: &FrequencyCaps, users: u64) {
    let cap = Cap {
        scope: Scope::of(Level::LineItem, "li_new"),
        most: 3,
        window_s: 86_400,
        by: Subject::User,
        without_id: WithoutId::Skip,
    };
    let mut random = Random::new(5);
    let hold = Hold {
        now_s: NOW_S,
        expires_at: NOW_S + 600,
    };
    let drawn: Vec<u64> = (0..BIDS).map(|_| random.below(users)).collect();
    let start = Instant::now();
    let caps = [cap];
    for user in &drawn {
        // Nobody else writes, and the cap is met by those only who are drawn often.
        let _ = table.reserve(people(*user), caps.iter(), hold);
    }
    println!("reserve                {} ns", per(start.elapsed(), BIDS));
}

fn people(user: u64) -> People {
    People {
        user: Some(UserKey(key(user))),
        household: None,
    }
}

/// Keys are hashes: spread over all 64 bits.
fn key(user: u64) -> u64 {
    (user + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn shown(user: u64, counter: u64) -> Shown {
    let mut scopes = [0; Exposure::SCOPES];
    scopes[0] = BY_USER | (1 + counter as u32);
    Shown {
        seq: 0,
        exposure: Exposure {
            user: key(user),
            household: 0,
            scopes,
        },
        held_until: 0,
        at_s: NOW_S - counter as u32 * 3_600,
    }
}

fn per(time: Duration, times: u64) -> u128 {
    time.as_nanos() / u128::from(times)
}

/// Bytes of this process in memory.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").expect("Linux says it");
    let pages = text
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse::<u64>().ok());
    pages.expect("the second number") * 4_096
}
