//! One line item in, out, or changed: the same index with everybody else's entries moved, instead
//! of one that is built anew.
//!
//! Cost: a copy of the sets, which for fifty thousand line items takes some milliseconds, where
//! building takes half a second.

use super::build::{Own, Places};
use super::names::{Names, Sides};
use super::{Groups, Index, Place, Postings, SLOT};
use crate::bits::{Set, words_for};
use crate::catalog::{Pricing, Subject, Targeting};
use crate::modify::Modifier;
use std::sync::Arc;

/// Postings after a line item went and another came that has `own` sides, if any.
fn postings(
    before: &Postings,
    values: usize,
    own: Option<&Sides>,
    (removed, added): (Option<u32>, Option<u32>),
    universe: usize,
) -> Postings {
    let edit = |set: &Set, holds: bool| {
        let added = added.map(|at| (at, holds));
        set.edited(removed, added, universe)
    };
    let empty = (Set::default(), Set::default());
    let of_value = |value: u32| {
        let (asked, refused) = before.values.get(value as usize).unwrap_or(&empty);
        let asks = own.is_some_and(|own| own.asks(value));
        let refuses = own.is_some_and(|own| own.refused.contains(&value));
        (edit(asked, asks), edit(refused, refuses))
    };
    let closed = own.is_some_and(|own| own.asked.is_some());
    let open = edit(&before.open, !closed);
    Postings {
        constrained: (open.count() as usize) < universe,
        open,
        values: (0..values as u32).map(of_value).collect(),
    }
}

/// A line item that comes in.
pub(crate) struct Entry<'t> {
    /// The place that it takes, once the one that goes is gone.
    pub(crate) at: u32,
    pub(crate) targeting: &'t Targeting,
    pub(crate) groups: Groups,
    /// The slots of its creatives.
    pub(crate) slots: &'t [u64],
    pub(crate) pricing: &'t Pricing,
    /// The segments of each modifier.
    pub(crate) modified: Vec<Groups>,
}

impl Places for Index {
    fn names(&mut self, subject: &Subject) -> (u16, &mut Names) {
        let known = match subject {
            Subject::Of(dimension) => Some(*dimension as usize),
            Subject::Metric(_) | Subject::Ext(_) => self
                .places
                .iter()
                .position(|place| place.subject == *subject),
        };
        let place = known.unwrap_or_else(|| {
            let everybody = (0..self.ends.len() as u32).collect();
            self.places.push(Place {
                subject: subject.clone(),
                names: Arc::default(),
                postings: Postings {
                    open: Set::new(everybody, self.ends.len()),
                    ..Postings::default()
                },
            });
            self.places.len() - 1
        });
        (place as u16, Arc::make_mut(&mut self.places[place].names))
    }
}

