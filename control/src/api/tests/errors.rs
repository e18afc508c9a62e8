//! What is refused, and how it is told.

use super::*;

#[tokio::test]
async fn every_fault_is_told_at_once() {
    let api = Fixture::new();
    api.buyer("a").await;
    let body = json!({"campaign":"cmp_none","name":"x","bid":{"max_cpm":"2"},
        "creatives":["cr_a","cr_none"]});
    let answer = api.admin("POST", "/v1/line_items", &body).await;
    assert_eq!(
        (answer.status, answer.pointers()),
        (422, vec!["/campaign", "/creatives/1"])
    );
    let body = json!({"campaign":7,"nam":"x","bid":{"max_cpm":"-2"},
        "targeting":{"sizes":["300*250"],"geo":{"include":["FR"]}}});
    let answer = api.admin("POST", "/v1/line_items", &body).await;
    let wanted = [
        "/nam",
        "/campaign",
        "/name",
        "/bid/max_cpm",
        "/targeting/geo/include/0",
        "/targeting/sizes/0",
        "/creatives",
    ];
    assert_eq!((answer.status, answer.pointers()), (422, wanted.to_vec()));
    assert_eq!(answer.body["detail"], "7 faults");
}

#[tokio::test]
async fn what_cannot_be_served_has_its_status() {
    let api = Fixture::new();
    api.buyer("a").await;
    let [(_, advertiser), ..] = buyer("a");
    let big = json!({ "name": "x".repeat(20_000) });
    let other_id = json!({ "id": "adv_b", "name": "x" });
    let null = Value::Null;
    for (method, path, body, status, pointer) in [
        ("GET", "/v1/nothing", &null, 404, ""),
        ("GET", "/nothing", &null, 404, ""),
        ("GET", "/v1/advertisers/adv_none", &null, 404, ""),
        ("PATCH", "/v1/advertisers/adv_none", &other_id, 404, ""),
        ("DELETE", "/v1/advertisers/adv_none", &null, 404, ""),
        ("POST", "/v1/advertisers/adv_a", &null, 405, ""),
        ("DELETE", "/v1/advertisers", &null, 405, ""),
        ("POST", "/v1/advertisers", &advertiser, 409, "/id"),
        ("POST", "/v1/advertisers", &big, 413, ""),
        ("POST", "/v1/advertisers", &null, 400, ""),
        ("PATCH", "/v1/advertisers/adv_a", &other_id, 422, "/id"),
        ("PUT", "/v1/advertisers/acme", &advertiser, 422, "/id"),
        ("GET", "/v1/advertisers?limit=0", &null, 400, ""),
        ("GET", "/v1/advertisers?limit=501", &null, 400, ""),
        ("GET", "/v1/advertisers?page=2", &null, 400, ""),
        ("GET", "/v1/advertisers?archived=maybe", &null, 400, ""),
        ("GET", "/v1/audit?cursor=x", &null, 400, ""),
    ] {
        let answer = api.admin(method, path, body).await;
        assert_eq!(
            (answer.status, answer.pointers()),
            (status, vec![pointer]),
            "{method} {path}"
        );
    }
    let broken = api
        .send(
            "POST",
            "/v1/advertisers",
            &[("authorization", "bearer operator-secret")],
            "{\"a\":",
        )
        .await;
    assert_eq!((broken.status, broken.pointers()), (400, vec![""]));
    let deep = "[".repeat(9_000);
    let deep = api
        .send(
            "POST",
            "/v1/advertisers",
            &[("authorization", "Bearer operator-secret")],
            deep,
        )
        .await;
    assert_eq!(deep.status, 400);
    let form = ("content-type", "application/x-www-form-urlencoded");
    assert_eq!(
        api.with(form, "POST", "/v1/advertisers", &advertiser)
            .await
            .status,
        415
    );
    assert_eq!(api.changes(), 4);
}

