//! Work for the instruction-count guard (`.ci/instructions`): how many instructions one pass of a
//! hot path takes, which a busy machine does not change. Path: a phase without its socket.
//! Input: requests of `load_tests::corpus`, seed 1. A regression means more work for each
//! request, whatever the clock says.
//!
//! `instructions NAME ROUNDS` runs the path ROUNDS times; the guard takes the difference of two
//! runs, so that making the input does not count.

use load_tests::corpus::{self, Kind, Options};
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
        other => panic!("no path {other}; there are decode, decode_encode"),
    }
}

fn decode(rounds: usize, write: bool) {
    let options = Options {
        count: 16,
        seed: 1,
        users: 1000,
        consented_at_s: 1_790_000_000,
    };
    let bodies: Vec<String> = corpus::requests(Kind::WebBanner, options)
        .take(16)
        .collect();
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
