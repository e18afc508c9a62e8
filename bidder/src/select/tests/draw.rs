//! Random line items and requests over few values, so that they meet.

mod vocabulary;

use crate::catalog::{Audience, Format, Missing, Rule, Subject, Targeting, Value};
use proptest::prelude::*;
use proptest::sample::{Index, select, subsequence};
use serde_json::{Value as Json, json};
pub(super) use vocabulary::vocabulary;

pub(super) const SIZES: [(u32, u32); 3] = [(300, 250), (728, 90), (160, 600)];
const SEGMENTS: [&str; 7] = ["seg_0", "seg_1", "seg_2", "seg_3", "seg_4", "seg_5", "gone"];

/// What requests may say: the place of a field, and its values.
pub(super) fn of_request() -> Vec<(&'static str, Vec<Json>)> {
    let page = |host: &str| json!(format!("https://{host}:443/page?q=1"));
    let node = |asi: &str, sid: &str| json!({"asi": asi, "sid": sid, "hp": 1});
    let (safari, edge) = (
        "Mozilla/5.0 (iPhone; CPU iPhone OS 16_4 like Mac OS X) Version/16.4 Safari/604.1",
        "Mozilla/5.0 (Windows NT 10.0) Chrome/118.0 Safari/537.36 Edg/118.0",
    );
    let brand = |brand: &str, version: &[&str]| json!({"brand": brand, "version": version});
    vec![
        (
            "/device/geo/country",
            vec![
                json!("FRA"),
                json!("fr"),
                json!("DEU"),
                json!("US"),
                json!("GBR"),
            ],
        ),
        (
            "/device/geo/region",
            vec![json!("IDF"), json!("CA"), json!("FR-IDF"), json!("ZZ")],
        ),
        ("/device/geo/metro", vec![json!("501"), json!("7")]),
        (
            "/device/geo/city",
            vec![
                json!("Paris"),
                json!("PARIS "),
                json!("ÉVRY"),
                json!("Rome"),
            ],
        ),
        (
            "/device/geo/zip",
            vec![
                json!("75001"),
                json!("75"),
                json!("SW1A 1AA"),
                json!("90210"),
            ],
        ),
        (
            "/device/geo/lat",
            vec![json!(48.01), json!(48.9), json!(-0.5), json!(91)],
        ),
        (
            "/device/geo/lon",
            vec![json!(2.01), json!(-179.6), json!(3.5)],
        ),
        (
            "/device/geo/utcoffset",
            vec![json!(60), json!(-720), json!(0), json!(9_999)],
        ),
        ("/user/geo/country", vec![json!("USA"), json!("FRA")]),
        ("/device/devicetype", vec![json!(1), json!(2), json!(7)]),
        (
            "/device/make",
            vec![json!("APPLE"), json!("Samsung"), json!("x")],
        ),
        ("/device/model", vec![json!("iPhone"), json!("sm-s911b")]),
        (
            "/device/os",
            vec![
                json!("ios"),
                json!("ANDROID"),
                json!("macOS"),
                json!("Tizen"),
            ],
        ),
        (
            "/device/osv",
            vec![json!("15.1"), json!("12"), json!("9"), json!("beta")],
        ),
        ("/device/ua", vec![json!(safari), json!(edge), json!("x")]),
        (
            "/device/sua/platform",
            vec![brand("iOS", &["16", "5"]), brand("Windows", &["10"])],
        ),
        (
            "/device/sua/browsers",
            vec![
                json!([
                    brand("Google Chrome", &["115", "0", "1"]),
                    brand("Not;A", &["9"])
                ]),
                json!([brand("Microsoft Edge", &["118.0"])]),
                json!([]),
            ],
        ),
        ("/device/sua/model", vec![json!("iphone"), json!(" ")]),
        ("/device/carrier", vec![json!("ORANGE"), json!("Other")]),
        ("/device/mccmnc", vec![json!("208-01")]),
        ("/device/connectiontype", vec![json!(0), json!(2), json!(6)]),
        (
            "/device/language",
            vec![json!("fr"), json!("en-US"), json!("DE")],
        ),
        ("/device/langb", vec![json!("fr-FR")]),
        (
            "/site/domain",
            vec![
                json!("x.a.news.example"),
                json!("NEWS.example"),
                json!("b.test"),
            ],
        ),
        (
            "/site/page",
            vec![page("shop.example"), page("A.NEWS.example")],
        ),
        ("/site/publisher/id", vec![json!("pub_1"), json!("pub_9")]),
        ("/site/cattax", vec![json!(6), json!(1)]),
        (
            "/site/cat",
            vec![json!(["IAB2-3"]), json!(["483", "IAB9-1"]), json!([])],
        ),
        ("/site/sectioncat", vec![json!(["IAB2"]), json!(["483"])]),
        ("/site/pagecat", vec![json!(["IAB9"])]),
        (
            "/site/keywords",
            vec![json!("cars, Red Wine"), json!("ÉLAN"), json!(" ")],
        ),
        ("/site/kwarray", vec![json!(["Cars"]), json!(["other"])]),
        (
            "/site/ext/amp",
            vec![json!(1), json!("yes"), json!({"a": 1}), json!(null)],
        ),
        (
            "/site/content/genre",
            vec![json!("Drama,Comedy"), json!("x")],
        ),
        ("/site/content/genres", vec![json!(["12"]), json!(["13"])]),
        (
            "/site/content/contentrating",
            vec![json!("tv-ma"), json!("PG")],
        ),
        ("/site/content/qagmediarating", vec![json!(1), json!(2)]),
        ("/site/content/livestream", vec![json!(0), json!(1)]),
        (
            "/site/content/series",
            vec![json!("the show"), json!("other")],
        ),
        (
            "/site/content/channel",
            vec![json!({"id": "CH1"}), json!({"name": "News Channel"})],
        ),
        (
            "/site/content/network",
            vec![json!({"domain": "net1"}), json!({"id": "x"})],
        ),
        (
            "/site/content/len",
            vec![json!(600), json!(601), json!(99_999), json!(-1)],
        ),
        ("/site/content/language", vec![json!("fr"), json!("en-GB")]),
        ("/site/content/context", vec![json!(1), json!(3)]),
        ("/site/content/cat", vec![json!(["IAB2-1"])]),
        (
            "/app/bundle",
            vec![json!("com.news"), json!("com.game"), json!("com.Game")],
        ),
        ("/app/publisher/id", vec![json!("pub_2")]),
        (
            "/dooh/venuetype",
            vec![json!(["205"]), json!(["transit", "1"])],
        ),
        ("/dooh/venuetypetax", vec![json!(1), json!(2)]),
        (
            "/wseat",
            vec![json!(["s1"]), json!(["s3", "s2"]), json!([])],
        ),
        ("/source/schain/complete", vec![json!(0), json!(1)]),
        (
            "/source/schain/nodes",
            vec![
                json!([node("SSP.example", "7")]),
                json!([node("ssp.example", "8"), node("other.example", "1")]),
                json!([]),
            ],
        ),
    ]
}

