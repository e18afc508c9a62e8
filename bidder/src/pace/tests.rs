use super::*;
use crate::draw::mix;
use proptest::prelude::*;
use std::collections::VecDeque;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
const TICK_MS: i64 = 10_000;
/// About a sixteenth of what could be spent on a day of [`Market::diurnal`], in micros.
const BUDGET: i64 = 60_000_000;

/// A stream of requests whose values and prices are drawn, second-price, with late charges.
struct Market {
    /// Requests in a tick at a moment of the day, in hours.
    traffic: fn(f64) -> f64,
    /// Length of the day, in hours.
    hours: i64,
    /// Hours of the flight on it.
    flight: (i64, i64),
    open: Hours,
    /// What may be spent, as set at a moment of the day.
    budget: fn(f64) -> i64,
    delay_ms: i64,
    /// Whether bids have a fixed price.
    fixed: bool,
    seed: u64,
}

#[derive(Default)]
struct Outcome {
    spent: i64,
    by_hour: [f64; 25],
    traffic: [f64; 25],
    value: f64,
    /// What each tick answered.
    answers: Vec<Control>,
}

fn uniform(state: &mut u64) -> f64 {
    *state = mix(*state);
    (*state >> 11) as f64 / (1_u64 << 53) as f64
}

fn log_normal(state: &mut u64, median: f64, spread: f64) -> f64 {
    let (one, other) = (uniform(state).max(1e-12), uniform(state));
    let normal = (-2.0 * one.ln()).sqrt() * (std::f64::consts::TAU * other).cos();
    median * (spread * normal).exp()
}

/// The campaign of a market on one day.
struct Buyer {
    random: u64,
    spent: i64,
    held: i64,
    due: VecDeque<(i64, i64)>,
    requests: u64,
    open: bool,
}

impl Market {
    fn diurnal() -> Self {
        Self {
            traffic: |hour| 60.0 - 40.0 * (hour / 24.0 * std::f64::consts::TAU).cos(),
            hours: 24,
            flight: (0, 24),
            open: Hours::ALL,
            budget: |_| BUDGET,
            delay_ms: 10_000,
            fixed: false,
            seed: 1,
        }
    }

    /// A day of a campaign.
    fn run(&self, pacer: &mut Pacer, pacing: Pacing, day: i64) -> Outcome {
        let mut outcome = Outcome::default();
        let mut buyer = Buyer {
            random: self.seed.wrapping_mul(977) + day as u64,
            spent: 0,
            held: 0,
            due: VecDeque::new(),
            requests: 0,
            open: true,
        };
        let start_ms = day * DAY_MS;
        for now_ms in (start_ms..start_ms + self.hours * HOUR_MS).step_by(TICK_MS as usize) {
            while buyer.due.front().is_some_and(|(at_ms, _)| *at_ms <= now_ms) {
                let (_, cost) = buyer.due.pop_front().unwrap();
                buyer.spent += cost;
                buyer.held -= cost;
            }
            let into = (now_ms - start_ms) as f64 / HOUR_MS as f64;
            let budget = (self.budget)(into);
            let today = self.day(&buyer, (now_ms, start_ms), budget);
            let control = pacer.tick(pacing, &today);
            outcome.answers.push(control);
            let room = budget - buyer.spent - buyer.held;
            buyer.open = room >= 20_000 && control != Control::STOPPED;
            self.offer(&mut buyer, control, now_ms, (into, budget), &mut outcome);
        }
        outcome
    }

    fn day(&self, buyer: &Buyer, (now_ms, start_ms): (i64, i64), budget: i64) -> Day {
        let at = |hour: i64| start_ms + hour * HOUR_MS;
        let back = (at(self.hours) - 1 - now_ms) / HOUR_MS;
        Day {
            now_ms,
            start_ms: at(self.flight.0),
            end_ms: at(self.flight.1.min(self.hours)),
            midnight_ms: at(self.hours),
            hour_of_week: (23 - back).max(0) as u32,
            into_hour_ms: now_ms % HOUR_MS,
            hours: self.open,
            budget: Micros(budget),
            spent: Micros(buyer.spent),
            reserved: Micros(buyer.held),
            requests: buyer.requests,
            open: buyer.open,
            most: Micros(20_000),
            bids: (!self.fixed, self.fixed),
        }
    }

