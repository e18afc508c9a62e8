//! A statement for a terminal.

use super::{Sheet, conversions, fixed, grouped, moment};
use ledger::statement::Line;
use std::fmt::Write;

/// Writes the statement.
pub(super) fn write(sheet: &Sheet) -> String {
    let mut out = String::new();
    let places = sheet.places();
    head(sheet, &mut out);
    for line in &sheet.lines {
        whole(line, places, &mut out);
        items(sheet, line, places, &mut out);
        corrections(sheet, line, places, &mut out);
    }
    conversions::text(sheet, &mut out);
    if sheet.lines.is_empty() {
        out.push_str("\nnothing was charged in this period\n");
    }
    out
}

fn head(sheet: &Sheet, out: &mut String) {
    let month = sheet
        .month
        .map_or("all time".to_owned(), |month| month.to_string());
    let name = sheet.name.as_deref().unwrap_or(&sheet.account);
    let _ = writeln!(out, "statement of {name} ({}), {month}", sheet.account);
    if sheet.month.is_some() {
        let (from, to) = sheet.bounds();
        let _ = writeln!(out, "{} time: from {from} to {to}", sheet.zone);
    }
    match &sheet.closed {
        Some(closing) => {
            let at = moment(closing.at_ms);
            let _ = writeln!(out, "closed {at} by {}", closing.who);
        }
        None => out.push_str("open: later events still count\n"),
    }
    out.push_str(agreement(sheet));
    out.push_str("amounts are before taxes\n");
}

/// What the statement was checked against.
fn agreement(sheet: &Sheet) -> &'static str {
    if sheet.replayed {
        "balances, postings and event log agree to the micro\n"
    } else {
        "as it was closed; its events are not kept any more\n"
    }
}

fn whole(line: &Line, places: usize, out: &mut String) {
    let _ = writeln!(out, "\n{} in {}", line.account, line.currency);
    let mut row = |name: &str, value: String| {
        let _ = writeln!(out, "  {name:<26} {value:>20}");
    };
    row("impressions", grouped(line.impressions));
    for (name, amount) in [
        ("gross", line.gross),
        ("fees", line.fees),
        ("data cost", line.data_cost),
        ("net", line.net()),
        ("adjustments", line.adjustments),
        ("due", line.due()),
    ] {
        row(name, fixed(amount, places));
    }
    if line.over_impressions > 0 {
        row("delivered beyond budget", grouped(line.over_impressions));
        row("  borne by the platform", fixed(line.over_delivery, places));
    }
}

fn items(sheet: &Sheet, of: &Line, places: usize, out: &mut String) {
    let own = |line: &&Line| line.account == of.account && line.currency == of.currency;
    let items: Vec<&Line> = sheet.items.iter().filter(own).collect();
    if items.is_empty() {
        return;
    }
    let name = Sheet::item_name(&of.account);
    let _ = writeln!(
        out,
        "\n  {name:<32} {:>12} {:>16} {:>14} {:>14} {:>16}",
        "impressions", "gross", "fees", "data cost", "net"
    );
    for line in items {
        let _ = writeln!(
            out,
            "  {:<32} {:>12} {:>16} {:>14} {:>14} {:>16}",
            line.item,
            grouped(line.impressions),
            fixed(line.gross, places),
            fixed(line.fees, places),
            fixed(line.data_cost, places),
            fixed(line.net(), places),
        );
    }
}

fn corrections(sheet: &Sheet, of: &Line, places: usize, out: &mut String) {
    let own = sheet.adjustments.iter();
    let own = own.filter(|one| one.account == of.account && one.currency == of.currency);
    for (number, one) in own.enumerate() {
        if number == 0 {
            out.push_str("\n  adjustments\n");
        }
        let adjustment = &one.adjustment;
        let _ = writeln!(
            out,
            "  {} {} {} {}, by {}",
            moment(adjustment.at_ms),
            adjustment.reference,
            fixed(one.amount, places),
            adjustment.reason,
            adjustment.who,
        );
    }
}
