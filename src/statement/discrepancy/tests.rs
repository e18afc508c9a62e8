use super::*;
use proptest::prelude::*;

fn day(text: &str) -> Date {
    text.parse().unwrap()
}

fn own(impressions: i64, edges: (i64, i64), missing: &[(&str, i64)]) -> Own {
    let missing = missing
        .iter()
        .map(|(name, count)| ((*name).to_owned(), *count));
    Own {
        impressions,
        gross: impressions * 2_000,
        edges,
        missing: missing.collect(),
    }
}

fn count(impressions: i64) -> Count {
    Count {
        impressions,
        gross: Some(impressions * 2_000),
    }
}

fn reasons(days: &[DayReport]) -> Vec<Vec<(&str, i64)>> {
    days.iter()
        .map(|day| {
            day.reasons
                .iter()
                .map(|(name, count)| (name.as_str(), *count))
                .collect()
        })
        .collect()
}

#[test]
fn a_difference_is_explained_as_far_as_our_books_go() {
    let ours = [(
        day("2026-11-24"),
        own(
            90,
            (0, 0),
            &[("refused_above_bid", 4), ("won_not_billed", 3)],
        ),
    )];
    let theirs = [(day("2026-11-24"), count(100))];
    let days = compare(&ours.into(), &theirs.into());
    let expected = vec![
        ("refused_above_bid", 4),
        ("won_not_billed", 3),
        ("unexplained", 3),
    ];
    assert_eq!(reasons(&days), [expected]);
    assert_eq!(days[0].price, Some(0));
}

#[test]
fn what_was_counted_on_the_other_side_of_midnight_is_told() {
    let ours = [
        (day("2026-11-24"), own(100, (0, 9), &[])),
        (day("2026-11-25"), own(100, (2, 0), &[])),
    ];
    let theirs = [
        (day("2026-11-24"), count(93)),
        (day("2026-11-25"), count(110)),
    ];
    let days = compare(&ours.into(), &theirs.into());
    assert_eq!(
        reasons(&days),
        [
            vec![("counted_on_next_day", -7)],
            vec![("counted_on_day_before", 7), ("unexplained", 3)]
        ]
    );
}

#[test]
fn an_equal_count_at_another_price_is_a_matter_of_price() {
    let ours = [(day("2026-11-24"), own(10, (0, 0), &[]))];
    let dearer = Count {
        impressions: 10,
        gross: Some(20_300),
    };
    let days = compare(&ours.into(), &[(day("2026-11-24"), dearer)].into());
    assert_eq!((days[0].price, days[0].reasons.len()), (Some(300), 0));
    // Where we have nothing, their money is explained by their impressions.
    let days = compare(&BTreeMap::new(), &[(day("2026-11-24"), dearer)].into());
    assert_eq!(days[0].price, Some(0));
}

proptest! {
    #[test]
    fn the_reasons_add_up_to_the_difference(
        sides in prop::collection::vec((0i64..50, 0i64..50, 0i64..9, 0i64..9, 0i64..9), 1..9),
    ) {
        let (mut ours, mut theirs) = (BTreeMap::new(), BTreeMap::new());
        let mut date = day("2026-11-24");
        for (mine, their, first, last, refused) in sides {
            ours.insert(date, own(mine, (first, last), &[("refused_share", refused)]));
            theirs.insert(date, count(their));
            date = date.tomorrow().unwrap();
        }
        for day in compare(&ours, &theirs) {
            let sum: i64 = day.reasons.iter().map(|(_, count)| count).sum();
            prop_assert_eq!(sum, day.impressions());
        }
    }
}
