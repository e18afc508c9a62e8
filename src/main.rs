//! The program `gavel`.

use anyhow::{Context, Result, anyhow};
use clap::{Parser, Subcommand};
use gavel::config::Settings;
use gavel::dead_letters::NoticesArguments;
use gavel::demo::Wish;
use gavel::export::ExportArguments;
use gavel::log::PruneArguments;
use gavel::serve::Serving;
use gavel::statement::{AdjustArguments, CloseArguments, DiscrepancyArguments, StatementArguments};
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Large tables lie on large pages, which saves walks of the page table: see
/// `docs/adr/0007-allocator.md`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(
    name = "gavel",
    version,
    about = "A real-time bidding engine: exchange, bidder, audience store and ledger in one program"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Say everything that is wrong with a configuration, with line and key.
    Check {
        /// The configuration file.
        #[arg(long, default_value = "gavel.toml")]
        config: PathBuf,
        /// Print every key with its default and documentation instead.
        #[arg(long)]
        example: bool,
    },
    /// Make the resources as files say: all or none, with the difference shown.
    Apply {
        /// The configuration file.
        #[arg(long, default_value = "gavel.toml")]
        config: PathBuf,
        /// Show the difference and change nothing.
        #[arg(long)]
        dry_run: bool,
        /// TOML or JSON files.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Run a node: exchange, bidder and control plane.
    Serve {
        /// The configuration file.
        #[arg(long, default_value = "gavel.toml")]
        config: PathBuf,
    },
    /// Show the engine at work: publishers, partners, users and a node in one process.
    Demo {
        /// Stop after so many seconds; without it, at Ctrl-C. Either way the statement follows.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=86_400))]
        seconds: Option<u64>,
        /// Requests a second.
        #[arg(long, value_name = "R", default_value_t = 500,
              value_parser = clap::value_parser!(u32).range(1..=10_000))]
        rate: u32,
        /// Address of the data plane; port 0 lets the system choose.
        #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080", value_parser = address)]
        data: SocketAddr,
        /// Address of the control plane; port 0 lets the system choose.
        #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8081", value_parser = address)]
        control: SocketAddr,
    },
    /// Run the bidder in virtual time over a recorded stream of auctions.
    Simulate(#[command(flatten)] Box<gavel::simulate::Options>),
    /// Print the billing statement of an account, computed twice.
    Statement(StatementArguments),
    /// Close a month: its statements stand from then on.
    Close(CloseArguments),
    /// Correct an account in the open month, with a reason.
    Adjust(AdjustArguments),
    /// List the notices that were refused, with their reasons.
    Notices(NoticesArguments),
    /// Compare another party's counts with ours, day by day and by reason.
    Discrepancy(DiscrepancyArguments),
    /// Write the event log for a warehouse, partitioned by day.
    Export(ExportArguments),
    /// Delete the events that the configuration does not keep.
    Prune(PruneArguments),
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Check { example: true, .. } => {
            say(&gavel::config::example());
            Ok(ExitCode::SUCCESS)
        }
        Command::Check { config, .. } => check(&config),
        Command::Apply {
            config,
            dry_run,
            files,
        } => settings(&config).and_then(|settings| {
            let plan = gavel::apply::apply(&settings, &files, dry_run)?;
            say(&plan.to_string());
            Ok(ExitCode::SUCCESS)
        }),
        Command::Demo {
            seconds,
            rate,
            data,
            control,
        } => demo(&Wish {
            seconds,
            rate,
            data,
            control,
        }),
        Command::Serve { config } => settings(&config).and_then(serve),
        Command::Simulate(options) => gavel::simulate::command(&options).map(|said| {
            say(&said);
            ExitCode::SUCCESS
        }),
        Command::Statement(told) => report(&told.config, |settings| told.run(settings)),
        Command::Close(told) => report(&told.config, |settings| told.run(settings)),
        Command::Adjust(told) => report(&told.config, |settings| told.run(settings)),
        Command::Notices(told) => report(&told.config, |settings| told.run(settings)),
        Command::Discrepancy(told) => report(&told.config, |settings| told.run(settings)),
        Command::Export(told) => report(&told.config, |settings| told.run(settings)),
        Command::Prune(told) => report(&told.config, |settings| told.run(settings)),
    };
    done.unwrap_or_else(|error| {
        complain(&format!("gavel: {error:#}\n"));
        ExitCode::FAILURE
    })
}

