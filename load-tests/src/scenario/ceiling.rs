//! How near a bidding server comes to the least that a server can cost.
//!
//! One run measures three endpoints by turns: a bare HTTP server, the bidder and the exchange.
//! Servers are kept on one core and the generator on another. Each turn warms up, then sends as
//! fast as the connections go, and divides the answers by the processor time that the *server*
//! used. Times of day, neighbours and the machine's clock hit all three alike, so **the ratios
//! are the result**; the absolute figures belong to the machine named beside them.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use crate::cpu::{Pinning, process_time};
use crate::generator::{self, Bodies, Pace, Plan, Report, Target};

pub(super) mod metrics;
mod node;
mod table;

pub use node::{Prepared, Size, prepare};
pub use table::{Row, Table};

/// How long a server may take until it is ready.
const READY_WITHIN: Duration = Duration::from_mins(1);
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// The server's counters that say what its answers were.
const COUNTED: [&str; 7] = [
    "gavel_bids_total",
    "gavel_no_bids_total",
    "gavel_auctions_total",
    "gavel_auctions_unsold_total",
    "gavel_bids_lost_total",
    "gavel_partner_notices_total",
    "gavel_caps_held_back_total",
];
/// Its gauges that say how large it is.
const GAUGED: [&str; 2] = ["gavel_line_items_active", "gavel_audience_users"];

/// What to measure and for how long.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Program and arguments of the bare server; it prints `listening on URL`.
    pub bare: Vec<String>,
    /// Program and arguments of the bidding server.
    pub server: Vec<String>,
    /// Where it is reached.
    pub endpoints: Endpoints,
    /// What to send.
    pub bodies: Arc<Bodies>,
    /// Connections of the generator.
    pub connections: usize,
    /// How long each turn is measured.
    pub duration: Duration,
    /// How long each turn is warmed up before.
    pub warm_up: Duration,
    /// Turns of each endpoint.
    pub repeats: usize,
    /// The servers' core.
    pub server_core: usize,
    /// The generator's core.
    pub generator_core: usize,
}

/// Where a bidding server is reached.
#[derive(Debug, Clone)]
pub enum Endpoints {
    /// Where it says in its first two lines, `data plane URL` and `control plane URL`.
    Announced,
    /// Known before it starts.
    Given {
        /// Answers `GET` with 2xx once the server is ready.
        ready: Target,
        /// The bidder.
        bidder: Target,
        /// The exchange.
        exchange: Target,
    },
}

/// One measured turn of one endpoint.
#[derive(Debug, Clone)]
pub struct Turn {
    /// What the generator saw.
    pub report: Report,
    /// Processor time that the server used meanwhile.
    pub server_time: Duration,
    /// What the server counted meanwhile: bids, and no bids by reason.
    pub counted: BTreeMap<String, u64>,
}

impl Turn {
    /// Answers for each second of the server's processor time.
    pub fn answers_per_cpu_second(&self) -> f64 {
        self.report.answers() as f64 / self.server_time.as_secs_f64().max(1e-9)
    }

    /// Share of its core that the server used, 0 to 1. Well below 1 the server had to wait for
    /// the generator, and wake-ups make each request dearer than under full load.
    pub fn utilisation(&self) -> f64 {
        self.server_time.as_secs_f64() / self.report.elapsed.as_secs_f64().max(1e-9)
    }
}

