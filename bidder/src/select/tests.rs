//! Selection against an evaluator that looks at one line item after the other.

mod draw;
mod naive;

use super::*;
use crate::bits::{put, words_for};
use crate::catalog::{
    Audience, Catalog, Creative, Dimension, Factor, Format, Input, Item, Kind, LineItem, Modifier,
    Pricing, Subject, Targeting,
};
use crate::dimension::media::is_open;
use crate::intake::Call;
use crate::modify::Seen;
use crate::sample;
use audience::{Builder, Generation, IdKind, KeySeed, Lookup, SegmentId, UserKey};
use draw::{Drawn, SIZES};
use ledger::{Book, Cpm};
use openrtb::{BidRequest, Keep, Limits, Scratch};
use proptest::prelude::*;

/// 2026-11-23 11:40 UTC, a Monday.
const NOW_MS: i64 = 1_795_434_000_000;

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

fn input(drawn: &[Drawn]) -> (Input, Vec<Creative>) {
    let book = Book::default();
    let mut input: Input = sample::input(&book, 0);
    let slot = book.add().unwrap();
    input.creatives = creatives(&input.creatives[0]);
    let made = input.creatives.clone();
    input.line_items = drawn
        .iter()
        .enumerate()
        .map(|(at, (targeting, _, creatives))| LineItem {
            pricing: Pricing {
                modifiers: vec![modifier(&drawn[(at + 1) % drawn.len()])],
                ..Pricing::default()
            },
            targeting: targeting.clone(),
            creatives: creatives.iter().map(|at| format!("cr_{at}")).collect(),
            max_cpm: Cpm(1_000_000 * (1 + at as i64 * 7 % 13)),
            ..sample::line_item(&format!("li_{at}"), slot)
        })
        .collect();
    (input, made)
}

/// What a line item is targeted at as a reason to pay more, formats and hours aside.
fn modifier((targeting, ..): &Drawn) -> Modifier {
    let when = Targeting {
        rules: targeting.rules.clone(),
        audience: targeting.audience.clone(),
        ..Targeting::default()
    };
    let factor = Factor(2_000_000);
    Modifier { when, factor }
}

