//! A node: everything that its threads share, and how it starts.

use crate::caps;
use crate::clock;
use crate::config::Settings;
use crate::floors::Feeds;
use crate::hours::Hours;
use crate::keys;
use crate::purse::Purse;
use crate::resources;
use crate::snapshot::Snapshot;
use crate::telemetry::Telemetry;
use anyhow::{Context, Result, bail};
use arc_swap::ArcSwap;
use audience::KeySeed;
use bidder::catalog::Taxonomies;
use bidder::{FrequencyCaps, Links};
use control::resource::Resource;
use exchange::counters::Counters;
use exchange::enrich::GeoDatabase;
use exchange::link::Trust;
use exchange::link::notice::{self, Inbox, Journal, Outbox};
use ledger::store::{SqliteStore, Store};
use ledger::token::Signer;
use ledger::writer::Writer;
use ledger::{AuctionLog, AuctionRecord};
use openrtb::taxonomy::Categories;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

/// Least time, in seconds, for which a crash holds back what its run had leased.
const LEAST_HOLD_S: i64 = 900;
/// What is added to the longest reservation, in seconds: clocks of two runs may differ.
pub(crate) const HOLD_MARGIN_S: i64 = 60;

/// What the threads of a node share.
pub struct Node {
    /// The configuration.
    pub settings: Settings,
    /// The metric handles.
    pub telemetry: Telemetry,
    /// Signs and verifies tokens.
    pub signer: Arc<Signer>,
    /// What the data plane reads.
    pub snapshot: ArcSwap<Snapshot>,
    /// The ledger's writer.
    pub writer: Writer,
    /// Whom encrypted calls to partners trust.
    pub trust: Trust,
    /// Where notices to partners go.
    pub outbox: Outbox,
    /// Refused notices with strange tokens that wait for the ledger.
    pub strays: Arc<AtomicU32>,
    /// Where auctions are logged.
    pub auctions: AuctionLog,
    /// The exchange's counters.
    pub counters: Arc<Counters>,
    /// Publishers' floors by address.
    pub floor_feeds: Feeds,
    /// The hash of the operator's key, once it is known.
    pub admin_sha256: OnceLock<String>,
    /// The resources.
    pub resources: Arc<control::store::Store>,
    /// Impressions by user.
    pub caps: Arc<FrequencyCaps>,
    /// The seed under which users are known.
    pub user_seed: KeySeed,
    /// Where exchanges reach the bidder.
    pub links: Links,
    /// What is known of categories.
    pub taxonomies: Taxonomies,
    /// The same, to compare categories within an auction.
    pub categories: Arc<Categories>,
    /// A day of traffic, hour by hour.
    pub hours: Hours,
    /// Somebody asks that everything be read again: resources, audience, rates, price keys.
    pub reread: AtomicBool,
    published: AtomicBool,
    /// Held as long as the node lives; the system frees it however the node ends.
    _lock: File,
}

/// What only the starting thread needs.
pub struct Started {
    /// The node.
    pub node: Arc<Node>,
    /// The queue that the notices' thread empties.
    pub inbox: Inbox,
    /// Where it keeps those that must not be lost.
    pub journal: Journal,
    /// The queue that the log's thread empties.
    pub records: Receiver<AuctionRecord>,
    /// The ledger's thread.
    pub ledger: JoinHandle<()>,
}

/// Where the ledger of a storage directory is.
pub fn ledger_file(storage: &Path) -> PathBuf {
    storage.join("ledger.sqlite")
}

impl Node {
    /// Opens the stores and makes the shared parts. Nothing is served yet.
    ///
    /// # Errors
    /// Where a file cannot be opened or is not what it should be.
    pub fn start(settings: Settings) -> Result<Started> {
        std::fs::create_dir_all(&settings.storage)
            .with_context(|| format!("{} cannot be made", settings.storage.display()))?;
        let lock = lock(&settings.storage)?;
        let signer = keys::signer(settings.token_key_file.as_deref(), &settings.storage)?;
        let resources = resources::open(&settings.storage)?;
        let store = open_ledger(&settings, &resources)?;
        let geo = settings.geo_database.as_deref().map(read_geo).transpose()?;
        let taxonomies = read_taxonomies(&settings)?;
        let trust = match settings.ca_file.as_deref() {
            Some(path) => read_trust(path).context("exchange.ca_file")?,
            None => Trust::default(),
        };
        let caps = Arc::new(caps::restore(&settings, &store, &resources)?);
        let purse = Purse::new(store.epoch(), settings.reservations);
        let (writer, ledger) = Writer::start(
            Box::new(store),
            Arc::clone(&purse.book),
            Arc::clone(&purse.reservations),
            caps::counting(&caps),
            settings.storage_queue,
            settings.commit_window,
        );
        let counters = Arc::new(Counters::default());
        let notices = notice::Settings {
            queue: settings.notice_queue,
            in_flight: settings.notices_in_flight,
            attempts: settings.notice_attempts,
            billing: settings.notice_billing,
            ..notice::Settings::default()
        };
        let (outbox, inbox) = notice::queue(notices, &counters);
        let journal = settings.storage.join("notices.sqlite");
        let journal = Journal::open(&journal, settings.notices_kept)
            .with_context(|| journal.display().to_string())?;
        let (auctions, records) = AuctionLog::new(settings.log_queue, settings.log_sample_ppm);
        let now_s = clock::unix_s();
        let hours = Hours::new(now_s);
        let snapshot = Snapshot::empty(purse, geo, hours.turn(now_s / 3_600));
        let telemetry = Telemetry::install();
        crate::exposition::describe();
        let node = Node {
            telemetry,
            signer: Arc::new(signer),
            snapshot: ArcSwap::from_pointee(snapshot),
            caps,
            user_seed: keys::user_seed(&settings.storage)?,
            links: Links::new(&settings.public_url),
            categories: Arc::new(Categories::new(taxonomies.clone())),
            taxonomies,
            writer,
            trust,
            outbox,
            strays: Arc::default(),
            auctions,
            counters,
            floor_feeds: Feeds::default(),
            hours,
            admin_sha256: OnceLock::new(),
            resources: Arc::new(resources),
            _lock: lock,
            reread: AtomicBool::new(false),
            published: AtomicBool::new(false),
            settings,
        };
        Ok(Started {
            node: Arc::new(node),
            inbox,
            journal,
            records,
            ledger,
        })
    }

