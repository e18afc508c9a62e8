//! Frequency caps: how often users and households have seen something in rolling windows, and
//! how often more they may from the bids that are open.
//!
//! An impression is counted from the moment its bid leaves: reserved at the bid, confirmed when
//! it is shown, released when it is lost or expires. The bid path never waits for another thread:
//! where the shard of a user is just written to, or the table is full, the line item counts as
//! capped, which can only show less. Nothing that still limits is ever dropped for room; where an
//! impression cannot be noted, whoever is not in the table counts as capped as long as it could
//! have mattered.
//!
//! Cost: one hash and one probe a bid, mostly the cache miss. Memory: a slot of 41 bytes for each
//! user with up to three marks, 47 to 94 bytes with the table's empty slots, and 8 bytes for each
//! further mark; see `docs/frequency.md`.

mod cap;
mod identity;
mod marks;
mod saved;

pub use cap::{
    Cap, Level, MAX_CAPS, MAX_IMPRESSIONS, MAX_WINDOW_S, People, Scope, Subject, WithoutId,
};
pub use identity::{BadSource, Identity, Source};
pub use marks::{MAX_OPEN, RUNS};
pub use saved::{Damaged, Head};

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use dashmap::try_result::TryResult;
use foldhash::fast::FixedState;
use ledger::{Exposure, Shown};
use marks::{MOST_MARKS, Marks};
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, AtomicUsize};

/// Shards of the table: while one is looked through or grows, one user in a thousand waits, and
/// counts as capped meanwhile.
const SHARDS: usize = 1_024;
/// Bytes on the heap for each user that the table may hold, beyond which no bid asks for more.
const HEAP_PER_SUBJECT: usize = 64;

/// Why a line item may not be shown now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capped {
    /// Seen, or about to be seen, as often as allowed.
    Reached,
    /// Another thread was just writing to the user's shard.
    Contended,
    /// There is no room to count another impression.
    Full,
    /// Bids of a crashed run may still be shown, and who got them is not known.
    Unknown,
}

impl Capped {
    /// Every reason why the table itself holds a bid back.
    pub const HELD_BACK: [Capped; 3] = [Capped::Contended, Capped::Full, Capped::Unknown];

    /// The reason as a metric label.
    pub fn label(self) -> &'static str {
        match self {
            Capped::Reached => "reached",
            Capped::Contended => "contended",
            Capped::Full => "full",
            Capped::Unknown => "unknown",
        }
    }
}

/// When a bid is made and until when it is held, in unix seconds.
#[derive(Clone, Copy, Debug)]
pub struct Hold {
    /// Now.
    pub now_s: u32,
    /// When what it reserves is released by itself.
    pub expires_at: u32,
}

/// What a sweep dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Users and households of whom nothing limits anything any more.
    pub subjects: usize,
    /// Marks that limit nothing any more.
    pub marks: usize,
}

/// The counts of all users and households on this node.
pub struct FrequencyCaps {
    marks: DashMap<u64, Marks, FixedState>,
    identity: Identity,
    most: usize,
    subjects: AtomicUsize,
    heap: AtomicUsize,
    horizon_s: AtomicU32,
    /// Until then bids of a crashed run may be shown of which nothing is known.
    unknown_until: AtomicU32,
    /// Until then an impression counts that could not be noted.
    forgotten_until: AtomicU32,
    held_back: [AtomicU64; Capped::HELD_BACK.len()],
    swept: [AtomicU64; 2],
    changes: AtomicU64,
    counted: AtomicI64,
}

impl FrequencyCaps {
    /// Counts of at most `most` users and households, known by the usual ids.
    pub fn new(most: usize) -> Self {
        Self {
            marks: DashMap::with_hasher_and_shard_amount(FixedState::default(), SHARDS),
            identity: Identity::default(),
            most,
            subjects: AtomicUsize::new(0),
            heap: AtomicUsize::new(0),
            horizon_s: AtomicU32::new(MAX_WINDOW_S),
            unknown_until: AtomicU32::new(0),
            forgotten_until: AtomicU32::new(0),
            held_back: Default::default(),
            swept: Default::default(),
            changes: AtomicU64::new(0),
            counted: AtomicI64::new(0),
        }
    }

    /// The same with other ids.
    #[must_use]
    pub fn known_by(mut self, identity: Identity) -> Self {
        self.identity = identity;
        self
    }

    /// By which ids people are known.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Sets how long an impression is remembered, in seconds: the longest window of any rule.
    pub fn remember(&self, horizon_s: u32) {
        self.horizon_s.store(horizon_s.min(MAX_WINDOW_S), Relaxed);
    }

    /// Expects impressions of unknown bids until `until` (unix seconds), because a run ended
    /// without saving its open ones: each rule then keeps [`MAX_OPEN`] places free.
    pub fn expect_unknown(&self, until: u32) {
        self.unknown_until.fetch_max(until, Relaxed);
    }

    /// Until when (unix seconds) impressions of unknown bids are expected.
    pub fn unknown_until(&self) -> u32 {
        self.unknown_until.load(Relaxed)
    }

