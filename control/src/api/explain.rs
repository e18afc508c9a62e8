//! `POST /v1/explain`: why each line item bids on a request or does not. The node decides, this
//! tells: for each line item and imp the first rule that stopped it, with what the document
//! wants and what the request says, or the price step by step.

use super::Api;
use super::body::{bytes, number, parameter, query};
use super::problem::Problem;
use crate::access::{Caller, Deed};
use crate::fault::Fault;
use crate::resource::Kind;
use crate::store::{Filter, StoreError, View};
use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use bidder::catalog::{Dimension, Subject};
use bidder::decide::{Explained, Price, Step, Verdict};
use ledger::Micros;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

/// Line items of one account that are read at once.
const PAGE: usize = 1_000;
/// Seeds are exact in every JSON reader.
const SEED_BITS: u32 = 53;

/// A request to be explained.
pub struct Ask<'a> {
    /// Id of the exchange that would call; `None` for the node's own.
    pub exchange: Option<&'a str>,
    /// The bytes of the bid request.
    pub body: &'a [u8],
    /// What lots are drawn from.
    pub seed: u64,
    /// Which line items are explained, by their ids.
    pub wanted: &'a dyn Fn(&str) -> bool,
}

/// Why a request is not explained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotExplained {
    /// No exchange of this name calls.
    UnknownExchange(String),
    /// Not a bid request that can be read: the field and what is wrong with it.
    Malformed(String),
}

/// `POST /v1/explain?exchange=&line_item=&limit=&seed=`
pub(super) async fn explain(
    State(api): State<Arc<Api>>,
    request: Request,
) -> Result<Json<Value>, Problem> {
    let (parts, body) = request.into_parts();
    let (caller, kind) = api.permitted(&parts, Kind::LineItem.path(), Deed::Read)?;
    let query = query(&parts, &["exchange", "line_item", "limit", "seed"])?;
    let limit = number(&query, "limit", 100, 10_000)?;
    let seed = match parameter(&query, "seed") {
        None => u64::from_le_bytes(*api.hooks.entropy().first_chunk().unwrap_or(&[0; 8])),
        Some(text) => text.parse().map_err(|_| {
            let detail = format!("query parameter seed: expected a number, found {text}");
            Problem::bad_request(detail)
        })?,
    };
    let seed = seed & ((1 << SEED_BITS) - 1);
    let body = bytes(&api, &parts, body).await?;
    let only = parameter(&query, "line_item");
    let own = api.store.read(|view| own(view, &caller, only))?;
    let wanted = |id: &str| match (&own, only) {
        (None, None) => true,
        (None, Some(only)) => id == only,
        (Some(own), _) => own.contains(id),
    };
    if let (Some(only), Some(own)) = (only, &own)
        && own.is_empty()
    {
        return Err(Problem::not_found(kind, only));
    }
    let ask = Ask {
        exchange: parameter(&query, "exchange"),
        body: &body,
        seed,
        wanted: &wanted,
    };
    let mut told = Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "not told"));
    let asked = api.hooks.explain(&ask, &mut |explained| {
        told = api.store.read(|view| shown(view, explained, limit));
    });
    asked.map_err(|why| match why {
        NotExplained::UnknownExchange(name) => Problem::not_found(Kind::Exchange, &name),
        NotExplained::Malformed(detail) => Problem::unprocessable(vec![Fault::new("", detail)]),
    })?;
    let mut told = told?;
    told["seed"] = seed.into();
    Ok(Json(told))
}

/// The line items that are explained: `None` for every one. One that is asked for by name must
/// be the caller's.
fn own(
    view: &View<'_>,
    caller: &Caller,
    only: Option<&str>,
) -> Result<Option<HashSet<String>>, StoreError> {
    if let Some(only) = only {
        let record = view.get(Kind::LineItem, only)?;
        let record = record.filter(|record| caller.owns(&record.account));
        return Ok(Some(record.into_iter().map(|record| record.id).collect()));
    }
    let Some(accounts) = caller.scope() else {
        return Ok(None);
    };
    let mut own = HashSet::new();
    let mut after = String::new();
    loop {
        let filter = Filter {
            after,
            accounts: Some(accounts.clone()),
            limit: PAGE,
            ..Filter::default()
        };
        let page = view.list(Kind::LineItem, &filter)?;
        let full = page.len() == PAGE;
        after = page.last().map(|last| last.id.clone()).unwrap_or_default();
        own.extend(page.into_iter().map(|record| record.id));
        if !full {
            return Ok(Some(own));
        }
    }
}

