use std::collections::{BTreeSet, HashMap};

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn ids(raw: &[u32]) -> Vec<SegmentId> {
    raw.iter().map(|&id| SegmentId(id)).collect()
}

fn build(entries: &[(u64, Vec<u32>)]) -> Lookup {
    let mut builder = Builder::new(Limits::default());
    for (key, segments) in entries {
        builder.add(UserKey(*key), &ids(segments)).unwrap();
    }
    builder.finish(Generation(7)).unwrap()
}

fn listed(segments: Segments<'_>) -> Vec<u32> {
    segments.iter().map(|segment| segment.0).collect()
}

/// Keys that collide often: few values, at both ends of the range and in clusters.
fn key() -> impl Strategy<Value = u64> {
    prop_oneof![
        0_u64..40,
        (0_u64..40).prop_map(|n| u64::MAX - n),
        (0_u64..40).prop_map(|n| (1 << 63) + n),
        any::<u64>(),
    ]
}

fn segment() -> impl Strategy<Value = u32> {
    prop_oneof![0_u32..20, 65_530_u32..65_545, any::<u32>()]
}

fn narrow_segment() -> impl Strategy<Value = u32> {
    prop_oneof![0_u32..20, 65_500_u32..=65_535]
}

fn agrees_with_model(entries: &[(u64, Vec<u32>)], probes: &[u64]) {
    let mut model: HashMap<u64, BTreeSet<u32>> = HashMap::new();
    for (key, segments) in entries.iter().filter(|(_, segments)| !segments.is_empty()) {
        model.entry(*key).or_default().extend(segments);
    }
    let lookup = build(entries);
    assert_eq!(lookup.users() as usize, model.len());
    assert_eq!(
        lookup.memberships(),
        model.values().map(BTreeSet::len).sum::<usize>()
    );
    let neighbours = model
        .keys()
        .flat_map(|key| [*key, key.wrapping_add(1), key.wrapping_sub(1)]);
    for probe in neighbours.chain(probes.iter().copied()) {
        let expected: Vec<u32> = model.get(&probe).into_iter().flatten().copied().collect();
        let got = lookup.get(UserKey(probe));
        assert_eq!(listed(got), expected);
        assert_eq!(got.len(), expected.len());
        for id in expected.iter().flat_map(|&id| [id, id ^ 1, id ^ 0x1_0000]) {
            assert_eq!(got.contains(SegmentId(id)), expected.contains(&id));
        }
    }
}

proptest! {
    #[test]
    fn every_answer_is_the_models(
        entries in vec((key(), vec(segment(), 0..9)), 0..120),
        probes in vec(key(), 0..20),
    ) {
        agrees_with_model(&entries, &probes);
    }

    #[test]
    fn every_answer_is_the_models_with_two_byte_segments(
        entries in vec((key(), vec(narrow_segment(), 0..9)), 0..120),
        probes in vec(key(), 0..20),
    ) {
        agrees_with_model(&entries, &probes);
    }

    #[test]
    fn order_of_adding_has_no_effect(
        entries in vec((key(), vec(segment(), 0..5)), 0..60),
        turn in 0_usize..60,
    ) {
        let mut turned = entries.clone();
        turned.reverse();
        turned.rotate_left(if entries.is_empty() { 0 } else { turn % entries.len() });
        prop_assert_eq!(format!("{:?}", build(&entries)), format!("{:?}", build(&turned)));
    }

    #[test]
    fn a_union_is_the_models_and_says_what_it_dropped(
        entries in vec((0_u64..12, vec(0_u32..30, 0..12)), 0..20),
        users in vec(0_u64..14, 0..6),
        limit in 0_usize..24,
    ) {
        let lookup = build(&entries);
        let union: BTreeSet<u32> =
            users.iter().flat_map(|&user| listed(lookup.get(UserKey(user)))).collect();
        let users: Vec<UserKey> = users.into_iter().map(UserKey).collect();
        let mut out = SegmentSet::with_limit(limit);
        lookup.segments_of(&users, &mut out);
        let got: Vec<u32> = out.as_slice().iter().map(|segment| segment.0).collect();
        prop_assert!(got.is_sorted());
        prop_assert!(got.iter().all(|id| union.contains(id)));
        prop_assert_eq!(got.len(), union.len().min(limit));
        prop_assert_eq!(out.dropped() > 0, union.len() > limit);
        for id in 0..30 {
            prop_assert_eq!(out.contains(SegmentId(id)), got.contains(&id));
        }
    }
}

