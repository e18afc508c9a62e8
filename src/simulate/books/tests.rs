use super::*;
use ledger::store::{Budget, SqliteStore, Store};
use ledger::{Cpm, Currency, Multiplier};
use proptest::prelude::*;

const EUR: Currency = Currency(*b"EUR");

#[derive(Clone, Debug)]
enum Step {
    Lease {
        key: usize,
        micros: i64,
    },
    Bill {
        bid: u8,
        cpm: i64,
        keys: usize,
        funding: usize,
        held: i64,
    },
    Limit {
        key: usize,
        limit: i64,
    },
    Thaw {
        now_s: i64,
    },
    Crash,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..2_usize, -400..400_i64).prop_map(|(key, micros)| Step::Lease { key, micros }),
        8 => (0..60_u8, -1..90_000_i64, 0..4_usize, 0..4_usize, 0..100_i64).prop_map(
            |(bid, cpm, keys, funding, held)| Step::Bill { bid, cpm, keys, funding, held }
        ),
        1 => (0..2_usize, 0..900_i64).prop_map(|(key, limit)| Step::Limit { key, limit }),
        1 => (0..400_i64).prop_map(|now_s| Step::Thaw { now_s }),
        1 => Just(Step::Crash),
    ]
}

const KEYS: [&str; 3] = [
    "campaign:c",
    "campaign:c:day:2026-01-01",
    "line_item:l:impressions",
];

fn bill(bid: u8, cpm: i64, keys: usize) -> Event {
    let keys: &[&str] = match keys {
        0 => &KEYS,
        1 => &KEYS[..1],
        2 => &KEYS[1..],
        _ => &["campaign:unknown", "campaign:c"],
    };
    Event {
        kind: Kind::Bill,
        key: [bid; 16],
        at_ms: 0,
        exchange: "x".to_owned(),
        seat: "s".to_owned(),
        advertiser: "adv_1".to_owned(),
        line_item: "li_1".to_owned(),
        creative: String::new(),
        publisher: String::new(),
        placement: String::new(),
        partner: String::new(),
        bid: Cpm(80_000),
        cpm: Cpm(cpm),
        currency: EUR,
        multiplier: Multiplier::ONE,
        share_ppm: 0,
        platform_ppm: 0,
        data: String::new(),
        reason: 0,
        budgets: keys.iter().map(|key| (*key).to_owned()).collect(),
        reservation: None,
        exposure: ledger::Exposure::default(),
        held_until: 0,
        touch: None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn they_follow_the_rules_of_the_real_store(steps in prop::collection::vec(step(), 1..40)) {
        let name = format!("gavel-books-{}-{:?}", std::process::id(), std::thread::current().id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("ledger.sqlite");
        let mut store = SqliteStore::open(&file, 0, 100).unwrap();
        let mut books = Books::default();
        let (mut epoch, mut clock) = (books.open(0, 100), 0);
        prop_assert_eq!(epoch, store.epoch());
        let limit = |key: &str, limit| Budget {
            key: key.to_owned(),
            currency: EUR,
            limit: Micros(limit),
        };
        for key in KEYS {
            store.set_budgets(&[limit(key, 500)]).unwrap();
            books.set_budget(key, Micros(500));
        }
        for step in steps {
            match step {
                Step::Lease { key, micros } => {
                    let wanted = [(KEYS[key].to_owned(), micros)];
                    let granted = store.lease(&wanted).unwrap();
                    prop_assert_eq!(books.lease(KEYS[key], micros), granted[0]);
                }
                Step::Bill { bid, cpm, keys, funding, held } => {
                    let funding = match funding {
                        0 => Funding::Lease { held: Micros(held) },
                        1 => Funding::Frozen { epoch: epoch.saturating_sub(1) },
                        2 => Funding::Frozen { epoch: 1 },
                        _ => Funding::Late,
                    };
                    let event = bill(bid, cpm, keys);
                    let told = store.apply(std::slice::from_ref(&event), &mut |_, _| funding).unwrap();
                    prop_assert_eq!(books.apply(&event, |_, _| funding), told[0]);
                }
                Step::Limit { key, limit: to } => {
                    store.set_budgets(&[limit(KEYS[key], to)]).unwrap();
                    books.set_budget(KEYS[key], Micros(to));
                }
                Step::Thaw { now_s } => {
                    clock = now_s.max(clock);
                    store.thaw(clock).unwrap();
                    books.thaw(clock);
                }
                Step::Crash => {
                    store = SqliteStore::open(&file, clock, 100).unwrap();
                    epoch = books.open(clock, 100);
                    prop_assert_eq!(epoch, store.epoch());
                }
            }
            for key in KEYS {
                let state = store.budget(key).unwrap().unwrap();
                prop_assert_eq!(books.budget(key).unwrap(), &state);
                prop_assert!(invariant::within_budget(&state));
            }
        }
        drop(store);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}

#[test]
fn a_month_begins_with_what_its_days_have_spent() {
    let mut books = Books::default();
    let days = ["2026-10-31", "2026-11-01", "2026-11-05", "2026-12-01"];
    for (bid, day) in (1..).zip(days) {
        let key = format!("campaign:c:day:{day}");
        books.set_budget(&key, Micros(1_000_000));
        let event = Event {
            budgets: vec![key],
            bid: Cpm(9_000_000),
            ..bill(bid, i64::from(bid) * 1_000_000, 0)
        };
        books.apply(&event, |_, _| Funding::Late);
    }
    let month = "campaign:c:month:2026-11";
    books.set_budget(month, Micros(9_000));
    let spent = books.budget(month).unwrap().spent;
    assert_eq!(spent, Micros(2_000 + 3_000));
    // The fifth of November is day 20762.
    for (day, before) in [(20_762, 1), (20_763, 2), (20_758, 0), (20_788, 0)] {
        assert_eq!(books.days_before("c", Day(day)), before, "{day}");
    }
}
