//! Conversions on this node: the token that a click takes along, what advertisers' servers report,
//! and how conversions are shown.

use crate::clock;
use crate::node::{self, Node};
use anyhow::{Context, Result};
use audience::{IdKind, UserKey};
use control::access::hexadecimal;
use control::api::{ConvertedUser, NotConverted, Reported, UserIdKind};
use jiff::Timestamp;
use ledger::conversion::{MOST_CLICK_DAYS, Source, Tally};
use ledger::statement::Period;
use ledger::store::SqliteStore;
use ledger::token::{Claims, Purpose, Rejected};
use ledger::{Conversion, Converted, Exposure, Refusal};
use serde_json::{Value, json};
use std::borrow::Cow;
use std::path::Path;
use std::sync::mpsc::channel;

/// What the landing page has in the place of the token of its click.
const CLICK_ID: [&str; 3] = ["${CLICK_ID}", "$%7BCLICK_ID%7D", "%24%7BCLICK_ID%7D"];
const DAY_S: u32 = 86_400;

/// A landing page with the token of its click, where it asks for one. The token is signed for
/// nothing but conversions, outlives the longest window and leaves out what the page must not
/// know: which auction it was, and where.
pub(crate) fn landing_page<'c>(node: &Node, claims: &Claims<'c>, now_s: u32) -> Cow<'c, str> {
    let asked = CLICK_ID.iter().find(|name| claims.url.contains(**name));
    let Some(name) = asked else {
        return Cow::Borrowed(claims.url);
    };
    let token = Claims {
        expires_at: now_s.saturating_add(u32::from(MOST_CLICK_DAYS) * DAY_S),
        own_key: Some(claims.key()),
        reservation: None,
        exposure: Exposure::default(),
        exchange: "",
        seat: "",
        auction: "",
        imp: "",
        bid: "",
        publisher: "",
        placement: "",
        url: "",
        ..*claims
    };
    let mut text = Vec::with_capacity(256);
    node.signer.sign(Purpose::Conversion, &token, &mut text);
    let text = String::from_utf8_lossy(&text);
    Cow::Owned(claims.url.replace(name, &text))
}

/// Counts what an advertiser's server reports and waits until it is durable.
///
/// # Errors
/// What is wrong with the report, or why the ledger does not take it.
pub(crate) fn report(
    node: &Node,
    reported: &[Reported],
) -> Result<Vec<&'static str>, NotConverted> {
    let mut faults = Vec::new();
    let mut counted = Vec::with_capacity(reported.len());
    for (place, one) in reported.iter().enumerate() {
        match conversion(node, one) {
            Ok(conversion) => counted.push(conversion),
            Err((name, detail)) => faults.push((place, name, detail)),
        }
    }
    if !faults.is_empty() {
        return Err(NotConverted::Faults(faults));
    }
    let mut answers = Vec::with_capacity(counted.len());
    for conversion in counted {
        let (told, answer) = channel();
        let reply = move |result| {
            // Whoever reported may have gone; the conversion stands all the same.
            let _ = told.send(result);
        };
        node.writer.convert(conversion, Box::new(reply));
        answers.push(answer);
    }
    let mut credits = Vec::with_capacity(answers.len());
    for answer in answers {
        let credit = answer.recv().unwrap_or(Err(Refusal::Stopped));
        let credit = credit.map_err(|why| NotConverted::Unavailable(why.to_string()))?;
        node.telemetry.conversions[credit.index()].increment(1);
        credits.push(credit.label());
    }
    Ok(credits)
}

fn conversion(node: &Node, one: &Reported) -> Result<Conversion, (&'static str, String)> {
    let mut buffer = Vec::new();
    let mut users = Vec::with_capacity(one.users.len() + 1);
    let mut bid = None;
    if let Some(token) = &one.click_id {
        let wrong = |why: Rejected| ("click_id", why.to_string());
        let claims = node
            .signer
            .authenticate(Purpose::Conversion, token, &mut buffer);
        let claims = claims.map_err(wrong)?;
        if claims.advertiser != one.advertiser {
            let detail = "the click is another advertiser's".to_owned();
            return Err(("click_id", detail));
        }
        // What matters is when it happened, however late that is told.
        if one.at.as_second() > i64::from(claims.expires_at) {
            return Err(wrong(Rejected::Expired));
        }
        bid = Some(claims.key());
        users.push(claims.user);
    }
    for user in &one.users {
        users.push(key(node, user).map_err(|detail| ("users", detail))?);
    }
    Ok(Conversion {
        advertiser: one.advertiser.clone(),
        order: one.order.clone(),
        at_ms: one.at.as_millisecond(),
        received_ms: clock::unix_ms(),
        source: Source::Upload,
        value: one.value,
        currency: one.currency,
        bid,
        users,
        windows: one.crediting.windows,
    })
}

fn key(node: &Node, user: &ConvertedUser) -> Result<u64, String> {
    let source = user.source.as_ref().map_or("", |source| &source.0);
    let kind = match user.kind {
        UserIdKind::BuyerUid => IdKind::BuyerUid,
        UserIdKind::Eid => IdKind::Eid { source },
        UserIdKind::Ifa => IdKind::Ifa,
        UserIdKind::Id => IdKind::UserId,
    };
    let key = UserKey::new(node.user_seed, kind, user.id.0.as_bytes());
    key.map(|key| key.0).map_err(|error| error.to_string())
}

/// Conversions of an advertiser, the newest before the number `before` first.
///
/// # Errors
/// Where the books cannot be read.
pub(crate) fn list(
    storage: &Path,
    advertiser: &str,
    before: Option<i64>,
    most: u32,
) -> Result<Vec<Value>> {
    let books = books(storage)?;
    let found = books.conversions(advertiser, before, most)?;
    Ok(found.iter().map(shown).collect())
}

/// Conversions of an advertiser that count in a period, added up.
///
/// # Errors
/// Where the books cannot be read.
pub(crate) fn sums(storage: &Path, advertiser: &str, period: Period) -> Result<Vec<Value>> {
    let found = books(storage)?.converted(advertiser, period)?;
    Ok(found.iter().map(summed).collect())
}

/// A sum as answers show it.
pub(crate) fn summed(tally: &Tally) -> Value {
    json!({
        "line_item": text(&tally.line_item),
        "credit": tally.credit,
        "currency": tally.currency.code(),
        "conversions": tally.count,
        "value": tally.value.to_string(),
    })
}

fn books(storage: &Path) -> Result<SqliteStore> {
    SqliteStore::read(&node::ledger_file(storage)).context("the ledger cannot be read")
}

fn shown(one: &Converted) -> Value {
    json!({
        "id": one.id,
        "order_id": one.order,
        "at": moment(one.at_ms),
        "received_at": moment(one.received_ms),
        "source": one.source,
        "value": one.value.to_string(),
        "currency": one.currency.code(),
        "credit": one.credit,
        "touched_at": one.touched_ms.map(moment),
        "bid_key": one.key.map(|key| hexadecimal(&key)),
        "campaign": text(&one.campaign),
        "line_item": text(&one.line_item),
        "creative": text(&one.creative),
        "exchange": text(&one.exchange),
        "publisher": text(&one.publisher),
    })
}

fn text(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

fn moment(ms: i64) -> String {
    Timestamp::from_millisecond(ms)
        .unwrap_or_default()
        .to_string()
}
