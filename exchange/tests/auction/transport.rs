//! The ways to a partner: encrypted, multiplexed, compressed, and slow to connect.

use crate::setting::{Exchange, market, on_a_worker, partner};
use bytes::Bytes;
use exchange::catalog::{Endpoint, Partner, Route, Treatment};
use exchange::counters::PartnerEvent;
use exchange::link::{Trust, packed};
use exchange::{NoBid, Outcome};
use flate2::read::GzDecoder;
use http_body_util::{BodyExt, Full};
use hyper::header::{ACCEPT_ENCODING, CONTENT_ENCODING};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::cell::{Cell, RefCell};
use std::io::Read as _;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

const REQUEST: &str = r#"{"id":"r1","tmax":500,"site":{"publisher":{"id":"pub_1"}},
    "imp":[{"id":"1","banner":{"w":300,"h":250}}]}"#;

const ANSWER: &str = r#"{"id":"r1","cur":"EUR","seatbid":[{"bid":[{"id":"b","impid":"1",
    "price":1.5,"adm":"<b>good</b>"}]}]}"#;

pub(crate) const AUTHORITY: &[u8] = include_bytes!("tls/ca.pem");

/// A partner that notes how it was asked.
#[derive(Default)]
struct Seen {
    connections: Cell<usize>,
    /// Calls under way, and the most there were at once.
    under_way: Cell<(usize, usize)>,
    versions: RefCell<Vec<String>>,
    bodies: RefCell<Vec<String>>,
    codings: RefCell<Vec<String>>,
}

#[derive(Clone, Copy)]
struct Manner {
    tls: bool,
    http2: bool,
    gzip: bool,
    pause: Duration,
}

const PLAIN: Manner = Manner {
    tls: false,
    http2: false,
    gzip: false,
    pause: Duration::ZERO,
};

async fn start(manner: Manner) -> (String, Rc<Seen>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Rc::<Seen>::default();
    let shared = Rc::clone(&seen);
    let acceptor = TlsAcceptor::from(Arc::new(server_config(manner.http2)));
    tokio::task::spawn_local(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            shared.connections.set(shared.connections.get() + 1);
            let (shared, acceptor) = (Rc::clone(&shared), acceptor.clone());
            tokio::task::spawn_local(async move {
                if !manner.tls {
                    serve(stream, manner, shared).await;
                } else if let Ok(stream) = acceptor.accept(stream).await {
                    serve(stream, manner, shared).await;
                }
            });
        }
    });
    let scheme = if manner.tls { "https" } else { "http" };
    (format!("{scheme}://{address}/bid"), seen)
}

fn server_config(http2: bool) -> ServerConfig {
    let certificate = CertificateDer::from_pem_slice(include_bytes!("tls/server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("tls/server.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    if http2 {
        config.alpn_protocols = vec![b"h2".to_vec()];
    }
    config
}

async fn serve<S>(stream: S, manner: Manner, seen: Rc<Seen>)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let service = service_fn(move |request| answer(request, manner, Rc::clone(&seen)));
    let stream = TokioIo::new(stream);
    // Whoever hangs up is the exchange under test.
    if manner.http2 {
        let connection = http2::Builder::new(Local).serve_connection(stream, service);
        let _ = connection.await;
    } else {
        let _ = http1::Builder::new()
            .serve_connection(stream, service)
            .await;
    }
}

#[derive(Clone, Copy)]
struct Local;

impl<F: Future + 'static> hyper::rt::Executor<F> for Local {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(async move {
            future.await;
        });
    }
}

