//! Selection: which line items are targeted at a request.
//!
//! Subjects that constrain many line items are intersected, from the rarest to the commonest: in
//! whole words while many line items are left, and one line item after the other as soon as few
//! are. What is left is an upper bound; [`Selection::admits`] asks a line item for the rest of
//! its own rules when its turn comes, which for most of them it never does. So the cost hardly
//! grows with the number of subjects, and stays sublinear in the line items
//! (`benches/select.rs`); no allocation once a [`Selection`] has the size of the index.

use crate::bits::{self, Set};
use crate::catalog::Subject;
use crate::dimension::Reader;
use crate::index::{AUDIENCE, Index, Postings, RADIUS, SLOT};
use crate::intake::Features;

/// Words that are looked at together for whether anybody is left.
const BLOCK: usize = 8;

/// The buffers of a selection, reused from request to request.
#[derive(Debug, Default)]
pub(crate) struct Selection {
    /// Who is left: a bit for each line item.
    pub(crate) words: Vec<u64>,
    union: Vec<u64>,
    items: Vec<u32>,
    ranked: Vec<(u32, u16)>,
    /// By place, whether its rules hold for everybody who is left, on every imp.
    done: Vec<bool>,
}

impl Selection {
    /// Narrows `active` to `words`, in which is everybody whom [`Selection::admits`] may admit,
    /// and says whether anybody is left.
    pub(crate) fn run(&mut self, index: &Index, active: &[u64], features: &Features) -> bool {
        self.items.clear();
        self.words.clear();
        self.words.extend_from_slice(active);
        self.done.clear();
        self.done.resize(index.places.len(), false);
        self.rank(index, features);
        let mut listed = false;
        for at in 0..self.ranked.len() {
            let place = self.ranked[at].1;
            listed = self.narrow(index, place, features);
            if listed {
                break;
            }
        }
        if listed {
            self.verify(index, features);
            self.words.fill(0);
            for &item in &self.items {
                bits::put(&mut self.words, item);
            }
            return !self.items.is_empty();
        }
        self.words.iter().any(|word| *word != 0)
    }

    /// Whether a line item of `words` is targeted at an imp.
    #[inline]
    pub(crate) fn admits(&self, index: &Index, features: &Features, item: u32, imp: u32) -> bool {
        let passes = |place: &u16| {
            self.done[usize::from(*place)] || index.passes(*place, item, features, imp)
        };
        index.rules_of(item).iter().all(passes)
    }

    /// The places that are intersected, the rarest first.
    fn rank(&mut self, index: &Index, features: &Features) {
        let ranked = index.narrowing.iter().map(|&place| {
            let values = features.of_request(place);
            (index.at(place).postings.estimate(values), place)
        });
        self.ranked.clear();
        self.ranked.extend(ranked);
        self.ranked.sort_unstable();
    }

    /// Drops those of the listed whom the rest of the request's own subjects does not admit.
    fn verify(&mut self, index: &Index, features: &Features) {
        let done = &mut self.done;
        let several = features.imps() != 1;
        let here = |place: u16| !several || of_request(index, place);
        let (slots, offered) = (&index.at(SLOT).postings, features.of_request(SLOT));
        self.items.retain(|&item| {
            if !slots.admits(offered, item) {
                return false;
            }
            let mut rules = index.rules_of(item).iter();
            rules.all(|&place| !here(place) || index.passes(place, item, features, 0))
        });
        for &place in &index.in_use {
            done[usize::from(place)] = here(place);
        }
    }

    /// Intersects the words with a place. Says whether what is left was listed, because it is
    /// little.
    fn narrow(&mut self, index: &Index, place: u16, features: &Features) -> bool {
        let postings = &index.at(place).postings;
        let values = features.of_request(place);
        // Where imps differ, one may admit whom the other refuses.
        let exact = features.imps() == 1 || of_request(index, place);
        if postings.estimate(values) <= index.words as u32 / 2 {
            postings.open.list_common(&self.words, &mut self.items);
            for value in values {
                let asked = &postings.values[*value as usize].0;
                asked.list_common(&self.words, &mut self.items);
            }
            self.items.sort_unstable();
            self.items.dedup();
            return true;
        }
        let filled = self.keep(postings, values, index.words);
        if exact {
            for value in values {
                postings.values[*value as usize]
                    .1
                    .remove_from(&mut self.words);
            }
        }
        self.done[usize::from(place)] = exact && place != AUDIENCE && place != RADIUS;
        let little = filled <= index.words / BLOCK / 8;
        if little {
            bits::list(&self.words, &mut self.items);
        }
        little
    }

    /// Keeps those who ask for nothing or for one of the values, and says how many blocks of
    /// words are not empty, which costs less than counting bits and says enough.
    fn keep(&mut self, postings: &Postings, values: &[u32], words: usize) -> usize {
        let mut dense: Option<&[u64]> = None;
        let mut one_is_dense = true;
        let asked = values
            .iter()
            .map(|value| &postings.values[*value as usize].0);
        self.items.clear();
        for set in std::iter::once(&postings.open).chain(asked.clone()) {
            match set {
                Set::Dense { words, .. } if dense.is_none() => dense = Some(words),
                Set::Dense { .. } => one_is_dense = false,
                Set::Sparse(_) => set.list_common(&self.words, &mut self.items),
            }
        }
        if !one_is_dense {
            self.union.clear();
            self.union.resize(words, 0);
            for set in std::iter::once(&postings.open).chain(asked) {
                if let Set::Dense { .. } = set {
                    set.add_to(&mut self.union);
                }
            }
            dense = Some(&self.union);
        }
        let mut filled = 0;
        match dense {
            Some(dense) => {
                for (own, other) in self.words.chunks_mut(BLOCK).zip(dense.chunks(BLOCK)) {
                    let mut any = 0;
                    for (own, other) in own.iter_mut().zip(other) {
                        *own &= other;
                        any |= *own;
                    }
                    filled += usize::from(any != 0);
                }
            }
            None => self.words.fill(0),
        }
        for &item in &self.items {
            bits::put(&mut self.words, item);
        }
        // Those of sparse sets stand in few blocks, or are many.
        filled += self.items.len().min(words / BLOCK);
        self.items.clear();
        filled
    }
}

/// Whether the subject at a place belongs to the request as a whole.
fn of_request(index: &Index, place: u16) -> bool {
    match &index.at(place).subject {
        Subject::Of(dimension) => matches!(dimension.reader(), Reader::Request(_)),
        Subject::Metric(_) => false,
        Subject::Ext(path) => !path.of_imp(),
    }
}

#[cfg(test)]
mod tests;
