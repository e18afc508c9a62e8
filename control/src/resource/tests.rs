use super::*;
use proptest::prelude::*;
use serde_json::json;

fn pointers(kind: Kind, body: &Value) -> Vec<String> {
    let faults = Resource::read(kind, body).err().unwrap_or_default();
    assert!(faults.iter().all(|fault| !fault.detail.is_empty()));
    faults.into_iter().map(|fault| fault.pointer).collect()
}

/// The smallest bodies of the public contract.
fn smallest() -> Vec<(Kind, Value)> {
    vec![
        (
            Kind::Advertiser,
            json!({"name":"Acme","currency":"EUR","timezone":"Europe/Paris",
                "domain":"acme.example","iab_categories":["IAB2"]}),
        ),
        (
            Kind::Campaign,
            json!({"advertiser":"adv_a","name":"Spring","start":"2026-11-23T00:00:00Z",
                "end":"2026-12-23T00:00:00Z","budget":{"total":"3000","daily":"100"},
                "pacing":"even"}),
        ),
        (
            Kind::LineItem,
            json!({"campaign":"cmp_a","name":"FR banners",
                "bid":{"strategy":"fixed_cpm","max_cpm":"2.50"},
                "targeting":{"geo":{"include":["FRA"]},
                    "audience":{"include":[["seg_autointent"]],"exclude":["seg_converters"]},
                    "formats":["banner"],"sizes":["300x250"]},
                "frequency":[{"max":3,"per":"day"}],"creatives":["cr_a"]}),
        ),
        (
            Kind::Creative,
            json!({"advertiser":"adv_a","format":"banner","w":300,"h":250,
                "adm":"<a href=\"${CLICK_URL}\">…</a>","adomain":["acme.example"],
                "landing_page":"https://acme.example/","attr":[],"cat":["IAB2"]}),
        ),
        (
            Kind::Publisher,
            json!({"name":"News","domain":"news.example","currency":"EUR",
                "revenue_share":"0.85","auction":"first_price"}),
        ),
        (
            Kind::Placement,
            json!({"publisher":"pub_a","name":"Top","tagid":"top"}),
        ),
        (
            Kind::Deal,
            json!({"publisher":"pub_a","name":"Cars","start":"2026-11-23T00:00:00Z",
                "end":"2026-12-23T00:00:00Z"}),
        ),
        (
            Kind::Review,
            json!({"publisher":"pub_a","partner":"dsp_a","creative":"c-1","state":"approved"}),
        ),
        (
            Kind::Segment,
            json!({"name":"Car buyers","provider":"prv_a",
                "data_cpm":[{"currency":"EUR","cpm":"0.40"}]}),
        ),
        (
            Kind::Floors,
            json!({"data":{"currency":"EUR","modelGroups":[{"default":0.3,
                "schema":{"fields":["size"]},"values":{"300x250":0.5}}]}}),
        ),
        (
            Kind::Partner,
            json!({"name":"dsp-1","endpoint":"http://127.0.0.1:9001/bid","openrtb":"2.6",
                "max_qps":2000,"timeout_ms":80,"seats":["s1"]}),
        ),
        (Kind::Exchange, json!({"name":"demo","currency":"EUR"})),
        (
            Kind::Key,
            json!({"name":"ci","role":"viewer","accounts":["adv_a"]}),
        ),
    ]
}

#[test]
fn the_smallest_bodies_are_taken_and_their_normal_form_is_stable() {
    let smallest = smallest();
    assert_eq!(smallest.len(), Kind::ALL.len());
    for (kind, body) in smallest {
        let resource =
            Resource::read(kind, &body).unwrap_or_else(|faults| panic!("{kind}: {faults:?}"));
        assert_eq!(resource.kind(), kind);
        assert_eq!(resource.status(), Status::Active);
        let normal = resource.write();
        let again = Resource::read(kind, &normal).unwrap();
        assert_eq!(again.write(), normal, "{kind}");
    }
}

