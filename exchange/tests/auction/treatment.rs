//! How partners are treated: in what form they are asked, how often, and for what.

use crate::partner::{Behaviour, Partner};
use crate::setting::{Exchange, market, on_a_worker, partner};
use exchange::Outcome;
use exchange::catalog::{Format, Partner as Buyer, Rule, Treatment};
use exchange::counters::PartnerEvent;
use serde_json::{Value, json};

const NO_BID: Behaviour = Behaviour::Raw("HTTP/1.1 204 No Content\r\n\r\n");

const REQUEST: &str = r#"{"id":"r1","tmax":400,"site":{"publisher":{"id":"pub_1"},"cattax":2},
    "user":{"id":"u","consent":"C","eids":[{"source":"s","uids":[{"id":"x"}]}]},
    "regs":{"gdpr":1},"source":{"schain":{"ver":"1.0","complete":1,"nodes":[]}},
    "imp":[{"id":"1","rwdd":1,"banner":{"w":300,"h":250},
    "video":{"mimes":["video/mp4"],"plcmt":2,"podid":"p"}}]}"#;

fn treated(id: &str, address: &str, treatment: Treatment) -> Buyer {
    Buyer {
        treatment,
        ..partner(id, address)
    }
}

fn asked(partner: &Partner) -> Vec<Value> {
    let bodies = partner.asked.borrow();
    bodies
        .iter()
        .map(|body| serde_json::from_str(body).unwrap())
        .collect()
}

#[test]
fn each_partner_is_asked_in_its_form() {
    on_a_worker(async {
        let older = Partner::start(NO_BID).await;
        let trimmed = Partner::start(NO_BID).await;
        let plain = Partner::start(NO_BID).await;
        let rules = vec![
            Rule::Remove("imp.video.plcmt".into()),
            Rule::Remove("user.ext".into()),
            Rule::Move {
                from: "source.ext.schain".into(),
                to: "ext.schain".into(),
            },
        ];
        let of_rules = Treatment {
            rules,
            ..Treatment::default()
        };
        let exchange = Exchange::new(
            market(vec![
                Buyer {
                    openrtb: "2.5".into(),
                    ..partner("older", &older.address)
                },
                Buyer {
                    openrtb: "2.5".into(),
                    ..treated("trimmed", &trimmed.address, of_rules)
                },
                partner("plain", &plain.address),
            ]),
            "",
        );
        exchange.sell(REQUEST).await.0.unwrap();

        let seen = &asked(&older)[0];
        assert_eq!(
            seen["user"],
            json!({"id":"u","ext":{"consent":"C","eids":[{"source":"s","uids":[{"id":"x"}]}]}})
        );
        assert_eq!(seen["regs"], json!({"ext":{"gdpr":1}}));
        assert_eq!(seen["source"]["ext"]["schain"]["ver"], "1.0");
        let imp = &seen["imp"][0];
        assert_eq!(imp["ext"], json!({"rwdd":1}));
        assert_eq!(imp["video"], json!({"mimes":["video/mp4"],"plcmt":2}));
        assert_eq!(seen["site"], json!({"publisher":{"id":"pub_1"}}));

        // Its own rules work on what the version has made of the request.
        let seen = &asked(&trimmed)[0];
        assert_eq!(seen["user"], json!({"id":"u"}));
        assert_eq!(seen["ext"]["schain"]["ver"], "1.0");
        assert_eq!(seen["imp"][0]["video"], json!({"mimes":["video/mp4"]}));

        let seen = &asked(&plain)[0];
        assert_eq!(
            (&seen["user"]["consent"], &seen["imp"][0]["rwdd"]),
            (&json!("C"), &json!(1))
        );
    });
}

#[test]
fn screens_outside_of_homes_are_not_offered_to_a_partner_without_a_word_for_them() {
    on_a_worker(async {
        let older = Partner::start(NO_BID).await;
        let buyer = Buyer {
            openrtb: "2.5".into(),
            ..partner("older", &older.address)
        };
        let exchange = Exchange::new(market(vec![buyer]), "");
        let request = r#"{"id":"r","dooh":{"publisher":{"id":"pub_1"}},
            "imp":[{"id":"1","banner":{"w":1,"h":1}}]}"#;
        exchange.sell(request).await.0.unwrap();
        assert_eq!(exchange.count("older", PartnerEvent::NotInvited), 1);
        assert!(older.asked.borrow().is_empty());
    });
}

