//! Floors: every fault with its pointer, versions with who and when, and the way back.

use super::*;
use exchange::catalog::{LossPrices, Pricing, Publisher, Requests};
use exchange::floor::simulate::{Auction, Bid, Imp, values};
use ledger::{Cpm, Currency, RateTable};

const EUR: Currency = Currency(*b"EUR");

/// Two hundred banners at second price, each with one bid at 2.00, over the floors of 1.00.
pub(super) fn past(id: &str, days: u32) -> Past {
    let file = json!({"data":{"currency":"EUR","modelGroups":[{"default":1,
        "schema":{"fields":["mediaType"]},"values":{"banner":1}}]}});
    let publisher = Publisher {
        id: id.into(),
        name: id.into(),
        domains: Vec::new(),
        bundles: Vec::new(),
        currency: EUR,
        revenue_share_ppm: 800_000,
        pricing: Pricing::SecondPrice { increment: Cpm(0) },
        floors: Some(exchange::floor::parse_value(&file).unwrap().floors.into()),
        max_qps: 0,
        tmax_ms: 100,
        blocked_advertisers: Vec::new(),
        blocked_categories: Vec::new(),
        requires_creative_id: false,
        requires_approval: false,
        max_markup: 1_024,
        loss_prices: LossPrices::default(),
        requests: Requests::default(),
    };
    let bid = Bid {
        partner: "p".into(),
        price: Cpm(2_000_000),
        floor: Cpm(1_000_000),
    };
    let imp = Imp {
        values: values(&format!("{}banner", "\u{1f}".repeat(5))),
        request: Cpm(0),
        placement: Cpm(0),
        bids: vec![bid],
    };
    let auction = |seed| Auction {
        at_s: 1_000,
        seed,
        imps: vec![imp.clone()],
    };
    let auctions = if days == 1 { 0 } else { 200 };
    Past {
        publisher,
        rates: RateTable::new(EUR, &[], "2026-11-25"),
        auctions: (0..auctions).map(auction).collect(),
        span_ms: (auctions > 0).then_some((1_000_000, 2_000_000)),
        sample_ppm: 10_000,
        on_deals: 3,
        without_rate: 0,
    }
}

fn publisher(id: &str) -> Value {
    json!({"id":id,"name":"P","domain":format!("{id}.example").replace('_', "-"),
        "currency":"EUR","revenue_share":"0.80"})
}

fn floors(default: f64) -> Value {
    json!({"data":{"currency":"EUR","modelGroups":[{"modelVersion":"v","default":default,
        "schema":{"fields":["mediaType"]},"values":{"banner":1}}]}})
}

async fn fixture() -> Fixture {
    let api = Fixture::new();
    for id in ["pub_n", "pub_m"] {
        let answer = api.admin("POST", "/v1/publishers", &publisher(id)).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
    }
    api
}

#[tokio::test]
async fn malformed_floors_are_refused_with_every_pointer() {
    let api = fixture().await;
    let wrong = json!({"surprise":1,"floorMin":-0.5,"gavel":{"timezone":"Mars/Olympus"},
        "data":{"modelGroups":[{"schema":{"fields":["mediaType","planet"]},"values":{}},
        {"schema":{"fields":["mediaType","size"],"delimiter":"|"},
         "values":{"banner":1,"banner|*":-2,"*|*|*":1,"video|640x480":"3"}}]}});
    let answer = api.admin("PUT", "/v1/floors/pub_n", &wrong).await;
    assert_eq!(answer.status, 422);
    let mut pointers = answer.pointers();
    pointers.sort_unstable();
    assert_eq!(
        pointers,
        [
            "/data/modelGroups/0/schema/fields/1",
            "/data/modelGroups/1/values/*|*|*",
            "/data/modelGroups/1/values/banner",
            "/data/modelGroups/1/values/banner|*",
            "/data/modelGroups/1/values/video|640x480",
            "/floorMin",
            "/surprise",
        ]
    );
    let zone = json!({"gavel":{"timezone":"Mars/Olympus"}});
    let answer = api.admin("PUT", "/v1/floors/pub_n", &zone).await;
    assert_eq!(answer.pointers(), ["/gavel/timezone"]);
    let none = api.admin("GET", "/v1/floors/pub_n", &Value::Null).await;
    assert_eq!(none.status, 404, "nothing was kept");
}

