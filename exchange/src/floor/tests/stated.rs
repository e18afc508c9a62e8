//! What a request says under `ext.prebid.floors`, alone and beside a publisher's file.

use super::*;

const FILE: &str = r#"{"floorMin":0.5,"enforcement":{"floorDeals":true},"data":{"currency":"EUR",
    "modelGroups":[{"default":1}]}}"#;

fn with(file: Option<&str>, floors: &str, imp: &str) -> Found {
    let publisher = publisher(file.map(|file| parse(file).unwrap().floors));
    let request = format!(
        r#"{{"id":"1","imp":[{{"id":"1"{imp}}}],"ext":{{"prebid":{{"floors":{floors}}}}}}}"#
    );
    plan_floor(&publisher, &request, None, None, 1).unwrap()
}

#[test]
fn a_requests_rules_apply_where_the_publisher_has_none() {
    let rules = r#"{"floorMin":0.2,"floorMinCur":"EUR","data":{"currency":"EUR","modelGroups":[
        {"schema":{"fields":["mediaType"]},"values":{"banner":3,"native":0.1,"a|b":9}}]}}"#;
    assert_eq!(with(None, rules, r#","banner":{}"#).source, "banner");
    let lifted = with(None, rules, r#","native":{}"#);
    assert_eq!(lifted.enforced, Cpm(200_000));
    let own = with(None, rules, r#","audio":{},"bidfloor":1.25"#);
    assert_eq!(
        (own.enforced, own.source.as_str()),
        (Cpm(1_000_000), "Request")
    );
    assert_eq!(with(Some(FILE), rules, r#","banner":{}"#).source, "Default");
    let endpoint = r#"{"floorEndpoint":{"url":"http://floors.example/"}}"#;
    let waiting = with(Some(endpoint), rules, r#","banner":{}"#);
    assert_eq!(waiting.source, "banner", "nothing was fetched yet");
}

#[test]
fn both_must_be_enabled_and_a_callers_skip_stands() {
    let price = |floors: &str| with(Some(FILE), floors, r#","bidfloor":0.125"#).signalled;
    assert_eq!(price("{}"), Cpm(1_000_000));
    assert_eq!(price(r#"{"enabled":true,"skipped":false}"#), Cpm(1_000_000));
    assert_eq!(price(r#"{"enabled":false}"#), Cpm(100_000));
    assert_eq!(price(r#"{"skipped":true}"#), Cpm(100_000));
    let off = r#"{"enabled":false,"data":{"currency":"EUR","modelGroups":[{"default":1}]}}"#;
    let floor = with(Some(off), r#"{"enabled":true}"#, "");
    assert_eq!(floor.signalled, Cpm(0));
}

#[test]
fn the_imps_least_price_goes_before_the_requests_and_that_before_the_files() {
    let price = |floors: &str, imp: &str| with(Some(FILE), floors, imp).signalled.0;
    let of_imp = |floors: &str| format!(r#","ext":{{"prebid":{{"floors":{floors}}}}}"#);
    assert_eq!(price(r#"{"floorMin":2}"#, ""), 2_000_000);
    assert_eq!(
        price(r#"{"floorMin":2,"floorMinCur":"USD"}"#, ""),
        1_600_000
    );
    let imp = of_imp(r#"{"floorMin":3}"#);
    assert_eq!(
        price(r#"{"floorMin":2,"floorMinCur":"EUR"}"#, &imp),
        3_000_000
    );
    assert_eq!(
        price(r#"{"floorMin":2,"floorMinCur":"USD"}"#, &imp),
        2_400_000
    );
    let imp = of_imp(r#"{"floorMin":1.5,"floorMinCur":"EUR"}"#);
    assert_eq!(
        price(r#"{"floorMin":2,"floorMinCur":"USD"}"#, &imp),
        1_500_000
    );
    assert_eq!(price("{}", &of_imp(r#"{"floorMin":-1}"#)), 1_000_000);
}

#[test]
fn a_requests_enforcement_is_merged() {
    let held = |file: Option<&str>, enforcement: &str| {
        let data = r#""data":{"modelGroups":[{"default":1}]}"#;
        let floors = format!(r#"{{"enforcement":{enforcement},{data}}}"#);
        let floor = with(file, &floors, "");
        assert!(floor.signalled > Cpm(0));
        (floor.enforced > Cpm(0), floor.deals > Cpm(0))
    };
    let file = Some(FILE);
    assert_eq!(held(file, "{}"), (true, true));
    assert_eq!(held(file, r#"{"floorDeals":false}"#), (true, false));
    assert_eq!(held(file, r#"{"enforcePBS":false}"#), (false, false));
    assert_eq!(held(file, r#"{"enforceRate":0}"#), (false, false));
    let exempt = Some(r#"{"data":{"modelGroups":[{"default":1}]}}"#);
    assert_eq!(
        held(exempt, r#"{"floorDeals":true}"#),
        (true, false),
        "the publisher exempts deals"
    );
    let never = Some(r#"{"enforcement":{"enforceRate":0},"data":{"modelGroups":[{"default":1}]}}"#);
    assert_eq!(held(never, r#"{"enforceRate":100}"#), (false, false));
    assert_eq!(held(None, r#"{"floorDeals":true}"#), (true, true));
    assert_eq!(held(None, "{}"), (true, false));
}

#[test]
fn a_publisher_may_refuse_what_requests_say() {
    let file = r#"{"gavel":{"request":"ignore"},"data":{"currency":"EUR",
        "modelGroups":[{"default":1}]}}"#;
    let imp = r#","ext":{"prebid":{"floors":{"floorMin":9}}}"#;
    for floors in [
        r#"{"enabled":false}"#,
        r#"{"floorMin":5}"#,
        r#"{"skipped":true}"#,
    ] {
        let floor = with(Some(file), floors, imp);
        assert_eq!(
            (floor.enforced, floor.signalled),
            (Cpm(1_000_000), Cpm(1_000_000))
        );
    }
    let bare = r#"{"gavel":{"request":"ignore"}}"#;
    let rules = r#"{"data":{"modelGroups":[{"default":1}]}}"#;
    assert_eq!(with(Some(bare), rules, "").signalled, Cpm(0));
}

/// What cannot be read is as if it were not there: a request is never refused for its floors.
#[test]
fn nonsense_says_nothing() {
    for floors in [
        "7",
        "[]",
        r#""x""#,
        r#"{"enabled":"no","floorMin":"1","skipRate":200,"enforcement":[]}"#,
        r#"{"data":{"modelGroups":[{"default":-1}]}}"#,
    ] {
        let floor = with(Some(FILE), floors, r#","ext":{"prebid":{"floors":3}}"#);
        assert_eq!(floor.enforced, Cpm(1_000_000), "{floors}");
        assert_eq!(with(None, floors, "").signalled, Cpm(0), "{floors}");
    }
}

#[test]
fn a_requests_rules_are_bounded() {
    let rules = |count: usize| {
        let rules: Vec<String> = (0..count).map(|rule| format!(r#""{rule}x1":1"#)).collect();
        let rules = rules.join(",");
        format!(
            r#"{{"data":{{"modelGroups":[{{"schema":{{"fields":["size"]}},"default":1,
            "values":{{{rules}}}}}]}}}}"#
        )
    };
    assert_eq!(with(None, &rules(MAX_STATED_RULES), "").source, "Default");
    assert_eq!(
        with(None, &rules(MAX_STATED_RULES + 1), "").source,
        "Request"
    );
}
