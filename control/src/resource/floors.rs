//! Price floors of a publisher, kept as the JSON that publishers already have. The document's id
//! is the publisher's.

use super::{Document, Status};
use crate::fault::Fault;
use crate::model::Model;
use serde_json::{Value, json};

/// The floor file of a publisher.
#[derive(Clone, Debug)]
pub struct Floors {
    json: Value,
    rules: std::sync::Arc<::exchange::floor::Floors>,
}

impl Floors {
    /// The compiled rules.
    pub fn rules(&self) -> &std::sync::Arc<::exchange::floor::Floors> {
        &self.rules
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
        match ::exchange::floor::parse_value(value) {
            Ok(parsed) => Some(Self {
                json: value.clone(),
                rules: parsed.floors.into(),
            }),
            Err(found) => {
                faults.extend(
                    found
                        .into_iter()
                        .map(|fault| Fault::new(fault.field, fault.problem)),
                );
                None
            }
        }
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
