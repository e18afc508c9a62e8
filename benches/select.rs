//! Selection: a decoded request to the line items that are targeted at it.
//!
//! Path: `bidder::decide::candidates`, that is features (index lookups, user keys, audience) and
//! the intersection. Input: web banners of 2.7 KB by `load_tests::corpus`, 100,000 users, line
//! items by `decision/market.rs`. A regression means that a request's cost grows with the number
//! of line items.
//!
//! `edit` is the other side: the catalog after one line item changed, off the path. Goal: at most
//! 50 ms for fifty thousand line items.

#[path = "decision/market.rs"]
mod market;

use bidder::decide::{Work, candidates};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use market::Market;
use openrtb::{BidRequest, Keep, Limits, Scratch};
use std::hint::black_box;

const USERS: u64 = 100_000;

fn select(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("select");
    let bodies = market::requests(load_tests::corpus::Kind::WebPage, 256, USERS);
    let mut scratches: Vec<Scratch> = bodies.iter().map(|_| Scratch::default()).collect();
    let requests: Vec<BidRequest<'_>> = scratches
        .iter_mut()
        .zip(&bodies)
        .map(|(scratch, body)| {
            let decoded = scratch.decode(body.as_bytes(), Limits::default(), Keep::Known);
            decoded.expect("the corpus is well-formed")
        })
        .collect();
    for line_items in [1_000, 10_000, 50_000] {
        let market = Market::new(line_items, USERS);
        let snapshot = market.snapshot();
        let mut work = Work::default();
        let mut next = 0;
        group.bench_function(BenchmarkId::from_parameter(line_items), |bencher| {
            bencher.iter(|| {
                next = (next + 1) % requests.len();
                black_box(candidates(
                    &requests[next],
                    &snapshot,
                    &mut work,
                    market::NOW_MS,
                ))
            });
        });
    }
    group.finish();
}

fn edit(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("edit");
    group.sample_size(20);
    for line_items in [10_000, 50_000] {
        let market = Market::new(line_items, 1);
        let mut round = 0;
        group.bench_function(BenchmarkId::from_parameter(line_items), |bencher| {
            bencher.iter(|| {
                round += 1;
                black_box(market.edited(round))
            });
        });
    }
    group.finish();
}

criterion_group!(benches, select, edit);
criterion_main!(benches);
