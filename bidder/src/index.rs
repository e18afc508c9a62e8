//! Targeting turned around: for each value of each subject, the line items that ask for it and
//! those that refuse it. Built off the path, immutable on it.
//!
//! A subject lets a line item pass when it asks for nothing there, or for one of the request's
//! values, and refuses none of them. A request without the signal has the one value
//! [`MISSING`](crate::dimension::MISSING), which a line item asks for or refuses by its policy.
//! Two subjects are only narrowed by their values and then verified: segments beyond the first
//! group, and distances.
//!
//! Memory: for each value the smaller of a bit for every line item and four bytes for each of its
//! own, so that ten thousand line items over a thousand values take a few hundred kilobytes.

mod build;
mod edit;
pub(crate) mod names;

pub(crate) use build::{Builder, Groups, Own, Places};
pub(crate) use edit::Entry;

use crate::bits::Set;
use crate::catalog::{Circle, Dimension, Missing, Subject};
use crate::dimension::{MISSING, place};
use crate::intake::Features;
use crate::modify::Modifier;
use foldhash::fast::FixedState;
use names::Names;
use std::collections::HashMap;
use std::sync::Arc;

/// The line items of one subject.
#[derive(Clone, Debug, Default)]
pub(crate) struct Postings {
    /// Those that ask for nothing here.
    pub(crate) open: Set,
    /// Those that ask for, and those that refuse, each value.
    pub(crate) values: Box<[(Set, Set)]>,
    /// Whether any line item asks for anything.
    pub(crate) constrained: bool,
}

impl Postings {
    /// Whether the subject lets `item` pass for a request with `values`.
    #[inline]
    pub(crate) fn admits(&self, values: &[u32], item: u32) -> bool {
        let of = |value: &u32| &self.values[*value as usize];
        let asked = !self.constrained
            || self.open.contains(item)
            || values.iter().any(|value| of(value).0.contains(item));
        asked && !values.iter().any(|value| of(value).1.contains(item))
    }

    /// An upper bound of how many line items pass.
    pub(crate) fn estimate(&self, values: &[u32]) -> u32 {
        if !self.constrained {
            return u32::MAX;
        }
        let asked = values.iter().map(|v| self.values[*v as usize].0.count());
        self.open.count() + asked.sum::<u32>()
    }
}

/// A subject that some line item may mention.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) subject: Subject,
    pub(crate) names: Arc<Names>,
    pub(crate) postings: Postings,
}

/// The circles of one line item.
#[derive(Debug)]
pub(crate) struct Circles {
    include: Vec<Circle>,
    exclude: Vec<Circle>,
}

/// Targeting of all line items, by value. Places of the dimensions are their numbers; those of
/// subjects that line items name come after them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Index {
    pub(crate) places: Vec<Place>,
    /// Places that some line item mentions.
    pub(crate) in_use: Vec<u16>,
    /// Those of them that are worth an intersection.
    pub(crate) narrowing: Vec<u16>,
    /// Those of them where many line items refuse one value.
    pub(crate) refusing: Vec<u16>,
    /// The places that each line item mentions, in the order of their subjects, one line item
    /// after the other.
    rules: Vec<u16>,
    /// Where the places of each line item end.
    ends: Vec<u32>,
    groups: Vec<Option<Arc<Groups>>>,
    circles: HashMap<u32, Arc<Circles>>,
    modifiers: HashMap<u32, Arc<[Modifier]>, FixedState>,
    /// Words of a set of all line items.
    pub(crate) words: usize,
}

/// The place of segments.
pub(crate) const AUDIENCE: u16 = Dimension::Audience as u16;
/// The place of distances.
pub(crate) const RADIUS: u16 = Dimension::Radius as u16;
/// The place of formats and sizes.
pub(crate) const SLOT: u16 = Dimension::Slot as u16;

impl Index {
    pub(crate) fn at(&self, place: u16) -> &Place {
        &self.places[usize::from(place)]
    }

    /// The places that a line item mentions, in the order of their subjects; the slot is left to
    /// its creatives.
    #[inline]
    pub(crate) fn rules_of(&self, item: u32) -> &[u16] {
        let item = item as usize;
        let start = if item == 0 { 0 } else { self.ends[item - 1] };
        &self.rules[start as usize..self.ends[item] as usize]
    }

    /// Whether the subject at a place lets a line item pass; `imp` is that of a subject which
    /// belongs to each imp.
    #[inline]
    pub(crate) fn passes(&self, place: u16, item: u32, features: &Features, imp: u32) -> bool {
        let values = features.values(place, imp);
        let admitted = self.at(place).postings.admits(values, item);
        match place {
            AUDIENCE => admitted && self.in_groups(item, values, features),
            RADIUS => admitted && self.in_circles(item, features),
            _ => admitted,
        }
    }

    /// Whether an imp has a format and size of any creative of a line item.
    #[inline]
    pub(crate) fn offers_slot(&self, item: u32, features: &Features, imp: u32) -> bool {
        let offered = features.values(SLOT, imp);
        self.at(SLOT).postings.admits(offered, item)
    }

    /// The first subject, in their order, that does not let a line item pass on an imp.
    pub(crate) fn first_failing(&self, item: u32, features: &Features, imp: u32) -> Option<u16> {
        let failing = |place: &&u16| !self.passes(**place, item, features, imp);
        self.rules_of(item).iter().find(failing).copied()
    }

    fn in_groups(&self, item: u32, values: &[u32], features: &Features) -> bool {
        let Some(groups) = &self.groups[item as usize] else {
            return true;
        };
        if values == [MISSING] {
            return true;
        }
        groups.hold(features)
    }

    fn in_circles(&self, item: u32, features: &Features) -> bool {
        let (Some(circles), Some(point)) = (self.circles.get(&item), features.point()) else {
            return true;
        };
        circles.hold(point)
    }

    /// The modifiers of a line item that has pricing of its own.
    pub(crate) fn modifiers_of(&self, item: u32) -> &[Modifier] {
        self.modifiers.get(&item).map_or(&[], |modifiers| modifiers)
    }
}

impl Circles {
    /// Whether a point is in one of those asked for, if any, and in none that is refused.
    pub(crate) fn hold(&self, point: (i32, i32)) -> bool {
        let in_any = |list: &[Circle]| list.iter().any(|one| place::within(one, point));
        (self.include.is_empty() || in_any(&self.include)) && !in_any(&self.exclude)
    }
}

/// Whether a policy serves.
pub(crate) fn serves(missing: Missing) -> bool {
    missing == Missing::Serve
}
