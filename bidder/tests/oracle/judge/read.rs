//! JSON read the way lenient receivers read it: numbers as texts, one value for a list of one.

use serde_json::Value;

pub(crate) fn list(value: &Value) -> Vec<&Value> {
    match value {
        Value::Null => Vec::new(),
        Value::Array(values) => values.iter().filter(|value| !value.is_null()).collect(),
        other => vec![other],
    }
}

pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

pub(crate) fn texts(value: &Value) -> Vec<String> {
    list(value).into_iter().map(text).collect()
}

pub(crate) fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.parse().ok(),
        Value::Bool(yes) => Some(f64::from(u8::from(*yes))),
        _ => None,
    }
}

pub(crate) fn numbers(value: &Value) -> Vec<f64> {
    list(value).into_iter().filter_map(number).collect()
}

pub(crate) fn flag(value: &Value) -> bool {
    number(value).is_some_and(|number| number != 0.0) || value.as_str() == Some("true")
}