#[tokio::test]
async fn whoever_has_no_key_sees_nothing() {
    let api = Fixture::new();
    for header in [
        None,
        Some("Bearer wrong"),
        Some("Bearer"),
        Some("Basic operator-secret"),
    ] {
        let headers: Vec<(&str, &str)> = header
            .iter()
            .map(|value| ("authorization", *value))
            .collect();
        for path in [
            "/v1/advertisers",
            "/v1/nothing",
            "/v1/audit",
            "/v1/statements",
        ] {
            let answer = api.send("GET", path, &headers, Body::empty()).await;
            assert_eq!(
                (answer.status, answer.pointers()),
                (401, vec![""]),
                "{header:?} {path}"
            );
            assert_eq!(answer.header("www-authenticate"), "Bearer");
        }
    }
}

#[tokio::test]
async fn what_belongs_to_others_does_not_exist() {
    let api = Fixture::new();
    api.buyer("a").await;
    api.buyer("b").await;
    let key = api.key("advertiser", &["adv_a"]).await;
    let null = Value::Null;
    let list = api.as_key(&key, "GET", "/v1/campaigns", &null).await;
    assert_eq!(list.body["items"].as_array().unwrap().len(), 1);
    for path in [
        "/v1/campaigns/cmp_b",
        "/v1/line_items/li_b",
        "/v1/advertisers/adv_b",
    ] {
        let theirs = api.as_key(&key, "GET", path, &null).await;
        let none = api
            .as_key(&key, "GET", &path.replace("_b", "_zz"), &null)
            .await;
        assert_eq!((theirs.status, none.status), (404, 404), "{path}");
        let detail = theirs.body["detail"].as_str().unwrap().replace("_b", "_zz");
        assert_eq!(
            none.body["detail"], detail,
            "the answers do not tell the two apart"
        );
    }
    let patch = json!({ "name": "mine" });
    for method in ["PATCH", "PUT", "DELETE"] {
        let theirs = api
            .as_key(&key, method, "/v1/campaigns/cmp_b", &patch)
            .await;
        assert_eq!(theirs.status, 404, "{method}");
    }
    let chosen = json!({"id":"cmp_b","advertiser":"adv_a","name":"C","budget":{"total":"1"}});
    let taken = api.as_key(&key, "POST", "/v1/campaigns", &chosen).await;
    assert_eq!((taken.status, taken.pointers()), (422, vec!["/id"]));
    for id in ["cmp_b", "cmp_zz"] {
        let path = format!("/v1/campaigns/{id}");
        assert_eq!(
            api.as_key(&key, "PUT", &path, &chosen).await.status,
            404,
            "{id}"
        );
    }
    let foreign = json!({"advertiser":"adv_b","name":"C","budget":{"total":"1"}});
    let answer = api.as_key(&key, "POST", "/v1/campaigns", &foreign).await;
    assert_eq!(
        (answer.status, answer.pointers()),
        (422, vec!["/advertiser"])
    );
    let borrowed =
        json!({"campaign":"cmp_a","name":"L","bid":{"max_cpm":"1"},"creatives":["cr_b"]});
    for caller in [key.as_str(), ADMIN] {
        let answer = api
            .as_key(caller, "POST", "/v1/line_items", &borrowed)
            .await;
        assert_eq!(
            (answer.status, answer.pointers()),
            (422, vec!["/creatives/0"])
        );
    }
    let own = json!({"advertiser":"adv_a","name":"C","budget":{"total":"1"}});
    assert_eq!(
        api.as_key(&key, "POST", "/v1/campaigns", &own).await.status,
        201
    );
    let other = api
        .as_key(
            &key,
            "GET",
            "/v1/statements?account=adv_b&month=2026-11",
            &null,
        )
        .await;
    assert_eq!(other.status, 404);
    let mine = api
        .as_key(
            &key,
            "GET",
            "/v1/statements?account=adv_a&month=2026-11",
            &null,
        )
        .await;
    assert_eq!(mine.status, 200);
}

