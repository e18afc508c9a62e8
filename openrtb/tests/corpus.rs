//! Conformance over a folder of independent cases, named by `GAVEL_CORPUS`.
//!
//! The folder is not part of the repository. Without the variable these tests say that they
//! were skipped; with it, a missing file is a failure.

use openrtb::request::Native;
use openrtb::{BidRequest, BidResponse, Encode, Fault, Keep, Limits, Scratch, validate};
use std::path::PathBuf;

#[allow(clippy::print_stderr, reason = "a test that is skipped says so")]
fn corpus(name: &str) -> Option<String> {
    let Some(folder) = std::env::var_os("GAVEL_CORPUS") else {
        eprintln!("SKIPPED: set GAVEL_CORPUS to the folder of conformance data to run this");
        return None;
    };
    let path = PathBuf::from(folder).join(name);
    Some(
        std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display())),
    )
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

/// Where the peer whose cases these are refuses by a policy of its own what the specification
/// allows, or the other way round, with the reason for each.
fn exceptions(of: &str) -> Vec<serde_json::Value> {
    let text = include_str!("../../fixtures/conformance.json");
    let lists: serde_json::Value = serde_json::from_str(text).expect("the lists are JSON");
    lists[of].as_array().expect("a list of that name").clone()
}

#[test]
fn invalid_requests_are_refused_unless_by_the_peers_own_policy() {
    let Some(lines) = corpus("openrtb/requests_invalid.jsonl") else {
        return;
    };
    let mut accepted = Vec::new();
    for (index, line) in lines.lines().enumerate() {
        match status(line) {
            Ok(()) => accepted.push(index),
            Err(fault) => assert!(!fault.field.is_empty(), "{index}: {fault}"),
        }
    }
    let expected: Vec<_> = exceptions("invalid_requests_that_are_accepted")
        .iter()
        .map(|exception| exception["line"].as_u64().unwrap() as usize)
        .collect();
    assert_eq!(accepted, expected);
    assert_eq!(lines.lines().count(), 58);
}

#[test]
fn validation_cases_get_the_status_of_the_specification() {
    let Some(lines) = corpus("openrtb/validation_cases.jsonl") else {
        return;
    };
    let exceptions = exceptions("validation_cases_with_another_status");
    let mut differing = 0;
    for line in lines.lines() {
        let case: serde_json::Value = serde_json::from_str(line).unwrap();
        let name = case["case"].as_str().unwrap();
        let other = exceptions.iter().find(|other| other["case"] == name);
        differing += usize::from(other.is_some());
        let expected = other.unwrap_or(&case)["status"].as_u64().unwrap();
        match status(&case["body"].to_string()) {
            Ok(()) => assert_eq!(expected, 200, "{name}"),
            Err(fault) => {
                assert_eq!(expected, 400, "{name}: {fault}");
                assert!(!fault.field.is_empty(), "{name}: {fault}");
            }
        }
    }
    assert_eq!((lines.lines().count(), differing), (49, exceptions.len()));
}

#[test]
fn native_requests_decode_as_text_and_as_object() {
    let Some(lines) = corpus("openrtb/native_requests.jsonl") else {
        return;
    };
    for line in lines.lines() {
        let json: serde_json::Value = serde_json::from_str(line).unwrap();
        let wrapped = json["native"].is_object();
        let text = serde_json::to_string(line).unwrap();
        let arena = bumpalo::Bump::new();
        let mut scratches = [Scratch::default(), Scratch::default(), Scratch::default()];
        let bodies = [
            format!("{{\"request\":{text}}}"),
            format!("{{\"request\":{line}}}"),
            if wrapped {
                format!("{{\"request\":{line}}}")
            } else {
                format!("{{\"request\":{{\"native\":{line}}}}}")
            },
        ];
        let mut read = Vec::new();
        for (scratch, body) in scratches.iter_mut().zip(&bodies) {
            let native: Native = scratch
                .decode(body.as_bytes(), Limits::default(), Keep::All)
                .unwrap_or_else(|fault| panic!("{fault}: {line}"));
            let markup = native.request.unwrap();
            read.push(
                openrtb::native::decode(markup, &arena, Limits::default())
                    .unwrap_or_else(|fault| panic!("{fault}: {line}")),
            );
        }
        assert_eq!(read[0], read[1], "{line}");
        assert_eq!(read[0], read[2], "{line}");
        let inner = if wrapped { &json["native"] } else { &json };
        let assets = inner["assets"].as_array().map_or(0, Vec::len);
        assert_eq!(read[0].assets.len(), assets, "{line}");
    }
    assert_eq!(lines.lines().count(), 37);
}

fn status(body: &str) -> Result<(), Fault> {
    let mut scratch = Scratch::default();
    let request: BidRequest = scratch.decode(body.as_bytes(), Limits::default(), Keep::All)?;
    validate::request(&request)
}

/// Everything of the original is in what was written, at the same place and of equal value.
fn assert_no_member_lost(original: &str, written: &[u8]) {
    let original: serde_json::Value = serde_json::from_str(original).expect("the original is JSON");
    let written: serde_json::Value =
        serde_json::from_slice(written).expect("what was written is JSON");
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
