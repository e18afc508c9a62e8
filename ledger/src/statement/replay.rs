//! The second computation: what the log alone says. Cost: about a microsecond an event.

use super::{
    Adjustment, Balances, Irreconcilable, Line, Logged, Opening, Period, Periods, Statement,
};
use crate::carry::Carry;
use crate::currency::Currency;
use crate::event::{Charge, Event, Kind};
use crate::invariant;
use crate::money::Micros;
use crate::posting::{Account, Column, Entry};
use crate::statement::line::signed;
use crate::store::BudgetState;
use std::collections::{BTreeMap, HashMap};

/// Differences that are told one by one; more would not help anybody.
const MOST_DIFFERENCES: usize = 100;

/// Replays the log behind an opening, in its order, since remainders are carried; the lines are
/// those of the periods asked for.
pub struct Replay {
    periods: Periods,
    carries: HashMap<String, Carry>,
    accounts: HashMap<(Account, Currency), Kept>,
    adjustments: Vec<Adjustment>,
    differences: Vec<String>,
}

/// What is known of one account.
struct Kept {
    period: Period,
    debit: i64,
    credit: i64,
    /// Debit and credit of the period's events, corrections aside.
    posted: (Micros, Micros),
    whole: Line,
    items: BTreeMap<String, Line>,
}

impl Replay {
    /// A replay of what comes behind `opening`.
    pub fn new(opening: Opening, periods: Periods) -> Self {
        let mut replay = Self {
            periods,
            carries: opening.carries,
            accounts: HashMap::new(),
            adjustments: Vec::new(),
            differences: Vec::new(),
        };
        for ((account, currency), (debit, credit)) in opening.balances {
            let kept = replay.account(&account, currency);
            (kept.debit, kept.credit) = (debit.0, credit.0);
        }
        replay
    }

    /// Takes the next event of the log.
    pub fn push(&mut self, logged: &Logged) {
        let event = &logged.event;
        if event.kind.charges().is_none() {
            return;
        }
        let funded = logged.funded;
        let Ok(charge) = event.charge(&mut self.carries, funded);
        let replayed = (charge.media, charge.platform, charge.data_cost());
        let recorded = (logged.cost, logged.platform_fee, logged.data_cost);
        if replayed != recorded && self.differences.len() < MOST_DIFFERENCES {
            let told = |(media, platform, data)| format!("{media} + {platform} + {data}");
            let (recorded, replayed) = (told(recorded), told(replayed));
            let key = event.carry_key();
            self.differences
                .push(format!("{key}: recorded {recorded}, replayed {replayed}"));
        }
        let entries = event.entries(&charge, funded);
        for entry in &entries {
            let kept = self.account(&entry.account, event.currency);
            kept.post(entry);
            if !kept.period.contains(logged.booked_ms) {
                continue;
            }
            match entry.column {
                Column::Debit => kept.posted.0.0 += entry.amount.0,
                Column::Credit => kept.posted.1.0 += entry.amount.0,
            }
            kept.count(event, |line| {
                line.impressions += event.multiplier.impressions();
                shown(line, entry, &charge);
            });
        }
        if event.kind == Kind::Bill && !logged.funded {
            let advertiser = Account::Advertiser(event.advertiser.clone());
            let kept = self.account(&advertiser, event.currency);
            if kept.period.contains(logged.booked_ms) {
                kept.count(event, |line| {
                    line.over_impressions += event.multiplier.impressions();
                    line.over_delivery.0 += charge.gross().0;
                });
            }
        }
    }

    /// Takes the next correction.
    pub fn adjust(&mut self, adjustment: Adjustment) {
        let mut within = false;
        for entry in &adjustment.entries {
            let kept = self.account(&entry.account, adjustment.currency);
            kept.post(entry);
            if kept.period.contains(adjustment.at_ms) {
                kept.whole.adjustments.0 += signed(entry).0;
                within = true;
            }
        }
        if within {
            self.adjustments.push(adjustment);
        }
    }

    /// The books as they are now, for an opening of what follows.
    pub fn books(&self) -> (HashMap<String, Carry>, Balances) {
        (self.carries.clone(), self.balances())
    }

