//! Each reason for which a bid is rejected, and that each bid has exactly one.

use super::*;
use crate::catalog::{Catalog, Partner, Pricing, Publisher, Review, Route};
use crate::clear;
use crate::draw::Draw;
use crate::floor::{Plan, Stated};
use crate::market::Market;
use bumpalo::Bump;
use ledger::{Micros, RateTable};
use openrtb::{Keep, Limits, Scratch};
use proptest::prelude::*;

const EUR: Currency = Currency(*b"EUR");

fn market(seats: &[&str]) -> Market {
    let publisher = Publisher {
        id: "pub_1".into(),
        name: "One".into(),
        domains: vec!["news.example".into()],
        bundles: Vec::new(),
        currency: EUR,
        revenue_share_ppm: 800_000,
        pricing: Pricing::FirstPrice,
        floors: None,
        max_qps: 0,
        tmax_ms: 100,
        blocked_advertisers: vec!["blocked.example".into()],
        blocked_categories: vec!["IAB25".into()],
        requires_creative_id: true,
        requires_approval: false,
        max_markup: 4_096,
        loss_prices: crate::catalog::LossPrices::default(),
        requests: crate::catalog::Requests::default(),
    };
    let partner = |id: &str| Partner {
        id: id.into(),
        name: id.into(),
        route: Route::Local,
        openrtb: "2.6".into(),
        max_qps: 0,
        max_connections: 1,
        timeout_ms: 80,
        seats: seats.iter().map(|seat| (*seat).into()).collect(),
        formats: Vec::new(),
        sizes: Vec::new(),
        countries: Vec::new(),
        excluded_countries: Vec::new(),
        treatment: crate::catalog::Treatment::default(),
    };
    let review = |partner: &str, creative: &str, approved| Review {
        publisher: "pub_1".into(),
        partner: partner.into(),
        creative: creative.into(),
        approved,
    };
    let catalog = Catalog {
        publishers: vec![publisher],
        placements: Vec::new(),
        reviews: vec![review("a", "shown", true), review("a", "hidden", false)],
        deals: Vec::new(),
        partners: vec![partner("a"), partner("b")],
        ..Catalog::default()
    };
    let rates = RateTable::new(EUR, &[(USD, Micros(1_250_000))], "2026-11-24");
    Market::compile(catalog, rates, None).unwrap()
}

const REQUEST: &str = r#"{"id":"r","cur":["EUR","USD","SEK"],"badv":["bad.example"],
    "bcat":["IAB7"],"bapp":["com.bad"],"wseat":["s1","s2"],"site":{"domain":"news.example"},"imp":[
    {"id":"1","bidfloor":0.5,"bidfloorcur":"EUR","secure":1,"banner":{"battr":[3],
     "format":[{"w":300,"h":250},{"wratio":16,"hratio":9,"wmin":320}]},
     "pmp":{"deals":[{"id":"d1","bidfloor":2,"bidfloorcur":"EUR","wseat":["s1"],
     "wadomain":["acme.example"]},{"id":"d2","bidfloor":1,"bidfloorcur":"XXX"}]}},
    {"id":"2","banner":{"w":728,"h":90},"video":{"mimes":["video/mp4"]},
     "pmp":{"private_auction":1,"deals":[{"id":"d3"}]}}]}"#;

/// Runs `check` over the offers of one answer per partner.
fn screened<R>(
    seats: &[&str],
    request: &str,
    responses: &[&str],
    check: impl FnOnce(&Auction<'_>, Vec<Offer<'_>>) -> R,
) -> R {
    let market = market(seats);
    let (mut scratch, arena) = (Scratch::default(), Bump::new());
    let request: openrtb::BidRequest<'_> = scratch
        .decode(request.as_bytes(), Limits::default(), Keep::All)
        .unwrap();
    let seller = market.seller("pub_1").unwrap();
    let stated = Stated::default();
    let plan = Plan::draw(&seller.publisher, &stated, 0, &mut Draw::new(0));
    let auction = Auction::open(&market, seller, request, plan, 7, &arena);
    let mut buffers: Vec<Scratch> = responses.iter().map(|_| Scratch::default()).collect();
    let answers: Vec<Answer<'_>> = buffers
        .iter_mut()
        .zip(responses)
        .enumerate()
        .map(|(buyer, (buffer, text))| {
            let limits = Limits::default();
            let response = buffer.decode(text.as_bytes(), limits, Keep::All).unwrap();
            Answer { buyer, response }
        })
        .collect();
    check(
        &auction,
        screen(
            &auction,
            &answers,
            Rules {
                max_price: Cpm(1_000_000_000),
            },
        ),
    )
}

