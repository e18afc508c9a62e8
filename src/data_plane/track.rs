//! `/t/{imp,view,click}`: what browsers report. An impression of our exchange is a sale: it is in
//! the books before the pixel is answered, and only then the buyer's billing notice is sent.

use super::notice::{self, settle, told};
use super::worker::Worker;
use crate::clock;
use crate::conversions;
use crate::http::{self, Answer, Problem};
use bidder::notice::{Fields, Notice};
use bidder::vast::EVENTS;
use bytes::Bytes;
use exchange::link::notice::{Device, Kind as Sent, Notice as Sending};
use hyper::body::Incoming;
use hyper::header::{HeaderMap, HeaderValue, LOCATION};
use hyper::{Request, StatusCode};
use ledger::event;
use ledger::token::{Claims, Purpose, Side};
use ledger::{Event, Outcome};

/// A transparent GIF of one pixel.
pub(super) const PIXEL: &[u8] =
    b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff!\xf9\x04\x01\0\0\0\0,\
\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;";

/// What is tracked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Impression,
    View,
    Click,
}

impl Kind {
    /// The kind with the given last part of the path.
    pub(super) fn of(path: &str) -> Option<Self> {
        match path {
            "imp" => Some(Self::Impression),
            "view" => Some(Self::View),
            "click" => Some(Self::Click),
            _ => None,
        }
    }

    fn purpose(self) -> Purpose {
        match self {
            Kind::Impression | Kind::View => Purpose::Impression,
            Kind::Click => Purpose::Click,
        }
    }
}

/// Records what a browser reports.
///
/// # Errors
/// `400` and `403` for tokens that are not ours, `503` where the ledger does not take it.
pub(super) async fn answer(
    worker: &Worker,
    kind: Kind,
    request: &Request<Incoming>,
) -> Result<Answer, Problem> {
    let token = super::token(worker, request)?;
    let mut buffer = Vec::new();
    let purpose = kind.purpose();
    // An impression may be what an exchange bills; of the others nobody misses money.
    let claims = match kind {
        Kind::Impression => {
            let told = (&*token, request);
            notice::verify(worker, Notice::Impression, purpose, told, &mut buffer)?
        }
        Kind::View | Kind::Click => super::verify(worker, purpose, &token, &mut buffer)?,
    };
    match (kind, claims.side) {
        (Kind::Impression, Side::Exchange) => sold(worker, &claims, request.headers()).await?,
        (Kind::View, Side::Bidder) if playback(worker, request)? => {}
        (Kind::View, Side::Bidder) => {
            let event = Event::of(event::Kind::View, &claims, clock::unix_ms())
                .map_err(|why| Problem::new(StatusCode::BAD_REQUEST, "t", why.to_string()))?;
            super::record(worker, event.touching(&claims, false)).await?;
        }
        (Kind::Impression, Side::Bidder) => {
            let (notice, fields) = (Notice::Impression, Fields::default());
            settle(worker, notice, &claims, fields, told(request)).await?;
        }
        (Kind::Click, Side::Bidder) => {
            let (notice, fields) = (Notice::Click, Fields::default());
            settle(worker, notice, &claims, fields, told(request)).await?;
        }
        (Kind::View | Kind::Click, Side::Exchange) => {
            let detail = "the token is of an impression";
            return Err(Problem::new(StatusCode::BAD_REQUEST, "t", detail));
        }
    }
    Ok(http::uncached(match kind {
        Kind::Impression | Kind::View => {
            http::with_body(StatusCode::OK, "image/gif", Bytes::from_static(PIXEL))
        }
        Kind::Click => {
            let page = conversions::landing_page(&worker.node, &claims, clock::unix_s());
            redirect(&page)?
        }
    }))
}

/// Counts an event of playback, where the view is one (`e`): players report several for each
/// impression, and they are counted rather than kept.
fn playback(worker: &Worker, request: &Request<Incoming>) -> Result<bool, Problem> {
    let query = request.uri().query().unwrap_or_default();
    let Some(event) = http::query(query, "e") else {
        return Ok(false);
    };
    let known = EVENTS.iter().position(|known| *known == event);
    let counter = known.map(|at| &worker.node.telemetry.playback[at]);
    let counter = counter.ok_or_else(|| {
        let detail = format!("expected one of {}", EVENTS.join(", "));
        Problem::new(StatusCode::BAD_REQUEST, "e", detail)
    })?;
    counter.increment(1);
    Ok(true)
}

async fn sold(worker: &Worker, claims: &Claims<'_>, headers: &HeaderMap) -> Result<(), Problem> {
    let event: Event = exchange::billing::sale(claims, clock::unix_ms())
        .map_err(|error| Problem::new(StatusCode::BAD_REQUEST, "t", error.to_string()))?;
    let outcome = super::record(worker, event).await?;
    let billed = match outcome {
        // A repeat finds the notice kept already, unless the node died between books and notice.
        Outcome::Charged { .. } | Outcome::Duplicate => !claims.url.is_empty(),
        Outcome::Recorded | Outcome::OverDelivered { .. } | Outcome::Refused { .. } => false,
    };
    if billed {
        let bill = bill(worker, claims, headers);
        let kept = worker.desk.outbox.bill(bill, claims.key()).await;
        kept.map_err(|error| {
            Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "notices",
                error.to_string(),
            )
        })?;
    }
    Ok(())
}

/// The billing notice of a sale.
fn bill(worker: &Worker, claims: &Claims<'_>, headers: &HeaderMap) -> Sending {
    let (url, snapshot) = (claims.url.to_owned(), worker.node.snapshot.load());
    let Some(buyer) = snapshot.market.buyer(claims.partner) else {
        // It was paused or archived since: what it bought is billed all the same.
        return Sending::new(
            Sent::Bill,
            claims.partner.into(),
            url,
            claims.sale.allow_private,
        );
    };
    let told = buyer.partner.treatment.device_headers;
    buyer
        .notice(Sent::Bill, url)
        .about(told.then(|| device(headers)))
}

/// The device that reports, as far as its headers say. Consent is not known here, so that of
/// its address only the network is told.
fn device(headers: &HeaderMap) -> Device {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let first = text("x-forwarded-for").and_then(|list| list.split(',').next());
    let address = first.and_then(|address| address.trim().parse().ok());
    Device {
        ip: address.map(|address| exchange::redact::network(address).to_string()),
        user_agent: text("user-agent").map(str::to_owned),
    }
}

fn redirect(url: &str) -> Result<Answer, Problem> {
    let location = HeaderValue::from_str(url).map_err(|_| {
        Problem::new(
            StatusCode::BAD_REQUEST,
            "t",
            "the landing page is no header value",
        )
    })?;
    let mut answer = http::empty(StatusCode::FOUND);
    answer.headers_mut().insert(LOCATION, location);
    Ok(answer)
}
