//! Tests of the values that a request has.

use super::*;
use openrtb::{Keep, Limits, Scratch};

fn value_of(field: Field, imp: &str, request: &str, local_s: i64) -> Option<String> {
    let text = format!(r#"{{"id":"1","imp":[{{"id":"1"{imp}}}]{request}}}"#);
    let mut scratch = Scratch::default();
    let request: BidRequest<'_> = scratch
        .decode(text.as_bytes(), Limits::default(), Keep::All)
        .unwrap();
    let subject = Subject {
        request: &request,
        imp: &request.imp[0],
        partner: Some("dsp_1"),
        local_s,
    };
    value(field, subject, &mut [0; 48]).map(str::to_owned)
}

fn of_imp(field: Field, imp: &str) -> Option<String> {
    value_of(field, imp, "", 0)
}

fn of_request(field: Field, request: &str) -> Option<String> {
    value_of(field, "", request, 0)
}

#[test]
fn sites_and_applications_are_known_by_their_domains() {
    let site = r#","site":{"domain":"a.example","publisher":{"domain":"p.example"}}"#;
    assert_eq!(
        of_request(Field::SiteDomain, site),
        Some("a.example".to_owned())
    );
    assert_eq!(
        of_request(Field::PubDomain, site),
        Some("p.example".to_owned())
    );
    assert_eq!(
        of_request(Field::Domain, site),
        Some("a.example".to_owned())
    );
    let bare = r#","site":{"domain":"","publisher":{"domain":"p.example"}}"#;
    assert_eq!(of_request(Field::SiteDomain, bare), None);
    assert_eq!(
        of_request(Field::Domain, bare),
        Some("p.example".to_owned())
    );
    let app = r#","app":{"bundle":"com.a","domain":"a.example","publisher":{"domain":"p"}}"#;
    assert_eq!(of_request(Field::Bundle, app), Some("com.a".to_owned()));
    assert_eq!(
        of_request(Field::SiteDomain, app),
        Some("a.example".to_owned())
    );
    assert_eq!(of_request(Field::PubDomain, app), Some("p".to_owned()));
    let channel = r#","ext":{"prebid":{"channel":{"name":"pbjs"}}}"#;
    assert_eq!(of_request(Field::Channel, channel), Some("pbjs".to_owned()));
    let country = r#","device":{"geo":{"country":"FRA"}}"#;
    assert_eq!(of_request(Field::Country, country), Some("FRA".to_owned()));
    assert_eq!(of_request(Field::Country, ""), None);
}

#[test]
fn the_size_is_the_only_format_else_the_banners_else_the_videos() {
    let size = |imp: &str| of_imp(Field::Size, imp);
    let banner = |inner: &str| size(&format!(r#","banner":{{{inner}}}"#));
    let two = r#""format":[{"w":300,"h":250},{"w":728,"h":90}]"#;
    assert_eq!(
        banner(r#""format":[{"w":300,"h":250}],"w":1,"h":1"#),
        Some("300x250".to_owned())
    );
    assert_eq!(banner(two), None);
    assert_eq!(
        banner(&format!(r#"{two},"w":970,"h":250"#)),
        Some("970x250".to_owned())
    );
    assert_eq!(
        banner(r#""format":[{"wratio":4,"hratio":3}],"w":4,"h":3"#),
        Some("4x3".to_owned())
    );
    assert_eq!(banner(r#""w":0,"h":0"#), None);
    assert_eq!(
        size(r#","video":{"w":640,"h":360}"#),
        Some("640x360".to_owned())
    );
    let both = r#","banner":{},"video":{"w":640,"h":360}"#;
    assert_eq!(size(both), Some("640x360".to_owned()));
    assert_eq!(size(r#","native":{}"#), None);
}

#[test]
fn slots_and_codes_have_their_precedence() {
    let slot = |ext: &str| of_imp(Field::GptSlot, &format!(r#","ext":{{"data":{{{ext}}}}}"#));
    let gam = r#""adserver":{"name":"gam","adslot":"/1/gam"},"pbadslot":"/1/pb""#;
    assert_eq!(slot(gam), Some("/1/gam".to_owned()));
    let other = r#""adserver":{"name":"other","adslot":"/1/x"},"pbadslot":"/1/pb""#;
    assert_eq!(slot(other), Some("/1/pb".to_owned()));
    let all = [(r#""gpid":"g","#, "g"), ("", "t")];
    for (gpid, code) in all {
        let imp = format!(r#","tagid":"t","ext":{{{gpid}"data":{{"pbadslot":"p"}}}}"#);
        assert_eq!(of_imp(Field::AdUnitCode, &imp), Some(code.to_owned()));
    }
    let stored = r#""prebid":{"storedrequest":{"id":"s"}}"#;
    let imp = format!(r#","tagid":"","ext":{{"data":{{"pbadslot":"p"}},{stored}}}"#);
    assert_eq!(of_imp(Field::AdUnitCode, &imp), Some("p".to_owned()));
    let imp = format!(r#","ext":{{{stored}}}"#);
    assert_eq!(of_imp(Field::AdUnitCode, &imp), Some("s".to_owned()));
}

#[test]
fn a_format_tells_videos_apart_by_plcmt() {
    let format = |imp: &str| of_imp(Field::Format, imp);
    for (plcmt, name) in [
        (1, "video-instream"),
        (2, "video-accompanying"),
        (3, "video-interstitial"),
        (4, "video-standalone"),
        (9, "video"),
    ] {
        let imp = format!(r#","video":{{"plcmt":{plcmt}}}"#);
        assert_eq!(format(&imp), Some(name.to_owned()));
    }
    assert_eq!(
        format(r#","video":{"placement":1}"#),
        Some("video".to_owned())
    );
    assert_eq!(format(r#","audio":{}"#), Some("audio".to_owned()));
    assert_eq!(format(r#","banner":{},"native":{}"#), None);
}

#[test]
fn hours_and_weekdays_are_those_of_the_publishers_clock() {
    let at = |field: Field, local_s: i64| value_of(field, "", "", local_s);
    assert_eq!(
        at(Field::Weekday, 0),
        Some("thu".to_owned()),
        "1 January 1970"
    );
    // 24 November 2026, 23:59:59 and a second later.
    assert_eq!(at(Field::Hour, 1_795_564_799), Some("23".to_owned()));
    assert_eq!(at(Field::Weekday, 1_795_564_799), Some("tue".to_owned()));
    assert_eq!(at(Field::Hour, 1_795_564_800), Some("0".to_owned()));
    assert_eq!(at(Field::Weekday, 1_795_564_800), Some("wed".to_owned()));
}

#[test]
fn a_user_is_known_by_an_id_that_buyers_see() {
    let known = |request: &str| of_request(Field::UserKnown, request);
    for request in [
        r#","user":{"id":"u"}"#,
        r#","user":{"buyeruid":"u"}"#,
        r#","user":{"eids":[{"source":"s","uids":[{"id":"u"}]}]}"#,
        r#","user":{"ext":{"eids":[{"source":"s","uids":[{"id":"u"}]}]}}"#,
        r#","device":{"ifa":"8d1f9a60-0000-0000-0000-000000000000"}"#,
    ] {
        assert_eq!(known(request), Some("true".to_owned()), "{request}");
    }
    for request in [
        "",
        r#","user":{"id":"","eids":[{"source":"s","uids":[]}]}"#,
        r#","device":{"ifa":"00000000-0000-0000-0000-000000000000"}"#,
    ] {
        assert_eq!(known(request), Some("false".to_owned()), "{request}");
    }
}

#[test]
fn viewability_is_in_tens_rounded_down() {
    let of = |value: &str| {
        let metric = format!(
            r#","metric":[{{"type":"click_through_rate","value":0.9}},
            {{"type":"viewability","value":{value}}}]"#
        );
        of_imp(Field::Viewability, &metric)
    };
    assert_eq!(of("0.85"), Some("80".to_owned()));
    assert_eq!(of("0.7"), Some("70".to_owned()));
    assert_eq!(of("0.05"), Some("0".to_owned()));
    assert_eq!(of("1"), Some("100".to_owned()));
    assert_eq!(of("85"), None);
    assert_eq!(of_imp(Field::Viewability, ""), None);
}

#[test]
fn the_partner_is_the_one_that_is_asked() {
    assert_eq!(of_imp(Field::Partner, ""), Some("dsp_1".to_owned()));
}
