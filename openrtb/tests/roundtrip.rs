//! Decode, encode and decode again: the same request, whatever it was; and bytes of any kind
//! never do worse than a fault.

use openrtb::{BidRequest, BidResponse, Encode, Keep, Limits, Scratch, validate};
use proptest::prelude::*;
use serde_json::{Map, Value as Json, json};

/// The name of a member, its object and whether it is a list.
type Child = (&'static str, &'static str, bool);

/// Objects that hold objects, by member name; scalars are drawn for every other known field.
const CHILDREN: &[(&str, &[Child])] = &[
    (
        "BidRequest",
        &[
            ("imp", "Imp", true),
            ("site", "Site", false),
            ("app", "App", false),
            ("dooh", "DOOH", false),
            ("device", "Device", false),
            ("user", "User", false),
            ("source", "Source", false),
            ("regs", "Regs", false),
        ],
    ),
    (
        "Imp",
        &[
            ("metric", "Metric", true),
            ("banner", "Banner", false),
            ("video", "Video", false),
            ("audio", "Audio", false),
            ("native", "Native", false),
            ("pmp", "Pmp", false),
            ("qty", "Qty", false),
            ("refresh", "Refresh", false),
        ],
    ),
    ("Banner", &[("format", "Format", true)]),
    (
        "Video",
        &[
            ("companionad", "Banner", true),
            ("durfloors", "DurFloors", true),
        ],
    ),
    (
        "Audio",
        &[
            ("companionad", "Banner", true),
            ("durfloors", "DurFloors", true),
        ],
    ),
    ("Pmp", &[("deals", "Deal", true)]),
    ("Deal", &[("durfloors", "DurFloors", true)]),
    ("Refresh", &[("refsettings", "RefSettings", true)]),
    (
        "Site",
        &[
            ("publisher", "Publisher", false),
            ("content", "Content", false),
        ],
    ),
    (
        "App",
        &[
            ("publisher", "Publisher", false),
            ("content", "Content", false),
        ],
    ),
    (
        "DOOH",
        &[
            ("publisher", "Publisher", false),
            ("content", "Content", false),
        ],
    ),
    (
        "Content",
        &[
            ("producer", "Producer", false),
            ("data", "Data", true),
            ("network", "Network", false),
            ("channel", "Channel", false),
        ],
    ),
    (
        "Device",
        &[("geo", "Geo", false), ("sua", "UserAgent", false)],
    ),
    (
        "UserAgent",
        &[
            ("browsers", "BrandVersion", true),
            ("platform", "BrandVersion", false),
        ],
    ),
    (
        "User",
        &[
            ("geo", "Geo", false),
            ("data", "Data", true),
            ("eids", "EID", true),
        ],
    ),
    ("Data", &[("segment", "Segment", true)]),
    ("EID", &[("uids", "UID", true)]),
    ("Source", &[("schain", "SupplyChain", false)]),
    ("SupplyChain", &[("nodes", "SupplyChainNode", true)]),
    ("BidResponse", &[("seatbid", "SeatBid", true)]),
    ("SeatBid", &[("bid", "Bid", true)]),
];

/// Fields that are never read from a number.
const TEXT_ONLY: [&str; 4] = ["consent", "us_privacy", "gpp", "request"];

/// A scalar that is text to a text field, a number to a number and a flag to a flag.
fn scalar() -> impl Strategy<Value = Json> {
    prop_oneof![
        4 => (0_i64..600).prop_map(|number| json!(number.to_string())),
        2 => (0_i64..600).prop_map(|number| json!(number)),
        1 => any::<i64>().prop_map(|number| json!(number.to_string())),
        1 => Just(Json::Null),
    ]
}

/// Whether the test's own reader gives the number back; it may be off by the last bit.
fn reads_exactly(number: f64) -> bool {
    serde_json::from_str(&json!(number).to_string()).is_ok_and(|read: f64| read == number)
}

fn untyped() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::Bool),
        any::<i64>().prop_map(|number| json!(number)),
        any::<u64>().prop_map(|number| json!(number)),
        any::<f64>()
            .prop_filter("the reader of the test is exact", |number| reads_exactly(
                *number
            ))
            .prop_map(|number| json!(number)),
        "\\PC{0,8}".prop_map(Json::String),
        ".{0,4}".prop_map(Json::String),
    ];
    leaf.prop_recursive(4, 16, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Json::Array),
            proptest::collection::vec((".{0,4}", inner), 0..4)
                .prop_map(|members| Json::Object(members.into_iter().collect())),
        ]
    })
}

