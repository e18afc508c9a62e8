use super::*;
use crate::draw::mix;
use std::collections::VecDeque;

const DAY_S: i64 = 86_400;

/// One day in virtual time, a tick a second: `requests` eligible requests a second, of which
/// `win_percent` percent are won at `cost` micros, charged `delay_s` seconds later.
struct Market {
    requests: u64,
    win_percent: u64,
    cost: i64,
    delay_s: usize,
}

struct Result {
    spent: i64,
    /// The second after which nothing was spent.
    last_s: i64,
    /// Largest share of the budget that any hour took.
    busiest_hour: f64,
}

fn simulate(pacer: &mut Pacer, market: &Market, budget: i64, day: i64) -> Result {
    let (mut charged, mut held, mut last_s) = (0, 0, 0);
    let mut hours = [0_i64; 24];
    let mut due: VecDeque<i64> = VecDeque::from(vec![0; market.delay_s]);
    for second in 0..DAY_S {
        let now_ms = (day * DAY_S + second) * 1_000;
        let today = Day {
            start_ms: day * DAY_S * 1_000,
            end_ms: (day + 1) * DAY_S * 1_000,
            budget: Micros(budget),
            spent: Micros(charged),
        };
        let threshold = threshold(pacer.tick(now_ms, today));
        let mut bought = 0;
        for request in 0..market.requests {
            let draw = Draw(mix(now_ms as u64 ^ request << 50));
            let won = mix(draw.0) % 100 < market.win_percent;
            // The lease: never more than the budget.
            if won && takes_part(threshold, 3, draw) && held + market.cost <= budget {
                held += market.cost;
                bought += market.cost;
            }
        }
        if bought > 0 {
            last_s = second;
            hours[(second / 3_600) as usize] += bought;
        }
        due.push_back(bought);
        charged += due.pop_front().unwrap_or_default();
    }
    let most = hours.into_iter().max().unwrap_or_default();
    Result {
        spent: held,
        last_s,
        busiest_hour: most as f64 / budget as f64,
    }
}

/// Spends 99 % and more, goes on into the last quarter of an hour, and no hour takes more than
/// `most` times its share.
fn is_even(result: &Result, budget: i64, most: f64) {
    assert!(result.spent <= budget);
    assert!(
        result.spent * 100 >= budget * 99,
        "spent {} of {budget}",
        result.spent
    );
    assert!(
        result.last_s > DAY_S - 900,
        "ended at second {}",
        result.last_s
    );
    let share = result.busiest_hour * 24.0;
    assert!(share < most, "an hour took {share} times its share");
}

#[test]
fn a_uniform_stream_is_spent_evenly_to_the_end() {
    // About 4.3 million could be spent; the budget is a twentieth of it.
    let market = Market {
        requests: 20,
        win_percent: 100,
        cost: 2_500,
        delay_s: 0,
    };
    let mut pacer = Pacer::default();
    let budget = 216_000_000;
    is_even(&simulate(&mut pacer, &market, budget, 0), budget, 1.1);
    is_even(&simulate(&mut pacer, &market, budget, 1), budget, 1.05);
}

#[test]
fn late_notices_do_not_make_it_swing() {
    let market = Market {
        requests: 20,
        win_percent: 30,
        cost: 2_500,
        delay_s: 30,
    };
    let mut pacer = Pacer::default();
    let budget = 216_000_000;
    is_even(&simulate(&mut pacer, &market, budget, 0), budget, 1.15);
}

#[test]
fn a_budget_of_few_impressions_lasts_the_day() {
    let market = Market {
        requests: 10,
        win_percent: 50,
        cost: 2_500,
        delay_s: 10,
    };
    let budget = 500 * 2_500;
    let mut pacer = Pacer::default();
    simulate(&mut pacer, &market, budget, 0);
    // The second day begins with what the first has learned.
    is_even(&simulate(&mut pacer, &market, budget, 1), budget, 2.0);
}

#[test]
fn scarce_requests_are_all_taken() {
    let market = Market {
        requests: 1,
        win_percent: 50,
        cost: 2_500,
        delay_s: 0,
    };
    let mut pacer = Pacer::default();
    let result = simulate(&mut pacer, &market, i64::MAX / 4, 0);
    let most = DAY_S * 2_500 / 2;
    assert!(
        result.spent * 100 > most * 98,
        "{} of about {most}",
        result.spent
    );
}

#[test]
fn each_change_is_bounded() {
    let mut pacer = Pacer::default();
    let day = |spent| Day {
        start_ms: 0,
        end_ms: DAY_S * 1_000,
        budget: Micros(1_000_000),
        spent: Micros(spent),
    };
    let mut before = pacer.tick(0, day(0));
    for (second, spent) in [(1, 0), (2, 900_000), (3, 900_000), (4, 950_000)] {
        let now = pacer.tick(second * 1_000, day(spent));
        assert!(now <= before * STEP + 1e-9 && now >= before / STEP - 1e-9);
        before = now;
    }
    assert_eq!(pacer.tick(5_000, day(1_000_000)), 0.0);
}

#[test]
fn thresholds_reach_from_never_to_always() {
    assert_eq!(
        (threshold(0.0), threshold(1.0), threshold(2.0)),
        (0, u32::MAX, u32::MAX)
    );
    assert_eq!(threshold(0.5), u32::MAX / 2);
}

#[test]
fn controllers_outlive_the_catalog_and_not_their_campaign() {
    let mut pacers = Pacers::default();
    let (kept, gone): (Arc<str>, Arc<str>) = (Arc::from("a"), Arc::from("b"));
    pacers.of(&kept).participation = 0.7;
    pacers.of(&gone).participation = 0.7;
    pacers.keep(&HashSet::from(["a"]));
    assert_eq!(pacers.of(&kept).participation, 0.7);
    assert_eq!(pacers.of(&gone).participation, START);
}
