//! Suggestions against what every price within the bounds would have earned.

use super::*;
use crate::catalog::Pricing;
use crate::floor::simulate::{Bid, simulate};
use crate::floor::{parse, tests::publisher};
use proptest::prelude::*;

const EUR: Currency = Currency(*b"EUR");

fn rates() -> RateTable {
    RateTable::new(EUR, &[], "2026-11-25")
}

fn with_floor(floor: &str, pricing: Pricing) -> Publisher {
    let file = format!(
        r#"{{"data": {{"currency": "EUR", "modelGroups": [{{
            "schema": {{"fields": ["size"]}}, "values": {{"300x250": {floor}}}}}]}}}}"#
    );
    Publisher {
        pricing,
        ..publisher(Some(parse(&file).unwrap().floors))
    }
}

/// An auction of one imp with bids at these prices, in cents.
fn auction(seed: u64, size: &str, cents: &[i64]) -> Auction {
    let value = |field: Field| (field == Field::Size).then(|| size.into());
    let bid = |cents: &i64| Bid {
        partner: "p".into(),
        price: Cpm(cents * 10_000),
        floor: Cpm(0),
    };
    let imp = Imp {
        values: Field::ALL.map(|(_, field)| value(field)),
        request: Cpm(0),
        placement: Cpm(0),
        bids: cents.iter().map(bid).collect(),
    };
    Auction {
        at_s: 1_000,
        seed,
        imps: vec![imp],
    }
}

const BOUNDS: Bounds = Bounds {
    percent: 20,
    least_imps: 3,
};

fn suggested(publisher: &Publisher, auctions: &[Auction]) -> Vec<Suggestion> {
    let rates = rates();
    suggest(publisher, auctions, &[Field::Size], BOUNDS, (EUR, &rates))
}

#[test]
fn a_second_price_is_raised_to_what_the_first_bids_allow_and_no_further_than_the_bounds() {
    let second = Pricing::SecondPrice { increment: Cpm(0) };
    let publisher = with_floor("1", second);
    // One buyer who would pay three: every step up earns more, and the bound ends it.
    let rich: Vec<Auction> = (0..4)
        .map(|seed| auction(seed, "300x250", &[300]))
        .collect();
    let told = suggested(&publisher, &rich);
    let expected = Suggestion {
        values: vec!["300x250".to_owned()],
        imps: 4,
        now: Cpm(1_000_000),
        floor: Cpm(1_200_000),
    };
    assert_eq!(told, [expected]);
    // At first price a floor below every bid earns what no floor earns: nothing is changed.
    let told = suggested(&with_floor("1", Pricing::FirstPrice), &rich);
    assert_eq!(told[0].floor, Cpm(1_000_000));
    // Nobody pays the floor in force, and somebody would pay a little less.
    let poor: Vec<Auction> = (0..4).map(|seed| auction(seed, "300x250", &[90])).collect();
    let told = suggested(&with_floor("1", Pricing::FirstPrice), &poor);
    assert_eq!(told[0].floor, Cpm(880_000));
    assert!(told[0].floor < Cpm(1_000_000), "{told:?}");
}

#[test]
fn kinds_with_few_imps_and_other_sizes_are_told_apart() {
    let second = Pricing::SecondPrice { increment: Cpm(0) };
    let publisher = with_floor("1", second);
    let mut auctions: Vec<Auction> = (0..3)
        .map(|seed| auction(seed, "300x250", &[300]))
        .collect();
    auctions.extend((3..5).map(|seed| auction(seed, "728x90", &[300])));
    assert_eq!(
        suggested(&publisher, &auctions).len(),
        1,
        "two imps are too few"
    );
    auctions.push(auction(5, "728x90", &[300]));
    let told = suggested(&publisher, &auctions);
    assert_eq!(told.len(), 2);
    // Without a floor in force, a fifth of the median best bid is as far as it goes.
    assert_eq!((told[1].now, told[1].floor), (Cpm(0), Cpm(600_000)));
}

proptest! {
    /// No price that is tried would have earned more, nor is one outside of the bounds suggested.
    #[test]
    fn the_best_of_the_tried_prices_is_suggested(
        bids in prop::collection::vec(prop::collection::vec(1_i64..400, 0..4), 3..30),
        second in any::<bool>(),
    ) {
        let pricing = if second {
            Pricing::SecondPrice { increment: Cpm(0) }
        } else {
            Pricing::FirstPrice
        };
        let auctions: Vec<Auction> = bids.iter().zip(0..)
            .map(|(bids, seed)| auction(seed, "300x250", bids)).collect();
        let told = &suggested(&with_floor("1", pricing), &auctions)[0];
        prop_assert!((800_000..=1_200_000).contains(&told.floor.0), "{:?}", told);
        let rates = rates();
        let earned = |floor: i64| {
            let draft = with_floor(&format!("{:.4}", floor as f64 / 1e6), pricing);
            simulate(&draft, &auctions, (EUR, &rates), 1).all.draft.gross
        };
        let suggested = earned(told.floor.0);
        for step in -5..=5 {
            prop_assert!(earned(1_000_000 + 40_000 * step) <= suggested, "{} {:?}", step, told);
        }
    }
}
