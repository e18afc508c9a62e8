//! A node to measure, from nothing: bodies, users, line items, configuration, all in a directory.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

use crate::corpus::{self, Counts, Kind, Options};

/// How large the node is.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Line items, with budgets and caps.
    pub line_items: u32,
    /// Users with segments; requests are drawn from them.
    pub users: u64,
    /// Segments.
    pub segments: u32,
    /// What is sent.
    pub kind: Kind,
    /// Distinct bodies.
    pub bodies: u64,
}

/// A directory with all that a node needs.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// Program and arguments that start the node.
    pub command: Vec<String>,
    /// The bodies to send.
    pub bodies: PathBuf,
}

/// Fills `dir` and gives the node its line items; what an earlier run left there is replaced.
///
/// # Errors
/// A file cannot be written, or the program refuses the configuration or the resources.
pub fn prepare(gavel: &str, dir: &Path, size: Size) -> anyhow::Result<Prepared> {
    let state = dir.join("state");
    if state.exists() {
        fs::remove_dir_all(&state).with_context(|| state.display().to_string())?;
    }
    fs::create_dir_all(dir).with_context(|| dir.display().to_string())?;
    let options = Options {
        count: size.bodies,
        seed: 1,
        users: size.users,
        consented_at_s: CONSENTED_AT_S,
    };
    let counts = Counts {
        line_items: size.line_items,
        segments: size.segments,
        publishers: 60,
    };
    let bodies = dir.join(size.kind.file_name());
    corpus::write_kind(&bodies, size.kind, options)?;
    let audience = dir.join("audience.tsv");
    corpus::write_audience(&audience, options, size.segments)?;
    let resources = dir.join("resources.toml");
    corpus::write_resources(&resources, counts, options.seed)?;
    let config = dir.join("gavel.toml");
    fs::write(&config, configuration(&state, &audience))?;
    let (config, resources) = (text(&config)?, text(&resources)?);
    let apply = ["apply", "--config", &config, &resources];
    let applied = Command::new(gavel)
        .args(apply)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {gavel}"))?;
    if !applied.status.success() {
        bail!(
            "{gavel} {}: {}",
            apply.join(" "),
            String::from_utf8_lossy(&applied.stderr)
        );
    }
    let command = [gavel, "serve", "--config", &config].map(String::from);
    Ok(Prepared {
        command: command.to_vec(),
        bodies,
    })
}

/// The users' consent, so that the same size always makes the same bodies.
const CONSENTED_AT_S: u64 = 1_790_000_000;

/// One data thread, because the server has one core; ports of the system's choice. Requests want
/// secure markup and the exchange rejects any other, so notices are over https, where nobody
/// listens; each is tried once, or the exchange's would still be tried in the bidder's turns.
fn configuration(state: &Path, audience: &Path) -> String {
    let quoted = |path: &Path| format!("{:?}", path.display().to_string());
    format!(
        "[data]\nlisten = \"127.0.0.1:0\"\nworkers = 1\npublic_url = \"https://127.0.0.1:9\"\n\
         [control]\nlisten = \"127.0.0.1:0\"\n\
         [storage]\npath = {}\n[audience]\nfile = {}\n\
         [notices]\nattempts = 1\n[currency]\nbase = \"USD\"\n",
        quoted(state),
        quoted(audience)
    )
}

fn text(path: &Path) -> anyhow::Result<String> {
    let text = path.to_str();
    Ok(text
        .with_context(|| format!("{} is not UTF-8", path.display()))?
        .to_owned())
}
