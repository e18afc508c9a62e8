//! Selection against an evaluator that looks at one line item after the other.

use super::*;
use crate::bits::{put, words_for};
use crate::catalog::{Audience, Catalog, Creative, Format, Input, LineItem, Rule, Targeting};
use crate::sample;
use audience::{Builder, Generation, IdKind, KeySeed, Lookup, SegmentId, UserKey};
use ledger::Book;
use openrtb::{BidRequest, Keep, Limits, Scratch};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

const GEO: [&str; 5] = ["FRA", "DEU", "USA", "FRA-IDF", "USA-CA"];
const SITES: [&str; 5] = [
    "news.example",
    "a.news.example",
    "Shop.example",
    "example",
    "b.test",
];
const APPS: [&str; 2] = ["com.news", "com.Game"];
const SYSTEMS: [&str; 3] = ["iOS", "android", "Windows"];
const PLACES: [&str; 3] = ["top", "side", "foot"];
const PUBLISHERS: [&str; 2] = ["pub_1", "pub_2"];
const EXCHANGES: [&str; 2] = ["demo", "other"];
const SEGMENTS: [&str; 7] = ["seg_0", "seg_1", "seg_2", "seg_3", "seg_4", "seg_5", "gone"];
const SIZES: [(u32, u32); 3] = [(300, 250), (728, 90), (160, 600)];

fn texts(list: Vec<&str>) -> Vec<String> {
    list.into_iter().map(str::to_owned).collect()
}

/// Mostly empty lists, so that something is left to select.
fn rule(values: &'static [&'static str]) -> impl Strategy<Value = Rule<String>> {
    let some = || subsequence(values.to_vec(), 1..=values.len().min(3)).prop_map(texts);
    let list = move || prop_oneof![3 => Just(Vec::new()), 1 => some()];
    let exclude = prop_oneof![5 => Just(Vec::new()), 1 => some()];
    (list(), exclude).prop_map(|(include, exclude)| Rule { include, exclude })
}

fn audience() -> impl Strategy<Value = Audience> {
    let group = || subsequence(SEGMENTS.to_vec(), 1..3).prop_map(texts);
    let exclude = prop_oneof![3 => Just(Vec::new()), 1 => group()];
    (prop::collection::vec(group(), 0..3), exclude)
        .prop_map(|(include, exclude)| Audience { include, exclude })
}

fn targeting() -> impl Strategy<Value = Targeting> {
    let types = prop_oneof![3 => Just(vec![]), 1 => subsequence(vec![1_i64, 2, 4], 1..3)];
    let formats = subsequence(Format::ALL.to_vec(), 0..3);
    let sizes = prop_oneof![2 => Just(vec![]), 1 => subsequence(SIZES.to_vec(), 1..3)];
    (
        (rule(&GEO), rule(&SITES), rule(&APPS), rule(&SYSTEMS), types),
        (
            rule(&EXCHANGES),
            rule(&PUBLISHERS),
            rule(&PLACES),
            audience(),
            formats,
            sizes,
        ),
    )
        .prop_map(|(where_and_what, rest)| {
            let (geo, sites, apps, operating_systems, types) = where_and_what;
            let (exchanges, publishers, placements, audience, formats, sizes) = rest;
            Targeting {
                geo,
                sites,
                apps,
                device_types: Rule {
                    include: types,
                    exclude: vec![],
                },
                operating_systems,
                formats,
                sizes,
                audience,
                exchanges,
                publishers,
                placements,
                ..Targeting::default()
            }
        })
}

/// A line item, whether it is active, and its creatives by number.
type Drawn = (Targeting, bool, Vec<usize>);

fn line_items() -> impl Strategy<Value = Vec<Drawn>> {
    let creatives = subsequence((0..6).collect::<Vec<usize>>(), 1..4);
    prop::collection::vec((targeting(), prop::bool::weighted(0.9), creatives), 1..250)
}

