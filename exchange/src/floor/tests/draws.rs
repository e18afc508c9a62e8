//! The draws of 100,000 seeded auctions: weights, skip rates, enforcement and fetched data are
//! as often as they say, within five standard deviations.

use super::*;

const DRAWS: u64 = 100_000;

/// Counts over the seeds in how many auctions `drawn` is true.
fn assert_share(percent: u32, drawn: impl Fn(u64) -> bool, what: &str) {
    let hits = (0..DRAWS).filter(|seed| drawn(*seed)).count() as f64;
    let share = f64::from(percent) / 100.0;
    let expected = share * DRAWS as f64;
    let deviation = (DRAWS as f64 * share * (1.0 - share)).sqrt();
    let off = (hits - expected).abs();
    assert!(
        off <= 5.0 * deviation,
        "{what}: {hits} of {DRAWS}, expected {expected} within {deviation}"
    );
}

fn of(file: &str) -> Publisher {
    publisher(Some(parse(file).unwrap().floors))
}

fn version(publisher: &Publisher, seed: u64) -> Option<&str> {
    static NOTHING: std::sync::LazyLock<Stated> = std::sync::LazyLock::new(Stated::default);
    Plan::draw(publisher, &NOTHING, 0, &mut Draw::new(seed)).version()
}

/// In Go the lightest group gets (w+1)/(W+1): two of a hundred and one instead of one.
#[test]
fn groups_are_drawn_by_their_weights() {
    let weights = [1, 2, 17, 30, 50];
    let groups = weights.map(|weight| {
        format!(r#"{{"modelVersion":"{weight}","modelWeight":{weight},"default":1}}"#)
    });
    let publisher = of(&format!(
        r#"{{"data":{{"modelGroups":[{}]}}}}"#,
        groups.join(",")
    ));
    for weight in weights {
        let name = weight.to_string();
        let drawn = |seed| version(&publisher, seed) == Some(name.as_str());
        assert_share(weight, drawn, "weight");
    }
}

/// In Go a rate of s skips (s+1)/101: a rate of 0 skips every hundredth auction.
#[test]
fn auctions_are_skipped_by_the_rate() {
    for rate in [0, 1, 37, 50, 99, 100] {
        let publisher = of(&format!(
            r#"{{"data":{{"modelGroups":[{{"skipRate":{rate},"default":1}}]}}}}"#
        ));
        assert_share(
            rate,
            |seed| version(&publisher, seed).is_none(),
            "skip rate",
        );
    }
}

/// In Go a group's rate of 0 cannot override the others.
#[test]
fn the_groups_rate_goes_before_the_datas_and_that_before_the_files() {
    let rate =
        |name: Option<u32>| name.map_or(String::new(), |rate| format!(r#""skipRate":{rate},"#));
    for (root, data, group, expected) in [
        (Some(20), None, None, 20),
        (Some(20), Some(40), None, 40),
        (Some(20), Some(40), Some(60), 60),
        (Some(20), Some(40), Some(0), 0),
        (Some(20), Some(0), None, 0),
        (None, None, None, 0),
    ] {
        let publisher = of(&format!(
            r#"{{{}"data":{{{}"modelGroups":[{{{}"default":1}}]}}}}"#,
            rate(root),
            rate(data),
            rate(group)
        ));
        let skipped = |seed| version(&publisher, seed).is_none();
        assert_share(expected, skipped, "skip rate");
    }
}

/// A rate of 0 means always in Go, and never in Java, which is what it says.
#[test]
fn bids_are_held_to_floors_by_the_rate() {
    let mut scratch = Scratch::default();
    let request = br#"{"id":"1","imp":[{"id":"1"}]}"#;
    let request: BidRequest<'_> = scratch
        .decode(request, Limits::default(), Keep::All)
        .unwrap();
    let (stated, rates) = (Stated::default(), rates());
    let market = (EUR, &rates);
    for rate in [0, 1, 70, 100] {
        let publisher = of(&format!(
            r#"{{"enforcement":{{"enforceRate":{rate}}},"data":{{"modelGroups":[{{"default":1}}]}}}}"#
        ));
        let enforced = |seed| {
            let plan = Plan::draw(&publisher, &stated, 0, &mut Draw::new(seed));
            let floor = plan.floor(&request, &request.imp[0], None, None, market);
            let floor = floor.unwrap();
            assert_eq!(floor.signalled, Cpm(800_000));
            floor.enforced > Cpm(0)
        };
        assert_share(rate, enforced, "enforcement rate");
    }
}

#[test]
fn fetched_data_is_used_by_its_rate() {
    let file = r#"{"data":{"modelGroups":[{"modelVersion":"own","default":1}]}}"#;
    let fetched = r#"{"useFetchDataRate":30,"modelGroups":[{"modelVersion":"far","default":1}]}"#;
    let mut floors = parse(file).unwrap().floors;
    floors.fetched = Some(Arc::new(parse_data(fetched.as_bytes(), 10).unwrap().0));
    let both = publisher(Some(floors.clone()));
    assert_share(30, |seed| version(&both, seed) == Some("far"), "fetched");
    floors.data = None;
    let alone = publisher(Some(floors));
    assert_share(
        30,
        |seed| version(&alone, seed) == Some("far"),
        "fetched alone",
    );
}

#[test]
fn the_same_seed_draws_the_same() {
    let publisher = of(r#"{"data":{"skipRate":30,"modelGroups":[
        {"modelVersion":"a","default":1},{"modelVersion":"b","default":2}]}}"#);
    let all =
        || -> Vec<Option<&str>> { (0..1_000).map(|seed| version(&publisher, seed)).collect() };
    assert_eq!(all(), all());
}
