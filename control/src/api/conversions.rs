//! Conversions: reported by an advertiser's server, one or many at once, listed and added up. Each
//! order counts once, so that whatever is in doubt is sent again.

use super::body::{bytes, json, number, parameter, query};
use super::problem::Problem;
use super::{Api, NotConverted};
use crate::access::{Caller, Deed};
use crate::compile::Crediting;
use crate::fault::{Fault, join};
use crate::model::{Cur, Id, Instant, Model, Order, Tag, Token, Worth, choices, model};
use crate::resource::{Advertiser, Kind, Resource};
use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use ledger::conversion::MOST_LATE_DAYS;
use ledger::statement::Period;
use ledger::{Currency, Micros};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;

/// Most conversions of one request.
const MOST: usize = 1_000;
/// By how much, in seconds, an advertiser's clock may be ahead of ours.
const SKEW_S: i64 = 600;
const DAY_S: i64 = 86_400;

choices! {
    /// Which id of a user is meant, as bid requests carry it.
    pub enum UserIdKind {
        /// `user.buyeruid`.
        BuyerUid = "buyeruid",
        /// `user.eids`, with its `source`.
        Eid = "eid",
        /// `device.ifa`.
        Ifa = "ifa",
        /// `user.id`.
        Id = "id",
    }
}

model! {
    /// An id of whoever converted.
    pub struct ConvertedUser {
        /// Which id it is.
        pub kind: UserIdKind,
        /// The domain of who issued an `eid`.
        pub source: Option<Tag> = None,
        /// The id.
        pub id: Tag,
    }
}

model! {
    /// A conversion.
    pub struct NewConversion {
        /// Whose it is.
        pub advertiser: Id,
        /// The advertiser's number of the order: each counts once.
        pub order_id: Order,
        /// When it happened, at most 90 days ago.
        pub at: Instant,
        /// What it is worth to the advertiser.
        pub value: Option<Worth> = None,
        /// The currency of the value; that of the advertiser where it is absent.
        pub currency: Option<Cur> = None,
        /// What `${CLICK_ID}` became in the landing page of the click.
        pub click_id: Option<Token> = None,
        /// Ids of whoever converted.
        pub users: Vec<ConvertedUser> = Vec::new(),
    }
}

/// A conversion that was read and that the caller may report.
#[derive(Clone, Debug, PartialEq)]
pub struct Reported {
    /// The advertiser.
    pub advertiser: String,
    /// Number of the order.
    pub order: String,
    /// When it happened.
    pub at: Timestamp,
    /// What it is worth.
    pub value: Micros,
    /// The currency of the value.
    pub currency: Currency,
    /// The token of its click.
    pub click_id: Option<String>,
    /// Ids of whoever converted.
    pub users: Vec<ConvertedUser>,
    /// How the advertiser credits.
    pub crediting: Crediting,
}

/// `POST /v1/conversions`
pub(super) async fn report(
    State(api): State<Arc<Api>>,
    request: Request,
) -> Result<Json<Value>, Problem> {
    let (parts, body) = request.into_parts();
    let caller = permitted(&api, &parts, Deed::Write)?;
    query(&parts, &[])?;
    let body = json(&bytes(&api, &parts, body).await?)?;
    let many = body.get("conversions");
    let list = match many {
        None => vec![(String::new(), &body)],
        Some(list) => batch(&body, list).map_err(Problem::unprocessable)?,
    };
    let mut faults = Vec::new();
    let mut reported = Vec::with_capacity(list.len());
    let mut known = HashMap::new();
    for (at, value) in &list {
        let Some(read) = NewConversion::read(value, at, &mut faults) else {
            continue;
        };
        let crediting = advertiser(&api, &caller, &read.advertiser.0, &mut known)?;
        reported.extend(check(read, crediting, at, api.hooks.now(), &mut faults));
    }
    if !faults.is_empty() {
        return Err(Problem::unprocessable(faults));
    }
    let credits = api.hooks.convert(&reported).map_err(|error| match error {
        NotConverted::Faults(found) => {
            let at = |(place, name, detail): (usize, &str, String)| {
                Fault::new(join(&list[place].0, name), detail)
            };
            Problem::unprocessable(found.into_iter().map(at).collect())
        }
        NotConverted::Unavailable(why) => Problem::new(StatusCode::SERVICE_UNAVAILABLE, why),
    })?;
    let items = reported.iter().zip(credits);
    let mut items = items.map(|(one, credit)| json!({ "order_id": one.order, "credit": credit }));
    Ok(Json(match many {
        None => items.next().unwrap_or_default(),
        Some(_) => json!({ "items": items.collect::<Vec<_>>() }),
    }))
}

