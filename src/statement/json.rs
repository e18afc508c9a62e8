//! A statement as JSON. Money is a decimal text, times are RFC 3339.

use super::{Sheet, moment};
use crate::conversions::summed;
use ledger::statement::Line;
use serde_json::{Value, json};
use std::fmt::Write;

/// Writes the statement.
pub(super) fn write(sheet: &Sheet) -> String {
    let lines: Vec<Value> = sheet
        .lines
        .iter()
        .map(|line| {
            let mut shown = numbers(line);
            let same = |of: &&Line| of.account == line.account && of.currency == line.currency;
            let items = sheet.items.iter().filter(same).map(|item| {
                let mut shown = numbers(item);
                shown["item"] = item.item.as_str().into();
                shown
            });
            shown["account"] = line.account.to_string().into();
            shown["adjustments"] = line.adjustments.to_string().into();
            shown["due"] = line.due().to_string().into();
            shown["item_kind"] = Sheet::item_name(&line.account).into();
            shown["items"] = items.collect();
            shown
        })
        .collect();
    let adjustments: Vec<Value> = sheet
        .adjustments
        .iter()
        .map(|one| {
            let adjustment = &one.adjustment;
            json!({
                "account": one.account.to_string(),
                "currency": one.currency.code(),
                "amount": one.amount.to_string(),
                "reference": adjustment.reference,
                "at": moment(adjustment.at_ms),
                "who": adjustment.who,
                "reason": adjustment.reason,
                "reverses": adjustment.reverses.map(|key| hexadecimal(&key)),
            })
        })
        .collect();
    let month = sheet.month.map(|month| month.to_string());
    let bound = |ms| sheet.month.map(|_| moment(ms));
    let closed = sheet.closed.as_ref();
    let closed = closed.map(|one| json!({ "at": moment(one.at_ms), "who": one.who }));
    let shown = json!({
        "account": sheet.account,
        "name": sheet.name,
        "month": month,
        "timezone": sheet.zone,
        "from": bound(sheet.period.from_ms),
        "to": bound(sheet.period.to_ms),
        "closed": closed,
        "checked_against_log": sheet.replayed,
        "lines": lines,
        "adjustments": adjustments,
        "conversions": sheet.conversions.iter().map(summed).collect::<Vec<_>>(),
    });
    format!("{shown:#}\n")
}

fn numbers(line: &Line) -> Value {
    json!({
        "currency": line.currency.code(),
        "impressions": line.impressions,
        "gross": line.gross.to_string(),
        "fees": line.fees.to_string(),
        "data_cost": line.data_cost.to_string(),
        "net": line.net().to_string(),
        "over_delivered_impressions": line.over_impressions,
        "over_delivery": line.over_delivery.to_string(),
    })
}

/// Lower-case hexadecimal digits.
pub(super) fn hexadecimal(key: &[u8]) -> String {
    key.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
