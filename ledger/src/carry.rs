//! One rounding for everybody: the difference of rounded totals.
//!
//! An impression costs `round(sum after / n) − round(sum before / n)`, half to even, where the
//! sum runs over all prices of one carry key. The total depends on the set of impressions and
//! not on their order, so two books that group by the same key agree to the micro. Rounding half
//! to even commutes with even multiples of the denominator, so the sum modulo `2n` is enough.

use crate::money::{Cpm, Micros, Multiplier};
use std::collections::HashMap;
use std::convert::Infallible;
use std::hash::BuildHasher;

/// The exact sum of a carry key, modulo twice its denominator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Carry(pub i64);

/// A thousand impressions to a CPM.
const PER_MILLE: i64 = 1_000;
/// The same where an impression has a million parts.
const PER_SHOWING: i64 = 1_000_000_000;
/// Parts of a revenue share.
const PER_MILLION: i64 = 1_000_000;

/// Where carries are kept, by key.
pub trait Carries {
    /// Why they cannot be read or written.
    type Error;

    /// Moves the carry of a key on, which is new at its first use.
    ///
    /// # Errors
    /// Where it cannot be read or written.
    fn take(
        &mut self,
        key: String,
        by: impl FnOnce(&mut Carry) -> Micros,
    ) -> Result<Micros, Self::Error>;
}

impl<S: BuildHasher> Carries for HashMap<String, Carry, S> {
    type Error = Infallible;

    fn take(
        &mut self,
        key: String,
        by: impl FnOnce(&mut Carry) -> Micros,
    ) -> Result<Micros, Infallible> {
        Ok(by(self.entry(key).or_default()))
    }
}

impl Carry {
    /// What one more impression at `price` costs.
    pub fn impression(&mut self, price: Cpm) -> Micros {
        Micros(self.take(i128::from(price.0), PER_MILLE))
    }

    /// What one more event at `price` costs that counts for as many impressions.
    pub fn priced(&mut self, price: Cpm, multiplier: Multiplier) -> Micros {
        match multiplier {
            Multiplier::ONE => self.impression(price),
            several => self.showing(price, several),
        }
    }

    /// What one more showing at `price` costs that counts for several impressions, exactly as many
    /// as were told. Its remainder is finer than that of an impression: the two are carried apart.
    pub fn showing(&mut self, price: Cpm, multiplier: Multiplier) -> Micros {
        let exact = i128::from(price.0) * i128::from(multiplier.millionths());
        Micros(self.take(exact, PER_SHOWING))
    }

    /// The part of `amount` that belongs to a share of `share_ppm` millionths. The same amount
    /// below zero takes it back.
    pub fn share(&mut self, amount: Micros, share_ppm: i64) -> Micros {
        Micros(self.take(i128::from(amount.0) * i128::from(share_ppm), PER_MILLION))
    }

    fn take(&mut self, exact: i128, denominator: i64) -> i64 {
        let wide = i128::from(denominator);
        let before = i128::from(self.0);
        let after = before + exact;
        let cost = round_half_even(after, wide) - round_half_even(before, wide);
        self.0 = after.rem_euclid(2 * wide) as i64;
        i64::try_from(cost).expect("prices are bounded where they enter")
    }
}

/// `numerator / denominator`, half to even.
pub(crate) fn round_half_even(numerator: i128, denominator: i128) -> i128 {
    let (quotient, rest) = (
        numerator.div_euclid(denominator),
        numerator.rem_euclid(denominator),
    );
    match (2 * rest).cmp(&denominator) {
        std::cmp::Ordering::Less => quotient,
        std::cmp::Ordering::Greater => quotient + 1,
        std::cmp::Ordering::Equal => quotient + quotient.rem_euclid(2),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn n_impressions_cost_what_their_sum_says(
            prices in prop::collection::vec(0i64..50_000_000, 1..200),
        ) {
            let mut carry = Carry::default();
            let total: i64 = prices.iter().map(|price| carry.impression(Cpm(*price)).0).sum();
            let exact: i128 = prices.iter().map(|price| i128::from(*price)).sum();
            prop_assert!((i128::from(total) * 1000 - exact).abs() <= 500);
            let mut backwards = Carry::default();
            let again: i64 =
                prices.iter().rev().map(|price| backwards.impression(Cpm(*price)).0).sum();
            prop_assert_eq!(total, again);
            prop_assert_eq!(carry, backwards);
        }

        #[test]
        fn showings_cost_what_their_sum_says(
            told in prop::collection::vec((0i64..50_000_000, 1i64..=10_000_000_000), 1..100),
        ) {
            let mut carry = Carry::default();
            let mut total = 0;
            let mut exact = 0i128;
            for (price, millionths) in told {
                let multiplier = Multiplier::new(millionths).unwrap();
                let cost = carry.showing(Cpm(price), multiplier);
                prop_assert!(cost >= Micros(0) && cost <= Cpm(price).most_for(multiplier));
                total += cost.0;
                exact += i128::from(price) * i128::from(millionths);
            }
            prop_assert!((i128::from(total) * 1_000_000_000 - exact).abs() <= 500_000_000);
        }

        #[test]
        fn a_whole_multiplier_costs_as_much_as_that_many_impressions(
            price in 0i64..50_000_000, n in 1i64..500,
        ) {
            let mut one_by_one = Carry::default();
            let apart: i64 = (0..n).map(|_| one_by_one.impression(Cpm(price)).0).sum();
            let at_once = Carry::default().showing(Cpm(price), Multiplier::new(n * 1_000_000).unwrap());
            prop_assert_eq!(at_once, Micros(apart));
        }

        #[test]
        fn a_share_is_never_more_than_a_micro_off(
            amounts in prop::collection::vec(0i64..10_000, 1..200), ppm in 0i64..=1_000_000,
        ) {
            let mut carry = Carry::default();
            let total: i64 = amounts.iter().map(|a| carry.share(Micros(*a), ppm).0).sum();
            let exact: i64 = amounts.iter().map(|amount| amount * ppm).sum();
            prop_assert!((total * 1_000_000 - exact).abs() <= 500_000);
        }

        #[test]
        fn what_was_taken_back_was_never_there(
            first in 0i64..10_000, amount in 0i64..10_000, ppm in 0i64..=1_000_000,
        ) {
            let mut carry = Carry::default();
            carry.share(Micros(first), ppm);
            let (before, taken) = (carry, carry.share(Micros(amount), ppm));
            prop_assert_eq!(carry.share(Micros(-amount), ppm), Micros(-taken.0));
            prop_assert_eq!(carry, before);
        }

        #[test]
        fn one_impression_never_costs_more_than_was_reserved(
            prices in prop::collection::vec(0i64..50_000_000, 1..100),
        ) {
            let mut carry = Carry::default();
            for price in prices {
                let cost = carry.impression(Cpm(price));
                prop_assert!(cost >= Micros(0) && cost <= Cpm(price).most_per_impression());
            }
        }
    }

    #[test]
    fn halves_go_to_the_even_neighbour() {
        for (numerator, expected) in [(500, 0), (1500, 2), (2500, 2), (-500, 0), (-1500, -2)] {
            assert_eq!(round_half_even(numerator, 1000), expected, "{numerator}");
        }
    }
}
