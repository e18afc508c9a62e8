//! Sells impressions: one auction, from a publisher's request to the response.
//!
//! A request passes the phases in this order, one file each: [`intake`] → [`stored`] →
//! [`implicit`] → [`enrich`] → [`redact`] → [`deal`] → [`floor`] → [`invite`] →
//! [`fanout`] → [`screen`] → [`clear`] → [`settle`]; [`auction`] reads top to bottom. [`catalog`] is what the control plane says, [`market`] what
//! auctions read, [`link`] the only part that knows sockets, and [`billing`] what a shown
//! impression does to the books. Time and chance are arguments.

pub mod auction;
pub mod billing;
pub mod catalog;
pub mod clear;
pub mod counters;
pub mod deal;
pub mod draw;
pub mod enrich;
pub mod fanout;
pub mod floor;
pub mod implicit;
pub mod intake;
pub mod interstitial;
pub mod invite;
pub mod latency;
pub mod link;
mod log;
pub mod lot;
pub mod market;
mod price;
pub mod redact;
pub mod screen;
pub mod settle;
pub mod stored;
pub mod trace;

pub use auction::{Call, Clock, Desk, NoBid, Outcome, Settings, run};
pub use counters::Counters;
pub use fanout::{LocalAnswer, LocalBidder};
pub use intake::{Reason, Refusal};
pub use market::Market;
