//! Whose frequency counts an impression moves: told once it is durable, once for each bid.

use crate::fixture::{File, bill, budget, late};
use ledger::event::Kind;
use ledger::store::Store;
use ledger::{Cpm, Event, Exposure, Shown};

const EXPOSURE: Exposure = Exposure {
    user: u64::MAX - 6,
    household: 8,
    scopes: [0x0100_0001, 0x0300_0002, 0, 0],
};

fn counted(number: u32, kind: Kind) -> Event {
    Event {
        kind,
        at_ms: i64::from(number) * 1_000 + 999,
        exposure: EXPOSURE,
        held_until: 600 + number,
        ..bill(number, 1_000_000)
    }
}

fn told(store: &mut dyn Store) -> Vec<u32> {
    let shown = store.shown();
    assert!(shown.iter().all(|one| one.exposure == EXPOSURE));
    shown.iter().map(|one| one.held_until - 600).collect()
}

#[test]
fn each_bid_is_told_once_whichever_event_comes_first() {
    let file = File::new("shown");
    let mut store = file.open(0);
    store.set_budgets(&[budget(1_000_000)]).unwrap();
    let events = [
        counted(1, Kind::Bill),
        counted(1, Kind::Impression),
        counted(2, Kind::Impression),
        counted(2, Kind::Bill),
        counted(2, Kind::Bill),
        counted(3, Kind::Win),
        counted(4, Kind::Loss),
        counted(5, Kind::Click),
        Event {
            cpm: Cpm(2_000_000),
            ..counted(6, Kind::Bill)
        },
        Event {
            exposure: Exposure::default(),
            ..counted(7, Kind::Bill)
        },
    ];
    store.apply(&events, &mut late).unwrap();
    assert_eq!(
        told(&mut store),
        [1, 2],
        "what is above the bid is not billed"
    );
    assert_eq!(told(&mut store), [0; 0]);
    let mut found = Vec::new();
    store
        .shown_after(0, &mut |shown| found.push(shown))
        .unwrap();
    let expected = |seq, number| Shown {
        seq,
        exposure: EXPOSURE,
        held_until: 600 + number,
        at_s: number,
    };
    assert_eq!(found, [expected(1, 1), expected(3, 2)]);
}

#[test]
fn what_is_saved_elsewhere_is_forgotten_and_never_told_again() {
    let file = File::new("shown-forgotten");
    let mut store = file.open(0);
    let events = [1, 2, 3].map(|number| counted(number, Kind::Impression));
    store.apply(&events, &mut late).unwrap();
    store.forget_shown(2).unwrap();
    let mut found = Vec::new();
    store
        .shown_after(0, &mut |shown| found.push(shown.seq))
        .unwrap();
    assert_eq!(found, [3]);
    // Another run: the impression that was forgotten is still known to have been shown.
    let mut store = file.open(1);
    store.apply(&[counted(1, Kind::Bill)], &mut late).unwrap();
    assert_eq!(told(&mut store), [0; 0]);
    store
        .shown_after(3, &mut |shown| found.push(shown.seq))
        .unwrap();
    assert_eq!(found, [3]);
}
