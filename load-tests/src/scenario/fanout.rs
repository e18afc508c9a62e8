//! What an auction among partners costs the exchange, beside the least that its transport can cost.
//!
//! One run measures by turns a bare server that sends each body to the same five partners
//! ([`crate::bare::calling`]) and a node whose exchange holds auctions among them; servers on one
//! core, generator and partners on another. Processor time of the server for each answer is
//! compared, so **the ratio is the result**. Then a node whose own bidder takes part, with line
//! items of a realistic mix, says how long its decisions take beside partners that are slow.

use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use serde_json::{Value, json};

use super::ceiling::{Prepared, Server, Size, machine, metrics, prepare, wait_until_ready};
use super::partners_bad::node::serve;
use crate::corpus::Kind;
use crate::cpu::{Pinning, process_time};
use crate::generator::{self, Bodies, Pace, Plan, Report, Target};
use crate::partner::{self, Partner, Profile};

const ANSWER_WITHIN: Duration = Duration::from_secs(5);
const WARM_UP: Duration = Duration::from_secs(2);
/// Resources of the measured market beside the partners.
const SEGMENTS: u32 = 1_000;
const BODIES: u64 = 20_000;

/// What to measure and for how long.
#[derive(Debug, Clone, clap::Args)]
pub struct Settings {
    /// The node's program.
    #[arg(long)]
    pub gavel: String,
    /// Partners.
    #[arg(long, default_value_t = 5)]
    pub partners: usize,
    /// How long a partner takes, in milliseconds.
    #[arg(long, default_value_t = 20)]
    pub delay_ms: u64,
    /// Whether partners want notices, of wins and of losses: as many calls again.
    #[arg(long)]
    pub notices: bool,
    /// Connections of the generator, each with one auction at a time.
    #[arg(long, default_value_t = 32)]
    pub connections: usize,
    /// How long each turn is measured.
    #[arg(long, default_value_t = 6.0)]
    pub seconds: f64,
    /// Turns of each server.
    #[arg(long, default_value_t = 3)]
    pub repeats: usize,
    /// Line items of the node whose own bidder takes part.
    #[arg(long, default_value_t = 10_000)]
    pub line_items: u32,
    /// Users with segments.
    #[arg(long, default_value_t = 100_000)]
    pub users: u64,
    /// The servers' core.
    #[arg(long, default_value_t = 0)]
    pub server_core: usize,
    /// The core of generator and partners.
    #[arg(long, default_value_t = 1)]
    pub generator_core: usize,
    /// Where to write the result for programs.
    #[arg(long)]
    pub json: Option<PathBuf>,
}

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    /// Microseconds of processor time for each answer of the bare server, by turn.
    pub bare: Vec<f64>,
    /// The same of the exchange.
    pub exchange: Vec<f64>,
    /// The exchange's answers of the last turn.
    pub report: Report,
    /// Median, 99 and 99.9 % of the decisions of the node's own bidder, in microseconds.
    pub decision: [f64; 3],
}

impl Outcome {
    /// The exchange's time in times of the bare server's, the median of the turns.
    pub fn ratio(&self) -> f64 {
        let mut ratios: Vec<f64> = self
            .exchange
            .iter()
            .zip(&self.bare)
            .map(|(own, bare)| own / bare)
            .collect();
        median(&mut ratios)
    }

    fn to_json(&self) -> Value {
        json!({
            "bare_us": self.bare, "exchange_us": self.exchange, "ratio": self.ratio(),
            "exchange": self.report.to_json(),
            "decision_us": {"p50": self.decision[0], "p99": self.decision[1],
                "p99.9": self.decision[2]},
        })
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = |turns: &[f64]| -> String {
            let turns: Vec<String> = turns.iter().map(|micros| format!("{micros:8.1}")).collect();
            turns.concat()
        };
        let [p50, p99, p999] = self.decision;
        writeln!(out, "processor time of an answer, microseconds, by turn")?;
        writeln!(out, "bare      {}", all(&self.bare))?;
        writeln!(out, "exchange  {}", all(&self.exchange))?;
        writeln!(out, "ratio     {:8.2}", self.ratio())?;
        writeln!(
            out,
            "decision  p50 {p50:.0} p99 {p99:.0} p99.9 {p999:.0} microseconds"
        )?;
        write!(out, "auctions of the last turn\n{}", self.report)
    }
}

