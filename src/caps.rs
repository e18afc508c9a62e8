//! The frequency counts across restarts: a file beside the ledger, and what the ledger has shown
//! since.
//!
//! The file is written off the bid path, whole, beside the one before it, and moved into its place
//! when it is on the disk. Impressions are counted by the ledger's thread once they are durable,
//! in the order of their numbers, and the file says up to which number it counts; at the start
//! the ledger's later impressions are counted again. Bids that were open when a run ended without
//! saving are known to nobody: until they must have expired, every cap keeps room for them. The
//! alternatives and their cost are in `docs/adr/0004-frequency-counts-across-a-crash.md`.

use crate::clock;
use crate::config::Settings;
use crate::node::{HOLD_MARGIN_S, Node, longest_expiry_s};
use crate::shutdown::Shutdown;
use anyhow::{Context, Result, bail};
use bidder::FrequencyCaps;
use bidder::frequency::Head;
use ledger::Shown;
use ledger::store::Store;
use metrics::counter;
use std::fs::{self, File};
use std::io::{BufReader, BufWriter, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How often the thread looks whether something is due.
const TURN: Duration = Duration::from_millis(200);
/// How often counts that limit nothing any more are dropped.
const SWEEP: Duration = Duration::from_mins(1);
/// Bytes that are written at once.
const BUFFER: usize = 1 << 20;

/// The counts of a storage directory.
fn file(storage: &Path) -> PathBuf {
    storage.join("frequency.counts")
}

/// The counts before those.
fn before(storage: &Path) -> PathBuf {
    storage.join("frequency.counts.before")
}

/// The counts as the last run left them, before anything is served.
///
/// # Errors
/// Where the counts are damaged, and those before them too, or the ledger cannot be read.
pub(crate) fn restore(
    settings: &Settings,
    store: &dyn Store,
    resources: &control::store::Store,
) -> Result<FrequencyCaps> {
    let caps = FrequencyCaps::new(settings.frequency_users).known_by(settings.identity.clone());
    let head = load(&caps, &settings.storage)?;
    catch_up(&caps, store)?;
    let (run, now_s) = (store.epoch(), clock::unix_s());
    let ended = head.is_some_and(|head| head.clean && head.run + 1 == run);
    if !ended && run > 1 {
        let held = longest_expiry_s(resources)? + HOLD_MARGIN_S;
        let held = u32::try_from(held).unwrap_or(u32::MAX);
        caps.expect_unknown(now_s.saturating_add(held));
    }
    Ok(caps)
}

/// Counts what the ledger has shown and nobody has counted.
///
/// # Errors
/// Where the ledger cannot be read.
pub(crate) fn catch_up(caps: &FrequencyCaps, store: &dyn Store) -> Result<()> {
    let now_s = clock::unix_s();
    let read = store.shown_after(caps.counted(), &mut |shown| caps.confirm(&shown, now_s));
    read.context("the impressions since the last save of the frequency counts")
}

/// Counts impressions as the ledger tells them.
pub(crate) fn counting(caps: &Arc<FrequencyCaps>) -> Box<dyn FnMut(&Shown) + Send> {
    let caps = Arc::clone(caps);
    Box::new(move |shown| caps.confirm(shown, clock::unix_s()))
}

/// Sweeps and saves in turns until the shutdown. `report` is told of saves that failed: the next
/// one is tried at its time, and until then the ledger keeps what it would have covered.
pub(crate) fn keep(node: &Node, shutdown: &Shutdown, report: impl Fn(&anyhow::Error)) {
    let mut sweep_due = clock::now() + SWEEP;
    let mut save_due = clock::now() + node.settings.frequency_save;
    let mut saved = Covered {
        changes: node.caps.changes(),
        // What the file of the last run covers, not what was counted again since.
        seq: 0,
    };
    while !shutdown.begun() {
        std::thread::sleep(TURN);
        let now = clock::now();
        if now >= sweep_due {
            node.caps.sweep(clock::unix_s());
            sweep_due = now + SWEEP;
        }
        if now >= save_due && node.caps.changes() != saved.changes {
            let next = Covered {
                changes: node.caps.changes(),
                seq: node.caps.counted(),
            };
            match save(node, false) {
                Ok(()) => {
                    forget(node, saved.seq);
                    saved = next;
                }
                Err(error) => report(&error),
            }
            save_due = now + node.settings.frequency_save;
        }
    }
}

/// What a save covers.
struct Covered {
    changes: u64,
    seq: i64,
}

/// Lets the ledger forget what even the older of two saves covers.
fn forget(node: &Node, seq: i64) {
    // Where it fails the writer has stopped and says so itself; the rows are kept and do no harm.
    let _ = node.writer.call(move |store| store.forget_shown(seq));
}

/// Writes the counts. `ended` says that nothing will change them any more.
///
/// # Errors
/// Where they cannot be written; those of before are then still in place.
pub(crate) fn save(node: &Node, ended: bool) -> Result<()> {
    let head = Head {
        run: node.snapshot.load().purse.epoch,
        clean: ended,
    };
    let written = write(&node.caps, &node.settings.storage, head);
    let outcome = if written.is_ok() { "saved" } else { "failed" };
    counter!("gavel_caps_saves_total", "outcome" => outcome).increment(1);
    written
}

fn write(caps: &FrequencyCaps, storage: &Path, head: Head) -> Result<()> {
    let (new, last) = (storage.join("frequency.counts.new"), file(storage));
    let what = || format!("the frequency counts in {}", new.display());
    let mut out = BufWriter::with_capacity(BUFFER, File::create(&new).with_context(what)?);
    caps.save(head, &mut out).with_context(what)?;
    out.get_ref().sync_all().with_context(what)?;
    if last.exists() {
        fs::rename(&last, before(storage)).with_context(what)?;
    }
    fs::rename(&new, &last).with_context(what)?;
    File::open(storage)
        .and_then(|folder| folder.sync_all())
        .with_context(what)
}

/// Reads the last counts that are whole; `None` where none were ever saved.
fn load(caps: &FrequencyCaps, storage: &Path) -> Result<Option<Head>> {
    let mut damaged = Vec::new();
    for path in [file(storage), before(storage)] {
        let open = match File::open(&path) {
            Ok(open) => open,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(error).with_context(|| path.display().to_string()),
        };
        match caps.load(BufReader::with_capacity(BUFFER, open)) {
            Ok(head) => return Ok(Some(head)),
            Err(error) => damaged.push(format!("{}: {error}", path.display())),
        }
    }
    if damaged.is_empty() {
        return Ok(None);
    }
    bail!(
        "the frequency counts cannot be read ({}): put back a copy, or remove the files to count \
         on from what the ledger still has, which may show some users more than their caps",
        damaged.join("; ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let name = format!("gavel-caps-{name}-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn a_damaged_save_gives_way_to_the_one_before() {
        let folder = folder("damaged");
        let caps = FrequencyCaps::new(10);
        assert_eq!(load(&caps, &folder).unwrap(), None);
        let head = |run| Head { run, clean: true };
        write(&caps, &folder, head(1)).unwrap();
        write(&caps, &folder, head(2)).unwrap();
        assert_eq!(load(&caps, &folder).unwrap(), Some(head(2)));
        fs::write(file(&folder), b"GAVELFRQ and then nothing").unwrap();
        assert_eq!(load(&caps, &folder).unwrap(), Some(head(1)));
        fs::write(before(&folder), b"").unwrap();
        let error = load(&caps, &folder).unwrap_err().to_string();
        assert!(error.contains("frequency.counts.before"), "{error}");
        fs::remove_dir_all(&folder).unwrap();
    }
}
