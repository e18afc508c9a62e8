//! Who wins, against a reader who looks at every line item.

use super::*;
use crate::catalog::{
    Advertiser, Campaign, Creative, Factor, Input, LineFees, LineItem, Modifier, Pricing, Rule,
    Targeting,
};
use crate::sample::EUR;
use ledger::{Book, Micros};
use proptest::prelude::*;

const USD: Currency = Currency(*b"USD");
const SIZES: [(u32, u32); 2] = [(300, 250), (728, 90)];

#[derive(Clone, Debug)]
struct Drawn {
    /// In halves of a unit, so that there are ties.
    halves: i64,
    dollars: bool,
    size: usize,
    broke: bool,
    /// Modifiers that match, in quarters, and one for the other size that never does.
    quarters: Vec<u32>,
    /// The least that it bids, in halves.
    least: i64,
    /// Whether the platform takes a quarter of what the media costs.
    fee: bool,
}

/// The most that any of them bids.
const MOST: Cpm = Cpm(4_000_000);

fn drawn() -> impl Strategy<Value = Drawn> {
    (
        1_i64..8,
        any::<bool>(),
        0..SIZES.len(),
        prop::bool::weighted(0.05),
        prop::collection::vec(prop::sample::select(vec![2_u32, 6, 8]), 0..3),
        prop::sample::select(vec![0_i64, 0, 1, 4]),
        any::<bool>(),
    )
        .prop_map(
            |(halves, dollars, size, broke, quarters, least, fee)| Drawn {
                halves,
                dollars,
                size,
                broke,
                quarters,
                least,
                fee,
            },
        )
}

fn world(drawn: &[Drawn]) -> World {
    let mut world = World::new(0, |input, book| fill(input, book, drawn));
    world.rates = Some(RateTable::new(
        EUR,
        &[(USD, Micros(1_250_000))],
        "2026-11-23",
    ));
    world
}

fn fill(input: &mut Input, book: &Book, drawn: &[Drawn]) {
    let advertiser = |id: &str, currency| Advertiser {
        id: id.to_owned(),
        currency,
        ..input.advertisers[0].clone()
    };
    let campaign = |id: &str, of: &str| Campaign {
        id: id.to_owned(),
        advertiser: of.to_owned(),
        ..input.campaigns[0].clone()
    };
    let creative = |of: &str, size: usize| Creative {
        id: format!("{of}_{size}"),
        advertiser: of.to_owned(),
        w: SIZES[size].0,
        h: SIZES[size].1,
        ..input.creatives[0].clone()
    };
    let owners = ["euros", "dollars"];
    let creatives = owners
        .iter()
        .flat_map(|of| [creative(of, 0), creative(of, 1)])
        .collect();
    let campaigns = owners.iter().map(|of| campaign(of, of)).collect();
    input.advertisers = vec![advertiser("euros", EUR), advertiser("dollars", USD)];
    (input.campaigns, input.creatives) = (campaigns, creatives);
    let item = |(at, one): (usize, &Drawn)| {
        let slot = book.add().unwrap();
        // Enough for the plan's look at it or not even that.
        book.grant(slot, if one.broke { 1 } else { 1_000_000 });
        let owner = owners[usize::from(one.dollars)];
        LineItem {
            campaign: owner.to_owned(),
            creatives: vec![format!("{owner}_{}", one.size)],
            max_cpm: MOST,
            pricing: pricing(one),
            fees: LineFees {
                platform_ppm: if one.fee { 250_000 } else { 0 },
                ..LineFees::default()
            },
            ..line_item(&format!("li_{at}"), slot)
        }
    };
    input.line_items = drawn.iter().enumerate().map(item).collect();
}

