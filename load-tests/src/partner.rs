//! A mock partner: a DSP over HTTP/1.1 that bids, misbehaves as told, and counts its notices.
//!
//! Every `POST` is a bid request, whatever its path. Bids carry `nurl`, `burl` and `lurl` that
//! point back at the partner; `GET /stats` tells what arrived. Start it in process with [`serve`]
//! or as a program with `gavel-load partner`. It listens on loopback only.

use std::convert::Infallible;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, LOCATION};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

mod bid;
mod body;
mod creative;
mod price;
mod profile;
mod stats;

use bid::Reply;
use body::Answer;
pub use profile::{Profile, ProfileError};
pub use stats::{Notice, NoticeCount, Snapshot, Stats};

const REQUEST_BYTES_MAX: usize = 1024 * 1024;
const CONNECTIONS_MAX: usize = 4_096;
const PADDING_BYTES: usize = 10_000_000;

/// How a mock partner bids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Its behaviour.
    pub profile: Profile,
    /// The price it bids, CPM in micros of `currency`.
    pub price_micros: i64,
    /// How far a price may lie from `price_micros`, in percent of it; drawn from the request's id.
    pub spread_percent: u8,
    /// Share of impressions that it bids on, 0 to 100, drawn from the request's id.
    pub bid_percent: u8,
    /// Its currency; it stays silent where the request does not allow it.
    pub currency: String,
    /// Its seat.
    pub seat: String,
    /// The domain of its one advertiser.
    pub domain: String,
    /// Whether its bids are won or lost together (`seatbid.group`).
    pub together: bool,
    /// Whether it wants no notices.
    pub silent: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            profile: Profile::Ok,
            price_micros: 1_000_000,
            spread_percent: 0,
            bid_percent: 100,
            currency: "USD".to_owned(),
            seat: "s1".to_owned(),
            domain: "mock.test".to_owned(),
            together: false,
            silent: false,
        }
    }
}

/// One mock partner: its settings and what it has seen.
#[derive(Debug)]
pub struct Partner {
    settings: Settings,
    stats: Stats,
}

impl Partner {
    /// A partner that has seen nothing yet.
    pub fn new(settings: Settings) -> Arc<Self> {
        Arc::new(Self {
            settings,
            stats: Stats::default(),
        })
    }

    /// What it has seen so far.
    pub fn stats(&self) -> Snapshot {
        self.stats.snapshot()
    }
}

/// Serves `partner` on `listener` until `shutdown` ends, then drops all connections.
///
/// # Errors
/// The listener is not on a loopback address, or has failed.
pub async fn serve(
    listener: TcpListener,
    partner: Arc<Partner>,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let own = listener.local_addr()?;
    if !own.ip().is_loopback() {
        let why = format!("{own} is not a loopback address, mock partners serve nothing else");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    }
    if partner.settings.profile == Profile::HangConnect {
        let _fillers = fill_backlog(&listener, own).await?;
        shutdown.await;
        return Ok(());
    }
    tokio::select! {
        ended = accept_all(listener, own, partner) => ended,
        () = shutdown => Ok(()),
    }
}

async fn accept_all(
    listener: TcpListener,
    own: SocketAddr,
    partner: Arc<Partner>,
) -> io::Result<()> {
    // Dropping the set, as `serve` does at shutdown, ends all connections.
    let mut connections = JoinSet::new();
    loop {
        while connections.len() >= CONNECTIONS_MAX {
            connections.join_next().await;
        }
        while connections.try_join_next().is_some() {}
        let (stream, _) = listener.accept().await?;
        partner.stats.count(|counts| counts.connections += 1);
        connections.spawn(serve_connection(stream, own, Arc::clone(&partner)));
    }
}

/// Shrinks the queue of connections to the least and fills it; the kernel then answers no SYN.
async fn fill_backlog(listener: &TcpListener, own: SocketAddr) -> io::Result<Vec<TcpStream>> {
    socket2::SockRef::from(listener).listen(0)?;
    let mut fillers = Vec::new();
    while fillers.len() < 16 {
        match timeout(Duration::from_millis(100), TcpStream::connect(own)).await {
            Ok(connected) => fillers.push(connected?),
            Err(_full) => return Ok(fillers),
        }
    }
    Err(io::Error::other(
        "this kernel goes on accepting connections, hang-connect is impossible",
    ))
}

async fn serve_connection(stream: TcpStream, own: SocketAddr, partner: Arc<Partner>) {
    if partner.settings.profile == Profile::Reset {
        reset(stream, &partner).await;
        return;
    }
    // Answers are small and final; waiting for more to send would only delay them.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| answer(request, own, Arc::clone(&partner)));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service);
    // A caller that hangs up is its business, and expected under most profiles.
    let _ = connection.await;
}

async fn reset(mut stream: TcpStream, partner: &Partner) {
    let mut some = [0; 4096];
    if stream.read(&mut some).await.is_ok() {
        partner.stats.count(|counts| counts.requests += 1);
    }
    let _ = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
}