/// Runs the whole measurement; `progress` gets a line for each step.
///
/// # Errors
/// A server does not start or answers nothing.
pub async fn run(
    own: &str,
    settings: &Settings,
    progress: impl Fn(&str),
) -> anyhow::Result<Outcome> {
    ensure!(settings.partners > 0, "--partners must be at least 1");
    let pinning = Pinning::probe(&[settings.server_core, settings.generator_core]);
    match &pinning {
        Pinning::Available => pinning.pin_self(settings.generator_core)?,
        Pinning::Unavailable { why } => progress(&format!("WARNING: NOTHING IS PINNED: {why}")),
    }
    progress(&machine().to_string());
    let folder = Folder::new()?;
    let partners = Partners::start(settings)?;
    let market = partners.resources();
    let alone = Market::prepare(settings, &folder.0.join("alone"), 100, &market, false)?;
    let bodies = Arc::new(Bodies::load(&[alone.bodies.display().to_string()])?);
    let mut outcome = compare(
        own,
        settings,
        (&pinning, &alone),
        &partners,
        &bodies,
        &progress,
    )
    .await?;
    let folder = folder.0.join("bidding");
    let bidding = Market::prepare(settings, &folder, settings.line_items, &market, true)?;
    let bodies = Arc::new(Bodies::load(&[bidding.bodies.display().to_string()])?);
    outcome.decision = decisions(settings, (&pinning, &bidding), &bodies, &progress).await?;
    if let Some(path) = &settings.json {
        let result = json!({"machine": machine(), "result": outcome.to_json()});
        std::fs::write(path, format!("{result:#}\n"))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(outcome)
}

async fn compare(
    own: &str,
    settings: &Settings,
    (pinning, node): (&Pinning, &Prepared),
    partners: &Partners,
    bodies: &Arc<Bodies>,
    progress: &impl Fn(&str),
) -> anyhow::Result<Outcome> {
    let mut command = [own, "bare", "--listen", "127.0.0.1:0", "--calls"]
        .map(String::from)
        .to_vec();
    command.extend(partners.urls());
    let mut bare = Server::start(pinning, settings.server_core, &command)?;
    let bare_target = bare.announced("listening on ")?;
    let mut server = Server::start(pinning, settings.server_core, &node.command)?;
    let data = server.announced("data plane ")?;
    wait_until_ready(&mut server, &data.with_path("/readyz")).await?;
    let auctions = data.with_path("/openrtb2/auction");
    let mut outcome = Outcome {
        bare: Vec::new(),
        exchange: Vec::new(),
        report: generator::run(&plan(settings, &auctions, WARM_UP, bodies)).await?,
        decision: [0.0; 3],
    };
    for turn in 1..=settings.repeats.clamp(1, 100) {
        let (micros, report) = measure(settings, &bare, &bare_target, bodies).await?;
        ensure!(
            report.statuses.contains_key(&204),
            "the bare server's calls fail:\n{report}"
        );
        outcome.bare.push(micros);
        let (own, report) = measure(settings, &server, &auctions, bodies).await?;
        outcome.exchange.push(own);
        outcome.report = report;
        progress(&format!(
            "turn {turn}: bare {micros:.1}, exchange {own:.1} microseconds"
        ));
    }
    Ok(outcome)
}

/// How long the decisions of a node's own bidder take, in microseconds, as it tells itself.
async fn decisions(
    settings: &Settings,
    (pinning, node): (&Pinning, &Prepared),
    bodies: &Arc<Bodies>,
    progress: &impl Fn(&str),
) -> anyhow::Result<[f64; 3]> {
    let mut server = Server::start(pinning, settings.server_core, &node.command)?;
    let data = server.announced("data plane ")?;
    let control = server.announced("control plane ")?;
    wait_until_ready(&mut server, &data.with_path("/readyz")).await?;
    let auctions = data.with_path("/openrtb2/auction");
    let (_, report) = measure(settings, &server, &auctions, bodies).await?;
    progress(&format!(
        "{} auctions with the node's own bidder",
        report.answers()
    ));
    let samples = metrics::fetch(&control.with_path("/metrics")).context("metrics")?;
    let of = |quantile: &str| {
        let name = format!("gavel_latency_seconds{{endpoint=\"bid\",quantile=\"{quantile}\"}}");
        let seconds = samples.get(&name).with_context(|| format!("no {name}"));
        seconds.map(|seconds| seconds * 1e6)
    };
    Ok([of("0.5")?, of("0.99")?, of("0.999")?])
}

fn plan(settings: &Settings, target: &Target, duration: Duration, bodies: &Arc<Bodies>) -> Plan {
    Plan {
        target: target.clone(),
        pace: Pace::Closed,
        connections: settings.connections,
        duration,
        requests: generator::REQUESTS_MAX,
        timeout: ANSWER_WITHIN,
        bodies: Arc::clone(bodies),
    }
}

/// Microseconds of the server's processor time for each answer.
async fn measure(
    settings: &Settings,
    server: &Server,
    target: &Target,
    bodies: &Arc<Bodies>,
) -> anyhow::Result<(f64, Report)> {
    let duration = Duration::try_from_secs_f64(settings.seconds);
    let duration = duration.context("seconds must be a positive number")?;
    generator::run(&plan(settings, target, WARM_UP, bodies)).await?;
    let before = process_time(server.child.id())?;
    let report = generator::run(&plan(settings, target, duration, bodies)).await?;
    let used = process_time(server.child.id())?.saturating_sub(before);
    ensure!(report.answers() > 0, "no answer:\n{report}");
    Ok((used.as_secs_f64() * 1e6 / report.answers() as f64, report))
}

/// The partners, all in this process.
struct Partners {
    addresses: Vec<std::net::SocketAddr>,
    _stop: tokio::sync::oneshot::Sender<()>,
}

impl Partners {
    fn start(settings: &Settings) -> anyhow::Result<Self> {
        let (mut listeners, mut partners, mut addresses) = (Vec::new(), Vec::new(), Vec::new());
        for index in 0..settings.partners {
            let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
            listener.set_nonblocking(true)?;
            addresses.push(listener.local_addr()?);
            listeners.push(listener);
            partners.push(Partner::new(partner::Settings {
                profile: Profile::Slow(Duration::from_millis(settings.delay_ms)),
                price_micros: 4_000_000,
                spread_percent: 40,
                seat: format!("s{index}"),
                domain: format!("p{index}.example"),
                silent: !settings.notices,
                ..partner::Settings::default()
            }));
        }
        let stop = serve(listeners, partners);
        Ok(Self {
            addresses,
            _stop: stop,
        })
    }

    fn urls(&self) -> impl Iterator<Item = String> {
        self.addresses
            .iter()
            .map(|address| format!("http://{address}/bid"))
    }

    fn resources(&self) -> String {
        let mut text = String::new();
        for (index, url) in self.urls().enumerate() {
            // Writing to a string does not fail.
            let _ = write!(
                text,
                "[[partners]]\nid = \"p{index}\"\nname = \"p{index}\"\nendpoint = \"{url}\"\n\
                 timeout_ms = 500\nmax_connections = 200\nallow_private = true\n\n"
            );
        }
        text
    }
}

/// A node with a market.
struct Market;

impl Market {
    fn prepare(
        settings: &Settings,
        dir: &Path,
        line_items: u32,
        partners: &str,
        bids: bool,
    ) -> anyhow::Result<Prepared> {
        let size = Size {
            line_items,
            users: settings.users,
            segments: SEGMENTS,
            kind: Kind::WebBanner,
            bodies: BODIES,
        };
        let prepared = prepare(&settings.gavel, dir, size)?;
        let (config, resources) = (dir.join("gavel.toml"), dir.join("partners.toml"));
        std::fs::write(&resources, partners)?;
        let mut text = std::fs::read_to_string(&config)?;
        // Writing to a string does not fail.
        let _ = write!(text, "[exchange]\nlocal_bidder = {bids}\n");
        std::fs::write(&config, text)?;
        let applied = Command::new(&settings.gavel)
            .args(["apply", "--config"])
            .args([&config, &resources])
            .output()?;
        if !applied.status.success() {
            bail!("{}", String::from_utf8_lossy(&applied.stderr));
        }
        Ok(prepared)
    }
}

/// A folder that goes with the measurement.
struct Folder(PathBuf);

impl Folder {
    fn new() -> anyhow::Result<Self> {
        let path = std::env::temp_dir().join(format!("gavel-fanout-{}", std::process::id()));
        std::fs::create_dir_all(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed stays in the system's temporary directory.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
