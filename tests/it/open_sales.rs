//! A sale is settled on the terms on which it was made, whatever has become of its publisher and
//! its buyer when the impression is shown.

use crate::client::Answer;
use crate::node::{Node, SMALL, banner_request, gavel};
use serde_json::json;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

/// Sells until `buyer` wins, and returns the path of the pixel.
fn sell(node: &Node, id: &str, buyer: &str) -> String {
    let start = Instant::now();
    for round in 0.. {
        let body = banner_request(&format!("{id}-{round}")).to_string();
        let answer = node.client().post("/openrtb2/auction", body.as_bytes());
        if answer.status == 200 {
            let seat = &answer.json()["seatbid"][0];
            if seat["seat"] == buyer {
                let burl = seat["bid"][0]["burl"].as_str().unwrap().to_owned();
                return burl[burl.find("/t/imp").unwrap()..].to_owned();
            }
        }
        assert!(start.elapsed() < Duration::from_secs(8), "{answer:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
    unreachable!("the loop ends by itself")
}

/// Changes a document and waits until auctions see it.
fn change(node: &Node, path: &str, body: &str, seen: impl Fn(&Answer) -> bool) {
    assert_eq!(node.api("PATCH", path, body).status, 200);
    let start = Instant::now();
    for round in 0.. {
        let body = banner_request(&format!("change-{round}")).to_string();
        let answer = node.client().post("/openrtb2/auction", body.as_bytes());
        if seen(&answer) {
            return;
        }
        assert!(start.elapsed() < Duration::from_secs(8), "{answer:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_publisher_earns_its_share_of_then_also_where_it_sells_no_more() {
    let node = Node::start(SMALL, "");
    let pixel = sell(&node, "share", "adv_it");
    let gone = r#"{"revenue_share":"0.10","status":"paused"}"#;
    change(&node, "/v1/publishers/pub_it", gone, |answer| {
        answer.status == 204
    });
    assert_eq!(node.client().get(&pixel).status, 200);
    let account = ["--account", "pub_it", "--format", "json"];
    let arguments = [&["statement", "--config", "gavel.toml"], &account[..]].concat();
    let said = gavel(&node.folder, &arguments);
    let sheet: serde_json::Value = serde_json::from_slice(&said.stdout).unwrap();
    let line = &sheet["lines"][0];
    // Of 2.00 per thousand, 80 per cent.
    assert_eq!(
        (&line["gross"], &line["net"]),
        (&json!("0.002"), &json!("0.0016"))
    );
}

#[test]
fn a_buyer_is_billed_for_what_it_bought_before_it_was_paused() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let partner = format!(
        "{SMALL}\n[[partners]]\nid = \"dsp_p\"\nname = \"P\"\n\
         endpoint = \"http://{address}/bid\"\nallow_private = true\nseats = [\"p\"]\n"
    );
    let billed = buyer(listener);
    let node = Node::start(&partner, "");
    let pixel = sell(&node, "billed", "p");
    let paused = r#"{"status":"paused"}"#;
    change(&node, "/v1/partners/dsp_p", paused, |answer| {
        answer.status == 200 && answer.json()["seatbid"][0]["seat"] == "adv_it"
    });
    assert_eq!(node.client().get(&pixel).status, 200);
    let told = billed.recv_timeout(Duration::from_secs(8)).unwrap();
    assert_eq!(told, "/billed?p=9.00");
}

/// A partner that bids 9 for everything, and passes on the paths of the bills that it gets.
fn buyer(listener: TcpListener) -> Receiver<String> {
    let (bills, billed) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let bills = bills.clone();
            std::thread::spawn(move || serve(&stream, &bills));
        }
    });
    billed
}

fn serve(stream: &TcpStream, bills: &Sender<String>) -> Option<()> {
    let address = stream.local_addr().ok()?;
    let mut reader = BufReader::new(stream);
    loop {
        let mut request = String::new();
        let mut length = 0;
        while !request.ends_with("\r\n\r\n") {
            let start = request.len();
            if reader.read_line(&mut request).ok()? == 0 {
                return None;
            }
            let line = request[start..].to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let path = request.split(' ').nth(1)?.to_owned();
        let mut answer = String::new();
        if path == "/bid" {
            let request: serde_json::Value = serde_json::from_slice(&body).ok()?;
            answer = json!({ "id": request["id"], "cur": "EUR", "seatbid": [{ "seat": "p",
                "bid": [{ "id": "b", "impid": "1", "price": 9.0, "adm": "<b>x</b>", "w": 300,
                    "h": 250, "adomain": ["x.example"], "crid": "x",
                    "burl": format!("http://{address}/billed?p=${{AUCTION_PRICE}}") }] }] })
            .to_string();
        } else {
            bills.send(path).ok()?;
        }
        let length = answer.len();
        let mut out = stream;
        write!(
            out,
            "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{answer}"
        )
        .ok()?;
    }
}
