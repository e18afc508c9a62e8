//! What all endpoints of the data plane share: reading a bounded body, answering, and saying
//! what is wrong as `application/problem+json` (RFC 9457).

use bytes::Bytes;
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName,
    HeaderValue, RETRY_AFTER,
};
use hyper::{Response, StatusCode};
use openrtb::Fault;
use std::future::{Future, poll_fn};
use std::io::{Read, Write};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

/// The answer of every endpoint.
pub type Answer = Response<Full<Bytes>>;

/// The no-bid reason, as a header beside `204`.
pub const NBR: HeaderName = HeaderName::from_static("x-openrtb-nbr");
/// The protocol version, on requests and answers (section 2.3).
pub const OPENRTB_VERSION: HeaderName = HeaderName::from_static("x-openrtb-version");

/// A request that is refused, with what its sender must know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The HTTP status.
    pub status: StatusCode,
    /// The field at fault, `body` where it is the whole.
    pub field: String,
    /// What is wrong and what is allowed.
    pub detail: String,
}

impl Problem {
    /// A problem with the given status.
    pub fn new(status: StatusCode, field: &str, detail: impl Into<String>) -> Self {
        Self {
            status,
            field: field.to_owned(),
            detail: detail.into(),
        }
    }

    /// The problem as an answer.
    pub fn answer(&self) -> Answer {
        let mut body = Vec::with_capacity(256);
        let mut object = openrtb::encode::Object::open(&mut body);
        object.member("type", &"about:blank");
        object.member("title", &self.status.canonical_reason().unwrap_or("Error"));
        object.member("status", &i64::from(self.status.as_u16()));
        object.member("detail", &self.detail.as_str());
        object.member("field", &self.field.as_str());
        object.close();
        let mut answer = with_body(self.status, "application/problem+json", body);
        if self.status == StatusCode::SERVICE_UNAVAILABLE
            || self.status == StatusCode::TOO_MANY_REQUESTS
        {
            answer
                .headers_mut()
                .insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        answer
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        let status = if fault.is_limit() {
            StatusCode::PAYLOAD_TOO_LARGE
        } else {
            StatusCode::BAD_REQUEST
        };
        let detail = fault.to_string();
        let field = if fault.field.is_empty() {
            "body".to_owned()
        } else {
            fault.field
        };
        Self {
            status,
            field,
            detail,
        }
    }
}

/// An answer without a body.
pub fn empty(status: StatusCode) -> Answer {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = status;
    answer
}

/// An answer with a body.
pub fn with_body(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    answer
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}

/// An OpenRTB answer: `200` with JSON, compressed where it is large and the client accepts it.
pub fn openrtb_answer(request: &HeaderMap, body: &[u8], gzip_above: usize) -> Answer {
    let compressed = (body.len() > gzip_above && accepts_gzip(request)).then(|| gzip(body));
    match compressed.flatten() {
        Some(small) => {
            let mut answer = with_body(StatusCode::OK, "application/json", small);
            answer
                .headers_mut()
                .insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            answer
        }
        None => with_body(
            StatusCode::OK,
            "application/json",
            Bytes::copy_from_slice(body),
        ),
    }
}

/// `204` with the reason in [`NBR`].
pub fn no_content(nbr: u16) -> Answer {
    let mut answer = empty(StatusCode::NO_CONTENT);
    answer.headers_mut().insert(NBR, HeaderValue::from(nbr));
    answer
}

/// The version that a request of either bid endpoint is answered in: the one that it speaks,
/// where that is one of ours, else the newest. Answers of 2.5 and 2.6 are the same: what 2.6 has
/// added to bids are fields that older receivers pass over.
pub fn spoken(request: &HeaderMap) -> HeaderValue {
    match request.get(OPENRTB_VERSION).map(HeaderValue::as_bytes) {
        Some(b"2.5") => HeaderValue::from_static("2.5"),
        _ => HeaderValue::from_static(openrtb::VERSION),
    }
}

/// Marks an answer as not to be stored by browsers and proxies.
pub fn uncached(mut answer: Answer) -> Answer {
    answer
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

fn accepts_gzip(headers: &HeaderMap) -> bool {
    let accepted = headers
        .get(ACCEPT_ENCODING)
        .and_then(|value| value.to_str().ok());
    accepted.is_some_and(|value| {
        value.split(',').any(|coding| {
            let mut parts = coding.split(';').map(str::trim);
            let named = parts.next().is_some_and(|name| is_gzip(name.as_bytes()));
            named && !parts.any(refuses)
        })
    })
}

/// Whether a parameter is the weight 0, with up to three decimals (RFC 9110, section 12.4.2).
fn refuses(parameter: &str) -> bool {
    let weight = parameter.strip_prefix(['q', 'Q']);
    let weight = weight.and_then(|rest| rest.strip_prefix('='));
    weight.is_some_and(|weight| ["0", "0.", "0.0", "0.00", "0.000"].contains(&weight))
}

fn gzip(body: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 3), Compression::fast());
    encoder.write_all(body).ok()?;
    encoder.finish().ok()
}

