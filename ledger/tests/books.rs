//! The books over a real file: once-only charging, budgets that hold, statements that agree.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use ledger::event::Kind;
use ledger::reservation::ReservationId;
use ledger::store::{Budget, Funding, SqliteStore, Store};
use ledger::token::{Side, idempotency_key};
use ledger::writer::Writer;
use ledger::{Book, BudgetPath, Cpm, Currency, Event, Micros, Outcome, Refusal, Reservations};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

const EUR: Currency = Currency(*b"EUR");

struct File(PathBuf);

impl File {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("ledger-{}-{name}", std::process::id()));
        let file = Self(path);
        file.remove();
        file
    }

    fn open(&self, now_s: i64) -> SqliteStore {
        SqliteStore::open(&self.0, now_s, 600).unwrap()
    }

    fn remove(&self) {
        for suffix in ["", "-wal", "-shm"] {
            let mut name = self.0.clone().into_os_string();
            name.push(suffix);
            let _ = std::fs::remove_file(name);
        }
    }
}

impl Drop for File {
    fn drop(&mut self) {
        self.remove();
    }
}

fn bill(number: u32, cpm: i64) -> Event {
    let auction = number.to_string();
    Event {
        kind: Kind::Bill,
        key: idempotency_key(Side::Bidder, "x", &auction, "1", "b"),
        at_ms: 0,
        exchange: "x".into(),
        seat: "adv_a".into(),
        advertiser: "adv_a".into(),
        line_item: "li_a".into(),
        creative: String::new(),
        publisher: String::new(),
        placement: String::new(),
        partner: String::new(),
        bid: Cpm(cpm),
        cpm: Cpm(cpm),
        currency: EUR,
        share_ppm: 0,
        reason: 0,
        budgets: vec!["line:li_a".into()],
        reservation: None,
    }
}

fn sale(number: u32, cpm: i64, share_ppm: i64) -> Event {
    let auction = number.to_string();
    Event {
        kind: Kind::Sale,
        key: idempotency_key(Side::Exchange, "x", &auction, "1", "b"),
        publisher: "pub_p".into(),
        partner: "bidder".into(),
        share_ppm,
        budgets: Vec::new(),
        ..bill(number, cpm)
    }
}

fn budget(limit: i64) -> Budget {
    Budget {
        key: "line:li_a".into(),
        currency: EUR,
        limit: Micros(limit),
    }
}

fn late(_: &Event, _: Micros) -> Funding {
    Funding::Late
}

fn frozen(_: &Event, _: Micros) -> Funding {
    Funding::Frozen
}

#[test]
fn an_event_is_charged_once_also_after_a_restart() {
    let file = File::new("once");
    let mut store = file.open(0);
    store.set_budgets(&[budget(1_000_000)]).unwrap();
    let charged = Outcome::Charged {
        cost: Micros(2_500),
    };
    let twice = [bill(1, 2_500_000), bill(1, 2_500_000)];
    assert_eq!(
        store.apply(&twice, &mut late).unwrap(),
        [charged, Outcome::Duplicate]
    );
    drop(store);
    let mut store = file.open(1);
    assert_eq!(
        store.apply(&twice[..1], &mut late).unwrap(),
        [Outcome::Duplicate]
    );
    assert_eq!(
        store.budget("line:li_a").unwrap().unwrap().spent,
        Micros(2_500)
    );
}

#[test]
fn what_a_budget_does_not_have_is_over_delivery() {
    let file = File::new("over");
    let mut store = file.open(0);
    store.set_budgets(&[budget(4_000)]).unwrap();
    let outcomes = store
        .apply(&[bill(1, 2_500_000), bill(2, 2_500_000)], &mut late)
        .unwrap();
    assert_eq!(
        outcomes[1],
        Outcome::OverDelivered {
            cost: Micros(2_500)
        }
    );
    let statement = store.books().unwrap().statement().unwrap();
    assert_eq!(statement.sum("advertiser:adv_a", "EUR"), Micros(2_500));
    assert_eq!(statement.sum("over_delivery", "EUR"), Micros(2_500));
    assert_eq!(statement.sum("media:x:adv_a", "EUR"), Micros(5_000));
}

