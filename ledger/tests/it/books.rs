//! Once-only charging, over-delivery, frozen leases, statements that agree.

use crate::fixture::{File, bill, budget, frozen, late, sale};
use ledger::statement::Check;
use ledger::store::Store;
use ledger::{Event, Micros, Multiplier, Outcome};

#[test]
fn an_event_is_charged_once_also_after_a_restart() {
    let file = File::new("once");
    let mut store = file.open(0);
    store.set_budgets(&[budget(1_000_000)]).unwrap();
    let charged = Outcome::Charged {
        cost: Micros(2_500),
    };
    let twice = [bill(1, 2_500_000), bill(1, 2_500_000)];
    assert_eq!(
        store.apply(&twice, &mut late).unwrap(),
        [charged, Outcome::Duplicate]
    );
    drop(store);
    let mut store = file.open(1);
    assert_eq!(
        store.apply(&twice[..1], &mut late).unwrap(),
        [Outcome::Duplicate]
    );
    assert_eq!(
        store.budget("line:li_a").unwrap().unwrap().spent,
        Micros(2_500)
    );
}

#[test]
fn what_a_budget_does_not_have_is_over_delivery() {
    let file = File::new("over");
    let mut store = file.open(0);
    store.set_budgets(&[budget(4_000)]).unwrap();
    let outcomes = store
        .apply(&[bill(1, 2_500_000), bill(2, 2_500_000)], &mut late)
        .unwrap();
    assert_eq!(
        outcomes[1],
        Outcome::OverDelivered {
            cost: Micros(2_500)
        }
    );
    let statement = store.books().unwrap().statement().unwrap();
    assert_eq!(statement.sum("advertiser:adv_a", "EUR"), Micros(2_500));
    assert_eq!(statement.sum("over_delivery", "EUR"), Micros(2_500));
    assert_eq!(statement.sum("media:x:adv_a", "EUR"), Micros(5_000));
}

#[test]
fn a_crashed_lease_is_frozen_until_its_reservations_have_expired() {
    let file = File::new("frozen");
    let mut store = file.open(0);
    store.set_budgets(&[budget(10_000)]).unwrap();
    assert_eq!(
        store.lease(&[("line:li_a".into(), 8_000)]).unwrap(),
        [8_000]
    );
    assert_eq!(
        store.lease(&[("line:li_a".into(), 8_000)]).unwrap(),
        [2_000]
    );
    drop(store);

    let mut store = file.open(100);
    let state = store.budget("line:li_a").unwrap().unwrap();
    assert_eq!(
        (state.leased, state.frozen, state.remaining()),
        (Micros(0), Micros(10_000), Micros(0))
    );
    // A bill of the earlier run still finds its money, and only once.
    let charged = Outcome::Charged {
        cost: Micros(2_000),
    };
    assert_eq!(
        store.apply(&[bill(1, 2_000_000)], &mut frozen).unwrap(),
        [charged]
    );
    store.thaw(100 + 600).unwrap();
    assert_eq!(
        store.budget("line:li_a").unwrap().unwrap().remaining(),
        Micros(0)
    );
    store.thaw(100 + 601).unwrap();
    assert_eq!(
        store.budget("line:li_a").unwrap().unwrap().remaining(),
        Micros(8_000)
    );
}

#[test]
fn both_sides_agree_to_the_micro_in_any_order() {
    let file = File::new("agree");
    let mut store = file.open(0);
    store.set_budgets(&[budget(1_000_000_000)]).unwrap();
    let price = |number: u32| i64::from(number) * 7_919 % 4_000_001 + 3;
    let bills: Vec<Event> = (0..2_000)
        .map(|number| bill(number, price(number)))
        .collect();
    let sales: Vec<Event> = (0..2_000)
        .rev()
        .map(|number| sale(number, price(number), 850_000))
        .collect();
    store.apply(&bills, &mut late).unwrap();
    store.apply(&sales, &mut late).unwrap();
    let statement = store.books().unwrap().statement().unwrap();
    let receipts = statement.sum("buyer:", "EUR");
    assert_eq!(receipts, statement.sum("advertiser:", "EUR"));
    let earned = statement.sum("publisher:", "EUR");
    assert_eq!(
        receipts.0,
        earned.0 + statement.sum("exchange_fee", "EUR").0
    );
    assert!(
        (earned.0 * 100 - receipts.0 * 85).abs() <= 100,
        "{earned} of {receipts}"
    );
}

#[test]
fn a_changed_balance_is_found_and_named() {
    let file = File::new("tampered");
    let mut store = file.open(0);
    store.set_budgets(&[budget(10_000)]).unwrap();
    store.apply(&[bill(1, 1_000_000)], &mut late).unwrap();
    let mut books = store.books().unwrap();
    books.balances.values_mut().next().unwrap().0.0 += 1;
    let error = books.statement().unwrap_err();
    assert!(
        error
            .differences
            .iter()
            .any(|text| text.contains("advertiser:adv_a")),
        "{error}"
    );
    assert!(
        error
            .differences
            .iter()
            .any(|text| text.contains("EUR differ")),
        "{error}"
    );
}

