//! Floors through the real binary: per partner rules, and fetching by address with everything
//! that an address may answer.

use crate::node::{Node, SMALL, banner_request};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// What the floors' host answers.
#[derive(Clone, Debug)]
enum Answer {
    /// A file with this default price.
    Price(f64),
    /// This text, whole.
    Text(String),
    /// Another place.
    Redirect,
    /// Nothing, for ever.
    Hang,
    /// A head, and then a byte now and then.
    Drip,
    /// A gigabyte, as it says.
    Announced,
    /// A gigabyte that does not say how long it is.
    Endless,
    /// A failure.
    Broken,
}

/// A host of floor files on loopback.
struct Host {
    address: SocketAddr,
    answer: Arc<Mutex<Answer>>,
}

impl Host {
    fn new(first: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let answer = Arc::new(Mutex::new(first));
        let shared = Arc::clone(&answer);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let answer = shared.lock().unwrap().clone();
                std::thread::spawn(move || reply(stream, &answer));
            }
        });
        Self { address, answer }
    }

    fn set(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }
}

fn file(price: f64) -> String {
    format!(
        r#"{{"currency":"EUR","modelGroups":[{{"modelVersion":"far","default":{price},
        "schema":{{"fields":["mediaType"]}},"values":{{"video":9,"audio|x":1}}}}]}}"#
    )
}

