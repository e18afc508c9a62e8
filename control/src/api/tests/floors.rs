//! Floors: every fault with its pointer, versions with who and when, and the way back.

use super::*;

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