/// The request's body, decompressed, within `limit` bytes and `patience`. One that came in one
/// piece, as nearly all do, is neither copied nor timed.
///
/// # Errors
/// `413` over the limit, `408` when the client is too slow, `415` for an unknown coding, `400`
/// for a body that breaks off or does not decompress.
pub async fn read_body(
    headers: &HeaderMap,
    body: Incoming,
    limit: usize,
    patience: Duration,
) -> Result<Bytes, Problem> {
    if body.size_hint().lower() > limit as u64 {
        return Err(too_large(limit));
    }
    let mut gathering = pin!(gather(body, limit));
    let at_once = poll_fn(|context| Poll::Ready(gathering.as_mut().poll(context))).await;
    let body = match at_once {
        Poll::Ready(body) => body?,
        Poll::Pending => {
            let in_time = tokio::time::timeout(patience, gathering).await;
            in_time.map_err(|_| {
                let detail = format!("the body did not arrive within {} ms", patience.as_millis());
                Problem::new(StatusCode::REQUEST_TIMEOUT, "body", detail)
            })??
        }
    };
    match headers.get(CONTENT_ENCODING).map(HeaderValue::as_bytes) {
        None | Some(b"") => Ok(body),
        Some(coding) if coding.eq_ignore_ascii_case(b"identity") => Ok(body),
        Some(coding) if is_gzip(coding) => gunzip(&body, limit).map(Bytes::from),
        Some(other) => {
            let detail = format!(
                "expected gzip or no coding, found {:?}",
                String::from_utf8_lossy(other)
            );
            Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "content-encoding",
                detail,
            ))
        }
    }
}

/// Names of codings know no case, and `x-gzip` is an old name of gzip (RFC 9110, section 8.4.1).
fn is_gzip(coding: &[u8]) -> bool {
    coding.eq_ignore_ascii_case(b"gzip") || coding.eq_ignore_ascii_case(b"x-gzip")
}

async fn gather(mut body: Incoming, limit: usize) -> Result<Bytes, Problem> {
    let mut first = Bytes::new();
    let mut all = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| {
            Problem::new(
                StatusCode::BAD_REQUEST,
                "body",
                "the body broke off or is misframed",
            )
        })?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if first.len().max(all.len()) + data.len() > limit {
            return Err(too_large(limit));
        }
        if first.is_empty() {
            first = data;
            continue;
        }
        if all.is_empty() {
            all.extend_from_slice(&first);
        }
        all.extend_from_slice(&data);
    }
    Ok(if all.is_empty() { first } else { all.into() })
}

fn gunzip(body: &[u8], limit: usize) -> Result<Vec<u8>, Problem> {
    let mut plain = Vec::with_capacity(body.len().min(limit) * 4);
    let read = MultiGzDecoder::new(body)
        .take(limit as u64 + 1)
        .read_to_end(&mut plain);
    match read {
        Ok(length) if length > limit => Err(too_large(limit)),
        Ok(_) => Ok(plain),
        Err(error) => {
            let detail = format!("the body is not gzip: {error}");
            Err(Problem::new(StatusCode::BAD_REQUEST, "body", detail))
        }
    }
}

fn too_large(limit: usize) -> Problem {
    let detail = format!("more than {limit} bytes in the body");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body", detail)
}

/// The value of a query parameter, percent-decoded; `None` where it is absent.
pub fn query<'q>(query: &'q str, name: &str) -> Option<std::borrow::Cow<'q, str>> {
    let mut pairs = query
        .split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let (_, value) = pairs.find(|(key, _)| *key == name)?;
    Some(percent_decode(value))
}

fn percent_decode(text: &str) -> std::borrow::Cow<'_, str> {
    if !text.contains(['%', '+']) {
        return text.into();
    }
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = bytes
            .get(at + 1..at + 3)
            .and_then(|hex| std::str::from_utf8(hex).ok());
        match (
            bytes[at],
            hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()),
        ) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 3;
                continue;
            }
            (b'+', _) => out.push(b' '),
            (byte, _) => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_parameters_are_decoded() {
        let text = "t=abc&p=1.5&c=EUR&e=%24%7BX%7D&bad=%zz&plus=a+b&flag";
        assert_eq!(query(text, "p").as_deref(), Some("1.5"));
        assert_eq!(query(text, "e").as_deref(), Some("${X}"));
        assert_eq!(query(text, "bad").as_deref(), Some("%zz"));
        assert_eq!(query(text, "plus").as_deref(), Some("a b"));
        assert_eq!(query(text, "flag").as_deref(), Some(""));
        assert_eq!(query(text, "none"), None);
    }

    #[test]
    fn gzip_is_negotiated() {
        let accepts = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(value));
            accepts_gzip(&headers)
        };
        assert!(accepts("gzip"));
        assert!(accepts("br, gzip;q=0.5"));
        assert!(!accepts("br"));
        assert!(accepts("GZIP"));
        assert!(accepts("x-gzip"));
        for refused in [
            "gzip;q=0",
            "gzip; q=0.0",
            "gzip;Q=0.000",
            "identity;q=1, gzip;q=0.",
        ] {
            assert!(!accepts(refused), "{refused}");
        }
    }

    #[test]
    fn a_gzip_bomb_stops_at_the_limit() {
        let bomb = gzip(&vec![0; 1_000_000]).unwrap();
        assert_eq!(gunzip(&bomb, 1_000).unwrap_err().status, 413);
        let fine = gzip(b"{}").unwrap();
        assert_eq!(gunzip(&fine, 10).unwrap(), b"{}");
        assert_eq!(gunzip(b"no", 10).unwrap_err().status, 400);
    }

    #[test]
    fn a_body_of_several_gzip_members_is_one_body() {
        let members = [&b"{\"id\":"[..], b"1}"].map(|part| gzip(part).unwrap());
        let body = gunzip(&members.concat(), 100).unwrap();
        assert_eq!(body, b"{\"id\":1}");
        let mut torn = members.concat();
        torn.truncate(torn.len() - 9);
        assert_eq!(gunzip(&torn, 100).unwrap_err().status, 400);
    }
}
