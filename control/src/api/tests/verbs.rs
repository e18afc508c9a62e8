//! What each verb does.

use super::*;

#[tokio::test]
async fn a_document_lives_through_every_verb() {
    let api = Fixture::new();
    api.buyer("a").await;
    assert_eq!(api.changes(), 4);
    let read = api.admin("GET", "/v1/line_items/li_a", &Value::Null).await;
    assert_eq!((read.status, read.header("etag")), (200, "\"1\""));
    assert_eq!(
        read.body["serving"],
        json!({ "status": "serving", "reasons": [] })
    );
    assert_eq!(read.body["bid"]["strategy"], "fixed_cpm");

    let replaced = api.admin("PUT", "/v1/line_items/li_a", &read.body).await;
    assert_eq!(
        (replaced.status, replaced.header("etag")),
        (200, "\"1\""),
        "nothing changed"
    );
    assert_eq!(api.changes(), 4);

    let patch = json!({"bid":{"max_cpm":3},"targeting":{"geo":null,"devices":["phone"]}});
    let patched = api.admin("PATCH", "/v1/line_items/li_a", &patch).await;
    assert_eq!((patched.status, patched.header("etag")), (200, "\"2\""));
    assert_eq!(
        patched.body["bid"],
        json!({"strategy":"fixed_cpm","max_cpm":"3.00","modifiers":[]})
    );
    assert_eq!(patched.body["targeting"]["devices"], json!(["phone"]));
    assert_eq!(patched.body["targeting"]["sizes"], json!(["300x250"]));
    assert!(patched.body["targeting"].get("geo").is_none());
    assert_eq!(api.changes(), 5);

    assert_eq!(
        api.admin("DELETE", "/v1/line_items/li_a", &Value::Null)
            .await
            .status,
        204
    );
    assert_eq!(
        api.admin("DELETE", "/v1/line_items/li_a", &Value::Null)
            .await
            .status,
        204
    );
    assert_eq!(api.changes(), 6);
    let read = api.admin("GET", "/v1/line_items/li_a", &Value::Null).await;
    assert_eq!(
        (&read.body["status"], &read.body["version"]),
        (&json!("archived"), &json!(3))
    );
    assert_eq!(read.body["serving"]["reasons"][0]["code"], "archived");
    let list = api.admin("GET", "/v1/line_items", &Value::Null).await;
    assert_eq!(list.body, json!({ "items": [], "next": null }));
    let list = api
        .admin("GET", "/v1/line_items?archived=true", &Value::Null)
        .await;
    assert_eq!(list.body["items"][0]["id"], "li_a");
}

#[tokio::test]
async fn ids_are_made_where_none_is_given() {
    let api = Fixture::new();
    let [(path, mut body), ..] = buyer("a");
    body.as_object_mut().unwrap().remove("id");
    let first = api.admin("POST", path, &body).await;
    let second = api.admin("POST", path, &body).await;
    let id = first.body["id"].as_str().unwrap();
    assert!(id.starts_with("adv_") && id.len() == 20, "{id}");
    assert_ne!(first.body["id"], second.body["id"]);
    assert_eq!(first.header("location"), format!("/v1/advertisers/{id}"));
    let created = api.admin("PUT", "/v1/advertisers/adv_new", &body).await;
    assert_eq!(created.status, 201);
}

#[tokio::test]
async fn lists_come_in_pages() {
    let api = Fixture::new();
    for name in ["a", "b", "c"] {
        api.buyer(name).await;
    }
    let mut ids = Vec::new();
    let mut path = "/v1/campaigns?limit=2".to_owned();
    loop {
        let page = api.admin("GET", &path, &Value::Null).await;
        let items = page.body["items"].as_array().unwrap();
        ids.extend(
            items
                .iter()
                .map(|item| item["id"].as_str().unwrap().to_owned()),
        );
        let Some(next) = page.body["next"].as_str() else {
            break;
        };
        path = format!("/v1/campaigns?limit=2&cursor={next}");
    }
    assert_eq!(ids, ["cmp_a", "cmp_b", "cmp_c"]);
    let of_b = api
        .admin("GET", "/v1/line_items?campaign=cmp_b", &Value::Null)
        .await;
    assert_eq!(of_b.body["items"].as_array().unwrap().len(), 1);
    assert_eq!(of_b.body["items"][0]["serving"]["status"], "serving");
}

