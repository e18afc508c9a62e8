//! A node in the small: bids, notices, leases, changed limits and crashes in random order, over
//! the real table, writer and file, beside a record on paper.

use crate::fixture::{EUR, File, bill, sale};
use ledger::invariant::within_budget;
use ledger::lease::adjustment;
use ledger::statement::{Check, Period};
use ledger::store::{Budget, BudgetState, Store};
use ledger::writer::Writer;
use ledger::{
    Book, BudgetPath, BudgetSlot, Cpm, DataFees, Event, Fees, Micros, Multiplier, Outcome,
    ReservationId, Reservations,
};
use proptest::prelude::*;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread::JoinHandle;
use std::time::Duration;

/// Two line items and the campaign of both.
const KEYS: [&str; 3] = ["line:0", "line:1", "campaign"];
const CAMPAIGN: usize = 2;
/// What the line items pay beside the media: the platform, in millionths, and providers of data.
const FEES: [(u32, &str); 2] = [(150_000, "prv_a=300000,prv_b=70001"), (0, "")];
/// Longest life of a bid, in seconds; a crashed lease is held a little longer.
const LIFE_S: u32 = 50;
const HOLD_S: i64 = 60;

#[derive(Clone, Debug)]
enum Step {
    Bid { line: usize, cpm: i64, life_s: u32 },
    Win { which: usize, percent: i64 },
    Loss { which: usize },
    Bill { which: usize, percent: i64 },
    Wait { seconds: u32 },
    Lease,
    Limit { budget: usize, micros: i64 },
    Crash,
}

fn step() -> impl Strategy<Value = Step> {
    let which = 0usize..64;
    prop_oneof![
        8 => (0usize..2, 1_000i64..4_000_000, 1..LIFE_S)
            .prop_map(|(line, cpm, life_s)| Step::Bid { line, cpm, life_s }),
        2 => (which.clone(), 0i64..=100).prop_map(|(which, percent)| Step::Win { which, percent }),
        1 => which.clone().prop_map(|which| Step::Loss { which }),
        6 => (which, 0i64..=105).prop_map(|(which, percent)| Step::Bill { which, percent }),
        2 => (1u32..25).prop_map(|seconds| Step::Wait { seconds }),
        4 => Just(Step::Lease),
        1 => (0usize..3, 0i64..60_000).prop_map(|(budget, micros)| Step::Limit { budget, micros }),
        1 => Just(Step::Crash),
    ]
}

/// A bid as it stands on paper.
struct Bid {
    line: usize,
    cpm: Cpm,
    epoch: u32,
    id: ReservationId,
    expires_at: u32,
    /// What is held for it: nothing after a loss, a bill or its expiry.
    held: Option<Micros>,
    billed: bool,
}

struct Node {
    writer: Writer,
    thread: JoinHandle<()>,
    book: Arc<Book>,
    open: Arc<Reservations>,
    slots: [BudgetSlot; 3],
    epoch: u32,
}

impl Node {
    fn start(file: &File, now: u32) -> Self {
        let mut store =
            ledger::store::SqliteStore::open(file.path(), i64::from(now), HOLD_S).unwrap();
        store.thaw(i64::from(now)).unwrap();
        let epoch = store.epoch();
        let (book, open) = (Arc::new(Book::default()), Arc::new(Reservations::new(64)));
        let slots = std::array::from_fn(|_| book.add().unwrap());
        let (shared, table) = (Arc::clone(&book), Arc::clone(&open));
        let (writer, thread) = Writer::start(
            Box::new(store),
            shared,
            table,
            Box::new(|_| ()),
            16,
            Duration::ZERO,
        );
        Self {
            writer,
            thread,
            book,
            open,
            slots,
            epoch,
        }
    }

    /// Ends without giving anything back.
    fn crash(self) {
        self.writer.stop();
        self.thread.join().unwrap();
    }

    fn record(&self, event: Event) -> Outcome {
        let (answer, answers) = channel();
        self.writer
            .record(event, Box::new(move |result| answer.send(result).unwrap()));
        answers.recv().unwrap().unwrap()
    }

    fn lease(&self) {
        for (slot, key) in self.slots.iter().zip(KEYS) {
            let (book, slot) = (Arc::clone(&self.book), *slot);
            let work = move |store: &mut dyn Store| {
                let remaining = store.budget(key).unwrap().unwrap().remaining().0;
                let change = adjustment(remaining, book.available(slot), 2_000, 40);
                let change = if change < 0 {
                    -book.withdraw(slot, -change)
                } else {
                    change
                };
                let granted = store.lease(&[(key.to_owned(), change)]).unwrap()[0];
                book.grant(slot, granted.max(0));
            };
            self.writer.call(work).unwrap();
        }
    }

    fn states(&self) -> [BudgetState; 3] {
        self.writer
            .call(|store| KEYS.map(|key| store.budget(key).unwrap().unwrap()))
            .unwrap()
    }
}

