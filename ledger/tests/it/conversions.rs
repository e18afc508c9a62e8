//! Conversions: credited as a naive reference credits them, once for an order, also across
//! restarts and months that were closed.

use crate::fixture::{EUR, File, bill, budget, late};
use ledger::conversion::{Conversion, MOST_OF_TOKEN, Source, TOUCH_DAYS, Tally, Touch};
use ledger::event::Kind;
use ledger::statement::{Period, Zones};
use ledger::store::{Closing, SqliteStore, Store, StoreError};
use ledger::{Credit, Event, Micros, Windows};
use proptest::prelude::*;
use std::collections::HashSet;

const DAY: i64 = 86_400_000;
/// When the conversions of the tests happen, in days of the tests' time.
const START: i64 = 400 * DAY;

fn open(file: &File) -> SqliteStore {
    let mut store = file.open(0);
    store.set_budgets(&[budget(i64::MAX / 4)]).unwrap();
    store
}

/// A view or a click of a bid by a user.
fn touch(number: u32, click: bool, user: u64, at_ms: i64) -> Event {
    Event {
        kind: if click { Kind::Click } else { Kind::Impression },
        at_ms,
        creative: format!("cr_{number}"),
        touch: Some(Touch {
            click,
            user,
            campaign: "cmp_a".into(),
        }),
        ..bill(number, 1_000_000)
    }
}

fn conversion(order: &str, at_ms: i64) -> Conversion {
    Conversion {
        advertiser: "adv_a".into(),
        order: order.into(),
        at_ms,
        received_ms: at_ms,
        source: Source::Upload,
        value: Micros(12_500_000),
        currency: EUR,
        bid: None,
        users: vec![7],
        windows: Windows::days(30, 1),
    }
}

fn convert(store: &mut SqliteStore, conversion: Conversion) -> Credit {
    store.convert(&[conversion]).unwrap()[0]
}

#[test]
fn the_last_click_goes_before_newer_views() {
    let file = File::new("conversions");
    let mut store = open(&file);
    let events = [
        touch(1, true, 7, START - 29 * DAY),
        touch(2, true, 7, START - 10 * DAY),
        touch(3, false, 7, START - 1),
        touch(4, true, 8, START - 1),
        touch(5, true, 7, START + 1),
    ];
    store.apply(&events, &mut late).unwrap();
    assert_eq!(convert(&mut store, conversion("o1", START)), Credit::Click);
    let counted = store.conversions("adv_a", None, 10).unwrap();
    let one = &counted[0];
    assert_eq!(
        (one.key, one.touched_ms),
        (Some(events[1].key), Some(START - 10 * DAY))
    );
    assert_eq!((&*one.creative, &*one.campaign), ("cr_2", "cmp_a"));
    // Without a click in its window the last view, within its own.
    let days = |click, view| Conversion {
        windows: Windows::days(click, view),
        ..conversion(&format!("o-{click}-{view}"), START)
    };
    assert_eq!(convert(&mut store, days(9, 1)), Credit::View);
    assert_eq!(convert(&mut store, days(10, 0)), Credit::None);
    assert_eq!(convert(&mut store, days(11, 0)), Credit::Click);
    // Windows are cut to the longest.
    assert_eq!(Windows::days(1_000, 1_000), Windows::days(90, 30));
    // The order counts once, whatever the repeat says, and for its own advertiser.
    let again = Conversion {
        value: Micros(1),
        at_ms: START + DAY,
        ..conversion("o1", START)
    };
    assert_eq!(convert(&mut store, again.clone()), Credit::Duplicate);
    drop(store);
    let mut store = file.open(0);
    assert_eq!(convert(&mut store, again.clone()), Credit::Duplicate);
    let other = Conversion {
        advertiser: "adv_b".into(),
        ..again
    };
    assert_eq!(convert(&mut store, other), Credit::None);
}

#[test]
fn a_token_reports_no_more_than_it_may() {
    let file = File::new("conversions-token");
    let mut store = open(&file);
    let click = touch(1, true, 0, START - DAY);
    store
        .apply(std::slice::from_ref(&click), &mut late)
        .unwrap();
    let by_token = |number: u32| Conversion {
        source: Source::Pixel,
        bid: Some(click.key),
        users: Vec::new(),
        ..conversion(&number.to_string(), START)
    };
    for number in 0..MOST_OF_TOKEN {
        assert_eq!(convert(&mut store, by_token(number)), Credit::Click);
    }
    let last = convert(&mut store, by_token(MOST_OF_TOKEN));
    assert_eq!(last, Credit::TooMany);
    // What the advertiser itself reports is its own.
    let uploaded = Conversion {
        source: Source::Upload,
        ..by_token(MOST_OF_TOKEN)
    };
    assert_eq!(convert(&mut store, uploaded), Credit::Click);
}

#[test]
fn a_late_conversion_of_a_closed_month_counts_in_the_open_one() {
    let file = File::new("conversions-late");
    let mut store = open(&file);
    let at = |text: &str| -> i64 {
        let at: jiff::Timestamp = text.parse().unwrap();
        at.as_millisecond()
    };
    let (october, closed_at) = (at("2026-10-20T12:00:00Z"), at("2026-11-02T00:00:00Z"));
    let events = [
        touch(1, true, 7, october - DAY),
        Event {
            at_ms: october,
            ..bill(2, 1_000_000)
        },
    ];
    store.apply(&events, &mut late).unwrap();
    convert(&mut store, conversion("early", october));
    let month: ledger::statement::Month = "2026-10".parse().unwrap();
    let period = |month: ledger::statement::Month| month.period(&jiff::tz::TimeZone::UTC);
    let before = store.converted("adv_a", period(month)).unwrap();
    let closing = Closing {
        at_ms: closed_at,
        who: "ann".into(),
    };
    store.close(month, &Zones::default(), &closing).unwrap();
    convert(&mut store, conversion("late", october));
    assert_eq!(store.converted("adv_a", period(month)).unwrap(), before);
    let tally = Tally {
        line_item: "li_a".into(),
        credit: "click".into(),
        currency: EUR,
        count: 1,
        value: Micros(12_500_000),
    };
    assert_eq!(before, std::slice::from_ref(&tally));
    assert_eq!(
        store.converted("adv_a", period(month.next())).unwrap(),
        [tally]
    );
}

