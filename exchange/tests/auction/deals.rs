//! Deals of the exchange's own: who sees them, who may bid on them, who wins, and how fast.

use crate::setting::{EUR, Exchange, Local, on_a_worker, partner, publisher};
use exchange::catalog::{At, Catalog, Deal, Format, Goal, Placement};
use exchange::counters::Label;
use exchange::deal::{DealEvent, OPEN_TIER};
use exchange::screen::Loss;
use exchange::{Market, Outcome};
use ledger::{Cpm, Currency, Micros, RateTable};
use serde_json::{Value, json};

fn deal(id: &str) -> Deal {
    Deal {
        id: id.into(),
        publisher: "pub_1".into(),
        floor: Cpm(2_000_000),
        floor_per_second: None,
        at: At::FirstPrice,
        tier: OPEN_TIER,
        goal: None,
        partners: Vec::new(),
        seats: Vec::new(),
        advertisers: Vec::new(),
        placements: Vec::new(),
        formats: Vec::new(),
        countries: Vec::new(),
        segments: Vec::new(),
        starts_s: 0,
        ends_s: 10_000,
    }
}

/// Something that makes a deal another one.
type Change = fn(&mut Deal);

fn exchange(deals: Vec<Deal>, answer: &'static str) -> Exchange {
    let placement = Placement {
        id: "plc_1".into(),
        publisher: "pub_1".into(),
        tagid: "top".into(),
        floor: None,
        stored: None,
    };
    let catalog = Catalog {
        publishers: vec![publisher()],
        placements: vec![placement],
        deals,
        partners: vec![partner("p", "")],
        ..Catalog::default()
    };
    let rates = [(Currency(*b"USD"), Micros(1_250_000))];
    let rates = RateTable::new(EUR, &rates, "2026-11-24");
    Exchange::new(Market::compile(catalog, rates, None).unwrap(), answer)
}

fn request() -> Value {
    json!({ "id": "r", "tmax": 400, "cur": ["EUR"], "site": { "publisher": { "id": "pub_1" } },
        "device": { "geo": { "country": "FRA" } },
        "user": { "data": [{ "segment": [{ "id": "cars" }] }] },
        "imp": [{ "id": "1", "tagid": "top", "banner": { "w": 300, "h": 250 } }] })
}

fn asked(exchange: &Exchange) -> Value {
    let Local(_, asked) = &exchange.desk.local;
    serde_json::from_str(asked.borrow().last().unwrap()).unwrap()
}

/// A bid of 2.50 on the deal `d`, and an open one of 5.00.
const BOTH: &str = r#"{"id":"r","cur":"EUR","seatbid":[{"seat":"s","bid":[
    {"id":"a","impid":"1","price":2.5,"dealid":"d","adm":"<b>a</b>","adomain":["car.example"]},
    {"id":"b","impid":"1","price":5,"adm":"<b>b</b>"}]}]}"#;

/// The winner's deal and price; the open bid's is empty.
async fn winner(exchange: &Exchange) -> (String, f64) {
    let (_, answer) = exchange.sell(&request().to_string()).await;
    let bid = &answer["seatbid"][0]["bid"][0];
    let deal = bid["dealid"].as_str().unwrap_or_default();
    (deal.to_owned(), bid["price"].as_f64().unwrap())
}

fn events(exchange: &Exchange, event: DealEvent) -> u64 {
    let seller = exchange.market.seller("pub_1").unwrap();
    seller.deal("d").unwrap().progress.events.get(event)
}

#[test]
fn a_deal_is_offered_where_it_is_about_the_imp() {
    let set = |change: Change| {
        let mut deal = deal("d");
        change(&mut deal);
        deal
    };
    let fitting: [Change; 5] = [
        |_| {},
        |deal| deal.placements = vec!["plc_2".into(), "plc_1".into()],
        |deal| deal.formats = vec![Format::Banner],
        |deal| deal.countries = vec!["FRA".into()],
        |deal| deal.segments = vec!["cars".into()],
    ];
    let other: [Change; 8] = [
        |deal| deal.placements = vec!["plc_2".into()],
        |deal| deal.formats = vec![Format::Video],
        |deal| deal.countries = vec!["DEU".into()],
        |deal| deal.segments = vec!["boats".into()],
        |deal| deal.partners = vec!["q".into()],
        // The tests' auctions take place at 1,000 s.
        |deal| deal.ends_s = 1_000,
        |deal| deal.starts_s = 1_001,
        |deal| deal.publisher = "pub_2".into(),
    ];
    on_a_worker(async move {
        for change in fitting {
            let exchange = exchange(vec![set(change)], "");
            exchange.sell(&request().to_string()).await.0.unwrap();
            let offered = &asked(&exchange)["imp"][0]["pmp"]["deals"];
            let wanted = json!([{ "id": "d", "bidfloor": 2.0, "bidfloorcur": "EUR", "at": 1 }]);
            assert_eq!(*offered, wanted);
        }
        for (case, change) in other.into_iter().enumerate() {
            let exchange = exchange(vec![set(change)], BOTH);
            exchange.sell(&request().to_string()).await.0.unwrap();
            assert_eq!(asked(&exchange)["imp"][0].get("pmp"), None, "{case}");
            // A bid on it all the same is refused, whoever makes it.
            let counted = exchange.desk.counters.losses.get(Loss::UnknownDeal);
            assert_eq!(counted, 1, "{case}");
        }
    });
}

