//! Exchanges: external sellers that call the bidder.

use super::Document;
use super::terms::Status;
use crate::model::{Cur, Name, Whole, choices, model};

choices! {
    /// The event at which an impression is charged.
    pub enum BillableEvent {
        /// The billing notice.
        Burl = "burl",
        /// The win notice.
        Win = "win",
        /// The impression pixel.
        Impression = "impression",
    }
}

model! {
    /// An exchange.
    pub struct Exchange {
        /// Name for people.
        pub name: Name,
        /// Currency of its notices; it never changes.
        pub currency: Cur,
        /// What is charged.
        pub billable_event: BillableEvent = BillableEvent::Burl,
        /// How long a bid without a notice stays reserved, in seconds.
        pub expiry_s: Whole<1, 86_400> = Whole(900),
        /// Whether it is answered.
        pub status: Status = Status::Active,
    }
}

impl Document for Exchange {
    fn status(&self) -> Status {
        self.status
    }
}
