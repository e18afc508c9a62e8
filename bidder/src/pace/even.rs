//! The default pacer: a model of what a request costs at which multiplier, asked for the
//! multiplier at which the rest of the budget lasts for the rest of the traffic.
//!
//! Let `u` be the logarithm of the multiplier. The spend of one eligible request is taken as
//! `exp(a + b·u)`. The elasticity `b` is set; the level `a` is tracked by a Kalman filter whose
//! noise is that of counting purchases, so a campaign that buys often is followed quickly and one
//! that buys rarely with patience. The wanted spend of a request is what is left over what is
//! expected ([`super::forecast`]), corrected for being ahead or behind by the end of a horizon.
//! Yesterday's level by hour is the prior: where the hour changes, the level moves by as much as
//! it did yesterday.
//!
//! What is held by open bids counts as spent as far as charges follow it; the level learns from
//! the running maximum of the two together, so that a late notice is not taken for thrift.

use super::Progress;
use serde::{Deserialize, Serialize};

/// Logarithm of the multiplier of a campaign that has never bid.
const START: f64 = -2.0;
/// Bounds of the logarithm.
const BOUNDS: (f64, f64) = (-8.0, 0.0);
/// How much the level may be off where nothing is known (a variance).
const UNKNOWN: f64 = 9.0;
/// How much more it may be off after an hour (a variance).
const DRIFT: f64 = 0.008;
/// How much more it may be off where the hour changes.
const TURN: f64 = 0.005;
/// Part of yesterday's move between two hours that is expected again.
const AGAIN: f64 = 0.8;
/// Weight of the newest day in the levels by hour.
const NEWEST: f64 = 0.5;
/// Largest change of the logarithm in a second, and in a tick.
const SLEW: (f64, f64) = (0.1, 0.7);
/// The same upwards while the level is not known well, since money that is spent cannot be taken
/// back.
const RISE: (f64, f64) = (0.01, 0.3);
/// A level of a larger variance is not known well.
const UNSURE: f64 = 0.1;
/// Most that one tick moves the level.
const LEAP: f64 = 2.0;
/// Bounds of the horizon in which being ahead or behind is made good, in milliseconds.
const HORIZON_MS: (f64, f64) = (900_000.0, 3_600_000.0);
/// Purchases that a horizon spans at least, within its bounds.
const PURCHASES: f64 = 20.0;
/// The last part of the day's traffic, over which what is left is spread at most.
const LAST: f64 = 1e-3;
/// A longer pause between ticks is an outage: nothing is learned from it.
const OUTAGE_S: f64 = 300.0;

/// The state of the controller.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Even {
    /// Logarithm of the multiplier; nothing before the first tick.
    output: Option<f64>,
    /// Whether any request was seen.
    known: bool,
    /// Level and its variance.
    level: f64,
    variance: f64,
    /// Levels by hour of the day; not a number where never seen (null when saved).
    hours: Vec<Option<f64>>,
    hour: u32,
    /// Ahead (above 0) or behind of what was wanted, in micros.
    ahead: f64,
    /// Running maximum of what is spent and held.
    accounted: f64,
    /// The cost of a purchase, from above.
    purchase: f64,
    start_ms: i64,
    committed: f64,
    rate: f64,
}

impl Default for Even {
    fn default() -> Self {
        Self {
            output: None,
            known: false,
            level: 0.0,
            variance: UNKNOWN,
            hours: Vec::new(),
            hour: 0,
            ahead: 0.0,
            accounted: 0.0,
            purchase: 0.0,
            start_ms: 0,
            committed: 0.0,
            rate: 0.0,
        }
    }
}

impl Even {
    /// How long a horizon must be to span enough purchases, in milliseconds.
    pub(super) fn horizon_ms(&self, progress: &Progress) -> i64 {
        let left_ms = (progress.end_ms - progress.now_ms).max(1) as f64;
        let left = (progress.budget - progress.spent).max(0.0);
        let purchases = left / self.purchase.max(1.0);
        let long = PURCHASES * left_ms / purchases.max(1.0);
        long.clamp(HORIZON_MS.0, HORIZON_MS.1) as i64
    }

