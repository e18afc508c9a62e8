//! How much eligible traffic the rest of the day brings: a campaign's own history by hour, scaled
//! by how today compares with it.
//!
//! History is kept twice: by hour of the day, averaged over recent days, and by hour of the week.
//! Today's level is the weighted median of the ratios of its quarters of an hour to the forecast,
//! so that a spike of an hour does not announce a rich day. A mild deviation of the last hour is
//! taken to fade within hours, a strong one sooner. Without any history the hours so far say
//! which day it may be ([`super::shape`]), and the last hour at which level.
//! Cost: about a hundred steps of arithmetic a tick.

use super::shape;
use serde::{Deserialize, Serialize};

const HOUR_MS: i64 = 3_600_000;
/// Length of a step of the forecast.
const STEP_MS: i64 = HOUR_MS / 4;
/// Steps of the longest day.
const MOST_STEPS: usize = 104;
/// A longer pause between ticks is an outage: what it brought is not known.
const OUTAGE_MS: i64 = 300_000;
/// An hour that was seen for less says nothing about its traffic.
const LEAST_SEEN_MS: i64 = HOUR_MS / 4;
/// Weight of the newest day in the average.
const NEWEST: f32 = 0.5;
/// How much of a usual day must have passed until its own level counts as much as history's.
const TRUST: f64 = 0.04;
/// Part of today's level, in the logarithm, that is expected of the rest of the day.
const KEPT: f64 = 0.7;
/// Between which parts of the level the last hour is a mild deviation.
const MILD: (f64, f64) = (0.7, 1.4);
/// How long a mild deviation is taken to last, and what goes beyond it.
const LASTS_MS: (f64, f64) = (10_800_000.0, 1_800_000.0);
/// Requests up to which the last hour says little.
const FEW: f64 = 100.0;

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

    /// How long the step that begins at a moment may be without leaving its hour.
    fn step_ms(&self, at_ms: i64) -> i64 {
        let into_ms = (at_ms - self.now_ms + self.into_hour_ms).rem_euclid(HOUR_MS);
        STEP_MS.min(HOUR_MS - into_ms)
    }
}

/// A quarter of an hour of today.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Step {
    hour_of_week: u32,
    seen_ms: u32,
    requests: f32,
}

/// Traffic of a campaign: what was, and what is to be expected.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Forecast {
    /// Requests an hour by hour of the week, as last seen; below 0 where never.
    week: Vec<f32>,
    /// Requests an hour by hour of the day, averaged over days; below 0 where never.
    day: Vec<f32>,
    /// The same, completed where never seen.
    filled: Vec<f32>,
    /// Today.
    steps: Vec<Step>,
    start_ms: i64,
    /// Today's level against history, as of the last step.
    level: f64,
    /// What came in all today.
    pub(super) today: f64,
}

impl Forecast {
    /// Takes in `requests` that came since `before_ms`.
    pub(super) fn observe(&mut self, requests: f64, before_ms: i64, clock: &Clock<'_>) {
        if self.start_ms != clock.start_ms || self.filled.len() != 24 {
            self.begin_day(clock.start_ms);
        }
        self.today += requests;
        let passed_ms = clock.now_ms - before_ms;
        let paced = clock.start_ms < clock.now_ms && clock.now_ms <= clock.end_ms;
        let open = paced && clock.hours.contains(clock.hour_of_week);
        if !(0..=OUTAGE_MS).contains(&passed_ms) || !open {
            return;
        }
        let at = (clock.now_ms - clock.start_ms).max(0) / STEP_MS;
        let at = (at as usize).min(MOST_STEPS - 1);
        if self.steps.len() <= at {
            self.steps.resize(at + 1, Step::default());
            self.level = self.level();
            if !self.knows_any() {
                self.fill();
            }
        }
        let step = &mut self.steps[at];
        step.hour_of_week = clock.hour_of_week;
        step.seen_ms += passed_ms as u32;
        step.requests += requests as f32;
    }

