//! The audience of the demo: known users, each with a few segments.

use crate::demo::traffic::KNOWN_USERS;
use anyhow::{Context, Result};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

/// Each segment with the share of users in it, in percent.
const SEGMENTS: [(&str, u32); 8] = [
    ("seg_autointent", 18),
    ("seg_highincome", 12),
    ("seg_converters", 3),
    ("seg_foodlover", 22),
    ("seg_parents", 25),
    ("seg_sports", 30),
    ("seg_travel", 15),
    ("seg_gamers", 28),
];

/// Writes one line for each known user, under the id that exchanges map for the buyer.
///
/// # Errors
/// Where the file cannot be written.
pub(super) fn write(path: &Path, seed: u64) -> Result<()> {
    let what = || format!("{} cannot be written", path.display());
    let mut file = BufWriter::new(File::create(path).with_context(what)?);
    let mut random = SmallRng::seed_from_u64(seed);
    for user in 0..KNOWN_USERS {
        let mut of: Vec<&str> = SEGMENTS
            .iter()
            .filter(|(_, share)| random.random_range(0..100) < *share)
            .map(|(name, _)| *name)
            .collect();
        if of.is_empty() {
            of.push("seg_sports");
        }
        writeln!(file, "buyeruid\tbuyer-{user}\t{}", of.join(",")).with_context(what)?;
    }
    file.flush().with_context(what)
}
