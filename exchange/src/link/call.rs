//! One HTTP call over a pool: send, read the head, read a bounded body, decompress it.

use super::Timing;
use super::pool::{Handle, Leased, NoConnection, Pool};
use bytes::{Bytes, BytesMut};
use flate2::read::GzDecoder;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Method, Request, Response, Uri};
use std::io::Read as _;
use tokio::time::Instant;

/// Why a call brought nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No connection to spare.
    Busy,
    /// Too little time was left when a connection was there.
    TooLate,
    /// The host has an address that may not be called.
    Forbidden,
    /// The connection could not be made, broke, or did not speak HTTP.
    Broken,
    /// The host does not speak TLS, or its certificate is not trusted.
    Untrusted,
    /// The body exceeds the limit.
    TooLarge,
    /// The body is encoded in a way that nobody asked for, or does not decode.
    Encoded,
}

impl From<NoConnection> for Failure {
    fn from(reason: NoConnection) -> Self {
        match reason {
            NoConnection::Busy => Failure::Busy,
            NoConnection::Refused => Failure::Broken,
            NoConnection::Forbidden => Failure::Forbidden,
            NoConnection::Untrusted => Failure::Untrusted,
        }
    }
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// The body, decompressed, at most as long as was allowed.
    pub body: Bytes,
}

/// What a call sends, whatever the version of HTTP.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// `GET` or `POST`.
    pub method: Method,
    /// Path and query, beginning with `/`.
    pub path: Uri,
    /// Every header but `Host`.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// How an answer is read.
#[derive(Clone, Copy, Debug)]
pub struct Reading<'t> {
    /// The most bytes of the body, also after it was decompressed.
    pub limit: usize,
    /// Whether a compressed one was asked for.
    pub gzip: bool,
    /// Where the time to the first byte is counted.
    pub timing: Option<&'t Timing>,
}

/// Sends a request and reads its answer. `outgoing` is asked for once a connection is there, so
/// that it can say how much time is left. Redirects are answers like others: they are never
/// followed.
///
/// # Errors
/// [`Failure`]; dropping the future closes the connection, or resets its stream.
pub async fn call(
    pool: &Pool,
    outgoing: impl Fn() -> Result<Outgoing, Failure>,
    reading: Reading<'_>,
) -> Result<Reply, Failure> {
    let mut leased = pool.lease().await?;
    let begun = Instant::now();
    let request = request(pool, &leased, outgoing()?)?;
    let response = match send(leased.begin(), request).await {
        Ok(response) => response,
        Err(Unsent::Broken) => return Err(Failure::Broken),
        Err(Unsent::Untouched) => {
            // The host closed the connection while it was idle: nothing was sent yet.
            drop(leased);
            pool.refresh();
            leased = pool.lease().await?;
            let request = self::request(pool, &leased, outgoing()?)?;
            let sent = send(leased.begin(), request).await;
            sent.map_err(|_| Failure::Broken)?
        }
    };
    if let Some(timing) = reading.timing {
        timing.first_byte.record(begun.elapsed());
    }
    read(leased, response, reading).await
}

/// HTTP/2 names the host in the address, HTTP/1.1 in a header.
fn request(
    pool: &Pool,
    leased: &Leased,
    outgoing: Outgoing,
) -> Result<Request<Full<Bytes>>, Failure> {
    let endpoint = pool.endpoint();
    let broken = |_| Failure::Broken;
    let uri = if leased.is_shared() {
        let path = outgoing
            .path
            .path_and_query()
            .map_or("/", |path| path.as_str());
        Uri::builder()
            .scheme(if endpoint.tls { "https" } else { "http" })
            .authority(&*endpoint.authority)
            .path_and_query(path)
            .build()
            .map_err(|_| Failure::Broken)?
    } else {
        outgoing.path
    };
    let mut request = Request::new(Full::new(outgoing.body));
    *request.method_mut() = outgoing.method;
    *request.uri_mut() = uri;
    *request.headers_mut() = outgoing.headers;
    if !leased.is_shared() {
        let host = HeaderValue::from_str(&endpoint.authority).map_err(broken)?;
        request.headers_mut().insert(header::HOST, host);
    }
    Ok(request)
}

/// Why a request brought no response.
enum Unsent {
    /// Not a byte of it left.
    Untouched,
    /// Some of it may have arrived.
    Broken,
}

async fn send(
    handle: Handle<'_>,
    request: Request<Full<Bytes>>,
) -> Result<Response<Incoming>, Unsent> {
    let sent = match handle {
        Handle::Single(sender) => sender.try_send_request(request).await,
        Handle::Shared(mut sender) => sender.try_send_request(request).await,
    };
    sent.map_err(|mut error| match error.take_message() {
        Some(_) => Unsent::Untouched,
        None => Unsent::Broken,
    })
}

async fn read(
    leased: Leased,
    response: Response<Incoming>,
    reading: Reading<'_>,
) -> Result<Reply, Failure> {
    let limit = reading.limit;
    let status = response.status().as_u16();
    let coding = response.headers().get(header::CONTENT_ENCODING);
    let packed = match coding.map(HeaderValue::as_bytes) {
        None | Some(b"identity") => false,
        Some(b"gzip") if reading.gzip => true,
        Some(_) => return Err(Failure::Encoded),
    };
    let mut body = response.into_body();
    if body.size_hint().lower() > limit as u64 {
        return Err(Failure::TooLarge);
    }
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Failure::Broken)?.into_data() else {
            continue;
        };
        if first.len() + rest.len() + data.len() > limit {
            return Err(Failure::TooLarge);
        }
        if first.is_empty() {
            first = data;
        } else {
            rest.extend_from_slice(&data);
        }
    }
    leased.give_back();
    let mut body = first;
    if !rest.is_empty() {
        body = [&body[..], &rest[..]].concat().into();
    }
    if packed {
        body = unpacked(&body, limit)?;
    }
    Ok(Reply { status, body })
}

/// Decompresses a body, and stops where it exceeds the limit.
fn unpacked(body: &[u8], limit: usize) -> Result<Bytes, Failure> {
    let mut out = Vec::with_capacity(limit.min(body.len() * 4));
    let mut decoder = GzDecoder::new(body).take(limit as u64 + 1);
    decoder
        .read_to_end(&mut out)
        .map_err(|_| Failure::Encoded)?;
    if out.len() > limit {
        return Err(Failure::TooLarge);
    }
    Ok(out.into())
}
