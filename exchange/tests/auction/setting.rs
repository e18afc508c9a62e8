//! An exchange in a test: its market, its desk and its clock.

use exchange::catalog::{Catalog, Endpoint, Partner, Placement, Pricing, Publisher, Route};
use exchange::counters::{Deliveries, PartnerEvent};
use exchange::link::Trust;
use exchange::link::notice::{self, Inbox, Journal, Post};
use exchange::trace::Trace;
use exchange::{
    Call, Clock, Counters, Desk, LocalAnswer, LocalBidder, Market, Outcome, Refusal, Settings, run,
};
use ledger::token::Signer;
use ledger::{Cpm, Currency, Micros, RateTable};
use openrtb::Scratch;
use std::cell::RefCell;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

pub(crate) const EUR: Currency = Currency(*b"EUR");

#[derive(Clone, Copy)]
pub(crate) struct Now;

impl Clock for Now {
    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }
}

/// A bidder of the process that answers with a fixed text and keeps what it was asked.
pub(crate) struct Local(pub(crate) &'static str, pub(crate) RefCell<Vec<String>>);

impl LocalBidder for Local {
    fn bid(&self, body: &[u8], out: &mut Vec<u8>) -> LocalAnswer {
        self.1
            .borrow_mut()
            .push(String::from_utf8(body.to_vec()).unwrap());
        if self.0.is_empty() {
            return LocalAnswer::NoBid;
        }
        out.extend_from_slice(self.0.as_bytes());
        LocalAnswer::Bids
    }
}

pub(crate) fn publisher() -> Publisher {
    Publisher {
        id: "pub_1".into(),
        name: "One".into(),
        domains: vec!["news.example".into()],
        bundles: vec!["com.example.news".into()],
        currency: EUR,
        revenue_share_ppm: 800_000,
        pricing: Pricing::SecondPrice {
            increment: Cpm(10_000),
        },
        floors: None,
        max_qps: 0,
        tmax_ms: 300,
        blocked_advertisers: Vec::new(),
        blocked_categories: Vec::new(),
        requires_creative_id: false,
        requires_approval: false,
        max_markup: 256 * 1024,
        loss_prices: exchange::catalog::LossPrices::default(),
        requests: exchange::catalog::Requests::default(),
    }
}

pub(crate) fn partner(id: &str, address: &str) -> Partner {
    let route = if address.is_empty() {
        Route::Local
    } else {
        Route::Http(Endpoint::parse(&format!("http://{address}/bid"), true).unwrap())
    };
    Partner {
        id: id.into(),
        name: id.into(),
        route,
        openrtb: "2.6".into(),
        max_qps: 0,
        max_connections: 4,
        timeout_ms: 1_000,
        seats: Vec::new(),
        formats: Vec::new(),
        sizes: Vec::new(),
        countries: Vec::new(),
        excluded_countries: Vec::new(),
        treatment: exchange::catalog::Treatment::default(),
    }
}

pub(crate) fn market(partners: Vec<Partner>) -> Market {
    market_of(publisher(), partners)
}

pub(crate) fn market_of(publisher: Publisher, partners: Vec<Partner>) -> Market {
    let placement = Placement {
        id: "plc_1".into(),
        publisher: "pub_1".into(),
        tagid: "top".into(),
        floor: None,
        stored: None,
    };
    let catalog = Catalog {
        publishers: vec![publisher],
        placements: vec![placement],
        deals: Vec::new(),
        partners,
        ..Catalog::default()
    };
    let rates = [(Currency(*b"USD"), Micros(1_250_000))];
    Market::compile(catalog, RateTable::new(EUR, &rates, "2026-11-24"), None).unwrap()
}

pub(crate) fn signer() -> Signer {
    Signer::new(&[(1, [9; 32])])
}

/// Counts of partners, of which there are none.
type Nobody = fn(&str) -> Option<Arc<Deliveries>>;

/// What sending takes in a test: the journal is gone with it.
pub(crate) fn post() -> Post<Now, fn() -> i64, Nobody> {
    Post {
        clock: Now,
        unix_ms: || {
            static START: OnceLock<tokio::time::Instant> = OnceLock::new();
            let start = START.get_or_init(tokio::time::Instant::now);
            i64::try_from(start.elapsed().as_millis()).unwrap()
        },
        counts: |_| None,
        trust: trust(),
        journal: Journal::in_memory(100).unwrap(),
    }
}

/// The authority of the tests' certificates.
pub(crate) fn trust() -> Trust {
    Trust::of_pem(crate::transport::AUTHORITY).unwrap()
}

pub(crate) struct Exchange {
    pub(crate) desk: Desk<Local, Now>,
    pub(crate) market: Market,
    pub(crate) inbox: Option<Inbox>,
}

impl Exchange {
    pub(crate) fn new(market: Market, local: &'static str) -> Self {
        let counters: Arc<Counters> = Arc::default();
        let settings = notice::Settings {
            attempts: 3,
            backoff: Duration::from_millis(1),
            ..notice::Settings::default()
        };
        let (outbox, inbox) = notice::queue(settings, &counters);
        let desk = Desk {
            settings: Settings {
                exchange: "demo".into(),
                public_url: "http://ssp.example".into(),
                ..Settings::default()
            },
            local: Local(local, RefCell::default()),
            clock: Now,
            signer: Arc::new(signer()),
            counters,
            outbox,
            log: None,
            links: exchange::link::Links::new(1, trust()),
            spare: RefCell::default(),
        };
        Self {
            desk,
            market,
            inbox: Some(inbox),
        }
    }

    /// Runs one auction.
    pub(crate) async fn sell(&self, body: &str) -> (Result<Outcome, Refusal>, serde_json::Value) {
        self.sell_with(body, 42).await
    }

    /// Runs one auction with a seed of its own.
    pub(crate) async fn sell_with(
        &self,
        body: &str,
        seed: u64,
    ) -> (Result<Outcome, Refusal>, serde_json::Value) {
        self.sell_traced(body, seed, None).await
    }

    /// Runs one auction that may be looked into.
    pub(crate) async fn sell_traced(
        &self,
        body: &str,
        seed: u64,
        trace: Option<&Trace>,
    ) -> (Result<Outcome, Refusal>, serde_json::Value) {
        let call = Call {
            body: body.as_bytes(),
            http: exchange::implicit::Http::default(),
            received: Now.now(),
            now_s: 1_000,
            seed,
            trace,
        };
        let (mut scratch, mut out) = (Scratch::default(), Vec::new());
        let result = run(&self.desk, &self.market, None, call, &mut scratch, &mut out).await;
        let answer = if out.is_empty() {
            serde_json::Value::Null
        } else {
            serde_json::from_slice(&out).unwrap()
        };
        (result, answer)
    }

    /// How often an event was counted for a partner.
    pub(crate) fn count(&self, partner: &str, event: PartnerEvent) -> u64 {
        self.market.buyer(partner).unwrap().events.get(event)
    }
}

/// Runs a test on a local task set, as the workers of a node do.
pub(crate) fn on_a_worker(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let local = tokio::task::LocalSet::new();
    let guarded = async {
        let patience = Duration::from_secs(30);
        tokio::time::timeout(patience, test)
            .await
            .expect("the test hangs");
    };
    local.block_on(&runtime, guarded);
}
