//! A sale from end to end: what partners see, what the publisher gets, who is told what.

use crate::partner::{Behaviour, Partner};
use crate::setting::{
    EUR, Exchange, market, market_of, on_a_worker, partner, post, publisher, signer,
};
use exchange::catalog::{Format, LossPrices, Partner as Buyer, Pricing, Publisher};
use exchange::counters::{NoticeEvent, PartnerEvent};
use exchange::link::notice;
use exchange::settle::Sold;
use exchange::{NoBid, Outcome};
use ledger::Cpm;
use ledger::token::{Purpose, Side};
use serde_json::json;

const REQUEST: &str = r#"{"id":"r1","tmax":400,"cur":["EUR"],"novel":{"a":[1,null]},
    "site":{"publisher":{"id":"pub_1"},"x-field":7},"user":{"id":"u"},
    "device":{"ua":"Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/126.0.0.0"},
    "imp":[{"id":"1","tagid":"top","bidfloor":0.85,"bidfloorcur":"EUR","later":true,
    "banner":{"format":[{"w":300,"h":250}]}}]}"#;

/// Three bids, of which the last is below the floor: the specification's own example.
const HIGH: &str = r#"{"id":"@ID","cur":"EUR","seatbid":[{"seat":"high","bid":[{"id":"b1",
    "impid":"1","price":1.00,"cid":"c1","crid":"cr1","adid":"a1","ext":{"k":"v"},"odd":1,
    "adm":"<a href='http://x.example/?p=${AUCTION_PRICE}'>${AUCTION_ID}</a>",
    "nurl":"http://@ME/win?p=${AUCTION_PRICE}&m=${AUCTION_MIN_TO_WIN}&c=${AUCTION_CURRENCY}",
    "burl":"http://@ME/bill?p=${AUCTION_PRICE}&s=${AUCTION_SEAT_ID}",
    "lurl":"http://@ME/loss"}]}]}"#;
const LOWER: &str = r#"{"id":"@ID","cur":"EUR","seatbid":[{"seat":"low","bid":[{"id":"b2",
    "impid":"1","price":0.90,"adm":"<b>2</b>","nurl":"http://@ME/win","lurl":
    "http://@ME/loss?r=${AUCTION_LOSS}&m=${AUCTION_MIN_TO_WIN}&p=${AUCTION_PRICE}"},{"id":"b3",
    "impid":"1","price":0.80,"adm":"<b>3</b>","lurl":
    "http://@ME/loss?r=${AUCTION_LOSS}&m=${AUCTION_MIN_TO_WIN}&p=${AUCTION_PRICE}"},{"id":"b4",
    "impid":"1","price":2,"adm":"<b>4</b>","w":1,"h":1,"lurl":
    "http://@ME/loss?r=${AUCTION_LOSS}&m=${AUCTION_MIN_TO_WIN}"}]}]}"#;

fn pricing(pricing: Pricing) -> Publisher {
    Publisher {
        pricing,
        ..publisher()
    }
}

