//! What modifiers match, beside what the property test of selection holds, and what they make.

use super::*;
use crate::catalog::{Catalog, Modifier as Plain};
use crate::sample;
use ledger::{Book, Cpm};

fn priced(modifiers: Vec<Plain>) -> Catalog {
    let book = Book::default();
    let mut input = sample::input(&book, 1);
    input.line_items[0].pricing = Pricing {
        base_cpm: Some(Cpm(1_000_000)),
        modifiers,
        ..Pricing::default()
    };
    Catalog::build(input, |_| None).unwrap()
}

fn factor(catalog: &Catalog, hour: u32) -> Factor {
    let features = Features::default();
    let seen = Seen {
        features: &features,
        imp: 0,
        display: &catalog.creatives[0],
        hour,
    };
    let item = &catalog.items[0];
    item.priced
        .as_ref()
        .unwrap()
        .factor(catalog.index.modifiers_of(0), &seen)
}

fn when(when: Targeting, ppm: u32) -> Plain {
    Plain {
        when,
        factor: Factor(ppm),
    }
}

#[test]
fn factors_that_match_are_multiplied_and_the_others_are_not_asked() {
    let banner = Targeting {
        formats: Rule::including(vec![Format::Banner]),
        ..Targeting::default()
    };
    let video = Targeting {
        formats: Rule::including(vec![Format::Video]),
        ..Targeting::default()
    };
    let size = Targeting {
        sizes: Rule::excluding(vec![(300, 250)]),
        ..Targeting::default()
    };
    let morning = Targeting {
        hours: Hours::NONE.with(8),
        ..Targeting::default()
    };
    let catalog = priced(vec![
        when(banner, 1_500_000),
        when(video, 7_000_000),
        when(size, 3_000_000),
        when(morning, 2_000_000),
    ]);
    assert_eq!(factor(&catalog, 8), Factor(3_000_000));
    assert_eq!(factor(&catalog, 9), Factor(1_500_000));
}

#[test]
fn the_product_stays_within_its_bounds() {
    let high = priced(vec![when(Targeting::default(), 8_000_000); 3]);
    assert_eq!(factor(&high, 0), Factor(10_000_000));
    let low = priced(vec![when(Targeting::default(), 10_000); 3]);
    assert_eq!(factor(&low, 0), Factor(100_000));
}