/// What imps may say.
pub(super) fn of_imp() -> Vec<(&'static str, Vec<Json>)> {
    let metric = |kind: &str, value: f64| json!([{"type": kind, "value": value}]);
    vec![
        ("/tagid", vec![json!("top"), json!("side"), json!("x")]),
        ("/instl", vec![json!(0), json!(1)]),
        ("/rwdd", vec![json!(0), json!(1)]),
        (
            "/pmp/deals",
            vec![json!([{"id": "d1"}, {"id": "d3"}]), json!([])],
        ),
        (
            "/metric",
            vec![
                metric("viewability", 0.6),
                metric("viewability", 1.5),
                metric("ctr", 0.02),
            ],
        ),
        (
            "/ext/data/section",
            vec![json!("sport"), json!(["x", 5]), json!(true), json!(0.5)],
        ),
        ("/banner/pos", vec![json!(0), json!(1), json!(3)]),
        (
            "/banner/format",
            vec![
                json!([{"w": 300, "h": 250}, {"wratio": 16, "hratio": 9}]),
                json!([{"w": 728, "h": 90}]),
                json!([{"wratio": 12, "hratio": 10, "wmin": 300}]),
                json!([{"wratio": 6, "hratio": 5, "wmin": 301}, {"w": 160, "h": 600}]),
            ],
        ),
        ("/video/w", vec![json!(399), json!(640)]),
        ("/video/h", vec![json!(360)]),
        ("/video/pos", vec![json!(7)]),
        ("/video/maxduration", vec![json!(15), json!(30), json!(90)]),
        ("/video/plcmt", vec![json!(1), json!(2), json!(3)]),
        ("/video/protocols", vec![json!([3, 2]), json!([7])]),
        ("/video/linearity", vec![json!(1), json!(2)]),
        ("/video/skip", vec![json!(0), json!(1)]),
        ("/video/playbackmethod", vec![json!([1]), json!([3, 2])]),
        (
            "/video/startdelay",
            vec![json!(0), json!(12), json!(-1), json!(-2)],
        ),
        ("/audio/maxduration", vec![json!(15), json!(61)]),
        ("/audio/protocols", vec![json!([9])]),
        ("/audio/startdelay", vec![json!(0), json!(3)]),
        ("/audio/feed", vec![json!(1), json!(2)]),
        ("/native/request", vec![json!("{\"assets\":[{\"id\":1}]}")]),
    ]
}

