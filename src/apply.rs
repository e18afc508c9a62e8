//! `gavel apply`: files into the resources of a node, with the difference shown first. A running
//! node over the same directory sees the change within a second.

use crate::clock;
use crate::config::Settings;
use crate::resources;
use anyhow::{Context, Result, bail};
use control::apply::{Documents, Plan, Source};
use jiff::Timestamp;
use std::path::PathBuf;

/// What the change log says who did it.
const WHO: &str = "gavel apply";

/// Applies `files`, or says what they would change where `dry_run`.
///
/// # Errors
/// Everything that is wrong with the files at once; nothing is changed then.
pub fn apply(settings: &Settings, files: &[PathBuf], dry_run: bool) -> Result<Plan> {
    let sources = files
        .iter()
        .map(|path| {
            let name = path.display().to_string();
            let text = std::fs::read_to_string(path);
            Ok(Source {
                text: text.with_context(|| format!("{name} cannot be read"))?,
                name,
            })
        })
        .collect::<Result<Vec<_>>>()?;
    let documents = match Documents::read(&sources) {
        Ok(documents) => documents,
        Err(faults) => {
            let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
            bail!("nothing was changed\n{}", lines.join("\n"));
        }
    };
    let store = resources::open(&settings.storage)?;
    let now = Timestamp::from_millisecond(clock::unix_ms())?;
    let plan = if dry_run {
        control::apply::plan(&store, &documents, now)
    } else {
        control::apply::apply(&store, &documents, WHO, now)
    };
    plan.context("nothing was changed")
}
