//! Requests that are refused, and auctions that sell nothing.

use crate::setting::{Exchange, market, market_of, on_a_worker, partner, publisher};
use exchange::{NoBid, Outcome, Reason};
use openrtb::Limits;

fn request(members: &str) -> String {
    format!(r#"{{"id":"r","imp":[{{"id":"1","banner":{{"w":1,"h":1}}}}],{members}}}"#)
}

const OURS: &str = r#""site":{"publisher":{"id":"pub_1"}}"#;

#[test]
fn a_refusal_names_its_field_and_status() {
    on_a_worker(async {
        let mut exchange = Exchange::new(market(vec![partner("local", "")]), "");
        exchange.desk.settings.limits = Limits {
            imps: 2,
            body: 1_000,
            ..Limits::default()
        };
        let imps = r#"{"id":"1","video":{"mimes":["a"]}},"#.repeat(3);
        let imps = imps.trim_end_matches(',').to_owned();
        let long = "x".repeat(300);
        let cases = [
            ("{".to_owned(), 400, ""),
            ("\u{0}".to_owned(), 400, ""),
            (
                format!("{{\"a\":{}1{}}}", "[".repeat(300), "]".repeat(300)),
                413,
                "a",
            ),
            (" ".repeat(1_001), 413, ""),
            (r#"{"id":"r"}"#.to_owned(), 400, "imp"),
            (
                r#"{"id":"r","imp":[{"id":"1","banner":{"w":-1}}]}"#.to_owned(),
                400,
                "imp[0].banner.w",
            ),
            (format!(r#"{{"id":"r","imp":[{imps}]}}"#), 413, "imp"),
            (
                request(OURS).replace(r#""id":"r""#, &format!(r#""id":"{long}""#)),
                400,
                "id",
            ),
            (
                request(OURS).replace(r#""id":"1""#, &format!(r#""id":"{long}""#)),
                400,
                "imp[0].id",
            ),
            (request(r#""tmax":1"#), 400, "site"),
            (
                request(r#""site":{"publisher":{"id":"pub_9"}}"#),
                400,
                "site.publisher.id",
            ),
            (
                request(r#""app":{"bundle":"com.other"}"#),
                400,
                "app.publisher.id",
            ),
            (
                request(r#""dooh":{"domain":"other.example"}"#),
                400,
                "dooh.publisher.id",
            ),
            (
                request(r#""site":{"domain":"notnews.example"}"#),
                400,
                "site.publisher.id",
            ),
        ];
        for (body, status, field) in cases {
            let (result, _) = exchange.sell(&body).await;
            let refusal = result.unwrap_err();
            assert_eq!(
                (refusal.status(), refusal.field.as_str()),
                (status, field),
                "{refusal}"
            );
            assert!(!refusal.detail.is_empty());
        }
        let refused = &exchange.desk.counters.refused;
        assert_eq!(refused.get(Reason::UnknownPublisher), 5);
    });
}

#[test]
fn a_publisher_is_known_by_id_domain_or_bundle() {
    on_a_worker(async {
        let exchange = Exchange::new(market(vec![partner("local", "")]), "");
        for members in [
            OURS,
            r#""site":{"domain":"news.example"}"#,
            r#""site":{"domain":"Sports.News.example","publisher":{"id":"their-own"}}"#,
            r#""site":{"page":"https://user@www.news.example:443/a?b#c"}"#,
            r#""app":{"bundle":"com.example.news"}"#,
            r#""app":{"domain":"news.example"}"#,
            r#""dooh":{"publisher":{"id":"pub_1"}}"#,
        ] {
            let (outcome, _) = exchange.sell(&request(members)).await;
            assert_eq!(outcome, Ok(Outcome::NoBid(NoBid::NoBids)), "{members}");
        }
    });
}

#[test]
fn a_publisher_over_its_rate_is_told_429() {
    on_a_worker(async {
        let limited = exchange::catalog::Publisher {
            max_qps: 1,
            ..publisher()
        };
        let exchange = Exchange::new(market_of(limited, vec![partner("local", "")]), "");
        assert!(exchange.sell(&request(OURS)).await.0.is_ok());
        let refusal = exchange.sell(&request(OURS)).await.0.unwrap_err();
        assert_eq!((refusal.status(), refusal.reason), (429, Reason::OverRate));
    });
}

#[test]
fn what_cannot_be_sold_says_why() {
    on_a_worker(async {
        let bid =
            r#"{"id":"r","cur":"EUR","seatbid":[{"bid":[{"id":"b","impid":"1","price":0.1}]}]}"#;
        let sell = async |partners, members: &str| {
            let exchange = Exchange::new(market(partners), bid);
            let (outcome, answer) = exchange.sell(&request(members)).await;
            (outcome.unwrap(), answer["nbr"].as_i64().unwrap())
        };
        let local = || vec![partner("local", "")];
        let no = |reason: NoBid| (Outcome::NoBid(reason), reason.nbr());
        assert_eq!(sell(local(), OURS).await, no(NoBid::AllRejected));
        assert_eq!(sell(Vec::new(), OURS).await, no(NoBid::NoBuyer));
        let hurried = format!(r#""tmax":6,{OURS}"#);
        assert_eq!(sell(local(), &hurried).await, no(NoBid::TooLate));
        let exchange = Exchange::new(market(local()), bid);
        let body = request(OURS).replace(
            r#""id":"1""#,
            r#""id":"1","bidfloor":1,"bidfloorcur":"SEK""#,
        );
        assert_eq!(
            exchange.sell(&body).await.0,
            Ok(Outcome::NoBid(NoBid::NoRate))
        );
    });
}
