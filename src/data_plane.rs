//! The data plane: from an HTTP request to an answer.

mod auction;
mod bid;
mod convert;
mod debug;
pub(crate) mod notice;
mod track;

mod worker;

use crate::clock;
use crate::http::{self, Answer, Problem};
use crate::node::Node;
use crate::telemetry::Endpoint;
use hyper::body::Incoming;
use hyper::header::{ALLOW, HeaderValue};
use hyper::{Method, Request, StatusCode};
use ledger::token::{Claims, Purpose, Rejected};
use ledger::{Event, Outcome, Refusal};
use std::convert::Infallible;
use std::net::IpAddr;
use std::rc::Rc;

pub use self::worker::{MonotonicClock, Worker};

/// Answers one request. Nothing that a client sends makes it fail.
///
/// # Errors
/// Never; the type is hyper's.
pub async fn handle(
    worker: Rc<Worker>,
    peer: IpAddr,
    request: Request<Incoming>,
) -> Result<Answer, Infallible> {
    let speaks = request.uri().path().starts_with("/openrtb2/");
    let spoken = speaks.then(|| http::spoken(request.headers()));
    let (endpoint, answer) = route(&worker, peer, request).await;
    let mut answer = answer.unwrap_or_else(|problem| problem.answer());
    if let Some(version) = spoken {
        answer.headers_mut().insert(http::OPENRTB_VERSION, version);
    }
    endpoint.answered(answer.status().as_u16());
    Ok(answer)
}

/// All but the bidder's answers are in boxes, so that a bid request does not carry the room that
/// they would need: the server moves this future once for each request.
async fn route(
    worker: &Worker,
    peer: IpAddr,
    request: Request<Incoming>,
) -> (&Endpoint, Result<Answer, Problem>) {
    let telemetry = &worker.node.telemetry;
    let path = request.uri().path().to_owned();
    let post = request.method() == Method::POST;
    let get = request.method() == Method::GET;
    if let Some(exchange) = path.strip_prefix("/openrtb2/bid/") {
        let answer = if post {
            bid::answer(worker, exchange, request).await
        } else {
            Ok(not_allowed("POST"))
        };
        return (&telemetry.bid, answer);
    }
    if path == "/openrtb2/auction" {
        let answer = if post {
            Box::pin(auction::answer(worker, peer, request)).await
        } else {
            Ok(not_allowed("POST"))
        };
        return (&telemetry.auction, answer);
    }
    if let Some(kind) = path.strip_prefix("/n/") {
        let answer = match notice::kind(kind) {
            None => not_found(&path),
            Some(_) if !post && !get => Ok(not_allowed("GET, POST")),
            Some(kind) => Box::pin(notice::answer(worker, kind, &request)).await,
        };
        return (&telemetry.notice, answer);
    }
    if let Some(kind) = path.strip_prefix("/t/") {
        let answer = match track::Kind::of(kind) {
            None if kind == "conv" && (post || get) => {
                Box::pin(convert::answer(worker, &request)).await
            }
            None if kind == "conv" => Ok(not_allowed("GET, POST")),
            None => not_found(&path),
            Some(_) if !post && !get => Ok(not_allowed("GET, POST")),
            Some(kind) => Box::pin(track::answer(worker, kind, &request)).await,
        };
        return (&telemetry.track, answer);
    }
    let answer = match path.as_str() {
        "/livez" => Ok(http::with_body(StatusCode::OK, "text/plain", "alive\n")),
        "/readyz" => Ok(ready(&worker.node)),
        _ => not_found(&path),
    };
    (&telemetry.other, answer)
}

/// `200` when every part is ready, else `503` with the parts that are not.
pub fn ready(node: &Node) -> Answer {
    let missing = node.not_ready();
    if missing.is_empty() {
        return http::with_body(StatusCode::OK, "text/plain", "ready\n");
    }
    let text = format!("not ready: {}\n", missing.join(", "));
    http::with_body(StatusCode::SERVICE_UNAVAILABLE, "text/plain", text)
}

fn not_found(path: &str) -> Result<Answer, Problem> {
    Err(Problem::new(
        StatusCode::NOT_FOUND,
        "path",
        format!("nothing is at {path}"),
    ))
}

fn not_allowed(allowed: &'static str) -> Answer {
    let detail = format!("this endpoint takes {allowed}");
    let mut answer = Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method", detail).answer();
    // Required of this status (RFC 9110, section 15.5.6).
    let headers = answer.headers_mut();
    headers.insert(ALLOW, HeaderValue::from_static(allowed));
    answer
}

/// The token of a notice or tracking URL.
fn token(worker: &Worker, request: &Request<Incoming>) -> Result<String, Problem> {
    let query = request.uri().query().unwrap_or_default();
    let token = http::query(query, "t").filter(|token| !token.is_empty());
    token.map(std::borrow::Cow::into_owned).ok_or_else(|| {
        worker.node.telemetry.tokens_missing.increment(1);
        Problem::new(StatusCode::BAD_REQUEST, "t", "the token is missing")
    })
}

/// Reads a token that must be ours, for this purpose, and valid now.
fn verify<'b>(
    worker: &Worker,
    purpose: Purpose,
    token: &str,
    buffer: &'b mut Vec<u8>,
) -> Result<Claims<'b>, Problem> {
    worker
        .node
        .signer
        .verify(purpose, token, clock::unix_s(), buffer)
        .map_err(|rejected| refused_token(worker, rejected))
}

/// Counts a token that is refused.
fn refused_token(worker: &Worker, rejected: Rejected) -> Problem {
    worker.node.telemetry.tokens_refused[rejected.index()].increment(1);
    let status = match rejected {
        Rejected::Malformed => StatusCode::BAD_REQUEST,
        Rejected::UnknownKey | Rejected::Forged => StatusCode::FORBIDDEN,
        Rejected::Expired => StatusCode::GONE,
    };
    Problem::new(status, "t", rejected.to_string())
}

/// Hands an event to the ledger and waits until it is durable.
async fn record(worker: &Worker, event: Event) -> Result<Outcome, Problem> {
    let (reply, replied) = tokio::sync::oneshot::channel();
    let answer = move |result| {
        // The client may have gone; the event stands all the same.
        let _ = reply.send(result);
    };
    worker.node.writer.record(event, Box::new(answer));
    let result = replied.await.unwrap_or(Err(Refusal::Stopped));
    worker.node.telemetry.settled(result);
    result.map_err(|refusal| {
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "ledger",
            refusal.to_string(),
        )
    })
}
