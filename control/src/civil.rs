//! Civil time: the day and the hour of the week of an advertiser's timezone, daylight saving
//! included. The time is an argument; the zones are those that the program carries, so two nodes
//! never disagree on where a day ends.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

/// A moment as a wall clock somewhere shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Civil {
    /// The date.
    pub date: Date,
    /// Days since 1970-01-01.
    pub day_number: i32,
    /// When the day began.
    pub day_start: Timestamp,
    /// When the next day begins: 23, 24 or 25 hours after the start, or something odder.
    pub day_end: Timestamp,
    /// Hour of the week, 0 for Monday at midnight, up to 167.
    pub hour_of_week: u8,
}

/// What the wall clock of `zone` shows at `now`; `None` in the last days of year 9999.
pub fn civil(zone: &TimeZone, now: Timestamp) -> Option<Civil> {
    let local = zone.to_datetime(now);
    let date = local.date();
    // Where midnight does not exist, the day begins at the first moment after the gap.
    let begin = |date: Date| {
        let midnight = zone.to_ambiguous_timestamp(date.at(0, 0, 0, 0));
        midnight.compatible().ok()
    };
    let days = date.since(Date::constant(1970, 1, 1)).ok()?.get_days();
    let weekday = i32::from(date.weekday().to_monday_zero_offset());
    Some(Civil {
        date,
        day_number: days,
        day_start: begin(date)?,
        day_end: begin(date.checked_add(1.day()).ok()?)?,
        hour_of_week: (weekday * 24 + i32::from(local.hour())) as u8,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(zone: &str, time: &str) -> Civil {
        civil(&TimeZone::get(zone).unwrap(), time.parse().unwrap()).unwrap()
    }

    fn hours(day: &Civil) -> i64 {
        (day.day_end.as_second() - day.day_start.as_second()) / 3600
    }

    #[test]
    fn days_have_23_24_or_25_hours() {
        assert_eq!(hours(&at("Europe/Paris", "2026-03-29T12:00:00Z")), 23);
        assert_eq!(hours(&at("Europe/Paris", "2026-10-25T12:00:00Z")), 25);
        assert_eq!(hours(&at("Europe/Paris", "2026-07-01T12:00:00Z")), 24);
        // Midnight does not exist on this day in Beirut.
        let gap = at("Asia/Beirut", "2026-03-29T12:00:00Z");
        assert_eq!(hours(&gap), 23);
        assert_eq!(gap.day_start.to_string(), "2026-03-28T22:00:00Z");
    }

    #[test]
    fn the_day_is_the_zones_own() {
        let paris = at("Europe/Paris", "2026-11-22T23:30:00Z");
        assert_eq!(
            (paris.date.to_string().as_str(), paris.hour_of_week),
            ("2026-11-23", 0)
        );
        let york = at("America/New_York", "2026-11-23T04:59:59Z");
        assert_eq!(
            (york.date.to_string().as_str(), york.hour_of_week),
            ("2026-11-22", 167)
        );
        assert_eq!(at("UTC", "1970-01-02T00:00:00Z").day_number, 1);
    }

    proptest! {
        #[test]
        fn days_tile_time(second in 0i64..4_000_000_000, zone in 0usize..4) {
            let zones = ["Europe/Paris", "America/Sao_Paulo", "Australia/Lord_Howe", "Asia/Beirut"];
            let zone = TimeZone::get(zones[zone]).unwrap();
            let now = Timestamp::from_second(second).unwrap();
            let day = civil(&zone, now).unwrap();
            prop_assert!(day.day_start <= now && now < day.day_end);
            let next = civil(&zone, day.day_end).unwrap();
            prop_assert_eq!(next.day_start, day.day_end);
            prop_assert!(next.day_number > day.day_number);
        }
    }
}
