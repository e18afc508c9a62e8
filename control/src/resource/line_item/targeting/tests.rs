use super::*;
use crate::model::Model;
use bidder::catalog::Kind;
use serde_json::{Value as Json, json};

/// Targeting that says something about everything.
fn everything() -> Json {
    serde_json::from_str(
        r#"{
        "audience": {"include": [["s1", "s2"], ["s3"]], "exclude": ["s4"], "missing": "skip"},
        "formats": ["banner", "video", "audio"],
        "sizes": {"include": ["300x250"], "exclude": ["728x90"], "missing": "serve"},
        "hours": [{"days": ["mon"], "from": 9, "to": 18}],
        "apps": {"include": ["com.news"], "exclude": [], "missing": "serve"},
        "metrics": [
            {"type": "ctr", "include": [{"from": 10}], "exclude": [], "missing": "serve"}
        ],
        "ext": [{"path": "imp.ext.data.section", "include": ["sport", 5, true], "exclude": []}],
        "exchanges": ["demo"],
        "geo": {"include": ["FRA", "DEU-BE"], "exclude": ["FRA-IDF"], "missing": "serve"},
        "metros": ["501"],
        "cities": ["FRA:Le Mans"],
        "postal_codes": {"include": ["FRA:75*"], "exclude": ["FRA:75001"]},
        "radius": [{"lat": 48.8566, "lon": 2.3522, "radius_m": 25000}],
        "user_hours": {"include": [{"days": [], "from": 7, "to": 10}], "exclude": [], "missing": "serve"},
        "sites": {"include": ["news.example"], "exclude": ["bad.news.example"]},
        "publishers": ["pub_1"],
        "devices": ["phone", "tablet"],
        "makes": ["Apple"],
        "models": {"include": [], "exclude": ["iPhone 5"]},
        "operating_systems": [{"name": "iOS", "from": "15", "to": "17.2"}, "Android"],
        "browsers": {"include": [], "exclude": [{"name": "Chrome", "to": "90"}], "missing": "skip"},
        "carriers": ["Orange"],
        "connections": ["wifi", "5g"],
        "languages": ["fr"],
        "seats": ["s1"],
        "supply_nodes": [{"to": 2}],
        "supply_complete": true,
        "supply_members": {"include": [], "exclude": ["bad.example", "ssp.example/7"]},
        "categories": {"include": ["IAB2", "6:483"], "exclude": ["IAB2-3"], "missing": "serve"},
        "sections": ["IAB2"],
        "page_categories": ["IAB2-1"],
        "keywords": ["cars"],
        "content_genres": ["drama", "9:12"],
        "content_ratings": ["TV-PG"],
        "content_media_ratings": ["over_12"],
        "content_livestream": false,
        "content_series": ["The Show"],
        "content_channels": ["ch1"],
        "content_networks": ["net1"],
        "content_lengths": [{"from": 600}],
        "content_languages": ["fr"],
        "content_contexts": ["video"],
        "venues": {"include": ["1:205"], "exclude": [], "missing": "serve"},
        "placements": ["top"],
        "positions": ["above_the_fold"],
        "interstitial": false,
        "rewarded": true,
        "ratios": ["16:9"],
        "deals": {"include": [], "exclude": ["d1"]},
        "player_widths": [{"from": 400}],
        "video_durations": [{"from": 15, "to": 30}],
        "video_plcmt": ["instream"],
        "video_protocols": [2, 3],
        "video_linearity": ["linear"],
        "video_skippable": false,
        "video_playback": ["click"],
        "video_start_delays": ["pre_roll", "mid_roll"],
        "audio_durations": [{"to": 30}],
        "audio_protocols": [9],
        "audio_start_delays": ["pre_roll"],
        "audio_feeds": ["podcast"],
        "viewability": {"include": [{"from": 60}], "exclude": [], "missing": "serve"}
    }"#,
    )
    .unwrap()
}

fn read(body: &Json) -> Result<Targeting, Vec<(String, String)>> {
    let mut faults = Vec::new();
    let read = Targeting::read(body, "/targeting", &mut faults);
    if let Some(targeting) = &read {
        targeting.check("/targeting", &mut faults);
    }
    let told = faults
        .into_iter()
        .map(|fault| (fault.pointer, fault.detail));
    let told: Vec<(String, String)> = told.collect();
    match read {
        Some(targeting) if told.is_empty() => Ok(targeting),
        _ => Err(told),
    }
}

