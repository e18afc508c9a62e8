//! Load on one URL: open-loop at a rate, or closed-loop as fast as the connections go.
//!
//! **Open-loop.** Request *k* is due at `start + k / rate`, whatever the server does. Its latency
//! counts from that instant, so a stalled server cannot hide the requests it kept waiting. The
//! connections bound how many are in flight: when all are busy, requests start late and are
//! counted as late; those still due when time is up are counted as unsent.
//!
//! **Closed-loop.** Every connection sends its next request when the answer to the last is in.
//! It finds capacity; its latencies are service times and say nothing about users. The generator
//! polls its sockets and never sleeps meanwhile: on loopback it is the *server* that pays for
//! waking a sleeping client, up to 5 µs an answer under a hypervisor, and the more the slower it
//! is, which no client at the other end of a wire would cost it.
//!
//! Requests are written as prepared bytes on plain sockets and answers are read by a small
//! parser, because a full HTTP client costs more than the server it is to saturate.
//! Timers have a granularity of a millisecond; the last one is spent polling the clock, so an
//! open loop above some 500 requests/s keeps its core busy.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use thiserror::Error;
use tokio::task::{JoinSet, yield_now};
use tokio::time::{sleep_until, timeout};

mod bodies;
mod report;
mod target;
mod wire;

pub use bodies::{Bodies, BodiesError};
pub use report::{Latency, Report};
pub use target::{Target, TargetError};
use wire::{Answer, Connection, Fault};

/// Most connections of a plan.
pub const CONNECTIONS_MAX: usize = 4_096;
/// Longest duration of a plan.
pub const DURATION_MAX: Duration = Duration::from_hours(2);
/// Most requests of a plan.
pub const REQUESTS_MAX: u64 = 200_000_000;

const LATE: Duration = Duration::from_millis(1);
const TIMER_GRAIN: Duration = Duration::from_millis(2);
const RECONNECT_PAUSE: Duration = Duration::from_millis(20);

/// How requests follow each other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// This many requests a second, due at equal distances.
    Open(f64),
    /// As fast as answers come.
    Closed,
}

/// One load to produce.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Where to.
    pub target: Target,
    /// How fast.
    pub pace: Pace,
    /// Connections, opened before the first request.
    pub connections: usize,
    /// How long requests are started.
    pub duration: Duration,
    /// Requests after which it stops earlier.
    pub requests: u64,
    /// How long to wait for an answer.
    pub timeout: Duration,
    /// What to send.
    pub bodies: Arc<Bodies>,
}

/// Why a plan is not run.
#[derive(Debug, Error)]
pub enum PlanError {
    /// A value outside of its bounds.
    #[error("{key} is {found}, allowed is {allowed}")]
    Bound {
        /// Which value.
        key: &'static str,
        /// What it is.
        found: String,
        /// What it may be.
        allowed: String,
    },
    /// Nobody answers at the target.
    #[error("no connection to {address}")]
    Connect {
        /// The target's address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
}

/// Produces the load and reports what came back.
///
/// # Errors
/// The plan is out of bounds, or the target accepts no connection at all.
pub async fn run(plan: &Plan) -> Result<Report, PlanError> {
    check(plan)?;
    let address = plan.target.address();
    let mut open = Vec::with_capacity(plan.connections);
    for _ in 0..plan.connections {
        let connected = Connection::open(address).await;
        open.push(connected.map_err(|source| PlanError::Connect { address, source })?);
    }
    let start = Instant::now();
    let load = Arc::new(Load {
        address,
        requests: plan.bodies.requests_to(&plan.target),
        pace: plan.pace,
        start,
        end: start + plan.duration,
        limit: plan.requests,
        timeout: plan.timeout,
        state: Mutex::new(State {
            started: 0,
            source: plan.bodies.source(),
            report: Report::new(),
        }),
    });
    let mut workers = JoinSet::new();
    for connection in open {
        workers.spawn(work(Arc::clone(&load), connection));
    }
    let awake = tokio::spawn(stay_awake(plan.pace));
    while workers.join_next().await.is_some() {}
    let elapsed = start.elapsed();
    awake.abort();
    let mut report = load.with(|state| std::mem::take(&mut state.report));
    report.elapsed = elapsed;
    report.planned = load.planned();
    Ok(report)
}

/// Keeps the thread of a closed loop polling instead of sleeping until answers come.
async fn stay_awake(pace: Pace) {
    if pace == Pace::Closed {
        loop {
            yield_now().await;
        }
    }
}

/// Sends one `GET` on a new connection and tells the status, or in a word why there is none.
///
/// # Errors
/// No answer within `wait`.
pub async fn probe(target: &Target, wait: Duration) -> Result<u16, &'static str> {
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\n\r\n",
        target.path(),
        target.address()
    );
    let mut connection = None;
    let asked = exchange(target.address(), &mut connection, request.as_bytes());
    let answer = timeout(wait, asked).await.unwrap_or(Err(Fault::Timeout));
    answer.map(|answer| answer.status).map_err(Fault::label)
}

