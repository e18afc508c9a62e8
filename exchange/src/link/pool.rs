//! Keep-alive connections to one host, of one worker, with a cap on connections and on those who
//! wait for one.
//!
//! An HTTP/1.1 connection serves one call at a time. It goes back when its answer was read to
//! the end; in every other case, a deadline among them, it is closed with its task, so that a
//! late answer can never be read as the answer to another call. An HTTP/2 connection serves
//! [`STREAMS`] calls at once, of which one that is given up resets its stream only.
//!
//! Connections are made beside the calls that wait for them, within [`CONNECT`]: a handshake
//! that takes longer than one auction is there for the next. Whoever waits is served in order.

use super::Timing;
use super::connect::{Connection, Sender, connect};
use super::tls::Trust;
use crate::catalog::Endpoint;
use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::{http1, http2};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// Calls under way on one HTTP/2 connection; servers allow at least this many by custom.
pub const STREAMS: usize = 100;

/// Time for making a connection, encryption included.
pub const CONNECT: Duration = Duration::from_secs(1);

/// How long a connection may rest before it is closed.
const REST: Duration = Duration::from_secs(50);

/// Why there is no connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoConnection {
    /// Every connection is in use and enough calls wait already.
    Busy,
    /// The host cannot be resolved or does not accept.
    Refused,
    /// The host has an address that may not be called.
    Forbidden,
    /// The host does not speak TLS, or its certificate is not trusted.
    Untrusted,
}

/// How a pool connects.
#[derive(Clone, Debug)]
pub struct Manner {
    /// Most connections, those being made included.
    pub connections: usize,
    /// Most calls that wait for one.
    pub waiting: usize,
    /// Whether to speak HTTP/2.
    pub http2: bool,
    /// Who is trusted.
    pub trust: Trust,
    /// Where the time that connecting takes is counted.
    pub timing: Option<Arc<Timing>>,
}

/// The connections to one host.
pub struct Pool(Rc<Inner>);

struct Inner {
    endpoint: Endpoint,
    manner: Manner,
    state: RefCell<State>,
    /// Connections made so far, for tests and metrics.
    made: Cell<u64>,
}

#[derive(Default)]
struct State {
    /// Connections that are open or being made.
    open: usize,
    /// Those being made.
    making: usize,
    /// HTTP/1.1 connections without a call, the longest resting first.
    idle: VecDeque<(Connection, Instant)>,
    /// HTTP/2 connections.
    shared: Vec<Rc<Shared>>,
    waiting: VecDeque<oneshot::Sender<Result<Leased, NoConnection>>>,
    /// Whether a task watches those that rest.
    watched: bool,
}

struct Shared {
    connection: Connection,
    streams: Cell<usize>,
}

/// A connection lent for one call.
pub struct Leased {
    pool: Rc<Inner>,
    wire: Option<Wire>,
    /// Whether a call is under way on it.
    used: bool,
}

enum Wire {
    Single(Connection),
    Stream(Rc<Shared>),
}

impl Pool {
    /// A pool without a connection yet. It works on a local task set.
    pub fn new(endpoint: Endpoint, manner: Manner) -> Self {
        Self(Rc::new(Inner {
            endpoint,
            manner,
            state: RefCell::default(),
            made: Cell::new(0),
        }))
    }

    /// The host that it connects to.
    pub fn endpoint(&self) -> &Endpoint {
        &self.0.endpoint
    }

    /// How it connects.
    pub fn manner(&self) -> &Manner {
        &self.0.manner
    }

    /// How many connections were made so far.
    pub fn made(&self) -> u64 {
        self.0.made.get()
    }

    /// How many connections are open or being made.
    pub fn open(&self) -> usize {
        self.0.state.borrow().open
    }

    /// Lends a connection, waiting for one where all are in use.
    ///
    /// # Errors
    /// [`NoConnection`].
    pub async fn lease(&self) -> Result<Leased, NoConnection> {
        loop {
            let mut leased = match self.0.take() {
                Some(wire) => Inner::lend(&self.0, wire),
                None => self.0.wait()?.await.map_err(|_| NoConnection::Refused)??,
            };
            if leased.is_ready().await {
                return Ok(leased);
            }
        }
    }

