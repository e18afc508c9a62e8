//! What one run of the node spends: its leases, and what open bids hold of them.
//!
//! A run begins with the books being opened, at the start or after a commit that failed. Bids of
//! an earlier run keep its number in their tokens, and the ledger keeps for them what that run
//! had leased, so nothing of an old purse is ever moved into a new one.

use ledger::{Book, Reservations};
use std::sync::Arc;

/// The money of one run.
#[derive(Clone)]
pub struct Purse {
    /// The number of the run.
    pub epoch: u32,
    /// What may be spent.
    pub book: Arc<Book>,
    /// What open bids hold.
    pub reservations: Arc<Reservations>,
}

impl Purse {
    /// An empty purse for at most `capacity` open bids.
    pub fn new(epoch: u32, capacity: usize) -> Self {
        Self {
            epoch,
            book: Arc::default(),
            reservations: Arc::new(Reservations::new(capacity)),
        }
    }
}