fn check(path: &Path) -> Result<ExitCode> {
    let faults = gavel::check::files(&settings(path)?);
    if !faults.is_empty() {
        let name = path.display();
        let lines: Vec<String> = faults
            .iter()
            .map(|fault| format!("{name}: {fault}"))
            .collect();
        return Err(anyhow!("faults in the configuration\n{}", lines.join("\n")));
    }
    say(&format!("{}: no faults\n", path.display()));
    Ok(ExitCode::SUCCESS)
}

fn serve(settings: Settings) -> Result<ExitCode> {
    let serving = Serving::start(settings)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    // Whoever reads that the node serves may send it a signal at once.
    let mut signals = runtime.block_on(async { Signals::new() })?;
    say(&format!("data plane http://{}\n", serving.data));
    say(&format!("control plane http://{}\n", serving.control));
    if let Some(key) = &serving.new_admin_key {
        say(&format!(
            "admin key {key} (kept in the storage directory, shown this once)\n"
        ));
    }
    runtime.block_on(async {
        while signals.next().await == Wanted::Reload {
            serving.reload();
        }
    });
    serving.stop();
    Ok(ExitCode::SUCCESS)
}

/// What a signal asks for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// That everything be read again.
    Reload,
    /// The end.
    End,
}

/// The signals that are waited for, from when this is made.
struct Signals {
    hangup: Signal,
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) -> Wanted {
        tokio::select! {
            _ = self.hangup.recv() => Wanted::Reload,
            _ = self.interrupt.recv() => Wanted::End,
            _ = self.terminate.recv() => Wanted::End,
        }
    }
}

fn demo(wish: &Wish) -> Result<ExitCode> {
    let ended = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&ended);
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime.block_on(async {
                let mut signals = Signals::new()?;
                while signals.next().await == Wanted::Reload {}
                std::io::Result::Ok(())
            })?;
            flag.store(true, Ordering::Relaxed);
            std::io::Result::Ok(())
        })?;
    // Whoever closes the pipe (`gavel demo | head`) has seen enough: the demo ends in order.
    let tell = |text: &str| {
        if std::io::stdout().write_all(text.as_bytes()).is_err() {
            ended.store(true, Ordering::Relaxed);
        }
    };
    gavel::demo::run(wish, tell, || ended.load(Ordering::Relaxed))?;
    Ok(ExitCode::SUCCESS)
}

/// Prints what a command on the stored books has to say.
fn report(config: &Path, work: impl FnOnce(&Settings) -> Result<String>) -> Result<ExitCode> {
    say(&work(&settings(config)?)?);
    Ok(ExitCode::SUCCESS)
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let wrong = |_| "expected an address such as 127.0.0.1:8080".to_owned();
    text.parse().map_err(wrong)
}

/// The settings of a file and the environment, or everything that is wrong with them.
fn settings(path: &Path) -> Result<Settings> {
    let name = path.display();
    let text = std::fs::read_to_string(path).with_context(|| format!("{name} cannot be read"))?;
    gavel::config::read(&text, std::env::vars())
        .map(|values| Settings::new(&values))
        .map_err(|faults| {
            let lines: Vec<String> = faults
                .iter()
                .map(|fault| format!("{name}: {fault}"))
                .collect();
            anyhow!("faults in the configuration\n{}", lines.join("\n"))
        })
}

#[allow(clippy::print_stdout, reason = "this is what the program has to say")]
fn say(text: &str) {
    print!("{text}");
}

#[allow(clippy::print_stderr, reason = "this is what the program has to say")]
fn complain(text: &str) {
    eprint!("{text}");
}