/// The catalog of an input, built at once, or by edits: some line items begin with the targeting
/// and price of another one, some come late, and some go.
fn build(drawn: &[Drawn], edits: bool) -> (Catalog, Vec<Creative>) {
    let (input, made) = input(drawn);
    if !edits {
        return (Catalog::build(input, sample::segment).unwrap(), made);
    }
    let all = input.line_items.clone();
    let mut early = input;
    let count = all.len().saturating_sub(10).max(1);
    early.line_items.truncate(count);
    for (at, one) in early.line_items.iter_mut().enumerate().take(10) {
        let other = all[(at + 1) % count].clone();
        let id = std::mem::take(&mut one.id);
        *one = LineItem { id, ..other };
    }
    early.line_items.push(LineItem {
        id: "li_gone".to_owned(),
        ..all[0].clone()
    });
    let mut catalog = Catalog::build(early, sample::segment).unwrap();
    let edited = |at: &usize| *at < 10 || *at >= count;
    for at in (0..all.len()).filter(edited) {
        catalog = catalog.with(&all[at], sample::segment).unwrap();
    }
    (catalog.without("li_gone"), made)
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

fn features(request: &BidRequest<'_>, catalog: &Catalog, segments: &[u32]) -> Features {
    let mut features = Features::default();
    let call = Call {
        request,
        exchange: "demo",
        now_ms: NOW_MS,
    };
    features.read(call, &catalog.index, &lookup(segments), KeySeed::default());
    features
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn the_index_selects_what_a_reader_of_the_targeting_would(
        drawn in draw::line_items(),
        edits in any::<bool>(),
        requests in prop::collection::vec(draw::request(), 1..8),
    ) {
        let (catalog, made) = build(&drawn, edits);
        let index = &catalog.index;
        let mut active = vec![0; words_for(drawn.len())];
        // Line items stand in the order of their prices.
        let number = |item: &Item| -> usize { item.id.trim_start_matches("li_").parse().unwrap() };
        let numbered = catalog.items.iter().map(|item| (number(item) + 1) % drawn.len());
        let modifiers: Vec<&Drawn> = numbered.map(|next| &drawn[next]).collect();
        let ordered = catalog.items.iter().map(|item| &drawn[number(item)]);
        let drawn: Vec<&Drawn> = ordered.collect();
        for ((_, is_active, _), at) in drawn.iter().zip(0..) {
            if *is_active {
                put(&mut active, at);
            }
        }
        let (mut scratch, mut selection) = (Scratch::default(), Selection::default());
        for (json, segments) in requests {
            let body = serde_json::to_vec(&json).unwrap();
            let request: BidRequest<'_> =
                scratch.decode(&body, Limits::default(), Keep::Known).unwrap();
            let features = features(&request, &catalog, &segments);
            let any = selection.run(index, &active, &features);
            let mut left = Vec::new();
            bits::list(&selection.words, &mut left);
            prop_assert_eq!(any, !left.is_empty());
            for (at, (imp, plain)) in
                (0..).zip(request.imp.iter().zip(json["imp"].as_array().unwrap()))
            {
                let open = imp.banner.is_some_and(is_open);
                for (item, (targeting, is_active, creatives)) in (0..).zip(&drawn) {
                    let failing = index.first_failing(item, &features, at);
                    let failing = failing.map(|place| index.at(place).subject.clone());
                    let expected = naive::first_failing(targeting, &json, plain, &segments);
                    prop_assert_eq!(&failing, &expected, "{:#?} {:#}", targeting, json);
                    let when = &modifiers[item as usize].0;
                    let dearer = index.modifiers_of(item).iter().all(|one| {
                        one.matches(&Seen {
                            features: &features,
                            imp: at,
                            display: &catalog.creatives[0],
                            hour: 0,
                        })
                    });
                    let expected_dearer =
                        naive::first_failing(when, &json, plain, &segments).is_none();
                    prop_assert_eq!(dearer, expected_dearer, "{:#?} {:#}", when, json);
                    let own: Vec<&Creative> = creatives.iter().map(|at| &made[*at]).collect();
                    let candidate = &catalog.items[item as usize];
                    let fits = |creative: &u32| {
                        let display = &catalog.creatives[*creative as usize];
                        let closed = open && display.format == Format::Banner;
                        (!closed || candidate.takes_open)
                            && crate::permit::fits(imp, display).is_some()
                    };
                    let selected = left.contains(&item)
                        && selection.admits(index, &features, item, at)
                        && candidate.creatives.iter().any(fits);
                    let eligible =
                        *is_active && expected.is_none() && naive::fits(targeting, &own, plain);
                    prop_assert_eq!(selected, eligible, "{:#?} {:#}", targeting, json);
                }
            }
        }
    }
}

#[test]
fn a_user_with_too_many_segments_is_no_proof_of_absence() {
    let excluding = Targeting {
        audience: Audience {
            exclude: vec!["seg_5000".to_owned()],
            ..Audience::default()
        },
        ..Targeting::default()
    };
    let drawn = [
        (Targeting::default(), true, vec![0]),
        // The dearer one, which stands first.
        (excluding, true, vec![0]),
    ];
    let (catalog, _) = build(&drawn, false);
    let mut selection = Selection::default();
    let body = br#"{"id":"1","user":{"id":"u"},"imp":[{"id":"1","banner":{"w":300,"h":250}}]}"#;
    let mut scratch = Scratch::default();
    let request: BidRequest<'_> = scratch
        .decode(body, Limits::default(), Keep::Known)
        .unwrap();
    for (segments, expected) in [(10, vec![0, 1]), (2_000, vec![1])] {
        let features = features(&request, &catalog, &(0..segments).collect::<Vec<u32>>());
        selection.run(&catalog.index, &[3], &features);
        let mut candidates = Vec::new();
        bits::list(&selection.words, &mut candidates);
        candidates.retain(|item| selection.admits(&catalog.index, &features, *item, 0));
        assert_eq!(candidates, expected);
    }
}

/// Every dimension that rules may be about is drawn, or the property would not hold it.
#[test]
fn every_dimension_is_drawn() {
    let drawn: Vec<Subject> = draw::vocabulary()
        .into_iter()
        .map(|(subject, _)| subject)
        .collect();
    for dimension in Dimension::ALL {
        let apart = dimension.kind() == Kind::Apart;
        assert_eq!(
            drawn.contains(&Subject::Of(*dimension)),
            !apart,
            "{dimension:?}"
        );
    }
}
