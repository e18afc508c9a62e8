//! The program `gavel`.

use anyhow::{Context, Result, anyhow};
use clap::{Parser, Subcommand};
use gavel::config::Settings;
use std::path::{Path, PathBuf};
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
    };
    done.unwrap_or_else(|error| {
        complain(&format!("gavel: {error:#}\n"));
        ExitCode::FAILURE
    })
}

fn check(path: &Path) -> Result<ExitCode> {
    settings(path)?;
    say(&format!("{}: no faults\n", path.display()));
    Ok(ExitCode::SUCCESS)
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