/// Waits until the partners have their notices.
async fn delivered(exchange: &mut Exchange, count: usize, partners: &[&Partner]) {
    let sender = notice::send(
        exchange.inbox.take().unwrap(),
        post(),
        std::future::pending(),
    );
    let sender = tokio::task::spawn_local(sender);
    loop {
        let arrived: usize = partners
            .iter()
            .map(|partner| partner.notices.borrow().len())
            .sum();
        if arrived >= count {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    sender.abort();
}

async fn example(publisher: Publisher) -> (Vec<Sold>, serde_json::Value, Vec<String>, Vec<String>) {
    let high = Partner::start(Behaviour::Answer(HIGH)).await;
    let low = Partner::start(Behaviour::Answer(LOWER)).await;
    let partners = vec![partner("high", &high.address), partner("low", &low.address)];
    let mut exchange = Exchange::new(market_of(publisher, partners), "");
    let (outcome, answer) = exchange.sell(REQUEST).await;
    delivered(&mut exchange, 4, &[&high, &low]).await;
    let Ok(Outcome::Sold(sold)) = outcome else {
        panic!("{outcome:?}")
    };
    let mut lost = low.notices.borrow().clone();
    lost.sort();
    (sold, answer, high.notices.borrow().clone(), lost)
}

#[test]
fn the_second_price_of_the_specifications_example_is_paid_and_told() {
    on_a_worker(async {
        let second_price = pricing(Pricing::SecondPrice {
            increment: Cpm(10_000),
        });
        let (sold, answer, won, lost) = example(second_price).await;
        assert_eq!((sold[0].price, sold[0].currency), (Cpm(910_000), EUR));
        assert_eq!(won, ["/win?p=0.91&m=0.90&c=EUR"]);
        assert_eq!(
            lost,
            [
                "/loss?r=100&m=0.91&p=",
                "/loss?r=102&m=0.91&p=",
                "/loss?r=203&m="
            ]
        );

        let bid = &answer["seatbid"][0]["bid"][0];
        assert_eq!(answer["seatbid"][0]["seat"], "high");
        assert_eq!(
            (&answer["id"], &answer["cur"]),
            (&json!("r1"), &json!("EUR"))
        );
        assert_eq!((&bid["price"], &bid["cid"]), (&json!(0.91), &json!("c1")));
        assert_eq!((&bid["ext"], &bid["odd"]), (&json!({"k":"v"}), &json!(1)));
        assert_eq!((bid.get("nurl"), bid.get("lurl")), (None, None));
        let markup = bid["adm"].as_str().unwrap();
        assert!(markup.starts_with("<a href='http://x.example/?p=0.91'>r1</a><img src=\""));
        let tracking = bid["burl"].as_str().unwrap();
        assert!(markup.contains(&format!("src=\"{tracking}\"")));

        let token = tracking
            .strip_prefix("http://ssp.example/t/imp?t=")
            .unwrap();
        let mut buffer = Vec::new();
        let claims = signer()
            .verify(Purpose::Impression, token, 4_600, &mut buffer)
            .unwrap();
        assert_eq!(
            (claims.side, claims.cpm, &claims.currency),
            (Side::Exchange, 910_000, b"EUR")
        );
        let names = [
            claims.exchange,
            claims.seat,
            claims.auction,
            claims.imp,
            claims.bid,
        ];
        assert_eq!(names, ["demo", "high", "r1", "1", "b1"]);
        let names = [
            claims.line_item,
            claims.creative,
            claims.publisher,
            claims.placement,
        ];
        assert_eq!(names, ["c1", "cr1", "pub_1", "plc_1"]);
        assert_eq!(claims.partner, "high");
        assert!(
            claims.url.ends_with("/bill?p=0.91&s=high"),
            "{}",
            claims.url
        );
        assert!(
            signer()
                .verify(Purpose::Impression, token, 4_601, &mut buffer)
                .is_err()
        );
    });
}

#[test]
fn the_first_price_of_the_specifications_example_is_paid_and_told() {
    on_a_worker(async {
        let (sold, _, won, lost) = example(pricing(Pricing::FirstPrice)).await;
        assert_eq!(sold[0].price, Cpm(1_000_000));
        assert_eq!(won, ["/win?p=1.00&m=0.90&c=EUR"]);
        assert_eq!(
            lost,
            [
                "/loss?r=100&m=1.00&p=",
                "/loss?r=102&m=1.00&p=",
                "/loss?r=203&m="
            ]
        );
    });
}

#[test]
fn losers_learn_the_prices_that_the_publisher_lets_them() {
    on_a_worker(async {
        let telling = |loss_prices| Publisher {
            loss_prices,
            ..publisher()
        };
        let (_, _, _, lost) = example(telling(LossPrices::None)).await;
        assert_eq!(
            lost,
            ["/loss?r=100&m=&p=", "/loss?r=102&m=&p=", "/loss?r=203&m="]
        );
        let (_, _, _, lost) = example(telling(LossPrices::Clearing)).await;
        assert_eq!(
            lost,
            [
                "/loss?r=100&m=0.91&p=0.91",
                "/loss?r=102&m=0.91&p=0.91",
                "/loss?r=203&m="
            ]
        );
    });
}

#[test]
fn partners_see_what_they_may_see() {
    on_a_worker(async {
        let no = Behaviour::Raw("HTTP/1.1 204 No Content\r\n\r\n");
        let banners = Partner::start(no.clone()).await;
        let videos = Partner::start(no.clone()).await;
        let abroad = Partner::start(no).await;
        let request = REQUEST.replace(
            r#""imp":["#,
            r#""tmax":400,"allimps":1,"imp":[{"id":"2","video":{"mimes":["video/mp4"]}},"#,
        );
        let of = |format, buyer: Buyer| Buyer {
            formats: vec![format],
            ..buyer
        };
        let far = partner("abroad", &abroad.address);
        let market = market(vec![
            of(Format::Banner, partner("banners", &banners.address)),
            of(Format::Video, partner("videos", &videos.address)),
            Buyer {
                countries: vec!["FRA".into()],
                ..far
            },
            partner("local", ""),
        ]);
        let exchange = Exchange::new(market, "");
        let (outcome, answer) = exchange.sell(&request).await;
        assert_eq!(outcome, Ok(Outcome::NoBid(NoBid::NoBids)));
        assert_eq!(answer, json!({"id":"r1","nbr":501}));

        let seen = |text: &str| -> serde_json::Value { serde_json::from_str(text).unwrap() };
        let banner = seen(&banners.asked.borrow()[0]);
        assert_eq!(banner["imp"].as_array().unwrap().len(), 1);
        assert_eq!(banner["allimps"], 0, "a part is not all");
        let imp = &banner["imp"][0];
        assert_eq!((&imp["id"], &imp["later"]), (&json!("1"), &json!(true)));
        assert_eq!(
            (&imp["bidfloor"], &imp["bidfloorcur"]),
            (&json!(0.85), &json!("EUR"))
        );
        assert_eq!(
            (&banner["at"], &banner["cur"]),
            (&json!(2), &json!(["EUR"]))
        );
        assert_eq!(banner["novel"], json!({"a":[1,null]}));
        assert_eq!(banner["site"]["x-field"], json!(7));
        assert_eq!(
            (&banner["device"]["devicetype"], &banner["device"]["os"]),
            (&json!(2), &json!("Windows 10"))
        );
        let tmax = banner["tmax"].as_i64().unwrap();
        assert!(tmax > 0 && tmax <= 395, "the margin is deducted: {tmax}");

        let video = seen(&videos.asked.borrow()[0]);
        assert_eq!(
            video["imp"],
            json!([{"id":"2","video":{"mimes":["video/mp4"]}}])
        );
        let local = seen(&exchange.desk.local.1.borrow()[0]);
        assert_eq!(local["imp"].as_array().unwrap().len(), 2);
        assert_eq!(local["allimps"], 1);
        assert!(abroad.asked.borrow().is_empty());
        assert_eq!(exchange.count("abroad", PartnerEvent::NotInvited), 1);
    });
}

#[test]
fn the_bidder_of_the_process_sells_beside_the_others_in_its_own_currency() {
    on_a_worker(async {
        let local = r#"{"id":"r1","cur":"USD","seatbid":[{"bid":[{"id":"b","impid":"1","price":2.5,
            "adm":"<b>${AUCTION_PRICE} ${AUCTION_CURRENCY} ${AUCTION_MBR}</b>"}]}]}"#;
        let exchange = Exchange::new(market(vec![partner("local", "")]), local);
        let request = REQUEST.replace(r#"["EUR"]"#, r#"["EUR","USD"]"#);
        let (outcome, answer) = exchange.sell(&request).await;
        let Ok(Outcome::Sold(sold)) = outcome else {
            panic!("{outcome:?}")
        };
        assert_eq!(
            sold[0].price,
            Cpm(860_000),
            "the floor and the increment, in euros"
        );
        let bid = &answer["seatbid"][0]["bid"][0];
        assert_eq!(
            answer["seatbid"][0]["seat"], "local",
            "the partner, where no seat is named"
        );
        let markup = bid["adm"].as_str().unwrap();
        assert!(markup.starts_with("<b>1.075 USD 0.43</b>"), "{markup}");
        assert_eq!(exchange.count("local", PartnerEvent::Won), 1);
    });
}

