//! Whole auctions: real sockets, real partners, a real clock.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

mod deals;
mod faults;
mod floors;
mod notices;
mod partner;
mod refusals;
mod sale;
mod setting;
mod trace;
mod transport;
mod treatment;
mod unsold;
