//! Campaigns: a period, a budget and how it is spread.

use super::frequency::{self, Frequency};
use super::terms::Status;
use super::{Document, Kind, Reference};
use crate::fault::Fault;
use crate::model::{Amount, Factor, Id, Instant, Name, choices, model};
use ledger::Micros;

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
    /// How far a daily budget stretches.
    pub struct Flex {
        /// The most of one day, in daily budgets.
        pub daily: Factor = Factor(2_000_000),
        /// The most of a calendar month, in daily budgets.
        pub period: Factor = Factor(30_400_000),
    }
}

model! {
    /// What a campaign may spend, in the advertiser's currency.
    pub struct Budget {
        /// Over its whole life.
        pub total: Amount,
        /// On one day of the advertiser's timezone; absent means no limit.
        pub daily: Option<Amount> = None,
        /// Makes the daily budget one on average: what quiet days leave is spent on busier days of
        /// the same month. Absent means that no day takes more.
        pub flex: Option<Flex> = None,
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

impl Flex {
    fn check(&self, daily: bool, faults: &mut Vec<Fault>) {
        if !daily {
            let detail = "stretches a daily budget, and there is none";
            faults.push(Fault::new("/budget/flex", detail));
        }
        for (name, factor, most) in [("daily", self.daily, 10), ("period", self.period, 31)] {
            if !(1_000_000..=most * 1_000_000).contains(&factor.0) {
                let found = Micros(i64::from(factor.0));
                let detail = format!("expected 1 to {most} daily budgets, found {found}");
                faults.push(Fault::new(format!("/budget/flex/{name}"), detail));
            }
        }
        if self.daily > self.period {
            let detail = "expected at least the most of one day";
            faults.push(Fault::new("/budget/flex/period", detail));
        }
    }

    /// The most of one day and of one month, given the daily budget.
    pub(crate) fn limits(&self, daily: Micros) -> (Micros, Micros) {
        let stretched = |factor: Factor| {
            let micros = i128::from(daily.0) * i128::from(factor.0) / 1_000_000;
            Micros(i64::try_from(micros).unwrap_or(i64::MAX))
        };
        (stretched(self.daily), stretched(self.period))
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
        if let Some(flex) = &self.budget.flex {
            flex.check(self.budget.daily.is_some(), faults);
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
