//! The bidder's decision, bytes to bytes.
//!
//! Path: `bidder::decide`, from decoding and validation over every phase to the signed response,
//! in process. Input: requests of 2.7 KB by `load_tests::corpus`, most with one banner
//! (`web_banner`) or pages with two (`web_page`), a million users with twelve segments, one, ten and
//! fifty thousand line items of a realistic mix over twenty dimensions with budgets, pacing and caps
//! by `decision/market.rs`. Goal: a median of at most 15 µs among ten and 20 µs among fifty thousand. A regression means fewer requests per CPU-second; `benches/decode.rs` and
//! `benches/select.rs` tell the parts apart.
//!
//! Each decision is timed by itself, so that what surrounds it does not count: the body is copied
//! into one buffer first, where a server has it from the socket, and open bids end in batches.
//! Bodies are many, so that users, line items and caps are not found in the processor's caches;
//! a round through them all takes longer than anything stays there.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a bench measures time and talks to a person"
)]

#[path = "decision/market.rs"]
mod market;

use bidder::{DecisionScratch, Outcome, decide};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use load_tests::corpus::Kind;
use market::{Market, NOW_MS};
use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

const USERS: u64 = 1_000_000;
const LINE_ITEMS: [usize; 3] = [1_000, 10_000, 50_000];
const KINDS: [(&str, Kind); 2] = [("web_banner", Kind::WebBanner), ("web_page", Kind::WebPage)];
const REQUESTS: u64 = 50_000;
/// Open bids end in batches, so that the table of reservations never fills.
const SETTLE_EVERY: u64 = 4_096;

/// What the decisions came to, beside Criterion's means.
#[derive(Default)]
struct Seen {
    nanos: Vec<u32>,
    bids: u64,
    looked_at: u64,
    outcomes: BTreeMap<&'static str, u64>,
}

fn decision(criterion: &mut Criterion) {
    let bodies = KINDS.map(|(name, kind)| (name, market::requests(kind, REQUESTS, USERS)));
    for line_items in LINE_ITEMS {
        let market = Market::new(line_items, USERS);
        for (kind, bodies) in &bodies {
            let name = format!("{kind}/{line_items}_line_items");
            decide_among(&market, (&name, bodies), criterion);
        }
    }
}

fn decide_among(market: &Market, (name, bodies): (&str, &[String]), criterion: &mut Criterion) {
    let bytes: usize = bodies.iter().map(String::len).sum();
    let (snapshot, runtime) = (market.snapshot(), market.runtime());
    let mut scratch = DecisionScratch::default();
    let (mut body, mut out) = (Vec::new(), Vec::with_capacity(16 * 1024));
    let mut count = 0_u64;
    let mut seen = Seen::default();
    let mut group = criterion.benchmark_group("decision");
    group.throughput(Throughput::Bytes((bytes / bodies.len()) as u64));
    group.bench_function(name, |bencher| {
        bencher.iter_custom(|rounds| {
            let mut total = Duration::ZERO;
            for _ in 0..rounds {
                count += 1;
                if count.is_multiple_of(SETTLE_EVERY) {
                    market.settle();
                }
                body.clear();
                body.extend_from_slice(bodies[(count % REQUESTS) as usize].as_bytes());
                let now = (NOW_MS, count);
                let begun = Instant::now();
                let decided = decide(&body, &snapshot, runtime, &mut scratch, now, &mut out);
                let took = begun.elapsed();
                total += took;
                seen.nanos.push(took.as_nanos() as u32);
                let outcome = match &decided {
                    Ok(decided) => {
                        seen.bids += u64::from(decided.bids);
                        seen.looked_at += u64::from(decided.looked_at);
                        "bid"
                    }
                    Err(Outcome::NoBid(reason)) => reason.label(),
                    Err(Outcome::Malformed(fault)) => panic!("the corpus is valid: {fault}"),
                };
                *seen.outcomes.entry(outcome).or_default() += 1;
                black_box(&out);
            }
            total
        });
    });
    group.finish();
    seen.tell(name);
    assert!(
        seen.bids > count / 2,
        "a bench in which nobody bids measures nothing: {} of {count}",
        seen.bids
    );
}

impl Seen {
    fn tell(&mut self, name: &str) {
        self.nanos.sort_unstable();
        let Some(last) = self.nanos.len().checked_sub(1) else {
            return;
        };
        let micros = |percent: usize| f64::from(self.nanos[last * percent / 100]) / 1e3;
        let decisions = self.nanos.len() as f64;
        eprintln!(
            "{name}: p50 {:.2} µs, p90 {:.2} µs, p99 {:.2} µs over {decisions} decisions; \
             {:.2} bids and {:.1} line items looked at in each; outcomes {:?}",
            micros(50),
            micros(90),
            micros(99),
            self.bids as f64 / decisions,
            self.looked_at as f64 / decisions,
            self.outcomes
        );
    }
}

criterion_group!(benches, decision);
criterion_main!(benches);
