//! What the node tells of its decisions: explanations, funnels, and who is idle.

use super::*;
use bidder::catalog::{Dimension, Factor, Subject};
use bidder::decide::{Price, Step, Verdict};
use bidder::funnel::{Funnel, FunnelKey, Stage};
use bidder::{NoBid, funnel};
use ledger::{Cpm, Currency};

/// Of two advertisers, in the order of a catalog.
pub(super) fn verdicts() -> Vec<Verdict<'static>> {
    let price = Price {
        creative: "cr_a",
        deal: None,
        currency: Currency(*b"EUR"),
        max_cpm: Cpm(2_500_000),
        value: Cpm(2_000_000),
        factor: Factor(1_200_000),
        fees: None,
        modified: Cpm(2_400_000),
        paced: Cpm(2_000_000),
        floor: Cpm(1_500_000),
        price: Cpm(2_000_000),
        rank: Cpm(2_200_000),
        compared_in: Currency(*b"USD"),
    };
    let not_targeted = |dimension: Dimension| Step::NotTargeted {
        subject: Subject::Of(dimension),
        wanted: None,
        seen: vec!["DEU".to_owned()],
    };
    let dear = Step::Stopped {
        reason: NoBid::BelowFloor,
        wanted: "a floor of at most 1.00 EUR".to_owned(),
        seen: "bidfloor 1.5 EUR".to_owned(),
    };
    let of = |line_item, imp, step| Verdict {
        line_item,
        imp,
        step,
    };
    vec![
        of("li_a", 0, not_targeted(Dimension::Geo)),
        of("li_b", 0, Step::Idle(Idle::OutsideHours)),
        of("li_a", 1, dear),
        of("li_b", 1, Step::Bid(price)),
        of(
            "li_b",
            2,
            Step::Outbid {
                price,
                by: Some("li_a"),
            },
        ),
    ]
}

pub(super) fn rows(line_item: &str) -> Vec<FunnelRow> {
    // The tests' clock says 2026-11-23 12:00.
    const NOON: u32 = 498_732;
    let funnel = Funnel::new(NOON, 16);
    let key = FunnelKey::new(line_item, "x");
    for (stage, times) in [
        (Stage::Targeted, 900),
        (Stage::Stopped(NoBid::Paced), 70),
        (Stage::Bid, 30),
        (Stage::Win, 12),
    ] {
        funnel.count(key, stage, times);
    }
    let row = |hour: u32, exchange: &str, counts: funnel::Counts| FunnelRow {
        hour,
        exchange: exchange.to_owned(),
        requests: 5_000,
        counts,
    };
    vec![
        row(NOON, "x", funnel.read(key)),
        row(NOON - 2, "x", funnel.read(key)),
        row(NOON, "y", funnel::Counts::default()),
    ]
}

/// A draft of 9.00 finds a node that has seen nothing yet.
pub(super) fn forecast(draft: &Draft) -> Result<Forecast, String> {
    let [only] = &draft.compiled.bidder.line_items[..] else {
        panic!("a draft is alone: {:?}", draft.compiled.bidder.line_items);
    };
    assert_eq!((&only.id, only.campaign.as_str()), (&draft.id, "cmp_a"));
    assert_eq!(draft.compiled.bidder.creatives.len(), 1);
    if only.max_cpm == Cpm(9_000_000) {
        return Err("no exchange has asked yet".to_owned());
    }
    let band = |likely: f64| Band {
        low: likely * 0.5,
        likely,
        high: likely * 2.0,
    };
    Ok(Forecast {
        requests: 4_000,
        sampled: 256,
        seconds: 3_600,
        avails: band(900.0),
        wins: band(90.4),
        spend: band(12_345_678.0),
        stopped: [("geo".to_owned(), 3_100.4)].into(),
        ..Forecast::default()
    })
}

