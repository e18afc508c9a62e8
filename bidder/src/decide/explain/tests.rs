use super::*;
use crate::Idle;
use crate::catalog::{Dimension, Hours, LineItem, Missing, Rule, Value as Wanted};
use crate::decide::{Outcome, decide};
use crate::sample::{NOW_MS, World, line_item, per_day};
use ledger::Cpm;
use proptest::prelude::*;
use serde_json::{Value, json};

fn request() -> Value {
    json!({
        "id": "auction-1", "tmax": 100, "cur": ["EUR"],
        "imp": [{"id": "1", "secure": 1, "bidfloor": 1.5, "bidfloorcur": "EUR",
            "banner": {"format": [{"w": 728, "h": 90}, {"w": 300, "h": 250}]}}],
        "site": {"domain": "news.example"},
        "device": {"geo": {"country": "FRA", "region": "IDF"}, "devicetype": 2},
        "user": {"id": "user-1"},
    })
}

fn asked<'w>(world: &'w World, request: &Value, seed: u64) -> Explained<'w> {
    let body = request.to_string();
    let (snapshot, runtime) = (world.snapshot(), world.runtime());
    let mut scratch = DecisionScratch::default();
    explain(
        body.as_bytes(),
        &snapshot,
        runtime,
        &mut scratch,
        (NOW_MS, seed),
        |_| true,
    )
    .unwrap()
}

/// What the bidder does: imp, line item, creative and price of each bid, or why there is none.
type Done = Result<Vec<(u32, String, String, f64)>, NoBid>;

fn done(world: &World, request: &Value, seed: u64) -> Done {
    let body = request.to_string();
    let (snapshot, runtime) = (world.snapshot(), world.runtime());
    let mut out = Vec::new();
    let mut scratch = DecisionScratch::default();
    let now = (NOW_MS, seed);
    match decide(
        body.as_bytes(),
        &snapshot,
        runtime,
        &mut scratch,
        now,
        &mut out,
    ) {
        Ok(_) => Ok(bids(request, &serde_json::from_slice(&out).unwrap())),
        Err(Outcome::NoBid(reason)) => Err(reason),
        Err(Outcome::Malformed(fault)) => panic!("{fault}"),
    }
}

fn bids(request: &Value, response: &Value) -> Vec<(u32, String, String, f64)> {
    let imps = request["imp"].as_array().unwrap();
    let text = |bid: &Value, name: &str| bid[name].as_str().unwrap().to_owned();
    let seats = response["seatbid"].as_array().unwrap().iter();
    let bids = seats.flat_map(|seat| seat["bid"].as_array().unwrap());
    let mut bids: Vec<_> = bids
        .map(|bid| {
            let imp = imps
                .iter()
                .position(|imp| imp["id"] == bid["impid"])
                .unwrap();
            let price = bid["price"].as_f64().unwrap();
            (imp as u32, text(bid, "cid"), text(bid, "crid"), price)
        })
        .collect();
    bids.sort_by(|one, other| (one.0, &one.1).cmp(&(other.0, &other.1)));
    bids
}

/// What is explained, in the form of what was done.
fn told(explained: &Explained<'_>) -> Done {
    explained.outcome?;
    let bid = |verdict: &Verdict<'_>| match &verdict.step {
        Step::Bid(price) => {
            let (imp, units) = (verdict.imp, price.price.0 as f64 / 1e6);
            Some((
                imp,
                verdict.line_item.to_owned(),
                price.creative.to_owned(),
                units,
            ))
        }
        _ => None,
    };
    let mut bids: Vec<_> = explained.verdicts.iter().filter_map(bid).collect();
    bids.sort_by(|one, other| (one.0, &one.1).cmp(&(other.0, &other.1)));
    Ok(bids)
}

fn step<'e>(explained: &'e Explained<'_>, line_item: &str) -> &'e Step<'e> {
    let of = |verdict: &&Verdict<'_>| verdict.line_item == line_item;
    &explained.verdicts.iter().find(of).unwrap().step
}

