//! Fan-out: ask every invited partner at once, gather what comes before one deadline.
//!
//! Partners that see the same imps in the same time get the same bytes, encoded once. There is
//! one timer for the whole auction; whoever has not answered when it fires is cut off, and its
//! connection is closed. The bidder of this process is asked while the requests to the others
//! are on their way. Everything is polled in place: nothing is spawned, so an auction that its
//! caller abandons leaves nothing behind.

mod habit;
pub mod markup;
pub mod split;
mod view;

pub use habit::{Habits, Traffic};
pub use view::view;

use crate::Clock;
use crate::catalog::Route;
use crate::counters::PartnerEvent;
use crate::draw::Draw;
use crate::invite::Invitation;
use crate::link::{Failure, Link, Reply, Ticket};
use crate::lot::Auction;
use crate::market::{Buyer, Live};
use bumpalo::Bump;
use bytes::Bytes;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
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
    /// What kind of traffic it was asked for, where that is counted.
    pub traffic: Option<Traffic>,
}

/// Tokio's timers fire up to a millisecond late.
const TIMER_GRAIN: Duration = Duration::from_millis(1);

/// A deadline that this thread noticed so late says more of the thread than of the partners.
const STALL: Duration = Duration::from_millis(10);

/// What a call brought.
type Answered = Result<Reply, Failure>;

/// A partner that is being asked.
struct Asked<F> {
    buyer: usize,
    ticket: Ticket,
    traffic: Option<Traffic>,
    until: Instant,
    call: Option<Pin<Box<F>>>,
    _under_way: UnderWay,
}

/// What a partner may be asked with.
struct Admission {
    /// The breaker's question; the bidder of this process has no breaker.
    ticket: Option<Ticket>,
    under_way: UnderWay,
}

/// Counts a call for as long as it is under way.
struct UnderWay(Arc<Live>);

impl UnderWay {
    /// `None` where as many are under way as there may be; 0 means no limit.
    fn new(live: &Arc<Live>, most: u32) -> Option<Self> {
        let counted = Self(Arc::clone(live));
        let before = live.in_flight.fetch_add(1, Relaxed);
        (most == 0 || before < most).then_some(counted)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Relaxed);
    }
}

