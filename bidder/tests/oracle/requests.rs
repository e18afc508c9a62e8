//! Requests rich in rules, each valid by the specification.

use crate::market::DEALS;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Map, Value, json};

/// A value or nothing, nothing in most cases.
fn rarely(values: impl Strategy<Value = Value>) -> impl Strategy<Value = Option<Value>> {
    prop::option::weighted(0.3, values)
}

fn one(values: &[Value]) -> impl Strategy<Value = Value> + use<> {
    select(values.to_vec())
}

fn some(values: &'static [&'static str]) -> impl Strategy<Value = Value> {
    subsequence(values.to_vec(), 1..=values.len()).prop_map(|list| json!(list))
}

fn some_of(values: &'static [i64]) -> impl Strategy<Value = Value> {
    subsequence(values.to_vec(), 1..=values.len()).prop_map(|list| json!(list))
}

type Fields = Vec<(&'static str, Option<Value>)>;

fn object(fields: Fields) -> Value {
    let given = fields
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(given.collect::<Map<_, _>>())
}

/// A floor in halves, and its currency.
fn floor() -> impl Strategy<Value = (Value, Value)> {
    let currencies = [
        json!("USD"),
        json!("EUR"),
        json!("JPY"),
        json!("SEK"),
        json!("GBP"),
    ];
    (0_u32..100, one(&currencies)).prop_map(|(halves, cur)| (json!(f64::from(halves) / 2.0), cur))
}

fn banner() -> impl Strategy<Value = Value> {
    let sizes = [
        json!([{"w": 300, "h": 250}]),
        json!([{"w": 728, "h": 90}, {"w": 300, "h": 600}]),
        json!([{"wratio": 6, "hratio": 5, "wmin": 200}]),
        json!([{"wratio": 16, "hratio": 9}, {"w": 320, "h": 50}]),
        json!([{"w": 301, "h": 250}]),
    ];
    (
        one(&sizes),
        rarely(some_of(&[3, 9, 13])),
        rarely(some_of(&[1, 2, 3])),
        rarely(some(&["image/jpeg", "text/html", "image/gif"])),
        rarely(some_of(&[3, 5, 7])),
    )
        .prop_map(|(format, battr, btype, mimes, api)| {
            object(vec![
                ("format", Some(format)),
                ("battr", battr),
                ("btype", btype),
                ("mimes", mimes),
                ("api", api),
            ])
        })
}

/// A player of `first` and `second` files, maybe with a pod.
fn player(mimes: &'static [&'static str], daast: bool) -> impl Strategy<Value = Value> {
    let protocols: &[i64] = if daast {
        &[2, 3, 6, 8, 9, 10]
    } else {
        &[2, 3, 5, 6, 7, 8, 11, 13, 14, 16]
    };
    let lengths = prop_oneof![
        Just(vec![]),
        select(vec![5, 15, 30]).prop_map(|most| vec![("maxduration", Some(json!(most)))]),
        select(vec![10, 20]).prop_map(|least| vec![
            ("minduration", Some(json!(least))),
            ("maxduration", Some(json!(60)))
        ]),
        some_of(&[6, 10, 15, 30]).prop_map(|exact| vec![("rqddurs", Some(exact))]),
    ];
    let pod = prop::option::weighted(
        0.4,
        (
            rarely(one(&[json!("pod-1"), json!("pod-2")])),
            rarely(select(vec![20, 45, 90]).prop_map(|seconds| json!(seconds))),
            rarely((1..5).prop_map(|most| json!(most))),
            rarely(some_of(&[1, 2, 3, 4, 5])),
            rarely(one(&[json!(-1), json!(0), json!(1), json!(2)])),
        )
            .prop_map(|(podid, poddur, maxseq, poddedupe, slot)| {
                vec![
                    ("podid", podid),
                    ("poddur", poddur),
                    ("maxseq", maxseq),
                    ("poddedupe", poddedupe),
                    ("slotinpod", slot),
                ]
            }),
    );
    let spoken = subsequence(protocols.to_vec(), 1..=4).prop_map(|list| json!(list));
    let per_second = (1_u32..40).prop_map(|cents| json!(f64::from(cents) / 10.0));
    let ranges = Just(json!([
        {"mindur": 0, "maxdur": 14, "bidfloor": 5.0},
        {"mindur": 15, "maxdur": 30, "bidfloor": 20.0}
    ]));
    (
        (some(mimes), rarely(spoken)),
        lengths,
        pod,
        (rarely(per_second), rarely(ranges)),
        (
            rarely(some_of(&[13, 16])),
            rarely(some_of(&[1, 2, 7])),
            rarely(one(&[json!(0), json!(1)])),
            rarely(one(&[json!(1), json!(2)])),
            rarely(one(&[json!(500), json!(900)])),
        ),
    )
        .prop_map(move |((mimes, protocols), lengths, pod, floors, rest)| {
            let (battr, api, skip, linearity, rate) = rest;
            let mut fields: Fields = vec![
                ("mimes", Some(mimes)),
                ("protocols", protocols),
                ("mincpmpersec", floors.0),
                ("durfloors", floors.1),
                ("battr", battr),
                ("api", api),
                ("maxbitrate", rate),
            ];
            fields.extend(lengths);
            // Audio knows no such field.
            let known = |field: &(&str, _)| !daast || field.0 != "poddedupe";
            fields.extend(pod.into_iter().flatten().filter(known));
            (fields, skip, linearity)
        })
        .prop_map(move |(mut fields, skip, linearity)| {
            if !daast {
                fields.extend([("skip", skip), ("linearity", linearity)]);
            }
            object(fields)
        })
}

