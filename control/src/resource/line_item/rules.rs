//! A rule of targeting: values to include, values to exclude, and what becomes of requests that
//! do not say.

use crate::fault::{Fault, join};
use crate::model::{Model, Object, choices, refuse, shown};
use bidder::catalog as bid;
use serde_json::{Map, Value, json};

choices! {
    /// What becomes of a request that does not carry the signal.
    pub enum Missing {
        /// It may be bought.
        Serve = "serve",
        /// It is not bought.
        Skip = "skip",
    }
}

impl Missing {
    /// The same for the bidder.
    pub fn policy(self) -> bid::Missing {
        match self {
            Self::Serve => bid::Missing::Serve,
            Self::Skip => bid::Missing::Skip,
        }
    }
}

/// A value of a rule.
pub trait Term: Model + PartialEq {
    /// Adds what the bidder compares.
    fn values(&self, values: &mut Vec<bid::Value>);

    /// Whether whatever matches `other` matches this too.
    fn covers(&self, other: &Self) -> bool {
        self == other
    }

    /// Whether a list names everything that there is.
    fn all(_: &[Self]) -> bool {
        false
    }
}

/// How a rule was written, and is written back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// An object with `include`, `exclude` and `missing`.
    Object,
    /// A list of what is included.
    List,
    /// The one value that is included.
    One,
}

/// A rule of targeting.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules<T> {
    /// Only these; empty means any.
    pub include: Vec<T>,
    /// Never these.
    pub exclude: Vec<T>,
    /// What becomes of a request that does not carry the signal. Left out, whoever includes
    /// something does not get it, and whoever only excludes does.
    pub missing: Option<Missing>,
    form: Form,
}

impl<T: Term> Rules<T> {
    /// The same for the bidder.
    pub fn compiled(&self) -> bid::Rule<bid::Value> {
        let side = |terms: &[T]| {
            let mut values = Vec::new();
            for term in terms {
                term.values(&mut values);
            }
            values
        };
        bid::Rule {
            include: side(&self.include),
            exclude: side(&self.exclude),
            missing: self.missing.map(Missing::policy),
        }
    }

    /// Whether a known value passes.
    pub fn allows(&self, value: &T) -> bool {
        (self.include.is_empty() || self.include.contains(value)) && !self.exclude.contains(value)
    }

    /// Whether only requests with one of the included values match.
    pub fn demands(&self) -> bool {
        !self.include.is_empty() && self.missing != Some(Missing::Serve)
    }

    /// Where its included values stand, below its own place.
    pub(super) fn included_at(&self) -> &'static str {
        match self.form {
            Form::Object => "/include",
            Form::List | Form::One => "",
        }
    }

    fn check(&self, at: &str, faults: &mut Vec<Fault>) {
        let include = self.included_at();
        for (index, term) in self.include.iter().enumerate() {
            if let Some(refusing) = self.exclude.iter().find(|refused| refused.covers(term)) {
                let detail = format!(
                    "{} is excluded by {}: nothing would match it",
                    term.write(),
                    refusing.write()
                );
                faults.push(Fault::new(format!("{at}{include}/{index}"), detail));
            }
        }
        if T::all(&self.exclude) {
            let detail = "excludes everything: nothing would match";
            faults.push(Fault::new(format!("{at}/exclude"), detail));
        }
        let open = self.include.is_empty() && self.exclude.is_empty();
        if open && self.missing != Some(Missing::Skip) {
            let detail = "restricts nothing: leave it out, or name something to include or exclude";
            faults.push(Fault::new(at, detail));
        }
    }
}

impl<T: Term> Model for Rules<T> {
    fn read(value: &Value, at: &str, faults: &mut Vec<Fault>) -> Option<Self> {
        let before = faults.len();
        let (include, exclude, missing, form) = match value {
            Value::Array(_) => (
                Vec::<T>::read(value, at, faults)?,
                Vec::new(),
                None,
                Form::List,
            ),
            Value::Object(_) => {
                let known = ["include", "exclude", "missing"];
                let object = Object::open(value, at, &known, faults)?;
                let include = object.optional("include", faults, Vec::new);
                let exclude = object.optional("exclude", faults, Vec::new);
                let missing = object.optional("missing", faults, || None);
                (include?, exclude?, missing?, Form::Object)
            }
            Value::Bool(_) => {
                let one = T::read(value, at, faults)?;
                (vec![one], Vec::new(), None, Form::One)
            }
            Value::Null | Value::Number(_) | Value::String(_) => {
                let found = shown(value);
                let detail = format!(
                    "expected a list, or an object with include, exclude and missing, found {found}"
                );
                return refuse(faults, at, detail);
            }
        };
        let rules = Self {
            include,
            exclude,
            missing,
            form,
        };
        if faults.len() == before {
            rules.check(at, faults);
        }
        Some(rules)
    }

    fn write(&self) -> Value {
        match (self.form, self.include.as_slice()) {
            (Form::One, [one]) => one.write(),
            (Form::One | Form::List, include) => include.iter().map(T::write).collect(),
            (Form::Object, _) => {
                let mut object = Map::new();
                object.insert("include".to_owned(), self.include.write());
                object.insert("exclude".to_owned(), self.exclude.write());
                if let Some(missing) = self.missing {
                    object.insert("missing".to_owned(), missing.write());
                }
                object.into()
            }
        }
    }

    fn schema() -> Value {
        let list = Vec::<T>::schema();
        json!({ "anyOf": [list, {
            "type": "object",
            "properties": {
                "include": { "description": "Only these; empty means any.", "anyOf": [list] },
                "exclude": { "description": "Never these.", "anyOf": [list] },
                "missing": Missing::schema(),
            },
            "additionalProperties": false,
        }] })
    }
}

/// A rule about something that line items name themselves.
#[derive(Clone, Debug, PartialEq)]
pub struct Named<N, T> {
    /// What it is about.
    pub name: N,
    /// The rule.
    pub rules: Rules<T>,
}

/// What a [`Named`] rule is about, and the field in which it says so.
pub trait Naming: Model + PartialEq {
    /// The field.
    const FIELD: &'static str;
}

impl<N: Naming, T: Term> Model for Named<N, T> {
    fn read(value: &Value, at: &str, faults: &mut Vec<Fault>) -> Option<Self> {
        let Some(fields) = value.as_object() else {
            let found = shown(value);
            return refuse(faults, at, format!("expected an object, found {found}"));
        };
        let mut rest = fields.clone();
        let name = match rest.remove(N::FIELD) {
            Some(name) => N::read(&name, &join(at, N::FIELD), faults),
            None => refuse(faults, &join(at, N::FIELD), "is required"),
        };
        let rules = Rules::read(&rest.into(), at, faults);
        Some(Self {
            name: name?,
            rules: rules?,
        })
    }

    fn write(&self) -> Value {
        let mut object = self.rules.write();
        object[N::FIELD] = self.name.write();
        object
    }

    fn schema() -> Value {
        let mut schema = Rules::<T>::schema()["anyOf"][1].clone();
        schema["properties"][N::FIELD] = N::schema();
        schema["required"] = json!([N::FIELD]);
        schema
    }
}