#[test]
fn an_unknown_field_is_refused_everywhere() {
    for (kind, mut body) in smallest() {
        body["surprise"] = json!(1);
        assert_eq!(pointers(kind, &body), ["/surprise"], "{kind}");
    }
}

#[test]
fn each_fault_has_its_pointer() {
    let cases = [
        (Kind::Advertiser, "/currency", json!("XYZ")),
        (Kind::Advertiser, "/timezone", json!("Paris")),
        (Kind::Advertiser, "/domain", json!("https://acme.example/")),
        (Kind::Advertiser, "/name", json!("")),
        (Kind::Advertiser, "/iab_categories/0", json!("Cars")),
        (Kind::Advertiser, "/status", json!("deleted")),
        (Kind::Campaign, "/end", json!("2026-11-22T00:00:00Z")),
        (Kind::Campaign, "/start", json!("2026-11-23")),
        (Kind::Campaign, "/budget/total", json!("-1")),
        (Kind::Campaign, "/budget/daily", json!("3000.01")),
        (Kind::Campaign, "/pacing", json!("slow")),
        (Kind::LineItem, "/bid/max_cpm", json!("-2.5")),
        (Kind::LineItem, "/bid/max_cpm", json!(2_500_000)),
        (Kind::LineItem, "/bid/max_cpm", json!("2.5000001")),
        (Kind::LineItem, "/bid/strategy", json!("magic")),
        (Kind::LineItem, "/targeting/sizes/0", json!("300*250")),
        (Kind::LineItem, "/targeting/geo/include/0", json!("FR")),
        (Kind::LineItem, "/targeting/audience", json!(["seg_a"])),
        (
            Kind::LineItem,
            "/targeting/audience/include/0",
            json!("seg_a"),
        ),
        (Kind::LineItem, "/targeting/audience/include/0", json!([])),
        (Kind::LineItem, "/frequency/0/max", json!(0)),
        (Kind::LineItem, "/frequency/0/per", json!("fortnight")),
        (Kind::LineItem, "/creatives", json!([])),
        (Kind::LineItem, "/weights", json!([1])),
        (Kind::LineItem, "/rotation", json!("weekly")),
        (Kind::Creative, "/adomain", json!([])),
        (Kind::Creative, "/w", json!(null)),
        (Kind::Creative, "/h", json!(0)),
        (
            Kind::Creative,
            "/landing_page",
            json!("javascript:alert(1)"),
        ),
        (Kind::Creative, "/format", json!("hologram")),
        (Kind::Publisher, "/revenue_share", json!("1.01")),
        (Kind::Publisher, "/revenue_share", json!(-0.1)),
        (Kind::Publisher, "/auction", json!("dutch")),
        (Kind::Placement, "/tagid", json!(" ")),
        (Kind::Deal, "/kind", json!("secret")),
        (Kind::Deal, "/impressions", json!(1000)),
        (Kind::Deal, "/impressions", json!(0)),
        (Kind::Deal, "/end", json!("2026-11-22T00:00:00Z")),
        (Kind::Deal, "/floor", json!("-1")),
        (Kind::Deal, "/tier", json!(0)),
        (Kind::Review, "/state", json!("maybe")),
        (Kind::Segment, "/data_cpm", json!([])),
        (Kind::Segment, "/data_cpm/0/cpm", json!("0")),
        (Kind::Segment, "/provider", json!("a,b")),
        (Kind::Advertiser, "/platform_fee", json!("1.5")),
        (Kind::Floors, "/data/currency", json!("euro")),
        (Kind::Partner, "/endpoint", json!("ftp://dsp.example/")),
        (Kind::Partner, "/endpoint", json!("https://a@dsp.example/")),
        (Kind::Partner, "/http", json!("3")),
        (Kind::Partner, "/explore_percent", json!(101)),
        (Kind::Partner, "/openrtb", json!("3.0")),
        (Kind::Partner, "/timeout_ms", json!(0)),
        (Kind::Exchange, "/billable_event", json!("never")),
        (Kind::Exchange, "/max_markup_bytes", json!(1)),
        (Kind::Exchange, "/requires_approval", json!("yes")),
        (Kind::Key, "/accounts", json!([])),
        (Kind::Key, "/sha256", json!("abc")),
    ];
    for (kind, pointer, wrong) in cases {
        let (_, mut body) = smallest()
            .into_iter()
            .find(|(known, _)| *known == kind)
            .unwrap();
        let place = match body.pointer_mut(pointer) {
            Some(place) => place,
            None => &mut body[&pointer[1..]],
        };
        *place = wrong.clone();
        assert_eq!(pointers(kind, &body), [pointer], "{kind} {wrong}");
    }
}

