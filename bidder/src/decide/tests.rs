mod company;
mod fees;
mod holding;
mod naive;
mod rules;

use super::*;
use crate::catalog::{Dimension, Rule, Value as Wanted};
use crate::sample::{NOW_MS, World, line_item};
use audience::{Builder, Generation, SegmentId, UserKey};
use ledger::ReservationId;
use ledger::token::Purpose;
use serde_json::{Value, json};

fn request() -> Value {
    json!({
        "id": "auction-1", "tmax": 100, "cur": ["EUR"],
        "imp": [{"id": "1", "secure": 1, "tagid": "top", "bidfloor": 1.5, "bidfloorcur": "EUR",
            "banner": {"format": [{"w": 728, "h": 90}, {"w": 300, "h": 250}]}}],
        "site": {"domain": "news.example", "publisher": {"id": "pub_1"}},
        "device": {"geo": {"country": "FRA", "region": "IDF"}, "devicetype": 2, "os": "Windows"},
        "user": {"id": "user-1"},
    })
}

/// What makes a request unsuitable, or keeps it suitable.
type Change = fn(&mut Value);

struct Answer {
    outcome: Result<Decided, Outcome>,
    body: Option<Value>,
}

impl Answer {
    fn bid(&self) -> &Value {
        &self.body.as_ref().unwrap()["seatbid"][0]["bid"][0]
    }
}

fn ask_with_seed(world: &World, request: &Value, seed: u64) -> Answer {
    let body = serde_json::to_vec(request).unwrap();
    let mut scratch = DecisionScratch::default();
    let mut out = b"what was there before".to_vec();
    let (snapshot, runtime) = (world.snapshot(), world.runtime());
    let outcome = decide(
        &body,
        &snapshot,
        runtime,
        &mut scratch,
        (NOW_MS, seed),
        &mut out,
    );
    let body = (!out.is_empty()).then(|| serde_json::from_slice(&out).unwrap());
    Answer { outcome, body }
}

fn ask(world: &World, request: &Value) -> Answer {
    ask_with_seed(world, request, 1)
}

fn with(change: impl FnOnce(&mut Value)) -> Value {
    let mut request = request();
    change(&mut request);
    request
}

fn refused(world: &World, request: &Value) -> NoBid {
    let answer = ask(world, request);
    match answer.outcome {
        Err(Outcome::NoBid(reason)) => {
            assert_eq!(answer.body, None);
            reason
        }
        other => panic!("{other:?}"),
    }
}

/// The token behind a link, up to the next parameter or quote.
fn token<'t>(text: &'t str, link: &str) -> &'t str {
    let (_, rest) = text.split_once(link).unwrap();
    rest.split(['&', '"']).next().unwrap()
}

#[test]
fn a_bid_says_everything_that_settlement_needs() {
    let world = World::new(1, |_, _| ());
    let answer = ask(&world, &request());
    let decided = answer.outcome.clone().unwrap();
    assert_eq!(
        (decided.bids, decided.looked_at, decided.test),
        (1, 1, false)
    );
    let body = answer.body.as_ref().unwrap();
    assert_eq!(
        (&body["id"], &body["cur"]),
        (&json!("auction-1"), &json!("EUR"))
    );
    assert_eq!(body["seatbid"][0]["seat"], "adv_acme");
    let bid = answer.bid();
    for (field, expected) in [
        ("impid", json!("1")),
        ("price", json!(2.5)),
        ("adomain", json!(["shop.acme.example"])),
        ("cid", json!("li_0")),
        ("crid", json!("cr_1")),
        ("cat", json!(["IAB2-3"])),
        ("attr", json!([3])),
        ("w", json!(300)),
        ("h", json!(250)),
        ("mtype", json!(1)),
        ("exp", json!(600)),
    ] {
        assert_eq!(bid[field], expected, "{field}");
    }
    let burl = bid["burl"].as_str().unwrap();
    assert!(burl.ends_with("&p=${AUCTION_PRICE}&c=${AUCTION_CURRENCY}&s=${AUCTION_SEAT_ID}"));
    let mut buffer = Vec::new();
    let text = token(burl, "https://bid.example/n/bill?t=");
    let verified = world
        .signer
        .verify(Purpose::Notice, text, 0, &mut buffer)
        .unwrap();
    assert_eq!((verified.cpm, verified.currency), (2_500_000, *b"EUR"));
    assert_eq!(
        (verified.auction, verified.imp, verified.line_item),
        ("auction-1", "1", "li_0")
    );
    assert_eq!((verified.publisher, verified.placement), ("pub_1", "top"));
    assert_eq!(verified.bid, bid["id"].as_str().unwrap());
    let (epoch, slot, generation) = verified.reservation.unwrap();
    assert_eq!(epoch, 5);
    assert!(
        world
            .reservations
            .is_open(ReservationId { slot, generation })
    );
    let expiry = world.exchange.reservation_expiry(&verified);
    assert_eq!(i64::from(expiry), NOW_MS / 1_000 + 600);
    for (name, link) in [("nurl", "/n/win?t="), ("lurl", "/n/loss?t=")] {
        assert_eq!(token(bid[name].as_str().unwrap(), link), text, "{name}");
    }
    let adm = bid["adm"].as_str().unwrap();
    let click = token(adm, "https://bid.example/t/click?t=");
    let verified = world
        .signer
        .verify(Purpose::Click, click, 0, &mut buffer)
        .unwrap();
    assert_eq!(verified.url, "https://acme.example/?q=1");
    let pixel = token(adm, "https://bid.example/t/imp?t=");
    world
        .signer
        .verify(Purpose::Impression, pixel, 0, &mut buffer)
        .unwrap();
    let slot = world.catalog.items[0].budget.money()[0];
    assert_eq!(world.book.reserved(slot), 2_501);
}

