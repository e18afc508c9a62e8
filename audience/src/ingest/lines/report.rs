//! What reading a file found: counts, errors by reason, and the first errors with their lines.

use thiserror::Error;

use super::CSV_HEADER;
use crate::identity::{ID_BYTES_MAX, IdentityError, SOURCE_BYTES_MAX};
use crate::lookup::BuildError;
use crate::segment::{NAME_BYTES_MAX, NameError};

/// How many errors a report keeps in full.
pub const ERRORS_KEPT: usize = 20;

/// Counts of one file. `users` plus all refused lines is at most `lines`; the rest are blank
/// lines, comments and the header.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Lines read.
    pub lines: u64,
    /// Lines taken; a user on two lines counts twice.
    pub users: u64,
    /// Memberships taken, repetitions within a line removed.
    pub memberships: u64,
    /// The first [`ERRORS_KEPT`] errors, in the order of lines.
    pub first: Vec<LineError>,
    by_reason: [u64; Reason::LABELS.len()],
}

impl Report {
    /// Refused lines.
    pub fn refused(&self) -> u64 {
        self.by_reason.iter().sum()
    }

    /// Refused lines by [`Reason::label`], without the reasons that did not occur.
    pub fn by_reason(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Reason::LABELS
            .into_iter()
            .zip(self.by_reason)
            .filter(|&(_, count)| count > 0)
    }

    pub(super) fn refuse(&mut self, reason: Reason) {
        self.by_reason[reason.index()] += 1;
        if self.first.len() < ERRORS_KEPT {
            self.first.push(LineError {
                line: self.lines,
                reason,
            });
        }
    }
}

/// One refused line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("line {line}: {reason}")]
pub struct LineError {
    /// Number of the line, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub reason: Reason,
}

/// Why a line was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Reason {
    /// Longer than the limit.
    #[error("line has more than {limit} bytes")]
    LongLine {
        /// Bytes allowed.
        limit: usize,
    },
    /// Not UTF-8.
    #[error("line is not UTF-8")]
    NotUtf8,
    /// The first line of a CSV file is something else.
    #[error("the first line must be the header {CSV_HEADER:?}")]
    NoHeader,
    /// More or fewer than three fields.
    #[error("line has {found} fields, it must have 3: kind, id, segments")]
    Fields {
        /// Fields found.
        found: usize,
    },
    /// A quote in CSV.
    #[error("quotes are not supported; ids and segments with , ; or \" need the tab format")]
    Quoted,
    /// A kind of id that is not known. It is not repeated: where fields are swapped, it is an id.
    #[error("kind is unknown; allowed are buyeruid, eid:SOURCE, ifa, userid")]
    Kind,
    /// The id is empty.
    #[error("id is empty")]
    EmptyId,
    /// The id is too long.
    #[error("id has {found} bytes, at most {ID_BYTES_MAX} are allowed")]
    LongId {
        /// Bytes found.
        found: usize,
    },
    /// An advertising id of zeros.
    #[error("ifa is all zeros, which is nobody; leave such users out")]
    ZeroIfa,
    /// The source of an extended id is empty or too long.
    #[error("eid source must have 1 to {SOURCE_BYTES_MAX} bytes: eid:SOURCE")]
    Source,
    /// The list of segments is empty.
    #[error("user has no segments; leave such users out")]
    NoSegments,
    /// More segments than the limit.
    #[error("line has {found} segments, at most {limit} are allowed")]
    ManySegments {
        /// Segments found.
        found: usize,
        /// Segments allowed.
        limit: usize,
    },
    /// A name of a segment is empty, too long, or has a character that is not allowed.
    #[error(
        "segment name must have 1 to {NAME_BYTES_MAX} bytes without white space, control \
         characters and , ; \""
    )]
    SegmentName,
    /// The dictionary of segments is full.
    #[error("file names too many segments, at most {limit} are allowed over all files")]
    ManyNames {
        /// Names allowed.
        limit: u32,
    },
    /// The audience is full.
    #[error("{0}")]
    Full(BuildError),
}

impl Reason {
    /// The labels of all reasons.
    pub const LABELS: [&'static str; 15] = [
        "long_line",
        "not_utf8",
        "no_header",
        "fields",
        "quoted",
        "kind",
        "empty_id",
        "long_id",
        "zero_ifa",
        "source",
        "no_segments",
        "many_segments",
        "segment_name",
        "many_names",
        "full",
    ];

    /// A short name for counters.
    pub fn label(&self) -> &'static str {
        Self::LABELS[self.index()]
    }

    fn index(&self) -> usize {
        match self {
            Self::LongLine { .. } => 0,
            Self::NotUtf8 => 1,
            Self::NoHeader => 2,
            Self::Fields { .. } => 3,
            Self::Quoted => 4,
            Self::Kind => 5,
            Self::EmptyId => 6,
            Self::LongId { .. } => 7,
            Self::ZeroIfa => 8,
            Self::Source => 9,
            Self::NoSegments => 10,
            Self::ManySegments { .. } => 11,
            Self::SegmentName => 12,
            Self::ManyNames { .. } => 13,
            Self::Full(_) => 14,
        }
    }
}

impl From<IdentityError> for Reason {
    fn from(error: IdentityError) -> Self {
        match error {
            IdentityError::EmptyId => Self::EmptyId,
            IdentityError::LongId { bytes } => Self::LongId { found: bytes },
            IdentityError::ZeroIfa => Self::ZeroIfa,
            IdentityError::EmptySource | IdentityError::LongSource { .. } => Self::Source,
        }
    }
}

impl From<NameError> for Reason {
    fn from(error: NameError) -> Self {
        match error {
            NameError::Empty | NameError::TooLong { .. } | NameError::Character { .. } => {
                Self::SegmentName
            }
            NameError::Full { limit } => Self::ManyNames { limit },
        }
    }
}

impl From<BuildError> for Reason {
    fn from(error: BuildError) -> Self {
        Self::Full(error)
    }
}
