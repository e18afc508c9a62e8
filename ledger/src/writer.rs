//! The one thread that writes: it gathers events, applies them in one transaction, and answers
//! each sender after the commit.
//!
//! The queue is bounded; when it is full the sender is told so at once. After a failed commit the
//! writer refuses everything until the books are opened again: what the database holds is then
//! unknown, and a retry as if nothing had happened could charge twice. Whatever happens to the thread, every event is answered.

use crate::conversion::{Conversion, Credit};
use crate::event::{Event, Outcome, Refusal};
use crate::exposure::Shown;
use crate::lease::Book;
use crate::letter::DeadLetter;
use crate::money::Micros;
use crate::reservation::Reservations;
use crate::store::{Funding, Store, StoreError};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// Most events of one transaction.
const BATCH: usize = 2048;

/// Told what became of an event, after it is durable.
pub type Reply = Told<Outcome>;
/// Told of each impression once it is durable, before its sender is.
pub type Audience = Box<dyn FnMut(&Shown) + Send>;
/// Told what became of a conversion, after it is durable.
pub type Credited = Told<Credit>;
/// Told what became of something that was to be written.
pub type Told<T> = Box<dyn FnOnce(Result<T, Refusal>) + Send>;
/// Work on the store between batches.
pub type Work = Box<dyn FnOnce(&mut dyn Store) + Send>;

enum Command {
    Record(Box<Event>, Pending<Outcome>),
    Refuse(Box<DeadLetter>, Pending<Outcome>),
    Convert(Box<Conversion>, Pending<Credit>),
    Work(Work),
    Reopen(Box<Run>),
    Stop,
}

/// What a run of the node writes to and spends from.
struct Run {
    store: Box<dyn Store + Send>,
    book: Arc<Book>,
    reservations: Arc<Reservations>,
}

/// An answer that is owed. One that is dropped, with the queue or by a panic, answers too.
struct Pending<T>(Option<Told<T>>);

impl<T> Pending<T> {
    fn answer(mut self, result: Result<T, Refusal>) {
        self.give(result);
    }

    fn give(&mut self, result: Result<T, Refusal>) {
        if let Some(reply) = self.0.take() {
            // A sender that panics has itself to blame; the ledger goes on for the others.
            let _ = catch_unwind(AssertUnwindSafe(|| reply(result)));
        }
    }
}

impl<T> Drop for Pending<T> {
    fn drop(&mut self) {
        self.give(Err(Refusal::Stopped));
    }
}

/// A handle to the writer; clones share it.
#[derive(Clone)]
pub struct Writer {
    queue: SyncSender<Command>,
    healthy: Arc<AtomicBool>,
}

impl Writer {
    /// Starts the writer's thread over `store`. A batch waits up to `window` for company.
    /// `audience` hears of every impression that somebody counts.
    ///
    /// # Panics
    /// Where the system cannot start a thread.
    pub fn start(
        store: Box<dyn Store + Send>,
        book: Arc<Book>,
        reservations: Arc<Reservations>,
        audience: Audience,
        capacity: usize,
        window: Duration,
    ) -> (Self, JoinHandle<()>) {
        let (queue, commands) = sync_channel(capacity);
        let healthy = Arc::new(AtomicBool::new(true));
        let mut state = State {
            run: Run {
                store,
                book,
                reservations,
            },
            audience,
            healthy: Arc::clone(&healthy),
            window,
        };
        let thread = std::thread::Builder::new()
            .name("ledger".to_owned())
            .spawn(move || state.work(&commands))
            .expect("the system can start the ledger's thread");
        (Self { queue, healthy }, thread)
    }

    /// Hands an event over; `reply` is called after the commit, or at once with a refusal.
    pub fn record(&self, event: Event, reply: Reply) {
        self.enqueue(Command::Record(Box::new(event), Pending(Some(reply))));
    }

    /// Hands over a notice that was refused: it is kept and nothing is charged. `reply` is called
    /// after the commit, or at once with a refusal.
    pub fn refuse(&self, letter: DeadLetter, reply: Reply) {
        self.enqueue(Command::Refuse(Box::new(letter), Pending(Some(reply))));
    }

    /// Hands a conversion over; `reply` is called after the commit, or at once with a refusal.
    pub fn convert(&self, conversion: Conversion, reply: Credited) {
        self.enqueue(Command::Convert(Box::new(conversion), Pending(Some(reply))));
    }

    /// Queues an event or answers it at once. Never waits.
    fn enqueue(&self, command: Command) {
        let (command, refusal) = match self.queue.try_send(command) {
            Ok(()) => return,
            Err(TrySendError::Full(command)) => (command, Refusal::Busy),
            Err(TrySendError::Disconnected(command)) => (command, Refusal::Stopped),
        };
        match command {
            Command::Record(_, pending) | Command::Refuse(_, pending) => {
                pending.answer(Err(refusal));
            }
            Command::Convert(_, pending) => pending.answer(Err(refusal)),
            Command::Work(_) | Command::Reopen(_) | Command::Stop => {}
        }
    }

