//! Statements of one account for a month, from the event log, checked against the balances.

use anyhow::{Context, Result};
use jiff::ToSpan;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use ledger::statement::{Line, Period};
use ledger::store::Store;
use serde_json::{Value, json};

/// The period of `YYYY-MM` in UTC.
///
/// # Errors
/// Where the text is no month.
pub fn month(text: &str) -> Result<Period> {
    let what = || format!("expected a month such as 2026-11, found {text:?}");
    let first: Date = format!("{text}-01").parse().ok().with_context(what)?;
    let next = first.checked_add(1.month()).ok().with_context(what)?;
    let begin = |date: Date| -> Result<i64> {
        Ok(date
            .to_zoned(TimeZone::UTC)
            .with_context(what)?
            .timestamp()
            .as_millisecond())
    };
    Ok(Period {
        from_ms: begin(first)?,
        to_ms: begin(next)?,
    })
}

/// The lines of an account: an advertiser or publisher by id, any other by its full name.
///
/// # Errors
/// Where the ledger fails or does not agree with itself.
pub fn lines(store: &dyn Store, account: &str, period: Period) -> Result<Vec<Line>> {
    let statement = store.statement(period)?;
    let names = [
        account.to_owned(),
        format!("advertiser:{account}"),
        format!("publisher:{account}"),
    ];
    Ok(statement
        .lines
        .into_iter()
        .filter(|line| names.contains(&line.account))
        .collect())
}

/// The statement of an account for a month as JSON; `None` where it has no line.
///
/// # Errors
/// As [`lines`] and [`month`].
pub fn of_account(store: &dyn Store, account: &str, of: &str) -> Result<Option<Value>> {
    let lines = lines(store, account, month(of)?)?;
    if lines.is_empty() {
        return Ok(None);
    }
    let lines: Vec<Value> = lines
        .iter()
        .map(|line| {
            json!({
                "account": line.account,
                "currency": line.currency,
                "impressions": line.impressions,
                "gross": line.gross.to_string(),
                "fee": line.fee.to_string(),
                "amount": line.amount.to_string(),
            })
        })
        .collect();
    Ok(Some(
        json!({ "account": account, "month": of, "lines": lines }),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_is_half_open() {
        let december = month("2026-12").unwrap();
        assert_eq!(december.to_ms - december.from_ms, 31 * 86_400_000);
        assert_eq!(december.to_ms, month("2027-01").unwrap().from_ms);
        for wrong in ["", "2026", "2026-13", "2026-1-1", "x"] {
            assert!(month(wrong).is_err(), "{wrong}");
        }
    }
}
