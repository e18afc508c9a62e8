//! How long books of a million events take: to be opened by a starting node, to be stated for a
//! month, to be closed, and to be stated from the closing on. Path: the real store in a real file;
//! input: three advertisers, two publishers, two partners, a day of clicks and losses among them.
//! A regression here is a node that starts late or a month's end that takes a night.
//!
//! `cargo bench --bench books -- EVENTS [FILE]`; the file stays for a look at it.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a bench prints what it measured by the clock"
)]

use jiff::tz::TimeZone;
use ledger::Exposure;
use ledger::event::Kind;
use ledger::statement::{Month, Zones};
use ledger::store::{Budget, Closing, Funding, SqliteStore, Store};
use ledger::token::{Side, idempotency_key};
use ledger::{Cpm, Currency, Event, Micros, Multiplier};
use std::path::{Path, PathBuf};
use std::time::Instant;

const EUR: Currency = Currency(*b"EUR");
/// 1 November 2026, in unix milliseconds.
const START_MS: i64 = 1_793_491_200_000;
const MONTH_MS: i64 = 30 * 86_400_000;
const BATCH: u32 = 5_000;

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|word| word != "--bench");
    let Some(events) = arguments.next() else {
        // `cargo bench` and `cargo test --benches` run this too, with nothing to do.
        return;
    };
    let events: u32 = events.parse().unwrap();
    let kept = arguments.next().map(PathBuf::from);
    let path = kept.clone().unwrap_or_else(|| {
        std::env::temp_dir().join(format!("gavel-books-{}.sqlite", std::process::id()))
    });
    remove(&path);
    fill(&path, events);
    let paris = TimeZone::get("Europe/Paris").unwrap();
    let zones = Zones([("advertiser:adv_0".to_owned(), paris)].into());
    let november: Month = "2026-11".parse().unwrap();
    let mut store = timed("open for a new run", || {
        SqliteStore::open(&path, START_MS / 1_000, 600).unwrap()
    });
    timed("statement of the open month", || {
        store.month(november, &zones).unwrap()
    });
    let closing = Closing {
        at_ms: START_MS + 2 * MONTH_MS,
        who: "bench".to_owned(),
    };
    timed("close it", || {
        store.close(november, &zones, &closing).unwrap();
    });
    timed("statement of the closed month", || {
        store.month(november, &zones).unwrap()
    });
    timed("statement of the month after it", || {
        store.month(november.next(), &zones).unwrap()
    });
    if kept.is_none() {
        remove(&path);
    }
}

fn timed<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let begun = Instant::now();
    let done = work();
    println!("{what:<34} {:>9.3} s", begun.elapsed().as_secs_f64());
    done
}

fn fill(path: &Path, events: u32) {
    let begun = Instant::now();
    let mut store = SqliteStore::open(path, 0, 0).unwrap();
    let budget = |place: u32| Budget {
        key: format!("line:li_{place}"),
        currency: EUR,
        limit: Micros(1_000_000_000_000),
    };
    store
        .set_budgets(&[budget(0), budget(1), budget(2)])
        .unwrap();
    let mut number = 0;
    while number < events {
        let batch: Vec<Event> = (number..events.min(number + BATCH))
            .map(|number| event(number, events))
            .collect();
        store.apply(&batch, &mut |_, _| Funding::Late).unwrap();
        number += BATCH;
    }
    let bytes = std::fs::metadata(path).unwrap().len();
    println!(
        "{events} events written in {:.1} s, {} MiB",
        begun.elapsed().as_secs_f64(),
        bytes >> 20
    );
}

/// Of ten events four are bills, four sales, one is a click and one a loss.
fn event(number: u32, of: u32) -> Event {
    let kind = match number % 10 {
        0..4 => Kind::Bill,
        4..8 => Kind::Sale,
        8 => Kind::Click,
        _ => Kind::Loss,
    };
    let side = if kind == Kind::Sale {
        Side::Exchange
    } else {
        Side::Bidder
    };
    let sold = kind == Kind::Sale;
    let (buyer, seller) = (number / 10 % 3, number / 7 % 2);
    let own = |text: String, own: bool| if own { text } else { String::new() };
    let cpm = Cpm(500_000 + i64::from(number) * 7_919 % 4_000_001);
    Event {
        kind,
        key: idempotency_key(side, "demo", &number.to_string(), "1", "b"),
        at_ms: START_MS + i64::from(number) * MONTH_MS / i64::from(of),
        exchange: "demo".into(),
        seat: format!("adv_{buyer}"),
        advertiser: own(format!("adv_{buyer}"), !sold),
        line_item: format!("li_{buyer}"),
        creative: format!("cr_{buyer}"),
        publisher: own(format!("pub_{seller}"), sold),
        placement: own(format!("plc_{}", number % 5), sold),
        partner: own(["bidder", "dsp"][number as usize % 2].to_owned(), sold),
        bid: cpm,
        cpm,
        currency: EUR,
        multiplier: Multiplier::ONE,
        share_ppm: if sold { 850_000 } else { 0 },
        platform_ppm: 0,
        data: String::new(),
        reason: i64::from(kind == Kind::Loss) * 102,
        budgets: if kind == Kind::Bill {
            vec![format!("line:li_{buyer}")]
        } else {
            Vec::new()
        },
        reservation: None,
        exposure: Exposure::default(),
        held_until: 0,
        touch: None,
    }
}

fn remove(path: &Path) {
    for suffix in ["", "-wal", "-shm"] {
        let mut name = path.to_owned().into_os_string();
        name.push(suffix);
        let _ = std::fs::remove_file(name);
    }
}