#[test]
fn bad_bytes_are_told_from_no_bids() {
    let world = World::new(1, |_, _| ());
    let mut scratch = DecisionScratch::default();
    let mut decide = |body: &[u8]| {
        let (snapshot, runtime) = (world.snapshot(), world.runtime());
        decide(
            body,
            &snapshot,
            runtime,
            &mut scratch,
            (NOW_MS, 1),
            &mut Vec::new(),
        )
    };
    let fault = |outcome| match outcome {
        Err(Outcome::Malformed(fault)) => fault,
        other => panic!("{other:?}"),
    };
    assert_eq!(fault(decide(b"{\"id\":\"a\"}")).field, "imp");
    assert!(fault(decide(&vec![b' '; 300_000])).is_limit());
    let long = with(|request| request["imp"][0]["id"] = "x".repeat(257).into());
    assert_eq!(
        fault(decide(long.to_string().as_bytes())).field,
        "imp[0].id"
    );
    assert!(decide(request().to_string().as_bytes()).is_ok());
}

/// A request that one change makes unsuitable, with the reason that is told.
#[test]
fn a_body_is_given_where_it_is_asked_for() {
    let mut world = World::new(1, |_, _| ());
    world.exchange.no_bid = NoBidStyle::Body;
    let answer = ask(&world, &with(|request| request["tmax"] = 5.into()));
    assert_eq!(answer.outcome, Err(Outcome::NoBid(NoBid::InsufficientTime)));
    assert_eq!(answer.body, Some(json!({"id": "auction-1", "nbr": 15})));
}

#[test]
fn the_highest_price_wins_and_ties_are_drawn() {
    let world = World::new(4, |input, _| input.line_items[3].max_cpm = Cpm(2_400_000));
    let winner = |seed| {
        let answer = ask_with_seed(&world, &request(), seed);
        answer.bid()["cid"].as_str().unwrap().to_owned()
    };
    assert_eq!(winner(1), winner(1));
    let mut wins = std::collections::BTreeMap::new();
    for seed in 0..300 {
        *wins.entry(winner(seed)).or_insert(0) += 1;
    }
    assert_eq!(wins.len(), 3);
    assert!(
        wins.values().all(|wins| (60..140).contains(wins)),
        "{wins:?}"
    );
    assert!(!wins.contains_key("li_3"));
}

