//! Pacing: how high a campaign bids, so that the budget of the day lasts until its end.
//!
//! Once a second or less often, off the path, a controller compares what is left of the budget
//! with the eligible traffic that is still to come, and answers with a multiplier for the bids
//! of line items that know what an impression is worth. A line item whose price is fixed has no
//! bid to lower; it takes part in that share of its requests instead. A pacer never decides
//! *whether* there is money: that is the lease's work.
//!
//! On the path pacing costs one multiplication, or one draw and one comparison. The state of all
//! controllers can be saved and restored as one `serde` value, [`Pacers`] itself.

mod baseline;
mod even;
mod forecast;
mod held;
mod shape;
mod traffic;

use crate::catalog::{Catalog, Hours, Item, Pacing};
use crate::draw::{Draw, Subject};
use crate::plan::CampaignDay;
use baseline::Baseline;
use even::Even;
use forecast::{Clock, Forecast};
use held::Held;
use ledger::{Cpm, Micros};
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

pub(crate) use traffic::Traffic;

/// Ticks that come faster change nothing.
const LEAST_TICK_MS: i64 = 1_000;
/// By which power spend follows the multiplier of bids: measured on log-normal prices it is 1.3
/// to 3, higher the smaller the budget.
const OF_BIDS: f64 = 2.0;
/// By which power spend follows participation.
const OF_PARTICIPATION: f64 = 1.0;
/// How much faster than evenly a front-loaded day begins, and how much slower it ends.
const FRONT: f64 = 0.5;
/// When the throttle wants to be done, in milliseconds from the start of the day.
const THROTTLE_DONE_MS: i64 = 22 * 3_600_000;
/// Horizon of the PID loop.
const PID_HORIZON_MS: i64 = 900_000;

/// What a campaign spends on one day of its advertiser, and how it does now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Day {
    /// Unix milliseconds.
    pub(crate) now_ms: i64,
    /// First millisecond of what is paced: of the day, or of the flight where that is later.
    pub(crate) start_ms: i64,
    /// First millisecond after it.
    pub(crate) end_ms: i64,
    /// First millisecond after the civil day (23 to 25 hours after its beginning).
    pub(crate) midnight_ms: i64,
    /// Hour of the week on the advertiser's clock, Monday 00:00 first.
    pub(crate) hour_of_week: u32,
    /// Milliseconds since that hour began.
    pub(crate) into_hour_ms: i64,
    /// Hours in which any line item may bid.
    pub(crate) hours: Hours,
    /// What may be spent.
    pub(crate) budget: Micros,
    /// What has been charged.
    pub(crate) spent: Micros,
    /// What open bids hold.
    pub(crate) reserved: Micros,
    /// Eligible requests since the tick before.
    pub(crate) requests: u64,
    /// Whether any line item could bid since the tick before.
    pub(crate) open: bool,
    /// The most that one impression can cost.
    pub(crate) most: Micros,
    /// Whether there are line items that bid a value, and line items of a fixed price.
    pub(crate) bids: (bool, bool),
}

/// How a campaign bids until the next tick; each part is a fraction of 2³² − 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Control {
    /// Multiplier of values.
    pub(crate) multiplier: u32,
    /// Participation of line items that bid a value.
    pub(crate) valued: u32,
    /// Participation of line items of a fixed price.
    pub(crate) fixed: u32,
}

impl Control {
    /// Bids as if there were no pacing.
    pub(crate) const FREE: Control = Control {
        multiplier: u32::MAX,
        valued: u32::MAX,
        fixed: u32::MAX,
    };
    /// Does not bid.
    pub(crate) const STOPPED: Control = Control {
        multiplier: 0,
        valued: 0,
        fixed: 0,
    };

    fn multiply(multiplier: f64) -> Self {
        let fraction = threshold(multiplier);
        if fraction == 0 {
            return Self::STOPPED;
        }
        Self {
            multiplier: fraction,
            valued: u32::MAX,
            fixed: fraction,
        }
    }

    fn take_part(participation: f64) -> Self {
        let fraction = threshold(participation);
        Self {
            multiplier: u32::MAX,
            valued: fraction,
            fixed: fraction,
        }
    }

    /// The value after pacing; never above it.
    #[inline]
    pub(crate) fn scale(self, value: Cpm) -> Cpm {
        if self.multiplier == u32::MAX {
            return value;
        }
        let scaled = i128::from(value.0) * i128::from(self.multiplier) / i128::from(u32::MAX);
        Cpm(scaled as i64)
    }
}

