//! How much eligible traffic the rest of the day brings: a campaign's own history by hour, scaled
//! by how today compares with it.
//!
//! History is kept twice: by hour of the day, averaged over recent days, and by hour of the week.
//! Today's level is the weighted median of the ratios of its quarters of an hour to the forecast,
//! so that a spike of an hour does not announce a rich day; what lasts for the moment is taken to
//! fade away. Without any history a usual day's shape serves, with the level of today alone.
//! Cost: about a hundred steps of arithmetic a tick.

use serde::{Deserialize, Serialize};

const HOUR_MS: i64 = 3_600_000;
/// Length of a step of the forecast.
pub(super) const STEP_MS: i64 = HOUR_MS / 4;
/// Steps of the longest day.
const MOST_STEPS: usize = 104;
/// A longer pause between ticks is an outage: what it brought is not known.
const OUTAGE_MS: i64 = 300_000;
/// An hour that was seen for less says nothing about its traffic.
const LEAST_SEEN_MS: i64 = HOUR_MS / 4;
/// Weight of the newest day in the average.
const NEWEST: f64 = 0.5;
/// How much of a usual day must have passed until its own level counts as much as history's.
const TRUST: f64 = 0.04;
/// How long what is special now is taken to last, with and without history.
const LASTS_MS: (f64, f64) = (1_800_000.0, 7_200_000.0);

/// A usual day of the web, by hour, 1 on average: traffic sinks to a fifth at night and stands
/// highest over the working day.
const USUAL: [f64; 24] = [
    0.40, 0.28, 0.22, 0.22, 0.26, 0.36, 0.52, 0.75, 1.05, 1.35, 1.50, 1.55, 1.55, 1.55, 1.50, 1.45,
    1.40, 1.35, 1.30, 1.25, 1.15, 1.00, 0.80, 0.58,
];

/// When a forecast is wanted, on the clock of the advertiser.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock<'h> {
    pub(super) now_ms: i64,
    /// First millisecond of what is paced, unix time.
    pub(super) start_ms: i64,
    /// First millisecond after it.
    pub(super) end_ms: i64,
    /// First millisecond after the civil day.
    pub(super) midnight_ms: i64,
    /// Hour of the week now, Monday 00:00 first.
    pub(super) hour_of_week: u32,
    /// Milliseconds into that hour.
    pub(super) into_hour_ms: i64,
    /// Hours in which the campaign may bid.
    pub(super) hours: &'h crate::catalog::Hours,
}

impl Clock<'_> {
    /// Hour of the week at another moment of the same day. Counted back from midnight, so that
    /// a change of the clocks between now and then is taken into account.
    fn hour_at(&self, at_ms: i64) -> u32 {
        let first = self.hour_of_week - self.hour_of_week % 24;
        let from_hour_ms = at_ms - self.now_ms + self.into_hour_ms;
        if (0..HOUR_MS).contains(&from_hour_ms) {
            return self.hour_of_week;
        }
        let back = (self.midnight_ms - 1 - at_ms).div_euclid(HOUR_MS);
        first + (23 - back.clamp(0, 23)) as u32
    }
}

/// Traffic of a campaign: what was, and what is to be expected.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Forecast {
    /// Requests an hour by hour of the week, as last seen; below 0 where never.
    week: Vec<f32>,
    /// Requests an hour by hour of the day, averaged over days; below 0 where never.
    day: Vec<f32>,
    /// What was expected and what came, by step of today.
    steps: Vec<(f32, f32)>,
    /// Hour of the week that is being seen, since when of it, and what came.
    hour: u32,
    seen_ms: i64,
    seen: f64,
    start_ms: i64,
    /// Today's level against the forecast, as of the last step.
    level: f64,
    /// What came in all today.
    pub(super) today: f64,
}

impl Forecast {
    /// Takes in `requests` that came since `before_ms`.
    pub(super) fn observe(&mut self, requests: f64, before_ms: i64, clock: &Clock<'_>) {
        self.settle();
        if self.start_ms != clock.start_ms {
            self.start_ms = clock.start_ms;
            self.steps.clear();
            self.today = 0.0;
            self.level = 1.0;
        }
        let passed_ms = clock.now_ms - before_ms;
        self.today += requests;
        if !(0..=OUTAGE_MS).contains(&passed_ms) {
            return;
        }
        if self.hour != clock.hour_of_week {
            self.end_hour();
            self.hour = clock.hour_of_week;
        }
        if clock.hours.contains(clock.hour_of_week) {
            self.seen += requests;
            self.seen_ms += passed_ms;
        }
        let at = (clock.now_ms - clock.start_ms).max(0) / STEP_MS;
        let at = (at as usize).min(MOST_STEPS - 1);
        let fresh = self.steps.len() <= at;
        self.steps.resize(self.steps.len().max(at + 1), (0.0, 0.0));
        if clock.hours.contains(clock.hour_of_week) {
            let expected = self.usual(clock.hour_of_week) * passed_ms as f64 / HOUR_MS as f64;
            self.steps[at].0 += expected as f32;
            self.steps[at].1 += requests as f32;
        }
        if fresh {
            self.level = self.level();
        }
    }

