//! What money costs: on the bid path, and when its events become durable.
//!
//! * `reserve_release`, `reserve_narrow_settle`: `Reservations::open` on a path of four budgets
//!   of ten thousand line items, and its end by a loss notice, or by a win and a billing notice.
//!   A regression is paid by every bid.
//! * `reserve_refused`: the same where the last budget of the path has nothing left.
//! * `sign`, `verify`: the token of a billing notice. Every bid signs two; every notice verifies.
//! * `commit/N`: one transaction of N billing events into SQLite, synced, in a fresh file of the
//!   system's temporary directory, each event drawing on three budgets. A regression lowers the
//!   rate of notices that a node can take; the smallest batch shows the price of a sync there.

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ledger::event::Kind;
use ledger::store::{Budget, Funding, SqliteStore, Store};
use ledger::token::{Claims, Purpose, Sale, Side, Signer, idempotency_key};
use ledger::{
    Book, BudgetPath, BudgetSlot, Cpm, Currency, Day, Draws, Event, Exposure, Micros, Multiplier,
    ReservationId, Reservations,
};
use load_tests::corpus::Random;
use std::hint::black_box;

const LINE_ITEMS: usize = 10_000;
const EUR: Currency = Currency(*b"EUR");
const NOW_S: u32 = 1_795_435_200;
const PRICE: Micros = Micros(2_500);

/// Paths over budgets of line item, campaign of the day, campaign and advertiser.
fn paths(book: &Book) -> Vec<BudgetPath> {
    let budgets = |count: usize| -> Vec<BudgetSlot> {
        let add = |_| book.add().expect("the book has room");
        (0..count).map(add).collect()
    };
    let own = budgets(LINE_ITEMS);
    let (day, total) = (budgets(LINE_ITEMS / 5), budgets(LINE_ITEMS / 5));
    let payers = budgets(LINE_ITEMS / 50);
    for slot in [&own, &day, &total, &payers].into_iter().flatten() {
        book.grant(*slot, i64::MAX / 4);
    }
    let path = |at: usize| BudgetPath::new(&[own[at], day[at / 5], total[at / 5], payers[at / 50]]);
    (0..LINE_ITEMS).map(path).collect()
}

fn reservations(criterion: &mut Criterion) {
    let book = Book::default();
    let paths = paths(&book);
    let table = Reservations::new(1 << 20);
    let mut random = Random::new(5);
    let order: Vec<usize> = (0..1 << 16)
        .map(|_| random.below(LINE_ITEMS as u64) as usize)
        .collect();
    let mut group = criterion.benchmark_group("ledger");
    let mut at = 0;
    let mut open = || {
        at = (at + 1) % order.len();
        let path = &paths[order[at]];
        let opened = table.open(&book, path, (PRICE, Multiplier::ONE), NOW_S + 900);
        opened.expect("the budgets have enough and every bid ends")
    };
    group.bench_function("reserve_release", |bencher| {
        bencher.iter(|| {
            let id = open();
            assert!(table.release(&book, id), "the reservation is open");
        });
    });
    group.bench_function("reserve_narrow_settle", |bencher| {
        bencher.iter(|| {
            let id = open();
            assert!(table.narrow(&book, id, Micros(2_000)), "it is open");
            black_box(table.settle(&book, id, Micros(2_000)))
        });
    });
    let empty = book.add().expect("the book has room");
    let [own, day, total, ..] = *paths[0].money() else {
        unreachable!("a path of four budgets");
    };
    let poor = BudgetPath::new(&[own, day, total, empty]);
    group.bench_function("reserve_refused", |bencher| {
        bencher.iter(|| {
            let refused = table.open(&book, &poor, (PRICE, Multiplier::ONE), NOW_S + 900);
            assert!(refused.is_err(), "an empty budget bids");
        });
    });
    group.finish();
}

