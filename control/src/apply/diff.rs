//! What an application of files changes, for people.

use crate::fault::join;
use crate::model::shown;
use crate::resource::Kind;
use serde_json::Value;
use std::fmt;

/// What happens to one document.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Kind.
    pub kind: Kind,
    /// Id.
    pub id: String,
    /// What changes.
    pub change: Change,
}

/// A change of a document.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// It is new.
    Created,
    /// Some fields change.
    Changed(Vec<FieldChange>),
    /// It is already so.
    Unchanged,
}

/// A change of a field.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldChange {
    /// JSON pointer of the field.
    pub pointer: String,
    /// Its value before; `None` where it was absent.
    pub old: Option<Value>,
    /// Its value after; `None` where it goes.
    pub new: Option<Value>,
}

/// Every document of the files.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// Parents before children.
    pub entries: Vec<Entry>,
}

impl Plan {
    /// Whether anything changes.
    pub fn changes(&self) -> bool {
        self.entries
            .iter()
            .any(|entry| entry.change != Change::Unchanged)
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut created, mut changed, mut unchanged) = (0, 0, 0);
        for entry in &self.entries {
            match &entry.change {
                Change::Created => {
                    created += 1;
                    writeln!(f, "+ {}/{}", entry.kind, entry.id)?;
                }
                Change::Changed(fields) => {
                    changed += 1;
                    writeln!(f, "~ {}/{}", entry.kind, entry.id)?;
                    for field in fields {
                        let side = |value: &Option<Value>| {
                            value.as_ref().map_or_else(|| "(absent)".to_owned(), shown)
                        };
                        let (old, new) = (side(&field.old), side(&field.new));
                        writeln!(f, "    {}: {old} → {new}", field.pointer)?;
                    }
                }
                Change::Unchanged => unchanged += 1,
            }
        }
        write!(
            f,
            "{created} created, {changed} changed, {unchanged} unchanged"
        )
    }
}

/// The fields that differ, down to what is no object in both.
pub(super) fn diff(old: &Value, new: &Value) -> Vec<FieldChange> {
    let mut changes = Vec::new();
    fields("", old, new, &mut changes);
    changes
}

fn fields(at: &str, old: &Value, new: &Value, changes: &mut Vec<FieldChange>) {
    if old == new {
        return;
    }
    let (Some(before), Some(after)) = (old.as_object(), new.as_object()) else {
        let (old, new) = (Some(old.clone()), Some(new.clone()));
        changes.push(FieldChange {
            pointer: at.to_owned(),
            old,
            new,
        });
        return;
    };
    let gone = before.keys().filter(|name| !after.contains_key(*name));
    for name in after.keys().chain(gone) {
        let pointer = join(at, name);
        match (before.get(name), after.get(name)) {
            (Some(old), Some(new)) => fields(&pointer, old, new, changes),
            (old, new) => changes.push(FieldChange {
                pointer,
                old: old.cloned(),
                new: new.cloned(),
            }),
        }
    }
}
