//! CPM prices as decimal text and as integer micros, without a float between.

const PLACES: usize = 6;
const MICROS: i64 = 1_000_000;

/// Writes micros as a decimal number: 2,500,000 is `2.5`.
pub(super) fn decimal(micros: i64) -> String {
    let sign = if micros < 0 { "-" } else { "" };
    let (units, rest) = (
        micros.unsigned_abs() / 1_000_000,
        micros.unsigned_abs() % 1_000_000,
    );
    let text = format!("{sign}{units}.{rest:06}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Reads a decimal number of at most six places as micros; `None` for anything else.
pub(super) fn micros(text: &str) -> Option<i64> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text),
    };
    let (units, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if units.is_empty() || fraction.len() > PLACES || !all_digits(units) || !all_digits(fraction) {
        return None;
    }
    let units: i64 = units.parse().ok()?;
    let fraction: i64 = format!("{fraction:0<PLACES$}").parse().ok()?;
    units
        .checked_mul(MICROS)?
        .checked_add(fraction)?
        .checked_mul(sign)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_micros_agree() {
        for (text, value) in [
            ("2.5", 2_500_000),
            ("0", 0),
            ("0.000001", 1),
            ("-1", -1_000_000),
            ("17", 17_000_000),
        ] {
            assert_eq!((decimal(value).as_str(), micros(text)), (text, Some(value)));
        }
        assert_eq!(micros("1.500000"), Some(1_500_000));
    }

    #[test]
    fn what_is_no_exact_price_is_none() {
        for text in [
            "",
            ".5",
            "1e3",
            "NaN",
            "${AUCTION_PRICE}",
            "1.2345678",
            "+1",
            "1 ",
            "1.-2",
        ] {
            assert_eq!(micros(text), None, "{text}");
        }
        assert_eq!(micros("99999999999999999999"), None);
        assert_eq!(micros("9223372036855"), None);
    }
}
