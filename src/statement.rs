//! Statements of one account for a month, in four forms. What they say was computed twice, from
//! the balances and from the event log; where the two differ there is no statement.
//!
//! Nothing in a statement but its corrections and closing depends on when it is written: the same
//! log makes the same bytes.

mod command;
mod conversions;
mod counts;
pub(crate) mod csv;
mod discrepancy;
mod html;
mod json;
mod text;

use crate::config::Settings;
use crate::{node, resources};
use anyhow::{Context, Result, ensure};
use control::api::Format;
use control::resource::{Kind, Resource};
use control::store::Filter;
use jiff::tz::TimeZone;
use ledger::conversion::Tally;
use ledger::posting::Account;
use ledger::statement::{Adjustment, Line, Month, Period, Zones};
use ledger::store::{Closing, MonthStatement, SqliteStore, Store};
use ledger::{Currency, Micros};
use std::path::Path;

pub use command::{AdjustArguments, CloseArguments, StatementArguments};
pub use discrepancy::DiscrepancyArguments;

/// A statement as it is written.
#[derive(Clone, Debug)]
pub struct Sheet {
    /// The account as it was asked for.
    pub account: String,
    /// What people call its owner, where we know.
    pub name: Option<String>,
    /// The month; all time where there is none.
    pub month: Option<Month>,
    /// The timezone that the month follows.
    pub zone: String,
    /// The period, in unix milliseconds.
    pub period: Period,
    /// The month's closing; `None` while it is open.
    pub closed: Option<Closing>,
    /// Whether the log was still there to be replayed.
    pub replayed: bool,
    /// A line for each account and currency.
    pub lines: Vec<Line>,
    /// The same by item.
    pub items: Vec<Line>,
    /// The corrections among them.
    pub adjustments: Vec<Correction>,
    /// The conversions of an advertiser, which are no money of the account.
    pub conversions: Vec<Tally>,
}

/// A correction on a statement.
#[derive(Clone, Debug)]
pub struct Correction {
    /// The account.
    pub account: Account,
    /// The currency.
    pub currency: Currency,
    /// What it adds, with its sign.
    pub amount: Micros,
    /// The correction.
    pub adjustment: Adjustment,
}

impl Sheet {
    /// The statement in a form.
    pub fn write(&self, format: Format) -> String {
        match format {
            Format::Text => text::write(self),
            Format::Json => json::write(self),
            Format::Csv => csv::write(self),
            Format::Html => html::write(self),
        }
    }

    /// What its items are, for people.
    fn item_name(account: &Account) -> &'static str {
        match account {
            Account::Advertiser(_) | Account::Data(_) => "line item",
            Account::Publisher(_) => "placement",
            Account::Buyer { .. } | Account::ExchangeFee => "publisher",
            Account::OverDelivery | Account::PlatformFee => "advertiser",
            Account::Media { .. } | Account::Adjustments => "item",
        }
    }

    /// Places behind the point, so that the amounts of a column stand under each other.
    fn places(&self) -> usize {
        let amounts = self.lines.iter().chain(&self.items).flat_map(|line| {
            let (net, due) = (line.net(), line.due());
            let parts = [line.gross, line.fees, line.data_cost, line.over_delivery];
            parts.into_iter().chain([line.adjustments, net, due])
        });
        let amounts = amounts.chain(self.adjustments.iter().map(|one| one.amount));
        amounts.map(needed).max().unwrap_or(2)
    }

    /// The first and the last moment, by the month's clock.
    fn bounds(&self) -> (String, String) {
        let zone = TimeZone::get(&self.zone).unwrap_or(TimeZone::UTC);
        let shown = |ms| {
            let at = jiff::Timestamp::from_millisecond(ms).unwrap_or_default();
            let at = at.to_zoned(zone.clone());
            at.strftime("%Y-%m-%d %H:%M %:z").to_string()
        };
        (shown(self.period.from_ms), shown(self.period.to_ms))
    }
}

/// Places behind the point that an amount needs, at least two.
fn needed(amount: Micros) -> usize {
    let text = amount.to_string();
    text.rsplit_once('.')
        .map_or(2, |(_, decimals)| decimals.len())
}

/// An amount with a fixed number of places.
fn fixed(amount: Micros, places: usize) -> String {
    let mut text = amount.to_string();
    let missing = places.saturating_sub(needed(amount));
    text.extend(std::iter::repeat_n('0', missing));
    text
}

/// A count with a comma before each three digits.
fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A moment in RFC 3339.
fn moment(at_ms: i64) -> String {
    jiff::Timestamp::from_millisecond(at_ms)
        .unwrap_or_default()
        .to_string()
}

/// What the resources know about an account: its owner's name and the clock of its months.
struct Known {
    name: Option<String>,
    zones: Zones,
}

