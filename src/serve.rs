//! `gavel serve`: starts the threads of a node, waits, and stops them in order.

use crate::buying;
use crate::caps;
use crate::clock;
use crate::config::Settings;
use crate::conversions;
use crate::dead_letters;
use crate::keys;
use crate::node::{Node, Started};
use crate::publisher::Publisher;
use crate::rates::Rates;
use crate::server;
use crate::shutdown::Shutdown;
use anyhow::{Context, Result, bail};
use bidder::Catalog;
use bidder::decide::Explained;
use bidder::funnel::{Counts, FunnelKey, Stage};
use control::api::{
    Ask, DealReport, Draft, Forecast, Format, FunnelRow, Hooks, Letters, NotConverted,
    NotExplained, Past, Reported, Settings as ApiSettings,
};
use control::fault::Fault;
use control::serving::Reason;
use exchange::link::notice::{self, Inbox, Journal, Post};
use jiff::Timestamp;
use ledger::letter::Wanted;
use ledger::statement::Period;
use serde_json::Value;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often, and after which pauses, a starting node is asked whether it is ready.
const READY_LOOKS: u32 = 6_000;
const READY_PAUSE: Duration = Duration::from_millis(10);

/// How nice the threads of maintenance are to the others (setpriority(2)): under full load they get
/// a tenth of what a serving thread gets.
const BEHIND: i32 = 10;

/// A node that serves.
pub struct Serving {
    /// Address of the data plane.
    pub data: SocketAddr,
    /// Address of the control plane.
    pub control: SocketAddr,
    /// The admin key, where it was made just now.
    pub new_admin_key: Option<String>,
    /// The node.
    pub node: Arc<Node>,
    hooks: Arc<NodeHooks>,
    shutdown: Shutdown,
    threads: Vec<JoinHandle<()>>,
    notices_end: Shutdown,
    notices: JoinHandle<()>,
    ledger: JoinHandle<()>,
}

/// What the control plane asks of the node.
struct NodeHooks {
    node: Arc<Node>,
    wake: Sender<()>,
    places: Places,
}

/// Where line items stand in the catalog that was asked about last.
#[derive(Default)]
struct Places(Mutex<(Weak<Catalog>, HashMap<String, usize>)>);

impl Places {
    fn of(&self, catalog: &Arc<Catalog>, line_item: &str) -> Option<usize> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let this = Arc::downgrade(catalog);
        if !known.0.ptr_eq(&this) {
            let ids = catalog.line_item_ids().map(str::to_owned);
            *known = (this, ids.zip(0..).collect());
        }
        known.1.get(line_item).copied()
    }
}

impl Hooks for NodeHooks {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(clock::unix_ms()).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    fn entropy(&self) -> [u8; 32] {
        keys::random_key().expect("the system gave randomness at start")
    }

    fn on_change(&self) {
        // The publisher looks by itself too; this only makes it sooner.
        let _ = self.wake.send(());
    }

    fn reload(&self) -> Result<(), Vec<Fault>> {
        self.node.reread.store(true, Ordering::Release);
        self.on_change();
        Ok(())
    }

    fn statement(
        &self,
        account: &str,
        month: &str,
        format: Format,
    ) -> Result<Option<String>, String> {
        let month = month
            .parse()
            .map_err(|error: ledger::statement::NoMonth| error.to_string())?;
        let sheet = crate::statement::sheet(&self.node.settings, account, Some(month));
        let sheet = sheet.map_err(|error| format!("{error:#}"))?;
        Ok(sheet.map(|sheet| sheet.write(format)))
    }

