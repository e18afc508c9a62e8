//! What the exchange of a simulation tells the bidder, and when it arrives.
//!
//! The outcome of an auction (`nurl` or `lurl`) leaves when it is cleared, the bill (`burl`) with
//! the impression; each takes its own time, and each may be lost. Where a win or the impression
//! is what is charged, it takes the time of a bill.

use super::chance::{Chance, Delay};
use super::node::Node;
use bidder::exchange::Billable;
use bidder::notice::{self, Fields, Notice};
use ledger::event::Kind;
use ledger::store::Funding;
use ledger::token::Purpose;
use ledger::{Cpm, Micros, Outcome, ReservationId};
use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// How notices travel.
#[derive(Clone, Copy, Debug)]
pub struct Transport {
    /// Of what is charged.
    pub bill: Delay,
    /// Of the outcome of an auction.
    pub outcome: Delay,
    /// Part that never arrives, 0 to 1.
    pub loss: f64,
}

/// An impression or a lost auction, as the scores know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Place in the scores' list of line items.
    pub line_item: u32,
    /// When the auction was, unix milliseconds.
    pub at_ms: i64,
    /// What the impression is worth to the line item.
    pub value: Cpm,
}

/// A notice under way.
struct Letter {
    due_ms: i64,
    order: u64,
    kind: Notice,
    token: Box<str>,
    price: Cpm,
    origin: Origin,
}

impl PartialEq for Letter {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Letter {}

impl PartialOrd for Letter {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Letter {
    /// The one that arrives first is the greatest.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.due_ms, other.order).cmp(&(self.due_ms, self.order))
    }
}

/// What became of a bill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charge {
    /// The impression.
    pub origin: Origin,
    /// What it cost.
    pub cost: Micros,
    /// Whether the budget had it; else the platform bears it.
    pub funded: bool,
}

/// All notices that are under way.
pub struct Notices {
    letters: BinaryHeap<Letter>,
    order: u64,
    transport: Transport,
    chance: Chance,
    buffer: Vec<u8>,
}

impl Notices {
    /// Nothing is under way yet.
    pub fn new(transport: Transport, seed: u64) -> Self {
        Self {
            letters: BinaryHeap::new(),
            order: 0,
            transport,
            chance: Chance::new(seed, 2),
            buffer: Vec::new(),
        }
    }

    /// Tells the outcome of an auction, and bills where it was won at `price`. Whether the bill
    /// will arrive; false where it was lost.
    pub fn send(
        &mut self,
        won: Option<Cpm>,
        billable: Billable,
        token: &str,
        origin: Origin,
    ) -> bool {
        let Some(price) = won else {
            self.post(Notice::Loss, self.transport.outcome, token, Cpm(0), origin);
            return false;
        };
        let (bill, outcome) = (self.transport.bill, self.transport.outcome);
        match billable {
            Billable::Win => self.post(Notice::Win, bill, token, price, origin),
            Billable::Burl => {
                self.post(Notice::Win, outcome, token, price, origin);
                self.post(Notice::Bill, bill, token, price, origin)
            }
            Billable::Impression => {
                self.post(Notice::Win, outcome, token, price, origin);
                self.post(Notice::Impression, bill, token, price, origin)
            }
        }
    }

    fn post(
        &mut self,
        kind: Notice,
        delay: Delay,
        token: &str,
        price: Cpm,
        origin: Origin,
    ) -> bool {
        if self.chance.unit() < self.transport.loss {
            return false;
        }
        self.order += 1;
        self.letters.push(Letter {
            due_ms: origin.at_ms + delay.draw(&mut self.chance),
            order: self.order,
            kind,
            token: token.into(),
            price,
            origin,
        });
        true
    }

    /// When the next one arrives, unix milliseconds.
    pub fn next_ms(&self) -> Option<i64> {
        self.letters.peek().map(|letter| letter.due_ms)
    }

    /// Delivers the next notice to the node, as its address does: the token is verified, the
    /// event written, the reservation ended. What was charged, if anything.
    pub fn deliver(&mut self, node: &mut Node) -> Option<Charge> {
        let letter = self.letters.pop()?;
        let now_s = u32::try_from(letter.due_ms / 1_000).unwrap_or_default();
        let Node {
            books,
            memory,
            signer,
            exchange,
            ..
        } = node;
        let verified = signer.verify(Purpose::Notice, &letter.token, now_s, &mut self.buffer);
        let claims = verified.ok()?;
        let price = letter.price.to_string();
        let fields = Fields {
            price: Some(&price),
            ..Fields::default()
        };
        let event = notice::event(letter.kind, exchange, &claims, fields, letter.due_ms).ok()?;
        let (reservations, book, epoch) = (&memory.reservations, &memory.book, memory.epoch);
        let own = event.reservation.filter(|(of, _)| *of == epoch);
        let own = own.map(|(_, id): (u32, ReservationId)| id);
        // What the ledger's writer does with a bill.
        let settle = |event: &ledger::Event, cost: Micros| match event.reservation {
            Some((of, id)) if of == epoch => {
                let settled = reservations.settle(book, id, cost);
                settled.map_or(Funding::Late, |settled| Funding::Lease {
                    held: settled.covered,
                })
            }
            Some((of, _)) if of < epoch => Funding::Frozen { epoch: of },
            Some(_) | None => Funding::Late,
        };
        let outcome = books.apply(&event, settle);
        let charge = |cost, funded| Charge {
            origin: letter.origin,
            cost,
            funded,
        };
        match (outcome, event.kind) {
            (Outcome::Charged { cost }, _) => Some(charge(cost, true)),
            (Outcome::OverDelivered { cost }, _) => Some(charge(cost, false)),
            (Outcome::Recorded, Kind::Loss) => {
                own.map(|id| reservations.release(book, id));
                None
            }
            (Outcome::Recorded, Kind::Win) => {
                own.map(|id| reservations.narrow(book, id, event.most()));
                None
            }
            (Outcome::Recorded | Outcome::Duplicate | Outcome::Refused { .. }, _) => None,
        }
    }
}
