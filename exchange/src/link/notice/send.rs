//! The thread that sends notices: takes them out of the queue, keeps what must be kept, and
//! delivers a bounded number at once.

use super::deliver::attempt;
use super::journal::{Journal, Settled, Unusable};
use super::{Inbox, Kind, Notice, Queued, Settings};
use crate::Clock;
use crate::counters::{Counters, Deliveries, NoticeEvent};
use crate::link::breaker::{Breaker, Ticket};
use crate::link::call::Failure;
use crate::link::hosts::Hosts;
use crate::link::pool::Manner;
use crate::link::tls::Trust;
use std::collections::{HashMap, HashSet, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// What sending takes besides the queue.
pub struct Post<C, W, R> {
    /// The monotonic clock.
    pub clock: C,
    /// Unix milliseconds, for what outlives the process.
    pub unix_ms: W,
    /// The counts of a partner, for notices of an earlier run.
    pub counts: R,
    /// Whom encrypted notices trust.
    pub trust: Trust,
    /// Where notices are kept.
    pub journal: Journal,
}

/// How often those that wait in the journal are looked at.
const TICK: Duration = Duration::from_millis(50);
/// How often old sales are forgotten and backlogs counted.
const SWEEP_TICKS: u32 = 100;
/// How many notices are taken out of the queue at once.
const BATCH: usize = 256;
/// How long notices of a partner whose breaker is open, or that has enough under way, wait.
const REST: Duration = Duration::from_millis(500);
/// After how long the key of a sale is forgotten, on top of the time for its notice.
const SALES_KEPT: Duration = Duration::from_hours(48);

/// What is known of one partner while notices are sent.
#[derive(Default)]
struct Lane {
    breaker: Rc<Breaker>,
    under_way: usize,
    /// Notices to be tried now, with the time since when they are.
    queue: VecDeque<(Notice, i64)>,
}

/// The answer to one notice.
struct Delivered {
    notice: Notice,
    ticket: Ticket,
    since_ms: i64,
    result: Result<(), Failure>,
}

/// A billing notice, its sale, and who waits until it is kept.
type Sale = (Notice, [u8; 16], oneshot::Sender<()>);

struct Sender<C, W, R> {
    settings: Settings,
    counters: Arc<Counters>,
    post: Post<C, W, R>,
    hosts: Rc<Hosts>,
    lanes: HashMap<Arc<str>, Lane>,
    /// Partners with something in their queue, whose turn is next first.
    turns: VecDeque<Arc<str>>,
    /// Notices in all queues.
    queued: usize,
    under_way: JoinSet<Delivered>,
    /// What the next batch writes.
    later: Vec<(Notice, Duration)>,
    settled: Vec<(i64, Settled)>,
    /// Until when the journal is not looked at, because what it held was of resting partners.
    look_again: Option<Instant>,
}

/// Sends notices until `stop` ends, or every [`Outbox`](super::Outbox) is gone and nothing waits
/// any more. At the stop, what is in the queue goes into the journal. It runs on a local task
/// set, since its pools belong to one thread. While the journal fails, which is counted, sales are
/// not acknowledged and what was put off waits in memory.
pub async fn send<C, W, R>(mut inbox: Inbox, post: Post<C, W, R>, stop: impl Future<Output = ()>)
where
    C: Clock,
    W: Fn() -> i64,
    R: Fn(&str) -> Option<Arc<Deliveries>>,
{
    let mut sender = Sender::new(&inbox, post);
    let mut stop = std::pin::pin!(stop);
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let (mut open, mut ticks) = (true, 0_u32);
    let mut batch = Vec::with_capacity(BATCH);
    while open || !sender.is_idle() {
        tokio::select! {
                   taken = inbox.receiver.recv_many(&mut batch, BATCH), if open => {
                       open = taken > 0;
                       sender.take(batch.drain(..));
                   }
                   Some(joined) = sender.under_way.join_next() => {
                       sender.settle(joined.ok());
                       sender.pump();
                   }
                   _ = tick.tick() => {
                       sender.flush();
                       if sender.load().is_err() { sender.journal_failed(); }
                       ticks = ticks.wrapping_add(1);
                       if ticks.is_multiple_of(SWEEP_TICKS) && sender.sweep().is_err() {
        sender.journal_failed();
        }
                   }
                   () = &mut stop => break,
               }
    }
    sender.leave(&mut inbox).await;
}

impl<C, W, R> Sender<C, W, R>
where
    C: Clock,
    W: Fn() -> i64,
    R: Fn(&str) -> Option<Arc<Deliveries>>,
{
    fn new(inbox: &Inbox, post: Post<C, W, R>) -> Self {
        let settings = inbox.settings;
        let manner = Manner {
            connections: Self::share(settings),
            waiting: settings.in_flight,
            http2: false,
            trust: post.trust.clone(),
            timing: None,
        };
        Self {
            settings,
            counters: Arc::clone(&inbox.counters),
            post,
            hosts: Rc::new(Hosts::new(manner, settings.hosts)),
            lanes: HashMap::new(),
            turns: VecDeque::new(),
            queued: 0,
            under_way: JoinSet::new(),
            later: Vec::new(),
            settled: Vec::new(),
            look_again: None,
        }
    }

    /// What one partner may have under way: the rest is for the others.
    fn share(settings: Settings) -> usize {
        (settings.in_flight / 4).max(1)
    }

    fn is_idle(&self) -> bool {
        let waits = self.post.journal.waiting() > 0 || !self.later.is_empty();
        self.under_way.is_empty() && self.queued == 0 && !waits && self.settled.is_empty()
    }

    /// Takes a batch out of the queue: billing notices are kept first, then all are tried.
    fn take(&mut self, batch: impl Iterator<Item = Queued>) {
        let now_ms = (self.post.unix_ms)();
        let mut fresh = Vec::new();
        let mut sales = Vec::new();
        for Queued { notice, sale } in batch {
            match sale {
                None => fresh.push(notice),
                Some((key, kept)) if self.post.journal.has_room(sales.len() + 1) => {
                    sales.push((notice, key, kept));
                }
                // Who waits for it learns by the sender's end.
                Some(_) => notice.count(&self.counters, NoticeEvent::Dropped),
            }
        }
        for notice in &fresh {
            notice.count(&self.counters, NoticeEvent::Queued);
        }
        if !sales.is_empty() {
            fresh.extend(self.keep(sales, now_ms));
        }
        for notice in fresh {
            self.enqueue(notice, now_ms);
        }
        self.pump();
        if self.later.len() >= BATCH {
            self.flush();
        }
    }

    /// Keeps the billing notices of sales, and gives back those whose sale is new.
    fn keep(&mut self, sales: Vec<Sale>, now_ms: i64) -> Vec<Notice> {
        let keyed: Vec<_> = sales
            .iter()
            .map(|(notice, key, _)| (notice, *key))
            .collect();
        let journal = &mut self.post.journal;
        let Ok(places) = journal.write(&keyed, &[], &self.settled, now_ms) else {
            self.journal_failed();
            return Vec::new();
        };
        self.settled.clear();
        let mut new = Vec::with_capacity(sales.len());
        for ((mut notice, _, kept), place) in sales.into_iter().zip(places) {
            // Before it is acknowledged: who has the answer finds it among those to come.
            if place.is_some() {
                notice.count(&self.counters, NoticeEvent::Queued);
            }
            // Whoever reported the impression may have gone; the notice goes out all the same.
            let _ = kept.send(());
            if place.is_some() {
                notice.place = place;
                new.push(notice);
            }
        }
        new
    }

    fn journal_failed(&self) {
        self.counters.notices.count(NoticeEvent::JournalFailed);
    }

    /// Queues a notice to be tried, or puts it off where enough are queued.
    fn enqueue(&mut self, notice: Notice, since_ms: i64) {
        if self.queued >= self.settings.queue {
            self.put_off(notice, Duration::ZERO);
            return;
        }
        let partner = Arc::clone(&notice.partner);
        let lane = self.lanes.entry(Arc::clone(&partner)).or_default();
        if lane.queue.is_empty() {
            self.turns.push_back(partner);
        }
        lane.queue.push_back((notice, since_ms));
        self.queued += 1;
    }

    /// Begins as many attempts as there may be under way, each partner in its turn.
    fn pump(&mut self) {
        let share = Self::share(self.settings);
        let mut passed = 0;
        while self.under_way.len() < self.settings.in_flight && passed < self.turns.len() {
            let Some(partner) = self.turns.pop_front() else {
                return;
            };
            let Some(lane) = self.lanes.get_mut(&partner) else {
                continue;
            };
            if lane.under_way >= share {
                self.turns.push_back(partner);
                passed += 1;
                continue;
            }
            let Some((notice, since_ms)) = lane.queue.pop_front() else {
                continue;
            };
            self.queued -= 1;
            if !lane.queue.is_empty() {
                self.turns.push_back(partner);
            }
            let ticket = lane.breaker.admit(self.post.clock.now());
            let Some(ticket) = ticket else {
                self.put_off(notice, REST);
                continue;
            };
            lane.under_way += 1;
            passed = 0;
            let (hosts, timeout) = (Rc::clone(&self.hosts), self.settings.timeout);
            self.under_way.spawn_local(async move {
                let tried = tokio::time::timeout(timeout, attempt(&hosts, &notice)).await;
                Delivered {
                    result: tried.unwrap_or(Err(Failure::Broken)),
                    notice,
                    ticket,
                    since_ms,
                }
            });
        }
    }

    fn put_off(&mut self, notice: Notice, pause: Duration) {
        if let Some(place) = notice.place {
            let attempts = notice.attempts;
            self.settled
                .push((place, Settled::Again { attempts, pause }));
        } else if self.post.journal.has_room(self.later.len() + 1) {
            self.later.push((notice, pause));
        } else {
            notice.count(&self.counters, NoticeEvent::Dropped);
        }
    }

    fn settle(&mut self, delivered: Option<Delivered>) {
        // A task that panicked has taken its notice with it; a kept one comes back at a restart.
        let Some(mut delivered) = delivered else {
            return;
        };
        let now = self.post.clock.now();
        let notice = &mut delivered.notice;
        if let Some(lane) = self.lanes.get_mut(&notice.partner) {
            lane.under_way -= 1;
        }
        notice.attempts += 1;
        let event = match delivered.result {
            Ok(()) => NoticeEvent::Delivered,
            Err(Failure::Forbidden) => NoticeEvent::Forbidden,
            Err(_) if self.is_spent(notice, delivered.since_ms) => NoticeEvent::GivenUp,
            Err(_) => NoticeEvent::Retried,
        };
        notice.count(&self.counters, event);
        match event {
            NoticeEvent::Delivered | NoticeEvent::Forbidden => delivered.ticket.succeeded(now),
            _ => delivered.ticket.failed(now),
        }
        if event == NoticeEvent::Retried {
            let pause = self.pause(delivered.notice.attempts);
            self.put_off(delivered.notice, pause);
        } else if let Some(place) = delivered.notice.place {
            self.settled.push((place, Settled::Done));
        }
    }

    fn is_spent(&self, notice: &Notice, since_ms: i64) -> bool {
        match notice.kind {
            Kind::Win | Kind::Loss => notice.attempts >= self.settings.attempts,
            Kind::Bill => {
                let age = (self.post.unix_ms)().saturating_sub(since_ms);
                u128::from(age.max(0).unsigned_abs()) > self.settings.billing.as_millis()
            }
        }
    }

    fn pause(&self, attempts: u32) -> Duration {
        let doubled = self.settings.backoff * (1 << (attempts - 1).min(16));
        doubled.min(self.settings.longest_pause)
    }

    /// Writes what was put off and what was settled.
    fn flush(&mut self) {
        if self.later.is_empty() && self.settled.is_empty() {
            return;
        }
        let now_ms = (self.post.unix_ms)();
        let journal = &mut self.post.journal;
        let written = journal.write(&[], &self.later, &self.settled, now_ms);
        if written.is_ok() {
            self.later.clear();
            self.settled.clear();
            return;
        }
        self.journal_failed();
        let most = self.settings.queue.min(self.later.len());
        for (notice, _) in self.later.drain(most..) {
            notice.count(&self.counters, NoticeEvent::Dropped);
        }
    }

    /// Takes what is due out of the journal, as much as there is room for.
    fn load(&mut self) -> Result<(), Unusable> {
        let room = (self.settings.in_flight * 2).saturating_sub(self.queued);
        let now: Instant = self.post.clock.now();
        let waits = self.look_again.is_some_and(|due| now < due);
        if room == 0 || waits || self.post.journal.waiting() == 0 {
            return Ok(());
        }
        let share = Self::share(self.settings);
        let resting: HashSet<Arc<str>> = self
            .lanes
            .iter()
            .filter(|(_, lane)| lane.queue.len() >= share || lane.breaker.is_open(now))
            .map(|(partner, _)| Arc::clone(partner))
            .collect();
        let now_ms = (self.post.unix_ms)();
        let due = self.post.journal.due(room, &resting, now_ms)?;
        // Nothing but what rests: the same rows would be passed over at each tick.
        let idle = due.is_empty() && !resting.is_empty();
        self.look_again = idle.then(|| now + REST);
        for (mut notice, since_ms) in due {
            notice.counts = (self.post.counts)(&notice.partner);
            self.enqueue(notice, since_ms);
        }
        self.pump();
        Ok(())
    }

    fn sweep(&mut self) -> Result<(), Unusable> {
        let now_ms = (self.post.unix_ms)();
        let journal = &mut self.post.journal;
        journal.forget(self.settings.billing + SALES_KEPT, now_ms)?;
        for partner in self.lanes.keys() {
            if let Some(counts) = (self.post.counts)(partner) {
                let waiting = journal.backlog().get(&**partner).copied().unwrap_or(0);
                counts.set_waiting(waiting);
            }
        }
        let now = self.post.clock.now();
        let idle = |lane: &Lane| lane.under_way == 0 && lane.queue.is_empty();
        self.lanes
            .retain(|_, lane| !idle(lane) || lane.breaker.is_open(now));
        Ok(())
    }

    /// Keeps what is in the queue and under way, for the next run.
    async fn leave(mut self, inbox: &mut Inbox) {
        inbox.receiver.close();
        let mut rest = Vec::new();
        while inbox.receiver.recv_many(&mut rest, BATCH).await > 0 {
            self.take(rest.drain(..));
        }
        let queues = self
            .lanes
            .values_mut()
            .flat_map(|lane| lane.queue.drain(..));
        for (notice, _) in queues.collect::<Vec<_>>() {
            self.put_off(notice, Duration::ZERO);
        }
        self.queued = 0;
        while let Some(joined) = self.under_way.join_next().await {
            self.settle(joined.ok());
        }
        self.flush();
    }
}
