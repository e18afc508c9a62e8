//! Dead letters: kept once, listed in pages, open until their event comes, bounded where anybody
//! could send them. And showings that count for several impressions.

use crate::fixture::{File, bill, budget, late, sale};
use ledger::event::{Fault, Kind};
use ledger::letter::{MAX_TOLD, MOST_STRAYS, Wanted};
use ledger::posting::Account;
use ledger::statement::Period;
use ledger::store::{SqliteStore, Store};
use ledger::{DeadLetter, Event, Micros, Multiplier, Outcome};
use proptest::prelude::*;

fn open(file: &File) -> SqliteStore {
    let mut store = file.open(0);
    store.set_budgets(&[budget(i64::MAX / 4)]).unwrap();
    store
}

fn ids(store: &SqliteStore, wanted: &Wanted, from: Option<i64>) -> Vec<i64> {
    let found = store.letters(wanted, from, true, 2).unwrap();
    found.iter().map(|letter| letter.id).collect()
}

#[test]
fn letters_come_in_pages_and_are_open_until_their_event_comes() {
    let file = File::new("letters");
    let mut store = open(&file);
    let letters: Vec<DeadLetter> = (1..=5)
        .map(|number| DeadLetter::of(&bill(number, 1_000_000), Fault::NoKey, "/n/bill?t=x"))
        .collect();
    store.refuse(&letters).unwrap();
    let all = Wanted {
        open: true,
        ..Wanted::default()
    };
    let mut seen = ids(&store, &all, None);
    while let [.., last] = seen[..] {
        let more = ids(&store, &all, Some(last));
        if more.is_empty() {
            break;
        }
        seen.extend(more);
    }
    assert_eq!(seen, [1, 2, 3, 4, 5]);
    let newest = store.letters(&all, None, false, 1).unwrap();
    assert_eq!((newest.len(), newest[0].id), (1, 5));
    store.apply(&[bill(2, 1_000_000)], &mut late).unwrap();
    store.replayed(&[(3, "no_key")], 7).unwrap();
    assert_eq!(ids(&store, &all, None), [1, 3]);
    let named = Wanted {
        ids: vec![2, 4],
        fault: Some("no_key".to_owned()),
        exchange: Some("x".to_owned()),
        open: false,
    };
    let found = store.letters(&named, None, true, 10).unwrap();
    let settled: Vec<bool> = found.iter().map(|letter| letter.settled).collect();
    assert_eq!(settled, [true, false]);
    let third = store.letters(&all, Some(2), true, 1).unwrap();
    assert_eq!((third[0].replayed_ms, &*third[0].outcome), (7, "no_key"));
    // A letter of what was billed meanwhile is none.
    let outcomes = store.refuse(&letters[1..3]).unwrap();
    let fault = Fault::NoKey;
    assert_eq!(outcomes, [Outcome::Duplicate, Outcome::Refused { fault }]);
}

#[test]
fn what_was_told_is_added_to_what_the_ledger_refused_by_itself() {
    let file = File::new("letters-told");
    let mut store = open(&file);
    let wrong = Event {
        currency: ledger::Currency(*b"USD"),
        ..bill(1, 1_000_000)
    };
    let fault = Fault::WrongCurrency;
    let outcomes = store
        .apply(std::slice::from_ref(&wrong), &mut late)
        .unwrap();
    assert_eq!(outcomes, [Outcome::Refused { fault }]);
    let long = "x".repeat(MAX_TOLD + 1);
    for told in [&*long, "/n/bill?t=first", "/n/bill?t=second"] {
        store
            .refuse(&[DeadLetter::of(&wrong, fault, told)])
            .unwrap();
    }
    let found = store.letters(&Wanted::default(), None, false, 10).unwrap();
    let told: Vec<&str> = found.iter().map(|letter| &*letter.told).collect();
    assert_eq!(told, ["/n/bill?t=first"]);
}

#[test]
fn letters_that_anybody_could_send_are_bounded() {
    let file = File::new("letters-strays");
    let mut store = open(&file);
    store
        .refuse(&[DeadLetter::of(&bill(1, 1), Fault::NoKey, "/n/bill?t=ours")])
        .unwrap();
    for batch in 0..22 {
        let strays: Vec<DeadLetter> = (0..512)
            .map(|number| format!("/n/bill?t={batch}-{number}"))
            .map(|told| DeadLetter::stray(Kind::Bill, Fault::Forged, 5, &told))
            .collect();
        store.refuse(&strays).unwrap();
    }
    let counted = store.refusals().unwrap();
    let forged = counted.iter().find(|(fault, _)| fault == "forged").unwrap();
    let most = u64::from(MOST_STRAYS);
    assert!((most..most + 256).contains(&forged.1), "{}", forged.1);
    // The oldest have gone, and what is ours has stayed.
    let oldest = store.letters(&Wanted::default(), None, true, 2).unwrap();
    assert_eq!(oldest[0].told, "/n/bill?t=ours");
    assert_ne!(oldest[1].told, "/n/bill?t=0-0");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Both sides of the trade, single impressions and showings mixed: each side's books come to
    /// the exact sum within a micro for each kind of remainder, and the log replays to them.
    #[test]
    fn showings_are_charged_exactly(
        told in prop::collection::vec((1i64..40_000_000, 1i64..=30_000_000, any::<bool>()), 1..60),
    ) {
        let file = File::new(&format!("showings-{}", told.len()));
        let mut store = open(&file);
        let (mut exact, mut impressions) = (0i128, 0u64);
        for (number, (cpm, millionths, single)) in (0..).zip(&told) {
            let multiplier = if *single {
                Multiplier::ONE
            } else {
                Multiplier::new(*millionths).unwrap()
            };
            let events = [bill(number, *cpm), sale(number, *cpm, 800_000)]
                .map(|event| Event { multiplier, ..event });
            store.apply(&events, &mut late).unwrap();
            exact += i128::from(*cpm) * i128::from(multiplier.millionths());
            impressions += multiplier.impressions();
        }
        let statement = store.statement(Period::ALL).unwrap();
        let line = |name: &str| {
            let account: Account = name.parse().unwrap();
            let found = statement.lines.iter().find(|line| line.account == account);
            found.unwrap().clone()
        };
        let media = line("media:x:adv_a");
        prop_assert!((i128::from(media.gross.0) * 1_000_000_000 - exact).abs() <= 1_000_000_000);
        prop_assert_eq!(media.impressions, impressions);
        let buyer = line("buyer:bidder:adv_a");
        prop_assert_eq!((buyer.gross, buyer.impressions), (media.gross, impressions));
        let advertiser = line("advertiser:adv_a");
        prop_assert_eq!(Micros(advertiser.gross.0 + advertiser.over_delivery.0), media.gross);
    }
}