/// What the controllers of a campaign see of its day.
#[derive(Clone, Copy, Debug)]
struct Progress {
    now_ms: i64,
    start_ms: i64,
    end_ms: i64,
    seconds: f64,
    hour_of_day: u32,
    /// In micros: what may be spent, was charged, and is held as far as charges follow it.
    budget: f64,
    spent: f64,
    reserved: f64,
    most: f64,
    /// Eligible requests: today, since the last tick.
    requests: f64,
    new_requests: f64,
    /// Expected requests: in the whole day, in what is left of it, in the next horizon.
    expected: f64,
    rest: f64,
    near: f64,
    /// Share of the day's traffic that history expects by now, by 22 hours after the start, and
    /// in the next quarter of an hour.
    share: f64,
    share_22h: f64,
    next_share: f64,
    /// Spend of a request now, 1 where it is the same all day.
    density: f64,
    open: bool,
}

/// The controllers of one campaign.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Pacer {
    at_ms: Option<i64>,
    /// Requests since the last tick that counted.
    waiting: u64,
    multiplier: Option<f64>,
    /// Where no daily budget is set: when today began, and what was spent before it.
    opening: Option<(i64, i64)>,
    forecast: Forecast,
    even: Even,
    baseline: Baseline,
    held: Held,
}

impl Pacer {
    /// Moves on to now and says how to bid until the next tick.
    pub(crate) fn tick(&mut self, pacing: Pacing, day: &Day) -> Control {
        self.waiting += day.requests;
        let before_ms = self.at_ms.unwrap_or(day.now_ms);
        let passed_ms = day.now_ms - before_ms;
        let early = self.at_ms.is_some() && (0..LEAST_TICK_MS).contains(&passed_ms);
        let over = day.spent >= day.budget;
        let last = self.multiplier.filter(|_| early && !over);
        if let (Some(last), Pacing::Even | Pacing::FrontLoaded) = (last, pacing) {
            return Control::multiply(last);
        }
        self.at_ms = Some(day.now_ms);
        let progress = self.progress(before_ms, day, pacing);
        match pacing {
            Pacing::Asap => Control::FREE,
            Pacing::Throttle => Control::take_part(self.baseline.throttle(&progress)),
            Pacing::Pid => Control::multiply(self.baseline.pid(&progress)),
            Pacing::LogDual => Control::multiply(self.baseline.log_dual(&progress)),
            Pacing::Even | Pacing::FrontLoaded => {
                let elasticity = match day.bids {
                    (true, false) => OF_BIDS,
                    (false, true) => OF_PARTICIPATION,
                    (true, true) | (false, false) => f64::midpoint(OF_BIDS, OF_PARTICIPATION),
                };
                let multiplier = self.even.tick(&progress, elasticity);
                self.multiplier = Some(multiplier);
                Control::multiply(multiplier)
            }
        }
    }

    fn progress(&mut self, before_ms: i64, day: &Day, pacing: Pacing) -> Progress {
        let clock = Clock {
            now_ms: day.now_ms,
            start_ms: day.start_ms,
            end_ms: day.end_ms,
            midnight_ms: day.midnight_ms,
            hour_of_week: day.hour_of_week,
            into_hour_ms: day.into_hour_ms,
            hours: &day.hours,
        };
        let new_requests = std::mem::take(&mut self.waiting) as f64;
        self.forecast.observe(new_requests, before_ms, &clock);
        let (spent, reserved) = (day.spent.0 as f64, day.reserved.0 as f64);
        let mut progress = Progress {
            now_ms: day.now_ms,
            start_ms: day.start_ms,
            end_ms: day.end_ms,
            seconds: ((day.now_ms - before_ms) as f64 / 1e3).max(1e-3),
            hour_of_day: day.hour_of_week % 24,
            budget: day.budget.0 as f64,
            spent,
            reserved: self.held.follows(day.now_ms, day.start_ms, spent, reserved),
            most: day.most.0 as f64,
            requests: self.forecast.today,
            new_requests,
            expected: 0.0,
            rest: 0.0,
            near: 0.0,
            share: 0.0,
            share_22h: 1.0,
            next_share: 0.0,
            density: 1.0,
            open: day.open,
        };
        let horizon_ms = self.even.horizon_ms(&progress);
        (progress.rest, progress.near) = self.forecast.rest(&clock, horizon_ms);
        progress.expected = self.forecast.today + progress.rest;
        if let Pacing::FrontLoaded = pacing {
            let done = self.forecast.today / progress.expected.max(1e-9);
            let (begins, falls) = (1.0 + FRONT, 2.0 * FRONT);
            let left = 1.0 - (begins * done - FRONT * done * done);
            progress.density = (begins - falls * done) * (1.0 - done).max(1e-6) / left.max(1e-6);
        }
        if let Pacing::Throttle | Pacing::Pid | Pacing::LogDual = pacing {
            let done_ms = day.start_ms + THROTTLE_DONE_MS;
            let share = |at_ms| self.forecast.share(&clock, at_ms);
            progress.share = share(day.now_ms);
            progress.share_22h = share(done_ms.min(day.end_ms));
            progress.next_share = share(day.now_ms + PID_HORIZON_MS) - progress.share;
            progress.expected = self.forecast.whole(&clock);
        }
        progress
    }

