//! A statement as CSV (RFC 4180): a row for each account, item and correction.

use super::{Sheet, conversions, moment};
use ledger::statement::Line;

const HEADER: &str = "month,timezone,row,account,item,currency,impressions,gross,fees,data_cost,\
net,over_delivered_impressions,over_delivery,adjustments,due,reference,at,who,reason\r\n";

/// Writes the statement.
pub(super) fn write(sheet: &Sheet) -> String {
    let mut out = HEADER.to_owned();
    let month = sheet
        .month
        .map_or("all".to_owned(), |month| month.to_string());
    let mut row = |kind: &str, cells: [String; 16]| {
        let mut all = vec![month.clone(), field(&sheet.zone), kind.to_owned()];
        all.extend(cells);
        out.push_str(&all.join(","));
        out.push_str("\r\n");
    };
    for line in &sheet.lines {
        row("total", numbers(line));
        let own = |item: &&Line| item.account == line.account && item.currency == line.currency;
        for item in sheet.items.iter().filter(own) {
            row("item", numbers(item));
        }
    }
    for one in &sheet.adjustments {
        let adjustment = &one.adjustment;
        let mut cells: [String; 16] = std::array::from_fn(|_| String::new());
        cells[0] = field(&one.account.to_string());
        one.currency.code().clone_into(&mut cells[2]);
        cells[10] = one.amount.to_string();
        cells[12] = field(&adjustment.reference);
        cells[13] = moment(adjustment.at_ms);
        cells[14] = field(&adjustment.who);
        cells[15] = field(&adjustment.reason);
        row("adjustment", cells);
    }
    for tally in &sheet.conversions {
        row("conversions", conversions::cells(sheet, tally));
    }
    out
}

fn numbers(line: &Line) -> [String; 16] {
    let nothing = String::new;
    [
        field(&line.account.to_string()),
        field(&line.item),
        line.currency.code().to_owned(),
        line.impressions.to_string(),
        line.gross.to_string(),
        line.fees.to_string(),
        line.data_cost.to_string(),
        line.net().to_string(),
        line.over_impressions.to_string(),
        line.over_delivery.to_string(),
        line.adjustments.to_string(),
        line.due().to_string(),
        nothing(),
        nothing(),
        nothing(),
        nothing(),
    ]
}

/// A text as a field: quoted where it must be, and never a formula of a spreadsheet.
pub(crate) fn field(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']) && text.len() > 1;
    let text = if formula {
        format!("'{text}")
    } else {
        text.to_owned()
    };
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_no_formula_and_keeps_its_quotes() {
        for (text, written) in [
            ("plain", "plain"),
            ("a,b", "\"a,b\""),
            ("say \"no\"", "\"say \"\"no\"\"\""),
            ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
            ("@x,y", "\"'@x,y\""),
            ("-", "-"),
        ] {
            assert_eq!(field(text), written);
        }
        assert_eq!(HEADER.trim_end().split(',').count(), 19);
    }
}
