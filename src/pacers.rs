//! The pacers across restarts: a file beside the ledger, written each minute and at an orderly
//! end, whole, and moved into its place when it is on the disk. What a crash loses is at most a
//! minute of learning and never money: to a pacer it is an outage, from which it learns nothing.

use anyhow::{Context, Result};
use bidder::Pacers;
use std::fs::{self, File};
use std::io::{BufReader, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

fn file(storage: &Path) -> PathBuf {
    storage.join("pacers.json")
}

/// The pacers as they were last saved; new ones where none ever were.
///
/// # Errors
/// Where the file cannot be read. It is put aside, so that the next save does not replace it, and
/// the node goes on with new pacers.
pub(crate) fn restore(storage: &Path) -> Result<Pacers> {
    let path = file(storage);
    let open = match File::open(&path) {
        Ok(open) => open,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Pacers::default()),
        Err(error) => return Err(error).with_context(|| path.display().to_string()),
    };
    serde_json::from_reader(BufReader::new(open)).with_context(|| {
        let aside = path.with_extension("json.damaged");
        let kept = match fs::rename(&path, &aside) {
            Ok(()) => format!(" and was put aside as {}", aside.display()),
            Err(_) => String::new(),
        };
        let path = path.display();
        format!("the pacers' file {path} cannot be read{kept}; campaigns are paced from new")
    })
}

/// Writes the pacers.
///
/// # Errors
/// Where they cannot be written; those of before are then still in place.
pub(crate) fn save(storage: &Path, pacers: &Pacers) -> Result<()> {
    let new = storage.join("pacers.json.new");
    let what = || format!("the pacers in {}", new.display());
    let mut out = BufWriter::new(File::create(&new).with_context(what)?);
    serde_json::to_writer(&mut out, pacers).with_context(what)?;
    out.flush().with_context(what)?;
    out.get_ref().sync_all().with_context(what)?;
    fs::rename(&new, file(storage)).with_context(what)?;
    File::open(storage)
        .and_then(|folder| folder.sync_all())
        .with_context(what)
}
