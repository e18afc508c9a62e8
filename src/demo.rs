//! `gavel demo`: a node, its users, two external partners and the publishers' traffic in one
//! process, over real HTTP, and the statement at the end.

mod live;
mod partners;
mod statement;
pub mod traffic;
mod users;

use crate::apply;
use crate::clock;
use crate::config::{self, Settings};
use crate::serve::Serving;
use crate::server::thread_runtime;
use crate::shutdown::Shutdown;
use anyhow::{Context, Result, anyhow, bail, ensure};
use exchange::counters::NoticeEvent;
use ledger::statement::Books;
use ledger::store::{SqliteStore, Store};
use live::Live;
use partners::{Partners, Running};
use statement::{Billed, Others};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use traffic::Seen;

const BUYERS: &str = include_str!("../fixtures/demo/buyers.toml");
const SELLERS: &str = include_str!("../fixtures/demo/sellers.toml");
/// Seed of users and traffic: every demo looks alike.
const SEED: u64 = 2026;
/// How long notices may take to arrive after the last request: longer than their retries.
const SETTLE: Duration = Duration::from_secs(30);
/// How often it is looked whether something has ended.
const LOOK: Duration = Duration::from_millis(50);

/// What the person wants.
pub struct Wish {
    /// Stop after so many seconds; until interrupted where none is given.
    pub seconds: Option<u64>,
    /// Requests a second, 1 or more.
    pub rate: u32,
    /// Address of the data plane.
    pub data: SocketAddr,
    /// Address of the control plane.
    pub control: SocketAddr,
}

/// Runs the demo. `say` prints, `interrupted` ends it early; the statement comes all the same.
///
/// # Errors
/// Where something cannot be started, or the books do not reconcile.
pub fn run(wish: &Wish, say: impl Fn(&str), interrupted: impl Fn() -> bool) -> Result<()> {
    free("--data", wish.data)?;
    free("--control", wish.control)?;
    let folder = Folder::make()?;
    users::write(&folder.0.join("users.tsv"), SEED)?;
    let stop_partners = Shutdown::default();
    let partners = Partners::start(&stop_partners)?;
    let settings = settings(wish, &folder.0)?;
    fill(&settings, &folder.0, &partners)?;
    let serving = Serving::start(settings)?;
    say(&welcome(&serving, &folder.0));
    let seen = Arc::new(Seen::default());
    let stop_traffic = Shutdown::default();
    let publishers = {
        let (target, rate) = (serving.data, wish.rate);
        let (seen, stop) = (Arc::clone(&seen), stop_traffic.clone());
        std::thread::Builder::new()
            .name("demo-traffic".to_owned())
            .spawn(move || {
                let runtime = thread_runtime();
                runtime.block_on(traffic::run(target, rate, SEED, seen, stop));
            })?
    };
    let watched = watch(wish, &serving, &seen, &say, interrupted);
    say("\nNo more requests; waiting for the notices under way.\n");
    stop_traffic.begin();
    publishers
        .join()
        .map_err(|_| anyhow!("the traffic ended with a panic"))?;
    settle(&serving);
    let ledger_file = crate::node::ledger_file(&serving.node.settings.storage);
    serving.stop();
    stop_partners.begin();
    let running = partners.join();
    watched?;
    let books = SqliteStore::read(&ledger_file)?.books()?;
    let partners: Vec<Billed> = running.iter().map(Running::billed).collect();
    conclude(&books, &partners, &seen, &say)
}

/// Prints the statement of `books` beside what the partners and the publishers counted.
///
/// # Errors
/// Where the books do not reconcile.
fn conclude(books: &Books, partners: &[Billed], seen: &Seen, say: &impl Fn(&str)) -> Result<()> {
    let errors = seen.errors.load(Relaxed);
    let shown = seen.impressions.load(Relaxed);
    let clicks = seen.clicks.load(Relaxed);
    let verdict = statement::draw_up(
        books,
        &Others {
            partners,
            shown: (errors == 0).then_some((shown, clicks)),
            names: &names()?,
        },
    );
    say(&format!(
        "\n{} requests, {} filled, {shown} impressions, {clicks} clicks\n",
        seen.requests.load(Relaxed),
        seen.filled.load(Relaxed),
    ));
    if let Some(first) = seen.first_error.get() {
        say(&format!(
            "{errors} views failed, the first because: {first}\n"
        ));
    }
    say(&verdict.text);
    let differences = verdict.differences;
    ensure!(
        differences.is_empty(),
        "the statement does not reconcile: {}",
        differences.join("; ")
    );
    Ok(())
}

