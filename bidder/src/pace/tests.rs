use super::*;
use crate::draw::mix;
use std::collections::VecDeque;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
const TICK_MS: i64 = 10_000;

/// A stream of requests whose values and prices are drawn, second-price, with late charges.
struct Market {
    /// Requests in a tick by hour of the day.
    traffic: fn(f64) -> f64,
    /// Hours of the day.
    hours: i64,
    delay_ms: i64,
    seed: u64,
}

#[derive(Default)]
struct Result {
    spent: f64,
    by_hour: [f64; 25],
    traffic: [f64; 25],
    value: f64,
}

pub(super) fn uniform(state: &mut u64) -> f64 {
    *state = mix(*state);
    (*state >> 11) as f64 / (1_u64 << 53) as f64
}

pub(super) fn log_normal(state: &mut u64, median: f64, spread: f64) -> f64 {
    let (one, other) = (uniform(state).max(1e-12), uniform(state));
    let normal = (-2.0 * one.ln()).sqrt() * (std::f64::consts::TAU * other).cos();
    median * (spread * normal).exp()
}

impl Market {
    fn diurnal() -> Self {
        Self {
            traffic: |hour| 60.0 - 40.0 * (hour / 24.0 * std::f64::consts::TAU).cos(),
            hours: 24,
            delay_ms: 10_000,
            seed: 1,
        }
    }

    /// A day of a campaign that bids its values, in micros.
    fn run(&self, pacer: &mut Pacer, pacing: Pacing, budget: i64, day: i64) -> Result {
        let mut result = Result::default();
        let mut random = self.seed.wrapping_mul(977) + day as u64;
        let (start_ms, end_ms) = (day * DAY_MS, day * DAY_MS + self.hours * HOUR_MS);
        let (mut spent, mut held) = (0_i64, 0_i64);
        let mut due: VecDeque<(i64, i64)> = VecDeque::new();
        let (mut requests, mut open) = (0, true);
        for now_ms in (start_ms..end_ms).step_by(TICK_MS as usize) {
            while due.front().is_some_and(|(at_ms, _)| *at_ms <= now_ms) {
                let (_, cost) = due.pop_front().unwrap();
                spent += cost;
                held -= cost;
            }
            let hour = (now_ms - start_ms) / HOUR_MS;
            let today = Day {
                now_ms,
                start_ms,
                end_ms,
                midnight_ms: end_ms,
                hour_of_week: (hour.min(23)) as u32,
                into_hour_ms: now_ms % HOUR_MS,
                hours: Hours::ALL,
                budget: Micros(budget),
                spent: Micros(spent),
                reserved: Micros(held),
                requests,
                open,
                most: Micros(50_000),
                bids: (true, false),
            };
            let control = pacer.tick(pacing, &today);
            open = budget - spent - held >= 50_000 && control != Control::STOPPED;
            let into = (now_ms - start_ms) as f64 / HOUR_MS as f64;
            requests = (self.traffic)(into) as u64;
            for request in 0..requests {
                let value = log_normal(&mut random, 3_000.0, 0.6);
                let price = log_normal(&mut random, 2_000.0, 0.8);
                result.traffic[hour as usize] += 1.0;
                let bid = control.scale(Cpm(value as i64)).0 as f64;
                let draw = Draw(mix(now_ms as u64 ^ request << 50));
                if !takes_part(control.valued, 3, draw) || bid <= price {
                    continue;
                }
                let cost = price as i64;
                if budget - spent - held >= bid as i64 {
                    held += cost;
                    due.push_back((now_ms + self.delay_ms, cost));
                    result.by_hour[hour as usize] += cost as f64;
                    result.value += value;
                    result.spent += cost as f64;
                }
            }
        }
        result
    }
}

/// Root of the mean square of what each hour was off its share, in hourly budgets.
fn roughness(result: &Result, budget: i64) -> f64 {
    let all: f64 = result.traffic.iter().sum();
    let hours = result.by_hour.iter().zip(result.traffic);
    let squares = hours.map(|(spent, came)| (spent - budget as f64 * came / all).powi(2));
    (squares.sum::<f64>() / 24.0).sqrt() / (budget as f64 / 24.0)
}

fn is_even(result: &Result, budget: i64, rough: f64) {
    let share = result.spent / budget as f64;
    assert!((0.997..=1.0).contains(&share), "spent {share}");
    let off = roughness(result, budget);
    assert!(off < rough, "off by {off}");
}

/// A sixteenth of what could be spent on a day of [`Market::diurnal`].
const BUDGET: i64 = 60_000_000;

#[test]
fn a_day_with_history_is_spent_by_its_traffic() {
    for (seed, delay_ms) in [(1, 10_000), (2, 300_000), (3, 0)] {
        let market = Market {
            delay_ms,
            seed,
            ..Market::diurnal()
        };
        let mut pacer = Pacer::default();
        market.run(&mut pacer, Pacing::Even, BUDGET, 0);
        is_even(
            &market.run(&mut pacer, Pacing::Even, BUDGET, 1),
            BUDGET,
            0.05,
        );
    }
}

#[test]
fn a_first_day_ends_in_time_all_the_same() {
    let market = Market::diurnal();
    let result = market.run(&mut Pacer::default(), Pacing::Even, BUDGET, 0);
    is_even(&result, BUDGET, 0.6);
}

#[test]
fn days_have_23_and_25_hours() {
    for hours in [23, 25] {
        let mut pacer = Pacer::default();
        Market::diurnal().run(&mut pacer, Pacing::Even, BUDGET, 0);
        let market = Market {
            hours,
            ..Market::diurnal()
        };
        is_even(
            &market.run(&mut pacer, Pacing::Even, BUDGET, 2),
            BUDGET,
            0.1,
        );
    }
}
