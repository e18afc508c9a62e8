//! A statement as a page to be printed: no script, no picture, nothing fetched from elsewhere.

use super::{Sheet, conversions, fixed, grouped, moment};
use ledger::statement::Line;
use std::fmt::Write;

const STYLE: &str = include_str!("html/page.css");

/// Writes the statement.
pub(super) fn write(sheet: &Sheet) -> String {
    let month = sheet
        .month
        .map_or("all time".to_owned(), |month| month.to_string());
    let name = text(sheet.name.as_deref().unwrap_or(&sheet.account));
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>Statement {month}, {name}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n"
    );
    head(sheet, &month, &name, &mut out);
    let places = sheet.places();
    for line in &sheet.lines {
        whole(line, places, &mut out);
        items(sheet, line, places, &mut out);
        corrections(sheet, line, places, &mut out);
    }
    conversions::html(sheet, text, &mut out);
    if sheet.lines.is_empty() {
        out.push_str("<p class=\"none\">Nothing was charged in this period.</p>\n");
    }
    foot(sheet, &mut out);
    out.push_str("</body>\n</html>\n");
    out
}

fn head(sheet: &Sheet, month: &str, name: &str, out: &mut String) {
    let state = match &sheet.closed {
        Some(closing) => format!(
            "<span class=\"closed\">Closed</span> {} by {}",
            moment(closing.at_ms),
            text(&closing.who)
        ),
        None => "<span class=\"open\">Open</span> later events still count".to_owned(),
    };
    let _ = write!(
        out,
        "<header>\n<div><h1>Statement</h1><p class=\"month\">{month}</p></div>\n\
         <dl>\n<dt>Account</dt><dd>{name}<br><small>{}</small></dd>\n",
        text(&sheet.account)
    );
    if sheet.month.is_some() {
        let (from, to) = sheet.bounds();
        let zone = text(&sheet.zone);
        let _ = writeln!(
            out,
            "<dt>Period</dt><dd>{from} to<br>{to}<br><small>{zone}</small></dd>"
        );
    }
    let _ = writeln!(out, "<dt>State</dt><dd>{state}</dd>\n</dl>\n</header>");
}

fn whole(line: &Line, places: usize, out: &mut String) {
    let (account, currency) = (text(&line.account.to_string()), line.currency);
    let _ = writeln!(
        out,
        "<section>\n<h2>{account}</h2>\n<table class=\"whole\">\n\
         <thead><tr><th>Position</th><th class=\"n\">{currency}</th></tr></thead>\n<tbody>"
    );
    let mut row = |name: &str, value: &str, class: &str| {
        let _ = writeln!(
            out,
            "<tr class=\"{class}\"><th scope=\"row\">{name}</th><td class=\"n\">{value}</td></tr>"
        );
    };
    let impressions = grouped(line.impressions);
    row(
        &format!("Gross, {impressions} impressions"),
        &fixed(line.gross, places),
        "",
    );
    row("Fees", &fixed(line.fees, places), "");
    row("Data cost", &fixed(line.data_cost, places), "");
    row("Net", &fixed(line.net(), places), "sum");
    row("Adjustments", &fixed(line.adjustments, places), "");
    row("Due", &fixed(line.due(), places), "due");
    out.push_str("</tbody>\n</table>\n");
    if line.over_impressions > 0 {
        let _ = writeln!(
            out,
            "<p class=\"over\">Delivered beyond the budget and not charged: {} impressions worth \
             {} {currency}.</p>",
            grouped(line.over_impressions),
            fixed(line.over_delivery, places)
        );
    }
}

fn items(sheet: &Sheet, of: &Line, places: usize, out: &mut String) {
    let own = |line: &&Line| line.account == of.account && line.currency == of.currency;
    let items: Vec<&Line> = sheet.items.iter().filter(own).collect();
    if !items.is_empty() {
        let _ = writeln!(
            out,
            "<h3>By {}</h3>\n<table>\n<thead><tr><th>{}</th><th class=\"n\">Impressions</th>\
             <th class=\"n\">Gross</th><th class=\"n\">Fees</th><th class=\"n\">Data cost</th>\
             <th class=\"n\">Net</th></tr></thead>\n<tbody>",
            Sheet::item_name(&of.account),
            capitalised(Sheet::item_name(&of.account)),
        );
        for line in items {
            let _ = writeln!(
                out,
                "<tr><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td>\
                 <td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>",
                text(&line.item),
                grouped(line.impressions),
                fixed(line.gross, places),
                fixed(line.fees, places),
                fixed(line.data_cost, places),
                fixed(line.net(), places),
            );
        }
        out.push_str("</tbody>\n</table>\n");
    }
}

fn corrections(sheet: &Sheet, of: &Line, places: usize, out: &mut String) {
    let own = sheet.adjustments.iter();
    let own: Vec<_> = own
        .filter(|one| one.account == of.account && one.currency == of.currency)
        .collect();
    if !own.is_empty() {
        out.push_str(
            "<h3>Adjustments</h3>\n<table>\n<thead><tr><th>Reference</th><th>Date</th>\
             <th>Reason</th><th>By</th><th class=\"n\">Amount</th></tr></thead>\n<tbody>\n",
        );
        for one in own {
            let adjustment = &one.adjustment;
            let at = moment(adjustment.at_ms);
            let _ = writeln!(
                out,
                "<tr><td>{}</td><td class=\"d\">{}</td><td>{}</td><td>{}</td>\
                 <td class=\"n\">{}</td></tr>",
                text(&adjustment.reference),
                at.get(..10).unwrap_or(&at),
                text(&adjustment.reason),
                text(&adjustment.who),
                fixed(one.amount, places),
            );
        }
        out.push_str("</tbody>\n</table>\n");
    }
    out.push_str("</section>\n");
}

fn foot(sheet: &Sheet, out: &mut String) {
    let checked = if sheet.replayed {
        "Computed twice, from the balances and from the event log; both agree to the micro."
    } else {
        "As it was closed; the events of this month are not kept any more."
    };
    let _ = writeln!(out, "<footer>{checked} Amounts are before taxes.</footer>");
}

fn capitalised(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or(String::new(), |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

/// A text that is only text, in an element or an attribute.
fn text(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    for letter in raw.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_typed_stays_text() {
        assert_eq!(
            text("<img src=x onerror='a()'> & \"b\""),
            "&lt;img src=x onerror=&#39;a()&#39;&gt; &amp; &quot;b&quot;"
        );
    }
}
