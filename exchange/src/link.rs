//! One partner's health, and the only place of this crate that knows sockets and their timers.
//!
//! Each worker has its own links: connections, breaker and waiting line belong to one thread and
//! need no lock. Only the quota is shared by the node's workers, through the
//! [`Market`](crate::Market).

pub mod breaker;
pub mod call;
mod connect;
mod hosts;
pub mod notice;
pub mod pool;
pub mod quota;
pub mod tls;

pub use breaker::{Breaker, Ticket};
pub use call::{Failure, Reply};
pub use pool::Pool;
pub use quota::Quota;
pub use tls::Trust;

use crate::Clock;
use crate::catalog::{Route, Treatment};
use crate::latency::Latency;
use crate::market::{Buyer, Market};
use bytes::Bytes;
use call::{Outgoing, Reading};
use flate2::Compression;
use flate2::write::GzEncoder;
use hosts::Hosts;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Uri};
use notice::Device;
use openrtb::reshape::member_range;
use pool::Manner;
use std::cell::RefCell;
use std::future::poll_fn;
use std::io::Write as _;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

/// The most bytes of a partner's answer.
pub const MAX_ANSWER: usize = 256 * 1024;

/// How many calls may wait for each connection of a pool.
const WAITING_PER_CONNECTION: usize = 4;

/// The least time that is worth a call.
const LEAST: Duration = Duration::from_millis(1);

/// How long a partner's calls take, in which part.
#[derive(Debug, Default)]
pub struct Timing {
    /// Making a connection, encryption included.
    pub connect: Latency,
    /// From the connection to the head of the answer.
    pub first_byte: Latency,
    /// A whole call, waiting for a connection included.
    pub total: Latency,
}

/// A bid request as it is sent.
#[derive(Clone, Debug)]
pub struct Question {
    /// The request.
    pub body: Bytes,
    /// The request compressed, for partners that want it so.
    pub packed: Option<Bytes>,
    /// The time that the request says is left.
    pub told: Duration,
    /// When the answer must be there.
    pub until: Instant,
}

/// The link to one HTTP partner.
pub struct Link {
    id: Arc<str>,
    version: Arc<str>,
    treatment: Treatment,
    path: Uri,
    headers: HeaderMap,
    pool: Pool,
    breaker: Rc<Breaker>,
    max_connections: u16,
}

impl Link {
    /// A link as the partner's settings say; `None` for the bidder of this process.
    fn new(buyer: &Buyer, workers: u16, trust: &Trust) -> Option<Self> {
        let partner = &buyer.partner;
        let Route::Http(endpoint) = &partner.route else {
            return None;
        };
        let treatment = &partner.treatment;
        let connections = usize::from((partner.max_connections / workers).max(1));
        let manner = Manner {
            connections,
            waiting: connections * WAITING_PER_CONNECTION,
            http2: treatment.http2,
            trust: trust.clone(),
            timing: Some(Arc::clone(&buyer.live.timing)),
        };
        Some(Self {
            id: Arc::clone(&partner.id),
            version: Arc::clone(&partner.openrtb),
            treatment: treatment.clone(),
            path: endpoint.path.parse().ok()?,
            headers: headers(&partner.openrtb, treatment)?,
            pool: Pool::new(endpoint.clone(), manner),
            breaker: Rc::default(),
            max_connections: partner.max_connections,
        })
    }

    fn serves(&self, buyer: &Buyer) -> bool {
        let partner = &buyer.partner;
        self.id == partner.id
            && self.max_connections == partner.max_connections
            && self.version == partner.openrtb
            && self.treatment == partner.treatment
            && match &partner.route {
                Route::Local => false,
                Route::Http(endpoint) => endpoint == self.pool.endpoint(),
            }
    }

    /// Asks the breaker whether a request may go out.
    pub fn admit(&self, now: Instant) -> Option<Ticket> {
        self.breaker.admit(now)
    }

    /// The connections.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Posts a bid request and reads the answer. Where a connection had to be waited for, the
    /// request is told the time that is left then.
    ///
    /// # Errors
    /// [`Failure`]; dropping the future closes the connection, or resets its stream.
    pub async fn ask(
        &self,
        question: Question,
        timing: &Timing,
        clock: &impl Clock,
    ) -> Result<Reply, Failure> {
        let begun = clock.now();
        let margin = Duration::from_millis(self.treatment.network_margin_ms.into());
        let outgoing = || {
            let until = question.until.checked_sub(margin).unwrap_or(question.until);
            let left = until.saturating_duration_since(clock.now());
            let body = if left < LEAST {
                return Err(Failure::TooLate);
            } else if question.told > left + LEAST {
                let body = retold(&question.body, left);
                if question.packed.is_some() {
                    packed(&body)
                } else {
                    body
                }
            } else {
                let packed = question.packed.as_ref();
                packed.unwrap_or(&question.body).clone()
            };
            Ok(Outgoing {
                method: Method::POST,
                path: self.path.clone(),
                headers: self.headers.clone(),
                body,
            })
        };
        let reading = Reading {
            limit: MAX_ANSWER,
            gzip: self.treatment.gzip_answers,
            timing: Some(timing),
        };
        let reply = call::call(&self.pool, outgoing, reading).await?;
        timing
            .total
            .record(clock.now().saturating_duration_since(begun));
        Ok(reply)
    }
}

