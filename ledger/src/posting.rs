//! Double entry: accounts, and postings that balance or do not exist.

use crate::currency::Currency;
use crate::money::Micros;
use std::fmt;
use std::str::FromStr;

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
    /// What our bidder takes from its advertisers beside the media (credit).
    PlatformFee,
    /// Impressions delivered after their budget was gone, which the platform bears (debit).
    OverDelivery,
    /// What a provider of data has earned (credit).
    Data(String),
    /// The other side of corrections: what the platform gave or took back by them (debit).
    Adjustments,
}

/// A text that names no account.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected advertiser:ID, publisher:ID, buyer:PARTNER:SEAT, media:EXCHANGE:SEAT, data:PROVIDER, \
     exchange_fee, platform_fee, over_delivery or adjustments, found {0:?}"
)]
pub struct NoAccount(pub String);

impl Account {
    /// The column in which the account grows.
    pub fn normal(&self) -> Column {
        match self {
            Account::Advertiser(_)
            | Account::Buyer { .. }
            | Account::OverDelivery
            | Account::Adjustments => Column::Debit,
            Account::Media { .. }
            | Account::Publisher(_)
            | Account::ExchangeFee
            | Account::PlatformFee
            | Account::Data(_) => Column::Credit,
        }
    }

    /// The id of whoever the account belongs to; `None` for the platform's own.
    pub fn owner(&self) -> Option<&str> {
        match self {
            Account::Advertiser(id) | Account::Publisher(id) | Account::Data(id) => Some(id),
            Account::Media { exchange, .. } => Some(exchange),
            Account::Buyer { partner, .. } => Some(partner),
            Account::ExchangeFee
            | Account::PlatformFee
            | Account::OverDelivery
            | Account::Adjustments => None,
        }
    }
}

impl FromStr for Account {
    type Err = NoAccount;

    fn from_str(text: &str) -> Result<Self, NoAccount> {
        let unknown = || NoAccount(text.to_owned());
        let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
        let id = || {
            (!rest.is_empty())
                .then(|| rest.to_owned())
                .ok_or_else(unknown)
        };
        // A seat may be empty and may hold a colon; the ids before it are ours.
        let pair = || {
            let found = rest.split_once(':').filter(|(first, _)| !first.is_empty());
            let (first, seat) = found.ok_or_else(unknown)?;
            Ok((first.to_owned(), seat.to_owned()))
        };
        match kind {
            "advertiser" => Ok(Account::Advertiser(id()?)),
            "publisher" => Ok(Account::Publisher(id()?)),
            "data" => Ok(Account::Data(id()?)),
            "media" => pair().map(|(exchange, seat)| Account::Media { exchange, seat }),
            "buyer" => pair().map(|(partner, seat)| Account::Buyer { partner, seat }),
            "exchange_fee" if kind == text => Ok(Account::ExchangeFee),
            "platform_fee" if kind == text => Ok(Account::PlatformFee),
            "over_delivery" if kind == text => Ok(Account::OverDelivery),
            "adjustments" if kind == text => Ok(Account::Adjustments),
            _ => Err(unknown()),
        }
    }
}

/// By name, as people write it.
impl PartialEq<&str> for Account {
    fn eq(&self, name: &&str) -> bool {
        name.parse().is_ok_and(|other: Account| other == *self)
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Account::Advertiser(id) => write!(f, "advertiser:{id}"),
            Account::Media { exchange, seat } => write!(f, "media:{exchange}:{seat}"),
            Account::Buyer { partner, seat } => write!(f, "buyer:{partner}:{seat}"),
            Account::Publisher(id) => write!(f, "publisher:{id}"),
            Account::ExchangeFee => f.write_str("exchange_fee"),
            Account::PlatformFee => f.write_str("platform_fee"),
            Account::OverDelivery => f.write_str("over_delivery"),
            Account::Data(id) => write!(f, "data:{id}"),
            Account::Adjustments => f.write_str("adjustments"),
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

impl Column {
    /// The other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Column::Debit => Column::Credit,
            Column::Credit => Column::Debit,
        }
    }
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
    fn an_account_reads_back_from_its_name() {
        let (one, two) = ("x".to_owned(), "s:1".to_owned());
        for account in [
            Account::Advertiser(one.clone()),
            Account::Publisher(one.clone()),
            Account::Data(one.clone()),
            Account::Media {
                exchange: one.clone(),
                seat: two.clone(),
            },
            Account::Buyer {
                partner: one.clone(),
                seat: String::new(),
            },
            Account::ExchangeFee,
            Account::PlatformFee,
            Account::OverDelivery,
            Account::Adjustments,
        ] {
            assert_eq!(account.to_string().parse(), Ok(account));
        }
        for wrong in [
            "",
            "adv_x",
            "advertiser:",
            "media:x",
            "buyer::s",
            "over_delivery:x",
        ] {
            let error = wrong.parse::<Account>().unwrap_err().to_string();
            assert!(error.contains("advertiser:ID"), "{wrong}: {error}");
        }
    }

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
