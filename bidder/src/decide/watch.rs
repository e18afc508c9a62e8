//! Who watches a decision: nobody, a counter ([`Funnel`](crate::Funnel)), or whoever explains it.
//!
//! A decision is generic over its watcher, so that there is one decision and not two: what is
//! explained is what was done, and where nobody watches nothing is left of the calls.

use super::offers::{Auction, Place};
use crate::NoBid;
use crate::nobid::Closest;
use crate::reserve::{Holder, Offer};

/// Is told what becomes of line items.
pub(crate) trait Watch {
    /// Whether the request is one that was made: it counts as traffic.
    const COUNTS: bool;

    /// A line item is targeted at the request, which stands for `requests` like it.
    fn targeted(&mut self, item: u32, requests: u32);

    /// A line item had its turn on the imp, and this stopped it.
    fn stopped(&mut self, item: u32, reason: NoBid);

    /// The auction for a place is over: the best offer was taken, those in `left` were not, and
    /// whoever was not stopped had no turn.
    fn over(
        &mut self,
        auction: &Auction<'_, '_, '_>,
        place: &Place<'_, '_>,
        holder: Holder,
        best: Option<&Offer>,
        left: &[Offer],
    );
}

/// The closest reason so far, and who else is told.
pub(crate) struct Notes<'w, W> {
    pub(crate) closest: Closest,
    pub(crate) watch: &'w mut W,
}

impl<'w, W: Watch> Notes<'w, W> {
    pub(crate) fn new(watch: &'w mut W) -> Self {
        Self {
            closest: Closest::default(),
            watch,
        }
    }

    #[inline]
    pub(crate) fn stopped(&mut self, item: u32, reason: NoBid) {
        self.closest.note(reason);
        self.watch.stopped(item, reason);
    }
}
