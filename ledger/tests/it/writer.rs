//! The writer's thread: it answers everybody, after the commit, and stops when it must.

use crate::fixture::{File, bill, budget};
use ledger::event::Fault;
use ledger::reservation::ReservationId;
use ledger::store::{SqliteStore, Store};
use ledger::writer::Writer;
use ledger::{
    Book, BudgetPath, DeadLetter, Event, Micros, Multiplier, Outcome, Refusal, Reservations,
};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// Long enough that only a missing answer exceeds it.
const PATIENCE: Duration = Duration::from_secs(30);

type Answer = Result<Outcome, Refusal>;

fn start(store: SqliteStore, queue: usize) -> (Writer, JoinHandle<()>) {
    let (book, open) = (Arc::new(Book::default()), Arc::new(Reservations::new(16)));
    Writer::start(
        Box::new(store),
        book,
        open,
        Box::new(|_| ()),
        queue,
        Duration::from_millis(1),
    )
}

fn record(writer: &Writer, event: Event) -> Receiver<Answer> {
    let (answer, answers) = channel();
    writer.record(event, Box::new(move |result| answer.send(result).unwrap()));
    answers
}

fn answer(answers: &Receiver<Answer>) -> Answer {
    answers
        .recv_timeout(PATIENCE)
        .expect("every event is answered")
}

/// Keeps the writer's thread in a piece of work until the sender is used.
fn occupy(writer: &Writer) -> (Sender<()>, JoinHandle<()>) {
    let (go, gone) = channel::<()>();
    let (begin, begun) = channel::<()>();
    let writer = writer.clone();
    let waiting = std::thread::spawn(move || {
        let work = move |_: &mut dyn Store| {
            begin.send(()).unwrap();
            gone.recv().unwrap();
        };
        writer.call(work).unwrap();
    });
    begun.recv_timeout(PATIENCE).unwrap();
    (go, waiting)
}

#[test]
fn a_full_queue_is_told_at_once() {
    let file = File::new("busy");
    let (writer, _thread) = start(file.open(0), 2);
    let (go, waiting) = occupy(&writer);
    let queued: Vec<_> = (0..2).map(|n| record(&writer, bill(n, 1_000))).collect();
    assert_eq!(answer(&record(&writer, bill(3, 1_000))), Err(Refusal::Busy));
    go.send(()).unwrap();
    waiting.join().unwrap();
    for answers in &queued {
        assert!(answer(answers).is_ok());
    }
}

#[test]
fn what_is_queued_behind_the_end_is_answered() {
    let file = File::new("end");
    let (writer, thread) = start(file.open(0), 16);
    let (go, waiting) = occupy(&writer);
    let before = record(&writer, bill(1, 1_000));
    writer.stop();
    let behind: Vec<_> = (2..6).map(|n| record(&writer, bill(n, 1_000))).collect();
    go.send(()).unwrap();
    waiting.join().unwrap();
    thread.join().unwrap();
    assert!(answer(&before).is_ok());
    for answers in &behind {
        assert_eq!(answer(answers), Err(Refusal::Stopped));
    }
}

#[test]
fn a_failed_commit_stops_the_writer_for_good() {
    let file = File::new("failed");
    let mut store = file.open(0);
    store.set_budgets(&[budget(1_000_000)]).unwrap();
    let (writer, _thread) = start(store, 16);
    assert!(answer(&record(&writer, bill(1, 1_000_000))).is_ok());
    assert!(writer.is_healthy());
    // A second process opens the books: this one may not write any more.
    let mut second = file.open(1);
    assert_eq!(
        answer(&record(&writer, bill(2, 1_000_000))),
        Err(Refusal::Stopped)
    );
    assert!(!writer.is_healthy());
    assert_eq!(
        answer(&record(&writer, bill(2, 1_000_000))),
        Err(Refusal::Stopped)
    );
    assert!(
        writer.call(|_| ()).is_none(),
        "stopped books must not grant leases"
    );
    // What was refused was not charged, and can be charged where the books are open.
    assert_eq!(
        second.budget("line:li_a").unwrap().unwrap().spent,
        Micros(1_000)
    );
    let again = second
        .apply(&[bill(2, 1_000_000)], &mut crate::fixture::late)
        .unwrap();
    assert_eq!(
        again,
        [Outcome::Charged {
            cost: Micros(1_000)
        }]
    );
}

