//! Books of a small trade, which agree, and each way of tampering with them, which must show.

use super::*;
use crate::demo::conclude;
use crate::demo::traffic::Seen;
use ledger::event::Event;
use ledger::posting::{Account, Column};
use ledger::statement::{Balances, Logged};
use ledger::store::BudgetState;
use ledger::{Carry, Cpm, Multiplier};
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::atomic::Ordering::Relaxed;

fn event(kind: Kind, (partner, seat): (&str, &str), cpm: i64) -> Event {
    let on_sale = |text: &str| match kind {
        Kind::Sale => text.to_owned(),
        _ => String::new(),
    };
    Event {
        kind,
        key: [0; 16],
        at_ms: 0,
        exchange: "demo".to_owned(),
        seat: seat.to_owned(),
        advertiser: seat.to_owned(),
        line_item: "li_1".to_owned(),
        creative: "cr_1".to_owned(),
        publisher: on_sale("pub_news"),
        placement: String::new(),
        partner: on_sale(partner),
        bid: Cpm(cpm),
        cpm: Cpm(cpm),
        currency: CURRENCY.parse().unwrap(),
        multiplier: Multiplier::ONE,
        share_ppm: if kind == Kind::Sale { 850_000 } else { 0 },
        platform_ppm: 0,
        data: String::new(),
        reason: 0,
        budgets: Vec::new(),
        reservation: None,
        exposure: ledger::Exposure::default(),
        held_until: 0,
        touch: None,
    }
}

/// What a store that makes no mistake holds after these events.
fn books(events: Vec<Event>) -> Books {
    let mut carries: HashMap<String, Carry> = HashMap::new();
    let mut books = Books::default();
    for event in events {
        let Ok(charge) = event.charge(&mut carries, true);
        if event.kind.charges().is_some() {
            for entry in event.posting(&charge, true).entries() {
                let name = (entry.account.clone(), event.currency);
                let balance = books.balances.entry(name).or_default();
                match entry.column {
                    Column::Debit => balance.0.0 += entry.amount.0,
                    Column::Credit => balance.1.0 += entry.amount.0,
                }
            }
        }
        books.log.push(Logged {
            seq: books.log.len() as i64 + 1,
            booked_ms: event.at_ms,
            event,
            funded: true,
            cost: charge.media,
            platform_fee: charge.platform,
            data_cost: charge.data_cost(),
        });
    }
    books
}

/// Our bidder buys two impressions and is clicked once, a partner buys one.
fn trade() -> Vec<Event> {
    let ours = ("bidder", "adv_acme");
    vec![
        event(Kind::Sale, ours, 4_200_100),
        event(Kind::Bill, ours, 4_200_100),
        event(Kind::Sale, ("dsp_fast", "fast"), 1_900_000),
        event(Kind::Sale, ours, 2_000_000),
        event(Kind::Bill, ours, 2_000_000),
        event(Kind::Click, ours, 2_000_000),
    ]
}

fn fast(impressions: u64, micros: i64) -> Billed {
    Billed {
        id: "dsp_fast",
        impressions,
        amount: Micros(micros),
    }
}

fn verdict(books: &Books, partner: Billed, shown: Option<(u64, u64)>) -> Verdict {
    let names = [
        ("adv_acme", "Acme Motors"),
        ("pub_news", "The Daily Example"),
    ];
    let names = names.map(|(id, name)| (id.to_owned(), name.to_owned()));
    draw_up(
        books,
        &Others {
            partners: &[partner],
            shown,
            names: &names.into(),
        },
    )
}

fn row<'t>(text: &'t str, name: &str) -> Vec<&'t str> {
    let line = text.lines().find(|line| line.contains(name));
    let line = line.unwrap_or_else(|| panic!("no line of {name} in\n{text}"));
    line.split(name)
        .nth(1)
        .unwrap()
        .split_whitespace()
        .collect()
}

#[track_caller]
fn fails(verdict: &Verdict, expected: &[&str]) {
    assert_eq!(
        verdict.differences.len(),
        expected.len(),
        "{:?}",
        verdict.differences
    );
    for (difference, expected) in verdict.differences.iter().zip(expected) {
        assert!(
            difference.starts_with(expected),
            "{difference}, expected {expected}"
        );
    }
    let marked = verdict
        .text
        .lines()
        .filter(|line| line.starts_with("  NO  "))
        .count();
    assert_eq!(marked, expected.len(), "{}", verdict.text);
    assert!(verdict.text.contains("NOT RECONCILED"), "{}", verdict.text);
}

#[test]
fn books_that_agree_are_laid_out_and_reconciled() {
    let mut books = books(trade());
    books.budgets.push((
        "campaign:cmp_spring:day:2026-11-24".to_owned(),
        BudgetState {
            limit: Micros(10_000),
            spent: Micros(6_200),
            allowed: Micros(10_000),
            ..BudgetState::default()
        },
    ));
    let verdict = verdict(&books, fast(1, 1_900), Some((3, 1)));
    assert_eq!(verdict.differences, Vec::<String>::new());
    let text = &verdict.text;
    assert_eq!(row(text, "Acme Motors (adv_acme)"), ["2", "0.006200"]);
    assert_eq!(row(text, "= spend of our bidder"), ["2", "0.006200"]);
    assert_eq!(row(text, "  dsp_fast"), ["1", "0.001900"]);
    assert_eq!(row(text, "= receipts of the exchange"), ["3", "0.008100"]);
    assert_eq!(row(text, "The Daily Example (pub_news)"), ["3", "0.006885"]);
    assert_eq!(row(text, "fee of the exchange"), ["0.001215"]);
    assert_eq!(row(text, "  cmp_spring"), ["62", "%", "0.010000"]);
    assert_eq!(
        row(
            text,
            "yes  exchange receipts = bidder spend + partners' spend"
        ),
        ["0.008100", "=", "0.006200", "+", "0.001900"]
    );
    assert!(
        text.ends_with("Reconciled: all 10 comparisons hold.\n"),
        "{text}"
    );
    let long = text.lines().find(|line| line.chars().count() > 100);
    assert_eq!(long, None);
}

