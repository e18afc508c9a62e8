//! What a receiver refuses whatever it means: too large, too deep, too many, cut or no JSON; and
//! that its memory outlives all of it in good order.

use openrtb::{BidRequest, Encode, Fault, Keep, Limits, Problem, Scratch};

fn fault_of(body: &[u8]) -> Fault {
    fault_with(body, Limits::default(), Keep::All)
}

fn fault_with(body: &[u8], limits: Limits, keep: Keep) -> Fault {
    let mut scratch = Scratch::default();
    let read = scratch.decode::<BidRequest>(body, limits, keep);
    let fault = read.expect_err("the body cannot be read");
    // Whatever went wrong, the scratch takes the next request.
    let next: BidRequest = scratch
        .decode(br#"{"id":"next"}"#, limits, keep)
        .expect("the next request is well-formed");
    assert_eq!(next.id, Some("next"));
    fault
}

const SAMPLES: [&str; 5] = [
    include_str!("../../fixtures/openrtb/banner.json"),
    include_str!("../../fixtures/openrtb/multi_imp.json"),
    include_str!("../../fixtures/openrtb/native.json"),
    include_str!("../../fixtures/openrtb/older.json"),
    include_str!("../../fixtures/openrtb/video_app.json"),
];

#[test]
fn depth_is_bounded_under_unknown_fields_and_ext() {
    for levels in [33, 1000, 100_000] {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let deep = format!("{}1{}", open.repeat(levels), close.repeat(levels));
            for (keep, body) in [
                (Keep::All, format!(r#"{{"imp":[{{"x":{deep}}}]}}"#)),
                (Keep::Known, format!(r#"{{"imp":[{{"x":{deep}}}]}}"#)),
                (Keep::All, format!(r#"{{"imp":[{{"ext":{deep}}}]}}"#)),
            ] {
                let limits = Limits {
                    body: 10_000_000,
                    ..Limits::default()
                };
                let fault = fault_with(body.as_bytes(), limits, keep);
                assert!(fault.is_limit(), "{levels}: {fault}");
            }
        }
    }
    let deep = format!(r#"{{"x":{}1{}}}"#, "[".repeat(32), "]".repeat(32));
    let mut scratch = Scratch::default();
    let request: BidRequest = scratch
        .decode(deep.as_bytes(), Limits::default(), Keep::All)
        .unwrap();
    let mut written = Vec::new();
    request.encode(&mut written);
    assert_eq!(written, deep.as_bytes());
    // Beyond the array on the stack.
    let limits = Limits {
        depth: 100,
        ..Limits::default()
    };
    let deep = |levels| format!(r#"{{"x":{}1{}}}"#, "[".repeat(levels), "]".repeat(levels));
    let mut scratch = Scratch::default();
    scratch
        .decode::<BidRequest>(deep(100).as_bytes(), limits, Keep::All)
        .unwrap();
    assert_eq!(
        fault_with(deep(101).as_bytes(), limits, Keep::All).field,
        "x"
    );
}

#[test]
fn limits_name_what_is_exceeded() {
    let limits = Limits {
        body: 100,
        depth: 32,
        elements: 4,
        imps: 2,
    };
    let long = format!(r#"{{"id":"{}"}}"#, "x".repeat(100));
    let fault = fault_with(long.as_bytes(), limits, Keep::Known);
    assert_eq!(fault.to_string(), "more than 100 bytes in the body");
    let fault = fault_with(br#"{"imp":[{},{},{}]}"#, limits, Keep::Known);
    assert_eq!((fault.field.as_str(), fault.is_limit()), ("imp", true));
    let fault = fault_with(br#"{"bcat":["1","2","3","4","5"]}"#, limits, Keep::Known);
    assert_eq!(fault.to_string(), "bcat: more than 4 elements");
    let mut scratch = Scratch::default();
    let two: BidRequest = scratch
        .decode(br#"{"imp":[{},{}]}"#, limits, Keep::Known)
        .unwrap();
    assert_eq!(two.imp.len(), 2);
}

#[test]
fn what_is_no_json_is_refused_as_a_whole() {
    let invalid_utf8 = [b"{\"id\":\"".as_slice(), &[0xff, 0xfe], b"\"}"].concat();
    for body in [
        b"".as_slice(),
        b" ",
        b"{",
        b"nonsense",
        b"{\"id\":\"\\ud800\"}",
        b"{\"id\":\"a\"}}",
        b"{\"id\" \"a\"}",
        b"\0",
        &invalid_utf8,
    ] {
        let fault = fault_of(body);
        assert!(matches!(fault.problem, Problem::Syntax { .. }), "{fault}");
        assert_eq!(fault.field, "");
    }
    for body in [b"[]".as_slice(), b"1", b"\"text\"", b"null", b"true"] {
        let fault = fault_of(body);
        assert!(matches!(fault.problem, Problem::Type { .. }), "{fault}");
    }
}

#[test]
fn a_message_cut_anywhere_is_refused() {
    for sample in SAMPLES {
        let whole = sample.trim_end();
        let mut scratch = Scratch::default();
        for end in 0..whole.len() {
            let cut = &whole.as_bytes()[..end];
            let read = scratch.decode::<BidRequest>(cut, Limits::default(), Keep::All);
            assert!(read.is_err(), "{}", String::from_utf8_lossy(cut));
        }
        scratch
            .decode::<BidRequest>(whole.as_bytes(), Limits::default(), Keep::All)
            .unwrap();
    }
}

#[test]
fn memory_of_a_huge_request_is_given_back() {
    let limits = Limits {
        body: 16 << 20,
        elements: 1 << 20,
        ..Limits::default()
    };
    let huge = format!(r#"{{"bcat":[{}"x"]}}"#, r#""IAB1","#.repeat(500_000));
    let mut scratch = Scratch::default();
    let fresh = scratch.held_bytes();
    scratch
        .decode::<BidRequest>(huge.as_bytes(), limits, Keep::All)
        .unwrap();
    assert!(scratch.held_bytes() > 10 << 20);
    scratch
        .decode::<BidRequest>(SAMPLES[0].as_bytes(), limits, Keep::All)
        .unwrap();
    assert!(scratch.held_bytes() < 2 * fresh, "{}", scratch.held_bytes());
}