#[tokio::test]
async fn versions_tell_who_and_when_and_lead_back() {
    let api = fixture().await;
    let seller = api.key("publisher", &["pub_n"]).await;
    for default in [0.1, 0.2] {
        api.admin("PUT", "/v1/floors/pub_n", &floors(default)).await;
    }
    let path = "/v1/floors/pub_n/versions";
    let own = api
        .as_key(&seller, "PUT", "/v1/floors/pub_n", &floors(0.3))
        .await;
    assert_eq!(own.status, 200);
    let list = api.as_key(&seller, "GET", path, &Value::Null).await;
    let of = |at: usize, field: &str| list.body["items"][at][field].clone();
    assert_eq!(list.body["items"].as_array().unwrap().len(), 3);
    assert_eq!((of(0, "version"), of(2, "version")), (json!(3), json!(1)));
    assert_eq!(of(2, "who"), "admin");
    assert!(of(0, "who").as_str().unwrap().starts_with("key_"));
    assert_eq!(of(0, "at"), "2026-11-23T12:00:00Z");

    let old = api
        .as_key(&seller, "GET", &format!("{path}/2"), &Value::Null)
        .await;
    assert_eq!(old.body["floors"], floors(0.2));
    let restore = format!("{path}/1/restore");
    let changes = api.changes();
    let back = api.as_key(&seller, "POST", &restore, &Value::Null).await;
    assert_eq!((back.status, back.header("etag")), (200, "\"4\""));
    assert_eq!(back.body, floors(0.1));
    assert_eq!(api.changes(), changes + 1);
    let now = api.admin("GET", "/v1/floors/pub_n", &Value::Null).await;
    assert_eq!(now.body, floors(0.1));
    let again = api.admin("GET", &format!("{path}/3"), &Value::Null).await;
    assert_eq!(again.body["floors"], floors(0.3), "nothing is forgotten");

    let stale = api
        .with(("if-match", "\"3\""), "POST", &restore, &Value::Null)
        .await;
    assert_eq!(stale.status, 412);
    let only = api
        .admin(
            "POST",
            &format!("{path}/2/restore?validate_only=true"),
            &Value::Null,
        )
        .await;
    assert_eq!((only.status, &only.body), (200, &floors(0.2)));
    let now = api.admin("GET", "/v1/floors/pub_n", &Value::Null).await;
    assert_eq!(now.body, floors(0.1));
}

#[tokio::test]
async fn archived_floors_come_back_by_their_versions() {
    let api = fixture().await;
    api.admin("PUT", "/v1/floors/pub_n", &floors(0.1)).await;
    api.admin("DELETE", "/v1/floors/pub_n", &Value::Null).await;
    let path = "/v1/floors/pub_n/versions";
    let list = api.admin("GET", path, &Value::Null).await;
    assert_eq!(list.body["items"][0]["archived"], true);
    let gone = api
        .admin("POST", &format!("{path}/2/restore"), &Value::Null)
        .await;
    assert_eq!(gone.status, 409);
    let back = api
        .admin("POST", &format!("{path}/1/restore"), &Value::Null)
        .await;
    assert_eq!(back.status, 200);
    let now = api.admin("GET", "/v1/floors/pub_n", &Value::Null).await;
    assert_eq!((now.status, &now.body), (200, &floors(0.1)));
}

