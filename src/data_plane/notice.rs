//! `/n/{win,bill,loss}`: what an exchange tells the bidder. `200` when it is durable, and again
//! for every repeat, which changes nothing.

use super::worker::Worker;
use crate::clock;
use crate::http::{self, Answer, Problem};
use bidder::notice::{self, Fields, Notice};
use hyper::body::Incoming;
use hyper::{Request, StatusCode};
use ledger::reservation::ReservationId;
use ledger::token::Purpose;
use ledger::{Micros, Outcome};

/// The kind of notice with the given last part of the path.
pub(super) fn kind(path: &str) -> Option<Notice> {
    match path {
        "win" => Some(Notice::Win),
        "bill" => Some(Notice::Bill),
        "loss" => Some(Notice::Loss),
        _ => None,
    }
}

/// Records a notice and what it does to the bid's reservation.
///
/// # Errors
/// `4xx` for what is never charged, `503` where the ledger does not take it.
pub(super) async fn answer(
    worker: &Worker,
    kind: Notice,
    request: &Request<Incoming>,
) -> Result<Answer, Problem> {
    let token = super::token(request)?;
    let mut buffer = Vec::new();
    let claims = super::verify(worker, Purpose::Notice, &token, &mut buffer)?;
    let query = request.uri().query().unwrap_or_default();
    let [price, currency, reason] = ["p", "c", "r"].map(|name| http::query(query, name));
    let fields = Fields {
        price: price.as_deref(),
        currency: currency.as_deref(),
        reason: reason.as_deref(),
    };
    let event = {
        let snapshot = worker.node.snapshot.load();
        let billable = snapshot
            .exchanges
            .get(claims.exchange)
            .map(|caller| caller.billable)
            .unwrap_or_default();
        let party = snapshot.catalog.party(claims.line_item);
        notice::event(kind, billable, &claims, fields, party, clock::unix_ms())
            .map_err(|why| Problem::new(StatusCode::BAD_REQUEST, field(why), why.to_string()))?
    };
    let node = &worker.node;
    let narrowed = event.cpm.most_per_impression();
    let outcome = super::record(worker, event).await?;
    if let (Outcome::Recorded, Some((epoch, slot, generation))) = (outcome, claims.reservation)
        && epoch == node.epoch
    {
        let id = ReservationId { slot, generation };
        match kind {
            Notice::Loss => {
                node.reservations.release(&node.book, id);
            }
            Notice::Win => {
                node.reservations.narrow(&node.book, id, Micros(narrowed.0));
            }
            Notice::Bill | Notice::Impression | Notice::Click => {}
        }
    }
    match outcome {
        Outcome::Refused { fault } => Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "p",
            fault.to_string(),
        )),
        Outcome::Recorded
        | Outcome::Charged { .. }
        | Outcome::OverDelivered { .. }
        | Outcome::Duplicate => Ok(http::uncached(http::empty(StatusCode::OK))),
    }
}

/// The parameter at fault.
fn field(why: notice::Refusal) -> &'static str {
    match why {
        notice::Refusal::OtherSide | notice::Refusal::Test | notice::Refusal::UnknownLineItem => {
            "t"
        }
        notice::Refusal::WrongCurrency => "c",
        notice::Refusal::NoPrice
        | notice::Refusal::Unresolved
        | notice::Refusal::Audit
        | notice::Refusal::NotANumber
        | notice::Refusal::Negative
        | notice::Refusal::Absurd
        | notice::Refusal::AboveBid => "p",
    }
}