    /// What is expected from now until the end, and within the next `horizon_ms`.
    pub(super) fn rest(&self, clock: &Clock<'_>, horizon_ms: i64) -> (f64, f64) {
        let recent = self.recent();
        let level = if self.knows_any() {
            self.level.powf(KEPT)
        } else {
            recent
        };
        let lasting = recent.clamp(level * MILD.0, level * MILD.1) - level;
        let passing = recent - level - lasting;
        let (mut rest, mut near) = (0.0, 0.0);
        let mut at_ms = clock.now_ms.max(clock.start_ms);
        while at_ms < clock.end_ms {
            let long_ms = clock.step_ms(at_ms).min(clock.end_ms - at_ms);
            let hour = clock.hour_at(at_ms);
            if clock.hours.contains(hour) {
                let fades = |lasts: f64| (-((at_ms - clock.now_ms) as f64) / lasts).exp();
                let now = lasting * fades(LASTS_MS.0) + passing * fades(LASTS_MS.1);
                let rate = self.usual(hour) * (level + now) / HOUR_MS as f64;
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
        self.usual_between(clock, clock.end_ms)
    }

    fn usual_between(&self, clock: &Clock<'_>, until_ms: i64) -> f64 {
        let (mut sum, mut at_ms) = (0.0, clock.start_ms);
        while at_ms < until_ms {
            let long_ms = clock.step_ms(at_ms).min(until_ms - at_ms);
            let hour = clock.hour_at(at_ms);
            if clock.hours.contains(hour) {
                sum += self.usual(hour) * long_ms as f64 / HOUR_MS as f64;
            }
            at_ms += long_ms;
        }
        sum
    }

    /// Whether there is any history.
    fn knows_any(&self) -> bool {
        self.day.iter().any(|rate| *rate >= 0.0)
    }

    /// What was seen of the last day becomes history.
    fn begin_day(&mut self, start_ms: i64) {
        // Restored state may come from anywhere; its tables have the right length or are empty.
        self.week.resize(168, -1.0);
        self.day.resize(24, -1.0);
        for (hour_of_week, rate, _) in self.seen() {
            self.week[hour_of_week as usize % 168] = rate;
            let day = &mut self.day[hour_of_week as usize % 24];
            *day = if *day < 0.0 {
                rate
            } else {
                *day + NEWEST * (rate - *day)
            };
        }
        self.start_ms = start_ms;
        self.steps.clear();
        self.today = 0.0;
        self.level = 1.0;
        self.fill();
    }

    /// The hours of today that were seen for long enough: hour of the week, requests an hour,
    /// requests.
    fn seen(&self) -> Vec<(u32, f32, f32)> {
        let mut hours: Vec<(u32, i64, f32)> = Vec::with_capacity(25);
        for step in &self.steps {
            match hours.last_mut().filter(|last| last.0 == step.hour_of_week) {
                Some(last) => {
                    last.1 += i64::from(step.seen_ms);
                    last.2 += step.requests;
                }
                None => hours.push((step.hour_of_week, step.seen_ms.into(), step.requests)),
            }
        }
        let long = hours.into_iter().filter(|hour| hour.1 >= LEAST_SEEN_MS);
        long.map(|(hour, seen_ms, requests)| {
            (hour, requests * HOUR_MS as f32 / seen_ms as f32, requests)
        })
        .collect()
    }

    /// Completes the hours that history does not know, from it or else from today.
    fn fill(&mut self) {
        let history = self.day.iter().enumerate();
        let mut known: Vec<(usize, f64, f64)> = history
            .filter(|(_, rate)| **rate >= 0.0)
            .map(|(hour, rate)| (hour, f64::from(*rate), f64::from(*rate)))
            .collect();
        if known.is_empty() {
            known.extend(self.seen().into_iter().map(|(hour, rate, requests)| {
                (hour as usize % 24, f64::from(rate), f64::from(requests))
            }));
        }
        let filled = shape::complete(&known);
        self.filled = filled.iter().map(|rate| *rate as f32).collect();
    }

    /// Requests an hour that are expected of an hour.
    fn usual(&self, hour_of_week: u32) -> f64 {
        let of_day = hour_of_week as usize % 24;
        let day = self.day.get(of_day).copied().unwrap_or(-1.0);
        if day < 0.0 {
            return self.filled.get(of_day).copied().map_or(1.0, f64::from);
        }
        let week = self.week.get(hour_of_week as usize).copied();
        let week = week.filter(|rate| *rate > 0.0).unwrap_or(day);
        (f64::from(day) * f64::from(week)).sqrt()
    }

    /// What was expected in a step of today, as history says now.
    fn expected(&self, step: &Step) -> f64 {
        self.usual(step.hour_of_week) * f64::from(step.seen_ms) / HOUR_MS as f64
    }

    /// The level of today against history, drawn towards 1 while little has passed.
    fn level(&self) -> f64 {
        let steps = self.steps.iter().map(|step| (step, self.expected(step)));
        let mut ratios: Vec<(f64, f64)> = steps
            .filter(|(_, expected)| *expected > 0.0)
            .map(|(step, expected)| (f64::from(step.requests) / expected, expected))
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
        median.powf(all / (all + TRUST * day).max(1e-9))
    }

    /// The last hour against history, drawn towards the level while it has few requests.
    fn recent(&self) -> f64 {
        let last = self.steps.iter().rev().take(4);
        let (expected, came) = last.fold((0.0, 0.0), |(expected, came), step| {
            (
                expected + self.expected(step),
                came + f64::from(step.requests),
            )
        });
        // Without history what is usual follows today, and its level is 1.
        let level = if self.knows_any() { self.level } else { 1.0 };
        if expected <= 0.0 {
            return level;
        }
        let weight = came / (came + FEW);
        weight * came / expected + (1.0 - weight) * level
    }
}
