//! Fees: what the platform and the providers of data get beside the media, taken out of the price
//! before anything is bid, so that what an impression costs in all is never above it.
//!
//! Of the audience of a line item every group is paid, as each is needed: the first of its segments
//! that the user is in, in the order in which they stand. A segment that is excluded is paid where
//! its provider asks for that. No segment is paid twice for an impression.

use crate::catalog::{Audience, LineFees};
use crate::intake::Features;
use audience::SegmentId;
use ledger::fees::{self, MOST_PROVIDERS, write_fee};
use ledger::{Cpm, Micros, Multiplier};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// The fees of a line item.
pub(crate) struct Fees {
    platform_ppm: u32,
    prices: Box<[Price]>,
    providers: Box<[Arc<str>]>,
    parts: Box<[Part]>,
}

/// The price of a segment.
struct Price {
    /// Place of the provider.
    provider: u16,
    cpm: Cpm,
}

/// What is paid for a part of the audience.
enum Part {
    /// The first segment that the user is in, by its place among the prices where it has one.
    First(Box<[(SegmentId, Option<u16>)]>),
    /// This price.
    Always(u16),
}

/// Which prices an impression is to pay: for each part of the audience that of a place, counted from
/// 1, or none. Small, since it travels with every offer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bought([u16; MOST_PROVIDERS]);

impl Fees {
    /// The fees of a line item; `None` where it pays for media alone. `id` says the id of a
    /// segment's name, where anybody has it.
    pub(crate) fn new(
        own: &LineFees,
        audience: &Audience,
        mut id: impl FnMut(&str) -> Option<SegmentId>,
    ) -> Option<Box<Self>> {
        let numbered = own.data.iter().zip(0..);
        let prices: HashMap<&str, u16> =
            numbered.map(|(price, at)| (&*price.segment, at)).collect();
        let price_of = |name: &str| prices.get(name).copied();
        let mut parts = Vec::new();
        for group in priced(own, audience) {
            let known = group
                .iter()
                .filter_map(|name| Some((id(name)?, price_of(name))));
            parts.push(Part::First(known.collect()));
        }
        let excluded = excluded(own, audience);
        parts.extend(excluded.filter_map(price_of).map(Part::Always));
        if parts.is_empty() && own.platform_ppm == 0 {
            return None;
        }
        let mut providers: Vec<Arc<str>> = Vec::new();
        let prices = own.data.iter().map(|price| {
            let known = providers.iter().position(|name| **name == *price.provider);
            let provider = known.unwrap_or_else(|| {
                providers.push(Arc::from(&*price.provider));
                providers.len() - 1
            });
            let provider = provider as u16;
            let cpm = price.cpm;
            Price { provider, cpm }
        });
        Some(Box::new(Self {
            platform_ppm: own.platform_ppm,
            prices: prices.collect(),
            providers: providers.into(),
            parts: parts.into(),
        }))
    }

    /// The platform's fee, in millionths of the media.
    pub(crate) fn platform_ppm(&self) -> u32 {
        self.platform_ppm
    }

    /// Which prices an impression for this user is to pay.
    pub(crate) fn bought(&self, features: &Features) -> Bought {
        let mut bought = Bought::default();
        for (at, part) in self.parts.iter().enumerate().take(MOST_PROVIDERS) {
            let price = match part {
                Part::First(group) => group
                    .iter()
                    .find(|(segment, _)| features.has(*segment))
                    .and_then(|(_, price)| *price),
                Part::Always(price) => Some(*price),
            };
            // Counted from 1; one that another part pays already is not paid again.
            let price = price.map_or(0, |price| price + 1);
            if !bought.0[..at].contains(&price) {
                bought.0[at] = price;
            }
        }
        bought
    }

    /// What is left of a price for the media.
    pub(crate) fn media_of(&self, price: Cpm, bought: Bought) -> Cpm {
        fees::media_of(price, self.platform_ppm, self.data(bought))
    }

    /// What the data costs, per thousand.
    pub(crate) fn data(&self, bought: Bought) -> Cpm {
        Cpm(self.each(bought).map(|(_, cpm)| cpm.0).sum())
    }

    /// The most that a showing can cost with its media at `media`.
    pub(crate) fn most_for(&self, media: Cpm, multiplier: Multiplier, bought: Bought) -> Micros {
        let data = self.each(bought).map(|(_, cpm)| cpm);
        fees::most_for(media, multiplier, self.platform_ppm, data)
    }

    /// The least that covers a showing of a price in all: a little above the price, as media, fee
    /// and each provider's part are rounded by themselves.
    pub(crate) fn most_within(&self, price: Cpm) -> Micros {
        // Two for the media and for each provider, two for the fee and one for the fee on them.
        let roundings = 3 + 2 * (1 + self.parts.len().min(MOST_PROVIDERS)) as i64;
        Micros(price.most_per_impression().0 + roundings)
    }

    /// Writes what the data costs, as a token carries it.
    pub(crate) fn write(&self, bought: Bought, out: &mut String) {
        for (provider, cpm) in self.each(bought) {
            write_fee(provider, cpm, out);
        }
    }

    /// Providers and what each gets.
    fn each(&self, bought: Bought) -> impl Iterator<Item = (&str, Cpm)> {
        let mut sums = [(0, Cpm(0)); MOST_PROVIDERS];
        let mut known = 0;
        let paid = bought.0.iter().filter(|price| **price > 0);
        for price in paid.filter_map(|price| self.prices.get(usize::from(price - 1))) {
            let own = sums[..known]
                .iter()
                .position(|(provider, _)| *provider == price.provider);
            let at = own.unwrap_or(known);
            known = known.max(at + 1);
            sums[at].0 = price.provider;
            sums[at].1.0 += price.cpm.0;
        }
        let sums = sums.into_iter().take(known);
        sums.filter_map(|(at, cpm)| Some((&**self.providers.get(usize::from(at))?, cpm)))
    }
}

/// The groups of an audience in which any segment has a price.
fn priced<'a>(own: &'a LineFees, audience: &'a Audience) -> impl Iterator<Item = &'a Vec<String>> {
    let named: HashSet<&str> = own.data.iter().map(|price| &*price.segment).collect();
    let groups = audience.include.iter();
    groups.filter(move |group| group.iter().any(|name| named.contains(&**name)))
}

/// The excluded segments that are paid all the same.
fn excluded<'a>(own: &'a LineFees, audience: &'a Audience) -> impl Iterator<Item = &'a str> {
    let paid = own.data.iter().filter(|price| price.excluded);
    let paid: HashSet<&str> = paid.map(|price| &*price.segment).collect();
    let names = audience.exclude.iter().map(String::as_str);
    names.filter(move |name| paid.contains(name))
}

/// How many parts of an audience are paid at once.
pub(crate) fn parts(own: &LineFees, audience: &Audience) -> usize {
    priced(own, audience).count() + excluded(own, audience).count()
}