/// An object of the specification with some of its fields, unknown ones and `ext` among them.
fn object(name: &'static str) -> BoxedStrategy<Json> {
    let fields = openrtb::fields_of(name).expect("the table names objects of the specification");
    let children = CHILDREN.iter().find(|(parent, _)| *parent == name);
    let children = children.map_or(&[][..], |(_, children)| children);
    let scalars: Vec<&'static str> = fields
        .iter()
        .copied()
        .filter(|field| children.iter().all(|(child, ..)| child != field))
        .collect();
    let most = scalars.len().min(8);
    let known = proptest::collection::vec((proptest::sample::select(scalars), scalar()), 0..=most);
    let unknown = proptest::collection::vec(("x_\\PC{0,4}", untyped()), 0..2);
    let ext = proptest::option::weighted(0.2, untyped());
    let mut whole = (known, unknown, ext)
        .prop_map(|(known, unknown, ext)| {
            let mut members = Map::new();
            for (field, mut value) in known {
                if TEXT_ONLY.contains(&field) {
                    value = json!(value.to_string());
                }
                members.insert(field.to_owned(), value);
            }
            members.extend(unknown);
            members.extend(ext.map(|ext| ("ext".to_owned(), json!({"any": ext}))));
            Json::Object(members)
        })
        .boxed();
    for &(field, child, many) in children {
        let inner = if many {
            proptest::collection::vec(object(child), 0..3)
                .prop_map(Json::Array)
                .boxed()
        } else {
            object(child)
        };
        let inner = proptest::option::weighted(0.3, inner);
        whole = (whole, inner)
            .prop_map(move |(mut whole, inner)| {
                if let (Json::Object(members), Some(inner)) = (&mut whole, inner) {
                    members.insert(field.to_owned(), inner);
                }
                whole
            })
            .boxed();
    }
    whole
}

/// Takes any bytes for a request and for a response: both are read or refused with a fault
/// that can be printed, and what was read survives being written. Made for a fuzzer as well.
fn fuzz_decode(bytes: &[u8]) {
    let limits = Limits::default();
    for keep in [Keep::Known, Keep::All] {
        let (mut first, mut second) = (Scratch::default(), Scratch::default());
        match first.decode::<BidRequest>(bytes, limits, keep) {
            Ok(request) => {
                if let Err(fault) = validate::request(&request) {
                    assert!(!fault.field.is_empty() && !fault.to_string().is_empty());
                }
                let mut written = Vec::new();
                request.encode(&mut written);
                let read = second.decode::<BidRequest>(&written, limits, keep);
                assert_eq!(read, Ok(request), "{}", String::from_utf8_lossy(&written));
            }
            Err(fault) => assert!(!fault.to_string().is_empty()),
        }
        let (mut first, mut second) = (Scratch::default(), Scratch::default());
        if let Ok(response) = first.decode::<BidResponse>(bytes, limits, keep) {
            let mut written = Vec::new();
            response.encode(&mut written);
            let read = second.decode::<BidResponse>(&written, limits, keep);
            assert_eq!(read, Ok(response), "{}", String::from_utf8_lossy(&written));
        }
    }
}

const SAMPLES: [&[u8]; 6] = [
    include_bytes!("../../fixtures/openrtb/banner.json"),
    include_bytes!("../../fixtures/openrtb/multi_imp.json"),
    include_bytes!("../../fixtures/openrtb/native.json"),
    include_bytes!("../../fixtures/openrtb/older.json"),
    include_bytes!("../../fixtures/openrtb/video_app.json"),
    include_bytes!("../../fixtures/openrtb/response.json"),
];

/// What a mutation writes: structure, numbers, escapes and bytes that are no UTF-8.
const SPLINTERS: [&[u8]; 16] = [
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b":",
    b",",
    b"null",
    b"-1",
    b"1e308",
    b"true",
    b"\\u0000",
    b"\\",
    b"\xff",
    b"[[[[[[",
    b"\"id\":1,",
];

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_request_survives_being_written(request in object("BidRequest")) {
        let body = request.to_string();
        let mut scratch = Scratch::default();
        let read = scratch.decode::<BidRequest>(body.as_bytes(), Limits::default(), Keep::All);
        prop_assert!(read.is_ok(), "{:?}: {}", read, body);
        fuzz_decode(body.as_bytes());
    }

    #[test]
    fn any_response_survives_being_written(response in object("BidResponse")) {
        let body = response.to_string();
        let mut scratch = Scratch::default();
        let read = scratch.decode::<BidResponse>(body.as_bytes(), Limits::default(), Keep::All);
        prop_assert!(read.is_ok(), "{:?}: {}", read, body);
        fuzz_decode(body.as_bytes());
    }

    #[test]
    fn any_value_is_kept_as_it_came(value in untyped()) {
        let body = json!({"x": value}).to_string();
        let mut scratch = Scratch::default();
        let limits = Limits::default();
        let request: BidRequest = scratch.decode(body.as_bytes(), limits, Keep::All).unwrap();
        let mut written = Vec::new();
        request.encode(&mut written);
        let again: Json = serde_json::from_slice(&written).unwrap();
        prop_assert_eq!(&again["x"], &value);
    }

    #[test]
    fn mutated_samples_are_read_or_refused(
        sample in proptest::sample::select(&SAMPLES[..]),
        edits in proptest::collection::vec(
            (any::<proptest::sample::Index>(), 0_usize..4, proptest::sample::select(&SPLINTERS[..])),
            1..6,
        ),
    ) {
        let mut bytes = sample.to_vec();
        for (index, removed, splinter) in edits {
            let at = index.index(bytes.len());
            let end = (at + removed).min(bytes.len());
            bytes.splice(at..end, splinter.iter().copied());
        }
        fuzz_decode(&bytes);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        fuzz_decode(&bytes);
    }
}

#[test]
fn samples_survive_being_written() {
    for sample in SAMPLES {
        fuzz_decode(sample);
    }
}
