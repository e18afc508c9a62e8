//! Documents as answers show them.

use super::Hooks;
use super::body::etag;
use crate::resource::creative::Review;
use crate::resource::{Advertiser, Campaign, Creative, Kind, LineItem, Resource, Status};
use crate::serving::{Chain, shown};
use crate::store::{Filter, Record, StoreError, View};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// Most exchanges for which a creative's answer says what serves there.
const MOST_EXCHANGES: usize = 200;

/// The body of a record: its fields, its id, and what only answers carry. Floors are shown as
/// the publisher gave them.
pub(super) fn body(
    view: &View<'_>,
    record: &Record,
    hooks: &dyn Hooks,
) -> Result<Value, StoreError> {
    let mut body = record.body.clone();
    if record.kind == Kind::Floors {
        return Ok(body);
    }
    body["id"] = record.id.as_str().into();
    body["version"] = record.version.into();
    body["updated_at"] = record.updated_at.to_string().into();
    if let Some(object) = body.as_object_mut().filter(|_| record.kind == Kind::Key) {
        object.remove("sha256");
    }
    match record.resource()? {
        Resource::LineItem(line_item) => {
            body["serving"] = serving(view, &record.id, &line_item, hooks)?;
        }
        Resource::Creative(creative) => body["serving"] = at_exchanges(view, &creative)?,
        _ => {}
    }
    Ok(body)
}

/// Like [`body`], for a list, where floors need their id.
pub(super) fn element(
    view: &View<'_>,
    record: &Record,
    hooks: &dyn Hooks,
) -> Result<Value, StoreError> {
    let body = body(view, record, hooks)?;
    if record.kind != Kind::Floors {
        return Ok(body);
    }
    Ok(json!({
        "id": record.id,
        "version": record.version,
        "updated_at": record.updated_at.to_string(),
        "floors": body,
    }))
}

/// An answer that shows one document.
pub(super) fn answer(status: StatusCode, record: &Record, body: &Value) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "application/json".to_owned()),
        (header::ETAG, etag(record)),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    (status, headers, body.to_string()).into_response()
}

fn serving(
    view: &View<'_>,
    id: &str,
    line_item: &LineItem,
    hooks: &dyn Hooks,
) -> Result<Value, StoreError> {
    let campaign = campaign(view, &line_item.campaign.0)?;
    let advertiser = match &campaign {
        Some(campaign) => advertiser(view, &campaign.advertiser.0)?,
        None => None,
    };
    let mut creatives = Vec::new();
    for id in &line_item.creatives {
        creatives.extend(creative(view, &id.0)?);
    }
    let chain = Chain {
        id,
        line_item,
        campaign: campaign.as_deref(),
        advertiser: advertiser.as_deref(),
        creatives: creatives.iter().map(|creative| &**creative).collect(),
    };
    let mut reasons = chain.reasons(hooks.now());
    if reasons.is_empty() {
        reasons = hooks.withheld(id);
    }
    Ok(shown(&reasons))
}

/// Which revision of a creative serves at each exchange, and why none does.
fn at_exchanges(view: &View<'_>, creative: &Creative) -> Result<Value, StoreError> {
    let filter = Filter {
        limit: MOST_EXCHANGES,
        ..Filter::default()
    };
    let mut told = Vec::new();
    for record in view.list(Kind::Exchange, &filter)? {
        let Resource::Exchange(exchange) = record.resource()? else {
            continue;
        };
        let revision = creative.serving(&record.id, exchange.requires_approval);
        let latest = creative.number();
        let review = creative.review(&record.id, latest);
        let reason = match (revision, review) {
            (Some(serving), _) if serving == latest => None,
            (_, Some(review)) => review.reason.as_ref().map(|reason| reason.0.clone()),
            (_, None) => None,
        };
        let state = match (revision == Some(latest), review.map(|review| review.state)) {
            (true, _) => "serving",
            (false, Some(Review::Rejected)) => "rejected",
            (false, _) => "pending",
        };
        told.push(
            json!({ "exchange": record.id, "state": state, "revision": revision,
            "reason": reason }),
        );
    }
    Ok(told.into())
}

fn in_use(view: &View<'_>, kind: Kind, id: &str) -> Result<Option<Resource>, StoreError> {
    let record = view.get(kind, id)?.filter(|record| !record.archived);
    record.map(|record| record.resource()).transpose()
}

fn campaign(view: &View<'_>, id: &str) -> Result<Option<Box<Campaign>>, StoreError> {
    Ok(match in_use(view, Kind::Campaign, id)? {
        Some(Resource::Campaign(campaign)) => Some(campaign),
        _ => None,
    })
}

fn advertiser(view: &View<'_>, id: &str) -> Result<Option<Box<Advertiser>>, StoreError> {
    Ok(match in_use(view, Kind::Advertiser, id)? {
        Some(Resource::Advertiser(advertiser)) => Some(advertiser),
        _ => None,
    })
}

fn creative(view: &View<'_>, id: &str) -> Result<Option<Box<Creative>>, StoreError> {
    Ok(match in_use(view, Kind::Creative, id)? {
        Some(Resource::Creative(creative)) if creative.status == Status::Active => Some(creative),
        _ => None,
    })
}
