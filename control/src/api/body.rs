//! What a request carries: its JSON, its query parameters and its preconditions.

use super::Api;
use super::problem::Problem;
use crate::fault::Fault;
use crate::resource::Kind;
use crate::store::Record;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Query;
use axum::http::request::Parts;
use axum::http::{HeaderName, StatusCode, header};
use serde_json::Value;

/// Fields that answers carry and that bodies may bring back; they decide nothing.
const SHOWN_ONLY: [&str; 3] = ["version", "updated_at", "serving"];

/// Reads the body within its limit.
pub(super) async fn bytes(api: &Api, parts: &Parts, body: Body) -> Result<Bytes, Problem> {
    let kind = parts
        .headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    if let Some(kind) = kind.filter(|kind| !kind.to_ascii_lowercase().contains("json")) {
        let detail = format!("expected Content-Type: application/json, found {kind}");
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
    }
    let most = api.settings.max_body_bytes;
    to_bytes(body, most).await.map_err(|_| {
        let detail = format!("the body is larger than {most} bytes or broke off");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
    })
}

/// The JSON of a body.
pub(super) fn json(bytes: &[u8]) -> Result<Value, Problem> {
    serde_json::from_slice(bytes)
        .map_err(|error| Problem::bad_request(format!("the body is not JSON: {error}")))
}

/// Takes the id, and what is only shown, out of a body.
pub(super) fn split(kind: Kind, body: &mut Value) -> Result<Option<String>, Problem> {
    let Some(object) = body.as_object_mut().filter(|_| kind != Kind::Floors) else {
        return Ok(None);
    };
    for name in SHOWN_ONLY {
        object.remove(name);
    }
    match object.remove("id") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(id)) => Ok(Some(id)),
        Some(other) => {
            let detail = format!("expected a text, found {}", crate::model::shown(&other));
            Err(Problem::unprocessable(vec![Fault::new("/id", detail)]))
        }
    }
}

/// The query parameters, each among `known`.
pub(super) fn query(parts: &Parts, known: &[&str]) -> Result<Vec<(String, String)>, Problem> {
    let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri)
        .map_err(|error| Problem::bad_request(format!("the query cannot be read: {error}")))?;
    if let Some((name, _)) = pairs
        .iter()
        .find(|(name, _)| !known.contains(&name.as_str()))
    {
        let hint = crate::fault::suggestion(name, known);
        return Err(Problem::bad_request(format!(
            "unknown query parameter `{name}`{hint}"
        )));
    }
    Ok(pairs)
}

/// The value of a query parameter.
pub(super) fn parameter<'q>(query: &'q [(String, String)], name: &str) -> Option<&'q str> {
    query
        .iter()
        .find(|(known, _)| known == name)
        .map(|(_, value)| value.as_str())
}

/// A parameter that is `true` or `false`.
pub(super) fn flag(query: &[(String, String)], name: &str) -> Result<bool, Problem> {
    match parameter(query, name) {
        None | Some("false") => Ok(false),
        Some("" | "true") => Ok(true),
        Some(other) => {
            let detail = format!("query parameter {name}: expected true or false, found {other}");
            Err(Problem::bad_request(detail))
        }
    }
}

/// A parameter that is a number from 1.
pub(super) fn number(
    query: &[(String, String)],
    name: &str,
    default: usize,
    most: usize,
) -> Result<usize, Problem> {
    let Some(text) = parameter(query, name) else {
        return Ok(default);
    };
    let number = text
        .parse()
        .ok()
        .filter(|number| (1..=most).contains(number));
    number.ok_or_else(|| {
        let detail = format!("query parameter {name}: expected 1 to {most}, found {text}");
        Problem::bad_request(detail)
    })
}

/// The entity tag of a record.
pub(super) fn etag(record: &Record) -> String {
    format!("\"{}\"", record.version)
}

/// Checks `If-Match` and `If-None-Match: *` against what is stored.
pub(super) fn preconditions(parts: &Parts, before: Option<&Record>) -> Result<(), Problem> {
    let failed = |detail: String| Err(Problem::new(StatusCode::PRECONDITION_FAILED, detail));
    if let Some(wanted) = tags(parts, &header::IF_MATCH) {
        let Some(before) = before.filter(|before| !before.archived) else {
            return failed("If-Match is given, and there is no such document".to_owned());
        };
        let now = etag(before);
        if !wanted.iter().any(|tag| tag == "*" || *tag == now) {
            return failed(format!("the document has changed, its ETag is {now}"));
        }
    }
    if let Some(unwanted) = tags(parts, &header::IF_NONE_MATCH)
        && before.is_some_and(|before| {
            unwanted
                .iter()
                .any(|tag| tag == "*" || *tag == etag(before))
        })
    {
        return failed("the document exists already".to_owned());
    }
    Ok(())
}

fn tags(parts: &Parts, name: &HeaderName) -> Option<Vec<String>> {
    let values: Vec<_> = parts.headers.get_all(name).iter().collect();
    if values.is_empty() {
        return None;
    }
    let texts = values.into_iter().filter_map(|value| value.to_str().ok());
    let tags = texts.flat_map(|text| text.split(','));
    Some(
        tags.map(|tag| tag.trim().trim_start_matches("W/").to_owned())
            .collect(),
    )
}
