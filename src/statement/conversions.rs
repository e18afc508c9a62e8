//! The conversions on an advertiser's statement: counted, and no money of the account.

use super::{Sheet, csv, grouped};
use ledger::conversion::Tally;
use std::fmt::Write;

/// The line item of a sum.
pub(super) fn item(tally: &Tally) -> &str {
    if tally.line_item.is_empty() {
        "-"
    } else {
        &tally.line_item
    }
}

/// The sums for a terminal.
pub(super) fn text(sheet: &Sheet, out: &mut String) {
    if sheet.conversions.is_empty() {
        return;
    }
    let _ = writeln!(
        out,
        "\n  {:<32} {:>12} {:>12} {:>20}",
        "conversions of", "after a", "count", "value"
    );
    for tally in &sheet.conversions {
        let amount = format!("{} {}", tally.value, tally.currency);
        let _ = writeln!(
            out,
            "  {:<32} {:>12} {:>12} {amount:>20}",
            item(tally),
            tally.credit,
            grouped(tally.count),
        );
    }
}

/// The sums as a table of a page; `escape` makes a text one of HTML.
pub(super) fn html(sheet: &Sheet, escape: fn(&str) -> String, out: &mut String) {
    if sheet.conversions.is_empty() {
        return;
    }
    out.push_str(
        "<section>\n<h2>Conversions</h2>\n<table>\n<thead><tr><th>Line item</th><th>After a</th>\
         <th class=\"n\">Count</th><th class=\"n\">Value</th></tr></thead>\n<tbody>\n",
    );
    for tally in &sheet.conversions {
        let _ = writeln!(
            out,
            "<tr><td>{}</td><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{} {}</td></tr>",
            escape(item(tally)),
            tally.credit,
            grouped(tally.count),
            tally.value,
            tally.currency,
        );
    }
    out.push_str("</tbody>\n</table>\n</section>\n");
}

/// A row of CSV: line item, currency, count, value and credit in the columns of an item.
pub(super) fn cells(sheet: &Sheet, tally: &Tally) -> [String; 16] {
    let mut cells: [String; 16] = std::array::from_fn(|_| String::new());
    cells[0] = csv::field(&sheet.account);
    cells[1] = csv::field(item(tally));
    tally.currency.code().clone_into(&mut cells[2]);
    cells[3] = tally.count.to_string();
    cells[4] = tally.value.to_string();
    tally.credit.clone_into(&mut cells[15]);
    cells
}
