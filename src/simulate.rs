//! `gavel simulate`: the bidder's own code in virtual time over a recorded or generated stream.
//!
//! Every request passes [`bidder::decide`] from its bytes to the response; the response's tokens
//! come back as notices and are verified, written and settled by the ledger's rules; plan, leases
//! and pacers move on by ticks, all as in a node, but for the clock, the sockets and the disk.
//! Cost: about 10 µs a record.

pub mod bar;
pub mod books;
pub mod chance;
pub mod generate;
pub mod hindsight;
pub mod node;
pub mod notices;
pub mod report;
pub mod run;
pub mod score;
pub mod setup;
pub mod stream;

pub use generate::Shape;
pub use notices::Transport;
pub use report::{BudgetDay, Report, Summary};
pub use run::{Auction, Terms, run};
pub use setup::Setup;
pub use stream::{Lines, Record, Stream};

use anyhow::{Context, Result, ensure};
use bidder::catalog::Pacing;
use chance::{Delay, duration};
use clap::{Args, ValueEnum};
use jiff::Timestamp;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The options of `gavel simulate`.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// TOML or JSON files of resources, as for `gavel apply`.
    #[arg(long = "apply", value_name = "FILE", num_args = 1.., required_unless_present_any = ["generate", "bar"])]
    apply: Vec<PathBuf>,
    /// The recorded stream, a line of JSON for each auction.
    #[arg(long, value_name = "FILE", required_unless_present_any = ["generate", "bar"])]
    stream: Option<PathBuf>,
    /// Write a stream and the resources that go with it into this directory instead.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["stream", "apply"])]
    generate: Option<PathBuf>,
    /// Compare all pacers over generated streams, situation by situation, and print the bar.
    #[arg(long, conflicts_with_all = ["stream", "apply", "generate", "crash_at"])]
    bar: bool,
    /// How the exchange prices.
    #[arg(long, value_enum, default_value_t = Auction::Second)]
    auction: Auction,
    /// How long the notice takes that is charged: exp:10s, fixed:300s.
    #[arg(long, default_value = "exp:10s")]
    notice_delay: Delay,
    /// How long the outcome of an auction takes to be told (win and loss notices).
    #[arg(long, default_value = "exp:1s")]
    outcome_delay: Delay,
    /// Part of all notices that never arrives, 0 to 1.
    #[arg(long, default_value_t = 0.0)]
    notice_loss: f64,
    /// When the node crashes; may be given several times.
    #[arg(long)]
    crash_at: Vec<Timestamp>,
    /// Everything random follows from it.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How to report.
    #[arg(long, value_enum, default_value_t = Form::Text)]
    report: Form,
    /// Replaces the pacing of every campaign.
    #[arg(long, value_enum)]
    pacer: Option<Pacer>,
    /// How often the node is maintained.
    #[arg(long, default_value = "10s", value_parser = duration)]
    tick: Duration,
    /// Id of the exchange that calls, among the resources; the first one where none is given.
    #[arg(long)]
    exchange: Option<String>,
    /// Days of each budget that do not count in the summary.
    #[arg(long, default_value_t = 0)]
    warm_up: usize,
    /// Days of a generated stream.
    #[arg(long, default_value_t = 3)]
    days: usize,
    /// Requests on an average day of a generated stream.
    #[arg(long, default_value_t = 500_000)]
    requests: usize,
    /// Shares of traffic by hour of the week for a generated stream: a file of
    /// `region_id,dow,hour,traffic_share`.
    #[arg(long, value_name = "FILE")]
    traffic: Option<PathBuf>,
}

/// How to report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// A table.
    Text,
    /// JSON.
    Json,
}

/// A pacer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Pacer {
    /// By multiplier and forecast; the default of campaigns.
    Even,
    /// The same, faster at first.
    FrontLoaded,
    /// No pacing.
    Asap,
    /// Probabilistic throttling.
    Throttle,
    /// A PID loop.
    Pid,
    /// Mirror descent on the budget's dual, in the logarithm.
    LogDual,
}

impl Pacer {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Pacer::Even => "even",
            Pacer::FrontLoaded => "front-loaded",
            Pacer::Asap => "asap",
            Pacer::Throttle => "throttle",
            Pacer::Pid => "pid",
            Pacer::LogDual => "log-dual",
        }
    }

    /// The pacing of the catalog.
    pub fn pacing(self) -> Pacing {
        match self {
            Pacer::Even => Pacing::Even,
            Pacer::FrontLoaded => Pacing::FrontLoaded,
            Pacer::Asap => Pacing::Asap,
            Pacer::Throttle => Pacing::Throttle,
            Pacer::Pid => Pacing::Pid,
            Pacer::LogDual => Pacing::LogDual,
        }
    }
}

/// Runs the command and gives what it has to say.
///
/// # Errors
/// What is wrong with options, resources or stream.
pub fn command(options: &Options) -> Result<String> {
    let terms = options.terms()?;
    if let Some(folder) = &options.generate {
        return generate(&options.shape()?, folder);
    }
    if options.bar {
        let terms = Terms {
            warm_up: terms.warm_up.max(options.days.saturating_sub(1)),
            ..terms
        };
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        return bar::bar(&options.shape()?, &terms, options.pacer, workers);
    }
    let path = options.stream.as_deref().context("--stream is missing")?;
    let setup = |start_ms| {
        let mut setup = Setup::read(&options.apply, start_ms)?;
        setup.pace_by(options.pacer.map(Pacer::pacing));
        Ok(setup)
    };
    let report = run(setup, &mut Lines::open(path)?, &terms)?;
    Ok(match options.report {
        Form::Text => report.text(),
        Form::Json => serde_json::to_string_pretty(&report)? + "\n",
    })
}

impl Options {
    fn terms(&self) -> Result<Terms> {
        ensure!(
            (0.0..=1.0).contains(&self.notice_loss),
            "--notice-loss: expected 0 to 1, found {}",
            self.notice_loss
        );
        let tick_ms = self.tick.as_millis() as i64;
        ensure!(
            (200..=60_000).contains(&tick_ms),
            "--tick: expected 200ms to 60s, found {tick_ms}ms"
        );
        let mut crashes: Vec<i64> = self.crash_at.iter().map(|at| at.as_millisecond()).collect();
        crashes.sort_unstable();
        Ok(Terms {
            auction: self.auction,
            transport: Transport {
                bill: self.notice_delay,
                outcome: self.outcome_delay,
                loss: self.notice_loss,
            },
            crashes,
            tick_ms,
            seed: self.seed,
            exchange: self.exchange.clone(),
            warm_up: self.warm_up,
        })
    }

    fn shape(&self) -> Result<Shape> {
        let mut shape = Shape {
            days: self.days.max(1),
            requests: self.requests,
            seed: self.seed,
            ..Shape::default()
        };
        if let Some(path) = &self.traffic {
            shape.read_traffic(path, self.seed as usize)?;
        }
        Ok(shape)
    }
}

/// Writes `setup.toml` and `stream.jsonl` of a shape into a directory.
fn generate(shape: &Shape, folder: &Path) -> Result<String> {
    let name = folder.display();
    std::fs::create_dir_all(folder).with_context(|| format!("{name} cannot be made"))?;
    std::fs::write(folder.join("setup.toml"), shape.setup())?;
    let file = std::fs::File::create(folder.join("stream.jsonl"))?;
    let mut out = BufWriter::with_capacity(1 << 20, file);
    shape.write(&mut out)?;
    out.flush()?;
    Ok(format!(
        "{name}/setup.toml and {name}/stream.jsonl were written\n"
    ))
}
