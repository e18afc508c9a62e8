//! The real binary over real sockets.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    missing_docs,
    unreachable_pub,
    reason = "a test fails by panicking, and waits by the clock"
)]

mod audience;
mod bad_input;
mod budgets;
mod categories;
mod client;
mod clock;
mod conversions;
mod corpus;
mod crash;
mod creatives;
mod dead_letters;
mod deals;
mod debug;
mod demo;
mod disk;
mod explain;
mod fees;
mod floors;
mod frequency;
mod geo;
mod groups;
mod live_change;
mod log;
mod node;
mod notices;
mod open_sales;
mod partners;
mod pricing;
mod publishers;
mod raw;
mod reviews;
mod screens;
mod statements;
mod targeting;
mod throttle;
mod transport;
