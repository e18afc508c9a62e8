//! Tests of what is taken, what is left out and what is refused.

use super::*;
use crate::floor::Group;
use ledger::Cpm;
use proptest::prelude::*;

fn pointers(faults: Vec<Invalid>) -> Vec<String> {
    let mut pointers: Vec<String> = faults.into_iter().map(|fault| fault.field).collect();
    pointers.sort();
    pointers
}

fn groups(floors: &Floors) -> &[Group] {
    &floors.data.as_ref().unwrap().groups
}

#[test]
fn a_file_is_taken_whole_or_as_its_data() {
    let data = r#"{"currency":"EUR","floorsSchemaVersion":2,"modelGroups":[{"modelVersion":"v",
        "schema":{"fields":["mediaType","size"]},"values":{"banner|*":1.5},"default":0.3}]}"#;
    let whole = format!(r#"{{"floorMin":0.1,"skipRate":5,"data":{data}}}"#);
    let floors = parse(&whole).unwrap().floors;
    assert_eq!(groups(&floors).len(), 1);
    assert_eq!(groups(&floors)[0].skip_percent, None);
    assert_eq!(floors.skip_percent, 5);
    assert_eq!(floors.min, Some(Cpm(100_000)));
    let floors = parse(data).unwrap().floors;
    assert_eq!(groups(&floors)[0].rules.len(), 1);
    let (alone, notes) = parse_data(data.as_bytes(), 10).unwrap();
    assert_eq!((alone.groups.len(), notes.len()), (1, 0));
    let (inner, _) = parse_data(whole.as_bytes(), 10).unwrap();
    assert_eq!(inner.groups[0].default, Some(Cpm(300_000)));
}

#[test]
fn every_fault_is_told_with_its_pointer() {
    let text = r#"{"enabled":"yes","skipRate":101,"surprise":1,"enforcement":{"x":1},
        "floorEndpoint":{"url":"ftp://x/","period_sec":10,"timeout_ms":0},
        "gavel":{"basis":"both","timezone":1},
        "data":{"currency":"euro","useFetchDataRate":-1,"modelGroups":[
            {"modelWeight":0,"schema":{"fields":["planet","size","size"],"delimiter":"||"},
             "values":{"a/b":-1},"default":1e9},
            {"values":{}},
            {"schema":{"fields":["size","hour"]},"noFloorSignalBidders":"all",
             "values":{"a":1,"a|b|c":1,"*|24":1,"b|3":1,"B|03":2,"c|*":null}}]}}"#;
    assert_eq!(
        pointers(parse(text).unwrap_err()),
        [
            "/data/currency",
            "/data/modelGroups/0/default",
            "/data/modelGroups/0/modelWeight",
            "/data/modelGroups/0/schema/delimiter",
            "/data/modelGroups/0/schema/fields/0",
            "/data/modelGroups/0/schema/fields/2",
            "/data/modelGroups/0/values/a~1b",
            "/data/modelGroups/1/schema",
            "/data/modelGroups/2/noFloorSignalBidders",
            "/data/modelGroups/2/values/*|24",
            "/data/modelGroups/2/values/a",
            "/data/modelGroups/2/values/a|b|c",
            "/data/modelGroups/2/values/b|3",
            "/data/modelGroups/2/values/c|*",
            "/data/useFetchDataRate",
            "/enabled",
            "/enforcement/x",
            "/floorEndpoint/period_sec",
            "/floorEndpoint/timeout_ms",
            "/floorEndpoint/url",
            "/gavel/basis",
            "/gavel/timezone",
            "/skipRate",
            "/surprise",
        ]
    );
    assert_eq!(parse("[").unwrap_err().len(), 1);
    assert_eq!(parse("[]").unwrap_err()[0].problem, "expected an object");
}

