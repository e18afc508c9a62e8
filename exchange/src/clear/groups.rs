//! Bids that are won or lost together (`seatbid.group`, section 4.2.2).
//!
//! A group stands when each of its bids wins its lot on its own merit, so that nobody is passed
//! over for a bid below his own. Groups that do not are put out one after the other, the one
//! that bids the least first, and the lots are looked at again without it; whoever was put out
//! for one that went later comes back where it wins all the same. What stands in the end is whole,
//! and no other group could be added to it. Cost: a look at all bids for each group; nothing where
//! there is none.

use crate::draw::mix;
use ledger::Cpm;
use std::cmp::Reverse;

/// Most groups of an auction; later ones lose.
pub(crate) const MAX_GROUPS: usize = 64;

/// The bids of a group.
#[derive(Clone, Debug, Default)]
pub(crate) struct Group {
    /// Lot and place of each bid.
    pub(crate) bids: Vec<(usize, usize)>,
    /// What they bid together.
    pub(crate) total: Cpm,
    /// Hash of who bids what, for ties.
    pub(crate) identity: u64,
    /// One of its bids cannot win, so none can.
    pub(crate) broken: bool,
}

impl Group {
    /// Adds a bid, or notes that it cannot win.
    pub(crate) fn add(&mut self, place: usize, bid: Option<(usize, Cpm, u64)>) {
        let Some((lot, price, identity)) = bid else {
            self.broken = true;
            return;
        };
        self.broken |= self.bids.iter().any(|(taken, _)| *taken == lot);
        self.bids.push((lot, place));
        self.total = Cpm(self.total.0.saturating_add(price.0));
        self.identity = mix(self.identity ^ identity);
    }
}

/// Which groups lose. `winners` says the place of the winner of each lot among all bids but those
/// of the groups that it is told are out.
pub(crate) fn losing(
    groups: &[Group],
    seed: u64,
    winners: impl Fn(&[bool]) -> Vec<Option<usize>>,
) -> Vec<bool> {
    let hopeless = |(at, group): (usize, &Group)| group.broken || at >= MAX_GROUPS;
    let mut out: Vec<bool> = groups.iter().enumerate().map(hopeless).collect();
    let possible: Vec<usize> = (0..groups.len()).filter(|at| !out[*at]).collect();
    let worth = |at: &usize| (groups[*at].total, mix(seed ^ groups[*at].identity));
    let failing = |out: &[bool]| -> Vec<usize> {
        let won = winners(out);
        let wins = |(lot, place): &(usize, usize)| won[*lot] == Some(*place);
        let whole = |at: usize| groups[at].bids.iter().all(wins);
        let standing = possible.iter().copied().filter(|at| !out[*at]);
        standing.filter(|at| !whole(*at)).collect()
    };
    while let Some(least) = failing(&out).into_iter().min_by_key(worth) {
        out[least] = true;
    }
    let mut back: Vec<usize> = possible.iter().copied().filter(|at| out[*at]).collect();
    back.sort_by_key(|at| Reverse(worth(at)));
    for at in back {
        out[at] = false;
        out[at] = !failing(&out).is_empty();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A bid: lot, price, and the group that it is of.
    type Bid = (usize, i64, Option<usize>);

    const LOTS: usize = 4;

    fn winners(bids: &[Bid], out: &[bool]) -> Vec<Option<usize>> {
        let best = |lot: usize| {
            let there = bids.iter().enumerate().filter(|(_, (at, ..))| *at == lot);
            let left = there.filter(|(_, (.., group))| group.is_none_or(|group| !out[group]));
            left.max_by_key(|(place, (_, price, _))| (*price, *place))
                .map(|(place, _)| place)
        };
        (0..LOTS).map(best).collect()
    }

    fn groups(bids: &[Bid]) -> Vec<Group> {
        let mut groups = vec![Group::default(); 5];
        for (place, (lot, price, group)) in bids.iter().enumerate() {
            if let Some(group) = group {
                groups[*group].add(place, Some((*lot, Cpm(*price), place as u64)));
            }
        }
        groups
    }

    /// Whether every group that is in wins all of its lots.
    fn stands(bids: &[Bid], out: &[bool]) -> bool {
        let won = winners(bids, out);
        let groups = groups(bids);
        let in_whole = |(group, out): (&Group, &bool)| {
            *out || group
                .bids
                .iter()
                .all(|(lot, place)| won[*lot] == Some(*place))
        };
        groups.iter().zip(out).all(in_whole)
    }

    proptest! {
        /// Against a reader who tries every set of groups.
        #[test]
        fn groups_are_whole_or_out_and_nobody_could_be_added(
            bids in prop::collection::vec(
                (0..LOTS, 1_i64..30, prop::option::weighted(0.6, 0_usize..5)), 1..14),
            seed: u64,
        ) {
            let out = losing(&groups(&bids), seed, |out| winners(&bids, out));
            prop_assert!(stands(&bids, &out));
            for at in (0..out.len()).filter(|at| out[*at]) {
                let mut more = out.clone();
                more[at] = false;
                prop_assert!(!stands(&bids, &more), "group {at} could be added: {out:?}");
            }
            // Where all can stand together, all do.
            let all = vec![false; out.len()];
            if stands(&bids, &all) {
                prop_assert_eq!(&out, &all);
            }
            let again = losing(&groups(&bids), seed, |out| winners(&bids, out));
            prop_assert_eq!(out, again);
        }
    }

    #[test]
    fn one_that_goes_later_lets_another_come_back() {
        // The second beats the first on lot 0 and loses lot 1 to nobody's group.
        let bids = [
            (0, 5, Some(0)),
            (2, 1, Some(0)),
            (0, 6, Some(1)),
            (1, 4, Some(1)),
            (1, 9, None),
        ];
        let out = losing(&groups(&bids), 7, |out| winners(&bids, out));
        assert_eq!(&out[..2], [false, true]);
    }

    #[test]
    fn two_bids_of_a_group_on_one_lot_break_it() {
        let bids = [(0, 5, Some(0)), (0, 4, Some(0)), (0, 1, None)];
        let out = losing(&groups(&bids), 7, |out| winners(&bids, out));
        assert!(out[0]);
        assert_eq!(winners(&bids, &out)[0], Some(2));
    }
}
