//! Prices between the wire, where they are floats, and the auction, where they are micros.

use ledger::{Cpm, Currency};

/// The currency of prices that name none (sections 3.2.4, 3.2.12 and 4.2.1).
pub(crate) const USD: Currency = Currency(*b"USD");

/// No price beyond this many units per thousand is believed anywhere.
const ABSURD: f64 = 1_000_000.0;

/// The price of a float by its shortest decimal form, rounded half to even; `None` where it is
/// negative, not finite or absurd.
pub(crate) fn from_wire(price: f64) -> Option<Cpm> {
    if (0.0..=ABSURD).contains(&price) {
        openrtb::decimal::from_f64(price).map(Cpm)
    } else {
        None
    }
}

/// The float of a price, exact to the micro in its shortest decimal form.
pub(crate) fn to_wire(price: Cpm) -> f64 {
    price.0 as f64 / 1_000_000.0
}

/// The price at four decimals, half to even, as the floor schema signals it.
pub(crate) fn four_decimals(price: Cpm) -> Cpm {
    let (whole, rest) = (price.0.div_euclid(100), price.0.rem_euclid(100));
    let up = rest > 50 || (rest == 50 && whole % 2 == 1);
    Cpm((whole + i64::from(up)) * 100)
}

/// The price at four decimals, never lower.
pub(crate) fn four_decimals_up(price: Cpm) -> Cpm {
    let whole = price.0.div_euclid(100) + i64::from(price.0.rem_euclid(100) != 0);
    Cpm(whole.saturating_mul(100))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_become_micros_once() {
        assert_eq!(from_wire(0.285), Some(Cpm(285_000)));
        assert_eq!(from_wire(1.000_000_5), Some(Cpm(1_000_000)));
        assert_eq!(from_wire(0.007_812_5), Some(Cpm(7_812)));
        assert_eq!(from_wire(0.023_437_5), Some(Cpm(23_438)));
        assert_eq!(from_wire(0.0), Some(Cpm(0)));
        for odd in [f64::NAN, f64::INFINITY, -0.01, 1e308, 1_000_000.1] {
            assert_eq!(from_wire(odd), None);
        }
    }

    #[test]
    fn micros_survive_the_wire() {
        for micros in [0, 1, 285_000, 999_999, 1_234_567, 999_999_999_999] {
            let price = Cpm(micros);
            assert_eq!(from_wire(to_wire(price)), Some(price));
        }
    }

    #[test]
    fn four_decimals_round_half_to_even() {
        let round = |micros| four_decimals(Cpm(micros)).0;
        assert_eq!(
            [149, 150, 151, 250, 350, 100].map(round),
            [100, 200, 200, 200, 400, 100]
        );
    }

    #[test]
    fn four_decimals_up_never_lower() {
        let round = |micros| four_decimals_up(Cpm(micros)).0;
        assert_eq!([0, 1, 100, 101, 199].map(round), [0, 100, 100, 200, 200]);
    }
}
