//! The promises about money, one predicate each, shared by debug assertions, property tests and
//! the reconciliation of a running node.

use crate::currency::Currency;
use crate::money::Micros;
use crate::statement::Balances;
use crate::store::BudgetState;
use std::collections::BTreeMap;

/// What is spent and what is held never exceed a budget. A limit that was lowered beneath what is
/// already committed grants nothing further; it does not undo what happened, see
/// [`BudgetState::allowed`].
pub fn within_budget(state: &BudgetState) -> bool {
    let committed = state.spent.0 + state.leased.0 + state.frozen.0;
    state.spent.0 >= 0 && state.leased.0 >= 0 && state.frozen.0 >= 0 && committed <= state.allowed.0
}

/// Debits equal credits in every currency; returns the currencies where they do not.
pub fn unbalanced(balances: &Balances) -> Vec<String> {
    let mut sums: BTreeMap<Currency, i64> = BTreeMap::new();
    for ((_, currency), (debit, credit)) in balances {
        *sums.entry(*currency).or_default() += debit.0 - credit.0;
    }
    sums.into_iter()
        .filter(|(_, sum)| *sum != 0)
        .map(|(currency, _)| currency.to_string())
        .collect()
}

/// Two sets of balances are the same, accounts of nothing aside; returns the first difference.
pub fn first_difference(one: &Balances, other: &Balances) -> Option<String> {
    let nothing = (Micros(0), Micros(0));
    let names = one.keys().chain(other.keys());
    let found = names.into_iter().find(|key| {
        one.get(*key).copied().unwrap_or(nothing) != other.get(*key).copied().unwrap_or(nothing)
    })?;
    let side = |balances: &Balances| {
        let (debit, credit) = balances.get(found).copied().unwrap_or(nothing);
        format!("debit {debit} credit {credit}")
    };
    Some(format!(
        "{} {}: {} against {}",
        found.0,
        found.1,
        side(one),
        side(other)
    ))
}
