//! Builds a [`Lookup`] off the serving path: collect, sort by key, merge, lay out.
//!
//! Cost: 16 bytes a line and 4 a membership while collecting, then the table itself beside them.

use thiserror::Error;

use super::{Array, Generation, Lookup, Slot, home};
use crate::identity::UserKey;
use crate::segment::SegmentId;

/// What a build may hold. Every count also has a ceiling that no setting lifts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Entries (user and list of segments) that may be added, repetitions of a user included.
    pub entries: u32,
    /// Memberships that may be added, repetitions included.
    pub memberships: u32,
    /// Segments that one user may have after merging.
    pub segments_per_user: u16,
}

impl Default for Limits {
    /// 20 million entries, 400 million memberships, 4,096 segments for a user: 2 GB at most
    /// while building.
    fn default() -> Self {
        Self {
            entries: 20_000_000,
            memberships: 400_000_000,
            segments_per_user: 4_096,
        }
    }
}

/// Why an entry was refused or a build failed; the generation before it stays in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BuildError {
    /// More entries than [`Limits::entries`].
    #[error("audience has too many entries, at most {limit} are allowed")]
    Entries {
        /// Entries allowed.
        limit: u32,
    },
    /// More memberships than [`Limits::memberships`].
    #[error("audience has too many memberships, at most {limit} are allowed")]
    Memberships {
        /// Memberships allowed.
        limit: u32,
    },
    /// One user has more segments than [`Limits::segments_per_user`].
    #[error("a user has {found} segments, at most {limit} are allowed")]
    SegmentsPerUser {
        /// Segments of that user.
        found: usize,
        /// Segments allowed.
        limit: u16,
    },
}

/// Collects users and their segments, then lays out the table.
#[derive(Debug)]
pub struct Builder {
    limits: Limits,
    entries: Vec<Entry>,
    pool: Vec<u32>,
}

impl Builder {
    /// An empty build within `limits`.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            entries: Vec::new(),
            pool: Vec::new(),
        }
    }

    /// Adds `segments` to what `user` has. An empty list adds nothing.
    ///
    /// # Errors
    /// A limit would be passed; the entry is then not added and the build can go on without it.
    pub fn add(&mut self, user: UserKey, segments: &[SegmentId]) -> Result<(), BuildError> {
        if segments.is_empty() {
            return Ok(());
        }
        let Limits {
            entries,
            memberships,
            segments_per_user,
        } = self.limits;
        if segments.len() > usize::from(segments_per_user) {
            let found = segments.len();
            return Err(BuildError::SegmentsPerUser {
                found,
                limit: segments_per_user,
            });
        }
        if self.entries.len() >= entries as usize {
            return Err(BuildError::Entries { limit: entries });
        }
        if self.pool.len() + segments.len() > memberships as usize {
            return Err(BuildError::Memberships { limit: memberships });
        }
        let offset = u32::try_from(self.pool.len()).expect("the limit is a u32");
        let len = u16::try_from(segments.len()).expect("the limit is a u16");
        self.entries.push(Entry {
            key: user.0,
            offset,
            len,
        });
        self.pool.extend(segments.iter().map(|segment| segment.0));
        Ok(())
    }

    /// Entries added so far.
    pub fn entries(&self) -> usize {
        self.entries.len()
    }

    /// Lays out the table. Entries of one user become one set; order of adding has no effect.
    ///
    /// # Errors
    /// A user whose merged set passes [`Limits::segments_per_user`].
    pub fn finish(mut self, generation: Generation) -> Result<Lookup, BuildError> {
        self.entries
            .sort_unstable_by_key(|entry| (entry.key, entry.offset));
        let merged = self.merge()?;
        drop(self);
        let users = u32::try_from(merged.users.len()).expect("the limit of entries is a u32");
        let homes = u64::from(users) * 4 / 3 + u64::from(users > 0);
        let slots = lay_out(&merged.users, homes);
        Ok(Lookup {
            generation,
            users,
            homes,
            slots,
            segments: merged.segments,
        })
    }

    fn merge(&self) -> Result<Merged, BuildError> {
        let widest = self.pool.iter().copied().max().unwrap_or(0);
        let limit = self.limits.segments_per_user;
        let mut users = Vec::new();
        let mut flat = Flat::for_ids_up_to(widest, self.pool.len());
        let mut set = Vec::new();
        for entries in self.entries.chunk_by(|a, b| a.key == b.key) {
            set.clear();
            for entry in entries {
                let from = entry.offset as usize;
                set.extend_from_slice(&self.pool[from..from + usize::from(entry.len)]);
            }
            set.sort_unstable();
            set.dedup();
            if set.len() > usize::from(limit) {
                return Err(BuildError::SegmentsPerUser {
                    found: set.len(),
                    limit,
                });
            }
            let offset = u32::try_from(flat.len()).expect("merging never adds memberships");
            let len = u16::try_from(set.len()).expect("the limit is a u16");
            users.push(Slot {
                key: entries[0].key,
                offset,
                len,
            });
            flat.extend(&set);
        }
        Ok(Merged {
            users,
            segments: flat.into_array(),
        })
    }
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    key: u64,
    offset: u32,
    len: u16,
}

struct Merged {
    users: Vec<Slot>,
    segments: Array,
}

/// Places every user at its home or at the next free slot, in the order of keys.
fn lay_out(users: &[Slot], homes: u64) -> Box<[Slot]> {
    let mut slots = vec![Slot::default(); homes as usize];
    let mut free = 0;
    for &user in users {
        let at = free.max(home(UserKey(user.key), homes));
        if at < slots.len() {
            slots[at] = user;
        } else {
            slots.push(user);
        }
        free = at + 1;
    }
    slots.into_boxed_slice()
}

enum Flat {
    Narrow(Vec<u16>),
    Wide(Vec<u32>),
}

impl Flat {
    fn for_ids_up_to(widest: u32, capacity: usize) -> Self {
        if u16::try_from(widest).is_ok() {
            Self::Narrow(Vec::with_capacity(capacity))
        } else {
            Self::Wide(Vec::with_capacity(capacity))
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Narrow(ids) => ids.len(),
            Self::Wide(ids) => ids.len(),
        }
    }

    fn extend(&mut self, set: &[u32]) {
        match self {
            Self::Narrow(ids) => ids.extend(set.iter().map(|&id| id as u16)),
            Self::Wide(ids) => ids.extend_from_slice(set),
        }
    }

    fn into_array(self) -> Array {
        match self {
            Self::Narrow(ids) => Array::Narrow(ids.into_boxed_slice()),
            Self::Wide(ids) => Array::Wide(ids.into_boxed_slice()),
        }
    }
}
