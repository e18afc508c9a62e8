//! What real traffic bends and we read, and what nobody can read and we refuse with its place.

use openrtb::native;
use openrtb::{BidRequest, Encode, Fault, Flag, Keep, Limits, Problem, Scratch, validate};
use serde_json::{Value as Json, json};

/// Decodes `body` and hands the request to `check`.
fn with<R>(body: &Json, check: impl FnOnce(&BidRequest<'_>) -> R) -> R {
    let mut scratch = Scratch::default();
    let text = body.to_string();
    let request: BidRequest = scratch
        .decode(text.as_bytes(), Limits::default(), Keep::All)
        .unwrap_or_else(|fault| panic!("{fault}: {text}"));
    check(&request)
}

fn fault_of(body: &[u8]) -> Fault {
    let mut scratch = Scratch::default();
    scratch
        .decode::<BidRequest>(body, Limits::default(), Keep::All)
        .expect_err("the body cannot be read")
}

/// Decodes and writes back.
fn rewritten(body: &str, keep: Keep) -> Json {
    let mut scratch = Scratch::default();
    let request: BidRequest = scratch
        .decode(body.as_bytes(), Limits::default(), keep)
        .unwrap_or_else(|fault| panic!("{fault}: {body}"));
    let mut out = Vec::new();
    request.encode(&mut out);
    serde_json::from_slice(&out).expect("what was written is JSON")
}

#[test]
fn numbers_may_be_strings() {
    let body = json!({"tmax": " 120 ", "imp": [{"bidfloor": "0.25", "banner": {"w": "300",
        "pos": "1", "h": 250.0, "btype": ["1", 4]}, "instl": "1"}]});
    with(&body, |request| {
        let imp = request.imp[0];
        let banner = imp.banner.unwrap();
        assert_eq!(request.tmax, Some(120));
        assert_eq!(imp.bidfloor, Some(0.25));
        assert_eq!((banner.w, banner.h), (Some(300), Some(250)));
        assert_eq!(imp.instl, Some(Flag(1)));
        assert_eq!(banner.pos, Some(1.into()));
        assert_eq!(banner.btype.len(), 2);
    });
}

#[test]
fn identifiers_may_be_numbers() {
    let body = json!({"id": 42, "site": {"id": -7, "publisher": {"id": 18_446_744_073_709_551_615_u64}},
        "imp": [{"id": 1, "tagid": 1.5}]});
    with(&body, |request| {
        let site = request.site.unwrap();
        assert_eq!(request.id, Some("42"));
        assert_eq!(site.id, Some("-7"));
        assert_eq!(site.publisher.unwrap().id, Some("18446744073709551615"));
        assert_eq!(request.imp[0].tagid, Some("1.5"));
    });
}

#[test]
fn a_consent_string_is_never_made_of_a_number() {
    assert_eq!(fault_of(br#"{"user":{"consent":1}}"#).field, "user.consent");
    assert_eq!(
        fault_of(br#"{"user":{"ext":{"consent":1}}}"#).field,
        "user.ext.consent"
    );
}

#[test]
fn a_lone_value_stands_for_a_list_of_one() {
    let body = json!({"cur": "EUR", "imp": {"id": "1", "video": {"protocols": 7},
        "banner": {"format": {"w": 1, "h": 2}}}});
    with(&body, |request| {
        assert_eq!(*request.cur, ["EUR"]);
        assert_eq!(*request.imp[0].video.unwrap().protocols, [7]);
        assert_eq!(request.imp[0].banner.unwrap().format[0].h, Some(2));
    });
}

#[test]
fn flags_may_be_words_of_json_or_text() {
    for (written, expected) in [
        (json!(true), 1),
        (json!(false), 0),
        (json!("true"), 1),
        (json!("false"), 0),
        (json!("1"), 1),
        (json!(1.0), 1),
        (json!(2), 2),
    ] {
        with(&json!({"test": written}), |request| {
            assert_eq!(request.test, Some(Flag(expected)), "{written}");
        });
    }
    assert_eq!(fault_of(br#"{"test":"yes"}"#).field, "test");
}

#[test]
fn null_is_absence_and_absence_is_not_zero() {
    let body = json!({"id": null, "imp": null, "tmax": null, "test": null, "site": null,
        "bcat": [null, "IAB1"], "ext": null, "x": null});
    with(&body, |request| {
        assert_eq!(request.id, None);
        assert!(!request.imp.is_present());
        assert_eq!((request.tmax, request.test), (None, None));
        assert!(request.site.is_none());
        assert_eq!(*request.bcat, ["IAB1"]);
    });
    with(&json!({"tmax": 0, "wseat": []}), |request| {
        assert_eq!(request.tmax, Some(0));
        assert!(request.wseat.is_present());
        assert!(!request.bseat.is_present());
    });
}

#[test]
fn a_native_request_is_text_or_object_or_wrapped() {
    let markup = json!({"ver": "1.2", "assets": [{"id": 3, "title": {"len": 25}}]});
    let forms = [
        json!(markup.to_string()),
        markup.clone(),
        json!(json!({"native": markup}).to_string()),
        json!({"native": markup}),
    ];
    for form in forms {
        let body = json!({"imp": [{"id": "1", "native": {"request": form}}], "id": "r"});
        with(&body, |request| {
            validate::request(request).unwrap();
            let markup = request.imp[0].native.unwrap().request.unwrap();
            let arena = bumpalo::Bump::new();
            let native = native::decode(markup, &arena, Limits::default()).unwrap();
            assert_eq!(native.ver, Some("1.2"));
            assert_eq!(native.assets[0].title.unwrap().len, Some(25));
        });
        assert_eq!(rewritten(&body.to_string(), Keep::Known), body);
    }
}

#[test]
fn native_markup_is_refused_with_the_place_inside() {
    for (markup, field) in [
        (json!("{broken"), "imp[0].native.request"),
        (json!(""), "imp[0].native.request"),
        (json!({"assets": []}), "imp[0].native.request.assets"),
        (
            json!({"native": {"assets": [{"title": {"len": "x"}}]}}),
            "imp[0].native.request.native.assets[0].title.len",
        ),
        (
            json!({"assets": [{"id": 1, "img": {}}, {"img": {}}]}),
            "imp[0].native.request.assets[1].id",
        ),
        (
            json!({"context": 1, "contextsubtype": -1, "assets": [{"img": {}}]}),
            "imp[0].native.request.contextsubtype",
        ),
        (
            json!({"context": 1, "contextsubtype": 21, "assets": [{"img": {}}]}),
            "imp[0].native.request.contextsubtype",
        ),
    ] {
        let body = json!({"id": "r", "imp": [{"id": "1", "native": {"request": markup}}]});
        let fault = with(&body, validate::request).unwrap_err();
        assert_eq!(fault.field, field, "{fault}");
    }
}

#[test]
fn older_placements_are_promoted() {
    let body = json!({
        "regs": {"ext": {"gdpr": 1, "us_privacy": "1YNN", "gpp": "DBAA", "gpp_sid": [7, 8]}},
        "user": {"ext": {"consent": "CQ", "eids": [{"source": "s", "uids": [{"id": "u"}]}]}},
        "source": {"ext": {"schain": {"complete": 1, "nodes": [{"asi": "a"}]}}},
        "imp": [{"ext": {"rwdd": 1}}, {"ext": {"prebid": {"is_rewarded_inventory": 1}}},
            {"video": {"ext": {"rewarded": 1}}}],
    });
    with(&body, |request| {
        let regs = request.regs.unwrap();
        assert_eq!(regs.gdpr, Some(Flag(1)));
        assert_eq!(regs.us_privacy.unwrap().0, "1YNN");
        assert_eq!(regs.gpp.unwrap().0, "DBAA");
        assert_eq!(*regs.gpp_sid, [7, 8]);
        let user = request.user.unwrap();
        assert_eq!(user.consent.unwrap().0, "CQ");
        assert_eq!(user.eids[0].uids[0].id, Some("u"));
        let chain = request.source.unwrap().schain.unwrap();
        assert_eq!(chain.nodes[0].asi, Some("a"));
        for imp in request.imp {
            assert_eq!(imp.rwdd, Some(Flag(1)));
        }
    });
}

#[test]
fn the_newer_place_wins() {
    let body = json!({
        "regs": {"gdpr": 0, "us_privacy": "new", "gpp": "new", "gpp_sid": [1],
            "ext": {"gdpr": 1, "us_privacy": "old", "gpp": "old", "gpp_sid": [2]}},
        "user": {"consent": "new", "eids": [{"source": "new"}],
            "ext": {"consent": "old", "eids": [{"source": "old"}]}},
        "source": {"schain": {"ver": "new"}, "ext": {"schain": {"ver": "old"}}},
        "imp": [{"rwdd": 0, "ext": {"rwdd": 1}}],
    });
    with(&body, |request| {
        let regs = request.regs.unwrap();
        assert_eq!(regs.gdpr, Some(Flag(0)));
        assert_eq!(regs.us_privacy.unwrap().0, "new");
        assert_eq!(regs.gpp.unwrap().0, "new");
        assert_eq!(*regs.gpp_sid, [1]);
        let user = request.user.unwrap();
        assert_eq!(user.consent.unwrap().0, "new");
        assert_eq!(user.eids[0].source, Some("new"));
        assert_eq!(request.source.unwrap().schain.unwrap().ver, Some("new"));
        assert_eq!(request.imp[0].rwdd, Some(Flag(0)));
    });
    // The copy for older partners stays as it came.
    assert_eq!(
        rewritten(&body.to_string(), Keep::Known)["user"]["ext"]["consent"],
        "old"
    );
}

#[test]
fn an_older_place_is_refused_by_its_own_path() {
    for (body, field) in [
        (r#"{"regs":{"ext":{"gdpr":"x"}}}"#, "regs.ext.gdpr"),
        (
            r#"{"user":{"ext":{"eids":[{"uids":[{"atype":[]}]}]}}}"#,
            "user.ext.eids[0].uids[0].atype",
        ),
        (r#"{"imp":[{"ext":{"rwdd":{}}}]}"#, "imp[0].ext.rwdd"),
        (
            r#"{"imp":[{},{"video":{"ext":{"rewarded":"x"}}}]}"#,
            "imp[1].video.ext.rewarded",
        ),
    ] {
        assert_eq!(fault_of(body.as_bytes()).field, field);
    }
}

#[test]
fn numbers_that_are_none_are_refused_with_their_field() {
    for number in [
        "\"NaN\"",
        "\"Infinity\"",
        "\"-inf\"",
        "\"1e400\"",
        "\"\"",
        "\"1,5\"",
        "[]",
        "{}",
        "true",
    ] {
        let body = format!(r#"{{"imp":[{{"bidfloor":{number}}}]}}"#);
        if number == "[]" || number == "{}" {
            assert!(
                matches!(fault_of(body.as_bytes()).problem, Problem::Type { .. }),
                "{number}"
            );
        }
        assert_eq!(
            fault_of(body.as_bytes()).field,
            "imp[0].bidfloor",
            "{number}"
        );
    }
    for number in [
        "1.5",
        "\"x\"",
        "1e300",
        "9223372036854775808",
        "\"9223372036854775808\"",
    ] {
        let body = format!(r#"{{"tmax":{number}}}"#);
        assert_eq!(fault_of(body.as_bytes()).field, "tmax", "{number}");
    }
    // Not JSON at all, or a number beyond every float: the whole message is refused.
    for number in [
        "NaN",
        "Infinity",
        "-Infinity",
        "1e400",
        "-1e400",
        "+1",
        "01",
        "0x1",
    ] {
        let body = format!(r#"{{"id":"1","imp":[{{"bidfloor":{number}}}]}}"#);
        let fault = fault_of(body.as_bytes());
        assert!(
            matches!(fault.problem, Problem::Syntax { at, .. } if at > 0)
                || fault.field == "imp[0].bidfloor",
            "{number}: {fault}"
        );
    }
}

#[test]
fn big_integers_in_unknown_fields_keep_their_value() {
    for number in [
        "9223372036854775807",
        "-9223372036854775808",
        "18446744073709551615",
    ] {
        let body = format!(r#"{{"x":{number},"ext":{{"y":[{number}]}}}}"#);
        let again = rewritten(&body, Keep::All);
        assert_eq!(again["x"].to_string(), number);
        assert_eq!(again["ext"]["y"][0].to_string(), number);
    }
    // Beyond 64 bits only the value as a float is kept.
    let again = rewritten(r#"{"x":123456789012345678901234567890}"#, Keep::All);
    assert_eq!(
        again["x"].as_f64(),
        Some(123_456_789_012_345_678_901_234_567_890.0)
    );
}

#[test]
fn the_last_of_duplicate_keys_counts() {
    let body = r#"{"id":"a","id":"b","imp":[{"id":"1"}],"imp":[{"id":"2"}],
        "user":{"ext":{"consent":"old","consent":"new"}}}"#;
    let mut scratch = Scratch::default();
    let request: BidRequest = scratch
        .decode(body.as_bytes(), Limits::default(), Keep::All)
        .unwrap();
    assert_eq!(request.id, Some("b"));
    assert_eq!(request.imp.len(), 1);
    assert_eq!(request.imp[0].id, Some("2"));
    assert_eq!(request.user.unwrap().consent.unwrap().0, "new");
}

/// Puts an unknown member into every object of the message.
fn mark(json: &mut Json, count: &mut usize) {
    match json {
        Json::Object(members) => {
            for (_, value) in members.iter_mut() {
                mark(value, count);
            }
            *count += 1;
            members.insert(
                "x\"\\\n\u{1}é".into(),
                json!({"a": [1, null, -0.5, "é\u{7}"], "b": {}}),
            );
        }
        Json::Array(items) => items.iter_mut().for_each(|item| mark(item, count)),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
    }
}

fn marks(json: &Json) -> usize {
    json.to_string().matches("-0.5").count()
}

const SAMPLES: [&str; 5] = [
    include_str!("../../fixtures/openrtb/banner.json"),
    include_str!("../../fixtures/openrtb/multi_imp.json"),
    include_str!("../../fixtures/openrtb/native.json"),
    include_str!("../../fixtures/openrtb/older.json"),
    include_str!("../../fixtures/openrtb/video_app.json"),
];

#[test]
fn unknown_fields_are_kept_at_every_level_or_dropped() {
    for sample in SAMPLES {
        let mut body: Json = serde_json::from_str(sample).unwrap();
        let mut objects = 0;
        mark(&mut body, &mut objects);
        let kept = rewritten(&body.to_string(), Keep::All);
        // Two objects of `schain` and two of `eids` are written at their newer place too.
        let promoted = if sample == SAMPLES[3] { 4 } else { 0 };
        assert_eq!(marks(&kept), objects + promoted, "{kept}");
        // `ext` is a known field: what is under it stays, also when unknown fields are dropped.
        let dropped = rewritten(&body.to_string(), Keep::Known);
        assert!(marks(&dropped) < objects);
        assert!(dropped.get("x\"\\\n\u{1}é").is_none());
        let plain: Json = serde_json::from_str(sample).unwrap();
        let known = rewritten(sample, Keep::Known);
        for key in known.as_object().unwrap().keys() {
            assert!(plain.get(key).is_some(), "{key} came from nowhere");
        }
    }
}
