//! `?debug=1`: whether a caller may look into an auction, by a key of the control API.

use crate::http::{self, Problem};
use crate::node::Node;
use crate::snapshot::Snapshot;
use exchange::trace::Trace;
use hyper::StatusCode;
use hyper::header::AUTHORIZATION;
use hyper::http::request::Parts;
use std::time::Instant;

/// A trace for a caller who asks for one and may; `None` for whoever does not ask.
///
/// # Errors
/// `401` where the key is missing or unknown. Whose auctions a key may look into, the auction
/// decides.
pub(super) fn trace(
    node: &Node,
    snapshot: &Snapshot,
    head: &Parts,
    received: Instant,
) -> Result<Option<Trace>, Problem> {
    let asked = http::query(head.uri.query().unwrap_or_default(), "debug");
    if asked.is_none_or(|asked| asked != "1") {
        return Ok(None);
    }
    let header = head.headers.get(AUTHORIZATION);
    let header = header.and_then(|header| header.to_str().ok());
    let secret = header.and_then(|header| header.strip_prefix("Bearer "));
    let refused = |detail| Problem::new(StatusCode::UNAUTHORIZED, "debug", detail);
    let secret = secret.ok_or_else(|| {
        refused("debug needs a key of the control API in `Authorization: Bearer KEY`")
    })?;
    let unknown = || refused("the key is unknown");
    let hash = control::access::hash(secret.as_bytes());
    let admin = node.admin_sha256.get().cloned();
    // Strangers do not get as far as the store; whoever has a key asks seldom.
    if admin.as_ref() != Some(&hash) && !snapshot.keys.contains(&hash) {
        return Err(unknown());
    }
    let admin: Vec<String> = admin.into_iter().collect();
    let caller = node
        .resources
        .read(|view| control::access::authenticate(view, &admin, secret));
    let caller = caller.ok().flatten().ok_or_else(unknown)?;
    Ok(Some(Trace::new(received, caller.scope())))
}
