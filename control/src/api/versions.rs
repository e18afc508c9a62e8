//! What only floors have: how they serve, who changed them and when, and the way back.

use super::Api;
use super::body::{number, parameter, query};
use super::item::{own, save};
use super::problem::Problem;
use crate::access::{Caller, Deed};
use crate::resource::{Kind, Resource};
use crate::store::{Record, Version, View};
use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};
use std::sync::Arc;

const KIND: Kind = Kind::Floors;

fn floors(view: &View<'_>, caller: &Caller, id: &str) -> Result<Record, Problem> {
    own(view, caller, KIND, id)?.ok_or_else(|| Problem::not_found(KIND, id))
}

/// `GET /v1/floors/{id}/status`
pub(super) async fn status(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Json<Value>, Problem> {
    let (parts, _) = request.into_parts();
    let (caller, _) = api.permitted(&parts, KIND.path(), Deed::Read)?;
    query(&parts, &[])?;
    let record = api.store.read(|view| floors(view, &caller, &id))?;
    if record.archived {
        return Err(Problem::not_found(KIND, &id));
    }
    let rules = match record.resource()? {
        Resource::Floors(floors) => floors.rules(api.hooks.now()).0,
        _ => return Err(Problem::not_found(KIND, &id)),
    };
    let groups = rules.data.iter().flat_map(|data| &data.groups);
    let groups: Vec<Value> = groups
        .map(|group| json!({ "version": &*group.version, "rules": group.rules.len() }))
        .collect();
    Ok(Json(json!({
        "version": record.version,
        "enabled": rules.enabled,
        "groups": groups,
        "feed": api.hooks.floor_feed(&id),
    })))
}

/// `GET /v1/floors/{id}/versions`
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Json<Value>, Problem> {
    let (parts, _) = request.into_parts();
    let (caller, _) = api.permitted(&parts, KIND.path(), Deed::Read)?;
    let query = query(&parts, &["limit", "cursor"])?;
    let limit = number(&query, "limit", 50, 500)?;
    let from = match parameter(&query, "cursor") {
        None => u64::MAX,
        Some(text) => version_number(text)?,
    };
    let versions = api.store.read(|view| -> Result<_, Problem> {
        let document = floors(view, &caller, &id)?;
        Ok(view.versions(&document, from, limit)?)
    })?;
    let last = versions.last().map_or(0, |last| last.number);
    let next = (last > 1 && versions.len() == limit).then(|| (last - 1).to_string());
    let items: Vec<Value> = versions.iter().map(line).collect();
    Ok(Json(json!({ "items": items, "next": next })))
}

/// `GET /v1/floors/{id}/versions/{version}`
pub(super) async fn show(
    State(api): State<Arc<Api>>,
    Path((id, version)): Path<(String, String)>,
    request: Request,
) -> Result<Json<Value>, Problem> {
    let (parts, _) = request.into_parts();
    let (caller, _) = api.permitted(&parts, KIND.path(), Deed::Read)?;
    query(&parts, &[])?;
    let version = find(&api, &caller, &id, &version)?;
    let mut shown = line(&version);
    shown["floors"] = version.body.into();
    Ok(Json(shown))
}

/// `POST /v1/floors/{id}/versions/{version}/restore`: the old content becomes a new version.
pub(super) async fn restore(
    State(api): State<Arc<Api>>,
    Path((id, version)): Path<(String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, _) = request.into_parts();
    let (caller, _) = api.permitted(&parts, KIND.path(), Deed::Write)?;
    let version = find(&api, &caller, &id, &version)?;
    let Some(body) = version.body else {
        let detail = format!(
            "version {} has no floors: they were archived",
            version.number
        );
        return Err(Problem::new(StatusCode::CONFLICT, detail));
    };
    save(&api, &parts, &caller, KIND, &id, |_| Ok(body))
}

fn find(api: &Api, caller: &Caller, id: &str, version: &str) -> Result<Version, Problem> {
    let number = version_number(version)?;
    let found = api.store.read(|view| -> Result<_, Problem> {
        let document = floors(view, caller, id)?;
        Ok(view.versions(&document, number, 1)?)
    })?;
    let found = found.into_iter().next();
    found.filter(|found| found.number == number).ok_or_else(|| {
        let detail = format!("the floors of {id} have no version {number}");
        Problem::new(StatusCode::NOT_FOUND, detail)
    })
}

fn version_number(text: &str) -> Result<u64, Problem> {
    let number = text.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| {
        let detail = format!("expected the number of a version, found {text}");
        Problem::bad_request(detail)
    })
}

fn line(version: &Version) -> Value {
    json!({
        "version": version.number,
        "at": version.at.to_string(),
        "who": version.who,
        "archived": version.body.is_none(),
    })
}