fn check(plan: &Plan) -> Result<(), PlanError> {
    let bound = |key, found: String, allowed: String, holds: bool| {
        if holds {
            Ok(())
        } else {
            Err(PlanError::Bound {
                key,
                found,
                allowed,
            })
        }
    };
    let count = plan.connections;
    let holds = (1..=CONNECTIONS_MAX).contains(&count);
    bound(
        "connections",
        count.to_string(),
        format!("1 to {CONNECTIONS_MAX}"),
        holds,
    )?;
    let duration = plan.duration;
    let holds = duration > Duration::ZERO && duration <= DURATION_MAX;
    bound(
        "duration",
        format!("{duration:?}"),
        format!("up to {DURATION_MAX:?}"),
        holds,
    )?;
    let requests = plan.requests;
    let holds = (1..=REQUESTS_MAX).contains(&requests);
    bound(
        "requests",
        requests.to_string(),
        format!("1 to {REQUESTS_MAX}"),
        holds,
    )?;
    if let Pace::Open(rate) = plan.pace {
        let holds = (0.001..=1e6).contains(&rate);
        bound(
            "rate",
            rate.to_string(),
            "0.001 to 1000000".to_owned(),
            holds,
        )?;
    }
    Ok(())
}

/// What all connections of a run share.
struct Load {
    address: SocketAddr,
    /// Whole HTTP requests, by file and line.
    requests: Vec<Vec<Vec<u8>>>,
    pace: Pace,
    start: Instant,
    end: Instant,
    limit: u64,
    timeout: Duration,
    /// All workers run on one thread, so the lock is never contended.
    state: Mutex<State>,
}

struct State {
    started: u64,
    source: bodies::Source,
    report: Report,
}

/// One request to send: when it is due and which.
struct Turn {
    due: Instant,
    file: usize,
    line: usize,
}

impl Load {
    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// How many requests an open loop has to start in all.
    fn planned(&self) -> Option<u64> {
        match self.pace {
            Pace::Open(rate) => {
                let all = (self.end - self.start).as_secs_f64() * rate;
                Some((all.ceil() as u64).min(self.limit))
            }
            Pace::Closed => None,
        }
    }

    /// The next request, or `None` when count or time is up.
    fn next_turn(&self) -> Option<Turn> {
        let now = Instant::now();
        if now >= self.end {
            return None;
        }
        self.with(|state| {
            let due = match self.pace {
                Pace::Closed => now,
                Pace::Open(rate) => {
                    self.start + Duration::from_secs_f64(state.started as f64 / rate)
                }
            };
            if due >= self.end || state.started >= self.limit {
                return None;
            }
            state.started += 1;
            let (file, line) = state.source.pick();
            Some(Turn { due, file, line })
        })
    }
}

async fn work(load: Arc<Load>, connection: Connection) {
    let mut connection = Some(connection);
    while let Some(turn) = load.next_turn() {
        wait_until(turn.due).await;
        if Instant::now() >= load.end {
            load.with(|state| state.started -= 1);
            return;
        }
        send(&load, &mut connection, &turn).await;
    }
}

async fn wait_until(due: Instant) {
    if let Some(coarse) = due.checked_sub(TIMER_GRAIN)
        && coarse > Instant::now()
    {
        sleep_until(coarse.into()).await;
    }
    while Instant::now() < due {
        yield_now().await;
    }
}

async fn send(load: &Load, connection: &mut Option<Connection>, turn: &Turn) {
    let sent = Instant::now();
    let request = &load.requests[turn.file][turn.line];
    let exchange = exchange(load.address, connection, request);
    let outcome = timeout(load.timeout, exchange)
        .await
        .unwrap_or(Err(Fault::Timeout));
    let done = Instant::now();
    load.with(|state| {
        let report = &mut state.report;
        report.late_starts += u64::from(sent - turn.due > LATE);
        match outcome {
            Ok(answer) => report.answer(answer, done - turn.due, done - sent),
            Err(fault) => report.fault(fault.label()),
        }
    });
    if outcome.is_err() {
        *connection = None;
        tokio::time::sleep(RECONNECT_PAUSE).await;
    }
}

async fn exchange(
    address: SocketAddr,
    connection: &mut Option<Connection>,
    request: &[u8],
) -> Result<Answer, Fault> {
    let open = match connection {
        Some(open) => open,
        None => connection.insert(
            Connection::open(address)
                .await
                .map_err(|_| Fault::Connect)?,
        ),
    };
    let answer = open.exchange(request).await?;
    if !answer.keep_alive {
        *connection = None;
    }
    Ok(answer)
}
