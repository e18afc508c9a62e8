//! What is bid and held where the platform and providers of data are paid too.

use super::*;
use crate::catalog::{LineFees, LineItem};
use crate::sample::price;
use ledger::Micros;

/// A world with one line item at 2.50 EUR with these fees and this audience, and a user in some
/// segments.
fn world(fees: LineFees, include: &[&[&str]], exclude: &[&str], user: &[u32]) -> World {
    let names = |group: &[&str]| group.iter().map(|name| (*name).to_owned()).collect();
    let mut world = World::new(1, |input, _| {
        let item: &mut LineItem = &mut input.line_items[0];
        item.fees = fees;
        item.targeting.audience.include = include.iter().map(|group| names(group)).collect();
        item.targeting.audience.exclude = names(exclude);
    });
    let mut users = Builder::new(audience::Limits::default());
    let segments: Vec<_> = user.iter().map(|id| SegmentId(*id)).collect();
    let key = UserKey::new(KeySeed::default(), audience::IdKind::UserId, b"user-1").unwrap();
    users.add(key, &segments).unwrap();
    world.audience = users.finish(Generation(1)).unwrap();
    world
}

fn of(platform_ppm: u32, data: &[(&str, &str, i64)]) -> LineFees {
    let prices = data
        .iter()
        .map(|(segment, provider, cpm)| price(segment, provider, *cpm));
    LineFees {
        platform_ppm,
        data: prices.collect(),
    }
}

/// The price of the bid, what it holds, and the fees that its token tells.
fn bought(world: &World) -> (f64, Micros, u32, String) {
    let answer = ask(world, &request());
    let bid = answer.bid();
    let mut buffer = Vec::new();
    let link = token(bid["nurl"].as_str().unwrap(), "/n/win?t=");
    let read = world.signer.verify(Purpose::Notice, link, 0, &mut buffer);
    let claims = read.unwrap();
    let slot = world.catalog.items[0].budget.money()[0];
    let held = Micros(world.book.reserved(slot));
    let fees = claims.fees;
    let price = bid["price"].as_f64().unwrap();
    (price, held, fees.platform_ppm, fees.data.text().to_owned())
}

#[test]
fn fees_are_taken_out_before_the_bid_and_held_with_it() {
    let fees = of(
        250_000,
        &[("seg_1", "prv_a", 300_000), ("seg_2", "prv_b", 200_000)],
    );
    let world = world(fees, &[&["seg_1"], &["seg_2"]], &[], &[1, 2]);
    let (price, held, ppm, data) = bought(&world);
    // 2.50 less 0.50 for data; of the 2.00 that are left one fifth is a quarter of the rest.
    assert!((price - 1.6).abs() < 1e-9, "{price}");
    assert_eq!((ppm, &*data), (250_000, "prv_a=300000,prv_b=200000"));
    let (media, fee, data) = (1_600, 400, 300 + 200);
    assert!(
        (media + fee + data..media + fee + data + 8).contains(&held.0),
        "{held}"
    );
}

#[test]
fn the_first_segment_of_a_group_is_paid_and_every_group() {
    let prices: &[_] = &[
        ("seg_1", "prv_a", 100_000),
        ("seg_2", "prv_b", 200_000),
        ("seg_3", "prv_a", 400_000),
    ];
    for (include, user, expected) in [
        // The first by the order of the group, whatever the user is in besides.
        (vec![vec!["seg_1", "seg_2"]], vec![1, 2], "prv_a=100000"),
        (vec![vec!["seg_2", "seg_1"]], vec![1, 2], "prv_b=200000"),
        (vec![vec!["seg_2", "seg_1"]], vec![1], "prv_a=100000"),
        // One without a price is free, and stands before what costs.
        (vec![vec!["seg_9", "seg_1"]], vec![1, 9], ""),
        // Every group is paid; a provider's prices are added.
        (
            vec![vec!["seg_1"], vec!["seg_3"]],
            vec![1, 3],
            "prv_a=500000",
        ),
        (
            vec![vec!["seg_1"], vec!["seg_2"]],
            vec![1, 2],
            "prv_a=100000,prv_b=200000",
        ),
        // A segment that two groups ask for is paid once.
        (
            vec![vec!["seg_1"], vec!["seg_1", "seg_2"]],
            vec![1, 2],
            "prv_a=100000",
        ),
    ] {
        let groups: Vec<&[&str]> = include.iter().map(Vec::as_slice).collect();
        let world = world(of(0, prices), &groups, &[], &user);
        assert_eq!(bought(&world).3, expected, "{include:?} {user:?}");
    }
}

#[test]
fn an_excluded_segment_is_paid_where_its_provider_asks_for_it() {
    let mut fees = of(0, &[("seg_1", "prv_a", 100_000)]);
    assert_eq!(bought(&world(fees.clone(), &[], &["seg_1"], &[2])).3, "");
    fees.data[0].excluded = true;
    let (price, _, _, data) = bought(&world(fees, &[], &["seg_1"], &[2]));
    assert_eq!(data, "prv_a=100000");
    assert!((price - 2.4).abs() < 1e-9);
}

#[test]
fn data_that_costs_the_whole_price_leaves_no_bid() {
    let fees = of(100_000, &[("seg_1", "prv_a", 2_500_000)]);
    let world = world(fees, &[&["seg_1"]], &[], &[1]);
    assert_eq!(refused(&world, &request()), NoBid::BelowMinimum);
    assert_eq!(
        world
            .book
            .reserved(world.catalog.items[0].budget.money()[0]),
        0
    );
}

#[test]
fn a_budget_for_less_than_price_and_fees_lets_no_bid_out() {
    let fees = of(500_000, &[]);
    let world = world(fees, &[], &[], &[]);
    let slot = world.catalog.items[0].budget.money()[0];
    let most = world.catalog.items[0].most();
    assert!(most >= Micros(2_500) && most <= Micros(2_510), "{most}");
    world
        .book
        .withdraw(slot, world.book.available(slot) - most.0);
    let (price, held, ..) = bought(&world);
    assert!((price - 1.666_666).abs() < 1e-9, "{price}");
    assert!(held <= most && held >= Micros(2_500), "{held}");
    assert_eq!(refused(&world, &request()), NoBid::NoBudget);
}
