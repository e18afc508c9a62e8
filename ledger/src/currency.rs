//! Currencies and the rates between them.

use crate::carry::round_half_even;
use crate::money::{Cpm, Micros};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A currency by its ISO 4217 code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency(pub [u8; 3]);

impl Currency {
    /// The three capital letters.
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.0).expect("a currency is made of capital letters")
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// Why a text is not a currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected three capital letters such as EUR")]
pub struct NotACurrency;

impl FromStr for Currency {
    type Err = NotACurrency;

    fn from_str(text: &str) -> Result<Self, NotACurrency> {
        let code: [u8; 3] = text.as_bytes().try_into().map_err(|_| NotACurrency)?;
        if code.iter().all(u8::is_ascii_uppercase) {
            Ok(Self(code))
        } else {
            Err(NotACurrency)
        }
    }
}

impl TryFrom<String> for Currency {
    type Error = NotACurrency;

    fn try_from(text: String) -> Result<Self, NotACurrency> {
        text.parse()
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.code().to_owned()
    }
}

/// How much of each currency one unit of the base buys, on one day.
#[derive(Clone, Debug)]
pub struct RateTable {
    base: Currency,
    /// Micros of the currency for one unit of the base.
    rates: Vec<(Currency, i64)>,
    date: String,
}

impl RateTable {
    /// A table over rates in micros of the currency for one unit of `base`; `date` is for the
    /// record. Rates of zero or less are left out: nothing can be converted with them.
    pub fn new(base: Currency, rates: &[(Currency, Micros)], date: &str) -> Self {
        let usable = rates.iter().filter(|(_, rate)| rate.0 > 0);
        let rates = usable.map(|(currency, rate)| (*currency, rate.0)).collect();
        Self {
            base,
            rates,
            date: date.to_owned(),
        }
    }

    /// The day of the rates.
    pub fn date(&self) -> &str {
        &self.date
    }

    fn rate(&self, currency: Currency) -> Option<i64> {
        if currency == self.base {
            return Some(crate::money::MICROS);
        }
        self.rates
            .iter()
            .find(|(known, _)| *known == currency)
            .map(|(_, rate)| *rate)
    }

    fn convert_micros(&self, micros: i64, from: Currency, to: Currency) -> Option<i64> {
        if from == to {
            return Some(micros);
        }
        let (from, to) = (self.rate(from)?, self.rate(to)?);
        let exact = i128::from(micros) * i128::from(to);
        i64::try_from(round_half_even(exact, i128::from(from))).ok()
    }

    /// A price in another currency, half to even; `None` without a rate.
    pub fn convert(&self, price: Cpm, from: Currency, to: Currency) -> Option<Cpm> {
        self.convert_micros(price.0, from, to).map(Cpm)
    }

    /// An amount in another currency, half to even; `None` without a rate.
    pub fn convert_amount(&self, amount: Micros, from: Currency, to: Currency) -> Option<Micros> {
        self.convert_micros(amount.0, from, to).map(Micros)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_converted_over_the_base() {
        let currency = |code: &str| code.parse::<Currency>().unwrap();
        let (eur, usd, gbp) = (currency("EUR"), currency("USD"), currency("GBP"));
        let rates = [(usd, Micros(1_250_000)), (gbp, Micros(500_000))];
        let table = RateTable::new(eur, &rates, "2026-11-23");
        assert_eq!(
            table.convert(Cpm(2_000_000), eur, usd),
            Some(Cpm(2_500_000))
        );
        assert_eq!(
            table.convert(Cpm(2_500_000), usd, gbp),
            Some(Cpm(1_000_000))
        );
        assert_eq!(
            table.convert(Cpm(7), currency("SEK"), currency("SEK")),
            Some(Cpm(7))
        );
        assert_eq!(table.convert(Cpm(7), currency("SEK"), eur), None);
    }

    #[test]
    fn a_currency_is_three_capitals() {
        for wrong in ["", "eur", "EURO", "E1R", "ÄÖ"] {
            assert!(wrong.parse::<Currency>().is_err(), "{wrong}");
        }
    }
}
