//! What must never be charged, and what a budget may hold.

use crate::fixture::{File, bill, budget, frozen, late, sale};
use ledger::event::Fault;
use ledger::invariant::within_budget;
use ledger::statement::{Check, Period};
use ledger::store::{Budget, BudgetState, Funding, SqliteStore, Store, StoreError};
use ledger::{Cpm, Currency, DeadLetter, Event, Micros, Outcome};

const KEY: &str = "line:li_a";

fn state(store: &SqliteStore) -> BudgetState {
    store.budget(KEY).unwrap().unwrap()
}

fn lease(store: &mut SqliteStore, micros: i64) -> i64 {
    store.lease(&[(KEY.to_owned(), micros)]).unwrap()[0]
}

#[test]
fn an_impossible_bill_is_noted_and_the_bid_may_still_be_billed() {
    let file = File::new("impossible");
    let mut store = file.open(0);
    store.set_budgets(&[budget(1_000_000)]).unwrap();
    let right = bill(1, 2_000_000);
    let wrong = [
        (
            Event {
                cpm: Cpm(-1),
                ..right.clone()
            },
            Fault::Negative,
        ),
        (
            Event {
                cpm: Cpm(i64::MIN),
                ..right.clone()
            },
            Fault::Negative,
        ),
        (
            Event {
                cpm: Cpm(i64::MAX),
                bid: Cpm(i64::MAX),
                ..right.clone()
            },
            Fault::TooHigh,
        ),
        (
            Event {
                cpm: Cpm(2_000_001),
                ..right.clone()
            },
            Fault::AboveBid,
        ),
        (
            Event {
                currency: Currency(*b"JPY"),
                ..right.clone()
            },
            Fault::WrongCurrency,
        ),
        (
            Event {
                share_ppm: 1_000_001,
                ..right.clone()
            },
            Fault::Share,
        ),
    ];
    for (event, fault) in &wrong {
        let outcome = store.apply(std::slice::from_ref(event), &mut late).unwrap();
        assert_eq!(outcome, [Outcome::Refused { fault: *fault }]);
    }
    assert_eq!(state(&store).spent, Micros(0));
    assert!(store.books().unwrap().balances.is_empty());
    let noted: u64 = store
        .refusals()
        .unwrap()
        .iter()
        .map(|(_, count)| count)
        .sum();
    assert_eq!(noted, 5, "each reason once for a bid");
    let charged = Outcome::Charged {
        cost: Micros(2_000),
    };
    assert_eq!(store.apply(&[right], &mut late).unwrap(), [charged]);
    assert_eq!(
        store
            .refuse(&[DeadLetter::of(&wrong[0].0, Fault::Negative, "")])
            .unwrap(),
        [Outcome::Duplicate]
    );
}

#[test]
fn a_budget_keeps_its_currency() {
    let file = File::new("currency");
    let mut store = file.open(0);
    store.set_budgets(&[budget(1_000)]).unwrap();
    let other = Budget {
        currency: Currency(*b"USD"),
        ..budget(9_000)
    };
    let both = [
        Budget {
            key: "new".into(),
            ..budget(1)
        },
        other,
    ];
    let error = store.set_budgets(&both).unwrap_err().to_string();
    assert!(error.contains(KEY) && error.contains("EUR"), "{error}");
    assert_eq!(state(&store).limit, Micros(1_000));
    assert_eq!(store.budget("new").unwrap(), None, "all or nothing");
}

#[test]
fn a_lowered_limit_takes_effect_as_leases_come_back() {
    let file = File::new("lowered");
    let mut store = file.open(0);
    store.set_budgets(&[budget(10_000)]).unwrap();
    assert_eq!(lease(&mut store, 8_000), 8_000);
    store.set_budgets(&[budget(5_000)]).unwrap();
    assert_eq!(state(&store).remaining(), Micros(-3_000));
    assert_eq!(lease(&mut store, 100), 0);
    store.statement(Period::ALL).unwrap();
    // What the node held before is still good for its bids, late ones find nothing.
    let held = Micros(1_000);
    let outcomes = store
        .apply(&[bill(1, 1_000_000)], &mut |_, _| Funding::Lease { held })
        .unwrap();
    assert_eq!(outcomes, [Outcome::Charged { cost: held }]);
    let outcomes = store.apply(&[bill(2, 1_000_000)], &mut late).unwrap();
    assert_eq!(outcomes, [Outcome::OverDelivered { cost: held }]);
    assert_eq!(lease(&mut store, -4_000), -4_000);
    assert_eq!(state(&store).allowed, Micros(5_000));
    assert_eq!(state(&store).remaining(), Micros(1_000));
    // What came back beneath a lowered limit cannot be held again.
    let mut beyond = state(&store);
    beyond.leased.0 += 1_001;
    assert!(!within_budget(&beyond));
}

