//! The `data` of a file: its model groups and their rules.

use super::reader::{Reader, join, shown};
use super::{MAX_GROUPS, present};
use crate::floor::rules::{Builder, Rules, Unusable};
use crate::floor::{Data, Field, Group, Silent};
use ledger::Currency;
use serde_json::{Map, Value};

/// What a group takes over from its `data`.
#[derive(Clone)]
struct Common {
    currency: Option<Currency>,
    skip_percent: Option<u8>,
    silent: Option<Silent>,
}

pub(super) fn data(reader: &mut Reader, at: &str, value: &Value) -> Option<Data> {
    let known = [
        "currency",
        "skipRate",
        "floorsSchemaVersion",
        "useFetchDataRate",
        "noFloorSignalBidders",
        "modelGroups",
    ];
    let object = reader.object(at, value, &known)?;
    if let Some(version) = present(object, "floorsSchemaVersion")
        && !matches!(version.as_i64(), Some(1 | 2))
        && !matches!(version.as_str(), Some("1" | "2"))
    {
        let problem = format!("expected 2, found {}", shown(version));
        reader.fault(&join(at, "floorsSchemaVersion"), problem);
    }
    let common = Common {
        currency: reader.currency(at, object, "currency"),
        skip_percent: reader.percent(at, object, "skipRate"),
        silent: reader.silent(at, object),
    };
    let use_percent = reader.percent(at, object, "useFetchDataRate");
    let pointer = join(at, "modelGroups");
    let groups = match object.get("modelGroups").and_then(Value::as_array) {
        None => {
            reader.fault(&pointer, "expected a list of model groups");
            return None;
        }
        Some(groups) if groups.len() > MAX_GROUPS => {
            reader.fault(&pointer, format!("more than {MAX_GROUPS} model groups"));
            return None;
        }
        Some(groups) => groups,
    };
    let mut kept = Vec::with_capacity(groups.len());
    for (index, value) in groups.iter().enumerate() {
        let before = reader.fault_count();
        let found = group(reader, &format!("{pointer}/{index}"), value, &common);
        // A file with too many rules is refused as a whole, by whomever it comes from.
        let forgivable = !reader.is_strict && !reader.has_too_many_rules;
        let forgiven = forgivable && reader.forgive(before);
        if !forgiven {
            kept.extend(found);
        }
    }
    Some(Data {
        use_percent: use_percent.unwrap_or(100),
        groups: kept,
    })
}

fn group(reader: &mut Reader, at: &str, value: &Value, common: &Common) -> Option<Group> {
    let known = [
        "currency",
        "modelWeight",
        "modelVersion",
        "skipRate",
        "schema",
        "values",
        "default",
        "noFloorSignalBidders",
    ];
    let object = reader.object(at, value, &known)?;
    let weight = reader.whole(at, object, "modelWeight", 1..=100);
    let currency = reader.currency(at, object, "currency").or(common.currency);
    let skip_percent = reader.percent(at, object, "skipRate");
    let silent = reader.silent(at, object).or_else(|| common.silent.clone());
    let default = reader.price(&join(at, "default"), object.get("default"));
    let rules = match present(object, "schema") {
        Some(schema) => rules(reader, at, schema, object.get("values")),
        None if present(object, "values").is_none() && default.is_some() => Rules::default(),
        None => {
            reader.fault(&join(at, "schema"), "required where there are values");
            Rules::default()
        }
    };
    let version = object.get("modelVersion").and_then(Value::as_str);
    Some(Group {
        version: version.unwrap_or_default().into(),
        weight: weight.unwrap_or(1),
        skip_percent: skip_percent.or(common.skip_percent),
        currency: currency.unwrap_or(crate::price::USD),
        default,
        silent,
        rules,
    })
}

fn rules(reader: &mut Reader, at: &str, schema: &Value, values: Option<&Value>) -> Rules {
    let pointer = join(at, "schema");
    let Some(object) = reader.object(&pointer, schema, &["fields", "delimiter"]) else {
        return Rules::default();
    };
    let delimiter = delimiter(reader, &pointer, object);
    let names = join(&pointer, "fields");
    let fields = fields(reader, &names, object.get("fields"));
    let pointer = join(at, "values");
    let Some(values) = values.and_then(Value::as_object) else {
        reader.fault(&pointer, "expected an object of rules and prices");
        return Rules::default();
    };
    let Some(left) = reader.rules_left.checked_sub(values.len()) else {
        let problem = format!("more than {} rules in a file", reader.max_rules);
        reader.fault(&pointer, problem);
        reader.has_too_many_rules = true;
        return Rules::default();
    };
    reader.rules_left = left;
    // Without sound fields the prices are looked at all the same, so that all faults are told.
    let mut builder = fields.map(Builder::new);
    for (rule, price) in values {
        let at = join(&pointer, rule);
        let before = reader.fault_count();
        let Some(price) = reader.price(&at, Some(price)) else {
            if price.is_null() {
                reader.useless(&at, "expected a price of 0 or more, found null");
            } else if !reader.is_strict {
                reader.forgive(before);
            }
            continue;
        };
        if let Some(builder) = &mut builder
            && let Err(unusable) = builder.insert(rule, delimiter, price)
        {
            let problem = problem(&unusable, builder.fields());
            reader.useless(&at, problem);
        }
    }
    builder.map(Builder::build).unwrap_or_default()
}

/// Why a rule is of no use.
fn problem(unusable: &Unusable, fields: &[Field]) -> String {
    match unusable {
        Unusable::Parts(found) => {
            format!("the rule has {found} parts for {} fields", fields.len())
        }
        Unusable::Repeated => "another rule matches the same values".to_owned(),
        Unusable::Value { field, allowed } => {
            let place = field + 1;
            format!("part {place} never matches, expected * or one of {allowed}")
        }
        Unusable::TooMany => format!("more than {} rules", super::MAX_RULES),
    }
}

fn delimiter(reader: &mut Reader, at: &str, object: &Map<String, Value>) -> char {
    let Some(value) = present(object, "delimiter") else {
        return '|';
    };
    let mut chars = value.as_str().unwrap_or_default().chars();
    match (chars.next(), chars.next()) {
        (Some(only), None) if only != '*' => only,
        _ => {
            let found = shown(value);
            let problem = format!("expected one character other than *, found {found}");
            reader.fault(&join(at, "delimiter"), problem);
            '|'
        }
    }
}

fn fields(reader: &mut Reader, at: &str, value: Option<&Value>) -> Option<Vec<Field>> {
    let mut fields = Vec::new();
    let names = value
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    if names.is_empty() {
        reader.fault(at, "expected a list of field names");
    }
    let mut sound = !names.is_empty();
    for (index, name) in names.iter().enumerate() {
        let pointer = format!("{at}/{index}");
        let problem = match name.as_str().and_then(Field::named) {
            Some(field) if fields.contains(&field) => {
                format!("{} stands twice", shown(name))
            }
            Some(field) => {
                fields.push(field);
                continue;
            }
            None => {
                let known: Vec<&str> = Field::ALL.iter().map(|(name, _)| *name).collect();
                let known = known.join(", ");
                format!("expected one of {known}, found {}", shown(name))
            }
        };
        sound = false;
        reader.fault(&pointer, problem);
    }
    Some(fields).filter(|_| sound)
}