#[tokio::test]
async fn a_dry_run_keeps_nothing() {
    let api = Fixture::new();
    api.buyer("a").await;
    let changes = api.changes();
    let [(_, mut body), ..] = buyer("b");
    let tried = api
        .admin("POST", "/v1/advertisers?validate_only=true", &body)
        .await;
    assert_eq!((tried.status, &tried.body["id"]), (200, &json!("adv_b")));
    assert_eq!(
        api.admin("GET", "/v1/advertisers/adv_b", &Value::Null)
            .await
            .status,
        404
    );
    body["currency"] = json!("XXY");
    let tried = api
        .admin("POST", "/v1/advertisers?validate_only=true", &body)
        .await;
    assert_eq!((tried.status, tried.pointers()), (422, vec!["/currency"]));
    let patch = json!({ "name": "Z" });
    let tried = api
        .admin("PATCH", "/v1/advertisers/adv_a?validate_only=true", &patch)
        .await;
    assert_eq!(tried.body["name"], "Z");
    api.admin(
        "DELETE",
        "/v1/advertisers/adv_a?validate_only=true",
        &Value::Null,
    )
    .await;
    let kept = api
        .admin("GET", "/v1/advertisers/adv_a", &Value::Null)
        .await;
    assert_eq!(
        (&kept.body["name"], &kept.body["status"]),
        (&json!("A"), &json!("active"))
    );
    assert_eq!(api.changes(), changes);
}

#[tokio::test]
async fn a_change_is_made_only_to_the_version_that_was_seen() {
    let api = Fixture::new();
    api.buyer("a").await;
    let patch = json!({ "name": "B" });
    let path = "/v1/advertisers/adv_a";
    let stale = api.with(("if-match", "\"7\""), "PATCH", path, &patch).await;
    assert_eq!((stale.status, stale.pointers()), (412, vec![""]));
    assert_eq!(
        api.with(("if-match", "\"7\", \"1\""), "PATCH", path, &patch)
            .await
            .status,
        200
    );
    assert_eq!(
        api.with(("if-match", "\"1\""), "DELETE", path, &patch)
            .await
            .status,
        412
    );
    assert_eq!(
        api.with(("if-match", "*"), "PATCH", path, &patch)
            .await
            .status,
        200
    );
    let [(_, body), ..] = buyer("new");
    let new = "/v1/advertisers/adv_new";
    assert_eq!(
        api.with(("if-match", "*"), "PUT", new, &body).await.status,
        412
    );
    assert_eq!(
        api.with(("if-none-match", "*"), "PUT", new, &body)
            .await
            .status,
        201
    );
    assert_eq!(
        api.with(("if-none-match", "*"), "PUT", new, &body)
            .await
            .status,
        412
    );
}

#[tokio::test]
async fn a_repeated_post_creates_once() {
    let api = Fixture::new();
    let [(path, mut body), ..] = buyer("a");
    body.as_object_mut().unwrap().remove("id");
    let key = ("idempotency-key", "k-1");
    let first = api.with(key, "POST", path, &body).await;
    let again = api.with(key, "POST", path, &body).await;
    assert_eq!((first.status, again.status), (201, 201));
    assert_eq!(first.body, again.body);
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(api.changes(), 1);
    body["name"] = json!("other");
    let other = api.with(key, "POST", path, &body).await;
    assert_eq!((other.status, other.pointers()), (422, vec![""]));
    assert_eq!(
        api.with(("idempotency-key", "k-2"), "POST", path, &body)
            .await
            .status,
        201
    );
    let long = "x".repeat(256);
    assert_eq!(
        api.with(("idempotency-key", &long), "POST", path, &body)
            .await
            .status,
        400
    );
}

