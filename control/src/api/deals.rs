//! `GET /v1/deals/{id}/report`: what became of a deal, and why its buyers do not win.

use super::Api;
use super::body::query;
use super::item::own;
use super::problem::Problem;
use crate::access::Deed;
use crate::resource::Kind;
use axum::Json;
use axum::extract::{Path, Request, State};
use exchange::counters::{Label, Tally};
use exchange::deal::{Agreed, DealEvent};
use exchange::market::Buyer;
use exchange::screen::Loss;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// What a node has counted of a deal since it began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DealReport {
    /// What became of it, each event with its count.
    pub events: Vec<(&'static str, u64)>,
    /// Why bids on it did not win.
    pub losses: Vec<(&'static str, u64)>,
    /// The buyers who may see it, or once might.
    pub buyers: Vec<DealBuyer>,
}

/// What a node has counted of a buyer of a deal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DealBuyer {
    /// Its id.
    pub partner: String,
    /// Its bids on the deal.
    pub bids: u64,
    /// How many of them won.
    pub won: u64,
    /// Why the others did not.
    pub losses: Vec<(&'static str, u64)>,
}

impl DealReport {
    /// What was counted of a deal among the buyers of its market.
    pub fn of(agreed: &Agreed, buyers: &[Buyer]) -> Self {
        let known = buyers.iter().zip(&agreed.buyers);
        let buyers = known.filter_map(|(buyer, counted)| {
            let counted = counted.as_ref()?;
            Some(DealBuyer {
                partner: buyer.partner.id.to_string(),
                bids: counted.events.get(DealEvent::Bid),
                won: counted.events.get(DealEvent::Won),
                losses: reasons(&counted.losses),
            })
        });
        Self {
            events: all(&agreed.progress.events),
            losses: reasons(&agreed.progress.losses),
            buyers: buyers.collect(),
        }
    }
}

fn all<L: Label>(tally: &Tally<L>) -> Vec<(&'static str, u64)> {
    tally.iter().collect()
}

/// The reasons that there were, the most frequent first.
fn reasons(losses: &Tally<Loss>) -> Vec<(&'static str, u64)> {
    let mut told = all(losses);
    told.retain(|(_, count)| *count > 0);
    told.sort_by_key(|(reason, count)| (std::cmp::Reverse(*count), *reason));
    told
}

/// `GET /v1/deals/{id}/report`
pub(super) async fn report(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Json<Value>, Problem> {
    let (parts, _) = request.into_parts();
    let (caller, kind) = api.permitted(&parts, Kind::Deal.path(), Deed::Read)?;
    query(&parts, &[])?;
    let record = api.store.read(|view| own(view, &caller, kind, &id))?;
    let record = record.ok_or_else(|| Problem::not_found(kind, &id))?;
    let report = api.hooks.deal(&record.account, &id).unwrap_or_default();
    let counts = |list: &[(&'static str, u64)]| {
        let each = list
            .iter()
            .map(|(name, count)| ((*name).to_owned(), (*count).into()));
        Value::Object(each.collect::<Map<_, _>>())
    };
    let buyers = report.buyers.iter().map(|buyer| {
        json!({
            "partner": buyer.partner,
            "bids": buyer.bids,
            "won": buyer.won,
            "lost": counts(&buyer.losses),
        })
    });
    Ok(Json(json!({
        "deal": id,
        "publisher": record.account,
        "status": record.body["status"],
        "events": counts(&report.events),
        "lost": counts(&report.losses),
        "buyers": buyers.collect::<Vec<_>>(),
    })))
}
