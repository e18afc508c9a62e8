//! The exchange's rules, one request each.

use super::*;
use crate::catalog::{Creative, Format, Input, Media};
use ledger::Micros;

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
            adm: "<VAST version=\"3.0\"><Ad><InLine><Impression>${IMP_URL}</Impression><Creatives>\
                  <Creative><Linear><MediaFiles><MediaFile type=\"video/mp4\">https://cdn.example/v\
                  </MediaFile></MediaFiles></Linear></Creative></Creatives></InLine></Ad></VAST>"
                .to_owned(),
            media: Media {
                duration_s: 20,
                ..Media::default()
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
fn one_seat_bids_for_all_advertisers() {
    let mut world = World::new(1, |_, _| ());
    world.exchange.seat = crate::exchange::SeatUse::Single("house".into());
    let answer = ask(&world, &with(|request| request["wseat"] = json!(["house"])));
    assert_eq!(answer.body.unwrap()["seatbid"][0]["seat"], "house");
    let blocked = with(|request| request["bseat"] = json!(["house"]));
    assert_eq!(refused(&world, &blocked), NoBid::SeatNotAllowed);
}

#[test]
fn a_category_whose_parents_nobody_knows_cannot_show_that_it_is_allowed() {
    let world = World::new(1, |input, _| {
        let creative = &mut input.creatives[0];
        (creative.cat, creative.cattax) = (vec!["151".to_owned()], 7);
    });
    let listed = |field: &str, cat: &str, cattax: i64| {
        with(|request| {
            request[field] = json!([cat]);
            request["cattax"] = cattax.into();
        })
    };
    assert_eq!(refused(&world, &listed("bcat", "150", 7)), NoBid::Blocked);
    assert_eq!(refused(&world, &listed("acat", "150", 7)), NoBid::Blocked);
    assert!(ask(&world, &listed("acat", "151", 9)).outcome.is_ok());
    assert_eq!(refused(&world, &listed("bcat", "IAB7", 1)), NoBid::Blocked);
}
