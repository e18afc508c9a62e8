//! Dead letters for people: `gavel notices`, and as the API shows them.

use super::find;
use crate::config::Settings;
use anyhow::{Result, bail};
use clap::Args;
use control::api::Format;
use jiff::Timestamp;
use ledger::event::Fault;
use ledger::letter::Wanted;
use ledger::store::{MOST_LETTERS, Refused};
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::PathBuf;

/// What `gavel notices` is told.
#[derive(Args)]
pub struct NoticesArguments {
    /// The configuration file.
    #[arg(long, default_value = "gavel.toml")]
    pub config: PathBuf,
    /// Only those that were refused for this reason.
    #[arg(long)]
    pub reason: Option<String>,
    /// Only those of this exchange.
    #[arg(long)]
    pub exchange: Option<String>,
    /// Those too whose bid was charged since.
    #[arg(long)]
    pub all: bool,
    /// Only those before this number, for the next page.
    #[arg(long)]
    pub before: Option<i64>,
    /// How many.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_LETTERS)))]
    pub limit: u32,
    /// text, json or csv.
    #[arg(long, default_value_t = Format::Text)]
    pub format: Format,
}

impl NoticesArguments {
    /// The list, the newest first.
    ///
    /// # Errors
    /// Where the reason is none or the ledger cannot be read.
    pub fn run(&self, settings: &Settings) -> Result<String> {
        if let Some(reason) = &self.reason
            && !is_reason(reason)
        {
            bail!("--reason: expected one of {}, found {reason:?}", reasons());
        }
        let wanted = Wanted {
            fault: self.reason.clone(),
            exchange: self.exchange.clone(),
            ids: Vec::new(),
            open: !self.all,
        };
        let found = find(&settings.storage, &wanted, self.before, false, self.limit)?;
        match self.format {
            Format::Text => Ok(text(&found)),
            Format::Json => {
                let list: Value = found.iter().map(shown).collect();
                Ok(format!("{list:#}\n"))
            }
            Format::Csv => Ok(csv(&found)),
            Format::Html => bail!("--format: refused notices are listed as text, json or csv"),
        }
    }
}

/// Whether a text is the label of a fault, one that older versions wrote included.
pub(crate) fn is_reason(text: &str) -> bool {
    text == "unreadable" || Fault::ALL.into_iter().any(|fault| fault.label() == text)
}

/// The labels of all faults.
pub(crate) fn reasons() -> String {
    Fault::ALL.map(Fault::label).join(", ")
}

/// A letter as the API shows it.
pub fn shown(letter: &Refused) -> Value {
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    json!({
        "id": letter.id,
        "at": at(letter.at_ms),
        "reason": letter.fault,
        "kind": letter.kind,
        "key": control::access::hexadecimal(&letter.key),
        "exchange": text(&letter.exchange),
        "seat": text(&letter.seat),
        "line_item": text(&letter.line_item),
        "bid_cpm": letter.currency.map(|_| letter.bid.to_string()),
        "asked_cpm": letter.currency.map(|_| letter.cpm.to_string()),
        "currency": letter.currency.map(|currency| currency.code().to_owned()),
        "told": text(&letter.told),
        "state": state(letter),
        "replayed_at": (letter.replayed_ms > 0).then(|| at(letter.replayed_ms)),
        "replay_outcome": text(&letter.outcome),
    })
}

fn state(letter: &Refused) -> &'static str {
    if letter.settled { "settled" } else { "open" }
}

fn at(ms: i64) -> String {
    Timestamp::from_millisecond(ms)
        .unwrap_or_default()
        .to_string()
}

fn text(found: &[Refused]) -> String {
    let mut out = format!(
        "{:>8}  {:<24}  {:<16}  {:<10}  {:<8}  {:<16}  {:<16}  {:>12}  {:<8}\n",
        "id", "at", "reason", "kind", "state", "exchange", "line item", "bid", "replay"
    );
    for letter in found {
        let currency = letter.currency;
        let bid = currency.map_or(String::new(), |code| format!("{} {code}", letter.bid));
        let line = format!(
            "{:>8}  {:<24}  {:<16}  {:<10}  {:<8}  {:<16}  {:<16}  {bid:>12}  {:<8}",
            letter.id,
            at(letter.at_ms),
            letter.fault,
            letter.kind,
            state(letter),
            letter.exchange,
            letter.line_item,
            letter.outcome,
        );
        let _ = writeln!(out, "{}", line.trim_end());
    }
    out
}

fn csv(found: &[Refused]) -> String {
    let field = crate::statement::csv::field;
    let mut out = "id,at,reason,kind,state,exchange,seat,line_item,bid_cpm,asked_cpm,currency,\
                   replay_outcome,told\r\n"
        .to_owned();
    for letter in found {
        let currency = letter
            .currency
            .map_or(String::new(), |code| code.to_string());
        let _ = write!(
            out,
            "{},{},{},{},{},{},{},{},{},{},{currency},{},{}\r\n",
            letter.id,
            at(letter.at_ms),
            letter.fault,
            letter.kind,
            state(letter),
            field(&letter.exchange),
            field(&letter.seat),
            field(&letter.line_item),
            letter.bid,
            letter.cpm,
            letter.outcome,
            field(&letter.told),
        );
    }
    out
}
