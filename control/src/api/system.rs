//! What concerns the node rather than a document: readiness, metrics, reload, statements, audit.

use super::body::{number, parameter, query};
use super::problem::Problem;
use super::{Api, Format};
use axum::Json;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::sync::Arc;

/// `GET /livez`
pub(super) async fn live() -> &'static str {
    "ok\n"
}

/// `GET /readyz`
pub(super) async fn ready(State(api): State<Arc<Api>>) -> Response {
    let missing = api.hooks.not_ready();
    let status = if missing.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (
        status,
        Json(json!({ "ready": missing.is_empty(), "not_ready": missing })),
    )
        .into_response()
}

/// `GET /metrics`
pub(super) async fn metrics(State(api): State<Arc<Api>>) -> Response {
    let kind = (header::CONTENT_TYPE, "text/plain; version=0.0.4");
    ([kind], api.hooks.metrics()).into_response()
}

/// `POST /v1/reload`
pub(super) async fn reload(
    State(api): State<Arc<Api>>,
    request: Request,
) -> Result<Json<Value>, Problem> {
    let (parts, _) = request.into_parts();
    api.operator(&parts)?;
    api.hooks.reload().map_err(Problem::unprocessable)?;
    Ok(Json(json!({ "reloaded": true })))
}

/// `GET /v1/statements?account=&month=&format=`
pub(super) async fn statement(
    State(api): State<Arc<Api>>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, _) = request.into_parts();
    let caller = api.caller(&parts)?;
    let query = query(&parts, &["account", "month", "format"])?;
    let required = |name: &str| {
        let missing = || Problem::bad_request(format!("query parameter {name} is required"));
        parameter(&query, name).ok_or_else(missing)
    };
    let (account, month) = (required("account")?, required("month")?);
    if !is_month(month) {
        let detail = format!("query parameter month: expected YYYY-MM, found {month}");
        return Err(Problem::bad_request(detail));
    }
    let format: Format = parameter(&query, "format")
        .unwrap_or("json")
        .parse()
        .map_err(|error| Problem::bad_request(format!("query parameter format: {error}")))?;
    let unknown = || Problem::not_found("the accounts", account);
    if !caller.owns(account) {
        return Err(unknown());
    }
    let refused = |why: String| Problem::new(StatusCode::SERVICE_UNAVAILABLE, why);
    let asked = api.hooks.statement(account, month, format);
    let text = asked.map_err(refused)?.ok_or_else(unknown)?;
    // What a page holds is text that others typed: it may be shown and nothing else.
    let headers = [
        (header::CONTENT_TYPE, format.media_type()),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
        ),
    ];
    Ok((headers, text).into_response())
}

fn is_month(text: &str) -> bool {
    text.len() == 7 && format!("{text}-01").parse::<jiff::civil::Date>().is_ok()
}

/// `GET /v1/audit`
pub(super) async fn audit(
    State(api): State<Arc<Api>>,
    request: Request,
) -> Result<Json<Value>, Problem> {
    let (parts, _) = request.into_parts();
    api.operator(&parts)?;
    let query = query(&parts, &["limit", "cursor"])?;
    let limit = number(&query, "limit", 50, 500)?;
    let before = match parameter(&query, "cursor") {
        None => u64::MAX,
        Some(text) => text.parse().map_err(|_| {
            Problem::bad_request(format!(
                "query parameter cursor: expected a number, found {text}"
            ))
        })?,
    };
    let entries = api.store.read(|view| view.audit(before, limit))?;
    let next = entries
        .last()
        .filter(|last| entries.len() == limit && last.seq > 1);
    let next = next.map(|last| last.seq.to_string());
    let items: Vec<Value> = entries
        .into_iter()
        .map(|entry| {
            json!({
                "seq": entry.seq,
                "at": entry.at.to_string(),
                "who": entry.who,
                "kind": entry.kind,
                "id": entry.id,
                "before": without_hash(entry.before),
                "after": without_hash(entry.after),
            })
        })
        .collect();
    Ok(Json(json!({ "items": items, "next": next })))
}

fn without_hash(mut body: Option<Value>) -> Option<Value> {
    if let Some(object) = body.as_mut().and_then(Value::as_object_mut) {
        object.remove("sha256");
    }
    body
}