    /// Takes one impression of every rule for a bid, or none. Never waits. Rules whose id is
    /// missing limit nothing here; whether the bid may then be made at all is asked before.
    ///
    /// # Errors
    /// Why the bid may not be made.
    pub fn reserve<'r>(
        &self,
        people: People,
        rules: impl Iterator<Item = &'r Cap> + Clone,
        hold: Hold,
    ) -> Result<(), Capped> {
        self.reserve_by(Subject::User, people, rules.clone(), hold)?;
        let shared = self.reserve_by(Subject::Household, people, rules.clone(), hold);
        if shared.is_err() {
            let alone = People {
                household: None,
                ..people
            };
            self.release(&alone.exposure(rules), hold.expires_at);
        }
        shared
    }

    fn reserve_by<'r>(
        &self,
        by: Subject,
        people: People,
        rules: impl Iterator<Item = &'r Cap> + Clone,
        hold: Hold,
    ) -> Result<(), Capped> {
        let own = rules.filter(move |rule| rule.by == by);
        let Some(key) = people.key(by).filter(|_| own.clone().next().is_some()) else {
            return Ok(());
        };
        let taken = self.take(key, &own, hold);
        if let Err(reason) = taken {
            self.count(reason);
        }
        taken
    }

    fn take<'r>(
        &self,
        key: u64,
        rules: &(impl Iterator<Item = &'r Cap> + Clone),
        hold: Hold,
    ) -> Result<(), Capped> {
        let Hold { now_s, expires_at } = hold;
        match self.marks.try_entry(key).ok_or(Capped::Contended)? {
            Entry::Occupied(mut entry) => {
                let marks = entry.get_mut();
                self.allows(marks, rules.clone(), now_s)?;
                let before = marks.heap();
                let added = rules.clone().count();
                if !marks.has_room(added) {
                    marks.prune(now_s, self.horizon_s.load(Relaxed));
                }
                let crowded = marks.as_slice().len() + added > MOST_MARKS;
                let growing = !marks.has_room(added);
                let poor = growing && self.heap() >= self.most * HEAP_PER_SUBJECT;
                if !crowded && !poor {
                    hold_all(marks, rules, expires_at);
                }
                self.weigh(before, marks.heap());
                if crowded || poor {
                    return Err(Capped::Full);
                }
            }
            Entry::Vacant(entry) => {
                let mut marks = Marks::default();
                self.allows(&marks, rules.clone(), now_s)?;
                if self.forgotten_until.load(Relaxed) > now_s || !self.admit(self.most) {
                    return Err(Capped::Full);
                }
                hold_all(&mut marks, rules, expires_at);
                self.weigh(0, marks.heap());
                entry.insert(marks);
            }
        }
        self.changes.fetch_add(1, Relaxed);
        Ok(())
    }

    /// Whether every rule has room for one more impression.
    fn allows<'r>(
        &self,
        marks: &Marks,
        mut rules: impl Iterator<Item = &'r Cap>,
        now_s: u32,
    ) -> Result<(), Capped> {
        if marks.blocked(now_s) {
            return Err(Capped::Full);
        }
        let unknown = if self.unknown_until() > now_s {
            MAX_OPEN
        } else {
            0
        };
        rules.try_for_each(|rule| {
            let open = marks.open(rule.scope, now_s);
            let taken = marks.shown(rule.scope, rule.window_s, now_s) + open;
            if taken >= rule.most.into() || open >= MAX_OPEN {
                Err(Capped::Reached)
            } else if taken + unknown >= rule.most.into() {
                Err(Capped::Unknown)
            } else {
                Ok(())
            }
        })
    }

    /// Whether every rule has room at this moment. Never waits, and takes nothing.
    pub(crate) fn admits<'r>(
        &self,
        people: People,
        rules: &(impl Iterator<Item = &'r Cap> + Clone),
        now_s: u32,
    ) -> bool {
        [Subject::User, Subject::Household].into_iter().all(|by| {
            let own = rules.clone().filter(move |rule| rule.by == by);
            let Some(key) = people.key(by).filter(|_| own.clone().next().is_some()) else {
                return true;
            };
            match self.marks.try_get(&key) {
                TryResult::Present(marks) => self.allows(&marks, own, now_s).is_ok(),
                TryResult::Absent => self.allows(&Marks::default(), own, now_s).is_ok(),
                TryResult::Locked => false,
            }
        })
    }

    /// How many impressions a user has seen under a rule; `None` where that is not known at this
    /// moment. Never waits.
    pub(crate) fn seen(&self, people: People, rule: &Cap, now_s: u32) -> Option<u32> {
        match self.marks.try_get(&people.key(rule.by)?) {
            TryResult::Present(marks) => Some(marks.shown(rule.scope, rule.window_s, now_s)),
            TryResult::Absent => Some(0),
            TryResult::Locked => None,
        }
    }

    /// Gives back what a lost bid took that was held until `expires_at` (unix seconds); says
    /// whether any of it was still held. For notices: may wait for the few stores of another
    /// thread.
    pub fn release(&self, exposure: &Exposure, expires_at: u32) -> bool {
        let mut any = false;
        for by in [Subject::User, Subject::Household] {
            let Some((key, scopes)) = cap::moved(exposure, by) else {
                continue;
            };
            if let Some(mut marks) = self.marks.get_mut(&key) {
                for scope in scopes {
                    any |= marks.let_go(scope, expires_at);
                }
            }
        }
        self.changes.fetch_add(1, Relaxed);
        any
    }

    /// Counts an impression that was shown and ends what its bid held. Told once for each
    /// impression. For the ledger's thread: may wait for the few stores of another thread.
    pub fn confirm(&self, shown: &Shown, now_s: u32) {
        let moment = (now_s, self.horizon_s.load(Relaxed));
        for by in [Subject::User, Subject::Household] {
            let Some((key, scopes)) = cap::moved(&shown.exposure, by) else {
                continue;
            };
            let entry = self.marks.entry(key);
            // What has been shown is noted even where there is no room for more bids.
            let fresh = matches!(entry, Entry::Vacant(_));
            if fresh && !self.admit(self.most + self.most / 8) {
                let until = shown.at_s.saturating_add(moment.1);
                self.forgotten_until.fetch_max(until, Relaxed);
                continue;
            }
            let mut marks = entry.or_default();
            let before = marks.heap();
            for scope in scopes {
                marks.let_go(scope, shown.held_until);
                marks.show(scope, shown.at_s, moment);
            }
            self.weigh(before, marks.heap());
        }
        self.changes.fetch_add(1, Relaxed);
        // Behind the counts: whoever reads the number finds the impression counted.
        self.counted.fetch_max(shown.seq, Release);
    }

    /// The last event of the ledger that is counted, with all before it.
    pub fn counted(&self) -> i64 {
        self.counted.load(Acquire)
    }

    /// Drops what limits nothing any more at `now_s` (unix seconds). Holds each shard while it is
    /// looked through.
    pub fn sweep(&self, now_s: u32) -> Swept {
        let horizon_s = self.horizon_s.load(Relaxed);
        let mut swept = Swept::default();
        self.marks.retain(|_, marks| {
            let (before, heap) = (marks.as_slice().len(), marks.heap());
            marks.prune(now_s, horizon_s);
            let left = marks.as_slice().len();
            swept.marks += before - left;
            swept.subjects += usize::from(left == 0);
            self.weigh(heap, if left == 0 { 0 } else { marks.heap() });
            left > 0
        });
        self.subjects.fetch_sub(swept.subjects, Relaxed);
        for (total, dropped) in self.swept.iter().zip([swept.subjects, swept.marks]) {
            total.fetch_add(dropped as u64, Relaxed);
        }
        swept
    }

    /// Takes room for one more subject.
    fn admit(&self, most: usize) -> bool {
        let admitted = self.subjects.fetch_add(1, Relaxed) < most;
        if !admitted {
            self.subjects.fetch_sub(1, Relaxed);
        }
        admitted
    }

    fn weigh(&self, before: usize, after: usize) {
        if after >= before {
            self.heap.fetch_add(after - before, Relaxed);
        } else {
            self.heap.fetch_sub(before - after, Relaxed);
        }
    }

    fn count(&self, reason: Capped) {
        let known = Capped::HELD_BACK.iter().position(|held| *held == reason);
        if let Some(at) = known {
            self.held_back[at].fetch_add(1, Relaxed);
        }
    }

    /// Users and households in the table.
    pub fn subjects(&self) -> usize {
        self.subjects.load(Relaxed)
    }

    /// Bytes of marks that do not stand in the table itself.
    pub fn heap(&self) -> usize {
        self.heap.load(Relaxed)
    }

    /// Bids held back so far by the table itself, by reason.
    pub fn held_back(&self) -> impl Iterator<Item = (Capped, u64)> {
        let counts = self.held_back.iter().map(|count| count.load(Relaxed));
        Capped::HELD_BACK.into_iter().zip(counts)
    }

    /// Subjects and marks dropped so far because they limited nothing any more.
    pub fn swept(&self) -> Swept {
        let [subjects, marks] = self
            .swept
            .each_ref()
            .map(|count| count.load(Relaxed) as usize);
        Swept { subjects, marks }
    }

    /// Grows with every change, so that whoever keeps a copy knows whether it is the latest.
    pub fn changes(&self) -> u64 {
        self.changes.load(Relaxed)
    }
}

/// Holds one impression of every scope of the rules, which may name one several times.
fn hold_all<'r>(
    marks: &mut Marks,
    rules: &(impl Iterator<Item = &'r Cap> + Clone),
    expires_at: u32,
) {
    for (at, rule) in rules.clone().enumerate() {
        if rules
            .clone()
            .take(at)
            .all(|earlier| earlier.scope != rule.scope)
        {
            marks.hold(rule.scope, expires_at);
        }
    }
}

#[cfg(test)]
mod tests;