fn native() -> impl Strategy<Value = Value> {
    let asset = prop_oneof![
        (3_i64..40).prop_map(|len| json!({"title": {"len": len}})),
        (1_i64..4, 0_i64..300).prop_map(|(kind, side)| {
            json!({"img": {"type": kind, "wmin": side, "hmin": side}})
        }),
        Just(json!({"img": {"type": 3, "w": 120, "h": 100, "mimes": ["image/png"]}})),
        (1_i64..13, 2_i64..30).prop_map(|(kind, len)| json!({"data": {"type": kind, "len": len}})),
        (5_i64..12).prop_map(|most| {
            json!({"video": {"mimes": ["video/mp4"], "minduration": 5, "maxduration": most,
                "protocols": [2, 3]}})
        }),
    ];
    let assets = prop::collection::vec((asset, any::<bool>()), 1..6).prop_map(|list| {
        let numbered = list
            .into_iter()
            .zip(1..)
            .map(|((mut asset, required), id)| {
                (asset["id"], asset["required"]) = (json!(id), json!(i64::from(required)));
                asset
            });
        numbered.collect::<Value>()
    });
    let trackers = rarely(one(&[
        json!([{"event": 1, "methods": [1, 2]}]),
        json!([{"event": 2, "methods": [1]}]),
        json!([{"event": 1, "methods": [2]}, {"event": 2, "methods": [2]}]),
    ]));
    let version = rarely(one(&[json!("1.0"), json!("1.1"), json!("1.2")]));
    (
        assets,
        trackers,
        version,
        any::<bool>(),
        rarely(some_of(&[3, 13])),
    )
        .prop_map(|(assets, trackers, ver, privacy, battr)| {
            let request = object(vec![
                ("assets", Some(assets)),
                ("eventtrackers", trackers),
                ("ver", ver.clone()),
                ("privacy", Some(json!(i64::from(privacy)))),
            ]);
            let request = Some(json!(request.to_string()));
            object(vec![("request", request), ("ver", ver), ("battr", battr)])
        })
}

fn deal() -> impl Strategy<Value = Value> {
    let seats = some(&["adv_euro", "adv_yen", "adv_pound", "someone"]);
    let domains = some(&["euro.example", "shop.pound.example", "yen.example"]);
    let id = one(&[json!(DEALS[0]), json!(DEALS[1]), json!("another")]);
    let at = one(&[json!(1), json!(2), json!(3)]);
    let per_second = (1_u32..20).prop_map(|cents| json!(f64::from(cents) / 10.0));
    (
        id,
        floor(),
        rarely(at),
        rarely(seats),
        rarely(domains),
        rarely(per_second),
    )
        .prop_map(|(id, (floor, cur), at, wseat, wadomain, per_second)| {
            object(vec![
                ("id", Some(id)),
                ("bidfloor", Some(floor)),
                ("bidfloorcur", Some(cur)),
                ("at", at),
                ("wseat", wseat),
                ("wadomain", wadomain),
                ("mincpmpersec", per_second),
            ])
        })
}

