//! The ways in which a request may travel: compressed, over HTTP/2, in drips.

use crate::client::Client;
use crate::node::{Node, SMALL, banner_request};
use bytes::Bytes;
use flate2::Compression;
use flate2::read::{GzDecoder, GzEncoder};
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::io::Read;
use std::time::Duration;

const BID: &str = "/openrtb2/bid/demo";
const GZIP: &str = "Content-Type: application/json\r\nContent-Encoding: gzip\r\n";

fn gzipped(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    GzEncoder::new(body, Compression::default())
        .read_to_end(&mut out)
        .unwrap();
    out
}

#[test]
fn compressed_bodies_are_read_and_written() {
    let node = Node::start(SMALL, "data.gzip_above_bytes = 1\n");
    let mut client = node.client();
    let body = gzipped(banner_request("gzip").to_string().as_bytes());
    let answer = client.request("POST", BID, GZIP, &body);
    assert_eq!(
        (answer.status, answer.header("content-encoding")),
        (200, None)
    );
    // Names of codings know no case.
    let shouted = GZIP.replace("gzip", "GZIP");
    assert_eq!(client.request("POST", BID, &shouted, &body).status, 200);
    let both = format!("{GZIP}Accept-Encoding: br, gzip\r\n");
    let answer = client.request("POST", BID, &both, &body);
    assert_eq!(answer.header("content-encoding"), Some("gzip"));
    let mut plain = String::new();
    GzDecoder::new(&*answer.body)
        .read_to_string(&mut plain)
        .unwrap();
    let response: serde_json::Value = serde_json::from_str(&plain).unwrap();
    assert_eq!(response["id"], "gzip");
}

#[test]
fn what_does_not_decompress_is_said_to_be_so() {
    let node = Node::start(SMALL, "");
    let whole = gzipped(banner_request("gzip").to_string().as_bytes());
    // A bomb: small on the wire, far over the limit when it is unpacked.
    let bomb = gzipped(&vec![b' '; 64 * 1024 * 1024]);
    let cases: [(&[u8], u16); 3] = [
        (b"{\"id\":\"1\"}", 400),
        (&whole[..whole.len() / 2], 400),
        (&bomb, 413),
    ];
    for (body, status) in cases {
        let answer = node.client().request("POST", BID, GZIP, body);
        assert_eq!((answer.status, answer.field().as_str()), (status, "body"));
    }
    let other = "Content-Type: application/json\r\nContent-Encoding: br\r\n";
    let answer = node.client().request("POST", BID, other, b"{}");
    assert_eq!(
        (answer.status, answer.field().as_str()),
        (415, "content-encoding")
    );
}

#[test]
fn http2_by_prior_knowledge_carries_many_requests_at_once() {
    let node = Node::start(SMALL, "");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(node.data).await.unwrap();
        let (sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                .await
                .unwrap();
        tokio::spawn(connection);
        let asked = (0..32).map(|number| {
            let mut sender = sender.clone();
            let body = banner_request(&format!("h2-{number}")).to_string();
            let request = Request::post(format!("http://{}{BID}", node.data))
                .body(Full::new(Bytes::from(body)))
                .unwrap();
            tokio::spawn(async move {
                let answer = sender.send_request(request).await.unwrap();
                let status = answer.status().as_u16();
                let body = answer.into_body().collect().await.unwrap().to_bytes();
                let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
                (status, body["id"].as_str().unwrap().to_owned())
            })
        });
        let asked: Vec<_> = asked.collect();
        for (number, answer) in asked.into_iter().enumerate() {
            assert_eq!(answer.await.unwrap(), (200, format!("h2-{number}")));
        }
    });
}

#[test]
fn a_preface_in_drips_is_http2_all_the_same() {
    let node = Node::start(SMALL, "");
    let mut client = Client::new(node.data);
    client.send(b"PRI * HTTP/2.0\r\n");
    std::thread::sleep(Duration::from_millis(50));
    client.send(b"\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0");
    // The server's own SETTINGS frame: three bytes of length, then its type.
    let frame = client.bytes(9);
    assert_eq!(frame[3], 4, "{frame:?}");
}

#[test]
fn a_client_that_never_finishes_is_left() {
    let node = Node::start(
        SMALL,
        "data.header_timeout_ms = 100\ndata.body_timeout_ms = 100\n",
    );
    let mut head = node.client();
    head.send(b"POST /openrtb2/bid/demo HTTP/1.1\r\nHost: x\r\n");
    assert!(head.is_closed(), "a head that does not end");
    let mut silent = node.client();
    assert!(silent.is_closed(), "a connection without a word");
    let mut body = node.client();
    body.send(b"POST /openrtb2/bid/demo HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n{");
    let answer = body.answer();
    assert_eq!((answer.status, answer.field().as_str()), (408, "body"));
    // The others were served all the while, and are now.
    let answer = node
        .client()
        .post(BID, banner_request("after").to_string().as_bytes());
    assert_eq!(answer.status, 200);
}
