//! Files into documents: TOML with the line of every value, or JSON.

use super::FileFault;
use crate::fault::{Fault, join, suggestion};
use crate::model::shown;
use crate::resource::Kind;
use serde_json::{Map, Number, Value};
use std::collections::BTreeMap;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A file as it was read.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its name, for messages; a name that ends in `.json` holds JSON, any other TOML.
    pub name: String,
    /// Its content.
    pub text: String,
}

/// A document of a file.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Kind.
    pub kind: Kind,
    /// Id.
    pub id: String,
    /// The body without the id.
    pub body: Value,
    /// Index of its file among the sources.
    pub file: usize,
    /// JSON pointer of the document in its file.
    pub pointer: String,
}

/// The documents of several files, parents before children.
#[derive(Clone, Debug, Default)]
pub struct Documents {
    /// The documents.
    pub drafts: Vec<Draft>,
    files: Vec<File>,
}

#[derive(Clone, Debug)]
struct File {
    name: String,
    /// Line of each pointer, from 1; empty for JSON.
    lines: BTreeMap<String, usize>,
}

impl Documents {
    /// Reads files.
    ///
    /// # Errors
    /// Everything that is wrong with their form: syntax, unknown kinds, missing or doubled ids.
    pub fn read(sources: &[Source]) -> Result<Self, Vec<FileFault>> {
        let mut documents = Self::default();
        let mut faults = Vec::new();
        for source in sources {
            match parse(source) {
                Ok((value, lines)) => {
                    documents.files.push(File {
                        name: source.name.clone(),
                        lines,
                    });
                    documents.add(&value, &mut faults);
                }
                Err(fault) => {
                    documents.files.push(File {
                        name: source.name.clone(),
                        lines: BTreeMap::new(),
                    });
                    faults.push(fault);
                }
            }
        }
        documents.doubles(&mut faults);
        documents
            .drafts
            .sort_by(|a, b| (a.kind, &a.id).cmp(&(b.kind, &b.id)));
        if faults.is_empty() {
            Ok(documents)
        } else {
            Err(faults)
        }
    }

    fn add(&mut self, value: &Value, faults: &mut Vec<FileFault>) {
        let file = self.files.len() - 1;
        let Some(kinds) = value.as_object() else {
            faults.push(self.at(file, Fault::new("", "expected an object of resource kinds")));
            return;
        };
        let known: Vec<&str> = Kind::ALL.iter().map(|kind| kind.path()).collect();
        for (path, list) in kinds {
            let at = join("", path);
            let Some(kind) = Kind::at(path) else {
                let detail = format!("unknown resource `{path}`{}", suggestion(path, &known));
                faults.push(self.at(file, Fault::new(at, detail)));
                continue;
            };
            match list {
                Value::Object(by_id) => {
                    for (id, body) in by_id {
                        self.draft(kind, Some(id), body, join(&at, id), faults);
                    }
                }
                Value::Array(list) if kind != Kind::Floors => {
                    for (index, body) in list.iter().enumerate() {
                        self.draft(kind, None, body, format!("{at}/{index}"), faults);
                    }
                }
                other => {
                    let detail = format!("expected documents by id, found {}", shown(other));
                    faults.push(self.at(file, Fault::new(at, detail)));
                }
            }
        }
    }

    fn draft(
        &mut self,
        kind: Kind,
        id: Option<&str>,
        body: &Value,
        pointer: String,
        faults: &mut Vec<FileFault>,
    ) {
        let file = self.files.len() - 1;
        let mut body = body.clone();
        let own = body.as_object_mut().filter(|_| kind != Kind::Floors);
        let own = own.and_then(|object| object.remove("id"));
        let id = match (id, own) {
            (Some(id), None) => id.to_owned(),
            (None, Some(Value::String(id))) => id,
            (Some(key), Some(Value::String(id))) if key == id => id,
            (_, Some(other)) => {
                let detail = format!("expected the document's id, found {}", shown(&other));
                faults.push(self.at(file, Fault::new(join(&pointer, "id"), detail)));
                return;
            }
            (None, None) => {
                let detail = format!("is required, for example {}…", kind.prefix());
                faults.push(self.at(file, Fault::new(join(&pointer, "id"), detail)));
                return;
            }
        };
        self.drafts.push(Draft {
            kind,
            id,
            body,
            file,
            pointer,
        });
    }

