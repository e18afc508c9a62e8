//! Advertisers: who buys, in which currency, and whose clock a day follows.

use super::Document;
use super::frequency::{self, Frequency};
use super::terms::{Status, Total};
use crate::fault::Fault;
use crate::model::{Category, Cur, Domain, Name, Tag, Timezone, model};

model! {
    /// An advertiser.
    pub struct Advertiser {
        /// Name for people.
        pub name: Name,
        /// Currency of its budgets and prices; it never changes.
        pub currency: Cur,
        /// Timezone whose days the daily budgets follow.
        pub timezone: Timezone = Timezone("UTC".to_owned()),
        /// Its domain, as publishers block it.
        pub domain: Domain,
        /// Categories of all its advertisements.
        pub iab_categories: Vec<Category> = Vec::new(),
        /// Labels that it shares with its competitors: no two advertisers with a label in
        /// common answer one request.
        pub competitive_labels: Vec<Tag> = Vec::new(),
        /// The most that all its campaigns may spend together; absent means no limit.
        pub budget: Option<Total> = None,
        /// How often all its campaigns together may be seen.
        pub frequency: Vec<Frequency> = Vec::new(),
        /// Whether it buys.
        pub status: Status = Status::Active,
    }
}

impl Document for Advertiser {
    fn check(&self, faults: &mut Vec<Fault>) {
        frequency::check(&self.frequency, faults);
    }

    fn status(&self) -> Status {
        self.status
    }
}