#[derive(Clone, Debug)]
struct Imp {
    sizes: Vec<(u32, u32)>,
    /// Formats besides banner.
    others: Vec<Format>,
    tagid: Option<&'static str>,
}

#[derive(Clone, Debug)]
struct Asked {
    imps: Vec<Imp>,
    country: Option<&'static str>,
    region: Option<&'static str>,
    site: Option<&'static str>,
    by_page: bool,
    app: Option<&'static str>,
    publisher: Option<&'static str>,
    kind: Option<i64>,
    os: Option<&'static str>,
    segments: Vec<u32>,
}

fn imp() -> impl Strategy<Value = Imp> {
    let others = subsequence(vec![Format::Video, Format::Audio, Format::Native], 0..2);
    let tagid = prop::option::of(select(PLACES.to_vec()));
    (subsequence(SIZES.to_vec(), 1..3), others, tagid).prop_map(|(sizes, others, tagid)| Imp {
        sizes,
        others,
        tagid,
    })
}

fn asked() -> impl Strategy<Value = Asked> {
    let site = vec![
        "x.a.news.example",
        "A.NEWS.example",
        "news.example",
        "shop.example",
        "b.test",
    ];
    let country = select(vec!["FRA", "fr", "DEU", "US", "ITA"]);
    let user = prop::collection::vec(0_u32..6, 0..5);
    (
        prop::collection::vec(imp(), 1..4),
        (
            prop::option::of(country),
            prop::option::of(select(vec!["IDF", "CA", "FR-IDF", "ZZ"])),
        ),
        (prop::option::weighted(0.7, select(site)), any::<bool>()),
        prop::option::of(select(vec!["com.news", "com.Game", "com.game"])),
        prop::option::of(select(PUBLISHERS.to_vec())),
        (
            prop::option::of(select(vec![1_i64, 2, 7])),
            prop::option::of(select(vec!["ios", "ANDROID", "windows", "Tizen"])),
        ),
        user,
    )
        .prop_map(
            |(imps, (country, region), (site, by_page), app, publisher, device, segments)| {
                Asked {
                    imps,
                    country,
                    region,
                    site,
                    by_page,
                    // A request is for a site or for an application.
                    app: app.filter(|_| site.is_none()),
                    publisher,
                    kind: device.0,
                    os: device.1,
                    segments,
                }
            },
        )
}

fn json(asked: &Asked) -> Vec<u8> {
    use serde_json::{Value, json};
    let imp = |(at, imp): (usize, &Imp)| {
        let sizes = imp.sizes.iter().map(|(w, h)| json!({"w": w, "h": h}));
        let mut value = json!({
            "id": at.to_string(),
            "banner": {"format": sizes.collect::<Vec<Value>>()},
            "tagid": imp.tagid,
        });
        for format in &imp.others {
            value[format.label()] = match format {
                Format::Native => json!({"request": "{\"assets\":[{\"id\":1}]}"}),
                _ => json!({"mimes": ["video/mp4"]}),
            };
        }
        value
    };
    let publisher = json!({"id": asked.publisher});
    let mut request = json!({
        "id": "1",
        "imp": asked.imps.iter().enumerate().map(imp).collect::<Vec<Value>>(),
        "device": {
            "geo": {"country": asked.country, "region": asked.region},
            "devicetype": asked.kind, "os": asked.os,
        },
        "user": {"id": "u"},
    });
    match (asked.site, asked.app) {
        (Some(site), _) if asked.by_page => {
            let page = format!("https://{site}:443/page?q=1");
            request["site"] = json!({"page": page, "publisher": publisher});
        }
        (Some(site), _) => request["site"] = json!({"domain": site, "publisher": publisher}),
        (None, app) => request["app"] = json!({"bundle": app, "publisher": publisher}),
    }
    serde_json::to_vec(&request).unwrap()
}

fn allows(rule: &Rule<String>, value: impl Fn(&String) -> bool) -> bool {
    (rule.include.is_empty() || rule.include.iter().any(&value)) && !rule.exclude.iter().any(value)
}

