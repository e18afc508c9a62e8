//! Frequency rules: how often a user or a household may see something in a rolling window.

use crate::fault::Fault;
use crate::model::{Whole, choices, model};

/// The most rules of one document.
pub const MOST_RULES: usize = bidder::frequency::MAX_CAPS;

choices! {
    /// A common length of a window.
    pub enum Period {
        /// 60 minutes.
        Hour = "hour",
        /// 24 hours.
        Day = "day",
        /// 7 times 24 hours.
        Week = "week",
        /// 30 times 24 hours.
        Month = "month",
    }
}

choices! {
    /// Who sees impressions.
    pub enum By {
        /// One user.
        User = "user",
        /// Everybody of one household together.
        Household = "household",
    }
}

choices! {
    /// What becomes of a request without the id that a rule counts by.
    pub enum WithoutId {
        /// No bid.
        Skip = "skip",
        /// A bid that the rule neither limits nor counts.
        Serve = "serve",
    }
}

model! {
    /// How often it may be seen, in any window of a length: `per` or `window_s`.
    pub struct Frequency {
        /// At most this many impressions.
        pub max: Whole<1, 1000>,
        /// The length of the window.
        pub per: Option<Period> = None,
        /// The length of the window in seconds, up to 90 days.
        pub window_s: Option<Whole<1, 7_776_000>> = None,
        /// Who sees them.
        pub by: By = By::User,
        /// Where a request does not say who.
        pub without_id: WithoutId = WithoutId::Skip,
    }
}

impl Frequency {
    /// Seconds of the window; 0 where it has none, which [`check`] tells.
    pub fn seconds(&self) -> u32 {
        match (self.window_s, self.per) {
            (Some(seconds), _) => seconds.0,
            (None, Some(Period::Hour)) => 3_600,
            (None, Some(Period::Day)) => 86_400,
            (None, Some(Period::Week)) => 7 * 86_400,
            (None, Some(Period::Month)) => 30 * 86_400,
            (None, None) => 0,
        }
    }
}

/// What is wrong with the rules of a document.
pub(super) fn check(rules: &[Frequency], faults: &mut Vec<Fault>) {
    if rules.len() > MOST_RULES {
        let detail = format!("{} rules, at most {MOST_RULES} allowed", rules.len());
        faults.push(Fault::new("/frequency", detail));
    }
    for (index, rule) in rules.iter().enumerate() {
        let at = format!("/frequency/{index}");
        match (rule.per, rule.window_s) {
            (None, None) => {
                let detail = "is required, or a length in window_s";
                faults.push(Fault::new(format!("{at}/per"), detail));
                continue;
            }
            (Some(_), Some(_)) => {
                let detail = "per says the length of the window already, give one of them";
                faults.push(Fault::new(format!("{at}/window_s"), detail));
            }
            (Some(_), None) | (None, Some(_)) => {}
        }
        let others = rules
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != index);
        let mut stricter = others.filter(|(place, other)| {
            let longer = other.seconds() >= rule.seconds() && other.by == rule.by;
            let same = other.seconds() == rule.seconds() && other.max == rule.max;
            longer && other.max <= rule.max && (!same || *place < index)
        });
        if let Some((place, other)) = stricter.next() {
            let (most, seconds) = (other.max.0, other.seconds());
            let detail = format!(
                "never limits anything beside rule {place}, at most {most} in {seconds} seconds"
            );
            faults.push(Fault::new(format!("{at}/max"), detail));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Model;
    use serde_json::{Value, json};

    fn faults(rules: &Value) -> Vec<String> {
        let mut faults = Vec::new();
        if let Some(rules) = Vec::<Frequency>::read(rules, "/frequency", &mut faults) {
            check(&rules, &mut faults);
        }
        faults.into_iter().map(|fault| fault.pointer).collect()
    }

    #[test]
    fn several_windows_stand_together() {
        let rules = json!([
            {"max": 1, "window_s": 600},
            {"max": 3, "per": "day"},
            {"max": 10, "per": "week", "by": "user", "without_id": "serve"},
            {"max": 3, "per": "day", "by": "household"},
        ]);
        assert_eq!(faults(&rules), [""; 0]);
    }

    #[test]
    fn every_rule_that_cannot_be_is_told() {
        for (rules, expected) in [
            (json!([{"max": 0, "per": "day"}]), "/frequency/0/max"),
            (json!([{"max": 1001, "per": "day"}]), "/frequency/0/max"),
            (json!([{"per": "day"}]), "/frequency/0/max"),
            (json!([{"max": 1}]), "/frequency/0/per"),
            (json!([{"max": 1, "per": "fortnight"}]), "/frequency/0/per"),
            (json!([{"max": 1, "window_s": 0}]), "/frequency/0/window_s"),
            (
                json!([{"max": 1, "window_s": 7_776_001}]),
                "/frequency/0/window_s",
            ),
            (
                json!([{"max": 1, "window_s": 60, "per": "day"}]),
                "/frequency/0/window_s",
            ),
            (
                json!([{"max": 1, "per": "day", "by": "street"}]),
                "/frequency/0/by",
            ),
            (
                json!([{"max": 1, "per": "day", "without_id": "deny"}]),
                "/frequency/0/without_id",
            ),
            // Five an hour can never be reached where a day has three.
            (
                json!([{"max": 5, "per": "hour"}, {"max": 3, "per": "day"}]),
                "/frequency/0/max",
            ),
            (
                json!([{"max": 3, "per": "day"}, {"max": 3, "per": "day"}]),
                "/frequency/1/max",
            ),
            (
                json!([{"max": 3, "per": "day"}, {"max": 4, "window_s": 86_400}]),
                "/frequency/1/max",
            ),
        ] {
            assert_eq!(faults(&rules), [expected], "{rules}");
        }
        let windows = (1..=9).map(|n| json!({"max": n, "window_s": n * 60}));
        assert_eq!(faults(&windows.collect()), ["/frequency"]);
    }
}