fn imp() -> impl Strategy<Value = Value> {
    let pmp = (prop::collection::vec(deal(), 0..3), any::<bool>()).prop_map(|(deals, private)| {
        // Two deals of one id would leave open which of them a bid is under.
        let mut distinct: Vec<Value> = Vec::new();
        for deal in deals {
            if distinct.iter().all(|other| other["id"] != deal["id"]) {
                distinct.push(deal);
            }
        }
        json!({"private_auction": i64::from(private), "deals": distinct})
    });
    let media = prop_oneof![
        banner().prop_map(|one| vec![("banner", Some(one))]),
        player(&["video/mp4", "video/webm", "video/ogg"], false)
            .prop_map(|one| vec![("video", Some(one))]),
        player(&["audio/mp4", "audio/mpeg"], true).prop_map(|one| vec![("audio", Some(one))]),
        native().prop_map(|one| vec![("native", Some(one))]),
        (banner(), native())
            .prop_map(|(one, other)| vec![("banner", Some(one)), ("native", Some(other))]),
    ];
    let flags = (any::<bool>(), any::<bool>());
    (media, prop::option::of(floor()), rarely(pmp), flags).prop_map(
        |(media, floor, pmp, (secure, rewarded))| {
            let (floor, cur) = floor.unzip();
            let mut fields: Fields = vec![
                ("bidfloor", floor),
                ("bidfloorcur", cur),
                ("pmp", pmp),
                ("secure", Some(json!(i64::from(secure)))),
                ("rwdd", Some(json!(i64::from(rewarded)))),
            ];
            fields.extend(media);
            object(fields)
        },
    )
}

fn categories() -> impl Strategy<Value = Vec<(&'static str, Option<Value>)>> {
    let listed = prop_oneof![
        (
            Just(1),
            some(&["IAB1", "IAB2", "IAB2-3", "IAB2-4", "IAB7", "IAB7-1"])
        ),
        (select(vec![7, 9]), some(&["1", "2", "20", "21"])),
        (select(vec![8, 500]), some(&["1", "2"])),
    ];
    (listed, 0..3).prop_map(|((taxonomy, list), which)| match which {
        0 => vec![("bcat", Some(list)), ("cattax", Some(json!(taxonomy)))],
        1 => vec![("acat", Some(list)), ("cattax", Some(json!(taxonomy)))],
        _ => vec![],
    })
}

/// A request of one to four imps.
pub(crate) fn request() -> impl Strategy<Value = Value> {
    let language = prop_oneof![
        6 => Just(vec![]),
        1 => some(&["en", "fr", "de"]).prop_map(|list| vec![("wlang", Some(list))]),
        1 => some(&["fr", "fr-CA", "en"]).prop_map(|list| vec![("wlangb", Some(list))]),
    ];
    let seats = prop_oneof![
        6 => Just(vec![]),
        1 => some(&["adv_yen", "adv_franc", "x"]).prop_map(|list| vec![("wseat", Some(list))]),
        1 => some(&["adv_euro", "adv_yen"]).prop_map(|list| vec![("bseat", Some(list))]),
    ];
    let badv = some(&["euro.example", "SHOP.yen.example", "example.org"]);
    let currencies = some(&["EUR", "USD", "JPY", "CHF", "GBP", "RUB"]);
    (
        prop::collection::vec(imp(), 1..5),
        prop::option::weighted(0.8, currencies),
        (language, seats, categories()),
        rarely(badv),
    )
        .prop_map(|(imps, cur, (language, seats, categories), badv)| {
            let numbered = imps
                .into_iter()
                .zip(1..)
                .map(|(mut imp, id): (Value, i32)| {
                    imp["id"] = json!(id.to_string());
                    imp
                });
            let mut fields: Fields = vec![
                ("id", Some(json!("r"))),
                ("imp", Some(numbered.collect())),
                ("cur", cur),
                ("badv", badv),
            ];
            fields.extend(language);
            fields.extend(seats);
            fields.extend(categories);
            object(fields)
        })
}
