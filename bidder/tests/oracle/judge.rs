//! The judge: a request and a response as plain JSON, and what the market knows of its
//! creatives, to the list of everything that is wrong with the bids.
//!
//! Written from the text of the specification and from nothing else.

mod buyer;
mod floor;
mod media;
mod native;
mod pod;
mod read;
pub(crate) mod trials;

use crate::market::{Fact, Facts};
use read::{flag, list, number, numbers, text, texts};
use serde_json::Value;

/// What the judge says of a response.
pub(crate) struct Verdict {
    /// How many bids it has.
    pub(crate) bids: usize,
    /// The format of each bid.
    pub(crate) formats: Vec<&'static str>,
    /// Every rule that is broken.
    pub(crate) faults: Vec<String>,
}

/// A bid with all that it is judged by.
pub(crate) struct Case<'c> {
    pub(crate) request: &'c Value,
    pub(crate) imp: &'c Value,
    pub(crate) bid: &'c Value,
    pub(crate) fact: &'c Fact,
    pub(crate) seat: &'c str,
    /// The currency of the response.
    pub(crate) currency: &'c str,
    /// `banner`, `video`, `audio` or `native`, and the imp's object of that name.
    pub(crate) format: &'static str,
    pub(crate) slot: &'c Value,
}

/// Where faults are written down.
pub(crate) struct Faults(pub(crate) Vec<String>);

impl Faults {
    pub(crate) fn unless(&mut self, holds: bool, fault: impl FnOnce() -> String) {
        if !holds {
            self.0.push(fault());
        }
    }
}

/// Judges every bid of a response.
pub(crate) fn judge(request: &Value, response: &Value, facts: &Facts) -> Verdict {
    let mut faults = Faults(Vec::new());
    let (mut bids, mut formats) = (0, Vec::new());
    faults.unless(text(&response["id"]) == text(&request["id"]), || {
        "the response has another id".to_owned()
    });
    let currency = response["cur"].as_str().unwrap_or("USD");
    let allowed = texts(&request["cur"]);
    let usual = allowed.is_empty() && currency == crate::market::EXCHANGE_CURRENCY;
    faults.unless(usual || allowed.iter().any(|cur| cur == currency), || {
        format!("currency {currency} is not one of {allowed:?}")
    });
    let mut cases = Vec::new();
    for seat_bid in list(&response["seatbid"]) {
        let seat = seat_bid["seat"].as_str().unwrap_or_default();
        for bid in list(&seat_bid["bid"]) {
            bids += 1;
            match case(request, bid, seat, currency, facts) {
                Ok(case) => cases.push(case),
                Err(fault) => faults.0.push(fault),
            }
        }
    }
    for case in &cases {
        formats.push(case.format);
        one(case, &mut faults);
    }
    pod::across(&cases, &mut faults);
    Verdict {
        bids,
        formats,
        faults: faults.0,
    }
}

fn case<'c>(
    request: &'c Value,
    bid: &'c Value,
    seat: &'c str,
    currency: &'c str,
    facts: &'c Facts,
) -> Result<Case<'c>, String> {
    let impid = text(&bid["impid"]);
    let imp = list(&request["imp"])
        .into_iter()
        .find(|imp| text(&imp["id"]) == impid)
        .ok_or_else(|| format!("no imp has the id {impid:?}"))?;
    let crid = bid["crid"].as_str().ok_or("a bid has no crid")?;
    let fact = facts.get(crid).ok_or_else(|| format!("unknown {crid}"))?;
    let format = match bid["mtype"].as_i64() {
        Some(1) => "banner",
        Some(2) => "video",
        Some(3) => "audio",
        Some(4) => "native",
        other => return Err(format!("mtype is {other:?}")),
    };
    if fact.format != format {
        return Err(format!("{crid} is {}, mtype says {format}", fact.format));
    }
    if imp[format].is_null() {
        return Err(format!("the imp takes no {format}"));
    }
    Ok(Case {
        request,
        imp,
        bid,
        fact,
        seat,
        currency,
        format,
        slot: &imp[format],
    })
}

/// One bid by itself.
fn one(case: &Case<'_>, faults: &mut Faults) {
    let Case { bid, fact, .. } = case;
    for field in ["id", "impid", "adm", "crid", "cid", "nurl", "lurl"] {
        let given = bid[field].as_str().is_some_and(|text| !text.is_empty());
        faults.unless(given, || format!("{field} is missing"));
    }
    faults.unless(bid["exp"].as_i64().is_some_and(|exp| exp > 0), || {
        "exp is not above 0".to_owned()
    });
    let adm = bid["adm"].as_str().unwrap_or_default();
    if flag(&case.imp["secure"]) {
        let plain = adm.replace("http://www.w3.org/", "").contains("http://");
        faults.unless(!plain, || format!("insecure markup: {adm}"));
    }
    faults.unless(
        !adm.contains("${CLICK") && !adm.contains("${IMP_URL"),
        || format!("a macro of ours is left: {adm}"),
    );
    let blocked = numbers(&case.slot["battr"]);
    for attr in &fact.attr {
        faults.unless(!blocked.contains(&(*attr as f64)), || {
            format!("attribute {attr} is blocked")
        });
        let told = numbers(&bid["attr"]).contains(&(*attr as f64));
        faults.unless(told, || format!("attribute {attr} is not told"));
    }
    languages(case, faults);
    buyer::check(case, faults);
    floor::check(case, faults);
    match case.format {
        "banner" => media::banner(case, faults),
        "native" => native::check(case, faults),
        _ => media::player(case, faults),
    }
}

fn languages(case: &Case<'_>, faults: &mut Faults) {
    let own = case.fact.language.unwrap_or("none");
    let own = own.to_ascii_lowercase();
    let within = |allowed: &str| {
        let allowed = allowed.to_ascii_lowercase();
        own == allowed || own.starts_with(&format!("{allowed}-"))
    };
    for field in ["wlang", "wlangb"] {
        let allowed = texts(&case.request[field]);
        let fits = allowed.is_empty() || allowed.iter().any(|one| within(one));
        faults.unless(fits, || format!("{field} is {allowed:?}, creative {own}"));
    }
    let told = [&case.bid["language"], &case.bid["langb"]];
    faults.unless(told.iter().any(|field| field.is_null()), || {
        "language and langb exclude each other".to_owned()
    });
    let told = told.into_iter().find_map(Value::as_str);
    faults.unless(told == case.fact.language, || {
        format!("the language told is {told:?}, the creative's {own}")
    });
}

/// The amount of a field, or none.
pub(crate) fn amount(value: &Value) -> Option<f64> {
    number(value)
}
