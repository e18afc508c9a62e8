//! The log's thread: writes what auctions put into its queue, and deletes what the configuration
//! does not keep. It shares the disk with the ledger and no lock but the short one of SQLite; the
//! bid path never waits for it.

use crate::clock;
use crate::config::Settings;
use crate::node::{self, Node};
use crate::shutdown::Shutdown;
use anyhow::{Context, Result};
use clap::Args;
use ledger::AuctionRecord;
use ledger::store::{AuctionFile, SqliteStore};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// Most records of one transaction.
const BATCH: usize = 1_024;
/// How often the shutdown is looked at.
const PATIENCE: Duration = Duration::from_millis(200);
/// How long the first record waits for company: a transaction costs as much as many records.
const COMPANY: Duration = Duration::from_millis(20);
/// How often old events are looked for, and how long a node runs before it does so first.
const PRUNED_EVERY: Duration = Duration::from_hours(1);
const PRUNED_AFTER: Duration = Duration::from_mins(1);
/// Rows that one transaction deletes, and the pause that the ledger's writer has between two.
const STEP: u32 = 2_000;
const PAUSE: Duration = Duration::from_millis(50);
/// After how long a fault that lasts is told again.
const TELL_AGAIN: Duration = Duration::from_mins(1);
const DAY_MS: i64 = 86_400_000;

/// Where the auction log of a storage directory is.
pub fn file(storage: &Path) -> PathBuf {
    storage.join("auctions.sqlite")
}

/// Writes and prunes until the shutdown, and then what is still queued. `report` is told of
/// faults: they cost records and are counted, never an auction.
pub fn keep(
    node: &Node,
    records: &Receiver<AuctionRecord>,
    shutdown: &Shutdown,
    report: impl Fn(&anyhow::Error),
) {
    let mut keeper = Keeper {
        node,
        file: None,
        told: None,
        prune_at: clock::now() + PRUNED_AFTER,
        report,
    };
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        // Looked at before the queue: what was put before the end is written.
        let ending = shutdown.begun();
        let gone = match records.recv_timeout(PATIENCE) {
            Ok(record) => {
                batch.push(record);
                if !ending {
                    std::thread::sleep(COMPANY);
                }
                false
            }
            Err(RecvTimeoutError::Timeout) => false,
            Err(RecvTimeoutError::Disconnected) => true,
        };
        batch.extend(records.try_iter().take(BATCH - batch.len()));
        let idle = batch.is_empty();
        keeper.write(&mut batch);
        if (ending && idle) || gone {
            return;
        }
        if clock::now() >= keeper.prune_at {
            keeper.prune_at = clock::now() + PRUNED_EVERY;
            let pruned = prune(&node.settings, || shutdown.begun());
            keeper.tell(pruned.map(|_| ()));
        }
    }
}

struct Keeper<'n, R> {
    node: &'n Node,
    file: Option<AuctionFile>,
    told: Option<(String, Instant)>,
    prune_at: Instant,
    report: R,
}

impl<R: Fn(&anyhow::Error)> Keeper<'_, R> {
    fn write(&mut self, batch: &mut Vec<AuctionRecord>) {
        if batch.is_empty() {
            return;
        }
        let written = self.append(batch);
        if written.is_err() {
            let failed = &self.node.auctions.counts().failed;
            failed.fetch_add(batch.len() as u64, Relaxed);
            // Opened anew with the next batch: the disk may have room again.
            self.file = None;
        }
        batch.clear();
        self.tell(written);
    }

    fn append(&mut self, batch: &[AuctionRecord]) -> Result<()> {
        if self.file.is_none() {
            let path = file(&self.node.settings.storage);
            self.file = Some(AuctionFile::open(&path)?);
        }
        if let Some(file) = &mut self.file {
            file.append(batch.iter())?;
        }
        Ok(())
    }

    /// Tells a fault, the same one once a minute.
    fn tell(&mut self, done: Result<()>) {
        let Err(error) = done.context("the auction log") else {
            return;
        };
        let (text, now) = (format!("{error:#}"), clock::now());
        let known = self.told.as_ref().is_some_and(|(told, at)| {
            *told == text && now.saturating_duration_since(*at) < TELL_AGAIN
        });
        if !known {
            (self.report)(&error);
            self.told = Some((text, now));
        }
    }
}

/// What pruning deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gone {
    /// Events of closed months.
    pub events: u64,
    /// Refusals of these months.
    pub refusals: u64,
    /// Logged auctions.
    pub auctions: u64,
    /// What was seen and clicked so long ago that no conversion is credited to it.
    pub touches: u64,
}

/// Deletes what the configuration does not keep, in short steps, until done or `interrupted`.
///
/// # Errors
/// Where a file cannot be opened or refuses; what was deleted until then stays deleted.
pub fn prune(settings: &Settings, interrupted: impl Fn() -> bool) -> Result<Gone> {
    let mut gone = Gone::default();
    let path = file(&settings.storage);
    if settings.log_auction_days > 0 && path.exists() {
        let kept = i64::from(settings.log_auction_days) * DAY_MS;
        let mut auctions = AuctionFile::open(&path)?;
        loop {
            let step = auctions.prune(clock::unix_ms() - kept, STEP)?;
            gone.auctions += step;
            if step < u64::from(STEP) || interrupted() {
                break;
            }
            std::thread::sleep(PAUSE);
        }
    }
    let ledger = node::ledger_file(&settings.storage);
    if !ledger.exists() {
        return Ok(gone);
    }
    let mut books = SqliteStore::correct(&ledger).context("the ledger cannot be opened")?;
    loop {
        let step = books.prune_touches(clock::unix_ms(), STEP)?;
        gone.touches += step;
        if step < u64::from(STEP) || interrupted() {
            break;
        }
        std::thread::sleep(PAUSE);
    }
    if settings.log_event_months > 0 {
        loop {
            let step = books.prune(settings.log_event_months, STEP)?;
            gone.events += step.events;
            gone.refusals += step.refusals;
            if !step.more || interrupted() {
                break;
            }
            std::thread::sleep(PAUSE);
        }
    }
    Ok(gone)
}

/// What `gavel prune` is told.
#[derive(Args)]
pub struct PruneArguments {
    /// The configuration file.
    #[arg(long, default_value = "gavel.toml")]
    pub config: PathBuf,
}

impl PruneArguments {
    /// Prunes and says what is gone.
    ///
    /// # Errors
    /// As [`prune`].
    pub fn run(&self, settings: &Settings) -> Result<String> {
        let gone = prune(settings, || false)?;
        let mut out = format!(
            "deleted {} events, {} refusals, {} auctions, {} touches\n",
            gone.events, gone.refusals, gone.auctions, gone.touches
        );
        if settings.log_event_months == 0 {
            out.push_str("events are kept for ever (log.event_months is 0)\n");
        }
        Ok(out)
    }
}
