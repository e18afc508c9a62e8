//! Work for the instruction-count guard (`.ci/instructions`): how many instructions one pass of a
//! hot path takes, which a busy machine does not change. Path: decoding and validation (`decode`),
//! the same with what the exchange keeps and writes back (`decode_encode`), and the bidder's whole
//! decision (`decision`: ten thousand line items with budgets and caps, ten thousand users).
//! Input: requests of `load_tests::corpus` and the market of the bench `decision`, all of fixed
//! seeds. A regression means more work for each request, whatever the clock says.
//!
//! `instructions NAME ROUNDS` runs the path ROUNDS times; the guard takes the difference of two
//! runs, so that making the input does not count.

#[path = "decision/market.rs"]
mod market;

use bidder::{DecisionScratch, decide};
use load_tests::corpus::{self, Kind, Options};
use market::{Market, NOW_MS};
use openrtb::{BidRequest, Encode, Keep, Limits, Scratch, validate};
use std::hint::black_box;

fn main() {
    let mut arguments = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench");
    let (Some(name), Some(rounds)) = (arguments.next(), arguments.next()) else {
        // `cargo bench` and `cargo test --benches` run this too, with nothing to do.
        return;
    };
    let rounds = rounds
        .parse()
        .expect("the second argument is a number of rounds");
    match name.as_str() {
        "decode" => decode(rounds, false),
        "decode_encode" => decode(rounds, true),
        "decision" => decision(rounds),
        other => panic!("no path {other}; there are decode, decode_encode, decision"),
    }
}

fn decision(rounds: usize) {
    const USERS: u64 = 10_000;
    /// Open bids end in batches, so that the table of reservations never fills.
    const SETTLE_EVERY: u64 = 4_096;
    let market = Market::new(10_000, USERS);
    let (snapshot, runtime) = (market.snapshot(), market.runtime());
    let bodies = market::requests(Kind::WebPage, 1_024, USERS);
    let mut scratch = DecisionScratch::default();
    let mut out = Vec::with_capacity(16 * 1024);
    let mut bids = 0;
    for (body, seed) in bodies.iter().cycle().zip(1_u64..).take(rounds) {
        if seed.is_multiple_of(SETTLE_EVERY) {
            market.settle();
        }
        let now = (NOW_MS, seed);
        let decided = decide(
            body.as_bytes(),
            &snapshot,
            runtime,
            &mut scratch,
            now,
            &mut out,
        );
        bids += decided.map_or(0, |decided| decided.bids as usize);
        black_box(&out);
    }
    assert!(bids > rounds / 2, "{bids} bids in {rounds} decisions");
}

fn decode(rounds: usize, write: bool) {
    let options = Options {
        count: 16,
        seed: 1,
        users: 1000,
        consented_at_s: 1_790_000_000,
    };
    let bodies: Vec<String> = corpus::requests(Kind::WebPage, options).take(16).collect();
    let mut scratch = Scratch::default();
    let mut out = Vec::with_capacity(16 * 1024);
    for body in bodies.iter().cycle().take(rounds) {
        let request: BidRequest<'_> = scratch
            .decode(
                body.as_bytes(),
                Limits::default(),
                if write { Keep::All } else { Keep::Known },
            )
            .expect("the corpus is well-formed");
        validate::request(&request).expect("the corpus is valid");
        if write {
            out.clear();
            request.encode(&mut out);
        }
        black_box((&request, &out));
    }
}
