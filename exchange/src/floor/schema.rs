//! The publishers' floor file (the price-floor schema, version 2) into compiled floors.
//!
//! A publisher's own file is read strictly ([`parse`]): whatever it says and we do not know, and
//! every rule that could never match, is a fault with its JSON pointer, since a floor that is
//! silently ignored costs the publisher money. What is fetched or comes in a request is read as
//! the schema says ([`parse_data`]): rules that are of no use and model groups that are faulty
//! are left out and noted, so that the rest goes on working.

mod group;
mod reader;

use super::{Basis, Data, Enforcement, Feed, Floors, Silent};
use crate::catalog::{Endpoint, Invalid};
use reader::{Reader, join};
use serde_json::{Map, Value};

/// The most rules of a file.
pub const MAX_RULES: usize = 10_000;

/// The most model groups of a file.
pub const MAX_GROUPS: usize = 64;

/// A file that was taken.
#[derive(Clone, Debug)]
pub struct Parsed {
    /// The floors.
    pub floors: Floors,
}

/// Reads a floor file: the whole `floors` object, or its `data` alone.
///
/// # Errors
/// Everything that is wrong with it, each with its JSON pointer.
pub fn parse(json: &str) -> Result<Parsed, Vec<Invalid>> {
    match serde_json::from_str(json) {
        Ok(value) => parse_value(&value),
        Err(error) => Err(vec![Invalid::new("", format!("not valid JSON: {error}"))]),
    }
}

/// Like [`parse`], from a JSON value.
///
/// # Errors
/// Everything that is wrong with it, each with its JSON pointer.
pub fn parse_value(value: &Value) -> Result<Parsed, Vec<Invalid>> {
    let mut reader = Reader::strict();
    let floors = floors(&mut reader, value);
    let faults = reader.into_faults();
    if faults.is_empty() {
        Ok(Parsed { floors })
    } else {
        Err(faults)
    }
}

/// Reads the content of a file's `data`, or a whole file for its `data` alone, of at most
/// `max_rules` rules. Groups and rules that are of no use are left out; the notes name them.
///
/// # Errors
/// Why nothing of it can be used.
pub fn parse_data(json: &[u8], max_rules: usize) -> Result<(Data, Vec<Invalid>), Vec<Invalid>> {
    let value: Value = serde_json::from_slice(json)
        .map_err(|error| vec![Invalid::new("", format!("not valid JSON: {error}"))])?;
    let (at, value) = match value.get("data") {
        Some(data) if value.get("modelGroups").is_none() => ("/data", data),
        _ => ("", &value),
    };
    let mut reader = Reader::lenient(max_rules);
    let data = group::data(&mut reader, at, value);
    let notes = reader.take_notes();
    let mut faults = reader.into_faults();
    match data {
        Some(data) if faults.is_empty() && !data.groups.is_empty() => Ok((data, notes)),
        _ => {
            // Without a usable group the notes say why.
            faults.extend(notes);
            if faults.is_empty() {
                let pointer = join(at, "modelGroups");
                faults.push(Invalid::new(pointer, "expected at least one model group"));
            }
            Err(faults)
        }
    }
}

fn floors(reader: &mut Reader, value: &Value) -> Floors {
    let mut floors = Floors::default();
    if value.get("modelGroups").is_some() {
        floors.data = group::data(reader, "", value).map(Into::into);
        return floors;
    }
    let known = [
        "enabled",
        "floorMin",
        "floorMinCur",
        "skipRate",
        "floorEndpoint",
        "enforcement",
        "data",
        "gavel",
    ];
    let Some(object) = reader.object("", value, &known) else {
        return floors;
    };
    floors.enabled = reader.flag("", object, "enabled").unwrap_or(true);
    floors.min = reader.price("/floorMin", object.get("floorMin"));
    floors.min_currency = reader.currency("", object, "floorMinCur");
    floors.skip_percent = reader.percent("", object, "skipRate").unwrap_or(0);
    if let Some(value) = present(object, "enforcement") {
        (floors.enforcement, floors.silent) = enforcement(reader, value);
    }
    if let Some(value) = present(object, "floorEndpoint") {
        floors.feed = feed(reader, value);
    }
    if let Some(value) = present(object, "gavel") {
        own_terms(reader, value, &mut floors);
    }
    if let Some(data) = present(object, "data") {
        floors.data = group::data(reader, "/data", data).map(Into::into);
    }
    floors
}

