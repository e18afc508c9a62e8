//! `gavel statement`, `gavel close`, `gavel adjust`.

use super::{known, sheet};
use crate::clock;
use crate::config::Settings;
use crate::node;
use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use control::api::Format;
use ledger::posting::Account;
use ledger::statement::Month;
use ledger::store::{Closing, Correction, NewAdjustment, SqliteStore};
use ledger::{Currency, Micros};
use std::fmt::Write;
use std::path::PathBuf;

/// What `gavel statement` is told.
#[derive(Args)]
pub struct StatementArguments {
    /// The configuration file.
    #[arg(long, default_value = "gavel.toml")]
    pub config: PathBuf,
    /// Id of an advertiser, publisher, partner, exchange or data provider, or the full name of
    /// an account.
    #[arg(long)]
    pub account: String,
    /// Month, YYYY-MM, by the account's clock; all time where none is given.
    #[arg(long)]
    pub month: Option<Month>,
    /// text, json, csv or html.
    #[arg(long, default_value_t = Format::Text)]
    pub format: Format,
}

impl StatementArguments {
    /// The statement.
    ///
    /// # Errors
    /// Where the account is unknown, or the ledger fails or does not agree with itself.
    pub fn run(&self, settings: &Settings) -> Result<String> {
        let account = &self.account;
        let sheet = sheet(settings, account, self.month)?;
        let sheet = sheet.with_context(|| format!("the account {account} has no business here"))?;
        Ok(sheet.write(self.format))
    }
}

/// What `gavel close` is told.
#[derive(Args)]
pub struct CloseArguments {
    /// The configuration file.
    #[arg(long, default_value = "gavel.toml")]
    pub config: PathBuf,
    /// Month, YYYY-MM.
    #[arg(long)]
    pub month: Month,
    /// Who closes it, for the record.
    #[arg(long, env = "USER")]
    pub by: String,
}

impl CloseArguments {
    /// Closes the month and says so.
    ///
    /// # Errors
    /// Where the month cannot be closed; nothing was changed then.
    pub fn run(&self, settings: &Settings) -> Result<String> {
        let mut books = books(settings)?;
        let closing = Closing {
            at_ms: clock::unix_ms(),
            who: named("--by", &self.by)?,
        };
        let zones = known(&settings.storage, "")?.zones;
        books.close(self.month, &zones, &closing)?;
        let closed = books.month(self.month, &zones)?;
        let lines = closed.statement.lines.len();
        Ok(format!(
            "{} is closed: {lines} accounts, balances and event log agree\n",
            self.month
        ))
    }
}

/// What `gavel adjust` is told.
#[derive(Args)]
pub struct AdjustArguments {
    /// The configuration file.
    #[arg(long, default_value = "gavel.toml")]
    pub config: PathBuf,
    /// Number of the adjustment, such as that of a credit note; each is posted once.
    #[arg(long)]
    pub reference: String,
    /// Why, as the account's owner will read it.
    #[arg(long)]
    pub reason: String,
    /// Full name of the account, such as `advertiser:adv_x`.
    #[arg(long, required_unless_present = "reverse", conflicts_with = "reverse")]
    pub account: Option<Account>,
    /// Amount in the currency: above 0 is owed more, below 0 is owed less.
    #[arg(long, required_unless_present = "reverse", allow_hyphen_values = true)]
    pub amount: Option<Micros>,
    /// Currency of the amount.
    #[arg(long, required_unless_present = "reverse")]
    pub currency: Option<Currency>,
    /// Key of a charge that is taken back whole, 32 hexadecimal digits, as the event log has it.
    #[arg(long, conflicts_with_all = ["amount", "currency"])]
    pub reverse: Option<String>,
    /// Who adjusts, for the record.
    #[arg(long, env = "USER")]
    pub by: String,
}

impl AdjustArguments {
    /// Posts the adjustment and says so.
    ///
    /// # Errors
    /// Where there is nothing to adjust; nothing was changed then.
    pub fn run(&self, settings: &Settings) -> Result<String> {
        let what = match (&self.reverse, &self.account, self.amount, self.currency) {
            (Some(key), ..) => Correction::Reverse { key: key_of(key)? },
            (None, Some(account), Some(amount), Some(currency)) => {
                let account = account.clone();
                Correction::Amount {
                    account,
                    currency,
                    amount,
                }
            }
            (None, ..) => bail!("give --account, --amount and --currency, or --reverse"),
        };
        let new = NewAdjustment {
            reference: named("--reference", &self.reference)?,
            at_ms: clock::unix_ms(),
            who: named("--by", &self.by)?,
            reason: named("--reason", &self.reason)?,
            what,
        };
        let made = books(settings)?.adjust(&new)?;
        let mut out = format!("{} is posted\n", made.reference);
        for entry in &made.entries {
            let amount = made.on(&entry.account);
            let _ = writeln!(out, "  {} {amount} {}", entry.account, made.currency);
        }
        Ok(out)
    }
}

fn books(settings: &Settings) -> Result<SqliteStore> {
    SqliteStore::correct(&node::ledger_file(&settings.storage))
        .context("the ledger cannot be opened")
}

/// A text that must say something, on one line.
fn named(option: &str, text: &str) -> Result<String> {
    let text = text.trim();
    if text.is_empty() || text.len() > 500 || text.chars().any(char::is_control) {
        bail!("{option}: expected 1 to 500 letters on one line");
    }
    Ok(text.to_owned())
}

fn key_of(text: &str) -> Result<[u8; 16]> {
    let wrong = || anyhow!("--reverse: expected 32 hexadecimal digits, found {text:?}");
    if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(wrong());
    }
    let number = u128::from_str_radix(text, 16).map_err(|_| wrong())?;
    Ok(number.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_as_it_is_written() {
        let text = "000102030405060708090a0b0c0d0e0f";
        assert_eq!(
            key_of(text).unwrap(),
            std::array::from_fn(|place| place as u8)
        );
        for wrong in ["", "00", "+00102030405060708090a0b0c0d0e0f"] {
            assert!(key_of(wrong).is_err(), "{wrong}");
        }
        assert!(named("--by", " \n ").is_err());
    }
}