#[test]
fn every_dimension_has_its_field() {
    for dimension in Dimension::ALL {
        if dimension.kind() == Kind::Apart {
            continue;
        }
        let field = FIELDS.iter().find(|(_, known)| known == dimension);
        assert_eq!(
            field.map(|(name, _)| *name),
            Some(dimension.label()),
            "{dimension:?}"
        );
    }
}

#[test]
fn targeting_is_kept_as_it_was_written_and_compiled_whole() {
    let body = everything();
    let targeting = read(&body).unwrap();
    assert_eq!(targeting.write(), body);
    let rules = targeting.rules();
    for dimension in Dimension::ALL {
        let apart = dimension.kind() == Kind::Apart;
        assert_eq!(
            rules.contains_key(&Subject::Of(*dimension)),
            !apart,
            "{dimension:?}"
        );
    }
    for (subject, rule) in &rules {
        assert!(!rule.is_open(), "{subject}");
        for value in rule.include.iter().chain(&rule.exclude) {
            assert!(value.is_of(subject.kind()), "{subject} {value:?}");
        }
    }
    let of = |dimension: Dimension| &rules[&dimension.into()];
    let text = |text: &str| Value::Text(text.to_owned());
    let inventory = [text("news.example"), Value::Bundle("com.news".to_owned())];
    assert_eq!(of(Dimension::Inventory).include, inventory);
    assert_eq!(of(Dimension::Inventory).missing(), bid::Missing::Serve);
    assert_eq!(
        of(Dimension::Category).include,
        [text("1:IAB2"), text("6:483")]
    );
    assert_eq!(of(Dimension::Ratio).include, [Value::Code(16 << 32 | 9)]);
    assert_eq!(
        of(Dimension::Viewability).include,
        [Value::Numbers(600, u32::MAX)]
    );
    assert_eq!(
        of(Dimension::DeviceType).include,
        [1, 4, 5].map(Value::Code)
    );
    let ext = Subject::Ext("imp.ext.data.section".parse().unwrap());
    assert_eq!(rules[&ext].include, ["sport", "5", "true"].map(text));
}

