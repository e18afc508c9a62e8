//! The program `gavel`.

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

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
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Check { example: true, .. } => {
            say(&gavel::config::example());
            Ok(ExitCode::SUCCESS)
        }
        Command::Check { config, .. } => check(&config),
    };
    done.unwrap_or_else(|error| {
        complain(&format!("gavel: {error:#}\n"));
        ExitCode::FAILURE
    })
}

fn check(path: &std::path::Path) -> Result<ExitCode> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("{} cannot be read", path.display()))?;
    match gavel::config::read(&text, std::env::vars()) {
        Ok(_) => {
            say(&format!("{}: no faults\n", path.display()));
            Ok(ExitCode::SUCCESS)
        }
        Err(faults) => {
            for fault in &faults {
                complain(&format!("{}: {fault}\n", path.display()));
            }
            Ok(ExitCode::FAILURE)
        }
    }
}

#[allow(clippy::print_stdout, reason = "this is what the program has to say")]
fn say(text: &str) {
    print!("{text}");
}

#[allow(clippy::print_stderr, reason = "this is what the program has to say")]
fn complain(text: &str) {
    eprint!("{text}");
}