/// The conversions of a batch, each with its pointer.
fn batch<'v>(body: &Value, list: &'v Value) -> Result<Vec<(String, &'v Value)>, Vec<Fault>> {
    let mut faults = Vec::new();
    for name in body.as_object().into_iter().flat_map(|body| body.keys()) {
        if name != "conversions" {
            let detail = "a batch has `conversions` and nothing else";
            faults.push(Fault::new(join("", name), detail));
        }
    }
    let some = list
        .as_array()
        .filter(|all| (1..=MOST).contains(&all.len()));
    match some {
        Some(all) if faults.is_empty() => {
            let places = all.iter().enumerate();
            Ok(places
                .map(|(place, one)| (format!("/conversions/{place}"), one))
                .collect())
        }
        Some(_) => Err(faults),
        None => {
            let detail = format!("expected a list of 1 to {MOST} conversions");
            faults.push(Fault::new("/conversions", detail));
            Err(faults)
        }
    }
}

fn check(
    read: NewConversion,
    crediting: Option<Crediting>,
    at: &str,
    now: Timestamp,
    faults: &mut Vec<Fault>,
) -> Option<Reported> {
    let before = faults.len();
    let mut refuse = |name: &str, detail: String| {
        faults.push(Fault::new(format!("{at}/{name}"), detail));
    };
    if crediting.is_none() {
        let id = &read.advertiser.0;
        refuse("advertiser", format!("`{id}` is not among the advertisers"));
    }
    let age_s = now.as_second() - read.at.0.as_second();
    if age_s < -SKEW_S {
        refuse(
            "at",
            format!("expected a moment that has passed, found {}", read.at.0),
        );
    }
    if age_s > i64::from(MOST_LATE_DAYS) * DAY_S {
        let detail = format!(
            "expected the last {MOST_LATE_DAYS} days, found {}",
            read.at.0
        );
        refuse("at", detail);
    }
    if read.click_id.is_none() && read.users.is_empty() {
        refuse(
            "click_id",
            "give click_id or users, so that it can be credited".to_owned(),
        );
    }
    for (place, user) in read.users.iter().enumerate() {
        if user.source.is_some() != (user.kind == UserIdKind::Eid) {
            let detail = "an eid has a source, and no other id has one".to_owned();
            refuse(&format!("users/{place}/source"), detail);
        }
    }
    let crediting = crediting.filter(|_| faults.len() == before)?;
    Some(Reported {
        advertiser: read.advertiser.0,
        order: read.order_id.0,
        at: read.at.0,
        value: read.value.map_or(Micros(0), |value| value.0),
        currency: read.currency.map_or(crediting.currency, |given| given.0),
        click_id: read.click_id.map(|token| token.0),
        users: read.users,
        crediting,
    })
}

/// How an advertiser of the caller credits; `None` where it has none of that id. One that was put
/// away since may still report what it has sold.
fn advertiser(
    api: &Api,
    caller: &Caller,
    id: &str,
    known: &mut HashMap<String, Option<Crediting>>,
) -> Result<Option<Crediting>, Problem> {
    if let Some(found) = known.get(id) {
        return Ok(*found);
    }
    let found = document(api, caller, id)?;
    let crediting = found.as_ref().map(Crediting::of);
    known.insert(id.to_owned(), crediting);
    Ok(crediting)
}

fn document(api: &Api, caller: &Caller, id: &str) -> Result<Option<Advertiser>, Problem> {
    if !caller.owns(id) {
        return Ok(None);
    }
    let record = api.store.read(|view| view.get(Kind::Advertiser, id))?;
    let resource = record.map(|record| record.resource()).transpose()?;
    Ok(resource.and_then(|resource| match resource {
        Resource::Advertiser(advertiser) => Some(*advertiser),
        _ => None,
    }))
}

