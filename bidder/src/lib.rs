//! Buys impressions.

pub mod catalog;
