//! Retention: what is not on a closed statement stays, whatever is asked for.

use crate::fixture::{File, bill, budget, late};
use ledger::event::Fault;
use ledger::statement::{Month, Period, Zones};
use ledger::store::{Closing, SqliteStore, Store};
use ledger::{Cpm, DeadLetter, Event, Outcome};
use proptest::prelude::*;

/// Months of 2026 that are played through.
const MONTHS: i8 = 8;

fn ms(month: i8, day: i8) -> i64 {
    let at: jiff::Timestamp = format!("2026-{month:02}-{day:02}T12:00:00Z")
        .parse()
        .unwrap();
    at.as_millisecond()
}

fn close(store: &mut SqliteStore, month: i8) {
    let closing = Closing {
        at_ms: ms(month + 1, 1),
        who: "ann".to_owned(),
    };
    let month: Month = format!("2026-{month:02}").parse().unwrap();
    store.close(month, &Zones::default(), &closing).unwrap();
}

fn keys(store: &SqliteStore) -> Vec<[u8; 16]> {
    let mut keys = Vec::new();
    let visited = store.events(Period::ALL, |logged| {
        keys.push(logged.event.key);
        Ok::<_, ledger::store::StoreError>(())
    });
    visited.unwrap();
    keys
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Each event happens in one month and is told in that or a later one, so that it may be
    /// booked long after it happened. However often and in however small steps somebody prunes,
    /// exactly the events that were booked before the last four closed months go.
    #[test]
    fn what_was_not_billed_is_never_pruned(
        told in prop::collection::vec((1..=MONTHS, 0..4i8), 1..40),
        closed in 0..MONTHS,
        keep in 1u32..8,
        step in 1u32..5,
    ) {
        let file = File::new("retention");
        let mut store = file.open(0);
        store.set_budgets(&[budget(i64::MAX / 4)]).unwrap();
        let mut unbilled = Vec::new();
        let mut recent = Vec::new();
        let first = [(1, 0)];
        for month in 1..=MONTHS {
            for (number, (happened, delay)) in (0..).zip(first.iter().chain(&told)) {
                if (happened + delay).min(MONTHS) != month {
                    continue;
                }
                let event = Event { at_ms: ms(*happened, 5), ..bill(number, 1_000_333) };
                let booked = event.key;
                let outcome = store.apply(&[event], &mut late).unwrap();
                prop_assert!(matches!(outcome[0], Outcome::Charged { .. }), "{:?}", outcome[0]);
                // What is told in a month that ends open is on no closed statement; what is told
                // after its own month was closed counts where the books are open.
                if month > closed {
                    unbilled.push(booked);
                } else if i64::from(month) > i64::from(closed) - i64::from(keep.max(4)) {
                    recent.push(booked);
                }
            }
            if month <= closed {
                close(&mut store, month);
            }
        }
        let before = keys(&store);
        while store.prune(keep, step).unwrap().more {}
        let after = keys(&store);
        for key in unbilled.iter().chain(&recent) {
            prop_assert!(after.contains(key), "an event is gone that has to stay");
        }
        prop_assert_eq!(before.len() - after.len(), before.len() - unbilled.len() - recent.len());
        // The books still agree with themselves, and open.
        store.statement(Period::ALL).unwrap();
        drop(store);
        file.open(0).statement(Period::ALL).unwrap();
    }
}

#[test]
fn refusals_stay_as_long_as_their_bid_may_be_billed() {
    let file = File::new("refusals-kept");
    let mut store = file.open(0);
    store.set_budgets(&[budget(1_000_000_000)]).unwrap();
    for month in 1..=7_u32 {
        let at_ms = ms(i8::try_from(month).unwrap(), 5);
        let event = Event {
            at_ms,
            ..bill(month, 1_000_000)
        };
        store.apply(&[event], &mut late).unwrap();
        let dear = Event {
            at_ms,
            cpm: Cpm(2_000_000),
            ..bill(100 + month, 1_000_000)
        };
        store
            .refuse(&[DeadLetter::of(&dear, Fault::AboveBid, "")])
            .unwrap();
    }
    for month in 1..=6 {
        close(&mut store, month);
    }
    let gone = store.prune(1, 1_000).unwrap();
    assert_eq!((gone.events, gone.refusals, gone.more), (2, 2, false));
    let left = store.refused(Period::ALL).unwrap();
    assert_eq!(left.len(), 5);
    assert!(left.iter().all(|refused| refused.at_ms >= ms(3, 1)));
}