    /// The multiplier until the next tick; `elasticity` is by which power spend follows it.
    pub(super) fn tick(&mut self, progress: &Progress, elasticity: f64) -> f64 {
        self.hours.resize(24, None);
        let committed = progress.spent + progress.reserved;
        if self.start_ms != progress.start_ms {
            self.start_ms = progress.start_ms;
            (self.ahead, self.accounted, self.committed) = (0.0, committed, committed);
        }
        let left = progress.budget - committed;
        let rest = progress.rest.max(progress.expected * LAST).max(1e-9);
        let rate = left.max(0.0) / rest * progress.density;
        let before = *self.output.get_or_insert(START);
        // The first requests say how many there are; until then nothing can be planned.
        if !self.known && progress.requests > 0.0 {
            self.known = true;
            self.level = rate.max(1e-9).ln() - elasticity * START;
            (self.hour, self.rate) = (progress.hour_of_day, rate);
            (self.accounted, self.committed) = (committed, committed);
        }
        if progress.open && progress.seconds <= OUTAGE_S {
            self.learn(progress, committed, before, elasticity);
        } else {
            self.accounted = self.accounted.max(committed);
        }
        self.ahead += (committed - self.committed) - self.rate * progress.new_requests;
        self.committed = committed;
        self.turn(progress);
        self.variance = (self.variance + DRIFT * progress.seconds / 3_600.0).min(UNKNOWN);
        self.rate = rate;
        if left <= 0.0 {
            self.ahead = self.ahead.max(0.0);
            return 0.0;
        }
        if !self.known {
            return before.exp();
        }
        let near = (rate * progress.near.min(rest)).max(1e-9);
        self.ahead = self.ahead.clamp(-near, near);
        let wanted = rate * (1.0 - self.ahead / near).clamp(0.1, 2.0);
        let ideal = (wanted.max(1e-9).ln() - self.level) / elasticity;
        let fall = (SLEW.0 * progress.seconds).min(SLEW.1);
        let slope = if self.variance > UNSURE {
            RISE.0
        } else {
            SLEW.0
        };
        let rise = (slope * progress.seconds).min(RISE.1);
        let next = ideal
            .clamp(before - fall, before + rise)
            .clamp(BOUNDS.0, BOUNDS.1);
        self.output = Some(next);
        next.exp()
    }

    /// Learns the level from what the last requests cost.
    fn learn(&mut self, progress: &Progress, committed: f64, output: f64, elasticity: f64) {
        let cost = (committed - self.accounted).max(0.0);
        self.accounted = self.accounted.max(committed);
        if cost > 0.0 {
            let seen = cost.min(progress.most);
            let weight = if self.purchase > 0.0 { 0.02 } else { 1.0 };
            self.purchase += weight * (seen - self.purchase);
        }
        let expected = progress.new_requests * (self.level + elasticity * output).exp();
        if expected <= 0.0 {
            return;
        }
        let unit = if self.purchase > 0.0 {
            self.purchase
        } else {
            (progress.most * output.exp()).max(1.0)
        };
        // Where much less than one purchase is expected, one more or less says little.
        let slope = expected / (expected + unit);
        let noise = 2.0 * expected * unit / (expected + unit).powi(2);
        let surprise = ((cost + unit) / (expected + unit)).ln();
        let gain = self.variance * slope / (slope * slope * self.variance + noise);
        self.level += (gain * surprise).clamp(-LEAP, LEAP);
        self.variance *= 1.0 - gain * slope;
    }

    /// Keeps the level of an hour that ends and moves to what the next one is usually like.
    fn turn(&mut self, progress: &Progress) {
        let (old, new) = (self.hour as usize % 24, progress.hour_of_day as usize % 24);
        if old == new {
            return;
        }
        self.hour = progress.hour_of_day;
        let known = self.hours[old];
        let ended = known.map_or(self.level, |known| known + NEWEST * (self.level - known));
        if let (Some(from), Some(to)) = (known, self.hours[new]) {
            self.level += AGAIN * (to - from);
        }
        self.variance += TURN;
        if progress.open {
            self.hours[old] = Some(ended);
        }
    }
}
