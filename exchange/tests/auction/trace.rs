//! What an auction tells whoever may look into it.

use crate::partner::{Behaviour, Partner};
use crate::setting::{Exchange, Now, market, on_a_worker, partner};
use exchange::catalog::{Format, Partner as Buyer};
use exchange::trace::Trace;
use exchange::{Clock, NoBid, Outcome, Reason};
use serde_json::{Value, json};

const REQUEST: &str = r#"{"id":"r1","tmax":400,"cur":["EUR"],"site":{"publisher":{"id":"pub_1"}},
    "imp":[{"id":"1","tagid":"top","bidfloor":0.85,"bidfloorcur":"EUR",
    "banner":{"format":[{"w":300,"h":250}]}}]}"#;
const HIGH: &str = r#"{"id":"@ID","cur":"EUR","ext":{"own":1},"seatbid":[{"seat":"high","bid":[
    {"id":"b1","impid":"1","price":1.00,"crid":"cr1","adm":"<b>secret</b>",
    "nurl":"http://@ME/win?secret=1","ext":{"k":"secret"}}]}]}"#;
const LOW: &str = r#"{"id":"@ID","cur":"EUR","seatbid":[{"bid":[
    {"id":"b2","impid":"1","price":0.80,"adm":"<b>2</b>"},
    {"id":"b3","impid":"1","price":0.90,"adm":"<b>3</b>"}]}]}"#;
const LOCAL: &str = r#"{"id":"r1","cur":"EUR","seatbid":[{"seat":"own","bid":[
    {"id":"b4","impid":"1","price":0.95,"adm":"<b>4</b>","w":1,"h":1}]}]}"#;

fn of<'t>(list: &'t Value, name: &str, wanted: &str) -> &'t Value {
    let mut all = list.as_array().unwrap().iter();
    let found = all.find(|one| one[name] == wanted);
    found.unwrap_or_else(|| panic!("no {name} {wanted} in {list:#}"))
}

#[test]
fn every_call_bid_and_rule_is_told_and_nothing_is_changed_by_it() {
    on_a_worker(async {
        let high = Partner::start(Behaviour::Answer(HIGH)).await;
        let low = Partner::start(Behaviour::Answer(LOW)).await;
        let none = Partner::start(Behaviour::Raw("HTTP/1.1 204 No Content\r\n\r\n")).await;
        let failing = Partner::start(Behaviour::Raw(
            "HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n",
        ))
        .await;
        let video = Buyer {
            formats: vec![Format::Video],
            ..partner("video", "127.0.0.1:9")
        };
        let partners = vec![
            partner("high", &high.address),
            partner("low", &low.address),
            partner("none", &none.address),
            partner("failing", &failing.address),
            video,
            partner("local", ""),
        ];
        let exchange = Exchange::new(market(partners), LOCAL);
        let (plain, untold) = exchange.sell(REQUEST).await;
        let trace = Trace::new(Now.now(), Some(vec!["pub_1".to_owned()]));
        let (outcome, answer) = exchange.sell_traced(REQUEST, 42, Some(&trace)).await;
        assert_eq!(outcome, plain, "the same auction");
        assert_eq!(untold.get("ext"), None);
        let (told, untold) = (
            &answer["seatbid"][0]["bid"][0],
            &untold["seatbid"][0]["bid"][0],
        );
        assert_eq!(told, untold);

        let debug = &answer["ext"]["gavel"]["debug"];
        assert_eq!(
            (&debug["publisher"], &debug["currency"]),
            (&json!("pub_1"), &json!("EUR"))
        );
        let imp = &debug["imps"][0];
        assert_eq!(
            (
                &imp["imp"],
                &imp["floor"],
                &imp["floor_source"],
                &imp["placement"]
            ),
            (
                &json!("1"),
                &json!(0.85),
                &json!("request"),
                &json!("plc_1")
            )
        );
        let calls = &debug["calls"];
        let outcome = |partner: &str| of(calls, "partner", partner)["outcome"].clone();
        let outcomes = ["high", "low", "none", "failing", "video", "local"].map(outcome);
        assert_eq!(
            outcomes,
            ["bid", "bid", "no_bid", "bad_status", "not_invited", "bid"]
        );
        let call = of(calls, "partner", "high");
        let sent: Value = serde_json::from_str(&high.asked.borrow()[1]).unwrap();
        assert_eq!(call["request"], sent, "as it was sent");
        let (asked, answered) = (call["asked_ms"].as_f64(), call["answered_ms"].as_f64());
        assert!(
            asked.unwrap() <= answered.unwrap() && answered.unwrap() < 400.0,
            "{call}"
        );
        assert_eq!(call["response"]["seatbid"][0]["bid"][0]["price"], 1.0);
        let uninvited = of(calls, "partner", "video");
        assert_eq!(
            (&uninvited["request"], &uninvited["asked_ms"]),
            (&json!(null), &json!(null))
        );
        let text = answer["ext"].to_string();
        assert!(
            !text.contains("secret") && !text.contains(&high.address),
            "{text}"
        );

        let bids = &debug["bids"];
        let told = ["b1", "b2", "b3", "b4"].map(|id| {
            let bid = of(bids, "bid", id);
            (bid["outcome"].clone(), bid["loss"].clone())
        });
        let wanted = [
            ("won", json!(null)),
            ("below_floor", json!(100)),
            ("outbid", json!(102)),
            ("size", json!(203)),
        ];
        assert_eq!(told, wanted.map(|(outcome, loss)| (json!(outcome), loss)));
        assert_eq!(of(bids, "bid", "b1")["pays"], 0.91);
    });
}