#[test]
fn a_bill_above_its_reservation_takes_the_rest_from_what_is_free() {
    let file = File::new("above");
    let mut store = file.open(0);
    store.set_budgets(&[budget(10_000)]).unwrap();
    assert_eq!(lease(&mut store, 9_500), 9_500);
    let mut held = |_: &Event, _: Micros| Funding::Lease {
        held: Micros(1_600),
    };
    let outcomes = store
        .apply(&[bill(1, 2_000_000), bill(2, 2_200_000)], &mut held)
        .unwrap();
    let charged = Outcome::Charged {
        cost: Micros(2_000),
    };
    assert_eq!(
        outcomes,
        [
            charged,
            Outcome::OverDelivered {
                cost: Micros(2_200)
            }
        ]
    );
    let state = state(&store);
    // The node used 1,600 of its lease twice; the ledger counts the same.
    assert_eq!(
        (state.spent, state.leased),
        (Micros(2_000), Micros(9_500 - 3_200))
    );
}

#[test]
fn a_late_bill_leaves_what_the_bids_of_a_crashed_run_hold() {
    let file = File::new("apart");
    let mut store = file.open(0);
    store.set_budgets(&[budget(10_000)]).unwrap();
    assert_eq!(lease(&mut store, 10_000), 10_000);
    drop(store);
    let mut store = file.open(1);
    let cost = Micros(2_000);
    let outcomes = store.apply(&[bill(1, 2_000_000)], &mut late).unwrap();
    assert_eq!(outcomes, [Outcome::OverDelivered { cost }]);
    assert_eq!(state(&store).frozen, Micros(10_000));
    let outcomes = store.apply(&[bill(2, 2_000_000)], &mut frozen).unwrap();
    assert_eq!(outcomes, [Outcome::Charged { cost }]);
    assert_eq!(state(&store).frozen, Micros(8_000));
}

#[test]
fn an_older_run_is_shut_out() {
    let file = File::new("fenced");
    let mut old = file.open(0);
    old.set_budgets(&[budget(10_000)]).unwrap();
    assert_eq!(lease(&mut old, 4_000), 4_000);
    let new = file.open(1);
    let fenced = |result: Result<(), StoreError>| {
        let text = result.unwrap_err().to_string();
        assert!(text.contains("run 2") && text.contains("run 1"), "{text}");
    };
    fenced(old.lease(&[(KEY.to_owned(), 1)]).map(drop));
    fenced(old.apply(&[bill(1, 1_000_000)], &mut late).map(drop));
    fenced(old.set_budgets(&[budget(99_000)]));
    fenced(old.thaw(i64::MAX));
    assert_eq!(
        (state(&new).leased, state(&new).frozen),
        (Micros(0), Micros(4_000))
    );
}

#[test]
fn a_reader_changes_nothing_and_makes_no_file() {
    let file = File::new("reader");
    assert!(SqliteStore::read(file.path()).is_err());
    assert!(!file.path().exists());
    let mut store = file.open(0);
    store.set_budgets(&[budget(10_000)]).unwrap();
    let mut reader = SqliteStore::read(file.path()).unwrap();
    assert!(reader.set_budgets(&[budget(1)]).is_err());
    assert_eq!(state(&reader).limit, Micros(10_000));
    assert_eq!(lease(&mut store, 1), 1, "the reader began no new run");
}

#[test]
fn a_publisher_with_two_shares_gets_both_in_full() {
    let file = File::new("shares");
    let mut store = file.open(0);
    store.apply(&[sale(0, 1_000, 500_000)], &mut late).unwrap();
    let whole: Vec<Event> = (1..=1_000).map(|n| sale(n, 3_000, 1_000_000)).collect();
    store.apply(&whole, &mut late).unwrap();
    let statement = store.statement(Period::ALL).unwrap();
    assert_eq!(statement.sum("publisher:", "EUR"), Micros(3_000));
}

