//! `POST /v1/forecast`: what a draft of a line item would get in a day, from a sample of the
//! traffic. The draft is checked and compiled like one that is kept, by itself and without its
//! flight; nothing is written.

use super::Api;
use super::body::{bytes, json, query, split};
use super::problem::Problem;
use crate::access::Deed;
use crate::check::check;
use crate::compile::{Compiled, compile};
use crate::fault::Fault;
use crate::resource::{Campaign, Kind, Resource};
use crate::store::{Keep, Record, StoreError, View};
use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use jiff::Timestamp;
use ledger::{Book, Micros};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What the books of a draft hold: its own budgets limit a forecast afterwards.
const PLENTY: i64 = i64::MAX / 4;

/// A line item that is not kept, and all that it hangs on, compiled.
pub struct Draft {
    /// Its id.
    pub id: String,
    /// The catalog of it alone.
    pub compiled: Compiled,
    /// Its budgets.
    pub book: Book,
}

/// A figure of a day, with the band in which it lies in 19 of 20 such samples.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Band {
    /// The lower end.
    pub low: f64,
    /// The estimate.
    pub likely: f64,
    /// The upper end.
    pub high: f64,
}

/// What a draft would get in a day.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Forecast {
    /// Requests of the sampled time.
    pub requests: u64,
    /// Those of them that were looked at.
    pub sampled: u64,
    /// The sampled time, in seconds.
    pub seconds: u64,
    /// Requests at which it is targeted.
    pub avails: Band,
    /// Requests on which it can make an offer.
    pub offers: Band,
    /// Requests on which no line item of this node is dearer.
    pub bids: Band,
    /// Bids that would be billed, by how many are now.
    pub wins: Band,
    /// What these cost, in micros of the advertiser's currency.
    pub spend: Band,
    /// Bids by which the share of wins is known.
    pub known_bids: u64,
    /// What stops it, in requests of a day.
    pub stopped: BTreeMap<String, f64>,
}

/// `POST /v1/forecast`
pub(super) async fn forecast(
    State(api): State<Arc<Api>>,
    request: Request,
) -> Result<Json<Value>, Problem> {
    let (parts, body) = request.into_parts();
    let (caller, kind) = api.permitted(&parts, Kind::LineItem.path(), Deed::Write)?;
    query(&parts, &[])?;
    let bytes = bytes(&api, &parts, body).await?;
    let mut given = json(&bytes)?;
    if split(kind, &mut given)?.is_some() {
        let detail = "a draft has no id; leave it out";
        return Err(Problem::unprocessable(vec![Fault::new("/id", detail)]));
    }
    let now = api.hooks.now();
    let id = kind.fresh_id(&api.hooks.entropy());
    let records = api.store.write(|view| -> Result<_, Problem> {
        let owns = |account: &str| caller.owns(account);
        let checked = check(view, kind, &id, &given, now, &owns)?;
        let draft = checked.write(view, &caller.who)?;
        Ok((hangs_on(view, draft)?, Keep::Nothing))
    })?;
    let budget = daily(&records);
    let draft = draft(&records, id, now)?;
    let currency = draft.compiled.bidder.advertisers.first();
    let currency = currency.map(|one| one.currency.code().to_owned());
    let refused = |why: String| Problem::new(StatusCode::SERVICE_UNAVAILABLE, why);
    let forecast = api.hooks.forecast(draft).map_err(refused)?;
    Ok(Json(shown(&forecast, currency.as_deref(), budget)))
}

/// The draft with its campaign, advertiser, creatives and priced segments, in force and at any time.
fn hangs_on(view: &View<'_>, draft: Record) -> Result<Vec<Record>, StoreError> {
    let Resource::LineItem(line_item) = draft.resource()? else {
        return Ok(vec![draft]);
    };
    let mut records = Vec::new();
    let campaign = view.get(Kind::Campaign, &line_item.campaign.0)?;
    if let Some(mut campaign) = campaign {
        let advertiser = campaign.body["advertiser"].as_str().unwrap_or_default();
        records.extend(view.get(Kind::Advertiser, advertiser)?);
        for field in ["start", "end"] {
            campaign.body[field] = Value::Null;
        }
        records.push(campaign);
    }
    for creative in &line_item.creatives {
        records.extend(view.get(Kind::Creative, &creative.0)?);
    }
    let audience = line_item.targeting.audience.as_ref();
    let asked = audience.into_iter().flat_map(|audience| {
        let included = audience.include.iter().flatten();
        included.chain(&audience.exclude)
    });
    let asked: BTreeSet<&str> = asked.map(|id| &*id.0).collect();
    for segment in asked {
        records.extend(view.get(Kind::Segment, segment)?);
    }
    records.push(draft);
    let forced = |record: &&mut Record| !matches!(record.kind, Kind::Creative | Kind::Segment);
    for record in records.iter_mut().filter(forced) {
        record.body["status"] = "active".into();
    }
    Ok(records)
}

/// The daily budget of the campaign.
fn daily(records: &[Record]) -> Option<Micros> {
    let campaign = records
        .iter()
        .find(|record| record.kind == Kind::Campaign)?;
    match campaign.resource() {
        Ok(Resource::Campaign(campaign)) => {
            let Campaign { budget, .. } = *campaign;
            budget.daily.map(|daily| daily.0)
        }
        _ => None,
    }
}

fn draft(records: &[Record], id: String, now: Timestamp) -> Result<Draft, Problem> {
    let book = Book::default();
    let compiled = compile(records, now, &mut |_| {
        let slot = book.add()?;
        book.grant(slot, PLENTY);
        Some(slot)
    });
    let mut compiled = compiled.map_err(Problem::unprocessable)?;
    if let Some((_, reasons)) = compiled.not_serving.pop() {
        let faults = reasons.iter().map(|reason| Fault::new("", reason.detail()));
        return Err(Problem::unprocessable(faults.collect()));
    }
    Ok(Draft { id, compiled, book })
}

fn shown(forecast: &Forecast, currency: Option<&str>, daily: Option<Micros>) -> Value {
    let band = |band: Band| {
        let [low, likely, high] = [band.low, band.likely, band.high].map(f64::round);
        json!({ "low": low as u64, "likely": likely as u64, "high": high as u64 })
    };
    let money = |micros: f64| Micros(micros.round() as i64).to_string();
    let Band { low, likely, high } = forecast.spend;
    let within = |spend: f64| daily.map_or(spend, |daily| spend.min(daily.0 as f64));
    let stopped: BTreeMap<&String, u64> = forecast
        .stopped
        .iter()
        .map(|(rule, requests)| (rule, requests.round() as u64))
        .collect();
    json!({
        "per": "day",
        "sample": { "requests": forecast.requests, "looked_at": forecast.sampled,
            "seconds": forecast.seconds, "bids_known": forecast.known_bids },
        "avails": band(forecast.avails),
        "offers": band(forecast.offers),
        "bids": band(forecast.bids),
        "wins": band(forecast.wins),
        "spend": { "low": money(within(low)), "likely": money(within(likely)),
            "high": money(within(high)), "currency": currency },
        "limited_by_daily_budget": daily.is_some_and(|daily| likely > daily.0 as f64),
        "stopped": stopped,
    })
}
