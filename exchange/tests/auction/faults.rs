//! Bad partners: each is cut off or ignored and counted, and the good one sells all the same.

use crate::partner::{Behaviour, Partner, deaf};
use crate::setting::{Exchange, market, on_a_worker, partner};
use exchange::Outcome;
use exchange::counters::PartnerEvent;

const GOOD: &str = r#"{"id":"@ID","cur":"EUR","seatbid":[{"seat":"s","bid":[
    {"id":"b","impid":"1","price":1.5,"adm":"<b>good</b>","crid":"c"}]}]}"#;

const REQUEST: &str = r#"{"id":"r1","tmax":300,"site":{"publisher":{"id":"pub_1"}},
    "imp":[{"id":"1","banner":{"w":300,"h":250}}]}"#;

/// Runs one auction between a good partner and one that behaves as told.
async fn beside(behaviour: Behaviour, expected: PartnerEvent) {
    let good = Partner::start(Behaviour::Answer(GOOD)).await;
    let bad = Partner::start(behaviour.clone()).await;
    let market = market(vec![
        partner("good", &good.address),
        partner("bad", &bad.address),
    ]);
    let exchange = Exchange::new(market, "");
    let (outcome, answer) = exchange.sell(REQUEST).await;
    let Ok(Outcome::Sold(sold)) = outcome else {
        panic!("{behaviour:?}: {outcome:?}")
    };
    assert_eq!((sold.len(), sold[0].buyer), (1, 0), "{behaviour:?}");
    assert_eq!(answer["seatbid"][0]["seat"], "s");
    assert_eq!(exchange.count("good", PartnerEvent::Won), 1);
    assert_eq!(exchange.count("bad", expected), 1, "{behaviour:?}");
    assert_eq!(bad.asked.borrow().len(), 1);
}

#[test]
fn a_bad_partner_harms_only_itself() {
    on_a_worker(async {
        let other = r#"{"id":"other","seatbid":[{"bid":[
            {"id":"b","impid":"1","price":9,"adm":"x"}]}]}"#;
        let nan = r#"{"id":"@ID","cur":"EUR","seatbid":[{"bid":[
            {"id":"b","impid":"1","price":NaN,"adm":"x"}]}]}"#;
        let low = r#"{"id":"@ID","cur":"EUR","seatbid":[{"bid":[
            {"id":"b","impid":"1","price":-1,"adm":"x"}]}]}"#;
        let cases = [
            (Behaviour::HangAtHeader, PartnerEvent::TimedOut),
            (Behaviour::HangAtBody, PartnerEvent::TimedOut),
            (Behaviour::Endless, PartnerEvent::TooLarge),
            (Behaviour::Reset, PartnerEvent::Broken),
            (
                Behaviour::Raw("this is not HTTP\r\n\r\n"),
                PartnerEvent::Broken,
            ),
            (
                Behaviour::Raw("HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n"),
                PartnerEvent::BadStatus,
            ),
            (
                Behaviour::Raw(
                    "HTTP/1.1 302 No\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n",
                ),
                PartnerEvent::BadStatus,
            ),
            (
                Behaviour::Raw("HTTP/1.1 200 OK\r\ncontent-length: 10485760\r\n\r\n"),
                PartnerEvent::TooLarge,
            ),
            (
                Behaviour::Raw(
                    "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\n\x1f ",
                ),
                PartnerEvent::Invalid,
            ),
            (
                Behaviour::Raw(
                    "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 6\r\n\r\n<html>",
                ),
                PartnerEvent::Invalid,
            ),
            (
                Behaviour::Raw("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
                PartnerEvent::NoBid,
            ),
            (
                Behaviour::Raw("HTTP/1.1 204 No Content\r\n\r\n"),
                PartnerEvent::NoBid,
            ),
            (
                Behaviour::Answer(r#"{"id":"@ID","nbr":2}"#),
                PartnerEvent::NoBid,
            ),
            (Behaviour::Answer(other), PartnerEvent::Invalid),
            (Behaviour::Answer(nan), PartnerEvent::Invalid),
            (Behaviour::Answer(low), PartnerEvent::Bid),
        ];
        for (behaviour, expected) in cases {
            beside(behaviour, expected).await;
        }
    });
}