#[test]
fn what_nobody_bought_is_told_too() {
    on_a_worker(async {
        let nobody = Exchange::new(market(Vec::new()), "");
        let trace = Trace::new(Now.now(), None);
        let (outcome, answer) = nobody.sell_traced(REQUEST, 1, Some(&trace)).await;
        assert_eq!(outcome, Ok(Outcome::NoBid(NoBid::NoBuyer)));
        let gavel = &answer["ext"]["gavel"];
        assert_eq!(gavel["unsold"][0]["reason"], "no_bids");
        assert_eq!(
            (&gavel["debug"]["calls"], &gavel["debug"]["bids"]),
            (&json!([]), &json!([]))
        );

        let silent = Exchange::new(market(vec![partner("local", "")]), "");
        let trace = Trace::new(Now.now(), None);
        let (_, answer) = silent.sell_traced(REQUEST, 1, Some(&trace)).await;
        let debug = &answer["ext"]["gavel"]["debug"];
        assert_eq!(debug["calls"][0]["outcome"], "no_bid");
        let (_, answer) = silent.sell(REQUEST).await;
        assert_eq!(answer.get("ext"), None, "nobody asked");
    });
}

#[test]
fn nobody_looks_into_the_auctions_of_others() {
    on_a_worker(async {
        let exchange = Exchange::new(market(vec![partner("local", "")]), LOCAL);
        let trace = Trace::new(Now.now(), Some(vec!["pub_2".to_owned()]));
        let (outcome, answer) = exchange.sell_traced(REQUEST, 1, Some(&trace)).await;
        let refusal = outcome.unwrap_err();
        assert_eq!((refusal.reason, refusal.status()), (Reason::NotYours, 403));
        assert_eq!(answer, json!(null));
        assert!(
            exchange.desk.local.1.borrow().is_empty(),
            "nobody was asked"
        );
    });
}

/// Whatever a partner answers, what would let others bill it is not told.
#[test]
fn no_shape_of_an_answer_brings_a_secret_through() {
    let bid = r#"{"id":"b","impid":"1","price":9,"crid":"c","adm":"<b>secret</b>",
        "nurl":"http://x.example/?secret","burl":"http://x.example/?secret","adm_native":"secret",
        "ext":{"k":"secret"}}"#;
    let whole =
        format!(r#"{{"id":"r1","cur":"EUR","customdata":"secret","seatbid":[{{"bid":[{bid}]}}]}}"#);
    let shapes = [
        format!(r#"{{"id":"r1","cur":"EUR","seatbid":{{"bid":{bid}}}}}"#),
        format!(r#"{{"id":"r1","cur":"EUR","seatbid":[{{"bid":{bid}}}]}}"#),
        format!("[{whole}]"),
        format!(r#"{{"wrapped":{whole}}}"#),
        whole.replace("r1", "r2"),
        whole.clone(),
        "secret".to_owned(),
    ];
    let statuses = [("200 OK", &*whole), ("403 No", &*whole)];
    let statuses = statuses.map(|(status, body)| (status, body.to_owned()));
    let all = shapes
        .into_iter()
        .map(|body| ("200 OK", body))
        .chain(statuses);
    on_a_worker(async {
        for (status, body) in all {
            let length = body.len();
            let answer = format!(
                "HTTP/1.1 {status}\r\ncontent-type: application/json\r\n\
                 content-length: {length}\r\n\r\n{body}"
            );
            let answer: &'static str = answer.leak();
            let odd = Partner::start(Behaviour::Raw(answer)).await;
            let exchange = Exchange::new(market(vec![partner("odd", &odd.address)]), "");
            let trace = Trace::new(Now.now(), None);
            let (_, answer) = exchange.sell_traced(REQUEST, 1, Some(&trace)).await;
            let debug = answer["ext"]["gavel"]["debug"].clone();
            assert_eq!(debug["calls"][0]["partner"], "odd", "{body}");
            let told = debug.to_string();
            assert!(!told.contains("secret"), "{status} {body}: {told}");
        }
    });
}