    /// Closes the connections that rest: the host has closed one of them, so it may be about to
    /// close the others.
    pub fn refresh(&self) {
        let rested = std::mem::take(&mut self.0.state.borrow_mut().idle);
        self.0.state.borrow_mut().open -= rested.len();
    }
}

impl Inner {
    /// A connection that can take a call now.
    fn take(&self) -> Option<Wire> {
        let mut state = self.state.borrow_mut();
        state.forget_closed();
        let free = |shared: &&Rc<Shared>| shared.streams.get() < STREAMS;
        if let Some(shared) = state.shared.iter().find(free) {
            return Some(Wire::Stream(Rc::clone(shared)));
        }
        // The last one used is the likeliest to be open still, and lets the others age out.
        let (connection, _) = state.idle.pop_back()?;
        Some(Wire::Single(connection))
    }

    fn lend(pool: &Rc<Self>, wire: Wire) -> Leased {
        if let Wire::Stream(shared) = &wire {
            shared.streams.set(shared.streams.get() + 1);
        }
        Leased {
            pool: Rc::clone(pool),
            wire: Some(wire),
            used: false,
        }
    }

    /// Queues for a connection, and has another one made where there may be more.
    fn wait(
        self: &Rc<Self>,
    ) -> Result<oneshot::Receiver<Result<Leased, NoConnection>>, NoConnection> {
        let mut state = self.state.borrow_mut();
        // Those who have gone wait no more.
        state.waiting.retain(|waiting| !waiting.is_closed());
        let spare = self.manner.connections.saturating_sub(state.open);
        if state.waiting.len() >= self.manner.waiting + state.making + spare {
            return Err(NoConnection::Busy);
        }
        let (sender, receiver) = oneshot::channel();
        state.waiting.push_back(sender);
        drop(state);
        self.grow();
        Ok(receiver)
    }

    /// Makes as many connections as are waited for, within the cap.
    fn grow(self: &Rc<Self>) {
        let mut state = self.state.borrow_mut();
        let each = if self.manner.http2 { STREAMS } else { 1 };
        while state.open < self.manner.connections && state.making * each < state.waiting.len() {
            state.open += 1;
            state.making += 1;
            tokio::task::spawn_local(Rc::clone(self).make());
        }
    }

    async fn make(self: Rc<Self>) {
        let Manner { trust, http2, .. } = &self.manner;
        let begun = Instant::now();
        let made = tokio::time::timeout(CONNECT, connect(&self.endpoint, trust, *http2)).await;
        self.state.borrow_mut().making -= 1;
        match made.unwrap_or(Err(NoConnection::Refused)) {
            Ok(connection) => {
                if let Some(timing) = &self.manner.timing {
                    timing.connect.record(begun.elapsed());
                }
                self.made.set(self.made.get() + 1);
                self.welcome(connection);
            }
            Err(reason) => {
                let mut state = self.state.borrow_mut();
                state.open -= 1;
                let waiting = state.waiting.pop_front();
                drop(state);
                if let Some(waiting) = waiting {
                    // Whoever has gone does not need the reason.
                    let _ = waiting.send(Err(reason));
                }
                self.grow();
            }
        }
    }

    fn welcome(self: &Rc<Self>, connection: Connection) {
        match &connection.sender {
            Sender::Single(_) => self.offer(connection),
            Sender::Shared(_) => {
                let shared = Rc::new(Shared {
                    connection,
                    streams: Cell::new(0),
                });
                self.state.borrow_mut().shared.push(Rc::clone(&shared));
                self.offer_streams(&shared);
            }
        }
    }

    /// Hands a connection to whoever waits first, or lets it rest.
    fn offer(self: &Rc<Self>, mut connection: Connection) {
        while let Some(waiting) = self.next_waiting() {
            let leased = Self::lend(self, Wire::Single(connection));
            match waiting.send(Ok(leased)) {
                Err(Ok(mut back)) => match back.wire.take() {
                    Some(Wire::Single(returned)) => connection = returned,
                    _ => return,
                },
                Ok(()) | Err(Err(_)) => return,
            }
        }
        let mut state = self.state.borrow_mut();
        state.idle.push_back((connection, Instant::now()));
        if !std::mem::replace(&mut state.watched, true) {
            tokio::task::spawn_local(Self::watch(Rc::downgrade(self)));
        }
    }