/// A question for the bidder of this process.
struct Inside {
    buyer: usize,
    traffic: Option<Traffic>,
    body: Bytes,
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
    let (mut asked, mut inside) = prepare(auction, invitations, links, clock, deadline, arena);
    let mut received = Vec::with_capacity(invitations.len());
    let mut ask_inside = || {
        for one in inside.drain(..) {
            let answer = ask_local(auction, local, &one);
            if let Some(trace) = auction.trace {
                let bytes = answer.as_ref().map_or(0, |answer| answer.body.len());
                trace.answered(one.buyer, clock.now(), bytes);
            }
            received.extend(answer);
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
                let now = clock.now();
                if let (Some(trace), Ok(reply)) = (auction.trace, &reply) {
                    trace.answered(one.buyer, now, reply.body.len());
                }
                answers.push((index, now, reply));
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
    let stalled = now.saturating_duration_since(late) > STALL;
    for (one, reply) in asked.into_iter().zip(replies) {
        // Dropping the call closes its connection.
        drop(one.call);
        if stalled && reply.is_none() {
            // It was we who came too late, so nothing is learnt of the partner.
            auction.note(one.buyer, PartnerEvent::TimedOut);
            continue;
        }
        let came = (one.buyer, one.traffic, one.ticket);
        received.extend(settle(auction, came, reply, now));
    }
    received
}

/// Whoever is fit to be asked: the calls to HTTP partners, not begun yet, and what to ask inside.
fn prepare<'c, C: Clock>(
    auction: &Auction<'_>,
    invitations: &[Invitation<'_>],
    links: &[Option<Rc<Link>>],
    clock: &'c C,
    deadline: Instant,
    arena: &Bump,
) -> (
    Vec<Asked<impl Future<Output = Answered> + use<'c, C>>>,
    Vec<Inside>,
) {
    let now = clock.now();
    let mut bodies = view::Bodies::new(auction, arena);
    let mut asked = Vec::with_capacity(invitations.len());
    let mut inside = Vec::new();
    for invitation in invitations {
        let index = invitation.buyer;
        let buyer = &auction.market.buyers()[index];
        let partner = &buyer.partner;
        let until = deadline.min(now + Duration::from_millis(partner.timeout_ms.into()));
        let link = links[index].as_ref();
        let throttled = partner.treatment.throttle_after > 0;
        let traffic = throttled.then(|| Traffic::of(auction, invitation.lots));
        let mut draw = Draw::new(auction.seed ^ index as u64);
        let admission = match admit(auction, buyer, link, traffic, now, &mut draw) {
            Ok(admission) => admission,
            Err(event) => {
                auction.note(index, event);
                continue;
            }
        };
        let question = bodies.question(*invitation, now, until);
        if question.told.is_zero() {
            auction.note(index, PartnerEvent::TooLate);
            continue;
        }
        auction.note(index, PartnerEvent::Asked);
        if let Some(trace) = auction.trace {
            trace.asked(index, now, &question.body);
        }
        if let (Some(link), Some(ticket)) = (link, admission.ticket) {
            let (link, live) = (Rc::clone(link), Arc::clone(&buyer.live));
            let call = async move { link.ask(question, &live.timing, clock).await };
            asked.push(Asked {
                buyer: index,
                ticket,
                traffic,
                until,
                call: Some(Box::pin(call)),
                _under_way: admission.under_way,
            });
        } else {
            inside.push(Inside {
                buyer: index,
                traffic,
                body: question.body,
            });
        }
    }
    (asked, inside)
}

/// Asks habits, breaker, concurrency and quotas.
fn admit(
    auction: &Auction<'_>,
    buyer: &Buyer,
    link: Option<&Rc<Link>>,
    traffic: Option<Traffic>,
    now: Instant,
    draw: &mut Draw,
) -> Result<Admission, PartnerEvent> {
    let treatment = &buyer.partner.treatment;
    // OpenRTB 2.5 has no word for screens outside of homes.
    if auction.request.dooh.is_some() && &*buyer.partner.openrtb == "2.5" {
        return Err(PartnerEvent::NotInvited);
    }
    let (limit, explore) = (treatment.throttle_after, treatment.explore_percent);
    let habits = &buyer.live.habits;
    if traffic.is_some_and(|traffic| !habits.worth_asking(traffic, limit, explore, draw)) {
        return Err(PartnerEvent::Throttled);
    }
    let ticket = match &buyer.partner.route {
        Route::Local => None,
        Route::Http(_) => {
            let ticket = link.and_then(|link| link.admit(now));
            Some(ticket.ok_or(PartnerEvent::BreakerOpen)?)
        }
    };
    let under_way =
        UnderWay::new(&buyer.live, treatment.max_in_flight).ok_or(PartnerEvent::OverConcurrency)?;
    let of_publisher = buyer.publisher_quotas.get(auction.seller.index);
    if of_publisher.is_some_and(|quota| !quota.take(now)) {
        return Err(PartnerEvent::OverPublisherQuota);
    }
    if !buyer.quota.take(now) {
        return Err(PartnerEvent::OverQuota);
    }
    Ok(Admission { ticket, under_way })
}

fn ask_local(
    auction: &Auction<'_>,
    local: &impl LocalBidder,
    question: &Inside,
) -> Option<Received> {
    let buyer = &auction.market.buyers()[question.buyer];
    let mut out = Vec::new();
    let event = match local.bid(&question.body, &mut out) {
        LocalAnswer::Bids => {
            return Some(Received {
                buyer: question.buyer,
                body: out.into(),
                ticket: None,
                traffic: question.traffic,
            });
        }
        LocalAnswer::NoBid => {
            buyer.learn(question.traffic, false);
            PartnerEvent::NoBid
        }
        LocalAnswer::Refused => PartnerEvent::BadStatus,
    };
    auction.note(question.buyer, event);
    None
}

/// Counts what came, settles the ticket where that is known already, and hands on what may be an
/// answer.
fn settle(
    auction: &Auction<'_>,
    (index, traffic, ticket): (usize, Option<Traffic>, Ticket),
    reply: Option<Answered>,
    now: Instant,
) -> Option<Received> {
    let event = match reply {
        Some(Ok(Reply { status: 200, body })) if !body.is_empty() => {
            return Some(Received {
                buyer: index,
                body,
                ticket: Some(ticket),
                traffic,
            });
        }
        Some(Ok(Reply {
            status: 200 | 204, ..
        })) => {
            auction.note(index, PartnerEvent::NoBid);
            auction.market.buyers()[index].learn(traffic, false);
            ticket.succeeded(now);
            return None;
        }
        // Our own cap and our own time, not the partner's fault: the ticket goes back unused.
        Some(Err(Failure::Busy)) => {
            auction.note(index, PartnerEvent::Busy);
            return None;
        }
        Some(Err(Failure::TooLate)) => {
            auction.note(index, PartnerEvent::TooLate);
            return None;
        }
        Some(Ok(_)) => PartnerEvent::BadStatus,
        Some(Err(Failure::TooLarge)) => PartnerEvent::TooLarge,
        Some(Err(Failure::Encoded)) => PartnerEvent::Invalid,
        Some(Err(Failure::Broken | Failure::Forbidden)) => PartnerEvent::Broken,
        Some(Err(Failure::Untrusted)) => PartnerEvent::Untrusted,
        None => PartnerEvent::TimedOut,
    };
    auction.note(index, event);
    ticket.failed(now);
    None
}