#[tokio::test]
async fn serving_tells_every_reason() {
    let api = Fixture::new();
    api.buyer("a").await;
    let patch = json!({ "targeting": { "sizes": ["728x90"] } });
    let patched = api.admin("PATCH", "/v1/line_items/li_a", &patch).await;
    assert_eq!(
        patched.body["serving"]["reasons"][0]["code"],
        "no_fitting_creative"
    );
    let patches = [
        ("/v1/advertisers/adv_a", json!({ "status": "paused" })),
        (
            "/v1/campaigns/cmp_a",
            json!({ "end": "2026-11-01T00:00:00Z" }),
        ),
        ("/v1/creatives/cr_a", json!({ "status": "paused" })),
    ];
    for (path, patch) in patches {
        assert_eq!(api.admin("PATCH", path, &patch).await.status, 200);
    }
    let read = api.admin("GET", "/v1/line_items/li_a", &Value::Null).await;
    assert_eq!(read.body["serving"]["status"], "not_serving");
    let reasons = read.body["serving"]["reasons"].as_array().unwrap();
    let codes: Vec<&str> = reasons
        .iter()
        .map(|reason| reason["code"].as_str().unwrap())
        .collect();
    assert_eq!(codes, ["paused", "ended", "no_active_creative"]);
    assert_eq!(reasons[0]["detail"], "advertiser adv_a is paused");
}

#[tokio::test]
async fn floors_are_kept_as_the_publisher_gave_them() {
    let api = Fixture::new();
    let floors = json!({"floorMin":0.1,"data":{"currency":"EUR","modelGroups":[
        {"schema":{"fields":["size"]},"values":{"300x250":0.5},"default":0.2}]}});
    let early = api.admin("PUT", "/v1/floors/pub_a", &floors).await;
    assert_eq!((early.status, early.pointers()), (422, vec!["/id"]));
    api.admin("POST", "/v1/publishers", &publisher("pub_a", "a.example"))
        .await;
    assert_eq!(
        api.admin("PUT", "/v1/floors/pub_a", &floors).await.status,
        201
    );
    let read = api.admin("GET", "/v1/floors/pub_a", &Value::Null).await;
    assert_eq!((read.header("etag"), &read.body), ("\"1\"", &floors));
    let wrong = json!({"floorMin":-1,"data":{"modelGroups":[{"modelWeight":0,"default":1}]}});
    let refused = api.admin("PUT", "/v1/floors/pub_a", &wrong).await;
    assert_eq!(refused.status, 422);
    assert_eq!(
        refused.pointers(),
        ["/floorMin", "/data/modelGroups/0/modelWeight"]
    );
    let list = api.admin("GET", "/v1/floors", &Value::Null).await;
    assert_eq!(
        (
            &list.body["items"][0]["id"],
            &list.body["items"][0]["floors"]
        ),
        (&json!("pub_a"), &floors)
    );
    assert_eq!(api.admin("POST", "/v1/floors", &floors).await.status, 405);
    assert_eq!(
        api.admin("DELETE", "/v1/floors/pub_a", &Value::Null)
            .await
            .status,
        204
    );
    assert_eq!(
        api.admin("GET", "/v1/floors/pub_a", &Value::Null)
            .await
            .status,
        404
    );
    assert_eq!(
        api.admin("PATCH", "/v1/floors/pub_a", &json!({}))
            .await
            .status,
        404
    );
    assert_eq!(
        api.admin("PUT", "/v1/floors/pub_a", &floors).await.status,
        200
    );
}