    /// Closes connections that have rested for long, also where no call comes any more.
    async fn watch(pool: Weak<Self>) {
        loop {
            tokio::time::sleep(REST / 2).await;
            let Some(pool) = pool.upgrade() else {
                return;
            };
            let mut state = pool.state.borrow_mut();
            let now = Instant::now();
            let rested = |since: Instant| now.duration_since(since) > REST;
            while state.idle.front().is_some_and(|(_, since)| rested(*since)) {
                state.idle.pop_front();
                state.open -= 1;
            }
            if state.idle.is_empty() {
                state.watched = false;
                return;
            }
        }
    }

    /// Hands the free streams of a connection to those who wait.
    fn offer_streams(self: &Rc<Self>, shared: &Rc<Shared>) {
        while shared.streams.get() < STREAMS
            && let Some(waiting) = self.next_waiting()
        {
            let leased = Self::lend(self, Wire::Stream(Rc::clone(shared)));
            if let Err(Ok(mut back)) = waiting.send(Ok(leased)) {
                // It must not offer the stream once more when it is dropped.
                back.wire = None;
                shared.streams.set(shared.streams.get() - 1);
            }
        }
    }

    fn next_waiting(&self) -> Option<oneshot::Sender<Result<Leased, NoConnection>>> {
        let mut state = self.state.borrow_mut();
        loop {
            let waiting = state.waiting.pop_front()?;
            if !waiting.is_closed() {
                return Some(waiting);
            }
        }
    }

    /// One connection less; those who wait may need another.
    fn closed(self: &Rc<Self>) {
        self.state.borrow_mut().open -= 1;
        self.grow();
    }
}

impl State {
    fn forget_closed(&mut self) {
        let before = self.shared.len();
        self.shared.retain(|shared| !shared.connection.is_closed());
        self.open -= before - self.shared.len();
    }
}

impl Leased {
    /// Whether calls go over HTTP/2.
    pub(super) fn is_shared(&self) -> bool {
        matches!(self.wire, Some(Wire::Stream(_)))
    }

    /// Waits until a request can be sent, which is at once but for a connection that has ended.
    async fn is_ready(&mut self) -> bool {
        let ready = match &mut self.wire {
            Some(Wire::Single(Connection {
                sender: Sender::Single(sender),
                ..
            })) => sender.ready().await.is_ok(),
            Some(Wire::Stream(shared)) => !shared.connection.is_closed(),
            Some(Wire::Single(_)) | None => false,
        };
        // What is not ready is not given back.
        self.used = !ready;
        ready
    }

    /// The sender of the connection; from here on a call is under way.
    pub(super) fn begin(&mut self) -> Handle<'_> {
        self.used = true;
        match self.wire.as_mut().expect("a lease has its connection") {
            Wire::Single(connection) => match &mut connection.sender {
                Sender::Single(sender) => Handle::Single(sender),
                Sender::Shared(sender) => Handle::Shared(sender.clone()),
            },
            Wire::Stream(shared) => match &shared.connection.sender {
                Sender::Shared(sender) => Handle::Shared(sender.clone()),
                Sender::Single(_) => unreachable!("only HTTP/2 connections are shared"),
            },
        }
    }

    /// Gives the connection back for the next call; only after an answer was read to its end.
    pub(super) fn give_back(mut self) {
        self.used = false;
    }
}

/// What sends the request of a lease.
pub(super) enum Handle<'l> {
    Single(&'l mut http1::SendRequest<Full<Bytes>>),
    Shared(http2::SendRequest<Full<Bytes>>),
}

impl Drop for Leased {
    fn drop(&mut self) {
        match self.wire.take() {
            Some(Wire::Single(connection)) => {
                if self.used || connection.is_closed() {
                    drop(connection);
                    self.pool.closed();
                } else {
                    self.pool.offer(connection);
                }
            }
            Some(Wire::Stream(shared)) => {
                // A stream that was given up is reset; the others go on.
                shared.streams.set(shared.streams.get() - 1);
                if shared.connection.is_closed() {
                    self.pool.state.borrow_mut().forget_closed();
                    self.pool.grow();
                } else {
                    self.pool.offer_streams(&shared);
                }
            }
            None => {}
        }
    }
}
