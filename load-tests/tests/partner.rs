//! Mock partners and the generator, over real loopback sockets.

#![allow(missing_docs, clippy::unwrap_used, reason = "a test")]
#![cfg(feature = "tools")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use load_tests::bare;
use load_tests::generator::{self, Bodies, Pace, Plan, Report};
use load_tests::partner::{self, NoticeCount, Partner, Profile, Settings, Snapshot};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time::timeout;

const REQUEST: &str = r#"{"id":"r-1","cur":["USD"],"imp":[{"id":"i-1","bidfloor":0.5,
    "bidfloorcur":"USD","banner":{"w":300,"h":250}}]}"#;
const SHORT: Duration = Duration::from_millis(300);
const LONG: Duration = Duration::from_secs(20);

struct Running {
    address: SocketAddr,
    partner: Arc<Partner>,
    stop: oneshot::Sender<()>,
    ended: tokio::task::JoinHandle<std::io::Result<()>>,
}

async fn start(profile: Profile) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let partner = Partner::new(Settings {
        profile,
        price_micros: 1_250_000,
        ..Settings::default()
    });
    let (stop, stopped) = oneshot::channel();
    let shutdown = async {
        let _ = stopped.await;
    };
    let ended = tokio::spawn(partner::serve(listener, Arc::clone(&partner), shutdown));
    Running {
        address,
        partner,
        stop,
        ended,
    }
}

impl Running {
    async fn stop(self) -> Snapshot {
        self.stop.send(()).unwrap();
        self.ended.await.unwrap().unwrap();
        self.partner.stats()
    }
}

async fn send(address: SocketAddr, method: &str, path: &str, body: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: partner\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all((head + body).as_bytes()).await.unwrap();
    stream
}

/// Status and body of a whole answer.
async fn ask(address: SocketAddr, method: &str, path: &str, body: &str) -> (u16, String) {
    let mut stream = send(address, method, path, body).await;
    let mut answer = Vec::new();
    timeout(LONG, stream.read_to_end(&mut answer))
        .await
        .unwrap()
        .unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (
        head.split(' ').nth(1).unwrap().parse().unwrap(),
        body.to_owned(),
    )
}

async fn bid_of(profile: Profile) -> (u16, String) {
    let running = start(profile).await;
    let answer = ask(running.address, "POST", "/bid", REQUEST).await;
    assert_eq!(running.stop().await.requests, 1);
    answer
}

async fn bid_json(profile: Profile) -> Value {
    let (status, body) = bid_of(profile).await;
    assert_eq!(status, 200);
    serde_json::from_str(&body).unwrap()
}

#[tokio::test]
async fn honest_partners_bid_or_do_not() {
    for profile in [Profile::Ok, Profile::Slow(Duration::from_millis(20))] {
        let answer = bid_json(profile).await;
        assert_eq!(
            (&answer["id"], &answer["cur"]),
            (&"r-1".into(), &"USD".into())
        );
        let bid = &answer["seatbid"][0]["bid"][0];
        assert_eq!(
            (&bid["impid"], &bid["price"]),
            (&"i-1".into(), &1.25.into())
        );
    }
    assert_eq!(bid_of(Profile::NoBid).await, (204, String::new()));
}

#[tokio::test]
async fn lying_partners_lie_in_one_point_only() {
    assert_eq!(bid_json(Profile::WrongId).await["id"], "another-auction");
    assert_eq!(bid_json(Profile::WrongCur).await["cur"], "XTS");
    let first = |answer: Value, field: &str| answer["seatbid"][0]["bid"][0][field].clone();
    assert_eq!(
        first(bid_json(Profile::WrongImp).await, "impid"),
        "another-imp"
    );
    assert_eq!(first(bid_json(Profile::PriceNegative).await, "price"), -1);
    assert_eq!(first(bid_json(Profile::PriceHuge).await, "price"), 1e308);
    assert_eq!(first(bid_json(Profile::BelowFloor).await, "price"), 0.25);
    let (status, text) = bid_of(Profile::PriceNan).await;
    assert_eq!(
        (status, text.matches("\"price\":NaN,").count()),
        (200, 1),
        "{text}"
    );
}

#[tokio::test]
async fn broken_partners_answer_something_else() {
    assert_eq!(bid_of(Profile::Error500).await.0, 500);
    assert_eq!(bid_of(Profile::Redirect).await.0, 302);
    let (status, text) = bid_of(Profile::Garbage).await;
    assert_eq!(
        (status, serde_json::from_str::<Value>(&text).is_err()),
        (200, true)
    );
    let (status, text) = bid_of(Profile::BigBody).await;
    assert_eq!(status, 200);
    assert!(text.len() > 10_000_000, "{} bytes", text.len());
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["id"], "r-1");
}