#[test]
fn a_flexible_day_stays_within_reason() {
    let (_, mut body) = smallest()
        .into_iter()
        .find(|(kind, _)| *kind == Kind::Campaign)
        .unwrap();
    for (flex, expected) in [
        (json!({}), vec![]),
        (json!({"daily": "1", "period": 31}), vec![]),
        (json!({"daily": 0.9}), vec!["/budget/flex/daily"]),
        (json!({"daily": 10.1}), vec!["/budget/flex/daily"]),
        (json!({"period": 32}), vec!["/budget/flex/period"]),
        (
            json!({"daily": 3, "period": 2}),
            vec!["/budget/flex/period"],
        ),
        (json!({"weekly": 2}), vec!["/budget/flex/weekly"]),
    ] {
        body["budget"] = json!({"total": "1000", "daily": "100", "flex": flex});
        assert_eq!(pointers(Kind::Campaign, &body), expected, "{flex}");
    }
    body["budget"] = json!({"total": "1000", "flex": {}});
    assert_eq!(pointers(Kind::Campaign, &body), ["/budget/flex"]);
}

#[test]
fn goals_that_could_never_be_are_told() {
    let (_, mut body) = smallest()
        .into_iter()
        .find(|(kind, _)| *kind == Kind::LineItem)
        .unwrap();
    for (goal, expected) in [
        (json!({"impressions": 10, "daily_impressions": 10}), vec![]),
        (json!({"clicks": 1}), vec![]),
        (json!({}), vec!["/goal"]),
        (json!({"clicks": 0}), vec!["/goal/clicks"]),
        (json!({"impressions": 1.5}), vec!["/goal/impressions"]),
        (
            json!({"impressions": 10, "daily_impressions": 11}),
            vec!["/goal/daily_impressions"],
        ),
        (json!({"installs": 5}), vec!["/goal/installs", "/goal"]),
    ] {
        body["goal"] = goal.clone();
        assert_eq!(pointers(Kind::LineItem, &body), expected, "{goal}");
    }
}

#[test]
fn several_faults_are_told_together() {
    let body = json!({"campaign":"cmp_a","nam":"x","bid":{"max_cpm":0},"creatives":["a b"],
        "targeting":{"hours":[{"from":25,"to":3}]}});
    let faults = Resource::read(Kind::LineItem, &body).unwrap_err();
    let told: Vec<&str> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
    assert_eq!(
        told,
        [
            "/nam",
            "/name",
            "/bid/max_cpm",
            "/targeting/hours/0/from",
            "/creatives/0"
        ]
    );
    assert!(faults[0].detail.contains("`name`"), "{}", faults[0]);
}

#[test]
fn turns_deals_and_pods_that_could_never_be_are_told() {
    let (_, line_item) = smallest().swap_remove(2);
    let cases = [
        ("rotation", json!("sequential"), "/rotation"),
        ("rotation", json!("weighted"), "/weights"),
        ("deals", json!(["d", "e", "d"]), "/deals/2"),
        ("pod", json!({"position": "first"}), "/pod/position"),
    ];
    for (field, value, pointer) in cases {
        let mut body = line_item.clone();
        body[field] = value;
        if field == "rotation" {
            body["frequency"] = json!([]);
        }
        assert_eq!(pointers(Kind::LineItem, &body), [pointer]);
    }
    let mut weighted = line_item;
    (weighted["rotation"], weighted["weights"]) = (json!("weighted"), json!([0]));
    assert_eq!(pointers(Kind::LineItem, &weighted), ["/weights"]);
}

