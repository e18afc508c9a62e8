//! What is known of one user or household: marks of impressions and of open bids.
//!
//! A mark is eight bytes: a time, what was shown, and how often. Because a mark says when and not
//! in which window, one mark serves every window of its scope, and a window that is changed later
//! still finds what happened. Up to three marks stand in the table itself, more on the heap.
//!
//! A scope keeps [`RUNS`] times exactly. Beyond them times are rounded up, to at most a quarter of
//! their age, and those that become equal are one mark: an impression then counts up to a third
//! longer than its window, and never shorter. Impressions of the same second are one mark anyhow.

use super::cap::Scope;

/// Times of impressions that a scope keeps before it draws some together.
pub const RUNS: usize = 16;
/// Open bids of one scope; further ones count as capped.
pub const MAX_OPEN: u32 = 8;
/// Marks with which no further bid is admitted.
pub(super) const MOST_MARKS: usize = 128;
/// Marks beyond which impressions are not noted one by one any more.
const MOST_NOTED: usize = 2 * MOST_MARKS;
/// Marks in the table itself.
const INLINE: usize = 3;

const SHOWN: u32 = 0;
const OPEN: u32 = 1 << 6;
const BLOCKED: u32 = 2 << 6;
const KIND: u32 = 3 << 6;
const COUNT: u32 = OPEN - 1;

/// Something of one scope at one time: impressions shown then, open bids that expire then, or,
/// without a scope, that nothing may be shown until then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) at: u32,
    /// 24 bits of scope, 2 of kind, 6 of count.
    pub(super) tag: u32,
}

impl Mark {
    fn new(scope: Scope, kind: u32, at: u32) -> Self {
        let tag = scope.0 << 8 | kind | 1;
        Self { at, tag }
    }

    fn is(self, scope: Scope, kind: u32) -> bool {
        self.tag & !COUNT == scope.0 << 8 | kind
    }

    fn count(self) -> u32 {
        self.tag & COUNT
    }

    /// Whether it limits anything at `now_s`, where no window is longer than `horizon_s`.
    fn lives(self, now_s: u32, horizon_s: u32) -> bool {
        match self.tag & KIND {
            SHOWN => now_s.saturating_sub(self.at) < horizon_s,
            _ => self.at > now_s,
        }
    }
}

/// The marks of one user or household.
#[derive(Clone, Debug)]
pub(super) enum Marks {
    Few(u8, [Mark; INLINE]),
    Many(Vec<Mark>),
}

const _: () = assert!(
    size_of::<Marks>() == 32,
    "what docs/frequency.md says of memory"
);

impl Default for Marks {
    fn default() -> Self {
        Self::Few(0, [Mark::default(); INLINE])
    }
}

impl Marks {
    pub(super) fn as_slice(&self) -> &[Mark] {
        match self {
            Self::Few(count, marks) => &marks[..usize::from(*count)],
            Self::Many(marks) => marks,
        }
    }

    fn as_mut_slice(&mut self) -> &mut [Mark] {
        match self {
            Self::Few(count, marks) => &mut marks[..usize::from(*count)],
            Self::Many(marks) => marks,
        }
    }

    pub(super) fn push(&mut self, mark: Mark) {
        match self {
            Self::Few(count, marks) if usize::from(*count) < INLINE => {
                marks[usize::from(*count)] = mark;
                *count += 1;
            }
            Self::Few(_, marks) => {
                let mut many = Vec::with_capacity(2 * INLINE);
                many.extend_from_slice(marks);
                many.push(mark);
                *self = Self::Many(many);
            }
            Self::Many(marks) => marks.push(mark),
        }
    }

    fn remove(&mut self, at: usize) {
        match self {
            Self::Few(count, marks) => {
                *count -= 1;
                marks[at] = marks[usize::from(*count)];
            }
            Self::Many(marks) => drop(marks.swap_remove(at)),
        }
    }

    /// Bytes on the heap.
    pub(super) fn heap(&self) -> usize {
        match self {
            Self::Few(..) => 0,
            Self::Many(marks) => marks.capacity() * size_of::<Mark>(),
        }
    }