/// Reads the clocks of all advertisers, archived ones too: their months must not move.
fn known(storage: &Path, account: &str) -> Result<Known> {
    let resources = resources::open(storage)?;
    let filter = Filter {
        archived: true,
        limit: usize::MAX,
        ..Filter::default()
    };
    let records = resources.read(|view| {
        let mut records = view.list(Kind::Advertiser, &filter)?;
        for kind in [Kind::Publisher, Kind::Partner, Kind::Exchange] {
            records.extend(view.list(kind, &filter)?);
        }
        Ok::<_, control::store::StoreError>(records)
    })?;
    let mut zones = Zones::default();
    let mut name = None;
    for record in &records {
        let own = record.id == account || account.split(':').nth(1) == Some(&*record.id);
        if own && name.is_none() {
            name = record.body["name"].as_str().map(str::to_owned);
        }
        if let Resource::Advertiser(advertiser) = record.resource()? {
            let zone = TimeZone::get(&advertiser.timezone.0)
                .with_context(|| format!("the timezone of {}", record.id))?;
            zones.0.insert(format!("advertiser:{}", record.id), zone);
        }
    }
    Ok(Known { name, zones })
}

/// The statement of an account, all time where no month is given; `None` where the account has
/// had no business at all. An account is asked for by its owner's id or by its full name.
///
/// # Errors
/// Where the ledger cannot be read or does not agree with itself.
pub fn sheet(settings: &Settings, account: &str, month: Option<Month>) -> Result<Option<Sheet>> {
    let file = node::ledger_file(&settings.storage);
    ensure!(
        file.exists(),
        "there is no ledger at {}: no node has run on this storage.path yet",
        file.display()
    );
    let store = SqliteStore::read(&file).context("the ledger cannot be read")?;
    let Known { name, mut zones } = known(&settings.storage, account)?;
    // Only the clocks that are asked for are computed.
    zones
        .0
        .retain(|zoned, _| is_asked(zoned.parse().ok().as_ref(), account));
    let drawn = match month {
        Some(month) => store.month(month, &zones)?,
        None => whole(&store)?,
    };
    let mine = |of: &Account| is_asked(Some(of), account);
    // Whose impressions were all beyond its budget has a line and no posting.
    let stated = drawn.statement.lines.iter().any(|line| mine(&line.account));
    if !stated && !store.accounts()?.iter().any(mine) {
        return Ok(None);
    }
    let clock = drawn
        .clocks
        .iter()
        .find(|(of, _)| mine(of))
        .map(|(_, clock)| clock.clone());
    let period = month.map_or(Period::ALL, |month| month.period(&TimeZone::UTC));
    let (zone, period) = clock.map_or(("UTC".to_owned(), period), |clock| {
        (clock.zone, clock.period)
    });
    let advertiser = account.strip_prefix("advertiser:").unwrap_or(account);
    let conversions = store.converted(advertiser, period)?;
    let statement = drawn.statement;
    let only = |lines: Vec<Line>| {
        lines
            .into_iter()
            .filter(|line| mine(&line.account))
            .collect()
    };
    let adjustments = statement.adjustments.into_iter().flat_map(|adjustment| {
        let mut touched: Vec<Account> = adjustment
            .entries
            .iter()
            .map(|one| one.account.clone())
            .collect();
        touched.retain(|of| mine(of));
        touched.into_iter().map(move |account| Correction {
            currency: adjustment.currency,
            amount: adjustment.on(&account),
            adjustment: adjustment.clone(),
            account,
        })
    });
    Ok(Some(Sheet {
        account: account.to_owned(),
        name,
        month,
        zone,
        period,
        closed: drawn.closed,
        replayed: drawn.replayed,
        adjustments: adjustments.collect(),
        conversions,
        lines: only(statement.lines),
        items: only(statement.items),
    }))
}

/// Whether an account is meant: by its name, or by the id of its owner.
fn is_asked(account: Option<&Account>, asked: &str) -> bool {
    account.is_some_and(|account| account.owner() == Some(asked) || *account == asked)
}

fn whole(store: &SqliteStore) -> Result<MonthStatement> {
    let statement = store.statement(Period::ALL)?;
    Ok(MonthStatement {
        month: "1970-01".parse()?,
        statement,
        clocks: std::collections::BTreeMap::new(),
        closed: None,
        replayed: true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_of_a_column_stand_under_each_other() {
        assert_eq!(needed(Micros(1)), 6);
        assert_eq!(needed(Micros(1_500_000)), 2);
        assert_eq!(fixed(Micros(-1_500_000), 4), "-1.5000");
        for (count, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (12_345_678, "12,345,678"),
        ] {
            assert_eq!(grouped(count), text);
        }
    }
}
