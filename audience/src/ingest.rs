//! Segment files in, users and segments out: one file for each format.

pub mod lines;