    /// The requests of a tick.
    fn offer(
        &self,
        buyer: &mut Buyer,
        control: Control,
        now_ms: i64,
        (into, budget): (f64, i64),
        outcome: &mut Outcome,
    ) {
        let hour = into as usize;
        let flying = (self.flight.0..self.flight.1).contains(&(hour as i64));
        let eligible = flying && self.open.contains(hour.min(23) as u32);
        buyer.requests = if eligible {
            (self.traffic)(into) as u64
        } else {
            0
        };
        for request in 0..buyer.requests {
            let value = if self.fixed {
                4_000.0
            } else {
                log_normal(&mut buyer.random, 3_000.0, 0.6)
            };
            let price = log_normal(&mut buyer.random, 2_000.0, 0.8);
            outcome.traffic[hour] += 1.0;
            let (bid, part) = if self.fixed {
                (value, control.fixed)
            } else {
                (control.scale(Cpm(value as i64)).0 as f64, control.valued)
            };
            let draw = Draw(mix(now_ms as u64 ^ request << 50));
            let room = budget - buyer.spent - buyer.held;
            if !takes_part(part, 3, draw) || bid <= price || room < bid as i64 {
                continue;
            }
            let cost = price as i64;
            buyer.held += cost;
            buyer.due.push_back((now_ms + self.delay_ms, cost));
            outcome.by_hour[hour] += cost as f64;
            outcome.value += value;
            outcome.spent += cost;
        }
    }
}

/// Root of the mean square of what each hour was off its share, in hourly budgets.
fn roughness(outcome: &Outcome, budget: i64) -> f64 {
    let all: f64 = outcome.traffic.iter().sum();
    let hours = outcome.by_hour.iter().zip(outcome.traffic);
    let squares = hours.map(|(spent, came)| (spent - budget as f64 * came / all).powi(2));
    (squares.sum::<f64>() / 24.0).sqrt() / (budget as f64 / 24.0)
}

fn is_even(outcome: &Outcome, budget: i64, rough: f64) {
    let share = outcome.spent as f64 / budget as f64;
    assert!((0.997..=1.0).contains(&share), "spent {share}");
    let off = roughness(outcome, budget);
    assert!(off < rough, "off by {off}");
}

/// A pacer that has seen a day of the market.
fn practised(market: &Market) -> Pacer {
    let mut pacer = Pacer::default();
    market.run(&mut pacer, Pacing::Even, 0);
    pacer
}

#[test]
fn a_day_with_history_is_spent_by_its_traffic() {
    for (seed, delay_ms) in [(1, 10_000), (2, 300_000), (3, 0)] {
        let market = Market {
            delay_ms,
            seed,
            ..Market::diurnal()
        };
        let outcome = market.run(&mut practised(&market), Pacing::Even, 1);
        is_even(&outcome, BUDGET, 0.05);
    }
}

#[test]
fn a_first_day_ends_in_time_all_the_same() {
    let outcome = Market::diurnal().run(&mut Pacer::default(), Pacing::Even, 0);
    is_even(&outcome, BUDGET, 0.6);
}

#[test]
fn days_have_23_and_25_hours() {
    for hours in [23, 25] {
        let market = Market {
            hours,
            flight: (0, hours),
            ..Market::diurnal()
        };
        let outcome = market.run(&mut practised(&Market::diurnal()), Pacing::Even, 2);
        is_even(&outcome, BUDGET, 0.15);
    }
}

#[test]
fn a_multiplier_buys_more_value_than_throttling() {
    let market = Market::diurnal();
    let value = |pacing| {
        let mut pacer = Pacer::default();
        market.run(&mut pacer, pacing, 0);
        market.run(&mut pacer, pacing, 1).value
    };
    let even = value(Pacing::Even);
    assert!(even > 1.5 * value(Pacing::Throttle));
    assert!(even > 1.5 * value(Pacing::Asap));
    assert!(even > 0.99 * value(Pacing::LogDual));
    assert!(even > 0.99 * value(Pacing::Pid));
}

#[test]
fn a_fixed_price_takes_part_in_a_share_of_its_requests() {
    let market = Market {
        fixed: true,
        ..Market::diurnal()
    };
    let outcome = market.run(&mut practised(&market), Pacing::Even, 1);
    is_even(&outcome, BUDGET, 0.1);
}

#[test]
fn hours_that_are_closed_get_nothing_and_the_others_all() {
    let open = (8..20).fold(Hours::NONE, Hours::with);
    let market = Market {
        open,
        ..Market::diurnal()
    };
    let outcome = market.run(&mut practised(&market), Pacing::Even, 7);
    is_even(&outcome, BUDGET, 0.2);
    assert!(outcome.by_hour[8] > 0.0 && outcome.by_hour[7] + outcome.by_hour[20] == 0.0);
}

#[test]
fn a_flight_is_spent_between_its_ends() {
    let market = Market {
        flight: (6, 15),
        ..Market::diurnal()
    };
    let outcome = market.run(&mut practised(&Market::diurnal()), Pacing::Even, 1);
    is_even(&outcome, BUDGET, 0.2);
}

