//! Once-only charging, over-delivery, frozen leases, statements that agree.

use crate::fixture::{File, bill, budget, frozen, late, sale};
use ledger::store::Store;
use ledger::{Event, Micros, Outcome};

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
