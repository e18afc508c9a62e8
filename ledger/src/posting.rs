//! Double entry: accounts, and postings that balance or do not exist.

use crate::currency::Currency;
use crate::money::Micros;
use std::fmt;

/// An account. Its text form is its key in the store.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Account {
    /// What an advertiser has spent (debit).
    Advertiser(String),
    /// What we owe an exchange for a seat's impressions (credit).
    Media {
        /// The exchange that sold.
        exchange: String,
        /// Our seat there.
        seat: String,
    },
    /// What a buyer owes our exchange (debit).
    Buyer {
        /// The partner.
        partner: String,
        /// The partner's seat.
        seat: String,
    },
    /// What a publisher has earned (credit).
    Publisher(String),
    /// What our exchange keeps (credit).
    ExchangeFee,
    /// Impressions delivered after their budget was gone, which the platform bears (debit).
    OverDelivery,
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Account::Advertiser(id) => write!(f, "advertiser:{id}"),
            Account::Media { exchange, seat } => write!(f, "media:{exchange}:{seat}"),
            Account::Buyer { partner, seat } => write!(f, "buyer:{partner}:{seat}"),
            Account::Publisher(id) => write!(f, "publisher:{id}"),
            Account::ExchangeFee => f.write_str("exchange_fee"),
            Account::OverDelivery => f.write_str("over_delivery"),
        }
    }
}

/// Which side of an account an entry is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// Left.
    Debit,
    /// Right.
    Credit,
}

/// One line of a posting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The account.
    pub account: Account,
    /// The column.
    pub column: Column,
    /// The amount, never negative.
    pub amount: Micros,
}

/// The entries of one business transaction, in one currency, with equal sums on both sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posting {
    currency: Currency,
    entries: Vec<Entry>,
}

/// Why entries are not a posting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PostingError {
    /// The sums differ.
    #[error("debits of {debits} and credits of {credits} micros do not balance")]
    Unbalanced {
        /// Sum of the debits.
        debits: i64,
        /// Sum of the credits.
        credits: i64,
    },
    /// An amount is negative; a correction is a posting the other way round.
    #[error("an entry of a posting is negative")]
    Negative,
}

impl Posting {
    /// A posting of balanced entries. Entries of nothing are left out.
    ///
    /// # Errors
    /// [`PostingError`] where the entries do not balance or one is negative.
    pub fn new(currency: Currency, entries: Vec<Entry>) -> Result<Self, PostingError> {
        if entries.iter().any(|entry| entry.amount.0 < 0) {
            return Err(PostingError::Negative);
        }
        let sum = |column: Column| -> i64 {
            entries
                .iter()
                .filter(|entry| entry.column == column)
                .map(|entry| entry.amount.0)
                .sum()
        };
        let (debits, credits) = (sum(Column::Debit), sum(Column::Credit));
        if debits != credits {
            return Err(PostingError::Unbalanced { debits, credits });
        }
        let entries = entries
            .into_iter()
            .filter(|entry| entry.amount.0 > 0)
            .collect();
        Ok(Self { currency, entries })
    }

    /// The currency of all entries.
    pub fn currency(&self) -> Currency {
        self.currency
    }

    /// The entries, none of them zero.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }
}

/// A debit.
pub fn debit(account: Account, amount: Micros) -> Entry {
    Entry {
        account,
        column: Column::Debit,
        amount,
    }
}

/// A credit.
pub fn credit(account: Account, amount: Micros) -> Entry {
    Entry {
        account,
        column: Column::Credit,
        amount,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_balanced_entries_are_a_posting() {
        let eur = Currency(*b"EUR");
        let spend = |amount| debit(Account::Advertiser("a".into()), Micros(amount));
        let owed = |amount| credit(Account::ExchangeFee, Micros(amount));
        assert_eq!(
            Posting::new(eur, vec![spend(3), owed(3)])
                .unwrap()
                .entries()
                .len(),
            2
        );
        assert_eq!(
            Posting::new(eur, vec![spend(3), owed(2)]),
            Err(PostingError::Unbalanced {
                debits: 3,
                credits: 2
            })
        );
        assert_eq!(
            Posting::new(eur, vec![spend(-1), owed(-1)]),
            Err(PostingError::Negative)
        );
        assert!(
            Posting::new(eur, vec![spend(0), owed(0)])
                .unwrap()
                .entries()
                .is_empty()
        );
    }
}