    fn doubles(&self, faults: &mut Vec<FileFault>) {
        let mut seen: BTreeMap<(Kind, &str), &Draft> = BTreeMap::new();
        for draft in &self.drafts {
            let Some(first) = seen.insert((draft.kind, &draft.id), draft) else {
                continue;
            };
            let first = self.at(first.file, Fault::new(first.pointer.clone(), ""));
            let detail = format!(
                "{} {} stands twice, first in {}",
                draft.kind,
                draft.id,
                first.place()
            );
            faults.push(self.at(draft.file, Fault::new(draft.pointer.clone(), detail)));
        }
    }

    /// The fault of a draft, in its file.
    pub(super) fn fault(&self, draft: &Draft, fault: &Fault) -> FileFault {
        let pointer = format!("{}{}", draft.pointer, fault.pointer);
        let mut placed = self.at(draft.file, Fault::new(pointer, fault.detail.clone()));
        placed.detail = format!("{} {}: {}", draft.kind, draft.id, placed.detail);
        placed
    }

    fn at(&self, file: usize, fault: Fault) -> FileFault {
        let file = &self.files[file];
        let mut known = fault.pointer.as_str();
        let line = loop {
            match file.lines.get(known) {
                Some(line) => break Some(*line),
                None => match known.rfind('/') {
                    Some(cut) => known = &known[..cut],
                    None => break None,
                },
            }
        };
        FileFault {
            file: file.name.clone(),
            line,
            pointer: fault.pointer,
            detail: fault.detail,
        }
    }
}

fn parse(source: &Source) -> Result<(Value, BTreeMap<String, usize>), FileFault> {
    let fault = |line: Option<usize>, detail: String| FileFault {
        file: source.name.clone(),
        line,
        pointer: String::new(),
        detail,
    };
    if source.name.to_ascii_lowercase().ends_with(".json") {
        let value = serde_json::from_str(&source.text)
            .map_err(|error| fault(Some(error.line()), format!("not JSON: {error}")))?;
        return Ok((value, BTreeMap::new()));
    }
    let starts: Vec<usize> = std::iter::once(0)
        .chain(source.text.match_indices('\n').map(|(at, _)| at + 1))
        .collect();
    let line = |span: &Range<usize>| starts.partition_point(|start| *start <= span.start);
    let table = DeTable::parse(&source.text).map_err(|error| {
        let line = error.span().map(|span| line(&span));
        fault(line, format!("not TOML: {}", error.message()))
    })?;
    let mut reader = Toml {
        lines: BTreeMap::new(),
        line: &line,
    };
    let value = reader.table("", table.get_ref());
    Ok((value, reader.lines))
}

struct Toml<'a> {
    lines: BTreeMap<String, usize>,
    line: &'a dyn Fn(&Range<usize>) -> usize,
}

impl Toml<'_> {
    fn table(&mut self, at: &str, table: &DeTable<'_>) -> Value {
        let mut object = Map::new();
        for (name, value) in table {
            let pointer = join(at, name.get_ref());
            self.lines
                .insert(pointer.clone(), (self.line)(&name.span()));
            let value = self.value(&pointer, value);
            object.insert(name.get_ref().to_string(), value);
        }
        Value::Object(object)
    }

    fn value(&mut self, at: &str, value: &Spanned<DeValue<'_>>) -> Value {
        match value.get_ref() {
            DeValue::String(text) => text.to_string().into(),
            DeValue::Boolean(flag) => (*flag).into(),
            DeValue::Datetime(time) => time.to_string().into(),
            DeValue::Integer(number) => {
                let digits = number.as_str();
                let parsed = i64::from_str_radix(digits, number.radix());
                parsed.map_or_else(|_| digits.into(), Value::from)
            }
            // What is no JSON number (nan, inf) stays a text, which no field takes for one.
            DeValue::Float(number) => {
                let parsed = number.as_str().parse().ok().and_then(Number::from_f64);
                parsed.map_or_else(|| number.as_str().into(), Value::Number)
            }
            DeValue::Array(list) => {
                let mut values = Vec::with_capacity(list.len());
                for (index, value) in list.iter().enumerate() {
                    let pointer = format!("{at}/{index}");
                    self.lines
                        .insert(pointer.clone(), (self.line)(&value.span()));
                    values.push(self.value(&pointer, value));
                }
                Value::Array(values)
            }
            DeValue::Table(table) => self.table(at, table),
        }
    }
}
