//! The bidder's decision, bytes to bytes.
//!
//! Path: `bidder::decide`, from decoding and validation over every phase to the signed response,
//! in process. Input: web banners of 2.7 KB with two imps each by `load_tests::corpus`, a
//! million users with twelve segments, ten thousand line items of a realistic mix with budgets
//! and caps by `decision/market.rs`. Goal: a median of at most 15 µs. A regression means fewer
//! requests per CPU-second; `benches/decode.rs` and `benches/select.rs` tell the parts apart.

#[path = "decision/market.rs"]
mod market;

use bidder::{DecisionScratch, decide};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use market::{Market, NOW_MS};
use std::hint::black_box;

const USERS: u64 = 1_000_000;
const LINE_ITEMS: usize = 10_000;
/// Few enough that bodies come from a cache, as they do behind a socket; users do not.
const REQUESTS: u64 = 2_048;
/// Open bids end in batches, so that the table of reservations never fills.
const SETTLE_EVERY: u64 = 4_096;

fn decision(criterion: &mut Criterion) {
    let bodies = market::requests(REQUESTS, USERS);
    let bytes: usize = bodies.iter().map(String::len).sum();
    let market = Market::new(LINE_ITEMS, USERS);
    let (snapshot, runtime) = (market.snapshot(), market.runtime());
    let mut scratch = DecisionScratch::default();
    let mut out = Vec::with_capacity(16 * 1024);
    let (mut count, mut bids) = (0_u64, 0_u64);
    let mut group = criterion.benchmark_group("decision");
    group.throughput(Throughput::Bytes((bytes / bodies.len()) as u64));
    group.bench_function("web_banner/10000_line_items", |bencher| {
        bencher.iter(|| {
            count += 1;
            if count.is_multiple_of(SETTLE_EVERY) {
                market.settle();
            }
            let body = bodies[(count % REQUESTS) as usize].as_bytes();
            let now = (NOW_MS, count);
            let decided = decide(body, &snapshot, runtime, &mut scratch, now, &mut out);
            bids += decided
                .as_ref()
                .map_or(0, |decided| u64::from(decided.bids));
            black_box((out.len(), decided.is_ok()))
        });
    });
    group.finish();
    assert!(
        bids > count / 2,
        "a bench in which nobody bids measures nothing: {bids} of {count}"
    );
}

criterion_group!(benches, decision);
criterion_main!(benches);
