//! The plain formats: one user a line, tab-separated text or CSV.
//!
//! ```text
//! # comment
//! buyeruid<TAB>b-8f2<TAB>autos,travel
//! ifa<TAB>38400000-8cf0-11bd-b23e-10b96e40000d<TAB>autos
//! eid:id.example<TAB>Xq1<TAB>sport
//! userid<TAB>u-1<TAB>sport
//! ```
//!
//! CSV begins with the header `kind,id,segments`, separates segments by `;` and knows no quoting.
//! Blank lines, `#` lines, a byte order mark and `\r\n` are accepted in both. A line is taken
//! whole or refused whole; a refused line never stops the file. Several lines of one user add up.
//!
//! Bytes are fed in pieces of any size; memory is bounded by one line. Ids are personal data, so
//! no error repeats one.

use crate::identity::{ID_BYTES_MAX, IdKind, KeySeed, SOURCE_BYTES_MAX, UserKey};
use crate::lookup::Builder;
use crate::segment::{SegmentId, SegmentNames};

mod report;

pub use report::{ERRORS_KEPT, LineError, Reason, Report};

/// How the fields of a line are separated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `kind<TAB>id<TAB>segment,segment`.
    Tabs,
    /// `kind,id,segment;segment` after a header line.
    Csv,
}

/// The header line of [`Format::Csv`].
pub const CSV_HEADER: &str = "kind,id,segments";

/// What one line may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineLimits {
    /// Bytes of a line without its end.
    pub bytes: usize,
    /// Segments of a line.
    pub segments: usize,
}

impl Default for LineLimits {
    fn default() -> Self {
        Self {
            bytes: 64 * 1024,
            segments: 1_000,
        }
    }
}

/// Reads one file into a [`Builder`], naming its segments in a [`SegmentNames`].
#[derive(Debug)]
pub struct Ingest<'a> {
    format: Format,
    seed: KeySeed,
    limits: LineLimits,
    names: &'a mut SegmentNames,
    builder: &'a mut Builder,
    /// The beginning of a line whose end has not been fed yet.
    partial: Vec<u8>,
    /// Bytes of the current line that were dropped because it is too long.
    skipped: usize,
    header_due: bool,
    segments: Vec<SegmentId>,
    report: Report,
}

impl<'a> Ingest<'a> {
    /// Starts a file. `seed` must be the one that the bid path uses for its keys.
    pub fn new(
        format: Format,
        seed: KeySeed,
        limits: LineLimits,
        names: &'a mut SegmentNames,
        builder: &'a mut Builder,
    ) -> Self {
        Self {
            format,
            seed,
            limits,
            names,
            builder,
            partial: Vec::new(),
            skipped: 0,
            header_due: format == Format::Csv,
            segments: Vec::new(),
            report: Report::default(),
        }
    }

    /// Takes the next bytes of the file.
    pub fn feed(&mut self, mut bytes: &[u8]) {
        while let Some(end) = bytes.iter().position(|&byte| byte == b'\n') {
            let (line, rest) = (&bytes[..end], &bytes[end + 1..]);
            bytes = rest;
            if self.partial.is_empty() && self.skipped == 0 {
                self.end_line(line, line.len());
            } else {
                self.keep(line);
                self.end_partial();
            }
        }
        self.keep(bytes);
    }

    /// Ends the file; a last line without an end counts.
    pub fn finish(mut self) -> Report {
        if !self.partial.is_empty() || self.skipped > 0 {
            self.end_partial();
        }
        if self.header_due {
            self.report.lines += 1;
            self.report.refuse(Reason::NoHeader);
        }
        self.report
    }

    fn keep(&mut self, bytes: &[u8]) {
        // One byte more than allowed is kept for a `\r` that is part of the line's end.
        let room = (self.limits.bytes + 1).saturating_sub(self.partial.len());
        let kept = bytes.len().min(room);
        self.partial.extend_from_slice(&bytes[..kept]);
        self.skipped += bytes.len() - kept;
    }

    fn end_partial(&mut self) {
        let line = std::mem::take(&mut self.partial);
        let skipped = std::mem::take(&mut self.skipped);
        self.end_line(&line, line.len() + skipped);
        self.partial = line;
        self.partial.clear();
    }

    /// `line` may be only the beginning of a line of `bytes` bytes.
    fn end_line(&mut self, line: &[u8], bytes: usize) {
        self.report.lines += 1;
        if let Err(reason) = self.take_line(line, bytes) {
            self.report.refuse(reason);
        }
    }