    /// Makes a new state the one that requests see.
    pub fn publish(&self, snapshot: Arc<Snapshot>) -> Arc<Snapshot> {
        let old = self.snapshot.swap(snapshot);
        self.telemetry.publications.increment(1);
        self.published.store(true, Ordering::Release);
        old
    }

    /// The parts that are not ready; empty where everything is.
    pub fn not_ready(&self) -> Vec<&'static str> {
        let parts = [
            ("ledger", self.writer.is_healthy()),
            ("resources", self.published.load(Ordering::Acquire)),
        ];
        parts
            .into_iter()
            .filter(|(_, ready)| !ready)
            .map(|(name, _)| name)
            .collect()
    }
}

/// Takes the storage directory for this node alone.
fn lock(storage: &Path) -> Result<File> {
    let file = storage.join("node.lock");
    let what = || format!("{} cannot be opened", file.display());
    let lock = File::create(&file).with_context(what)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => bail!(
            "another node uses {}: stop it first, or give this one a directory of its own",
            storage.display()
        ),
        Err(TryLockError::Error(error)) => Err(error).with_context(what),
    }
}

/// Opens the books for a new run, which shuts out every earlier one.
///
/// # Errors
/// Where the file cannot be opened or written.
pub fn open_ledger(settings: &Settings, resources: &control::store::Store) -> Result<SqliteStore> {
    let now_s = i64::from(clock::unix_s());
    SqliteStore::open(&ledger_file(&settings.storage), now_s, hold_s(resources)?)
        .context("the ledger cannot be opened")
}

/// For how long bids of an earlier run may still be billed from what it had leased: as long as
/// any exchange may take to tell us.
fn hold_s(resources: &control::store::Store) -> Result<i64> {
    Ok(longest_expiry_s(resources)?.max(LEAST_HOLD_S) + HOLD_MARGIN_S)
}

/// The longest time, in seconds, for which any exchange lets a bid stand.
///
/// # Errors
/// Where the resources cannot be read.
pub fn longest_expiry_s(resources: &control::store::Store) -> Result<i64> {
    let records = resources.all()?;
    let mut waits = Vec::new();
    for record in &records {
        if let Resource::Exchange(exchange) = record.resource()? {
            waits.push(i64::from(exchange.expiry_s.0));
        }
    }
    Ok(waits.into_iter().max().unwrap_or_default())
}

/// Reads a database of addresses and places.
///
/// # Errors
/// Where it cannot be read or is none.
pub fn read_geo(path: &Path) -> Result<Arc<GeoDatabase>> {
    let what = || format!("the geo database {}", path.display());
    let bytes = std::fs::read(path).with_context(what)?;
    Ok(Arc::new(GeoDatabase::new(bytes).with_context(what)?))
}

/// Reads the tables of categories that the configuration names.
///
/// # Errors
/// Where one cannot be read or is none.
pub fn read_taxonomies(settings: &Settings) -> Result<Taxonomies> {
    let mut taxonomies = Taxonomies::default();
    for (cattax, path) in &settings.taxonomies {
        if let Some(path) = path {
            let what = || format!("the taxonomy {}", path.display());
            let table = std::fs::read_to_string(path).with_context(what)?;
            taxonomies.add(*cattax, &table).with_context(what)?;
        }
    }
    Ok(taxonomies)
}

/// Reads the authorities that partners' certificates must come from.
///
/// # Errors
/// Where the file cannot be read, or has no certificate or one that is none.
pub fn read_trust(path: &Path) -> Result<Trust> {
    let what = || format!("the authorities in {}", path.display());
    let pem = std::fs::read(path).with_context(what)?;
    Trust::of_pem(&pem).with_context(what)
}
