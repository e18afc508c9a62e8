//! When feeds are fetched, and what serves meanwhile.

use super::*;
use exchange::catalog::Pricing;
use exchange::floor::{parse, parse_data};
use ledger::Currency;

const FEED: &str = r#"{"floorEndpoint":{"url":"http://floors.example/","period_sec":300,
    "max_age_sec":2000}}"#;
const DATA: &[u8] = br#"{"modelGroups":[{"modelVersion":"v","default":1}]}"#;

fn publisher(file: &str) -> Publisher {
    Publisher {
        id: "pub_1".into(),
        name: "One".into(),
        domains: Vec::new(),
        bundles: Vec::new(),
        currency: Currency(*b"EUR"),
        revenue_share_ppm: 800_000,
        pricing: Pricing::FirstPrice,
        floors: Some(Arc::new(parse(file).unwrap().floors)),
        max_qps: 0,
        tmax_ms: 150,
        blocked_advertisers: Vec::new(),
        blocked_categories: Vec::new(),
        requires_creative_id: false,
        requires_approval: false,
        max_markup: 256 * 1024,
        loss_prices: exchange::catalog::LossPrices::default(),
        requests: exchange::catalog::Requests::default(),
    }
}

/// Whether the publisher is given fetched data.
fn filled(feeds: &Feeds, file: &str, now_s: u32) -> bool {
    let mut publishers = [publisher(file)];
    feeds.fill(&mut publishers, now_s);
    publishers[0].floors.as_ref().unwrap().fetched.is_some()
}

fn due(feeds: &Feeds, now_s: u32) -> Option<Feed> {
    feeds.due(now_s, 8).pop().map(|(_, feed)| feed)
}

fn succeed(feeds: &Feeds, feed: &Feed, now_s: u32) {
    let parsed = parse_data(DATA, 10).unwrap();
    feeds.done("pub_1", feed, Ok(parsed), now_s);
}

#[test]
fn a_feed_is_fetched_at_once_and_then_by_its_period() {
    let feeds = Feeds::default();
    assert!(!filled(&feeds, FEED, 1_000), "the first auctions have none");
    let feed = due(&feeds, 1_000).unwrap();
    assert_eq!(due(&feeds, 1_001), None, "it is under way");
    let before = feeds.generation();
    succeed(&feeds, &feed, 1_002);
    assert!(feeds.generation() > before);
    assert!(filled(&feeds, FEED, 1_003));
    assert_eq!(due(&feeds, 1_301), None);
    assert!(due(&feeds, 1_302).is_some());
}

#[test]
fn failures_keep_the_last_good_until_it_is_too_old() {
    let feeds = Feeds::default();
    filled(&feeds, FEED, 0);
    let feed = due(&feeds, 0).unwrap();
    succeed(&feeds, &feed, 0);
    let mut pauses = Vec::new();
    let mut now_s = 300;
    for _ in 0..6 {
        assert!(due(&feeds, now_s).is_some(), "{now_s}");
        feeds.done("pub_1", &feed, Err(Failure::Redirect(302)), now_s);
        assert!(filled(&feeds, FEED, now_s), "{now_s}");
        let next = (1..1_000).find(|pause| due(&feeds, now_s + pause).is_some());
        pauses.push(next.unwrap());
        now_s += next.unwrap();
        // Asked for above, and answered again in the next round.
        feeds.lock().get_mut("pub_1").unwrap().due_s = now_s;
        if now_s > 900 {
            break;
        }
    }
    assert_eq!(pauses, [30, 60, 120, 240, 300][..pauses.len()]);
    let status = feeds.status("pub_1").unwrap();
    assert_eq!(status["last_failure"]["reason"], "redirect");
    assert_eq!(status["serving"]["at"], "1970-01-01T00:00:00Z");
    let before = feeds.generation();
    due(&feeds, 2_001);
    assert!(feeds.generation() > before);
    assert!(!filled(&feeds, FEED, 2_001), "older than its greatest age");
}

#[test]
fn another_address_starts_anew_and_other_limits_keep_the_data() {
    let feeds = Feeds::default();
    filled(&feeds, FEED, 0);
    let feed = due(&feeds, 0).unwrap();
    succeed(&feeds, &feed, 0);
    let limits = FEED.replace("300", "600");
    assert!(filled(&feeds, &limits, 1));
    assert!(
        due(&feeds, 1).is_some(),
        "changed settings are tried at once"
    );
    succeed(&feeds, &feed, 2);
    let status = feeds.status("pub_1").unwrap();
    assert_eq!(
        status["serving"]["at"], "1970-01-01T00:00:00Z",
        "a late answer to the old feed"
    );
    let address = FEED.replace("floors.example", "other.example");
    assert!(!filled(&feeds, &address, 3));
    assert!(!filled(&feeds, "{}", 4));
    assert_eq!(feeds.status("pub_1"), None);
}

#[test]
fn what_was_left_out_of_a_file_is_shown() {
    let feeds = Feeds::default();
    filled(&feeds, FEED, 0);
    let feed = due(&feeds, 0).unwrap();
    let text = br#"{"modelGroups":[{"schema":{"fields":["size"]},"values":{"a|b":1,"c":2}}]}"#;
    feeds.done("pub_1", &feed, Ok(parse_data(text, 10).unwrap()), 0);
    let serving = &feeds.status("pub_1").unwrap()["serving"];
    assert_eq!(serving["rules"], 1);
    assert_eq!(
        serving["ignored"][0]["pointer"],
        "/modelGroups/0/values/a|b"
    );
}

#[test]
fn fetches_under_way_are_bounded() {
    let feeds = Feeds::default();
    let mut publishers: Vec<Publisher> = (0..20)
        .map(|number| Publisher {
            id: format!("pub_{number}").into(),
            ..publisher(FEED)
        })
        .collect();
    feeds.fill(&mut publishers, 0);
    assert_eq!(feeds.due(0, 8).len(), 8);
    assert_eq!(feeds.due(0, 3).len(), 3);
    assert_eq!(feeds.due(0, 100).len(), 9);
}
