//! `POST /openrtb2/auction`: the exchange.

use super::debug;
use super::worker::Worker;
use crate::clock;
use crate::http::{self, Answer, Problem};
use exchange::auction::{Call, Outcome};
use exchange::implicit::Http;
use exchange::{Reason, Refusal};
use hyper::body::Incoming;
use hyper::header::{HeaderMap, HeaderName, REFERER, USER_AGENT};
use hyper::{Request, StatusCode};
use std::net::IpAddr;

/// Sells what the request offers.
///
/// # Errors
/// What the publisher must change.
pub(super) async fn answer(
    worker: &Worker,
    peer: IpAddr,
    request: Request<Incoming>,
) -> Result<Answer, Problem> {
    let received = clock::now();
    let settings = &worker.node.settings;
    if !worker.node.writer.is_healthy() {
        let detail = "the ledger has stopped, so nothing that is sold could be billed";
        return Err(Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "ledger",
            detail,
        ));
    }
    let (head, body) = request.into_parts();
    let mut buffers = worker.buffers();
    let buffers = &mut *buffers;
    let (limit, patience) = (settings.limits.body, settings.body_timeout);
    let body = http::read_body(&head.headers, body, limit, patience).await?;
    // An Arc and no guard: the auction waits for partners, and a guard would pin the generation.
    let snapshot = worker.node.snapshot.load_full();
    let trace = debug::trace(&worker.node, &snapshot, &head, received)?;
    let call = Call {
        body: &body,
        http: beside(&head.headers, peer),
        received,
        now_s: clock::unix_s(),
        seed: worker.seed(),
        trace: trace.as_ref(),
    };
    let ended = exchange::auction::run(
        &worker.desk,
        &snapshot.market,
        snapshot.geo.as_deref(),
        call,
        &mut buffers.scratch,
        &mut buffers.out,
    )
    .await;
    worker
        .node
        .telemetry
        .auction
        .latency
        .record(clock::now() - received);
    match ended {
        Ok(Outcome::Sold(_)) => Ok(http::openrtb_answer(
            &head.headers,
            &buffers.out,
            settings.gzip_above,
        )),
        Ok(Outcome::NoBid(_)) if settings.nobid_body || trace.is_some() => Ok(
            http::openrtb_answer(&head.headers, &buffers.out, settings.gzip_above),
        ),
        Ok(Outcome::NoBid(reason)) => Ok(http::no_content(reason.nbr() as u16)),
        Err(refusal) => refuse(refusal),
    }
}

/// What the HTTP request says beside the bid request. The address is the first that a proxy
/// names, since whoever calls directly could as well write it into the body.
fn beside(headers: &HeaderMap, peer: IpAddr) -> Http<'_> {
    let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let forwarded = text(&FORWARDED_FOR).and_then(|list| list.split(',').next());
    let forwarded = forwarded.and_then(|first| first.trim().parse().ok());
    Http {
        ip: Some(forwarded.unwrap_or(peer)),
        user_agent: text(&USER_AGENT),
        referer: text(&REFERER),
        gpc: text(&SEC_GPC) == Some("1"),
    }
}

/// Whose request a proxy hands on, the client first.
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// A wish that data of the person are not sold (Global Privacy Control).
const SEC_GPC: HeaderName = HeaderName::from_static("sec-gpc");

/// The specification has a no-bid reason for publishers that are not known, so they are told by
/// it and not by an error (section 5.24 of the lists, 7: blocked publisher or site).
const BLOCKED_PUBLISHER: u16 = 7;

fn refuse(refusal: Refusal) -> Result<Answer, Problem> {
    if refusal.reason == Reason::UnknownPublisher {
        return Ok(http::no_content(BLOCKED_PUBLISHER));
    }
    let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::BAD_REQUEST);
    let field = if refusal.field.is_empty() {
        "body"
    } else {
        &refusal.field
    };
    Err(Problem::new(status, field, refusal.detail))
}
