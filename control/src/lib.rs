//! For people: what they set up, how it is checked and kept, and what becomes of it.
//!
//! A document of the API is a [`resource`], read by [`model`] with every [`fault`] at once,
//! checked against the others ([`check`]) and kept with an audit trail ([`store`]). The REST
//! [`api`] and declarative [`apply`] are two ways in; [`compile`] turns the documents into what
//! the bidder and the exchange read. Time, entropy and everything about the running node come
//! through [`api::Hooks`]; only [`store`] touches a disk.

pub mod access;
pub mod api;
pub mod apply;
pub mod check;
pub mod civil;
pub mod compile;
pub mod fault;
pub mod model;
pub mod resource;
pub mod serving;
pub mod store;

pub use api::{Hooks, Settings, router};
pub use fault::Fault;
pub use resource::{Kind, Resource};
pub use store::Store;
