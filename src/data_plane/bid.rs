//! `POST /openrtb2/bid/{exchange}`: the bidder.

use super::worker::Worker;
use crate::http::{self, Answer, Problem};
use bidder::Outcome;
use hyper::body::Incoming;
use hyper::{Request, StatusCode};

/// Bids on what the named exchange offers.
///
/// # Errors
/// What the exchange must change.
pub(super) async fn answer(
    worker: &Worker,
    exchange: &str,
    request: Request<Incoming>,
) -> Result<Answer, Problem> {
    let settings = &worker.node.settings;
    let (head, body) = request.into_parts();
    let mut buffers = worker.buffers();
    let buffers = &mut *buffers;
    let (limit, patience) = (settings.limits.body, settings.body_timeout);
    let body = http::read_body(&head.headers, body, limit, patience).await?;
    // From here on nothing waits, so one guard serves the whole decision.
    let snapshot = worker.node.snapshot.load();
    let caller = snapshot.exchanges.get(exchange).ok_or_else(|| {
        let detail = format!("no exchange is called {exchange:?} here");
        Problem::new(StatusCode::NOT_FOUND, "exchange", detail)
    })?;
    let decided = worker
        .buying
        .decide(&snapshot, caller, &body, &mut buffers.out);
    match decided {
        Ok(_) => Ok(http::openrtb_answer(
            &head.headers,
            &buffers.out,
            settings.gzip_above,
        )),
        Err(Outcome::Malformed(fault)) => Err(fault.into()),
        Err(Outcome::NoBid(_)) if !buffers.out.is_empty() => Ok(http::openrtb_answer(
            &head.headers,
            &buffers.out,
            settings.gzip_above,
        )),
        Err(Outcome::NoBid(reason)) => Ok(http::no_content(reason.nbr() as u16)),
    }
}