    /// Whether `more` marks can be added without asking for memory.
    pub(super) fn has_room(&self, more: usize) -> bool {
        match self {
            Self::Few(count, _) => usize::from(*count) + more <= INLINE,
            Self::Many(marks) => marks.len() + more <= marks.capacity(),
        }
    }

    /// Impressions of a scope in the window that ends now.
    pub(super) fn shown(&self, scope: Scope, window_s: u32, now_s: u32) -> u32 {
        let own = self.as_slice().iter().filter(|mark| mark.is(scope, SHOWN));
        let counting = own.filter(|mark| mark.lives(now_s, window_s));
        counting.map(|mark| mark.count()).sum()
    }

    /// Bids of a scope that may still be shown.
    pub(super) fn open(&self, scope: Scope, now_s: u32) -> u32 {
        let own = self.as_slice().iter().filter(|mark| mark.is(scope, OPEN));
        own.filter(|mark| mark.at > now_s)
            .map(|mark| mark.count())
            .sum()
    }

    /// Whether nothing may be shown, because there was too much to note.
    pub(super) fn blocked(&self, now_s: u32) -> bool {
        let blocks = |mark: &Mark| mark.is(Scope(0), BLOCKED) && mark.at > now_s;
        self.as_slice().iter().any(blocks)
    }

    /// Notes an open bid.
    pub(super) fn hold(&mut self, scope: Scope, expires_at: u32) {
        self.add(scope, OPEN, expires_at);
    }

    /// Takes an open bid away and says whether there was one.
    pub(super) fn let_go(&mut self, scope: Scope, expires_at: u32) -> bool {
        let own = |mark: &Mark| mark.is(scope, OPEN) && mark.at == expires_at;
        let Some(place) = self.as_slice().iter().position(own) else {
            return false;
        };
        let mark = &mut self.as_mut_slice()[place];
        if mark.count() > 1 {
            mark.tag -= 1;
        } else {
            self.remove(place);
        }
        true
    }

    /// Notes an impression. Where there is too much to note, nothing is shown for as long as it
    /// could count.
    pub(super) fn show(&mut self, scope: Scope, at_s: u32, (now_s, horizon_s): (u32, u32)) {
        self.prune(now_s, horizon_s);
        if self.as_slice().len() >= MOST_NOTED {
            let first = &mut self.as_mut_slice()[0];
            let until = now_s.max(at_s).saturating_add(horizon_s).max(first.at);
            *first = Mark::new(Scope(0), BLOCKED, until);
            return;
        }
        self.add(scope, SHOWN, at_s);
        self.draw_together(scope, now_s);
    }

    fn add(&mut self, scope: Scope, kind: u32, at: u32) {
        let same = |mark: &&mut Mark| mark.is(scope, kind) && mark.at == at;
        let room = |mark: &&mut Mark| mark.count() < COUNT;
        match self.as_mut_slice().iter_mut().filter(same).find(room) {
            Some(mark) => mark.tag += 1,
            None => self.push(Mark::new(scope, kind, at)),
        }
    }

    /// Drops what limits nothing any more.
    pub(super) fn prune(&mut self, now_s: u32, horizon_s: u32) {
        let mut at = 0;
        while at < self.as_slice().len() {
            if self.as_slice()[at].lives(now_s, horizon_s) {
                at += 1;
            } else {
                self.remove(at);
            }
        }
        if let Self::Many(marks) = self
            && marks.len() <= INLINE
        {
            let few = std::mem::take(marks);
            *self = Self::default();
            for mark in few {
                self.push(mark);
            }
        }
    }

    /// Rounds the times of a scope's impressions up, the older the more, as far as it takes to
    /// leave few enough.
    fn draw_together(&mut self, scope: Scope, now_s: u32) {
        for part in [32, 16, 8, 4] {
            let own = self.as_slice().iter().filter(|mark| mark.is(scope, SHOWN));
            if own.count() <= RUNS {
                return;
            }
            let marks = self.as_mut_slice().iter_mut();
            for mark in marks.filter(|mark| mark.is(scope, SHOWN)) {
                // Cells of a power of two lie within the larger ones, so that a time that is
                // rounded again is never further off than the last cell is long.
                let longest = now_s.saturating_sub(mark.at) / part;
                let cell = longest.checked_ilog2().map_or(1, |log| 1 << log);
                mark.at |= cell - 1;
            }
            self.join(scope);
        }
    }