/// A bill with a fee of 15 % and two providers.
fn with_fees(number: u32, cpm: i64) -> Event {
    Event {
        platform_ppm: 150_000,
        data: "prv_a=400000,prv_b=100000".into(),
        ..bill(number, cpm)
    }
}

#[test]
fn fees_and_data_are_charged_with_the_media_and_told_apart() {
    let file = File::new("fees");
    let mut store = file.open(0);
    store.set_budgets(&[budget(1_000_000)]).unwrap();
    let (media, fee, data) = (2_000, 300, 400 + 100);
    let cost = Micros(media + fee + data);
    let charged = Outcome::Charged { cost };
    let outcomes = store.apply(&[with_fees(1, 2_000_000)], &mut late).unwrap();
    assert_eq!(outcomes, [charged]);
    let state = store.budget("line:li_a").unwrap().unwrap();
    assert_eq!(state.spent, cost);
    let statement = store.books().unwrap().statement().unwrap();
    let line = |name: &str| {
        let mut lines = statement.lines.iter();
        lines.find(|line| line.account == name).unwrap().clone()
    };
    let advertiser = line("advertiser:adv_a");
    assert_eq!(
        (
            advertiser.gross.0,
            advertiser.fees.0,
            advertiser.data_cost.0
        ),
        (media, fee, data)
    );
    assert_eq!((advertiser.net(), advertiser.impressions), (cost, 1));
    assert_eq!(line("media:x:adv_a").net(), Micros(media));
    assert_eq!(line("platform_fee").net(), Micros(fee));
    assert_eq!(line("data:prv_a").net(), Micros(400));
    assert_eq!(line("data:prv_b").net(), Micros(100));
    assert!(statement.checks(None).iter().all(Check::agrees));
}

#[test]
fn what_the_platform_bears_pays_it_no_fee() {
    let file = File::new("fees-over");
    let mut store = file.open(0);
    store.set_budgets(&[budget(2_799)]).unwrap();
    let bills = [with_fees(1, 2_000_000), with_fees(2, 1_333_333)];
    let outcomes = store.apply(&bills, &mut late).unwrap();
    let cost = Micros(2_000 + 500);
    assert_eq!(outcomes[0], Outcome::OverDelivered { cost });
    assert_eq!(
        outcomes[1],
        Outcome::Charged {
            cost: Micros(1_333 + 200 + 500)
        }
    );
    let statement = store.books().unwrap().statement().unwrap();
    assert_eq!(statement.sum("over_delivery", "EUR"), cost);
    assert_eq!(statement.sum("platform_fee", "EUR"), Micros(200));
    assert_eq!(statement.sum("data:", "EUR"), Micros(1_000));
    assert!(statement.checks(None).iter().all(Check::agrees));
}

#[test]
fn a_thousand_small_fees_come_to_what_their_sum_says() {
    let file = File::new("fees-many");
    let mut store = file.open(0);
    store.set_budgets(&[budget(1_000_000_000)]).unwrap();
    let cheap = |number: u32| Event {
        platform_ppm: 33_333,
        data: "prv_a=1234".into(),
        multiplier: Multiplier::new(if number.is_multiple_of(3) {
            2_500_000
        } else {
            1_000_000
        })
        .unwrap(),
        ..bill(number, 777_777)
    };
    let bills: Vec<Event> = (0..3_000).map(cheap).collect();
    for event in &bills {
        let most = event.most();
        match store.apply(std::slice::from_ref(event), &mut late).unwrap()[0] {
            Outcome::Charged { cost } => assert!(cost <= most, "{cost} of {most}"),
            other => panic!("{other:?}"),
        }
    }
    let statement = store.books().unwrap().statement().unwrap();
    // 2,000 impressions and 1,000 showings of two and a half.
    let impressions = 2_000.0 + 2_500.0;
    let platform = statement
        .lines
        .iter()
        .find(|line| line.account == "platform_fee");
    let counted = platform.map(|line| line.impressions);
    // A showing of two and a half counts as two.
    assert_eq!(
        counted,
        Some(2_000 + 2_000),
        "also of fees that come to nothing"
    );
    let media = impressions * 777.777;
    for (name, exact) in [
        ("media:", media),
        ("platform_fee", media * 0.033_333),
        ("data:", impressions * 1.234),
    ] {
        let sum = statement.sum(name, "EUR").0 as f64;
        assert!((sum - exact).abs() <= 2.0, "{name}: {sum}, exactly {exact}");
    }
}
