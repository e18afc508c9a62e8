//! The statement at the end of the demo, and whether the books reconcile: three parties kept
//! books of their own, and they must agree to the micro.

use crate::demo::partners::Running;
use ledger::Micros;
use ledger::statement::{Books, Statement};
use std::fmt::Write;

/// Currency of the demo.
const CURRENCY: &str = "EUR";

/// The statement's text, and every way in which the books do not agree.
pub(super) struct Verdict {
    /// For people.
    pub(super) text: String,
    /// Empty where everything reconciles.
    pub(super) differences: Vec<String>,
}

/// Draws up the statement of `books` beside the partners' own accounts.
pub(super) fn draw_up(books: &Books, partners: &[Running], local_bidder: &str) -> Verdict {
    let statement = match books.statement() {
        Ok(statement) => statement,
        Err(error) => {
            return Verdict {
                text: String::new(),
                differences: error.differences,
            };
        }
    };
    let mut text = String::new();
    table(&statement, &mut text);
    let mut checks = Checks {
        text: &mut text,
        differences: Vec::new(),
    };
    let sum = |prefix: &str| statement.sum(prefix, CURRENCY);
    let receipts = sum("buyer:");
    let bidder = Micros(sum("advertiser:").0 + sum("over_delivery").0);
    let mut bought = bidder;
    checks.equal(
        "receipts from our bidder = advertisers' spend",
        sum(&format!("buyer:{local_bidder}:")),
        bidder,
    );
    for partner in partners {
        let billed = partner.billed();
        bought.0 += billed.0;
        let what = format!("receipts from {} = what it counted itself", partner.id);
        checks.equal(&what, sum(&format!("buyer:{}:", partner.id)), billed);
    }
    checks.equal(
        "exchange receipts = bidder spend + partners' spend",
        receipts,
        bought,
    );
    let earned = Micros(sum("publisher:").0 + sum("exchange_fee").0);
    checks.equal(
        "publisher earnings + exchange fee = receipts",
        earned,
        receipts,
    );
    checks.equal("owed for media = advertisers' spend", sum("media:"), bidder);
    let differences = checks.differences;
    let _ = writeln!(
        text,
        "  event log replayed = balances: yes, {} events",
        books.log.len()
    );
    Verdict { text, differences }
}

fn table(statement: &Statement, text: &mut String) {
    let _ = writeln!(
        text,
        "{:<34} {:>12} {:>16}",
        "account", "impressions", "amount"
    );
    for line in &statement.lines {
        let _ = writeln!(
            text,
            "{:<34} {:>12} {:>12} {}",
            line.account,
            line.impressions,
            Fixed(line.amount).to_string(),
            line.currency
        );
    }
    text.push('\n');
}

/// An amount with all six places, so that columns line up.
struct Fixed(Micros);

impl std::fmt::Display for Fixed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{}.{:06}",
            self.0.0 / 1_000_000,
            self.0.0.abs() % 1_000_000
        )
    }
}

struct Checks<'t> {
    text: &'t mut String,
    differences: Vec<String>,
}

impl Checks<'_> {
    fn equal(&mut self, what: &str, left: Micros, right: Micros) {
        let (left_text, right_text) = (Fixed(left), Fixed(right));
        if left == right {
            let _ = writeln!(self.text, "  {what}: yes, {left_text} {CURRENCY}");
        } else {
            let _ = writeln!(self.text, "  {what}: NO, {left_text} against {right_text}");
            self.differences
                .push(format!("{what}: {left_text} against {right_text}"));
        }
    }
}
