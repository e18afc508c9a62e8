//! What a publisher is told of imps that were not sold.

use crate::setting::{Exchange, market, on_a_worker, partner};
use serde_json::json;

const ANSWER: &str = r#"{"id":"r","cur":"EUR","seatbid":[{"seat":"s","bid":[
    {"id":"a","impid":"sold","price":2,"adm":"<b>a</b>"},
    {"id":"b","impid":"dear","price":2,"adm":"<b>b</b>"},
    {"id":"c","impid":"dear","price":1,"adm":"<b>c</b>","w":1,"h":1}]}]}"#;

#[test]
fn each_unsold_imp_has_its_reason_and_no_secret() {
    on_a_worker(async {
        let imp = |id: &str, floor: f64, cur: &str| {
            json!({ "id": id, "bidfloor": floor, "bidfloorcur": cur,
                "banner": { "w": 300, "h": 250 } })
        };
        let request = json!({ "id": "r", "tmax": 400, "cur": ["EUR"],
            "site": { "publisher": { "id": "pub_1" } },
            "imp": [imp("sold", 1.0, "EUR"), imp("dear", 3.5, "EUR"), imp("quiet", 0.0, "EUR"),
                imp("odd", 1.0, "XTS")] });
        let exchange = Exchange::new(market(vec![partner("p", "")]), ANSWER);
        let (_, answer) = exchange.sell(&request.to_string()).await;
        assert_eq!(answer["seatbid"][0]["bid"][0]["impid"], "sold");
        let wanted = json!([
            { "imp": "dear", "reason": "below_floor", "bids": 2, "floor": 3.5, "floorcur": "EUR" },
            { "imp": "quiet", "reason": "no_bids", "bids": 0 },
            { "imp": "odd", "reason": "no_rate", "bids": 0 },
        ]);
        assert_eq!(answer["ext"]["gavel"]["unsold"], wanted);

        let mut all = request.clone();
        all["imp"] = json!([imp("dear", 3.5, "EUR")]);
        let (_, answer) = exchange.sell(&all.to_string()).await;
        assert_eq!(
            (&answer["nbr"], &answer["ext"]["gavel"]["unsold"][0]),
            (&json!(502), &wanted[0])
        );
        all["imp"] = json!([imp("sold", 1.0, "EUR")]);
        let (_, answer) = exchange.sell(&all.to_string()).await;
        assert_eq!(answer.get("ext"), None, "everything was sold");
    });
}