#[tokio::test]
async fn a_bomb_is_small_until_it_is_unpacked() {
    let running = start(Profile::GzipBomb).await;
    let mut stream = send(running.address, "POST", "/bid", REQUEST).await;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let end = answer
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap()
        + 4;
    let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
    assert!(head.contains("content-encoding: gzip"), "{head}");
    let mut unpacked = Vec::new();
    let body = &answer[end..];
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(body), &mut unpacked).unwrap();
    assert!(body.len() < 20_000 && unpacked.len() == 10_000_000);
    running.stop().await;
}

#[tokio::test]
async fn a_redirect_that_is_followed_is_seen() {
    let running = start(Profile::Redirect).await;
    ask(running.address, "GET", "/elsewhere", "").await;
    ask(running.address, "POST", "/elsewhere", REQUEST).await;
    let seen = running.stop().await;
    assert_eq!((seen.redirects_followed, seen.requests), (2, 0));
}

#[tokio::test]
async fn hanging_partners_hang_where_they_say() {
    let running = start(Profile::HangHeader).await;
    let mut stream = send(running.address, "POST", "/bid", REQUEST).await;
    let mut bytes = Vec::new();
    assert!(
        timeout(SHORT, stream.read_to_end(&mut bytes))
            .await
            .is_err()
    );
    assert_eq!((bytes.len(), running.stop().await.requests), (0, 1));

    let running = start(Profile::HangBody).await;
    let mut stream = send(running.address, "POST", "/bid", REQUEST).await;
    assert!(
        timeout(SHORT, stream.read_to_end(&mut bytes))
            .await
            .is_err()
    );
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let announced = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .unwrap();
    let announced: usize = announced.parse().unwrap();
    assert!(
        !body.is_empty() && body.len() < announced,
        "{} of {announced}",
        body.len()
    );
    running.stop().await;

    let running = start(Profile::HangConnect).await;
    // Until its queue is full a connection still succeeds, and then helps to fill it.
    let mut queued = Vec::new();
    while let Ok(connected) = timeout(SHORT, TcpStream::connect(running.address)).await {
        queued.push(connected.unwrap());
        assert!(
            queued.len() < 50,
            "the kernel goes on accepting connections"
        );
    }
    assert_eq!(running.stop().await.connections, 0);
}

#[tokio::test]
async fn a_dripping_partner_sends_a_byte_at_a_time() {
    let running = start(Profile::Drip).await;
    let mut stream = send(running.address, "POST", "/bid", REQUEST).await;
    let mut text = String::new();
    while !text.ends_with("\r\n\r\n{") {
        let mut piece = [0; 4096];
        let bytes = timeout(LONG, stream.read(&mut piece))
            .await
            .unwrap()
            .unwrap();
        assert!(bytes > 0, "closed after {text:?}");
        text.push_str(std::str::from_utf8(&piece[..bytes]).unwrap());
    }
    running.stop().await;
}

#[tokio::test]
async fn a_resetting_partner_resets() {
    let running = start(Profile::Reset).await;
    let mut stream = send(running.address, "POST", "/bid", REQUEST).await;
    let mut bytes = Vec::new();
    let read = timeout(LONG, stream.read_to_end(&mut bytes)).await.unwrap();
    assert_eq!(
        read.unwrap_err().kind(),
        std::io::ErrorKind::ConnectionReset
    );
    assert_eq!((bytes.len(), running.stop().await.requests), (0, 1));
}

#[tokio::test]
async fn notices_are_counted_once_and_summed_exactly() {
    let running = start(Profile::Ok).await;
    for (kind, bid, price) in [
        ("win", "b1", "1.25"),
        ("bill", "b1", "1.25"),
        ("bill", "b1", "1.25"),
        ("bill", "b2", "0.000001"),
        ("bill", "b3", "${AUCTION_PRICE}"),
        ("loss", "b4", ""),
    ] {
        let path = format!("/notice/{kind}?bid={bid}&price={price}&cur=USD");
        assert_eq!(ask(running.address, "GET", &path, "").await.0, 200);
    }
    assert_eq!(
        ask(running.address, "GET", "/notice/other?bid=b1", "")
            .await
            .0,
        404
    );
    let (_, text) = ask(running.address, "GET", "/stats", "").await;
    let stats: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(stats["notices"]["bill"]["price_micros"], 1_250_001);
    let seen = running.stop().await;
    let bill = NoticeCount {
        count: 4,
        repeated: 1,
        unpriced: 1,
        price_micros: 1_250_001,
    };
    assert_eq!(seen.bill, bill);
    assert_eq!(
        (seen.win.count, seen.loss.count, seen.loss.unpriced),
        (1, 1, 1)
    );
}

