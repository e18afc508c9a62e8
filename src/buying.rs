//! The bidder on one serving thread: its buffers, its chance, and the way in for the exchange of
//! the same process, which asks it with OpenRTB bytes like anybody else.

use crate::clock;
use crate::node::Node;
use crate::snapshot::Snapshot;
use bidder::decide::{self, Explained};
use bidder::{Decided, DecisionScratch, Exchange, NoBid, Outcome, Runtime};
use exchange::fanout::{LocalAnswer, LocalBidder};
use openrtb::Fault;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

/// The bidder of one thread.
pub struct Buying {
    node: Arc<Node>,
    scratch: RefCell<DecisionScratch>,
    random: RefCell<SmallRng>,
}

impl Buying {
    /// The bidder of a thread of `node`.
    pub fn new(node: Arc<Node>, seed: u64) -> Self {
        let random = RefCell::new(SmallRng::seed_from_u64(seed));
        Self {
            node,
            scratch: RefCell::default(),
            random,
        }
    }

    /// Decides on a request of `exchange` and leaves the response in `out`.
    ///
    /// # Errors
    /// The outcome where there is no bid.
    pub fn decide(
        &self,
        snapshot: &Snapshot,
        exchange: &Exchange,
        body: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Decided, Outcome> {
        let node = &self.node;
        if !node.writer.is_healthy() {
            out.clear();
            return Err(self.counted(Outcome::NoBid(NoBid::LedgerStopped)));
        }
        let state = state(node, snapshot, exchange);
        let runtime = runtime(node, snapshot);
        let seed = self.random.borrow_mut().random();
        let mut scratch = self.scratch.borrow_mut();
        let scratch = &mut scratch;
        // Two readings of the clock, about 50 ns, around the decision and never inside it.
        let begun = clock::now();
        let now_ms = clock::unix_ms();
        let decided = bidder::decide(body, &state, runtime, scratch, (now_ms, seed), out);
        node.telemetry.bid.latency.record(clock::now() - begun);
        if !matches!(decided, Err(Outcome::Malformed(_))) {
            let sample = &snapshot.hour.sample;
            sample.show(&exchange.id, now_ms, body, seed);
        }
        if let Ok(decided) = &decided {
            node.telemetry.bids.increment(u64::from(decided.bids));
            exchange.throttle.bid(decided.bids);
        }
        decided.map_err(|outcome| self.counted(outcome))
    }

    fn counted(&self, outcome: Outcome) -> Outcome {
        if let Outcome::NoBid(reason) = &outcome {
            self.node.telemetry.no_bids[reason.index()].increment(1);
        }
        outcome
    }
}

/// Explains what the bidder would do now with a request of an exchange, for the line items that
/// `wanted` picks, and takes nothing. For the control plane.
///
/// # Errors
/// Not a request that can be read.
pub fn explain<'s>(
    node: &'s Node,
    snapshot: &'s Snapshot,
    exchange: &'s Exchange,
    (body, seed): (&[u8], u64),
    wanted: &dyn Fn(&str) -> bool,
) -> Result<Explained<'s>, Fault> {
    let now = (clock::unix_ms(), seed);
    let (state, runtime) = (state(node, snapshot, exchange), runtime(node, snapshot));
    let mut scratch = DecisionScratch::default();
    let mut explained = decide::explain(body, &state, runtime, &mut scratch, now, wanted)?;
    if !node.writer.is_healthy() {
        explained.outcome = Err(NoBid::LedgerStopped);
    }
    Ok(explained)
}

fn state<'s>(
    node: &'s Node,
    snapshot: &'s Snapshot,
    exchange: &'s Exchange,
) -> bidder::Snapshot<'s> {
    bidder::Snapshot {
        catalog: &snapshot.catalog,
        plan: &snapshot.plan,
        audience: &snapshot.audience.lookup,
        seed: node.user_seed,
        signer: &node.signer,
        links: &node.links,
        rates: Some(&snapshot.rates),
        exchange,
        limits: node.settings.limits,
        appraisal: None,
    }
}

fn runtime<'s>(node: &'s Node, snapshot: &'s Snapshot) -> Runtime<'s> {
    Runtime {
        reservations: &snapshot.purse.reservations,
        book: &snapshot.purse.book,
        caps: &node.caps,
        epoch: snapshot.purse.epoch,
        funnel: Some(&snapshot.hour.funnel),
    }
}

/// The bidder as a partner of this process's exchange.
pub struct Local(pub Rc<Buying>);

impl LocalBidder for Local {
    fn bid(&self, body: &[u8], out: &mut Vec<u8>) -> LocalAnswer {
        let node = &self.0.node;
        let snapshot = node.snapshot.load();
        let Some(exchange) = snapshot.exchanges.get(&node.settings.exchange_name) else {
            return LocalAnswer::NoBid;
        };
        let mut answer = Vec::new();
        match self.0.decide(&snapshot, exchange, body, &mut answer) {
            Ok(_) => {
                out.extend_from_slice(&answer);
                LocalAnswer::Bids
            }
            Err(Outcome::NoBid(_)) => LocalAnswer::NoBid,
            Err(Outcome::Malformed(_)) => LocalAnswer::Refused,
        }
    }
}
