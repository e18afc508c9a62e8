//! Notices: kept before they are acknowledged, tried again, and no partner in another's way.

use crate::partner::{Behaviour, Partner};
use crate::setting::{Exchange, market, on_a_worker, partner, post};
use exchange::Outcome;
use exchange::catalog::{Partner as Buyer, Treatment};
use exchange::counters::{NoticeEvent, PartnerEvent};
use exchange::link::notice::{self, Device, Journal, Kind, Notice};
use std::time::Duration;

const NO_BID: Behaviour = Behaviour::Raw("HTTP/1.1 204 No Content\r\n\r\n");

const REQUEST: &str = r#"{"id":"r1","tmax":400,"site":{"publisher":{"id":"pub_1"}},
    "device":{"ip":"192.0.2.7","ua":"Browser/1"},
    "imp":[{"id":"1","banner":{"w":300,"h":250}}]}"#;

fn to(partner: &Partner, kind: Kind, path: &str) -> Notice {
    let url = format!("http://{}/{path}", partner.address);
    Notice::new(kind, "dsp".into(), url, true)
}

async fn until(holds: impl Fn() -> bool) {
    while !holds() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[test]
fn a_billing_notice_survives_the_process_and_is_sent_once() {
    on_a_worker(async {
        let dsp = Partner::start(NO_BID).await;
        let file = std::env::temp_dir().join(format!("bills-{}.sqlite", std::process::id()));
        let journal = || Journal::open(&file, 100).unwrap();
        let bill = |path: &str| to(&dsp, Kind::Bill, path);

        // The partner fails, and the process dies with the notice under way.
        dsp.failing.set(usize::MAX);
        let mut exchange = Exchange::new(market(vec![]), "");
        let inbox = exchange.inbox.take().unwrap();
        let of_file = notice::Post {
            journal: journal(),
            ..post()
        };
        let sending = notice::send(inbox, of_file, std::future::pending());
        let sending = tokio::task::spawn_local(sending);
        let outbox = exchange.desk.outbox.clone();
        outbox.bill(bill("bill"), [1; 16]).await.unwrap();
        // The same sale once more, as a pixel that is loaded again reports it.
        outbox.bill(bill("bill"), [1; 16]).await.unwrap();
        until(|| exchange.desk.counters.notices.get(NoticeEvent::Retried) > 0).await;
        sending.abort();
        let _ = sending.await;
        assert!(dsp.notices.borrow().is_empty());

        // The next process delivers it, and knows the sale.
        dsp.failing.set(0);
        let mut exchange = Exchange::new(market(vec![]), "");
        let inbox = exchange.inbox.take().unwrap();
        let of_file = notice::Post {
            journal: journal(),
            ..post()
        };
        let sending = notice::send(inbox, of_file, std::future::pending());
        let sending = tokio::task::spawn_local(sending);
        until(|| !dsp.notices.borrow().is_empty()).await;
        let outbox = exchange.desk.outbox.clone();
        outbox.bill(bill("bill"), [1; 16]).await.unwrap();
        outbox.bill(bill("other"), [2; 16]).await.unwrap();
        until(|| dsp.notices.borrow().len() >= 2).await;
        tokio::time::sleep(Duration::from_millis(150)).await;
        assert_eq!(*dsp.notices.borrow(), ["/bill", "/other"]);
        sending.abort();
        let _ = sending.await;
        std::fs::remove_file(&file).unwrap();
    });
}

#[test]
fn what_waits_when_the_node_stops_is_kept_for_the_next() {
    on_a_worker(async {
        let dsp = Partner::start(NO_BID).await;
        let file = std::env::temp_dir().join(format!("stop-{}.sqlite", std::process::id()));
        dsp.failing.set(usize::MAX);
        let mut exchange = Exchange::new(market(vec![]), "");
        for turn in 0..20 {
            let loss = to(&dsp, Kind::Loss, &format!("loss{turn}"));
            exchange.desk.outbox.put(loss);
        }
        let of_file = notice::Post {
            journal: Journal::open(&file, 100).unwrap(),
            ..post()
        };
        let stopped = std::future::ready(());
        notice::send(exchange.inbox.take().unwrap(), of_file, stopped).await;
        assert_eq!(Journal::open(&file, 100).unwrap().waiting(), 20);
        exchange
            .desk
            .outbox
            .put(to(&dsp, Kind::Loss, "after the end"));
        let dropped = exchange.desk.counters.notices.get(NoticeEvent::Dropped);
        assert_eq!(dropped, 1);
        std::fs::remove_file(&file).unwrap();
    });
}

#[test]
fn a_dead_partner_delays_nobody_elses_notices() {
    on_a_worker(async {
        let dead = Partner::start(Behaviour::HangAtHeader).await;
        let well = Partner::start(NO_BID).await;
        dead.failing.set(usize::MAX);
        let mut exchange = Exchange::new(market(vec![]), "");
        let settings_of = exchange.inbox.take().unwrap();
        let sending = notice::send(settings_of, post(), std::future::pending());
        let sending = tokio::task::spawn_local(sending);
        for turn in 0..200 {
            let url = format!("http://{}/{turn}", dead.address);
            let ill = Notice::new(Kind::Win, "dead".into(), url, true);
            exchange.desk.outbox.put(ill);
        }
        exchange.desk.outbox.put(to(&well, Kind::Win, "win"));
        until(|| !well.notices.borrow().is_empty()).await;
        let counts = &exchange.desk.counters.notices;
        assert_eq!(counts.get(NoticeEvent::Delivered), 1);
        // Its breaker opens after five failures; what had begun by then is all that was tried.
        let tried = counts.get(NoticeEvent::Retried);
        assert!(tried <= 32, "{tried}");
        sending.abort();
    });
}

#[test]
fn a_full_journal_acknowledges_no_sale() {
    on_a_worker(async {
        let dsp = Partner::start(NO_BID).await;
        dsp.failing.set(usize::MAX);
        let mut exchange = Exchange::new(market(vec![]), "");
        let small = notice::Post {
            journal: Journal::in_memory(2).unwrap(),
            ..post()
        };
        let inbox = exchange.inbox.take().unwrap();
        let sending = notice::send(inbox, small, std::future::pending());
        let sending = tokio::task::spawn_local(sending);
        let outbox = exchange.desk.outbox.clone();
        let mut kept = 0;
        for sale in 0..5 {
            let bill = to(&dsp, Kind::Bill, "bill");
            kept += usize::from(outbox.bill(bill, [sale; 16]).await.is_ok());
        }
        assert_eq!(kept, 2);
        sending.abort();
    });
}

#[test]
fn a_partner_is_told_of_the_device_where_that_is_agreed() {
    on_a_worker(async {
        let dsp = Partner::start(NO_BID).await;
        let mut exchange = Exchange::new(market(vec![]), "");
        let device = Device {
            ip: Some("192.0.2.0".into()),
            user_agent: Some("Browser/1\r\nx: y".into()),
        };
        let told = to(&dsp, Kind::Bill, "told").about(Some(device));
        exchange.desk.outbox.put(told);
        let inbox = exchange.inbox.take().unwrap();
        let sending = notice::send(inbox, post(), std::future::pending());
        let sending = tokio::task::spawn_local(sending);
        until(|| !dsp.notices.borrow().is_empty()).await;
        let head = dsp.heads.borrow()[0].clone();
        assert!(head.contains("x-device-ip: 192.0.2.0"), "{head}");
        assert!(head.contains("x-forwarded-for: 192.0.2.0"), "{head}");
        assert!(
            !head.contains("browser"),
            "no header is smuggled in: {head}"
        );
        sending.abort();
    });
}

const BID: &str = r#"{"id":"@ID","cur":"EUR","seatbid":[{"bid":[{"id":"b","impid":"1",
    "price":2,"nurl":"http://@ME/markup?p=${AUCTION_PRICE}"}]}]}"#;
