//! Gavel: a real-time bidding engine. This crate is the composition root; the engine's parts
//! are the crates beside it, see ARCHITECTURE.md.

pub mod apply;
pub mod audience;
pub mod clock;
pub mod config;
pub mod http;
pub mod keys;
pub mod leases;
pub mod resources;
pub mod shutdown;
pub mod telemetry;