#[test]
fn the_segments_take_two_bytes_until_an_index_needs_more() {
    let narrow = build(&[(1, vec![65_535, 3]), (2, vec![0])]);
    let wide = build(&[(1, vec![65_536, 3]), (2, vec![0])]);
    assert_eq!(narrow.bytes() + 3 * 2, wide.bytes());
    assert_eq!(listed(wide.get(UserKey(1))), [3, 65_536]);
    assert!(!narrow.get(UserKey(1)).contains(SegmentId(65_536 + 3)));
}

#[test]
fn an_empty_table_knows_nobody() {
    for lookup in [
        build(&[]),
        build(&[(5, vec![])]),
        Lookup::empty(Generation(7)),
    ] {
        for key in [0, 5, u64::MAX] {
            assert!(lookup.get(UserKey(key)).is_empty());
        }
        assert_eq!(
            (lookup.users(), lookup.bytes(), lookup.generation().0),
            (0, 0, 7)
        );
    }
}

#[test]
fn a_set_forgets_the_request_before() {
    let lookup = build(&[(1, vec![1, 2]), (2, vec![3])]);
    let mut out = SegmentSet::with_limit(1);
    lookup.segments_of(&[UserKey(1)], &mut out);
    assert_eq!(out.dropped(), 1);
    lookup.segments_of(&[UserKey(2)], &mut out);
    assert_eq!((out.as_slice(), out.dropped()), (ids(&[3]).as_slice(), 0));
}

#[test]
fn limits_refuse_the_entry_and_name_the_allowed_count() {
    let limits = Limits {
        entries: 2,
        memberships: 5,
        segments_per_user: 3,
    };
    let mut builder = Builder::new(limits);
    let add = |builder: &mut Builder, key, raw: &[u32]| builder.add(UserKey(key), &ids(raw));
    assert_eq!(
        add(&mut builder, 1, &[1, 2, 3, 4]),
        Err(BuildError::SegmentsPerUser { found: 4, limit: 3 })
    );
    assert_eq!(add(&mut builder, 1, &[1, 2, 3]), Ok(()));
    assert_eq!(
        add(&mut builder, 1, &[3, 4, 5]),
        Err(BuildError::Memberships { limit: 5 })
    );
    assert_eq!(add(&mut builder, 1, &[3, 2]), Ok(()));
    assert_eq!(
        add(&mut builder, 2, &[1]),
        Err(BuildError::Entries { limit: 2 })
    );
    let lookup = builder.finish(Generation(1)).unwrap();
    assert_eq!(listed(lookup.get(UserKey(1))), [1, 2, 3]);
}

#[test]
fn a_merged_user_beyond_the_limit_fails_the_build() {
    let limits = Limits {
        segments_per_user: 3,
        ..Limits::default()
    };
    let mut builder = Builder::new(limits);
    builder.add(UserKey(1), &ids(&[1, 2])).unwrap();
    builder.add(UserKey(1), &ids(&[3, 4])).unwrap();
    assert_eq!(
        builder.finish(Generation(1)).err(),
        Some(BuildError::SegmentsPerUser { found: 4, limit: 3 })
    );
}

#[test]
fn ten_thousand_hashed_users_cost_what_the_page_says() {
    let entries: Vec<(u64, Vec<u32>)> = (0..10_000_u64)
        .map(|n| {
            (
                xxhash_rust::xxh3::xxh3_64(&n.to_le_bytes()),
                (0..12).collect(),
            )
        })
        .collect();
    let lookup = build(&entries);
    assert_eq!(lookup.users(), 10_000);
    let bytes_per_user = lookup.bytes() / 10_000;
    assert!(
        (45..=46).contains(&bytes_per_user),
        "{bytes_per_user} bytes a user"
    );
}
