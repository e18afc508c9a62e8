//! Segments from a file: a new generation is taken up while requests run, and a user is found
//! by each of the ids that a request may carry.

use crate::node::{Node, SMALL, banner_request};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// [`SMALL`] for users of one segment.
fn segmented() -> String {
    SMALL.replace(
        "targeting = { formats",
        "targeting = { audience = { include = [[\"autos\"]] }, formats",
    )
}

/// A file is written beside and moved into its place, so that nobody reads half of it.
fn write(file: &Path, lines: &str) {
    let beside = file.with_extension("next");
    std::fs::write(&beside, lines).unwrap();
    std::fs::rename(beside, file).unwrap();
}

fn request(user: &Value, device: &Value) -> String {
    let mut request = banner_request("audience");
    request["user"] = user.clone();
    request["device"] = device.clone();
    request.to_string()
}

#[test]
fn a_new_generation_is_taken_up_under_load_and_found_by_every_id() {
    let file = std::env::temp_dir().join(format!("gavel-it-audience-{}.tsv", std::process::id()));
    write(&file, "userid\tsomebody\ttravel\n");
    let configuration = format!(
        "audience.file = \"{}\"\naudience.poll_s = 1\n",
        file.display()
    );
    let node = Node::start(&segmented(), &configuration);
    let ask = |user: &Value, device: &Value| {
        let body = request(user, device);
        node.client()
            .post("/openrtb2/bid/demo", body.as_bytes())
            .status
    };
    let known = [
        (json!({ "buyeruid": "b-1" }), json!({})),
        (json!({ "id": "u-1" }), json!({})),
        (
            json!({ "eids": [{ "source": "id.example", "uids": [{ "id": "e-1" }] }] }),
            json!({}),
        ),
        (
            json!({}),
            json!({ "ifa": "38400000-8cf0-11bd-b23e-10b96e40000d" }),
        ),
    ];
    for (user, device) in &known {
        assert_eq!(ask(user, device), 204, "{user} is not known yet");
    }
    let (stop, answered) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut client = node.client();
            let body = request(&json!({ "id": "u-1" }), &json!({}));
            while !stop.load(Ordering::Relaxed) {
                let status = client.post("/openrtb2/bid/demo", body.as_bytes()).status;
                assert!(status == 200 || status == 204, "{status} amid the change");
                answered.fetch_add(1, Ordering::Relaxed);
            }
        });
        let begun = Instant::now();
        write(
            &file,
            "userid\tsomebody\ttravel\nbuyeruid\tb-1\tautos\nuserid\tu-1\ttravel,autos\n\
             eid:id.example\te-1\tautos\nifa\t38400000-8cf0-11bd-b23e-10b96e40000d\tautos\n",
        );
        for (user, device) in &known {
            while ask(user, device) != 200 {
                assert!(begun.elapsed() < Duration::from_secs(15), "{user} {device}");
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(answered.into_inner() > 0);
    let stranger = json!({ "id": "somebody" });
    assert_eq!(ask(&stranger, &json!({})), 204, "another segment");
    // A file that has gone wrong leaves the last good generation in use.
    write(&file, "nonsense\n");
    std::thread::sleep(Duration::from_millis(1_500));
    assert_eq!(ask(&known[0].0, &known[0].1), 200);
    std::fs::remove_file(&file).unwrap();
}
