//! Refused notices: listed in pages, and judged again after a fix. For the operator alone: they
//! concern the money of every account.

use super::body::{bytes, json, number, parameter, query};
use super::problem::Problem;
use super::{Api, Letters};
use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use ledger::event::Fault;
use serde_json::{Value, json};
use std::sync::Arc;

/// Most notices of one page, and of one replay.
const MOST: usize = 1_000;

/// `GET /v1/notices/refused?reason=&exchange=&state=&limit=&cursor=`
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    request: Request,
) -> Result<Json<Value>, Problem> {
    let (parts, _) = request.into_parts();
    api.operator(&parts)?;
    let query = query(&parts, &["reason", "exchange", "state", "limit", "cursor"])?;
    let open = match parameter(&query, "state") {
        None | Some("open") => true,
        Some("all") => false,
        Some(other) => {
            let detail = format!("query parameter state: expected open or all, found {other}");
            return Err(Problem::bad_request(detail));
        }
    };
    let cursor = parameter(&query, "cursor").map(|text| {
        text.parse().map_err(|_| {
            let detail = format!("query parameter cursor: expected a number, found {text}");
            Problem::bad_request(detail)
        })
    });
    let limit = number(&query, "limit", 50, MOST)?;
    let wanted = Letters {
        reason: parameter(&query, "reason").map(str::to_owned),
        exchange: parameter(&query, "exchange").map(str::to_owned),
        ids: Vec::new(),
        open,
        from: cursor.transpose()?,
        limit: limit as u32,
    };
    check(wanted.reason.as_deref())
        .map_err(|detail| Problem::bad_request(format!("query parameter reason: {detail}")))?;
    let items = api.hooks.refused_notices(&wanted).map_err(unavailable)?;
    let last = items.last().filter(|_| items.len() == limit);
    let next = last.and_then(|last| last["id"].as_i64());
    let next = next.map(|id| id.to_string());
    Ok(Json(json!({ "items": items, "next": next })))
}

/// `POST /v1/notices/refused/replay`
pub(super) async fn replay(
    State(api): State<Arc<Api>>,
    request: Request,
) -> Result<Json<Value>, Problem> {
    let (parts, body) = request.into_parts();
    api.operator(&parts)?;
    query(&parts, &[])?;
    let body = bytes(&api, &parts, body).await?;
    let body = if body.is_empty() {
        json!({})
    } else {
        json(&body)?
    };
    let wanted = read(&body).map_err(Problem::unprocessable)?;
    api.hooks
        .replay_notices(&wanted)
        .map(Json)
        .map_err(unavailable)
}

fn unavailable(why: String) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, why)
}

fn check(reason: Option<&str>) -> Result<(), String> {
    // Books of older versions have a reason that does not come any more.
    let known = Fault::ALL.map(Fault::label);
    match reason {
        Some(reason) if reason != "unreadable" && !known.contains(&reason) => Err(format!(
            "expected one of {}, found {reason}",
            known.join(", ")
        )),
        Some(_) | None => Ok(()),
    }
}

/// What a body asks for, or everything that is wrong with it.
fn read(body: &Value) -> Result<Letters, Vec<crate::fault::Fault>> {
    let mut wanted = Letters {
        open: true,
        limit: MOST as u32,
        ..Letters::default()
    };
    let Some(object) = body.as_object() else {
        return Err(vec![crate::fault::Fault::new("", "expected an object")]);
    };
    let mut faults = Vec::new();
    for (name, value) in object {
        let text = || value.as_str().map(str::to_owned).ok_or("expected a text");
        let read = match name.as_str() {
            "reason" => text().map_err(str::to_owned).and_then(|reason| {
                check(Some(&reason))?;
                wanted.reason = Some(reason);
                Ok(())
            }),
            "exchange" => text().map_err(str::to_owned).map(|exchange| {
                wanted.exchange = Some(exchange);
            }),
            "ids" => ids(value).map(|ids| wanted.ids = ids),
            "after" => value
                .as_i64()
                .map(|after| wanted.from = Some(after))
                .ok_or_else(|| "expected a number".to_owned()),
            "limit" => value
                .as_u64()
                .filter(|limit| (1..=MOST as u64).contains(limit))
                .map(|limit| wanted.limit = limit as u32)
                .ok_or_else(|| format!("expected 1 to {MOST}")),
            other => {
                let known = ["reason", "exchange", "ids", "after", "limit"];
                let hint = crate::fault::suggestion(other, &known);
                Err(format!("unknown field{hint}"))
            }
        };
        if let Err(detail) = read {
            faults.push(crate::fault::Fault::new(format!("/{name}"), detail));
        }
    }
    if faults.is_empty() {
        Ok(wanted)
    } else {
        Err(faults)
    }
}

fn ids(value: &Value) -> Result<Vec<i64>, String> {
    let list = value
        .as_array()
        .filter(|list| (1..=MOST).contains(&list.len()));
    let list = list.ok_or_else(|| format!("expected a list of 1 to {MOST} numbers"))?;
    list.iter()
        .map(|id| {
            id.as_i64()
                .ok_or_else(|| format!("expected numbers, found {id}"))
        })
        .collect()
}
