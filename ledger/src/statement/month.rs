//! Months and whose clock they follow.

use super::Period;
use jiff::ToSpan;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

/// A month of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Month(Date);

/// A text that is no month.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a month such as 2026-11, found {0:?}")]
pub struct NoMonth(pub String);

impl Month {
    /// The month after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.checked_add(1.month()).unwrap_or(self.0))
    }

    /// The month before this one.
    #[must_use]
    pub fn previous(self) -> Self {
        Self(self.0.checked_sub(1.month()).unwrap_or(self.0))
    }

    /// The month of a moment (unix milliseconds) by a clock.
    pub fn of(at_ms: i64, zone: &TimeZone) -> Self {
        let at = jiff::Timestamp::from_millisecond(at_ms).unwrap_or_default();
        Self(zone.to_datetime(at).date().first_of_month())
    }

    /// From the first moment of the month to that of the next, by a clock.
    pub fn period(self, zone: &TimeZone) -> Period {
        Period {
            from_ms: begin(self.0, zone),
            to_ms: begin(self.next().0, zone),
        }
    }
}

/// The first moment of a day. A zone that skips midnight begins its day later.
fn begin(date: Date, zone: &TimeZone) -> i64 {
    let zoned = zone.to_ambiguous_zoned(date.to_datetime(jiff::civil::Time::midnight()));
    let zoned = zoned.compatible();
    // Years of four digits always are a moment; the far ends of time are clamped.
    zoned.map_or(i64::MAX, |zoned| zoned.timestamp().as_millisecond())
}

impl FromStr for Month {
    type Err = NoMonth;

    fn from_str(text: &str) -> Result<Self, NoMonth> {
        let date = format!("{text}-01").parse().ok();
        let known = date.filter(|_| text.len() == 7 && !text.starts_with('0'));
        known.map(Self).ok_or_else(|| NoMonth(text.to_owned()))
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.0.year(), self.0.month())
    }
}

/// Whose month follows another clock than UTC, by account.
#[derive(Clone, Debug, Default)]
pub struct Zones(pub HashMap<String, TimeZone>);

impl Zones {
    /// The clock of an account.
    pub fn of(&self, account: &str) -> TimeZone {
        self.0.get(account).cloned().unwrap_or(TimeZone::UTC)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_is_half_open_and_follows_its_clock() {
        let month = |text: &str| text.parse::<Month>().unwrap();
        let december = month("2026-12").period(&TimeZone::UTC);
        assert_eq!(december.to_ms - december.from_ms, 31 * 86_400_000);
        assert_eq!(
            december.to_ms,
            month("2027-01").period(&TimeZone::UTC).from_ms
        );
        let paris = TimeZone::get("Europe/Paris").unwrap();
        // October ends an hour of winter time later than it began in summer time.
        let october = month("2026-10").period(&paris);
        assert_eq!(october.to_ms - october.from_ms, 31 * 86_400_000 + 3_600_000);
        assert_eq!(Month::of(october.to_ms, &paris), month("2026-11"));
        assert_eq!(Month::of(october.to_ms - 1, &paris), month("2026-10"));
        assert_eq!(month("2027-01").previous().to_string(), "2026-12");
        for wrong in ["", "2026", "2026-13", "2026-1-1", "x", "0000-01", "2026-1"] {
            assert!(wrong.parse::<Month>().is_err(), "{wrong}");
        }
    }
}