#[tokio::test]
async fn versions_come_in_pages() {
    let api = fixture().await;
    for step in 1..=5 {
        let default = f64::from(step) / 10.0;
        api.admin("PUT", "/v1/floors/pub_n", &floors(default)).await;
    }
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let path = format!("/v1/floors/pub_n/versions?limit=2{cursor}");
        let page = api.admin("GET", &path, &Value::Null).await;
        let items = page.body["items"].as_array().unwrap();
        seen.extend(items.iter().map(|item| item["version"].as_u64().unwrap()));
        match page.body["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen, [5, 4, 3, 2, 1]);
}

#[tokio::test]
async fn what_belongs_to_others_and_what_never_was_is_not_found() {
    let api = fixture().await;
    api.admin("PUT", "/v1/floors/pub_n", &floors(0.1)).await;
    let other = api.key("publisher", &["pub_m"]).await;
    let viewer = api.key("viewer", &["pub_n"]).await;
    let admin = ADMIN.to_owned();
    for (key, method, path, status) in [
        (&other, "GET", "pub_n/versions", 404),
        (&other, "GET", "pub_n/status", 404),
        (&other, "POST", "pub_n/versions/1/restore", 404),
        (&viewer, "GET", "pub_n/versions", 200),
        (&viewer, "POST", "pub_n/versions/1/restore", 403),
        (&admin, "GET", "pub_m/versions", 404),
        (&admin, "GET", "pub_m/status", 404),
        (&admin, "GET", "pub_n/versions/2", 404),
        (&admin, "GET", "pub_n/versions/0", 400),
        (&admin, "GET", "pub_n/versions/one", 400),
        (&admin, "GET", "pub_n/versions?cursor=x", 400),
    ] {
        let path = format!("/v1/floors/{path}");
        let answer = api.as_key(key, method, &path, &Value::Null).await;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.body);
    }
}

#[tokio::test]
async fn the_status_says_what_serves() {
    let api = fixture().await;
    for id in ["pub_n", "pub_m"] {
        api.admin("PUT", &format!("/v1/floors/{id}"), &floors(0.1))
            .await;
    }
    let status = api
        .admin("GET", "/v1/floors/pub_n/status", &Value::Null)
        .await;
    assert_eq!(
        status.body,
        json!({ "version": 1, "enabled": true, "groups": [{ "version": "v", "rules": 1 }],
            "feed": { "url": "http://floors.example/" } })
    );
    let status = api
        .admin("GET", "/v1/floors/pub_m/status", &Value::Null)
        .await;
    assert_eq!(status.body["feed"], Value::Null);
}

#[tokio::test]
async fn a_draft_is_tried_on_the_past() {
    let api = fixture().await;
    let draft = |floor: f64| {
        json!({"publisher":"pub_n","days":30,"floors":{"data":{"currency":"EUR","modelGroups":[
            {"schema":{"fields":["mediaType"]},"values":{"banner":floor}}]}}})
    };
    let told = api.admin("POST", "/v1/floors/simulate", &draft(1.5)).await;
    assert_eq!(told.status, 200, "{}", told.body);
    let body = &told.body;
    assert_eq!(body["sample"]["imps"], 200);
    assert_eq!(body["sample"]["left_out"]["imps_sold_on_deals"], 3);
    let sums = |of: &str| ["sold", "gross", "earned", "cpm"].map(|part| body[of][part].clone());
    assert_eq!(
        sums("now"),
        [json!(200), json!("0.20"), json!("0.16"), json!("1.00")]
    );
    assert_eq!(
        sums("draft"),
        [json!(200), json!("0.30"), json!("0.24"), json!("1.50")]
    );
    assert_eq!(
        body["change"],
        json!({"gross":"0.10","band":["0.10","0.10"]})
    );
    assert_eq!(body["by_rule"][0]["rule"], "banner");
    assert!(body["warning"].as_str().unwrap().contains("buyers"));
    let dear = api.admin("POST", "/v1/floors/simulate", &draft(2.01)).await;
    assert_eq!(
        (&dear.body["draft"]["sold"], &dear.body["draft"]["fill"]),
        (&json!(0), &json!(0.0))
    );
}

#[tokio::test]
async fn a_suggestion_stays_within_its_bounds_and_holds_some_auctions_out() {
    let api = fixture().await;
    let asked = json!({"publisher":"pub_n","max_percent":30});
    let body = api.admin("POST", "/v1/floors/suggest", &asked).await.body;
    let rule = json!({"rule":"banner","imps":100,"now":"1.00","suggested":"1.30"});
    // Nothing is in force that could be changed, so kinds are told by size, of which none is known.
    assert_eq!(
        (&body["kinds"], &body["floors"]),
        (&json!(0), &json!(null)),
        "{body}"
    );
    api.admin("PUT", "/v1/floors/pub_n", &floors(1.0)).await;
    let body = api.admin("POST", "/v1/floors/suggest", &asked).await.body;
    assert_eq!(body["rules"], json!([rule]), "{body}");
    assert_eq!(body["sample"]["imps"], 100, "measured on the other half");
    assert_eq!(body["draft"]["cpm"], "1.30");
    let groups = body["floors"]["data"]["modelGroups"].as_array().unwrap();
    let told = groups.iter().map(|group| {
        let price = &group["values"]["banner"];
        (
            group["modelWeight"].clone(),
            price.as_f64().unwrap(),
            group["default"].clone(),
        )
    });
    let told: Vec<_> = told.collect();
    assert_eq!(
        told,
        [(json!(90), 1.3, json!(1.0)), (json!(10), 1.0, json!(1.0))]
    );
    let accepted = api.admin("PUT", "/v1/floors/pub_n", &body["floors"]).await;
    assert_eq!(accepted.status, 200, "{}", accepted.body);
}

