//! Who wins, against a reader who looks at every line item.

use super::*;
use crate::catalog::{Advertiser, Campaign, Creative, Input, LineItem};
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
}

fn drawn() -> impl Strategy<Value = Drawn> {
    (
        1_i64..8,
        any::<bool>(),
        0..SIZES.len(),
        prop::bool::weighted(0.05),
    )
        .prop_map(|(halves, dollars, size, broke)| Drawn {
            halves,
            dollars,
            size,
            broke,
        })
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
            max_cpm: Cpm(one.halves * 500_000),
            ..line_item(&format!("li_{at}"), slot)
        }
    };
    input.line_items = drawn.iter().enumerate().map(item).collect();
}

/// The worth of a price in tenths of a euro, exact in both currencies.
fn in_euros(one: &Drawn) -> i64 {
    one.halves * if one.dollars { 4 } else { 5 }
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
        // A tenth above a half, so that no price meets the floor exactly.
        let floor = floor_halves as f64 / 2.0 + 0.1;
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
                    && in_euros(one) as f64 / 10.0 > floor
            });
            let best = eligible.map(|(_, one)| in_euros(one)).max();
            let bid = bids.iter().find(|bid| bid["impid"] == *impid);
            let winner = bid.map(|bid| -> usize {
                bid["cid"].as_str().unwrap().trim_start_matches("li_").parse().unwrap()
            });
            prop_assert_eq!(winner.map(|winner| in_euros(&drawn[winner])), best);
            if let (Some(winner), Some(bid)) = (winner, bid) {
                prop_assert!(!used.contains(&winner) && drawn[winner].size == *size);
                prop_assert_eq!(bid["price"].as_f64(), Some(drawn[winner].halves as f64 / 2.0));
                used.push(winner);
            }
        }
        prop_assert_eq!(used.len(), bids.len());
    }
}
