//! Every request of the conformance corpus through both endpoints.

use crate::node::{Node, SMALL};
use std::path::PathBuf;

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

#[test]
fn corpus_requests_get_an_answer_or_a_named_field() {
    let Some(folder) = corpus("the requests of the corpus") else {
        return;
    };
    let node = Node::start(SMALL, "");
    let mut client = node.client();
    for file in ["requests.jsonl", "requests_invalid.jsonl"] {
        let path = folder.join("openrtb").join(file);
        let lines = std::fs::read_to_string(&path).unwrap();
        for line in lines.lines() {
            for endpoint in ENDPOINTS {
                let answer = client.post(endpoint, line.as_bytes());
                match answer.status {
                    200 => assert!(answer.json()["seatbid"].is_array(), "{line}"),
                    204 => assert!(answer.header("x-openrtb-nbr").is_some(), "{line}"),
                    400 => assert!(!answer.field().is_empty(), "{line}"),
                    other => panic!("{endpoint} answered {other} to {line}"),
                }
            }
        }
    }
}
