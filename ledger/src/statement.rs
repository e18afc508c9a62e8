//! Statements, computed twice: from the balances, and from the event log alone.
//!
//! The log is replayed in its order: remainders are carried again, postings made again, and the
//! result must be what the store holds, to the micro. Cost: about a microsecond an event.

use crate::carry::Carry;
use crate::event::{Event, Kind};
use crate::invariant;
use crate::money::Micros;
use crate::posting::{Account, Column};
use crate::store::BudgetState;
use std::collections::{BTreeMap, HashMap};

/// Debit and credit by account and currency.
pub type Balances = BTreeMap<(String, String), (Micros, Micros)>;

/// Differences that are told one by one; more would not help anybody.
const MOST_DIFFERENCES: usize = 100;

/// A period of events, half open, in unix milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// The first moment.
    pub from_ms: i64,
    /// The first moment after it.
    pub to_ms: i64,
}

impl Period {
    /// All time.
    pub const ALL: Period = Period {
        from_ms: i64::MIN,
        to_ms: i64::MAX,
    };

    fn contains(self, at_ms: i64) -> bool {
        (self.from_ms..self.to_ms).contains(&at_ms)
    }
}

/// An event of the log with what the store wrote beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logged {
    /// The event; its budgets and reservation are not in the log.
    pub event: Event,
    /// Whether its budgets had the money.
    pub funded: bool,
    /// What it cost.
    pub cost: Micros,
}

/// Everything that a statement is made of, at one moment.
#[derive(Clone, Debug, Default)]
pub struct Books {
    /// The event log, in order.
    pub log: Vec<Logged>,
    /// The balances as the store keeps them.
    pub balances: Balances,
    /// The budgets.
    pub budgets: Vec<(String, BudgetState)>,
}

/// One line of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The account.
    pub account: String,
    /// The currency of the amount.
    pub currency: String,
    /// Charged impressions of the account, those that cost less than a micro too.
    pub impressions: u64,
    /// For a publisher what its impressions were sold for, else the amount.
    pub gross: Micros,
    /// What was kept of the gross.
    pub fee: Micros,
    /// What the account owes or is owed: gross less fee.
    pub amount: Micros,
}

/// The lines of all accounts, agreed between balances and log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// By account and currency.
    pub lines: Vec<Line>,
}

/// Why there is no statement: the books do not agree with themselves.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the books do not reconcile: {}", differences.join("; "))]
pub struct Irreconcilable {
    /// Each difference found, up to a hundred.
    pub differences: Vec<String>,
}

/// Two sums that must be the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What is compared, and in which currency.
    pub what: String,
    /// One side.
    pub left: Micros,
    /// The other.
    pub right: Micros,
}

impl Check {
    /// Whether they are the same.
    pub fn agrees(&self) -> bool {
        self.left == self.right
    }
}

#[derive(Clone, Copy, Default)]
struct Tally {
    impressions: u64,
    gross: i64,
    debit: i64,
    credit: i64,
}

/// What the events alone say. Fed with the whole log in its order, since remainders are carried;
/// the lines are those of its period.
pub struct Replay {
    period: Period,
    carries: HashMap<String, Carry>,
    all: Balances,
    lines: BTreeMap<(String, String), Tally>,
    differences: Vec<String>,
}

impl Replay {
    /// A replay that draws up the lines of `period`.
    pub fn new(period: Period) -> Self {
        Self {
            period,
            carries: HashMap::new(),
            all: Balances::new(),
            lines: BTreeMap::new(),
            differences: Vec::new(),
        }
    }

    /// Takes the next event of the log.
    pub fn push(&mut self, logged: &Logged) {
        let event = &logged.event;
        if event.kind.charges().is_none() {
            return;
        }
        let carry = self.carries.entry(event.carry_key()).or_default();
        let cost = carry.impression(event.cpm);
        if cost != logged.cost && self.differences.len() < MOST_DIFFERENCES {
            let (key, recorded) = (event.carry_key(), logged.cost);
            let text = format!("{key}: recorded {recorded}, replayed {cost}");
            self.differences.push(text);
        }
        let mut none = Carry::default();
        let share = match event.kind {
            Kind::Sale => self.carries.entry(event.share_key()).or_default(),
            Kind::Bill | Kind::Win | Kind::Loss | Kind::Impression | Kind::View | Kind::Click => {
                &mut none
            }
        };
        for entry in event.entries(cost, share, logged.funded) {
            let name = (entry.account.to_string(), event.currency.to_string());
            let amount = entry.amount.0;
            let (debit, credit) = match entry.column {
                Column::Debit => (amount, 0),
                Column::Credit => (0, amount),
            };
            let balance = self.all.entry(name.clone()).or_default();
            balance.0.0 += debit;
            balance.1.0 += credit;
            if self.period.contains(event.at_ms) {
                let tally = self.lines.entry(name).or_default();
                tally.impressions += 1;
                tally.debit += debit;
                tally.credit += credit;
                tally.gross += match entry.account {
                    Account::Publisher(_) => cost.0,
                    Account::Advertiser(_)
                    | Account::Media { .. }
                    | Account::Buyer { .. }
                    | Account::ExchangeFee
                    | Account::OverDelivery => amount,
                };
            }
        }
    }

