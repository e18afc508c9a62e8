//! One auction, from the publisher's bytes to the response: the phases in their order.

use crate::clear::Award;
use crate::counters::{Counters, Ended, Label, PartnerEvent, labels};
use crate::enrich::{GeoDatabase, enrich};
use crate::fanout::{self, LocalBidder, Received};
use crate::floor::{Plan, Stated};
use crate::intake::{self, Refusal};
use crate::link::Links;
use crate::link::notice::Outbox;
use crate::lot::Auction;
use crate::market::Market;
use crate::screen::{self, Answer, Offer, Rules};
use crate::settle::{self, Seal, Sold};
use crate::trace::Trace;
use crate::{deal, draw, implicit, interstitial, invite, log, redact, stored};
use bumpalo::Bump;
use ledger::token::Signer;
use ledger::{AuctionLog, Cpm};
use openrtb::encode::Object;
use openrtb::{Encode, Keep, Limits, Scratch};
use std::cell::RefCell;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Time, as the composition root reads it.
pub trait Clock {
    /// The monotonic time.
    fn now(&self) -> Instant;
}

labels! {
    /// Why nothing was sold. This is an answer and no error.
    pub enum NoBid {
        /// Too little time is left to ask anybody.
        TooLate = "too_late",
        /// No partner buys what is for sale, or none can be asked now.
        NoBuyer = "no_buyer",
        /// Every floor is in a currency without a rate.
        NoRate = "no_rate",
        /// Nobody bid.
        NoBids = "no_bids",
        /// Every bid was rejected.
        AllRejected = "all_rejected",
    }
}

impl NoBid {
    /// The reason as OpenRTB counts it; 500 and above are the exchange's own.
    pub fn nbr(self) -> i64 {
        match self {
            NoBid::TooLate => 15,
            NoBid::NoBuyer => 500,
            NoBid::NoBids => 501,
            NoBid::AllRejected => 502,
            NoBid::NoRate => 503,
        }
    }
}

/// What an exchange is told once.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Name of the exchange in tokens and the ledger.
    pub exchange: Arc<str>,
    /// Where browsers and publishers reach us, without a slash at the end.
    pub public_url: Arc<str>,
    /// Limits of requests.
    pub limits: Limits,
    /// Part of `tmax` left for the way back to the publisher.
    pub network_margin: Duration,
    /// Longest auction, whatever the request asks for.
    pub max_tmax: Duration,
    /// With less time than this nobody is asked.
    pub min_ask: Duration,
    /// The highest bid that is believed, per thousand, in the currency of the auction.
    pub max_price: Cpm,
    /// How long an impression may be billed after its auction, in seconds.
    pub billable_s: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            exchange: "exchange".into(),
            public_url: "http://127.0.0.1:8080".into(),
            limits: Limits::default(),
            network_margin: Duration::from_millis(5),
            max_tmax: Duration::from_secs(1),
            min_ask: Duration::from_millis(5),
            max_price: Cpm(1_000_000_000),
            billable_s: 3_600,
        }
    }
}

/// What one worker sells with: its links, and what it shares with the others.
pub struct Desk<L, C> {
    /// The settings.
    pub settings: Settings,
    /// The bidder of this process.
    pub local: L,
    /// The clock.
    pub clock: C,
    /// Signs impression tokens.
    pub signer: Arc<Signer>,
    /// The counters, shared by all workers.
    pub counters: Arc<Counters>,
    /// Where notices go.
    pub outbox: Outbox,
    /// Where auctions are logged; `None` where they are not.
    pub log: Option<AuctionLog>,
    /// The links to the partners, of this worker.
    pub links: Links,
    /// Spare buffers for partners' answers.
    pub spare: RefCell<Vec<Scratch>>,
}

/// The most buffers that a worker keeps for later.
const SPARE: usize = 64;

/// A publisher's call.
#[derive(Clone, Copy, Debug)]
pub struct Call<'b> {
    /// The body, decompressed.
    pub body: &'b [u8],
    /// What the HTTP request says beside it.
    pub http: implicit::Http<'b>,
    /// When it came.
    pub received: Instant,
    /// Unix seconds, for the tokens.
    pub now_s: u32,
    /// Seed of everything that is left to chance.
    pub seed: u64,
    /// Where it is kept what the auction does, for whoever may look into it.
    pub trace: Option<&'b Trace>,
}

/// How an auction ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The response with the winners was written.
    Sold(Vec<Sold>),
    /// Nothing was sold; `{"id":…,"nbr":…}` was written for those who want a body.
    NoBid(NoBid),
}

