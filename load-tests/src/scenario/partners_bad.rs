//! Ten partners, of which six are bad in one way: what that costs the auctions, the four healthy
//! ones and the node.
//!
//! Each way is a node of its own, started fresh, under the same open-loop load of the same
//! requests; before them a node whose six others merely do not bid is the yardstick. Measured
//! are the latency of auctions, how often the healthy partners win, when the breakers of the
//! bad ones open, and the node's memory and sockets. The mock partners share the generator's
//! process, so that figures of a machine with few cores are those of a busy one: a row says how
//! late the generator itself was.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::json;

use super::ceiling::machine;
use crate::generator::{self, Bodies, Pace, Plan, Report};

mod kind;
pub(super) mod node;
mod table;

pub use kind::Kind;
pub use table::{Row, Table};

use node::{Node, Seen};

/// Partners of a run, and how many of them are bad.
const PARTNERS: usize = 10;
const BAD: usize = 6;
/// Connections to one partner, so that the node's sockets are bounded by ten times as many.
const CONNECTIONS: usize = 100;
/// Distinct requests: partners draw their bids from the id.
const REQUESTS: usize = 2_000;
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// How often memory, sockets and breakers are looked at.
const LOOK: Duration = Duration::from_millis(100);
/// How long the node has to close what was cut off.
const SETTLE: Duration = Duration::from_secs(2);

/// What to measure and for how long.
#[derive(Debug, Clone, clap::Args)]
pub struct Settings {
    /// The node's program.
    #[arg(long)]
    pub gavel: String,
    /// Auctions a second.
    #[arg(long, default_value_t = 200.0)]
    pub rate: f64,
    /// Time for an auction, in milliseconds.
    #[arg(long, default_value_t = 100)]
    pub tmax_ms: u64,
    /// How long each kind is measured.
    #[arg(long, default_value_t = 5.0)]
    pub seconds: f64,
    /// Only these kinds.
    #[arg(long, num_args = 1..)]
    pub kinds: Vec<String>,
    /// Where to write the result for programs.
    #[arg(long)]
    pub json: Option<PathBuf>,
}

/// Runs the whole scenario; `progress` gets a line for each kind.
///
/// # Errors
/// A node does not start, a kind is not known, or a bound is passed.
pub async fn run(settings: &Settings, progress: impl Fn(&str)) -> anyhow::Result<()> {
    let kinds = Kind::chosen(&settings.kinds)?;
    progress(&machine().to_string());
    let yardstick = measure(settings, &Kind::healthy()).await?;
    progress(&table::line(&yardstick, &yardstick));
    let mut rows = Vec::with_capacity(kinds.len());
    for kind in kinds {
        let row = measure(settings, &kind).await?;
        progress(&table::line(&row, &yardstick));
        rows.push(row);
    }
    let table = Table {
        yardstick,
        rows,
        tmax: Duration::from_millis(settings.tmax_ms),
        sockets_allowed: PARTNERS * CONNECTIONS,
    };
    if let Some(path) = &settings.json {
        let result = json!({"machine": machine(), "result": table.to_json()});
        std::fs::write(path, format!("{result:#}\n"))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    let faults = table.faults();
    ensure!(faults.is_empty(), "out of bounds:\n{}", faults.join("\n"));
    Ok(())
}

async fn measure(settings: &Settings, kind: &Kind) -> anyhow::Result<Row> {
    let node = Node::start(&settings.gavel, kind, PARTNERS, BAD, CONNECTIONS)
        .with_context(|| kind.name.to_owned())?;
    let target = node.auctions()?;
    let bodies = Arc::new(requests(settings.tmax_ms));
    let plan = |duration, pace| Plan {
        target: target.clone(),
        pace,
        connections: 64,
        duration,
        requests: generator::REQUESTS_MAX,
        timeout: ANSWER_WITHIN,
        bodies: Arc::clone(&bodies),
    };
    let duration = Duration::try_from_secs_f64(settings.seconds);
    let duration = duration.context("seconds must be a positive number")?;
    let load = plan(duration, Pace::Open(settings.rate));
    let begun = Instant::now();
    let (report, watched) = {
        let loaded = generator::run(&load);
        let mut loaded = std::pin::pin!(loaded);
        let mut watched = Watched::default();
        loop {
            tokio::select! {
                report = &mut loaded => break (report?, watched),
                () = tokio::time::sleep(LOOK) => watched.add(&node, begun).await,
            }
        }
    };
    tokio::time::sleep(SETTLE).await;
    let last = node.look().await;
    Ok(row(kind, report, &watched, &last))
}

fn row(kind: &Kind, report: Report, watched: &Watched, last: &Seen) -> Row {
    let auctions = report.answers().max(1);
    Row {
        name: kind.name,
        is_failure: kind.is_failure,
        healthy_wins: last.healthy_wins as f64 / auctions as f64,
        bad_wins: last.bad_wins,
        breaker_open_after: watched.breakers_open_after,
        memory_peak: watched.memory.max(last.memory),
        sockets_peak: watched.sockets,
        sockets_after: last.sockets,
        followed: last.followed,
        report,
    }
}

/// What was seen while the load ran.
#[derive(Default)]
struct Watched {
    memory: u64,
    sockets: usize,
    breakers_open_after: Option<Duration>,
}

impl Watched {
    async fn add(&mut self, node: &Node, begun: Instant) {
        let seen = node.look().await;
        self.memory = self.memory.max(seen.memory);
        self.sockets = self.sockets.max(seen.sockets);
        if self.breakers_open_after.is_none() && seen.open_breakers >= BAD {
            self.breakers_open_after = Some(begun.elapsed());
        }
    }
}

fn requests(tmax_ms: u64) -> Bodies {
    let line = |number: usize| {
        let request = json!({
            "id": format!("bad-{number}"),
            "tmax": tmax_ms,
            "cur": ["EUR"],
            "site": {"domain": "news.example", "publisher": {"id": "pub_1"}},
            "device": {"ip": "192.0.2.1", "ua": "Mozilla/5.0 (X11; Linux x86_64) Chrome/126.0"},
            "imp": [{"id": "1", "bidfloor": 0.5, "bidfloorcur": "EUR",
                "banner": {"format": [{"w": 300, "h": 250}]}}],
        });
        request.to_string().into_bytes()
    };
    Bodies::from_lines((0..REQUESTS).map(line).collect())
}