#[test]
fn messages_say_what_is_allowed() {
    let of = |values: &str| {
        let text = format!(
            r#"{{"modelGroups":[{{"schema":{{"fields":["size","weekday"]}},"values":{values}}}]}}"#
        );
        parse(&text).unwrap_err().remove(0).problem
    };
    assert_eq!(of(r#"{"a":1}"#), "the rule has 1 parts for 2 fields");
    assert_eq!(
        of(r#"{"a|mon":-1}"#),
        "expected a price of 0 or more, found -1"
    );
    assert_eq!(
        of(r#"{"a|day":1}"#),
        "part 2 never matches, expected * or one of mon, tue, wed, thu, fri, sat, sun"
    );
}

/// The schema says that such rules are ignored; what others send keeps working without them.
#[test]
fn others_files_work_without_what_is_of_no_use() {
    let text = r#"{"surprise":1,"modelGroups":[
        {"modelVersion":"kept","schema":{"fields":["size","country"]},
         "values":{"a":1,"b|fra":2,"c|fra":-2,"d|fra":null}},
        {"modelVersion":"weight","modelWeight":101,"default":1},
        {"modelVersion":"field","schema":{"fields":["planet"]},"values":{"mars":1}}]}"#;
    let (data, notes) = parse_data(text.as_bytes(), 100).unwrap();
    let versions: Vec<&str> = data.groups.iter().map(|group| &*group.version).collect();
    assert_eq!(versions, ["kept"]);
    assert_eq!(data.groups[0].rules.len(), 1);
    assert_eq!(
        pointers(notes),
        [
            "/modelGroups/0/values/a",
            "/modelGroups/0/values/c|fra",
            "/modelGroups/0/values/d|fra",
            "/modelGroups/1/modelWeight",
            "/modelGroups/2/schema/fields/0",
            "/surprise",
        ]
    );
    let nothing = r#"{"modelGroups":[{"modelWeight":101,"default":1}]}"#;
    let faults = parse_data(nothing.as_bytes(), 100).unwrap_err();
    assert_eq!(pointers(faults), ["/modelGroups/0/modelWeight"]);
    for empty in [r#"{"modelGroups":[]}"#, "{}", "7", "<html>"] {
        assert!(!parse_data(empty.as_bytes(), 100).unwrap_err().is_empty());
    }
}

fn with_rules(count: usize) -> String {
    let rules: Vec<String> = (0..count).map(|rule| format!("\"r{rule}\":1")).collect();
    let rules = rules.join(",");
    format!(r#"{{"modelGroups":[{{"schema":{{"fields":["size"]}},"values":{{{rules}}}}}]}}"#)
}

#[test]
fn too_many_rules_are_refused_as_a_whole() {
    let most = parse(&with_rules(MAX_RULES)).unwrap().floors;
    assert_eq!(groups(&most)[0].rules.len(), MAX_RULES);
    let faults = parse(&with_rules(100_000)).unwrap_err();
    assert_eq!(faults.len(), 1);
    assert_eq!(faults[0].field, "/modelGroups/0/values");
    assert_eq!(faults[0].problem, "more than 10000 rules in a file");
    let faults = parse_data(with_rules(101).as_bytes(), 100).unwrap_err();
    assert_eq!(faults[0].problem, "more than 100 rules in a file");
    assert!(parse_data(with_rules(100).as_bytes(), 100).is_ok());
}

#[test]
fn the_faults_told_one_by_one_are_bounded() {
    let rules: Vec<String> = (0..1_000).map(|rule| format!("\"r{rule}\":-1")).collect();
    let rules = rules.join(",");
    let text =
        format!(r#"{{"modelGroups":[{{"schema":{{"fields":["size"]}},"values":{{{rules}}}}}]}}"#);
    let faults = parse(&text).unwrap_err();
    assert_eq!(faults.len(), 101);
    assert_eq!(faults[100].problem, "900 further faults are not shown");
}

#[test]
fn a_feed_has_the_limits_of_the_schema() {
    let text = r#"{"floorEndpoint":{"url":"http://floors.example/a?b","max_rules":50}}"#;
    let feed = parse(text).unwrap().floors.feed.unwrap();
    assert_eq!((feed.period_s, feed.max_age_s), (3_600, 86_400));
    assert_eq!((feed.timeout_ms, feed.max_bytes), (3_000, 102_400));
    assert_eq!((feed.max_rules, &*feed.endpoint.path), (50, "/a?b"));
}

proptest! {
    /// Whatever is in a file, it is read or told.
    #[test]
    fn any_file_is_read_or_told(at in 0_usize..400, length in 0_usize..60, put in ".{0,20}") {
        let text = r#"{"enabled":true,"floorMin":0.1,"floorMinCur":"EUR","skipRate":5,"gavel":{
            "basis":"net"},"enforcement":{"enforceRate":50,"noFloorSignalBidders":["a"]},
            "floorEndpoint":{"url":"http://f.example/"},"data":{"currency":"EUR","skipRate":0,
            "modelGroups":[{"modelWeight":3,"default":0.3,"schema":{"fields":["size","hour"],
            "delimiter":"^"},"values":{"300x250^*":1.5,"*^23":0.01}}]}}"#;
        let begin = at.min(text.len());
        let end = (begin + length).min(text.len());
        let text = format!("{}{put}{}", &text[..begin], &text[end..]);
        if let Err(faults) = parse(&text) {
            prop_assert!(!faults.is_empty());
            prop_assert!(faults.iter().all(|fault| !fault.problem.is_empty()));
        }
        if let Err(faults) = parse_data(text.as_bytes(), 10) {
            prop_assert!(!faults.is_empty());
        }
    }
}

/// Every `floors` object of the shared requests is read, and says what it says.
#[test]
fn the_shared_requests_floors_are_read() {
    let Ok(corpus) = std::env::var("GAVEL_CORPUS") else {
        eprintln!("SKIPPED: set GAVEL_CORPUS to the folder that has floors/in_requests.jsonl");
        return;
    };
    let path = std::path::Path::new(&corpus).join("floors/in_requests.jsonl");
    let mut cases = 0;
    for line in std::fs::read_to_string(&path).unwrap().lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let floors = &case["floors"];
        let parsed = parse_value(floors).map_err(pointers).unwrap().floors;
        assert_eq!(parsed.enabled, floors["enabled"] != Value::Bool(false));
        let given = floors["data"]["modelGroups"].as_array();
        for (index, group) in given.into_iter().flatten().enumerate() {
            let values = group["values"].as_object().unwrap();
            assert_eq!(groups(&parsed)[index].rules.len(), values.len());
            let silent = group["noFloorSignalBidders"].is_array();
            assert_eq!(groups(&parsed)[index].silent.is_some(), silent);
        }
        cases += 1;
    }
    assert!(cases > 0, "{} has no case", path.display());
}
