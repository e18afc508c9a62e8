//! Placements: places on a publisher's pages, applications and screens.

use super::terms::Status;
use super::{Claim, Document, Kind, Reference};
use crate::model::{Floor, Id, Name, StoredImp, Tag, model};

model! {
    /// A placement.
    pub struct Placement {
        /// Id of its publisher; it never changes.
        pub publisher: Id,
        /// Name for people.
        pub name: Name,
        /// What requests carry in `imp.tagid`, unique for the publisher.
        pub tagid: Tag,
        /// Nothing is sold below this price, in the publisher's currency, whatever the rules say.
        pub floor: Option<Floor> = None,
        /// What its imps begin with, as OpenRTB has it; what a request says itself wins.
        pub request: Option<StoredImp> = None,
        /// Whether it is known.
        pub status: Status = Status::Active,
    }
}

impl Document for Placement {
    fn references(&self) -> Vec<Reference> {
        let id = self.publisher.0.clone();
        vec![Reference {
            pointer: "/publisher".to_owned(),
            kind: Kind::Publisher,
            id,
        }]
    }

    fn claims(&self) -> Vec<Claim> {
        let name = format!("{} {}", self.publisher.0, self.tagid.0);
        vec![Claim {
            pointer: "/tagid".to_owned(),
            name,
        }]
    }

    fn status(&self) -> Status {
        self.status
    }
}
