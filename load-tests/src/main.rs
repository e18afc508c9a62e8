//! `gavel-load`: load, mock partners and measurements from the command line.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line tool that measures time and talks to a person"
)]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use load_tests::bare;
use load_tests::corpus::{self, Kind};
use load_tests::generator::{self, Bodies, Pace, Plan, Target};
use load_tests::partner::{self, Partner, Profile};
use load_tests::scenario::{ceiling, fanout, notices, partners_bad};
use tokio::net::TcpListener;

/// Load on loopback, mock partners and measurements for a bidding server.
#[derive(Debug, Parser)]
#[command(name = "gavel-load")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Sends bodies to a URL and reports latencies, statuses and the rate achieved.
    Run(Run),
    /// Serves a mock partner with a fault profile.
    Partner(PartnerArguments),
    /// Serves the least that an HTTP server can do, on one thread.
    Bare(Bare),
    /// Measures answers per processor second of bare server, bidder and exchange.
    Ceiling(Box<Ceiling>),
    /// Bills bids of a running bidder at a rate, and measures acknowledgements and bids.
    Notices(Notices),
    /// Measures what an auction among partners costs the exchange, beside a bare server and client.
    Fanout(Box<fanout::Settings>),
    /// Measures what bad partners cost auctions, healthy partners and the node.
    PartnersBad(partners_bad::Settings),
    /// Writes realistic bid requests.
    Corpus(Corpus),
}

#[derive(Debug, Args)]
struct Run {
    /// Where to, for example `http://127.0.0.1:8080/openrtb2/auction`; loopback only.
    #[arg(long)]
    url: Target,
    /// Requests a second, or `max` for a closed loop.
    #[arg(long, value_parser = pace)]
    rate: Pace,
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// How long to start requests.
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// Stop after so many requests.
    #[arg(long, default_value_t = generator::REQUESTS_MAX)]
    requests: u64,
    /// How long to wait for an answer.
    #[arg(long, default_value_t = 5_000)]
    timeout_ms: u64,
    /// Files of JSON lines, `FILE` or `FILE:WEIGHT`.
    #[arg(long, num_args = 1.., required = true)]
    bodies: Vec<String>,
    /// Print JSON instead of text.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct PartnerArguments {
    #[arg(long, default_value = "127.0.0.1:9001")]
    listen: SocketAddr,
    /// ok, nobid, slow=MS, hang-connect, hang-header, hang-body, drip, big-body, wrong-id, …
    #[arg(long, default_value = "ok")]
    profile: Profile,
    /// The price of bids, CPM in micros.
    #[arg(long, default_value_t = 1_000_000)]
    price_micros: i64,
    /// Spread of prices around it, in percent.
    #[arg(long, default_value_t = 0)]
    spread_percent: u8,
    /// Share of impressions that get a bid, in percent.
    #[arg(long, default_value_t = 100)]
    bid_percent: u8,
    #[arg(long, default_value = "USD")]
    currency: String,
    #[arg(long, default_value = "s1")]
    seat: String,
    /// Domain of the one advertiser.
    #[arg(long, default_value = "mock.test")]
    domain: String,
    /// Bids of an answer are won or lost together.
    #[arg(long)]
    together: bool,
    /// Bids ask for no notices.
    #[arg(long)]
    silent: bool,
}

#[derive(Debug, Args)]
struct Bare {
    #[arg(long, default_value = "127.0.0.1:9000")]
    listen: SocketAddr,
    /// Send each body to these first, and wait for their answers.
    #[arg(long, num_args = 1..)]
    calls: Vec<Target>,
}