#[tokio::test]
async fn a_role_does_only_its_own() {
    let api = Fixture::new();
    api.buyer("a").await;
    api.admin("POST", "/v1/publishers", &publisher("pub_a", "a.example"))
        .await;
    let buyer = api.key("advertiser", &["adv_a"]).await;
    let seller = api.key("publisher", &["pub_a"]).await;
    let viewer = api.key("viewer", &["adv_a", "pub_a"]).await;
    let name = json!({ "name": "N" });
    let placement = json!({"publisher":"pub_a","name":"Top","tagid":"top"});
    let null = Value::Null;
    for (key, method, path, body, status) in [
        (&buyer, "PATCH", "/v1/campaigns/cmp_a", &name, 200),
        (&buyer, "PATCH", "/v1/advertisers/adv_a", &name, 403),
        (&buyer, "POST", "/v1/placements", &placement, 403),
        (&buyer, "GET", "/v1/partners", &null, 403),
        (&buyer, "GET", "/v1/keys", &null, 403),
        (&buyer, "POST", "/v1/reload", &null, 403),
        (&buyer, "GET", "/v1/audit", &null, 403),
        (&seller, "POST", "/v1/placements", &placement, 201),
        (
            &seller,
            "PUT",
            "/v1/floors/pub_a",
            &json!({ "floorMin": 1 }),
            201,
        ),
        (
            &seller,
            "PUT",
            "/v1/floors/pub_b",
            &json!({ "floorMin": 1 }),
            404,
        ),
        (&seller, "PATCH", "/v1/publishers/pub_a", &name, 403),
        (&seller, "PATCH", "/v1/campaigns/cmp_a", &name, 403),
        (&seller, "GET", "/v1/campaigns/cmp_a", &null, 404),
        (&viewer, "GET", "/v1/campaigns/cmp_a", &null, 200),
        (&viewer, "GET", "/v1/floors/pub_a", &null, 200),
        (&viewer, "PATCH", "/v1/campaigns/cmp_a", &name, 403),
        (&viewer, "DELETE", "/v1/floors/pub_a", &null, 403),
    ] {
        let answer = api.as_key(key, method, path, body).await;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.body);
    }
}

#[tokio::test]
async fn a_key_is_shown_once_and_kept_as_a_hash() {
    let api = Fixture::new();
    api.buyer("a").await;
    let body = json!({ "name": "ci", "role": "viewer", "accounts": ["adv_a"] });
    let header = ("idempotency-key", "once");
    let made = api.with(header, "POST", "/v1/keys", &body).await;
    let secret = made.body["secret"].as_str().unwrap().to_owned();
    assert_eq!(secret.len(), 68);
    assert!(made.body.get("sha256").is_none());
    let again = api.with(header, "POST", "/v1/keys", &body).await;
    assert_eq!(
        (&again.body["id"], again.body.get("secret")),
        (&made.body["id"], None)
    );
    let id = made.body["id"].as_str().unwrap();
    let path = format!("/v1/keys/{id}");
    let shown = api.admin("GET", &path, &Value::Null).await;
    assert!(shown.body.get("sha256").is_none() && shown.body.get("secret").is_none());
    let kept = api
        .store
        .read(|view| view.get(Kind::Key, id))
        .unwrap()
        .unwrap();
    assert_eq!(kept.body["sha256"], crate::access::hash(secret.as_bytes()));
    assert!(!kept.body.to_string().contains(&secret));

    let replaced = api.admin("PUT", &path, &shown.body).await;
    assert_eq!(
        replaced.status, 200,
        "a key that is written back keeps its hash"
    );
    assert_eq!(
        api.as_key(&secret, "GET", "/v1/campaigns", &Value::Null)
            .await
            .status,
        200
    );
    api.admin("PATCH", &path, &json!({ "status": "paused" }))
        .await;
    assert_eq!(
        api.as_key(&secret, "GET", "/v1/campaigns", &Value::Null)
            .await
            .status,
        401
    );
    api.admin("PATCH", &path, &json!({ "status": "active" }))
        .await;
    assert_eq!(
        api.as_key(&secret, "GET", "/v1/campaigns", &Value::Null)
            .await
            .status,
        200
    );
    api.admin("DELETE", &path, &Value::Null).await;
    assert_eq!(
        api.as_key(&secret, "GET", "/v1/campaigns", &Value::Null)
            .await
            .status,
        401
    );
    let bare = json!({ "name": "x", "role": "admin" });
    let refused = api.admin("PUT", "/v1/keys/key_x", &bare).await;
    assert_eq!((refused.status, refused.pointers()), (422, vec!["/sha256"]));
    let foreign = json!({ "name": "x", "role": "viewer", "accounts": ["adv_none"] });
    let refused = api.admin("POST", "/v1/keys", &foreign).await;
    assert_eq!(
        (refused.status, refused.pointers()),
        (422, vec!["/accounts/0"])
    );
}