/// Writes the answer; the node may close at any time, which ends it.
fn reply(mut stream: TcpStream, answer: &Answer) {
    let _ = stream.read(&mut [0; 4096]);
    let whole = |text: &str| {
        let length = text.len();
        format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{text}")
    };
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let text = match answer {
        Answer::Price(price) => whole(&file(*price)),
        Answer::Text(text) => whole(text),
        Answer::Redirect => "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\n\
             Content-Length: 0\r\n\r\n"
            .to_owned(),
        Answer::Announced => "HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n".to_owned(),
        Answer::Drip | Answer::Endless => chunked.to_owned(),
        Answer::Broken => "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n".to_owned(),
        Answer::Hang => String::new(),
    };
    let _ = stream.write_all(text.as_bytes());
    match answer {
        Answer::Hang => std::thread::sleep(Duration::from_secs(20)),
        Answer::Drip => {
            while stream.write_all(b"1\r\n \r\n").is_ok() {
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        Answer::Endless | Answer::Announced => {
            let chunk = [&b"1000\r\n"[..], &[b' '; 4_096], b"\r\n"].concat();
            for _ in 0..262_144 {
                if stream.write_all(&chunk).is_err() {
                    break;
                }
            }
        }
        Answer::Price(_) | Answer::Text(_) | Answer::Redirect | Answer::Broken => {}
    }
}

/// Asks until `wanted` holds.
fn eventually<T: std::fmt::Debug>(mut look: impl FnMut() -> T, wanted: impl Fn(&T) -> bool) -> T {
    let start = Instant::now();
    loop {
        let seen = look();
        if wanted(&seen) {
            return seen;
        }
        assert!(start.elapsed() < Duration::from_secs(30), "still {seen:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The status of an auction: 200 where the bid of 2.00 meets the floor.
fn auction(node: &Node) -> u16 {
    let body = banner_request("floors").to_string();
    let answer = node.client().post("/openrtb2/auction", body.as_bytes());
    answer.status
}

fn put(node: &Node, floors: &serde_json::Value) {
    let answer = node.api("PUT", "/v1/floors/pub_it", &floors.to_string());
    let text = String::from_utf8_lossy(&answer.body);
    assert!(matches!(answer.status, 200 | 201), "{text}");
}

fn feed(node: &Node) -> serde_json::Value {
    let answer = node.api("GET", "/v1/floors/pub_it/status", "");
    assert_eq!(answer.status, 200);
    answer.json()["feed"].clone()
}

/// Floors that are fetched from the host; another `age` is another feed, which is tried at once.
fn fetched(host: &Host, age: u32) -> serde_json::Value {
    let url = format!("http://{}/floors.json", host.address);
    serde_json::json!({ "floorEndpoint": { "url": url, "timeout_ms": 500, "max_rules": 100,
        "max_age_sec": 10_000 + age } })
}

#[test]
fn whatever_an_address_answers_the_last_good_floors_serve() {
    let node = Node::start(SMALL, "exchange.floors_allow_private = true\n");
    eventually(|| auction(&node), |status| *status == 200);
    let host = Host::new(Answer::Price(5.0));
    put(&node, &fetched(&host, 0));
    eventually(|| auction(&node), |status| *status == 204);
    let good = feed(&node)["serving"].clone();
    assert_eq!((&good["groups"], &good["rules"]), (&1.into(), &1.into()));
    assert_eq!(
        good["ignored"][0]["pointer"],
        "/modelGroups/0/values/audio|x"
    );

    let many: Vec<String> = (0..101).map(|rule| format!("\"r{rule}\":1")).collect();
    let many = format!(
        r#"{{"modelGroups":[{{"schema":{{"fields":["size"]}},"values":{{{}}}}}]}}"#,
        many.join(",")
    );
    for (age, (answer, reason)) in (1..).zip([
        (Answer::Redirect, "redirect"),
        (Answer::Hang, "timed_out"),
        (Answer::Drip, "timed_out"),
        (Answer::Announced, "too_large"),
        (Answer::Endless, "too_large"),
        (Answer::Broken, "status"),
        (Answer::Text("<html>".to_owned()), "invalid"),
        (Answer::Text(many), "invalid"),
    ]) {
        host.set(answer.clone());
        put(&node, &fetched(&host, age));
        let seen = eventually(
            || feed(&node),
            |feed| {
                feed["last_failure"]["reason"] == reason && feed["last_failure"]["in_a_row"] == 1
            },
        );
        assert_eq!(seen["serving"], good, "{answer:?}");
        assert!(!seen["last_failure"]["detail"].as_str().unwrap().is_empty());
        eventually(|| auction(&node), |status| *status == 204);
        let metrics = node.api("GET", "/metrics", "");
        let metrics = String::from_utf8(metrics.body).unwrap();
        let line = format!("gavel_floor_fetches_total{{outcome=\"{reason}\"}}");
        let counted = metrics.lines().find(|text| text.starts_with(&line));
        assert!(!counted.unwrap().ends_with(" 0"), "{reason}");
        // The next one must be told apart, where it has the same reason.
        host.set(Answer::Price(5.0));
        put(&node, &fetched(&host, age + 100));
        eventually(|| feed(&node), |feed| feed["last_failure"]["in_a_row"] == 0);
    }
    host.set(Answer::Price(1.0));
    put(&node, &fetched(&host, 200));
    eventually(|| auction(&node), |status| *status == 200);
}

#[test]
fn private_addresses_need_the_operators_permission() {
    let node = Node::start(SMALL, "");
    let host = Host::new(Answer::Price(5.0));
    let mut floors = fetched(&host, 0);
    floors["data"] = serde_json::json!({ "currency": "EUR", "modelGroups": [{ "default": 1 }] });
    put(&node, &floors);
    let seen = eventually(
        || feed(&node),
        |feed| feed["last_failure"]["reason"] == "forbidden",
    );
    assert_eq!(seen["serving"], serde_json::Value::Null);
    assert_eq!(auction(&node), 200, "the file's own rules serve");
}

#[test]
fn a_version_brings_its_floors_back_into_auctions() {
    let node = Node::start(SMALL, "");
    let floors = |price: f64| serde_json::json!({ "data": { "currency": "EUR", "modelGroups": [{ "default": price }] } });
    put(&node, &floors(1.0));
    put(&node, &floors(3.0));
    eventually(|| auction(&node), |status| *status == 204);
    let back = node.api("POST", "/v1/floors/pub_it/versions/1/restore", "");
    assert_eq!(back.status, 200);
    eventually(|| auction(&node), |status| *status == 200);
    let refused = node.api(
        "PUT",
        "/v1/floors/pub_it",
        r#"{"modelGroups":[{"schema":{"fields":["size","country"]},"values":{"300x250":1}}]}"#,
    );
    assert_eq!(refused.status, 422);
    let fault = &refused.json()["faults"][0];
    assert_eq!(fault["pointer"], "/modelGroups/0/values/300x250");
    for (rules, status, told) in [
        (50_000, 422, "more than 10000 rules in a file"),
        (100_000, 413, "the body is larger than"),
    ] {
        let rules: Vec<String> = (0..rules).map(|rule| format!("\"r{rule}\":1")).collect();
        let file = format!(
            r#"{{"modelGroups":[{{"schema":{{"fields":["size"]}},"values":{{{}}}}}]}}"#,
            rules.join(",")
        );
        let refused = node.api("PUT", "/v1/floors/pub_it", &file);
        let detail = refused.json()["faults"][0]["detail"].to_string();
        assert_eq!(refused.status, status, "{detail}");
        assert!(detail.contains(told), "{detail}");
    }
    assert_eq!(auction(&node), 200, "what was good before serves");
}

#[test]
fn a_rule_may_be_for_one_partner() {
    let node = Node::start(SMALL, "");
    let floors = |partner: &str| {
        serde_json::json!({ "data": { "currency": "EUR", "modelGroups": [{
            "schema": { "fields": ["mediaType", "partner"] },
            "values": { format!("banner|{partner}"): 3 } }] } })
    };
    put(&node, &floors("bidder"));
    eventually(|| auction(&node), |status| *status == 204);
    put(&node, &floors("someone_else"));
    eventually(|| auction(&node), |status| *status == 200);
    let metrics = String::from_utf8(node.api("GET", "/metrics", "").body).unwrap();
    assert!(metrics.contains("gavel_floors_total{source=\"rule\"} 0"));
    assert!(metrics.contains("gavel_floors_total{source=\"request\"}"));
}

#[test]
fn a_requests_own_floors_are_obeyed() {
    let node = Node::start(SMALL, "");
    let sold = |price: f64| {
        let mut request = banner_request("stated");
        request["ext"] = serde_json::json!({ "prebid": { "floors": { "data": { "currency": "EUR",
            "modelGroups": [{ "schema": { "fields": ["size"] }, "values": { "300x250": price } }]
        } } } });
        let body = request.to_string();
        node.client()
            .post("/openrtb2/auction", body.as_bytes())
            .status
    };
    eventually(|| sold(1.0), |status| *status == 200);
    assert_eq!(sold(3.0), 204);
}

#[test]
fn a_draft_is_tried_on_auctions_that_were_held() {
    let node = Node::start(SMALL, "log.sample_ppm = 1000000\n");
    let mut client = node.client();
    let begun = Instant::now();
    let mut sold = 0;
    while sold < 60 {
        let body = banner_request(&format!("past-{sold}")).to_string();
        sold += u32::from(client.post("/openrtb2/auction", body.as_bytes()).status == 200);
        assert!(begun.elapsed() < Duration::from_secs(20), "{sold} are sold");
    }
    let draft = |floor: &str| {
        format!(
            r#"{{"publisher":"pub_it","floors":{{"data":{{"currency":"EUR","modelGroups":[
            {{"schema":{{"fields":["size"]}},"values":{{"300x250":{floor}}}}}]}}}}}}"#
        )
    };
    let tried = |floor: &str| node.api("POST", "/v1/floors/simulate", &draft(floor));
    let imps = || tried("1").json()["sample"]["imps"].as_u64().unwrap_or(0);
    while imps() < 60 {
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "{:?}",
            tried("1")
        );
        std::thread::sleep(Duration::from_millis(100));
    }
    let below = tried("1.5").json();
    // At first price 2.00 is paid, whatever lower floor there is.
    for side in ["now", "draft"] {
        assert_eq!(below[side]["cpm"], "2.00", "{below}");
        assert_eq!(below[side]["sold"].as_u64(), Some(60), "{below}");
    }
    assert_eq!(below["by_rule"][0]["rule"], "300x250");
    let above = tried("2.5").json();
    assert_eq!(
        (&above["draft"]["sold"], &above["draft"]["gross"]),
        (&0.into(), &"0.00".into())
    );
    assert_eq!(above["change"]["gross"], "-0.12");
    let asked = r#"{"publisher":"pub_it","fields":["size"],"least_imps":10}"#;
    let suggested = node.api("POST", "/v1/floors/suggest", asked).json();
    assert_eq!(suggested["kinds"], 1, "{suggested}");
    assert_eq!(
        suggested["rules"].as_array().map(Vec::len),
        Some(0),
        "first prices gain nothing"
    );
}
