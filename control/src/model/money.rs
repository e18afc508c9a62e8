//! Amounts in documents: decimal strings in the account's currency. A JSON number is taken where
//! its shortest decimal form is exact in micros. Inside they are integers.

use super::{Model, refuse, shown};
use crate::fault::Fault;
use ledger::money::MICROS;
use ledger::{Cpm, Micros};
use serde_json::{Value, json};

/// The highest price that a document may hold, in units per thousand: beyond it, somebody
/// mistook micros or cents for units. The bidder refuses the same.
pub(super) const MOST_CPM: i64 = bidder::catalog::MAX_CPM.0 / MICROS;

/// The largest budget that a document may hold, in units.
pub(super) const MOST_AMOUNT: i64 = 100_000_000_000;

/// The most that a conversion is worth, in units.
const MOST_WORTH: i64 = ledger::conversion::MAX_VALUE.0 / MICROS;

/// A budget: more than zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Amount(pub Micros);

/// The most that is bid per thousand impressions: more than zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MaxCpm(pub Cpm);

/// A floor per thousand impressions: zero or more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Floor(pub Cpm);

/// What a conversion is worth to its advertiser: zero or more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Worth(pub Micros);

/// A part of a whole, in parts per million: `"0.85"` is 850,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share(pub u32);

/// A factor of a price, in parts per million: more than zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Factor(pub u32);

/// Reads a decimal into micros from `low` to `high` units; `low` itself is allowed where
/// `inclusive`.
fn decimal(
    value: &Value,
    at: &str,
    faults: &mut Vec<Fault>,
    inclusive: bool,
    high: i64,
) -> Option<i64> {
    let micros = match serde_json::from_value::<Micros>(value.clone()) {
        Ok(micros) => micros.0,
        Err(error) => return refuse(faults, at, format!("{error}, found {}", shown(value))),
    };
    let low = if inclusive {
        "0 or more"
    } else {
        "more than 0"
    };
    if micros < 0 || (micros == 0 && !inclusive) || micros > high.saturating_mul(MICROS) {
        let detail = format!("expected {low} and at most {high}, found {}", shown(value));
        return refuse(faults, at, detail);
    }
    Some(micros)
}

fn schema(example: &str) -> Value {
    let pattern = r"^\d+(\.\d{1,6}0*)?$";
    json!({ "type": ["string", "number"], "pattern": pattern, "examples": [example] })
}

macro_rules! decimal {
    ($name:ident($inner:ident), $inclusive:literal, $high:expr, $example:literal) => {
        impl Model for $name {
            fn read(value: &Value, at: &str, faults: &mut Vec<Fault>) -> Option<Self> {
                decimal(value, at, faults, $inclusive, $high).map(|micros| Self($inner(micros)))
            }

            fn write(&self) -> Value {
                self.0.to_string().into()
            }

            fn schema() -> Value {
                schema($example)
            }
        }
    };
}

decimal!(Amount(Micros), false, MOST_AMOUNT, "100.00");
decimal!(MaxCpm(Cpm), false, MOST_CPM, "2.50");
decimal!(Worth(Micros), true, MOST_WORTH, "12.50");
decimal!(Floor(Cpm), true, MOST_CPM, "0.40");

impl Model for Share {
    fn read(value: &Value, at: &str, faults: &mut Vec<Fault>) -> Option<Self> {
        decimal(value, at, faults, true, 1).map(|micros| Self(micros as u32))
    }

    fn write(&self) -> Value {
        Micros(i64::from(self.0)).to_string().into()
    }

    fn schema() -> Value {
        schema("0.85")
    }
}

impl Model for Factor {
    fn read(value: &Value, at: &str, faults: &mut Vec<Fault>) -> Option<Self> {
        let most = i64::from(bidder::catalog::Factor::MAX.0) / MICROS;
        decimal(value, at, faults, false, most).map(|micros| Self(micros as u32))
    }

    fn write(&self) -> Value {
        Micros(i64::from(self.0)).to_string().into()
    }

    fn schema() -> Value {
        schema("1.30")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T: Model>(value: &Value) -> Result<Value, String> {
        let mut faults = Vec::new();
        let read = T::read(value, "/x", &mut faults);
        read.map(|read| read.write())
            .ok_or_else(|| faults.remove(0).to_string())
    }

    #[test]
    fn money_is_a_decimal_exact_in_micros() {
        for (given, kept) in [
            (json!("2.5"), "2.50"),
            (json!(2.5), "2.50"),
            (json!(3), "3.00"),
            (json!("0.000001"), "0.000001"),
            (json!(0.1), "0.10"),
            (json!("1000"), "1000.00"),
        ] {
            assert_eq!(read::<MaxCpm>(&given).unwrap(), json!(kept), "{given}");
        }
        for wrong in [
            json!(0),
            json!("-1"),
            json!(-2.5),
            json!("1000.000001"),
            json!("0.0000001"),
            json!(1e-7),
            json!(1e300),
            json!("NaN"),
            json!("1,50"),
            json!(" 1"),
            json!(""),
            json!(true),
            json!([1]),
            json!({}),
        ] {
            let fault = read::<MaxCpm>(&wrong).unwrap_err();
            assert!(
                fault.starts_with("/x: ") && fault.contains("found"),
                "{wrong}: {fault}"
            );
        }
        assert_eq!(read::<Floor>(&json!(0)).unwrap(), json!("0.00"));
    }

    #[test]
    fn a_share_lies_between_nothing_and_all() {
        assert_eq!(read::<Share>(&json!("0.85")).unwrap(), json!("0.85"));
        assert_eq!(read::<Share>(&json!(1)).unwrap(), json!("1.00"));
        for wrong in [json!("1.000001"), json!("-0.1"), json!("85%"), json!(85)] {
            assert!(read::<Share>(&wrong).is_err(), "{wrong}");
        }
    }
}
