use super::*;
use ledger::Currency;

const EUR: Currency = Currency(*b"EUR");

fn look(avail: bool, price: Option<i64>, leads: bool) -> Look {
    let taken = |price: i64| Taken {
        imp: 0,
        rank: Cpm(price),
        currency: EUR,
    };
    Look {
        avail,
        offer: price.map(|price| (0, Cpm(price), taken(price))),
        leads,
        stopped: (!leads).then(|| "geo".to_owned()),
    }
}

fn hour(of: impl Fn(usize) -> Look, count: usize) -> Vec<Option<(String, Look)>> {
    (0..count)
        .map(|at| Some(("x".to_owned(), of(at))))
        .collect()
}

#[test]
fn a_day_is_what_was_seen_times_what_it_stands_for() {
    let mut sums = Sums::default();
    // Every second request can be bid on, at 2 per thousand; an hour of 1,000 requests.
    let of = |at: usize| {
        let bought = at.is_multiple_of(2);
        look(bought, bought.then_some(2_000_000), bought)
    };
    sums.add(1_000, hour(of, 200));
    let known = HashMap::from([("x".to_owned(), (998, 249))]);
    let told = sums.told(3_600, &known);
    assert_eq!(
        (told.requests, told.sampled, told.known_bids),
        (1_000, 200, 998)
    );
    let near = |band: Band, likely: f64| {
        assert!((band.likely - likely).abs() < 1e-6, "{band:?} {likely}");
        assert!(
            band.low < band.likely && band.likely < band.high,
            "{band:?}"
        );
    };
    near(told.avails, 12_000.0);
    near(told.bids, 12_000.0);
    near(told.wins, 3_000.0);
    near(told.spend, 3_000.0 * 2_000.0);
    assert!((told.stopped["geo"] - 12_000.0).abs() < 1e-6);
    // 500 of 1,000, give or take 1.96 standard deviations of a sample of a fifth.
    let half = (told.avails.high - told.avails.likely) / 24.0;
    let expected = 1.96 * (1_000.0_f64.powi(2) * 0.8 * 0.25 / 199.0).sqrt();
    assert!((half - expected).abs() < 1e-6, "{half} {expected}");
}

#[test]
fn what_was_never_seen_may_be_there_and_what_was_all_seen_is_certain() {
    let mut sums = Sums::default();
    sums.add(300, hour(|_| look(false, None, false), 100));
    let told = sums.told(86_400, &HashMap::new());
    assert_eq!((told.avails.low, told.avails.likely), (0.0, 0.0));
    assert!(
        (told.avails.high - 9.0).abs() < 1e-9,
        "three of a hundred, thrice"
    );
    let mut sums = Sums::default();
    sums.add(100, hour(|_| look(true, Some(1_000), true), 100));
    let told = sums.told(86_400, &HashMap::new());
    assert_eq!((told.avails.low, told.avails.high), (100.0, 100.0));
    // Nobody knows how many are won: the band is wide and the middle half of them.
    assert!(
        (told.wins.likely - 50.0).abs() < 1e-9 && told.wins.high > 100.0,
        "{:?}",
        told.wins
    );
}

/// The bands hold the truth about as often as they say.
#[test]
fn nineteen_of_twenty_bands_hold_the_truth() {
    let mut held = 0;
    let mut state = 7_u64;
    let mut random = move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as f64 / (1_u64 << 31) as f64
    };
    for _ in 0..400 {
        let mut sums = Sums::default();
        let mut truth = 0.0;
        for hour_at in 0..6 {
            let share = 0.05 + 0.1 * f64::from(hour_at);
            let all: Vec<bool> = (0..1_000).map(|_| random() < share).collect();
            truth += all.iter().filter(|one| **one).count() as f64;
            // Each hour's requests are alike, so the first hundred are as good as any.
            sums.add(1_000, hour(|at| look(all[at], None, false), 100));
        }
        let band = sums.told(86_400, &HashMap::new()).avails;
        held += u32::from(band.low <= truth && truth <= band.high);
    }
    assert!((360..=398).contains(&held), "{held} of 400");
}

#[test]
fn a_draft_leads_where_nobody_on_its_imp_is_dearer() {
    let usd = Currency(*b"USD");
    let rates = RateTable::new(EUR, &[(usd, ledger::Micros(1_250_000))], "2026-11-23");
    let own = look(true, Some(2_000_000), false);
    let other = |imp: u32, rank: i64, currency: Currency| Taken {
        imp,
        rank: Cpm(rank),
        currency,
    };
    let leads = |others: &[Taken]| own.clone().against(others, &rates).leads;
    assert!(leads(&[]));
    assert!(leads(&[other(1, 9_000_000, EUR), other(0, 2_000_000, EUR)]));
    assert!(!leads(&[other(0, 2_000_001, EUR)]));
    assert!(leads(&[other(0, 2_400_000, usd)]) && !leads(&[other(0, 2_600_000, usd)]));
    assert!(
        !leads(&[other(0, 1, Currency(*b"SEK"))]),
        "it cannot be compared"
    );
}