const LOWER: &str = r#"{"id":"@ID","cur":"EUR","seatbid":[{"bid":[{"id":"c","impid":"1",
    "price":1,"adm":"<b>lower</b>"}]}]}"#;

fn answering(address: &str) -> Buyer {
    Buyer {
        treatment: Treatment {
            markup_from_nurl: true,
            device_headers: true,
            ..Treatment::default()
        },
        ..partner("dsp", address)
    }
}

#[test]
fn the_answer_to_a_win_notice_is_the_markup_where_that_is_agreed() {
    on_a_worker(async {
        let dsp = Partner::start(Behaviour::Answer(BID)).await;
        let lower = Partner::start(Behaviour::Answer(LOWER)).await;
        let partners = || vec![answering(&dsp.address), partner("lower", &lower.address)];
        *dsp.markup.borrow_mut() = "<b>${AUCTION_PRICE}</b>".into();
        let exchange = Exchange::new(market(partners()), "");
        let (outcome, answer) = exchange.sell(REQUEST).await;
        assert!(matches!(outcome, Ok(Outcome::Sold(_))), "{outcome:?}");
        let markup = answer["seatbid"][0]["bid"][0]["adm"].as_str().unwrap();
        assert!(markup.starts_with("<b>1.01</b>"), "{markup}");
        assert_eq!(*dsp.notices.borrow(), ["/markup?p=1.01"]);
        let head = dsp.heads.borrow()[0].clone();
        assert!(head.contains("x-device-user-agent: browser/1"), "{head}");
        // The notice was sent already.
        assert_eq!(exchange.desk.counters.notices.get(NoticeEvent::Queued), 0);

        // Where it does not come, or may not be shown, the next bid wins.
        let secure = REQUEST.replace(r#""id":"1","banner""#, r#""id":"1","secure":1,"banner""#);
        for (markup, request) in [(" ", REQUEST), ("<img src='http://x.example/'>", &*secure)] {
            *dsp.markup.borrow_mut() = markup.into();
            let exchange = Exchange::new(market(partners()), "");
            let (_, answer) = exchange.sell(request).await;
            let won = &answer["seatbid"][0]["bid"][0]["id"];
            assert_eq!(won, "c", "{markup:?}");
            assert_eq!(exchange.count("lower", PartnerEvent::Won), 1);
        }
    });
}

#[test]
fn without_an_agreement_or_in_a_test_no_markup_is_fetched() {
    on_a_worker(async {
        let dsp = Partner::start(Behaviour::Answer(BID)).await;
        *dsp.markup.borrow_mut() = "<b>1</b>".into();
        let test = REQUEST.replacen('{', r#"{"test":1,"#, 1);
        for (buyer, request) in [
            (partner("dsp", &dsp.address), REQUEST),
            (answering(&dsp.address), &*test),
        ] {
            let exchange = Exchange::new(market(vec![buyer]), "");
            let (outcome, _) = exchange.sell(request).await;
            assert_eq!(outcome, Ok(Outcome::NoBid(exchange::NoBid::AllRejected)));
        }
        assert!(dsp.notices.borrow().is_empty());
    });
}

#[test]
fn markup_that_comes_too_late_is_not_waited_for() {
    on_a_worker(async {
        let (silent, _held) = crate::partner::deaf().await;
        let bid = BID.replace("@ME", &silent);
        let dsp = Partner::start(Behaviour::Answer(Box::leak(bid.into_boxed_str()))).await;
        let lower = Partner::start(Behaviour::Answer(LOWER)).await;
        let buyers = vec![answering(&dsp.address), partner("lower", &lower.address)];
        let exchange = Exchange::new(market(buyers), "");
        let (_, answer) = exchange.sell(REQUEST).await;
        assert_eq!(answer["seatbid"][0]["bid"][0]["id"], "c");
    });
}
