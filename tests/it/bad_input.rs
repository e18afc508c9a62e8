//! What a stranger may send, and what he is told.

use crate::client::Client;
use crate::node::{Node, SMALL, banner_request};
use serde_json::json;
use std::io::Read;
use std::net::TcpListener;
use std::time::{Duration, Instant};

const ENDPOINTS: [&str; 2] = ["/openrtb2/auction", "/openrtb2/bid/demo"];

#[test]
fn malformed_bodies_are_refused_with_their_field() {
    let node = Node::start(SMALL, "");
    let deep = format!(
        r#"{{"id":"1","imp":[{{"id":"1","banner":{{"w":1,"h":1}}}}],"x":{}{}}}"#,
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    let cases: [(&[u8], u16, &str); 12] = [
        (b"", 400, "body"),
        (b"not json", 400, "body"),
        (b"{\"id\":\"1\",", 400, "body"),
        (b"[]", 400, "body"),
        (b"{\"id\":\"\xff\xfe\"}", 400, "body"),
        (b"{}", 400, "id"),
        (br#"{"id":"1","imp":[]}"#, 400, "imp"),
        (
            br#"{"id":"1","imp":[{"id":"1","bidfloor":NaN,"banner":{"w":1,"h":1}}]}"#,
            400,
            "body",
        ),
        (
            br#"{"id":"1","imp":[{"id":"1","bidfloor":"NaN","banner":{"w":1,"h":1}}]}"#,
            400,
            "imp[0].bidfloor",
        ),
        (
            br#"{"id":"1","imp":[{"id":"1","banner":{"w":"wide","h":1}}]}"#,
            400,
            "imp[0].banner.w",
        ),
        (
            br#"{"id":"1","imp":[{"id":"1","banner":{"w":1,"h":1}}],"site":{},"app":{}}"#,
            400,
            "app",
        ),
        (deep.as_bytes(), 413, "body"),
    ];
    for endpoint in ENDPOINTS {
        let mut client = node.client();
        for (body, status, field) in cases {
            let answer = client.post(endpoint, body);
            let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
            assert_eq!(answer.status, status, "{endpoint} {shown}");
            assert_eq!(
                answer.header("content-type"),
                Some("application/problem+json")
            );
            assert_eq!(answer.field(), field, "{endpoint} {shown}");
        }
    }
}

#[test]
fn a_large_body_is_refused_before_it_is_read() {
    let node = Node::start(SMALL, "");
    for endpoint in ENDPOINTS {
        let answer = node.client().post(endpoint, &vec![b' '; 10 * 1024 * 1024]);
        assert_eq!((answer.status, answer.field().as_str()), (413, "body"));
    }
}

#[test]
fn wrong_addresses_and_methods_are_said_to_be_wrong() {
    let node = Node::start(SMALL, "");
    let mut client = node.client();
    assert_eq!(client.post("/openrtb2/bid/nobody", b"{}").status, 404);
    let refused = client.get("/openrtb2/auction");
    assert_eq!(
        (refused.status, refused.header("allow")),
        (405, Some("POST"))
    );
    assert_eq!(client.get("/nowhere").status, 404);
    assert_eq!(client.get("/livez").status, 200);
    assert_eq!(client.get("/readyz").status, 200);
}

#[test]
fn an_unknown_publisher_sells_nothing() {
    let node = Node::start(SMALL, "");
    let mut request = banner_request("1");
    request["site"] = json!({ "domain": "other.example", "publisher": { "id": "pub_other" } });
    let answer = node
        .client()
        .post("/openrtb2/auction", request.to_string().as_bytes());
    // Blocked publisher or site, by the specification's no-bid reasons.
    assert_eq!(
        (answer.status, answer.header("x-openrtb-nbr")),
        (204, Some("7"))
    );
}

#[test]
fn a_partner_that_hangs_or_bids_under_a_foreign_seat_does_not_win() {
    // One partner takes connections and never answers; another bids high under a seat that is
    // not its own. The in-process bidder must win, within tmax.
    let hanging = TcpListener::bind("127.0.0.1:0").unwrap();
    let stranger = TcpListener::bind("127.0.0.1:0").unwrap();
    let resources = format!(
        "{SMALL}\n{}\n{}",
        partner("hanging", hanging.local_addr().unwrap().port()),
        partner("stranger", stranger.local_addr().unwrap().port())
    );
    std::thread::spawn(move || {
        let held: Vec<_> = hanging.incoming().collect();
        drop(held);
    });
    std::thread::spawn(move || {
        for stream in stranger.incoming().flatten() {
            std::thread::spawn(move || bid_under_a_foreign_seat(stream));
        }
    });
    let node = Node::start(&resources, "");
    let mut client = node.client();
    for round in 0..5 {
        let mut request = banner_request(&format!("hang-{round}"));
        request["tmax"] = json!(150);
        let asked = Instant::now();
        let answer = client.post("/openrtb2/auction", request.to_string().as_bytes());
        assert_eq!(answer.status, 200);
        let bid = &answer.json()["seatbid"][0]["bid"][0];
        assert_eq!(bid["crid"], "cr_it");
        // Generous for a loaded machine; the point is that nobody waits for the one who hangs.
        assert!(asked.elapsed() < Duration::from_secs(5));
    }
}

fn partner(id: &str, port: u16) -> String {
    format!(
        "[[partners]]\nid = \"{id}\"\nname = \"{id}\"\nendpoint = \"http://127.0.0.1:{port}/bid\"\n\
         openrtb = \"2.6\"\nmax_qps = 1000\ntimeout_ms = 100\nseats = [\"{id}\"]\n\
         allow_private = true\n"
    )
}

fn bid_under_a_foreign_seat(mut stream: std::net::TcpStream) {
    use std::io::Write;
    let mut seen = Vec::new();
    let mut chunk = [0; 4096];
    while let Ok(read) = stream.read(&mut chunk) {
        seen.extend_from_slice(&chunk[..read]);
        let text = String::from_utf8_lossy(&seen);
        let id = text
            .find("\"id\":\"hang-")
            .map(|at| text[at + 6..].split('"').next().unwrap());
        if let Some(id) = id {
            let body = json!({ "id": id, "cur": "EUR", "seatbid": [{ "seat": "somebody", "bid": [{
                "id": "b", "impid": "1", "price": 9.0, "adm": "<b>x</b>", "w": 300, "h": 250,
                "adomain": ["x.example"], "crid": "x" }] }] })
            .to_string();
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            return;
        }
        if read == 0 {
            return;
        }
    }
}

#[test]
fn a_client_that_pipelines_or_speaks_slowly_is_served() {
    let node = Node::start(SMALL, "");
    let body = banner_request("slow").to_string();
    let head = format!(
        "POST /openrtb2/bid/demo HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let mut client = Client::new(node.data);
    let twice = format!("{head}{body}{head}{body}");
    client.send(twice.as_bytes());
    assert_eq!(client.answer().status, 200);
    assert_eq!(client.answer().status, 200);
    // A body in two segments is one body.
    client.send(head.as_bytes());
    client.send(&body.as_bytes()[..100]);
    std::thread::sleep(Duration::from_millis(50));
    client.send(&body.as_bytes()[100..]);
    assert_eq!(client.answer().status, 200);
}

#[test]
fn a_port_that_is_taken_is_not_shared() {
    let node = Node::start(SMALL, "");
    let folder = node.folder.join("second");
    std::fs::create_dir_all(&folder).unwrap();
    let config = format!(
        "data.listen = \"{}\"\ncontrol.listen = \"127.0.0.1:0\"\nstorage.path = \"data\"\n",
        node.data
    );
    std::fs::write(folder.join("gavel.toml"), config).unwrap();
    let second = crate::node::gavel(&folder, &["serve", "--config", "gavel.toml"]);
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(!second.status.success());
    let expected = format!("the data plane cannot listen on {}", node.data);
    assert!(said.contains(&expected), "{said}");
}

#[test]
fn a_directory_that_another_node_uses_is_not_shared() {
    let node = Node::start(SMALL, "");
    let second = crate::node::gavel(&node.folder, &["serve", "--config", "gavel.toml"]);
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(!second.status.success());
    assert!(
        said.contains("another node uses") && said.contains("data"),
        "{said}"
    );
    // The first one was not disturbed.
    let answer = node.client().get("/readyz");
    assert_eq!(answer.status, 200);
}

#[test]
fn a_statement_of_a_node_that_never_ran_says_so() {
    let folder = std::env::temp_dir().join(format!("gavel-it-{}-unborn", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("gavel.toml"), "storage.path = \"data\"\n").unwrap();
    let arguments = ["statement", "--config", "gavel.toml", "--account", "adv_it"];
    let answer = crate::node::gavel(&folder, &arguments);
    let said = String::from_utf8_lossy(&answer.stderr).into_owned();
    assert!(!answer.status.success());
    assert!(
        said.contains("there is no ledger at data/ledger.sqlite"),
        "{said}"
    );
    std::fs::remove_dir_all(&folder).unwrap();
}