fn headers(version: &str, treatment: &Treatment) -> Option<HeaderMap> {
    let mut headers = HeaderMap::with_capacity(6);
    let json = HeaderValue::from_static("application/json");
    headers.insert(header::CONTENT_TYPE, json.clone());
    headers.insert(header::ACCEPT, json);
    let version = HeaderValue::from_str(version).ok()?;
    headers.insert(HeaderName::from_static("x-openrtb-version"), version);
    let gzip = || HeaderValue::from_static("gzip");
    if treatment.gzip_answers {
        headers.insert(header::ACCEPT_ENCODING, gzip());
    }
    if treatment.gzip_requests {
        headers.insert(header::CONTENT_ENCODING, gzip());
    }
    Some(headers)
}

/// The request with another `tmax`.
fn retold(body: &Bytes, left: Duration) -> Bytes {
    let Some(place) = member_range(body, "tmax") else {
        return body.clone();
    };
    let tmax = left.as_millis().to_string();
    [&body[..place.start], tmax.as_bytes(), &body[place.end..]]
        .concat()
        .into()
}

/// A request compressed, fast rather than small: about 10 µs per KiB.
pub fn packed(body: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 2), Compression::fast());
    let written = encoder.write_all(body).and_then(|()| encoder.finish());
    written.expect("writing to memory does not fail").into()
}

/// The links of one worker, one for each partner of the market in its order.
pub struct Links {
    current: RefCell<Rc<[Option<Rc<Link>>]>>,
    workers: u16,
    trust: Trust,
    /// Where the markup of bids without one comes from.
    hosts: Hosts,
}

/// An address whose answer is the markup of a bid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// The win notice with its macros filled.
    pub url: String,
    /// Whether it may be at a private address.
    pub allow_private: bool,
    /// What the partner is told of the device.
    pub device: Option<Device>,
}

/// Most hosts that markup comes from, and connections of one worker to each.
const MARKUP_HOSTS: usize = 64;
const MARKUP_CONNECTIONS: usize = 16;

impl Links {
    /// The links of one of `workers` workers, each of which takes its part of a partner's
    /// connections, and at least one. Encrypted calls believe whom `trust` names.
    pub fn new(workers: u16, trust: Trust) -> Self {
        let manner = Manner {
            connections: MARKUP_CONNECTIONS,
            waiting: MARKUP_CONNECTIONS * WAITING_PER_CONNECTION,
            http2: false,
            trust: trust.clone(),
            timing: None,
        };
        Self {
            current: RefCell::default(),
            workers: workers.max(1),
            trust,
            hosts: Hosts::new(manner, MARKUP_HOSTS),
        }
    }

    /// Calls every address at once, and gathers what comes before `deadline`. An answer that
    /// is no markup is `None`, as is an address that is none.
    pub async fn fetch(&self, orders: Vec<Option<Order>>, deadline: Instant) -> Vec<Option<Bytes>> {
        let mut calls: Vec<_> = orders
            .into_iter()
            .map(|order| Box::pin(self.fetch_one(order)))
            .collect();
        let mut answers: Vec<Option<Option<Bytes>>> = calls.iter().map(|_| None).collect();
        let gathered = poll_fn(|context| {
            for (call, answer) in calls.iter_mut().zip(&mut answers) {
                if answer.is_none()
                    && let Poll::Ready(came) = call.as_mut().poll(context)
                {
                    *answer = Some(came);
                }
            }
            if answers.iter().all(Option::is_some) {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        });
        // What has not come when time is up is cut off.
        let _ = tokio::time::timeout_at(deadline.into(), gathered).await;
        answers.into_iter().map(Option::flatten).collect()
    }

    async fn fetch_one(&self, order: Option<Order>) -> Option<Bytes> {
        let Order {
            url,
            allow_private,
            device,
        } = order?;
        let reply = notice::get(&self.hosts, &url, allow_private, device.as_ref()).await;
        let reply = reply.ok().filter(|reply| reply.status == 200)?;
        Some(reply.body).filter(|body| !body.is_empty())
    }

    /// The links for the partners of `market`. Links whose settings did not change keep their
    /// connections and their breaker.
    pub fn of(&self, market: &Market) -> Rc<[Option<Rc<Link>>]> {
        let current = Rc::clone(&self.current.borrow());
        let buyers = market.buyers();
        let fits = |(link, buyer): (&Option<Rc<Link>>, &Buyer)| match (link, &buyer.partner.route) {
            (None, Route::Local) => true,
            (None, Route::Http(_)) => false,
            (Some(link), _) => link.serves(buyer),
        };
        if current.len() == buyers.len() && current.iter().zip(buyers).all(fits) {
            return current;
        }
        let linked = buyers.iter().map(|buyer| {
            let kept = current.iter().flatten().find(|link| link.serves(buyer));
            kept.cloned()
                .or_else(|| Link::new(buyer, self.workers, &self.trust).map(Rc::new))
        });
        let next: Rc<[_]> = linked.collect();
        self.current.replace(Rc::clone(&next));
        next
    }
}
