//! Sets of line items: dense words where many are in, a sorted list where few are.

/// An immutable set of small numbers.
#[derive(Clone, Debug)]
pub(crate) enum Set {
    /// One bit for each number of the universe.
    Dense { words: Box<[u64]>, count: u32 },
    /// Ascending, without repetition.
    Sparse(Box<[u32]>),
}

impl Default for Set {
    fn default() -> Self {
        Self::Sparse(Box::default())
    }
}

/// Words that hold one bit for each of `universe` numbers.
pub(crate) fn words_for(universe: usize) -> usize {
    universe.div_ceil(64)
}

/// Whether bit `at` is set.
#[inline]
pub(crate) fn has(words: &[u64], at: u32) -> bool {
    words[at as usize / 64] >> (at % 64) & 1 == 1
}

/// Sets bit `at`.
#[inline]
pub(crate) fn put(words: &mut [u64], at: u32) {
    words[at as usize / 64] |= 1 << (at % 64);
}

/// Clears bit `at`.
#[inline]
pub(crate) fn take(words: &mut [u64], at: u32) {
    words[at as usize / 64] &= !(1 << (at % 64));
}

/// The numbers of a range whose bits are set, ascending.
#[derive(Clone, Debug)]
pub(crate) struct Ones<'w> {
    words: &'w [u64],
    word: usize,
    rest: u64,
    end: u32,
}

impl<'w> Ones<'w> {
    pub(crate) fn new(words: &'w [u64], range: std::ops::Range<u32>) -> Self {
        let word = range.start as usize / 64;
        let first = words.get(word).copied().unwrap_or_default();
        let rest = first & (u64::MAX << (range.start % 64));
        Self {
            words,
            word,
            rest,
            end: range.end,
        }
    }
}

impl Iterator for Ones<'_> {
    type Item = u32;

    #[inline]
    fn next(&mut self) -> Option<u32> {
        while self.rest == 0 {
            self.word += 1;
            self.rest = *self.words.get(self.word)?;
        }
        let number = self.word as u32 * 64 + self.rest.trailing_zeros();
        self.rest &= self.rest - 1;
        (number < self.end).then_some(number)
    }
}

/// Takes bit `at` out, so that those above move down by one.
fn close(words: &mut [u64], at: u32) {
    let first = at as usize / 64;
    let below = (1_u64 << (at % 64)) - 1;
    let kept = words[first] & below;
    words[first] = kept | ((words[first] >> 1) & !below);
    for at in first + 1..words.len() {
        words[at - 1] |= words[at] << 63;
        words[at] >>= 1;
    }
}

/// Puts a bit that is not set in at `at`, so that those from there on move up by one; the last
/// bit of all is lost.
fn open(words: &mut [u64], at: u32) {
    let first = at as usize / 64;
    for at in (first + 1..words.len()).rev() {
        words[at] = words[at] << 1 | words[at - 1] >> 63;
    }
    let below = (1_u64 << (at % 64)) - 1;
    let kept = words[first] & below;
    words[first] = kept | ((words[first] & !below) << 1);
}

/// Appends the numbers whose bits are set, ascending.
pub(crate) fn list(words: &[u64], out: &mut Vec<u32>) {
    for (index, word) in words.iter().enumerate() {
        let mut rest = *word;
        while rest != 0 {
            out.push(index as u32 * 64 + rest.trailing_zeros());
            rest &= rest - 1;
        }
    }
}

impl Set {
    /// The set of `numbers`, all below `universe`, in whichever form is smaller.
    pub(crate) fn new(mut numbers: Vec<u32>, universe: usize) -> Self {
        numbers.sort_unstable();
        numbers.dedup();
        if numbers.len() * 2 <= words_for(universe) {
            return Self::Sparse(numbers.into_boxed_slice());
        }
        let mut words = vec![0; words_for(universe)].into_boxed_slice();
        let count = numbers.len() as u32;
        for number in numbers {
            put(&mut words, number);
        }
        Self::Dense { words, count }
    }

    /// The set without number `removed`, where the numbers above move down by one, and then with
    /// a place made at `added`, where those from there on move up by one; `holds` says whether
    /// the new number is in. `universe` is that of the result.
    pub(crate) fn edited(
        &self,
        removed: Option<u32>,
        added: Option<(u32, bool)>,
        universe: usize,
    ) -> Self {
        match self {
            Self::Sparse(numbers) => {
                let kept = numbers.iter().filter(|number| Some(**number) != removed);
                let moved = kept.map(|number| {
                    let number = number - u32::from(removed.is_some_and(|at| at < *number));
                    number + u32::from(added.is_some_and(|(at, _)| at <= number))
                });
                let mut numbers: Vec<u32> = moved.collect();
                if let Some((at, true)) = added {
                    numbers.insert(numbers.partition_point(|number| *number < at), at);
                }
                Self::Sparse(numbers.into_boxed_slice())
            }
            Self::Dense { words, count } => {
                let mut count = *count;
                // Room for one more than there will be, while both are there.
                let mut words = words.to_vec();
                words.resize(words_for(universe + 1).max(words.len()), 0);
                if let Some(at) = removed {
                    count -= u32::from(has(&words, at));
                    close(&mut words, at);
                }
                if let Some((at, holds)) = added {
                    open(&mut words, at);
                    if holds {
                        put(&mut words, at);
                        count += 1;
                    }
                }
                words.truncate(words_for(universe));
                Self::Dense {
                    words: words.into_boxed_slice(),
                    count,
                }
            }
        }
    }

