//! `/n/{win,bill,loss}`: what an exchange tells the bidder. `200` when it is durable, and again
//! for every repeat, which changes nothing.

use super::worker::Worker;
use crate::clock;
use crate::http::{self, Answer, Problem};
use crate::node::Node;
use crate::purse::Purse;
use bidder::Exchange;
use bidder::notice::{self, Fields, Notice};
use hyper::body::Incoming;
use hyper::{Request, StatusCode};
use ledger::event;
use ledger::token::{Claims, Purpose};
use ledger::{Currency, Event, Outcome, ReservationId};
use std::borrow::Cow;

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
    settle(worker, kind, &claims, fields).await?;
    Ok(http::uncached(http::empty(StatusCode::OK)))
}

/// Writes what was told about a bid of ours, and does to its reservation and to the user's
/// counts what follows from it.
///
/// # Errors
/// As [`answer`].
pub(super) async fn settle(
    worker: &Worker,
    told: Notice,
    claims: &Claims<'_>,
    fields: Fields<'_>,
) -> Result<(), Problem> {
    let now_ms = clock::unix_ms();
    let (event, expires_at) = {
        let snapshot = worker.node.snapshot.load();
        // One that is no longer known is billed by what the specification says.
        let known = snapshot.exchanges.get(claims.exchange);
        let exchange = known.map_or_else(
            || Cow::Owned(Exchange::new(claims.exchange, Currency(claims.currency))),
            Cow::Borrowed,
        );
        let exchange = &*exchange;
        let event = notice::event(told, exchange, claims, fields, now_ms)
            .map_err(|why| refused(worker, told.kind(exchange.billable), claims, why))?;
        (event, exchange.reservation_expiry(claims))
    };
    let (kind, price) = (event.kind, event.cpm.most_per_impression());
    let outcome = super::record(worker, event).await?;
    match (outcome, kind) {
        (Outcome::Refused { fault }, _) => {
            let detail = fault.to_string();
            return Err(Problem::new(StatusCode::BAD_REQUEST, "p", detail));
        }
        (Outcome::Recorded, event::Kind::Loss) => {
            let open = end(&worker.node, claims, |purse, id| {
                purse.reservations.release(&purse.book, id)
            });
            // One that was billed before has given its place to an impression; what would be
            // given back here is the place of another bid.
            if open == Some(true) {
                worker.node.caps.release(&claims.exposure, expires_at);
            }
        }
        (Outcome::Recorded, event::Kind::Win) => {
            end(&worker.node, claims, |purse, id| {
                purse.reservations.narrow(&purse.book, id, price)
            });
        }
        (
            Outcome::Recorded
            | Outcome::Charged { .. }
            | Outcome::OverDelivered { .. }
            | Outcome::Duplicate,
            _,
        ) => {}
    }
    Ok(())
}

/// Notes a refusal where the ledger has a word for it: a bid that is billed wrongly is looked for
/// later by whoever misses the money.
fn refused(
    worker: &Worker,
    kind: event::Kind,
    claims: &Claims<'_>,
    why: notice::Refusal,
) -> Problem {
    let node = &worker.node;
    node.telemetry.notices_refused[why.index()].increment(1);
    if let (Some(fault), Ok(event)) = (why.fault(), Event::of(kind, claims, clock::unix_ms())) {
        // Nobody waits for it: the answer is the same whether it is noted or not.
        node.writer.refuse(event, fault, Box::new(|_| ()));
    }
    Problem::new(StatusCode::BAD_REQUEST, field(why), why.to_string())
}

/// Does something to the reservation of a bid, where it is one of this run of the node.
fn end<T>(
    node: &Node,
    claims: &Claims<'_>,
    how: impl FnOnce(&Purse, ReservationId) -> T,
) -> Option<T> {
    let purse = &node.snapshot.load().purse;
    let (epoch, slot, generation) = claims.reservation?;
    (epoch == purse.epoch).then(|| how(purse, ReservationId { slot, generation }))
}

/// The parameter at fault.
fn field(why: notice::Refusal) -> &'static str {
    match why {
        notice::Refusal::OtherSide | notice::Refusal::Test => "t",
        notice::Refusal::WrongCurrency => "c",
        notice::Refusal::NoPrice
        | notice::Refusal::Unresolved
        | notice::Refusal::Audit
        | notice::Refusal::NotANumber
        | notice::Refusal::Unsealed
        | notice::Refusal::NoKey
        | notice::Refusal::Stale
        | notice::Refusal::Negative
        | notice::Refusal::Absurd
        | notice::Refusal::AboveBid => "p",
    }
}