#[test]
fn each_line_item_is_told_the_first_rule_that_stops_it() {
    let change = |input: &mut crate::catalog::Input, book: &ledger::Book| {
        let [bid, outbid, german, dear, narrow, late, poor] = &mut input.line_items[..] else {
            panic!("seven line items");
        };
        bid.max_cpm = Cpm(3_000_000);
        outbid.max_cpm = Cpm(2_000_000);
        let only = |country: &str| Rule::including(vec![Wanted::Text(country.to_owned())]);
        german
            .targeting
            .rules
            .insert(Dimension::Geo.into(), only("DEU"));
        dear.max_cpm = Cpm(1_000_000);
        narrow.targeting.sizes = Rule::including(vec![(160, 600)]);
        late.targeting.hours = Hours::NONE.with(0);
        let slot = book.add().unwrap();
        *poor = line_item("li_6", slot);
    };
    let world = World::new(7, change);
    let explained = asked(&world, &request(), 1);
    assert_eq!(told(&explained), done(&world, &request(), 1));
    assert_eq!(explained.verdicts.len(), 7);
    let Step::Bid(price) = step(&explained, "li_0") else {
        panic!("{:?}", step(&explained, "li_0"));
    };
    let steps = [
        price.max_cpm,
        price.value,
        price.paced,
        price.floor,
        price.price,
    ];
    assert_eq!(steps.map(|step| step.0 / 100_000), [30, 30, 30, 15, 30]);
    let Step::Outbid { price, by } = step(&explained, "li_1") else {
        panic!("{:?}", step(&explained, "li_1"));
    };
    assert_eq!((price.price, *by), (Cpm(2_000_000), Some("li_0")));
    let geo = Step::NotTargeted {
        subject: Dimension::Geo.into(),
        wanted: None,
        seen: vec!["FRA".to_owned(), "FRA-IDF".to_owned()],
    };
    assert_eq!(step(&explained, "li_2"), &geo);
    let size = Step::NotTargeted {
        subject: Dimension::Slot.into(),
        wanted: Some("creatives []".to_owned()),
        seen: vec!["banner 728x90".to_owned(), "banner 300x250".to_owned()],
    };
    assert_eq!(
        step(&explained, "li_4"),
        &size,
        "its sizes leave no creative"
    );
    let dear = Step::Stopped {
        reason: NoBid::BelowFloor,
        wanted: "a floor of at most 1.00 EUR".to_owned(),
        seen: "bidfloor 1.5 EUR".to_owned(),
    };
    assert_eq!(step(&explained, "li_3"), &dear);
    assert_eq!(step(&explained, "li_5"), &Step::Idle(Idle::OutsideHours));
    assert_eq!(step(&explained, "li_6"), &Step::Idle(Idle::NoBudget));
}

#[test]
fn an_explanation_takes_nothing_and_counts_nothing() {
    let world = World::new(2, |input, _| {
        input.line_items[0].frequency = vec![per_day("li_0", 1)];
    });
    let slot = world.catalog.items[0].budget.money()[0];
    for seed in 0..20 {
        let explained = asked(&world, &request(), seed);
        assert!(explained.outcome.is_ok());
        assert_eq!(world.book.reserved(slot), 0);
        assert_eq!(world.plan.eligible_requests(0), 0);
    }
    // One is bid, and its cap is still free: twenty explanations did not use it up.
    let capped = |seed| {
        let bids = done(&world, &request(), seed).unwrap();
        bids[0].1 == "li_0"
    };
    assert!((0..20).any(capped));
    let explained = asked(&world, &request(), 3);
    let Step::Stopped { reason, wanted, .. } = step(&explained, "li_0") else {
        // It was not its turn: an equal offer was drawn.
        assert!(
            matches!(step(&explained, "li_0"), Step::Outbid { .. }),
            "{explained:?}"
        );
        return;
    };
    assert_eq!(
        (*reason, &**wanted),
        (
            NoBid::FrequencyCapped,
            "impressions [fewer than 1 in 86400 s]"
        )
    );
}