#[test]
fn imps_of_several_formats_are_split_and_the_bids_put_back() {
    on_a_worker(async {
        let answer = r#"{"id":"@ID","cur":"EUR","seatbid":[{"bid":[
            {"id":"v","impid":"1~video","price":2,"mtype":2,"adm":"<VAST version=\"4.0\"/>"},
            {"id":"b","impid":"1~banner","price":1,"mtype":1,"adm":"<b>1</b>"},
            {"id":"x","impid":"9~banner","price":9,"mtype":1,"adm":"<b>9</b>"}]}]}"#;
        let split = Partner::start(Behaviour::Answer(answer)).await;
        let treatment = Treatment {
            splits_formats: true,
            ..Treatment::default()
        };
        let buyer = treated("split", &split.address, treatment);
        let exchange = Exchange::new(market(vec![buyer]), "");
        let (outcome, answer) = exchange.sell(REQUEST).await;
        let imps = asked(&split)[0]["imp"].clone();
        let shown: Vec<_> = imps
            .as_array()
            .unwrap()
            .iter()
            .map(|imp| {
                let has = |format: &str| imp.get(format).is_some();
                (imp["id"].as_str().unwrap(), has("banner"), has("video"))
            })
            .collect();
        assert_eq!(shown, [("1~banner", true, false), ("1~video", false, true)]);
        let Ok(Outcome::Sold(sold)) = outcome else {
            panic!("{outcome:?}")
        };
        assert_eq!((sold.len(), &*sold[0].imp), (1, "1"));
        let bid = &answer["seatbid"][0]["bid"][0];
        assert_eq!((&bid["id"], &bid["impid"]), (&json!("v"), &json!("1")));
    });
}

#[test]
fn an_id_that_looks_split_is_left_alone() {
    on_a_worker(async {
        let split = Partner::start(NO_BID).await;
        let treatment = Treatment {
            splits_formats: true,
            ..Treatment::default()
        };
        let buyer = treated("split", &split.address, treatment);
        let exchange = Exchange::new(market(vec![buyer]), "");
        let request = REQUEST.replace(r#""id":"1","rwdd""#, r#""id":"1~video","rwdd""#);
        exchange.sell(&request).await.0.unwrap();
        assert_eq!(asked(&split)[0]["imp"].as_array().unwrap().len(), 1);
    });
}

#[test]
fn formats_that_a_partner_does_not_buy_are_not_shown_to_it() {
    on_a_worker(async {
        let videos = Partner::start(NO_BID).await;
        let buyer = Buyer {
            formats: vec![Format::Video],
            ..partner("videos", &videos.address)
        };
        let exchange = Exchange::new(market(vec![buyer]), "");
        exchange.sell(REQUEST).await.0.unwrap();
        let imp = &asked(&videos)[0]["imp"][0];
        assert_eq!(
            (imp.get("banner"), imp["video"]["plcmt"].as_i64()),
            (None, Some(2))
        );
    });
}

#[test]
fn what_a_partner_never_buys_it_is_rarely_asked() {
    on_a_worker(async {
        let silent = Partner::start(NO_BID).await;
        let treatment = Treatment {
            throttle_after: 20,
            explore_percent: 0,
            ..Treatment::default()
        };
        let buyer = treated("silent", &silent.address, treatment);
        let exchange = Exchange::new(market(vec![buyer]), "");
        for seed in 0..400 {
            exchange.sell_with(REQUEST, seed).await.0.unwrap();
        }
        let videos = asked(&silent).len();
        assert!((30..200).contains(&videos), "{videos} of 400");
        assert_eq!(
            exchange.count("silent", PartnerEvent::Throttled),
            400 - videos as u64
        );
        // Another kind of traffic is asked for as before.
        let banner = r#"{"id":"r","site":{"publisher":{"id":"pub_1"}},
            "imp":[{"id":"1","banner":{"w":1,"h":1}}]}"#;
        for seed in 0..20 {
            exchange.sell_with(banner, seed).await.0.unwrap();
        }
        assert_eq!(asked(&silent).len(), videos + 20);
    });
}

#[test]
fn limits_of_a_partner_hold() {
    on_a_worker(async {
        let limited = Partner::start(NO_BID).await;
        let treatment = Treatment {
            max_publisher_qps: 1,
            ..Treatment::default()
        };
        let buyer = treated("limited", &limited.address, treatment);
        let exchange = Exchange::new(market(vec![buyer]), "");
        for _ in 0..3 {
            exchange.sell(REQUEST).await.0.unwrap();
        }
        assert_eq!(limited.asked.borrow().len(), 1);
        assert_eq!(
            exchange.count("limited", PartnerEvent::OverPublisherQuota),
            2
        );

        let slow = Partner::start(Behaviour::HangAtHeader).await;
        let treatment = Treatment {
            max_in_flight: 2,
            ..Treatment::default()
        };
        let buyer = treated("slow", &slow.address, treatment);
        let exchange = std::rc::Rc::new(Exchange::new(market(vec![buyer]), ""));
        let mut auctions = tokio::task::JoinSet::new();
        for _ in 0..5 {
            let exchange = std::rc::Rc::clone(&exchange);
            auctions.spawn_local(async move { exchange.sell(REQUEST).await.0.unwrap() });
        }
        while auctions.join_next().await.is_some() {}
        assert_eq!(exchange.count("slow", PartnerEvent::OverConcurrency), 3);
        assert_eq!(exchange.count("slow", PartnerEvent::TimedOut), 2);
        // Nothing is under way any more, so two are asked again.
        exchange.sell(REQUEST).await.0.unwrap();
        assert_eq!(exchange.count("slow", PartnerEvent::Asked), 3);
    });
}
