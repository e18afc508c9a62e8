//! The statement at the end of the demo, and whether the books reconcile. Everyone kept books of
//! their own (the exchange, our bidder, each partner, the publishers), and they must agree to
//! the micro.

#[cfg(test)]
mod tests;

use control::resource::partner::LOCAL_BIDDER;
use ledger::Micros;
use ledger::event::Kind;
use ledger::statement::{Books, Line, Statement};
use std::collections::BTreeMap;
use std::fmt::{self, Write};

/// Currency of the demo.
pub(super) const CURRENCY: &str = "EUR";

/// What a partner counted itself.
pub(super) struct Billed {
    /// The partner's id.
    pub(super) id: &'static str,
    /// Impressions that it was billed for.
    pub(super) impressions: u64,
    /// What they cost.
    pub(super) amount: Micros,
}

/// The books that are not in the ledger.
pub(super) struct Others<'o> {
    /// The partners' own.
    pub(super) partners: &'o [Billed],
    /// Ads that the publishers showed and clicks made on them; `None` where a view failed, since
    /// its end is not known.
    pub(super) shown: Option<(u64, u64)>,
    /// Names of advertisers, publishers, partners and campaigns by id.
    pub(super) names: &'o BTreeMap<String, String>,
}

/// The statement's text, and every way in which the books do not agree.
pub(super) struct Verdict {
    /// For people.
    pub(super) text: String,
    /// Empty where everything reconciles.
    pub(super) differences: Vec<String>,
}

/// Draws up the statement of `books` beside those of the `others`.
pub(super) fn draw_up(books: &Books, others: &Others<'_>) -> Verdict {
    let mut checks = Checks::default();
    let text = match books.statement() {
        Ok(statement) => {
            let sums = Sums::new(&statement, others);
            let text = tables(&statement, books, others, &sums);
            compare(&statement, books, others, &sums, &mut checks);
            text
        }
        Err(error) => {
            for difference in error.differences {
                checks.add(false, "event log = balances", &difference);
            }
            String::new()
        }
    };
    checks.verdict(text)
}

/// The sums that the statement is about.
struct Sums {
    receipts: Micros,
    bidder: Micros,
    partners: Micros,
    publishers: Micros,
    fee: Micros,
    sold: u64,
    bought: u64,
}

impl Sums {
    fn new(statement: &Statement, others: &Others<'_>) -> Self {
        let sum = |prefix: &str| statement.sum(prefix, CURRENCY);
        let count = |prefix: &str| lines(statement, prefix).map(|line| line.impressions).sum();
        let partners = others.partners.iter().map(|partner| partner.amount.0);
        Self {
            receipts: sum("buyer:"),
            bidder: sum("media:"),
            partners: Micros(partners.sum()),
            publishers: sum("publisher:"),
            fee: sum("exchange_fee"),
            sold: count("publisher:"),
            bought: count("advertiser:") + count("over_delivery"),
        }
    }
}

fn lines<'s>(statement: &'s Statement, prefix: &'s str) -> impl Iterator<Item = &'s Line> {
    let all = statement.lines.iter();
    all.filter(move |line| {
        line.currency.code() == CURRENCY && line.account.to_string().starts_with(prefix)
    })
}

/// Who bought and who was paid.
fn tables(statement: &Statement, books: &Books, others: &Others<'_>, sums: &Sums) -> String {
    let mut table = Table {
        names: others.names,
        text: String::new(),
    };
    table.head("Bought", "impressions");
    for line in lines(statement, "advertiser:") {
        table.account(&line.account.to_string(), line.impressions, line.gross);
    }
    let media: i64 = lines(statement, "advertiser:")
        .map(|line| line.gross.0)
        .sum();
    for line in lines(statement, "over_delivery") {
        let borne = Micros(sums.bidder.0 - media);
        table.row("over-delivery, which we bear", line.impressions, borne);
    }
    table.row("= spend of our bidder", sums.bought, sums.bidder);
    for partner in others.partners {
        table.account(partner.id, partner.impressions, partner.amount);
    }
    table.row("= receipts of the exchange", sums.sold, sums.receipts);
    table.head("Paid out of the receipts", "impressions");
    for line in lines(statement, "publisher:") {
        table.account(&line.account.to_string(), line.impressions, line.net());
    }
    table.row("fee of the exchange", "", sums.fee);
    let paid = Micros(sums.publishers.0 + sums.fee.0);
    table.row("= receipts of the exchange", sums.sold, paid);
    let beside = ["platform_fee", "data:"].map(|prefix| lines(statement, prefix));
    let mut beside = beside.into_iter().flatten().peekable();
    if beside.peek().is_some() {
        table.head("Charged to advertisers beside the media", "impressions");
    }
    for line in beside {
        let name = match line.account.owner() {
            Some(provider) => format!("data of {}", table.named(provider)),
            None => "fee of the platform".to_owned(),
        };
        table.row(&name, line.impressions, line.net());
    }
    table.head("Budgets of the day", "used");
    for (key, budget) in &books.budgets {
        let mut parts = key.split(':');
        if let (Some("campaign"), Some(id), Some("day")) =
            (parts.next(), parts.next(), parts.next())
        {
            let used = 100 * budget.spent.0 / budget.limit.0.max(1);
            table.row(&table.named(id), format!("{used} %"), budget.limit);
        }
    }
    table.text
}