#[derive(Default)]
struct Paper {
    now: u32,
    bids: Vec<Bid>,
    spent: [i64; 3],
    over_delivered: i64,
    /// The most that each budget may hold: its limit, or what was committed when that was lowered.
    ceiling: [i64; 3],
    sales: u32,
}

fn set_limit(node: &Node, paper: &mut Paper, budget: usize, micros: i64) {
    let state = &node.states()[budget];
    let committed = state.spent.0 + state.leased.0 + state.frozen.0;
    paper.ceiling[budget] = micros.max(committed);
    let limit = Micros(micros);
    let changed = Budget {
        key: KEYS[budget].to_owned(),
        currency: EUR,
        limit,
    };
    node.writer
        .call(move |store| store.set_budgets(&[changed]).unwrap())
        .unwrap();
}

/// The most that a bill of a line item can cost.
fn most(line: usize, cpm: Cpm) -> Micros {
    let (platform_ppm, data) = FEES[line];
    let data = DataFees::read(data).unwrap();
    let fees = Fees { platform_ppm, data };
    fees.most_for(cpm, Multiplier::ONE)
}

fn bid(node: &Node, paper: &mut Paper, line: usize, cpm: Cpm, life_s: u32) {
    let path = BudgetPath::new(&[node.slots[line], node.slots[CAMPAIGN]]);
    let (held, expires_at) = (most(line, cpm), paper.now + life_s);
    if let Ok(id) = node
        .open
        .open(&node.book, &path, (held, Multiplier::ONE), expires_at)
    {
        let (epoch, held) = (node.epoch, Some(held));
        paper.bids.push(Bid {
            line,
            cpm,
            epoch,
            id,
            expires_at,
            held,
            billed: false,
        });
    }
}

/// Bills a bid at a part of its price and says what is wrong with the outcome.
fn charge(node: &Node, paper: &mut Paper, which: usize, percent: i64) -> Result<(), String> {
    let now = paper.now;
    let number = u32::try_from(which).unwrap();
    let bid = &mut paper.bids[which];
    let cpm = Cpm(bid.cpm.0 * percent / 100);
    let event = Event {
        bid: bid.cpm,
        cpm,
        line_item: KEYS[bid.line].to_owned(),
        platform_ppm: FEES[bid.line].0,
        data: FEES[bid.line].1.to_owned(),
        budgets: vec![KEYS[bid.line].to_owned(), KEYS[CAMPAIGN].to_owned()],
        reservation: Some((bid.epoch, bid.id)),
        ..bill(number, 0)
    };
    let sold = event.clone();
    let in_time = bid.held.is_some_and(|held| most(bid.line, cpm) <= held) && bid.expires_at >= now;
    let cost = match node.record(event) {
        Outcome::Duplicate if bid.billed => return Ok(()),
        Outcome::Refused { .. } if !bid.billed && cpm > bid.cpm => return Ok(()),
        Outcome::Charged { cost } if !bid.billed && cpm <= bid.cpm => {
            paper.spent[bid.line] += cost.0;
            paper.spent[CAMPAIGN] += cost.0;
            cost
        }
        Outcome::OverDelivered { cost } if !bid.billed && !in_time && cpm <= bid.cpm => {
            paper.over_delivered += cost.0;
            cost
        }
        other => {
            return Err(format!(
                "{other:?} for {percent} % of bid {which}, time {in_time}"
            ));
        }
    };
    (bid.billed, bid.held) = (true, None);
    // The exchange sells the same impression, and has to come to the same cost in the end.
    let share_ppm = [850_000, 333_333, 1_000_000][which % 3];
    let sold = Event {
        seat: sold.seat,
        line_item: sold.line_item,
        cpm,
        bid: cpm,
        ..sale(number, 0, share_ppm)
    };
    paper.sales += 1;
    match node.record(sold) {
        Outcome::Charged { .. } if cost >= Micros(0) => Ok(()),
        other => Err(format!("a sale became {other:?}")),
    }
}

fn check(node: &Node, paper: &Paper) -> Result<(), TestCaseError> {
    let held = |budget: usize| -> i64 {
        let own = paper.bids.iter().filter(|bid| bid.epoch == node.epoch);
        own.filter(|bid| budget == CAMPAIGN || bid.line == budget)
            .filter_map(|bid| bid.held.map(|held| held.0))
            .sum()
    };
    for (index, state) in node.states().iter().enumerate() {
        prop_assert!(within_budget(state), "{}: {:?}", KEYS[index], state);
        let committed = state.spent.0 + state.leased.0 + state.frozen.0;
        prop_assert!(
            committed <= paper.ceiling[index],
            "{}: {:?}",
            KEYS[index],
            state
        );
        prop_assert_eq!(state.spent.0, paper.spent[index]);
        let dead: i64 = paper
            .bids
            .iter()
            .filter(|bid| bid.epoch < node.epoch && bid.expires_at >= paper.now)
            .filter(|bid| index == CAMPAIGN || bid.line == index)
            .filter_map(|bid| bid.held.map(|held| held.0))
            .sum();
        prop_assert!(
            dead <= state.frozen.0,
            "{}: {} held, {:?}",
            KEYS[index],
            dead,
            state
        );
        let slot = node.slots[index];
        let (available, reserved) = (node.book.available(slot), node.book.reserved(slot));
        prop_assert_eq!(reserved, held(index));
        prop_assert_eq!(
            available + reserved,
            state.leased.0,
            "node and ledger differ"
        );
    }
    Ok(())
}

