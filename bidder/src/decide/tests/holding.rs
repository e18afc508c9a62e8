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
    let slot = world.catalog.items[0].budget.slots()[0];
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
    let slot = world.catalog.items[0].budget.slots()[0];
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
    let slot = world.catalog.items[0].budget.slots()[0];
    let taken = world.book.withdraw(slot, i64::MAX);
    assert_eq!(refused(&world, &request()), NoBid::NoBudget);
    world.book.grant(slot, taken);
    assert!(ask(&world, &request()).outcome.is_ok());
}
