//! Pacing: in which part of its requests a campaign takes part, so that the budget of the day
//! lasts until its end.
//!
//! Once a second, off the path, the controller compares what must be spent from now on with what
//! is spent at the present participation, and moves towards the ratio of the two by a bounded
//! step. The target is uniform over what is left of the day. It never decides *whether* there is
//! money: that is the lease's work. On the path it costs one draw and one comparison.

use crate::draw::{Draw, Subject};
use ledger::Micros;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Participation of a campaign that has never spent.
const START: f64 = 0.1;
/// Least participation, so that something is always learned.
const LEAST: f64 = 1e-4;
/// Largest change in one second.
const STEP: f64 = 1.1;
/// How many purchases the average spans.
const PURCHASES: f64 = 20.0;
/// Bounds of the average's span in seconds.
const SPAN_S: (f64, f64) = (60.0, 3_600.0);

/// What a campaign spends on one day of its advertiser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Day {
    /// First millisecond of the day, unix time.
    pub start_ms: i64,
    /// First millisecond after the day (23 to 25 hours later).
    pub end_ms: i64,
    /// What may be spent on it.
    pub budget: Micros,
    /// What has been charged on it.
    pub spent: Micros,
}

/// The controller of one campaign.
#[derive(Clone, Debug)]
pub struct Pacer {
    participation: f64,
    at_ms: Option<i64>,
    day_start_ms: i64,
    spent: i64,
    /// Decaying sums of what was spent and of participation × seconds: their ratio is what would
    /// be spent in a second of taking part in everything.
    spend: f64,
    exposure: f64,
    /// Average of what is spent in a second in which anything is.
    purchase: f64,
}

impl Default for Pacer {
    fn default() -> Self {
        Self {
            participation: START,
            at_ms: None,
            day_start_ms: 0,
            spent: 0,
            spend: 0.0,
            exposure: 0.0,
            purchase: 0.0,
        }
    }
}

impl Pacer {
    /// The participation, 0 to 1, until the next tick.
    pub fn tick(&mut self, now_ms: i64, day: Day) -> f64 {
        let Some(before_ms) = self.at_ms.replace(now_ms) else {
            (self.day_start_ms, self.spent) = (day.start_ms, day.spent.0);
            return self.participation;
        };
        let seconds = ((now_ms - before_ms) as f64 / 1e3).max(1e-3);
        let same_day = self.day_start_ms == day.start_ms;
        let new = day.spent.0 - if same_day { self.spent } else { 0 };
        (self.day_start_ms, self.spent) = (day.start_ms, day.spent.0);
        let left = day.budget.0 - day.spent.0;
        if left <= 0 {
            return 0.0;
        }
        let left_s = ((day.end_ms - now_ms) as f64 / 1e3).max(seconds);
        let target = left as f64 / left_s;
        self.learn(new.max(0) as f64, seconds, target);
        let wanted = if self.spend > 0.0 {
            target * self.exposure / self.spend
        } else {
            1.0
        };
        let step = STEP.powf(seconds).min(2.0);
        let (low, high) = (self.participation / step, self.participation * step);
        self.participation = wanted.clamp(low, high).clamp(LEAST, 1.0);
        self.participation
    }

    fn learn(&mut self, new: f64, seconds: f64, target: f64) {
        if new > 0.0 {
            let weight = if self.purchase > 0.0 { 0.1 } else { 1.0 };
            self.purchase += weight * (new - self.purchase);
        }
        // A campaign that buys rarely needs a longer look to see how fast it spends.
        let span = (PURCHASES * self.purchase / target).clamp(SPAN_S.0, SPAN_S.1);
        let kept = (-seconds / span).exp();
        self.spend = self.spend * kept + new;
        self.exposure = self.exposure * kept + self.participation * seconds;
    }
}

/// The controllers of all campaigns, by id, so that they outlive a change of the catalog.
#[derive(Debug, Default)]
pub struct Pacers(HashMap<Arc<str>, Pacer>);

impl Pacers {
    /// The controller of a campaign, new where there is none.
    pub fn of(&mut self, campaign: &Arc<str>) -> &mut Pacer {
        self.0.entry(Arc::clone(campaign)).or_default()
    }

    /// Forgets campaigns that are not among `known`.
    pub fn keep(&mut self, known: &HashSet<&str>) {
        self.0.retain(|campaign, _| known.contains(&**campaign));
    }
}

/// A probability as a threshold for 32 random bits; 1 becomes `u32::MAX`, which always passes.
pub(crate) fn threshold(participation: f64) -> u32 {
    (participation.clamp(0.0, 1.0) * f64::from(u32::MAX)) as u32
}

/// Whether a campaign of a participation takes part in this request.
#[inline]
pub(crate) fn takes_part(threshold: u32, campaign: u32, draw: Draw) -> bool {
    draw.passes(Subject::Campaign(campaign), threshold)
}

#[cfg(test)]
mod tests;
