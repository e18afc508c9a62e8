//! The ledger of a simulation: the rules of the real one, in memory.
//!
//! The store of a node writes every event to a disk; a simulated day has a million. These books
//! keep the same state and follow the same rules, which a test checks against the real store,
//! step by step, on random histories.

use ledger::event::Kind;
use ledger::store::{BudgetState, Funding};
use ledger::{BudgetKey, Carry, Day, Event, Micros, MonthOf, Multiplier, Outcome, Unit, invariant};
use std::collections::{BTreeMap, HashMap, HashSet};

/// Budgets, carried remainders and the events that are known.
#[derive(Debug, Default)]
pub struct Books {
    epoch: u32,
    budgets: BTreeMap<String, Account>,
    carries: HashMap<String, Carry>,
    known: HashSet<([u8; 16], Kind)>,
}

#[derive(Debug, Default)]
struct Account {
    state: BudgetState,
    /// What crashed runs held: the run, how much, until when (unix seconds).
    frozen: Vec<(u32, i64, i64)>,
}

impl Books {
    /// Begins a run: what the run before had leased is frozen until `hold_s` after `now_s` (unix
    /// seconds). The number of the run, from 1.
    pub fn open(&mut self, now_s: i64, hold_s: i64) -> u32 {
        for account in self.budgets.values_mut() {
            let leased = std::mem::take(&mut account.state.leased);
            if leased.0 > 0 {
                account.frozen.push((self.epoch, leased.0, now_s + hold_s));
                account.state.frozen.0 += leased.0;
            }
        }
        self.epoch += 1;
        self.epoch
    }

    /// Makes a budget known.
    pub fn set_budget(&mut self, key: &str, limit: Micros) {
        if let Some((campaign, month)) = key.rsplit_once(":month:")
            && !self.budgets.contains_key(key)
        {
            // A month begins with what its days have spent.
            let days = format!("{campaign}:day:{month}-");
            let of_month = self.budgets.range(days.clone()..);
            let of_month = of_month.take_while(|(name, _)| name.starts_with(&days));
            let spent = of_month.map(|(_, account)| account.state.spent.0).sum();
            let account = self.budgets.entry(key.to_owned()).or_default();
            account.state.spent = Micros(spent);
        }
        let account = self.budgets.entry(key.to_owned()).or_default();
        let state = &mut account.state;
        if state.limit != limit || state.allowed.0 == 0 {
            state.limit = limit;
            let committed = state.spent.0 + state.leased.0 + state.frozen.0;
            state.allowed = Micros(limit.0.max(committed));
        }
    }

    /// On how many days of its month, before `day`, a campaign had a budget of the day.
    pub fn days_before(&self, campaign: &str, day: Day) -> u32 {
        let first = format!("campaign:{campaign}:day:{}-", MonthOf(day));
        let today = BudgetKey::CampaignDay(campaign, day).to_string();
        self.budgets.range(first..today).count() as u32
    }

    /// The state of a budget.
    pub fn budget(&self, key: &str) -> Option<&BudgetState> {
        self.budgets.get(key).map(|account| &account.state)
    }

    /// Grants up to `micros`, or takes back what is below 0, and says how much it was.
    pub fn lease(&mut self, key: &str, micros: i64) -> i64 {
        let Some(Account { state, .. }) = self.budgets.get_mut(key) else {
            return 0;
        };
        let slice = micros.min(state.remaining().0.max(0)).max(-state.leased.0);
        state.leased.0 += slice;
        let committed = state.spent.0 + state.leased.0 + state.frozen.0;
        state.allowed = Micros(state.limit.0.max(state.allowed.0.min(committed)));
        slice
    }

