//! Sells impressions: one auction, from a publisher's request to the response.

pub mod catalog;
pub mod draw;
pub mod enrich;
pub mod floor;
mod price;
