//! Fan-out: ask every invited partner at once, gather what comes before one deadline.
//!
//! Partners that see the same imps in the same time get the same bytes, encoded once. There is
//! one timer for the whole auction; whoever has not answered when it fires is cut off, and its
//! connection is closed. The bidder of this process is asked while the requests to the others
//! are on their way. Everything is polled in place: nothing is spawned, so an auction that its
//! caller abandons leaves nothing behind.

use crate::Clock;
use crate::catalog::{Pricing, Route};
use crate::counters::PartnerEvent;
use crate::invite::Invitation;
use crate::link::{Failure, Link, Reply, Ticket};
use crate::lot::Auction;
use crate::market::Buyer;
use crate::price::to_wire;
use bumpalo::Bump;
use bytes::Bytes;
use ledger::Cpm;
use openrtb::request::Imp;
use openrtb::{BidRequest, Encode, List};
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};

/// The bidder of this process. It is asked with OpenRTB bytes like anybody else.
pub trait LocalBidder {
    /// Answers a bid request, appending a bid response to `out`.
    fn bid(&self, body: &[u8], out: &mut Vec<u8>) -> LocalAnswer;
}

/// What the bidder of this process answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocalAnswer {
    /// A bid response was written.
    Bids,
    /// It does not bid.
    NoBid,
    /// It refused the request, which is a fault of ours.
    Refused,
}

/// A partner's answer as bytes. The ticket is settled by whoever knows whether the bytes are an
/// answer.
pub struct Received {
    /// Place of the partner in the market.
    pub buyer: usize,
    /// The body.
    pub body: Bytes,
    /// The breaker's question, for HTTP partners.
    pub ticket: Option<Ticket>,
}

/// Tokio's timers fire up to a millisecond late.
const TIMER_GRAIN: Duration = Duration::from_millis(1);

/// What a call brought.
type Answered = Result<Reply, Failure>;

/// A partner that is being asked.
struct Asked<F> {
    buyer: usize,
    ticket: Ticket,
    until: Instant,
    call: Option<Pin<Box<F>>>,
}