async fn answer(
    request: Request<Incoming>,
    own: SocketAddr,
    partner: Arc<Partner>,
) -> Result<Response<Answer>, Infallible> {
    let path = request.uri().path();
    Ok(match (request.method(), path.strip_prefix("/notice/")) {
        (&Method::GET | &Method::POST, Some(kind)) => {
            notice(&partner, kind, request.uri().query().unwrap_or_default())
        }
        (&Method::POST, None) => bid_request(request, own, &partner).await,
        (&Method::GET, None) => get(path, &partner),
        _ => status(StatusCode::METHOD_NOT_ALLOWED),
    })
}

fn get(path: &str, partner: &Partner) -> Response<Answer> {
    match path {
        "/stats" => json(Answer::whole(partner.stats().to_json().to_string())),
        "/readyz" | "/livez" => status(StatusCode::NO_CONTENT),
        "/elsewhere" => {
            partner.stats.count(|counts| counts.redirects_followed += 1);
            status(StatusCode::NO_CONTENT)
        }
        _ => status(StatusCode::NOT_FOUND),
    }
}

fn notice(partner: &Partner, kind: &str, query: &str) -> Response<Answer> {
    let kind = match kind {
        "win" => Notice::Win,
        "bill" => Notice::Bill,
        "loss" => Notice::Loss,
        _ => return status(StatusCode::NOT_FOUND),
    };
    let value = |key: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs
            .find(|&(name, _)| name == key)
            .map_or("", |(_, value)| value)
    };
    partner
        .stats
        .notice(kind, value("bid"), price::micros(value("price")));
    status(StatusCode::OK)
}

async fn bid_request(
    request: Request<Incoming>,
    own: SocketAddr,
    partner: &Partner,
) -> Response<Answer> {
    if request.uri().path() == "/elsewhere" {
        partner.stats.count(|counts| counts.redirects_followed += 1);
        return status(StatusCode::NO_CONTENT);
    }
    let Ok(body) = Limited::new(request.into_body(), REQUEST_BYTES_MAX)
        .collect()
        .await
    else {
        return status(StatusCode::PAYLOAD_TOO_LARGE);
    };
    partner.stats.count(|counts| counts.requests += 1);
    match partner.settings.profile {
        Profile::HangHeader => return std::future::pending().await,
        Profile::Slow(delay) => sleep(delay).await,
        Profile::Error500 => return status(StatusCode::INTERNAL_SERVER_ERROR),
        Profile::Garbage => return json(Answer::whole("\u{fffd}]<!-- not json -->{")),
        Profile::Redirect => return redirect(own),
        Profile::GzipBomb => return bomb(),
        _ => {}
    }
    match bid::reply(&partner.settings, own, &body.to_bytes()) {
        Reply::Bids { text, count } => {
            partner.stats.count(|counts| counts.bids += count);
            json(bids(partner.settings.profile, text))
        }
        Reply::NoBid => {
            partner.stats.count(|counts| counts.no_bids += 1);
            status(StatusCode::NO_CONTENT)
        }
        Reply::Malformed => {
            partner.stats.count(|counts| counts.malformed += 1);
            status(StatusCode::BAD_REQUEST)
        }
    }
}

fn bids(profile: Profile, mut text: String) -> Answer {
    match profile {
        Profile::HangBody => Answer::half_of(&Bytes::from(text)),
        Profile::Drip => Answer::drip(Bytes::from(text)),
        Profile::BigBody => {
            text.truncate(text.len() - 1);
            text.push_str(",\"ext\":{\"padding\":\"");
            Answer::padded(
                Bytes::from(text),
                PADDING_BYTES,
                Bytes::from_static(b"\"}}"),
            )
        }
        _ => Answer::whole(text),
    }
}

/// Ten megabytes of blanks in some ten kilobytes, whatever was asked for.
fn bomb() -> Response<Answer> {
    static PACKED: OnceLock<Bytes> = OnceLock::new();
    let packed = PACKED.get_or_init(|| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        let written = encoder.write_all(&vec![b' '; PADDING_BYTES]);
        let packed = written.and_then(|()| encoder.finish());
        packed.expect("writing to memory does not fail").into()
    });
    let mut response = json(Answer::whole(packed.clone()));
    let coding = "gzip".parse().expect("is static");
    response.headers_mut().insert(CONTENT_ENCODING, coding);
    response
}

fn redirect(own: SocketAddr) -> Response<Answer> {
    let mut response = status(StatusCode::FOUND);
    let to = format!("http://{own}/elsewhere");
    response
        .headers_mut()
        .insert(LOCATION, to.parse().expect("an address is a header value"));
    response
}

fn json(body: Answer) -> Response<Answer> {
    let mut response = Response::new(body);
    response
        .headers_mut()
        .insert(CONTENT_TYPE, "application/json".parse().expect("is static"));
    response
}

fn status(status: StatusCode) -> Response<Answer> {
    let mut response = Response::new(Answer::empty());
    *response.status_mut() = status;
    response
}