/// Whether `creatives` of a line item could be shown in an imp, by the definitions alone.
fn matches(targeting: &Targeting, creatives: &[&Creative], asked: &Asked, imp: &Imp) -> bool {
    let country = asked.country.map(|country| match country {
        "fr" => "FRA",
        "US" => "USA",
        other => other,
    });
    let region = asked.region.map(|region| region.trim_start_matches("FR-"));
    let place = |country: &str| region.map(|region| format!("{country}-{region}"));
    let geo = |value: &String| {
        country.is_some_and(|code| value == code || Some(value.clone()) == place(code))
    };
    let host = asked.site.unwrap_or_default().to_lowercase();
    let site = |value: &String| {
        let value = value.to_lowercase();
        host == value || host.ends_with(&format!(".{value}"))
    };
    let app = |value: &String| asked.app == Some(value.as_str());
    let (sites, apps) = (&targeting.sites, &targeting.apps);
    let included = sites.include.is_empty() && apps.include.is_empty()
        || sites.include.iter().any(site)
        || apps.include.iter().any(app);
    let inventory = included && !sites.exclude.iter().any(site) && !apps.exclude.iter().any(app);
    let types = &targeting.device_types.include;
    let kind = types.is_empty() || asked.kind.is_some_and(|kind| types.contains(&kind));
    let os = |value: &String| asked.os.is_some_and(|os| os.eq_ignore_ascii_case(value));
    let member = |name: &String| {
        sample::segment(name).is_some_and(|SegmentId(id)| asked.segments.contains(&id))
    };
    let audience = &targeting.audience;
    let groups = audience
        .include
        .iter()
        .all(|group| group.iter().any(member));
    let shown = |creative: &&Creative| {
        let size = (creative.w, creative.h);
        let banner = creative.format == Format::Banner;
        let wanted = targeting.formats.is_empty() || targeting.formats.contains(&creative.format);
        let sized = !banner || targeting.sizes.is_empty() || targeting.sizes.contains(&size);
        let fits = if banner {
            imp.sizes.contains(&size)
        } else {
            imp.others.contains(&creative.format)
        };
        wanted && sized && fits
    };
    allows(&targeting.geo, geo)
        && inventory
        && kind
        && allows(&targeting.operating_systems, os)
        && allows(&targeting.exchanges, |value| value == "demo")
        && allows(&targeting.publishers, |value| {
            asked.publisher == Some(value.as_str())
        })
        && allows(&targeting.placements, |value| {
            imp.tagid == Some(value.as_str())
        })
        && groups
        && !audience.exclude.iter().any(member)
        && creatives.iter().any(shown)
}

fn creatives(template: &Creative) -> Vec<Creative> {
    let banner = |at: usize| (Format::Banner, SIZES[at]);
    let other = |format: Format| (format, (0, 0));
    let kinds = [
        banner(0),
        banner(1),
        banner(2),
        other(Format::Video),
        other(Format::Audio),
        other(Format::Native),
    ];
    let creative = |(at, (format, (w, h))): (usize, (Format, (u32, u32)))| Creative {
        id: format!("cr_{at}"),
        format,
        w,
        h,
        ..template.clone()
    };
    kinds.into_iter().enumerate().map(creative).collect()
}

fn build(drawn: &[Drawn]) -> (Catalog, Vec<Creative>) {
    let book = Book::default();
    let mut input: Input = sample::input(&book, 0);
    let slot = book.add().unwrap();
    input.creatives = creatives(&input.creatives[0]);
    let made = input.creatives.clone();
    input.line_items = drawn
        .iter()
        .enumerate()
        .map(|(at, (targeting, _, creatives))| LineItem {
            targeting: targeting.clone(),
            creatives: creatives.iter().map(|at| format!("cr_{at}")).collect(),
            ..sample::line_item(&format!("li_{at}"), slot)
        })
        .collect();
    (Catalog::build(input, sample::segment).unwrap(), made)
}

