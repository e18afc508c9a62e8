//! Who someone is: ids of users, the segments they belong to, and the lookup between the two.
//!
//! The crate is sans-IO: bytes come in, tables come out. It opens no file, reads no clock and
//! draws no randomness, so the same input always builds the same bytes.
//!
//! * [`segment`]: dense segment indexes and the dictionary of their names,
//! * [`identity`]: every id of a user becomes one 64-bit [`UserKey`],
//! * [`lookup`]: user → segments, immutable, two flat arrays,
//! * [`ingest`]: one parser for each file format.
//!
//! # Generations
//! A [`Lookup`] never changes. A new one is built beside the old one and the owner publishes it,
//! usually behind an atomic pointer. Dropping a table of ten million users returns hundreds of
//! megabytes to the system and takes milliseconds, so **the maintenance thread must hold the last
//! reference of the old generation** and drop it after every reader has moved on. A serving
//! thread that drops it stalls its auctions.

pub mod identity;
pub mod ingest;
pub mod lookup;
pub mod segment;

pub use identity::{IdKind, IdentityError, KeySeed, UserKey};
pub use lookup::{BuildError, Builder, Generation, Limits, Lookup, SegmentSet, Segments};
pub use segment::{NameError, SegmentId, SegmentNames};