/// Asks the invited partners and gathers their answers until `deadline` at the latest, and no
/// longer than the most patient of them is given.
pub async fn ask(
    auction: &Auction<'_>,
    invitations: &[Invitation<'_>],
    links: &[Option<Rc<Link>>],
    local: &impl LocalBidder,
    clock: &impl Clock,
    deadline: Instant,
    arena: &Bump,
) -> Vec<Received> {
    let (mut asked, mut inside) =
        prepare(auction, invitations, links, clock.now(), deadline, arena);
    let mut received = Vec::with_capacity(invitations.len());
    let mut ask_inside = || {
        for (index, body) in inside.drain(..) {
            received.extend(ask_local(
                local,
                index,
                &auction.market.buyers()[index],
                &body,
            ));
        }
    };
    let late = asked.iter().map(|one| one.until).max();
    let Some(late) = late else {
        ask_inside();
        return received;
    };
    let late = late.checked_sub(TIMER_GRAIN).unwrap_or(late);
    let mut timer = std::pin::pin!(tokio::time::sleep_until(late.into()));
    let mut answers = Vec::with_capacity(asked.len());
    poll_fn(|context| {
        for (index, one) in asked.iter_mut().enumerate() {
            if let Some(call) = &mut one.call
                && let Poll::Ready(reply) = call.as_mut().poll(context)
            {
                one.call = None;
                answers.push((index, clock.now(), reply));
            }
        }
        // The requests are on their way by now.
        ask_inside();
        if asked.iter().all(|one| one.call.is_none()) {
            return Poll::Ready(());
        }
        timer.as_mut().poll(context)
    })
    .await;
    let mut replies: Vec<_> = asked.iter().map(|_| None).collect();
    for (index, at, reply) in answers {
        replies[index] = Some(reply).filter(|_| at <= asked[index].until);
    }
    let now = clock.now();
    for (one, reply) in asked.into_iter().zip(replies) {
        // Dropping the call closes its connection.
        drop(one.call);
        let buyer = &auction.market.buyers()[one.buyer];
        received.extend(settle(buyer, one.buyer, one.ticket, reply, now));
    }
    received
}

/// Bodies for the bidder of this process, each with its place in the market.
type Inside = Vec<(usize, Bytes)>;

/// Whoever is fit to be asked: the calls to HTTP partners, not begun yet, and what to ask inside.
fn prepare(
    auction: &Auction<'_>,
    invitations: &[Invitation<'_>],
    links: &[Option<Rc<Link>>],
    now: Instant,
    deadline: Instant,
    arena: &Bump,
) -> (Vec<Asked<impl Future<Output = Answered> + use<>>>, Inside) {
    let written = Vec::new();
    let mut bodies = Bodies {
        auction,
        arena,
        written,
    };
    let mut asked = Vec::with_capacity(invitations.len());
    let mut inside = Vec::new();
    for invitation in invitations {
        let index = invitation.buyer;
        let buyer = &auction.market.buyers()[index];
        let patience = Duration::from_millis(buyer.partner.timeout_ms.into());
        let until = deadline.min(now + patience);
        let link = links[index].as_ref();
        let Some(ticket) = admit(buyer, link, now) else {
            continue;
        };
        buyer.events.count(PartnerEvent::Asked);
        let body = bodies.body(*invitation, until.saturating_duration_since(now));
        if let (Some(link), Some(ticket)) = (link, ticket) {
            let link = Rc::clone(link);
            let call = Some(Box::pin(async move { link.ask(body).await }));
            asked.push(Asked {
                buyer: index,
                ticket,
                until,
                call,
            });
        } else {
            inside.push((index, body));
        }
    }
    (asked, inside)
}

/// Asks breaker and quota; the inner `None` is the bidder of this process, which has no breaker.
fn admit(buyer: &Buyer, link: Option<&Rc<Link>>, now: Instant) -> Option<Option<Ticket>> {
    let ticket = match (&buyer.partner.route, link) {
        (Route::Local, _) => None,
        (Route::Http(_), link) => {
            let ticket = link.and_then(|link| link.admit(now));
            if ticket.is_none() {
                buyer.events.count(PartnerEvent::BreakerOpen);
                return None;
            }
            ticket
        }
    };
    if !buyer.quota.take(now) {
        buyer.events.count(PartnerEvent::OverQuota);
        return None;
    }
    Some(ticket)
}

fn ask_local(
    local: &impl LocalBidder,
    index: usize,
    buyer: &Buyer,
    body: &[u8],
) -> Option<Received> {
    let mut out = Vec::new();
    let event = match local.bid(body, &mut out) {
        LocalAnswer::Bids => {
            return Some(Received {
                buyer: index,
                body: out.into(),
                ticket: None,
            });
        }
        LocalAnswer::NoBid => PartnerEvent::NoBid,
        LocalAnswer::Refused => PartnerEvent::BadStatus,
    };
    buyer.events.count(event);
    None
}

/// Counts what came, settles the ticket where that is known already, and hands on what may be an
/// answer.
fn settle(
    buyer: &Buyer,
    index: usize,
    ticket: Ticket,
    reply: Option<Answered>,
    now: Instant,
) -> Option<Received> {
    let event = match reply {
        Some(Ok(Reply { status: 200, body })) if !body.is_empty() => {
            return Some(Received {
                buyer: index,
                body,
                ticket: Some(ticket),
            });
        }
        Some(Ok(Reply {
            status: 200 | 204, ..
        })) => {
            buyer.events.count(PartnerEvent::NoBid);
            ticket.succeeded(now);
            return None;
        }
        Some(Err(Failure::Busy)) => {
            // Our own cap, not the partner's fault: the ticket goes back unused.
            buyer.events.count(PartnerEvent::Busy);
            return None;
        }
        Some(Ok(_)) => PartnerEvent::BadStatus,
        Some(Err(Failure::TooLarge)) => PartnerEvent::TooLarge,
        Some(Err(Failure::Encoded)) => PartnerEvent::Invalid,
        Some(Err(Failure::Broken | Failure::Forbidden)) => PartnerEvent::Broken,
        None => PartnerEvent::TimedOut,
    };
    buyer.events.count(event);
    ticket.failed(now);
    None
}

/// The request bodies of an auction, one for each view that differs.
struct Bodies<'b, 'a> {
    auction: &'b Auction<'a>,
    arena: &'b Bump,
    /// For whom, with which time, and what.
    written: Vec<(Invitation<'b>, i64, Bytes)>,
}

impl<'b> Bodies<'b, '_> {
    fn body(&mut self, invited: Invitation<'b>, left: Duration) -> Bytes {
        let tmax = i64::try_from(left.as_millis()).unwrap_or(i64::MAX);
        let found = self
            .written
            .iter()
            .find(|(known, time, _)| *time == tmax && self.same_view(*known, invited));
        if let Some((_, _, body)) = found {
            return body.clone();
        }
        let mut out = Vec::with_capacity(4096);
        view(self.auction, invited, tmax, self.arena).encode(&mut out);
        let body = Bytes::from(out);
        self.written.push((invited, tmax, body.clone()));
        body
    }

    /// Whether two partners see the same imps at the same floors.
    fn same_view(&self, one: Invitation<'_>, other: Invitation<'_>) -> bool {
        let told = |lot: usize, buyer: usize| self.auction.floor(lot, buyer).signalled;
        let mut lots = one.lots.iter();
        one.lots == other.lots && lots.all(|lot| told(*lot, one.buyer) == told(*lot, other.buyer))
    }
}

/// The request as a partner sees it: its imps with their floors, the time that is truly left,
/// the kind of auction, and the currencies that are accepted. Everything else, unknown fields
/// included, is as the publisher sent it.
pub fn view<'a>(
    auction: &Auction<'a>,
    invited: Invitation<'_>,
    tmax_ms: i64,
    arena: &'a Bump,
) -> BidRequest<'a> {
    let currency: &'a str = arena.alloc_str(auction.currency.code());
    let imps = invited.lots.iter().map(|index| {
        let lot = &auction.lots[*index];
        let floor = auction.floor(*index, invited.buyer).signalled;
        let given = floor > Cpm(0);
        Imp {
            bidfloor: given.then(|| to_wire(floor)),
            bidfloorcur: given.then_some(currency),
            ..*lot.imp
        }
    });
    let imps = bumpalo::collections::Vec::from_iter_in(imps, arena);
    let cur = match auction.request.cur.items() {
        [] => List::new(std::slice::from_ref(arena.alloc(currency))),
        _ => auction.request.cur,
    };
    let at = match auction.seller.publisher.pricing {
        Pricing::FirstPrice => 1,
        Pricing::SecondPrice { .. } => 2,
    };
    BidRequest {
        imp: List::new(imps.into_bump_slice()),
        tmax: Some(tmax_ms),
        at: Some(at),
        cur,
        ..auction.request
    }
}