#[test]
fn a_front_loaded_day_begins_faster_and_ends_slower() {
    let market = Market::diurnal();
    let outcome = market.run(&mut practised(&market), Pacing::FrontLoaded, 1);
    assert!(outcome.spent as f64 > 0.997 * BUDGET as f64);
    let all: f64 = outcome.traffic.iter().sum();
    let pace = |hours: std::ops::Range<usize>| {
        let spent: f64 = outcome.by_hour[hours.clone()].iter().sum();
        let came: f64 = outcome.traffic[hours].iter().sum();
        spent / BUDGET as f64 / (came / all)
    };
    let (first, middle, last) = (pace(2..6), pace(11..14), pace(20..23));
    assert!((1.3..1.55).contains(&first), "began with {first}");
    assert!((0.9..1.1).contains(&middle), "went on with {middle}");
    assert!((0.4..0.7).contains(&last), "ended with {last}");
}

#[test]
fn an_edited_budget_is_followed_without_a_jolt() {
    let raised = Market {
        budget: |hour| if hour < 12.0 { BUDGET } else { BUDGET * 3 / 2 },
        ..Market::diurnal()
    };
    let outcome = raised.run(&mut practised(&Market::diurnal()), Pacing::Even, 1);
    assert!(outcome.spent as f64 > 0.997 * 1.5 * BUDGET as f64);
    for pair in outcome.answers.windows(2) {
        let ratio = f64::from(pair[1].multiplier) / f64::from(pair[0].multiplier);
        assert!((0.3..1.4).contains(&ratio), "a tick changed it by {ratio}");
    }
    // Cut under what is spent, it stops; put back, it goes on where it was.
    let cut = Market {
        budget: |hour| {
            if (12.0..13.0).contains(&hour) {
                BUDGET / 8
            } else {
                BUDGET
            }
        },
        ..Market::diurnal()
    };
    let outcome = cut.run(&mut practised(&Market::diurnal()), Pacing::Even, 1);
    assert_eq!(outcome.by_hour[12], 0.0);
    assert!((0.997..=1.0).contains(&(outcome.spent as f64 / BUDGET as f64)));
    let (before, after) = (outcome.by_hour[11], outcome.by_hour[13]);
    assert!(
        (0.8..1.5).contains(&(after / before)),
        "{after} after {before}"
    );
}

#[test]
fn an_underspent_morning_is_caught_up() {
    let late = Market {
        budget: |hour| if hour < 6.0 { 0 } else { BUDGET },
        ..Market::diurnal()
    };
    let outcome = late.run(&mut practised(&Market::diurnal()), Pacing::Even, 1);
    assert!(outcome.spent as f64 > 0.997 * BUDGET as f64);
    let hours = &outcome.by_hour[8..22];
    let pace = hours
        .iter()
        .zip(&outcome.traffic[8..22])
        .map(|(spent, came)| spent / came);
    let (low, high) = pace.fold((f64::MAX, 0.0_f64), |(low, high), pace| {
        (low.min(pace), high.max(pace))
    });
    assert!(high / low < 1.5, "from {low} to {high} a request");
}

