//! Modifiers: factors of a line item's price for some requests, in the index's own numbers.
//!
//! A modifier's conditions are rules of targeting, compiled to the same values and read from the
//! same [`Features`]; what a request is worth more for is looked for exactly as what it is bought
//! for. Line items without modifiers pay one comparison for this; a modifier costs a few
//! comparisons of numbers on each offer of its line item.

use crate::catalog::{Display, Factor, Format, Hours, Pricing, Rule, Targeting};
use crate::dimension::MISSING;
use crate::index::{AUDIENCE, Groups, Own, Places, serves};
use crate::intake::Features;
use audience::SegmentId;
use std::sync::Arc;

/// The pricing of a line item that has any.
#[derive(Clone, Debug)]
pub(crate) struct Priced {
    pub(crate) base: ledger::Cpm,
    pub(crate) least: ledger::Cpm,
    lowest: Factor,
    highest: Factor,
}

impl Priced {
    /// Nothing where every request has the same price.
    pub(crate) fn new(pricing: &Pricing, max_cpm: ledger::Cpm) -> Option<Box<Self>> {
        let base = pricing.base_cpm.unwrap_or(max_cpm);
        (!pricing.is_plain()).then(|| {
            Box::new(Self {
                base,
                least: pricing.min_cpm,
                lowest: pricing.lowest,
                highest: pricing.highest,
            })
        })
    }

    /// The product of the factors that match, within the line item's bounds.
    pub(crate) fn factor(&self, modifiers: &[Modifier], seen: &Seen<'_>) -> Factor {
        let matching = modifiers.iter().filter(|one| one.matches(seen));
        let product = matching.fold(Factor::ONE, |product, one| product.times(one.factor));
        product.clamp(self.lowest, self.highest)
    }
}

/// The segments of each modifier; `segment` says the id of a segment's name.
pub(crate) fn segments(
    pricing: &Pricing,
    mut segment: impl FnMut(&str) -> Option<SegmentId>,
) -> Vec<Groups> {
    let audiences = pricing.modifiers.iter().map(|one| &one.when.audience);
    audiences
        .map(|one| Groups::new(one, &mut segment))
        .collect()
}

/// What modifiers look at.
pub(crate) struct Seen<'s> {
    pub(crate) features: &'s Features,
    /// Place of the imp in the request.
    pub(crate) imp: u32,
    /// What is shown.
    pub(crate) display: &'s Display,
    /// Hour of the week of the advertiser, Monday 00:00 first.
    pub(crate) hour: u32,
}

/// One modifier.
#[derive(Debug)]
pub(crate) struct Modifier {
    rules: Own,
    formats: Rule<Format>,
    sizes: Rule<(u32, u32)>,
    hours: Hours,
    pub(crate) factor: Factor,
}

impl Modifier {
    /// Compiles the modifiers of a line item, each with its segments from [`segments`].
    pub(crate) fn all(
        pricing: &Pricing,
        groups: Vec<Groups>,
        places: &mut impl Places,
    ) -> Option<Arc<[Modifier]>> {
        let each = pricing.modifiers.iter().zip(groups);
        let made = each.map(|(one, groups)| Self::new(&one.when, groups, one.factor, places));
        let all: Vec<Modifier> = made.collect();
        (!all.is_empty()).then(|| all.into())
    }

    fn new(when: &Targeting, groups: Groups, factor: Factor, places: &mut impl Places) -> Self {
        Self {
            rules: Own::new(when, groups, places),
            formats: when.formats.clone(),
            sizes: when.sizes.clone(),
            hours: when.hours,
            factor,
        }
    }

    /// The places that it looks at.
    pub(crate) fn places(&self) -> impl Iterator<Item = u16> {
        self.rules.sides.iter().map(|(place, _)| *place)
    }

    /// Whether it counts for an offer.
    pub(crate) fn matches(&self, seen: &Seen<'_>) -> bool {
        let display = seen.display;
        let size = (display.w as u32, display.h as u32);
        let sized = match display.format {
            Format::Banner => self.sizes.allows(&size),
            Format::Video | Format::Audio | Format::Native => {
                self.sizes.is_open() || serves(self.sizes.missing())
            }
        };
        sized
            && self.formats.allows(&display.format)
            && self.hours.contains(seen.hour)
            && self.rules.sides.iter().all(|(place, sides)| {
                let values = seen.features.values(*place, seen.imp);
                sides.admits(values)
            })
            && self.in_groups(seen)
            && self.in_circles(seen)
    }

    fn in_groups(&self, seen: &Seen<'_>) -> bool {
        let values = || seen.features.values(AUDIENCE, seen.imp);
        let groups = self.rules.groups.as_deref();
        groups.is_none_or(|groups| values() == [MISSING] || groups.hold(seen.features))
    }

    fn in_circles(&self, seen: &Seen<'_>) -> bool {
        let circles = self.rules.circles.as_deref();
        circles
            .zip(seen.features.point())
            .is_none_or(|(circles, point)| circles.hold(point))
    }
}

#[cfg(test)]
mod tests;