fn present<'v>(object: &'v Map<String, Value>, name: &str) -> Option<&'v Value> {
    object.get(name).filter(|value| !value.is_null())
}

fn enforcement(reader: &mut Reader, value: &Value) -> (Enforcement, Silent) {
    let at = "/enforcement";
    let default = Enforcement::default();
    let known = [
        "enforcePBS",
        "floorDeals",
        "enforceRate",
        "bidAdjustment",
        "enforceJS",
        "noFloorSignalBidders",
    ];
    let Some(object) = reader.object(at, value, &known) else {
        return (default, Silent::default());
    };
    // The exchange adjusts no bids, and browsers enforce for themselves.
    reader.flag(at, object, "bidAdjustment");
    reader.flag(at, object, "enforceJS");
    let enforcement = Enforcement {
        enabled: reader.flag(at, object, "enforcePBS").unwrap_or(true),
        percent: reader.percent(at, object, "enforceRate").unwrap_or(100),
        deals: reader.flag(at, object, "floorDeals").unwrap_or(false),
    };
    (enforcement, reader.silent(at, object).unwrap_or_default())
}

fn feed(reader: &mut Reader, value: &Value) -> Option<Feed> {
    let at = "/floorEndpoint";
    let known = [
        "url",
        "period_sec",
        "max_age_sec",
        "timeout_ms",
        "max_file_size_kb",
        "max_rules",
    ];
    let object = reader.object(at, value, &known)?;
    let mut whole = |name: &str, least: u32, most: u32, default: u32| {
        reader
            .whole(at, object, name, least..=most)
            .unwrap_or(default)
    };
    let (period_s, max_age_s) = (
        whole("period_sec", 300, 86_400, 3_600),
        whole("max_age_sec", 600, 2_592_000, 86_400),
    );
    let timeout_ms = whole("timeout_ms", 10, 10_000, 3_000);
    let max_bytes = whole("max_file_size_kb", 1, 1_024, 100) as usize * 1_024;
    let max_rules = whole("max_rules", 1, MAX_RULES as u32, 1_000) as usize;
    let pointer = join(at, "url");
    let Some(url) = object.get("url").and_then(Value::as_str) else {
        reader.fault(&pointer, "expected the address of the floor data");
        return None;
    };
    match Endpoint::parse(url, true) {
        Ok(endpoint) => Some(Feed {
            url: url.into(),
            endpoint,
            period_s,
            max_age_s,
            timeout_ms,
            max_bytes,
            max_rules,
        }),
        Err(invalid) => {
            reader.fault(&pointer, invalid.problem);
            None
        }
    }
}

/// What the schema has no word for.
fn own_terms(reader: &mut Reader, value: &Value, floors: &mut Floors) {
    let at = "/gavel";
    let Some(object) = reader.object(at, value, &["basis", "request", "timezone"]) else {
        return;
    };
    let basis = reader.choice(at, object, "basis", &["gross", "net"]);
    if basis == Some("net") {
        floors.basis = Basis::Net;
    }
    let request = reader.choice(at, object, "request", &["merge", "ignore"]);
    floors.merge_request = request != Some("ignore");
    if let Some(value) = present(object, "timezone") {
        floors.timezone = value.as_str().map(Into::into);
        if floors.timezone.is_none() {
            let problem = format!("expected a timezone such as Europe/Paris, found {value}");
            reader.fault(&join(at, "timezone"), problem);
        }
    }
}

#[cfg(test)]
mod tests;