    /// Runs work on the store and waits for its result; `None` when the writer has ended or has
    /// stopped after a failure, so that no lease is granted by books that cannot be written.
    pub fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut dyn Store) -> T + Send + 'static,
    ) -> Option<T> {
        let (answer, answered) = sync_channel(1);
        let healthy = Arc::clone(&self.healthy);
        let work: Work = Box::new(move |store| {
            // The flag falls before the caller, whose answer goes with the panic, can look at it.
            match catch_unwind(AssertUnwindSafe(|| work(store))) {
                // The caller may have given up waiting; the work is done all the same.
                Ok(done) => drop(answer.send(done)),
                Err(_) => healthy.store(false, Ordering::Release),
            }
        });
        self.queue.send(Command::Work(work)).ok()?;
        answered.recv().ok()
    }

    /// Whether commits succeed. Where they do not, the node must stop bidding: nothing that it
    /// buys would be charged before the ledger is reopened.
    pub fn is_healthy(&self) -> bool {
        self.healthy.load(Ordering::Acquire)
    }

    /// Puts books that were opened anew in the place of those that failed, with the leases and
    /// reservations of the run that begins with them. Bids of the run before are billed from
    /// what the ledger has frozen of it. Says whether the writer is still there.
    pub fn reopen(
        &self,
        store: Box<dyn Store + Send>,
        book: Arc<Book>,
        reservations: Arc<Reservations>,
    ) -> bool {
        let run = Run {
            store,
            book,
            reservations,
        };
        let sent = self.queue.send(Command::Reopen(Box::new(run)));
        // What is queued before it is refused; the run has begun when a call is answered.
        sent.is_ok() && self.call(|_| ()).is_some()
    }

    /// Asks the writer to end after what is queued.
    pub fn stop(&self) {
        // A writer that has ended needs no telling.
        let _ = self.queue.send(Command::Stop);
    }
}

struct State {
    run: Run,
    audience: Audience,
    healthy: Arc<AtomicBool>,
    window: Duration,
}

impl State {
    fn work(&mut self, commands: &Receiver<Command>) {
        let mut events = Vec::new();
        let mut replies = Vec::new();
        let mut letters = (Vec::new(), Vec::new());
        let mut conversions = (Vec::new(), Vec::new());
        while let Ok(first) = commands.recv() {
            let mut next = Some(first);
            let mut stop = false;
            let mut work = None;
            let mut reopened = None;
            while let Some(command) = next.take() {
                match command {
                    Command::Record(event, reply) => {
                        events.push(*event);
                        replies.push(reply);
                    }
                    Command::Refuse(letter, reply) => {
                        letters.0.push(*letter);
                        letters.1.push(reply);
                    }
                    Command::Convert(conversion, reply) => {
                        conversions.0.push(*conversion);
                        conversions.1.push(reply);
                    }
                    Command::Work(job) => work = Some(job),
                    Command::Reopen(run) => reopened = Some(run),
                    Command::Stop => stop = true,
                }
                if work.is_some() || reopened.is_some() || stop {
                    break;
                }
                let gathered = events.len() + letters.0.len() + conversions.0.len();
                if gathered >= BATCH {
                    break;
                }
                // The first event waits for company once; the others take what is there.
                let patience = if gathered == 1 {
                    self.window
                } else {
                    Duration::ZERO
                };
                next = commands.recv_timeout(patience).ok();
            }
            self.commit(&mut events, &mut replies);
            self.write(&mut letters, |store, letters| store.refuse(letters));
            self.write(&mut conversions, |store, all| store.convert(all));
            if self.healthy.load(Ordering::Acquire) {
                self.run.store.rest();
            }
            if let Some(work) = work.filter(|_| self.healthy.load(Ordering::Acquire)) {
                work(self.run.store.as_mut());
            }
            if let Some(run) = reopened {
                self.run = *run;
                self.healthy.store(true, Ordering::Release);
            }
            if stop {
                return;
            }
        }
    }

    fn commit(&mut self, events: &mut Vec<Event>, replies: &mut Vec<Pending<Outcome>>) {
        if events.is_empty() {
            return;
        }
        let results = self.apply(events);
        events.clear();
        for shown in self.run.store.shown() {
            (self.audience)(&shown);
        }
        for (pending, result) in replies.drain(..).zip(results) {
            pending.answer(result);
        }
    }

    /// Writes a batch of its own. Where that fails the writer stops, as it does for any write that
    /// fails.
    fn write<I, O>(
        &mut self,
        (items, replies): &mut (Vec<I>, Vec<Pending<O>>),
        work: impl FnOnce(&mut dyn Store, &[I]) -> Result<Vec<O>, StoreError>,
    ) {
        if items.is_empty() {
            return;
        }
        let mut written = None;
        if self.healthy.load(Ordering::Acquire) {
            let store = self.run.store.as_mut();
            let done = catch_unwind(AssertUnwindSafe(|| work(store, items)));
            written = done.ok().and_then(Result::ok);
            if written.is_none() {
                self.healthy.store(false, Ordering::Release);
            }
        }
        items.clear();
        let mut written = written.unwrap_or_default().into_iter();
        for pending in replies.drain(..) {
            pending.answer(written.next().ok_or(Refusal::Stopped));
        }
    }

    fn apply(&mut self, events: &[Event]) -> Vec<Result<Outcome, Refusal>> {
        let refused = || vec![Err(Refusal::Stopped); events.len()];
        if !self.healthy.load(Ordering::Acquire) {
            return refused();
        }
        let Run {
            store,
            book,
            reservations,
        } = &mut self.run;
        let epoch = store.epoch();
        let mut funding = |event: &Event, cost: Micros| match event.reservation {
            Some((of, id)) if of == epoch => {
                let settled = reservations.settle(book, id, cost);
                settled.map_or(Funding::Late, |settled| Funding::Lease {
                    held: settled.covered,
                })
            }
            Some((of, _)) if of < epoch => Funding::Frozen { epoch: of },
            // A run of the future is a file put back from a backup; there is nothing to draw on.
            Some(_) | None => Funding::Late,
        };
        let applied = catch_unwind(AssertUnwindSafe(|| store.apply(events, &mut funding)));
        if let Ok(Ok(outcomes)) = applied {
            return outcomes.into_iter().map(Ok).collect();
        }
        self.healthy.store(false, Ordering::Release);
        refused()
    }
}
