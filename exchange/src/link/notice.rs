//! Win, loss and billing notices, sent by the exchange: queued, bounded, tried again.
//!
//! An auction only queues. A worker's sender task delivers a bounded number at once over
//! keep-alive pools of its own, one for each host; what fails waits, twice as long each time,
//! and is tried again until its attempts are used up. A notice counts as delivered by `200` or
//! `204`; a redirect is a failure. What exceeds the queue is dropped and counted.

use super::call::{self, Failure};
use super::pool::Pool;
use crate::Clock;
use crate::catalog::Endpoint;
use crate::counters::{Counters, NoticeEvent, PartnerEvent, Tally};
use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use hyper::header;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// What a notice tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The bid won (`nurl`).
    Win,
    /// The bid lost (`lurl`).
    Loss,
    /// The impression is billed (`burl`).
    Bill,
}

/// A notice to a partner.
#[derive(Clone, Debug)]
pub struct Notice {
    /// What it tells.
    pub kind: Kind,
    /// The address with its macros filled.
    pub url: String,
    /// Whether it may go to a private address: as allowed for the partner.
    pub allow_private: bool,
    /// The partner's counters.
    pub events: Arc<Tally<PartnerEvent>>,
    attempts: u32,
}

impl Notice {
    /// A notice that was not tried yet.
    pub fn new(
        kind: Kind,
        url: String,
        allow_private: bool,
        events: Arc<Tally<PartnerEvent>>,
    ) -> Self {
        Self {
            kind,
            url,
            allow_private,
            events,
            attempts: 0,
        }
    }
}

/// How notices are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Most notices that wait, those to be tried again included.
    pub queue: usize,
    /// Most notices under way at once.
    pub in_flight: usize,
    /// How often a notice is tried.
    pub attempts: u32,
    /// Pause after the first failure; it doubles with each further one.
    pub backoff: Duration,
    /// Time for one attempt.
    pub timeout: Duration,
    /// Most hosts with open connections.
    pub hosts: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            queue: 16_384,
            in_flight: 64,
            attempts: 5,
            backoff: Duration::from_millis(500),
            timeout: Duration::from_secs(2),
            hosts: 64,
        }
    }
}

/// The end of the queue into which auctions put notices.
#[derive(Clone)]
pub struct Outbox {
    sender: mpsc::Sender<Notice>,
    counters: Arc<Counters>,
}

/// The end of the queue from which notices are sent.
pub struct Inbox {
    receiver: mpsc::Receiver<Notice>,
    settings: Settings,
    counters: Arc<Counters>,
}

/// A queue of notices.
pub fn queue(settings: Settings, counters: &Arc<Counters>) -> (Outbox, Inbox) {
    let (sender, receiver) = mpsc::channel(settings.queue.max(1));
    let outbox = Outbox {
        sender,
        counters: Arc::clone(counters),
    };
    (
        outbox,
        Inbox {
            receiver,
            settings,
            counters: Arc::clone(counters),
        },
    )
}

impl Outbox {
    /// Queues a notice; where the queue is full it is dropped and counted.
    pub fn put(&self, notice: Notice) {
        let event = match self.sender.try_send(notice) {
            Ok(()) => NoticeEvent::Queued,
            Err(_) => NoticeEvent::Dropped,
        };
        self.counters.notices.count(event);
    }
}

/// The state that the delivering tasks of one sender share.
struct Sender<C> {
    settings: Settings,
    counters: Arc<Counters>,
    clock: C,
    /// Pools by host, the least recently used first.
    pools: RefCell<VecDeque<Rc<Pool>>>,
    /// Notices to be tried again, with their time.
    retries: RefCell<Vec<(Instant, Notice)>>,
}

/// How often those that wait to be tried again are looked at.
const RETRY_TICK: Duration = Duration::from_millis(50);