    /// What may be spent from `start_ms` until `end_ms` of today and what of it was; `None` where
    /// nothing is to be paced.
    pub(crate) fn allowance(
        &mut self,
        today: &CampaignDay,
        (start_ms, end_ms): (i64, i64),
        flight_end_ms: i64,
    ) -> Option<(Micros, Micros)> {
        let budget = today.budget.map(|most| match &today.flex {
            Some(flex) => flex.aim(most, today.spent),
            None => most,
        });
        let Some((limit, spent)) = today.total else {
            return budget.map(|budget| (budget, today.spent));
        };
        if let Some(budget) = budget {
            let left = (limit.0 - spent.0).max(0);
            return Some((Micros(budget.0.min(today.spent.0 + left)), today.spent));
        }
        if flight_end_ms == i64::MAX {
            return None;
        }
        let before = match self.opening {
            Some((of, before)) if of == start_ms => before,
            Some(_) | None => self.opening.insert((start_ms, spent.0)).1,
        };
        let left = i128::from((limit.0 - before).max(0));
        let (day_ms, flight_ms) = (end_ms - start_ms, flight_end_ms - start_ms);
        let share = left * i128::from(day_ms.max(0)) / i128::from(flight_ms.max(1));
        Some((Micros(share as i64), Micros((spent.0 - before).max(0))))
    }

    /// The multiplier of the last tick, 0 to 1; nothing before the first.
    pub fn multiplier(&self) -> Option<f64> {
        self.multiplier
    }
}

/// The controllers of all campaigns, by id, so that they outlive a change of the catalog. Saved
/// and restored whole, they outlive a restart of the node: each goes on as if the pause had been
/// an outage, from which it learns nothing.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Pacers {
    by_id: HashMap<Arc<str>, Pacer>,
    /// What the last plans count, the newest last: a request that was decided on before its plan
    /// was replaced still counts.
    #[serde(skip)]
    watched: Vec<Watched>,
}

/// The counts of a plan, and what they belong to.
#[derive(Debug)]
struct Watched {
    traffic: Arc<Traffic>,
    /// The campaign of each line item.
    campaigns: Arc<[Arc<str>]>,
    /// Campaigns of which any line item could bid.
    open: HashSet<Arc<str>>,
}

/// What was seen of a campaign since the last tick.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    /// Eligible requests, counted once for each line item.
    pub(crate) requests: u64,
    /// Whether any line item could bid.
    pub(crate) open: bool,
}

impl Pacers {
    /// The controller of a campaign, new where there is none.
    pub(crate) fn of(&mut self, campaign: &Arc<str>) -> &mut Pacer {
        self.by_id.entry(Arc::clone(campaign)).or_default()
    }

    /// The controller of a campaign, where it has one.
    pub fn get(&self, campaign: &str) -> Option<&Pacer> {
        self.by_id.get(campaign)
    }

    /// Forgets campaigns that are not among `known`.
    pub fn keep(&mut self, known: &HashSet<&str>) {
        self.by_id.retain(|campaign, _| known.contains(&**campaign));
    }

    /// Takes what the last plans have counted.
    pub(crate) fn harvest(&mut self) -> HashMap<Arc<str>, Seen> {
        let mut seen: HashMap<Arc<str>, Seen> = HashMap::new();
        for watched in &self.watched {
            for (at, campaign) in watched.campaigns.iter().enumerate() {
                let requests = watched.traffic.take(at);
                if requests > 0 {
                    seen.entry(Arc::clone(campaign)).or_default().requests += requests;
                }
            }
        }
        if let Some(last) = self.watched.last() {
            for campaign in &last.open {
                seen.entry(Arc::clone(campaign)).or_default().open = true;
            }
        }
        if self.watched.len() > 1 {
            self.watched.remove(0);
        }
        seen
    }

    /// Looks at what a new plan counts from now on; `open` says of which campaigns of the catalog
    /// any line item can bid.
    pub(crate) fn watch(&mut self, catalog: &Catalog, traffic: &Arc<Traffic>, open: &[bool]) {
        let id = |item: &Arc<Item>| Arc::clone(&catalog.campaigns[item.campaign as usize].id);
        let flights = catalog.campaigns.iter().zip(open);
        self.watched.push(Watched {
            traffic: Arc::clone(traffic),
            campaigns: catalog.items.iter().map(id).collect(),
            open: flights
                .filter(|(_, open)| **open)
                .map(|(flight, _)| Arc::clone(&flight.id))
                .collect(),
        });
    }
}

/// A fraction for 32 random bits; 1 becomes `u32::MAX`, which always passes.
fn threshold(fraction: f64) -> u32 {
    (fraction.clamp(0.0, 1.0) * f64::from(u32::MAX)) as u32
}

/// Whether a campaign of a participation takes part in this request.
#[inline]
pub(crate) fn takes_part(threshold: u32, campaign: u32, draw: Draw) -> bool {
    draw.passes(Subject::Campaign(campaign), threshold)
}

#[cfg(test)]
mod tests;