/// A good bid on imp 1, with `changes` over it.
fn bid(changes: &str) -> String {
    let base = [
        (r#""id""#, r#""b1""#),
        (r#""impid""#, r#""1""#),
        (r#""price""#, "1"),
        (r#""adm""#, r#""<b>ad</b>""#),
        (r#""crid""#, r#""c""#),
        (r#""adomain""#, r#"["acme.example"]"#),
        (r#""w""#, "300"),
        (r#""h""#, "250"),
    ];
    let kept = base
        .iter()
        .filter(|(key, _)| !changes.contains(&format!("{key}:")));
    let mut members: Vec<String> = kept.map(|(key, value)| format!("{key}:{value}")).collect();
    members.extend((!changes.is_empty()).then(|| changes.to_owned()));
    format!("{{{}}}", members.join(","))
}

fn answer(cur: &str, seat: &str, bids: &[String]) -> String {
    let bids = bids.join(",");
    format!(r#"{{"id":"r","cur":"{cur}","seatbid":[{{"seat":"{seat}","bid":[{bids}]}}]}}"#)
}

fn loss_of(cur: &str, seat: &str, changes: &str) -> Option<Loss> {
    let text = answer(cur, seat, &[bid(changes)]);
    screened(&["s1", "s2", "s3"], REQUEST, &[&text], |_, offers| {
        assert_eq!(offers.len(), 1);
        offers[0].standing.err()
    })
}

#[test]
fn length_protocol_language_and_allowed_categories_are_looked_at() {
    let loss = |asked: &str, more: &str, changes: &str| {
        let request = format!(
            r#"{{"id":"r","cur":["EUR"],"site":{{"domain":"news.example"}}{more},"imp":[{{"id":"1",
            {asked}}}]}}"#
        );
        let text = answer("EUR", "s1", &[bid(changes)]);
        screened(&[], &request, &[&text], |_, offers| {
            offers[0].standing.err()
        })
    };
    let video = r#""video":{"mimes":["video/mp4"],"minduration":6,"maxduration":30,
        "protocols":[3,7]}"#;
    let pod = r#""audio":{"mimes":["audio/mp4"],"poddur":60,"rqddurs":[15,30]}"#;
    let banner = r#""banner":{"w":300,"h":250}"#;
    let large = format!(r#""adm":"{}""#, "x".repeat(4_097));
    for (asked, more, changes, wanted) in [
        (video, "", r#""dur":30,"protocol":7"#, None),
        (video, "", r#""crid":"silent""#, None),
        (video, "", r#""dur":31"#, Some(Loss::Duration)),
        (video, "", r#""dur":5"#, Some(Loss::Duration)),
        (video, "", r#""protocol":2"#, Some(Loss::Protocol)),
        (
            video,
            "",
            r#""adm":"<VAST version='4.0'><MediaFile type='video/MP4'/>""#,
            None,
        ),
        (
            video,
            "",
            r#""adm":"<VAST version='2.0'><Ad/></VAST>""#,
            Some(Loss::Protocol),
        ),
        (
            video,
            "",
            r#""protocol":3,"adm":"<VAST version='2.0'><MediaFile type='video/webm'/>""#,
            Some(Loss::Mime),
        ),
        (banner, "", &*large, Some(Loss::MarkupSize)),
        (pod, "", r#""dur":15"#, None),
        (pod, "", r#""dur":20"#, Some(Loss::Duration)),
        (banner, r#","wlang":["fr"]"#, r#""language":"FR""#, None),
        (banner, r#","wlang":["fr"]"#, r#""crid":"silent""#, None),
        (
            banner,
            r#","wlang":["fr"]"#,
            r#""language":"de""#,
            Some(Loss::Language),
        ),
        (
            banner,
            r#","wlangb":["fr-CA"]"#,
            r#""langb":"fr-FR""#,
            Some(Loss::Language),
        ),
        (banner, r#","acat":["IAB2"]"#, r#""cat":["IAB2-3"]"#, None),
        (
            banner,
            r#","acat":["IAB2"]"#,
            r#""cat":["IAB2","IAB3"]"#,
            Some(Loss::Category),
        ),
        (
            banner,
            r#","acat":["IAB2"]"#,
            r#""crid":"silent""#,
            Some(Loss::Category),
        ),
    ] {
        assert_eq!(
            loss(asked, more, changes),
            wanted,
            "{asked} {more} {changes}"
        );
    }
    let codes = [
        Loss::Duration,
        Loss::Protocol,
        Loss::Language,
        Loss::LowerTier,
    ];
    assert_eq!(codes.map(Loss::code), [200, 204, 208, 103]);
}

#[test]
fn each_fault_has_its_reason() {
    let long = "x".repeat(3_000);
    for (changes, loss) in [
        ("", None),
        (r#""impid":"9""#, Some(Loss::Malformed)),
        (r#""id":"""#, Some(Loss::Malformed)),
        (
            &*format!(r#""burl":"http://{long}""#),
            Some(Loss::Malformed),
        ),
        (r#""dealid":"d9""#, Some(Loss::UnknownDeal)),
        (r#""dealid":"d3""#, Some(Loss::UnknownDeal)),
        (r#""impid":"2","w":728,"h":90"#, Some(Loss::OpenBid)),
        (r#""impid":"2","w":728,"h":90,"dealid":"d3""#, None),
        (r#""price":null"#, Some(Loss::Price)),
        (r#""price":-1"#, Some(Loss::Price)),
        (r#""price":0"#, Some(Loss::Price)),
        (r#""price":1e308"#, Some(Loss::Price)),
        (r#""price":1000.1"#, Some(Loss::Price)),
        (r#""price":0.499999"#, Some(Loss::BelowFloor)),
        (r#""price":0.5"#, None),
        (r#""price":1.99,"dealid":"d1""#, Some(Loss::BelowDealFloor)),
        (r#""price":2,"dealid":"d1""#, None),
        (r#""dealid":"d2""#, Some(Loss::Currency)),
        (r#""adm":"""#, Some(Loss::NoMarkup)),
        (r#""adm":null"#, Some(Loss::NoMarkup)),
        (r#""crid":null"#, Some(Loss::NoCreativeId)),
        (r#""crid":"shown""#, None),
        (r#""crid":"hidden""#, Some(Loss::Disapproved)),
        (r#""mtype":2"#, Some(Loss::Format)),
        (r#""mtype":9"#, Some(Loss::Format)),
        (r#""mtype":1"#, None),
        (r#""w":728,"h":90"#, Some(Loss::Size)),
        (r#""w":640,"h":360"#, None),
        (r#""w":160,"h":90"#, Some(Loss::Size)),
        (r#""w":null,"h":null"#, None),
        (r#""adomain":["shop.bad.example"]"#, Some(Loss::Advertiser)),
        (r#""adomain":["blocked.example"]"#, Some(Loss::Advertiser)),
        (
            r#""adomain":["x.example"],"price":3,"dealid":"d1""#,
            Some(Loss::NotInDeal),
        ),
        (r#""cat":["IAB7-1"]"#, Some(Loss::Category)),
        (r#""cat":["IAB25"]"#, Some(Loss::Category)),
        (r#""cat":["IAB2"]"#, None),
        (r#""attr":[1,3]"#, Some(Loss::Attribute)),
        (r#""bundle":"com.bad""#, Some(Loss::Bundle)),
        (
            r#""adm":"<img src='http://a.example/x'>""#,
            Some(Loss::Insecure),
        ),
        (
            r#""impid":"2","dealid":"d3","adm":"<VAST/>","mtype":1,"w":1,"h":1"#,
            Some(Loss::Size),
        ),
        (
            r#""impid":"2","dealid":"d3","adm":"<VAST/>","w":1,"h":1"#,
            None,
        ),
    ] {
        assert_eq!(loss_of("EUR", "s1", changes), loss, "{changes}");
    }
}

#[test]
fn seats_and_currencies_have_theirs() {
    assert_eq!(
        loss_of("EUR", "s9", ""),
        Some(Loss::Seat),
        "not the partner's"
    );
    assert_eq!(
        loss_of("EUR", "s3", ""),
        Some(Loss::Seat),
        "not the request's"
    );
    assert_eq!(
        loss_of("EUR", "s2", r#""price":3,"dealid":"d1""#),
        Some(Loss::Seat),
        "the deal's"
    );
    assert_eq!(
        loss_of("USD", "s1", r#""price":0.62"#),
        Some(Loss::BelowFloor)
    );
    assert_eq!(loss_of("USD", "s1", r#""price":0.63"#), None);
    assert_eq!(
        loss_of("GBP", "s1", ""),
        Some(Loss::Currency),
        "not asked for"
    );
    assert_eq!(loss_of("SEK", "s1", ""), Some(Loss::Currency), "no rate");
    assert_eq!(loss_of("euro", "s1", ""), Some(Loss::Currency));
}

#[test]
fn an_answer_belongs_to_its_request() {
    let text = answer("EUR", "s1", &[]);
    screened(&[], REQUEST, &[&text], |auction, _| {
        let with = |id| BidResponse {
            id,
            ..BidResponse::default()
        };
        assert!(is_answer(auction, &with(Some("r"))));
        assert!(!is_answer(auction, &with(Some("other"))) && !is_answer(auction, &with(None)));
    });
    let many: Vec<String> = (0..33).map(|id| bid(&format!(r#""id":"{id}""#))).collect();
    let text = answer("EUR", "s1", &many);
    let mut scratch = Scratch::default();
    let response = scratch
        .decode(text.as_bytes(), Limits::default(), Keep::All)
        .unwrap();
    screened(&[], REQUEST, &[], |auction, _| {
        assert!(!is_answer(auction, &response));
    });
}

#[test]
fn a_repeated_id_is_counted_once() {
    let text = answer("EUR", "s1", &[bid(""), bid(r#""price":9"#)]);
    screened(&[], REQUEST, &[&text, &text], |_, offers| {
        let losses: Vec<_> = offers.iter().map(|offer| offer.standing.err()).collect();
        assert_eq!(
            losses,
            [None, Some(Loss::Duplicate), None, Some(Loss::Duplicate)]
        );
    });
}

proptest! {
    /// Whatever is bid: each bid wins or has one reason, each lot has at most one winner, and
    /// the winner is the one that a walk over the bids finds.
    #[test]
    fn each_bid_wins_or_has_one_reason(
        bids in prop::collection::vec((0_i64..40, 0_usize..2, 0_usize..8), 0..14),
        first_has in 0_usize..14,
    ) {
        let text = |index: usize| {
            let (price, imp, flaw) = bids[index];
            let flaw = [r#","attr":[3]"#, r#","crid":null"#].get(flaw).unwrap_or(&"");
            let deal = if imp == 1 { r#","dealid":"d3","w":728,"h":90"# } else { "" };
            bid(&format!(
                r#""id":"{index}","impid":"{}","price":{}{deal}{flaw}"#,
                imp + 1,
                price as f64 / 20.0
            ))
        };
        let split = first_has.min(bids.len());
        let first: Vec<String> = (0..split).map(text).collect();
        let second: Vec<String> = (split..bids.len()).map(text).collect();
        let (first, second) = (answer("EUR", "s1", &first), answer("EUR", "s2", &second));
        let (count, sold, best) = screened(&[], REQUEST, &[&first, &second], |auction, mut offers| {
            let awards = clear::award(auction, &mut offers);
            let reasons = offers.iter().filter(|offer| offer.standing.is_err()).count();
            let sold: Vec<(usize, i64)> =
                awards.iter().map(|award| (award.lot, award.cleared.price.0)).collect();
            (offers.len(), (reasons, sold), auction.lots.len())
        });
        prop_assert_eq!((count, best), (bids.len(), 2));
        let (reasons, sold) = sold;
        prop_assert_eq!(reasons + sold.len(), bids.len());
        let mut expected = Vec::new();
        for lot in 0..2 {
            let floor = if lot == 0 { 10 } else { 0 };
            // Imp 2 takes flaw 0 as well: its banner blocks no attribute.
            let good = bids.iter().filter(|(price, imp, flaw)| {
                *imp == lot && *price >= floor && *flaw != 1 && (lot == 1 || *flaw != 0)
            });
            if let Some(price) = good.map(|(price, ..)| *price).max() {
                expected.push((lot, price * 50_000));
            }
        }
        prop_assert_eq!(sold, expected);
    }
}
