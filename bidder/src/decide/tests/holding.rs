//! What a bid takes from leases, reservations and caps, and gives back.

use super::*;
use crate::sample;
use crate::{TEST_PARTNER, notice};
use ledger::BudgetPath;

#[test]
fn a_test_is_answered_and_takes_nothing() {
    let world = World::new(1, |input, _| {
        input.line_items[0].frequency = vec![sample::per_day("li_0", 1)];
    });
    let request = with(|request| request["test"] = 1.into());
    for _ in 0..3 {
        let answer = ask(&world, &request);
        assert!(answer.outcome.as_ref().unwrap().test);
        let burl = answer.bid()["burl"].as_str().unwrap();
        let mut buffer = Vec::new();
        let text = token(burl, "/n/bill?t=");
        let claims = world
            .signer
            .verify(Purpose::Notice, text, 0, &mut buffer)
            .unwrap();
        assert_eq!((claims.partner, claims.reservation), (TEST_PARTNER, None));
        let fields = notice::Fields {
            price: Some("1"),
            ..notice::Fields::default()
        };
        let (bill, exchange) = (notice::Notice::Bill, &world.exchange);
        let event = notice::event(bill, exchange, &claims, fields, 0);
        assert_eq!(event, Err(notice::Refusal::Test));
    }
    let slot = world.catalog.items[0].budget.money()[0];
    assert_eq!((world.book.reserved(slot), world.caps.subjects()), (0, 0));
}

#[test]
fn an_empty_lease_hands_over_to_the_next_offer() {
    let world = World::new(2, |input, book| {
        let slot = book.add().unwrap();
        book.grant(slot, 3_001);
        input.line_items[1].budget = BudgetPath::new(&[slot]);
        input.line_items[1].max_cpm = Cpm(3_000_000);
    });
    let first = ask(&world, &request());
    assert_eq!(first.bid()["cid"], "li_1");
    let second = ask(&world, &request());
    assert_eq!(second.bid()["cid"], "li_0");
    assert_eq!(second.outcome.unwrap().refusals, 1);
}

#[test]
fn refusals_of_leases_are_bounded() {
    let world = World::new(20, |_, _| ());
    let slot = world.catalog.items[0].budget.money()[0];
    world.book.withdraw(slot, i64::MAX);
    assert_eq!(refused(&world, &request()), NoBid::NoBudget);
}

#[test]
fn a_full_table_of_reservations_ends_bidding() {
    let world = World::new(1, |_, _| ());
    let mut asked = 0;
    while ask_with_seed(&world, &request(), asked).outcome.is_ok() {
        asked += 1;
    }
    assert_eq!(asked, 1_024);
    assert_eq!(refused(&world, &request()), NoBid::ReservationsFull);
}

#[test]
fn caps_count_by_user_and_come_back_with_a_loss() {
    let world = World::new(1, |input, _| {
        input.line_items[0].frequency = vec![sample::per_day("li_0", 2)];
    });
    let answers = [1, 2, 3].map(|seed| ask_with_seed(&world, &request(), seed));
    assert!(answers[..2].iter().all(|answer| answer.outcome.is_ok()));
    assert_eq!(refused(&world, &request()), NoBid::FrequencyCapped);
    let other = with(|request| request["user"]["id"] = "user-2".into());
    assert!(ask(&world, &other).outcome.is_ok());
    let nobody = with(|request| request["user"] = json!({}));
    assert_eq!(refused(&world, &nobody), NoBid::UnknownUser);
    let child = with(|request| request["regs"] = json!({"coppa": 1}));
    assert_eq!(refused(&world, &child), NoBid::UnknownUser);
    let mut buffer = Vec::new();
    let lurl = answers[0].bid()["lurl"].as_str().unwrap();
    let claims = world
        .signer
        .verify(Purpose::Notice, token(lurl, "?t="), 0, &mut buffer)
        .unwrap();
    let expiry = world.exchange.reservation_expiry(&claims);
    assert!(world.caps.release(&claims.exposure, expiry));
    assert!(ask(&world, &request()).outcome.is_ok());
}

#[test]
fn a_refused_lease_gives_the_cap_back() {
    let world = World::new(1, |input, _| {
        input.line_items[0].frequency = vec![sample::per_day("li_0", 1)];
    });
    let slot = world.catalog.items[0].budget.money()[0];
    let taken = world.book.withdraw(slot, i64::MAX);
    assert_eq!(refused(&world, &request()), NoBid::NoBudget);
    world.book.grant(slot, taken);
    assert!(ask(&world, &request()).outcome.is_ok());
}

#[test]
fn bids_are_all_counted_and_turns_by_sample_where_line_items_are_many() {
    use crate::Funnel;
    use crate::funnel::{FunnelKey, Stage};
    let world = World::new(1_024, |input, _| {
        // One that bids on everything, and many that are out of reach of the floor.
        input.line_items[0].max_cpm = Cpm(3_000_000);
        for one in &mut input.line_items[1..] {
            one.max_cpm = Cpm(1_000_000);
        }
        input.line_items[1].max_cpm = Cpm(2_900_000);
    });
    let funnel = Funnel::new(0, 4_096);
    let runtime = Runtime {
        funnel: Some(&funnel),
        ..world.runtime()
    };
    let mut scratch = DecisionScratch::default();
    let body = request().to_string();
    let private = with(|request| {
        request["imp"][0]["pmp"] = json!({"private_auction": 1, "deals": []});
    });
    for seed in 0..2_000 {
        let decide = |body: &str, scratch: &mut DecisionScratch| {
            let now = (NOW_MS, seed);
            let snapshot = world.snapshot();
            decide(
                body.as_bytes(),
                &snapshot,
                runtime,
                scratch,
                now,
                &mut Vec::new(),
            )
        };
        assert!(decide(&body, &mut scratch).is_ok());
        assert!(decide(&private.to_string(), &mut scratch).is_err());
        world.reservations.sweep(&world.book, u32::MAX, usize::MAX);
    }
    let of =
        |line_item: &str, stage: Stage| funnel.read(FunnelKey::new(line_item, "demo")).at(stage);
    let exchange = funnel.read(FunnelKey::exchange("demo"));
    assert_eq!(
        (exchange.at(Stage::Requests), exchange.at(Stage::Bid)),
        (4_000, 2_000)
    );
    assert_eq!((of("li_0", Stage::Bid), of("li_1", Stage::Bid)), (2_000, 0));
    // One of four requests is counted, and stands for four.
    let targeted = of("li_0", Stage::Targeted);
    assert!(
        (3_500..4_500).contains(&targeted) && targeted.is_multiple_of(4),
        "{targeted}"
    );
    assert_eq!(of("li_1", Stage::Targeted), targeted);
    assert_eq!(
        of("li_1", Stage::Stopped(NoBid::BelowFloor)),
        0,
        "it had no turn"
    );
    assert_eq!(of("li_9", Stage::Outbid), 0);
    assert_eq!(funnel.dropped(), 0);
}
