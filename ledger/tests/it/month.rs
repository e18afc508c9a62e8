//! Months: drawn up twice, closed once, corrected only in the open one.

use crate::fixture::{EUR, File, bill, budget, late, sale};
use jiff::tz::TimeZone;
use ledger::posting::Account;
use ledger::statement::{Line, Month, Zones};
use ledger::store::{
    Closing, Correction, MonthStatement, NewAdjustment, Objection, SqliteStore, Store, StoreError,
};
use ledger::{Event, Micros};
use proptest::prelude::*;

fn ms(text: &str) -> i64 {
    let at: jiff::Timestamp = text.parse().unwrap();
    at.as_millisecond()
}

fn month(text: &str) -> Month {
    text.parse().unwrap()
}

fn at(event: Event, at_ms: i64) -> Event {
    Event { at_ms, ..event }
}

/// The advertiser of the fixture in Paris, everybody else in UTC.
fn paris() -> Zones {
    let zone = TimeZone::get("Europe/Paris").unwrap();
    Zones([("advertiser:adv_a".to_owned(), zone)].into())
}

fn closing(at: &str) -> Closing {
    Closing {
        at_ms: ms(at),
        who: "ann".to_owned(),
    }
}

fn line(month: &MonthStatement, account: &str) -> Option<Line> {
    let mut lines = month.statement.lines.iter();
    lines.find(|line| line.account == account).cloned()
}

fn impressions(store: &SqliteStore, of: &str, account: &str) -> u64 {
    let month = store.month(month(of), &paris()).unwrap();
    line(&month, account).map_or(0, |line| line.impressions)
}

fn objection(result: Result<(), StoreError>) -> Objection {
    match result {
        Err(StoreError::Objection(objection)) => objection,
        other => panic!("expected an objection, found {other:?}"),
    }
}

fn amount(reference: &str, micros: i64) -> NewAdjustment {
    NewAdjustment {
        reference: reference.to_owned(),
        at_ms: ms("2026-12-02T00:00:00Z"),
        who: "ann".to_owned(),
        reason: "the creative was broken".to_owned(),
        what: Correction::Amount {
            account: Account::Advertiser("adv_a".into()),
            currency: EUR,
            amount: Micros(micros),
        },
    }
}

fn reverse(reference: &str, key: [u8; 16]) -> NewAdjustment {
    NewAdjustment {
        what: Correction::Reverse { key },
        ..amount(reference, 0)
    }
}

#[test]
fn an_account_follows_its_own_clock() {
    let file = File::new("clock");
    let mut store = file.open(0);
    store.set_budgets(&[budget(1_000_000)]).unwrap();
    let edge = ms("2026-11-30T23:30:00Z");
    store
        .apply(&[at(bill(1, 1_000_000), edge)], &mut late)
        .unwrap();
    // In Paris it is December already.
    assert_eq!(impressions(&store, "2026-11", "advertiser:adv_a"), 0);
    assert_eq!(impressions(&store, "2026-12", "advertiser:adv_a"), 1);
    assert_eq!(impressions(&store, "2026-11", "media:x:adv_a"), 1);
    assert_eq!(impressions(&store, "2026-12", "media:x:adv_a"), 0);
}

#[test]
fn a_closed_month_stands_and_what_comes_later_counts_later() {
    let file = File::new("closed");
    let mut store = file.open(0);
    store.set_budgets(&[budget(10_000_000)]).unwrap();
    let november = ms("2026-11-10T12:00:00Z");
    let december = ms("2026-12-01T06:00:00Z");
    let events = [
        at(bill(1, 1_000_333), november),
        at(sale(1, 1_000_333, 800_000), november),
        at(bill(2, 2_000_333), december),
    ];
    store.apply(&events, &mut late).unwrap();
    let close = |store: &mut SqliteStore, of: &str, at: &str| {
        store.close(month(of), &paris(), &closing(at))
    };
    let early = objection(close(&mut store, "2026-11", "2026-11-30T23:59:59Z"));
    assert!(matches!(early, Objection::NotEnded { .. }), "{early}");
    let next = Objection::OutOfOrder {
        next: month("2026-11"),
    };
    assert_eq!(
        objection(close(&mut store, "2026-12", "2027-02-01T00:00:00Z")),
        next
    );
    close(&mut store, "2026-11", "2026-12-02T00:00:00Z").unwrap();
    let again = objection(close(&mut store, "2026-11", "2026-12-02T00:00:00Z"));
    assert_eq!(
        again,
        Objection::Closed {
            month: month("2026-11")
        }
    );
    let closed = store.month(month("2026-11"), &paris()).unwrap();
    assert_eq!(closed.closed, Some(closing("2026-12-02T00:00:00Z")));
    assert!(closed.replayed);
    // An event of November that is written after the closing counts in December.
    store
        .apply(&[at(bill(3, 3_000_333), november)], &mut late)
        .unwrap();
    assert_eq!(
        store.month(month("2026-11"), &paris()).unwrap().statement,
        closed.statement
    );
    let december = store.month(month("2026-12"), &paris()).unwrap();
    let of = line(&december, "advertiser:adv_a").unwrap();
    assert_eq!((of.impressions, of.gross), (2, Micros(5_001)));
    // It is replayed from the closing's books: the remainders were carried over.
    assert_eq!(line(&december, "media:x:adv_a").unwrap().gross, of.gross);
    store.statement(ledger::statement::Period::ALL).unwrap();
}

