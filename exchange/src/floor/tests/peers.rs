//! Where the schema's best known implementations differ from what it says, the exchange does
//! what it says. The order of more than five fields is tested with the rules, the rates and
//! weights with the draws, and floors of deals with the screening.

use super::*;

fn price(file: &str, imp: &str, rest: &str) -> i64 {
    let request = format!(r#"{{"id":"1","imp":[{{"id":"1"{imp}}}]{rest}}}"#);
    floor_of(file, &request, None).unwrap().signalled.0
}

fn rules(field: &str, values: &str) -> String {
    format!(
        r#"{{"data":{{"currency":"EUR","modelGroups":[{{"default":0.1,
        "schema":{{"fields":["{field}"]}},"values":{{{values}}}}}]}}}}"#
    )
}

/// Java's patterns must match the whole user agent, so that every real phone is a desktop.
#[test]
fn real_user_agents_are_phones_tablets_and_desktops() {
    let file = rules("deviceType", r#""phone":1,"tablet":2,"desktop":3"#);
    for (agent, expected) in [
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 \
             (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
            1,
        ),
        (
            "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) \
             Chrome/126.0.0.0 Mobile Safari/537.36",
            1,
        ),
        (
            "Mozilla/5.0 (iPad; CPU OS 16_6 like Mac OS X) AppleWebKit/605.1.15 \
             (KHTML, like Gecko) Version/16.6 Mobile/15E148 Safari/604.1",
            2,
        ),
        (
            "Mozilla/5.0 (Linux; Android 13; SM-X200) AppleWebKit/537.36 (KHTML, like Gecko) \
             Chrome/126.0.0.0 Safari/537.36",
            2,
        ),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
             Chrome/126.0.0.0 Safari/537.36",
            3,
        ),
        ("something/1.0", 3),
    ] {
        let device = format!(r#","device":{{"ua":"{agent}"}}"#);
        assert_eq!(price(&file, "", &device), expected * 1_000_000, "{agent}");
    }
    assert_eq!(price(&file, "", r#","device":{}"#), 100_000);
    let television = r#","device":{"devicetype":3,"ua":"Roku4640X/DVP-7.70"}"#;
    assert_eq!(price(&file, "", television), 3_000_000);
    let stated = r#","device":{"devicetype":5,"ua":"Mozilla/5.0 (Macintosh)"}"#;
    assert_eq!(
        price(&file, "", stated),
        2_000_000,
        "an iPad that says Macintosh"
    );
}

/// Java takes a video without a word for in-stream, and none of them reads `plcmt`.
#[test]
fn plcmt_decides_what_is_instream() {
    let file = rules("mediaType", r#""video":2,"video-outstream":1"#);
    let price = |video: &str| price(&file, &format!(r#","video":{{{video}}}"#), "");
    assert_eq!(price(""), 1_000_000);
    assert_eq!(price(r#""placement":1"#), 2_000_000);
    assert_eq!(price(r#""plcmt":1"#), 2_000_000);
    assert_eq!(price(r#""plcmt":1,"placement":3"#), 2_000_000);
    assert_eq!(price(r#""plcmt":2,"placement":1"#), 1_000_000);
    assert_eq!(price(r#""plcmt":4"#), 1_000_000);
}

/// In Go the rule that wins among equals follows the random order of a map.
#[test]
fn rules_that_say_the_same_are_told_and_decide_alike() {
    let values = r#""Video":2,"video":1,"VIDEO-instream":3"#;
    let file = rules("mediaType", values);
    assert_eq!(parse(&file).unwrap_err().len(), 2);
    let read = || {
        let (data, notes) = parse_data(file.as_bytes(), 10).unwrap();
        assert_eq!(notes.len(), 2);
        let floors = Floors {
            data: Some(data.into()),
            ..Floors::default()
        };
        let publisher = publisher(Some(floors));
        let request = r#"{"id":"1","imp":[{"id":"1","video":{"plcmt":1}}]}"#;
        plan_floor(&publisher, request, None, None, 1).unwrap()
    };
    for _ in 0..20 {
        assert_eq!(read().source, "VIDEO-instream", "the first by alphabet");
    }
}

/// In Go bids of up to 0.01 under the floor pass; the floor that is enforced here is the one
/// that is signalled.
#[test]
fn what_is_signalled_is_what_is_enforced() {
    for micros in [1_i64, 99, 100, 12_345, 1_000_049, 1_000_051] {
        let default = micros as f64 / 1_000_000.0;
        let file =
            format!(r#"{{"data":{{"currency":"EUR","modelGroups":[{{"default":{default}}}]}}}}"#);
        let floor = floor_of(&file, r#"{"id":"1","imp":[{"id":"1"}]}"#, None).unwrap();
        assert_eq!(floor.signalled, floor.enforced);
        assert!(
            (floor.enforced.0 - micros).abs() <= 50,
            "{micros}: {floor:?}"
        );
    }
}
