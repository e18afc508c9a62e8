//! The audience file: read into a new generation beside the old one, and refused where it looks
//! like a feed that broke off.

use anyhow::{Context, Result, bail};
use audience::ingest::lines::{Format, Ingest, LineLimits, Report};
use audience::{Builder, Generation, KeySeed, Limits, Lookup, SegmentNames};
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

/// Most names of segments in one installation.
pub const MAX_SEGMENTS: u32 = 1_000_000;

/// One generation of the audience, as the bid path uses it.
pub struct Audience {
    /// User → segments.
    pub lookup: Lookup,
    /// The names of the segments; their ids stay the same from generation to generation.
    pub names: SegmentNames,
    /// The file's change time and length, to see a newer one.
    seen: Option<(SystemTime, u64)>,
}

impl Audience {
    /// No users at all.
    pub fn empty() -> Self {
        let lookup = Lookup::empty(Generation(0));
        Self {
            lookup,
            names: SegmentNames::with_limit(MAX_SEGMENTS),
            seen: None,
        }
    }

    /// Reads `path` into the generation after this one, its users keyed under `seed`, or `None` where the file has not changed
    /// since.
    ///
    /// # Errors
    /// Where the file cannot be read, holds nothing usable, or has less than half the users of
    /// this generation and `allow_shrink` is off. This generation then stays in use.
    pub fn next(
        &self,
        path: &Path,
        seed: KeySeed,
        allow_shrink: bool,
    ) -> Result<Option<(Arc<Self>, Report)>> {
        let what = || format!("the audience file {}", path.display());
        let metadata = std::fs::metadata(path).with_context(what)?;
        let seen = Some((metadata.modified().with_context(what)?, metadata.len()));
        if self.seen == seen {
            return Ok(None);
        }
        let mut names = self.names.clone();
        let mut builder = Builder::new(Limits::default());
        let report = feed(path, seed, &mut names, &mut builder).with_context(what)?;
        let generation = Generation(self.lookup.generation().0 + 1);
        let lookup = builder.finish(generation).with_context(what)?;
        if report.refused() > 0 && report.users == 0 {
            let first = report
                .first
                .first()
                .map_or(String::new(), ToString::to_string);
            bail!("{}: no usable line; {first}", what());
        }
        let (before, after) = (self.lookup.users(), lookup.users());
        if !allow_shrink && after < before / 2 {
            bail!(
                "{}: {after} users where the generation in use has {before}; \
                 set audience.allow_shrink to accept it",
                what()
            );
        }
        Ok(Some((
            Arc::new(Self {
                lookup,
                names,
                seen,
            }),
            report,
        )))
    }
}

fn feed(
    path: &Path,
    seed: KeySeed,
    names: &mut SegmentNames,
    builder: &mut Builder,
) -> Result<Report> {
    let csv = path
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("csv"));
    let format = if csv { Format::Csv } else { Format::Tabs };
    let mut ingest = Ingest::new(format, seed, LineLimits::default(), names, builder);
    let mut file = File::open(path)?;
    let mut chunk = vec![0; 256 * 1024];
    loop {
        let read = file.read(&mut chunk)?;
        if read == 0 {
            return Ok(ingest.finish());
        }
        ingest.feed(&chunk[..read]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: KeySeed = KeySeed(1);

    fn file(name: &str, text: &str) -> std::path::PathBuf {
        let path = std::env::temp_dir().join(format!("gavel-{}-{name}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        path
    }

    #[test]
    fn a_generation_follows_another_unless_it_shrinks() {
        let four = "userid\t1\ta\nuserid\t2\ta\nuserid\t3\ta,b\nuserid\t4\tb\n";
        let path = file("shrink", four);
        let (first, report) = Audience::empty().next(&path, SEED, false).unwrap().unwrap();
        assert_eq!((first.lookup.users(), report.users), (4, 4));
        assert!(
            first.next(&path, SEED, false).unwrap().is_none(),
            "an unchanged file is not read"
        );

        let again = file("one", "userid\t1\tb\n");
        assert!(first.next(&again, SEED, false).is_err());
        let (second, _) = first.next(&again, SEED, true).unwrap().unwrap();
        assert_eq!(second.lookup.users(), 1);
        assert_eq!(second.names.get("b"), first.names.get("b"), "ids stay");

        let broken = file("broken", "nonsense\n");
        let error = format!(
            "{:#}",
            first.next(&broken, SEED, true).map(|_| ()).unwrap_err()
        );
        assert!(error.contains("line 1"), "{error}");
        for path in [path, again, broken] {
            std::fs::remove_file(path).unwrap();
        }
    }
}
