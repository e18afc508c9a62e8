//! Partners: external buyers that the exchange asks for bids.

use super::Document;
use super::terms::{Countries, Format, Status};
use crate::fault::Fault;
use crate::model::{Endpoint, Id, Name, Size, Whole, choices, model};

choices! {
    /// A version of OpenRTB.
    pub enum Version {
        /// 2.5.
        V25 = "2.5",
        /// 2.6.
        V26 = "2.6",
    }
}

/// The id under which the exchange asks its own bidder; no other partner may have it.
pub const LOCAL_BIDDER: &str = "bidder";

/// Most active partners: with the node's own bidder as many as an auction asks.
pub const MAX_ACTIVE: usize = ::exchange::catalog::MAX_PARTNERS - 1;

model! {
    /// A partner.
    pub struct Partner {
        /// Name for people.
        pub name: Name,
        /// Where it listens.
        pub endpoint: Endpoint,
        /// The version of OpenRTB that it speaks.
        pub openrtb: Version = Version::V26,
        /// Requests per second that it wants; 0 means no limit.
        pub max_qps: Whole<0, 10_000_000> = Whole(0),
        /// Open connections of one worker.
        pub max_connections: Whole<1, 4096> = Whole(64),
        /// Time for its answer, in milliseconds.
        pub timeout_ms: Whole<1, 10_000> = Whole(100),
        /// Seats that may bid; empty means any.
        pub seats: Vec<Id> = Vec::new(),
        /// Formats that it buys; empty means any.
        pub formats: Vec<Format> = Vec::new(),
        /// Banner sizes that it buys; empty means any.
        pub sizes: Vec<Size> = Vec::new(),
        /// Countries that it buys.
        pub geo: Option<Countries> = None,
        /// Whether loopback and private addresses may be called; absent means only where the
        /// endpoint itself is written as one.
        pub allow_private: Option<bool> = None,
        /// Whether it is asked.
        pub status: Status = Status::Active,
    }
}

impl Partner {
    /// The endpoint taken apart.
    ///
    /// # Errors
    /// The fault at `/endpoint`.
    pub fn route(&self) -> Result<::exchange::catalog::Endpoint, Fault> {
        let parse = |allowed| ::exchange::catalog::Endpoint::parse(&self.endpoint.0, allowed);
        let parsed = match self.allow_private {
            Some(allowed) => parse(allowed),
            // A public name that resolves to a private address stays refused.
            None => parse(false).or_else(|_| parse(true)),
        };
        parsed.map_err(|invalid| Fault::new("/endpoint", invalid.problem))
    }
}

impl Document for Partner {
    fn check(&self, faults: &mut Vec<Fault>) {
        faults.extend(self.route().err());
    }

    fn status(&self) -> Status {
        self.status
    }
}
