//! What a statement is made of: lines, and the corrections among them.

use crate::currency::Currency;
use crate::money::Micros;
use crate::posting::{Account, Column, Entry};

/// What an account did in a period, as a whole or in one item: a line item of an advertiser, a
/// placement of a publisher, a publisher of a buyer.
///
/// An account that pays owes its gross *and* fees and data; one that is paid gets its gross *less*
/// fees and data. Taxes are in none of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The account.
    pub account: Account,
    /// The currency of every amount.
    pub currency: Currency,
    /// The item; empty in the line of the whole account, `-` where the events name none.
    pub item: String,
    /// Charged impressions, those that cost less than a micro too.
    pub impressions: u64,
    /// What the impressions were sold for.
    pub gross: Micros,
    /// What was kept of it, or is owed beyond it.
    pub fees: Micros,
    /// What providers of data get for it.
    pub data_cost: Micros,
    /// Impressions beyond the budgets of an advertiser, which it does not pay.
    pub over_impressions: u64,
    /// What these cost the platform.
    pub over_delivery: Micros,
    /// Corrections: more or less than the net, with their sign.
    pub adjustments: Micros,
}

impl Line {
    /// A line of nothing.
    pub fn new(account: Account, currency: Currency, item: String) -> Self {
        Self {
            account,
            currency,
            item,
            impressions: 0,
            gross: Micros(0),
            fees: Micros(0),
            data_cost: Micros(0),
            over_impressions: 0,
            over_delivery: Micros(0),
            adjustments: Micros(0),
        }
    }

    /// What the period's impressions come to: gross with or less fees and data.
    pub fn net(&self) -> Micros {
        let aside = self.fees.0 + self.data_cost.0;
        Micros(match self.account.normal() {
            Column::Debit => self.gross.0 + aside,
            Column::Credit => self.gross.0 - aside,
        })
    }

    /// What the account owes or is owed for the period: net and adjustments.
    pub fn due(&self) -> Micros {
        Micros(self.net().0 + self.adjustments.0)
    }

    /// Whether there is anything to be stated.
    pub fn moved(&self) -> bool {
        self.impressions > 0 || self.over_impressions > 0 || self.adjustments != Micros(0)
    }

    /// Adds what another line of the account says.
    pub fn add(&mut self, other: &Line) {
        self.impressions += other.impressions;
        self.gross.0 += other.gross.0;
        self.fees.0 += other.fees.0;
        self.data_cost.0 += other.data_cost.0;
        self.over_impressions += other.over_impressions;
        self.over_delivery.0 += other.over_delivery.0;
        self.adjustments.0 += other.adjustments.0;
    }
}

/// A correction: a posting with a reason, made in the open month. What it corrects stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adjustment {
    /// Its number in the books, rising.
    pub id: i64,
    /// Its number for people, such as that of a credit note; no two share one.
    pub reference: String,
    /// Unix milliseconds.
    pub at_ms: i64,
    /// Who made it.
    pub who: String,
    /// Why.
    pub reason: String,
    /// The currency of its entries.
    pub currency: Currency,
    /// Key of the charge that it takes back, where it takes back one.
    pub reverses: Option<[u8; 16]>,
    /// What it posts, balanced.
    pub entries: Vec<Entry>,
}

impl Adjustment {
    /// What it adds to an account, with its sign.
    pub fn on(&self, account: &Account) -> Micros {
        let of = self
            .entries
            .iter()
            .filter(|entry| entry.account == *account);
        Micros(of.map(|entry| signed(entry).0).sum())
    }
}

/// An entry's amount: above zero where it makes the account grow.
pub(super) fn signed(entry: &Entry) -> Micros {
    if entry.column == entry.account.normal() {
        entry.amount
    } else {
        Micros(-entry.amount.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payer_owes_fees_and_a_payee_is_paid_less_them() {
        let line = |account| Line {
            gross: Micros(100),
            fees: Micros(15),
            data_cost: Micros(5),
            adjustments: Micros(-7),
            ..Line::new(account, Currency(*b"EUR"), String::new())
        };
        let payer = line(Account::Advertiser("a".into()));
        assert_eq!((payer.net(), payer.due()), (Micros(120), Micros(113)));
        let payee = line(Account::Publisher("p".into()));
        assert_eq!((payee.net(), payee.due()), (Micros(80), Micros(73)));
    }
}
