//! Advertisers: who buys, in which currency, and whose clock a day follows.

use super::Document;
use super::frequency::{self, Frequency};
use super::terms::{Status, Total};
use crate::fault::Fault;
use crate::model::{Category, Cur, Domain, Name, Share, Tag, Timezone, Whole, model};

model! {
    /// How far back conversions are credited, in days; 0 credits nothing.
    pub struct Attribution {
        /// After a click.
        pub post_click_days: Whole<0, 90> = Whole(30),
        /// After a view, where there is no click.
        pub post_view_days: Whole<0, 30> = Whole(1),
    }
}

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
        /// What the platform takes beside the media, as a part of what that costs.
        pub platform_fee: Share = Share(0),
        /// How often all its campaigns together may be seen.
        pub frequency: Vec<Frequency> = Vec::new(),
        /// How its conversions are credited.
        pub attribution: Option<Attribution> = None,
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