    /// Frees what crashed runs held, where its time has passed.
    pub fn thaw(&mut self, now_s: i64) {
        for Account { state, frozen } in self.budgets.values_mut() {
            let ended = |(_, _, until): &(u32, i64, i64)| *until < now_s;
            let freed: i64 = frozen
                .iter()
                .filter(|one| ended(one))
                .map(|one| one.1)
                .sum();
            frozen.retain(|one| !ended(one));
            if freed > 0 {
                state.frozen.0 -= freed;
                let committed = state.spent.0 + state.leased.0 + state.frozen.0;
                state.allowed = Micros(state.limit.0.max(committed));
            }
        }
    }

    /// Writes an event. `funding` is asked for a new bill, with its cost.
    pub fn apply(
        &mut self,
        event: &Event,
        funding: impl FnOnce(&Event, Micros) -> Funding,
    ) -> Outcome {
        if self.known.contains(&(event.key, event.kind)) {
            return Outcome::Duplicate;
        }
        if let Some(fault) = event.fault() {
            return Outcome::Refused { fault };
        }
        self.known.insert((event.key, event.kind));
        if event.kind == Kind::Click {
            for goal in &event.budgets {
                if let Some(Account { state, .. }) = self.budgets.get_mut(goal) {
                    let most = state.limit.0.max(state.spent.0);
                    state.spent.0 = (state.spent.0 + Multiplier::ONE.millionths()).min(most);
                }
            }
        }
        if event.kind != Kind::Bill {
            return Outcome::Recorded;
        }
        let Ok(charge) = event.charge(&mut self.carries, true);
        let cost = charge.gross();
        let funding = funding(event, cost);
        if self.fund(event, cost, funding) {
            return Outcome::Charged { cost };
        }
        let Ok(borne) = event.unfunded(charge, &mut self.carries);
        let cost = borne.gross();
        Outcome::OverDelivered { cost }
    }

    /// Takes a bill from its budgets, all or none, and says whether they had it.
    fn fund(&mut self, event: &Event, cost: Micros, funding: Funding) -> bool {
        let keys = &event.budgets;
        let known = keys.iter().all(|key| self.budgets.contains_key(key));
        let wanted = |key: &str| match Unit::of(key) {
            Unit::Money => cost.0,
            Unit::Impressions | Unit::Clicks => event.multiplier.millionths(),
        };
        let part = |key: &str, account: &Account| {
            let (lease, frozen) = match (funding, Unit::of(key)) {
                (Funding::Lease { held }, Unit::Money) => (held.0.min(account.state.leased.0), 0),
                (Funding::Lease { .. }, _) => (account.state.leased.0, 0),
                (Funding::Frozen { epoch }, _) => (0, account.frozen_of(epoch)),
                (Funding::Late, _) => (0, 0),
            };
            (wanted(key).min(lease), wanted(key).min(frozen))
        };
        let funded = known
            && keys.iter().all(|key| {
                let account = &self.budgets[key];
                let (lease, frozen) = part(key, account);
                wanted(key) - lease - frozen <= account.state.remaining().0.max(0)
            });
        for key in keys.iter().filter(|_| known) {
            let Some(account) = self.budgets.get_mut(key) else {
                continue;
            };
            let (lease, frozen) = part(key, account);
            account.state.leased.0 -= lease;
            if funded {
                account.state.spent.0 += wanted(key);
                account.state.frozen.0 -= frozen;
                if let Funding::Frozen { epoch } = funding {
                    account.thin(epoch, frozen);
                }
            }
            debug_assert!(
                invariant::within_budget(&account.state),
                "a bill overspent the budget {key}"
            );
        }
        funded
    }
}

impl Account {
    fn frozen_of(&self, epoch: u32) -> i64 {
        let of = self.frozen.iter().filter(|one| one.0 == epoch);
        of.map(|one| one.1).sum()
    }

    fn thin(&mut self, epoch: u32, micros: i64) {
        if let Some(one) = self.frozen.iter_mut().find(|one| one.0 == epoch) {
            one.1 -= micros;
        }
    }
}

#[cfg(test)]
mod tests;
