//! What a place takes: sizes, types, durations, protocols, interfaces.

use super::read::{flag, list, number, numbers, text, texts};
use super::{Case, Faults};
use serde_json::Value;

pub(super) fn banner(case: &Case<'_>, faults: &mut Faults) {
    let side = |name: &str| number(&case.bid[name]).unwrap_or_default();
    let (w, h) = (side("w"), side("h"));
    let slot = case.slot;
    let mut sizes: Vec<&Value> = list(&slot["format"]);
    let positive = |value: &Value| number(value).unwrap_or_default() > 0.0;
    if positive(&slot["w"]) && positive(&slot["h"]) {
        sizes.push(slot);
    }
    let open = sizes.is_empty() && flag(&case.imp["instl"]);
    let fits = sizes.iter().any(|size| {
        let of = |name: &str| number(&size[name]).unwrap_or_default();
        let ratio = of("wratio") > 0.0 && w * of("hratio") == h * of("wratio") && w >= of("wmin");
        ratio || (of("w") == w && of("h") == h)
    });
    faults.unless(w > 0.0 && h > 0.0 && (open || fits), || {
        format!("{w}x{h} does not fit {slot}")
    });
    if open {
        let screen = |name: &str| number(&case.request["device"][name]).unwrap_or_default();
        let (sw, sh) = (screen("w"), screen("h"));
        let within = sw <= 0.0 || sh <= 0.0 || (w <= sw && h <= sh) || (w <= sh && h <= sw);
        faults.unless(within, || format!("{w}x{h} on a screen of {sw}x{sh}"));
    }
    let kinds = numbers(&slot["btype"]);
    let kind = case.fact.kind;
    faults.unless(!kinds.contains(&f64::from(kind)), || {
        format!("banner type {kind} is blocked")
    });
    let mimes = texts(&slot["mimes"]);
    faults.unless(accepted(&mimes, &case.fact.mimes), || {
        format!("{:?} against {mimes:?}", case.fact.mimes)
    });
    apis(case, faults);
}

pub(super) fn player(case: &Case<'_>, faults: &mut Faults) {
    let (slot, bid) = (case.slot, case.bid);
    let dur = number(&bid["dur"]).unwrap_or_default();
    faults.unless(dur == case.fact.duration as f64, || {
        format!("dur is {dur}, the file {} s", case.fact.duration)
    });
    let bound = |name: &str| number(&slot[name]);
    let exact = numbers(&slot["rqddurs"]);
    let fits = if exact.is_empty() {
        bound("minduration").is_none_or(|least| dur >= least)
            && bound("maxduration").is_none_or(|most| dur <= most)
    } else {
        exact.contains(&dur)
    };
    faults.unless(fits, || format!("{dur} s do not fit {slot}"));
    let total = bound("poddur");
    faults.unless(total.is_none_or(|total| dur <= total), || {
        format!("{dur} s in a pod of {total:?}")
    });
    let mimes = texts(&slot["mimes"]);
    faults.unless(accepted(&mimes, &case.fact.mimes), || {
        format!("{:?} against {mimes:?}", case.fact.mimes)
    });
    let protocols = numbers(&slot["protocols"]);
    let protocol = number(&bid["protocol"]).unwrap_or_default();
    let adm = bid["adm"].as_str().unwrap_or_default();
    faults.unless(
        protocols.is_empty() || protocols.contains(&protocol),
        || format!("protocol {protocol} is none of {protocols:?}"),
    );
    let found = protocol_of(adm);
    faults.unless(found == Some(protocol as i64), || {
        format!("the markup is {found:?}, told {protocol}: {adm}")
    });
    faults.unless(adm.contains("/t/imp?t="), || {
        format!("no impression of ours: {adm}")
    });
    let linearity = number(&slot["linearity"]);
    faults.unless(linearity.is_none_or(|one| one == 1.0), || {
        format!("linear markup where linearity is {linearity:?}")
    });
    let skips = case.fact.attr.contains(&16);
    let may = slot["skip"].is_null() || flag(&slot["skip"]);
    faults.unless(!skips || may, || "skippable where it may not be".to_owned());
    let rates = |name: &str| number(&slot[name]).filter(|rate| *rate > 0.0);
    let rate = case.fact.bitrate as f64;
    let fits = rate == 0.0
        || (rates("minbitrate").is_none_or(|least| rate >= least)
            && rates("maxbitrate").is_none_or(|most| rate <= most));
    faults.unless(fits, || format!("{rate} kbit/s do not fit {slot}"));
    apis(case, faults);
}

/// Whether a place that lists types takes one of a creative's.
pub(super) fn accepted(listed: &[String], own: &[&str]) -> bool {
    let same = |one: &String| own.iter().any(|own| one.eq_ignore_ascii_case(own));
    listed.is_empty() || listed.iter().any(same)
}

fn apis(case: &Case<'_>, faults: &mut Faults) {
    let needed = &case.fact.apis;
    let listed = numbers(&case.slot["api"]);
    let fits = needed.iter().any(|api| listed.contains(&(*api as f64)));
    faults.unless(needed.is_empty() || fits, || {
        format!("needs one of {needed:?}, the place has {listed:?}")
    });
    let told: Vec<f64> = needed.iter().map(|api| *api as f64).collect();
    faults.unless(numbers(&case.bid["apis"]) == told, || {
        format!("apis are {} and not {told:?}", case.bid["apis"])
    });
}

/// The protocol that markup speaks, by its root and version.
fn protocol_of(adm: &str) -> Option<i64> {
    let start = adm.find("<VAST").or_else(|| adm.find("<DAAST"))?;
    let root = &adm[start..start + adm[start..].find('>')?];
    let version = root.split("version=").nth(1)?;
    let version = version.trim_start_matches(['"', '\'']);
    let wrapper = adm.contains("<Wrapper");
    let pair = match (root.starts_with("<DAAST"), version) {
        (true, _) => (9, 10),
        (_, text) if text.starts_with("2.") => (2, 5),
        (_, text) if text.starts_with("3.") => (3, 6),
        (_, text) if text.starts_with("4.0") => (7, 8),
        (_, text) if text.starts_with("4.1") => (11, 12),
        (_, text) if text.starts_with("4.2") => (13, 14),
        (_, text) if text.starts_with("4.3") => (15, 16),
        _ => return None,
    };
    Some(if wrapper { pair.1 } else { pair.0 })
}

/// The text of a native data or title asset.
pub(super) fn letters(value: &Value) -> usize {
    text(value).chars().count()
}
