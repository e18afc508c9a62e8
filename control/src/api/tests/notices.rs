use super::*;

#[tokio::test]
async fn refused_notices_come_in_pages_and_for_the_operator_alone() {
    let api = Fixture::new();
    let bearer = format!("Bearer {ADMIN}");
    let auth = [("authorization", bearer.as_str())];
    let get = async |query: &str| {
        let path = format!("/v1/notices/refused{query}");
        api.send("GET", &path, &auth, Body::empty()).await
    };
    let page = get("?limit=2&reason=no_key").await;
    assert_eq!((page.status, &page.body["next"]), (200, &"2".into()));
    let first = json!({ "id": 3, "reason": "no_key", "open": true });
    assert_eq!(page.body["items"][0], first);
    let last = get("?limit=2&cursor=2&state=all").await;
    assert_eq!(last.body["next"], Value::Null);
    let item = json!({ "id": 1, "reason": null, "open": false });
    assert_eq!(last.body["items"], json!([item]));
    for (query, part) in [
        ("?reason=no_kye", "expected one of negative"),
        ("?state=some", "expected open or all"),
        ("?limit=0", "expected 1 to 1000"),
        ("?cursor=x", "expected a number"),
        ("?resaon=no_key", "did you mean"),
    ] {
        let answer = get(query).await;
        assert_eq!(answer.status, 400, "{query}");
        let detail = answer.body["detail"].as_str().unwrap();
        assert!(detail.contains(part), "{query}: {detail}");
    }
    for method in ["GET", "POST"] {
        let path = ["/v1/notices/refused", "/v1/notices/refused/replay"];
        let path = path[usize::from(method == "POST")];
        let answer = api.send(method, path, &[], Body::empty()).await;
        assert_eq!(answer.status, 401);
    }
}

#[tokio::test]
async fn a_replay_says_everything_that_is_wrong_with_what_it_is_asked() {
    let api = Fixture::new();
    let bearer = format!("Bearer {ADMIN}");
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
    ];
    let post = async |body: Value| {
        let path = "/v1/notices/refused/replay";
        api.send("POST", path, &headers, body.to_string()).await
    };
    let asked = json!({ "reason": "no_key", "ids": [1, 2], "after": 0, "limit": 10 });
    let done = post(asked).await;
    assert_eq!(done.status, 200, "{}", done.body);
    assert_eq!(done.body, json!({ "ids": [1, 2], "from": 0, "limit": 10 }));
    let wrong = json!({ "reason": "x", "ids": [], "after": "a", "limit": 1001, "exchnage": "x" });
    let answer = post(wrong).await;
    assert_eq!(answer.status, 422);
    let mut pointers = answer.pointers();
    pointers.sort_unstable();
    assert_eq!(
        pointers,
        ["/after", "/exchnage", "/ids", "/limit", "/reason"]
    );
    assert_eq!(post(json!([])).await.status, 422);
    let down = post(json!({ "exchange": "down" })).await;
    assert_eq!(down.status, 503);
}