#[tokio::test]
async fn a_draft_is_forecast_and_not_kept() {
    let api = Fixture::new();
    api.buyer("a").await;
    let before = api.changes();
    let campaign = json!({"start": "2027-01-01T00:00:00Z", "status": "paused",
        "budget": {"total": "1000", "daily": "10"}});
    let patched = api.admin("PATCH", "/v1/campaigns/cmp_a", &campaign).await;
    assert_eq!(patched.status, 200, "{}", patched.body);
    let draft = |cpm: &str| {
        json!({"campaign": "cmp_a", "name": "D", "bid": {"max_cpm": cpm},
            "creatives": ["cr_a"], "targeting": {"geo": ["FRA"]}})
    };
    let key = api.key("advertiser", &["adv_a"]).await;
    let answer = api
        .as_key(&key, "POST", "/v1/forecast", &draft("2.50"))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(
        answer.body["avails"],
        json!({"low": 450, "likely": 900, "high": 1800})
    );
    assert_eq!(answer.body["wins"]["likely"], 90);
    let spend = json!({"low": "6.172839", "likely": "10.00", "high": "10.00", "currency": "EUR"});
    assert_eq!(answer.body["spend"], spend);
    assert_eq!(answer.body["limited_by_daily_budget"], true);
    assert_eq!(answer.body["stopped"], json!({"geo": 3100}));
    let listed = api.admin("GET", "/v1/line_items", &Value::Null).await;
    assert_eq!(listed.body["items"].as_array().unwrap().len(), 1);
    assert_eq!(api.changes(), before + 2, "the campaign and the key alone");

    let nothing = api.admin("POST", "/v1/forecast", &draft("9")).await;
    assert_eq!(
        (nothing.status, &nothing.body["detail"]),
        (503, &json!("no exchange has asked yet"))
    );
    let mut wrong = draft("2.50");
    wrong["targeting"] = json!({"geo": ["XXX"]});
    wrong["id"] = json!("li_mine");
    let refused = api.admin("POST", "/v1/forecast", &wrong).await;
    assert_eq!((refused.status, refused.pointers()), (422, vec!["/id"]));
    wrong["id"] = Value::Null;
    let refused = api.admin("POST", "/v1/forecast", &wrong).await;
    assert_eq!(
        (refused.status, refused.pointers()),
        (422, vec!["/targeting/geo/0"])
    );
    let mut narrow = draft("2.50");
    narrow["targeting"] = json!({"sizes": ["728x90"]});
    let refused = api.admin("POST", "/v1/forecast", &narrow).await;
    assert_eq!(refused.status, 422, "{}", refused.body);
    let viewer = api.key("viewer", &["adv_a"]).await;
    let refused = api
        .as_key(&viewer, "POST", "/v1/forecast", &draft("2.50"))
        .await;
    assert_eq!(refused.status, 403);
}

#[tokio::test]
async fn an_explanation_says_what_is_wanted_and_what_was_seen() {
    let api = Fixture::new();
    api.buyer("a").await;
    let targeting = json!({"targeting": {"geo": ["FRA"]}});
    let patched = api.admin("PATCH", "/v1/line_items/li_a", &targeting).await;
    assert_eq!(patched.status, 200, "{}", patched.body);
    let answer = api
        .admin("POST", "/v1/explain?seed=7", &json!({"id": "1"}))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.body["seed"], 7);
    let outcome = json!({"bids": 0, "reason": "below_floor", "nbr": 0});
    assert_eq!(answer.body["outcome"], outcome);
    let verdicts = answer.body["verdicts"].as_array().unwrap();
    let steps: Vec<&str> = verdicts
        .iter()
        .map(|one| one["step"].as_str().unwrap())
        .collect();
    assert_eq!(steps, ["bid", "outbid", "stopped", "not_targeted", "idle"]);
    assert_eq!(verdicts[0]["price"]["factor"], "1.20");
    assert_eq!(verdicts[0]["price"]["modified"], "2.40");
    assert_eq!(verdicts[0]["price"]["paced"], "2.00");
    assert_eq!(verdicts[1]["by"], "li_a");
    assert_eq!(verdicts[2]["seen"], "bidfloor 1.5 EUR");
    assert_eq!(verdicts[3]["wanted"], json!({"/targeting/geo": ["FRA"]}));
    assert_eq!(verdicts[3]["seen"], json!(["DEU"]));
    assert_eq!(verdicts[4]["rule"], "outside_hours");
    let counts = json!({"bid": 1, "outbid": 1, "stopped: below_floor": 1,
        "not_targeted: geo": 1, "idle: outside_hours": 1});
    assert_eq!(answer.body["counts"], counts);

    let few = api.admin("POST", "/v1/explain?limit=2", &json!({})).await;
    assert_eq!(few.status, 422, "{}", few.body);
    let few = api
        .admin("POST", "/v1/explain?limit=2", &json!({"id": "1"}))
        .await;
    assert_eq!(few.body["left_out"], 3);
    assert_eq!(few.body["verdicts"].as_array().unwrap().len(), 2);
    for (path, status) in [
        ("/v1/explain?exchange=nobody", 404),
        ("/v1/explain?line_item=li_x", 404),
        ("/v1/explain?limit=0", 400),
        ("/v1/explain?seed=-1", 400),
        ("/v1/explain?imp=1", 400),
    ] {
        let answer = api.admin("POST", path, &json!({"id": "1"})).await;
        assert_eq!(answer.status, status, "{path} {}", answer.body);
    }
}

