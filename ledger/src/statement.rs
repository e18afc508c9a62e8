//! Statements, computed twice: from the balances, and from the event log alone.
//!
//! The log is replayed in its order: remainders are carried again, postings made again, and the
//! result must be what the store holds, to the micro. A closed month leaves an [`Opening`] behind,
//! so that what follows is replayed from there.

mod line;
mod month;
mod replay;

use crate::carry::Carry;
use crate::currency::Currency;
use crate::event::Event;
use crate::money::Micros;
use crate::posting::Account;
use crate::store::BudgetState;
use std::collections::{BTreeMap, HashMap};

pub use line::{Adjustment, Line};
pub use month::{Month, NoMonth, Zones};
pub use replay::Replay;

/// Debit and credit by account and currency.
pub type Balances = BTreeMap<(Account, Currency), (Micros, Micros)>;

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

    /// Whether a moment lies within.
    pub fn contains(self, at_ms: i64) -> bool {
        (self.from_ms..self.to_ms).contains(&at_ms)
    }
}

/// The period of each account: they follow different clocks.
#[derive(Clone, Debug)]
pub struct Periods {
    /// That of accounts without one of their own.
    pub common: Period,
    /// By account.
    pub own: HashMap<Account, Period>,
}

impl Periods {
    /// The period of an account.
    pub fn of(&self, account: &Account) -> Period {
        self.own.get(account).copied().unwrap_or(self.common)
    }
}

impl From<Period> for Periods {
    fn from(common: Period) -> Self {
        Self {
            common,
            own: HashMap::new(),
        }
    }
}

/// An event of the log with what the store wrote beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logged {
    /// Its place in the log, rising.
    pub seq: i64,
    /// The event; its budgets and reservation are not in the log.
    pub event: Event,
    /// Whether its budgets had the money.
    pub funded: bool,
    /// What its media cost.
    pub cost: Micros,
    /// A bill's fee of the platform.
    pub platform_fee: Micros,
    /// What a bill owes the providers of data.
    pub data_cost: Micros,
    /// When it counts, unix milliseconds: its own time, or the moment at which the month of its
    /// own time was closed.
    pub booked_ms: i64,
}

/// The books at the moment behind which a log begins.
#[derive(Clone, Debug, Default)]
pub struct Opening {
    /// The last event before the log.
    pub seq: i64,
    /// The last correction before the log.
    pub adjustment: i64,
    /// The remainders.
    pub carries: HashMap<String, Carry>,
    /// The balances.
    pub balances: Balances,
}

/// Everything that a statement is made of, at one moment.
#[derive(Clone, Debug, Default)]
pub struct Books {
    /// What was before the log.
    pub opening: Opening,
    /// The event log, in order.
    pub log: Vec<Logged>,
    /// The corrections, in order.
    pub adjustments: Vec<Adjustment>,
    /// The balances as the store keeps them.
    pub balances: Balances,
    /// The budgets.
    pub budgets: Vec<(String, BudgetState)>,
}

/// The lines of all accounts, agreed between balances and log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statement {
    /// By account and currency.
    pub lines: Vec<Line>,
    /// The same by item, where an account has items.
    pub items: Vec<Line>,
    /// The corrections of the period.
    pub adjustments: Vec<Adjustment>,
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

impl Books {
    /// The statement of all accounts.
    ///
    /// # Errors
    /// Every way in which the books do not agree with themselves.
    pub fn statement(&self) -> Result<Statement, Irreconcilable> {
        let mut replay = Replay::new(self.opening.clone(), Period::ALL.into());
        for logged in &self.log {
            replay.push(logged);
        }
        for adjustment in &self.adjustments {
            replay.adjust(adjustment.clone());
        }
        replay.statement(&self.balances, None, &self.budgets)
    }
}

impl Statement {
    /// The net of the accounts whose name begins with `prefix`, in `currency`.
    pub fn sum(&self, prefix: &str, currency: &str) -> Micros {
        let of = self.lines.iter().filter(|line| {
            line.currency.code() == currency && line.account.to_string().starts_with(prefix)
        });
        Micros(of.map(|line| line.net().0).sum())
    }

    /// The currencies of the statement.
    pub fn currencies(&self) -> Vec<&str> {
        let mut found: Vec<&str> = self.lines.iter().map(|line| line.currency.code()).collect();
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
                "owed for media, platform and data = advertiser spend + over-delivery".to_owned(),
                Micros(sum("media:").0 + sum("platform_fee").0 + sum("data:").0),
                Micros(sum("advertiser:").0 + sum("over_delivery").0),
            );
            let Some(local) = local else {
                continue;
            };
            for (seat, left, right) in self.by_seat(local, currency) {
                check(
                    format!("receipts from seat {seat} = its spend"),
                    left,
                    right,
                );
            }
        }
        checks
    }

    fn by_seat(&self, local: (&str, &str), currency: &str) -> Vec<(&str, Micros, Micros)> {
        let (own_partner, own_exchange) = local;
        let mut seats: BTreeMap<&str, (Micros, Micros)> = BTreeMap::new();
        let lines = self.lines.iter();
        for line in lines.filter(|line| line.currency.code() == currency) {
            match &line.account {
                Account::Buyer { partner, seat } if partner == own_partner => {
                    seats.entry(seat).or_default().0 = line.net();
                }
                Account::Media { exchange, seat } if exchange == own_exchange => {
                    seats.entry(seat).or_default().1 = line.net();
                }
                _ => {}
            }
        }
        seats
            .into_iter()
            .map(|(seat, (left, right))| (seat, left, right))
            .collect()
    }
}