#[test]
fn a_panic_in_the_writer_stops_it_and_answers_everybody() {
    let file = File::new("panic");
    let (writer, _thread) = start(file.open(0), 16);
    assert!(writer.call(|_| -> () { panic!("on purpose") }).is_none());
    assert!(!writer.is_healthy());
    assert_eq!(
        answer(&record(&writer, bill(1, 1_000))),
        Err(Refusal::Stopped)
    );
}

#[test]
fn a_panic_of_a_sender_is_its_own() {
    let file = File::new("sender");
    let (writer, _thread) = start(file.open(0), 16);
    writer.record(bill(1, 1_000), Box::new(|_| panic!("on purpose")));
    assert!(answer(&record(&writer, bill(2, 1_000))).is_ok());
    assert!(writer.is_healthy());
}

#[test]
fn a_refusal_of_the_sender_is_noted() {
    let file = File::new("noted");
    let (writer, _thread) = start(file.open(0), 16);
    let (told, answers) = channel();
    let fault = Fault::NoPrice;
    for _ in 0..2 {
        let told = told.clone();
        let reply = Box::new(move |result| told.send(result).unwrap());
        writer.refuse(DeadLetter::of(&bill(1, 0), fault, "/n/bill?t=x"), reply);
        assert_eq!(answer(&answers), Ok(Outcome::Refused { fault }));
    }
    let noted = writer.call(|store| store.refusals().unwrap()).unwrap();
    assert_eq!(noted, [("no_price".to_owned(), 1)]);
    assert!(is_charge(answer(&record(&writer, bill(1, 1_000_000)))));
}

fn is_charge(answer: Answer) -> bool {
    match answer {
        Ok(Outcome::Charged { .. } | Outcome::OverDelivered { .. }) => true,
        Ok(Outcome::Recorded | Outcome::Duplicate | Outcome::Refused { .. }) | Err(_) => false,
    }
}

#[test]
fn the_writer_settles_reservations_and_answers_after_the_commit() {
    let file = File::new("writer");
    let mut store = file.open(0);
    store.set_budgets(&[budget(10_000)]).unwrap();
    let granted = store.lease(&[("line:li_a".into(), 10_000)]).unwrap()[0];
    let epoch = store.epoch();
    let (book, reservations) = (Arc::new(Book::default()), Arc::new(Reservations::new(64)));
    let slot = book.add().unwrap();
    book.grant(slot, granted);
    let path = BudgetPath::new(&[slot]);
    let open = |amount| {
        reservations
            .open(&book, &path, (Micros(amount), Multiplier::ONE), 60)
            .unwrap()
    };
    let ids: Vec<ReservationId> = (0..3).map(|_| open(3_001)).collect();
    let (writer, thread) = Writer::start(
        Box::new(store),
        Arc::clone(&book),
        Arc::clone(&reservations),
        Box::new(|_| ()),
        16,
        Duration::from_millis(1),
    );
    let (answer, answers) = channel();
    for (number, id) in ids.iter().enumerate() {
        let event = Event {
            reservation: Some((epoch, *id)),
            ..bill(u32::try_from(number).unwrap(), 2_000_000)
        };
        let answer = answer.clone();
        writer.record(event, Box::new(move |result| answer.send(result).unwrap()));
    }
    for _ in &ids {
        let charged = Outcome::Charged {
            cost: Micros(2_000),
        };
        assert_eq!(
            answers.recv_timeout(Duration::from_secs(10)).unwrap(),
            Ok(charged)
        );
    }
    assert_eq!((book.available(slot), book.reserved(slot)), (4_000, 0));
    let state = writer
        .call(|store| store.budget("line:li_a").unwrap().unwrap())
        .unwrap();
    assert_eq!((state.spent, state.leased), (Micros(6_000), Micros(4_000)));
    writer.stop();
    thread.join().unwrap();
    let (answer, answers) = channel();
    writer.record(
        bill(9, 1),
        Box::new(move |result| answer.send(result).unwrap()),
    );
    assert_eq!(answers.recv().unwrap(), Err(Refusal::Stopped));
}
