//! `gavel demo`: a node, its users, two external partners and the publishers' traffic in one
//! process, over real HTTP, and the statement at the end.

mod partners;
mod statement;
pub mod traffic;
mod users;

use crate::apply;
use crate::clock;
use crate::config::{self, Settings};
use crate::publisher::LOCAL_BIDDER;
use crate::serve::Serving;
use crate::server::thread_runtime;
use crate::shutdown::Shutdown;
use anyhow::{Context, Result, anyhow};
use ledger::store::{SqliteStore, Store};
use partners::Partners;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use traffic::Seen;

const BUYERS: &str = include_str!("../fixtures/demo/buyers.toml");
const SELLERS: &str = include_str!("../fixtures/demo/sellers.toml");
/// Seed of users and traffic: every demo looks alike.
const SEED: u64 = 2026;
/// How long notices may take to arrive after the last request.
const SETTLE: Duration = Duration::from_secs(10);

/// What the person wants.
pub struct Wish {
    /// Stop after so many seconds; until interrupted where none is given.
    pub seconds: Option<u64>,
    /// Requests a second.
    pub rate: u32,
    /// Address of the data plane.
    pub data: String,
    /// Address of the control plane.
    pub control: String,
}

/// Runs the demo. `say` prints, `interrupted` ends it early.
///
/// # Errors
/// Where something cannot be started, or the books do not reconcile.
pub fn run(wish: &Wish, say: impl Fn(&str), interrupted: impl Fn() -> bool) -> Result<()> {
    let folder = Folder::make()?;
    users::write(&folder.0.join("users.tsv"), SEED)?;
    let stop_partners = Shutdown::default();
    let partners = Partners::start(&stop_partners)?;
    let settings = settings(wish, &folder.0)?;
    fill(&settings, &folder.0, &partners)?;
    let serving = Serving::start(settings)?;
    say(&format!(
        "data plane     http://{}\ncontrol plane  http://{}\n",
        serving.data, serving.control
    ));
    if let Some(key) = &serving.new_admin_key {
        say(&format!("admin key      {key}\n"));
    }
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
    watch(wish, &serving, &seen, &say, interrupted);
    stop_traffic.begin();
    publishers
        .join()
        .map_err(|_| anyhow!("the traffic ended with a panic"))?;
    settle(&serving, &partners);
    let ledger_file = crate::node::ledger_file(&serving.node.settings.storage);
    serving.stop();
    stop_partners.begin();
    let running = partners.join();
    let books = SqliteStore::read(&ledger_file)?.books()?;
    let verdict = statement::draw_up(&books, &running, LOCAL_BIDDER);
    say(&format!("\n{}", verdict.text));
    let errors = seen.errors.load(Relaxed);
    if errors > 0 {
        say(&format!("  {errors} requests of the publishers failed\n"));
    }
    if verdict.differences.is_empty() {
        Ok(())
    } else {
        Err(anyhow!(
            "the statement does not reconcile: {}",
            verdict.differences.join("; ")
        ))
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
        "[data]\nlisten = {:?}\n[control]\nlisten = {:?}\n[storage]\npath = {:?}\n\
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

/// One line a second.
fn watch(
    wish: &Wish,
    serving: &Serving,
    seen: &Seen,
    say: &impl Fn(&str),
    interrupted: impl Fn() -> bool,
) {
    let telemetry = &serving.node.telemetry;
    let (mut requests, mut filled) = (0, 0);
    let mut counts = telemetry.auction.latency.counts();
    for second in 1.. {
        std::thread::sleep(Duration::from_secs(1));
        let (all, sold) = (seen.requests.load(Relaxed), seen.filled.load(Relaxed));
        let now = telemetry.auction.latency.counts();
        let window = now.since(&counts);
        let ms = |quantile| window.quantile(quantile).as_secs_f64() * 1e3;
        let fill = 100.0 * (sold - filled) as f64 / (all - requests).max(1) as f64;
        say(&format!(
            "{second:>4} s  {:>6} requests/s  fill {fill:>5.1} %  auction p50 {:>6.2} ms p99 {:>6.2} ms  \
             {} impressions  {} clicks\n",
            all - requests,
            ms(0.5),
            ms(0.99),
            seen.impressions.load(Relaxed),
            seen.clicks.load(Relaxed),
        ));
        (requests, filled, counts) = (all, sold, now);
        if interrupted() || wish.seconds.is_some_and(|seconds| second >= seconds) {
            return;
        }
    }
}

/// Waits until every billing notice has arrived, or long enough.
fn settle(serving: &Serving, partners: &Partners) {
    let pause = Duration::from_millis(200);
    let mut quiet = 0;
    let mut before = None;
    for _ in 0..SETTLE.as_millis() / pause.as_millis() {
        std::thread::sleep(pause);
        let notices: Vec<u64> = serving
            .node
            .counters
            .notices
            .iter()
            .map(|(_, n)| n)
            .collect();
        let billed: u64 = partners
            .running
            .iter()
            .map(partners::Running::impressions)
            .sum();
        let now = Some((notices, billed));
        quiet = if now == before { quiet + 1 } else { 0 };
        before = now;
        if quiet >= 8 {
            return;
        }
    }
}
