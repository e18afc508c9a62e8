//! Amounts, prices and currencies. Never a float.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::str::FromStr;

/// Micros of one unit of a currency.
pub const MICROS: i64 = 1_000_000;

/// Micros per thousand, times millionths of an impression, in a micro of cost.
const PER_SHOWING: i128 = 1_000_000_000;

/// An amount: millionths of a currency's unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Micros(pub i64);

/// A price per thousand impressions, in millionths of a currency's unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Cpm(pub i64);

impl Cpm {
    /// The most that one impression at this price can cost, whatever the carried remainder.
    pub fn most_per_impression(self) -> Micros {
        Micros(self.0.div_ceil_1000() + 1)
    }

    /// The most that one showing at this price can cost, whatever the carried remainder; the
    /// most there is where no account could hold it.
    pub fn most_for(self, multiplier: Multiplier) -> Micros {
        if multiplier == Multiplier::ONE {
            return self.most_per_impression();
        }
        let exact = i128::from(self.0) * i128::from(multiplier.0);
        let cost = exact.div_euclid(PER_SHOWING) + 2;
        Micros(i64::try_from(cost).unwrap_or(i64::MAX))
    }
}

/// How many impressions one showing counts for, in millionths: one, but for screens that several
/// people look at (out-of-home).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Multiplier(i64);

impl Multiplier {
    /// One showing is one impression.
    pub const ONE: Multiplier = Multiplier(MICROS);
    /// The most that is taken: ten thousand people before one screen.
    pub const MOST: Multiplier = Multiplier(10_000 * MICROS);

    /// A number of impressions in millionths; `None` where it is not above 0 and up to
    /// [`MOST`](Self::MOST).
    pub fn new(millionths: i64) -> Option<Self> {
        (1..=Self::MOST.0)
            .contains(&millionths)
            .then_some(Self(millionths))
    }

    /// The impressions in millionths.
    pub fn millionths(self) -> i64 {
        self.0
    }

    /// The impressions as they are counted: whole ones, half to even, and at least one.
    pub fn impressions(self) -> u64 {
        let (whole, rest) = (self.0 / MICROS, self.0 % MICROS);
        let up = rest > MICROS / 2 || (rest == MICROS / 2 && whole % 2 == 1);
        (whole + i64::from(up)).max(1).unsigned_abs()
    }
}

impl Default for Multiplier {
    fn default() -> Self {
        Self::ONE
    }
}

impl FromStr for Multiplier {
    type Err = NoMultiplier;

    /// A decimal with at most six places.
    fn from_str(text: &str) -> Result<Self, NoMultiplier> {
        let millionths = parse_micros(text).map_err(|_| NoMultiplier)?;
        Self::new(millionths).ok_or(NoMultiplier)
    }
}

/// A text that is no multiplier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a decimal above 0 and up to 10000 with at most six places")]
pub struct NoMultiplier;

trait DivCeil1000 {
    fn div_ceil_1000(self) -> i64;
}

impl DivCeil1000 for i64 {
    fn div_ceil_1000(self) -> i64 {
        self.div_euclid(1000) + i64::from(self.rem_euclid(1000) != 0)
    }
}

/// Why a text is not an amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Not decimal digits with at most one point.
    #[error("expected a decimal amount such as 2.50")]
    NotDecimal,
    /// Finer than a micro.
    #[error("expected at most six decimals")]
    TooFine,
    /// Beyond what 64 bits of micros hold.
    #[error("the amount is too large")]
    TooLarge,
}

fn parse_micros(text: &str) -> Result<i64, MoneyError> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) || digits.ends_with('.') {
        return Err(MoneyError::NotDecimal);
    }
    let fine = fraction.trim_end_matches('0');
    if fine.len() > 6 {
        return Err(MoneyError::TooFine);
    }
    let whole: i64 = whole.parse().map_err(|_| MoneyError::TooLarge)?;
    let fraction: i64 = format!("{fine:0<6}")
        .parse()
        .map_err(|_| MoneyError::NotDecimal)?;
    let micros = whole
        .checked_mul(MICROS)
        .and_then(|micros| micros.checked_add(fraction));
    let micros = micros.ok_or(MoneyError::TooLarge)?;
    Ok(if negative { -micros } else { micros })
}

/// Writes micros as a decimal with at least two places and no more than needed.
fn format_micros(micros: i64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let sign = if micros < 0 { "-" } else { "" };
    let (whole, fraction) = (
        micros.unsigned_abs() / 1_000_000,
        micros.unsigned_abs() % 1_000_000,
    );
    let digits = format!("{fraction:06}");
    let kept = digits.trim_end_matches('0').len().max(2);
    write!(f, "{sign}{whole}.{}", &digits[..kept])
}