async fn answer(
    request: Request<hyper::body::Incoming>,
    manner: Manner,
    seen: Rc<Seen>,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let (now, most) = seen.under_way.get();
    seen.under_way.set((now + 1, most.max(now + 1)));
    let version = format!("{:?}", request.version());
    seen.versions.borrow_mut().push(version);
    let coding = |name| {
        let value = request.headers().get(name);
        value
            .map_or("-", |value| value.to_str().unwrap())
            .to_owned()
    };
    let codings = format!("{} {}", coding(CONTENT_ENCODING), coding(ACCEPT_ENCODING));
    seen.codings.borrow_mut().push(codings);
    let compressed = coding(CONTENT_ENCODING) == "gzip";
    let body = request.into_body().collect().await?.to_bytes();
    let mut text = String::new();
    if compressed {
        GzDecoder::new(&*body).read_to_string(&mut text).unwrap();
    } else {
        text.push_str(std::str::from_utf8(&body).unwrap());
    }
    seen.bodies.borrow_mut().push(text);
    tokio::time::sleep(manner.pause).await;
    let (now, most) = seen.under_way.get();
    seen.under_way.set((now - 1, most));
    let response = if manner.gzip {
        Response::builder()
            .header(CONTENT_ENCODING, "gzip")
            .body(Full::new(packed(ANSWER.as_bytes())))
    } else {
        Response::builder().body(Full::new(Bytes::from_static(ANSWER.as_bytes())))
    };
    Ok(response.unwrap())
}

fn dsp(url: &str, treatment: Treatment) -> Partner {
    Partner {
        route: Route::Http(Endpoint::parse(url, true).unwrap()),
        treatment,
        ..partner("dsp", "127.0.0.1:1")
    }
}

fn http2() -> Treatment {
    Treatment {
        http2: true,
        ..Treatment::default()
    }
}

async fn sells(exchange: &Exchange) -> bool {
    let (outcome, _) = exchange.sell(REQUEST).await;
    matches!(outcome, Ok(Outcome::Sold(_)))
}

#[test]
fn encrypted_partners_are_asked_over_one_connection() {
    on_a_worker(async {
        for (asked, offers, version) in [
            (false, false, "HTTP/1.1"),
            (true, true, "HTTP/2.0"),
            // The partner does not offer HTTP/2: TLS says so, and HTTP/1.1 it is.
            (true, false, "HTTP/1.1"),
        ] {
            let manner = Manner {
                tls: true,
                http2: offers,
                ..PLAIN
            };
            let (url, seen) = start(manner).await;
            let treatment = Treatment {
                http2: asked,
                ..Treatment::default()
            };
            let exchange = Exchange::new(market(vec![dsp(&url, treatment)]), "");
            for _ in 0..3 {
                assert!(sells(&exchange).await, "{version}");
            }
            assert_eq!(*seen.versions.borrow(), [version; 3]);
            assert_eq!(seen.connections.get(), 1);
            let timing = &exchange.market.buyer("dsp").unwrap().live.timing;
            let counted = [&timing.connect, &timing.first_byte, &timing.total];
            let counted = counted.map(|latency| latency.counts().total());
            assert_eq!(counted, [1, 3, 3]);
        }
    });
}

#[test]
fn a_certificate_that_nobody_signed_is_not_believed() {
    on_a_worker(async {
        let manner = Manner { tls: true, ..PLAIN };
        let (url, seen) = start(manner).await;
        let mut exchange = Exchange::new(market(vec![dsp(&url, http2())]), "");
        // The authorities of the Web do not know the one of this test.
        exchange.desk.links = exchange::link::Links::new(1, Trust::default());
        assert!(!sells(&exchange).await);
        assert_eq!(exchange.count("dsp", PartnerEvent::Untrusted), 1);

        // A certificate for another name is none either.
        let other = url.replace("127.0.0.1", "localhost");
        let exchange = Exchange::new(market(vec![dsp(&other, http2())]), "");
        assert!(!sells(&exchange).await);
        assert_eq!(exchange.count("dsp", PartnerEvent::Untrusted), 1);
        assert!(seen.bodies.borrow().is_empty(), "nobody was told anything");
    });
}

#[test]
fn a_partner_without_tls_behind_https_harms_only_itself() {
    on_a_worker(async {
        let (url, seen) = start(PLAIN).await;
        let url = url.replace("http://", "https://");
        let exchange = Exchange::new(market(vec![dsp(&url, Treatment::default())]), "");
        assert!(!sells(&exchange).await);
        assert_eq!(exchange.count("dsp", PartnerEvent::Untrusted), 1);
        assert!(seen.bodies.borrow().is_empty());
    });
}

