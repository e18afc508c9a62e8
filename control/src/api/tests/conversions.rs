use super::*;
use ledger::{Micros, Windows};

fn advertiser(name: &str) -> Value {
    json!({ "id": name, "name": "A", "currency": "EUR", "domain": "a.example",
            "timezone": "America/New_York",
            "attribution": { "post_click_days": 7, "post_view_days": 0 } })
}

fn conversion(order: &str) -> Value {
    json!({ "advertiser": "adv_a", "order_id": order, "at": "2026-11-20T10:00:00Z",
            "value": "12.50", "click_id": "AwEA" })
}

async fn with_advertisers() -> Fixture {
    let api = Fixture::new();
    for id in ["adv_a", "adv_b"] {
        let made = api.admin("POST", "/v1/advertisers", &advertiser(id)).await;
        assert_eq!(made.status, 201, "{}", made.body);
    }
    api
}

#[tokio::test]
async fn conversions_are_reported_one_by_one_and_together() {
    let api = with_advertisers().await;
    let one = api
        .admin("POST", "/v1/conversions", &conversion("o1"))
        .await;
    assert_eq!(one.status, 200, "{}", one.body);
    assert_eq!(one.body, json!({ "order_id": "o1", "credit": "click" }));
    let mut dollars = conversion("o3");
    dollars["currency"] = "USD".into();
    dollars["value"] = 3.into();
    dollars["users"] = json!([{ "kind": "eid", "source": "id.example", "id": "x" }]);
    let batch = json!({ "conversions": [conversion("o2"), dollars] });
    let many = api.admin("POST", "/v1/conversions", &batch).await;
    assert_eq!(many.status, 200, "{}", many.body);
    assert_eq!(many.body["items"][1]["order_id"], "o3");
    let told = api.node.reported.lock().unwrap();
    let shown: Vec<_> = told
        .iter()
        .map(|one| (one.value, one.currency.code(), one.crediting.windows))
        .collect();
    let windows = Windows::days(7, 0);
    let expected = [
        (Micros(12_500_000), "EUR", windows),
        (Micros(12_500_000), "EUR", windows),
        (Micros(3_000_000), "USD", windows),
    ];
    assert_eq!(shown, expected);
}

#[tokio::test]
async fn everything_that_is_wrong_with_conversions_is_told_at_once() {
    let api = with_advertisers().await;
    let post = async |body: Value| api.admin("POST", "/v1/conversions", &body).await;
    let with = |name: &str, value: Value| {
        let mut one = conversion("o");
        one[name] = value;
        one
    };
    let mut nobody = conversion("o");
    nobody.as_object_mut().unwrap().remove("click_id");
    let all = json!({ "conversions": [
        with("advertiser", "adv_x".into()),
        with("at", "2026-08-20T10:00:00Z".into()),
        with("at", "2026-11-24T10:00:00Z".into()),
        with("value", "-1".into()),
        with("value", "10000000.01".into()),
        with("currency", "EURO".into()),
        with("order_id", "".into()),
        with("users", json!([{ "kind": "ifa", "source": "a", "id": "x" }])),
        with("users", json!([{ "kind": "shoe", "id": "x" }])),
        nobody,
        with("colour", "red".into()),
    ]});
    let answer = post(all).await;
    assert_eq!(answer.status, 422);
    let names = [
        "advertiser",
        "at",
        "at",
        "value",
        "value",
        "currency",
        "order_id",
        "users/0/source",
        "users/0/kind",
        "click_id",
        "colour",
    ];
    let mut expected: Vec<String> = names
        .iter()
        .enumerate()
        .map(|(place, name)| format!("/conversions/{place}/{name}"))
        .collect();
    let mut pointers = answer.pointers();
    pointers.sort_unstable();
    expected.sort_unstable();
    assert_eq!(pointers, expected);
    let forged = json!({ "conversions": [conversion("a"), with("click_id", "forged".into())] });
    let answer = post(forged).await;
    assert_eq!(answer.pointers(), ["/conversions/1/click_id"]);
    for (body, pointer) in [
        (json!({ "conversions": [] }), "/conversions"),
        (json!({ "conversions": [conversion("a")], "x": 1 }), "/x"),
    ] {
        assert_eq!(post(body).await.pointers(), [pointer]);
    }
    assert_eq!(post(conversion("down")).await.status, 503);
    let told = api.node.reported.lock().unwrap();
    assert!(told.is_empty(), "all or nothing");
}

#[tokio::test]
async fn an_advertiser_reports_and_sees_its_own_alone() {
    let api = with_advertisers().await;
    let own = api.key("advertiser", &["adv_a"]).await;
    let viewer = api.key("viewer", &["adv_a"]).await;
    let mine = api
        .as_key(&own, "POST", "/v1/conversions", &conversion("o"))
        .await;
    assert_eq!(mine.status, 200, "{}", mine.body);
    let mut foreign = conversion("o");
    foreign["advertiser"] = "adv_b".into();
    let answer = api.as_key(&own, "POST", "/v1/conversions", &foreign).await;
    assert_eq!(
        (answer.status, answer.pointers()),
        (422, vec!["/advertiser"])
    );
    let answer = api
        .as_key(&viewer, "POST", "/v1/conversions", &conversion("o"))
        .await;
    assert_eq!(answer.status, 403);
    let get = async |key: &str, path: &str| api.as_key(key, "GET", path, &Value::Null).await;
    let page = get(&viewer, "/v1/conversions?advertiser=adv_a&limit=2").await;
    assert_eq!((page.status, &page.body["next"]), (200, &"2".into()));
    let last = get(&viewer, "/v1/conversions?advertiser=adv_a&limit=2&cursor=2").await;
    assert_eq!(last.body["next"], Value::Null);
    for (path, status) in [
        ("/v1/conversions", 400),
        ("/v1/conversions?advertiser=adv_b", 404),
        ("/v1/conversions?advertiser=adv_a&cursor=x", 400),
        (
            "/v1/reports/conversions?advertiser=adv_a&from=2026-11-01",
            400,
        ),
        (
            "/v1/reports/conversions?advertiser=adv_a&from=1.11.&to=2026-11-02",
            400,
        ),
        (
            "/v1/reports/conversions?advertiser=adv_a&from=2026-11-02&to=2026-11-01",
            400,
        ),
    ] {
        assert_eq!(get(&viewer, path).await.status, status, "{path}");
    }
    // A day of the advertiser's clock; on this one New York's ends an hour later.
    let path = "/v1/reports/conversions?advertiser=adv_a&from=2026-11-01&to=2026-11-01";
    let report = get(&viewer, path).await;
    let (from, to) = (
        &report.body["items"][0]["from"],
        &report.body["items"][0]["to"],
    );
    assert_eq!(
        to.as_i64().unwrap() - from.as_i64().unwrap(),
        25 * 3_600_000
    );
}

#[tokio::test]
async fn windows_are_bounded() {
    let api = Fixture::new();
    let mut wide = advertiser("adv_w");
    wide["attribution"] = json!({ "post_click_days": 91, "post_view_days": 31 });
    let answer = api.admin("POST", "/v1/advertisers", &wide).await;
    let mut pointers = answer.pointers();
    pointers.sort_unstable();
    let expected = [
        "/attribution/post_click_days",
        "/attribution/post_view_days",
    ];
    assert_eq!(pointers, expected);
}