#[tokio::test]
async fn what_is_no_bid_request_is_refused() {
    let running = start(Profile::Ok).await;
    for body in ["", "[]", "{\"id\":1}", "{\"id\":\"r\"}", "{"] {
        assert_eq!(
            ask(running.address, "POST", "/bid", body).await.0,
            400,
            "{body}"
        );
    }
    assert_eq!(ask(running.address, "DELETE", "/bid", "").await.0, 405);
    assert_eq!(running.stop().await.malformed, 5);
}

fn plan(address: SocketAddr, pace: Pace) -> Plan {
    Plan {
        target: format!("http://{address}/bid").parse().unwrap(),
        pace,
        connections: 4,
        duration: LONG,
        requests: 200,
        timeout: LONG,
        bodies: Arc::new(Bodies::from_lines(vec![REQUEST.as_bytes().to_vec()])),
    }
}

async fn load(profile: Profile, change: impl FnOnce(&mut Plan)) -> (Report, Snapshot) {
    let running = start(profile).await;
    let mut plan = plan(running.address, Pace::Closed);
    change(&mut plan);
    let report = generator::run(&plan).await.unwrap();
    (report, running.stop().await)
}

#[tokio::test]
async fn both_loops_count_what_the_partner_counts() {
    for pace in [Pace::Closed, Pace::Open(2_000.0)] {
        let (report, seen) = load(Profile::Ok, |plan| plan.pace = pace).await;
        assert_eq!(
            (report.answers(), report.faulted(), report.unsent()),
            (200, 0, 0)
        );
        assert_eq!((seen.requests, seen.bids, seen.connections), (200, 200, 4));
        assert_eq!(report.statuses, [(200, 200)].into());
        assert_eq!((report.latency.count(), report.service.count()), (200, 200));
    }
}

#[tokio::test]
async fn an_open_loop_charges_waiting_to_the_server() {
    // Four connections of 50 ms each carry 80 a second; 400 are due within one.
    let slow = Profile::Slow(Duration::from_millis(50));
    let (report, _) = load(slow, |plan| {
        plan.pace = Pace::Open(400.0);
        plan.duration = Duration::from_secs(1);
        plan.requests = 1_000;
    })
    .await;
    assert_eq!(report.planned, Some(400));
    assert!(report.unsent() > 200, "{report}");
    assert!(report.late_starts > 0, "{report}");
    assert!(
        report.latency.max() > report.service.quantile(0.5) * 4,
        "{report}"
    );
}

#[tokio::test]
async fn faults_are_counted_by_what_happened() {
    let (report, _) = load(Profile::Reset, |plan| plan.requests = 5).await;
    assert_eq!(
        (report.answers(), report.faults),
        (0, [("closed", 5)].into())
    );
    let (report, _) = load(Profile::HangHeader, |plan| {
        plan.requests = 4;
        plan.timeout = Duration::from_millis(50);
    })
    .await;
    assert_eq!(
        (report.answers(), report.faults),
        (0, [("timeout", 4)].into())
    );
}

#[tokio::test]
async fn plans_out_of_bounds_are_refused_with_the_bounds() {
    let address = SocketAddr::from(([127, 0, 0, 1], 9));
    for (change, key) in [
        (
            (|plan| plan.connections = 0) as fn(&mut Plan),
            "connections",
        ),
        (|plan| plan.connections = 1_000_000, "connections"),
        (
            |plan| plan.duration = Duration::from_secs(1_000_000),
            "duration",
        ),
        (|plan| plan.requests = 0, "requests"),
        (|plan| plan.pace = Pace::Open(f64::NAN), "rate"),
    ] {
        let mut plan = plan(address, Pace::Closed);
        change(&mut plan);
        let error = generator::run(&plan).await.unwrap_err().to_string();
        assert!(
            error.starts_with(key) && error.contains("allowed is"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn the_bare_server_answers_204_to_anything() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let ended = tokio::spawn(bare::serve(listener, async {
        let _ = stopped.await;
    }));
    let report = generator::run(&plan(address, Pace::Closed)).await.unwrap();
    assert_eq!(report.statuses, [(204, 200)].into());
    assert_eq!(
        generator::probe(&plan(address, Pace::Closed).target, LONG).await,
        Ok(204)
    );
    stop.send(()).unwrap();
    ended.await.unwrap().unwrap();
}