    fn convert(&self, reported: &[Reported]) -> Result<Vec<&'static str>, NotConverted> {
        conversions::report(&self.node, reported)
    }

    fn conversions(
        &self,
        advertiser: &str,
        before: Option<i64>,
        most: u32,
    ) -> Result<Vec<Value>, String> {
        let storage = &self.node.settings.storage;
        let found = conversions::list(storage, advertiser, before, most);
        found.map_err(|error| format!("{error:#}"))
    }

    fn converted(&self, advertiser: &str, period: Period) -> Result<Vec<Value>, String> {
        let found = conversions::sums(&self.node.settings.storage, advertiser, period);
        found.map_err(|error| format!("{error:#}"))
    }

    fn refused_notices(&self, wanted: &Letters) -> Result<Vec<Value>, String> {
        let storage = &self.node.settings.storage;
        let found = dead_letters::find(storage, &letters(wanted), wanted.from, false, wanted.limit);
        let found = found.map_err(|error| format!("{error:#}"))?;
        Ok(found.iter().map(dead_letters::shown).collect())
    }

    fn replay_notices(&self, wanted: &Letters) -> Result<Value, String> {
        let done = dead_letters::replay(&self.node, &letters(wanted), wanted.from, wanted.limit);
        done.map_err(|error| format!("{error:#}"))
    }

    fn floor_feed(&self, publisher: &str) -> Option<Value> {
        self.node.floor_feeds.status(publisher)
    }

    fn explain(
        &self,
        ask: &Ask<'_>,
        told: &mut dyn FnMut(&Explained<'_>),
    ) -> Result<(), NotExplained> {
        let node = &self.node;
        let snapshot = node.snapshot.load_full();
        let name = ask.exchange.unwrap_or(&node.settings.exchange_name);
        let exchange = snapshot.exchanges.get(name);
        let exchange = exchange.ok_or_else(|| NotExplained::UnknownExchange(name.to_owned()))?;
        let asked = (ask.body, ask.seed);
        let explained = buying::explain(node, &snapshot, exchange, asked, ask.wanted)
            .map_err(|fault| NotExplained::Malformed(fault.to_string()))?;
        told(&explained);
        Ok(())
    }

    fn forecast(&self, draft: Draft) -> Result<Forecast, String> {
        crate::forecast::forecast(&self.node, draft)
    }

    fn deal(&self, publisher: &str, deal: &str) -> Option<DealReport> {
        let market = Arc::clone(&self.node.snapshot.load().market);
        let agreed = market.seller(publisher)?.deal(deal)?;
        Some(DealReport::of(agreed, market.buyers()))
    }

    fn past(&self, publisher: &str, days: u32) -> Result<Past, String> {
        crate::floors::past(&self.node, publisher, days)
    }

    fn funnel(&self, line_item: &str) -> Vec<FunnelRow> {
        let node = &self.node;
        let mut rows = Vec::new();
        for exchange in node.snapshot.load().exchanges.keys() {
            let asked: HashMap<u32, Counts> = node
                .hours
                .read(FunnelKey::exchange(exchange))
                .into_iter()
                .collect();
            let counted = node.hours.read(FunnelKey::new(line_item, exchange));
            let counted: HashMap<u32, Counts> = counted.into_iter().collect();
            rows.extend(asked.iter().map(|(hour, asked)| FunnelRow {
                hour: *hour,
                exchange: exchange.clone(),
                requests: asked.at(Stage::Requests),
                counts: counted.get(hour).copied().unwrap_or_default(),
            }));
        }
        rows
    }

    fn withheld(&self, line_item: &str) -> Vec<Reason> {
        let snapshot = self.node.snapshot.load();
        match self.places.of(&snapshot.catalog, line_item) {
            Some(place) => {
                let idle = snapshot.plan.why_idle(place).map(Reason::Idle);
                idle.into_iter().collect()
            }
            None => snapshot
                .withheld
                .get(line_item)
                .cloned()
                .unwrap_or_default(),
        }
    }

    fn not_ready(&self) -> Vec<String> {
        self.node
            .not_ready()
            .into_iter()
            .map(str::to_owned)
            .collect()
    }

    fn metrics(&self) -> String {
        crate::exposition::render(&self.node)
    }
}

fn letters(wanted: &Letters) -> Wanted {
    Wanted {
        fault: wanted.reason.clone(),
        exchange: wanted.exchange.clone(),
        ids: wanted.ids.clone(),
        open: wanted.open,
    }
}

impl Serving {
    /// Starts a node: when this returns, both planes answer.
    ///
    /// # Errors
    /// Where a file or an address cannot be had.
    pub fn start(mut settings: Settings) -> Result<Self> {
        let workers = match settings.workers {
            0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            given => given,
        };
        settings.workers = workers;
        let listeners = server::listen(settings.data_listen, workers)
            .with_context(|| format!("the data plane cannot listen on {}", settings.data_listen))?;
        let data = listeners[0].local_addr()?;
        // Where none is given it is where we listen, and the system has chosen the port just now.
        if settings.public_url == format!("http://{}", settings.data_listen) {
            settings.public_url = format!("http://{data}");
        }
        let control_listener =
            std::net::TcpListener::bind(settings.control_listen).with_context(|| {
                format!(
                    "the control plane cannot listen on {}",
                    settings.control_listen
                )
            })?;
        control_listener.set_nonblocking(true)?;
        let control = control_listener.local_addr()?;
        let (admin_key, new_admin_key) = admin_key(&settings)?;
        let rates = Rates::new(&settings)?;
        let Started {
            node,
            inbox,
            journal,
            records,
            ledger,
        } = Node::start(settings)?;
        let shutdown = Shutdown::default();
        let seed = u64::from_le_bytes(keys::random_key()?[..8].try_into()?);
        let mut threads = server::serve(&node, listeners, seed, &shutdown);
        let (wake, woken) = channel();
        let publisher = Publisher::new(Arc::clone(&node), rates);
        let stop = shutdown.clone();
        threads.push(spawn_behind("publisher", move || {
            publisher.run(&woken, &stop, report);
        })?);
        let (stop, fetcher) = (shutdown.clone(), Arc::clone(&node));
        threads.push(spawn_behind("floors", move || {
            crate::floors::run(&fetcher, &stop);
        })?);
        let (stop, counting) = (shutdown.clone(), Arc::clone(&node));
        threads.push(spawn_behind("caps", move || {
            caps::keep(&counting, &stop, report);
        })?);
        let (owner, stop) = (Arc::clone(&node), shutdown.clone());
        threads.push(spawn_behind("log", move || {
            crate::log::keep(&owner, &records, &stop, report);
        })?);
        let hooks = Arc::new(NodeHooks {
            node: Arc::clone(&node),
            wake,
            places: Places::default(),
        });
        let admin = control::access::hash(admin_key.as_bytes());
        let admin = node.admin_sha256.get_or_init(|| admin).clone();
        let api = ApiSettings {
            admin_sha256: vec![admin],
            ..ApiSettings::default()
        };
        let served: Arc<dyn Hooks> = Arc::clone(&hooks) as Arc<dyn Hooks>;
        let router = control::api::router(Arc::clone(&node.resources), served, api);
        let stop = shutdown.clone();
        threads.push(spawn("control", move || {
            serve_control(control_listener, router, &stop);
        })?);
        wait_until_ready(&node)?;
        // Notices of an earlier run are counted with their partners, which are known by now.
        let notices_end = Shutdown::default();
        let (sending, stop) = (Arc::clone(&node), notices_end.clone());
        let notices = spawn("notices", move || {
            send_notices(&sending, inbox, journal, &stop);
        })?;
        Ok(Self {
            data,
            control,
            new_admin_key,
            node,
            hooks,
            shutdown,
            threads,
            notices_end,
            notices,
            ledger,
        })
    }

