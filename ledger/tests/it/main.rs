//! The ledger over a real file: charging, limits, crashes, the writer's thread.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod auctions;
mod books;
mod conversions;
mod fixture;
mod letters;
mod limits;
mod month;
mod node;
mod power;
mod prune;
mod shown;
mod writer;