#[test]
fn a_change_of_clock_neither_loses_nor_doubles_an_event() {
    let hours = (0..72).map(|hour| ms("2026-11-29T12:00:00Z") + hour * 3_600_000);
    let events: Vec<Event> = hours
        .zip(0..)
        .map(|(moment, number)| at(bill(number, 1_000_000), moment))
        .collect();
    let zone = |name| Zones([("advertiser:adv_a".to_owned(), TimeZone::get(name).unwrap())].into());
    for (before, after) in [
        ("Pacific/Kiritimati", "Pacific/Niue"),
        ("Pacific/Niue", "Pacific/Kiritimati"),
    ] {
        let file = File::new(&format!("moved-{}", before.replace('/', "-")));
        let mut store = file.open(0);
        store.set_budgets(&[budget(10_000_000)]).unwrap();
        store.apply(&events, &mut late).unwrap();
        store
            .close(
                month("2026-11"),
                &zone(before),
                &closing("2026-12-03T00:00:00Z"),
            )
            .unwrap();
        let seen: Vec<u64> = ["2026-11", "2026-12"]
            .iter()
            .map(|of| {
                let found = store.month(month(of), &zone(after)).unwrap();
                line(&found, "advertiser:adv_a").unwrap().impressions
            })
            .collect();
        assert_eq!(
            seen.iter().sum::<u64>(),
            72,
            "{before} to {after}: {seen:?}"
        );
    }
}

#[test]
fn a_tampered_closing_is_refused() {
    let file = File::new("closing-tampered");
    let mut store = file.open(0);
    store.set_budgets(&[budget(10_000_000)]).unwrap();
    let november = ms("2026-11-10T12:00:00Z");
    store
        .apply(&[at(bill(1, 1_000_000), november)], &mut late)
        .unwrap();
    store
        .close(month("2026-11"), &paris(), &closing("2026-12-02T00:00:00Z"))
        .unwrap();
    let other = rusqlite::Connection::open(file.path()).unwrap();
    let change = "UPDATE closing_line SET gross = gross + 1 WHERE account = 'advertiser:adv_a'";
    let error = other.execute(change, []).unwrap_err().to_string();
    assert!(error.contains("does not change"), "{error}");
    other
        .execute_batch(&format!("DROP TRIGGER closing_line_stays; {change}"))
        .unwrap();
    let error = store.month(month("2026-11"), &paris()).unwrap_err();
    assert!(error.to_string().contains("advertiser:adv_a"), "{error}");
}

