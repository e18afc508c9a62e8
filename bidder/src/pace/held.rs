//! What open bids hold, as far as charges will follow it.
//!
//! A bid holds its full price until it is billed, lost or expired, so what is held can be many
//! times what will be charged, or exactly that, depending on how fast the exchange tells. The
//! charges of a quarter of an hour bound from above what was held at its beginning and became a
//! charge; the ratio of the two is taken for what is held now.

use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// How often what is held is noted.
const NOTED_MS: i64 = 60_000;
/// Longer than most notices take.
const SPAN: usize = 15;

/// What was held and charged in the last quarter of an hour.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Held {
    start_ms: i64,
    at_ms: i64,
    /// Charged so far and held, once a minute.
    notes: VecDeque<(f64, f64)>,
}

impl Held {
    /// The part of `reserved` that charges are expected to follow, at most all of it.
    pub(super) fn follows(&mut self, now_ms: i64, start_ms: i64, spent: f64, reserved: f64) -> f64 {
        if self.start_ms != start_ms {
            self.start_ms = start_ms;
            self.notes.clear();
            self.at_ms = now_ms - NOTED_MS;
        }
        if now_ms - self.at_ms >= NOTED_MS {
            self.at_ms = now_ms;
            if self.notes.len() >= SPAN {
                self.notes.pop_front();
            }
            self.notes.push_back((spent, reserved));
        }
        let oldest = self.notes.front().filter(|_| self.notes.len() >= SPAN);
        match oldest {
            Some((charged, held)) if *held > 0.0 => {
                reserved * ((spent - charged) / held).clamp(0.0, 1.0)
            }
            _ => reserved,
        }
    }
}
