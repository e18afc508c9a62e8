//! Creatives through the real binary: video and native answers, playback, taxonomies, approvals.

use crate::client::Client;
use crate::node::{Node, SMALL, banner_request};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// [`SMALL`] with a line item that shows a video and native assets.
fn every_format() -> String {
    let line_item = r#"
[[line_items]]
id = "li_all"
campaign = "cmp_it"
name = "Video and native"
bid = { max_cpm = "3.00" }
creatives = ["cr_film", "cr_native"]

[[creatives]]
id = "cr_film"
advertiser = "adv_it"
format = "video"
duration_s = 15
media = [{ url = "https://cdn.example/film.mp4", mime = "video/mp4", w = 640, h = 360 }]
adomain = ["it.example"]
landing_page = "https://it.example/"

[[creatives]]
id = "cr_native"
advertiser = "adv_it"
format = "native"
adomain = ["it.example"]
landing_page = "https://it.example/"
cat = ["IAB2-3"]

[creatives.native]
titles = ["A title"]
images = [{ kind = "main", url = "https://cdn.example/i.png", w = 600, h = 300 }]
"#;
    format!("{SMALL}{line_item}")
}

fn with(media: Value) -> Value {
    let mut request = banner_request("creatives");
    let imp = request["imp"][0].as_object_mut().unwrap();
    imp.remove("banner");
    let id = imp["id"].clone();
    let mut imp = media;
    imp["id"] = id;
    request["imp"][0] = imp;
    request
}