#[derive(Debug, Args)]
struct Ceiling {
    /// The bidding server's program.
    #[arg(long)]
    gavel: String,
    /// Where to put bodies, users, line items, configuration and state of the node; a directory
    /// of the system's temporary one that goes with the measurement if none is given.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Line items of the node, with budgets and caps.
    #[arg(long, default_value_t = 10_000)]
    line_items: u32,
    /// Users with segments.
    #[arg(long, default_value_t = 1_000_000)]
    users: u64,
    #[arg(long, default_value_t = 1_000)]
    segments: u32,
    /// What is sent: of web banners nine pages of ten have one, of web pages each has two.
    #[arg(long, value_enum, default_value_t = Kind::WebBanner)]
    kind: Kind,
    /// Distinct bodies.
    #[arg(long, default_value_t = 50_000)]
    requests: u64,
    /// Start another server, or one that is set up already, with these arguments, separated by
    /// blanks; `--bodies` and the URLs then say what to send where.
    #[arg(long, requires = "bodies")]
    gavel_arguments: Option<String>,
    #[arg(long, default_value = "http://127.0.0.1:8080/readyz")]
    ready_url: Target,
    #[arg(long, default_value = "http://127.0.0.1:8080/openrtb2/bid/demo")]
    bidder_url: Target,
    #[arg(long, default_value = "http://127.0.0.1:8080/openrtb2/auction")]
    exchange_url: Target,
    /// Files of JSON lines, `FILE` or `FILE:WEIGHT`.
    #[arg(long, num_args = 1.., requires = "gavel_arguments")]
    bodies: Vec<String>,
    /// How long each turn is measured.
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// How long each turn is warmed up.
    #[arg(long, default_value_t = 2.0)]
    warm_up_seconds: f64,
    /// Turns of each endpoint, of which the median counts.
    #[arg(long, default_value_t = 5)]
    repeats: usize,
    #[arg(long, default_value_t = 16)]
    connections: usize,
    #[arg(long, default_value_t = 0)]
    server_core: usize,
    #[arg(long, default_value_t = 1)]
    generator_core: usize,
    /// Where to write the result for programs.
    #[arg(long)]
    json: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct Notices {
    #[arg(long, default_value = "http://127.0.0.1:8080/openrtb2/bid/demo")]
    url: Target,
    /// Files of JSON lines, `FILE` or `FILE:WEIGHT`.
    #[arg(long, num_args = 1.., required = true)]
    bodies: Vec<String>,
    /// Billing notices a second.
    #[arg(long, default_value_t = 5_000.0)]
    rate: f64,
    /// Bid requests a second, alone and beside them.
    #[arg(long, default_value_t = 1_000.0)]
    bid_rate: f64,
    #[arg(long, default_value_t = 128)]
    connections: usize,
    #[arg(long, default_value_t = 60.0)]
    seconds: f64,
    /// Print JSON instead of text.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Corpus {
    /// The directory to write into.
    #[arg(long)]
    out: PathBuf,
    /// Requests of each kind.
    #[arg(long, default_value_t = 10_000)]
    count: u64,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Distinct users.
    #[arg(long, default_value_t = 1_000_000)]
    users: u64,
    /// Also write `audience.tsv` with segments of all users, out of so many segments.
    #[arg(long)]
    segments: Option<u32>,
    /// Also write `resources.toml` for `gavel apply`, with so many line items.
    #[arg(long)]
    line_items: Option<u32>,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    match arguments.command {
        Command::Run(run) => runtime.block_on(generate(run)),
        Command::Partner(partner) => runtime.block_on(serve_partner(partner)),
        Command::Bare(bare) => runtime.block_on(serve_bare(bare)),
        Command::Ceiling(ceiling) => runtime.block_on(measure_ceiling(*ceiling)),
        Command::Notices(notices) => runtime.block_on(measure_notices(notices)),
        Command::Fanout(settings) => runtime.block_on(measure_fanout(&settings)),
        Command::PartnersBad(settings) => runtime.block_on(async {
            let print = |line: &str| println!("{line}");
            partners_bad::run(&settings, print).await
        }),
        Command::Corpus(corpus) => write_corpus(&corpus),
    }
}

async fn generate(run: Run) -> anyhow::Result<()> {
    let plan = Plan {
        target: run.url,
        pace: run.rate,
        connections: run.connections,
        duration: seconds(run.seconds)?,
        requests: run.requests,
        timeout: Duration::from_millis(run.timeout_ms),
        bodies: Arc::new(Bodies::load(&run.bodies)?),
    };
    let report = generator::run(&plan).await?;
    if run.json {
        println!("{}", report.to_json());
    } else {
        println!("bodies    {} distinct", plan.bodies.count());
        println!("{report}");
    }
    Ok(())
}

async fn serve_partner(arguments: PartnerArguments) -> anyhow::Result<()> {
    let listener = listen(arguments.listen).await?;
    let partner = Partner::new(partner::Settings {
        profile: arguments.profile,
        price_micros: arguments.price_micros,
        spread_percent: arguments.spread_percent,
        bid_percent: arguments.bid_percent,
        currency: arguments.currency,
        seat: arguments.seat,
        domain: arguments.domain,
        together: arguments.together,
        silent: arguments.silent,
    });
    partner::serve(listener, Arc::clone(&partner), interrupted()).await?;
    println!("{}", partner.stats().to_json());
    Ok(())
}

async fn serve_bare(arguments: Bare) -> anyhow::Result<()> {
    let listener = listen(arguments.listen).await?;
    if arguments.calls.is_empty() {
        bare::serve(listener, interrupted()).await?;
        return Ok(());
    }
    let calls = arguments.calls.iter();
    let partners = calls
        .map(|target| (target.address(), target.path().to_owned()))
        .collect();
    bare::calling::serve(listener, partners, interrupted()).await?;
    Ok(())
}

async fn measure_ceiling(arguments: Ceiling) -> anyhow::Result<()> {
    let own = std::env::current_exe()?.to_string_lossy().into_owned();
    let before = ceiling::machine();
    let scratch =
        Scratch(std::env::temp_dir().join(format!("gavel-ceiling-{}", std::process::id())));
    let (server, endpoints, bodies) = server_of(&arguments, &scratch.0)?;
    let settings = ceiling::Settings {
        bare: [&own, "bare", "--listen", "127.0.0.1:0"]
            .map(String::from)
            .to_vec(),
        server,
        endpoints,
        bodies: Arc::new(Bodies::load(&bodies)?),
        connections: arguments.connections,
        duration: seconds(arguments.seconds)?,
        warm_up: seconds(arguments.warm_up_seconds)?,
        repeats: arguments.repeats.clamp(1, 100),
        server_core: arguments.server_core,
        generator_core: arguments.generator_core,
    };
    let table = ceiling::run(&settings, |line| eprintln!("{line}")).await?;
    println!("before {before}\nafter  {}", ceiling::machine());
    print!("{table}");
    if let Some(path) = arguments.json {
        let command: Vec<String> = std::env::args().collect();
        ceiling::write_json(&path, &table, &command)
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

async fn measure_fanout(settings: &fanout::Settings) -> anyhow::Result<()> {
    let own = std::env::current_exe()?.to_string_lossy().into_owned();
    let outcome = fanout::run(&own, settings, |line| eprintln!("{line}")).await?;
    println!("{}\n{outcome}", ceiling::machine());
    Ok(())
}

async fn measure_notices(arguments: Notices) -> anyhow::Result<()> {
    let settings = notices::Settings {
        bidder: arguments.url,
        bodies: Arc::new(Bodies::load(&arguments.bodies)?),
        bid_rate: arguments.bid_rate,
        rate: arguments.rate,
        connections: arguments.connections,
        duration: seconds(arguments.seconds)?,
    };
    let outcome = notices::run(&settings, |line| eprintln!("{line}")).await?;
    if arguments.json {
        println!("{:#}", outcome.to_json());
    } else {
        println!("{}", ceiling::machine());
        println!("{outcome}");
    }
    Ok(())
}

/// A directory that goes with the measurement, where it was made.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed stays in the system's temporary directory.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The server's command, where it will be, and what to send it.
fn server_of(
    arguments: &Ceiling,
    scratch: &Path,
) -> anyhow::Result<(Vec<String>, ceiling::Endpoints, Vec<String>)> {
    let Some(of_server) = &arguments.gavel_arguments else {
        anyhow::ensure!(arguments.users > 0, "--users must be at least 1");
        anyhow::ensure!(arguments.segments > 0, "--segments must be at least 1");
        anyhow::ensure!(arguments.requests > 0, "--requests must be at least 1");
        let size = ceiling::Size {
            line_items: arguments.line_items,
            users: arguments.users,
            segments: arguments.segments,
            kind: arguments.kind,
            bodies: arguments.requests,
        };
        let dir = arguments.dir.as_deref().unwrap_or(scratch);
        eprintln!("preparing {size:?} in {}", dir.display());
        let prepared = ceiling::prepare(&arguments.gavel, dir, size)?;
        let bodies = prepared.bodies.display().to_string();
        return Ok((
            prepared.command,
            ceiling::Endpoints::Announced,
            vec![bodies],
        ));
    };
    let mut server = vec![arguments.gavel.clone()];
    server.extend(of_server.split_whitespace().map(String::from));
    let endpoints = ceiling::Endpoints::Given {
        ready: arguments.ready_url.clone(),
        bidder: arguments.bidder_url.clone(),
        exchange: arguments.exchange_url.clone(),
    };
    Ok((server, endpoints, arguments.bodies.clone()))
}

fn write_corpus(arguments: &Corpus) -> anyhow::Result<()> {
    anyhow::ensure!(arguments.users > 0, "--users must be at least 1");
    anyhow::ensure!(
        arguments.segments != Some(0),
        "--segments must be at least 1"
    );
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let options = corpus::Options {
        count: arguments.count,
        seed: arguments.seed,
        users: arguments.users,
        // Yesterday, to the day: two runs of one day write the same bytes.
        consented_at_s: (now.as_secs() / 86_400 - 1) * 86_400,
    };
    let mut written = corpus::write(&arguments.out, options)?;
    if let Some(segments) = arguments.segments {
        let path = arguments.out.join("audience.tsv");
        written.push(corpus::write_audience(&path, options, segments)?);
    }
    if let Some(line_items) = arguments.line_items {
        let path = arguments.out.join("resources.toml");
        let counts = corpus::Counts {
            line_items,
            segments: arguments.segments.unwrap_or(1_000),
            publishers: 60,
        };
        corpus::write_resources(&path, counts, arguments.seed)?;
        println!("{}: {line_items} line items", path.display());
    }
    for file in written {
        let mean = file.bytes.checked_div(file.lines).unwrap_or(0);
        println!(
            "{}: {} lines, {mean} bytes on average",
            file.path.display(),
            file.lines
        );
    }
    Ok(())
}

async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("at {address}"))?;
    println!("listening on http://{}/", listener.local_addr()?);
    Ok(listener)
}

async fn interrupted() {
    // Without a signal handler the process ends at the signal anyway.
    let _ = tokio::signal::ctrl_c().await;
}

fn seconds(seconds: f64) -> anyhow::Result<Duration> {
    Duration::try_from_secs_f64(seconds).context("seconds must be a positive number")
}

fn pace(text: &str) -> Result<Pace, String> {
    match (text, text.parse()) {
        ("max", _) => Ok(Pace::Closed),
        (_, Ok(rate)) => Ok(Pace::Open(rate)),
        (_, Err(_)) => Err("a number of requests a second, or max".to_owned()),
    }
}
