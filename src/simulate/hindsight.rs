//! What could have been bought: the fractional knapsack of hindsight, in bounded memory.
//!
//! Impressions are kept as sums of price and value by the ratio of the two, in two thousand
//! classes of 0.4 % each, which is far finer than any figure that is made of it.

use ledger::Cpm;

const CLASSES: usize = 2_048;
/// The logarithm of the ratio at which the last class begins.
const SPAN: f64 = 8.0;

/// Everything that could have been bought for at most its value.
#[derive(Clone, Debug)]
pub struct Hindsight {
    /// Price and value in micros of single impressions, by ratio of value to price, the dearest
    /// first.
    classes: Vec<(f64, f64)>,
}

impl Default for Hindsight {
    fn default() -> Self {
        Self {
            classes: vec![(0.0, 0.0); CLASSES],
        }
    }
}

impl Hindsight {
    /// An impression that is worth `value` and could have been bought at `price`.
    pub fn add(&mut self, value: Cpm, price: Cpm) {
        if value < price || value.0 == 0 {
            return;
        }
        let (value, price) = (value.0 as f64 / 1e3, price.0 as f64 / 1e3);
        let ratio = if price > 0.0 {
            (value / price).ln()
        } else {
            SPAN
        };
        let at = (ratio / SPAN * CLASSES as f64) as usize;
        let class = &mut self.classes[at.min(CLASSES - 1)];
        class.0 += price;
        class.1 += value;
    }

    /// What all of it costs, in micros: the most that could have been spent.
    pub fn cost(&self) -> f64 {
        self.classes.iter().map(|class| class.0).sum()
    }

    /// The most value that `budget` micros could have bought, the last impression in part.
    pub fn best(&self, budget: f64) -> f64 {
        let (mut left, mut value) = (budget, 0.0);
        for (price, worth) in self.classes.iter().rev() {
            if *price <= left {
                left -= price;
                value += worth;
            } else {
                return value + worth * left / price;
            }
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::chance::Chance;

    #[test]
    fn it_is_the_knapsack_of_a_sorted_list() {
        let mut chance = Chance::new(3, 0);
        let mut offers = Vec::new();
        let mut hindsight = Hindsight::default();
        for _ in 0..20_000 {
            let value = (2e6 * (0.6 * chance.normal()).exp()) as i64;
            let price = (2e6 * (0.8 * chance.normal()).exp()) as i64;
            hindsight.add(Cpm(value), Cpm(price));
            if value >= price {
                offers.push((value as f64 / 1e3, price as f64 / 1e3));
            }
        }
        offers.sort_by(|one, other| (other.0 / other.1).total_cmp(&(one.0 / one.1)));
        let all: f64 = offers.iter().map(|offer| offer.1).sum();
        assert!((hindsight.cost() / all - 1.0).abs() < 1e-9);
        for budget in [all / 64.0, all / 4.0, all * 2.0] {
            let (mut left, mut exact) = (budget, 0.0);
            for (value, price) in &offers {
                let part = (left / price).clamp(0.0, 1.0);
                exact += part * value;
                left -= part * price;
            }
            let off = hindsight.best(budget) / exact - 1.0;
            assert!(off.abs() < 2e-4, "off by {off}");
        }
    }

    #[test]
    fn what_is_not_worth_its_price_is_left() {
        let mut hindsight = Hindsight::default();
        hindsight.add(Cpm(1_000), Cpm(2_000));
        hindsight.add(Cpm(0), Cpm(0));
        assert_eq!((hindsight.cost(), hindsight.best(1e9)), (0.0, 0.0));
        hindsight.add(Cpm(5_000), Cpm(0));
        assert_eq!(hindsight.best(0.0), 5.0);
    }
}
