//! Bids with one fault each, which the judge must find.

use super::judge;
use crate::market::Market;
use serde_json::{Value, json};

fn request() -> Value {
    json!({
        "id": "r", "cur": ["EUR"], "badv": ["rival.example"], "bcat": ["IAB7"],
        "imp": [
            {"id": "b", "secure": 1, "bidfloor": 1.0, "bidfloorcur": "EUR",
             "banner": {"w": 300, "h": 250, "battr": [9]}},
            {"id": "v", "video": {"mimes": ["video/mp4"], "protocols": [3], "maxduration": 15,
             "poddur": 30, "maxseq": 2, "poddedupe": [1]}},
        ],
    })
}

fn banner() -> Value {
    json!({"id": "1", "impid": "b", "price": 2.0, "crid": "cr_euro_banner_300x250",
        "cid": "li_euro_banner", "adm": "<b>x</b>", "adomain": ["shop.euro.example"],
        "cat": ["IAB2-3"], "w": 300, "h": 250, "mtype": 1, "exp": 60, "language": "en",
        "nurl": "https://b/n/win?t=1", "lurl": "https://b/n/loss?t=1"})
}

fn response(bids: &[Value]) -> Value {
    json!({"id": "r", "cur": "EUR", "seatbid": [{"seat": "adv_euro", "bid": bids}]})
}

pub(crate) fn run() {
    let market = Market::new();
    let told = |response: &Value| judge(&request(), response, market.facts()).faults;
    assert_eq!(told(&response(&[banner()])), Vec::<String>::new());
    let changes: [(&str, Value, &str); 13] = [
        ("/impid", json!("x"), "no imp"),
        ("/price", json!(0.5), "below"),
        ("/price", json!(5_000), "above"),
        ("/crid", json!("cr_nobody"), "unknown"),
        ("/adomain", json!(["rival.example"]), "blocked by"),
        ("/cat", json!(["IAB2-3", "IAB7-1"]), "IAB7-1"),
        ("/h", json!(600), "does not fit"),
        ("/mtype", json!(2), "mtype says"),
        ("/adm", json!("<img src='http://a.example/x'>"), "insecure"),
        ("/adm", json!("<a href='${CLICK_URL}'>"), "macro"),
        ("/language", json!("fr"), "language"),
        ("/dealid", json!("d"), "deal"),
        ("/exp", json!(0), "exp"),
    ];
    for (place, value, expected) in changes {
        let mut bid = banner();
        match bid.pointer_mut(place) {
            Some(old) => *old = value,
            None => bid[&place[1..]] = value,
        }
        let faults = told(&response(&[bid]));
        let found = faults.iter().any(|fault| fault.contains(expected));
        assert!(found, "{place}: {faults:?}");
    }
    let twice = told(&response(&[banner(), banner()]));
    assert!(
        twice.iter().any(|fault| fault.contains("without a pod")),
        "{twice:?}"
    );
    let seat = json!({"id": "r", "cur": "USD", "seatbid": [{"seat": "x", "bid": [banner()]}]});
    assert!(told(&seat).iter().any(|fault| fault.contains("currency")));
}