/// Sends notices until every [`Outbox`] is gone and nothing waits any more. It runs on a local
/// task set, since its pools belong to one thread.
pub async fn send<C: Clock + 'static>(mut inbox: Inbox, clock: C) {
    let Inbox {
        settings, counters, ..
    } = &inbox;
    let sender = Rc::new(Sender {
        settings: *settings,
        counters: Arc::clone(counters),
        clock,
        pools: RefCell::default(),
        retries: RefCell::default(),
    });
    let mut under_way = tokio::task::JoinSet::new();
    let mut tick = tokio::time::interval(RETRY_TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut open = true;
    while open || !under_way.is_empty() || !sender.retries.borrow().is_empty() {
        let room = under_way.len() < sender.settings.in_flight;
        tokio::select! {
            notice = inbox.receiver.recv(), if open && room => match notice {
                Some(notice) => { under_way.spawn_local(Rc::clone(&sender).deliver(notice)); }
                None => open = false,
            },
            _ = under_way.join_next(), if !under_way.is_empty() => {}
            _ = tick.tick() => {
                while under_way.len() < sender.settings.in_flight
                    && let Some(notice) = sender.due()
                {
                    under_way.spawn_local(Rc::clone(&sender).deliver(notice));
                }
            }
        }
    }
}

impl<C: Clock> Sender<C> {
    fn due(&self) -> Option<Notice> {
        let now = self.clock.now();
        let mut retries = self.retries.borrow_mut();
        let at = retries.iter().position(|(due, _)| *due <= now)?;
        Some(retries.swap_remove(at).1)
    }

    async fn deliver(self: Rc<Self>, mut notice: Notice) {
        notice.attempts += 1;
        match tokio::time::timeout(self.settings.timeout, self.attempt(&notice)).await {
            Ok(Ok(())) => {
                self.counters.notices.count(NoticeEvent::Delivered);
                notice.events.count(PartnerEvent::Notified);
            }
            Ok(Err(Failure::Forbidden)) => {
                self.counters.notices.count(NoticeEvent::Forbidden);
                notice.events.count(PartnerEvent::NotNotified);
            }
            Ok(Err(_)) | Err(_) => self.again(notice),
        }
    }

    fn again(&self, notice: Notice) {
        let mut retries = self.retries.borrow_mut();
        if notice.attempts >= self.settings.attempts || retries.len() >= self.settings.queue {
            self.counters.notices.count(NoticeEvent::GivenUp);
            notice.events.count(PartnerEvent::NotNotified);
            return;
        }
        self.counters.notices.count(NoticeEvent::Retried);
        let pause = self.settings.backoff * (1 << (notice.attempts - 1).min(10));
        retries.push((self.clock.now() + pause, notice));
    }

    async fn attempt(&self, notice: &Notice) -> Result<(), Failure> {
        let endpoint =
            Endpoint::parse(&notice.url, notice.allow_private).map_err(|_| Failure::Forbidden)?;
        let request = Request::get(&*endpoint.path)
            .header(header::HOST, &*endpoint.authority)
            .body(Full::new(Bytes::new()))
            .map_err(|_| Failure::Forbidden)?;
        let pool = self.pool(endpoint);
        let reply = call::call(&pool, request, super::MAX_ANSWER).await?;
        if matches!(reply.status, 200 | 204) {
            Ok(())
        } else {
            Err(Failure::Broken)
        }
    }

    fn pool(&self, mut endpoint: Endpoint) -> Rc<Pool> {
        endpoint.path = "/".into();
        let mut pools = self.pools.borrow_mut();
        let found = pools.iter().position(|pool| *pool.endpoint() == endpoint);
        let pool = found.and_then(|at| pools.remove(at)).unwrap_or_else(|| {
            // A host may take a quarter of all that is under way; the rest is for the others.
            let most = (self.settings.in_flight / 4).max(1);
            Rc::new(Pool::new(endpoint, most, self.settings.in_flight))
        });
        pools.push_back(Rc::clone(&pool));
        if pools.len() > self.settings.hosts {
            pools.pop_front();
        }
        pool
    }
}