#[test]
fn a_crashed_lease_is_frozen_until_its_reservations_have_expired() {
    let file = File::new("frozen");
    let mut store = file.open(0);
    store.set_budgets(&[budget(10_000)]).unwrap();
    assert_eq!(
        store.lease(&[("line:li_a".into(), 8_000)]).unwrap(),
        [8_000]
    );
    assert_eq!(
        store.lease(&[("line:li_a".into(), 8_000)]).unwrap(),
        [2_000]
    );
    drop(store);

    let mut store = file.open(100);
    let state = store.budget("line:li_a").unwrap().unwrap();
    assert_eq!(
        (state.leased, state.frozen, state.remaining()),
        (Micros(0), Micros(10_000), Micros(0))
    );
    // A bill of the earlier run still finds its money, and only once.
    let charged = Outcome::Charged {
        cost: Micros(2_000),
    };
    assert_eq!(
        store.apply(&[bill(1, 2_000_000)], &mut frozen).unwrap(),
        [charged]
    );
    store.thaw(100 + 600).unwrap();
    assert_eq!(
        store.budget("line:li_a").unwrap().unwrap().remaining(),
        Micros(0)
    );
    store.thaw(100 + 601).unwrap();
    assert_eq!(
        store.budget("line:li_a").unwrap().unwrap().remaining(),
        Micros(8_000)
    );
}

#[test]
fn both_sides_agree_to_the_micro_in_any_order() {
    let file = File::new("agree");
    let mut store = file.open(0);
    store.set_budgets(&[budget(1_000_000_000)]).unwrap();
    let price = |number: u32| i64::from(number) * 7_919 % 4_000_001 + 3;
    let bills: Vec<Event> = (0..2_000)
        .map(|number| bill(number, price(number)))
        .collect();
    let sales: Vec<Event> = (0..2_000)
        .rev()
        .map(|number| sale(number, price(number), 850_000))
        .collect();
    store.apply(&bills, &mut late).unwrap();
    store.apply(&sales, &mut late).unwrap();
    let statement = store.books().unwrap().statement().unwrap();
    let receipts = statement.sum("buyer:", "EUR");
    assert_eq!(receipts, statement.sum("advertiser:", "EUR"));
    let earned = statement.sum("publisher:", "EUR");
    assert_eq!(
        receipts.0,
        earned.0 + statement.sum("exchange_fee", "EUR").0
    );
    assert!(
        (earned.0 * 100 - receipts.0 * 85).abs() <= 100,
        "{earned} of {receipts}"
    );
}

#[test]
fn a_changed_balance_is_found_and_named() {
    let file = File::new("tampered");
    let mut store = file.open(0);
    store.set_budgets(&[budget(10_000)]).unwrap();
    store.apply(&[bill(1, 1_000_000)], &mut late).unwrap();
    let mut books = store.books().unwrap();
    books.balances.values_mut().next().unwrap().0.0 += 1;
    let error = books.statement().unwrap_err();
    assert!(
        error
            .differences
            .iter()
            .any(|text| text.contains("advertiser:adv_a")),
        "{error}"
    );
    assert!(
        error
            .differences
            .iter()
            .any(|text| text.contains("EUR differ")),
        "{error}"
    );
}

#[test]
fn the_writer_settles_reservations_and_answers_after_the_commit() {
    let file = File::new("writer");
    let mut store = file.open(0);
    store.set_budgets(&[budget(10_000)]).unwrap();
    let granted = store.lease(&[("line:li_a".into(), 10_000)]).unwrap()[0];
    let epoch = store.epoch();
    let (book, reservations) = (Arc::new(Book::default()), Arc::new(Reservations::new(64)));
    let slot = book.add().unwrap();
    book.grant(slot, granted);
    let path = BudgetPath::new(&[slot]);
    let open = |amount| reservations.open(&book, &path, Micros(amount), 60).unwrap();
    let ids: Vec<ReservationId> = (0..3).map(|_| open(3_001)).collect();
    let (writer, thread) = Writer::start(
        Box::new(store),
        Arc::clone(&book),
        Arc::clone(&reservations),
        16,
        Duration::from_millis(1),
    );
    let (answer, answers) = channel();
    for (number, id) in ids.iter().enumerate() {
        let event = Event {
            reservation: Some((epoch, *id)),
            ..bill(u32::try_from(number).unwrap(), 2_000_000)
        };
        let answer = answer.clone();
        writer.record(event, Box::new(move |result| answer.send(result).unwrap()));
    }
    for _ in &ids {
        let charged = Outcome::Charged {
            cost: Micros(2_000),
        };
        assert_eq!(
            answers.recv_timeout(Duration::from_secs(10)).unwrap(),
            Ok(charged)
        );
    }
    assert_eq!((book.available(slot), book.reserved(slot)), (4_000, 0));
    let state = writer
        .call(|store| store.budget("line:li_a").unwrap().unwrap())
        .unwrap();
    assert_eq!((state.spent, state.leased), (Micros(6_000), Micros(4_000)));
    writer.stop();
    thread.join().unwrap();
    let (answer, answers) = channel();
    writer.record(
        bill(9, 1),
        Box::new(move |result| answer.send(result).unwrap()),
    );
    assert_eq!(answers.recv().unwrap(), Err(Refusal::Stopped));
}