#[tokio::test]
async fn what_decides_whose_it_is_never_changes() {
    let api = Fixture::new();
    api.buyer("a").await;
    api.buyer("b").await;
    for (path, patch, pointer) in [
        (
            "/v1/advertisers/adv_a",
            json!({ "currency": "USD" }),
            "/currency",
        ),
        (
            "/v1/campaigns/cmp_a",
            json!({ "advertiser": "adv_b" }),
            "/advertiser",
        ),
        (
            "/v1/creatives/cr_a",
            json!({ "advertiser": "adv_b" }),
            "/advertiser",
        ),
    ] {
        let answer = api.admin("PATCH", path, &patch).await;
        assert_eq!(
            (answer.status, answer.pointers()),
            (422, vec![pointer]),
            "{path}"
        );
    }
    api.admin("POST", "/v1/publishers", &publisher("pub_a", "a.example"))
        .await;
    let twice = api
        .admin("POST", "/v1/publishers", &publisher("pub_b", "a.example"))
        .await;
    assert_eq!((twice.status, twice.pointers()), (422, vec!["/domain"]));
    api.admin("DELETE", "/v1/publishers/pub_a", &Value::Null)
        .await;
    let free = api
        .admin("POST", "/v1/publishers", &publisher("pub_b", "a.example"))
        .await;
    assert_eq!(free.status, 201);
    let back = api
        .admin(
            "PATCH",
            "/v1/publishers/pub_a",
            &json!({ "status": "active" }),
        )
        .await;
    assert_eq!((back.status, back.pointers()), (422, vec!["/domain"]));
}

#[tokio::test]
async fn no_partner_takes_the_bidders_place_or_is_one_too_many() {
    let api = Fixture::new();
    let partner = |id: &str| json!({"id":id,"name":"P","endpoint":"http://dsp.example:9001/bid"});
    let answer = api.admin("POST", "/v1/partners", &partner("bidder")).await;
    assert_eq!((answer.status, answer.pointers()), (422, vec!["/id"]));
    for number in 0..63 {
        let body = partner(&format!("dsp_{number}"));
        let answer = api.admin("POST", "/v1/partners", &body).await;
        assert_eq!(answer.status, 201);
    }
    let answer = api.admin("POST", "/v1/partners", &partner("dsp_63")).await;
    assert_eq!((answer.status, answer.pointers()), (422, vec!["/status"]));
    // Active ones may be changed, and one that is paused makes room.
    let rename = json!({"name":"Q"});
    let answer = api.admin("PATCH", "/v1/partners/dsp_0", &rename).await;
    assert_eq!(answer.status, 200);
    let pause = json!({"status":"paused"});
    let answer = api.admin("PATCH", "/v1/partners/dsp_0", &pause).await;
    assert_eq!(answer.status, 200);
    let answer = api.admin("POST", "/v1/partners", &partner("dsp_63")).await;
    assert_eq!(answer.status, 201);
}