#[test]
fn a_period_has_its_own_lines_and_the_periods_add_up() {
    let file = File::new("period");
    let mut store = file.open(0);
    store.set_budgets(&[budget(1_000_000)]).unwrap();
    let at = |event: Event, at_ms| Event { at_ms, ..event };
    let events: Vec<Event> = (0..600)
        .flat_map(|n| {
            let price = i64::from(n) * 37 % 3_000;
            let at_ms = i64::from(n * 7 % 300);
            [
                at(bill(n, price), at_ms),
                at(sale(n, price, 700_000), at_ms),
            ]
        })
        .collect();
    store.apply(&events, &mut late).unwrap();
    let of = |from_ms, to_ms| store.statement(Period { from_ms, to_ms }).unwrap();
    let (all, first, second) = (
        store.statement(Period::ALL).unwrap(),
        of(0, 100),
        of(100, 300),
    );
    assert_eq!(store.books().unwrap().statement().unwrap(), all);
    for prefix in [
        "advertiser:",
        "media:",
        "buyer:",
        "publisher:",
        "exchange_fee",
    ] {
        let sum = Micros(first.sum(prefix, "EUR").0 + second.sum(prefix, "EUR").0);
        assert_eq!(sum, all.sum(prefix, "EUR"), "{prefix}");
    }
    let publisher = all
        .lines
        .iter()
        .find(|line| line.account == "publisher:pub_p")
        .unwrap();
    assert_eq!(
        publisher.impressions, 600,
        "those of less than a micro count too"
    );
    assert_eq!(publisher.gross, all.sum("buyer:", "EUR"));
    assert_eq!(publisher.fees, all.sum("exchange_fee", "EUR"));
    let checks = all.checks(Some(("bidder", "x")));
    assert_eq!(checks.len(), 3);
    assert!(checks.iter().all(Check::agrees), "{checks:?}");
    // A seat that was billed more than it spent is found by name.
    let more = [sale(9_999, 5_000_000, 700_000)];
    store.apply(&more, &mut late).unwrap();
    let checks = store
        .statement(Period::ALL)
        .unwrap()
        .checks(Some(("bidder", "x")));
    let wrong: Vec<&str> = checks
        .iter()
        .filter(|check| !check.agrees())
        .map(|check| check.what.as_str())
        .collect();
    assert_eq!(wrong, ["receipts from seat adv_a = its spend, EUR"]);
}

#[test]
fn a_budget_is_spent_to_the_last_micro_and_not_one_beyond() {
    let file = File::new("exact");
    let mut store = file.open(0);
    for (number, limit, funded) in [(1, 1_999, false), (2, 2_000, true), (3, 3_999, false)] {
        store.set_budgets(&[budget(limit)]).unwrap();
        let cost = Micros(2_000);
        let expected = if funded {
            Outcome::Charged { cost }
        } else {
            Outcome::OverDelivered { cost }
        };
        let outcomes = store.apply(&[bill(number, 2_000_000)], &mut late).unwrap();
        assert_eq!(outcomes, [expected], "limit {limit}");
    }
}

#[test]
fn a_second_crash_adds_to_what_the_first_left() {
    let file = File::new("twice");
    let mut store = file.open(0);
    store.set_budgets(&[budget(10_000)]).unwrap();
    assert_eq!(lease(&mut store, 3_000), 3_000);
    drop(store);
    let mut store = file.open(100);
    assert_eq!(lease(&mut store, 4_000), 4_000);
    drop(store);
    let mut store = file.open(200);
    assert_eq!(state(&store).frozen, Micros(7_000));
    store.thaw(100 + 601).unwrap();
    assert_eq!(
        state(&store).frozen,
        Micros(4_000),
        "held for the later run's bids"
    );
    // A stray bill of the first run finds its own lease gone and leaves the second's alone.
    let outcomes = store.apply(&[bill(1, 2_000_000)], &mut frozen).unwrap();
    assert_eq!(
        outcomes,
        [Outcome::Charged {
            cost: Micros(2_000)
        }]
    );
    assert_eq!(state(&store).frozen, Micros(4_000));
    store.thaw(200 + 600).unwrap();
    assert_eq!(state(&store).frozen, Micros(4_000));
    store.thaw(200 + 601).unwrap();
    assert_eq!(state(&store).remaining(), Micros(8_000));
}

#[test]
fn no_more_is_given_back_than_was_leased() {
    let file = File::new("back");
    let mut store = file.open(0);
    store.set_budgets(&[budget(10_000)]).unwrap();
    assert_eq!(lease(&mut store, 4_000), 4_000);
    assert_eq!(lease(&mut store, -9_000), -4_000);
    assert_eq!(lease(&mut store, 99_000), 10_000);
    assert_eq!(store.lease(&[("unknown".to_owned(), 5)]).unwrap(), [0]);
}

#[test]
fn a_budget_named_twice_pays_once() {
    let file = File::new("named");
    let mut store = file.open(0);
    store.set_budgets(&[budget(3_000)]).unwrap();
    let twice = Event {
        budgets: vec![KEY.to_owned(), KEY.to_owned()],
        ..bill(1, 2_000_000)
    };
    let charged = Outcome::Charged {
        cost: Micros(2_000),
    };
    assert_eq!(store.apply(&[twice], &mut late).unwrap(), [charged]);
    assert_eq!(state(&store).spent, Micros(2_000));
}

