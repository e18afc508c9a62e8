use super::*;
use crate::catalog::{Creative, Format, Input, Media};
use crate::sample::{NOW_MS, World, line_item};
use crate::{TEST_PARTNER, notice};
use audience::{Builder, Generation, SegmentId, UserKey};
use ledger::token::Purpose;
use ledger::{BudgetPath, Micros, ReservationId};
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
        (decided.bids, decided.candidates, decided.test),
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
    assert!(burl.ends_with("&p=${AUCTION_PRICE}&c=${AUCTION_CURRENCY}"));
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
    let slot = world.catalog.items[0].budget.slots()[0];
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
fn every_rule_of_the_exchange_is_kept() {
    let world = World::new(1, |_, _| ());
    let cases: [(Change, NoBid); 16] = [
        (|r| r["tmax"] = 10.into(), NoBid::InsufficientTime),
        (
            |r| r["imp"][0]["pmp"] = json!({"private_auction": 1}),
            NoBid::PrivateAuction,
        ),
        (|r| r["wseat"] = json!(["other"]), NoBid::SeatNotAllowed),
        (|r| r["bseat"] = json!(["adv_acme"]), NoBid::SeatNotAllowed),
        (|r| r["cur"] = json!(["USD"]), NoBid::CurrencyNotAllowed),
        (
            |r| r["imp"][0]["bidfloor"] = 2.500_001.into(),
            NoBid::BelowFloor,
        ),
        (
            |r| r["imp"][0]["bidfloorcur"] = "USD".into(),
            NoBid::CurrencyNotAllowed,
        ),
        (
            |r| r["imp"][0]["banner"] = json!({"w": 728, "h": 90}),
            NoBid::NotTargeted,
        ),
        (|r| r["bcat"] = json!(["IAB2"]), NoBid::Blocked),
        (|r| r["bcat"] = json!(["IAB2-3"]), NoBid::Blocked),
        (
            |r| (r["bcat"], r["cattax"]) = (json!(["9"]), json!(6)),
            NoBid::Blocked,
        ),
        (|r| r["acat"] = json!(["IAB3"]), NoBid::Blocked),
        (
            |r| r["badv"] = json!(["x.example", "ACME.example"]),
            NoBid::Blocked,
        ),
        (
            |r| r["imp"][0]["banner"]["battr"] = json!([1, 3]),
            NoBid::Blocked,
        ),
        (
            |r| r["imp"][0]["banner"] = json!({"w": 300, "h": 251}),
            NoBid::NotTargeted,
        ),
        (
            |r| {
                let video = json!({"mimes": ["video/mp4"]});
                r["imp"][0] = json!({"id": "1", "video": video});
            },
            NoBid::NotTargeted,
        ),
    ];
    for (change, reason) in cases {
        let request = with(change);
        assert_eq!(refused(&world, &request), reason, "{request}");
    }
    let allowed: [Change; 9] = [
        |r| r["tmax"] = 11.into(),
        |r| r["tmax"] = 0.into(),
        |r| r["wseat"] = json!(["adv_acme"]),
        |r| r["bseat"] = json!(["other"]),
        |r| r["cur"] = json!(["USD", "EUR"]),
        |r| r["imp"][0]["bidfloor"] = 2.5.into(),
        |r| r["bcat"] = json!(["IAB2-4", "IAB3"]),
        |r| r["acat"] = json!(["IAB2"]),
        |r| r["badv"] = json!(["other.acme.example", "example.acme"]),
    ];
    for change in allowed {
        let request = with(change);
        assert!(ask(&world, &request).outcome.is_ok(), "{request}");
    }
    // An interstitial without sizes takes any.
    let open = with(|r| {
        r["imp"][0]["instl"] = 1.into();
        r["imp"][0]["banner"] = json!({});
    });
    assert!(ask(&world, &open).outcome.is_ok());
}

#[test]
fn insecure_markup_is_kept_from_secure_places() {
    let world = World::new(1, |input, _| {
        input.creatives[0].adm = "<img src=\"http://cdn.example/a.png\">".to_owned();
    });
    assert_eq!(refused(&world, &request()), NoBid::NotSecure);
    let plain = with(|request| request["imp"][0]["secure"] = 0.into());
    assert!(ask(&world, &plain).outcome.is_ok());
}

