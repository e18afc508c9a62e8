//! Bids beside each other: deals, pods, competitors, turns and approvals.

use super::*;
use crate::catalog::{
    Approval, Creative, Delivery, File, Format, Input, PodPosition, Rotation, Template,
};
use crate::sample;
use ledger::Shown;
use std::collections::BTreeMap;

/// One line item for each of `seconds`, with a video of that length; each dearer than the next.
fn films(input: &mut Input, seconds: &[u32]) {
    let template = input.creatives[0].clone();
    let slot = input.line_items[0].budget.money()[0];
    (input.creatives, input.line_items) = (Vec::new(), Vec::new());
    for (at, seconds) in seconds.iter().enumerate() {
        let mut creative = Creative {
            id: format!("cr_{at}"),
            format: Format::Video,
            adm: String::new(),
            template: Some(Template::Files(vec![File {
                url: format!("https://cdn.example/{at}"),
                mime: "video/mp4".to_owned(),
                ..File::default()
            }])),
            adomain: vec![format!("brand-{at}.example")],
            ..template.clone()
        };
        creative.media.duration_s = *seconds;
        input.creatives.push(creative);
        let mut item = line_item(&format!("li_{at}"), slot);
        item.creatives = vec![format!("cr_{at}")];
        item.max_cpm = Cpm(3_000_000 - at as i64);
        input.line_items.push(item);
    }
}

fn pod(change: Change) -> Value {
    with(|request| {
        let mut video = json!({"mimes": ["video/mp4"], "poddur": 60});
        change(&mut video);
        request["imp"][0] = json!({"id": "1", "video": video});
    })
}

fn bids(answer: &Answer) -> Vec<&Value> {
    let seats = answer
        .body
        .iter()
        .flat_map(|body| body["seatbid"].as_array().unwrap());
    seats
        .flat_map(|seat| seat["bid"].as_array().unwrap())
        .collect()
}

/// The lengths of the bids, in their order.
fn lengths(world: &World, request: &Value) -> Vec<i64> {
    let answer = ask(world, request);
    bids(&answer)
        .iter()
        .map(|bid| bid["dur"].as_i64().unwrap())
        .collect()
}

#[test]
fn a_pod_is_filled_until_its_time_or_its_places_end() {
    let world = World::new(1, |input, _| films(input, &[30, 30, 15, 15, 10]));
    assert_eq!(lengths(&world, &pod(|_| ())), [30, 30]);
    assert_eq!(
        lengths(&world, &pod(|video| video["poddur"] = 50.into())),
        [30, 15]
    );
    let exact = pod(|video| video["rqddurs"] = json!([15, 10]));
    assert_eq!(lengths(&world, &exact), [15, 15, 10]);
    let few = pod(|video| (video["poddur"], video["maxseq"]) = (90.into(), 2.into()));
    assert_eq!(lengths(&world, &few), [30, 30]);
    let single = pod(|video| video["poddur"] = 0.into());
    assert_eq!(lengths(&world, &single), [30]);
    // Nothing is as short as this pod.
    assert_eq!(
        refused(&world, &pod(|video| video["poddur"] = 5.into())),
        NoBid::NoCreative
    );
}

#[test]
fn nothing_repeats_in_a_pod_that_may_not() {
    let world = World::new(1, |input, _| {
        films(input, &[10, 10, 10]);
        input.creatives[1].adomain = vec!["brand-0.example".to_owned()];
        let file = input.creatives[1].template.clone();
        input.creatives[2].template = file;
    });
    let ids = |rules: Value| {
        let request = with(|request| {
            let video = |id: &str| {
                let video = json!({"mimes": ["video/mp4"], "podid": "p", "poddedupe": rules});
                json!({"id": id, "video": video})
            };
            request["imp"] = json!([video("1"), video("2"), video("3")]);
        });
        let answer = ask(&world, &request);
        let mut ids: Vec<String> = bids(&answer)
            .iter()
            .map(|bid| bid["crid"].as_str().unwrap().to_owned())
            .collect();
        ids.sort_unstable();
        ids
    };
    assert_eq!(ids(json!([5])), ["cr_0", "cr_1", "cr_2"]);
    assert_eq!(ids(json!([1])), ["cr_0", "cr_2"]);
    assert_eq!(ids(json!([4])), ["cr_0", "cr_1"]);
    assert_eq!(ids(json!([2])), ["cr_0"], "all are of one category");
    assert_eq!(ids(json!([1, 4])), ["cr_0", "cr_2"]);
}

