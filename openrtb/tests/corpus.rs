//! Conformance over a folder of independent cases, named by `GAVEL_CORPUS`.
//!
//! The folder is not part of the repository. Without the variable these tests say that they
//! were skipped; with it, a missing file is a failure.

use openrtb::{BidRequest, BidResponse, Encode, Keep, Limits, Scratch, validate};
use std::path::PathBuf;

fn corpus(name: &str) -> Option<String> {
    let Some(folder) = std::env::var_os("GAVEL_CORPUS") else {
        eprintln!("SKIPPED: set GAVEL_CORPUS to the folder of conformance data to run this");
        return None;
    };
    let path = PathBuf::from(folder).join(name);
    Some(std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}")))
}

#[test]
fn every_field_of_the_specification_is_in_the_model() {
    let Some(listing) = corpus("openrtb/fields.txt") else {
        return;
    };
    let (mut objects, mut fields) = (0, 0);
    for line in listing.lines().filter(|line| !line.trim().is_empty()) {
        let (object, names) = line.split_once(": ").unwrap();
        let known = openrtb::fields_of(object).unwrap_or_else(|| panic!("no object {object}"));
        objects += 1;
        for name in names.replace("(req if sourcetype=1)", "").split(',') {
            let name = name.trim().trim_start_matches('~');
            let name = name.split(['=', '*', '+']).next().unwrap();
            assert!(known.contains(&name), "{object} has no field {name}");
            fields += 1;
        }
    }
    assert_eq!((objects, fields), (38, 379));
}

#[test]
fn requests_keep_their_meaning() {
    let Some(lines) = corpus("openrtb/requests.jsonl") else {
        return;
    };
    let mut count = 0;
    for line in lines.lines() {
        let mut first = Scratch::default();
        let mut second = Scratch::default();
        let request: BidRequest = first
            .decode(line.as_bytes(), Limits::default(), Keep::All)
            .unwrap_or_else(|fault| panic!("{fault}: {line}"));
        let mut written = Vec::new();
        request.encode(&mut written);
        let again: BidRequest = second
            .decode(&written, Limits::default(), Keep::All)
            .unwrap();
        assert_eq!(request, again);
        assert_no_member_lost(line, &written);
        count += 1;
    }
    assert_eq!(count, 1013);
}

#[test]
fn responses_keep_their_meaning() {
    let Some(lines) = corpus("openrtb/responses.jsonl") else {
        return;
    };
    let mut count = 0;
    for line in lines.lines() {
        let mut first = Scratch::default();
        let mut second = Scratch::default();
        let response: BidResponse = first
            .decode(line.as_bytes(), Limits::default(), Keep::All)
            .unwrap_or_else(|fault| panic!("{fault}: {line}"));
        let mut written = Vec::new();
        response.encode(&mut written);
        let again: BidResponse = second
            .decode(&written, Limits::default(), Keep::All)
            .unwrap();
        assert_eq!(response, again);
        assert_no_member_lost(line, &written);
        count += 1;
    }
    assert_eq!(count, 447);
}

#[test]
fn corpus_requests_are_valid_or_name_their_field() {
    let Some(lines) = corpus("openrtb/requests.jsonl") else {
        return;
    };
    for line in lines.lines() {
        let mut scratch = Scratch::default();
        let request: BidRequest = scratch
            .decode(line.as_bytes(), Limits::default(), Keep::All)
            .unwrap();
        if let Err(fault) = validate::request(&request) {
            eprintln!("{fault}: {line}");
            assert!(!fault.field.is_empty());
        }
    }
}

#[test]
fn invalid_requests() {
    let Some(lines) = corpus("openrtb/requests_invalid.jsonl") else {
        return;
    };
    for line in lines.lines() {
        let mut scratch = Scratch::default();
        let result = scratch
            .decode::<BidRequest>(line.as_bytes(), Limits::default(), Keep::All)
            .and_then(|request| validate::request(&request));
        match result {
            Ok(()) => eprintln!("OK {line}"),
            Err(fault) => eprintln!("{fault}"),
        }
    }
}

/// Everything of the original is in what was written, at the same place and of equal value.
fn assert_no_member_lost(original: &str, written: &[u8]) {
    let original: serde_json::Value = serde_json::from_str(original).unwrap();
    let written: serde_json::Value = serde_json::from_slice(written).unwrap();
    assert_within(&original, &written, "");
}

fn assert_within(part: &serde_json::Value, whole: &serde_json::Value, path: &str) {
    use serde_json::Value as Json;
    match (part, whole) {
        (Json::Object(part), Json::Object(whole)) => {
            for (key, value) in part.iter().filter(|(_, value)| !value.is_null()) {
                let path = format!("{path}.{key}");
                assert_within(
                    value,
                    whole.get(key).unwrap_or_else(|| panic!("{path}")),
                    &path,
                );
            }
        }
        (Json::Array(part), Json::Array(whole)) => {
            assert_eq!(part.len(), whole.len(), "{path}");
            for (index, (part, whole)) in part.iter().zip(whole).enumerate() {
                assert_within(part, whole, &format!("{path}[{index}]"));
            }
        }
        (Json::Number(part), Json::Number(whole)) => {
            assert_eq!(part.as_f64(), whole.as_f64(), "{path}");
        }
        _ => assert_eq!(part, whole, "{path}"),
    }
}
