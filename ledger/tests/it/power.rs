//! Power that fails while the books are written, and bits that flip afterwards.
//!
//! The disk is played: what was synchronised is there after the failure, of what was written
//! since each sector of 512 bytes is there, or not, or half, in any order. Then the books are
//! opened from what is left, held to what was acknowledged, and everything is sent once more.

use crate::fixture::{File, bill, budget, late, sale};
use ledger::invariant::{unbalanced, within_budget};
use ledger::statement::{Period, Statement};
use ledger::store::{SqliteStore, Store, StoreError};
use ledger::{Event, Outcome};
use proptest::prelude::*;
use rusqlite::Connection;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const SECTOR: usize = 512;
const LIMIT: i64 = 6_000;

fn sidecar(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    PathBuf::from(name)
}

/// What is on the disk: the file, and its log.
#[derive(Clone, Default)]
struct Disk {
    main: Vec<u8>,
    log: Vec<u8>,
}

impl Disk {
    fn read(file: &File) -> Self {
        Self {
            main: fs::read(file.path()).unwrap(),
            log: fs::read(sidecar(file.path())).unwrap_or_default(),
        }
    }

    fn write(&self, file: &File) {
        fs::write(file.path(), &self.main).unwrap();
        fs::write(sidecar(file.path()), &self.log).unwrap();
    }

    /// This disk with any part of what `later` has written since and not synchronised.
    fn torn(&self, later: &Disk, mut lot: Lot) -> Self {
        let mut torn = |from: &[u8], to: &[u8]| {
            let mut left = from.to_vec();
            // The file may have grown already, by sectors that were never written.
            left.resize(from.len().max(to.len()), 0);
            for at in (0..to.len()).step_by(SECTOR) {
                let end = (at + SECTOR).min(to.len());
                let end = match lot.below(4) {
                    0 => at,
                    1 => at + lot.below(SECTOR as u64 + 1) as usize,
                    _ => end,
                };
                let end = end.min(to.len());
                left[at..end].copy_from_slice(&to[at..end]);
            }
            let shortest = from.len().min(to.len());
            let cut = lot.below((left.len() - shortest) as u64 + 1) as usize;
            left.truncate(if lot.below(2) == 0 {
                left.len()
            } else {
                shortest + cut
            });
            left
        };
        Self {
            main: self.main.clone(),
            log: torn(&self.log, &later.log),
        }
    }
}

/// Lots that follow from a seed.
struct Lot(u64);

impl Lot {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % most.max(1)
    }
}

#[derive(Clone, Debug)]
enum Step {
    /// So many bills with their sales, acknowledged together.
    Batch(u32),
    /// All that is in the log goes into the file.
    Checkpoint,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![5 => (1_u32..6).prop_map(Step::Batch), 1 => Just(Step::Checkpoint)];
    prop::collection::vec(step, 1..7)
}

fn pair(number: u32) -> [Event; 2] {
    let cpm = i64::from(number % 7 + 1) * 100_003;
    let sold = Event {
        seat: "adv_a".into(),
        ..sale(number, cpm, 850_000)
    };
    [bill(number, cpm), sold]
}

fn batch(numbers: std::ops::Range<u32>) -> Vec<Event> {
    numbers.flat_map(pair).collect()
}

/// Holds the books to themselves, and says which bills and sales they have.
fn check(store: &SqliteStore) -> Result<BTreeSet<(String, Vec<u8>)>, TestCaseError> {
    let books = store.books().unwrap();
    prop_assert_eq!(unbalanced(&books.balances), Vec::<String>::new());
    store.statement(Period::ALL).unwrap();
    let state = store.budget("line:li_a").unwrap().unwrap();
    prop_assert!(
        within_budget(&state) && state.spent.0 <= LIMIT,
        "{:?}",
        state
    );
    let of = |funded: bool| -> i64 {
        let own = books
            .log
            .iter()
            .filter(|one| one.event.kind == ledger::event::Kind::Bill);
        own.filter(|one| one.funded == funded)
            .map(|one| one.cost.0)
            .sum()
    };
    prop_assert_eq!(state.spent.0, of(true));
    let found: Vec<(String, Vec<u8>)> = books
        .log
        .iter()
        .map(|one| (one.event.kind.label().to_owned(), one.event.key.to_vec()))
        .collect();
    let distinct: BTreeSet<_> = found.iter().cloned().collect();
    prop_assert_eq!(found.len(), distinct.len(), "charged twice");
    Ok(distinct)
}