#[test]
fn a_correction_has_a_reason_is_made_once_and_counts_in_the_open_month() {
    let file = File::new("adjust");
    let mut store = file.open(0);
    store.set_budgets(&[budget(10_000_000)]).unwrap();
    let november = ms("2026-11-10T12:00:00Z");
    let events = [
        at(bill(1, 1_000_000), november),
        at(sale(2, 1_000_000, 800_000), november),
    ];
    store.apply(&events, &mut late).unwrap();
    store
        .close(month("2026-11"), &paris(), &closing("2026-12-02T00:00:00Z"))
        .unwrap();
    // The command works beside the node, which keeps its epoch.
    let mut clerk = SqliteStore::correct(file.path()).unwrap();
    let made = clerk.adjust(&amount("CN-1", -250)).unwrap();
    assert_eq!(clerk.adjust(&amount("CN-1", -250)).unwrap(), made);
    clerk.adjust(&reverse("CN-2", events[1].key)).unwrap();
    store
        .apply(&[at(bill(3, 1_000_000), november)], &mut late)
        .unwrap();
    let refused = |clerk: &mut SqliteStore, new| objection(clerk.adjust(&new).map(|_| ()));
    assert!(matches!(
        refused(&mut clerk, amount("CN-1", -251)),
        Objection::ReferenceTaken { .. }
    ));
    assert!(matches!(
        refused(&mut clerk, reverse("CN-3", events[1].key)),
        Objection::AlreadyReversed { .. }
    ));
    assert!(matches!(
        refused(&mut clerk, reverse("CN-4", [9; 16])),
        Objection::NoSuchCharge(_)
    ));
    assert_eq!(refused(&mut clerk, amount("CN-5", 0)), Objection::Nothing);
    let mut wrong = amount("CN-6", 1);
    wrong.what = Correction::Amount {
        account: Account::Publisher("typo".into()),
        currency: EUR,
        amount: Micros(1),
    };
    assert!(matches!(
        refused(&mut clerk, wrong),
        Objection::NoSuchAccount { .. }
    ));
    let november = store.month(month("2026-11"), &paris()).unwrap();
    assert!(november.statement.adjustments.is_empty());
    let december = store.month(month("2026-12"), &paris()).unwrap();
    let advertiser = line(&december, "advertiser:adv_a").unwrap();
    assert_eq!(
        (advertiser.net(), advertiser.adjustments, advertiser.due()),
        (Micros(1_000), Micros(-250), Micros(750))
    );
    let publisher = line(&december, "publisher:pub_p").unwrap();
    assert_eq!(publisher.due(), Micros(-800));
    let references: Vec<&str> = december
        .statement
        .adjustments
        .iter()
        .map(|one| one.reference.as_str())
        .collect();
    assert_eq!(references, ["CN-1", "CN-2"]);
    // Events cannot be written through the clerk's door.
    let fenced = clerk.apply(&[bill(9, 1)], &mut late).unwrap_err();
    assert!(matches!(fenced, StoreError::Fenced { .. }), "{fenced}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever is closed when: the months add up to the whole, corrections included.
    #[test]
    fn months_add_up_to_everything(
        events in prop::collection::vec((0i64..100, 1i64..9_000_000, prop::bool::ANY), 1..60),
        closings in 0usize..4, credit in -5_000i64..5_000,
    ) {
        let file = File::new(&format!("sum-{closings}-{}-{credit}", events.len()));
        let mut store = file.open(0);
        store.set_budgets(&[budget(20_000)]).unwrap();
        let start = ms("2026-09-03T21:00:00Z");
        let mut events = events;
        events.sort_by_key(|(day, ..)| *day);
        let mut open: Vec<&str> = ["2026-09", "2026-10", "2026-11", "2026-12", "2027-01"].into();
        let closing_times =
            ["2026-10-02T00:00:00Z", "2026-11-03T00:00:00Z", "2026-12-02T00:00:00Z"];
        let mut due = closing_times[..closings.min(3)].iter();
        let mut next = due.next();
        for (number, (day, price, sold)) in (0u32..).zip(&events) {
            let moment = start + day * 86_400_000;
            while let Some(time) = next.filter(|time| ms(time) <= moment) {
                let of = month(open.remove(0));
                let objected = store.close(of, &paris(), &closing(time));
                // Nothing happened yet in that month, so the first to be closed is a later one.
                if !matches!(
                    objected,
                    Err(StoreError::Objection(Objection::OutOfOrder { .. }))
                ) {
                    objected.unwrap();
                }
                next = due.next();
            }
            let event = if *sold { sale(number, *price, 700_001) } else { bill(number, *price) };
            store.apply(&[at(event, moment)], &mut late).unwrap();
        }
        if credit != 0 && store.books().unwrap().log.iter().any(|one| one.funded) {
            let _ = store.adjust(&amount("one", credit));
        }
        let all = store.books().unwrap().statement().unwrap();
        let mut sums: Vec<(u64, i64)> = vec![(0, 0); all.lines.len()];
        for of in ["2026-09", "2026-10", "2026-11", "2026-12", "2027-01"] {
            let found = store.month(month(of), &paris()).unwrap();
            for (whole, sum) in all.lines.iter().zip(&mut sums) {
                if let Some(line) = line(&found, &whole.account.to_string()) {
                    sum.0 += line.impressions;
                    sum.1 += line.due().0;
                }
            }
            for whole in &found.statement.lines {
                let items = found.statement.items.iter();
                let own: Vec<&Line> = items.filter(|one| one.account == whole.account).collect();
                let gross: i64 = own.iter().map(|item| item.gross.0).sum();
                prop_assert!(own.is_empty() || gross == whole.gross.0);
            }
        }
        let whole: Vec<(u64, i64)> =
            all.lines.iter().map(|line| (line.impressions, line.due().0)).collect();
        prop_assert_eq!(sums, whole);
    }
}
