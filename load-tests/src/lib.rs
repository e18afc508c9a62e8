//! Tools that measure a bidding server from outside, over real sockets.
//!
//! * [`partner`]: a mock partner (a DSP over HTTP) with fault profiles,
//! * [`bare`]: the least that a server can do, as a yardstick,
//! * `generator`: open-loop and closed-loop load with honest latencies,
//! * [`corpus`]: realistic bid requests,
//! * `cpu`: processor time of a process, and pinning,
//! * `scenario`: whole measurements.
//!
//! Everything listens on and sends to loopback addresses only. A program that starts the parts in
//! process turns the default feature `tools` off, and with it the command line and the scenarios;
//! the feature `generator` alone adds the generator.

#![allow(
    clippy::disallowed_methods,
    reason = "a load test measures time; it is no part of the engine, which takes it as an argument"
)]

pub mod bare;
pub mod corpus;
pub mod partner;

#[cfg(feature = "tools")]
pub mod cpu;
#[cfg(feature = "generator")]
pub mod generator;
#[cfg(feature = "tools")]
pub mod scenario;
