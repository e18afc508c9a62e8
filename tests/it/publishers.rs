//! The publisher's side through the real binary: stored requests, what HTTP says beside a
//! request, and the versions of answers.

use crate::node::{Node, SMALL};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A partner that never bids and keeps what it was asked.
struct Silent {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Value>>>,
}

impl Silent {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let kept = Arc::clone(&kept);
                std::thread::spawn(move || listen(stream, &kept));
            }
        });
        Self { address, asked }
    }

    /// What it was asked for the request of that id; a first call may come too late.
    fn seen(&self, id: &str, again: impl Fn()) -> Value {
        let start = Instant::now();
        loop {
            again();
            let asked = self.asked.lock().unwrap();
            if let Some(found) = asked.iter().rev().find(|one| one["id"] == id) {
                return found.clone();
            }
            drop(asked);
            assert!(start.elapsed() < Duration::from_secs(15), "{id} never came");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Answers each request on a connection with `204`, after its body is kept.
fn listen(mut stream: TcpStream, kept: &Mutex<Vec<Value>>) {
    let mut bytes = Vec::new();
    let mut chunk = [0; 16_384];
    while let Ok(count @ 1..) = stream.read(&mut chunk) {
        bytes.extend_from_slice(&chunk[..count]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let head = head.to_ascii_lowercase();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.unwrap().trim().parse().unwrap();
        if body.len() < length {
            continue;
        }
        kept.lock()
            .unwrap()
            .push(serde_json::from_str(body).unwrap());
        bytes.clear();
        if stream
            .write_all(b"HTTP/1.1 204 No Content\r\n\r\n")
            .is_err()
        {
            return;
        }
    }
}

fn resources(partner: &Silent) -> String {
    let small = SMALL.replace(
        "auction = \"first_price\"\n",
        "auction = \"first_price\"\ntmax_ms = 400\n\
         request = { cur = [\"EUR\"], badv = [\"bad.example\"], site = { cat = [\"IAB12\"], \
         domain = \"pub.example\", publisher = { id = \"pub_it\" } } }\n",
    );
    format!(
        "{small}\n[[placements]]\nid = \"plc_top\"\npublisher = \"pub_it\"\nname = \"Top\"\n\
         tagid = \"top\"\nrequest = {{ bidfloor = 0.5, bidfloorcur = \"EUR\", \
         banner = {{ pos = 1, format = [{{ w = 300, h = 250 }}] }} }}\n\
         [[partners]]\nid = \"silent\"\nname = \"silent\"\nendpoint = \"http://{}/bid\"\n\
         timeout_ms = 400\n",
        partner.address
    )
}

const PATH: &str = "/openrtb2/auction";

#[test]
fn a_placement_completes_the_requests_that_name_it() {
    let partner = Silent::new();
    let node = Node::start(&resources(&partner), "");
    let stored = json!({ "prebid": { "storedrequest": { "id": "plc_top" } } });
    for (id, imp) in [
        ("tag", json!({ "id": "1", "tagid": "top" })),
        ("named", json!({ "id": "1", "ext": stored })),
    ] {
        let site = json!({ "publisher": { "id": "pub_it" }, "page": "https://pub.example/a" });
        let request = json!({ "id": id, "imp": [imp], "site": site }).to_string();
        let answer = node.client().post(PATH, request.as_bytes());
        assert_eq!(
            answer.status,
            200,
            "{}",
            String::from_utf8_lossy(&answer.body)
        );
        let seen = partner.seen(id, || {
            node.client().post(PATH, request.as_bytes());
        });
        assert_eq!(seen["imp"][0]["tagid"], "top");
        assert_eq!(
            seen["imp"][0]["banner"]["format"][0],
            json!({ "w": 300, "h": 250 })
        );
        assert_eq!(seen["imp"][0]["bidfloor"], 0.5);
        assert_eq!(seen["badv"], json!(["bad.example"]));
        assert_eq!(seen["site"]["page"], "https://pub.example/a");
        assert_eq!(seen["site"]["cat"], json!(["IAB12"]));
    }
    // What the request says wins, and its null removes.
    let request = json!({ "id": "wins", "badv": null, "imp": [{ "id": "1", "tagid": "top",
        "bidfloor": 1.5, "banner": { "pos": 3, "format": [{ "w": 300, "h": 250 },
        { "w": 1, "h": 2 }] } }], "site": { "publisher": { "id": "pub_it" } } });
    let seen = partner.seen("wins", || {
        node.client().post(PATH, request.to_string().as_bytes());
    });
    assert_eq!(seen["imp"][0]["bidfloor"], 1.5);
    assert_eq!(seen["imp"][0]["banner"]["pos"], 3);
    assert_eq!(
        seen["imp"][0]["banner"]["format"].as_array().unwrap().len(),
        2
    );
    assert_eq!(seen.get("badv"), None);
}

#[test]
fn only_what_is_missing_after_completion_is_refused() {
    let partner = Silent::new();
    let node = Node::start(&resources(&partner), "");
    // A stored placement alone says whose request it is.
    let alone = json!({ "id": "alone", "imp": [{ "id": "1",
        "ext": { "prebid": { "storedrequest": { "id": "plc_top" } } } }] });
    let answer = node.client().post(PATH, alone.to_string().as_bytes());
    assert_eq!(answer.status, 200);
    let site = json!({ "publisher": { "id": "pub_it" } });
    for (imp, field) in [
        (json!({ "id": "1", "tagid": "elsewhere" }), "imp[0]"),
        (
            json!({ "id": "1", "ext": { "prebid": { "storedrequest": { "id": "plc_no" } } } }),
            "imp[0].ext.prebid.storedrequest.id",
        ),
    ] {
        let request = json!({ "id": "r", "imp": [imp], "site": site });
        let answer = node.client().post(PATH, request.to_string().as_bytes());
        assert_eq!(answer.status, 400);
        assert!(answer.field().starts_with(field), "{}", answer.field());
        assert_eq!(answer.header("x-openrtb-version"), Some("2.6"));
    }
    for (change, pointer) in [
        (json!({ "request": { "id": "1" } }), "/request/id"),
        (
            json!({ "request": { "banner": { "w": [[]] } } }),
            "/request/banner/w",
        ),
        (json!({ "request": 7 }), "/request"),
    ] {
        let answer = node.api("PATCH", "/v1/placements/plc_top", &change.to_string());
        let text = answer.json();
        assert_eq!(
            (answer.status, &text["faults"][0]["pointer"]),
            (422, &json!(pointer))
        );
    }
    assert_eq!(
        node.client()
            .post(PATH, alone.to_string().as_bytes())
            .status,
        200,
        "what was good before serves"
    );
}

#[test]
fn a_browser_says_who_sees_the_ad_and_a_server_does_not() {
    let partner = Silent::new();
    let node = Node::start(&resources(&partner), "");
    let headers = "Content-Type: application/json\r\nUser-Agent: Mozilla/5.0 (X11)\r\n\
        Referer: https://www.pub.example/story\r\nSec-GPC: 1\r\n\
        X-Forwarded-For: 81.2.69.160, 10.0.0.1\r\n";
    let ask = |id: &str, device: Value| {
        let body = json!({ "id": id, "device": device,
            "imp": [{ "id": "1", "tagid": "top" }] });
        partner.seen(id, || {
            let body = body.to_string();
            node.client()
                .request("POST", PATH, headers, body.as_bytes());
        })
    };
    let seen = ask("browser", json!({ "ip": "192.168.1.9" }));
    assert_eq!(seen["device"]["ip"], "81.2.69.160");
    assert_eq!(seen["device"]["ua"], "Mozilla/5.0 (X11)");
    assert_eq!(seen["site"]["page"], "https://www.pub.example/story");
    assert_eq!(seen["site"]["publisher"]["id"], "pub_it");
    assert_eq!(seen["regs"]["ext"]["gpc"], "1");
    let own = ask("own", json!({ "ip": "81.2.69.161", "ua": "own" }));
    assert_eq!(own["device"]["ip"], "81.2.69.161");
    assert_eq!(own["device"]["ua"], "own");

    let change = json!({ "from_servers": true }).to_string();
    let answer = node.api("PATCH", "/v1/publishers/pub_it", &change);
    assert_eq!(answer.status, 200);
    let start = Instant::now();
    for number in 0.. {
        let body = json!({ "id": format!("server{number}"), "imp": [{ "id": "1", "tagid": "top" }],
            "site": { "publisher": { "id": "pub_it" } } });
        let seen = partner.seen(body["id"].as_str().unwrap(), || {
            let body = body.to_string();
            node.client()
                .request("POST", PATH, headers, body.as_bytes());
        });
        if seen.get("device").is_none() {
            assert_eq!(seen["site"].get("page"), None);
            break;
        }
        assert!(start.elapsed() < Duration::from_secs(15), "{seen}");
    }
}

/// A request as Prebid Server sends it to a partner without an adapter of its own: OpenRTB 2.5
/// with `ext` of its own everywhere, the person as the browser told the server.
fn from_prebid_server(id: &str) -> Value {
    json!({
        "id": id,
        "imp": [{
            "id": "slot-1", "secure": 1, "tagid": "top",
            "banner": { "format": [{ "w": 300, "h": 250 }, { "w": 300, "h": 600 }] },
            "ext": { "bidder": { "placement": "top" }, "gpid": "/1/news#top", "tid": "t-1",
                "data": { "pbadslot": "/1/news" } }
        }],
        "site": { "domain": "pub.example", "page": "https://pub.example/a",
            "publisher": { "id": "pub_it", "domain": "pub.example" }, "ext": { "amp": 0 } },
        "device": { "ua": "Mozilla/5.0 (X11; Linux x86_64)", "ip": "81.2.69.160", "dnt": 0 },
        "user": { "ext": { "consent": "", "eids": [{ "source": "id.example",
            "uids": [{ "id": "e1", "atype": 1 }] }] } },
        "at": 1, "tmax": 400, "cur": ["USD", "EUR"],
        "source": { "tid": "t-0", "ext": { "schain": { "complete": 1, "ver": "1.0",
            "nodes": [{ "asi": "host.example", "sid": "7", "hp": 1 }] } } },
        "regs": { "ext": { "gdpr": 0, "us_privacy": "1---" } },
        "ext": { "prebid": { "channel": { "name": "pbjs", "version": "v9" }, "auctiontimestamp": 1,
            "targeting": { "includewinners": true },
            "server": { "externalurl": "https://pbs.example", "gvlid": 1 } } }
    })
}

#[test]
fn prebid_server_may_call_as_of_any_partner() {
    let partner = Silent::new();
    let public = "data.public_url = \"https://ads.example\"\n";
    let node = Node::start(&resources(&partner), public);
    let change = json!({ "from_servers": true }).to_string();
    assert_eq!(
        node.api("PATCH", "/v1/publishers/pub_it", &change).status,
        200
    );
    let headers = "Content-Type: application/json;charset=utf-8\r\nAccept: application/json\r\n\
        X-Openrtb-Version: 2.5\r\nUser-Agent: Go-http-client/1.1\r\n";
    let ask = |body: &Value| {
        let body = body.to_string();
        node.client()
            .request("POST", PATH, headers, body.as_bytes())
    };
    let answer = ask(&from_prebid_server("pbs"));
    assert_eq!(
        (answer.status, answer.header("x-openrtb-version")),
        (200, Some("2.5"))
    );
    let told = answer.json();
    assert_eq!((&told["id"], &told["cur"]), (&json!("pbs"), &json!("EUR")));
    let bid = &told["seatbid"][0]["bid"][0];
    // What a generic adapter must find: imp, price, markup, creative, size and kind of media.
    assert_eq!(
        (&bid["impid"], &bid["mtype"]),
        (&json!("slot-1"), &json!(1))
    );
    assert!(bid["price"].as_f64().is_some_and(|price| price > 0.0));
    for text in ["id", "adm", "crid", "burl"] {
        assert!(
            bid[text].as_str().is_some_and(|text| !text.is_empty()),
            "{text}"
        );
    }
    assert_eq!((&bid["w"], &bid["h"]), (&json!(300), &json!(250)));
    let seen = partner.seen("pbs", || {
        ask(&from_prebid_server("pbs"));
    });
    assert_eq!(seen["device"]["ua"], "Mozilla/5.0 (X11; Linux x86_64)");
    assert_eq!(seen["imp"][0]["ext"]["gpid"], "/1/news#top");
    assert_eq!(seen["source"]["schain"]["nodes"][0]["sid"], "7");
    assert_eq!(seen["user"]["eids"][0]["uids"][0]["id"], "e1");

    let mut none = from_prebid_server("none");
    none["imp"][0]["banner"] = json!({ "format": [{ "w": 970, "h": 90 }] });
    assert_eq!(ask(&none).status, 204);
    let mut faulty = from_prebid_server("faulty");
    faulty["imp"][0]["banner"]["w"] = json!(-1);
    let answer = ask(&faulty);
    assert_eq!(
        (answer.status, answer.header("x-openrtb-version")),
        (400, Some("2.5"))
    );
    let mut test = from_prebid_server("test");
    test["test"] = json!(1);
    let told = ask(&test).json();
    assert_eq!(
        told["seatbid"][0]["bid"][0].get("burl"),
        None,
        "a test is not billed"
    );
}
