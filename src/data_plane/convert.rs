//! `/t/conv`: a conversion that the browser reports from the advertiser's page, by the token that
//! the click has left there. `200` when it is durable; a repeat of the order changes nothing.

use super::worker::Worker;
use crate::clock;
use crate::http::{self, Answer, Problem};
use bytes::Bytes;
use hyper::body::Incoming;
use hyper::{Request, StatusCode};
use ledger::conversion::{MAX_ORDER, MAX_VALUE, Source};
use ledger::token::{Claims, Purpose};
use ledger::{Conversion, Credit, Currency, Micros, Refusal};

/// Counts a conversion.
///
/// # Errors
/// `4xx` for a token or a value that is none, `503` where the ledger does not take it.
pub(super) async fn answer(
    worker: &Worker,
    request: &Request<Incoming>,
) -> Result<Answer, Problem> {
    let token = super::token(worker, request)?;
    let mut buffer = Vec::new();
    let claims = super::verify(worker, Purpose::Conversion, &token, &mut buffer)?;
    let query = request.uri().query().unwrap_or_default();
    let conversion = read(worker, &claims, query)?;
    let (reply, replied) = tokio::sync::oneshot::channel();
    let told = move |result| {
        // The browser may have gone; the conversion stands all the same.
        let _ = reply.send(result);
    };
    worker.node.writer.convert(conversion, Box::new(told));
    let credit = replied.await.unwrap_or(Err(Refusal::Stopped));
    let credit = credit
        .map_err(|why| Problem::new(StatusCode::SERVICE_UNAVAILABLE, "ledger", why.to_string()))?;
    worker.node.telemetry.conversions[credit.index()].increment(1);
    match credit {
        Credit::TooMany => {
            let detail = "the click has reported as many orders as it may";
            Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, "t", detail))
        }
        Credit::Click | Credit::View | Credit::None | Credit::Duplicate => {
            let pixel = Bytes::from_static(super::track::PIXEL);
            Ok(http::uncached(http::with_body(
                StatusCode::OK,
                "image/gif",
                pixel,
            )))
        }
    }
}

fn read(worker: &Worker, claims: &Claims<'_>, query: &str) -> Result<Conversion, Problem> {
    let wrong = |name: &str, detail: String| Problem::new(StatusCode::BAD_REQUEST, name, detail);
    let [order, value, currency] = ["o", "v", "c"].map(|name| {
        let given = http::query(query, name).filter(|given| !given.is_empty());
        given.map(|given| given.trim().to_owned())
    });
    // Without a number of its own, a click is one order.
    let order = order.unwrap_or_else(|| {
        let key = control::access::hexadecimal(&claims.key());
        format!("click:{key}")
    });
    if order.is_empty() || order.len() > MAX_ORDER || order.chars().any(char::is_control) {
        let detail = format!("expected the number of the order, up to {MAX_ORDER} bytes");
        return Err(wrong("o", detail));
    }
    let value: Micros = match value {
        None => Micros(0),
        Some(text) => text
            .parse()
            .map_err(|error| wrong("v", format!("{error}")))?,
    };
    if value < Micros(0) || value > MAX_VALUE {
        let detail = format!("expected 0 to {MAX_VALUE}, found {value}");
        return Err(wrong("v", detail));
    }
    let snapshot = worker.node.snapshot.load();
    let crediting = snapshot.crediting.get(claims.advertiser);
    let currency = match (currency, crediting) {
        (Some(text), _) => text
            .parse()
            .map_err(|error| wrong("c", format!("{error}, found {text:?}")))?,
        (None, Some(known)) => known.currency,
        (None, None) => Currency(claims.currency),
    };
    let now_ms = clock::unix_ms();
    Ok(Conversion {
        advertiser: claims.advertiser.to_owned(),
        order,
        at_ms: now_ms,
        received_ms: now_ms,
        source: Source::Pixel,
        value,
        currency,
        bid: Some(claims.key()),
        users: vec![claims.user],
        windows: crediting.map(|known| known.windows).unwrap_or_default(),
    })
}