/// Compares the books with each other.
fn compare(
    statement: &Statement,
    books: &Books,
    others: &Others<'_>,
    sums: &Sums,
    checks: &mut Checks,
) {
    checks.equal(
        "exchange receipts = bidder spend + partners' spend",
        sums.receipts,
        &[sums.bidder, sums.partners],
    );
    checks.equal(
        "publisher earnings + exchange fee = receipts",
        sums.receipts,
        &[sums.publishers, sums.fee],
    );
    let replayed = format!(
        "{} events replayed, {} accounts",
        books.log.len(),
        books.balances.len()
    );
    checks.add(true, "event log = balances", &replayed);
    let budgets = format!("{0} of {0} held", books.budgets.len());
    checks.add(true, "no budget exceeded", &budgets);
    let sum = |prefix: &str| statement.sum(prefix, CURRENCY);
    checks.equal(
        "charged to advertisers = media + fees and data",
        Micros(sum("advertiser:").0 + sum("over_delivery").0),
        &[sums.bidder, Micros(sum("platform_fee").0 + sum("data:").0)],
    );
    for line in lines(statement, "advertiser:") {
        let id = line.account.owner().unwrap_or_default();
        let account = format!("buyer:{LOCAL_BIDDER}:{id}");
        checks.equal(
            &format!("receipts from {id} = its spend"),
            statement.sum(&account, CURRENCY),
            &[line.gross],
        );
    }
    for partner in others.partners {
        let account = format!("buyer:{}:", partner.id);
        let what = format!("receipts from {} = its own count", partner.id);
        checks.equal(&what, statement.sum(&account, CURRENCY), &[partner.amount]);
    }
    let bought = sums.bought + others.partners.iter().map(|p| p.impressions).sum::<u64>();
    checks.count("impressions sold = impressions bought", sums.sold, bought);
    if let Some((shown, clicked)) = others.shown {
        checks.count(
            "impressions sold = ads that publishers showed",
            sums.sold,
            shown,
        );
        let clicks = books
            .log
            .iter()
            .filter(|logged| logged.event.kind == Kind::Click);
        checks.count(
            "clicks in the log = clicks made",
            clicks.count() as u64,
            clicked,
        );
    }
}

/// Rows of a name and two columns of figures.
struct Table<'n> {
    names: &'n BTreeMap<String, String>,
    text: String,
}

impl Table<'_> {
    fn head(&mut self, name: &str, column: &str) {
        let _ = writeln!(self.text, "\n{name:<44} {column:>12} {CURRENCY:>16}");
    }

    fn account(&mut self, account: &str, count: u64, amount: Micros) {
        let id = account.rsplit(':').next().unwrap_or(account);
        self.row(&self.named(id), count, amount);
    }

    fn row(&mut self, name: &str, count: impl fmt::Display, amount: Micros) {
        let (count, amount) = (count.to_string(), Fixed(amount).to_string());
        let _ = writeln!(self.text, "  {name:<42} {count:>12} {amount:>16}");
    }

    fn named(&self, id: &str) -> String {
        match self.names.get(id) {
            Some(name) => format!("{name} ({id})"),
            None => id.to_owned(),
        }
    }
}

/// An amount with all six places, so that columns line up.
struct Fixed(Micros);

impl fmt::Display for Fixed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0.0 < 0 { "-" } else { "" };
        let micros = self.0.0.unsigned_abs();
        write!(f, "{sign}{}.{:06}", micros / 1_000_000, micros % 1_000_000)
    }
}

/// What was compared, with its outcome.
#[derive(Default)]
struct Checks {
    text: String,
    made: usize,
    differences: Vec<String>,
}

impl Checks {
    fn add(&mut self, holds: bool, what: &str, figures: &str) {
        let word = if holds { "yes" } else { "NO" };
        let _ = writeln!(self.text, "  {word:<3}  {what:<52} {figures}");
        self.made += 1;
        if !holds {
            self.differences.push(format!("{what}: {figures}"));
        }
    }

    /// Whether a sum is that of its parts.
    fn equal(&mut self, what: &str, sum: Micros, parts: &[Micros]) {
        let added = Micros(parts.iter().map(|part| part.0).sum());
        let parts: Vec<String> = parts.iter().map(|part| Fixed(*part).to_string()).collect();
        let parts = parts.join(" + ");
        let figures = if sum == added {
            format!("{} = {parts}", Fixed(sum))
        } else {
            let off = Fixed(Micros(sum.0 - added.0));
            format!("{} is not {parts}, off by {off}", Fixed(sum))
        };
        self.add(sum == added, what, &figures);
    }

    fn count(&mut self, what: &str, left: u64, right: u64) {
        let relation = if left == right { "=" } else { "is not" };
        self.add(left == right, what, &format!("{left} {relation} {right}"));
    }

    fn verdict(self, mut text: String) -> Verdict {
        let _ = writeln!(text, "\nDo the books agree, to the micro?\n{}", self.text);
        let (made, wrong) = (self.made, self.differences.len());
        let _ = match wrong {
            0 => writeln!(text, "Reconciled: all {made} comparisons hold."),
            _ => writeln!(text, "NOT RECONCILED: {wrong} of {made} comparisons fail."),
        };
        Verdict {
            text,
            differences: self.differences,
        }
    }
}
