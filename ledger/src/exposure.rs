//! For whom an impression counts, and against what: carried by a bid's token, written with the
//! first event that shows it, and handed on once it is durable.

/// Whose counts an impression moves. The ledger keeps it and does not interpret the scopes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exposure {
    /// Key of the user, 0 where there is none.
    pub user: u64,
    /// Key of the household, 0 where there is none.
    pub household: u64,
    /// What is counted, as the bidder numbers it; 0 for nothing, and then only nothing follows.
    pub scopes: [u32; Exposure::SCOPES],
}

impl Exposure {
    /// The most scopes of one impression.
    pub const SCOPES: usize = 4;

    /// Whether anybody counts it.
    pub fn counts(&self) -> bool {
        self.scopes[0] != 0
    }

    /// The scopes that are there.
    pub fn scopes(&self) -> impl Iterator<Item = u32> {
        self.scopes.into_iter().take_while(|scope| *scope != 0)
    }
}

/// An impression that is durable, told once for each bid whatever bills and pixels repeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Number of the event.
    pub seq: i64,
    /// For whom and against what.
    pub exposure: Exposure,
    /// Unix seconds until which its bid was held.
    pub held_until: u32,
    /// Unix seconds of the first event that shows it.
    pub at_s: u32,
}