#[test]
fn every_fault_is_named_by_its_pointer() {
    for (body, pointer, says) in [
        (json!({"sizes": []}), "/sizes", "restricts nothing"),
        (json!({"geo": {}}), "/geo", "restricts nothing"),
        (
            json!({"geo": {"missing": "serve"}}),
            "/geo",
            "restricts nothing",
        ),
        (json!({"geo": "FRA"}), "/geo", "a list"),
        (
            json!({"geo": {"inclued": ["FRA"]}}),
            "/geo/inclued",
            "did you mean `include`",
        ),
        (json!({"geo": ["FR"]}), "/geo/0", "alpha-3"),
        (
            json!({"geo": {"include": ["FRA"], "exclude": ["FRA"]}}),
            "/geo/include/0",
            "excluded",
        ),
        (
            json!({"geo": {"include": ["FRA-IDF"], "exclude": ["FRA"]}}),
            "/geo/include/0",
            "excluded",
        ),
        (
            json!({"geo": {"include": ["FRA"], "missing": "maybe"}}),
            "/geo/missing",
            "serve, skip",
        ),
        (
            json!({"geo": ["FRA"], "cities": ["USA:Paris"]}),
            "/cities/0",
            "outside",
        ),
        (
            json!({"geo": {"exclude": ["FRA"]}, "postal_codes": {"include": ["FRA:75*"]}}),
            "/postal_codes/include/0",
            "outside",
        ),
        (json!({"cities": ["Paris"]}), "/cities/0", "a country"),
        (
            json!({"postal_codes": {"include": ["FRA:75001"], "exclude": ["FRA:75*"]}}),
            "/postal_codes/include/0",
            "excluded",
        ),
        (
            json!({"sites": {"include": ["a.news.example"], "exclude": ["news.example"]}}),
            "/sites/include/0",
            "excluded",
        ),
        (
            json!({"sites": {"exclude": ["a.b"], "missing": "skip"},
                "apps": {"exclude": ["x"], "missing": "serve"}}),
            "/apps/missing",
            "one list",
        ),
        (
            json!({"sites": ["a.b"], "venues": ["1:2"]}),
            "/venues",
            "never both",
        ),
        (json!({"categories": ["10:4"]}), "/categories/0", "taxonomy"),
        (json!({"categories": ["Cars"]}), "/categories/0", "IAB2"),
        (
            json!({"categories": {"include": ["IAB2-3"], "exclude": ["IAB2"]}}),
            "/categories/include/0",
            "excluded",
        ),
        (json!({"languages": ["french"]}), "/languages/0", "639-1"),
        (
            json!({"devices": ["fridge"]}),
            "/devices/0",
            "phone, tablet",
        ),
        (
            json!({"connections": {"include": ["4g"], "exclude": ["cellular"]}}),
            "/connections/include/0",
            "excluded",
        ),
        (
            json!({"rewarded": {"exclude": [true, false]}}),
            "/rewarded/exclude",
            "everything",
        ),
        (json!({"rewarded": 1}), "/rewarded", "a list"),
        (
            json!({"operating_systems": [{"name": "iOS", "from": "x"}]}),
            "/operating_systems/0/from",
            "a version",
        ),
        (
            json!({"operating_systems": [{"name": "iOS", "from": "17", "to": "16"}]}),
            "/operating_systems/0/to",
            "at least from",
        ),
        (
            json!({"operating_systems": {"include": [{"name": "iOS", "to": "15"}], "exclude": ["ios"]}}),
            "/operating_systems/include/0",
            "excluded",
        ),
        (
            json!({"radius": [{"lat": 91, "lon": 0, "radius_m": 500}]}),
            "/radius/0/lat",
            "degrees",
        ),
        (
            json!({"radius": [{"lat": 9, "lon": 0, "radius_m": 1}]}),
            "/radius/0/radius_m",
            "100",
        ),
        (
            json!({"content_lengths": [{}]}),
            "/content_lengths/0",
            "from, to",
        ),
        (
            json!({"content_lengths": [{"from": 9, "to": 3}]}),
            "/content_lengths/0/to",
            "at least",
        ),
        (
            json!({"viewability": [{"from": 101}]}),
            "/viewability/0/from",
            "0 to 100",
        ),
        (json!({"ratios": ["16/9"]}), "/ratios/0", "16:9"),
        (
            json!({"formats": ["video"], "sizes": ["300x250"]}),
            "/sizes",
            "banners",
        ),
        (
            json!({"formats": ["banner"], "video_plcmt": ["instream"]}),
            "/video_plcmt",
            "video",
        ),
        (
            json!({"formats": {"exclude": ["audio"]}, "audio_feeds": ["music"]}),
            "/audio_feeds",
            "audio",
        ),
        (json!({"audience": {}}), "/audience", "restricts nothing"),
        (
            json!({"audience": {"include": [["a"]], "exclude": ["a"]}}),
            "/audience/include/0",
            "excluded",
        ),
        (
            json!({"hours": [{"from": 9, "to": 9}]}),
            "/hours/0/to",
            "after from",
        ),
        (
            json!({"user_hours": {"exclude": [{"from": 9, "to": 3}]}}),
            "/user_hours/exclude/0/to",
            "after from",
        ),
        (
            json!({"ext": [{"path": "imp.x", "include": [1]}]}),
            "/ext/0/path",
            "below an ext",
        ),
        (
            json!({"ext": [{"include": [1]}]}),
            "/ext/0/path",
            "required",
        ),
        (
            json!({"ext": [{"path": "ext.a", "include": [0.5]}]}),
            "/ext/0/include/0",
            "whole number",
        ),
        (
            json!({"ext": [{"path": "ext.a"}]}),
            "/ext/0",
            "restricts nothing",
        ),
        (
            json!({"ext": [{"path": "ext.a", "include": [1]}, {"path": "ext.a", "include": [2]}]}),
            "/ext/1/path",
            "a rule already",
        ),
        (
            json!({"metrics": [{"type": "x", "include": [{}]}]}),
            "/metrics/0/include/0",
            "from, to",
        ),
    ] {
        let faults = read(&body).unwrap_err();
        let [(at, detail)] = faults.as_slice() else {
            panic!("{body}: {faults:?}")
        };
        assert_eq!(at, &format!("/targeting{pointer}"), "{body}: {detail}");
        assert!(detail.contains(says), "{body}: {detail}");
    }
}

#[test]
fn policies_keep_rules_from_contradicting_each_other() {
    for body in [
        json!({"geo": {"include": ["FRA"], "missing": "serve"}, "cities": ["USA:Paris"]}),
        json!({"formats": ["banner"], "video_plcmt": {"include": ["instream"], "missing": "serve"}}),
        json!({"sites": {"exclude": ["a.b"]}, "venues": ["1:2"]}),
        json!({"deals": {"missing": "skip"}}),
    ] {
        assert_eq!(read(&body).err(), None, "{body}");
    }
}