/// How far a line item came, as a word.
fn word(step: &Step<'_>) -> &'static str {
    match step {
        Step::Idle(_) => "idle",
        Step::NotTargeted { .. } => "not_targeted",
        Step::Stopped { .. } => "stopped",
        Step::Outbid { .. } => "outbid",
        Step::Bid(_) => "bid",
    }
}

/// The rule that stopped it, as a word.
fn rule(step: &Step<'_>) -> Option<String> {
    match step {
        Step::Idle(idle) => Some(idle.label().to_owned()),
        Step::NotTargeted { subject, .. } => Some(subject.to_string()),
        Step::Stopped { reason, .. } => Some(reason.label().to_owned()),
        Step::Outbid { .. } | Step::Bid(_) => None,
    }
}

/// Bids first, then those who came furthest.
fn rank(step: &Step<'_>) -> (u8, Option<bidder::NoBid>) {
    let place = match step {
        Step::Bid(_) => 4,
        Step::Outbid { .. } => 3,
        Step::Stopped { .. } => 2,
        Step::NotTargeted { .. } => 1,
        Step::Idle(_) => 0,
    };
    (place, step.no_bid())
}

fn shown(view: &View<'_>, explained: &Explained<'_>, limit: usize) -> Result<Value, Problem> {
    let outcome = match &explained.outcome {
        Ok(decided) => json!({ "bids": decided.bids, "currency": decided.currency.code() }),
        Err(reason) => json!({ "bids": 0, "reason": reason.label(), "nbr": reason.nbr() }),
    };
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for verdict in &explained.verdicts {
        let word = word(&verdict.step);
        let name = rule(&verdict.step).map(|rule| format!("{word}: {rule}"));
        *counts
            .entry(name.unwrap_or_else(|| word.to_owned()))
            .or_default() += 1;
    }
    let mut ordered: Vec<&Verdict<'_>> = explained.verdicts.iter().collect();
    ordered.sort_by_key(|verdict| std::cmp::Reverse(rank(&verdict.step)));
    let left_out = ordered.len().saturating_sub(limit);
    ordered.truncate(limit);
    let mut verdicts = Vec::new();
    for verdict in ordered {
        verdicts.push(line(view, verdict)?);
    }
    Ok(json!({
        "outcome": outcome,
        "counts": counts,
        "verdicts": verdicts,
        "left_out": left_out,
    }))
}

fn line(view: &View<'_>, verdict: &Verdict<'_>) -> Result<Value, StoreError> {
    let mut told = json!({
        "line_item": verdict.line_item,
        "imp": verdict.imp,
        "step": word(&verdict.step),
        "rule": rule(&verdict.step),
    });
    match &verdict.step {
        Step::Idle(idle) => told["detail"] = idle.detail().into(),
        Step::NotTargeted {
            subject,
            wanted,
            seen,
        } => {
            let document = view.get(Kind::LineItem, verdict.line_item)?;
            let body = document.map(|record| record.body).unwrap_or_default();
            let mut rules = of_document(&body["targeting"], subject);
            if let Some(creatives) = wanted {
                rules.insert("/creatives".to_owned(), creatives.as_str().into());
            }
            told["wanted"] = rules.into();
            told["seen"] = seen.clone().into();
        }
        Step::Stopped {
            reason,
            wanted,
            seen,
        } => {
            told["nbr"] = reason.nbr().into();
            told["wanted"] = wanted.as_str().into();
            told["seen"] = seen.as_str().into();
        }
        Step::Outbid { price, by } => {
            told["price"] = steps(price);
            told["by"] = (*by).into();
        }
        Step::Bid(price) => told["price"] = steps(price),
    }
    Ok(told)
}

/// The rules of a document that are about a subject, by their pointers.
fn of_document(targeting: &Value, subject: &Subject) -> Map<String, Value> {
    let field = |name: &str| (format!("/targeting/{name}"), targeting[name].clone());
    let named = |list: &str, key: &str, name: &str| {
        let rules = targeting[list].as_array().map(Vec::as_slice);
        let mut rules = (0..).zip(rules.unwrap_or_default());
        let found = rules.find(|(_, rule)| rule[key] == name);
        let pointer = |at: usize| format!("/targeting/{list}/{at}");
        found.map(|(at, rule)| (pointer(at), rule.clone()))
    };
    let rules = match subject {
        Subject::Of(Dimension::Slot) => vec![field("formats"), field("sizes"), field("ratios")],
        Subject::Of(Dimension::Inventory) => vec![field("sites"), field("apps")],
        Subject::Of(dimension) => vec![field(dimension.label())],
        Subject::Metric(kind) => named("metrics", "type", kind).into_iter().collect(),
        Subject::Ext(path) => named("ext", "path", &path.to_string())
            .into_iter()
            .collect(),
    };
    rules
        .into_iter()
        .filter(|(_, rule)| !rule.is_null())
        .collect()
}

fn steps(price: &Price<'_>) -> Value {
    let fees = price.fees.map(|fees| {
        json!({
            "platform_fee": Micros(i64::from(fees.platform_ppm)).to_string(),
            "data_cpm": fees.data.to_string(),
            "left": fees.left.to_string(),
        })
    });
    json!({
        "creative": price.creative,
        "deal": price.deal,
        "currency": price.currency.code(),
        "max_cpm": price.max_cpm.to_string(),
        "value": price.value.to_string(),
        "factor": Micros(i64::from(price.factor.0)).to_string(),
        "modified": price.modified.to_string(),
        "fees": fees,
        "paced": price.paced.to_string(),
        "floor": price.floor.to_string(),
        "price": price.price.to_string(),
        "compared": price.rank.to_string(),
        "compared_in": price.compared_in.code(),
    })
}