#[tokio::test]
async fn an_explanation_is_of_the_callers_own_line_items() {
    let api = Fixture::new();
    api.buyer("a").await;
    api.buyer("b").await;
    let key = api.key("advertiser", &["adv_b"]).await;
    let explain = |query: &'static str| {
        let (api, key) = (&api, &key);
        async move {
            let path = format!("/v1/explain{query}");
            api.as_key(key, "POST", &path, &json!({"id": "1"})).await
        }
    };
    for query in ["", "?line_item=li_b"] {
        let answer = explain(query).await;
        let verdicts = answer.body["verdicts"].as_array().unwrap();
        assert_eq!(verdicts.len(), 3, "{}", answer.body);
        assert!(verdicts.iter().all(|one| one["line_item"] == "li_b"));
    }
    assert_eq!(explain("?line_item=li_a").await.status, 404);
}

#[tokio::test]
async fn a_funnel_is_told_by_exchange_and_hour_with_its_sum() {
    let api = Fixture::new();
    api.buyer("a").await;
    let path = "/v1/line_items/li_a/funnel";
    let answer = api.admin("GET", path, &Value::Null).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let items = answer.body["items"].as_array().unwrap();
    assert_eq!(items.len(), 3);
    let first = json!({"hour": "2026-11-23T10:00:00Z", "exchange": "x", "requests": 5000,
        "targeted": 900, "stopped": {"paced": 70}, "outbid": 0, "bids": 30, "wins": 12,
        "billed": 0});
    assert_eq!(items[0], first);
    let total = json!({"requests": 15000, "targeted": 1800, "stopped": {"paced": 140},
        "outbid": 0, "bids": 60, "wins": 24, "billed": 0});
    assert_eq!(answer.body["total"], total);
    let now = api.admin(
        "GET",
        "/v1/line_items/li_a/funnel?hours=1&exchange=x",
        &Value::Null,
    );
    assert_eq!(now.await.body["total"]["bids"], 30);
    api.buyer("z").await;
    let key = api.key("advertiser", &["adv_z"]).await;
    assert_eq!(
        api.as_key(&key, "GET", path, &Value::Null).await.status,
        404
    );
    let wrong = api.admin("GET", "/v1/line_items/li_a/funnel?hours=25", &Value::Null);
    assert_eq!(wrong.await.status, 400);
}

#[tokio::test]
async fn a_line_item_that_the_node_does_not_bid_for_says_so() {
    let api = Fixture::new();
    api.buyer("poor").await;
    let answer = api
        .admin("GET", "/v1/line_items/li_poor", &Value::Null)
        .await;
    let expected = json!({"status": "not_serving", "reasons": [{
        "code": "no_budget_left", "detail": Idle::NoBudget.detail() }]});
    assert_eq!(answer.body["serving"], expected);
    // What the documents say comes first, and it is all that is told.
    let paused = json!({"status": "paused"});
    let answer = api.admin("PATCH", "/v1/line_items/li_poor", &paused).await;
    let reasons = answer.body["serving"]["reasons"].as_array().unwrap();
    assert_eq!((reasons.len(), &reasons[0]["code"]), (1, &json!("paused")));
}
