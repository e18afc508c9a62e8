//! One line item after the other, one rule after the other, over plain JSON and by the
//! definitions of `docs/targeting.md` alone.

mod seen;

use crate::catalog::{
    Circle, Creative, Dimension, Format, Missing, Rule, Subject, Targeting, Value, Version,
};
use seen::seen;
use serde_json::Value as Json;

/// What a request says about a subject.
enum Seen {
    Texts(Vec<String>),
    Numbers(Vec<i64>),
    Software(Vec<(String, Option<Version>)>),
    Point(f64, f64),
}

/// The first subject that stops a line item on an imp.
pub(super) fn first_failing(
    targeting: &Targeting,
    request: &Json,
    imp: &Json,
    segments: &[u32],
) -> Option<Subject> {
    let audience = Subject::Of(Dimension::Audience);
    let mut failing: Vec<Subject> = targeting
        .rules
        .iter()
        .filter(|(subject, rule)| !passes(subject, rule, request, imp))
        .map(|(subject, _)| subject.clone())
        .collect();
    if !in_audience(targeting, request, segments) {
        failing.push(audience);
    }
    failing.into_iter().min()
}

fn in_audience(targeting: &Targeting, request: &Json, segments: &[u32]) -> bool {
    let audience = &targeting.audience;
    if request.pointer("/user/id").is_none() {
        return audience.missing() == Missing::Serve;
    }
    let member = |name: &String| {
        crate::sample::segment(name).is_some_and(|segment| segments.contains(&segment.0))
    };
    audience
        .include
        .iter()
        .all(|group| group.iter().any(member))
        && !audience.exclude.iter().any(member)
}

fn passes(subject: &Subject, rule: &Rule<Value>, request: &Json, imp: &Json) -> bool {
    let Some(seen) = seen(subject, request, imp) else {
        return rule.missing() == Missing::Serve;
    };
    // A version that is not said is a missing signal for whoever asks for one.
    let unsaid = rule.missing() == Missing::Serve;
    (rule.include.is_empty() || rule.include.iter().any(|value| hits(value, &seen, unsaid)))
        && !rule.exclude.iter().any(|value| hits(value, &seen, !unsaid))
}

fn hits(value: &Value, seen: &Seen, unsaid: bool) -> bool {
    match (value, seen) {
        (Value::Text(text), Seen::Texts(texts)) => {
            // Whether case matters is said by what was seen.
            texts.contains(text) || texts.contains(&format!("lower {}", text.to_lowercase()))
        }
        (Value::Bundle(bundle), Seen::Texts(texts)) => texts.contains(&format!("bundle {bundle}")),
        (Value::Code(code), Seen::Numbers(numbers)) => numbers.contains(code),
        (Value::Numbers(from, to), Seen::Numbers(numbers)) => numbers
            .iter()
            .any(|number| (i64::from(*from)..=i64::from(*to)).contains(number)),
        (Value::Named(name), Seen::Software(list)) => list.iter().any(|(own, _)| same(own, name)),
        (Value::Versions(name, from, to), Seen::Software(list)) => {
            list.iter().any(|(own, version)| {
                let inside = |version: &Version| (from..=to).contains(&version);
                same(own, name) && version.as_ref().map_or(unsaid, inside)
            })
        }
        (Value::Circle(circle), Seen::Point(lat, lon)) => near(circle, *lat, *lon),
        _ => panic!("{value:?} is no value of its subject"),
    }
}

fn same(one: &str, other: &str) -> bool {
    let usual = |name: &str| match name.to_lowercase().as_str() {
        "os x" => "macos".to_owned(),
        "google chrome" => "chrome".to_owned(),
        "microsoft edge" => "edge".to_owned(),
        name => name.to_owned(),
    };
    usual(one) == usual(other)
}

/// By vectors in space, which is another way than the index's.
fn near(circle: &Circle, lat: f64, lon: f64) -> bool {
    let vector = |lat: f64, lon: f64| {
        let (lat, lon) = (lat.to_radians(), lon.to_radians());
        [lat.cos() * lon.cos(), lat.cos() * lon.sin(), lat.sin()]
    };
    let one = vector(
        f64::from(circle.lat_e6) / 1e6,
        f64::from(circle.lon_e6) / 1e6,
    );
    let other = vector(lat, lon);
    let cosine: f64 = one.iter().zip(other).map(|(a, b)| a * b).sum();
    6_371_008.8 * cosine.clamp(-1.0, 1.0).acos() <= f64::from(circle.radius_m)
}

/// Whether any creative of a line item could be shown in an imp.
pub(super) fn fits(targeting: &Targeting, creatives: &[&Creative], imp: &Json) -> bool {
    let formats = imp["banner"]["format"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let takes = |(w, h): (u32, u32)| {
        let (w, h) = (u64::from(w), u64::from(h));
        formats.iter().any(|one| {
            let of = |w: &str, h: &str| one[w].as_u64().zip(one[h].as_u64());
            let wide = w >= one["wmin"].as_u64().unwrap_or(0);
            let ratio = of("wratio", "hratio");
            of("w", "h") == Some((w, h)) || ratio.is_some_and(|(a, b)| w * b == h * a && wide)
        })
    };
    let ratio = |creative: &Creative| {
        let rule = targeting.rules.get(&Subject::Of(Dimension::Ratio));
        let is = |value: &Value| match value {
            Value::Code(code) => {
                (code >> 32) * i64::from(creative.h) == (code & 0xffff) * i64::from(creative.w)
            }
            other => panic!("{other:?} is no ratio"),
        };
        rule.is_none_or(|rule| {
            (rule.include.is_empty() || rule.include.iter().any(is)) && !rule.exclude.iter().any(is)
        })
    };
    let shown = |creative: &&Creative| {
        let format = creative.format;
        let size = (creative.w, creative.h);
        let rule = &targeting.sizes;
        let wanted =
            targeting.formats.include.is_empty() || targeting.formats.include.contains(&format);
        let sized = (rule.include.is_empty() || rule.include.contains(&size))
            && !rule.exclude.contains(&size);
        let there = imp.get(format.label()).is_some();
        let open = formats.is_empty() && rule.missing() == Missing::Serve;
        let banner = (takes(size) || open) && sized && ratio(creative);
        wanted && there && (format != Format::Banner || banner)
    };
    creatives.iter().any(shown)
}