#[tokio::test]
async fn the_node_answers_for_itself() {
    let api = Fixture::new();
    let get = |path: &'static str| api.send("GET", path, &[], Body::empty());
    assert_eq!(get("/livez").await.status, 200);
    assert_eq!(get("/readyz").await.body["ready"], true);
    api.node.missing.lock().unwrap().push("audience".to_owned());
    let ready = get("/readyz").await;
    assert_eq!(
        (ready.status, &ready.body["not_ready"]),
        (503, &json!(["audience"]))
    );
    assert_eq!(get("/metrics").await.body, "up 1\n");
    assert_eq!(
        api.admin("POST", "/v1/reload", &Value::Null).await.status,
        200
    );
    *api.node.reload.lock().unwrap() = Err(vec![Fault::new("/data/listen", "no address")]);
    let refused = api.admin("POST", "/v1/reload", &Value::Null).await;
    assert_eq!(
        (refused.status, refused.pointers()),
        (422, vec!["/data/listen"])
    );

    let statement = |query: &'static str| async {
        let path: &str = query;
        api.admin("GET", path, &Value::Null).await
    };
    let good = statement("/v1/statements?account=adv_a&month=2026-11").await;
    let json = json!({ "account": "adv_a", "month": "2026-11", "format": "json" });
    assert_eq!(good.body, json);
    assert_eq!(good.header("content-type"), "application/json");
    let page = statement("/v1/statements?account=adv_a&month=2026-11&format=html").await;
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert!(page.header("content-security-policy").contains("'none'"));
    for (query, status) in [
        ("/v1/statements?account=adv_x&month=2026-11", 404),
        ("/v1/statements?account=adv_down&month=2026-11", 503),
        ("/v1/statements?account=adv_a&month=2026-13", 400),
        ("/v1/statements?account=adv_a", 400),
        ("/v1/statements?account=adv_a&month=2026-11&format=pdf", 400),
    ] {
        let answer = statement(query).await;
        assert_eq!(
            (answer.status, answer.pointers()),
            (status, vec![""]),
            "{query}"
        );
    }
}

#[tokio::test]
async fn the_trail_tells_who_changed_what() {
    let api = Fixture::new();
    api.buyer("a").await;
    let key = api.key("advertiser", &["adv_a"]).await;
    let patched = api
        .as_key(&key, "PATCH", "/v1/campaigns/cmp_a", &json!({"name":"D"}))
        .await;
    assert_eq!(patched.status, 200);
    let trail = api.admin("GET", "/v1/audit?limit=2", &Value::Null).await;
    let newest = &trail.body["items"][0];
    assert!(newest["who"].as_str().unwrap().starts_with("key_"));
    assert_eq!(
        (&newest["before"]["name"], &newest["after"]["name"]),
        (&json!("C"), &json!("D"))
    );
    assert!(trail.body["items"][1]["after"].get("sha256").is_none());
    let path = format!("/v1/audit?cursor={}", trail.body["next"].as_str().unwrap());
    let rest = api.admin("GET", &path, &Value::Null).await;
    assert_eq!(rest.body["items"].as_array().unwrap().len(), 4);
    assert_eq!(rest.body["next"], Value::Null);
}

#[tokio::test]
async fn the_description_covers_what_the_router_serves() {
    let api = Fixture::new();
    let description = api
        .send("GET", "/v1/openapi.json", &[], Body::empty())
        .await
        .body;
    let paths = description["paths"].as_object().unwrap();
    for (path, methods) in paths {
        let methods = methods
            .as_object()
            .unwrap()
            .keys()
            .filter(|name| *name != "parameters");
        for method in methods {
            let method = method.to_ascii_uppercase();
            let real = path.replace("{id}", "none").replace("{version}", "1");
            let answer = api.admin(&method, &real, &json!({})).await;
            assert_ne!(answer.status, 405, "{method} {path}");
            // A document that is not there is one thing, a path that nobody serves another.
            let detail = answer.body["detail"].as_str().unwrap_or_default();
            assert!(
                !detail.contains("there is nothing at"),
                "{method} {path}: {}",
                answer.body
            );
        }
    }
    for kind in Kind::ALL {
        assert!(paths.contains_key(&format!("/v1/{kind}")));
        let schema = &description["components"]["schemas"][format!("{kind:?}")];
        assert_eq!(schema["type"], "object", "{kind}");
    }
    let text = description.to_string();
    for reference in text.split("\"$ref\":\"#").skip(1) {
        let pointer = reference.split('"').next().unwrap();
        assert!(description.pointer(pointer).is_some(), "{pointer}");
    }
}
