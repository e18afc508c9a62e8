//! Statements, computed twice: from the balances, and from the event log alone.

use crate::carry::Carry;
use crate::event::{Event, Kind};
use crate::invariant;
use crate::money::Micros;
use crate::posting::Column;
use crate::store::BudgetState;
use std::collections::{BTreeMap, HashMap};

/// Debit and credit by account and currency.
pub type Balances = BTreeMap<(String, String), (Micros, Micros)>;

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
    /// Charged impressions that touched the account.
    pub impressions: u64,
    /// What the account owes or is owed.
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
    /// Each difference found.
    pub differences: Vec<String>,
}

/// What the events alone say: balances and the number of impressions by account.
pub struct Replay {
    /// Debit and credit by account and currency.
    pub balances: Balances,
    /// Charged impressions by account and currency.
    pub impressions: BTreeMap<(String, String), u64>,
    /// Events whose recorded cost is not what the replay finds.
    pub differences: Vec<String>,
}

impl Books {
    /// Computes the balances again from the log alone.
    pub fn replay(&self) -> Replay {
        let mut carries: HashMap<String, Carry> = HashMap::new();
        let mut replay = Replay {
            balances: Balances::new(),
            impressions: BTreeMap::new(),
            differences: Vec::new(),
        };
        for logged in self
            .log
            .iter()
            .filter(|logged| logged.event.kind.charges().is_some())
        {
            let event = &logged.event;
            let cost = carries
                .entry(event.carry_key())
                .or_default()
                .impression(event.cpm);
            if cost != logged.cost {
                let (key, of) = (event.carry_key(), logged.cost);
                replay
                    .differences
                    .push(format!("{key}: recorded {of}, replayed {cost}"));
            }
            let share = carries.entry(event.share_key()).or_default();
            let mut unused = *share;
            let share = if event.kind == Kind::Sale {
                share
            } else {
                &mut unused
            };
            let posting = event.posting(cost, share, logged.funded);
            for entry in posting.entries() {
                let name = (entry.account.to_string(), posting.currency().to_string());
                *replay.impressions.entry(name.clone()).or_default() += 1;
                let balance = replay.balances.entry(name).or_default();
                match entry.column {
                    Column::Debit => balance.0.0 += entry.amount.0,
                    Column::Credit => balance.1.0 += entry.amount.0,
                }
            }
        }
        replay
    }

    /// The statement of all accounts.
    ///
    /// # Errors
    /// Every way in which the books do not agree with themselves.
    pub fn statement(&self) -> Result<Statement, Irreconcilable> {
        let replay = self.replay();
        let mut differences = replay.differences;
        differences.extend(invariant::first_difference(
            &self.balances,
            &replay.balances,
        ));
        for currency in invariant::unbalanced(&self.balances) {
            differences.push(format!("debits and credits in {currency} differ"));
        }
        let over = self
            .budgets
            .iter()
            .filter(|(_, state)| !invariant::within_budget(state));
        differences.extend(over.map(|(key, state)| format!("budget {key} exceeded: {state:?}")));
        if !differences.is_empty() {
            return Err(Irreconcilable { differences });
        }
        let lines = replay
            .balances
            .into_iter()
            .map(|(name, (debit, credit))| Line {
                impressions: replay.impressions.get(&name).copied().unwrap_or(0),
                amount: Micros((debit.0 - credit.0).abs()),
                account: name.0,
                currency: name.1,
            });
        Ok(Statement {
            lines: lines.collect(),
        })
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
}
