//! Segments of users that cost something: whose data they are, and what these cost an advertiser.

use super::Document;
use super::terms::Status;
use crate::fault::Fault;
use crate::model::{Cur, Id, MaxCpm, Name, model};

model! {
    /// The price of a segment in one currency.
    pub struct DataPrice {
        /// The currency of the advertisers who pay it.
        pub currency: Cur,
        /// Per thousand impressions.
        pub cpm: MaxCpm,
    }
}

model! {
    /// A segment. Its id is the name by which line items ask for it; one that costs nothing needs
    /// no document.
    pub struct Segment {
        /// Name for people.
        pub name: Name,
        /// Id of the provider, who is owed the price.
        pub provider: Id,
        /// What it costs, in each currency in which it is sold.
        pub data_cpm: Vec<DataPrice>,
        /// Whether line items that exclude it pay too.
        pub paid_when_excluded: bool = false,
        /// Whether it is sold. Line items may ask for one that is not, and pay nothing.
        pub status: Status = Status::Active,
    }
}

impl Document for Segment {
    fn check(&self, faults: &mut Vec<Fault>) {
        if self.data_cpm.is_empty() {
            let detail =
                "expected a price at least; a segment that costs nothing needs no document";
            faults.push(Fault::new("/data_cpm", detail));
        }
        for (index, price) in self.data_cpm.iter().enumerate() {
            let mut before = self.data_cpm[..index].iter();
            if before.any(|other| other.currency == price.currency) {
                let at = format!("/data_cpm/{index}/currency");
                faults.push(Fault::new(at, "stands twice"));
            }
        }
    }

    fn status(&self) -> Status {
        self.status
    }
}
