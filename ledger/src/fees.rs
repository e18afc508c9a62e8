//! What an advertiser pays beside the media: the platform's fee, a share of what the media costs,
//! and the providers of the data that chose the person, each a price per thousand impressions.
//!
//! Both come out of what a line item may pay before it bids, so that media, fee and data together
//! never exceed it ([`Fees::media_of`]); both are held with the bid and charged with its bill.

use crate::event::MAX_CPM;
use crate::money::{Cpm, Micros, Multiplier};
use std::fmt::Write;

/// The most providers that one impression pays.
pub const MOST_PROVIDERS: usize = 8;

/// Parts of a share.
const PER_MILLION: i128 = 1_000_000;

/// The fees of a bid, agreed when it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fees<'a> {
    /// The platform's fee in millionths of the media's cost.
    pub platform_ppm: u32,
    /// What providers of data get.
    pub data: DataFees<'a>,
}

/// What providers of data get for an impression: `prv_a=400000,prv_b=120000` in micros per
/// thousand, each provider once. The text is what tokens carry and the log keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DataFees<'a>(&'a str);

impl<'a> DataFees<'a> {
    /// The fees of a text; `None` where it is none that [`write_fee`] wrote.
    pub fn read(text: &'a str) -> Option<Self> {
        let mut names = [""; MOST_PROVIDERS];
        for (at, part) in parts(text).enumerate() {
            let (provider, cpm) = part?;
            let known = names.get(..at)?.contains(&provider);
            let sound = !provider.is_empty() && !known && (Cpm(1)..=MAX_CPM).contains(&cpm);
            *names.get_mut(at).filter(|_| sound)? = provider;
        }
        Some(Self(text))
    }

    /// Providers and their prices.
    pub fn each(self) -> impl Iterator<Item = (&'a str, Cpm)> {
        parts(self.0).flatten()
    }

    /// The text.
    pub fn text(self) -> &'a str {
        self.0
    }
}

fn parts(text: &str) -> impl Iterator<Item = Option<(&str, Cpm)>> {
    let parts = text.split(',').filter(move |_| !text.is_empty());
    parts.map(|part| {
        let (provider, micros) = part.split_once('=')?;
        let digits = !micros.is_empty() && micros.bytes().all(|byte| byte.is_ascii_digit());
        let micros = digits.then(|| micros.parse().ok()).flatten()?;
        Some((provider, Cpm(micros)))
    })
}

/// Appends one provider's price to the text of [`DataFees`].
pub fn write_fee(provider: &str, cpm: Cpm, out: &mut String) {
    let comma = if out.is_empty() { "" } else { "," };
    // Writing to a text cannot fail.
    let _ = write!(out, "{comma}{provider}={}", cpm.0);
}

impl Fees<'_> {
    /// Whether nothing is owed beside the media.
    pub fn are_none(self) -> bool {
        self.platform_ppm == 0 && self.data.0.is_empty()
    }

    /// The most that one showing can cost its advertiser with its media at `media`, whatever the
    /// carried remainders.
    pub fn most_for(self, media: Cpm, multiplier: Multiplier) -> Micros {
        let data = self.data.each().map(|(_, cpm)| cpm);
        most_for(media, multiplier, self.platform_ppm, data)
    }
}

/// As [`Fees::most_for`], of prices that are not written yet.
pub fn most_for(
    media: Cpm,
    multiplier: Multiplier,
    platform_ppm: u32,
    data: impl Iterator<Item = Cpm>,
) -> Micros {
    let cost = media.most_for(multiplier);
    let mut most = cost.0;
    if platform_ppm > 0 {
        let fee = i128::from(cost.0) * i128::from(platform_ppm) / PER_MILLION + 1;
        most = most.saturating_add(i64::try_from(fee).unwrap_or(i64::MAX));
    }
    let data = data.map(|cpm| cpm.most_for(multiplier).0);
    Micros(data.fold(most, i64::saturating_add))
}

/// What is left for media of a price that covers it, the platform's fee on it and the data: rounded
/// down, and nothing where the data alone costs as much.
pub fn media_of(gross: Cpm, platform_ppm: u32, data: Cpm) -> Cpm {
    let left = gross.0.saturating_sub(data.0).max(0);
    if platform_ppm == 0 {
        return Cpm(left);
    }
    let media = i128::from(left) * PER_MILLION / (PER_MILLION + i128::from(platform_ppm));
    Cpm(i64::try_from(media).unwrap_or(left))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn texts_are_read_as_they_were_written() {
        let mut text = String::new();
        assert_eq!(DataFees::read(&text), Some(DataFees::default()));
        write_fee("prv_a", Cpm(400_000), &mut text);
        write_fee("prv_b", Cpm(1), &mut text);
        assert_eq!(text, "prv_a=400000,prv_b=1");
        let read = DataFees::read(&text).unwrap();
        let each: Vec<_> = read.each().collect();
        assert_eq!(each, [("prv_a", Cpm(400_000)), ("prv_b", Cpm(1))]);
        for wrong in [
            ",",
            "a",
            "a=",
            "=1",
            "a=0",
            "a=-1",
            "a=+1",
            "a=1,",
            "a=1,a=2",
            "a=1.5",
            "a=1000000000000001",
            "a=99999999999999999999",
            "a=1,b=1,c=1,d=1,e=1,f=1,g=1,h=1,i=1",
        ] {
            assert_eq!(DataFees::read(wrong), None, "{wrong}");
        }
    }

    proptest! {
        /// What is bid, with what is charged beside it, is never more than what was meant to be
        /// paid, and a micro more would be.
        #[test]
        fn media_fee_and_data_are_the_price(
            gross in 0i64..100_000_000, ppm in 0u32..=1_000_000, data in 0i64..10_000_000,
        ) {
            let media = media_of(Cpm(gross), ppm, Cpm(data)).0;
            let with = |media: i64| {
                i128::from(media) * (PER_MILLION + i128::from(ppm)) + i128::from(data) * PER_MILLION
            };
            if gross > data {
                prop_assert!(with(media) <= i128::from(gross) * PER_MILLION);
                prop_assert!(with(media + 1) > i128::from(gross) * PER_MILLION);
            } else {
                prop_assert_eq!(media, 0);
            }
        }
    }
}
