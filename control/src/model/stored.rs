//! Stored parts of bid requests, kept as the JSON that they are.

use super::{Model, refuse, shown};
use crate::fault::Fault;
use exchange::stored::{Stored, Unfit};
use serde_json::{Value, json};

/// An imp as a placement stores it.
#[derive(Clone, Debug)]
pub struct StoredImp(Value, pub Stored);

/// A request without imps, as a publisher stores it.
#[derive(Clone, Debug)]
pub struct StoredRequest(Value, pub Stored);

macro_rules! stored {
    ($($name:ident, $check:path, $about:literal;)+) => { $(
        impl PartialEq for $name {
            /// What is compiled follows from the JSON.
            fn eq(&self, other: &Self) -> bool {
                self.0 == other.0
            }
        }

        impl Model for $name {
            fn read(value: &Value, at: &str, faults: &mut Vec<Fault>) -> Option<Self> {
                if !value.is_object() {
                    return refuse(faults, at, format!("expected an object, found {}", shown(value)));
                }
                match $check(&value.to_string()) {
                    Ok(stored) => Some(Self(value.clone(), stored)),
                    Err(Unfit { pointer, problem }) => {
                        refuse(faults, &format!("{at}{pointer}"), problem)
                    }
                }
            }

            fn write(&self) -> Value {
                self.0.clone()
            }

            fn schema() -> Value {
                json!({ "type": "object", "description": $about })
            }
        }
    )+ };
}

stored! {
    StoredImp, Stored::imp, "An OpenRTB imp without its id.";
    StoredRequest, Stored::request, "An OpenRTB bid request without its id and imps.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_imp_is_refused_by_its_pointer() {
        for (value, pointer) in [
            (json!([]), "/request"),
            (json!({ "id": "1" }), "/request/id"),
            (json!({ "banner": { "w": {} } }), "/request/banner/w"),
        ] {
            let mut faults = Vec::new();
            assert_eq!(StoredImp::read(&value, "/request", &mut faults), None);
            assert_eq!(faults[0].pointer, pointer, "{faults:?}");
        }
        let whole = json!({ "site": { "domain": "a.example" }, "ext": { "own": [1, null] } });
        let read = StoredRequest::read(&whole, "", &mut Vec::new()).unwrap();
        assert_eq!(read.write(), whole);
    }
}
