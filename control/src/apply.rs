//! Declarative set-up: files say how documents shall be, all of them or none.
//!
//! Documents that no file names stay as they are. A document is replaced whole: a field that its
//! file leaves out gets its default, except that a paused one stays paused where the file does
//! not speak of `status`, since pausing is what people do in haste elsewhere.

mod diff;
mod source;

pub use diff::{Change, Entry, FieldChange, Plan};
pub use source::{Documents, Draft, Source};

use crate::check::{Checked, Refused, check};
use crate::fault::Fault;
use crate::resource::{Kind, Reference, Resource, Status};
use crate::store::{Keep, Store, StoreError, View};
use jiff::Timestamp;
use serde_json::Value;
use std::collections::HashSet;
use std::fmt;

/// What is wrong with a file, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileFault {
    /// Name of the file.
    pub file: String,
    /// Line, from 1, where it is known.
    pub line: Option<usize>,
    /// JSON pointer in the file.
    pub pointer: String,
    /// What is wrong and what is allowed.
    pub detail: String,
}

impl FileFault {
    /// `file:line`
    pub fn place(&self) -> String {
        match self.line {
            Some(line) => format!("{}:{line}", self.file),
            None => self.file.clone(),
        }
    }
}

impl fmt::Display for FileFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.place(), self.pointer, self.detail)
    }
}

/// Why nothing was applied.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The files are faulty.
    #[error("{}", .0.iter().map(FileFault::to_string).collect::<Vec<_>>().join("\n"))]
    Faults(Vec<FileFault>),
    /// The store does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Says what the documents would change, and changes nothing.
///
/// # Errors
/// Everything that is wrong, in all files at once.
pub fn plan(store: &Store, documents: &Documents, now: Timestamp) -> Result<Plan, ApplyError> {
    run(store, documents, "plan", now, Keep::Nothing)
}

/// Makes the documents so, all or none, and says what changed.
///
/// # Errors
/// Everything that is wrong, in all files at once; nothing is changed then.
pub fn apply(
    store: &Store,
    documents: &Documents,
    who: &str,
    now: Timestamp,
) -> Result<Plan, ApplyError> {
    run(store, documents, who, now, Keep::Changes)
}

fn run(
    store: &Store,
    documents: &Documents,
    who: &str,
    now: Timestamp,
    keep: Keep,
) -> Result<Plan, ApplyError> {
    store.write(|view| {
        let mut plan = Plan::default();
        let mut faults = Vec::new();
        let mut broken = HashSet::new();
        // Each claims its names anew, so that documents may exchange them in any order.
        for draft in &documents.drafts {
            view.claim(draft.kind, &draft.id, &[])?;
        }
        for draft in &documents.drafts {
            let body = with_status(view, draft)?;
            match check(view, draft.kind, &draft.id, &body, now, &|_| true) {
                Ok(checked) => {
                    plan.entries.push(entry(draft, &checked));
                    checked.write(view, who)?;
                }
                Err(Refused::Faults(mut found)) => {
                    excuse(draft, &body, &broken, &mut found);
                    faults.extend(found.iter().map(|fault| documents.fault(draft, fault)));
                    broken.insert((draft.kind, draft.id.clone()));
                }
                Err(Refused::Store(error)) => return Err(error.into()),
            }
        }
        if faults.is_empty() {
            Ok((plan, keep))
        } else {
            Err(ApplyError::Faults(faults))
        }
    })
}

/// Does not tell that a parent is missing where the parent's own faults are told.
fn excuse(draft: &Draft, body: &Value, broken: &HashSet<(Kind, String)>, faults: &mut Vec<Fault>) {
    let mut references = Vec::new();
    if draft.kind == Kind::Floors {
        let pointer = "/id".to_owned();
        references.push(Reference {
            pointer,
            kind: Kind::Publisher,
            id: draft.id.clone(),
        });
    }
    if let Ok(resource) = Resource::read(draft.kind, body) {
        references.extend(resource.references());
    }
    let told = references
        .into_iter()
        .filter(|reference| broken.contains(&(reference.kind, reference.id.clone())));
    let told: Vec<String> = told.map(|reference| reference.pointer).collect();
    faults.retain(|fault| !told.contains(&fault.pointer));
}

/// The body of a draft; a document that is paused stays so unless the file says otherwise.
fn with_status(view: &View<'_>, draft: &Draft) -> Result<Value, StoreError> {
    let mut body = draft.body.clone();
    if draft.kind == Kind::Floors {
        return Ok(body);
    }
    let paused = Value::from(Status::Paused.word());
    if let Some(object) = body
        .as_object_mut()
        .filter(|object| !object.contains_key("status"))
        && let Some(before) = view.get(draft.kind, &draft.id)?
        && before.body["status"] == paused
    {
        object.insert("status".to_owned(), paused);
    }
    Ok(body)
}

fn entry(draft: &Draft, checked: &Checked) -> Entry {
    let change = match &checked.before {
        None => Change::Created,
        Some(_) if !checked.changes() => Change::Unchanged,
        Some(before) => {
            let mut fields = diff::diff(&before.body, &checked.record.body);
            if fields.is_empty() {
                let (old, new) = (Some("archived".into()), Some("active".into()));
                fields.push(FieldChange {
                    pointer: "/status".to_owned(),
                    old,
                    new,
                });
            }
            Change::Changed(fields)
        }
    };
    Entry {
        kind: draft.kind,
        id: draft.id.clone(),
        change,
    }
}

#[cfg(test)]
mod tests;
