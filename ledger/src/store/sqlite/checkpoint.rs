//! Keeping the write-ahead log short without making events wait for it.
//!
//! A checkpoint copies pages from the log into the file and synchronises both; done by the writer
//! every few thousand pages, as SQLite does unasked, it holds up whole batches. Here a thread
//! with a connection of its own copies while the writer goes on. It can never finish beside a
//! busy writer, and a log whose end is not reached is not begun anew; so when the log is long the
//! writer, between two batches and after it has answered, copies the few pages that are left.
//! (SQLite, "Write-Ahead Logging", section "Performance Considerations".)

use super::PATIENCE;
use crate::store::StoreError;
use rusqlite::Connection;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often the thread copies what has come.
const PERIOD: Duration = Duration::from_millis(200);
/// From how many pages of 4 KiB on the log is to begin anew: seldom enough that the writer's part
/// is in the way of less than one acknowledgement in a hundred.
const LONG: i64 = 16_000;
/// At how many pages the writer copies all by itself, should the thread have ended.
pub(super) const BACKSTOP: i64 = 64_000;

/// The thread that copies; it ends when this is dropped.
pub(super) struct Checkpointer {
    end: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    /// Something was written since the thread copied last.
    written: AtomicBool,
    /// The log is long and nearly copied.
    due: AtomicBool,
}

impl Checkpointer {
    /// Starts the thread over the same file.
    ///
    /// # Errors
    /// Where the file cannot be opened once more.
    ///
    /// # Panics
    /// Where the system cannot start a thread.
    pub(super) fn start(path: &Path) -> Result<Self, StoreError> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(PATIENCE)?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        let (end, ended) = sync_channel(0);
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        let copy = move || {
            while ended.recv_timeout(PERIOD) == Err(RecvTimeoutError::Timeout) {
                // What fails here is tried again, and in the end by the writer, whose failure
                // is told.
                if shared.written.swap(false, Ordering::Relaxed)
                    && let Ok(log) = passive(&connection)
                {
                    shared.due.store(log.pages >= LONG, Ordering::Relaxed);
                }
            }
        };
        let thread = std::thread::Builder::new()
            .name("checkpoint".to_owned())
            .spawn(copy)
            .expect("the system can start a thread beside the ledger's");
        Ok(Self {
            end: Some(end),
            thread: Some(thread),
            state,
        })
    }

    /// Called between batches with the writer's own connection.
    pub(super) fn rest(&self, writer: &Connection) {
        self.state.written.store(true, Ordering::Relaxed);
        if self.state.due.load(Ordering::Relaxed)
            && let Ok(log) = passive(writer)
            && !log.busy
        {
            self.state.due.store(false, Ordering::Relaxed);
        }
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            // It has nothing to tell; a panic of it has been printed.
            let _ = thread.join();
        }
    }
}

/// What a checkpoint found.
struct Log {
    /// Somebody else was copying.
    busy: bool,
    pages: i64,
}

/// Copies what can be copied without waiting for anybody.
fn passive(connection: &Connection) -> rusqlite::Result<Log> {
    connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| {
        Ok(Log {
            busy: row.get(0)?,
            pages: row.get(1)?,
        })
    })
}
