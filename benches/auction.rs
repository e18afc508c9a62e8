//! How fast an auction is besides its waiting. Path: floors, screening of three partners'
//! answers (nine bids), clearing, response with tokens and notices; and the whole of
//! `exchange::run` with the bidder of the process answering a fixed text. Input: a web banner
//! request of `load_tests::corpus`, seed 1. A regression means that a node sells fewer
//! impressions for each core.

use bumpalo::Bump;
use criterion::{Criterion, criterion_group, criterion_main};
use exchange::catalog::{Catalog, Partner, Pricing, Publisher, Route};
use exchange::draw::Draw;
use exchange::floor::{self, Plan, Stated};
use exchange::invite::Invitation;
use exchange::link::{Links, notice};
use exchange::lot::Auction;
use exchange::screen::{self, Answer, Rules};
use exchange::settle::{self, Seal};
use exchange::{
    Call, Clock, Counters, Desk, LocalAnswer, LocalBidder, Market, Settings, clear, fanout, run,
};
use ledger::token::Signer;
use ledger::{Cpm, Currency, RateTable};
use load_tests::corpus::{self, Kind, Options};
use openrtb::reshape::Shape;
use openrtb::{BidRequest, BidResponse, Encode, Keep, Limits, Scratch};
use std::cell::RefCell;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

const EUR: Currency = Currency(*b"EUR");

const FLOORS: &str = r#"{"data":{"currency":"EUR","modelGroups":[{"default":0.1,
    "schema":{"fields":["mediaType","size","country"]},"values":{"banner|300x250|fra":0.2,
    "banner|300x250|*":0.15,"banner|*|*":0.1,"video|*|*":0.5,"*|*|deu":0.3}}]}}"#;

fn market() -> Market {
    let publisher = Publisher {
        id: "pub_1".into(),
        name: "One".into(),
        domains: Vec::new(),
        bundles: Vec::new(),
        currency: EUR,
        revenue_share_ppm: 850_000,
        pricing: Pricing::SecondPrice {
            increment: Cpm(10_000),
        },
        floors: Some(Arc::new(floor::parse(FLOORS).expect("a good file").floors)),
        max_qps: 0,
        tmax_ms: 150,
        blocked_advertisers: vec!["blocked.example".into()],
        blocked_categories: vec!["IAB25".into()],
        requires_creative_id: true,
        requires_approval: false,
        max_markup: 256 * 1024,
        loss_prices: exchange::catalog::LossPrices::default(),
        requests: exchange::catalog::Requests::default(),
    };
    let partner = |id: &str| Partner {
        id: id.into(),
        name: id.into(),
        route: Route::Local,
        openrtb: "2.6".into(),
        max_qps: 0,
        max_connections: 1,
        timeout_ms: 80,
        seats: Vec::new(),
        formats: Vec::new(),
        sizes: Vec::new(),
        countries: Vec::new(),
        excluded_countries: Vec::new(),
        treatment: exchange::catalog::Treatment::default(),
    };
    let catalog = Catalog {
        publishers: vec![publisher],
        placements: Vec::new(),
        deals: Vec::new(),
        partners: ["a", "b", "c"].map(partner).to_vec(),
        ..Catalog::default()
    };
    Market::compile(catalog, RateTable::new(EUR, &[], "2026-11-24"), None).expect("a good catalog")
}

/// A web banner request whose publisher is ours and whose first imp is asked for in euros.
fn request() -> String {
    let options = Options {
        count: 1,
        seed: 1,
        users: 1000,
        consented_at_s: 1_790_000_000,
    };
    let body = corpus::requests(Kind::WebBanner, options)
        .next()
        .expect("one request");
    let mut request: serde_json::Value = serde_json::from_str(&body).expect("JSON");
    request["cur"] = serde_json::json!(["EUR"]);
    request["site"]["publisher"]["id"] = "pub_1".into();
    request.to_string()
}

/// An answer with three bids on the first imp.
fn answer(body: &str, partner: usize) -> String {
    let request: serde_json::Value = serde_json::from_str(body).expect("JSON");
    let bid = |number: usize| {
        let (id, price) = (partner * 3 + number, 1.0 + 0.1 * number as f64);
        serde_json::json!({
            "id": format!("b{id}"), "impid": request["imp"][0]["id"], "price": price,
            "adm": "<a href=\"https://c.example/?p=${AUCTION_PRICE}\">read more</a>",
            "adomain": ["acme.example"], "crid": "cr_1", "cid": "c_1", "cat": ["IAB2"], "mtype": 1,
            "nurl": "https://dsp.example/win?p=${AUCTION_PRICE}",
            "burl": "https://dsp.example/bill?p=${AUCTION_PRICE}",
            "lurl": "https://dsp.example/loss?l=${AUCTION_LOSS}&m=${AUCTION_MIN_TO_WIN}",
        })
    };
    let bids: Vec<_> = (0..3).map(bid).collect();
    serde_json::json!({"id": request["id"], "cur": "EUR", "seatbid": [{"seat": "s", "bid": bids}]})
        .to_string()
}

