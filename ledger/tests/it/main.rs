//! The ledger over a real file: charging, limits, crashes, the writer's thread.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod books;
mod fixture;
mod limits;
mod month;
mod node;
mod shown;
mod writer;
