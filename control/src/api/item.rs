//! One document: look, replace, patch, put away.

use super::Api;
use super::body::{bytes, flag, json, preconditions, query, split};
use super::merge::merge_patch;
use super::presentation::{answer, body};
use super::problem::Problem;
use crate::access::{Caller, Deed};
use crate::check::check;
use crate::fault::Fault;
use crate::resource::Kind;
use crate::store::{Keep, Record, View};
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use std::sync::Arc;

type Place = Path<(String, String)>;

/// `GET /v1/{kind}/{id}`
pub(super) async fn read(
    State(api): State<Arc<Api>>,
    Path((path, id)): Place,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, _) = request.into_parts();
    let (caller, kind) = api.permitted(&parts, &path, Deed::Read)?;
    query(&parts, &[])?;
    api.store.read(|view| {
        let record = own(view, &caller, kind, &id)?.ok_or_else(|| Problem::not_found(kind, &id))?;
        if kind == Kind::Floors && record.archived {
            return Err(Problem::not_found(kind, &id));
        }
        Ok(answer(
            StatusCode::OK,
            &record,
            &body(view, &record, &*api.hooks)?,
        ))
    })
}

/// `PUT /v1/{kind}/{id}`
pub(super) async fn replace(
    State(api): State<Arc<Api>>,
    Path((path, id)): Place,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let (caller, kind) = api.permitted(&parts, &path, Deed::Write)?;
    let bytes = bytes(&api, &parts, body).await?;
    let given = json(&bytes)?;
    save(&api, &parts, &caller, kind, &id, |_| Ok(given))
}

/// `PATCH /v1/{kind}/{id}`
pub(super) async fn patch(
    State(api): State<Arc<Api>>,
    Path((path, id)): Place,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let (caller, kind) = api.permitted(&parts, &path, Deed::Write)?;
    let bytes = bytes(&api, &parts, body).await?;
    let given = json(&bytes)?;
    save(&api, &parts, &caller, kind, &id, |before| {
        let before = before.filter(|before| !(kind == Kind::Floors && before.archived));
        let before = before.ok_or_else(|| Problem::not_found(kind, &id))?;
        let mut body = before.body.clone();
        merge_patch(&mut body, &given);
        Ok(body)
    })
}

/// `DELETE /v1/{kind}/{id}`
pub(super) async fn archive(
    State(api): State<Arc<Api>>,
    Path((path, id)): Place,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, _) = request.into_parts();
    let (caller, kind) = api.permitted(&parts, &path, Deed::Write)?;
    let only_check = flag(&query(&parts, &["validate_only"])?, "validate_only")?;
    let now = api.hooks.now();
    let changed = api.store.write(|view| -> Result<(bool, Keep), Problem> {
        let before = own(view, &caller, kind, &id)?.ok_or_else(|| Problem::not_found(kind, &id))?;
        preconditions(&parts, Some(&before))?;
        if before.archived || only_check {
            return Ok((false, Keep::Nothing));
        }
        let mut record = Record {
            archived: true,
            updated_at: now,
            ..before.clone()
        };
        if kind != Kind::Floors {
            record.body["status"] = "archived".into();
        }
        view.put(record, &[], Some(&before), &caller.who)?;
        Ok((true, Keep::Changes))
    })?;
    if changed {
        api.hooks.on_change();
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// A document of the caller's accounts; what belongs to others does not exist for them.
pub(super) fn own(
    view: &View<'_>,
    caller: &Caller,
    kind: Kind,
    id: &str,
) -> Result<Option<Record>, Problem> {
    Ok(view
        .get(kind, id)?
        .filter(|record| caller.owns(&record.account)))
}

/// Whether a caller may choose this id. Only admins choose ids: a refusal would tell others
/// which ids are taken. Floors have the id of their publisher.
fn may_create(caller: &Caller, kind: Kind, id: &str) -> bool {
    caller.scope().is_none() || (kind == Kind::Floors && caller.owns(id))
}

pub(super) fn save(
    api: &Api,
    parts: &Parts,
    caller: &Caller,
    kind: Kind,
    id: &str,
    new_body: impl FnOnce(Option<&Record>) -> Result<Value, Problem>,
) -> Result<Response, Problem> {
    let only_check = flag(&query(parts, &["validate_only"])?, "validate_only")?;
    let now = api.hooks.now();
    let (response, changed) = api.store.write(|view| -> Result<_, Problem> {
        let stored = view.get(kind, id)?;
        let own = match &stored {
            Some(stored) => caller.owns(&stored.account),
            None => may_create(caller, kind, id),
        };
        if !own {
            return Err(Problem::not_found(kind, id));
        }
        let mut given = new_body(stored.as_ref())?;
        preconditions(parts, stored.as_ref())?;
        if let Some(other) = split(kind, &mut given)?.filter(|given| given != id) {
            let detail = format!("expected `{id}` as in the path, found `{other}`");
            return Err(Problem::unprocessable(vec![Fault::new("/id", detail)]));
        }
        let checked = check(view, kind, id, &given, now, &|account| caller.owns(account))?;
        let changes = checked.changes();
        let existed = checked.before.is_some();
        let record = checked.write(view, &caller.who)?;
        let shown = body(view, &record, &*api.hooks)?;
        if only_check {
            return Ok((
                (answer(StatusCode::OK, &record, &shown), false),
                Keep::Nothing,
            ));
        }
        let status = if existed {
            StatusCode::OK
        } else {
            StatusCode::CREATED
        };
        Ok(((answer(status, &record, &shown), changes), Keep::Changes))
    })?;
    if changed {
        api.hooks.on_change();
    }
    Ok(response)
}