/// Runs one auction and appends the response to `out`.
///
/// # Errors
/// A [`Refusal`], of which the publisher is to be told; nothing was written.
pub async fn run<L: LocalBidder, C: Clock>(
    desk: &Desk<L, C>,
    market: &Market,
    geo: Option<&GeoDatabase>,
    call: Call<'_>,
    scratch: &mut Scratch,
    out: &mut Vec<u8>,
) -> Result<Outcome, Refusal> {
    let result = sell(desk, market, geo, call, scratch, out).await;
    let counters = &desk.counters;
    match &result {
        Ok(Outcome::Sold(_)) => counters.ended.count(Ended::Sold),
        Ok(Outcome::NoBid(reason)) => {
            counters.ended.count(Ended::Unsold);
            counters.no_bids.count(*reason);
        }
        Err(refusal) => {
            counters.ended.count(Ended::Refused);
            counters.refused.count(refusal.reason);
        }
    }
    result
}

async fn sell<L: LocalBidder, C: Clock>(
    desk: &Desk<L, C>,
    market: &Market,
    geo: Option<&GeoDatabase>,
    call: Call<'_>,
    scratch: &mut Scratch,
    out: &mut Vec<u8>,
) -> Result<Outcome, Refusal> {
    let settings = &desk.settings;
    let arena = Bump::new();

    let request = intake::decode(scratch, call.body, settings.limits)?;
    let (limits, page) = (settings.limits, implicit::page(call.http));
    let seller = intake::seller(market, &request, page);
    // A request that no specification allows is told so, whoever sent it.
    let seller = seller.or_else(|refusal| intake::check(&request).and(Err(refusal)))?;
    intake::admit_trace(seller, call.trace)?;
    let completed = stored::complete(seller, &request, call.body, limits)?;
    let request = match &completed {
        None => request,
        Some(body) => intake::decode(scratch, body, stored::limits(limits))?,
    };
    let server = seller.publisher.requests.from_servers;
    let request = implicit::fill(request, call.http, server, &arena);
    let request = interstitial::fill(request, &arena)?;
    intake::check(&request)?;
    intake::admit(seller, desk.clock.now())?;
    let deadline = deadline(
        settings,
        seller.publisher.tmax_ms,
        request.tmax,
        call.received,
    );

    let request = redact::redact(enrich(request, geo, &arena), &arena);
    let request = deal::offer(seller, request, call.now_s, &arena);
    let mut draws = draw::Draw::new(call.seed);
    let stated = Stated::read(&request, seller.publisher.takes_stated_floors());
    let plan = Plan::draw(&seller.publisher, &stated, call.now_s, &mut draws);
    let mut auction = Auction::open(market, seller, request, plan, draws.bits(), &arena);
    auction.trace = call.trace;
    for lot in auction.lots {
        desk.counters.floors.count(lot.floor.source.event());
    }
    let unsold = |reason: NoBid, out: &mut Vec<u8>| {
        desk.log(&auction, (&[], &[]), reason.label(), call.now_s);
        no_bid(&auction, &[], reason, out)
    };
    if auction.lots.is_empty() {
        return Ok(unsold(NoBid::NoRate, out));
    }
    if deadline < desk.clock.now() + settings.min_ask {
        return Ok(unsold(NoBid::TooLate, out));
    }

    let invitations = invite::invite(&auction, &arena);
    if invitations.is_empty() {
        return Ok(unsold(NoBid::NoBuyer, out));
    }
    let links = desk.links.of(market);
    let received = fanout::ask(
        &auction,
        &invitations,
        &links,
        &desk.local,
        &desk.clock,
        deadline,
        &arena,
    )
    .await;

    Ok(conclude(
        desk,
        &auction,
        received,
        (call.now_s, deadline),
        &arena,
        out,
    )
    .await)
}

/// Screens the answers, clears the lots, tells the partners and writes the response.
async fn conclude<'a, L, C: Clock>(
    desk: &Desk<L, C>,
    auction: &Auction<'a>,
    received: Vec<Received>,
    (now_s, deadline): (u32, Instant),
    arena: &'a Bump,
    out: &mut Vec<u8>,
) -> Outcome {
    let settings = &desk.settings;
    let mut buffers = desk.take_buffers(received.len());
    let answers = decode(desk, auction, received, &mut buffers, arena);
    let rules = Rules {
        max_price: settings.max_price,
    };
    let mut offers = screen::screen(auction, &answers, rules);
    let awards = fanout::markup::award(auction, &mut offers, &desk.links, deadline, arena).await;
    count(desk, auction, &offers, &awards);
    settle::notify(auction, &offers, &awards, &desk.outbox);
    let outcome = if !awards.is_empty() {
        let seal = Seal {
            exchange: &settings.exchange,
            public_url: &settings.public_url,
            signer: &desk.signer,
            expires_at: now_s.saturating_add(settings.billable_s),
        };
        settle::respond(auction, &offers, &awards, &seal, arena).encode(out);
        settle::explain(auction, &offers, &awards, out);
        Outcome::Sold(settle::record(auction, &offers, &awards))
    } else if offers.is_empty() {
        no_bid(auction, &offers, NoBid::NoBids, out)
    } else {
        no_bid(auction, &offers, NoBid::AllRejected, out)
    };
    let ended = match &outcome {
        Outcome::Sold(_) => Ended::Sold.label(),
        Outcome::NoBid(reason) => reason.label(),
    };
    desk.log(auction, (&offers, &awards), ended, now_s);
    desk.keep_buffers(buffers);
    outcome
}

