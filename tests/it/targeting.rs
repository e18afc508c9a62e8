//! Targeting from the API to the bid: each dimension with a request that has its value, one that
//! has another, and one that does not say.

use crate::node::{Node, SMALL, banner_request};
use serde_json::{Value, json};
use std::fmt::Write as _;

struct Case {
    /// The line item's rules, beside the placement that only it buys.
    targeting: &'static str,
    /// Where the request says it, and what is wanted and not.
    pointer: &'static str,
    wanted: Value,
    other: Value,
    /// Whether a request that does not say is bought.
    missing: bool,
}

fn case(
    targeting: &'static str,
    pointer: &'static str,
    (wanted, other): (Value, Value),
    missing: bool,
) -> Case {
    Case {
        targeting,
        pointer,
        wanted,
        other,
        missing,
    }
}

fn cases() -> Vec<Case> {
    let platform = |version: &str| json!({"brand": "iOS", "version": [version]});
    let node = |asi: &str| json!({"complete": 1, "nodes": [{"asi": asi, "sid": "1", "hp": 1}]});
    let metric = |value: f64| json!([{"type": "viewability", "value": value, "vendor": "v"}]);
    vec![
        case(
            r#"geo = { include = ["FRA"], missing = "serve" }"#,
            "/device/geo/country",
            (json!("FRA"), json!("DEU")),
            true,
        ),
        case(
            r#"postal_codes = ["FRA:75*"]"#,
            "/device/geo",
            (
                json!({"country": "FRA", "zip": "75011"}),
                json!({"country": "FRA", "zip": "69001"}),
            ),
            false,
        ),
        case(
            "radius = [{ lat = 48.85, lon = 2.35, radius_m = 20000 }]",
            "/device/geo",
            (
                json!({"lat": 48.9, "lon": 2.4}),
                json!({"lat": 50.6, "lon": 3.0}),
            ),
            false,
        ),
        case(
            r#"languages = { exclude = ["en"], missing = "skip" }"#,
            "/device/language",
            (json!("fr-FR"), json!("en")),
            false,
        ),
        case(
            r#"operating_systems = [{ name = "iOS", from = "15", to = "16" }]"#,
            "/device/sua/platform",
            (platform("16"), platform("17")),
            false,
        ),
        case(
            r#"browsers = { exclude = ["Firefox"] }"#,
            "/device/ua",
            (
                json!("Mozilla/5.0 Chrome/120.0"),
                json!("Mozilla/5.0 Firefox/121.0"),
            ),
            true,
        ),
        case(
            r#"categories = { exclude = ["IAB2"] }"#,
            "/site/cat",
            (json!(["IAB3"]), json!(["IAB2-3"])),
            true,
        ),
        case(
            r#"keywords = ["red wine"]"#,
            "/site/keywords",
            (json!("cheese, Red Wine"), json!("beer")),
            false,
        ),
        case(
            r#"supply_members = { exclude = ["bad.example"] }"#,
            "/source/schain",
            (node("good.example"), node("BAD.example")),
            true,
        ),
        case(
            r#"positions = ["above_the_fold"]"#,
            "/imp/0/banner/pos",
            (json!(1), json!(3)),
            false,
        ),
        case(
            "interstitial = false",
            "/imp/0/instl",
            (json!(0), json!(1)),
            true,
        ),
        case(
            r#"viewability = { include = [{ from = 60 }], missing = "serve" }"#,
            "/imp/0/metric",
            (metric(0.6), metric(0.59)),
            true,
        ),
        case(
            r#"ext = [{ path = "imp.ext.data.section", include = ["sport", 5] }]"#,
            "/imp/0/ext/data/section",
            (json!([5]), json!("news")),
            false,
        ),
    ]
}

/// [`SMALL`] with a line item for each case, which buys on a placement of its own.
fn resources() -> String {
    let mut resources = SMALL.replace(
        "targeting = { formats",
        "targeting = { placements = [\"none\"], formats",
    );
    for (at, case) in cases().iter().enumerate() {
        write!(
            resources,
            "\n[[line_items]]\nid = \"li_{at}\"\ncampaign = \"cmp_it\"\nname = \"{at}\"\n\
             bid = {{ max_cpm = \"2.00\" }}\ncreatives = [\"cr_it\"]\n\
             targeting = {{ placements = [\"place-{at}\"], {} }}\n",
            case.targeting
        )
        .unwrap();
    }
    resources
}

/// Sets what stands at a pointer, with every object above it; `None` takes it away.
fn set(document: &mut Value, pointer: &str, value: Option<&Value>) {
    let (above, key) = pointer.rsplit_once('/').unwrap();
    let mut at = document;
    for step in above.split('/').skip(1) {
        at = match step.parse::<usize>() {
            Ok(index) => &mut at[index],
            Err(_) => &mut at[step],
        };
        if at.is_null() {
            *at = json!({});
        }
    }
    match value {
        Some(value) => at[key] = value.clone(),
        None => drop(at.as_object_mut().unwrap().remove(key)),
    }
}

#[test]
fn a_rule_of_each_kind_reaches_the_bid() {
    let node = Node::start(&resources(), "");
    for (at, case) in cases().iter().enumerate() {
        let ask = |value: Option<&Value>| {
            let mut request = banner_request(&format!("targeting-{at}"));
            request["imp"][0]["tagid"] = format!("place-{at}").into();
            set(&mut request, case.pointer, value);
            let body = request.to_string();
            node.client()
                .post("/openrtb2/bid/demo", body.as_bytes())
                .status
        };
        let bought = |buys: bool| if buys { 200 } else { 204 };
        assert_eq!(ask(Some(&case.wanted)), 200, "{}", case.targeting);
        assert_eq!(ask(Some(&case.other)), 204, "{}", case.targeting);
        assert_eq!(
            ask(None),
            bought(case.missing),
            "{}, not said",
            case.targeting
        );
    }
}

#[test]
fn rules_that_could_never_hold_are_refused_with_their_pointers() {
    let node = Node::start(SMALL, "");
    let patch = json!({"targeting": {
        "geo": {"include": ["FRA-IDF", "ZZZ"], "exclude": ["FRA"]},
        "sizes": [],
        "categories": ["99:1"],
        "video_plcmt": ["somewhere"],
        "viewability": [{"from": 80, "to": 20}],
    }});
    let answer = node.api("PATCH", "/v1/line_items/li_it", &patch.to_string());
    assert_eq!(answer.status, 422);
    let errors = answer.json()["faults"].as_array().unwrap().clone();
    let told: Vec<&str> = errors
        .iter()
        .filter_map(|one| one["pointer"].as_str())
        .collect();
    for pointer in [
        "/targeting/geo/include/1",
        "/targeting/sizes",
        "/targeting/categories/0",
        "/targeting/video_plcmt/0",
        "/targeting/viewability/0/to",
    ] {
        assert!(told.contains(&pointer), "{pointer}: {told:?}");
    }
    let covered = json!({"targeting": {"geo": {"include": ["FRA-IDF"], "exclude": ["FRA"]}}});
    let answer = node.api("PATCH", "/v1/line_items/li_it", &covered.to_string());
    assert_eq!(
        answer.json()["faults"][0]["pointer"],
        "/targeting/geo/include/0"
    );
}
