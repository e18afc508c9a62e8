//! How the price of a line item follows from the request, as plain values.

use super::Targeting;
use ledger::Cpm;

/// A factor of a price, in parts per million: 1,300,000 raises it by three tenths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Factor(pub u32);

impl Factor {
    /// Leaves a price as it is.
    pub const ONE: Factor = Factor(1_000_000);
    /// The highest that any factor may be.
    pub const MAX: Factor = Factor(100_000_000);

    /// The price times the factor, rounded half up to a micro.
    pub fn of(self, price: Cpm) -> Cpm {
        let one = i128::from(Self::ONE.0);
        let exact = i128::from(price.0) * i128::from(self.0);
        // A price of at most [`super::MAX_CPM`] times the highest factor is far from the end.
        Cpm(i64::try_from((exact + one / 2) / one).unwrap_or(i64::MAX))
    }

    /// Both factors one after the other, rounded half up to a millionth, at most
    /// [`Factor::MAX`].
    #[must_use]
    pub fn times(self, other: Factor) -> Factor {
        let one = u64::from(Self::ONE.0);
        let exact = (u64::from(self.0) * u64::from(other.0) + one / 2) / one;
        u32::try_from(exact).map_or(Self::MAX, |ppm| Factor(ppm).min(Self::MAX))
    }
}

/// A factor for some requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Modifier {
    /// Which ones: all parts must agree. Formats and sizes are those of the creative that is
    /// shown.
    pub when: Targeting,
    /// What the price is multiplied with.
    pub factor: Factor,
}

/// What a line item bids besides its most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pricing {
    /// The price before factors, per thousand in the advertiser's currency; the most that is bid
    /// where it is not given. Of a line item that bids a value it counts where nothing says what
    /// the impression is worth.
    pub base_cpm: Option<Cpm>,
    /// Below this price there is no bid; 0 for none.
    pub min_cpm: Cpm,
    /// Factors; those that match are multiplied.
    pub modifiers: Vec<Modifier>,
    /// The product is raised to this.
    pub lowest: Factor,
    /// The product is lowered to this.
    pub highest: Factor,
}

impl Pricing {
    /// Most modifiers of a line item: each is asked on every offer of it.
    pub const MOST: usize = 32;

    /// Whether every request has the same price.
    pub fn is_plain(&self) -> bool {
        self.base_cpm.is_none() && self.min_cpm == Cpm(0) && self.modifiers.is_empty()
    }
}

impl Default for Pricing {
    fn default() -> Self {
        Self {
            base_cpm: None,
            min_cpm: Cpm(0),
            modifiers: Vec::new(),
            lowest: Factor(100_000),
            highest: Factor(10_000_000),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_factor_is_exact_to_half_a_micro(price in 0_i64..1_000_000_000, ppm in 0_u32..100_000_000) {
            let product = i128::from(Factor(ppm).of(Cpm(price)).0) * 1_000_000;
            let exact = i128::from(price) * i128::from(ppm);
            prop_assert!((product - exact).abs() <= 500_000);
        }
    }

    #[test]
    fn factors_multiply_up_to_the_highest() {
        assert_eq!(
            Factor(1_500_000).times(Factor(1_200_000)),
            Factor(1_800_000)
        );
        assert_eq!(Factor(333_333).times(Factor(333_333)), Factor(111_111));
        assert_eq!(Factor::MAX.times(Factor::MAX), Factor::MAX);
        assert_eq!(Factor::ONE.of(Cpm(7)), Cpm(7));
    }
}
