//! Intake: bytes to a request that is valid and belongs to a publisher that we know.
//!
//! Unknown fields are kept, since partners may understand them. Who calls, that is the API key,
//! is checked before this by whoever owns the socket.

use crate::counters::labels;
use crate::market::{Market, Seller};
use crate::stored;
use crate::trace::Trace;
use openrtb::request::Publisher;
use openrtb::{BidRequest, Fault, Keep, Limits, Scratch, validate};
use std::time::Instant;

/// Longest id of a request, imp or tag, in bytes: they travel in signed tokens.
pub const MAX_ID: usize = 256;

labels! {
    /// Why a request was refused.
    pub enum Reason {
        /// Not a bid request, or one that the specification does not allow.
        Malformed = "malformed",
        /// No publisher of ours.
        UnknownPublisher = "unknown_publisher",
        /// A limit of ours is exceeded.
        TooLarge = "too_large",
        /// More requests than the publisher may send.
        OverRate = "over_rate",
        /// A look into the auctions of somebody else.
        NotYours = "not_yours",
    }
}

/// A refused request: the sender must change something.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {detail}")]
pub struct Refusal {
    /// Why.
    pub reason: Reason,
    /// Path of the field, `imp[0].banner.w`; empty where the message as a whole is at fault.
    pub field: String,
    /// What is wrong and what is allowed.
    pub detail: String,
}

impl Refusal {
    /// A refusal of a request that says what cannot be.
    pub(crate) fn malformed(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(Reason::Malformed, field, detail)
    }

    fn new(reason: Reason, field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            reason,
            field: field.into(),
            detail: detail.into(),
        }
    }

    /// The HTTP status of the answer.
    pub fn status(&self) -> u16 {
        match self.reason {
            Reason::Malformed | Reason::UnknownPublisher => 400,
            Reason::NotYours => 403,
            Reason::TooLarge => 413,
            Reason::OverRate => 429,
        }
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        let reason = if fault.is_limit() {
            Reason::TooLarge
        } else {
            Reason::Malformed
        };
        let detail = Fault::at("", fault.problem).to_string();
        Self {
            reason,
            field: fault.field,
            detail,
        }
    }
}

/// Decodes a request, which may still lack what is stored for it.
///
/// # Errors
/// A [`Refusal`] that names the field.
pub fn decode<'a>(
    scratch: &'a mut Scratch,
    body: &[u8],
    limits: Limits,
) -> Result<BidRequest<'a>, Refusal> {
    let request: BidRequest<'a> = scratch.decode(body, limits, Keep::All)?;
    if request.imp.len() > limits.imps {
        let detail = format!("{} imps, at most {}", request.imp.len(), limits.imps);
        return Err(Refusal::new(Reason::TooLarge, "imp", detail));
    }
    Ok(request)
}

/// Checks that a request is whole and valid.
///
/// # Errors
/// A [`Refusal`] that names the field.
pub fn check(request: &BidRequest<'_>) -> Result<(), Refusal> {
    validate::request(request)?;
    let ids = |index: usize| {
        let imp = &request.imp[index];
        [
            (format!("imp[{index}].id"), imp.id),
            (format!("imp[{index}].tagid"), imp.tagid),
        ]
    };
    let long = |id: Option<&str>| id.is_some_and(|id| id.len() > MAX_ID);
    if long(request.id) {
        return Err(too_long("id".to_owned()));
    }
    let at = request
        .imp
        .iter()
        .position(|imp| long(imp.id) || long(imp.tagid));
    match at.and_then(|index| ids(index).into_iter().find(|(_, id)| long(*id))) {
        Some((field, _)) => Err(too_long(field)),
        None => Ok(()),
    }
}

fn too_long(field: String) -> Refusal {
    Refusal::new(
        Reason::Malformed,
        field,
        format!("longer than {MAX_ID} bytes"),
    )
}

/// Takes the request from its publisher's rate.
///
/// # Errors
/// A [`Refusal`] where the publisher is over its rate.
pub fn admit(seller: &Seller, now: Instant) -> Result<(), Refusal> {
    if seller.quota.take(now) {
        return Ok(());
    }
    let detail = format!(
        "publisher {} may send {} requests a second",
        seller.publisher.id, seller.publisher.max_qps
    );
    Err(Refusal::new(Reason::OverRate, "", detail))
}

/// Lets nobody look into the auctions of another publisher.
///
/// # Errors
/// A [`Refusal`] where the trace is not for this publisher.
pub fn admit_trace(seller: &Seller, trace: Option<&Trace>) -> Result<(), Refusal> {
    let id = &seller.publisher.id;
    if trace.is_none_or(|trace| trace.covers(id)) {
        return Ok(());
    }
    let detail = format!("the key may not look into auctions of publisher {id}");
    Err(Refusal::new(Reason::NotYours, "debug", detail))
}

/// Finds whose request it is: by the publisher's id, or else by the site's domain, the
/// application's bundle, a stored placement, or the page that the caller stands on.
///
/// # Errors
/// A [`Refusal`]: an unknown publisher.
pub fn seller<'m>(
    market: &'m Market,
    request: &BidRequest<'_>,
    page: Option<&str>,
) -> Result<&'m Seller, Refusal> {
    let elsewhere = || {
        let on_page = page.filter(|_| request.app.is_none() && request.dooh.is_none());
        let by_page = || market.seller_of_domain(host(on_page?)?);
        stored::seller(market, request).or_else(by_page)
    };
    known(market, request).or_else(|refusal| elsewhere().ok_or(refusal))
}

fn known<'m>(market: &'m Market, request: &BidRequest<'_>) -> Result<&'m Seller, Refusal> {
    let (side, publisher, by_name): (&str, Option<&Publisher<'_>>, Option<&Seller>) =
        if let Some(site) = request.site {
            let domain = site.domain.or_else(|| site.page.and_then(host));
            let by_domain = domain.and_then(|domain| market.seller_of_domain(domain));
            ("site", site.publisher, by_domain)
        } else if let Some(app) = request.app {
            let by_bundle = app
                .bundle
                .and_then(|bundle| market.seller_of_bundle(bundle));
            let by_domain = || {
                app.domain
                    .and_then(|domain| market.seller_of_domain(domain))
            };
            ("app", app.publisher, by_bundle.or_else(by_domain))
        } else if let Some(dooh) = request.dooh {
            let by_domain = dooh
                .domain
                .and_then(|domain| market.seller_of_domain(domain));
            ("dooh", dooh.publisher, by_domain)
        } else {
            let detail = "needs one of site, app, dooh to say whose impression it is";
            return Err(Refusal::new(Reason::UnknownPublisher, "site", detail));
        };
    let id = publisher.and_then(|publisher| publisher.id);
    id.and_then(|id| market.seller(id))
        .or(by_name)
        .ok_or_else(|| {
            let detail = match id {
                Some(id) => format!("{} is not a publisher of this exchange", quoted(id)),
                None => {
                    "is missing, and neither domain nor bundle is a known publisher's".to_owned()
                }
            };
            Refusal::new(
                Reason::UnknownPublisher,
                format!("{side}.publisher.id"),
                detail,
            )
        })
}

/// The host of a page's address.
fn host(page: &str) -> Option<&str> {
    let rest = page
        .strip_prefix("https://")
        .or_else(|| page.strip_prefix("http://"))?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?;
    host.split(':').next().filter(|host| !host.is_empty())
}

fn quoted(id: &str) -> String {
    let cut: String = id.chars().take(64).collect();
    format!("{cut:?}")
}
