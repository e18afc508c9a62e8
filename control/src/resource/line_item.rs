//! Line items: what is bid, for whom, where, how often and with which creatives.

mod bid;
mod rules;
mod targeting;
mod terms;
mod words;

pub use bid::{Bid, Modifier, ModifierLimits, Strategy, Wanted, Worth};
pub use rules::{Missing, Named, Naming, Rules, Term};
pub use targeting::{Audience, Day, Hours, Targeting};

use super::frequency::{self, Frequency};
use super::{Document, Kind, Reference};
use crate::fault::Fault;
use crate::model::{Id, Name, Tag, Whole, choices, model};
use crate::resource::terms::{Format, Status, Total};

choices! {
    /// How creatives take turns.
    pub enum Rotation {
        /// By lot, each as likely as the others.
        Even = "even",
        /// By lot, each as likely as its weight.
        Weighted = "weighted",
        /// One after the other for each user, as its frequency rule counts.
        Sequential = "sequential",
    }
}

choices! {
    /// A place within a pod.
    pub enum PodPosition {
        /// Anywhere.
        Any = "any",
        /// First only, where the seller guarantees it.
        First = "first",
        /// Last only, where the seller guarantees it.
        Last = "last",
    }
}

model! {
    /// What is asked of the pod that it stands in.
    pub struct Pod {
        /// Its place.
        pub position: PodPosition = PodPosition::Any,
    }
}

/// How many impressions or clicks.
pub type Count = Whole<1, 4_000_000_000>;

model! {
    /// What a line item is to have, whatever it costs.
    pub struct Goal {
        /// Impressions in all.
        pub impressions: Option<Count> = None,
        /// Impressions on one day of the advertiser's timezone.
        pub daily_impressions: Option<Count> = None,
        /// Clicks in all; counted when they happen.
        pub clicks: Option<Count> = None,
    }
}

model! {
    /// A line item.
    pub struct LineItem {
        /// Id of its campaign; it never changes.
        pub campaign: Id,
        /// Name for people.
        pub name: Name,
        /// What is bid.
        pub bid: Bid,
        /// For whom and where.
        pub targeting: Targeting = Targeting::any(),
        /// How often it may be seen.
        pub frequency: Vec<Frequency> = Vec::new(),
        /// Ids of the creatives that it shows, of the same advertiser.
        pub creatives: Vec<Id>,
        /// How its creatives take turns.
        pub rotation: Rotation = Rotation::Even,
        /// The weight of each creative, in their order, for a weighted rotation.
        pub weights: Vec<Whole<0, 1_000_000>> = Vec::new(),
        /// Ids of the deals that it buys under, and then nowhere else; empty for the open
        /// auction.
        pub deals: Vec<Tag> = Vec::new(),
        /// What it asks of a pod.
        pub pod: Option<Pod> = None,
        /// What it may spend of its campaign's budget; absent means all.
        pub budget: Option<Total> = None,
        /// What it is to have and no more; absent means no limit but its budgets.
        pub goal: Option<Goal> = None,
        /// Whether it buys.
        pub status: Status = Status::Active,
    }
}

impl Document for LineItem {
    fn check(&self, faults: &mut Vec<Fault>) {
        if self.creatives.is_empty() {
            faults.push(Fault::new(
                "/creatives",
                "expected at least one creative's id",
            ));
        }
        for (index, creative) in self.creatives.iter().enumerate() {
            if self.creatives[..index].contains(creative) {
                let detail = format!("`{}` stands twice", creative.0);
                faults.push(Fault::new(format!("/creatives/{index}"), detail));
            }
        }
        self.bid.check("/bid", faults);
        self.check_turns(faults);
        if let Some(goal) = &self.goal {
            goal.check(faults);
        }
        frequency::check(&self.frequency, faults);
        self.targeting.check("/targeting", faults);
    }

    fn references(&self) -> Vec<Reference> {
        let campaign = Reference {
            pointer: "/campaign".to_owned(),
            kind: Kind::Campaign,
            id: self.campaign.0.clone(),
        };
        let creatives = self
            .creatives
            .iter()
            .enumerate()
            .map(|(index, id)| Reference {
                pointer: format!("/creatives/{index}"),
                kind: Kind::Creative,
                id: id.0.clone(),
            });
        std::iter::once(campaign).chain(creatives).collect()
    }

    fn status(&self) -> Status {
        self.status
    }
}

impl Goal {
    fn check(&self, faults: &mut Vec<Fault>) {
        let (total, daily) = (self.impressions, self.daily_impressions);
        if total.is_none() && daily.is_none() && self.clicks.is_none() {
            let detail = "expected impressions, daily_impressions or clicks";
            faults.push(Fault::new("/goal", detail));
        }
        if let (Some(total), Some(daily)) = (total, daily)
            && daily.0 > total.0
        {
            let detail = format!("expected at most the impressions in all, {}", total.0);
            faults.push(Fault::new("/goal/daily_impressions", detail));
        }
    }
}

impl LineItem {
    /// Rotations, deals and pods that could never be.
    fn check_turns(&self, faults: &mut Vec<Fault>) {
        let (given, creatives) = (self.weights.len(), self.creatives.len());
        match self.rotation {
            Rotation::Weighted if given != creatives => {
                let detail = format!("{given} weights for {creatives} creatives");
                faults.push(Fault::new("/weights", detail));
            }
            Rotation::Weighted if self.weights.iter().all(|weight| weight.0 == 0) => {
                let detail = "expected a weight above 0: nothing would be shown";
                faults.push(Fault::new("/weights", detail));
            }
            Rotation::Sequential if self.frequency.is_empty() => {
                let detail = "needs a frequency rule, which counts what a user has seen";
                faults.push(Fault::new("/rotation", detail));
            }
            Rotation::Even | Rotation::Sequential if given > 0 => {
                let detail = format!(
                    "are for a weighted rotation, this is {}",
                    self.rotation.word()
                );
                faults.push(Fault::new("/weights", detail));
            }
            Rotation::Even | Rotation::Weighted | Rotation::Sequential => {}
        }
        for (index, deal) in self.deals.iter().enumerate() {
            if self.deals[..index].contains(deal) {
                let detail = format!("`{}` stands twice", deal.0);
                faults.push(Fault::new(format!("/deals/{index}"), detail));
            }
        }
        let refused = self.targeting.deals.as_ref().map(|rules| &rules.exclude);
        for (index, deal) in self.deals.iter().enumerate() {
            if refused.is_some_and(|refused| refused.contains(deal)) {
                let detail = format!("`{}` is excluded by targeting: nothing would match", deal.0);
                faults.push(Fault::new(format!("/deals/{index}"), detail));
            }
        }
        let formats = self.targeting.formats.as_ref();
        let played = |format: &Format| formats.is_none_or(|formats| formats.allows(format));
        let wished = self.pod.as_ref().map(|pod| pod.position);
        if wished.is_some_and(|position| position != PodPosition::Any)
            && ![Format::Video, Format::Audio].iter().any(played)
        {
            let detail = "only video and audio stand in pods, and neither is targeted";
            faults.push(Fault::new("/pod/position", detail));
        }
    }
}