#[test]
fn tiers_come_before_prices_and_each_deal_pays_as_agreed() {
    on_a_worker(async {
        for (tier, at, wanted) in [
            // The publisher sells at the second price, 0.01 above the next.
            (OPEN_TIER, At::FirstPrice, ("", 2.51)),
            (1, At::FirstPrice, ("d", 2.5)),
            (2, At::SecondPrice, ("d", 2.01)),
            (2, At::Fixed, ("d", 2.0)),
        ] {
            let deal = Deal {
                tier,
                at,
                ..deal("d")
            };
            let exchange = exchange(vec![deal], BOTH);
            let won = winner(&exchange).await;
            assert_eq!((won.0.as_str(), won.1), wanted);
            let lower = exchange.desk.counters.losses.get(Loss::LowerTier);
            assert_eq!(lower, u64::from(wanted.0 == "d"), "{tier}");
            assert_eq!(events(&exchange, DealEvent::Bid), 1);
            assert_eq!(
                events(&exchange, DealEvent::Won),
                u64::from(wanted.0 == "d")
            );
        }
    });
}

#[test]
fn a_report_says_why_bids_on_a_deal_do_not_win() {
    let set = |change: Change| {
        let mut deal = Deal {
            tier: 1,
            ..deal("d")
        };
        change(&mut deal);
        deal
    };
    let cases: [(Change, Loss); 3] = [
        (|deal| deal.floor = Cpm(2_500_001), Loss::BelowDealFloor),
        (|deal| deal.seats = vec!["t".into()], Loss::Seat),
        (
            |deal| deal.advertisers = vec!["boat.example".into()],
            Loss::NotInDeal,
        ),
    ];
    on_a_worker(async move {
        for (change, loss) in cases {
            let exchange = exchange(vec![set(change)], BOTH);
            assert_eq!(winner(&exchange).await.0, "", "{loss:?}");
            let seller = exchange.market.seller("pub_1").unwrap();
            let losses = &seller.deal("d").unwrap().progress.losses;
            assert_eq!(losses.get(loss), 1, "{}", loss.label());
            assert_eq!(losses.iter().map(|(_, count)| count).sum::<u64>(), 1);
        }
    });
}

#[test]
fn a_guaranteed_deal_is_delivered_no_faster_than_agreed() {
    on_a_worker(async {
        let goal = Some(Goal {
            impressions: 20_000,
        });
        let exchange = exchange(
            vec![Deal {
                tier: 1,
                goal,
                ..deal("d")
            }],
            BOTH,
        );
        // Two a second, of which the first second is due when the auctions are held.
        let mut won = 0;
        for _ in 0..5 {
            won += u32::from(winner(&exchange).await.0 == "d");
        }
        assert_eq!(won, 2);
        assert_eq!(events(&exchange, DealEvent::Offered), 2);
        assert_eq!(events(&exchange, DealEvent::Paced), 3);
        assert_eq!(events(&exchange, DealEvent::Won), 2);
    });
}

/// Deals of a request: the floor for a length of video, and the price that the deal says.
#[test]
fn deals_of_the_request_have_floors_by_length() {
    const VIDEO: &str = r#"{"id":"r","cur":"EUR","seatbid":[{"seat":"s","bid":[{"id":"a",
        "impid":"1","price":2.5,"dealid":"own","dur":15,"adm":"<VAST version=\"4.0\"/>"}]}]}"#;
    on_a_worker(async {
        for (members, sold) in [
            (json!({ "bidfloor": 1.0 }), true),
            (json!({ "mincpmpersec": 0.16 }), true),
            (json!({ "mincpmpersec": 0.17 }), false),
            (
                json!({ "durfloors": [{ "mindur": 16, "bidfloor": 9.0 }] }),
                true,
            ),
            (
                json!({ "durfloors": [{ "mindur": 6, "maxdur": 15, "bidfloor": 3.0 }] }),
                false,
            ),
            (
                json!({ "durfloors": [{ "maxdur": 15, "bidfloor": 2.5 }] }),
                true,
            ),
        ] {
            let mut own = members.clone();
            own["id"] = json!("own");
            own["bidfloorcur"] = json!("EUR");
            let mut request = request();
            request["imp"] = json!([{ "id": "1", "video": { "mimes": ["video/mp4"] },
                "pmp": { "private_auction": 1, "deals": [own] } }]);
            let exchange = exchange(Vec::new(), VIDEO);
            let ended = exchange.sell(&request.to_string()).await.0.unwrap();
            assert_eq!(matches!(ended, Outcome::Sold(_)), sold, "{members}");
            let below = exchange.desk.counters.losses.get(Loss::BelowDealFloor);
            assert_eq!(below, u64::from(!sold), "{members}");
        }
    });
}
