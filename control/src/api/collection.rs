//! Lists of documents, and new ones.

use super::Api;
use super::body::{bytes, flag, json, number, parameter, query, split};
use super::presentation::{answer, body, element};
use super::problem::Problem;
use crate::access::{Caller, Deed, digest, hash, hexadecimal};
use crate::check::check;
use crate::fault::Fault;
use crate::resource::Kind;
use crate::store::{Filter, Keep, Record, View};
use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde_json::Value;
use serde_json::json as object;
use std::sync::Arc;

const MOST_LISTED: usize = 500;

/// `GET /v1/{kind}`
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    Path(path): Path<String>,
    request: Request,
) -> Result<Json<Value>, Problem> {
    let (parts, _) = request.into_parts();
    let (caller, kind) = api.permitted(&parts, &path, Deed::Read)?;
    let parent = kind
        .fixed_fields()
        .iter()
        .copied()
        .find(|field| *field != "currency");
    let mut known = vec!["limit", "cursor", "archived"];
    known.extend(parent);
    let query = query(&parts, &known)?;
    let limit = number(&query, "limit", 50, MOST_LISTED)?;
    let filter = Filter {
        after: parameter(&query, "cursor").unwrap_or_default().to_owned(),
        accounts: caller.scope(),
        parent: parent
            .and_then(|parent| parameter(&query, parent))
            .map(str::to_owned),
        archived: flag(&query, "archived")?,
        limit: limit + 1,
    };
    api.store.read(|view| {
        let mut records = view.list(kind, &filter)?;
        let more = records.len() > limit;
        records.truncate(limit);
        let next = records.last().filter(|_| more).map(|last| last.id.clone());
        let items: Result<Vec<Value>, _> = records
            .iter()
            .map(|record| element(view, record, &*api.hooks))
            .collect();
        Ok(Json(object!({ "items": items?, "next": next })))
    })
}

/// `POST /v1/{kind}`
pub(super) async fn create(
    State(api): State<Arc<Api>>,
    Path(path): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let (caller, kind) = api.permitted(&parts, &path, Deed::Write)?;
    if kind == Kind::Floors {
        let detail = "floors belong to a publisher: PUT /v1/floors/pub_…";
        return Err(Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail));
    }
    let only_check = flag(&query(&parts, &["validate_only"])?, "validate_only")?;
    let bytes = bytes(&api, &parts, body).await?;
    let repeat = repeat_key(&parts, &bytes)?.filter(|_| !only_check);
    let given = json(&bytes)?;
    let new = New {
        api: &api,
        caller: &caller,
        kind,
        only_check,
    };
    let (response, changed) = api.store.write(|view| match &repeat {
        Some(repeat) => new.once(view, given, repeat),
        None => new.create(view, given).map(Created::answered),
    })?;
    if changed {
        api.hooks.on_change();
    }
    Ok(response)
}

struct New<'a> {
    api: &'a Api,
    caller: &'a Caller,
    kind: Kind,
    only_check: bool,
}

struct Created {
    record: Record,
    shown: Value,
    secret: Option<String>,
    only_check: bool,
}

impl Created {
    fn answered(self) -> ((Response, bool), Keep) {
        if self.only_check {
            return (
                (answer(StatusCode::OK, &self.record, &self.shown), false),
                Keep::Nothing,
            );
        }
        let mut shown = self.shown;
        if let Some(secret) = self.secret {
            shown["secret"] = secret.into();
        }
        let mut response = answer(StatusCode::CREATED, &self.record, &shown);
        let location = format!("/v1/{}/{}", self.record.kind, self.record.id);
        if let Ok(location) = HeaderValue::from_str(&location) {
            response.headers_mut().insert(header::LOCATION, location);
        }
        ((response, true), Keep::Changes)
    }
}

