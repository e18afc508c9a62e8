//! `GET /v1/line_items/{id}/funnel`: what became of the requests of each exchange and hour.

use super::Api;
use super::body::{number, parameter, query};
use super::item::own;
use super::problem::Problem;
use crate::access::Deed;
use crate::resource::Kind;
use axum::Json;
use axum::extract::{Path, Request, State};
use bidder::NoBid;
use bidder::funnel::{Counts, Stage};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Hours that a node remembers.
pub const HOURS: usize = 24;

/// What a node counted of a line item at an exchange in an hour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunnelRow {
    /// Hours since 1970.
    pub hour: u32,
    /// Id of the exchange.
    pub exchange: String,
    /// What the exchange asked in that hour.
    pub requests: u32,
    /// What became of the line item.
    pub counts: Counts,
}

/// `GET /v1/line_items/{id}/funnel?hours=&exchange=`
pub(super) async fn show(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Json<Value>, Problem> {
    let (parts, _) = request.into_parts();
    let (caller, kind) = api.permitted(&parts, Kind::LineItem.path(), Deed::Read)?;
    let query = query(&parts, &["hours", "exchange"])?;
    let hours = number(&query, "hours", HOURS, HOURS)? as u32;
    let found = api.store.read(|view| own(view, &caller, kind, &id))?;
    found.ok_or_else(|| Problem::not_found(kind, &id))?;
    let now = api.hooks.now().as_second() / 3_600;
    let since = u32::try_from(now)
        .unwrap_or_default()
        .saturating_sub(hours - 1);
    let mut rows = api.hooks.funnel(&id);
    let exchange = parameter(&query, "exchange");
    rows.retain(|row| row.hour >= since && exchange.is_none_or(|only| row.exchange == only));
    rows.sort_by(|one, other| (one.hour, &one.exchange).cmp(&(other.hour, &other.exchange)));
    let shown: Vec<Value> = rows.iter().map(line).collect();
    Ok(Json(
        json!({ "line_item": id, "total": total(&rows), "items": shown }),
    ))
}

fn line(row: &FunnelRow) -> Value {
    let mut told = stages(u64::from(row.requests), |stage| {
        u64::from(row.counts.at(stage))
    });
    let hour = Timestamp::from_second(i64::from(row.hour) * 3_600);
    told.insert(
        "hour".to_owned(),
        hour.map(|hour| hour.to_string()).ok().into(),
    );
    told.insert("exchange".to_owned(), row.exchange.as_str().into());
    told.into()
}

fn total(rows: &[FunnelRow]) -> Map<String, Value> {
    let requests = rows.iter().map(|row| u64::from(row.requests)).sum();
    stages(requests, |stage| {
        rows.iter().map(|row| u64::from(row.counts.at(stage))).sum()
    })
}

/// From the widest stage to the narrowest.
fn stages(requests: u64, of: impl Fn(Stage) -> u64) -> Map<String, Value> {
    let stopped = NoBid::ALL
        .into_iter()
        .map(|reason| (reason, of(Stage::Stopped(reason))));
    let stopped: Map<String, Value> = stopped
        .filter(|(_, times)| *times > 0)
        .map(|(reason, times)| (reason.label().to_owned(), times.into()))
        .collect();
    [
        ("requests", requests.into()),
        ("targeted", of(Stage::Targeted).into()),
        ("stopped", stopped.into()),
        ("outbid", of(Stage::Outbid).into()),
        ("bids", of(Stage::Bid).into()),
        ("wins", of(Stage::Win).into()),
        ("billed", of(Stage::Billed).into()),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}
