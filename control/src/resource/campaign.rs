//! Campaigns: a period, a budget and how it is spread.

use super::frequency::{self, Frequency};
use super::terms::Status;
use super::{Document, Kind, Reference};
use crate::fault::Fault;
use crate::model::{Amount, Id, Instant, Name, choices, model};

choices! {
    /// How a daily budget is spread over the day.
    pub enum Pacing {
        /// Evenly, as traffic comes.
        Even = "even",
        /// As traffic comes, half as fast again at first and half as fast at last.
        FrontLoaded = "front_loaded",
        /// As soon as possible.
        Asap = "asap",
    }
}

model! {
    /// What a campaign may spend, in the advertiser's currency.
    pub struct Budget {
        /// Over its whole life.
        pub total: Amount,
        /// On one day of the advertiser's timezone; absent means no limit.
        pub daily: Option<Amount> = None,
    }
}

model! {
    /// A campaign.
    pub struct Campaign {
        /// Id of its advertiser; it never changes.
        pub advertiser: Id,
        /// Name for people.
        pub name: Name,
        /// When it begins; absent means at once.
        pub start: Option<Instant> = None,
        /// When it is over; absent means never.
        pub end: Option<Instant> = None,
        /// What it may spend.
        pub budget: Budget,
        /// How its daily budget is spread.
        pub pacing: Pacing = Pacing::Even,
        /// How often all its line items together may be seen.
        pub frequency: Vec<Frequency> = Vec::new(),
        /// Whether it buys.
        pub status: Status = Status::Active,
    }
}

impl Document for Campaign {
    fn check(&self, faults: &mut Vec<Fault>) {
        frequency::check(&self.frequency, faults);
        if let (Some(start), Some(end)) = (self.start, self.end)
            && start >= end
        {
            faults.push(Fault::new(
                "/end",
                format!("expected a time after start, {}", start.0),
            ));
        }
        if let Some(daily) = self.budget.daily
            && daily > self.budget.total
        {
            let detail = format!("expected at most the total, {}", self.budget.total.0);
            faults.push(Fault::new("/budget/daily", detail));
        }
    }

    fn references(&self) -> Vec<Reference> {
        let id = self.advertiser.0.clone();
        vec![Reference {
            pointer: "/advertiser".to_owned(),
            kind: Kind::Advertiser,
            id,
        }]
    }

    fn status(&self) -> Status {
        self.status
    }
}
