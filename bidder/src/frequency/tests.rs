//! The table against a naive counter, by threads, when full, and through a file.

use super::*;
use audience::UserKey;
use proptest::prelude::*;
use std::io::Cursor;

/// Seconds that a bid is held.
const HELD_S: u32 = 40;

fn cap(scope: u32, most: u16, window_s: u32, by: Subject) -> Cap {
    Cap {
        scope: Scope(scope),
        most,
        window_s,
        by,
        without_id: WithoutId::Serve,
    }
}

/// What three line items are held to: windows of one scope, levels above, households.
fn markets() -> [Vec<Cap>; 3] {
    [
        vec![
            cap(1, 2, 50, Subject::User),
            cap(1, 4, 400, Subject::User),
            cap(9, 6, 300, Subject::User),
        ],
        vec![
            cap(2, 3, 120, Subject::Household),
            cap(9, 6, 300, Subject::User),
        ],
        vec![
            cap(3, 1, 7, Subject::User),
            cap(3, 5, 90, Subject::Household),
        ],
    ]
}

fn people(user: u64) -> People {
    People {
        // Two users a household; one has no id of its own, one belongs nowhere.
        user: (user != 3).then_some(UserKey(100 + user)),
        household: (user != 0).then_some(UserKey(7 + user / 2)),
    }
}

#[derive(Clone, Debug)]
enum Step {
    Bid { user: u64, market: usize },
    Lose { which: usize },
    Show { which: usize },
    Wait { seconds: u32 },
    Sweep,
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0u64..4, 0usize..3).prop_map(|(user, market)| Step::Bid { user, market }),
        1 => any::<usize>().prop_map(|which| Step::Lose { which }),
        3 => any::<usize>().prop_map(|which| Step::Show { which }),
        2 => (1u32..30).prop_map(|seconds| Step::Wait { seconds }),
        1 => Just(Step::Sweep),
        1 => Just(Step::Restart),
    ]
}

/// A bid on paper.
#[derive(Clone, Copy)]
struct Bid {
    who: People,
    market: usize,
    until: u32,
    open: bool,
    shown_at: Option<u32>,
}

/// Counts by looking at every bid there ever was.
#[derive(Default)]
struct Paper(Vec<Bid>);

impl Paper {
    fn taken(&self, who: People, cap: &Cap, now: u32) -> (u32, u32) {
        let key = who.key(cap.by);
        let markets = markets();
        let own = self.0.iter().filter(|bid| {
            let moves = |other: &Cap| other.scope == cap.scope && other.by == cap.by;
            bid.who.key(cap.by) == key && markets[bid.market].iter().any(moves)
        });
        let shown = own
            .clone()
            .filter(|bid| bid.shown_at.is_some_and(|at| now - at < cap.window_s));
        let open = own.filter(|bid| bid.open && bid.until > now);
        (shown.count() as u32, open.count() as u32)
    }

    fn admits(&self, who: People, caps: &[Cap], now: u32) -> bool {
        let limiting = caps.iter().filter(|cap| who.key(cap.by).is_some());
        limiting.into_iter().all(|cap| {
            let (shown, open) = self.taken(who, cap, now);
            shown + open < cap.most.into() && open < MAX_OPEN
        })
    }
}

fn restarted(caps: &FrequencyCaps) -> FrequencyCaps {
    let mut file = Vec::new();
    caps.save(Head::default(), &mut file).unwrap();
    let next = FrequencyCaps::new(1_000);
    next.load(Cursor::new(file)).unwrap();
    next
}