fn lookup(segments: &[u32]) -> Lookup {
    let mut builder = Builder::new(audience::Limits::default());
    let user = UserKey::new(KeySeed::default(), IdKind::UserId, b"u").unwrap();
    let ids: Vec<SegmentId> = segments.iter().copied().map(SegmentId).collect();
    if !ids.is_empty() {
        builder.add(user, &ids).unwrap();
    }
    builder.finish(Generation(1)).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn the_index_selects_what_a_reader_of_the_targeting_would(
        drawn in line_items(),
        requests in prop::collection::vec(asked(), 1..8),
    ) {
        let (catalog, made) = build(&drawn);
        let mut active = vec![0; words_for(drawn.len())];
        for ((_, is_active, _), at) in drawn.iter().zip(0..) {
            if *is_active {
                put(&mut active, at);
            }
        }
        let (mut scratch, mut features) = (Scratch::default(), Features::default());
        let mut selection = Selection::default();
        for asked in requests {
            let audience = lookup(&asked.segments);
            let body = json(&asked);
            let request: BidRequest<'_> =
                scratch.decode(&body, Limits::default(), Keep::Known).unwrap();
            let index = &catalog.index;
            features.read(&request, "demo", index, &audience, KeySeed::default());
            let any = selection.run(index, &active, &features, &catalog.groups);
            let mut candidates = Vec::new();
            bits::list(&selection.words, &mut candidates);
            prop_assert_eq!(any, !candidates.is_empty());
            for (wire, imp) in request.imp.iter().zip(&asked.imps) {
                let placement = wire.tagid.and_then(|tagid| index.placements.get(tagid));
                let placement = placement.map_or(&[][..], std::slice::from_ref);
                let selected = |at: &u32| {
                    let fits = |creative: &u32| {
                        let display = &catalog.creatives[*creative as usize];
                        crate::permit::fits(wire, display).is_some()
                    };
                    index.of(Dimension::Placement).admits(placement, *at)
                        && catalog.items[*at as usize].creatives.iter().any(fits)
                };
                let selected: Vec<u32> = candidates.iter().copied().filter(selected).collect();
                let expected: Vec<u32> = drawn
                    .iter()
                    .zip(0..)
                    .filter(|((targeting, is_active, creatives), _)| {
                        let own: Vec<&Creative> = creatives.iter().map(|at| &made[*at]).collect();
                        *is_active && matches(targeting, &own, &asked, imp)
                    })
                    .map(|(_, at)| at)
                    .collect();
                prop_assert_eq!(selected, expected);
            }
        }
    }
}

#[test]
fn a_user_with_too_many_segments_is_no_proof_of_absence() {
    let excluding = Targeting {
        audience: Audience {
            include: vec![],
            exclude: vec!["seg_5000".to_owned()],
        },
        ..Targeting::default()
    };
    let drawn = [
        (excluding, true, vec![0]),
        (Targeting::default(), true, vec![0]),
    ];
    let (catalog, _) = build(&drawn);
    let mut features = Features::default();
    let mut selection = Selection::default();
    let body = br#"{"id":"1","user":{"id":"u"},"imp":[{"id":"1","banner":{"w":300,"h":250}}]}"#;
    let mut scratch = Scratch::default();
    let request: BidRequest<'_> = scratch
        .decode(body, Limits::default(), Keep::Known)
        .unwrap();
    for (segments, expected) in [(10, vec![0, 1]), (2_000, vec![1])] {
        let audience = lookup(&(0..segments).collect::<Vec<u32>>());
        features.read(
            &request,
            "demo",
            &catalog.index,
            &audience,
            KeySeed::default(),
        );
        selection.run(&catalog.index, &[3], &features, &catalog.groups);
        let mut candidates = Vec::new();
        bits::list(&selection.words, &mut candidates);
        assert_eq!(candidates, expected);
    }
}