    fn balances(&self) -> Balances {
        let of = |kept: &Kept| (Micros(kept.debit), Micros(kept.credit));
        let accounts = self.accounts.iter();
        accounts
            .map(|(name, kept)| (name.clone(), of(kept)))
            .collect()
    }

    fn account(&mut self, account: &Account, currency: Currency) -> &mut Kept {
        let name = (account.clone(), currency);
        let periods = &self.periods;
        self.accounts.entry(name).or_insert_with(|| Kept {
            period: periods.of(account),
            debit: 0,
            credit: 0,
            posted: (Micros(0), Micros(0)),
            whole: Line::new(account.clone(), currency, String::new()),
            items: BTreeMap::new(),
        })
    }

    /// The statement, if the log agrees with all `balances`, with what was `posted` in the
    /// periods where that is given, and every budget held.
    ///
    /// # Errors
    /// Every way in which the books do not agree with themselves.
    pub fn statement(
        self,
        balances: &Balances,
        posted: Option<&Balances>,
        budgets: &[(String, BudgetState)],
    ) -> Result<Statement, Irreconcilable> {
        let replayed = self.balances();
        let mut differences = self.differences;
        differences.extend(invariant::first_difference(balances, &replayed));
        if let Some(posted) = posted {
            let lines = self.accounts.iter();
            let lines = lines.map(|(name, kept)| (name.clone(), kept.posted));
            let found = invariant::first_difference(posted, &lines.collect());
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
        let mut kept: Vec<Kept> = self.accounts.into_values().collect();
        kept.retain(|kept| kept.whole.moved());
        kept.sort_by_cached_key(Kept::name);
        let mut statement = Statement {
            adjustments: self.adjustments,
            ..Statement::default()
        };
        for kept in kept {
            statement.lines.push(kept.whole);
            statement.items.extend(kept.items.into_values());
        }
        Ok(statement)
    }
}

impl Kept {
    fn post(&mut self, entry: &Entry) {
        match entry.column {
            Column::Debit => self.debit += entry.amount.0,
            Column::Credit => self.credit += entry.amount.0,
        }
    }

    /// Counts something on the whole account and on the event's item.
    fn count(&mut self, event: &Event, count: impl Fn(&mut Line)) {
        count(&mut self.whole);
        let Some(item) = item(&self.whole.account, event) else {
            return;
        };
        let item = if item.is_empty() { "-" } else { item };
        if let Some(line) = self.items.get_mut(item) {
            count(line);
            return;
        }
        let (account, currency) = (self.whole.account.clone(), self.whole.currency);
        let mut line = Line::new(account, currency, item.to_owned());
        count(&mut line);
        self.items.insert(item.to_owned(), line);
    }

    fn name(&self) -> (String, Currency) {
        (self.whole.account.to_string(), self.whole.currency)
    }
}

/// What of an event its accounts are broken down by.
fn item<'e>(account: &Account, event: &'e Event) -> Option<&'e str> {
    match account {
        Account::Advertiser(_) | Account::Data(_) => Some(&event.line_item),
        Account::Publisher(_) => Some(&event.placement),
        Account::Buyer { .. } | Account::ExchangeFee => Some(&event.publisher),
        Account::OverDelivery | Account::PlatformFee => Some(&event.advertiser),
        Account::Media { .. } | Account::Adjustments => None,
    }
}

/// What an entry means on the statement of its account: a publisher sees what its impression was
/// sold for and what was kept, an advertiser what the media, the platform and the data cost.
fn shown(line: &mut Line, entry: &Entry, charge: &Charge) {
    match entry.account {
        Account::Publisher(_) => {
            line.gross.0 += charge.media.0;
            line.fees.0 += charge.media.0 - entry.amount.0;
        }
        Account::Advertiser(_) => {
            line.gross.0 += charge.media.0;
            line.fees.0 += charge.platform.0;
            line.data_cost.0 += charge.data_cost().0;
        }
        Account::Media { .. }
        | Account::Buyer { .. }
        | Account::ExchangeFee
        | Account::PlatformFee
        | Account::OverDelivery
        | Account::Data(_)
        | Account::Adjustments => line.gross.0 += entry.amount.0,
    }
}
