//! Every bid is valid for its request: an oracle that knows the protocol and nothing of the
//! bidder's code.
//!
//! [`market`] sets up generous line items in every format; [`judge`] reads a request and its
//! response as plain JSON and says every rule that a bid breaks; [`explained`] holds what is
//! explained to what is done. The requests are drawn
//! ([`requests`]), rich in rules, and where `GAVEL_CORPUS` names a folder of conformance data,
//! every request of it.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test fails by panicking and says what it skipped"
)]

mod categories;
mod explained;
mod judge;
mod market;
mod requests;

use bidder::{DecisionScratch, Outcome, decide};
use judge::Verdict;
use market::{Market, NOW_MS};
use proptest::prelude::*;
use serde_json::Value;
use std::collections::BTreeMap;

/// Asks the bidder and judges what it says. `None` where it does not bid.
fn judged(market: &Market, scratch: &mut DecisionScratch, body: &str, seed: u64) -> Asked {
    let told = explained::ask(market, scratch, body, seed);
    let mut out = Vec::new();
    let (snapshot, runtime) = (market.snapshot(), market.runtime());
    let now = (NOW_MS, seed);
    let decided = decide(body.as_bytes(), &snapshot, runtime, scratch, now, &mut out);
    match decided {
        Ok(decided) => {
            let response: Value = serde_json::from_slice(&out).unwrap();
            let request: Value = serde_json::from_str(body).unwrap();
            let verdict = judge::judge(&request, &response, market.facts());
            assert_eq!(verdict.bids, decided.bids as usize, "{body}");
            explained::agrees(&told.unwrap(), &request, &response);
            Asked::Bid(verdict)
        }
        Err(Outcome::NoBid(reason)) => {
            explained::agrees_on(&told.unwrap(), reason, body);
            Asked::Refused(reason.label())
        }
        Err(Outcome::Malformed(fault)) => {
            assert_eq!(told.unwrap_err(), fault);
            Asked::Malformed(fault.to_string())
        }
    }
}

enum Asked {
    Bid(Verdict),
    Refused(&'static str),
    Malformed(String),
}

/// Asks with every request of a file of the corpus; what was bid by format, and why not.
fn corpus(file: &str, request: impl Fn(&str) -> String) -> Option<BTreeMap<String, usize>> {
    let Some(folder) = std::env::var_os("GAVEL_CORPUS") else {
        eprintln!("SKIPPED: set GAVEL_CORPUS to the folder of conformance data to judge {file}");
        return None;
    };
    let path = std::path::Path::new(&folder).join("openrtb").join(file);
    let lines = std::fs::read_to_string(path).unwrap();
    let market = Market::new();
    let mut scratch = DecisionScratch::default();
    let mut told = BTreeMap::new();
    for (line, seed) in lines.lines().zip(1..) {
        let body = request(line);
        match judged(&market, &mut scratch, &body, seed) {
            Asked::Bid(verdict) => {
                assert!(verdict.faults.is_empty(), "{:#?}\n{body}", verdict.faults);
                for format in verdict.formats {
                    *told.entry(format.to_owned()).or_insert(0) += 1;
                }
            }
            Asked::Refused(reason) => {
                *told.entry(format!("no bid: {reason}")).or_insert(0) += 1;
            }
            Asked::Malformed(fault) => {
                assert!(!fault.is_empty());
                *told.entry("malformed".to_owned()).or_insert(0) += 1;
            }
        }
        market.settle();
    }
    eprintln!("{file}: {told:#?}");
    Some(told)
}

#[test]
fn every_bid_for_the_fixtures_is_valid() {
    let market = Market::new();
    for (body, seed) in [
        include_str!("../../../fixtures/openrtb/banner.json"),
        include_str!("../../../fixtures/openrtb/multi_imp.json"),
        include_str!("../../../fixtures/openrtb/native.json"),
        include_str!("../../../fixtures/openrtb/older.json"),
        include_str!("../../../fixtures/openrtb/video_app.json"),
    ]
    .into_iter()
    .zip(1..)
    {
        match judged(&market, &mut DecisionScratch::default(), body, seed) {
            Asked::Bid(verdict) => {
                assert!(verdict.faults.is_empty(), "{:#?}\n{body}", verdict.faults);
            }
            Asked::Refused(reason) => assert!(!reason.is_empty()),
            Asked::Malformed(fault) => panic!("{fault}\n{body}"),
        }
        market.settle();
    }
}

#[test]
fn every_bid_for_the_corpus_is_valid() {
    let Some(told) = corpus("requests.jsonl", str::to_owned) else {
        return;
    };
    for (format, least) in market::EXPECTED {
        let found = told.get(format).copied().unwrap_or(0);
        assert!(found >= least, "{found} bids of {format}, expected {least}");
    }
}

#[test]
fn every_native_request_of_the_corpus_is_answered_or_refused_with_a_reason() {
    let wrapped = |line: &str| {
        let native = serde_json::json!({"request": line});
        serde_json::json!({"id": "r", "imp": [{"id": "1", "native": native}]}).to_string()
    };
    let Some(told) = corpus("native_requests.jsonl", wrapped) else {
        return;
    };
    assert_eq!(told.values().sum::<usize>(), 37);
    let answered = told.get("native").copied().unwrap_or(0);
    assert!(answered >= market::NATIVE_ANSWERED, "{told:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Requests that use every rule at once.
    #[test]
    fn every_bid_for_a_drawn_request_is_valid(
        request in requests::request(),
        seed in any::<u64>(),
    ) {
        thread_local! {
            static MARKET: Market = Market::new();
        }
        MARKET.with(|market| {
            let body = request.to_string();
            let asked = judged(market, &mut DecisionScratch::default(), &body, seed);
            market.settle();
            match asked {
                Asked::Bid(verdict) => {
                    prop_assert!(verdict.faults.is_empty(), "{:#?}\n{}", verdict.faults, body);
                }
                Asked::Refused(reason) => prop_assert!(!reason.is_empty()),
                Asked::Malformed(fault) => prop_assert!(false, "{fault} {body}"),
            }
            Ok(())
        })?;
    }
}

/// A judge who finds nothing wrong with anything would prove nothing.
#[test]
fn the_judge_finds_what_is_wrong() {
    judge::trials::run();
}