fn run(steps: Vec<Step>, crash: bool) -> Result<(), TestCaseError> {
    let markets = markets();
    let mut caps = FrequencyCaps::new(1_000);
    let (mut paper, mut now) = (Paper::default(), 1_000_u32);
    let mut saved = FrequencyCaps::new(1_000);
    let mut since: Vec<Shown> = Vec::new();
    for step in steps {
        match step {
            Step::Bid { user, market } => {
                let (who, own) = (people(user), &markets[market]);
                let expires_at = now + HELD_S;
                let hold = Hold {
                    now_s: now,
                    expires_at,
                };
                let may = paper.admits(who, own, now);
                let reserved = caps.reserve(who, own.iter(), hold);
                if crash {
                    prop_assert!(may || reserved.is_err(), "a cap is exceeded");
                } else {
                    let expected = if may { Ok(()) } else { Err(Capped::Reached) };
                    prop_assert_eq!(reserved, expected);
                }
                if reserved.is_ok() {
                    paper.0.push(Bid {
                        who,
                        market,
                        until: expires_at,
                        open: true,
                        shown_at: None,
                    });
                }
            }
            Step::Lose { which } | Step::Show { which } if paper.0.is_empty() => {
                prop_assert!(which < usize::MAX || caps.subjects() == 0);
            }
            Step::Lose { which } => {
                let count = paper.0.len();
                let bid = &mut paper.0[which % count];
                if bid.open && bid.until > now {
                    let exposure = bid.who.exposure(markets[bid.market].iter());
                    let given = caps.release(&exposure, bid.until);
                    prop_assert!(given || crash || !exposure.counts());
                    bid.open = false;
                }
            }
            Step::Show { which } => {
                let count = paper.0.len();
                let bid = &mut paper.0[which % count];
                if std::mem::take(&mut bid.open) {
                    bid.shown_at = Some(now);
                    let shown = Shown {
                        seq: 0,
                        exposure: bid.who.exposure(markets[bid.market].iter()),
                        held_until: bid.until,
                        at_s: now,
                    };
                    caps.confirm(&shown, now);
                    since.push(shown);
                }
            }
            Step::Wait { seconds } => now += seconds,
            Step::Sweep => {
                caps.remember(400);
                caps.sweep(now);
            }
            Step::Restart if crash => {
                // What was saved at the crash before this one, and the ledger's tail since.
                caps = restarted(&saved);
                caps.expect_unknown(now + HELD_S);
                since.drain(..).for_each(|shown| caps.confirm(&shown, now));
                saved = restarted(&caps);
            }
            Step::Restart => caps = restarted(&caps),
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn the_table_agrees_with_paper(steps in prop::collection::vec(step(), 1..200)) {
        run(steps, false)?;
    }

    #[test]
    fn no_crash_exceeds_a_cap(steps in prop::collection::vec(step(), 1..200)) {
        run(steps, true)?;
    }
}

fn one(user: u64) -> People {
    People {
        user: Some(UserKey(user)),
        household: None,
    }
}

fn shown(user: u64, caps: &[Cap], at_s: u32) -> Shown {
    Shown {
        seq: i64::from(at_s),
        exposure: one(user).exposure(caps.iter()),
        held_until: 0,
        at_s,
    }
}

#[test]
fn a_full_table_holds_back_and_a_sweep_makes_room() {
    let table = FrequencyCaps::new(8);
    let own = [cap(1, 1, 50, Subject::User)];
    let reserve = |user, now_s| {
        let expires_at = now_s + 10;
        table.reserve(one(user), own.iter(), Hold { now_s, expires_at })
    };
    assert!((1..=8).all(|user| reserve(user, 0).is_ok()));
    assert_eq!(reserve(9, 0), Err(Capped::Full));
    assert_eq!(table.held_back().map(|(_, count)| count).sum::<u64>(), 1);
    assert_eq!(table.sweep(9).subjects, 0, "nothing that limits is dropped");
    assert_eq!(table.sweep(10).subjects, 8);
    assert_eq!(reserve(9, 10), Ok(()));
    assert_eq!((table.subjects(), table.heap()), (1, 0));
}

#[test]
fn what_cannot_be_noted_holds_strangers_back_as_long_as_it_counts() {
    let table = FrequencyCaps::new(8);
    table.remember(50);
    let own = [cap(1, 1, 50, Subject::User)];
    (1..=9).for_each(|user| table.confirm(&shown(user, &own, 100), 100));
    assert_eq!(table.subjects(), 9, "one eighth more than bids may take");
    table.confirm(&shown(10, &own, 120), 120);
    let reserve = |user, now_s| {
        let expires_at = now_s + 10;
        table.reserve(one(user), own.iter(), Hold { now_s, expires_at })
    };
    table.sweep(150);
    assert_eq!(table.subjects(), 0);
    assert_eq!(reserve(10, 169), Err(Capped::Full));
    assert_eq!(reserve(10, 170), Ok(()));
}

#[test]
fn a_crash_leaves_room_for_the_bids_that_nobody_remembers() {
    let table = FrequencyCaps::new(8);
    table.expect_unknown(100);
    let own = |most| [cap(1, most, 50, Subject::User)];
    let reserve = |most, now_s| {
        let hold = Hold {
            now_s,
            expires_at: now_s + 5,
        };
        table.reserve(one(1), own(most).iter(), hold)
    };
    assert_eq!(reserve(8, 10), Err(Capped::Unknown));
    assert_eq!(reserve(9, 10), Ok(()));
    assert_eq!(reserve(9, 10), Err(Capped::Unknown));
    assert_eq!(reserve(1, 100), Ok(()));
}

#[test]
fn a_damaged_file_is_refused_and_leaves_nothing() {
    let table = FrequencyCaps::new(100);
    let own = [cap(1, 1, 50, Subject::User)];
    (1..=20).for_each(|user| table.confirm(&shown(user, &own, 100), 100));
    let head = Head {
        run: 3,
        clean: true,
    };
    let mut file = Vec::new();
    assert_eq!(table.save(head, &mut file).unwrap(), 20);
    let whole = FrequencyCaps::new(100);
    assert_eq!(whole.load(Cursor::new(&file)).unwrap(), head);
    assert_eq!((whole.subjects(), whole.counted()), (20, 100));
    for at in 0..file.len() {
        let mut damaged = file.clone();
        damaged[at] ^= 0x10;
        let next = FrequencyCaps::new(100);
        next.load(Cursor::new(&damaged)).unwrap_err();
        next.load(Cursor::new(&file[..at])).unwrap_err();
        assert_eq!((next.subjects(), next.heap()), (0, 0), "byte {at}");
    }
}

#[test]
fn a_smaller_table_holds_back_whom_it_has_no_room_for() {
    let table = FrequencyCaps::new(100);
    let own = [cap(1, 1, 50, Subject::User)];
    (1..=20).for_each(|user| table.confirm(&shown(user, &own, 100), 100));
    let mut file = Vec::new();
    table.save(Head::default(), &mut file).unwrap();
    let small = FrequencyCaps::new(8);
    small.load(Cursor::new(&file)).unwrap();
    let hold = Hold {
        now_s: 149,
        expires_at: 150,
    };
    for user in 1..=20 {
        let reserved = small.reserve(one(user), own.iter(), hold);
        assert!(reserved.is_err(), "{user}");
    }
}

#[test]
fn a_user_of_too_many_things_is_held_back() {
    let table = FrequencyCaps::new(1_000);
    let reserve = |scope| {
        let hold = Hold {
            now_s: 0,
            expires_at: 9,
        };
        table.reserve(one(1), [cap(scope, 9, 9, Subject::User)].iter(), hold)
    };
    let most = MOST_MARKS as u32;
    assert!((1..=most).all(|scope| reserve(scope).is_ok()));
    assert_eq!(reserve(most + 1), Err(Capped::Full));
}

#[test]
fn threads_never_show_more_than_the_cap() {
    let table = FrequencyCaps::new(10);
    let own = [
        cap(1, 5, 50, Subject::User),
        cap(2, 5, 9, Subject::Household),
    ];
    let who = People {
        household: Some(UserKey(1)),
        ..one(1)
    };
    let hold = Hold {
        now_s: 0,
        expires_at: 100,
    };
    let won = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..1_000 {
                    let reserved = table.reserve(who, own.iter(), hold);
                    won.fetch_add(u64::from(reserved.is_ok()), Relaxed);
                }
            });
        }
    });
    assert_eq!(won.load(Relaxed), 5);
}