#[test]
fn what_ends_a_request_early_is_told_to_everybody() {
    let mut world = World::new(1, |_, _| ());
    for (change, reason) in [
        (json!({"tmax": 5}), NoBid::InsufficientTime),
        (json!({"cur": ["SEK"]}), NoBid::CurrencyNotAllowed),
        (json!({"wseat": ["other"]}), NoBid::SeatNotAllowed),
        (json!({"badv": ["acme.example"]}), NoBid::Blocked),
    ] {
        let mut asking = request();
        for (name, value) in change.as_object().unwrap() {
            asking[name] = value.clone();
        }
        let explained = asked(&world, &asking, 1);
        assert_eq!(explained.outcome, Err(reason));
        assert_eq!(step(&explained, "li_0").no_bid(), Some(reason));
        assert_eq!(told(&explained), done(&world, &asking, 1));
    }
    let mut private = request();
    private["imp"][0]["pmp"] = json!({"private_auction": 1, "deals": [{"id": "theirs"}]});
    let explained = asked(&world, &private, 1);
    let Step::Stopped { reason, seen, .. } = step(&explained, "li_0") else {
        panic!("{explained:?}");
    };
    assert_eq!(*reason, NoBid::PrivateAuction);
    assert_eq!(seen, "private_auction 1, deals [theirs]");
    world.plan = crate::Plan::idle(&world.catalog);
    let explained = asked(&world, &request(), 1);
    assert_eq!(explained.outcome, Err(NoBid::NothingActive));
    assert_eq!(step(&explained, "li_0"), &Step::Idle(Idle::NotPlanned));
}

/// One line item, drawn, and a reader of it who looks at one rule after the other.
#[derive(Clone, Debug)]
struct Drawn {
    halves: i64,
    country: Option<&'static str>,
    missing: Missing,
    wide: bool,
    hour: bool,
    deal: bool,
    cap: bool,
    secure: bool,
}

fn drawn() -> impl Strategy<Value = Drawn> {
    let country = prop::sample::select(vec![None, Some("FRA"), Some("DEU")]);
    let missing = prop::sample::select(vec![Missing::Serve, Missing::Skip]);
    let often = || prop::bool::weighted(0.8);
    let seldom = || prop::bool::weighted(0.2);
    let flags = (seldom(), often(), seldom(), seldom(), often());
    (1_i64..8, country, missing, flags).prop_map(
        |(halves, country, missing, (wide, hour, deal, cap, secure))| Drawn {
            halves,
            country,
            missing,
            wide,
            hour,
            deal,
            cap,
            secure,
        },
    )
}

fn world(drawn: &[Drawn]) -> World {
    World::new(0, |input, book| {
        let template = input.creatives[0].clone();
        for wide in [false, true] {
            for secure in [false, true] {
                let scheme = if secure { "https" } else { "http" };
                let (w, h) = if wide { (728, 90) } else { (300, 250) };
                input.creatives.push(crate::catalog::Creative {
                    id: format!("cr_{wide}_{secure}"),
                    adm: format!("<img src=\"{scheme}://cdn.example/a.png\">"),
                    w,
                    h,
                    ..template.clone()
                });
            }
        }
        let item = |(at, one): (usize, &Drawn)| {
            let slot = book.add().unwrap();
            book.grant(slot, 1_000_000);
            let mut item = LineItem {
                creatives: vec![format!("cr_{}_{}", one.wide, one.secure)],
                max_cpm: Cpm(one.halves * 500_000),
                frequency: one.cap.then(|| per_day("cap", 3)).into_iter().collect(),
                ..line_item(&format!("li_{at}"), slot)
            };
            if let Some(country) = one.country {
                let mut rule = Rule::including(vec![Wanted::Text(country.to_owned())]);
                rule.missing = Some(one.missing);
                item.targeting.rules.insert(Dimension::Geo.into(), rule);
            }
            // The test's hour is a Monday's noon.
            item.targeting.hours = if one.hour {
                Hours::ALL
            } else {
                Hours::NONE.with(3)
            };
            item.delivery.deals = one.deal.then(|| "ours".to_owned()).into_iter().collect();
            item
        };
        input.line_items = drawn.iter().enumerate().map(item).collect();
    })
}

#[derive(Clone, Debug)]
struct Asking {
    country: Option<&'static str>,
    wide: bool,
    deals: bool,
    private: bool,
    user: bool,
    secure: bool,
    blocked: bool,
    floor_halves: i64,
}

