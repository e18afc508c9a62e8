//! The one thread that writes: it gathers events, applies them in one transaction, and answers
//! each sender after the commit.
//!
//! The queue is bounded; when it is full the sender is told so at once. After a failed commit the
//! writer refuses everything: what the database holds is then unknown, and a retry as if nothing
//! had happened could charge twice.

use crate::event::{Event, Outcome, Refusal};
use crate::lease::Book;
use crate::money::Micros;
use crate::reservation::Reservations;
use crate::store::{Funding, Store};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// Most events of one transaction.
const BATCH: usize = 2048;

/// Told what became of an event, after it is durable.
pub type Reply = Box<dyn FnOnce(Result<Outcome, Refusal>) + Send>;
/// Work on the store between batches.
pub type Work = Box<dyn FnOnce(&mut dyn Store) + Send>;

enum Command {
    Record(Box<Event>, Reply),
    Work(Work),
    Stop,
}

/// A handle to the writer; clones share it.
#[derive(Clone)]
pub struct Writer {
    queue: SyncSender<Command>,
    healthy: Arc<AtomicBool>,
}

impl Writer {
    /// Starts the writer's thread over `store`. A batch waits up to `window` for company.
    ///
    /// # Panics
    /// Where the system cannot start a thread.
    pub fn start(
        store: Box<dyn Store + Send>,
        book: Arc<Book>,
        reservations: Arc<Reservations>,
        capacity: usize,
        window: Duration,
    ) -> (Self, JoinHandle<()>) {
        let (queue, commands) = sync_channel(capacity);
        let healthy = Arc::new(AtomicBool::new(true));
        let mut state = State {
            store,
            book,
            reservations,
            healthy: Arc::clone(&healthy),
            window,
        };
        let thread = std::thread::Builder::new()
            .name("ledger".to_owned())
            .spawn(move || state.run(&commands))
            .expect("the system can start the ledger's thread");
        (Self { queue, healthy }, thread)
    }

    /// Hands an event over; `reply` is called after the commit, or at once with a refusal.
    pub fn record(&self, event: Event, reply: Reply) {
        let refused = match self.queue.try_send(Command::Record(Box::new(event), reply)) {
            Ok(()) => return,
            Err(TrySendError::Full(command)) => (command, Refusal::Busy),
            Err(TrySendError::Disconnected(command)) => (command, Refusal::Stopped),
        };
        if let (Command::Record(_, reply), refusal) = refused {
            reply(Err(refusal));
        }
    }

    /// Runs work on the store and waits for its result; `None` when the writer has ended.
    pub fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut dyn Store) -> T + Send + 'static,
    ) -> Option<T> {
        let (answer, answered) = sync_channel(1);
        let work: Work = Box::new(move |store| {
            // The caller may have given up waiting; the work is done all the same.
            let _ = answer.send(work(store));
        });
        self.queue.send(Command::Work(work)).ok()?;
        answered.recv().ok()
    }

    /// Whether commits succeed.
    pub fn is_healthy(&self) -> bool {
        self.healthy.load(Ordering::Acquire)
    }

    /// Asks the writer to end after what is queued.
    pub fn stop(&self) {
        // A writer that has ended needs no telling.
        let _ = self.queue.send(Command::Stop);
    }
}

struct State {
    store: Box<dyn Store + Send>,
    book: Arc<Book>,
    reservations: Arc<Reservations>,
    healthy: Arc<AtomicBool>,
    window: Duration,
}

impl State {
    fn run(&mut self, commands: &Receiver<Command>) {
        let mut events = Vec::new();
        let mut replies = Vec::new();
        while let Ok(first) = commands.recv() {
            let mut next = Some(first);
            let mut stop = false;
            let mut work = None;
            while let Some(command) = next.take() {
                match command {
                    Command::Record(event, reply) => {
                        events.push(*event);
                        replies.push(reply);
                    }
                    Command::Work(job) => work = Some(job),
                    Command::Stop => stop = true,
                }
                if work.is_some() || stop || events.len() >= BATCH {
                    break;
                }
                // The first event waits for company once; the others take what is there.
                let patience = if events.len() == 1 {
                    self.window
                } else {
                    Duration::ZERO
                };
                next = commands.recv_timeout(patience).ok();
            }
            self.commit(&mut events, &mut replies);
            if let Some(work) = work {
                work(self.store.as_mut());
            }
            if stop {
                return;
            }
        }
    }

    fn commit(&mut self, events: &mut Vec<Event>, replies: &mut Vec<Reply>) {
        if events.is_empty() {
            return;
        }
        let results: Vec<Result<Outcome, Refusal>> = if self.healthy.load(Ordering::Acquire) {
            let (book, reservations, epoch) = (&self.book, &self.reservations, self.store.epoch());
            let mut funding = |event: &Event, cost: Micros| match event.reservation {
                Some((of, id)) if of == epoch && reservations.settle(book, id, cost) => {
                    Funding::Lease
                }
                _ => Funding::Late,
            };
            if let Ok(outcomes) = self.store.apply(events, &mut funding) {
                outcomes.into_iter().map(Ok).collect()
            } else {
                self.healthy.store(false, Ordering::Release);
                vec![Err(Refusal::Stopped); events.len()]
            }
        } else {
            vec![Err(Refusal::Stopped); events.len()]
        };
        events.clear();
        for (reply, result) in replies.drain(..).zip(results) {
            reply(result);
        }
    }
}
