//! Native answers: each asset that is asked for, in the form that is asked for.

use super::media::{accepted, letters};
use super::read::{flag, list, number, numbers, texts};
use super::{Case, Faults};
use serde_json::Value;

pub(super) fn check(case: &Case<'_>, faults: &mut Faults) {
    let asked = match &case.slot["request"] {
        Value::String(text) => serde_json::from_str(text).unwrap_or_default(),
        other => other.clone(),
    };
    let asked = if asked["native"].is_object() {
        asked["native"].clone()
    } else {
        asked
    };
    let adm = case.bid["adm"].as_str().unwrap_or_default();
    let Ok(answer) = serde_json::from_str::<Value>(adm) else {
        return faults.0.push(format!("native markup is no JSON: {adm}"));
    };
    let version = [&asked["ver"], &case.slot["ver"]]
        .into_iter()
        .find_map(Value::as_str)
        .unwrap_or("1.2");
    let old = version == "1.0" || version == "1";
    faults.unless(old == answer["native"].is_object(), || {
        format!("the root of an answer to {version}: {adm}")
    });
    let answer = if old { &answer["native"] } else { &answer };
    let link = answer["link"]["url"].as_str().unwrap_or_default();
    faults.unless(link.contains("/t/click?t="), || {
        format!("the link is {link:?}")
    });
    trackers(&asked, answer, faults);
    let wanted = list(&asked["assets"]);
    let given = list(&answer["assets"]);
    let id = |asset: &Value, at: usize| number(&asset["id"]).unwrap_or(at as f64);
    for (at, asset) in wanted.iter().enumerate() {
        let found = given
            .iter()
            .find(|given| number(&given["id"]) == Some(id(asset, at)));
        match found {
            Some(found) => one(asset, found, faults),
            None => faults.unless(!flag(&asset["required"]), || {
                format!("asset {asset} is missing in {adm}")
            }),
        }
    }
    for given in &given {
        let known = wanted
            .iter()
            .enumerate()
            .any(|(at, asset)| Some(id(asset, at)) == number(&given["id"]));
        faults.unless(known, || format!("nobody asked for {given}"));
    }
}

fn one(asked: &Value, given: &Value, faults: &mut Faults) {
    let kind = ["title", "img", "video", "data"]
        .into_iter()
        .find(|kind| !asked[kind].is_null())
        .unwrap_or("title");
    let (wish, found) = (&asked[kind], &given[kind]);
    let fits = found.is_object()
        && match kind {
            "title" => letters(&found["text"]) as f64 <= number(&wish["len"]).unwrap_or(0.0),
            "img" => image(wish, found),
            "data" => {
                let most = number(&wish["len"]).filter(|most| *most > 0.0);
                let type_fits = found["type"].is_null() || found["type"] == wish["type"];
                type_fits && most.is_none_or(|most| letters(&found["value"]) as f64 <= most)
            }
            _ => found["vasttag"].as_str().is_some_and(|tag| {
                let mimes = texts(&wish["mimes"]);
                mimes.iter().any(|mime| tag.contains(mime.as_str()))
            }),
        };
    faults.unless(fits, || format!("{given} for {asked}"));
}

fn image(wish: &Value, found: &Value) -> bool {
    let of = |value: &Value, name: &str| number(&value[name]).filter(|side| *side > 0.0);
    let url = found["url"].as_str().unwrap_or_default();
    let side = |exact: &str, least: &str| match (of(wish, exact), of(wish, least)) {
        (_, Some(least)) => of(found, exact).is_some_and(|side| side >= least),
        (Some(exact_side), None) => of(found, exact) == Some(exact_side),
        (None, None) => true,
    };
    let mimes = texts(&wish["mimes"]);
    let own = if url.contains(".png") {
        "image/png"
    } else {
        "image/jpeg"
    };
    let kind = number(&wish["type"]);
    let kinds = kind.is_none() || found["type"].is_null() || number(&found["type"]) == kind;
    // The market's addresses say what they show.
    let shows = kind.is_none_or(|kind| match kind as i64 {
        1 => url.contains("icon"),
        2 => url.contains("logo"),
        3 => url.contains("main"),
        _ => false,
    });
    url.starts_with("https://")
        && side("w", "wmin")
        && side("h", "hmin")
        && accepted(&mimes, &[own])
        && kinds
        && shows
}

/// An impression is tracked once, in the style that the place supports.
fn trackers(asked: &Value, answer: &Value, faults: &mut Faults) {
    let supported = |event: f64, method: f64| {
        list(&asked["eventtrackers"]).into_iter().any(|tracker| {
            number(&tracker["event"]) == Some(event)
                && numbers(&tracker["methods"]).contains(&method)
        })
    };
    let events = list(&answer["eventtrackers"]);
    for tracker in &events {
        let (event, method) = (number(&tracker["event"]), number(&tracker["method"]));
        let fits = supported(event.unwrap_or_default(), method.unwrap_or_default());
        faults.unless(fits, || format!("{tracker} is not supported"));
    }
    let ours = |url: &Value| url.as_str().is_some_and(|url| url.contains("/t/imp?t="));
    let by_event = events.iter().filter(|tracker| ours(&tracker["url"]));
    let by_list = list(&answer["imptrackers"])
        .into_iter()
        .filter(|url| ours(url));
    let times = by_event.count() + by_list.count();
    faults.unless(times == 1, || {
        format!("{times} impression trackers: {answer}")
    });
    if supported(1.0, 1.0) {
        faults.unless(answer["imptrackers"].is_null(), || {
            "imptrackers where event trackers are supported".to_owned()
        });
    }
}