    /// Reads resources, audience, rates and price keys again, off the bid path. The configuration
    /// file is read at the start only.
    pub fn reload(&self) {
        // Faults are told by the publisher; what was published stays in use.
        let _ = self.hooks.reload();
    }

    /// Stops: listeners and maintenance first, then the notices, the ledger last.
    pub fn stop(self) {
        self.shutdown.begin();
        for thread in self.threads {
            // A thread that panicked has said so; the others are stopped all the same.
            let _ = thread.join();
        }
        // Nobody queues notices any more: what is left is kept for the next run.
        self.notices_end.begin();
        let _ = self.notices.join();
        self.node.writer.stop();
        let _ = self.ledger.join();
        if let Err(error) = caps::save(&self.node, true) {
            report(&error);
        }
    }
}

/// A node that says where it listens answers there.
fn wait_until_ready(node: &Node) -> Result<()> {
    for _ in 0..READY_LOOKS {
        if node.not_ready().is_empty() {
            return Ok(());
        }
        std::thread::sleep(READY_PAUSE);
    }
    bail!("not ready after a minute: {}", node.not_ready().join(", "))
}

/// Starts a thread of maintenance, which gives way to those that serve and to the ledger's where
/// they share a core: what it does once in a while is worth milliseconds to whoever waits.
fn spawn_behind(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    spawn(name, move || {
        // On Linux this is the thread's own. Where it is not allowed, all are served alike.
        let _ = rustix::process::setpriority_process(None, BEHIND);
        work();
    })
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    let thread = std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(work);
    thread.with_context(|| format!("the thread {name} cannot be started"))
}

#[allow(
    clippy::print_stderr,
    reason = "the operator reads it; what is published stays in use"
)]
fn report(error: &anyhow::Error) {
    eprintln!("gavel: {error:#}");
}

fn send_notices(node: &Node, inbox: Inbox, journal: Journal, shutdown: &Shutdown) {
    let post = Post {
        clock: crate::data_plane::MonotonicClock,
        unix_ms: clock::unix_ms,
        counts: |partner: &str| {
            let market = &node.snapshot.load().market;
            let buyer = market.buyer(partner)?;
            Some(Arc::clone(&buyer.live.deliveries))
        },
        trust: node.trust.clone(),
        journal,
    };
    let local = tokio::task::LocalSet::new();
    local.block_on(
        &server::thread_runtime(),
        notice::send(inbox, post, shutdown.wait()),
    );
}

fn serve_control(listener: std::net::TcpListener, router: axum::Router, shutdown: &Shutdown) {
    let shutdown = shutdown.clone();
    server::thread_runtime().block_on(async move {
        let listener =
            tokio::net::TcpListener::from_std(listener).expect("the listener is a TCP socket");
        let ended = async move { shutdown.wait().await };
        // Its only error would be that of the listener's accept, after which nothing is served.
        let _ = axum::serve(listener, router)
            .with_graceful_shutdown(ended)
            .await;
    });
}

/// The admin key: the operator's, the one made earlier, or a new one that is shown once.
fn admin_key(settings: &Settings) -> Result<(String, Option<String>)> {
    let kept = settings.storage.join("admin.key");
    let file = settings.admin_key_file.as_ref().unwrap_or(&kept);
    if settings.admin_key_file.is_none() && !file.exists() {
        std::fs::create_dir_all(&settings.storage)?;
        let key = format!(
            "gavel_{}",
            control::access::hexadecimal(&keys::random_key()?)
        );
        keys::write_secret(file, &key)?;
        return Ok((key.clone(), Some(key)));
    }
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("the admin key in {} cannot be read", file.display()))?;
    Ok((text.trim().to_owned(), None))
}
