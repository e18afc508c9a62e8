//! Floors: at the deal, else at the media, else at the imp (section 7.11), in any currency.

use crate::catalog::Format;
use ledger::{Cpm, Currency, RateTable};
use openrtb::List;
use openrtb::request::{Deal, DurFloors, Imp};

/// The currency of floors where none is named (section 3.2.4).
const DEFAULT_CURRENCY: Currency = Currency(*b"USD");

/// What a floor depends on: the currency that we pay in, and the rates into it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Money<'r> {
    pub(crate) own: Currency,
    pub(crate) rates: Option<&'r RateTable>,
}

/// The floor of the imp where it stands alone; `None` where no rate is known.
pub(crate) fn of_imp(imp: &Imp<'_>, money: Money<'_>) -> Option<Cpm> {
    converted(imp.bidfloor, imp.bidfloorcur, money)
}

/// The floor of a bid for an imp, without a deal: the media's where it has one.
pub(crate) fn open(imp: &Imp<'_>, format: Format, seconds: i64, money: Money<'_>) -> Option<Cpm> {
    let floor = media(imp, format, seconds).or(imp.bidfloor);
    converted(floor, imp.bidfloorcur, money)
}

/// The floor of a bid under a deal, which overrides those of its imp.
pub(crate) fn of_deal(
    deal: &Deal<'_>,
    format: Format,
    seconds: i64,
    money: Money<'_>,
) -> Option<Cpm> {
    let timed = match format {
        Format::Video | Format::Audio => by_duration(deal.mincpmpersec, &deal.durfloors, seconds),
        Format::Banner | Format::Native => None,
    };
    converted(timed.or(deal.bidfloor), deal.bidfloorcur, money)
}

/// Whether durations have prices in the imp, so that its own floor may not count.
pub(crate) fn is_timed(imp: &Imp<'_>) -> bool {
    let timed = |per_second: Option<f64>, ranges: &List<'_, DurFloors<'_>>| {
        per_second.is_some() || !ranges.is_empty()
    };
    imp.video
        .is_some_and(|video| timed(video.mincpmpersec, &video.durfloors))
        || imp
            .audio
            .is_some_and(|audio| timed(audio.mincpmpersec, &audio.durfloors))
}

fn media(imp: &Imp<'_>, format: Format, seconds: i64) -> Option<f64> {
    let (per_second, ranges) = match format {
        Format::Video => imp
            .video
            .map(|video| (video.mincpmpersec, &video.durfloors))?,
        Format::Audio => imp
            .audio
            .map(|audio| (audio.mincpmpersec, &audio.durfloors))?,
        Format::Banner | Format::Native => return None,
    };
    by_duration(per_second, ranges, seconds)
}

/// What a duration costs: by its range, else by the second.
fn by_duration(
    per_second: Option<f64>,
    ranges: &List<'_, DurFloors<'_>>,
    seconds: i64,
) -> Option<f64> {
    let within = |range: &&DurFloors<'_>| {
        range.mindur.is_none_or(|least| seconds >= least)
            && range.maxdur.is_none_or(|most| seconds <= most)
    };
    match ranges.iter().find(within) {
        Some(range) => Some(range.bidfloor.unwrap_or_default()),
        None => per_second.map(|price| price * seconds as f64),
    }
}

/// A floor of the wire in micros of our currency, rounded up so that a bid never falls short.
fn converted(floor: Option<f64>, currency: Option<&str>, money: Money<'_>) -> Option<Cpm> {
    let floor = floor.unwrap_or_default();
    if floor <= 0.0 {
        return Some(Cpm(0));
    }
    // A decimal of at most six places is the nearest float's own; anything finer is rounded up.
    let micros = floor * 1e6;
    let nearest = micros.round();
    let exact = (micros - nearest).abs() < 1e-3;
    let micros = if exact { nearest } else { micros.ceil() };
    if micros >= i64::MAX as f64 {
        return None;
    }
    let micros = Cpm(micros as i64);
    let from = match currency {
        Some(code) => code.parse().ok()?,
        None => DEFAULT_CURRENCY,
    };
    if from == money.own {
        return Some(micros);
    }
    let floor = money.rates?.convert(micros, from, money.own)?;
    // Half to even may have rounded down by less than one.
    Some(Cpm(floor.0 + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const EUR: Money<'static> = Money {
        own: Currency(*b"EUR"),
        rates: None,
    };

    #[test]
    fn a_floor_is_never_rounded_down() {
        let euros = |floor| converted(Some(floor), Some("EUR"), EUR);
        for (floor, micros) in [
            (2.5, 2_500_000),
            (0.1 + 0.2, 300_000),
            (1e-7, 1),
            (1.000_000_4, 1_000_001),
            (-1.0, 0),
        ] {
            assert_eq!(euros(floor), Some(Cpm(micros)), "{floor}");
        }
        assert_eq!(euros(1e300), None);
        assert_eq!(converted(Some(1.0), Some("euro"), EUR), None);
        assert_eq!(converted(Some(1.0), None, EUR), None);
        assert_eq!(converted(None, Some("euro"), EUR), Some(Cpm(0)));
    }

    #[test]
    fn the_deal_comes_before_the_media_and_the_media_before_the_imp() {
        let ranges = [DurFloors {
            mindur: Some(10),
            maxdur: Some(20),
            bidfloor: Some(4.0),
            ..DurFloors::default()
        }];
        let video = openrtb::request::Video {
            mincpmpersec: Some(0.1),
            durfloors: List::new(&ranges),
            ..Default::default()
        };
        let imp = Imp {
            bidfloor: Some(1.0),
            bidfloorcur: Some("EUR"),
            video: Some(&video),
            ..Imp::default()
        };
        let micros = |format, seconds| open(&imp, format, seconds, EUR).unwrap().0;
        assert!(is_timed(&imp));
        assert_eq!(micros(Format::Video, 15), 4_000_000);
        assert_eq!(micros(Format::Video, 30), 3_000_000);
        assert_eq!(micros(Format::Banner, 15), 1_000_000);
        let deal = Deal {
            bidfloor: Some(0.5),
            bidfloorcur: Some("EUR"),
            ..Deal::default()
        };
        let under = of_deal(&deal, Format::Video, 15, EUR);
        assert_eq!(under, Some(Cpm(500_000)));
    }
}