#[test]
fn a_wish_for_a_place_in_the_pod_is_met_by_the_seller_or_nobody() {
    let world = World::new(1, |input, _| {
        films(input, &[10, 10]);
        for item in &mut input.line_items {
            item.delivery.pod_position = PodPosition::First;
        }
    });
    for (slot, wanted) in [(1, true), (2, true), (-1, false), (0, false)] {
        let mut request = pod(|_| ());
        request["imp"][0]["video"]["slotinpod"] = slot.into();
        if wanted {
            let answer = ask(&world, &request);
            assert_eq!(bids(&answer).len(), 1, "there is one first place");
            assert_eq!(answer.bid()["slotinpod"], 1);
        } else {
            assert_eq!(refused(&world, &request), NoBid::NotTargeted);
        }
    }
}

#[test]
fn competitors_do_not_answer_together() {
    let world = World::new(2, |input, _| {
        input.advertisers[0].competitive = vec!["cars".to_owned(), "trucks".to_owned()];
        let mut other = input.advertisers[0].clone();
        (other.id, other.competitive) = ("adv_other".to_owned(), vec!["trucks".to_owned()]);
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
    let three = with(|request| {
        let imp = request["imp"][0].clone();
        let numbered = |id: usize| {
            let mut imp = imp.clone();
            imp["id"] = id.to_string().into();
            imp
        };
        request["imp"] = (0..3).map(numbered).collect();
    });
    for seed in 0..20 {
        let answer = ask_with_seed(&world, &three, seed);
        let seats = answer.body.as_ref().unwrap()["seatbid"].as_array().unwrap();
        assert_eq!(seats.len(), 1, "{seats:?}");
        let own = seats[0]["seat"] == "adv_acme";
        assert_eq!(bids(&answer).len(), if own { 2 } else { 1 });
    }
}

#[test]
fn a_deal_is_bought_by_those_it_is_for_at_its_price() {
    let world = World::new(1, |input, _| {
        input.line_items[0].delivery = Delivery {
            deals: vec!["d".to_owned()],
            ..Delivery::default()
        };
    });
    let offer = |change: Change| {
        with(|request| {
            let mut deal = json!({"id": "d", "bidfloor": 2.0, "bidfloorcur": "EUR"});
            change(&mut deal);
            let private = json!({"private_auction": 1, "deals": [{"id": "other"}, deal]});
            request["imp"][0]["pmp"] = private;
            // The deal's floor counts and not this one.
            request["imp"][0]["bidfloor"] = 9.0.into();
        })
    };
    let bought: [(Change, f64); 5] = [
        (|_| (), 2.5),
        (|deal| deal["at"] = 3.into(), 2.0),
        (
            |deal| (deal["at"], deal["bidfloor"]) = (3.into(), Value::Null),
            2.5,
        ),
        (|deal| deal["wseat"] = json!(["adv_acme"]), 2.5),
        (|deal| deal["wadomain"] = json!(["ACME.example"]), 2.5),
    ];
    for (change, price) in bought {
        let answer = ask(&world, &offer(change));
        assert_eq!(answer.bid()["dealid"], "d");
        assert_eq!(answer.bid()["price"], price);
    }
    let refusals: [(Change, NoBid); 5] = [
        (|deal| deal["id"] = "e".into(), NoBid::NoDeal),
        (|deal| deal["wseat"] = json!(["x"]), NoBid::NoDeal),
        (
            |deal| deal["wadomain"] = json!(["x.example"]),
            NoBid::NoDeal,
        ),
        (|deal| deal["bidfloor"] = 2.6.into(), NoBid::BelowFloor),
        (
            |deal| deal["bidfloorcur"] = "USD".into(),
            NoBid::CurrencyNotAllowed,
        ),
    ];
    for (change, reason) in refusals {
        assert_eq!(refused(&world, &offer(change)), reason);
    }
    assert_eq!(refused(&world, &request()), NoBid::NoDeal);
    let open = World::new(1, |_, _| ());
    assert_eq!(refused(&open, &offer(|_| ())), NoBid::PrivateAuction);
}

/// One line item with three creatives that take turns as `rotation` says.
fn turns(rotation: Rotation, cap: Option<u16>) -> World {
    World::new(1, |input, _| {
        let creative = input.creatives[0].clone();
        input.creatives = (0..3)
            .map(|at| Creative {
                id: format!("cr_{at}"),
                ..creative.clone()
            })
            .collect();
        let item = &mut input.line_items[0];
        item.creatives = (0..3).map(|at| format!("cr_{at}")).collect();
        item.delivery.rotation = rotation;
        let rules = cap.map(|most| sample::per_day(&item.id, most));
        item.frequency = rules.into_iter().collect();
    })
}

fn shown(world: &World, times: u64) -> BTreeMap<String, u64> {
    let mut shown = BTreeMap::new();
    for seed in 0..times {
        let answer = ask_with_seed(world, &with(|request| request["test"] = 1.into()), seed);
        let crid = answer.bid()["crid"].as_str().unwrap().to_owned();
        *shown.entry(crid).or_insert(0) += 1;
    }
    shown
}

#[test]
fn creatives_take_even_and_weighted_turns() {
    let even = shown(&turns(Rotation::Even, None), 600);
    assert!(even.len() == 3 && even.values().all(|times| (150..250).contains(times)));
    let weighted = shown(&turns(Rotation::Weighted(vec![0, 1, 3]), None), 600);
    assert_eq!(weighted.get("cr_0"), None);
    assert!((110..190).contains(&weighted["cr_1"]), "{weighted:?}");
}

#[test]
fn a_sequence_follows_what_the_user_has_seen() {
    let world = turns(Rotation::Sequential, Some(9));
    let mut seen = Vec::new();
    for seed in 0..5 {
        let answer = ask_with_seed(&world, &request(), seed);
        seen.push(answer.bid()["crid"].as_str().unwrap().to_owned());
        let lurl = answer.bid()["lurl"].as_str().unwrap();
        let mut buffer = Vec::new();
        let text = token(lurl, "?t=");
        let claims = world
            .signer
            .verify(Purpose::Notice, text, 0, &mut buffer)
            .unwrap();
        let shown = Shown {
            seq: 0,
            exposure: claims.exposure,
            held_until: world.exchange.reservation_expiry(&claims),
            at_s: (NOW_MS / 1_000) as u32,
        };
        world.caps.confirm(&shown, shown.at_s);
    }
    assert_eq!(seen, ["cr_0", "cr_1", "cr_2", "cr_0", "cr_1"]);
}

#[test]
fn what_an_exchange_has_not_approved_waits() {
    let approval = |withheld, except: &[&str]| Approval {
        withheld,
        except: except.iter().map(|id| (*id).to_owned()).collect(),
    };
    for (given, serves) in [
        (approval(false, &[]), true),
        (approval(false, &["other"]), true),
        (approval(false, &["demo"]), false),
        (approval(true, &[]), false),
        (approval(true, &["demo"]), true),
        (approval(true, &["other"]), false),
    ] {
        let world = World::new(1, |input, _| input.creatives[0].approval = given.clone());
        if serves {
            assert!(ask(&world, &request()).outcome.is_ok(), "{given:?}");
        } else {
            assert_eq!(refused(&world, &request()), NoBid::NotApproved, "{given:?}");
        }
    }
}

#[test]
fn markup_is_held_to_what_the_exchange_takes() {
    let mut world = World::new(1, |_, _| ());
    let size = world.catalog.creatives[0].size;
    world.exchange.most_markup = size;
    assert!(ask(&world, &request()).outcome.is_ok());
    world.exchange.most_markup = size - 1;
    assert_eq!(refused(&world, &request()), NoBid::NoCreative);
}

#[test]
fn a_creative_may_expire_before_the_reservation() {
    let exp = |exp_s| {
        let world = World::new(1, |input, _| input.creatives[0].exp_s = exp_s);
        ask(&world, &request()).bid()["exp"].as_i64().unwrap()
    };
    assert_eq!([exp(0), exp(60), exp(9_000)], [600, 60, 600]);
}