#[test]
fn a_partner_that_does_not_accept_is_cut_off() {
    on_a_worker(async {
        let good = Partner::start(Behaviour::Answer(GOOD)).await;
        let (address, _held) = deaf().await;
        let exchange = Exchange::new(
            market(vec![
                partner("good", &good.address),
                partner("bad", &address),
            ]),
            "",
        );
        let (outcome, _) = exchange.sell(REQUEST).await;
        assert!(matches!(outcome, Ok(Outcome::Sold(_))), "{outcome:?}");
        assert_eq!(exchange.count("bad", PartnerEvent::TimedOut), 1);
    });
}

#[test]
fn a_failing_partner_is_left_alone_after_a_while() {
    on_a_worker(async {
        let bad = Partner::start(Behaviour::Raw(
            "HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n",
        ))
        .await;
        let exchange = Exchange::new(market(vec![partner("bad", &bad.address)]), "");
        for _ in 0..20 {
            exchange.sell(REQUEST).await.0.unwrap();
        }
        assert_eq!(exchange.count("bad", PartnerEvent::BadStatus), 5);
        assert_eq!(exchange.count("bad", PartnerEvent::BreakerOpen), 15);
        assert_eq!(bad.asked.borrow().len(), 5);
    });
}

#[test]
fn a_node_that_stalls_does_not_blame_its_partners() {
    on_a_worker(async {
        let hung = Partner::start(Behaviour::HangAtHeader).await;
        let exchange = Exchange::new(market(vec![partner("hung", &hung.address)]), "");
        let request = REQUEST.replace("300,", "60,");
        for _ in 0..8 {
            let stall = async {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                // The thread itself is held up, until long after the deadline.
                std::thread::sleep(std::time::Duration::from_millis(100));
            };
            let (sold, ()) = tokio::join!(exchange.sell(&request), stall);
            sold.0.unwrap();
        }
        assert_eq!(exchange.count("hung", PartnerEvent::TimedOut), 8);
        assert_eq!(exchange.count("hung", PartnerEvent::BreakerOpen), 0);
    });
}

#[test]
fn connections_are_kept_and_capped() {
    on_a_worker(async {
        let good = Partner::start(Behaviour::Answer(GOOD)).await;
        let exchange = Exchange::new(market(vec![partner("good", &good.address)]), "");
        for _ in 0..10 {
            exchange.sell(REQUEST).await.0.unwrap();
        }
        assert_eq!(
            good.connections.get(),
            1,
            "one after the other needs one connection"
        );

        // Thirty at once: four connections, sixteen may wait, ten are turned away.
        let hung = Partner::start(Behaviour::HangAtHeader).await;
        let exchange = Exchange::new(market(vec![partner("hung", &hung.address)]), "");
        let exchange = std::rc::Rc::new(exchange);
        let mut auctions = tokio::task::JoinSet::new();
        for _ in 0..30 {
            let exchange = std::rc::Rc::clone(&exchange);
            auctions.spawn_local(async move { exchange.sell(REQUEST).await.0 });
        }
        // Well within the deadline: whoever can have a connection has one.
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        assert_eq!(hung.connections.get(), 4);
        while let Some(outcome) = auctions.join_next().await {
            assert!(matches!(outcome, Ok(Ok(Outcome::NoBid(_)))), "{outcome:?}");
        }
        assert_eq!(exchange.count("hung", PartnerEvent::Busy), 10);
        // Whoever gets a connection at the very end has no time left for asking.
        let late = exchange.count("hung", PartnerEvent::TooLate);
        assert_eq!(exchange.count("hung", PartnerEvent::TimedOut) + late, 20);
    });
}

#[test]
fn the_quota_of_a_partner_holds() {
    on_a_worker(async {
        let good = Partner::start(Behaviour::Answer(GOOD)).await;
        let limited = exchange::catalog::Partner {
            max_qps: 1,
            ..partner("good", &good.address)
        };
        let exchange = Exchange::new(market(vec![limited]), "");
        exchange.sell(REQUEST).await.0.unwrap();
        exchange.sell(REQUEST).await.0.unwrap();
        assert_eq!(exchange.count("good", PartnerEvent::OverQuota), 1);
        assert_eq!(good.asked.borrow().len(), 1);
    });
}
