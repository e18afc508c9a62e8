//! Every request of the conformance corpus through both endpoints.

use crate::client::Client;
use crate::node::{Node, SMALL};
use serde_json::Value;
use std::path::{Path, PathBuf};

const ENDPOINTS: [&str; 2] = ["/openrtb2/auction", "/openrtb2/bid/demo"];

/// The folder of conformance data; says loudly what is skipped where there is none.
#[allow(clippy::print_stderr, reason = "a test that is skipped says so")]
pub fn corpus(what: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("GAVEL_CORPUS");
    if folder.is_none() {
        eprintln!(
            "SKIPPED: {what}; set GAVEL_CORPUS to the folder of conformance data to run this"
        );
    }
    folder.map(PathBuf::from)
}

fn lines(folder: &Path, name: &str) -> Vec<String> {
    let text = std::fs::read_to_string(folder.join("openrtb").join(name)).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// The cases for which the specification says something else than the peer whose cases they are.
fn exceptions(of: &str) -> Vec<Value> {
    let lists: Value =
        serde_json::from_str(include_str!("../../fixtures/conformance.json")).unwrap();
    lists[of].as_array().unwrap().clone()
}

/// Posts a body to an endpoint and checks that the answer is one that a client can use.
fn status(client: &mut Client, endpoint: &str, body: &str) -> u16 {
    let answer = client.post(endpoint, body.as_bytes());
    match answer.status {
        200 => assert!(answer.json()["seatbid"].is_array(), "{body}"),
        204 => assert!(answer.header("x-openrtb-nbr").is_some(), "{body}"),
        400 => assert!(!answer.field().is_empty(), "{body}"),
        other => panic!("{endpoint} answered {other} to {body}"),
    }
    answer.status
}

#[test]
fn corpus_requests_get_an_answer_or_a_named_field() {
    let Some(folder) = corpus("the requests of the corpus") else {
        return;
    };
    let node = Node::start(SMALL, "");
    let mut client = node.client();
    let requests = lines(&folder, "requests.jsonl");
    assert_eq!(requests.len(), 1_013);
    for line in requests {
        for endpoint in ENDPOINTS {
            status(&mut client, endpoint, &line);
        }
    }
    let accepted: Vec<u64> = exceptions("invalid_requests_that_are_accepted")
        .iter()
        .map(|exception| exception["line"].as_u64().unwrap())
        .collect();
    let invalid = lines(&folder, "requests_invalid.jsonl");
    assert_eq!(invalid.len(), 58);
    for (index, line) in (0..).zip(invalid) {
        for endpoint in ENDPOINTS {
            let refused = status(&mut client, endpoint, &line) == 400;
            assert_eq!(
                refused,
                !accepted.contains(&index),
                "{endpoint} {index}: {line}"
            );
        }
    }
    let others = exceptions("validation_cases_with_another_status");
    let cases = lines(&folder, "validation_cases.jsonl");
    assert_eq!(cases.len(), 49);
    for line in cases {
        let case: Value = serde_json::from_str(&line).unwrap();
        let other = others.iter().find(|other| other["case"] == case["case"]);
        let expected = other.unwrap_or(&case)["status"].as_u64().unwrap();
        for endpoint in ENDPOINTS {
            let refused = status(&mut client, endpoint, &case["body"].to_string()) == 400;
            assert_eq!(refused, expected == 400, "{endpoint} {}", case["case"]);
        }
    }
}
