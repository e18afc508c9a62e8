//! Deals: what a publisher has agreed with buyers.

use super::terms::{Format, Status};
use super::{Document, Kind, Reference};
use crate::fault::Fault;
use crate::model::{Country, Domain, Floor, Id, Instant, Name, Whole, choices, model};
use ::exchange::deal::OPEN_TIER;
use ledger::Cpm;

choices! {
    /// A kind of deal.
    pub enum DealKind {
        /// A number of impressions that is delivered before anything else is sold.
        Guaranteed = "guaranteed",
        /// A first look: it wins over open bids, whatever those are.
        Preferred = "preferred",
        /// It competes with open bids by price.
        Private = "private",
    }
}

choices! {
    /// How the winner of a deal pays.
    pub enum Price {
        /// Its bid.
        FirstPrice = "first_price",
        /// The second price.
        SecondPrice = "second_price",
        /// The deal's floor.
        Fixed = "fixed",
    }
}

model! {
    /// A deal. Its id is what requests and bids carry.
    pub struct Deal {
        /// Id of the publisher that sells; it never changes.
        pub publisher: Id,
        /// Name for people.
        pub name: Name,
        /// What kind of deal it is.
        pub kind: DealKind = DealKind::Private,
        /// How its winner pays.
        pub price: Price = Price::FirstPrice,
        /// Nothing is sold on it below this price, in the publisher's currency.
        pub floor: Floor = Floor(Cpm(0)),
        /// The least price for each second of video or audio, in the publisher's currency.
        pub floor_per_second: Option<Floor> = None,
        /// A lower tier wins over every higher one. Absent means 1 for guaranteed deals, 2 for
        /// preferred ones and 3, that of open bids, for private ones.
        pub tier: Option<Whole<1, 9>> = None,
        /// Impressions that a guaranteed deal delivers from start to end, evenly.
        pub impressions: Option<Whole<1, 4_000_000_000>> = None,
        /// Ids of partners that may buy; empty means any. The node's own bidder is `bidder`.
        pub partners: Vec<Id> = Vec::new(),
        /// Seats that may buy; empty means any.
        pub seats: Vec<Id> = Vec::new(),
        /// Domains of advertisers that may be shown; empty means any.
        pub advertisers: Vec<Domain> = Vec::new(),
        /// Ids of placements that it is about; empty means all of the publisher's.
        pub placements: Vec<Id> = Vec::new(),
        /// Formats that it is about; empty means any.
        pub formats: Vec<Format> = Vec::new(),
        /// Countries that it is about; empty means any.
        pub countries: Vec<Country> = Vec::new(),
        /// Ids of segments in `user.data`, of which the user must have one; empty means any user.
        pub segments: Vec<Name> = Vec::new(),
        /// From when it is offered.
        pub start: Instant,
        /// Until when it is offered.
        pub end: Instant,
        /// Whether it is offered.
        pub status: Status = Status::Active,
    }
}

impl Deal {
    /// The tier, where none is given that of its kind.
    pub fn tier(&self) -> u8 {
        let usual = match self.kind {
            DealKind::Guaranteed => 1,
            DealKind::Preferred => 2,
            DealKind::Private => OPEN_TIER,
        };
        self.tier.map_or(usual, |tier| tier.0 as u8)
    }
}

impl Document for Deal {
    fn check(&self, faults: &mut Vec<Fault>) {
        let guaranteed = self.kind == DealKind::Guaranteed;
        if guaranteed && self.impressions.is_none() {
            let detail = "is required of a guaranteed deal";
            faults.push(Fault::new("/impressions", detail));
        }
        if !guaranteed && self.impressions.is_some() {
            let detail = "only a guaranteed deal has a number of impressions";
            faults.push(Fault::new("/impressions", detail));
        }
        if self.price == Price::Fixed && self.floor.0 == Cpm(0) {
            let detail = "a fixed price needs a floor above 0";
            faults.push(Fault::new("/floor", detail));
        }
        if self.start >= self.end {
            let detail = format!("expected a time after start, {}", self.start.0);
            faults.push(Fault::new("/end", detail));
        }
    }

    fn references(&self) -> Vec<Reference> {
        let publisher = Reference {
            pointer: "/publisher".to_owned(),
            kind: Kind::Publisher,
            id: self.publisher.0.clone(),
        };
        let placements = self.placements.iter().enumerate();
        let placements = placements.map(|(index, id)| Reference {
            pointer: format!("/placements/{index}"),
            kind: Kind::Placement,
            id: id.0.clone(),
        });
        std::iter::once(publisher).chain(placements).collect()
    }

    fn status(&self) -> Status {
        self.status
    }
}