#[test]
fn a_month_begins_with_what_its_days_have_spent() {
    let file = File::new("month-of-days");
    let mut store = file.open(0);
    let named = |key: &str, limit| Budget {
        key: key.to_owned(),
        ..budget(limit)
    };
    let days = [
        "campaign:c:day:2026-10-31",
        "campaign:c:day:2026-11-01",
        "campaign:c:day:2026-11-05",
        "campaign:c-2:day:2026-11-05",
        "campaign:c:day:2026-12-01",
    ];
    for (number, key) in (1..).zip(days) {
        store.set_budgets(&[named(key, 1_000_000)]).unwrap();
        let spent = Event {
            budgets: vec![key.to_owned()],
            ..bill(number, i64::from(number) * 1_000_000)
        };
        store.apply(&[spent], &mut late).unwrap();
    }
    let month = "campaign:c:month:2026-11";
    let spent = |store: &SqliteStore| store.budget(month).unwrap().unwrap().spent;
    store.set_budgets(&[named(month, 9_000)]).unwrap();
    assert_eq!(spent(&store), Micros(2_000 + 3_000));
    // Another limit counts nothing again.
    store.set_budgets(&[named(month, 8_000)]).unwrap();
    let state = store.budget(month).unwrap().unwrap();
    assert_eq!((state.spent, state.limit), (Micros(5_000), Micros(8_000)));
    assert!(within_budget(&state));
    // The fifth of November is day 20762.
    for (day, before) in [(20_762, 1), (20_763, 2), (20_758, 0), (20_788, 0)] {
        let day = ledger::Day(day);
        assert_eq!(store.days_before("c", day).unwrap(), before, "{day}");
    }
}

#[test]
fn a_goal_counts_impressions_and_clicks_beside_the_money() {
    let file = File::new("goals");
    let mut store = file.open(0);
    let goal = |key: &str, most: i64| Budget {
        key: key.to_owned(),
        currency: Currency(*b"XXX"),
        limit: Micros(most * 1_000_000),
    };
    let (shown, clicks) = ("line_item:li_a:impressions", "line_item:li_a:clicks");
    let known = [budget(1_000_000), goal(shown, 4), goal(clicks, 2)];
    store.set_budgets(&known).unwrap();
    let showing = |number: u32, times: f64| Event {
        multiplier: ledger::Multiplier::new((times * 1e6) as i64).unwrap(),
        budgets: vec![KEY.to_owned(), shown.to_owned()],
        ..bill(number, 2_000_000)
    };
    let spent = |store: &SqliteStore, key: &str| store.budget(key).unwrap().unwrap().spent.0;
    let leased = store.lease(&[(shown.to_owned(), 3_000_000)]).unwrap();
    assert_eq!(leased, [3_000_000]);
    // What the bid held of the goal comes from the lease, whatever its price was.
    let held = &mut |_: &Event, _: Micros| Funding::Lease { held: Micros(0) };
    let told = store
        .apply(&[showing(1, 1.0), showing(2, 1.5)], held)
        .unwrap();
    let charged = |cost| Outcome::Charged { cost: Micros(cost) };
    assert_eq!(told, [charged(2_000), charged(3_000)]);
    assert_eq!(spent(&store, shown), 2_500_000);
    assert_eq!(store.budget(shown).unwrap().unwrap().leased.0, 500_000);
    // A late one draws on what nobody holds: one impression, of which it needs one and a half.
    let told = store.apply(&[showing(3, 1.5)], &mut late).unwrap();
    assert_eq!(
        told,
        [Outcome::OverDelivered {
            cost: Micros(3_000)
        }]
    );
    let told = store.apply(&[showing(4, 1.0)], &mut late).unwrap();
    assert_eq!(told, [charged(2_000)]);
    assert_eq!(
        (spent(&store, shown), state(&store).spent.0),
        (3_500_000, 7_000)
    );
    for number in [1, 1, 2, 4] {
        let click = Event {
            kind: ledger::event::Kind::Click,
            budgets: vec![clicks.to_owned()],
            ..bill(number, 2_000_000)
        };
        store.apply(&[click], &mut late).unwrap();
    }
    assert_eq!(spent(&store, clicks), 2_000_000, "the goal, and no more");
    let checked = store.statement(Period::ALL).unwrap();
    assert!(!checked.lines.is_empty());
}
