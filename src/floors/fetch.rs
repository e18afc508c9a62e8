//! One fetch: a bounded GET, and its body as floor data.

use super::Feeds;
use crate::clock;
use crate::node::Node;
use crate::server::thread_runtime;
use crate::shutdown::Shutdown;
use bytes::Bytes;
use exchange::catalog::Invalid;
use exchange::floor::{Data, Feed, parse_data};
use exchange::link::call::{self, Outgoing, Reading};
use exchange::link::pool::Manner;
use exchange::link::{Failure as CallFailure, Pool, Trust};
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Method, Uri};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::{JoinSet, LocalSet};

/// The most fetches under way at once.
const IN_FLIGHT: usize = 8;

/// How often feeds that are due are looked for.
const TICK: Duration = Duration::from_millis(250);

/// Why a fetch brought nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The answer leads elsewhere.
    #[error("status {0}: redirects are not followed, give the address that they lead to")]
    Redirect(u16),
    /// The answer is none.
    #[error("status {0}, expected 200")]
    Status(u16),
    /// It took too long.
    #[error("no whole answer within {0} ms")]
    TimedOut(u32),
    /// The file is too large.
    #[error("larger than {0} bytes")]
    TooLarge(usize),
    /// The host has an address that may not be called.
    #[error("a private address, which exchange.floors_allow_private would have to allow")]
    Forbidden,
    /// The connection could not be made or broke.
    #[error("the host cannot be reached or not be trusted, or the connection broke")]
    Broken,
    /// The body is encoded, though nobody asked for it.
    #[error("the file is encoded, expected plain JSON")]
    Encoded,
    /// It is no floor data, or has too many rules.
    #[error("{0}")]
    Invalid(String),
}

impl Failure {
    /// Every label.
    pub(super) const LABELS: [&str; 8] = [
        "redirect",
        "status",
        "timed_out",
        "too_large",
        "forbidden",
        "broken",
        "encoded",
        "invalid",
    ];

    /// Name as a metric label.
    pub(super) fn label(&self) -> &'static str {
        let place = match self {
            Failure::Redirect(_) => 0,
            Failure::Status(_) => 1,
            Failure::TimedOut(_) => 2,
            Failure::TooLarge(_) => 3,
            Failure::Forbidden => 4,
            Failure::Broken => 5,
            Failure::Encoded => 6,
            Failure::Invalid(_) => 7,
        };
        Self::LABELS[place]
    }
}

/// Fetches what is due until the shutdown.
pub fn run(node: &Arc<Node>, shutdown: &Shutdown) {
    LocalSet::new().block_on(&thread_runtime(), async {
        tokio::select! {
            () = fetch_all(node) => {}
            () = shutdown.wait() => {}
        }
    });
}

async fn fetch_all(node: &Arc<Node>) {
    let allow_private = node.settings.floors_allow_private;
    let mut under_way = JoinSet::new();
    let mut tick = tokio::time::interval(TICK);
    loop {
        tick.tick().await;
        while under_way.try_join_next().is_some() {}
        let room = IN_FLIGHT - under_way.len();
        for (publisher, feed) in node.floor_feeds.due(clock::unix_s(), room) {
            let node = Arc::clone(node);
            under_way.spawn_local(async move {
                let feeds: &Feeds = &node.floor_feeds;
                let result = fetch(&feed, &node.trust, allow_private).await;
                feeds.done(&publisher, &feed, result, clock::unix_s());
            });
        }
    }
}

async fn fetch(
    feed: &Feed,
    trust: &Trust,
    allow_private: bool,
) -> Result<(Data, Vec<Invalid>), Failure> {
    let time = Duration::from_millis(feed.timeout_ms.into());
    let answered = tokio::time::timeout(time, get(feed, trust, allow_private)).await;
    let body = answered.unwrap_or(Err(Failure::TimedOut(feed.timeout_ms)))?;
    parse_data(&body, feed.max_rules).map_err(|faults| {
        let first = faults.first().map(Invalid::to_string).unwrap_or_default();
        Failure::Invalid(match faults.len() {
            0 | 1 => first,
            more => format!("{first}, and {} more", more - 1),
        })
    })
}

async fn get(feed: &Feed, trust: &Trust, allow_private: bool) -> Result<Bytes, Failure> {
    let mut endpoint = feed.endpoint.clone();
    endpoint.allow_private = allow_private;
    let path: Uri = endpoint.path.parse().map_err(|_| Failure::Broken)?;
    let mut headers = HeaderMap::new();
    let of = HeaderValue::from_static;
    headers.insert(header::ACCEPT, of("application/json"));
    headers.insert(header::ACCEPT_ENCODING, of("identity"));
    headers.insert(header::CONNECTION, of("close"));
    let outgoing = || {
        Ok(Outgoing {
            method: Method::GET,
            path: path.clone(),
            headers: headers.clone(),
            body: Bytes::new(),
        })
    };
    // A connection of its own: the next fetch is an hour away.
    let manner = Manner {
        connections: 1,
        waiting: 0,
        http2: false,
        trust: trust.clone(),
        timing: None,
    };
    let reading = Reading {
        limit: feed.max_bytes,
        gzip: false,
        timing: None,
    };
    let called = call::call(&Pool::new(endpoint, manner), outgoing, reading).await;
    let reply = called.map_err(|failure| match failure {
        CallFailure::TooLarge => Failure::TooLarge(feed.max_bytes),
        CallFailure::Forbidden => Failure::Forbidden,
        CallFailure::Encoded => Failure::Encoded,
        CallFailure::Busy | CallFailure::TooLate | CallFailure::Broken | CallFailure::Untrusted => {
            Failure::Broken
        }
    })?;
    match reply.status {
        200 => Ok(reply.body),
        status @ 300..=399 => Err(Failure::Redirect(status)),
        status => Err(Failure::Status(status)),
    }
}