/// Where everything is, for whoever wants to look.
fn welcome(serving: &Serving, folder: &Path) -> String {
    let (data, control) = (serving.data, serving.control);
    let key = serving.new_admin_key.as_deref().unwrap_or_default();
    format!(
        "\
data plane     http://{data}
               POST /openrtb2/auction   the exchange, asked by publishers
               POST /openrtb2/bid/demo  the bidder, asked by exchanges
control plane  http://{control}
               /v1/openapi.json   /metrics   /readyz   /v1/... with the key
admin key      {key}
               curl -H \"Authorization: Bearer $KEY\" http://{control}/v1/advertisers
data           {}, removed at the end

{}
",
        folder.display(),
        live::LEGEND
    )
}

/// Refuses an address that another program listens on, before anything is made. The node shares
/// its port among its own threads, so it would share it with another node unasked.
///
/// # Errors
/// Where the address cannot be had.
fn free(option: &str, address: SocketAddr) -> Result<()> {
    match TcpListener::bind(address) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AddrInUse => bail!(
            "{option} {address}: another program listens there, perhaps another demo; \
             choose another port, or 0 for any"
        ),
        Err(error) => Err(error).with_context(|| format!("{option} {address} cannot be had")),
    }
}

/// A fresh directory that goes with the demo.
struct Folder(PathBuf);

impl Folder {
    fn make() -> Result<Self> {
        let name = format!("gavel-demo-{}-{}", std::process::id(), clock::unix_ms());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path)
            .with_context(|| format!("{} cannot be made", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed stays in the system's temporary directory.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn settings(wish: &Wish, folder: &Path) -> Result<Settings> {
    let text = format!(
        "[data]\nlisten = \"{}\"\n[control]\nlisten = \"{}\"\n[storage]\npath = {:?}\n\
         [audience]\nfile = {:?}\n",
        wish.data,
        wish.control,
        folder.join("state").display().to_string(),
        folder.join("users.tsv").display().to_string()
    );
    let values = config::read(&text, std::iter::empty()).map_err(|faults| {
        let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
        anyhow!("{}", lines.join("\n"))
    })?;
    Ok(Settings::new(&values))
}

fn fill(settings: &Settings, folder: &Path, partners: &Partners) -> Result<()> {
    let mut sellers = SELLERS.to_owned();
    for partner in &partners.running {
        sellers = sellers.replace(partner.placeholder, &partner.address.to_string());
    }
    let files = [("buyers.toml", BUYERS), ("sellers.toml", sellers.as_str())];
    let paths = files.map(|(name, text)| (folder.join(name), text));
    for (path, text) in &paths {
        std::fs::write(path, text)?;
    }
    apply::apply(settings, &paths.map(|(path, _)| path), false)?;
    Ok(())
}

/// The names of the fixtures' resources, by id.
fn names() -> Result<BTreeMap<String, String>> {
    let mut names = BTreeMap::new();
    for text in [BUYERS, SELLERS] {
        let file: toml::Table = text.parse()?;
        for resource in file.values().filter_map(toml::Value::as_array).flatten() {
            let of = |key: &str| resource.get(key)?.as_str().map(str::to_owned);
            names.extend(of("id").zip(of("name")));
        }
    }
    Ok(names)
}

/// One line a second, until the time is over or the person has seen enough.
///
/// # Errors
/// Where the ledger cannot be read.
fn watch(
    wish: &Wish,
    serving: &Serving,
    seen: &Seen,
    say: &impl Fn(&str),
    interrupted: impl Fn() -> bool,
) -> Result<()> {
    let mut live = Live::new(serving, seen)?;
    let start = clock::now();
    for second in 1..=wish.seconds.unwrap_or(u64::MAX) {
        let due = start + Duration::from_secs(second);
        while let Some(left) = due.checked_duration_since(clock::now()) {
            if interrupted() {
                return Ok(());
            }
            std::thread::sleep(left.min(LOOK));
        }
        say(&live.line(second)?);
    }
    Ok(())
}

/// Waits until every notice is delivered or given up, or long enough: what is missing then shows
/// in the statement.
fn settle(serving: &Serving) {
    let notices = &serving.node.counters.notices;
    let settled = || {
        let ends = [
            NoticeEvent::Delivered,
            NoticeEvent::GivenUp,
            NoticeEvent::Forbidden,
        ];
        let ended: u64 = ends.into_iter().map(|end| notices.get(end)).sum();
        ended >= notices.get(NoticeEvent::Queued)
    };
    let start = clock::now();
    while !settled() && clock::now() - start < SETTLE {
        std::thread::sleep(LOOK);
    }
}
