//! Configuration: one TOML file, every key optional, environment over file.
//!
//! [`low`] reads text into a flat table and says everything that is wrong with it, with line and
//! key; [`high`] turns the table into typed [`Settings`]. The keys, their documentation, kinds
//! and defaults stand once, in [`KEYS`](low::KEYS), from which `gavel.example.toml` is checked.

mod high;
mod keys;
mod low;

pub use high::Settings;
pub use low::{ConfigFault, Kind, example, read};
