//! The counts as a file: written while bids go on, read before the first.
//!
//! The bytes are a header, the marks of each subject, and an end with how many there were and an
//! XXH3 checksum over everything before it. Each subject is consistent by itself; what changes
//! while others are written is in the ledger's tail, from which it is counted again.

use super::marks::{Mark, Marks};
use super::{FrequencyCaps, MAX_WINDOW_S};
use std::io::{self, Read, Write};
use std::sync::atomic::Ordering::Relaxed;
use thiserror::Error;
use xxhash_rust::xxh3::Xxh3;

const MAGIC: &[u8; 8] = b"GAVELFRQ";
const VERSION: u32 = 1;
/// Stands where the number of a subject's marks would, behind the last.
const END: u16 = u16::MAX;
/// Bytes of the header.
const HEADER: usize = 8 + 4 + 4 + 1 + 8 + 4 + 4;

/// What a file says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The run that wrote it.
    pub run: u32,
    /// Whether the run had ended: nothing has changed since.
    pub clean: bool,
}

/// Why counts cannot be read.
#[derive(Debug, Error)]
pub enum Damaged {
    /// The file cannot be read, or ends too early.
    #[error("it cannot be read to its end: {0}")]
    Io(#[from] io::Error),
    /// Not such a file.
    #[error("it is no file of frequency counts")]
    Foreign,
    /// Of another version.
    #[error("it has version {found}, this program reads version {VERSION}")]
    Version {
        /// The version.
        found: u32,
    },
    /// Not the bytes that were written.
    #[error("its checksum does not match")]
    Checksum,
}

struct Hashing<S> {
    stream: S,
    hash: Xxh3,
}

impl<W: Write> Hashing<W> {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hash.update(bytes);
        self.stream.write_all(bytes)
    }
}

impl<R: Read> Hashing<R> {
    fn take<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.stream.read_exact(&mut bytes)?;
        self.hash.update(&bytes);
        Ok(bytes)
    }
}

impl FrequencyCaps {
    /// Writes the counts to a buffered stream and says of how many subjects. Holds each shard
    /// while it is written.
    ///
    /// # Errors
    /// Those of the stream.
    pub fn save(&self, head: Head, stream: impl Write) -> io::Result<u64> {
        let hash = Xxh3::new();
        let mut out = Hashing { stream, hash };
        out.put(MAGIC)?;
        out.put(&VERSION.to_le_bytes())?;
        out.put(&head.run.to_le_bytes())?;
        out.put(&[u8::from(head.clean)])?;
        // Read before the counts, which then hold that event and all before it.
        out.put(&self.counted().to_le_bytes())?;
        out.put(&self.unknown_until().to_le_bytes())?;
        out.put(&self.forgotten_until.load(Relaxed).to_le_bytes())?;
        let mut subjects = 0_u64;
        for entry in &self.marks {
            let marks = entry.as_slice();
            out.put(&entry.key().to_le_bytes())?;
            out.put(&(marks.len() as u16).to_le_bytes())?;
            for mark in marks {
                out.put(&mark.at.to_le_bytes())?;
                out.put(&mark.tag.to_le_bytes())?;
            }
            subjects += 1;
        }
        out.put(&0_u64.to_le_bytes())?;
        out.put(&END.to_le_bytes())?;
        out.put(&subjects.to_le_bytes())?;
        let sum = out.hash.digest();
        out.stream.write_all(&sum.to_le_bytes())?;
        out.stream.flush()?;
        Ok(subjects)
    }

    /// Reads counts from a buffered stream into an empty table; on an error it stays empty. Where
    /// more were written than this table may hold, those that are left out count as capped.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn load(&self, stream: impl Read) -> Result<Head, Damaged> {
        let read = self.read(stream);
        if read.is_err() {
            self.marks.clear();
            self.subjects.store(0, Relaxed);
            self.heap.store(0, Relaxed);
        }
        let (head, counted, unknown_until, forgotten_until) = read?;
        self.counted.store(counted, Relaxed);
        self.expect_unknown(unknown_until);
        self.forgotten_until.fetch_max(forgotten_until, Relaxed);
        Ok(head)
    }

    fn read(&self, stream: impl Read) -> Result<(Head, i64, u32, u32), Damaged> {
        let hash = Xxh3::new();
        let mut input = Hashing { stream, hash };
        let header: [u8; HEADER] = input.take()?;
        let number = |at: usize| {
            let bytes: [u8; 4] = header[at..at + 4].try_into().expect("four bytes");
            u32::from_le_bytes(bytes)
        };
        if header[..8] != *MAGIC {
            return Err(Damaged::Foreign);
        }
        if number(8) != VERSION {
            return Err(Damaged::Version { found: number(8) });
        }
        let seq: [u8; 8] = header[17..25].try_into().expect("eight bytes");
        let head = Head {
            run: number(12),
            clean: header[16] == 1,
        };
        let counted = i64::from_le_bytes(seq);
        let (unknown_until, mut forgotten_until) = (number(25), number(29));
        let mut subjects = 0_u64;
        loop {
            let key = u64::from_le_bytes(input.take()?);
            let count = u16::from_le_bytes(input.take()?);
            if count == END {
                break;
            }
            let mut marks = Marks::default();
            let mut latest = 0;
            for _ in 0..count {
                let at = u32::from_le_bytes(input.take()?);
                let tag = u32::from_le_bytes(input.take()?);
                latest = latest.max(at);
                marks.push(Mark { at, tag });
            }
            if self.admit(self.most + self.most / 8) {
                self.weigh(0, marks.heap());
                self.marks.insert(key, marks);
            } else {
                forgotten_until = forgotten_until.max(latest.saturating_add(MAX_WINDOW_S));
            }
            subjects += 1;
        }
        let written = u64::from_le_bytes(input.take()?);
        let sum = input.hash.digest();
        let mut kept = [0; 8];
        input.stream.read_exact(&mut kept)?;
        if sum != u64::from_le_bytes(kept) || written != subjects {
            return Err(Damaged::Checksum);
        }
        Ok((head, counted, unknown_until, forgotten_until))
    }
}
