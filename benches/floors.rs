//! How fast an imp's floor is found. Path: `exchange::floor::Plan::floor`, that is reading the
//! fields of a decoded request, looking the rule up, currency and rounding. Input: 10,000 rules
//! over four fields, over the schema's eleven and over all of the exchange's, with as many
//! patterns of wildcards as there are; 1,000 requests, three for banners to one for native. The
//! bound is 1 µs an imp over the schema's fields. A regression means that floors cost auctions time.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use exchange::catalog::{Pricing, Publisher};
use exchange::draw::Draw;
use exchange::floor::{self, Field, Plan, Stated};
use ledger::{Currency, RateTable};
use openrtb::{BidRequest, Keep, Limits, Scratch};
use std::hint::black_box;
use std::sync::Arc;

const EUR: Currency = Currency(*b"EUR");
const RULES: u64 = 10_000;
const COUNTRIES: [&str; 8] = ["FRA", "DEU", "ITA", "ESP", "USA", "GBR", "NLD", "BEL"];
const SIZES: [(u32, u32); 4] = [(300, 250), (728, 90), (970, 250), (320, 50)];

/// A sequence of numbers that look random, the same each time.
struct Numbers(Draw);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0.below(bound as u32) as usize
    }
}

/// A value of the field that some request has.
fn value(field: Field, numbers: &mut Numbers) -> String {
    match field {
        Field::SiteDomain | Field::PubDomain | Field::Domain => {
            format!("site{}.example", numbers.below(40))
        }
        Field::Bundle => "com.example".to_owned(),
        Field::Channel => "pbjs".to_owned(),
        Field::MediaType | Field::Format => "banner".to_owned(),
        Field::Size => {
            let (w, h) = SIZES[numbers.below(SIZES.len())];
            format!("{w}x{h}")
        }
        Field::GptSlot | Field::AdUnitCode => format!("/1234/unit-{}", numbers.below(2_000)),
        Field::Country => COUNTRIES[numbers.below(COUNTRIES.len())].to_owned(),
        Field::DeviceType => ["phone", "tablet", "desktop"][numbers.below(3)].to_owned(),
        Field::Partner => format!("dsp_{}", numbers.below(8)),
        Field::Hour => numbers.below(24).to_string(),
        Field::Weekday => ["mon", "tue", "sat"][numbers.below(3)].to_owned(),
        Field::UserKnown => ["true", "false"][numbers.below(2)].to_owned(),
        Field::Viewability => (numbers.below(10) * 10).to_string(),
    }
}

/// A file whose rules leave each field open as often as not.
fn publisher(fields: &[(&str, Field)]) -> Publisher {
    let mut numbers = Numbers(Draw::new(7));
    let names: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
    let mut rules = serde_json::Map::new();
    while rules.len() < RULES as usize {
        let parts = fields.iter().map(|(_, field)| match numbers.below(2) {
            0 => "*".to_owned(),
            _ => value(*field, &mut numbers),
        });
        let rule = parts.collect::<Vec<_>>().join("|").to_lowercase();
        rules.insert(rule, serde_json::json!(0.5));
    }
    let file = serde_json::json!({ "data": { "currency": "USD", "modelGroups": [
        { "default": 0.1, "schema": { "fields": names }, "values": rules }] } });
    let floors = floor::parse_value(&file).expect("a good file").floors;
    Publisher {
        id: "pub_1".into(),
        name: "One".into(),
        domains: Vec::new(),
        bundles: Vec::new(),
        currency: EUR,
        revenue_share_ppm: 850_000,
        pricing: Pricing::FirstPrice,
        floors: Some(Arc::new(floors)),
        max_qps: 0,
        tmax_ms: 150,
        blocked_advertisers: Vec::new(),
        blocked_categories: Vec::new(),
        requires_creative_id: false,
        requires_approval: false,
        max_markup: 256 * 1024,
        loss_prices: exchange::catalog::LossPrices::default(),
        requests: exchange::catalog::Requests::default(),
    }
}

fn request(numbers: &mut Numbers) -> String {
    let (w, h) = SIZES[numbers.below(SIZES.len())];
    let (site, unit) = (numbers.below(40), numbers.below(2_000));
    let country = COUNTRIES[numbers.below(COUNTRIES.len())];
    let kind = ["banner", "banner", "banner", "native"][numbers.below(4)];
    serde_json::json!({
        "id": "1",
        "imp": [{
            "id": "1",
            kind: { "format": [{ "w": w, "h": h }] },
            "metric": [{ "type": "viewability", "value": 0.73 }],
            "ext": {
                "gpid": format!("/1234/unit-{unit}"),
                "data": { "pbadslot": format!("/1234/unit-{unit}"),
                    "adserver": { "name": "gam", "adslot": format!("/1234/unit-{unit}") } },
            },
        }],
        "site": { "domain": format!("site{site}.example"),
            "publisher": { "domain": format!("site{site}.example") } },
        "device": { "devicetype": 4, "geo": { "country": country } },
        "user": { "id": "u" },
        "ext": { "prebid": { "channel": { "name": "pbjs" } } },
    })
    .to_string()
}

fn floors(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("floors");
    let rates = RateTable::new(
        EUR,
        &[(Currency(*b"USD"), ledger::Micros(1_100_000))],
        "today",
    );
    let mut numbers = Numbers(Draw::new(3));
    let bodies: Vec<String> = (0..1_000).map(|_| request(&mut numbers)).collect();
    let mut scratches: Vec<Scratch> = bodies.iter().map(|_| Scratch::default()).collect();
    let requests: Vec<BidRequest<'_>> = scratches
        .iter_mut()
        .zip(&bodies)
        .map(|(scratch, body)| {
            let decoded = scratch.decode(body.as_bytes(), Limits::default(), Keep::All);
            decoded.expect("well-formed")
        })
        .collect();
    let named = |names: &[&str]| -> Vec<(&'static str, Field)> {
        let all = Field::ALL.into_iter();
        all.filter(|(name, _)| names.contains(name)).collect()
    };
    let stated = Stated::default();
    for (label, fields) in [
        (
            "4_fields",
            named(&["domain", "size", "adUnitCode", "country"]),
        ),
        ("11_fields", Field::ALL[..11].to_vec()),
        ("17_fields", Field::ALL.to_vec()),
    ] {
        let publisher = publisher(&fields);
        let plan = Plan::draw(&publisher, &stated, 1_795_564_800, &mut Draw::new(1));
        let mut next = 0;
        group.bench_function(BenchmarkId::from_parameter(label), |bencher| {
            bencher.iter(|| {
                next = (next + 1) % requests.len();
                let request = &requests[next];
                let market = (EUR, &rates);
                black_box(plan.floor(request, &request.imp[0], Some("dsp_3"), None, market))
            });
        });
    }
    group.finish();
}

criterion_group!(benches, floors);
criterion_main!(benches);
