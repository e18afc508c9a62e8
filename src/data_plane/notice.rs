//! `/n/{win,bill,loss}`: what an exchange tells the bidder. `200` when it is durable, and again
//! for every repeat, which changes nothing.

use super::worker::Worker;
use crate::clock;
use crate::dead_letters;
use crate::http::{self, Answer, Problem};
use crate::node::Node;
use crate::purse::Purse;
use crate::snapshot::Snapshot;
use bidder::Exchange;
use bidder::exchange::Billable;
use bidder::funnel::{FunnelKey, Stage};
use bidder::notice::{self, Fields, Notice};
use bidder::throttle;
use hyper::body::Incoming;
use hyper::{Request, StatusCode};
use ledger::event::{self, Fault};
use ledger::token::{Claims, Purpose, Rejected};
use ledger::{Currency, DeadLetter, Event, Micros, Outcome, ReservationId};
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
    let token = super::token(worker, request)?;
    let mut buffer = Vec::new();
    let claims = verify(
        worker,
        kind,
        Purpose::Notice,
        (&token, request),
        &mut buffer,
    )?;
    let texts = Texts::read(request.uri().query().unwrap_or_default());
    settle(worker, kind, &claims, texts.fields(), told(request)).await?;
    Ok(http::uncached(http::empty(StatusCode::OK)))
}

/// What stands in the query of a notice.
pub(crate) struct Texts<'q>([Option<Cow<'q, str>>; 5]);

impl<'q> Texts<'q> {
    pub(crate) fn read(query: &'q str) -> Self {
        Self(["p", "c", "r", "s", "q"].map(|name| http::query(query, name)))
    }

    pub(crate) fn fields(&self) -> Fields<'_> {
        let [price, currency, reason, seat, multiplier] = self.0.each_ref().map(Option::as_deref);
        Fields {
            price,
            currency,
            reason,
            seat,
            multiplier,
        }
    }
}

/// The notice as it came.
pub(super) fn told(request: &Request<Incoming>) -> &str {
    request
        .uri()
        .path_and_query()
        .map_or("", |told| told.as_str())
}

/// Reads the token of a notice. One that is not ours, or past its time, leaves a dead letter: when
/// a key was lost or a clock was wrong, what it cost can be seen and made good.
///
/// # Errors
/// `4xx` where the token is refused.
pub(super) fn verify<'b>(
    worker: &Worker,
    notice: Notice,
    purpose: Purpose,
    (token, request): (&str, &Request<Incoming>),
    buffer: &'b mut Vec<u8>,
) -> Result<Claims<'b>, Problem> {
    let (node, now_ms) = (&worker.node, clock::unix_ms());
    let rejected = match node.signer.authenticate(purpose, token, buffer) {
        Ok(claims) if claims.expires_at >= clock::unix_s() => return Ok(claims),
        Ok(claims) => {
            let kind = notice.kind(exchange(&node.snapshot.load(), &claims).billable);
            if let Ok(event) = Event::of(kind, &claims, now_ms) {
                let letter = DeadLetter::of(&event, Fault::Expired, told(request));
                dead_letters::keep(node, letter);
            }
            Rejected::Expired
        }
        Err(rejected) => {
            let fault = match rejected {
                Rejected::Malformed => Fault::Malformed,
                Rejected::UnknownKey => Fault::UnknownKey,
                Rejected::Forged => Fault::Forged,
                Rejected::Expired => Fault::Expired,
            };
            let kind = notice.kind(Billable::default());
            let letter = DeadLetter::stray(kind, fault, now_ms, told(request));
            dead_letters::keep(node, letter);
            rejected
        }
    };
    Err(super::refused_token(worker, rejected))
}

