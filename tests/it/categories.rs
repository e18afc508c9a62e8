//! What a publisher's request blocks and allows of a partner's categories, each list in its own
//! taxonomy, through the real binary.

use crate::node::{Node, SMALL, banner_request};
use crate::raw::{Extra, partner};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// The seat that wins a request with these lists.
fn winner(node: &Node, lists: &Value) -> String {
    let mut request = banner_request("cat");
    for (name, value) in lists.as_object().unwrap() {
        request[name] = value.clone();
    }
    let body = request.to_string();
    let answer = node.client().post("/openrtb2/auction", body.as_bytes());
    if answer.status != 200 {
        return String::new();
    }
    let seat = &answer.json()["seatbid"][0]["seat"];
    seat.as_str().unwrap_or_default().to_owned()
}

#[test]
fn lists_and_bids_of_different_taxonomies_are_compared_by_the_tables() {
    let folder = std::env::temp_dir().join(format!("gavel-categories-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (first, later) = (folder.join("1.tsv"), folder.join("3.tsv"));
    let table = "IAB Code\tTier\tIAB Category\nIAB2\tTier 1\tCars\nIAB2-3\tTier 2\tVans\n";
    std::fs::write(&first, table).unwrap();
    let table = "Unique ID\tParent\tName\n1\t\tCars\n2\t1\tVans\n9\t\tBoats\n";
    std::fs::write(&later, table).unwrap();
    let configuration = format!(
        "taxonomies.content_1 = \"{}\"\ntaxonomies.content = \"{}\"\n",
        first.display(),
        later.display()
    );
    let extra: Extra = Arc::new(Mutex::new(json!({})));
    let node = Node::start(&format!("{SMALL}{}", partner(&extra)), &configuration);
    let start = Instant::now();
    while winner(&node, &json!({})) != "raw" {
        assert!(start.elapsed() < Duration::from_secs(8), "it never wins");
        std::thread::sleep(Duration::from_millis(20));
    }
    let (won, lost) = ("raw", "adv_it");
    for (bid, lists, expected) in [
        (json!({"cat": ["IAB2-3"]}), json!({"bcat": ["IAB2"]}), lost),
        (json!({"cat": ["IAB2-3"]}), json!({"bcat": ["IAB1"]}), won),
        // The same category by its number in another taxonomy.
        (
            json!({"cat": ["2"], "cattax": 7}),
            json!({"bcat": ["IAB2"]}),
            lost,
        ),
        (
            json!({"cat": ["2"], "cattax": 7}),
            json!({"bcat": ["IAB2-3"]}),
            lost,
        ),
        (
            json!({"cat": ["2"], "cattax": 7}),
            json!({"bcat": ["IAB1"]}),
            won,
        ),
        (
            json!({"cat": ["IAB2-3"]}),
            json!({"bcat": ["1"], "cattax": 6}),
            lost,
        ),
        // A number is not the same in every taxonomy.
        (
            json!({"cat": ["9"], "cattax": 7}),
            json!({"bcat": ["1"], "cattax": 7}),
            won,
        ),
        // Nobody knows what boats are in the other one: what may be blocked is.
        (
            json!({"cat": ["9"], "cattax": 7}),
            json!({"bcat": ["IAB1"]}),
            lost,
        ),
        (json!({"cat": ["9"], "cattax": 7}), json!({}), won),
        // Allowed categories.
        (
            json!({"cat": ["2"], "cattax": 7}),
            json!({"acat": ["IAB2"]}),
            won,
        ),
        (
            json!({"cat": ["9"], "cattax": 7}),
            json!({"acat": ["IAB2"]}),
            lost,
        ),
    ] {
        extra.lock().unwrap().clone_from(&bid);
        let seen = winner(&node, &lists);
        // Whoever names no category cannot show that it is allowed: then nobody wins.
        let expected = if lists.get("acat").is_some() && expected == lost {
            ""
        } else {
            expected
        };
        assert_eq!(seen, expected, "{bid} {lists}");
    }
    std::fs::remove_dir_all(folder).unwrap();
}