    /// Makes impressions of one time one mark, as far as its count goes.
    fn join(&mut self, scope: Scope) {
        let mut at = 0;
        while at < self.as_slice().len() {
            let mark = self.as_slice()[at];
            let same = |other: &Mark| {
                other.is(scope, SHOWN)
                    && other.at == mark.at
                    && other.count() + mark.count() <= COUNT
            };
            let other = self.as_slice()[..at].iter().position(same);
            match other.filter(|_| mark.is(scope, SHOWN)) {
                Some(earlier) => {
                    self.as_mut_slice()[earlier].tag += mark.count();
                    self.remove(at);
                }
                None => at += 1,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Scope = Scope(1);

    #[test]
    fn an_impression_counts_for_exactly_its_window() {
        let mut marks = Marks::default();
        marks.show(ONE, 100, (100, 50));
        assert_eq!(marks.shown(ONE, 50, 149), 1);
        assert_eq!(marks.shown(ONE, 50, 150), 0);
        assert_eq!(
            marks.shown(ONE, 20, 119),
            1,
            "a shorter window of the same mark"
        );
        assert_eq!(marks.shown(ONE, 20, 120), 0);
        assert_eq!(marks.shown(Scope(2), 50, 100), 0);
        marks.prune(150, 50);
        assert_eq!(marks.as_slice().len(), 0);
    }

    #[test]
    fn rounded_times_count_up_to_a_third_longer_and_never_shorter() {
        let mut marks = Marks::default();
        let times: Vec<u32> = (0..300).map(|n| 1_000 + n * n).collect();
        for &at in &times {
            marks.show(ONE, at, (at, 1_000_000));
            for window in [1, 10, 100, 1_000, 10_000, 100_000] {
                let shown = times.iter().take_while(|time| **time <= at);
                let within = |longest: u32| {
                    let own = shown.clone().filter(|time| at - **time < longest);
                    own.count() as u32
                };
                let counted = marks.shown(ONE, window, at);
                let bounds = within(window)..=within(window.div_ceil(3) * 4);
                assert!(bounds.contains(&counted), "{counted}, {bounds:?}, {window}");
            }
        }
        assert!(marks.as_slice().len() <= 70, "{}", marks.as_slice().len());
        assert_eq!(marks.shown(ONE, 1_000_000, 200_000), 300);
    }

    #[test]
    fn many_of_one_second_are_one_mark_until_it_is_full() {
        let mut marks = Marks::default();
        for _ in 0..100 {
            marks.show(ONE, 7, (7, 10));
        }
        assert_eq!(marks.as_slice().len(), 2);
        assert_eq!(marks.shown(ONE, 10, 7), 100);
    }

    #[test]
    fn too_much_to_note_blocks() {
        let mut marks = Marks::default();
        for scope in 1..=MOST_NOTED as u32 {
            marks.show(Scope(scope), 5, (5, 100));
        }
        assert!(!marks.blocked(5));
        marks.show(Scope(9_999), 6, (6, 100));
        assert!(marks.blocked(6) && marks.blocked(105) && !marks.blocked(106));
        assert_eq!(marks.as_slice().len(), MOST_NOTED);
    }

    #[test]
    fn open_bids_of_one_moment_are_let_go_one_by_one() {
        let mut marks = Marks::default();
        marks.hold(ONE, 50);
        marks.hold(ONE, 50);
        assert_eq!((marks.open(ONE, 49), marks.open(ONE, 50)), (2, 0));
        assert!(marks.let_go(ONE, 50) && marks.let_go(ONE, 50) && !marks.let_go(ONE, 50));
        for expires_at in 1..=5 {
            marks.hold(ONE, expires_at);
        }
        assert!(marks.heap() > 0);
        marks.prune(3, 10);
        assert_eq!((marks.heap(), marks.open(ONE, 0)), (0, 2));
    }
}
