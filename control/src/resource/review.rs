//! Reviews: what a publisher says of a partner's creative.

use super::terms::Status;
use super::{Claim, Document, Kind, Reference};
use crate::model::{Id, Name, Tag, choices, model};

choices! {
    /// A publisher's word on a creative.
    pub enum Word {
        /// It may be shown.
        Approved = "approved",
        /// It may not.
        Rejected = "rejected",
    }
}

model! {
    /// A review of a creative, which a partner names by its `crid`.
    pub struct Review {
        /// Id of the publisher; it never changes.
        pub publisher: Id,
        /// Id of the partner; the node's own bidder is `bidder`.
        pub partner: Id,
        /// The creative, as the partner's bids call it.
        pub creative: Tag,
        /// Whether it may be shown.
        pub state: Word,
        /// Why, for people.
        pub reason: Option<Name> = None,
        /// Whether the review counts.
        pub status: Status = Status::Active,
    }
}

impl Document for Review {
    fn references(&self) -> Vec<Reference> {
        vec![Reference {
            pointer: "/publisher".to_owned(),
            kind: Kind::Publisher,
            id: self.publisher.0.clone(),
        }]
    }

    fn claims(&self) -> Vec<Claim> {
        let name = format!(
            "{} {} {}",
            self.publisher.0, self.partner.0, self.creative.0
        );
        vec![Claim {
            pointer: "/creative".to_owned(),
            name,
        }]
    }

    fn status(&self) -> Status {
        self.status
    }
}