impl New<'_> {
    fn create(&self, view: &View<'_>, mut given: Value) -> Result<Created, Problem> {
        let now = self.api.hooks.now();
        let id = split(self.kind, &mut given)?;
        if id.is_some() && self.caller.scope().is_some() {
            let detail = "only an admin may choose an id, leave it out";
            return Err(Problem::unprocessable(vec![Fault::new("/id", detail)]));
        }
        let id = id.unwrap_or_else(|| self.kind.fresh_id(&self.api.hooks.entropy()));
        if view.get(self.kind, &id)?.is_some() {
            let detail = format!("`{id}` exists already");
            let faults = vec![Fault::new("/id", detail)];
            return Err(Problem {
                status: StatusCode::CONFLICT,
                faults,
            });
        }
        let secret = self.secret(&mut given);
        let owns = |account: &str| self.caller.owns(account);
        let checked = check(view, self.kind, &id, &given, now, &owns)?;
        let record = checked.write(view, &self.caller.who)?;
        let shown = body(view, &record, &*self.api.hooks)?;
        Ok(Created {
            record,
            shown,
            secret,
            only_check: self.only_check,
        })
    }

    /// Makes the secret of a key that brings no hash.
    fn secret(&self, given: &mut Value) -> Option<String> {
        let given = given.as_object_mut().filter(|_| self.kind == Kind::Key)?;
        if given.get("sha256").is_some_and(|hash| !hash.is_null()) {
            return None;
        }
        let secret = format!("gvl_{}", hexadecimal(&self.api.hooks.entropy()));
        given.insert("sha256".to_owned(), hash(secret.as_bytes()).into());
        Some(secret)
    }

    /// Creates once for one `Idempotency-Key`. A key's secret is not remembered: whoever did
    /// not receive it makes another key.
    fn once(
        &self,
        view: &View<'_>,
        given: Value,
        repeat: &Repeat,
    ) -> Result<((Response, bool), Keep), Problem> {
        let who = &self.caller.who;
        if let Some((request, answered)) = view.remembered(who, &repeat.key)? {
            if request != repeat.request {
                let detail = "the Idempotency-Key was used for another request";
                return Err(Problem::unprocessable(vec![Fault::new("", detail)]));
            }
            return replay(view, self.kind, &answered)
                .map(|response| ((response, false), Keep::Nothing));
        }
        let created = self.create(view, given)?;
        let remembered = object!({ "id": created.record.id, "version": created.record.version,
            "shown": created.shown });
        let now = self.api.hooks.now();
        view.remember(
            who,
            &repeat.key,
            &repeat.request,
            &remembered.to_string(),
            now,
        )?;
        Ok(created.answered())
    }
}

fn replay(view: &View<'_>, kind: Kind, answered: &str) -> Result<Response, Problem> {
    let gone = || Problem::new(StatusCode::GONE, "the remembered answer cannot be read");
    let answered = json(answered.as_bytes())?;
    let id = answered["id"].as_str().ok_or_else(gone)?;
    let mut record = view.get(kind, id)?.ok_or_else(gone)?;
    record.version = answered["version"].as_u64().ok_or_else(gone)?;
    let mut response = answer(StatusCode::CREATED, &record, &answered["shown"]);
    response
        .headers_mut()
        .insert("idempotency-replayed", HeaderValue::from_static("true"));
    Ok(response)
}

struct Repeat {
    key: String,
    request: [u8; 32],
}

fn repeat_key(parts: &Parts, bytes: &[u8]) -> Result<Option<Repeat>, Problem> {
    let Some(value) = parts.headers.get("idempotency-key") else {
        return Ok(None);
    };
    let key = value
        .to_str()
        .ok()
        .filter(|key| (1..=255).contains(&key.len()));
    let Some(key) = key else {
        return Err(Problem::bad_request(
            "Idempotency-Key: expected 1 to 255 plain letters",
        ));
    };
    let whole = [parts.uri.path().as_bytes(), b"\n", bytes].concat();
    Ok(Some(Repeat {
        key: key.to_owned(),
        request: digest(&whole),
    }))
}