fn names(events: &[Event]) -> BTreeSet<(String, Vec<u8>)> {
    events
        .iter()
        .map(|event| (event.kind.label().to_owned(), event.key.to_vec()))
        .collect()
}

/// Seeds by `GAVEL_POWER_SEEDS`.
fn config() -> ProptestConfig {
    let seeds = std::env::var("GAVEL_POWER_SEEDS")
        .ok()
        .and_then(|text| text.parse().ok());
    ProptestConfig {
        cases: seeds.unwrap_or(40),
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_was_acknowledged_survives_and_nothing_is_charged_twice(
        steps in steps(), unsent in 1_u32..6, seed: u64,
    ) {
        let file = File::new(&format!("power-{seed}"));
        let mut store = file.open(0);
        store.set_budgets(&[budget(LIMIT)]).unwrap();
        let mut sent = 0;
        for step in &steps {
            match step {
                Step::Batch(count) => {
                    store.apply(&batch(sent..sent + count), &mut late).unwrap();
                    sent += count;
                }
                Step::Checkpoint => {
                    let beside = Connection::open(file.path()).unwrap();
                    let copied = beside.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
                    copied.unwrap();
                }
            }
        }
        let durable = Disk::read(&file);
        // Written, and the power fails before it is synchronised.
        let last = batch(sent..sent + unsent);
        store.apply(&last, &mut late).unwrap();
        let left = durable.torn(&Disk::read(&file), Lot(seed));
        drop(store);

        let after = File::new(&format!("power-after-{seed}"));
        left.write(&after);
        let mut store = after.open(100);
        let found = check(&store)?;
        let (acknowledged, unsure) = (names(&batch(0..sent)), names(&last));
        prop_assert!(acknowledged.is_subset(&found), "lost what was acknowledged");
        let more: BTreeSet<_> = found.difference(&acknowledged).cloned().collect();
        prop_assert!(more.is_empty() || more == unsure, "half of a transaction");
        // The sender tries everything again.
        let all = batch(0..sent + unsent);
        let outcomes = store.apply(&all, &mut late).unwrap();
        for (event, outcome) in all.iter().zip(outcomes) {
            let known = found.contains(&(event.kind.label().to_owned(), event.key.to_vec()));
            prop_assert_eq!(outcome == Outcome::Duplicate, known);
        }
        prop_assert_eq!(check(&store)?, names(&all));
    }

    #[test]
    fn a_bit_that_flips_is_found_or_changes_no_statement(count in 1_u32..12, seed: u64) {
        let file = File::new(&format!("flip-{seed}"));
        let mut store = file.open(0);
        store.set_budgets(&[budget(LIMIT)]).unwrap();
        store.apply(&batch(0..count), &mut late).unwrap();
        let told = store.statement(Period::ALL).unwrap();
        // The last to close leaves everything in the file.
        drop(store);
        let mut lot = Lot(seed);
        let mut disk = Disk::read(&file);
        prop_assert!(disk.log.is_empty());
        let at = lot.below(disk.main.len() as u64) as usize;
        disk.main[at] ^= 1 << lot.below(8);
        disk.write(&file);
        let again = || -> Result<Statement, StoreError> {
            SqliteStore::read(file.path())?.statement(Period::ALL)
        };
        if let Ok(statement) = again() {
            prop_assert_eq!(statement, told, "bit {} of byte {} went unseen", at % 8, at);
        }
    }
}

/// Whatever part of an event changes behind the ledger's back, its number is told.
#[test]
fn a_damaged_event_is_named() {
    for change in [
        "line_item = 'li_b'",
        "placement = 'other'",
        "at_ms = at_ms + 1",
        "cost = cost + 1",
        "cpm = cpm + 4",
        "key = zeroblob(16)",
        "reason = 1",
        "currency = 'USD'",
    ] {
        let file = File::new("damaged");
        let mut store = file.open(0);
        store.set_budgets(&[budget(LIMIT)]).unwrap();
        store.apply(&batch(0..3), &mut late).unwrap();
        let beside = Connection::open(file.path()).unwrap();
        let changed = beside.execute(&format!("UPDATE event SET {change} WHERE seq = 3"), []);
        assert_eq!(changed.unwrap(), 1);
        let fault = store.statement(Period::ALL).unwrap_err().to_string();
        assert!(
            fault.contains("event 3, which does not match its checksum"),
            "{change}: {fault}"
        );
    }
}