/// Writes what was told about a bid of ours, and does to its reservation and to the user's
/// counts what follows from it.
///
/// # Errors
/// As [`answer`].
pub(super) async fn settle(
    worker: &Worker,
    notice: Notice,
    claims: &Claims<'_>,
    fields: Fields<'_>,
    text: &str,
) -> Result<(), Problem> {
    let node = &worker.node;
    let judged = judge(node, notice, claims, fields, clock::unix_ms());
    let event = judged.map_err(|(kind, why)| refused(node, kind, claims, why, text))?;
    let charge = (event.kind, event.most());
    let late = event.kind == event::Kind::Loss && event.reason == throttle::EXPIRED;
    let outcome = super::record(worker, event).await?;
    if let Outcome::Refused { fault } = outcome {
        // The ledger has kept its reason; how the notice came is added.
        if let Ok(event) = Event::of(charge.0, claims, clock::unix_ms()) {
            dead_letters::keep(node, DeadLetter::of(&event, fault, text));
        }
        let detail = fault.to_string();
        return Err(Problem::new(StatusCode::BAD_REQUEST, "p", detail));
    }
    if late && outcome == Outcome::Recorded {
        exchange(&node.snapshot.load(), claims).throttle.was_late();
    }
    conclude(node, claims, charge, outcome);
    Ok(())
}

/// The exchange of a token. One that is no longer known is billed by what the specification says.
fn exchange<'s>(snapshot: &'s Snapshot, claims: &Claims<'_>) -> Cow<'s, Exchange> {
    let known = snapshot.exchanges.get(claims.exchange);
    known.map_or_else(
        || Cow::Owned(Exchange::new(claims.exchange, Currency(claims.currency))),
        Cow::Borrowed,
    )
}

/// The event of a notice that came at `at_ms` (unix milliseconds), or why there is none.
///
/// # Errors
/// Why nothing is charged, and what would have been.
pub(crate) fn judge(
    node: &Node,
    notice: Notice,
    claims: &Claims<'_>,
    fields: Fields<'_>,
    at_ms: i64,
) -> Result<Event, (event::Kind, notice::Refusal)> {
    let snapshot = node.snapshot.load();
    let exchange = exchange(&snapshot, claims);
    notice::event(notice, &exchange, claims, fields, at_ms)
        .map_err(|why| (notice.kind(exchange.billable), why))
}

/// Does to the bid's reservation and to the user's counts what follows from a written event, of
/// which the kind and the most that it costs are given.
pub(crate) fn conclude(
    node: &Node,
    claims: &Claims<'_>,
    (kind, most): (event::Kind, Micros),
    outcome: Outcome,
) {
    let expires_at = exchange(&node.snapshot.load(), claims).reservation_expiry(claims);
    tell(node, claims, (kind, &outcome));
    match (outcome, kind) {
        (Outcome::Recorded, event::Kind::Loss) => {
            let open = end(node, claims, |purse, id| {
                purse.reservations.release(&purse.book, id)
            });
            // One that was billed before has given its place to an impression; what would be
            // given back here is the place of another bid.
            if open == Some(true) {
                node.caps.release(&claims.exposure, expires_at);
            }
        }
        (Outcome::Recorded, event::Kind::Win) => {
            end(node, claims, |purse, id| {
                purse.reservations.narrow(&purse.book, id, most)
            });
        }
        (
            Outcome::Recorded
            | Outcome::Charged { .. }
            | Outcome::OverDelivered { .. }
            | Outcome::Duplicate
            | Outcome::Refused { .. },
            _,
        ) => {}
    }
}

/// Counts a refusal and keeps it: a bid that is billed wrongly is looked for later by whoever misses
/// the money.
fn refused(
    node: &Node,
    kind: event::Kind,
    claims: &Claims<'_>,
    why: notice::Refusal,
    text: &str,
) -> Problem {
    node.telemetry.notices_refused[why.index()].increment(1);
    if let Ok(event) = Event::of(kind, claims, clock::unix_ms()) {
        dead_letters::keep(node, DeadLetter::of(&event, why.fault(), text));
    }
    Problem::new(StatusCode::BAD_REQUEST, field(why), why.to_string())
}

/// Counts a win or a bill that is told for the first time.
fn tell(node: &Node, claims: &Claims<'_>, told: (event::Kind, &Outcome)) {
    let stage = match told {
        (event::Kind::Win, Outcome::Recorded) => Stage::Win,
        (event::Kind::Bill, Outcome::Charged { .. } | Outcome::OverDelivered { .. }) => {
            Stage::Billed
        }
        _ => return,
    };
    let funnel = &node.snapshot.load().hour.funnel;
    funnel.count(FunnelKey::new(claims.line_item, claims.exchange), stage, 1);
    funnel.count(FunnelKey::exchange(claims.exchange), stage, 1);
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
        notice::Refusal::UnknownSeat => "s",
        notice::Refusal::Multiplier => "q",
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