impl Index {
    /// The index without the line item `removed`, and with `entry`.
    pub(crate) fn edited(&self, removed: Option<u32>, entry: Option<Entry<'_>>) -> Self {
        // Postings are made anew; what they are made from is not copied first.
        let bare = |place: &Place| Place {
            subject: place.subject.clone(),
            names: Arc::clone(&place.names),
            postings: Postings::default(),
        };
        let mut index = Self {
            places: self.places.iter().map(bare).collect(),
            in_use: self.in_use.clone(),
            narrowing: Vec::new(),
            refusing: Vec::new(),
            rules: self.rules.clone(),
            ends: self.ends.clone(),
            groups: self.groups.clone(),
            circles: self.circles.clone(),
            modifiers: self.modifiers.clone(),
            words: 0,
        };
        if let Some(at) = removed {
            index.take(at);
        }
        let at = entry.as_ref().map(|entry| entry.at);
        let mut in_use = index.in_use.clone();
        let own = entry.map(|entry| {
            let own = Own::new(entry.targeting, entry.groups, &mut index);
            let own = own.in_slots(entry.slots, &mut index);
            let modifiers = Modifier::all(entry.pricing, entry.modified, &mut index);
            index.give(entry.at, &own);
            if let Some(modifiers) = modifiers {
                in_use.extend(modifiers.iter().flat_map(Modifier::places));
                index.modifiers.insert(entry.at, modifiers);
            }
            own
        });
        let universe = index.ends.len();
        index.words = words_for(universe);
        let sides = own.map(|own| own.sides).unwrap_or_default();
        for (number, place) in (0..).zip(&mut index.places) {
            let own = sides.iter().find(|(own, _)| *own == number);
            let own = own.map(|(_, sides)| sides);
            // A new place knows nothing of the one that goes.
            let known = self.places.get(usize::from(number));
            let fresh = std::mem::take(&mut place.postings);
            let before = known.map_or(&fresh, |place| &place.postings);
            let removed = removed.filter(|_| known.is_some());
            let values = place.names.len();
            place.postings = postings(before, values, own, (removed, at), universe);
        }
        in_use.extend(sides.iter().map(|(place, _)| *place));
        in_use.sort_unstable();
        in_use.dedup();
        index.in_use = in_use;
        index.sort_out();
        debug_assert!(
            index.in_use.contains(&SLOT) || universe == 0,
            "everybody has slots"
        );
        index
    }

    /// Takes what is kept for each line item away from one.
    fn take(&mut self, at: u32) {
        let item = at as usize;
        let start = if item == 0 { 0 } else { self.ends[item - 1] };
        let end = self.ends.remove(item);
        self.rules.drain(start as usize..end as usize);
        for later in &mut self.ends[item..] {
            *later -= end - start;
        }
        self.groups.remove(item);
        self.circles.remove(&at);
        self.modifiers.remove(&at);
        self.renumber(|item| item - u32::from(item > at));
    }

    /// Makes a place for what is kept for one line item.
    fn give(&mut self, at: u32, own: &Own) {
        let item = at as usize;
        let start = if item == 0 { 0 } else { self.ends[item - 1] };
        let length = own.order.len() as u32;
        let place = start as usize..start as usize;
        self.rules.splice(place, own.order.iter().copied());
        self.ends.insert(item, start);
        for later in &mut self.ends[item..] {
            *later += length;
        }
        self.groups.insert(item, own.groups.clone());
        self.renumber(|item| item + u32::from(item >= at));
        self.circles
            .extend(own.circles.clone().map(|circles| (at, circles)));
    }

    fn renumber(&mut self, number: impl Fn(u32) -> u32) {
        let circles = std::mem::take(&mut self.circles).into_iter();
        self.circles = circles.map(|(item, own)| (number(item), own)).collect();
        let modifiers = std::mem::take(&mut self.modifiers).into_iter();
        self.modifiers = modifiers.map(|(item, own)| (number(item), own)).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{Rule, Value};
    use crate::index::Builder;

    #[test]
    fn a_subject_may_come_with_an_edit_and_others_stay_open_to_it() {
        let mut builder = Builder::default();
        for _ in 0..70 {
            builder.add(&Targeting::default(), Groups::default(), &[1]);
        }
        let index = builder.finish();
        let subject = Subject::Metric("ctr".to_owned());
        let rule = Rule::including(vec![Value::Numbers(1, 2)]);
        let targeting = Targeting::default().with(subject.clone(), rule);
        let entry = Entry {
            at: 5,
            targeting: &targeting,
            groups: Groups::default(),
            slots: &[1],
            pricing: &Pricing::default(),
            modified: Vec::new(),
        };
        let edited = index.edited(Some(3), Some(entry));
        let place = edited.places.last().unwrap();
        assert_eq!(place.subject, subject);
        let open = |item: &u32| place.postings.open.contains(*item);
        let closed: Vec<u32> = (0..70).filter(|item| !open(item)).collect();
        assert_eq!(closed, [5]);
        assert_eq!(edited.rules_of(5), [edited.places.len() as u16 - 1]);
        assert_eq!(place.postings.open.count(), 69);
    }
}
