//! One partner's health, and the only place of this crate that knows sockets.
//!
//! Each worker has its own links: connections, breaker and waiting line belong to one thread and
//! need no lock. Only the quota is shared by the node's workers, through the
//! [`Market`](crate::Market).

pub mod breaker;
pub mod call;
pub mod notice;
pub mod pool;
pub mod quota;

pub use breaker::{Breaker, Ticket};
pub use call::{Failure, Reply};
pub use pool::Pool;
pub use quota::Quota;

use crate::catalog::Route;
use crate::market::{Buyer, Market};
use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use hyper::header::{self, HeaderValue};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

/// The most bytes of a partner's answer.
pub const MAX_ANSWER: usize = 256 * 1024;

/// How many calls may wait for each connection of a pool.
const WAITING_PER_CONNECTION: usize = 4;

/// The link to one HTTP partner.
pub struct Link {
    id: Arc<str>,
    version: HeaderValue,
    pool: Pool,
    breaker: Rc<Breaker>,
    max_connections: u16,
}

impl Link {
    /// A link as the partner's settings say; `None` for the bidder of this process.
    fn new(buyer: &Buyer, workers: u16) -> Option<Self> {
        let partner = &buyer.partner;
        let Route::Http(endpoint) = &partner.route else {
            return None;
        };
        let connections = usize::from((partner.max_connections / workers).max(1));
        let pool = Pool::new(
            endpoint.clone(),
            connections,
            connections * WAITING_PER_CONNECTION,
        );
        Some(Self {
            id: Arc::clone(&partner.id),
            version: HeaderValue::from_str(&partner.openrtb).ok()?,
            pool,
            breaker: Rc::default(),
            max_connections: partner.max_connections,
        })
    }

    fn serves(&self, buyer: &Buyer) -> bool {
        let partner = &buyer.partner;
        self.id == partner.id
            && self.max_connections == partner.max_connections
            && self.version.as_bytes() == partner.openrtb.as_bytes()
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

    /// Posts a bid request and reads the answer.
    ///
    /// # Errors
    /// [`Failure`]; dropping the future closes the connection.
    pub async fn ask(&self, body: Bytes) -> Result<Reply, Failure> {
        let endpoint = self.pool.endpoint();
        let request = Request::post(&*endpoint.path)
            .header(header::HOST, &*endpoint.authority)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json")
            .header("x-openrtb-version", &self.version)
            .body(Full::new(body))
            .map_err(|_| Failure::Broken)?;
        call::call(&self.pool, request, MAX_ANSWER).await
    }
}

/// The links of one worker, one for each partner of the market in its order.
pub struct Links {
    current: RefCell<Rc<[Option<Rc<Link>>]>>,
    workers: u16,
}

impl Links {
    /// The links of one of `workers` workers, each of which takes its part of a partner's
    /// connections, and at least one.
    pub fn new(workers: u16) -> Self {
        Self {
            current: RefCell::default(),
            workers: workers.max(1),
        }
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
                .or_else(|| Link::new(buyer, self.workers).map(Rc::new))
        });
        let next: Rc<[_]> = linked.collect();
        self.current.replace(Rc::clone(&next));
        next
    }
}
