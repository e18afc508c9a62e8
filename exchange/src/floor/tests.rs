//! Tests of the floors against small files.

use super::*;
use crate::draw::Draw;
use ledger::Micros;
use openrtb::{Keep, Limits, Scratch};

const EUR: Currency = Currency(*b"EUR");

fn rates() -> RateTable {
    RateTable::new(EUR, &[(USD, Micros(1_250_000))], "2026-11-24")
}

fn floor_of(file: &str, request: &str, placement: Option<Cpm>) -> Result<Floor, NoRate> {
    let floors = parse(file).unwrap().floors;
    let mut scratch = Scratch::default();
    let request: BidRequest<'_> = scratch
        .decode(request.as_bytes(), Limits::default(), Keep::All)
        .unwrap();
    let plan = Plan::draw(Some(&floors), &mut Draw::new(1));
    plan.floor(&request, &request.imp[0], placement, EUR, &rates())
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
        (floor.signalled, Source::Request)
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
        (Cpm(70), Cpm(70), Source::Placement)
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
fn groups_are_drawn_by_weight_and_skipped_by_rate() {
    let file = r#"{"data":{"skipRate":50,"modelGroups":[
        {"modelVersion":"a","modelWeight":30,"default":1,"skipRate":0},
        {"modelVersion":"b","modelWeight":70,"default":2}]}}"#;
    let floors = parse(file).unwrap().floors;
    let mut drawn = [0; 3];
    for seed in 0..10_000 {
        match Plan::draw(Some(&floors), &mut Draw::new(seed)).version() {
            Some("a") => drawn[0] += 1,
            Some("b") => drawn[1] += 1,
            _ => drawn[2] += 1,
        }
    }
    assert!((2_800..3_200).contains(&drawn[0]), "{drawn:?}");
    assert!((3_300..3_700).contains(&drawn[1]), "{drawn:?}");
    assert!((3_300..3_700).contains(&drawn[2]), "{drawn:?}");
}
