//! Revisions of creatives and what exchanges say of them.

use super::*;

const CREATIVE: &str = "/v1/creatives/cr_a";

#[tokio::test]
async fn an_approved_revision_serves_until_a_later_one_is_approved() {
    let api = Fixture::new();
    api.buyer("a").await;
    let exchange = json!({"id": "strict", "name": "S", "currency": "EUR",
        "requires_approval": true});
    assert_eq!(
        api.admin("POST", "/v1/exchanges", &exchange).await.status,
        201
    );
    let at = |answer: &Answer| answer.body["serving"][0].clone();
    let read = api.admin("GET", CREATIVE, &Value::Null).await;
    let waiting = json!({"exchange": "strict", "state": "pending", "revision": null,
        "reason": null});
    assert_eq!((&read.body["revision"], at(&read)), (&json!(1), waiting));

    let approved = json!([{"exchange": "strict", "revision": 1, "state": "approved"}]);
    let answer = api
        .admin("PATCH", CREATIVE, &json!({"approvals": approved}))
        .await;
    assert_eq!(
        (
            at(&answer)["state"].clone(),
            at(&answer)["revision"].clone()
        ),
        (json!("serving"), json!(1))
    );

    // The advertiser changes the content, without a word on approvals.
    let key = api.key("advertiser", &["adv_a"]).await;
    let edit = json!({"adm": "<b>new</b>"});
    let answer = api.as_key(&key, "PATCH", CREATIVE, &edit).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.body["revision"], 2);
    assert_eq!(answer.body["earlier"][0]["adm"], "<a>");
    assert_eq!(
        (
            at(&answer)["state"].clone(),
            at(&answer)["revision"].clone()
        ),
        (json!("pending"), json!(1))
    );

    // A name is no content.
    let answer = api
        .as_key(&key, "PATCH", CREATIVE, &json!({"name": "N"}))
        .await;
    assert_eq!(answer.body["revision"], 2);

    let both = json!([{"exchange": "strict", "revision": 1, "state": "approved"},
        {"exchange": "strict", "revision": 2, "state": "rejected", "reason": "it flashes"}]);
    let answer = api
        .admin("PATCH", CREATIVE, &json!({"approvals": both}))
        .await;
    let rejected = json!({"exchange": "strict", "state": "rejected", "revision": 1,
        "reason": "it flashes"});
    assert_eq!(at(&answer), rejected);
}

#[tokio::test]
async fn an_advertiser_does_not_approve_itself() {
    let api = Fixture::new();
    api.buyer("a").await;
    let key = api.key("advertiser", &["adv_a"]).await;
    let approvals = json!({"approvals": [
        {"exchange": "x", "revision": 1, "state": "approved"}]});
    let answer = api.as_key(&key, "PATCH", CREATIVE, &approvals).await;
    assert_eq!(
        (answer.status, answer.pointers()),
        (422, vec!["/approvals"])
    );
    // What is counted here is not taken from anybody.
    let forged = json!({"revision": 9, "earlier": [], "name": "N"});
    let answer = api.as_key(&key, "PATCH", CREATIVE, &forged).await;
    assert_eq!((answer.status, &answer.body["revision"]), (200, &json!(1)));
    let later = json!({"approvals": [{"exchange": "x", "revision": 2, "state": "approved"}]});
    let answer = api.admin("PATCH", CREATIVE, &later).await;
    assert_eq!(
        (answer.status, answer.pointers()),
        (422, vec!["/approvals/0/revision"])
    );
}