#[test]
fn saved_state_goes_on_as_if_nothing_had_happened() {
    let market = Market::diurnal();
    let mut pacers = Pacers::default();
    let id: Arc<str> = Arc::from("cmp_1");
    for pacing in [Pacing::Even, Pacing::Pid, Pacing::LogDual, Pacing::Throttle] {
        *pacers.of(&id) = Pacer::default();
        market.run(pacers.of(&id), pacing, 0);
        let saved = serde_json::to_string(&pacers).unwrap();
        let mut restored: Pacers = serde_json::from_str(&saved).unwrap();
        let answers = |pacers: &mut Pacers| market.run(pacers.of(&id), pacing, 1).answers;
        assert_eq!(answers(&mut restored), answers(&mut pacers), "{pacing:?}");
    }
    assert!(
        serde_json::from_str::<Pacers>("{}")
            .unwrap()
            .get("cmp_1")
            .is_none()
    );
    let older: Pacers = serde_json::from_str(r#"{"cmp_1":{"at_ms":5}}"#).unwrap();
    assert!(older.get("cmp_1").is_some());
}

#[test]
fn controllers_outlive_the_catalog_and_not_their_campaign() {
    let mut pacers = Pacers::default();
    let (kept, gone): (Arc<str>, Arc<str>) = (Arc::from("a"), Arc::from("b"));
    pacers.of(&kept).multiplier = Some(0.7);
    pacers.of(&gone).multiplier = Some(0.7);
    pacers.keep(&HashSet::from(["a"]));
    assert_eq!(pacers.of(&kept).multiplier(), Some(0.7));
    assert_eq!(pacers.of(&gone).multiplier(), None);
}

#[test]
fn a_total_without_a_daily_budget_is_spread_over_the_flight() {
    let mut pacer = Pacer::default();
    let spent_of = |limit, spent| CampaignDay {
        total: Some((Micros(limit), Micros(spent))),
        ..CampaignDay::default()
    };
    let mut ask = |today: &CampaignDay, day: i64, end: i64| {
        pacer.allowance(today, (day * DAY_MS, (day + 1) * DAY_MS), end)
    };
    let ten_days = 10 * DAY_MS;
    assert_eq!(
        ask(&spent_of(1_000, 0), 0, ten_days),
        Some((Micros(100), Micros(0)))
    );
    assert_eq!(
        ask(&spent_of(1_000, 40), 0, ten_days),
        Some((Micros(100), Micros(40)))
    );
    // 40 were spent on the first day, so the nine others have 960.
    assert_eq!(
        ask(&spent_of(1_000, 40), 1, ten_days),
        Some((Micros(106), Micros(0)))
    );
    assert_eq!(ask(&spent_of(1_000, 40), 2, i64::MAX), None);
    // A daily budget stands for itself, within what is left of the total.
    let both = CampaignDay {
        budget: Some(Micros(100)),
        spent: Micros(30),
        total: Some((Micros(1_000), Micros(950))),
        flex: None,
    };
    assert_eq!(ask(&both, 1, ten_days), Some((Micros(80), Micros(30))));
    // A flexible one is due what the days before have left, within the same.
    let mut flexible = CampaignDay {
        budget: Some(Micros(200)),
        flex: Some(crate::plan::Flex {
            daily: Micros(100),
            days_before: 1,
            month: (Micros(3_040), Micros(90)),
        }),
        total: Some((Micros(1_000), Micros(500))),
        ..both
    };
    assert_eq!(ask(&flexible, 1, ten_days), Some((Micros(140), Micros(30))));
    flexible.total = Some((Micros(1_000), Micros(950)));
    assert_eq!(ask(&flexible, 1, ten_days), Some((Micros(80), Micros(30))));
    assert_eq!(ask(&CampaignDay::default(), 1, ten_days), None);
}

#[test]
fn fractions_reach_from_never_to_always() {
    assert_eq!(
        (
            threshold(0.0),
            threshold(1.0),
            threshold(2.0),
            threshold(f64::NAN)
        ),
        (0, u32::MAX, u32::MAX, 0)
    );
    assert_eq!(threshold(0.5), u32::MAX / 2);
    assert_eq!(Control::multiply(0.0), Control::STOPPED);
}

proptest! {
    #[test]
    fn a_paced_bid_is_never_above_its_value(value in 0..i64::MAX / 2, multiplier in 0.0..1.5_f64) {
        let scaled = Control::multiply(multiplier).scale(Cpm(value));
        prop_assert!(scaled.0 >= 0 && scaled.0 <= value);
        let exact = value as f64 * multiplier.min(1.0);
        // The multiplier has 32 bits.
        prop_assert!((scaled.0 as f64 - exact).abs() <= 1.0 + value as f64 * 2.5e-10);
    }

    /// Whatever the books say, the answer is a fraction and the state stays usable.
    #[test]
    fn no_history_breaks_a_pacer(
        ticks in prop::collection::vec(
            (0..4_000_000_i64, 0..2_000_000_i64, 0..2_000_000_i64, 0..1_000_000_i64, 0..5_000_u64),
            1..60,
        ),
        kind in 0..6_usize,
    ) {
        let pacing = [Pacing::Even, Pacing::FrontLoaded, Pacing::Asap, Pacing::Throttle,
            Pacing::Pid, Pacing::LogDual][kind];
        let mut pacer = Pacer::default();
        let mut now_ms = 0;
        for (passed_ms, budget, spent, reserved, requests) in ticks {
            now_ms += passed_ms;
            let buyer = Buyer {
                random: 0,
                spent,
                held: reserved,
                due: VecDeque::new(),
                requests,
                open: requests % 3 > 0,
            };
            let start_ms = now_ms / DAY_MS * DAY_MS;
            let day = Market::diurnal().day(&buyer, (now_ms, start_ms), budget);
            pacer.tick(pacing, &day);
            if let Some(multiplier) = pacer.multiplier() {
                prop_assert!((0.0..=1.0).contains(&multiplier), "{multiplier}");
            }
            if pacing == Pacing::Even && spent >= budget {
                prop_assert_eq!(pacer.multiplier(), Some(0.0));
            }
            let saved = serde_json::to_string(&pacer).unwrap();
            prop_assert!(serde_json::from_str::<Pacer>(&saved).is_ok(), "{}", saved);
        }
    }
}