    fn take_line(&mut self, line: &[u8], bytes: usize) -> Result<(), Reason> {
        let return_bytes = usize::from(bytes == line.len() && line.ends_with(b"\r"));
        if bytes - return_bytes > self.limits.bytes {
            return Err(Reason::LongLine {
                limit: self.limits.bytes,
            });
        }
        let line = &line[..line.len() - return_bytes];
        let line = match self.report.lines {
            1 => line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line),
            _ => line,
        };
        let line = std::str::from_utf8(line).map_err(|_| Reason::NotUtf8)?;
        if line.is_empty() || line.starts_with('#') {
            return Ok(());
        }
        if std::mem::take(&mut self.header_due) {
            return if line == CSV_HEADER {
                Ok(())
            } else {
                Err(Reason::NoHeader)
            };
        }
        self.take_user(line)
    }

    fn take_user(&mut self, line: &str) -> Result<(), Reason> {
        let (field, segment) = match self.format {
            Format::Tabs => ('\t', ','),
            Format::Csv => (',', ';'),
        };
        let mut fields = line.split(field);
        let (Some(kind), Some(id), Some(segments), None) =
            (fields.next(), fields.next(), fields.next(), fields.next())
        else {
            return Err(Reason::Fields {
                found: line.split(field).count(),
            });
        };
        if self.format == Format::Csv && line.contains('"') {
            return Err(Reason::Quoted);
        }
        let user = UserKey::new(self.seed, id_kind(kind)?, id.as_bytes())?;
        self.name_segments(segments, segment)?;
        self.builder.add(user, &self.segments)?;
        self.report.users += 1;
        self.report.memberships += self.segments.len() as u64;
        Ok(())
    }

    /// Checks all names before the dictionary takes the first, so that a refused line leaves
    /// nothing behind (unless the dictionary fills up within the line).
    fn name_segments(&mut self, list: &str, separator: char) -> Result<(), Reason> {
        if list.is_empty() {
            return Err(Reason::NoSegments);
        }
        let found = list.split(separator).count();
        if found > self.limits.segments {
            return Err(Reason::ManySegments {
                found,
                limit: self.limits.segments,
            });
        }
        for name in list.split(separator) {
            SegmentNames::check(name)?;
        }
        self.segments.clear();
        for name in list.split(separator) {
            self.segments.push(self.names.intern(name)?);
        }
        self.segments.sort_unstable();
        self.segments.dedup();
        Ok(())
    }
}

fn id_kind(kind: &str) -> Result<IdKind<'_>, Reason> {
    match kind {
        "buyeruid" => Ok(IdKind::BuyerUid),
        "ifa" => Ok(IdKind::Ifa),
        "userid" => Ok(IdKind::UserId),
        _ => match kind.strip_prefix("eid:") {
            Some(source) => Ok(IdKind::Eid { source }),
            None => Err(Reason::Kind),
        },
    }
}

/// Checks what must hold for any bytes: no panic, bounded memory, and the same result however
/// the bytes are cut. Fuzzers and tests call it; the first byte chooses format and cut.
pub fn fuzz(data: &[u8]) {
    let (&choice, data) = data.split_first().unwrap_or((&0, &[]));
    let format = if choice & 1 == 0 {
        Format::Tabs
    } else {
        Format::Csv
    };
    let whole = fuzz_run(format, [data].into_iter());
    let cut = fuzz_run(format, data.chunks(1 + usize::from(choice >> 1)));
    assert_eq!(
        whole, cut,
        "the result must not depend on how the file is cut"
    );
    let refused: u64 = whole.0.refused();
    assert!(
        whole.0.users + refused <= whole.0.lines,
        "a line counts once"
    );
    assert!(
        whole.0.memberships >= whole.0.users,
        "a user accepted has a segment"
    );
}

fn fuzz_run<'d>(format: Format, pieces: impl Iterator<Item = &'d [u8]>) -> (Report, usize) {
    let mut names = SegmentNames::with_limit(16);
    let limits = crate::lookup::Limits {
        entries: 64,
        memberships: 256,
        segments_per_user: 8,
    };
    let mut builder = Builder::new(limits);
    let limits = LineLimits {
        bytes: 2 + SOURCE_BYTES_MAX + ID_BYTES_MAX,
        segments: 6,
    };
    let mut ingest = Ingest::new(format, KeySeed::default(), limits, &mut names, &mut builder);
    for piece in pieces {
        ingest.feed(piece);
        assert!(
            ingest.partial.len() <= limits.bytes + 1,
            "memory is bounded by one line"
        );
    }
    let report = ingest.finish();
    (report, builder.entries())
}

#[cfg(test)]
mod tests;