/// Asks until there is a bid: the plan of the first moment may not be made yet.
fn bid(node: &Node, request: &Value) -> Value {
    let start = Instant::now();
    loop {
        let body = request.to_string();
        let answer = node.client().post("/openrtb2/bid/demo", body.as_bytes());
        if answer.status == 200 {
            return answer.json()["seatbid"][0]["bid"][0].clone();
        }
        assert!(start.elapsed() < Duration::from_secs(8), "{answer:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The path of one of our addresses within markup.
fn path(markup: &str, of: &str) -> String {
    let (_, rest) = markup.split_once(of).unwrap();
    let end = rest.find(['"', ']']).unwrap();
    format!("{of}{}", &rest[..end])
}

fn metric(node: &Node, line: &str) -> u64 {
    let answer = Client::new(node.control).get("/metrics");
    let text = String::from_utf8(answer.body).unwrap();
    let found = text.lines().find_map(|at| at.strip_prefix(line));
    found.map_or(0, |value| value.trim().parse().unwrap())
}

#[test]
fn a_video_is_answered_in_the_version_that_is_asked_for_and_counts_its_playback() {
    let node = Node::start(&every_format(), "");
    let video = json!({"mimes": ["video/mp4"], "protocols": [7], "maxduration": 30});
    let answer = bid(&node, &with(json!({"video": video})));
    assert_eq!(
        (&answer["mtype"], &answer["protocol"]),
        (&json!(2), &json!(7))
    );
    assert_eq!(
        (&answer["dur"], &answer["crid"]),
        (&json!(15), &json!("cr_film"))
    );
    let adm = answer["adm"].as_str().unwrap();
    assert!(adm.starts_with("<VAST version=\"4.0\">"), "{adm}");
    let mut client = node.client();
    let view = path(adm, "/t/view?t=");
    assert!(adm.contains(&format!("{view}&e=start]]>")), "{adm}");
    assert_eq!(client.get(&view).status, 200);
    assert_eq!(client.get(&format!("{view}&e=start")).status, 200);
    assert_eq!(
        metric(&node, "gavel_playback_events_total{event=\"start\"}"),
        1
    );
    let unknown = client.get(&format!("{view}&e=rewind"));
    assert_eq!((unknown.status, unknown.field()), (400, "e".to_owned()));
    assert_eq!(client.get(&path(adm, "/t/imp?t=")).status, 200);
    let click = client.get(&path(adm, "/t/click?t="));
    assert_eq!(
        (click.status, click.header("location")),
        (302, Some("https://it.example/"))
    );
}

#[test]
fn a_native_request_is_answered_with_its_assets_or_not_at_all() {
    let node = Node::start(&every_format(), "");
    let native = |assets: Value| {
        let request = json!({"ver": "1.2", "assets": assets,
            "eventtrackers": [{"event": 1, "methods": [1]}]});
        with(json!({"native": {"request": request.to_string()}}))
    };
    let title = json!({"id": 4, "required": 1, "title": {"len": 25}});
    let answer = bid(&node, &native(json!([title])));
    let adm: Value = serde_json::from_str(answer["adm"].as_str().unwrap()).unwrap();
    assert_eq!(
        adm["assets"],
        json!([{"id": 4, "title": {"text": "A title"}}])
    );
    let tracker = adm["eventtrackers"][0]["url"].as_str().unwrap();
    let tracker = &tracker[tracker.find("/t/").unwrap()..];
    assert_eq!(node.client().get(tracker).status, 200);
    let missing = native(json!([title, {"id": 5, "required": 1, "data": {"type": 3}}]));
    let body = missing.to_string();
    let answer = node.client().post("/openrtb2/bid/demo", body.as_bytes());
    assert_eq!(answer.status, 204);
}

#[test]
fn categories_are_mapped_by_the_tables_that_are_given() {
    let folder = std::env::temp_dir().join(format!("gavel-taxonomies-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (first, later) = (folder.join("1.tsv"), folder.join("3.tsv"));
    let table = "IAB Code\tTier\tIAB Category\nIAB2\tTier 1\tCars\nIAB2-3\tTier 2\tVans\n";
    std::fs::write(&first, table).unwrap();
    std::fs::write(
        &later,
        "Unique ID\tParent\tName\n1\t\tCars\n2\t1\tVans\n9\t\tBoats\n",
    )
    .unwrap();
    let configuration = format!(
        "taxonomies.content_1 = \"{}\"\ntaxonomies.content = \"{}\"\n",
        first.display(),
        later.display()
    );
    let node = Node::start(&every_format(), &configuration);
    let asked = |blocked: &str| {
        let assets = json!({"assets": [{"id": 1, "title": {"len": 25}}]});
        let mut request = with(json!({"native": {"request": assets}}));
        (request["bcat"], request["cattax"]) = (json!([blocked]), json!(7));
        request
    };
    assert_eq!(bid(&node, &asked("9"))["crid"], "cr_native");
    for blocked in ["1", "2"] {
        let body = asked(blocked).to_string();
        let answer = node.client().post("/openrtb2/bid/demo", body.as_bytes());
        assert_eq!(answer.status, 204, "{blocked}");
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn an_exchange_that_reviews_gets_what_it_approved() {
    let node = Node::start(SMALL, "");
    let request = banner_request("review");
    let adm = bid(&node, &request)["adm"].clone();
    let strict = r#"{"requires_approval": true}"#;
    assert_eq!(node.api("PATCH", "/v1/exchanges/demo", strict).status, 200);
    let start = Instant::now();
    let ask = || {
        let body = request.to_string();
        node.client().post("/openrtb2/bid/demo", body.as_bytes())
    };
    while ask().status == 200 {
        assert!(
            start.elapsed() < Duration::from_secs(8),
            "it waits for no approval"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    let approved = r#"{"approvals": [{"exchange": "demo", "revision": 1, "state": "approved"}]}"#;
    assert_eq!(
        node.api("PATCH", "/v1/creatives/cr_it", approved).status,
        200
    );
    let before = bid(&node, &request);
    let edited = r#"{"adm": "<b>new</b>"}"#;
    assert_eq!(node.api("PATCH", "/v1/creatives/cr_it", edited).status, 200);
    std::thread::sleep(Duration::from_millis(1_200));
    let after = bid(&node, &request);
    assert_eq!(
        (&before["crid"], &after["crid"]),
        (&json!("cr_it"), &json!("cr_it"))
    );
    let shape = |adm: &Value| adm.as_str().unwrap()[..9].to_owned();
    assert_eq!(shape(&after["adm"]), shape(&adm));
}

#[test]
fn a_creative_that_nobody_could_show_is_refused_with_every_fault() {
    let node = Node::start(SMALL, "");
    let body = json!({"advertiser": "adv_it", "format": "video", "adm": "https://o.example/vast",
        "adomain": [], "landing_page": "https://it.example/", "language": "klingon"});
    let answer = node.api("POST", "/v1/creatives", &body.to_string());
    assert_eq!(answer.status, 422);
    let problem = answer.json();
    let faults = problem["faults"].as_array().unwrap();
    let pointers: Vec<&str> = faults
        .iter()
        .filter_map(|one| one["pointer"].as_str())
        .collect();
    assert_eq!(pointers, ["/language"], "what cannot be read comes first");
    let mut body = body;
    body.as_object_mut().unwrap().remove("language");
    let answer = node.api("POST", "/v1/creatives", &body.to_string());
    let problem = answer.json();
    let faults = problem["faults"].as_array().unwrap();
    let pointers: Vec<&str> = faults
        .iter()
        .filter_map(|one| one["pointer"].as_str())
        .collect();
    assert_eq!(pointers, ["/adomain", "/adm"]);
}
