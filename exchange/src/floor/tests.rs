//! Tests of the floors against small files.

mod draws;
mod peers;
mod stated;

use super::*;
use crate::catalog::{Pricing, Publisher};
use crate::draw::Draw;
use bumpalo::Bump;
use ledger::Micros;
use openrtb::{BidRequest, Keep, Limits, Scratch};

const EUR: Currency = Currency(*b"EUR");

fn rates() -> RateTable {
    RateTable::new(EUR, &[(USD, Micros(1_250_000))], "2026-11-24")
}

pub(super) fn publisher(floors: Option<Floors>) -> Publisher {
    Publisher {
        id: "pub_1".into(),
        name: "One".into(),
        domains: Vec::new(),
        bundles: Vec::new(),
        currency: EUR,
        revenue_share_ppm: 800_000,
        pricing: Pricing::FirstPrice,
        floors: floors.map(Arc::new),
        max_qps: 0,
        tmax_ms: 150,
        blocked_advertisers: Vec::new(),
        blocked_categories: Vec::new(),
        requires_creative_id: false,
        requires_approval: false,
        max_markup: 256 * 1024,
        loss_prices: crate::catalog::LossPrices::default(),
        requests: crate::catalog::Requests::default(),
    }
}

/// A floor without its lifetime: what is signalled, enforced and held against deals, and the
/// source in words.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Found {
    signalled: Cpm,
    enforced: Cpm,
    deals: Cpm,
    source: String,
}

fn plan_floor(
    publisher: &Publisher,
    request: &str,
    partner: Option<&str>,
    placement: Option<Cpm>,
    seed: u64,
) -> Result<Found, NoRate> {
    let (mut scratch, arena) = (Scratch::default(), Bump::new());
    let request: BidRequest<'_> = scratch
        .decode(request.as_bytes(), Limits::default(), Keep::All)
        .unwrap();
    let request = crate::enrich::enrich(request, None, &arena);
    let stated = Stated::read(&request, publisher.takes_stated_floors());
    let plan = Plan::draw(publisher, &stated, 0, &mut Draw::new(seed));
    let market = (EUR, &rates());
    let floor = plan.floor(&request, &request.imp[0], partner, placement, market)?;
    Ok(Found {
        signalled: floor.signalled,
        enforced: floor.enforced,
        deals: floor.deals,
        source: match floor.source {
            Source::Rule(rule) => rule.to_owned(),
            other => format!("{other:?}"),
        },
    })
}

fn floor_of(file: &str, request: &str, placement: Option<Cpm>) -> Result<Found, NoRate> {
    let publisher = publisher(Some(parse(file).unwrap().floors));
    plan_floor(&publisher, request, None, placement, 1)
}

const FILE: &str = r#"{"floorMin":0.10,"floorMinCur":"EUR","data":{"currency":"EUR","modelGroups":[
    {"default":0.30,"schema":{"fields":["mediaType","size","country"]},"values":{
     "banner|300x250|fra":0.90,"banner|300x250|*":0.55,"banner|*|*":0.40,
     "video|*|*":2,"video-outstream|*|*":1,"audio|*|*":0.01}}]}}"#;

