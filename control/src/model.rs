//! Documents as typed values: read from JSON with every fault at once, written back, described.
//!
//! A derived reader stops at the first fault. Here one declaration ([`model!`]) makes the type,
//! the reader that goes on after a fault, the writer and the schema for the API's description,
//! so none of them can forget a field.

mod choice;
mod codes;
mod money;
mod stored;
mod targeted;
mod text;

pub(crate) use choice::choices;
pub use money::{Amount, Factor, Floor, MaxCpm, Share, Worth};
pub use stored::{StoredImp, StoredRequest};
pub use targeted::{InTaxonomy, Iso639, Located, Path, Postal, Venue};
pub use text::{
    Category, CategoryId, Country, Cur, Domain, Endpoint, Id, Instant, Landing, Language, Markup,
    Mime, Name, Order, Place, Sha256, Size, Tag, Timezone, Token,
};
pub(crate) use text::{is_category, is_id};

use crate::fault::{Fault, join, suggestion};
use serde_json::{Map, Value, json};

/// The most elements of a list.
pub const MOST_ELEMENTS: usize = 10_000;

/// A value that a document is made of.
pub trait Model: Sized {
    /// Reads the value at pointer `at`; `None` after at least one fault was added.
    fn read(value: &Value, at: &str, faults: &mut Vec<Fault>) -> Option<Self>;

    /// Writes the value in its one normal form; `null` is left out of objects.
    fn write(&self) -> Value;

    /// JSON Schema (draft 2020-12) of the value.
    fn schema() -> Value;
}

/// Adds a fault and reads nothing.
pub(crate) fn refuse<T>(faults: &mut Vec<Fault>, at: &str, detail: impl Into<String>) -> Option<T> {
    faults.push(Fault::new(at, detail));
    None
}

/// An object under reading.
pub(crate) struct Object<'v> {
    fields: &'v Map<String, Value>,
    at: &'v str,
}

impl<'v> Object<'v> {
    /// Takes an object whose keys are all among `known`.
    pub(crate) fn open(
        value: &'v Value,
        at: &'v str,
        known: &[&str],
        faults: &mut Vec<Fault>,
    ) -> Option<Self> {
        let Some(fields) = value.as_object() else {
            return refuse(
                faults,
                at,
                format!("expected an object, found {}", shown(value)),
            );
        };
        for name in fields.keys().filter(|name| !known.contains(&name.as_str())) {
            let detail = format!("unknown field `{name}`{}", suggestion(name, known));
            faults.push(Fault::new(join(at, name), detail));
        }
        Some(Self { fields, at })
    }

    fn present(&self, name: &str) -> Option<&'v Value> {
        self.fields.get(name).filter(|value| !value.is_null())
    }

    /// Reads a field that must be there.
    pub(crate) fn required<T: Model>(&self, name: &str, faults: &mut Vec<Fault>) -> Option<T> {
        match self.present(name) {
            Some(value) => T::read(value, &join(self.at, name), faults),
            None => refuse(faults, &join(self.at, name), "is required"),
        }
    }

    /// Reads a field that may be left out.
    pub(crate) fn optional<T: Model>(
        &self,
        name: &str,
        faults: &mut Vec<Fault>,
        default: impl FnOnce() -> T,
    ) -> Option<T> {
        match self.present(name) {
            Some(value) => T::read(value, &join(self.at, name), faults),
            None => Some(default()),
        }
    }
}

/// A value as a message shows it: whole where short.
pub(crate) fn shown(value: &Value) -> String {
    let text = value.to_string();
    if text.len() <= 60 {
        return text;
    }
    let cut = text
        .char_indices()
        .map(|(at, _)| at)
        .take_while(|at| *at <= 57)
        .last();
    format!("{}…", &text[..cut.unwrap_or(0)])
}

impl<T: Model> Model for Option<T> {
    fn read(value: &Value, at: &str, faults: &mut Vec<Fault>) -> Option<Self> {
        T::read(value, at, faults).map(Some)
    }

    fn write(&self) -> Value {
        self.as_ref().map_or(Value::Null, T::write)
    }

    fn schema() -> Value {
        T::schema()
    }
}

impl<T: Model> Model for Vec<T> {
    fn read(value: &Value, at: &str, faults: &mut Vec<Fault>) -> Option<Self> {
        let Some(list) = value.as_array() else {
            return refuse(
                faults,
                at,
                format!("expected a list, found {}", shown(value)),
            );
        };
        if list.len() > MOST_ELEMENTS {
            let detail = format!("{} elements, at most {MOST_ELEMENTS} allowed", list.len());
            return refuse(faults, at, detail);
        }
        let read: Vec<Option<T>> = list
            .iter()
            .enumerate()
            .map(|(index, value)| T::read(value, &format!("{at}/{index}"), faults))
            .collect();
        read.into_iter().collect()
    }

    fn write(&self) -> Value {
        self.iter().map(T::write).collect()
    }

    fn schema() -> Value {
        json!({ "type": "array", "items": T::schema() })
    }
}

impl Model for bool {
    fn read(value: &Value, at: &str, faults: &mut Vec<Fault>) -> Option<Self> {
        let found = || format!("expected true or false, found {}", shown(value));
        value.as_bool().or_else(|| refuse(faults, at, found()))
    }

    fn write(&self) -> Value {
        Value::Bool(*self)
    }