#[derive(Clone, Copy)]
struct Now(Instant);

impl Clock for Now {
    fn now(&self) -> Instant {
        self.0
    }
}

struct Fixed(String);

impl LocalBidder for Fixed {
    fn bid(&self, body: &[u8], out: &mut Vec<u8>) -> LocalAnswer {
        black_box(body);
        out.extend_from_slice(self.0.as_bytes());
        LocalAnswer::Bids
    }
}

fn phases(criterion: &mut Criterion) {
    let (market, body) = (market(), request());
    let mut scratch = Scratch::default();
    let request: BidRequest<'_> = scratch
        .decode(body.as_bytes(), Limits::default(), Keep::All)
        .expect("a good request");
    let mut buffers: Vec<Scratch> = (0..3).map(|_| Scratch::default()).collect();
    let answers: Vec<Answer<'_>> = buffers
        .iter_mut()
        .enumerate()
        .map(|(buyer, buffer)| {
            let text = answer(&body, buyer);
            let response: BidResponse<'_> = buffer
                .decode(text.as_bytes(), Limits::default(), Keep::All)
                .expect("a good answer");
            Answer { buyer, response }
        })
        .collect();
    let signer = Signer::new(&[(1, [7; 32])]);
    let seal = Seal {
        exchange: "demo",
        public_url: "https://ssp.example",
        signer: &signer,
        expires_at: 4_000,
    };
    let counters: Arc<Counters> = Arc::default();
    let settings = notice::Settings {
        queue: 1,
        ..notice::Settings::default()
    };
    let (outbox, _inbox) = notice::queue(settings, &counters);
    let seller = market.seller("pub_1").expect("our publisher");
    let mut out = Vec::with_capacity(16 * 1024);
    criterion.bench_function("auction/floor_screen_clear_settle", |bencher| {
        bencher.iter(|| {
            let arena = Bump::new();
            let mut draws = Draw::new(1);
            let stated = Stated::read(&request, false);
            let plan = Plan::draw(&seller.publisher, &stated, 1_000, &mut draws);
            let auction = Auction::open(&market, seller, request, plan, draws.bits(), &arena);
            let rules = Rules {
                max_price: Cpm(1_000_000_000),
            };
            let mut offers = screen::screen(&auction, &answers, rules);
            let awards = clear::award(&auction, &mut offers);
            assert_eq!(awards.len(), 1);
            settle::notify(&auction, &offers, &awards, &outbox);
            out.clear();
            settle::respond(&auction, &offers, &awards, &seal, &arena).encode(&mut out);
            black_box(&out);
        });
    });
    criterion.bench_function("auction/view_encode", |bencher| {
        bencher.iter(|| {
            let arena = Bump::new();
            let stated = Stated::read(&request, false);
            let plan = Plan::draw(&seller.publisher, &stated, 1_000, &mut Draw::new(1));
            let auction = Auction::open(&market, seller, request, plan, 1, &arena);
            out.clear();
            let invited = Invitation {
                buyer: 0,
                lots: &[0],
            };
            fanout::view(&auction, invited, 80, &arena).encode(&mut out);
            black_box(&out);
        });
    });
    // What a partner of the older version costs on top: the written request, copied anew.
    let (shape, mut older) = (Shape::to_2_5(), Vec::with_capacity(8192));
    out.clear();
    request.encode(&mut out);
    criterion.bench_function("auction/view_to_2_5", |bencher| {
        bencher.iter(|| {
            older.clear();
            shape.apply(black_box(&out), &mut older);
            black_box(&older);
        });
    });
}

fn whole(criterion: &mut Criterion) {
    let (market, body) = (market(), request());
    let counters: Arc<Counters> = Arc::default();
    let settings = notice::Settings {
        queue: 1,
        ..notice::Settings::default()
    };
    let (outbox, _inbox) = notice::queue(settings, &counters);
    let now = tokio::time::Instant::now().into_std();
    let desk = Desk {
        settings: Settings::default(),
        local: Fixed(answer(&body, 0)),
        clock: Now(now),
        signer: Arc::new(Signer::new(&[(1, [7; 32])])),
        counters,
        outbox,
        log: None,
        links: Links::new(1, exchange::link::Trust::default()),
        spare: RefCell::default(),
    };
    let call = Call {
        body: body.as_bytes(),
        http: exchange::implicit::Http::default(),
        received: now,
        now_s: 1_000,
        seed: 1,
        trace: None,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let mut scratch = Scratch::default();
    let mut out = Vec::with_capacity(16 * 1024);
    criterion.bench_function("auction/run_three_local_partners", |bencher| {
        bencher.iter(|| {
            out.clear();
            let auction = run(&desk, &market, None, call, &mut scratch, &mut out);
            black_box(runtime.block_on(auction).expect("a good request"));
        });
    });
}

criterion_group!(benches, phases, whole);
criterion_main!(benches);
