//! Win, loss and billing notices, sent by the exchange: queued, bounded, durable, tried again.
//!
//! An auction only queues. One thread delivers a bounded number at once over keep-alive pools of
//! its own. A **billing notice** is in the [`Journal`] before it is acknowledged to whoever
//! reported the impression, once for its sale, and is tried until it is delivered or too old. A
//! **win or loss notice** is tried from memory first and goes into the journal when that fails
//! or when the node stops; a crash can lose those of the last moment. What fails waits, twice as
//! long each time. A partner that fails again and again is left alone by a breaker of its own,
//! so that it delays nobody else's notices. `200` or `204` is delivered; a redirect is a failure.
//! What exceeds a bound is dropped and counted.

mod deliver;
mod journal;
mod send;

pub(super) use deliver::get;
pub use journal::{Journal, Unusable};
pub use send::{Post, send};

use crate::counters::{Counters, Deliveries, NoticeEvent};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

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

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 3] = [Kind::Win, Kind::Loss, Kind::Bill];

    /// Name as a metric label.
    pub fn label(self) -> &'static str {
        match self {
            Kind::Win => "win",
            Kind::Loss => "loss",
            Kind::Bill => "bill",
        }
    }
}

/// The device that an impression is on, for the headers of a notice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Device {
    /// Its address, as much of it as may be told.
    pub ip: Option<String>,
    /// What it calls itself.
    pub user_agent: Option<String>,
}

/// A notice to a partner.
#[derive(Clone, Debug)]
pub struct Notice {
    /// What it tells.
    pub kind: Kind,
    /// The partner's id.
    pub partner: Arc<str>,
    /// The address with its macros filled.
    pub url: String,
    /// Whether it may go to a private address: as allowed for the partner.
    pub allow_private: bool,
    /// What it says about the device, for partners that are told.
    pub device: Option<Device>,
    /// The partner's counts; `None` where the partner is no longer one.
    pub counts: Option<Arc<Deliveries>>,
    /// Attempts so far.
    attempts: u32,
    /// Its place in the journal, where it is in there.
    place: Option<i64>,
}

impl Notice {
    /// A notice that was not tried yet.
    pub fn new(kind: Kind, partner: Arc<str>, url: String, allow_private: bool) -> Self {
        Self {
            kind,
            partner,
            url,
            allow_private,
            device: None,
            counts: None,
            attempts: 0,
            place: None,
        }
    }

    /// The notice counted with its partner's.
    #[must_use]
    pub fn counted(self, counts: Arc<Deliveries>) -> Self {
        Self {
            counts: Some(counts),
            ..self
        }
    }

    /// The notice with what it tells of the device.
    #[must_use]
    pub fn about(self, device: Option<Device>) -> Self {
        Self { device, ..self }
    }

    fn count(&self, counters: &Counters, event: NoticeEvent) {
        counters.notices.count(event);
        if let Some(counts) = &self.counts {
            counts.of(self.kind).count(event);
        }
    }
}

/// How notices are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Most notices that wait in memory.
    pub queue: usize,
    /// Most notices under way at once; a partner may take a quarter of them.
    pub in_flight: usize,
    /// How often a win or loss notice is tried.
    pub attempts: u32,
    /// How long a billing notice is tried.
    pub billing: Duration,
    /// Pause after the first failure; it doubles with each further one.
    pub backoff: Duration,
    /// Longest pause.
    pub longest_pause: Duration,
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
            billing: Duration::from_hours(24),
            backoff: Duration::from_millis(500),
            longest_pause: Duration::from_mins(5),
            timeout: Duration::from_secs(2),
            hosts: 64,
        }
    }
}

/// A notice on its way to the sender, and what waits for it to be durable.
struct Queued {
    notice: Notice,
    /// The sale that a billing notice is for, and who wants to know that it is kept.
    sale: Option<([u8; 16], oneshot::Sender<()>)>,
}

/// The end of the queue into which auctions put notices.
#[derive(Clone)]
pub struct Outbox {
    sender: mpsc::Sender<Queued>,
    counters: Arc<Counters>,
}

/// The end of the queue from which notices are sent.
pub struct Inbox {
    receiver: mpsc::Receiver<Queued>,
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
    let inbox = Inbox {
        receiver,
        settings,
        counters: Arc::clone(counters),
    };
    (outbox, inbox)
}

/// A billing notice could not be kept; the sale may be reported again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the billing notice could not be kept, as too many wait or the disk does not take it")]
pub struct NotKept;

impl Outbox {
    /// Queues a win or loss notice; where the queue is full it is dropped and counted.
    pub fn put(&self, notice: Notice) {
        // Whether it was kept is not waited for.
        let _ = self.queue(Queued { notice, sale: None });
    }

    /// Queues the billing notice of a sale and waits until it is durable. The same sale again
    /// changes nothing.
    ///
    /// # Errors
    /// [`NotKept`], after which the sale is to be reported again.
    pub async fn bill(&self, notice: Notice, sale: [u8; 16]) -> Result<(), NotKept> {
        let (kept, waiting) = oneshot::channel();
        self.queue(Queued {
            notice,
            sale: Some((sale, kept)),
        })?;
        waiting.await.map_err(|_| NotKept)
    }

    fn queue(&self, queued: Queued) -> Result<(), NotKept> {
        match self.sender.try_send(queued) {
            Ok(()) => Ok(()),
            Err(
                mpsc::error::TrySendError::Full(queued) | mpsc::error::TrySendError::Closed(queued),
            ) => {
                queued.notice.count(&self.counters, NoticeEvent::Dropped);
                Err(NotKept)
            }
        }
    }
}