fn permitted(api: &Api, parts: &Parts, deed: Deed) -> Result<Caller, Problem> {
    let caller = api.caller(parts)?;
    if !caller.may(deed, Kind::Campaign) {
        let deed = match deed {
            Deed::Read => "look at",
            Deed::Write => "report",
        };
        let detail = format!("the role {} may not {deed} conversions", caller.role.word());
        return Err(Problem::new(StatusCode::FORBIDDEN, detail));
    }
    Ok(caller)
}

/// The advertiser that a query is about.
fn asked(
    api: &Api,
    caller: &Caller,
    query: &[(String, String)],
) -> Result<(String, Advertiser), Problem> {
    let id = parameter(query, "advertiser")
        .ok_or_else(|| Problem::bad_request("query parameter advertiser is required"))?;
    let found = document(api, caller, id)?;
    let found = found.ok_or_else(|| Problem::not_found("the advertisers", id))?;
    Ok((id.to_owned(), found))
}

/// `GET /v1/conversions?advertiser=&limit=&cursor=`
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    request: Request,
) -> Result<Json<Value>, Problem> {
    let (parts, _) = request.into_parts();
    let caller = permitted(&api, &parts, Deed::Read)?;
    let query = query(&parts, &["advertiser", "limit", "cursor"])?;
    let (id, _) = asked(&api, &caller, &query)?;
    let limit = number(&query, "limit", 50, MOST)?;
    let before = parameter(&query, "cursor").map(|text| {
        let wrong = |_| {
            let detail = format!("query parameter cursor: expected a number, found {text}");
            Problem::bad_request(detail)
        };
        text.parse().map_err(wrong)
    });
    let items = api
        .hooks
        .conversions(&id, before.transpose()?, limit as u32);
    let items = items.map_err(|why| Problem::new(StatusCode::SERVICE_UNAVAILABLE, why))?;
    let last = items.last().filter(|_| items.len() == limit);
    let next = last.and_then(|last| last["id"].as_i64());
    let next = next.map(|id| id.to_string());
    Ok(Json(json!({ "items": items, "next": next })))
}

/// `GET /v1/reports/conversions?advertiser=&from=&to=`
pub(super) async fn sums(
    State(api): State<Arc<Api>>,
    request: Request,
) -> Result<Json<Value>, Problem> {
    let (parts, _) = request.into_parts();
    let caller = permitted(&api, &parts, Deed::Read)?;
    let query = query(&parts, &["advertiser", "from", "to"])?;
    let (id, advertiser) = asked(&api, &caller, &query)?;
    let zone = crate::compile::zone(&advertiser);
    let day = |name: &str| -> Result<Date, Problem> {
        let text = parameter(&query, name)
            .ok_or_else(|| Problem::bad_request(format!("query parameter {name} is required")))?;
        text.parse().map_err(|_| {
            let detail = format!("query parameter {name}: expected YYYY-MM-DD, found {text}");
            Problem::bad_request(detail)
        })
    };
    let (from, to) = (day("from")?, day("to")?);
    if from > to {
        let detail = format!("query parameter to: expected {from} or later, found {to}");
        return Err(Problem::bad_request(detail));
    }
    let end = to.tomorrow().unwrap_or(to);
    let period = Period {
        from_ms: begin(from, &zone),
        to_ms: begin(end, &zone),
    };
    let items = api.hooks.converted(&id, period);
    let items = items.map_err(|why| Problem::new(StatusCode::SERVICE_UNAVAILABLE, why))?;
    Ok(Json(json!({
        "advertiser": id,
        "from": from.to_string(),
        "to": to.to_string(),
        "timezone": advertiser.timezone.0,
        "items": items,
    })))
}

/// The first moment of a day, in unix milliseconds.
fn begin(date: Date, zone: &TimeZone) -> i64 {
    let zoned = date.to_zoned(zone.clone());
    zoned.map_or(i64::MAX, |zoned| zoned.timestamp().as_millisecond())
}
