use super::*;
use crate::serving::Reason;
use axum::body::{Body, to_bytes};
use axum::http::{Method, Request};
use bidder::Idle;
use serde_json::{Value, json};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use tower::ServiceExt;

mod approvals;
mod conversions;
mod errors;
mod floors;
mod notices;
mod told;
mod verbs;

const ADMIN: &str = "operator-secret";

/// A node that is all hooks.
struct Node {
    changes: AtomicU32,
    entropy: AtomicU32,
    reload: Mutex<Result<(), Vec<Fault>>>,
    missing: Mutex<Vec<String>>,
    reported: Mutex<Vec<Reported>>,
}

impl Hooks for Node {
    fn now(&self) -> Timestamp {
        "2026-11-23T12:00:00Z".parse().unwrap()
    }

    fn entropy(&self) -> [u8; 32] {
        let next = self.entropy.fetch_add(1, Ordering::Relaxed);
        crate::access::digest(&next.to_le_bytes())
    }

    fn on_change(&self) {
        self.changes.fetch_add(1, Ordering::Relaxed);
    }

    fn reload(&self) -> Result<(), Vec<Fault>> {
        self.reload.lock().unwrap().clone()
    }

    fn statement(
        &self,
        account: &str,
        month: &str,
        format: Format,
    ) -> Result<Option<String>, String> {
        match account {
            "adv_a" => {
                let name = format.name();
                let shown = json!({ "account": account, "month": month, "format": name });
                Ok(Some(shown.to_string()))
            }
            "adv_down" => Err("the ledger does not answer".to_owned()),
            _ => Ok(None),
        }
    }

    fn convert(&self, reported: &[Reported]) -> Result<Vec<&'static str>, NotConverted> {
        let wrong = |one: &Reported| one.click_id.as_deref() == Some("forged");
        if let Some(place) = reported.iter().position(wrong) {
            let fault = (place, "click_id", "the token is not authentic".to_owned());
            return Err(NotConverted::Faults(vec![fault]));
        }
        if reported.iter().any(|one| one.order == "down") {
            let why = "the ledger is busy".to_owned();
            return Err(NotConverted::Unavailable(why));
        }
        self.reported.lock().unwrap().extend_from_slice(reported);
        Ok(vec!["click"; reported.len()])
    }

    fn conversions(
        &self,
        advertiser: &str,
        before: Option<i64>,
        most: u32,
    ) -> Result<Vec<Value>, String> {
        let ids = (1..before.unwrap_or(4)).rev().take(most as usize);
        Ok(ids
            .map(|id| json!({ "id": id, "advertiser": advertiser }))
            .collect())
    }

    fn converted(&self, advertiser: &str, period: Period) -> Result<Vec<Value>, String> {
        let (from, to) = (period.from_ms, period.to_ms);
        Ok(vec![
            json!({ "advertiser": advertiser, "from": from, "to": to }),
        ])
    }

    fn refused_notices(&self, wanted: &Letters) -> Result<Vec<Value>, String> {
        let below = wanted.from.unwrap_or(4);
        let ids = (1..below).rev().take(wanted.limit as usize);
        Ok(ids
            .map(|id| json!({ "id": id, "reason": wanted.reason, "open": wanted.open }))
            .collect())
    }

    fn replay_notices(&self, wanted: &Letters) -> Result<Value, String> {
        match &wanted.exchange {
            Some(down) if down == "down" => Err("the ledger has stopped".to_owned()),
            _ => Ok(json!({ "ids": wanted.ids, "from": wanted.from, "limit": wanted.limit })),
        }
    }

    fn floor_feed(&self, publisher: &str) -> Option<Value> {
        (publisher == "pub_n").then(|| json!({ "url": "http://floors.example/" }))
    }

    fn explain(
        &self,
        ask: &Ask<'_>,
        told: &mut dyn FnMut(&Explained<'_>),
    ) -> Result<(), NotExplained> {
        if let Some(name) = ask.exchange {
            return Err(NotExplained::UnknownExchange(name.to_owned()));
        }
        if ask.body == b"{}" {
            return Err(NotExplained::Malformed("imp: missing".to_owned()));
        }
        let verdicts = told::verdicts();
        let wanted = verdicts
            .into_iter()
            .filter(|one| (ask.wanted)(one.line_item));
        told(&Explained {
            outcome: Err(bidder::NoBid::BelowFloor),
            verdicts: wanted.collect(),
            taken: Vec::new(),
        });
        Ok(())
    }

    fn forecast(&self, draft: Draft) -> Result<Forecast, String> {
        told::forecast(&draft)
    }

    fn deal(&self, publisher: &str, deal: &str) -> Option<DealReport> {
        let known = (publisher, deal) == ("pub_n", "deal_1");
        known.then(|| DealReport {
            events: vec![("offered", 3), ("bid", 2)],
            losses: vec![("seat", 1)],
            buyers: vec![DealBuyer {
                partner: "dsp-1".to_owned(),
                bids: 2,
                won: 1,
                losses: vec![("seat", 1)],
            }],
        })
    }

    fn past(&self, publisher: &str, days: u32) -> Result<Past, String> {
        Ok(floors::past(publisher, days))
    }

    fn funnel(&self, line_item: &str) -> Vec<FunnelRow> {
        told::rows(line_item)
    }

    fn withheld(&self, line_item: &str) -> Vec<Reason> {
        let poor = (line_item == "li_poor").then_some(Reason::Idle(Idle::NoBudget));
        poor.into_iter().collect()
    }

    fn not_ready(&self) -> Vec<String> {
        self.missing.lock().unwrap().clone()
    }

    fn metrics(&self) -> String {
        "up 1\n".to_owned()
    }
}