#[test]
fn what_is_not_an_object_is_told_as_a_whole() {
    for kind in Kind::ALL {
        assert_eq!(pointers(*kind, &json!([])), [""], "{kind}");
    }
}

#[test]
fn a_private_endpoint_must_be_meant() {
    let partner = |endpoint: &str, allowed: Option<bool>| {
        let body = json!({"name":"p","endpoint":endpoint,"allow_private":allowed});
        match Resource::read(Kind::Partner, &body) {
            Ok(Resource::Partner(partner)) => Some(partner.route().unwrap().allow_private),
            _ => None,
        }
    };
    assert_eq!(partner("http://127.0.0.1:9/", None), Some(true));
    assert_eq!(partner("http://127.0.0.1:9/", Some(false)), None);
    assert_eq!(partner("http://dsp.example/", None), Some(false));
    assert_eq!(partner("http://dsp.example/", Some(true)), Some(true));
}

#[test]
fn rules_that_reshape_requests_are_refused_at_their_place() {
    let told = |remove: Value, rename: Value| {
        let body = json!({"name":"p","endpoint":"https://dsp.example/","remove":remove,
            "rename":rename});
        pointers(Kind::Partner, &body)
    };
    let eids = json!([{"from":"user.eids","to":"user.ext.eids"}]);
    assert_eq!(told(json!(["device.ifa"]), eids.clone()), [""; 0]);
    assert_eq!(
        told(
            json!(["imp.id", "user..eids"]),
            json!([{"from":"imp.rwdd","to":"ext.rwdd"}])
        ),
        ["/remove/0", "/remove/1", "/rename/0"]
    );
    assert_eq!(told(json!(["user.eids"]), eids), ["/rename"]);
}

#[test]
fn ids_begin_with_their_prefix() {
    assert!(Kind::Advertiser.check_id("adv_acme").is_ok());
    assert!(Kind::Exchange.check_id("demo").is_ok());
    for wrong in [
        "acme",
        "adv_a b",
        "adv_/..",
        "",
        &format!("adv_{}", "x".repeat(64)),
    ] {
        assert_eq!(
            Kind::Advertiser.check_id(wrong).unwrap_err().pointer,
            "/id",
            "{wrong}"
        );
    }
    for kind in Kind::ALL {
        let id = kind.fresh_id(&[7; 32]);
        assert!(kind.check_id(&id).is_ok(), "{id}");
        assert_ne!(id, kind.fresh_id(&[8; 32]));
        assert_eq!(Kind::at(kind.path()), Some(*kind));
    }
}

/// Any JSON, not too deep.
fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        "[0-9x.-]{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z~/]{0,6}", inner, 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// Every place of a value.
fn places(at: &str, value: &Value, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Object(fields) => {
            fields
                .iter()
                .for_each(|(name, value)| places(&crate::fault::join(at, name), value, found));
        }
        Value::Array(list) => {
            list.iter()
                .enumerate()
                .for_each(|(i, value)| places(&format!("{at}/{i}"), value, found));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Whatever stands in a body: it is taken and has a normal form, or each fault says where,
    /// at a place that exists or is missing.
    #[test]
    fn any_body_is_taken_or_told(
        which in 0usize..10,
        place in any::<prop::sample::Index>(),
        wild in json(),
    ) {
        let (kind, mut body) = smallest().swap_remove(which);
        let mut found = Vec::new();
        places("", &body, &mut found);
        *body.pointer_mut(&found[place.index(found.len())]).unwrap() = wild;
        match Resource::read(kind, &body) {
            Ok(resource) => {
                let normal = resource.write();
                let again = Resource::read(kind, &normal).map(|again| again.write());
                prop_assert_eq!(again, Ok(normal));
            }
            Err(faults) => {
                prop_assert!(!faults.is_empty());
                for fault in faults {
                    let parent = fault.pointer.rfind('/').map_or("", |cut| &fault.pointer[..cut]);
                    prop_assert!(body.pointer(parent).is_some(), "{}", fault);
                    prop_assert!(!fault.detail.is_empty());
                }
            }
        }
    }
}
