//! The simulation against a naive walk over rules and bids, and its band against known samples.

use super::*;
use crate::catalog::Pricing;
use crate::floor::{parse, tests::publisher};
use proptest::prelude::*;

const EUR: Currency = Currency(*b"EUR");

fn rates() -> RateTable {
    RateTable::new(EUR, &[], "2026-11-24")
}

/// A draft over size and country; a rule of price 0 is not there.
fn draft(rules: &[(&str, i64)], default: i64) -> Publisher {
    let there = rules.iter().filter(|(_, price)| *price > 0);
    let values: Vec<String> = there
        .map(|(rule, price)| format!(r#""{rule}": {price}"#))
        .collect();
    let file = format!(
        r#"{{"data": {{"currency": "EUR", "modelGroups": [{{
            "schema": {{"fields": ["size", "country"]}},
            "values": {{{}}}, "default": {default}}}]}}}}"#,
        values.join(",")
    );
    publisher(Some(parse(&file).unwrap().floors))
}

fn imp(size: &str, country: &str, bids: &[(i64, i64)]) -> Imp {
    let value = |field: Field| match field {
        Field::Size => Some(size.into()),
        Field::Country => Some(country.into()),
        _ => None,
    };
    let bid = |(price, floor): &(i64, i64)| Bid {
        partner: "p".into(),
        price: Cpm(price * 1_000_000),
        floor: Cpm(floor * 1_000_000),
    };
    Imp {
        values: Field::ALL.map(|(_, field)| value(field)),
        request: Cpm(0),
        placement: Cpm(0),
        bids: bids.iter().map(bid).collect(),
    }
}

/// The highest bid at or above its floor, and the price in whole units by hand.
fn naive(bids: &[(i64, i64)], second: bool) -> Option<i64> {
    let mut above: Vec<(i64, i64)> = bids.iter().copied().filter(|(p, f)| p >= f).collect();
    above.sort_unstable();
    let (best, floor) = above.pop()?;
    let runner_up = above.last().map_or(0, |(price, _)| *price);
    Some(if second { runner_up.max(floor) } else { best })
}

proptest! {
    #[test]
    fn it_counts_what_a_naive_walk_counts(
        prices in prop::array::uniform4(0_i64..9),
        default in 1_i64..5,
        second in any::<bool>(),
        held in 0_i64..6,
        sample in prop::collection::vec(
            (0_usize..2, 0_usize..2, prop::collection::vec(1_i64..12, 0..5)), 0..40),
    ) {
        let sizes = ["300x250", "728x90"];
        let countries = ["fra", "deu"];
        // In the order in which the schema tries them.
        let names = ["300x250|fra", "300x250|*", "728x90|*", "*|fra"];
        let rules: Vec<(&str, i64)> = names.into_iter().zip(prices).collect();
        let mut publisher = draft(&rules, default);
        if second {
            publisher.pricing = Pricing::SecondPrice { increment: Cpm(0) };
        }
        let mut expected = Compared::default();
        let mut by_rule: HashMap<String, Compared> = HashMap::new();
        let mut auctions = Vec::new();
        for (size, country, bids) in &sample {
            let (size, country) = (sizes[*size], countries[*country]);
            let matches = |rule: &str| {
                let (a, b) = rule.split_once('|').unwrap();
                (a == "*" || a == size) && (b == "*" || b == country)
            };
            let hit = rules.iter().find(|(rule, price)| *price > 0 && matches(rule));
            let (rule, floor) = hit.copied().unwrap_or(("default", default));
            let with = |floor: i64| bids.iter().map(|p| (*p, floor)).collect::<Vec<_>>();
            let sold = |price: Option<i64>| Sales {
                sold: u64::from(price.is_some()),
                gross: i128::from(price.unwrap_or(0)) * 1_000_000,
            };
            let compared = Compared {
                imps: 1,
                now: sold(naive(&with(held), second)),
                draft: sold(naive(&with(floor), second)),
            };
            expected.add(compared);
            by_rule.entry(rule.to_owned()).or_default().add(compared);
            let imps = vec![imp(size, country, &with(held))];
            auctions.push(Auction { at_s: 0, seed: 7, imps });
        }
        let told = simulate(&publisher, &auctions, (EUR, &rates()), 10);
        prop_assert_eq!(told.all, expected);
        prop_assert_eq!(told.rules.into_iter().collect::<HashMap<_, _>>(), by_rule);
        prop_assert_eq!((told.auctions, told.without_rate), (sample.len() as u64, 0));
    }
}

#[test]
fn a_rule_on_the_partner_holds_each_bid_to_its_own_floor() {
    let file = r#"{"data": {"currency": "EUR", "modelGroups": [{
        "schema": {"fields": ["bidder"]}, "values": {"dear": 5}, "default": 1}]}}"#;
    let publisher = publisher(Some(parse(file).unwrap().floors));
    let mut sold = imp("1x1", "fra", &[(4, 0), (2, 0)]);
    sold.bids[0].partner = "dear".into();
    let auctions = [Auction {
        at_s: 0,
        seed: 1,
        imps: vec![sold],
    }];
    let told = simulate(&publisher, &auctions, (EUR, &rates()), 10);
    assert_eq!(told.all.now.gross, 4_000_000);
    assert_eq!(told.all.draft.gross, 2_000_000);
}

#[test]
fn a_draft_in_a_currency_without_a_rate_is_counted_and_sells_nothing() {
    let file = r#"{"data": {"currency": "JPY", "modelGroups": [{
        "schema": {"fields": ["size"]}, "values": {"*": 1}}]}}"#;
    let publisher = publisher(Some(parse(file).unwrap().floors));
    let imps = vec![imp("1x1", "fra", &[(4, 0)])];
    let auctions = [Auction {
        at_s: 0,
        seed: 1,
        imps,
    }];
    let told = simulate(&publisher, &auctions, (EUR, &rates()), 10);
    assert_eq!((told.without_rate, told.all), (1, Compared::default()));
}

#[test]
fn the_band_is_the_normal_one_of_a_sum() {
    let width = |changes: &[i128]| {
        let mut all = Changes::default();
        for change in changes {
            all.add(*change);
        }
        all.half_width()
    };
    assert_eq!(width(&[5]), None);
    assert_eq!(width(&[5, 5, 5]), Some(0));
    // A sample variance of 400 / 3; of the sum, four times that: 533, the root of which is 23.
    assert_eq!(width(&[0, 0, 20, 20]), Some(23 * 196 / 100));
}