    fn schema() -> Value {
        json!({ "type": "boolean" })
    }
}

/// A whole number from `LOW` to `HIGH`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Whole<const LOW: u32, const HIGH: u32>(pub u32);

impl<const LOW: u32, const HIGH: u32> Model for Whole<LOW, HIGH> {
    fn read(value: &Value, at: &str, faults: &mut Vec<Fault>) -> Option<Self> {
        let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
        match number {
            Some(number) if (LOW..=HIGH).contains(&number) => Some(Self(number)),
            _ => {
                let found = shown(value);
                refuse(
                    faults,
                    at,
                    format!("expected a whole number {LOW} to {HIGH}, found {found}"),
                )
            }
        }
    }

    fn write(&self) -> Value {
        self.0.into()
    }

    fn schema() -> Value {
        json!({ "type": "integer", "minimum": LOW, "maximum": HIGH })
    }
}

/// Declares an object: fields with a default after `=` may be left out.
macro_rules! model {
    (
        $(#[doc = $doc:literal])+
        $vis:vis struct $name:ident {
            $( $(#[doc = $about:literal])+ pub $field:ident : $type:ty $(= $default:expr)? ),+ $(,)?
        }
    ) => {
        $(#[doc = $doc])+
        #[derive(Clone, Debug, PartialEq)]
        $vis struct $name {
            $( $(#[doc = $about])+ pub $field: $type, )+
        }

        impl $crate::model::Model for $name {
            fn read(
                value: &serde_json::Value,
                at: &str,
                faults: &mut Vec<$crate::fault::Fault>,
            ) -> Option<Self> {
                let known = [$( stringify!($field) ),+];
                let object = $crate::model::Object::open(value, at, &known, faults)?;
                $( let $field: Option<$type> =
                    $crate::model::model!(@read object faults $field $($default)?); )+
                Some(Self { $( $field: $field? ),+ })
            }

            fn write(&self) -> serde_json::Value {
                let mut object = serde_json::Map::new();
                $( match self.$field.write() {
                    serde_json::Value::Null => {}
                    value => { object.insert(stringify!($field).to_owned(), value); }
                } )+
                object.into()
            }

            fn schema() -> serde_json::Value {
                let mut properties = serde_json::Map::new();
                let required = [$( $crate::model::model!(@required $field $($default)?) ),+];
                let required: Vec<&str> = required.into_iter().flatten().collect();
                $(
                    let mut schema = <$type as $crate::model::Model>::schema();
                    schema["description"] = concat!($($about),+).trim().into();
                    properties.insert(stringify!($field).to_owned(), schema);
                )+
                serde_json::json!({
                    "type": "object",
                    "description": concat!($($doc),+).trim(),
                    "properties": properties,
                    "required": required,
                    "additionalProperties": false,
                })
            }
        }
    };
    (@read $object:ident $faults:ident $field:ident) => {
        $object.required(stringify!($field), $faults)
    };
    (@read $object:ident $faults:ident $field:ident $default:expr) => {
        $object.optional(stringify!($field), $faults, || $default)
    };
    (@required $field:ident) => { Some(stringify!($field)) };
    (@required $field:ident $default:expr) => { None };
}

pub(crate) use model;

#[cfg(test)]
mod tests {
    use super::*;

    model! {
        /// A cat.
        pub(crate) struct Cat {
            /// What it is called.
            pub name: Name,
            /// How many lives are left.
            pub lives: Whole<0, 9> = Whole(9),
            /// Its toys.
            pub toys: Vec<Name> = Vec::new(),
            /// Its home.
            pub home: Option<Name> = None,
        }
    }

    fn read(value: &Value) -> Result<Cat, Vec<(String, String)>> {
        let mut faults = Vec::new();
        let cat = Cat::read(value, "", &mut faults);
        assert_eq!(
            cat.is_none(),
            faults
                .iter()
                .any(|fault| !fault.detail.starts_with("unknown"))
        );
        let told = faults
            .into_iter()
            .map(|fault| (fault.pointer, fault.detail))
            .collect();
        cat.ok_or(told)
    }

    #[test]
    fn defaults_are_filled_and_null_is_absence() {
        let cat = read(&json!({ "name": " Tom ", "home": null })).unwrap();
        assert_eq!(
            cat.write(),
            json!({ "name": "Tom", "lives": 9, "toys": [] })
        );
    }

    #[test]
    fn every_fault_is_told() {
        let value = json!({ "lives": 10, "toys": ["ball", 7, ""], "hom": "x" });
        let faults = read(&value).unwrap_err();
        let pointers: Vec<&str> = faults.iter().map(|(pointer, _)| pointer.as_str()).collect();
        assert_eq!(pointers, ["/hom", "/name", "/lives", "/toys/1", "/toys/2"]);
        assert_eq!(faults[0].1, "unknown field `hom`, did you mean `home`?");
        assert_eq!(faults[2].1, "expected a whole number 0 to 9, found 10");
    }

    #[test]
    fn long_values_are_cut_at_a_letter() {
        assert!(shown(&"é".repeat(100).into()).ends_with('…'));
    }

    #[test]
    fn the_schema_says_what_is_required() {
        let schema = Cat::schema();
        assert_eq!(schema["required"], json!(["name"]));
        assert_eq!(
            schema["properties"]["lives"]["description"],
            "How many lives are left."
        );
    }
}