#[test]
fn many_calls_share_a_connection_by_prior_knowledge() {
    on_a_worker(async {
        let manner = Manner {
            http2: true,
            pause: Duration::from_millis(50),
            ..PLAIN
        };
        let (url, seen) = start(manner).await;
        let exchange = Rc::new(Exchange::new(market(vec![dsp(&url, http2())]), ""));
        let mut auctions = tokio::task::JoinSet::new();
        for _ in 0..20 {
            let exchange = Rc::clone(&exchange);
            auctions.spawn_local(async move { sells(&exchange).await });
        }
        while let Some(sold) = auctions.join_next().await {
            assert!(sold.unwrap());
        }
        assert_eq!(seen.connections.get(), 1);
        assert_eq!(seen.under_way.get(), (0, 20));
    });
}

#[test]
fn a_late_answer_over_http2_costs_its_stream_only() {
    on_a_worker(async {
        let manner = Manner {
            http2: true,
            pause: Duration::from_millis(200),
            ..PLAIN
        };
        let (url, seen) = start(manner).await;
        let slow = Partner {
            timeout_ms: 40,
            ..dsp(&url, http2())
        };
        let exchange = Exchange::new(market(vec![slow]), "");
        for _ in 0..3 {
            assert!(!sells(&exchange).await);
        }
        assert_eq!(exchange.count("dsp", PartnerEvent::TimedOut), 3);
        assert_eq!(seen.connections.get(), 1);
    });
}

#[test]
fn bodies_are_compressed_as_agreed() {
    on_a_worker(async {
        for (requests, answers) in [(true, false), (false, true), (true, true)] {
            let manner = Manner {
                gzip: answers,
                ..PLAIN
            };
            let (url, seen) = start(manner).await;
            let treatment = Treatment {
                gzip_requests: requests,
                gzip_answers: answers,
                ..Treatment::default()
            };
            let exchange = Exchange::new(market(vec![dsp(&url, treatment)]), "");
            assert!(sells(&exchange).await);
            let body: serde_json::Value = serde_json::from_str(&seen.bodies.borrow()[0]).unwrap();
            assert_eq!(body["id"], "r1");
            let word = |on| if on { "gzip" } else { "-" };
            let codings = format!("{} {}", word(requests), word(answers));
            assert_eq!(*seen.codings.borrow(), [codings]);
        }
    });
}

#[test]
fn a_request_that_waited_for_its_connection_tells_the_time_that_is_left() {
    on_a_worker(async {
        let manner = Manner {
            pause: Duration::from_millis(150),
            ..PLAIN
        };
        let (url, seen) = start(manner).await;
        let treatment = Treatment {
            network_margin_ms: 20,
            gzip_requests: true,
            ..Treatment::default()
        };
        let narrow = Partner {
            max_connections: 1,
            ..dsp(&url, treatment)
        };
        let exchange = Rc::new(Exchange::new(market(vec![narrow]), ""));
        let both = (exchange.sell(REQUEST), exchange.sell(REQUEST));
        let (first, second) = tokio::join!(both.0, both.1);
        assert!(matches!(first.0, Ok(Outcome::Sold(_))), "{:?}", first.0);
        assert!(matches!(second.0, Ok(Outcome::Sold(_))), "{:?}", second.0);
        let told: Vec<i64> = seen.bodies.borrow().iter().map(|body| tmax(body)).collect();
        // 500, less 5 for the publisher and 20 for the partner, less what has passed.
        assert!(told[0] <= 475 && told[0] > 350, "{told:?}");
        assert!(told[1] <= 325, "the wait of 150 ms is taken off: {told:?}");
    });
}

#[test]
fn a_partner_whose_way_is_longer_than_the_time_is_not_asked() {
    on_a_worker(async {
        let (url, seen) = start(PLAIN).await;
        let treatment = Treatment {
            network_margin_ms: 600,
            ..Treatment::default()
        };
        let exchange = Exchange::new(market(vec![dsp(&url, treatment)]), "");
        let (outcome, _) = exchange.sell(REQUEST).await;
        assert_eq!(outcome, Ok(Outcome::NoBid(NoBid::NoBids)));
        assert_eq!(exchange.count("dsp", PartnerEvent::TooLate), 1);
        assert!(seen.bodies.borrow().is_empty());
    });
}

fn tmax(body: &str) -> i64 {
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    body["tmax"].as_i64().unwrap()
}