fn asking() -> impl Strategy<Value = Asking> {
    let country = prop::sample::select(vec![None, Some("FRA"), Some("ESP")]);
    let flags = prop::collection::vec(any::<bool>(), 5);
    (country, flags, prop::bool::weighted(0.1), 0_i64..6).prop_map(
        |(country, flags, blocked, floor_halves)| Asking {
            country,
            wide: flags[0],
            deals: flags[1],
            private: flags[2],
            user: flags[3],
            secure: flags[4],
            blocked,
            floor_halves,
        },
    )
}

impl Asking {
    fn request(&self) -> Value {
        let size = if self.wide { (728, 90) } else { (300, 250) };
        let floor = self.floor_halves as f64 / 2.0 + 0.1;
        let mut request = json!({"id": "a", "cur": ["EUR"], "imp": [{
            "id": "1", "bidfloor": floor, "bidfloorcur": "EUR",
            "banner": {"w": size.0, "h": size.1}, "secure": u8::from(self.secure),
        }]});
        if let Some(country) = self.country {
            request["device"] = json!({"geo": {"country": country}});
        }
        if self.user {
            request["user"] = json!({"id": "u"});
        }
        if self.blocked {
            request["badv"] = json!(["acme.example"]);
        }
        let id = if self.deals { "ours" } else { "theirs" };
        let deal = json!({"id": id, "bidfloor": floor, "bidfloorcur": "EUR"});
        let private = u8::from(self.private);
        request["imp"][0]["pmp"] = json!({"private_auction": private, "deals": [deal]});
        request
    }

    /// The first rule that stops a line item, by the order of the phases and nothing else.
    fn stops(&self, one: &Drawn) -> Option<&'static str> {
        let elsewhere = match (self.country, one.country) {
            (_, None) => false,
            (None, Some(_)) => one.missing == Missing::Skip,
            (Some(here), Some(wanted)) => here != wanted,
        };
        let out_of_reach = one.halves <= self.floor_halves;
        let ladder = [
            (!one.hour, "outside_hours"),
            (elsewhere, "geo"),
            (one.wide != self.wide, "formats"),
            (one.deal && !self.deals, "no_deal"),
            (!one.deal && self.private, "private_auction"),
            (!one.deal && out_of_reach, "below_floor"),
            (one.cap && !self.user, "unknown_user"),
            (self.blocked, "blocked"),
            (self.secure && !one.secure, "not_secure"),
            (out_of_reach, "below_floor"),
        ];
        ladder
            .into_iter()
            .find(|(stops, _)| *stops)
            .map(|(_, reason)| reason)
    }
}

fn label(step: &Step<'_>) -> Option<String> {
    match step {
        Step::Idle(idle) => Some(idle.label().to_owned()),
        Step::NotTargeted { subject, .. } => Some(subject.to_string()),
        Step::Stopped { reason, .. } => Some(reason.label().to_owned()),
        Step::Outbid { .. } | Step::Bid(_) => None,
    }
}

proptest! {
    #[test]
    fn a_reader_of_the_rules_finds_the_same_candidates_and_the_same_first_failing_rule(
        drawn in prop::collection::vec(drawn(), 1..40),
        asking in asking(),
        seed in any::<u64>(),
    ) {
        let world = world(&drawn);
        let request = asking.request();
        let explained = asked(&world, &request, seed);
        let explained_bids = told(&explained);
        let best = drawn.iter().filter(|one| asking.stops(one).is_none());
        let best = best.map(|one| one.halves).max();
        for (at, one) in drawn.iter().enumerate() {
            let step = step(&explained, &format!("li_{at}"));
            let stopped = label(step);
            prop_assert_eq!(stopped.as_deref(), asking.stops(one), "{:?} {:?}", one, asking);
            if let Step::Bid(price) = step {
                prop_assert_eq!(Some(price.price), best.map(|halves| Cpm(halves * 500_000)));
            }
        }
        prop_assert_eq!(explained_bids.as_ref().map_or(0, Vec::len), usize::from(best.is_some()));
        prop_assert_eq!(explained_bids, done(&world, &request, seed));
    }
}
