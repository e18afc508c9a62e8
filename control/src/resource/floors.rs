//! Price floors of a publisher, kept as the JSON that publishers already have. The document's id
//! is the publisher's.

use super::{Document, Status};
use crate::fault::Fault;
use crate::model::Model;
use ::exchange::floor;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use std::sync::Arc;

/// The floor file of a publisher.
#[derive(Clone, Debug)]
pub struct Floors {
    json: Value,
    rules: Arc<floor::Floors>,
    zone: Option<TimeZone>,
}

impl Floors {
    /// The compiled rules, on the publisher's clock as it goes at `now`, and when that clock is
    /// put forward or back next.
    pub fn rules(&self, now: Timestamp) -> (Arc<floor::Floors>, Option<Timestamp>) {
        let Some(zone) = &self.zone else {
            return (Arc::clone(&self.rules), None);
        };
        let mut rules = (*self.rules).clone();
        rules.utc_offset_s = zone.to_offset(now).seconds();
        let next = zone.following(now).next();
        (
            Arc::new(rules),
            next.map(|transition| transition.timestamp()),
        )
    }
}

impl PartialEq for Floors {
    /// The rules follow from the file.
    fn eq(&self, other: &Self) -> bool {
        self.json == other.json
    }
}

impl Model for Floors {
    fn read(value: &Value, _at: &str, faults: &mut Vec<Fault>) -> Option<Self> {
        let rules = match floor::parse_value(value) {
            Ok(parsed) => parsed.floors,
            Err(found) => {
                let found = found.into_iter();
                faults.extend(found.map(|fault| Fault::new(fault.field, fault.problem)));
                return None;
            }
        };
        let name = rules.timezone.as_deref();
        let Ok(zone) = name.map(TimeZone::get).transpose() else {
            let name = name.unwrap_or_default();
            let detail = format!("expected a timezone such as Europe/Paris, found `{name}`");
            faults.push(Fault::new("/gavel/timezone", detail));
            return None;
        };
        Some(Self {
            json: value.clone(),
            rules: rules.into(),
            zone,
        })
    }

    fn write(&self) -> Value {
        self.json.clone()
    }

    fn schema() -> Value {
        json!({ "type": "object", "description": "Price floors, schema version 2." })
    }
}

impl Document for Floors {
    fn status(&self) -> Status {
        Status::Active
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(file: &Value) -> Result<Floors, Vec<Fault>> {
        let mut faults = Vec::new();
        Floors::read(file, "", &mut faults).ok_or(faults)
    }

    #[test]
    fn the_publishers_clock_follows_its_timezone() {
        let file = json!({ "gavel": { "timezone": "Europe/Paris" } });
        let floors = read(&file).unwrap();
        let at = |time: &str| floors.rules(time.parse().unwrap());
        let (winter, change) = at("2026-03-29T00:59:59Z");
        assert_eq!(winter.utc_offset_s, 3_600);
        assert_eq!(change, Some("2026-03-29T01:00:00Z".parse().unwrap()));
        assert_eq!(at("2026-03-29T01:00:00Z").0.utc_offset_s, 7_200);
        let utc = read(&json!({})).unwrap();
        let (rules, change) = utc.rules("2026-03-29T01:00:00Z".parse().unwrap());
        assert_eq!((rules.utc_offset_s, change), (0, None));
        let unknown = read(&json!({ "gavel": { "timezone": "Mars/Olympus" } })).unwrap_err();
        assert_eq!(unknown[0].pointer, "/gavel/timezone");
    }
}
