//! Pacers that others use, kept so that anybody can compare: probabilistic throttling, a PID loop
//! and the dual of the budget in mirror descent. All three act once a minute.

use super::Progress;
use serde::{Deserialize, Serialize};

/// How often they act.
const TICK_MS: i64 = 60_000;

/// State of the three; each campaign uses one.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Baseline {
    at_ms: Option<i64>,
    start_ms: i64,
    /// Throttle: participation.
    participation: f64,
    /// PID: sum of errors, the last one, and the output.
    integral: f64,
    error: f64,
    output: f64,
    /// Log dual: the price of a unit of budget, and what was learned at the last act.
    dual: f64,
    spent: f64,
    requests: f64,
}

impl Default for Baseline {
    fn default() -> Self {
        Self {
            at_ms: None,
            start_ms: 0,
            participation: 0.1,
            integral: 0.0,
            error: 0.0,
            output: -1.0,
            dual: 0.5,
            spent: 0.0,
            requests: 0.0,
        }
    }
}

impl Baseline {
    /// Whether a minute has passed, and the state that a new day keeps.
    fn due(&mut self, progress: &Progress) -> bool {
        if self.start_ms != progress.start_ms {
            (self.start_ms, self.spent, self.requests) = (progress.start_ms, 0.0, 0.0);
        }
        let now_ms = progress.now_ms;
        let due = self.at_ms.is_none_or(|at_ms| now_ms - at_ms >= TICK_MS);
        if due {
            self.at_ms = Some(now_ms);
        }
        due
    }

    /// Throttling: takes part in more or fewer requests by a tenth a minute, so that spend
    /// follows the forecast, to be done two hours before the end. The participation.
    pub(super) fn throttle(&mut self, progress: &Progress) -> f64 {
        if self.due(progress) {
            let share = (progress.share / progress.share_22h.max(1e-9)).min(1.0);
            let behind = progress.spent <= progress.budget * share;
            let factor = if behind { 1.1 } else { 0.9 };
            self.participation = (self.participation * factor).clamp(1e-4, 1.0);
        }
        self.participation
    }

    /// PID with anti-windup over a horizon of a quarter of an hour. The multiplier.
    pub(super) fn pid(&mut self, progress: &Progress) -> f64 {
        const START: f64 = -1.0;
        const PROPORTIONAL: f64 = 0.6;
        const INTEGRAL: f64 = 0.005;
        if self.due(progress) {
            let budget = progress.budget;
            let wanted = (budget * progress.next_share).max(1e-4 * budget);
            let error = ((budget * progress.share - progress.spent) / wanted).clamp(-3.0, 3.0);
            let integral = self.integral + INTEGRAL * error;
            let output = START + PROPORTIONAL * error + integral;
            let unwinds = (output > 0.0 && error < 0.0) || (output < -6.0 && error > 0.0);
            if (-6.0..=0.0).contains(&output) || unwinds {
                self.integral = integral;
            }
            (self.error, self.output) = (error, output);
        }
        self.output.clamp(-6.0, 0.0).exp()
    }

    /// Dual mirror descent in the logarithm, with the budget replanned. The multiplier.
    pub(super) fn log_dual(&mut self, progress: &Progress) -> f64 {
        if self.due(progress) {
            let (spend, requests) = (
                progress.spent - self.spent,
                progress.requests - self.requests,
            );
            (self.spent, self.requests) = (progress.spent, progress.requests);
            if progress.open && requests > 0.0 && progress.budget > 0.0 {
                const KEPT: f64 = 0.1;
                let (all, share) = (progress.expected.max(1.0), progress.share);
                let level = if share > 0.02 {
                    KEPT * all + (1.0 - KEPT) * progress.requests / share
                } else {
                    all
                };
                let rest = (level * (1.0 - share)).max(0.003 * all);
                let left = (progress.budget - progress.spent - progress.reserved).max(0.0);
                let rate = left / rest;
                let step = 0.3 / all.sqrt();
                let change = step * (spend - rate * requests) / (progress.budget / all);
                self.dual = (self.dual + change.clamp(-0.2, 0.2)).clamp(0.0, 8.0);
            }
        }
        (-self.dual).exp()
    }
}