    /// How many numbers are in.
    pub(crate) fn count(&self) -> u32 {
        match self {
            Self::Dense { count, .. } => *count,
            Self::Sparse(numbers) => numbers.len() as u32,
        }
    }

    /// Whether `number` is in.
    #[inline]
    pub(crate) fn contains(&self, number: u32) -> bool {
        match self {
            Self::Dense { words, .. } => has(words, number),
            Self::Sparse(numbers) => numbers.binary_search(&number).is_ok(),
        }
    }

    /// Adds the set to `words`.
    pub(crate) fn add_to(&self, words: &mut [u64]) {
        match self {
            Self::Dense { words: own, .. } => {
                for (word, own) in words.iter_mut().zip(own) {
                    *word |= own;
                }
            }
            Self::Sparse(numbers) => numbers.iter().for_each(|&number| put(words, number)),
        }
    }

    /// Takes the set out of `words`.
    pub(crate) fn remove_from(&self, words: &mut [u64]) {
        match self {
            Self::Dense { words: own, .. } => {
                for (word, own) in words.iter_mut().zip(own) {
                    *word &= !own;
                }
            }
            Self::Sparse(numbers) => {
                for &number in numbers {
                    take(words, number);
                }
            }
        }
    }

    /// Appends those numbers that are set in `words` too.
    pub(crate) fn list_common(&self, words: &[u64], out: &mut Vec<u32>) {
        match self {
            Self::Dense { words: own, .. } => {
                for (index, (own, word)) in own.iter().zip(words).enumerate() {
                    let mut rest = own & word;
                    while rest != 0 {
                        out.push(index as u32 * 64 + rest.trailing_zeros());
                        rest &= rest - 1;
                    }
                }
            }
            Self::Sparse(numbers) => {
                // Each is written and only counted where it is in: nobody can guess which.
                let mut end = out.len();
                out.resize(end + numbers.len(), 0);
                for &number in numbers {
                    out[end] = number;
                    end += usize::from(has(words, number));
                }
                out.truncate(end);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn both_forms_are_sets(
            numbers in prop::collection::vec(0u32..700, 0..60),
            others in prop::collection::vec(0u32..700, 0..300),
        ) {
            let model: BTreeSet<u32> = numbers.iter().copied().collect();
            let other: BTreeSet<u32> = others.iter().copied().collect();
            let set = Set::new(numbers, 700);
            prop_assert_eq!(set.count() as usize, model.len());
            for number in 0..700 {
                prop_assert_eq!(set.contains(number), model.contains(&number));
            }
            let mut words = vec![0; words_for(700)];
            for &number in &other {
                put(&mut words, number);
            }
            let read = |words: &[u64]| {
                let mut out = Vec::new();
                list(words, &mut out);
                out.into_iter().collect::<BTreeSet<u32>>()
            };
            let range = Ones::new(&words, 100..300).collect::<Vec<u32>>();
            prop_assert_eq!(range, other.range(100..300).copied().collect::<Vec<u32>>());
            let mut common = Vec::new();
            set.list_common(&words, &mut common);
            let both: Vec<u32> = model.intersection(&other).copied().collect();
            prop_assert_eq!(common, both);
            let mut without = words.clone();
            set.remove_from(&mut without);
            prop_assert_eq!(read(&without), other.difference(&model).copied().collect());
            set.add_to(&mut words);
            prop_assert_eq!(read(&words), other.union(&model).copied().collect());
        }

        #[test]
        fn an_edit_moves_what_is_above(
            numbers in prop::collection::vec(0_u32..700, 0..400),
            removed in prop::option::of(0_u32..700),
            added in prop::option::of((0_u32..700, any::<bool>())),
        ) {
            let set = Set::new(numbers.clone(), 700);
            let mut model: Vec<bool> = vec![false; 700];
            for number in numbers {
                model[number as usize] = true;
            }
            if let Some(at) = removed {
                model.remove(at as usize);
            }
            if let Some((at, holds)) = added {
                model.insert((at as usize).min(model.len()), holds);
            }
            let last = model.len() as u32 - u32::from(added.is_some());
            let added = added.map(|(at, holds)| (at.min(last), holds));
            let edited = set.edited(removed, added, model.len());
            let expected = model.iter().filter(|holds| **holds).count();
            prop_assert_eq!(edited.count() as usize, expected);
            for (number, holds) in (0..).zip(model) {
                prop_assert_eq!(edited.contains(number), holds, "{}", number);
            }
        }
    }
}