#[test]
fn a_body_is_given_where_it_is_asked_for() {
    let mut world = World::new(1, |_, _| ());
    world.exchange.no_bid = NoBidStyle::Body;
    let answer = ask(&world, &with(|request| request["tmax"] = 5.into()));
    assert_eq!(answer.outcome, Err(Outcome::NoBid(NoBid::InsufficientTime)));
    assert_eq!(answer.body, Some(json!({"id": "auction-1", "nbr": 15})));
}

#[test]
fn a_test_is_answered_and_takes_nothing() {
    let world = World::new(1, |input, _| input.line_items[0].daily_cap = Some(1));
    let request = with(|request| request["test"] = 1.into());
    for _ in 0..3 {
        let answer = ask(&world, &request);
        assert!(answer.outcome.as_ref().unwrap().test);
        let burl = answer.bid()["burl"].as_str().unwrap();
        let mut buffer = Vec::new();
        let text = token(burl, "/n/bill?t=");
        let claims = world
            .signer
            .verify(Purpose::Notice, text, 0, &mut buffer)
            .unwrap();
        assert_eq!((claims.partner, claims.reservation), (TEST_PARTNER, None));
        let fields = notice::Fields {
            price: Some("1"),
            ..notice::Fields::default()
        };
        let (bill, burl) = (notice::Notice::Bill, crate::exchange::Billable::Burl);
        let event = notice::event(bill, burl, &claims, fields, world.catalog.party("li_0"), 0);
        assert_eq!(event, Err(notice::Refusal::Test));
    }
    let slot = world.catalog.items[0].budget.slots()[0];
    assert_eq!((world.book.reserved(slot), world.caps.entries()), (0, 0));
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
fn an_empty_lease_hands_over_to_the_next_offer() {
    let world = World::new(2, |input, book| {
        let slot = book.add().unwrap();
        book.grant(slot, 3_001);
        input.line_items[1].budget = BudgetPath::new(&[slot]);
        input.line_items[1].max_cpm = Cpm(3_000_000);
    });
    let first = ask(&world, &request());
    assert_eq!(first.bid()["cid"], "li_1");
    let second = ask(&world, &request());
    assert_eq!(second.bid()["cid"], "li_0");
    assert_eq!(second.outcome.unwrap().refusals, 1);
}

#[test]
fn refusals_of_leases_are_bounded() {
    let world = World::new(20, |_, _| ());
    let slot = world.catalog.items[0].budget.slots()[0];
    world.book.withdraw(slot, i64::MAX);
    assert_eq!(refused(&world, &request()), NoBid::NoBudget);
}

#[test]
fn a_full_table_of_reservations_ends_bidding() {
    let world = World::new(1, |_, _| ());
    let mut asked = 0;
    while ask_with_seed(&world, &request(), asked).outcome.is_ok() {
        asked += 1;
    }
    assert_eq!(asked, 1_024);
    assert_eq!(refused(&world, &request()), NoBid::ReservationsFull);
}

#[test]
fn caps_count_by_user_and_come_back_with_a_loss() {
    let world = World::new(1, |input, _| input.line_items[0].daily_cap = Some(2));
    let answers = [1, 2, 3].map(|seed| ask_with_seed(&world, &request(), seed));
    assert!(answers[..2].iter().all(|answer| answer.outcome.is_ok()));
    assert_eq!(refused(&world, &request()), NoBid::FrequencyCapped);
    let other = with(|request| request["user"]["id"] = "user-2".into());
    assert!(ask(&world, &other).outcome.is_ok());
    let nobody = with(|request| request["user"] = json!({}));
    assert_eq!(refused(&world, &nobody), NoBid::UnknownUser);
    let child = with(|request| request["regs"] = json!({"coppa": 1}));
    assert_eq!(refused(&world, &child), NoBid::UnknownUser);
    let mut buffer = Vec::new();
    let lurl = answers[0].bid()["lurl"].as_str().unwrap();
    let claims = world
        .signer
        .verify(Purpose::Notice, token(lurl, "?t="), 0, &mut buffer)
        .unwrap();
    let expiry = world.exchange.reservation_expiry(&claims);
    let key = crate::catalog::line_item_key(claims.line_item);
    assert!(world.caps.release(UserKey(claims.user), key, expiry));
    assert!(ask(&world, &request()).outcome.is_ok());
}

#[test]
fn a_refused_lease_gives_the_cap_back() {
    let world = World::new(1, |input, _| input.line_items[0].daily_cap = Some(1));
    let slot = world.catalog.items[0].budget.slots()[0];
    let taken = world.book.withdraw(slot, i64::MAX);
    assert_eq!(refused(&world, &request()), NoBid::NoBudget);
    world.book.grant(slot, taken);
    assert!(ask(&world, &request()).outcome.is_ok());
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
        let mut item = line_item("li_other", input.line_items[0].budget.slots()[0]);
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

fn in_dollars(input: &mut Input) {
    input.advertisers[0].currency = Currency(*b"USD");
}

#[test]
fn floors_and_prices_of_other_currencies_need_a_rate() {
    let mut world = World::new(1, |input, _| in_dollars(input));
    let both = |floor: f64| {
        with(|request| {
            request["cur"] = json!(["EUR", "USD"]);
            request["imp"][0]["bidfloor"] = floor.into();
        })
    };
    assert_eq!(refused(&world, &both(1.0)), NoBid::CurrencyNotAllowed);
    let rates = [(Currency(*b"USD"), Micros(1_250_000))];
    world.rates = Some(RateTable::new(crate::sample::EUR, &rates, "2026-11-23"));
    let answer = ask(&world, &both(1.9));
    assert_eq!(answer.body.as_ref().unwrap()["cur"], "USD");
    assert_eq!(refused(&world, &both(2.1)), NoBid::BelowFloor);
}

#[test]
fn video_is_bought_by_what_the_player_takes() {
    let world = World::new(1, |input, _| {
        input.creatives[0] = Creative {
            format: Format::Video,
            adm: "<VAST version=\"3.0\"><Impression>${IMP_URL}</Impression></VAST>".to_owned(),
            media: Media {
                mime: "video/mp4".to_owned(),
                duration_s: 20,
                protocol: 3,
            },
            ..input.creatives[0].clone()
        };
    });
    let video = |change: Change| {
        with(|request| {
            let mut video = json!({"mimes": ["video/mp4"], "protocols": [2, 3],
                "minduration": 5, "maxduration": 30});
            change(&mut video);
            request["imp"][0] = json!({"id": "1", "video": video});
        })
    };
    let answer = ask(&world, &video(|_| ()));
    assert_eq!(
        (&answer.bid()["mtype"], &answer.bid()["dur"]),
        (&json!(2), &json!(20))
    );
    let adm = answer.bid()["adm"].as_str().unwrap();
    assert!(adm.contains("<Impression>https://bid.example/t/imp?t="));
    let changes: [(Change, NoBid); 5] = [
        (
            |video| video["mimes"] = json!(["video/webm"]),
            NoBid::NoCreative,
        ),
        (|video| video["protocols"] = json!([7]), NoBid::NoCreative),
        (|video| video["maxduration"] = 15.into(), NoBid::NoCreative),
        (
            |video| {
                video
                    .as_object_mut()
                    .unwrap()
                    .retain(|key, _| !key.ends_with("duration"));
                video["rqddurs"] = json!([15, 30]);
            },
            NoBid::NoCreative,
        ),
        (
            |video| video["mincpmpersec"] = 0.2.into(),
            NoBid::CurrencyNotAllowed,
        ),
    ];
    for (change, reason) in changes {
        assert_eq!(refused(&world, &video(change)), reason);
    }
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
fn one_seat_bids_for_all_advertisers() {
    let mut world = World::new(1, |_, _| ());
    world.exchange.seat = crate::exchange::SeatUse::Single("house".into());
    let answer = ask(&world, &with(|request| request["wseat"] = json!(["house"])));
    assert_eq!(answer.body.unwrap()["seatbid"][0]["seat"], "house");
    let blocked = with(|request| request["bseat"] = json!(["house"]));
    assert_eq!(refused(&world, &blocked), NoBid::SeatNotAllowed);
}

#[test]
fn scratch_does_not_leak_from_request_to_request() {
    let world = World::new(3, |input, _| {
        input.line_items[0].targeting.geo.include = vec!["FRA".into()];
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
