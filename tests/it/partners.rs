//! External partners of a real node: bills that survive a crash, what is shown of them, and
//! settings that are refused.

use crate::node::{BINARY, Node, SMALL, banner_request, gavel, until};
use load_tests::partner::{self, Partner, Settings};
use serde_json::json;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

/// A partner that bids higher than the bidder of the node.
fn high() -> Arc<Partner> {
    Partner::new(Settings {
        price_micros: 9_000_000,
        currency: "EUR".to_owned(),
        seat: "high".to_owned(),
        domain: "high.example".to_owned(),
        ..Settings::default()
    })
}

/// Serves a partner at an address until the returned end of a channel is dropped.
fn serve(address: SocketAddr, partner: Arc<Partner>) -> tokio::sync::oneshot::Sender<()> {
    let listener = TcpListener::bind(address).unwrap();
    listener.set_nonblocking(true).unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            let ended = async {
                let _ = stopped.await;
            };
            partner::serve(listener, partner, ended).await.unwrap();
        });
    });
    stop
}

fn free_port() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

fn resources(address: SocketAddr, more: &str) -> String {
    format!(
        "{SMALL}\n[[partners]]\nid = \"high\"\nname = \"high\"\nseats = [\"high\"]\n\
         endpoint = \"http://{address}/bid\"\ntimeout_ms = 400\n{more}"
    )
}

/// Sells an impression to the partner and gives back the path that bills it.
fn sold(node: &Node, id: &str) -> String {
    let mut burl = String::new();
    let body = banner_request(id).to_string();
    // The first call to a partner also makes the connection; on a loaded machine it may be late.
    until(15, "the partner never wins", || {
        let answer = node.client().post("/openrtb2/auction", body.as_bytes());
        answer.status == 200 && answer.json()["seatbid"][0]["seat"] == "high"
    });
    let answer = node.client().post("/openrtb2/auction", body.as_bytes());
    if let Some(url) = answer.json()["seatbid"][0]["bid"][0]["burl"].as_str() {
        burl.push_str(&url[url.find("/t/imp").unwrap()..]);
    }
    burl
}

#[test]
fn a_bill_that_was_acknowledged_reaches_its_partner_across_a_crash() {
    let address = free_port();
    let partner = high();
    let stop = serve(address, Arc::clone(&partner));
    let mut node = Node::start(&resources(address, ""), "");
    let burl = sold(&node, "crash");

    // The partner is away when the impression is shown, and the node dies right after.
    drop(stop);
    until(15, "the partner still listens", || {
        std::net::TcpStream::connect(address).is_err()
    });
    assert_eq!(node.client().get(&burl).status, 200);
    node.kill();
    assert_eq!(partner.stats().bill.count, 0);

    let _stop = serve(address, Arc::clone(&partner));
    node.restart();
    until(15, "the bill never came", || {
        partner.stats().bill.count == 1
    });
    // The pixel once more: the books and the partner know it already.
    assert_eq!(node.client().get(&burl).status, 200);
    std::thread::sleep(Duration::from_millis(300));
    let bill = partner.stats().bill;
    assert_eq!((bill.count, bill.repeated), (1, 0));
    assert!(bill.price_micros > 0);
    let delivered =
        "gavel_partner_notices_total{partner=\"high\",kind=\"bill\",event=\"delivered\"} 1";
    until(15, "the delivery is not shown", || {
        let text = node.api("GET", "/metrics", "").body;
        String::from_utf8(text).unwrap().contains(delivered)
    });
}

#[test]
fn the_times_of_a_partner_are_shown() {
    let address = free_port();
    let _stop = serve(address, high());
    let node = Node::start(&resources(address, ""), "");
    sold(&node, "times");
    let text = String::from_utf8(node.api("GET", "/metrics", "").body).unwrap();
    for part in ["connect", "first_byte", "total"] {
        let labels = format!("partner=\"high\",part=\"{part}\"");
        let value = |line: String| -> f64 {
            let found = text.lines().find_map(|one| one.strip_prefix(&line));
            found
                .unwrap_or_else(|| panic!("{line}"))
                .trim()
                .parse()
                .unwrap()
        };
        let count = value(format!("gavel_partner_seconds_count{{{labels}}}"));
        let within = value(format!(
            "gavel_partner_seconds_bucket{{{labels},le=\"+Inf\"}}"
        ));
        assert!(count >= 1.0 && count == within, "{part}: {count}");
        assert!(value(format!("gavel_partner_seconds_sum{{{labels}}}")) > 0.0);
    }
    // The bidder of the process has no calls to time.
    assert!(!text.contains("gavel_partner_seconds_count{partner=\"bidder\""));
}

#[test]
fn settings_that_cannot_be_meant_are_refused_at_their_place() {
    let node = Node::start(SMALL, "");
    let partner = |change: serde_json::Value| {
        let mut body = json!({"name": "p", "endpoint": "https://dsp.example/bid"});
        let fields = body.as_object_mut().unwrap();
        fields.extend(change.as_object().unwrap().clone());
        node.api("POST", "/v1/partners?validate_only=true", &body.to_string())
    };
    assert!(partner(json!({"http": "2", "remove": ["device.ifa"]})).status < 300);
    for (change, pointer) in [
        (json!({"remove": ["imp.id"]}), "/remove/0"),
        (json!({"remove": ["regs.gdpr"]}), "/remove/0"),
        (
            json!({"rename": [{"from": "imp.rwdd", "to": "x"}]}),
            "/rename/0",
        ),
        (
            json!({"endpoint": "http://10.0.0.1/", "allow_private": false}),
            "/endpoint",
        ),
        (json!({"explore_percent": 101}), "/explore_percent"),
        (json!({"http": "3"}), "/http"),
    ] {
        let answer = partner(change.clone());
        let text = String::from_utf8(answer.body).unwrap();
        assert_eq!(answer.status, 422, "{change}: {text}");
        assert!(text.contains(&format!("\"{pointer}\"")), "{change}: {text}");
    }
}

#[test]
fn a_file_of_authorities_that_is_none_keeps_the_node_from_starting() {
    let node = Node::start(SMALL, "");
    let folder = node.folder.join("other");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("ca.pem"), "nothing").unwrap();
    let config = "data.listen = \"127.0.0.1:0\"\ncontrol.listen = \"127.0.0.1:0\"\n\
                  storage.path = \"data\"\nexchange.ca_file = \"ca.pem\"\n";
    std::fs::write(folder.join("gavel.toml"), config).unwrap();
    let output = gavel(&folder, &["serve", "--config", "gavel.toml"]);
    assert!(!output.status.success(), "{BINARY} started");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("exchange.ca_file"), "{told}");
    assert!(told.contains("no certificate"), "{told}");
    let output = gavel(&folder, &["check", "--config", "gavel.toml"]);
    let told = [output.stdout, output.stderr].concat();
    let told = String::from_utf8_lossy(&told).into_owned();
    assert!(
        !output.status.success() && told.contains("exchange.ca_file: "),
        "{told}"
    );
}
