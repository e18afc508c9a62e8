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

/// Sets that are joined at once.
const AT_ONCE: usize = 8;

/// A place that more than this share passes is not intersected.
const MOST_PASSING: (u32, u32) = (9, 10);

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
        for &place in &index.refusing {
            self.refuse(index, place, features);
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

    /// Drops whom no imp admits, so that who is left is exactly who is targeted.
    pub(crate) fn settle(&mut self, index: &Index, features: &Features) {
        self.items.clear();
        bits::list(&self.words, &mut self.items);
        let items = std::mem::take(&mut self.items);
        for &item in &items {
            let admits = |imp| self.admits(index, features, item, imp);
            if !(0..features.imps()).any(admits) {
                bits::take(&mut self.words, item);
            }
        }
        self.items = items;
    }

    /// The places that are intersected, the rarest first. What nearly everybody passes costs less
    /// to ask of the few who are looked at.
    fn rank(&mut self, index: &Index, features: &Features) {
        let most = index.words as u32 * u64::BITS / MOST_PASSING.1 * MOST_PASSING.0;
        let ranked = index.narrowing.iter().map(|&place| {
            let values = features.of_request(place);
            (index.at(place).postings.estimate(values), place)
        });
        self.ranked.clear();
        let worth = |(estimate, place): &(u32, u16)| *estimate <= most || *place == SLOT;
        self.ranked.extend(ranked.filter(worth));
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

    /// Takes out whom a place refuses for a value that many refuse; the few are asked.
    fn refuse(&mut self, index: &Index, place: u16, features: &Features) {
        if features.imps() != 1 && !of_request(index, place) {
            return;
        }
        let postings = &index.at(place).postings;
        for value in features.of_request(place) {
            let refused = &postings.values[*value as usize].1;
            if let Set::Dense { .. } = refused {
                refused.remove_from(&mut self.words);
            }
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
        let refused = |value: &u32| postings.values[*value as usize].1.count() > 0;
        let verified = place == AUDIENCE || place == RADIUS || values.iter().any(refused);
        self.done[usize::from(place)] = exact && !verified;
        let little = filled <= index.words / BLOCK / 8;
        if little {
            bits::list(&self.words, &mut self.items);
        }
        little
    }

    /// Keeps those who ask for nothing or for one of the values, and says how many blocks of
    /// words are not empty, which costs less than counting bits and says enough.
    fn keep(&mut self, postings: &Postings, values: &[u32], words: usize) -> usize {
        let mut dense: [&[u64]; AT_ONCE] = [&[]; AT_ONCE];
        let mut count = 0;
        let asked = values
            .iter()
            .map(|value| &postings.values[*value as usize].0);
        self.items.clear();
        self.union.clear();
        for set in std::iter::once(&postings.open).chain(asked) {
            match set {
                Set::Dense { words, .. } if count < AT_ONCE - 1 => {
                    dense[count] = words;
                    count += 1;
                }
                Set::Dense { .. } => {
                    self.union.resize(words, 0);
                    set.add_to(&mut self.union);
                }
                Set::Sparse(_) => set.list_common(&self.words, &mut self.items),
            }
        }
        if !self.union.is_empty() {
            dense[count] = &self.union;
            count += 1;
        }
        let filled = intersect(&mut self.words, &dense[..count]);
        for &item in &self.items {
            bits::put(&mut self.words, item);
        }
        // Those of sparse sets stand in few blocks, or are many.
        let listed = self.items.len().min(words / BLOCK);
        self.items.clear();
        filled + listed
    }
}

/// Keeps what is in any of the sets, and says how many blocks are not empty.
fn intersect(words: &mut [u64], sets: &[&[u64]]) -> usize {
    let mut filled = 0;
    let (blocks, rest) = words.as_chunks_mut::<BLOCK>();
    let from = blocks.len() * BLOCK;
    for (own, at) in blocks.iter_mut().zip((0..).step_by(BLOCK)) {
        if is_empty(own) {
            continue;
        }
        let mut any = [0; BLOCK];
        for set in sets {
            let set = set[at..].first_chunk::<BLOCK>().unwrap_or(&[0; BLOCK]);
            for (any, word) in any.iter_mut().zip(set) {
                *any |= word;
            }
        }
        for (own, any) in own.iter_mut().zip(any) {
            *own &= any;
        }
        filled += usize::from(!is_empty(own));
    }
    for (own, at) in rest.iter_mut().zip(from..) {
        *own &= sets.iter().fold(0, |any, set| any | set[at]);
    }
    filled + usize::from(rest.iter().any(|word| *word != 0))
}

/// Whether no bit of a block is set; comparing arrays would call a function.
fn is_empty(block: &[u64; BLOCK]) -> bool {
    block.iter().fold(0, |any, word| any | word) == 0
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
