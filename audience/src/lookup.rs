//! User → segments: compact, immutable, two flat arrays.
//!
//! Slots of 16 bytes (key, offset, length) stand in the order of their keys, each at or shortly
//! after the place that the upper bits of its key name. A hit reads one or two cache lines of
//! slots and one of segments; a miss ends at the first empty or larger slot. Segments are stored
//! as `u16` while every index fits, else as `u32`. Three of four slots are used, so a user costs
//! 21.3 bytes plus 2 (or 4) for each segment: 45 bytes for 12 segments.
//!
//! The table depends only on what was added, not on the order, because it is built from sorted
//! keys; that order also gives the early end of a miss.
//!
//! Replacing a generation is the owner's work; see the crate's page on who must drop the old one.

use crate::identity::UserKey;
use crate::segment::SegmentId;
use std::hint::black_box;

mod build;
mod set;

pub use build::{BuildError, Builder, Limits};
pub use set::SegmentSet;

/// Which build of the audience a table comes from; larger is newer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(pub u64);

/// The immutable table of one generation.
#[derive(Debug, Clone)]
pub struct Lookup {
    generation: Generation,
    users: u32,
    /// Places that a key may name; `slots` goes on after them for the last overflow.
    homes: u64,
    slots: Box<[Slot]>,
    segments: Array,
}

impl Lookup {
    /// A table without users, for a node that has loaded no audience.
    pub fn empty(generation: Generation) -> Self {
        Self {
            generation,
            users: 0,
            homes: 0,
            slots: Box::default(),
            segments: Array::Narrow(Box::default()),
        }
    }

    /// The segments of `user`, ascending; none for an unknown user.
    #[inline]
    pub fn get(&self, user: UserKey) -> Segments<'_> {
        let from = home(user, self.homes);
        for slot in self.slots.get(from..).unwrap_or_default() {
            if slot.is_empty() || slot.key > user.0 {
                break;
            }
            if slot.key == user.0 {
                return self
                    .segments
                    .range(slot.offset as usize, usize::from(slot.len));
            }
        }
        Segments::default()
    }

    /// Writes the union of the segments of all `users` (the ids of one person) into `out`,
    /// sorted. What `out` held before is gone.
    ///
    /// Allocates nothing; what does not fit is counted by [`SegmentSet::dropped`].
    pub fn segments_of(&self, users: &[UserKey], out: &mut SegmentSet) {
        out.clear();
        // All homes are read before the first is looked into: the cache misses of the ids of one
        // person, a hundred nanoseconds each, then overlap.
        let homes = users
            .iter()
            .filter_map(|user| self.slots.get(home(*user, self.homes)));
        black_box(homes.fold(0, |all, slot| all ^ slot.key));
        for &user in users {
            out.extend(self.get(user));
        }
    }

    /// Users in the table.
    pub fn users(&self) -> u32 {
        self.users
    }

    /// Segment memberships in the table, over all users.
    pub fn memberships(&self) -> usize {
        match &self.segments {
            Array::Narrow(array) => array.len(),
            Array::Wide(array) => array.len(),
        }
    }

    /// Bytes on the heap.
    pub fn bytes(&self) -> usize {
        let segments = match &self.segments {
            Array::Narrow(array) => size_of_val::<[u16]>(array),
            Array::Wide(array) => size_of_val::<[u32]>(array),
        };
        size_of_val::<[Slot]>(&self.slots) + segments
    }

    /// Which build this is.
    pub fn generation(&self) -> Generation {
        self.generation
    }
}

/// The segments of one user, ascending and without repetition.
#[derive(Debug, Clone, Copy)]
pub struct Segments<'a>(Ids<'a>);

impl<'a> Segments<'a> {
    /// Whether the user belongs to `segment`; a binary search.
    pub fn contains(self, segment: SegmentId) -> bool {
        match self.0 {
            Ids::Narrow(ids) => {
                u16::try_from(segment.0).is_ok_and(|id| ids.binary_search(&id).is_ok())
            }
            Ids::Wide(ids) => ids.binary_search(&segment.0).is_ok(),
        }
    }

    /// How many segments.
    pub fn len(self) -> usize {
        match self.0 {
            Ids::Narrow(ids) => ids.len(),
            Ids::Wide(ids) => ids.len(),
        }
    }

    /// Whether there is none, as for an unknown user.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// All segments, ascending.
    pub fn iter(self) -> SegmentsIter<'a> {
        match self.0 {
            Ids::Narrow(ids) => SegmentsIter(IdsIter::Narrow(ids.iter())),
            Ids::Wide(ids) => SegmentsIter(IdsIter::Wide(ids.iter())),
        }
    }
}

impl Default for Segments<'_> {
    fn default() -> Self {
        Self(Ids::Narrow(&[]))
    }
}

impl<'a> IntoIterator for Segments<'a> {
    type Item = SegmentId;
    type IntoIter = SegmentsIter<'a>;

    fn into_iter(self) -> SegmentsIter<'a> {
        self.iter()
    }
}

/// Iterates over the segments of one user.
#[derive(Debug, Clone)]
pub struct SegmentsIter<'a>(IdsIter<'a>);

impl Iterator for SegmentsIter<'_> {
    type Item = SegmentId;

    fn next(&mut self) -> Option<SegmentId> {
        match &mut self.0 {
            IdsIter::Narrow(ids) => ids.next().map(|&id| SegmentId(u32::from(id))),
            IdsIter::Wide(ids) => ids.next().map(|&id| SegmentId(id)),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match &self.0 {
            IdsIter::Narrow(ids) => ids.size_hint(),
            IdsIter::Wide(ids) => ids.size_hint(),
        }
    }
}

impl ExactSizeIterator for SegmentsIter<'_> {}

/// One user. A length of 0 marks a free slot: a user without segments is not stored.
#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    key: u64,
    offset: u32,
    len: u16,
}

impl Slot {
    fn is_empty(self) -> bool {
        self.len == 0
    }
}

const _: () = assert!(size_of::<Slot>() == 16, "four slots share a cache line");

#[derive(Debug, Clone)]
enum Array {
    Narrow(Box<[u16]>),
    Wide(Box<[u32]>),
}

impl Array {
    fn range(&self, offset: usize, len: usize) -> Segments<'_> {
        Segments(match self {
            Self::Narrow(array) => Ids::Narrow(&array[offset..offset + len]),
            Self::Wide(array) => Ids::Wide(&array[offset..offset + len]),
        })
    }
}

#[derive(Debug, Clone, Copy)]
enum Ids<'a> {
    Narrow(&'a [u16]),
    Wide(&'a [u32]),
}

#[derive(Debug, Clone)]
enum IdsIter<'a> {
    Narrow(std::slice::Iter<'a, u16>),
    Wide(std::slice::Iter<'a, u32>),
}

/// Scales the key to `0..homes`, keeping the order of keys.
#[inline]
fn home(user: UserKey, homes: u64) -> usize {
    ((u128::from(user.0) * u128::from(homes)) >> 64) as usize
}

#[cfg(test)]
mod tests;