struct Fixture {
    router: Router,
    node: Arc<Node>,
    store: Arc<Store>,
}

struct Answer {
    status: u16,
    headers: axum::http::HeaderMap,
    body: Value,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// The pointers of a problem, each with a detail.
    fn pointers(&self) -> Vec<&str> {
        assert_eq!(
            self.header("content-type"),
            "application/problem+json",
            "{}",
            self.body
        );
        assert_eq!(self.body["status"], self.status);
        assert!(!self.body["title"].as_str().unwrap().is_empty());
        let faults = self.body["faults"].as_array().unwrap();
        assert!(!faults.is_empty());
        assert!(
            faults
                .iter()
                .all(|fault| !fault["detail"].as_str().unwrap().is_empty())
        );
        faults
            .iter()
            .map(|fault| fault["pointer"].as_str().unwrap())
            .collect()
    }
}

impl Fixture {
    fn new() -> Self {
        let store = Arc::new(Store::in_memory().unwrap());
        let node = Arc::new(Node {
            changes: AtomicU32::new(0),
            entropy: AtomicU32::new(0),
            reload: Mutex::new(Ok(())),
            missing: Mutex::new(Vec::new()),
            reported: Mutex::new(Vec::new()),
        });
        let admin_sha256 = vec![crate::access::hash(ADMIN.as_bytes())];
        let settings = Settings {
            admin_sha256,
            max_body_bytes: 10_000,
        };
        let router = router(
            Arc::clone(&store),
            Arc::clone(&node) as Arc<dyn Hooks>,
            settings,
        );
        Self {
            router,
            node,
            store,
        }
    }

    async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Answer {
        let mut request = Request::builder()
            .method(method.parse::<Method>().unwrap())
            .uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body.into()).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body,
        }
    }

    async fn as_key(&self, key: &str, method: &str, path: &str, body: &Value) -> Answer {
        let bearer = format!("Bearer {key}");
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-type", "application/json"),
        ];
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        self.send(method, path, &headers, body).await
    }

    async fn admin(&self, method: &str, path: &str, body: &Value) -> Answer {
        self.as_key(ADMIN, method, path, body).await
    }

    async fn with(&self, header: (&str, &str), method: &str, path: &str, body: &Value) -> Answer {
        let bearer = format!("Bearer {ADMIN}");
        let headers = [("authorization", bearer.as_str()), header];
        self.send(method, path, &headers, body.to_string()).await
    }

    fn changes(&self) -> u32 {
        self.node.changes.load(Ordering::Relaxed)
    }

    /// An advertiser `adv_x` with a campaign, a creative and a line item.
    async fn buyer(&self, name: &str) {
        for (path, body) in buyer(name) {
            let answer = self.admin("POST", path, &body).await;
            assert_eq!(answer.status, 201, "{path}: {}", answer.body);
        }
    }

    /// A key of the role for the accounts; its secret.
    async fn key(&self, role: &str, accounts: &[&str]) -> String {
        let body = json!({ "name": role, "role": role, "accounts": accounts });
        let answer = self.admin("POST", "/v1/keys", &body).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        answer.body["secret"].as_str().unwrap().to_owned()
    }
}

fn buyer(name: &str) -> [(&'static str, Value); 4] {
    let (adv, cmp) = (format!("adv_{name}"), format!("cmp_{name}"));
    let (cr, li) = (format!("cr_{name}"), format!("li_{name}"));
    [
        (
            "/v1/advertisers",
            json!({"id":adv,"name":"A","currency":"EUR","domain":"a.example"}),
        ),
        (
            "/v1/campaigns",
            json!({"id":cmp,"advertiser":adv,"name":"C","budget":{"total":"1000"}}),
        ),
        (
            "/v1/creatives",
            json!({"id":cr,"advertiser":adv,"format":"banner","w":300,"h":250,"adm":"<a>",
                "adomain":["a.example"],"landing_page":"https://a.example/"}),
        ),
        (
            "/v1/line_items",
            json!({"id":li,"campaign":cmp,"name":"L","bid":{"max_cpm":"2.50"},"creatives":[cr],
                "targeting":{"geo":{"include":["FRA"]},"sizes":["300x250"]}}),
        ),
    ]
}

fn publisher(id: &str, domain: &str) -> Value {
    json!({"id":id,"name":"P","domain":domain,"currency":"EUR","revenue_share":"0.85"})
}