#[test]
fn a_test_bills_nothing_and_tells_nobody() {
    on_a_worker(async {
        let high = Partner::start(Behaviour::Answer(HIGH)).await;
        let exchange = Exchange::new(market(vec![partner("high", &high.address)]), "");
        let (_, answer) = exchange
            .sell(&REQUEST.replacen('{', r#"{"test":1,"#, 1))
            .await;
        let bid = &answer["seatbid"][0]["bid"][0];
        assert_eq!(bid["adm"], "<a href='http://x.example/?p=AUDIT'>r1</a>");
        assert_eq!(bid.get("burl"), None);
        assert_eq!(exchange.desk.counters.notices.get(NoticeEvent::Queued), 0);
    });
}

#[test]
fn notices_are_tried_again_and_given_up() {
    on_a_worker(async {
        let high = Partner::start(Behaviour::Answer(HIGH)).await;
        let mut exchange = Exchange::new(market(vec![partner("high", &high.address)]), "");
        high.failing.set(2);
        exchange.sell(REQUEST).await.0.unwrap();
        delivered(&mut exchange, 1, &[&high]).await;
        let notices = &exchange.desk.counters.notices;
        assert_eq!(notices.get(NoticeEvent::Retried), 2);

        let mut exchange = Exchange::new(market(vec![partner("high", &high.address)]), "");
        high.failing.set(usize::MAX);
        exchange.sell(REQUEST).await.0.unwrap();
        let counters = std::sync::Arc::clone(&exchange.desk.counters);
        let sender = notice::send(
            exchange.inbox.take().unwrap(),
            post(),
            std::future::pending(),
        );
        drop(exchange);
        // With every outbox gone the sender ends when nothing waits any more.
        sender.await;
        assert_eq!(counters.notices.get(NoticeEvent::GivenUp), 1);
        assert_eq!(counters.notices.get(NoticeEvent::Delivered), 0);
    });
}

#[test]
fn a_notice_does_not_reach_our_own_network() {
    on_a_worker(async {
        let victim = Partner::start(Behaviour::HangAtHeader).await;
        let mut exchange = Exchange::new(market(vec![partner("any", &victim.address)]), "");
        let url = format!("http://{}/", victim.address);
        exchange.desk.outbox.put(notice::Notice::new(
            notice::Kind::Win,
            "any".into(),
            url,
            false,
        ));
        let counters = std::sync::Arc::clone(&exchange.desk.counters);
        let sender = notice::send(
            exchange.inbox.take().unwrap(),
            post(),
            std::future::pending(),
        );
        drop(exchange);
        sender.await;
        assert_eq!(counters.notices.get(NoticeEvent::Forbidden), 1);
        assert_eq!(victim.connections.get(), 0);
    });
}