fn claims(line_item: &str, number: u64) -> Claims<'_> {
    let auction = number.to_le_bytes();
    let mut key = idempotency_key(Side::Bidder, "demo", "auction", "1", "bid");
    key[..8].copy_from_slice(&auction);
    Claims {
        sale: Sale::default(),
        side: Side::Bidder,
        expires_at: NOW_S + 86_400,
        own_key: Some(key),
        reservation: Some((1, 77, 3)),
        cpm: 2_500_000,
        multiplier: Multiplier::ONE,
        currency: *b"EUR",
        fees: ledger::Fees::default(),
        day: Day(NOW_S / 86_400),
        draws: Draws {
            line_item: true,
            day: true,

            campaign: true,
            advertiser: false,
            ..Draws::default()
        },
        user: 0x1234_5678_9abc_def0,
        exposure: Exposure {
            user: 0x1234_5678_9abc_def0,
            household: 0,
            scopes: [0x0100_1234, 0, 0, 0],
        },
        exchange: "demo",
        seat: "adv_00000042",
        advertiser: "adv_00000042",
        campaign: "cmp_00000420",
        auction: "7f3a9c5be01d2468-1f",
        imp: "1",
        bid: "9d1b5c0e4a7f3826",
        line_item,
        creative: "cr_42_300x250",
        publisher: "pub_17",
        placement: "/1017/page/rectangle",
        partner: "",
        url: "",
    }
}

fn tokens(criterion: &mut Criterion) {
    let signer = Signer::new(&[(1, [7; 32])]);
    let claims = claims("li_00004200", 1);
    let mut text = Vec::new();
    let mut group = criterion.benchmark_group("token");
    group.bench_function("sign", |bencher| {
        bencher.iter(|| {
            text.clear();
            signer.sign(Purpose::Notice, black_box(&claims), &mut text);
            black_box(text.len())
        });
    });
    let text = String::from_utf8(text).expect("a token is ASCII");
    let mut buffer = Vec::new();
    group.bench_function("verify", |bencher| {
        bencher.iter(|| {
            let verified = signer.verify(Purpose::Notice, black_box(&text), NOW_S, &mut buffer);
            verified.expect("the token is ours").cpm
        });
    });
    group.finish();
}

/// Billing events of as many bids on random line items.
fn bills(count: usize, first: u64, random: &mut Random) -> Vec<Event> {
    let bill = |number: u64| {
        let line_item = format!("li_{:08}", random.below(100));
        let claims = claims(&line_item, first + number);
        let event = Event::of(Kind::Bill, &claims, i64::from(NOW_S) * 1_000);
        let mut event = event.expect("the claims have a currency");
        event.cpm = Cpm(2_000_000);
        event.reservation = Some((
            1,
            ReservationId {
                slot: number as u32,
                generation: 1,
            },
        ));
        event
    };
    (0..count as u64).map(bill).collect()
}

fn commits(criterion: &mut Criterion) {
    let folder = std::env::temp_dir().join(format!("gavel-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("the temporary directory is writable");
    let mut random = Random::new(9);
    let mut first = 0;
    let mut group = criterion.benchmark_group("commit");
    group.sample_size(20);
    for batch in [1, 64, 1_024] {
        let file = folder.join(format!("{batch}.sqlite"));
        let mut store = SqliteStore::open(&file, i64::from(NOW_S), 900).expect("a fresh file");
        let sample = bills(4_096, u64::MAX / 2, &mut random);
        let keys = sample
            .iter()
            .flat_map(|event| event.budgets.iter().cloned());
        let mut keys: Vec<String> = keys.collect();
        keys.sort_unstable();
        keys.dedup();
        let budget = |key: &String| Budget {
            key: key.clone(),
            currency: EUR,
            limit: Micros(i64::MAX / 8),
        };
        let budgets: Vec<Budget> = keys.iter().map(budget).collect();
        store.set_budgets(&budgets).expect("new budgets");
        let wanted: Vec<(String, i64)> = keys.into_iter().map(|key| (key, i64::MAX / 16)).collect();
        store.lease(&wanted).expect("the budgets have enough");
        group.throughput(Throughput::Elements(batch as u64));
        group.bench_function(BenchmarkId::from_parameter(batch), |bencher| {
            bencher.iter_batched(
                || {
                    first += batch as u64;
                    bills(batch, first, &mut random)
                },
                |events| {
                    let mut funding = |_: &Event, cost| Funding::Lease { held: cost };
                    let outcomes = store.apply(&events, &mut funding);
                    let outcomes = outcomes.expect("the disk has room");
                    let charged = |one: &_| matches!(one, ledger::Outcome::Charged { .. });
                    assert!(outcomes.iter().all(charged), "a bill was not charged");
                    events
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
    std::fs::remove_dir_all(&folder).expect("the bench made it");
}

criterion_group!(benches, reservations, tokens, commits);
criterion_main!(benches);
