//! What one serving thread has for itself: buffers, links to partners, a source of chance.

use crate::buying::{Buying, Local};
use crate::clock;
use crate::node::Node;
use exchange::auction::{Clock, Desk, Settings};
use exchange::link::Links;
use ledger::Cpm;
use openrtb::Scratch;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use std::cell::RefCell;
use std::ops::{Deref, DerefMut};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Most spare buffers of a worker.
const SPARE: usize = 256;
/// With less time than this nobody is asked.
const MIN_ASK: Duration = Duration::from_millis(5);

/// One serving thread.
pub struct Worker {
    /// What it shares with the others.
    pub node: Arc<Node>,
    /// What it buys with.
    pub buying: Rc<Buying>,
    /// What it sells with.
    pub desk: Desk<Local, MonotonicClock>,
    spare: RefCell<Vec<Spare>>,
    random: RefCell<SmallRng>,
}

/// The node's clock for the exchange.
#[derive(Clone, Copy, Debug, Default)]
pub struct MonotonicClock;

impl Clock for MonotonicClock {
    fn now(&self) -> Instant {
        clock::now()
    }
}

/// The buffers of one request.
#[derive(Default)]
pub struct Spare {
    /// The answer's body.
    pub out: Vec<u8>,
    /// The decoder's.
    pub scratch: Scratch,
}

impl Worker {
    /// A worker of `node`. `seed` is the system's randomness.
    pub fn new(node: Arc<Node>, seed: u64) -> Self {
        let settings = &node.settings;
        let buying = Rc::new(Buying::new(Arc::clone(&node), seed));
        let desk = Desk {
            settings: Settings {
                exchange: settings.exchange_name.as_str().into(),
                public_url: settings.public_url.as_str().into(),
                limits: settings.limits,
                network_margin: Duration::from_millis(u64::from(settings.network_margin_ms)),
                max_tmax: Duration::from_millis(u64::from(settings.max_tmax_ms)),
                min_ask: MIN_ASK,
                max_price: Cpm(settings.max_bid_cpm.0),
                billable_s: settings.tracking_seconds,
            },
            local: Local(Rc::clone(&buying)),
            clock: MonotonicClock,
            signer: Arc::clone(&node.signer),
            counters: Arc::clone(&node.counters),
            outbox: node.outbox.clone(),
            log: settings.log_auctions.then(|| node.auctions.clone()),
            links: Links::new(
                u16::try_from(settings.workers).unwrap_or(u16::MAX),
                node.trust.clone(),
            ),
            spare: RefCell::default(),
        };
        let random = RefCell::new(SmallRng::seed_from_u64(seed));
        Self {
            node,
            buying,
            desk,
            spare: RefCell::default(),
            random,
        }
    }

    /// Buffers for one request, given back when dropped.
    pub fn buffers(&self) -> Buffers<'_> {
        let mut spare = self.spare.borrow_mut().pop().unwrap_or_default();
        spare.out.clear();
        Buffers {
            of: self,
            spare: Some(spare),
        }
    }

    /// A draw for one request.
    pub fn seed(&self) -> u64 {
        self.random.borrow_mut().random()
    }
}

/// Borrowed buffers.
pub struct Buffers<'w> {
    of: &'w Worker,
    spare: Option<Spare>,
}

impl Deref for Buffers<'_> {
    type Target = Spare;

    fn deref(&self) -> &Spare {
        self.spare
            .as_ref()
            .expect("buffers are there until they are dropped")
    }
}

impl DerefMut for Buffers<'_> {
    fn deref_mut(&mut self) -> &mut Spare {
        self.spare
            .as_mut()
            .expect("buffers are there until they are dropped")
    }
}

impl Drop for Buffers<'_> {
    fn drop(&mut self) {
        let mut kept = self.of.spare.borrow_mut();
        if kept.len() < SPARE {
            kept.extend(self.spare.take());
        }
    }
}