    /// What is expected from now until the end, and within the next `horizon_ms`.
    pub(super) fn rest(&self, clock: &Clock<'_>, horizon_ms: i64) -> (f64, f64) {
        let known = self.knows_any();
        let level = if known {
            self.level
        } else {
            self.plain_level()
        };
        let special = self.special(level);
        let lasts = if known { LASTS_MS.0 } else { LASTS_MS.1 };
        let (mut rest, mut near) = (0.0, 0.0);
        let mut at_ms = clock.now_ms;
        while at_ms < clock.end_ms {
            let long_ms = STEP_MS.min(clock.end_ms - at_ms);
            let hour = clock.hour_at(at_ms);
            if clock.hours.contains(hour) {
                let fades = (-((at_ms - clock.now_ms) as f64) / lasts).exp();
                let rate = self.usual(hour) * (level + special * fades) / HOUR_MS as f64;
                rest += rate * long_ms as f64;
                let within = (clock.now_ms + horizon_ms - at_ms).clamp(0, long_ms);
                near += rate * within as f64;
            }
            at_ms += long_ms;
        }
        (rest, near)
    }

    /// Share of the day's traffic that comes by a moment, whatever today's level is.
    pub(super) fn share(&self, clock: &Clock<'_>, until_ms: i64) -> f64 {
        let all = self.usual_between(clock, clock.end_ms);
        let part = self.usual_between(clock, until_ms.min(clock.end_ms));
        if all > 0.0 { part / all } else { 1.0 }
    }

    /// The traffic of the whole day, as history or else the day so far says.
    pub(super) fn whole(&self, clock: &Clock<'_>) -> f64 {
        let known = self.knows_any();
        let level = if known { 1.0 } else { self.plain_level() };
        level * self.usual_between(clock, clock.end_ms)
    }

    fn usual_between(&self, clock: &Clock<'_>, until_ms: i64) -> f64 {
        let (mut sum, mut at_ms) = (0.0, clock.start_ms);
        while at_ms < until_ms {
            let long_ms = STEP_MS.min(until_ms - at_ms);
            let hour = clock.hour_at(at_ms);
            if clock.hours.contains(hour) {
                sum += self.usual(hour) * long_ms as f64 / HOUR_MS as f64;
            }
            at_ms += long_ms;
        }
        sum
    }

    /// Whether there is any history.
    pub(super) fn knows_any(&self) -> bool {
        self.day.iter().any(|rate| *rate >= 0.0)
    }

    /// Restored state may come from anywhere; its tables have the right length or are empty.
    fn settle(&mut self) {
        self.week.resize(168, -1.0);
        self.day.resize(24, -1.0);
        self.steps.truncate(MOST_STEPS);
    }

    fn end_hour(&mut self) {
        let (seen, seen_ms) = (self.seen, self.seen_ms);
        (self.seen, self.seen_ms) = (0.0, 0);
        if seen_ms < LEAST_SEEN_MS {
            return;
        }
        let rate = (seen * HOUR_MS as f64 / seen_ms as f64) as f32;
        let (of_week, of_day) = (self.hour as usize % 168, self.hour as usize % 24);
        self.week[of_week] = rate;
        let day = &mut self.day[of_day];
        *day = if *day < 0.0 {
            rate
        } else {
            *day + NEWEST as f32 * (rate - *day)
        };
    }

    /// Requests an hour that history expects; the usual day where it does not know the hour.
    fn usual(&self, hour_of_week: u32) -> f64 {
        let of_day = hour_of_week as usize % 24;
        let day = self.day.get(of_day).copied().unwrap_or(-1.0);
        if day < 0.0 {
            return USUAL[of_day] * self.scale();
        }
        let week = self.week.get(hour_of_week as usize).copied();
        let week = week.filter(|rate| *rate > 0.0).unwrap_or(day);
        (f64::from(day) * f64::from(week)).sqrt()
    }

    /// What the usual day's 1 is for this campaign.
    fn scale(&self) -> f64 {
        let known = self.day.iter().zip(USUAL).filter(|(rate, _)| **rate >= 0.0);
        let (own, usual) = known.fold((0.0, 0.0), |(own, all), (rate, usual)| {
            (own + f64::from(*rate), all + usual)
        });
        if own > 0.0 { own / usual } else { 1.0 }
    }

    /// The level of today against history, drawn towards 1 while little has passed.
    fn level(&self) -> f64 {
        let mut ratios: Vec<(f64, f64)> = self
            .steps
            .iter()
            .filter(|(expected, _)| *expected > 0.0)
            .map(|(expected, came)| (f64::from(came / expected), f64::from(*expected)))
            .collect();
        ratios.sort_unstable_by(|one, other| one.0.total_cmp(&other.0));
        let all: f64 = ratios.iter().map(|(_, weight)| weight).sum();
        let mut below = 0.0;
        let median = ratios.iter().find(|(_, weight)| {
            below += weight;
            below * 2.0 >= all
        });
        let median = median.map_or(1.0, |(ratio, _)| ratio.clamp(0.02, 50.0));
        let day: f64 = (0..24).map(|hour| self.usual(hour)).sum();
        let trust = all / (all + TRUST * day);
        median.powf(trust)
    }

    fn plain_level(&self) -> f64 {
        let sum = |of: fn(&(f32, f32)) -> f32| -> f64 {
            self.steps.iter().map(|step| f64::from(of(step))).sum()
        };
        let (expected, came) = (sum(|step| step.0), sum(|step| step.1));
        if expected > 0.0 { came / expected } else { 1.0 }
    }

    /// How much the last half hour stands above the level.
    fn special(&self, level: f64) -> f64 {
        let last = self.steps.iter().rev().take(2);
        let (expected, came) = last.fold((0.0, 0.0), |(expected, came), step| {
            (expected + f64::from(step.0), came + f64::from(step.1))
        });
        // A few requests more or less are no sign.
        let weight = came.max(expected) / (came.max(expected) + 30.0);
        if expected > 0.0 {
            weight * (came / expected - level)
        } else {
            0.0
        }
    }
}