#[test]
fn fees_and_data_are_laid_out_beside_the_media() {
    let paying = |event: Event| match event.kind {
        Kind::Bill => Event {
            platform_ppm: 100_000,
            data: "prv_auto=400000".to_owned(),
            ..event
        },
        _ => event,
    };
    let books = books(trade().into_iter().map(paying).collect());
    let verdict = verdict(&books, fast(1, 1_900), Some((3, 1)));
    assert_eq!(verdict.differences, Vec::<String>::new());
    let text = &verdict.text;
    assert_eq!(row(text, "Acme Motors (adv_acme)"), ["2", "0.006200"]);
    assert_eq!(row(text, "  fee of the platform"), ["2", "0.000620"]);
    assert_eq!(row(text, "  data of prv_auto"), ["2", "0.000800"]);
    assert_eq!(
        row(text, "yes  charged to advertisers = media + fees and data"),
        ["0.007620", "=", "0.006200", "+", "0.001420"]
    );
    let long = text.lines().find(|line| line.chars().count() > 100);
    assert_eq!(long, None);
}

#[test]
fn an_empty_demo_reconciles() {
    let verdict = verdict(&Books::default(), fast(0, 0), Some((0, 0)));
    assert_eq!(verdict.differences, Vec::<String>::new());
}

#[test]
fn a_partner_that_was_billed_a_micro_more_shows() {
    let verdict = verdict(&books(trade()), fast(1, 1_901), Some((3, 1)));
    fails(
        &verdict,
        &[
            "exchange receipts = bidder spend + partners' spend: 0.008100 is not \
             0.006200 + 0.001901, off by -0.000001",
            "receipts from dsp_fast = its own count: 0.001900 is not 0.001901",
        ],
    );
}

#[test]
fn a_bill_that_never_came_shows() {
    let mut events = trade();
    let lost = events
        .iter()
        .rposition(|event| event.kind == Kind::Bill)
        .unwrap();
    events.remove(lost);
    fails(
        &verdict(&books(events), fast(1, 1_900), Some((3, 1))),
        &[
            "exchange receipts = bidder spend + partners' spend: 0.008100 is not 0.004200",
            "receipts from adv_acme = its spend: 0.006200 is not 0.004200",
            "impressions sold = impressions bought: 3 is not 2",
        ],
    );
}

#[test]
fn balances_that_the_log_does_not_give_show() {
    let tampers: [fn(&mut Balances); 2] = [
        |balances| {
            let name = Account::Publisher("pub_news".to_owned());
            let name = (name, CURRENCY.parse().unwrap());
            balances.get_mut(&name).unwrap().1.0 += 1;
        },
        |balances| {
            balances.pop_first();
        },
    ];
    for tamper in tampers {
        let mut books = books(trade());
        tamper(&mut books.balances);
        let verdict = verdict(&books, fast(1, 1_900), Some((3, 1)));
        assert!(!verdict.differences.is_empty());
        for difference in &verdict.differences {
            assert!(
                difference.starts_with("event log = balances: "),
                "{difference}"
            );
        }
        assert!(verdict.text.contains("NOT RECONCILED"), "{}", verdict.text);
    }
}

#[test]
fn a_log_that_lost_an_event_shows() {
    let mut books = books(trade());
    books.log.remove(2);
    let verdict = verdict(&books, fast(1, 1_900), Some((3, 1)));
    assert!(
        verdict.text.contains("  NO   event log = balances"),
        "{}",
        verdict.text
    );
    assert!(!verdict.differences.is_empty());
}

#[test]
fn ads_and_clicks_that_the_publishers_counted_otherwise_show() {
    let books = books(trade());
    fails(
        &verdict(&books, fast(1, 1_900), Some((4, 0))),
        &[
            "impressions sold = ads that publishers showed: 3 is not 4",
            "clicks in the log = clicks made: 1 is not 0",
        ],
    );
    let unknown = verdict(&books, fast(1, 1_900), None);
    assert_eq!(unknown.differences, Vec::<String>::new());
}

#[test]
fn the_demo_fails_with_every_difference() {
    let seen = Seen::default();
    seen.impressions.store(3, Relaxed);
    seen.clicks.store(1, Relaxed);
    let said = RefCell::new(String::new());
    let say = |text: &str| said.borrow_mut().push_str(text);
    conclude(&books(trade()), &[fast(1, 1_900)], &seen, &say).unwrap();
    assert!(said.borrow().contains("3 impressions, 1 clicks"));
    let error = conclude(&books(trade()), &[fast(0, 0)], &seen, &say).unwrap_err();
    let text = error.to_string();
    assert!(
        text.starts_with("the statement does not reconcile"),
        "{text}"
    );
    assert!(text.contains("receipts from dsp_fast"), "{text}");
    assert!(text.contains("3 is not 2"), "{text}");
    assert!(said.borrow().contains("NOT RECONCILED"));
}

#[test]
fn amounts_keep_six_places_and_their_sign() {
    let text = |micros| Fixed(Micros(micros)).to_string();
    assert_eq!(text(0), "0.000000");
    assert_eq!(text(-1), "-0.000001");
    assert_eq!(text(-12_000_001), "-12.000001");
    assert_eq!(text(3_000_000_000), "3000.000000");
}
