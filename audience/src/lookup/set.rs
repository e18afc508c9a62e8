//! A reusable set of segments with a fixed upper bound.

use super::Segments;
use crate::segment::SegmentId;

/// The segments of one person, over all ids that the request carries.
///
/// It is allocated once, of a fixed capacity, and reused for every request.
#[derive(Debug, Clone)]
pub struct SegmentSet {
    /// Sorted, without repetition.
    ids: Vec<SegmentId>,
    limit: usize,
    dropped: usize,
}

impl SegmentSet {
    /// An empty set that holds at most `limit` segments.
    pub fn with_limit(limit: usize) -> Self {
        Self {
            ids: Vec::with_capacity(limit),
            limit,
            dropped: 0,
        }
    }

    /// The segments, ascending.
    pub fn as_slice(&self) -> &[SegmentId] {
        &self.ids
    }

    /// Whether `segment` is in the set; a binary search.
    pub fn contains(&self, segment: SegmentId) -> bool {
        self.ids.binary_search(&segment).is_ok()
    }

    /// Memberships that did not fit. If this is not 0, absence from the set proves nothing:
    /// a line item that excludes segments must not bid.
    pub fn dropped(&self) -> usize {
        self.dropped
    }

    /// Empties the set and keeps its memory.
    pub fn clear(&mut self) {
        self.ids.clear();
        self.dropped = 0;
    }

    /// Adds the segments of one more id.
    pub(super) fn extend(&mut self, segments: Segments<'_>) {
        let before = self.ids.len();
        for segment in segments {
            if self.ids[..before].binary_search(&segment).is_ok() {
                continue;
            }
            if self.ids.len() < self.limit {
                self.ids.push(segment);
            } else {
                self.dropped += 1;
            }
        }
        // A person with one id, the usual case, arrives sorted.
        if before > 0 {
            self.ids.sort_unstable();
        }
    }
}
