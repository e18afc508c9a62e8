//! Partners: external buyers that the exchange asks for bids.

use super::Document;
use super::terms::{Countries, Format, Status};
use crate::fault::Fault;
use crate::model::{Endpoint, Id, Name, Size, Whole, choices, model};
use ::exchange::catalog::{Rule, Shape, Treatment};

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

choices! {
    /// A version of HTTP.
    pub enum Http {
        /// One call at a time on each connection.
        V11 = "1.1",
        /// Many calls on one connection.
        V2 = "2",
    }
}

model! {
    /// A member of requests that is put elsewhere.
    pub struct Rename {
        /// Where it is, by names joined with dots, such as `user.eids`; through lists.
        pub from: Name,
        /// Where it is put, such as `user.ext.eids`.
        pub to: Name,
    }
}

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
        /// Requests per second for the impressions of one publisher; 0 means no limit.
        pub max_publisher_qps: Whole<0, 10_000_000> = Whole(0),
        /// Calls under way at once; 0 means as many as the connections carry.
        pub max_in_flight: Whole<0, 1_000_000> = Whole(0),
        /// Open connections of the node, of which each worker has its part.
        pub max_connections: Whole<1, 4096> = Whole(64),
        /// Time for its answer, in milliseconds.
        pub timeout_ms: Whole<1, 10_000> = Whole(100),
        /// Part of that time that the way there and back takes: the partner is told that much
        /// less, in milliseconds.
        pub network_margin_ms: Whole<0, 1000> = Whole(0),
        /// The version of HTTP. Over TLS, version 2 falls back to 1.1 where it is not offered.
        pub http: Http = Http::V11,
        /// Whether requests are sent compressed with gzip, as agreed with the partner.
        pub gzip_requests: bool = false,
        /// Whether answers compressed with gzip are asked for.
        pub gzip_answers: bool = false,
        /// Answers without a bid on one kind of traffic after which the partner is sent less of
        /// it; 0 means never.
        pub throttle_after: Whole<0, 1_000_000_000> = Whole(0),
        /// The least part of such traffic that it still gets, in percent.
        pub explore_percent: Whole<0, 100> = Whole(5),
        /// Whether an imp of several formats is sent as one imp for each.
        pub split_formats: bool = false,
        /// Members left out of its requests, by names joined with dots, such as
        /// `imp.video.plcmt`; through lists.
        pub remove: Vec<Name> = Vec::new(),
        /// Members put elsewhere.
        pub rename: Vec<Rename> = Vec::new(),
        /// Whether the answer to its win notice is the markup where a bid has none.
        pub markup_from_nurl: bool = false,
        /// Whether its notices carry the address and the browser of the device.
        pub device_headers: bool = false,
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

impl Partner {
    /// How it is asked.
    pub fn treatment(&self) -> Treatment {
        let removed = self.remove.iter().map(|path| Rule::Remove(path.0.clone()));
        let moved = self.rename.iter().map(|rename| Rule::Move {
            from: rename.from.0.clone(),
            to: rename.to.0.clone(),
        });
        Treatment {
            http2: self.http == Http::V2,
            gzip_requests: self.gzip_requests,
            gzip_answers: self.gzip_answers,
            network_margin_ms: self.network_margin_ms.0,
            max_in_flight: self.max_in_flight.0,
            max_publisher_qps: self.max_publisher_qps.0,
            throttle_after: self.throttle_after.0,
            explore_percent: self.explore_percent.0 as u8,
            splits_formats: self.split_formats,
            rules: removed.chain(moved).collect(),
            markup_from_nurl: self.markup_from_nurl,
            device_headers: self.device_headers,
        }
    }

    /// What is wrong with the rules, each by itself and then together.
    fn rule_faults(&self, faults: &mut Vec<Fault>) {
        let before = faults.len();
        let removed = self.remove.len();
        for (index, rule) in self.treatment().rules.iter().enumerate() {
            if let Err(unfit) = Shape::new([rule]) {
                let pointer = if index < removed {
                    format!("/remove/{index}")
                } else {
                    format!("/rename/{}", index - removed)
                };
                faults.push(Fault::new(pointer, unfit.to_string()));
            }
        }
        if faults.len() == before
            && let Err(invalid) = self.treatment().shapes(self.openrtb.word())
        {
            faults.push(Fault::new("/rename", invalid.problem));
        }
    }
}

impl Document for Partner {
    fn check(&self, faults: &mut Vec<Fault>) {
        faults.extend(self.route().err());
        self.rule_faults(faults);
    }

    fn status(&self) -> Status {
        self.status
    }
}