#[test]
fn touches_are_kept_as_long_as_something_may_be_credited_to_them() {
    let file = File::new("conversions-pruned");
    let mut store = open(&file);
    let long = i64::from(TOUCH_DAYS) * DAY;
    let events = [
        touch(1, true, 7, START - long - 1),
        touch(2, true, 7, START - long),
        touch(3, false, 7, START),
    ];
    store.apply(&events, &mut late).unwrap();
    assert_eq!(store.prune_touches(START, 10).unwrap(), 1);
    assert_eq!(store.prune_touches(START, 10).unwrap(), 0);
}

/// A touch of the reference.
#[derive(Clone, Copy, Debug)]
struct Seen {
    number: u32,
    advertiser: bool,
    click: bool,
    user: u64,
    at_ms: i64,
}

/// What the reference says: everything is looked at, one by one.
fn naive(seen: &[Seen], conversion: &Conversion, days: (i64, i64)) -> Option<Seen> {
    let mut best: Option<Seen> = None;
    for one in seen {
        let window = if one.click { days.0 } else { days.1 } * DAY;
        let advertiser = if one.advertiser { "adv_a" } else { "adv_b" };
        let known = one.user != 0 && conversion.users.contains(&one.user);
        let own = conversion.bid == Some(bill(one.number, 1).key);
        let age = conversion.at_ms - one.at_ms;
        if advertiser != conversion.advertiser || !(known || own) || age < 0 || age >= window {
            continue;
        }
        // A later place in the log decides between equal times.
        let better = best.is_none_or(|best| (one.click, one.at_ms) >= (best.click, best.at_ms));
        if better {
            best = Some(*one);
        }
    }
    best
}

fn seen() -> impl Strategy<Value = Vec<Seen>> {
    let one = (any::<bool>(), any::<bool>(), 0u64..4, 0i64..40, 0i64..3);
    prop::collection::vec(one, 0..30).prop_map(|all| {
        let seen = all.into_iter().zip(0..);
        seen.map(|((advertiser, click, user, days, ms), number)| Seen {
            number,
            advertiser,
            click,
            user,
            at_ms: START - days * DAY + ms - 1,
        })
        .collect()
    })
}

type Asked = (u32, bool, Option<u32>, Vec<u64>, i64, u16, u16);

fn asked() -> impl Strategy<Value = Vec<Asked>> {
    let one = (
        0u32..12,
        any::<bool>(),
        prop::option::of(0u32..30),
        prop::collection::vec(0u64..4, 0..3),
        -5i64..5,
        0u16..95,
        0u16..35,
    );
    prop::collection::vec(one, 1..15)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn credit_is_what_a_naive_reference_says(
        seen in seen(), asked in asked(), restart in 0usize..15,
    ) {
        let file = File::new("conversions-reference");
        let mut store = open(&file);
        for one in &seen {
            let event = touch(one.number, one.click, one.user, one.at_ms);
            let advertiser = if one.advertiser { "adv_a" } else { "adv_b" };
            let event = Event { advertiser: advertiser.into(), ..event };
            store.apply(&[event], &mut late).unwrap();
        }
        let mut orders: HashSet<(bool, u32)> = HashSet::new();
        for (place, (order, advertiser, bid, users, days, click, view)) in asked.iter().enumerate() {
            if place == restart {
                drop(store);
                store = file.open(0);
            }
            let reported = Conversion {
                advertiser: if *advertiser { "adv_a" } else { "adv_b" }.into(),
                bid: bid.map(|number| bill(number, 1).key),
                users: users.clone(),
                windows: Windows::days(*click, *view),
                ..conversion(&order.to_string(), START + days * DAY)
            };
            let (advertiser, number) = (reported.advertiser.clone(), *order);
            let expected = naive(&seen, &reported, (i64::from(*click).min(90), i64::from(*view).min(30)));
            let credit = convert(&mut store, reported);
            if !orders.insert((advertiser == "adv_a", number)) {
                prop_assert_eq!(credit, Credit::Duplicate);
                continue;
            }
            let counted = store.conversions(&advertiser, None, 1).unwrap().remove(0);
            prop_assert_eq!(&*counted.order, number.to_string());
            prop_assert_eq!(&*counted.credit, credit.label());
            prop_assert_eq!(counted.key, expected.map(|one| bill(one.number, 1).key));
            prop_assert_eq!(counted.touched_ms, expected.map(|one| one.at_ms));
            let kind = expected.map_or(Credit::None, |one| {
                if one.click { Credit::Click } else { Credit::View }
            });
            prop_assert_eq!(credit, kind);
        }
        let mut visited = 0;
        store.each_conversion(Period::ALL, |_| {
            visited += 1;
            Ok::<_, StoreError>(())
        }).unwrap();
        prop_assert_eq!(visited, orders.len());
    }
}