    /// The statement, if the log agrees with all `balances`, with the `entries` posted in its
    /// period where they are given, and every budget held.
    ///
    /// # Errors
    /// Every way in which the books do not agree with themselves.
    pub fn statement(
        self,
        balances: &Balances,
        entries: Option<&Balances>,
        budgets: &[(String, BudgetState)],
    ) -> Result<Statement, Irreconcilable> {
        let mut differences = self.differences;
        differences.extend(invariant::first_difference(balances, &self.all));
        if let Some(entries) = entries {
            let of = |tally: &Tally| (Micros(tally.debit), Micros(tally.credit));
            let lines = self.lines.iter().map(|(name, t)| (name.clone(), of(t)));
            let found = invariant::first_difference(entries, &lines.collect());
            differences.extend(found.map(|text| format!("postings of the period: {text}")));
        }
        for currency in invariant::unbalanced(balances) {
            differences.push(format!("debits and credits in {currency} differ"));
        }
        let over = budgets
            .iter()
            .filter(|(_, state)| !invariant::within_budget(state));
        differences.extend(over.map(|(key, state)| format!("budget {key} exceeded: {state:?}")));
        differences.truncate(MOST_DIFFERENCES);
        if !differences.is_empty() {
            return Err(Irreconcilable { differences });
        }
        let lines = self.lines.into_iter().map(|((account, currency), tally)| {
            let amount = (tally.debit - tally.credit).abs();
            Line {
                account,
                currency,
                impressions: tally.impressions,
                gross: Micros(tally.gross),
                fee: Micros(tally.gross - amount),
                amount: Micros(amount),
            }
        });
        let lines = lines.collect();
        Ok(Statement { lines })
    }
}

impl Books {
    /// The statement of all accounts.
    ///
    /// # Errors
    /// Every way in which the books do not agree with themselves.
    pub fn statement(&self) -> Result<Statement, Irreconcilable> {
        let mut replay = Replay::new(Period::ALL);
        for logged in &self.log {
            replay.push(logged);
        }
        replay.statement(&self.balances, None, &self.budgets)
    }
}

impl Statement {
    /// The sum of the accounts whose name begins with `prefix`, in `currency`.
    pub fn sum(&self, prefix: &str, currency: &str) -> Micros {
        let of = self
            .lines
            .iter()
            .filter(|line| line.currency == currency && line.account.starts_with(prefix));
        Micros(of.map(|line| line.amount.0).sum())
    }

    /// The currencies of the statement.
    pub fn currencies(&self) -> Vec<&str> {
        let mut found: Vec<&str> = self
            .lines
            .iter()
            .map(|line| line.currency.as_str())
            .collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// What must agree between the two sides of the trade, in every currency. `local` names our
    /// bidder as the exchange's partner and our exchange as the bidder knows it, where both keep
    /// these books: each seat must then have paid what it was billed.
    pub fn checks(&self, local: Option<(&str, &str)>) -> Vec<Check> {
        let mut checks = Vec::new();
        for currency in self.currencies() {
            let sum = |prefix: &str| self.sum(prefix, currency);
            let mut check = |what: String, left, right| {
                let what = format!("{what}, {currency}");
                checks.push(Check { what, left, right });
            };
            check(
                "publisher earnings + exchange fee = receipts".to_owned(),
                Micros(sum("publisher:").0 + sum("exchange_fee").0),
                sum("buyer:"),
            );
            check(
                "owed for media = advertiser spend + over-delivery".to_owned(),
                sum("media:"),
                Micros(sum("advertiser:").0 + sum("over_delivery").0),
            );
            let Some((partner, exchange)) = local else {
                continue;
            };
            let (receipts, media) = (format!("buyer:{partner}:"), format!("media:{exchange}:"));
            for (seat, left, right) in self.by_seat(&receipts, &media, currency) {
                check(
                    format!("receipts from seat {seat} = its spend"),
                    left,
                    right,
                );
            }
        }
        checks
    }

    fn by_seat(&self, left: &str, right: &str, currency: &str) -> Vec<(&str, Micros, Micros)> {
        let mut seats: BTreeMap<&str, (Micros, Micros)> = BTreeMap::new();
        for line in self.lines.iter().filter(|line| line.currency == currency) {
            if let Some(seat) = line.account.strip_prefix(left) {
                seats.entry(seat).or_default().0 = line.amount;
            } else if let Some(seat) = line.account.strip_prefix(right) {
                seats.entry(seat).or_default().1 = line.amount;
            }
        }
        seats
            .into_iter()
            .map(|(seat, (left, right))| (seat, left, right))
            .collect()
    }
}