fn pricing(one: &Drawn) -> Pricing {
    let sized = |size: usize, factor: Factor| {
        let sizes = Rule::including(vec![SIZES[size]]);
        let when = Targeting {
            sizes,
            ..Targeting::default()
        };
        Modifier { when, factor }
    };
    let matching = one
        .quarters
        .iter()
        .map(|quarters| Factor(quarters * 250_000));
    let mut modifiers: Vec<Modifier> = matching.map(|factor| sized(one.size, factor)).collect();
    modifiers.push(sized(1 - one.size, Factor(5_000_000)));
    Pricing {
        base_cpm: Some(Cpm(one.halves * 500_000)),
        min_cpm: Cpm(one.least * 500_000),
        modifiers,
        ..Pricing::default()
    }
}

/// The price in micros; `None` where it is below the least. All of them are exact.
fn price(one: &Drawn) -> Option<i64> {
    let factors = one.quarters.iter().map(|quarters| i64::from(*quarters));
    let price = factors.fold(one.halves * 500_000, |price, quarters| price * quarters / 4);
    let price = price.min(MOST.0);
    let price = if one.fee { price / 5 * 4 } else { price };
    (price >= one.least * 500_000).then_some(price)
}

/// The price in micros of a euro, exact in both currencies.
fn in_euros(one: &Drawn) -> Option<i64> {
    price(one).map(|price| if one.dollars { price / 5 * 4 } else { price })
}

proptest! {
    #[test]
    fn the_best_eligible_price_wins_every_imp(
        drawn in prop::collection::vec(drawn(), 1..40),
        sizes in prop::collection::vec(0..SIZES.len(), 1..5),
        floor_halves in 0_i64..6,
        cur in prop::sample::select(vec![vec!["EUR"], vec!["USD"], vec!["EUR", "USD"],
            vec!["USD", "SEK", "EUR"]]),
        seed in any::<u64>(),
    ) {
        let world = world(&drawn);
        // So far above a half that no price meets the floor exactly.
        let floor = floor_halves as f64 / 2.0 + 0.13;
        let imp = |(at, size): (usize, &usize)| json!({
            "id": at.to_string(), "bidfloor": floor, "bidfloorcur": "EUR",
            "banner": {"w": SIZES[*size].0, "h": SIZES[*size].1},
        });
        let imps: Vec<Value> = sizes.iter().enumerate().map(imp).collect();
        let answer = ask_with_seed(&world, &json!({"id": "a", "imp": imps, "cur": cur}), seed);
        let mut bids: Vec<&Value> = Vec::new();
        for seat in answer.body.iter().flat_map(|body| body["seatbid"].as_array().unwrap()) {
            bids.extend(seat["bid"].as_array().unwrap());
        }
        let mut used: Vec<usize> = Vec::new();
        for (at, size) in sizes.iter().enumerate() {
            let impid = at.to_string();
            let dollars = used.first().map(|first| drawn[*first].dollars);
            let eligible = drawn.iter().enumerate().filter(|(item, one)| {
                let code = if one.dollars { "USD" } else { "EUR" };
                one.size == *size
                    && !one.broke
                    && !used.contains(item)
                    && cur.contains(&code)
                    && dollars.is_none_or(|dollars| dollars == one.dollars)
                    && in_euros(one).is_some_and(|price| price as f64 / 1e6 > floor)
            });
            let best = eligible.filter_map(|(_, one)| in_euros(one)).max();
            let bid = bids.iter().find(|bid| bid["impid"] == *impid);
            let winner = bid.map(|bid| -> usize {
                bid["cid"].as_str().unwrap().trim_start_matches("li_").parse().unwrap()
            });
            prop_assert_eq!(winner.and_then(|winner| in_euros(&drawn[winner])), best);
            if let (Some(winner), Some(bid)) = (winner, bid) {
                prop_assert!(!used.contains(&winner) && drawn[winner].size == *size);
                let expected = price(&drawn[winner]).map(|price| price as f64 / 1e6);
                prop_assert_eq!(bid["price"].as_f64(), expected);
                used.push(winner);
            }
        }
        prop_assert_eq!(used.len(), bids.len());
    }
}
