//! Exact conversions between micros and decimal text (prices of sections 3.2.4 and 4.2.3).
//!
//! JSON carries prices as floats and macros carry them as text; inside, a price is an integer
//! of millionths. These three functions are the only crossings, each rounds at most once, half
//! to even.

use std::fmt::Write as _;

/// Micros of one unit of a currency.
pub const MICROS: i64 = 1_000_000;

/// Appends `micros` as decimal text with two decimals, or as many more as the value needs.
pub fn write(micros: i64, out: &mut String) {
    let magnitude = micros.unsigned_abs();
    let (whole, mut fraction) = (magnitude / 1_000_000, magnitude % 1_000_000);
    let mut places = 6;
    while places > 2 && fraction.is_multiple_of(10) {
        fraction /= 10;
        places -= 1;
    }
    let sign = if micros < 0 { "-" } else { "" };
    write!(out, "{sign}{whole}.{fraction:0places$}").expect("writing to a string cannot fail");
}

/// The micros of a decimal text such as `2.5`, `-0.000001` or `1.25e-3`; digits beyond the
/// sixth decimal are rounded half to even.
///
/// `None` where the text is not a decimal number or the amount exceeds 64 bits of micros.
pub fn parse(text: &str) -> Option<i64> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (negative, digits) = match mantissa.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, mantissa),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all = || whole.bytes().chain(fraction.bytes());
    if whole.is_empty() || digits.ends_with('.') || !all().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // How many of the digits stand before the decimal point of the micros.
    let kept = i64::try_from(whole.len()).ok()? + i64::from(exponent) + 6;
    let mut micros: i128 = 0;
    let mut rest = Rest::Nothing;
    let mut seen = 0;
    for byte in all() {
        let digit = byte - b'0';
        if seen < kept {
            micros = micros.checked_mul(10)?.checked_add(i128::from(digit))?;
        } else {
            rest = rest.then(digit, seen == kept);
        }
        seen += 1;
    }
    while seen < kept && micros != 0 {
        micros = micros.checked_mul(10)?;
        seen += 1;
    }
    let up = match rest {
        Rest::Nothing | Rest::BelowHalf => false,
        Rest::Half => micros % 2 == 1,
        Rest::AboveHalf => true,
    };
    micros += i128::from(up);
    i64::try_from(if negative { -micros } else { micros }).ok()
}

/// The micros of a wire price, by its shortest decimal form: `0.1` is 100,000 exactly.
///
/// `None` where the price is not finite or exceeds 64 bits of micros.
pub fn from_f64(price: f64) -> Option<i64> {
    if !price.is_finite() {
        return None;
    }
    parse(ryu::Buffer::new().format_finite(price))
}

/// What the digits behind the last kept one amount to.
#[derive(Clone, Copy)]
enum Rest {
    Nothing,
    BelowHalf,
    Half,
    AboveHalf,
}

impl Rest {
    fn then(self, digit: u8, first: bool) -> Self {
        match (self, digit) {
            (Self::Nothing, 0) => Self::Nothing,
            (Self::Nothing, 5) if first => Self::Half,
            (Self::Nothing, 6..) if first => Self::AboveHalf,
            (Self::Half, 1..) => Self::AboveHalf,
            (Self::Nothing, _) => Self::BelowHalf,
            (decided, _) => decided,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(micros: i64) -> String {
        let mut out = String::new();
        write(micros, &mut out);
        out
    }

    #[test]
    fn micros_are_written_with_two_decimals_or_what_they_need() {
        for (micros, expected) in [
            (0, "0.00"),
            (2_500_000, "2.50"),
            (1, "0.000001"),
            (-1_234_000, "-1.234"),
            (100_000_000, "100.00"),
            (i64::MAX, "9223372036854.775807"),
            (i64::MIN, "-9223372036854.775808"),
        ] {
            assert_eq!(text(micros), expected);
        }
    }

    #[test]
    fn digits_beyond_micros_are_rounded_half_to_even() {
        for (decimal, expected) in [
            ("0.0000005", 0),
            ("0.0000015", 2),
            ("0.00000050001", 1),
            ("0.00000149", 1),
            ("0.0000004999999999", 0),
            ("-0.0000015", -2),
            ("-0.0000025", -2),
            ("1.25e-3", 1_250),
            ("5e-7", 0),
            ("15e-7", 2),
            ("51e-8", 1),
            ("9e-99", 0),
            ("2E3", 2_000_000_000),
            ("0e999999999", 0),
            ("007.50", 7_500_000),
        ] {
            assert_eq!(parse(decimal), Some(expected), "{decimal}");
        }
    }

    #[test]
    fn what_is_not_an_amount_is_refused() {
        for bad in [
            "",
            "-",
            ".5",
            "5.",
            "1,5",
            "+1",
            " 1",
            "NaN",
            "inf",
            "1e",
            "1e400",
            "0x10",
            "--1",
            "9223372036854.775808",
            "1e9999999999",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300, 1e13] {
            assert_eq!(from_f64(bad), None, "{bad}");
        }
    }

    #[test]
    fn floats_are_read_by_their_shortest_decimal() {
        assert_eq!(from_f64(0.1 + 0.2), Some(300_000));
        assert_eq!(from_f64(2.675), Some(2_675_000));
        assert_eq!(from_f64(-0.0), Some(0));
        assert_eq!(from_f64(5e-324), Some(0));
    }

    proptest! {
        #[test]
        fn text_gives_back_the_micros(micros: i64) {
            prop_assert_eq!(parse(&text(micros)), Some(micros));
        }

        /// Against long arithmetic on the digits.
        #[test]
        fn rounding_agrees_with_integers(units in 0_i64..1_000_000_000_000_000) {
            // Nine decimals: the last three are to be rounded away.
            let decimal = format!("{}.{:09}", units / 1_000_000_000, units % 1_000_000_000);
            let (whole, rest) = (units / 1000, units % 1000);
            let up = rest > 500 || rest == 500 && whole % 2 == 1;
            prop_assert_eq!(parse(&decimal), Some(whole + i64::from(up)));
        }

        #[test]
        fn a_price_in_micros_survives_the_wire(micros in 0_i64..1_000_000_000_000) {
            let price = micros as f64 / 1e6;
            prop_assert_eq!(from_f64(price), Some(micros));
        }
    }
}