#[tokio::test]
async fn faults_of_trials_are_named() {
    let api = fixture().await;
    let none = json!({"publisher":"pub_n","days":1,"floors":{}});
    let none = api.admin("POST", "/v1/floors/simulate", &none).await;
    assert_eq!(none.status, 409);
    assert!(
        none.body.to_string().contains("log.sample_ppm is 10000"),
        "{}",
        none.body
    );
    for (path, body, pointer) in [
        ("simulate", json!({"floors":{}}), "/publisher"),
        (
            "simulate",
            json!({"publisher":"pub_x","floors":{}}),
            "/publisher",
        ),
        (
            "simulate",
            json!({"publisher":"pub_n","days":91,"floors":{}}),
            "/days",
        ),
        (
            "simulate",
            json!({"publisher":"pub_n","draft":{}}),
            "/draft",
        ),
        (
            "simulate",
            json!({"publisher":"pub_n","floors":{"floorMin":-1}}),
            "/floors/floorMin",
        ),
        (
            "suggest",
            json!({"publisher":"pub_n","max_percent":51}),
            "/max_percent",
        ),
        (
            "suggest",
            json!({"publisher":"pub_n","least_imps":1}),
            "/least_imps",
        ),
        (
            "suggest",
            json!({"publisher":"pub_n","fields":[]}),
            "/fields",
        ),
        (
            "suggest",
            json!({"publisher":"pub_n","fields":["size","planet"]}),
            "/fields/1",
        ),
    ] {
        let answer = api
            .admin("POST", &format!("/v1/floors/{path}"), &body)
            .await;
        assert_eq!(answer.status, 422, "{path} {body}");
        assert_eq!(answer.pointers(), [pointer], "{path} {body}");
    }
    let key = api.key("publisher", &["pub_m"]).await;
    let asked = json!({"publisher":"pub_n","floors":{}});
    let foreign = api
        .as_key(&key, "POST", "/v1/floors/simulate", &asked)
        .await;
    assert_eq!(
        (foreign.status, foreign.pointers()),
        (422, vec!["/publisher"])
    );
}

#[tokio::test]
async fn a_deal_is_reported_to_its_publisher() {
    let api = fixture().await;
    let deal = json!({"publisher":"pub_n","name":"D","start":"2026-11-23T00:00:00Z",
        "end":"2026-12-23T00:00:00Z"});
    for id in ["deal_1", "deal_2"] {
        let answer = api.admin("PUT", &format!("/v1/deals/{id}"), &deal).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
    }
    let (own, other) = (
        api.key("publisher", &["pub_n"]).await,
        api.key("viewer", &["pub_m"]).await,
    );
    let report = api
        .as_key(&own, "GET", "/v1/deals/deal_1/report", &Value::Null)
        .await;
    assert_eq!(report.body["events"], json!({"offered":3,"bid":2}));
    let buyer = json!({"partner":"dsp-1","bids":2,"won":1,"lost":{"seat":1}});
    assert_eq!(report.body["buyers"], json!([buyer]));
    let unknown = api
        .as_key(&own, "GET", "/v1/deals/deal_2/report", &Value::Null)
        .await;
    assert_eq!((unknown.status, &unknown.body["buyers"]), (200, &json!([])));
    let foreign = api
        .as_key(&other, "GET", "/v1/deals/deal_1/report", &Value::Null)
        .await;
    assert_eq!(foreign.status, 404);
}