struct DecimalVisitor;

impl de::Visitor<'_> for DecimalVisitor {
    type Value = i64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a decimal amount such as \"2.50\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<i64, E> {
        parse_micros(text).map_err(E::custom)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<i64, E> {
        number
            .checked_mul(MICROS)
            .ok_or_else(|| E::custom(MoneyError::TooLarge))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<i64, E> {
        let number = i64::try_from(number).map_err(|_| E::custom(MoneyError::TooLarge))?;
        self.visit_i64(number)
    }

    /// A JSON number is taken where its shortest decimal form is exact in micros.
    fn visit_f64<E: de::Error>(self, number: f64) -> Result<i64, E> {
        parse_micros(&number.to_string()).map_err(E::custom)
    }
}

macro_rules! decimal {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                format_micros(self.0, f)
            }
        }

        impl FromStr for $name {
            type Err = MoneyError;

            fn from_str(text: &str) -> Result<Self, MoneyError> {
                parse_micros(text).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(DecimalVisitor).map(Self)
            }
        }
    };
}

decimal!(Micros);
decimal!(Cpm);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_amount_reads_back_as_it_was_written(micros in -i64::MAX..=i64::MAX) {
            let text = Micros(micros).to_string();
            prop_assert_eq!(text.parse(), Ok(Micros(micros)));
            let (_, fraction) = text.split_once('.').unwrap();
            prop_assert!((2..=6).contains(&fraction.len()), "{}", text);
            let json = serde_json::to_string(&Cpm(micros)).unwrap();
            prop_assert_eq!(json, format!("\"{text}\""));
        }

        #[test]
        fn a_json_number_is_taken_where_it_is_exact(micros in -1_000_000_000i64..1_000_000_000) {
            let text = Micros(micros).to_string();
            let number: Micros = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(number, Micros(micros));
        }

        #[test]
        fn no_text_is_too_strange(text in "\\PC{0,24}") {
            if let Ok(amount) = text.parse::<Micros>() {
                prop_assert!(text.bytes().all(|b| b.is_ascii_digit() || b == b'.' || b == b'-'));
                prop_assert_eq!(amount.to_string().parse(), Ok(amount));
            }
        }
    }

    #[test]
    fn amounts_have_two_places_and_no_more_than_needed() {
        for (micros, text) in [
            (2_500_000, "2.50"),
            (0, "0.00"),
            (-1, "-0.000001"),
            (i64::MAX, "9223372036854.775807"),
            (i64::MIN, "-9223372036854.775808"),
        ] {
            assert_eq!(Micros(micros).to_string(), text);
        }
    }

    #[test]
    fn a_multiplier_is_counted_in_whole_impressions() {
        for (text, impressions) in [
            ("1", 1),
            ("0.000001", 1),
            ("12.5", 12),
            ("13.5", 14),
            ("13.500001", 14),
            ("10000", 10_000),
        ] {
            let multiplier: Multiplier = text.parse().unwrap();
            assert_eq!(multiplier.impressions(), impressions, "{text}");
        }
        for text in ["0", "-1", "10000.000001", "1e3", "", "1.0000001", "NaN"] {
            assert_eq!(text.parse::<Multiplier>(), Err(NoMultiplier), "{text}");
        }
    }

    #[test]
    fn what_is_no_amount_says_why() {
        for (text, why) in [
            ("", MoneyError::NotDecimal),
            ("-", MoneyError::NotDecimal),
            (".5", MoneyError::NotDecimal),
            ("5.", MoneyError::NotDecimal),
            ("+5", MoneyError::NotDecimal),
            ("1e3", MoneyError::NotDecimal),
            ("1.2.3", MoneyError::NotDecimal),
            ("--1", MoneyError::NotDecimal),
            ("0.0000001", MoneyError::TooFine),
            ("9223372036854.775808", MoneyError::TooLarge),
            ("99999999999999999999", MoneyError::TooLarge),
        ] {
            assert_eq!(text.parse::<Micros>(), Err(why), "{text:?}");
        }
        assert_eq!(
            "1.500000000".parse(),
            Ok(Micros(1_500_000)),
            "zeros are not finer"
        );
        for json in [
            "0.0000001",
            "1e300",
            "true",
            "null",
            "[]",
            "18446744073709551615",
        ] {
            assert!(serde_json::from_str::<Micros>(json).is_err(), "{json}");
        }
        assert_eq!(
            serde_json::from_str::<Micros>("3").unwrap(),
            Micros(3_000_000)
        );
    }
}
