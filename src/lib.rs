//! Gavel: a real-time bidding engine. This crate is the composition root; the engine's parts
//! are the crates beside it, see ARCHITECTURE.md.

pub mod apply;
pub mod audience;
pub mod buying;
mod caps;
pub mod check;
pub mod clock;
pub mod config;
mod conversions;
pub mod data_plane;
pub mod dead_letters;
pub mod demo;
pub mod export;
pub mod exposition;
pub mod floors;
pub mod forecast;
pub mod hours;
pub mod http;
pub mod keys;
pub mod leases;
pub mod log;
pub mod node;
pub mod pacers;
pub mod publisher;
mod purse;
pub mod rates;
pub mod resources;
pub mod sample;
pub mod serve;
pub mod server;
pub mod shutdown;
pub mod simulate;
pub mod snapshot;
pub mod statement;
pub mod telemetry;
