//! Dead letters: notices that were refused, kept as they came so that they can be judged again.
//!
//! One of a bid of ours is kept once for its bid, kind and fault. One whose token is not ours may
//! come from anybody: of those a fixed number is kept, the newest.

use crate::currency::Currency;
use crate::event::{Event, Fault, Kind};
use crate::money::Cpm;
use xxhash_rust::xxh3::xxh3_128;

/// Longest text of a notice that is kept, in bytes; a longer one is noted and cannot be replayed.
pub const MAX_TOLD: usize = 8 * 1024;

/// Most kept letters whose token is not ours.
pub const MOST_STRAYS: u32 = 10_000;

/// A refused notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Key of the bid, or a hash of the text where the token does not tell.
    pub key: [u8; 16],
    /// What it would have been.
    pub kind: Kind,
    /// What is wrong with it.
    pub fault: Fault,
    /// When it came, unix milliseconds.
    pub at_ms: i64,
    /// The exchange; this and the rest is empty where the token does not tell.
    pub exchange: String,
    /// The seat.
    pub seat: String,
    /// The line item.
    pub line_item: String,
    /// What was bid.
    pub bid: Cpm,
    /// What was asked for, or the bid where that cannot be read.
    pub cpm: Cpm,
    /// The currency of both; empty where it is not known.
    pub currency: Option<Currency>,
    /// Path and query of the notice; empty where it was not a notice or is too long.
    pub told: String,
    /// Whether the token was signed by us.
    pub verified: bool,
}

impl DeadLetter {
    /// The letter of an event that is refused.
    pub fn of(event: &Event, fault: Fault, told: &str) -> Self {
        Self {
            key: event.key,
            kind: event.kind,
            fault,
            at_ms: event.at_ms,
            exchange: event.exchange.clone(),
            seat: event.seat.clone(),
            line_item: event.line_item.clone(),
            bid: event.bid,
            cpm: event.cpm,
            currency: Some(event.currency),
            told: kept(told),
            verified: true,
        }
    }

    /// The letter of a notice whose token tells nothing.
    pub fn stray(kind: Kind, fault: Fault, at_ms: i64, told: &str) -> Self {
        Self {
            key: xxh3_128(told.as_bytes()).to_le_bytes(),
            kind,
            fault,
            at_ms,
            exchange: String::new(),
            seat: String::new(),
            line_item: String::new(),
            bid: Cpm(0),
            cpm: Cpm(0),
            currency: None,
            told: kept(told),
            verified: false,
        }
    }
}

fn kept(told: &str) -> String {
    if told.len() > MAX_TOLD {
        return String::new();
    }
    told.to_owned()
}

/// Which letters are meant; the default is all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Label of the fault.
    pub fault: Option<String>,
    /// The exchange.
    pub exchange: Option<String>,
    /// Numbers of the letters; empty means any.
    pub ids: Vec<i64>,
    /// Only those whose event was not written since, and that were not replayed with success.
    pub open: bool,
}