fn take(
    node: &mut Option<Node>,
    file: &File,
    paper: &mut Paper,
    step: &Step,
) -> Result<(), String> {
    let running = node.as_ref().expect("a node is running");
    let at = |which: usize| (!paper.bids.is_empty()).then(|| which % paper.bids.len());
    match *step {
        Step::Bid { line, cpm, life_s } => bid(running, paper, line, Cpm(cpm), life_s),
        Step::Win { which, percent } => {
            if let Some(bid) = at(which).map(|which| &mut paper.bids[which])
                && bid.epoch == running.epoch
            {
                let kept = most(bid.line, Cpm(bid.cpm.0 * percent / 100));
                running.open.narrow(&running.book, bid.id, kept);
                bid.held = bid.held.map(|held| held.min(kept));
            }
        }
        Step::Loss { which } => {
            if let Some(bid) = at(which).map(|which| &mut paper.bids[which])
                && bid.epoch == running.epoch
            {
                let released = running.open.release(&running.book, bid.id);
                assert_eq!(released, bid.held.take().is_some());
            }
        }
        Step::Bill { which, percent } => {
            // Of a dead run's bid the ledger does not know what was held. A bill for one that was
            // lost, or above what its win notice told, takes from what other bids hold; a fair
            // exchange sends neither.
            let fair = |bid: &Bid| {
                let most = most(bid.line, Cpm(bid.cpm.0 * percent / 100));
                bid.epoch == running.epoch
                    || bid.billed
                    || bid.held.is_some_and(|held| most <= held)
            };
            if let Some(which) = at(which).filter(|which| fair(&paper.bids[*which])) {
                return charge(running, paper, which, percent);
            }
        }
        Step::Wait { seconds } => {
            paper.now += seconds;
            running.open.sweep(&running.book, paper.now, 64);
            let now = paper.now;
            running
                .writer
                .call(move |store| store.thaw(i64::from(now)).unwrap())
                .unwrap();
            let own = paper
                .bids
                .iter_mut()
                .filter(|bid| bid.epoch == running.epoch);
            own.filter(|bid| bid.expires_at < now)
                .for_each(|bid| bid.held = None);
        }
        Step::Lease => running.lease(),
        Step::Limit { budget, micros } => set_limit(running, paper, budget, micros),
        Step::Crash => {
            node.take().expect("a node is running").crash();
            *node = Some(Node::start(file, paper.now));
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn a_budget_holds_whatever_happens(
        limits in (5_000i64..40_000, 5_000i64..40_000, 5_000i64..60_000),
        steps in prop::collection::vec(step(), 1..150),
    ) {
        let file = File::new("node");
        let mut paper = Paper::default();
        let mut node = Some(Node::start(&file, 0));
        let running = node.as_ref().unwrap();
        let budgets = [limits.0, limits.1, limits.2];
        let made: Vec<Budget> = KEYS.iter().zip(budgets)
            .map(|(key, limit)| Budget {
                key: (*key).to_owned(), currency: EUR, limit: Micros(limit),
            })
            .collect();
        running.writer.call(move |store| store.set_budgets(&made).unwrap()).unwrap();
        paper.ceiling = budgets;
        running.lease();
        for step in steps {
            let told = format!("{step:?}");
            if let Err(wrong) = take(&mut node, &file, &mut paper, &step) {
                prop_assert!(false, "{}: {}", told, wrong);
            }
            check(node.as_ref().unwrap(), &paper)?;
        }
        let node = node.unwrap();
        let statement = node.writer.call(|store| store.statement(Period::ALL).unwrap()).unwrap();
        prop_assert_eq!(statement.sum("advertiser:", "EUR").0, paper.spent[CAMPAIGN]);
        prop_assert_eq!(statement.sum("over_delivery", "EUR").0, paper.over_delivered);
        let checks = statement.checks(Some(("bidder", "x")));
        prop_assert!(checks.iter().all(Check::agrees), "{:?}", checks);
        let sold: u64 = statement.lines.iter()
            .filter(|line| line.account.to_string().starts_with("buyer:")).map(|line| line.impressions).sum();
        prop_assert_eq!(sold, u64::from(paper.sales));
        node.crash();
    }
}
