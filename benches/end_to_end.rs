//! One request over a real socket: a whole node in this process, asked on loopback.
//!
//! Path: a blocking client on one kept-alive connection → kernel → hyper on the one data thread
//! → bidder or exchange → kernel → client. `bare` is the same with a server that reads the body
//! and answers 204, so the difference to it is ours. Input: web banners of 2.7 KB, 100,000 users
//! with segments, ten thousand line items with budgets and caps (`corpus::write_resources`); the
//! exchange asks the bidder of the process alone. One request at a time pays for two wake-ups,
//! most of the time here: this is latency on an idle node. `gavel-load ceiling` tells capacity,
//! `benches/decision.rs` the decision by itself. A regression that neither shows is in the HTTP
//! layer.

use criterion::{Criterion, criterion_group, criterion_main};
use gavel::config::{self, Settings};
use gavel::serve::Serving;
use load_tests::corpus::{self, Counts, Kind, Options};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::thread;

const USERS: u64 = 100_000;
const OPTIONS: Options = Options {
    count: 20_000,
    seed: 1,
    users: USERS,
    consented_at_s: 1_790_000_000,
};
const COUNTS: Counts = Counts {
    line_items: 10_000,
    segments: 1_000,
    publishers: 60,
};

/// A kept-alive connection that waits for each answer.
struct Client {
    stream: TcpStream,
    request: Vec<u8>,
    answer: Vec<u8>,
}

impl Client {
    fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the server listens");
        stream.set_nodelay(true).expect("a TCP socket");
        Self {
            stream,
            request: Vec::new(),
            answer: Vec::new(),
        }
    }

    /// Posts `body` and returns the status.
    fn post(&mut self, path: &str, body: &str) -> u16 {
        self.request.clear();
        write!(
            self.request,
            "POST {path} HTTP/1.1\r\nHost: node\r\nContent-Type: application/json\r\n\
             X-OpenRTB-Version: 2.6\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .expect("memory takes every write");
        self.stream
            .write_all(&self.request)
            .expect("the server reads");
        self.answer.clear();
        let mut chunk = [0; 16 * 1024];
        loop {
            let read = self.stream.read(&mut chunk).expect("the server answers");
            assert!(read > 0, "the server closed the connection");
            self.answer.extend_from_slice(&chunk[..read]);
            if let Some(status) = whole(&self.answer) {
                return status;
            }
        }
    }
}

/// The status of an answer, once it is there to its end.
fn whole(answer: &[u8]) -> Option<u16> {
    let head = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let text = std::str::from_utf8(&answer[..head]).expect("heads are ASCII");
    let (status, headers) = text.split_once("\r\n").unwrap_or((text, ""));
    let status = status.split(' ').nth(1)?.parse().ok()?;
    let length = headers.split("\r\n").find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.parse().expect("a length is a number"))
    });
    (answer.len() >= head + 4 + length.unwrap_or(0)).then_some(status)
}

fn node(folder: &Path) -> Serving {
    let audience = folder.join("audience.tsv");
    corpus::write_audience(&audience, OPTIONS, COUNTS.segments).expect("the directory is ours");
    let resources = folder.join("resources.toml");
    corpus::write_resources(&resources, COUNTS, 1).expect("the directory is ours");
    let mut text = "data.listen = \"127.0.0.1:0\"\ndata.workers = 1\n\
                    data.public_url = \"https://gavel.example\"\n\
                    control.listen = \"127.0.0.1:0\"\ncurrency.base = \"USD\"\n"
        .to_owned();
    writeln!(
        text,
        "storage.path = {:?}",
        folder.join("state").display().to_string()
    )
    .and_then(|()| writeln!(text, "audience.file = {:?}", audience.display().to_string()))
    .expect("memory takes every write");
    let values = config::read(&text, std::iter::empty()).expect("good keys");
    let settings = Settings::new(&values);
    gavel::apply::apply(&settings, &[resources], false).expect("good resources");
    Serving::start(settings).expect("the node starts")
}

/// A bare server on a thread of its own, for the life of the process.
fn bare() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("a bound socket");
    listener.set_nonblocking(true).expect("a TCP socket");
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("the system can make a runtime");
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a TCP socket");
            load_tests::bare::serve(listener, std::future::pending::<()>()).await
        })
    });
    address
}

fn end_to_end(criterion: &mut Criterion) {
    let folder = std::env::temp_dir().join(format!("gavel-end-to-end-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("the temporary directory is writable");
    let serving = node(&folder);
    let bodies: Vec<String> = corpus::requests(Kind::WebBanner, OPTIONS).collect();
    let mut group = criterion.benchmark_group("end_to_end");
    for (name, address, path, expected) in [
        ("bare", bare(), "/", 204),
        ("bidder", serving.data, "/openrtb2/bid/demo", 200),
        ("exchange", serving.data, "/openrtb2/auction", 200),
    ] {
        let mut client = Client::connect(address);
        let mut statuses = BTreeMap::<u16, u64>::new();
        let mut next = 0;
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                next = (next + 1) % bodies.len();
                *statuses
                    .entry(client.post(path, &bodies[next]))
                    .or_default() += 1;
            });
        });
        let all: u64 = statuses.values().sum();
        let wanted = statuses.get(&expected).copied().unwrap_or_default();
        assert!(
            wanted > all / 2,
            "{name}: mostly not {expected}: {statuses:?}"
        );
    }
    group.finish();
    serving.stop();
    std::fs::remove_dir_all(&folder).expect("the bench made it");
}

criterion_group!(benches, end_to_end);
criterion_main!(benches);