/// Runs the whole measurement; `progress` gets a line for each step.
///
/// # Errors
/// A server does not start, does not become ready, ends early, or answers nothing.
pub async fn run(
    settings: &Settings,
    progress: impl Fn(fmt::Arguments<'_>),
) -> anyhow::Result<Table> {
    let cores = [settings.server_core, settings.generator_core];
    let pinning = Pinning::probe(&cores);
    match &pinning {
        Pinning::Available => {
            pinning.pin_self(settings.generator_core)?;
            progress(format_args!(
                "servers on core {}, generator on core {}",
                cores[0], cores[1]
            ));
        }
        Pinning::Unavailable { why } => {
            progress(format_args!(
                "WARNING: NOTHING IS PINNED, figures are not comparable: {why}"
            ));
        }
    }
    let mut bare = Server::start(&pinning, settings.server_core, &settings.bare)?;
    let bare_target = bare.announced("listening on ")?;
    let mut server = Server::start(&pinning, settings.server_core, &settings.server)?;
    let Place {
        ready,
        bidder,
        exchange,
        metrics,
    } = Place::of(&mut server, &settings.endpoints)?;
    wait_until_ready(&mut server, &ready).await?;
    if let Some(target) = &metrics {
        let samples = metrics::fetch(target).context("metrics")?;
        for name in GAUGED {
            let value = samples.get(name).copied().unwrap_or_default();
            progress(format_args!("{name} {value}"));
        }
    }
    let metrics = metrics.as_ref();
    let endpoints = [
        ("bare", &bare, &bare_target, None),
        ("bidder", &server, &bidder, metrics),
        ("exchange", &server, &exchange, metrics),
    ];
    let mut rows = endpoints.map(|(name, ..)| Row {
        name,
        turns: Vec::new(),
    });
    for repeat in 1..=settings.repeats {
        for (row, (name, process, target, metrics)) in rows.iter_mut().zip(endpoints) {
            let turn = measure(settings, process, target, metrics);
            let turn = turn.await.context(name)?;
            progress(format_args!(
                "{repeat}/{} {name}: {:.0} answers per processor second",
                settings.repeats,
                turn.answers_per_cpu_second()
            ));
            row.turns.push(turn);
        }
    }
    Ok(Table {
        rows: rows.into(),
        pinned: pinning == Pinning::Available,
    })
}

/// The endpoints of a running server.
struct Place {
    ready: Target,
    bidder: Target,
    exchange: Target,
    metrics: Option<Target>,
}

impl Place {
    fn of(server: &mut Server, endpoints: &Endpoints) -> anyhow::Result<Self> {
        match endpoints {
            Endpoints::Announced => {
                let data = server.announced("data plane ")?;
                let control = server.announced("control plane ")?;
                Ok(Self {
                    ready: data.with_path("/readyz"),
                    bidder: data.with_path("/openrtb2/bid/demo"),
                    exchange: data.with_path("/openrtb2/auction"),
                    metrics: Some(control.with_path("/metrics")),
                })
            }
            Endpoints::Given {
                ready,
                bidder,
                exchange,
            } => Ok(Self {
                ready: ready.clone(),
                bidder: bidder.clone(),
                exchange: exchange.clone(),
                metrics: None,
            }),
        }
    }
}

async fn measure(
    settings: &Settings,
    server: &Server,
    target: &Target,
    metrics: Option<&Target>,
) -> anyhow::Result<Turn> {
    let plan = |duration| Plan {
        target: target.clone(),
        pace: Pace::Closed,
        connections: settings.connections,
        duration,
        requests: generator::REQUESTS_MAX,
        timeout: ANSWER_WITHIN,
        bodies: Arc::clone(&settings.bodies),
    };
    let samples = || metrics.map(metrics::fetch).transpose().context("metrics");
    generator::run(&plan(settings.warm_up)).await?;
    let samples_before = samples()?.unwrap_or_default();
    let before = process_time(server.child.id())?;
    let report = generator::run(&plan(settings.duration)).await?;
    let server_time = process_time(server.child.id())?.saturating_sub(before);
    let samples_after = samples()?.unwrap_or_default();
    if report.answers() == 0 || server_time.is_zero() {
        bail!("no answer or no processor time measured; the turn is too short:\n{report}");
    }
    Ok(Turn {
        report,
        server_time,
        counted: metrics::growth(&samples_before, &samples_after, &COUNTED),
    })
}

pub(super) async fn wait_until_ready(server: &mut Server, target: &Target) -> anyhow::Result<()> {
    let give_up = Instant::now() + READY_WITHIN;
    loop {
        server.must_run()?;
        let last = match generator::probe(target, ANSWER_WITHIN).await {
            Ok(200..=299) => return Ok(()),
            Ok(status) => format!("status {status}"),
            Err(fault) => fault.to_owned(),
        };
        if Instant::now() >= give_up {
            let address = target.address();
            bail!(
                "not ready at http://{address}{} in {READY_WITHIN:?}: {last}",
                target.path()
            );
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A child process that ends with its owner.
pub(super) struct Server {
    command: String,
    pub(super) child: Child,
    said: BufReader<ChildStdout>,
}

impl Server {
    pub(super) fn start(
        pinning: &Pinning,
        core: usize,
        command: &[String],
    ) -> anyhow::Result<Self> {
        let (program, arguments) = command.split_first().context("the command is empty")?;
        let text = command.join(" ");
        let mut prepared = pinning.command(core, program);
        let prepared = prepared.args(arguments).stdin(Stdio::null());
        let mut child = prepared
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {text}"))?;
        let said = child.stdout.take().context("the output is a pipe")?;
        Ok(Self {
            command: text,
            child,
            said: BufReader::new(said),
        })
    }

    /// A server that has ended would leave its port to another one, and that one be measured.
    fn must_run(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("{self} has ended: {status}"),
        }
    }

    /// The URL that the server prints next, after `words`.
    pub(super) fn announced(&mut self, words: &str) -> anyhow::Result<Target> {
        let mut line = String::new();
        self.said.read_line(&mut line)?;
        let url = line.trim().strip_prefix(words);
        let url =
            url.with_context(|| format!("{self} printed {line:?}, not {words:?} and a URL"))?;
        Ok(url.parse()?)
    }
}

impl fmt::Display for Server {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.command)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; either way it must not outlive the measurement.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The machine that figures belong to.
pub fn machine() -> Value {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    // Not `available_parallelism`: this process may be kept on one core.
    let cores = cpuinfo
        .lines()
        .filter(|line| line.starts_with("processor"))
        .count();
    let model = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    json!({
        "processor": model.map(|text| text.trim_start_matches([' ', '\t', ':'])),
        "cores": cores,
        "kernel": read("/proc/sys/kernel/osrelease").trim(),
        "load_average": read("/proc/loadavg").trim(),
    })
}

/// Writes the result, with the machine and the command that produced it.
///
/// # Errors
/// The file cannot be written.
pub fn write_json(path: &PathBuf, table: &Table, command: &[String]) -> io::Result<()> {
    let result = json!({"machine": machine(), "command": command, "result": table.to_json()});
    std::fs::write(path, format!("{result:#}\n"))
}