#[test]
fn the_rule_file_of_a_publisher_is_obeyed() {
    let price = |imp: &str, country: &str| {
        let request = format!(
            r#"{{"id":"1","imp":[{{"id":"1",{imp}}}],
            "device":{{"geo":{{"country":"{country}"}}}}}}"#
        );
        floor_of(FILE, &request, None).unwrap().signalled.0
    };
    let one = r#""banner":{"format":[{"w":300,"h":250}]}"#;
    let two = r#""banner":{"format":[{"w":300,"h":250},{"w":728,"h":90}]}"#;
    assert_eq!(price(one, "FRA"), 900_000);
    assert_eq!(price(one, "DEU"), 550_000);
    assert_eq!(price(two, "FRA"), 400_000);
    assert_eq!(price(r#""video":{"plcmt":1}"#, "FRA"), 2_000_000);
    assert_eq!(price(r#""video":{"placement":1}"#, "FRA"), 2_000_000);
    assert_eq!(
        price(r#""video":{"plcmt":2,"placement":1}"#, "FRA"),
        1_000_000
    );
    assert_eq!(price(r#""video":{}"#, "FRA"), 1_000_000);
    assert_eq!(
        price(r#""audio":{}"#, "FRA"),
        100_000,
        "floorMin lifts the rule"
    );
    assert_eq!(price(r#""native":{}"#, "FRA"), 300_000, "the default");
    assert_eq!(
        price(r#""native":{},"video":{}"#, "FRA"),
        300_000,
        "two formats are none"
    );
}

#[test]
fn without_a_rule_the_requests_floor_stands() {
    let file = r#"{"data":{"modelGroups":[{"schema":{"fields":["country"]},
        "values":{"fra":1}}]}}"#;
    let request = |floor: &str| format!(r#"{{"id":"1","imp":[{{"id":"1"{floor}}}]}}"#);
    let floor = floor_of(file, &request(r#","bidfloor":2.5"#), None).unwrap();
    assert_eq!(
        floor.signalled,
        Cpm(2_000_000),
        "USD is the currency of what names none"
    );
    assert_eq!(
        (floor.enforced, floor.source),
        (floor.signalled, "Request".to_owned())
    );
    assert_eq!(
        floor_of(file, &request(""), None).unwrap().signalled,
        Cpm(0)
    );
    let odd = request(r#","bidfloor":1,"bidfloorcur":"SEK""#);
    assert_eq!(floor_of(file, &odd, None), Err(NoRate));
    let least = floor_of(file, &request(""), Some(Cpm(70))).unwrap();
    assert_eq!(
        (least.enforced, least.deals, least.source),
        (Cpm(70), Cpm(70), "Placement".to_owned())
    );
}

#[test]
fn deals_and_unenforced_auctions_are_exempt() {
    let file = |enforcement: &str| {
        format!(
            r#"{{"enforcement":{enforcement},"data":{{"currency":"EUR","modelGroups":[
            {{"default":1}}]}}}}"#
        )
    };
    let request = r#"{"id":"1","imp":[{"id":"1"}]}"#;
    let enforced = |enforcement: &str| {
        let floor = floor_of(&file(enforcement), request, None).unwrap();
        assert_eq!(floor.signalled, Cpm(1_000_000));
        (floor.enforced.0 > 0, floor.deals.0 > 0)
    };
    assert_eq!(enforced("{}"), (true, false));
    assert_eq!(enforced(r#"{"floorDeals":true}"#), (true, true));
    assert_eq!(enforced(r#"{"enforceRate":0}"#), (false, false));
    assert_eq!(
        enforced(r#"{"enforcePBS":false,"floorDeals":true}"#),
        (false, false)
    );
}

#[test]
fn a_partner_may_have_floors_of_its_own() {
    let file = r#"{"data":{"currency":"EUR","modelGroups":[{"default":0.10,
        "schema":{"fields":["mediaType","partner"]},
        "values":{"banner|dsp_A":2,"banner|*":1,"*|dsp_b":3}}]}}"#;
    let publisher = publisher(Some(parse(file).unwrap().floors));
    let banner = r#"{"id":"1","imp":[{"id":"1","banner":{}}]}"#;
    let native = r#"{"id":"1","imp":[{"id":"1","native":{}}]}"#;
    let price = |request: &str, partner: Option<&str>| {
        let floor = plan_floor(&publisher, request, partner, None, 1).unwrap();
        (floor.signalled.0, floor.source)
    };
    let of = |price: i64, rule: &str| (price, rule.to_owned());
    assert_eq!(price(banner, Some("dsp_a")), of(2_000_000, "banner|dsp_A"));
    assert_eq!(price(banner, Some("dsp_b")), of(1_000_000, "banner|*"));
    assert_eq!(price(native, Some("dsp_b")), of(3_000_000, "*|dsp_b"));
    assert_eq!(price(banner, None), of(1_000_000, "banner|*"));
    assert_eq!(price(native, None), of(100_000, "Default"));
}

#[test]
fn silent_partners_are_held_to_a_floor_that_they_are_not_told() {
    let file = |root: &str, data: &str, group: &str| {
        let list = |name: &str| match name {
            "" => String::new(),
            name => format!(r#""noFloorSignalBidders":["{name}"],"#),
        };
        let (root, data, group) = (list(root), list(data), list(group));
        let root = format!(r#""enforcement":{{{root}"enforceRate":100}}"#);
        let text = format!(
            r#"{{{root},"data":{{{data}"currency":"EUR","modelGroups":[{{{group}"default":1}}]}}}}"#
        );
        publisher(Some(parse(&text).unwrap().floors))
    };
    let told = |publisher: &Publisher, partner: &str| {
        let request = r#"{"id":"1","imp":[{"id":"1"}]}"#;
        let floor = plan_floor(publisher, request, Some(partner), None, 1).unwrap();
        assert_eq!(floor.enforced, Cpm(1_000_000));
        floor.signalled > Cpm(0)
    };
    let of = |file: Publisher| ["root", "data", "group"].map(|partner| told(&file, partner));
    assert_eq!(of(file("", "", "")), [true, true, true]);
    assert_eq!(of(file("ROOT", "", "")), [false, true, true]);
    assert_eq!(of(file("root", "data", "")), [true, false, true]);
    assert_eq!(of(file("root", "data", "group")), [true, true, false]);
    assert_eq!(of(file("*", "", "")), [false, false, false]);
}

#[test]
fn a_net_floor_is_what_the_publisher_earns() {
    let file = |basis: &str| {
        let data = r#""data":{"currency":"EUR","modelGroups":[{"default":1.00001}]}"#;
        format!(r#"{{"gavel":{{"basis":"{basis}"}},{data}}}"#)
    };
    let request = r#"{"id":"1","imp":[{"id":"1"}]}"#;
    let price = |basis: &str| floor_of(&file(basis), request, None).unwrap().enforced;
    assert_eq!(price("gross"), Cpm(1_000_000));
    // 1.00001 / 0.8 is 1.2500125, and four decimals of it must not earn less.
    assert_eq!(price("net"), Cpm(1_250_100));
    let own = r#"{"id":"1","imp":[{"id":"1","bidfloor":2,"bidfloorcur":"EUR"}]}"#;
    let bare = r#"{"gavel":{"basis":"net"}}"#;
    let floor = floor_of(bare, own, None).unwrap();
    assert_eq!(floor.enforced, Cpm(2_000_000), "a request's floor is gross");
}

#[test]
fn a_least_price_without_a_currency_is_in_the_groups() {
    let file = |currency: &str| {
        format!(
            r#"{{"floorMin":2{currency},"data":{{"currency":"USD","modelGroups":[
            {{"default":1}}]}}}}"#
        )
    };
    let request = r#"{"id":"1","imp":[{"id":"1"}]}"#;
    let price = |currency: &str| floor_of(&file(currency), request, None).unwrap().signalled;
    assert_eq!(price(""), Cpm(1_600_000));
    assert_eq!(price(r#","floorMinCur":"EUR""#), Cpm(2_000_000));
}

#[test]
fn a_group_takes_its_own_currency_before_the_datas() {
    let file = r#"{"data":{"currency":"EUR","modelGroups":[{"currency":"USD","default":1}]}}"#;
    let bare = r#"{"data":{"modelGroups":[{"default":1}]}}"#;
    let request = r#"{"id":"1","imp":[{"id":"1"}]}"#;
    for file in [file, bare] {
        let floor = floor_of(file, request, None).unwrap();
        assert_eq!(floor.signalled, Cpm(800_000), "{file}");
    }
    let odd = r#"{"data":{"currency":"SEK","modelGroups":[{"default":1}]}}"#;
    assert_eq!(floor_of(odd, request, None), Err(NoRate));
}