/// Sets what stands at a pointer, with every object above it.
fn set(document: &mut Json, pointer: &str, value: Json) {
    let place = pointer.split('/').skip(1).fold(document, |at, key| {
        if at.is_null() {
            *at = json!({});
        }
        &mut at[key]
    });
    *place = value;
}

type Choices = Vec<Option<Index>>;

fn choices(fields: usize, likely: f64) -> impl Strategy<Value = Choices> {
    prop::collection::vec(prop::option::weighted(likely, any::<Index>()), fields)
}

fn apply(document: &mut Json, fields: &[(&str, Vec<Json>)], choices: &Choices) {
    for ((pointer, values), choice) in fields.iter().zip(choices) {
        if let Some(choice) = choice {
            set(document, pointer, choice.get(values).clone());
        }
    }
}

/// A request, and the user's segments.
pub(super) fn request() -> impl Strategy<Value = (Json, Vec<u32>)> {
    let imps = prop::collection::vec(choices(of_imp().len(), 0.4), 1..4);
    let user = prop::option::weighted(0.8, prop::collection::vec(0_u32..6, 0..5));
    (choices(of_request().len(), 0.5), imps, user).prop_map(|(fields, imps, user)| {
        let mut request = json!({"id": "1", "imp": []});
        apply(&mut request, &of_request(), &fields);
        for (at, fields) in imps.iter().enumerate() {
            let mut imp = json!({"id": at.to_string()});
            apply(&mut imp, &of_imp(), fields);
            request["imp"].as_array_mut().unwrap().push(imp);
        }
        if user.is_some() {
            set(&mut request, "/user/id", json!("u"));
        }
        (request, user.unwrap_or_default())
    })
}

fn missing() -> impl Strategy<Value = Option<Missing>> {
    select(vec![None, None, Some(Missing::Serve), Some(Missing::Skip)])
}

fn rule() -> impl Strategy<Value = (Subject, Rule<Value>)> {
    let side = |most| prop::collection::vec(any::<Index>(), 0..most);
    (any::<Index>(), side(4), side(2), missing()).prop_map(
        |(subject, include, exclude, missing)| {
            let vocabulary = vocabulary();
            let (subject, values) = subject.get(&vocabulary).clone();
            let of = |side: Vec<Index>| side.iter().map(|at| at.get(&values).clone()).collect();
            let (include, exclude) = (of(include), of(exclude));
            (
                subject,
                Rule {
                    include,
                    exclude,
                    missing,
                },
            )
        },
    )
}

fn names(list: Vec<&str>) -> Vec<String> {
    list.into_iter().map(str::to_owned).collect()
}

fn audience() -> impl Strategy<Value = Audience> {
    let group = || subsequence(SEGMENTS.to_vec(), 1..4).prop_map(names);
    let exclude = prop_oneof![3 => Just(Vec::new()), 1 => group()];
    let include = prop_oneof![1 => Just(vec![]), 1 => prop::collection::vec(group(), 0..3)];
    (include, exclude, missing()).prop_map(|(include, exclude, missing)| Audience {
        include,
        exclude,
        missing,
    })
}

fn targeting() -> impl Strategy<Value = Targeting> {
    let formats = prop_oneof![2 => Just(vec![]), 1 => subsequence(Format::ALL.to_vec(), 1..3)];
    let sizes = || prop_oneof![3 => Just(vec![]), 1 => subsequence(SIZES.to_vec(), 1..3)];
    let rules = prop::collection::vec(rule(), 0..5);
    (rules, audience(), formats, sizes(), sizes(), missing()).prop_map(
        |(rules, audience, formats, include, exclude, missing)| Targeting {
            rules: rules.into_iter().collect(),
            audience,
            formats: Rule::including(formats),
            sizes: Rule {
                include,
                exclude,
                missing,
            },
            ..Targeting::default()
        },
    )
}

/// A line item, whether it is active, and its creatives by number.
pub(super) type Drawn = (Targeting, bool, Vec<usize>);

pub(super) fn line_items() -> impl Strategy<Value = Vec<Drawn>> {
    let creatives = subsequence((0..6).collect::<Vec<usize>>(), 1..5);
    prop::collection::vec((targeting(), prop::bool::weighted(0.9), creatives), 1..250)
}