#[test]
fn each_imp_is_decided_and_no_line_item_bids_twice() {
    let world = World::new(2, |input, _| {
        let mut other = input.advertisers[0].clone();
        other.id = "adv_other".to_owned();
        input.advertisers.push(other);
        let mut campaign = input.campaigns[0].clone();
        (campaign.id, campaign.advertiser) = ("cmp_2".to_owned(), "adv_other".to_owned());
        input.campaigns.push(campaign);
        let mut creative = input.creatives[0].clone();
        (creative.id, creative.advertiser) = ("cr_2".to_owned(), "adv_other".to_owned());
        input.creatives.push(creative);
        let mut item = line_item("li_other", input.line_items[0].budget.money()[0]);
        (item.campaign, item.creatives) = ("cmp_2".to_owned(), vec!["cr_2".to_owned()]);
        input.line_items.push(item);
    });
    let many = with(|request| {
        let imp = request["imp"][0].clone();
        let numbered = |id: usize| {
            let mut imp = imp.clone();
            imp["id"] = id.to_string().into();
            imp
        };
        request["imp"] = (0..5).map(numbered).collect();
    });
    let answer = ask(&world, &many);
    assert_eq!(answer.outcome.clone().unwrap().bids, 3);
    let body = answer.body.unwrap();
    let seats = body["seatbid"].as_array().unwrap();
    assert_eq!(seats.len(), 2);
    let bids: Vec<&Value> = seats
        .iter()
        .flat_map(|seat| seat["bid"].as_array().unwrap())
        .collect();
    let distinct = |field: &str| {
        let values = bids.iter().map(|bid| bid[field].as_str().unwrap());
        values.collect::<std::collections::HashSet<_>>().len()
    };
    assert_eq!(
        (distinct("cid"), distinct("impid"), distinct("id")),
        (3, 3, 3)
    );
}

#[test]
fn segments_decide_with_every_id_of_the_user() {
    let mut world = World::new(1, |input, _| {
        let audience = &mut input.line_items[0].targeting.audience;
        audience.include = vec![vec!["seg_1".into(), "seg_2".into()], vec!["seg_3".into()]];
        audience.exclude = vec!["seg_9".into()];
    });
    let mut builder = Builder::new(audience::Limits::default());
    let seed = KeySeed::default();
    let mut add = |kind, id: &str, segments: &[u32]| {
        let key = UserKey::new(seed, kind, id.as_bytes()).unwrap();
        let ids: Vec<SegmentId> = segments.iter().copied().map(SegmentId).collect();
        builder.add(key, &ids).unwrap();
    };
    add(audience::IdKind::UserId, "user-1", &[2]);
    add(
        audience::IdKind::Eid {
            source: "id.example",
        },
        "e",
        &[3],
    );
    add(audience::IdKind::BuyerUid, "converted", &[9]);
    world.audience = builder.finish(Generation(1)).unwrap();
    assert_eq!(refused(&world, &request()), NoBid::NotTargeted);
    let eid = json!([{"source": "ID.example", "uids": [{"id": "e"}]}]);
    let both = with(|request| request["user"]["eids"] = eid.clone());
    assert!(ask(&world, &both).outcome.is_ok());
    let excluded = with(|request| {
        request["user"]["eids"] = eid.clone();
        request["user"]["buyeruid"] = "converted".into();
    });
    assert_eq!(refused(&world, &excluded), NoBid::NotTargeted);
}

#[test]
fn nothing_active_is_told() {
    let mut world = World::new(1, |_, _| ());
    world.plan = Plan::idle(&world.catalog);
    assert_eq!(refused(&world, &request()), NoBid::NothingActive);
}

#[test]
fn scratch_does_not_leak_from_request_to_request() {
    let world = World::new(3, |input, _| {
        let rule = Rule::including(vec![Wanted::Text("FRA".into())]);
        let targeting = &mut input.line_items[0].targeting;
        targeting.rules.insert(Dimension::Geo.into(), rule);
        input.line_items[0].max_cpm = Cpm(9_000_000);
    });
    let mut scratch = DecisionScratch::default();
    let mut out = Vec::new();
    let german = with(|request| request["device"]["geo"]["country"] = "DEU".into());
    let blocked = with(|request| request["badv"] = json!(["acme.example"]));
    let requests = [request(), german, blocked, json!({"id": "x"}), request()];
    for request in requests.iter().cycle().take(20) {
        let body = request.to_string();
        let (snapshot, runtime) = (world.snapshot(), world.runtime());
        let got = decide(
            body.as_bytes(),
            &snapshot,
            runtime,
            &mut scratch,
            (NOW_MS, 4),
            &mut out,
        );
        let fresh = ask_with_seed(&world, request, 4);
        assert_eq!(got, fresh.outcome);
        if got.is_ok() {
            let answer: Value = serde_json::from_slice(&out).unwrap();
            let cid = &answer["seatbid"][0]["bid"][0]["cid"];
            assert_eq!(cid, &fresh.bid()["cid"]);
        }
    }
}