fn count<L, C>(desk: &Desk<L, C>, auction: &Auction<'_>, offers: &[Offer<'_>], awards: &[Award]) {
    for offer in offers {
        if let Err(loss) = offer.standing {
            desk.counters.losses.count(loss);
            auction.seller.losses.count(loss);
            let buyer = &auction.market.buyers()[offer.buyer];
            buyer.live.losses.count(loss);
        }
    }
    for offer in offers {
        let id = offer.bid.dealid.unwrap_or_default();
        if let Some(agreed) = auction.seller.deal(id).filter(|_| !auction.is_test()) {
            agreed.count(offer.buyer, offer.standing.err());
        }
    }
    for award in awards {
        let buyer = &auction.market.buyers()[offers[award.offer].buyer];
        buyer.events.count(PartnerEvent::Won);
    }
}

/// When the last answer may come: `tmax` includes the way back to the publisher.
fn deadline(settings: &Settings, default_ms: u32, tmax: Option<i64>, received: Instant) -> Instant {
    let asked = tmax
        .filter(|tmax| *tmax > 0)
        .and_then(|tmax| u64::try_from(tmax).ok());
    let tmax = Duration::from_millis(asked.unwrap_or(default_ms.into()));
    received
        + tmax
            .min(settings.max_tmax)
            .saturating_sub(settings.network_margin)
}

/// Writes that nothing was sold; why, where anybody bid or looks into the auction.
fn no_bid(
    auction: &Auction<'_>,
    offers: &[Offer<'_>],
    reason: NoBid,
    out: &mut Vec<u8>,
) -> Outcome {
    let mut object = Object::open(out);
    object.member("id", &auction.request.id.unwrap_or_default());
    object.member("nbr", &reason.nbr());
    object.close();
    if !offers.is_empty() || auction.trace.is_some() {
        settle::explain(auction, offers, &[], out);
    }
    Outcome::NoBid(reason)
}

/// Decodes what partners answered. What is no answer to this auction counts against its partner.
fn decode<'a, L, C: Clock>(
    desk: &Desk<L, C>,
    auction: &Auction<'a>,
    received: Vec<Received>,
    buffers: &'a mut [Scratch],
    arena: &'a Bump,
) -> Vec<Answer<'a>> {
    let now = desk.clock.now();
    let mut answers = Vec::with_capacity(received.len());
    for (one, buffer) in received.into_iter().zip(buffers) {
        let buyer = &auction.market.buyers()[one.buyer];
        let limits = Limits {
            body: crate::link::MAX_ANSWER,
            ..desk.settings.limits
        };
        let decoded = buffer.decode(&one.body, limits, Keep::All);
        match decoded {
            Ok(response) if screen::is_answer(auction, &response) => {
                let bids = response.seatbid.iter().any(|seat| !seat.bid.is_empty());
                let event = if bids {
                    PartnerEvent::Bid
                } else {
                    PartnerEvent::NoBid
                };
                auction.note(one.buyer, event);
                if let Some(trace) = auction.trace {
                    trace.understood(one.buyer, &response);
                }
                buyer.learn(one.traffic, bids);
                if let Some(ticket) = one.ticket {
                    ticket.succeeded(now);
                }
                let response = if buyer.partner.treatment.splits_formats {
                    fanout::split::rejoined(auction, response, arena)
                } else {
                    response
                };
                answers.push(Answer {
                    buyer: one.buyer,
                    response,
                });
            }
            Ok(_) | Err(_) => {
                auction.note(one.buyer, PartnerEvent::Invalid);
                if let Some(ticket) = one.ticket {
                    ticket.failed(now);
                }
            }
        }
    }
    answers
}

impl<L, C> Desk<L, C> {
    fn log(
        &self,
        auction: &Auction<'_>,
        bids: (&[Offer<'_>], &[Award]),
        ended: &'static str,
        now_s: u32,
    ) {
        if let Some(log) = &self.log {
            log::put(log, &self.settings.exchange, auction, bids, ended, now_s);
        }
    }

    fn take_buffers(&self, count: usize) -> Vec<Scratch> {
        let mut spare = self.spare.borrow_mut();
        let left = spare.len().saturating_sub(count);
        let mut buffers = spare.split_off(left);
        buffers.resize_with(count, Scratch::default);
        buffers
    }

    fn keep_buffers(&self, buffers: Vec<Scratch>) {
        let mut spare = self.spare.borrow_mut();
        spare.extend(buffers);
        spare.truncate(SPARE);
    }
}
