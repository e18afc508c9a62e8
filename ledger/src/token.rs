//! Signed tokens: what a notice or a tracking URL carries so that settlement needs nothing else.
//!
//! A token is self-describing (who, which auction, how much), expiring and signed, so that it
//! outlives a crash of the node that issued it and cannot be made or altered by anyone else. The
//! signature is HMAC-SHA-256 (RFC 2104) cut to 128 bits, over the purpose and the payload: a
//! token made for an impression pixel, which any browser can read, does not open the billing
//! notice. Text form: URL-safe base64 without padding. Cost: about 0.4 µs to sign.

mod wire;

use self::wire::{Payload, Reader};
use crate::budget::{Day, Draws};
use crate::exposure::Exposure;
use crate::fees::Fees;
use crate::money::Multiplier;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use xxhash_rust::xxh3::Xxh3;

/// The most bytes of token text that are looked at; longer ones are refused unread.
pub const MAX_TEXT: usize = 6 * 1024;

const VERSION: u8 = 5;
const SIGNATURE: usize = 16;

/// What a token may be used for. Each purpose has signatures of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Win, loss and billing notices, server to server.
    Notice,
    /// Impressions and views, from the page.
    Impression,
    /// Clicks, with the landing page inside.
    Click,
    /// Conversions, from the advertiser's page.
    Conversion,
}

/// Which side of the trade issued a token or records an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Side {
    /// We bought.
    Bidder,
    /// We sold.
    Exchange,
}

impl Side {
    /// The side's name in logs and keys.
    pub fn label(self) -> &'static str {
        match self {
            Side::Bidder => "bidder",
            Side::Exchange => "exchange",
        }
    }
}

/// What an exchange needs to settle a sale that it made, whatever has become of its publisher and
/// its buyer since.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sale {
    /// The publisher's share when the impression was sold, in millionths.
    pub share_ppm: u32,
    /// Whether the buyer's billing notice may go to a private address.
    pub allow_private: bool,
}

/// The content of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claims<'a> {
    /// Which side issued it.
    pub side: Side,
    /// Unix seconds after which it is refused.
    pub expires_at: u32,
    /// Key of once-only settlement where it is not the one of the ids here, see [`Claims::key`].
    pub own_key: Option<[u8; 16]>,
    /// Epoch, slot and generation of the reservation that the bid holds, where there is one.
    pub reservation: Option<(u32, u32, u32)>,
    /// Micros per thousand impressions: the bid for the bidder, the clearing price for the
    /// exchange.
    pub cpm: i64,
    /// How many impressions one showing counts for, as the request said.
    pub multiplier: Multiplier,
    /// Currency of `cpm`, three capital letters.
    pub currency: [u8; 3],
    /// The day of the advertiser's calendar on which the bid was made.
    pub day: Day,
    /// What the bid costs beside the media; nothing on the exchange's side.
    pub fees: Fees<'a>,
    /// The budgets that the bid draws on; none on the exchange's side.
    pub draws: Draws,
    /// Key of the user, 0 where there is none.
    pub user: u64,
    /// For whom and against what the impression counts; of nobody on the exchange's side.
    pub exposure: Exposure,
    /// The terms of the sale; the default on the bidder's side, whose tokens do not carry them.
    pub sale: Sale,
    /// The ad exchange.
    pub exchange: &'a str,
    /// The buyer's seat.
    pub seat: &'a str,
    /// The advertiser; empty on the exchange's side.
    pub advertiser: &'a str,
    /// The campaign; empty on the exchange's side.
    pub campaign: &'a str,
    /// Id of the auction, that is of the bid request.
    pub auction: &'a str,
    /// Id of the impression within the auction.
    pub imp: &'a str,
    /// Id of the bid.
    pub bid: &'a str,
    /// The line item, or the bid's `cid` on the exchange's side.
    pub line_item: &'a str,
    /// The creative, or the bid's `crid` on the exchange's side.
    pub creative: &'a str,
    /// The publisher.
    pub publisher: &'a str,
    /// The placement.
    pub placement: &'a str,
    /// The partner that bought, on the exchange's side.
    pub partner: &'a str,
    /// For a click the landing page; for the exchange's impression the buyer's billing notice.
    pub url: &'a str,
}

impl Claims<'_> {
    /// Key of once-only settlement: of the side, exchange, auction, imp and bid (see
    /// [`idempotency_key`]), unless the claims have one of their own.
    pub fn key(&self) -> [u8; 16] {
        self.own_key.unwrap_or_else(|| {
            idempotency_key(self.side, self.exchange, self.auction, self.imp, self.bid)
        })
    }
}

/// Why a token is refused. Nothing is charged for a refused token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// Not the text of a token of a version that we know.
    #[error("the token cannot be read")]
    Malformed,
    /// Signed with a key that we do not have (any more).
    #[error("the token's key is unknown")]
    UnknownKey,
    /// The signature does not fit: forged, altered, or made for another purpose.
    #[error("the token's signature does not match")]
    Forged,
    /// Past its time.
    #[error("the token has expired")]
    Expired,
}

impl Rejected {
    /// Every reason, in order.
    pub const ALL: [Rejected; 4] = [
        Rejected::Malformed,
        Rejected::UnknownKey,
        Rejected::Forged,
        Rejected::Expired,
    ];

    /// The place in [`Rejected::ALL`], for an array of counters.
    pub fn index(self) -> usize {
        self as usize
    }

    /// The reason as a metric label.
    pub fn label(self) -> &'static str {
        match self {
            Rejected::Malformed => "malformed",
            Rejected::UnknownKey => "unknown_key",
            Rejected::Forged => "forged",
            Rejected::Expired => "expired",
        }
    }
}

/// The key under which one bid is settled once: a 128-bit XXH3 hash over side, exchange,
/// auction, imp and bid, each with its length so that no two lists of ids run together.
pub fn idempotency_key(
    side: Side,
    exchange: &str,
    auction: &str,
    imp: &str,
    bid: &str,
) -> [u8; 16] {
    let mut hash = Xxh3::new();
    for part in [side.label(), exchange, auction, imp, bid] {
        hash.update(&(part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    hash.digest128().to_le_bytes()
}

/// Signs and verifies tokens. The first key signs, every key verifies, so that keys rotate
/// without refusing what is under way.
#[derive(Clone)]
pub struct Signer {
    keys: Vec<(u8, Hmac<Sha256>)>,
}

impl Signer {
    /// A signer over keys with their ids, the newest first.
    ///
    /// # Panics
    /// Where `keys` is empty: a node without a key must not start.
    pub fn new(keys: &[(u8, [u8; 32])]) -> Self {
        assert!(!keys.is_empty(), "a signer needs at least one key");
        let keyed =
            |key: &[u8; 32]| Hmac::new_from_slice(key).expect("HMAC takes keys of any length");
        Self {
            keys: keys.iter().map(|(id, key)| (*id, keyed(key))).collect(),
        }
    }

    /// Appends the text of a token to `out`.
    pub fn sign(&self, purpose: Purpose, claims: &Claims<'_>, out: &mut Vec<u8>) {
        self.draft(claims).sign(purpose, claims.url, out);
    }

    /// Begins the tokens of one bid, which differ in purpose and URL only: what they share is
    /// written and hashed once. The URL of `claims` is left out.
    pub fn draft(&self, claims: &Claims<'_>) -> Draft {
        let (id, mac) = &self.keys[0];
        let mut payload = Payload::new();
        payload.claims(*id, claims);
        let bytes = payload.bytes();
        let mut mac = mac.clone();
        mac.update(bytes);
        // Base64 takes three bytes at a time; what is left over is written with the rest.
        let (whole, over) = bytes.split_at(bytes.len() / 3 * 3);
        let mut text = Vec::with_capacity(whole.len() / 3 * 4);
        encode(whole, &mut text);
        let mut rest = [0; 2];
        rest[..over.len()].copy_from_slice(over);
        Draft {
            mac,
            text,
            rest,
            over: over.len(),
        }
    }

    /// Reads a token into `buffer`, refusing one that is not ours, not for `purpose`, or not
    /// valid any more at `now` (unix seconds).
    ///
    /// # Errors
    /// Why the token is refused.
    pub fn verify<'a>(
        &self,
        purpose: Purpose,
        text: &str,
        now: u32,
        buffer: &'a mut Vec<u8>,
    ) -> Result<Claims<'a>, Rejected> {
        let claims = self.authenticate(purpose, text, buffer)?;
        if claims.expires_at < now {
            Err(Rejected::Expired)
        } else {
            Ok(claims)
        }
    }

    /// Reads a token into `buffer`, refusing one that is not ours or not for `purpose`, whatever
    /// its time.
    ///
    /// # Errors
    /// Why the token is refused.
    pub fn authenticate<'a>(
        &self,
        purpose: Purpose,
        text: &str,
        buffer: &'a mut Vec<u8>,
    ) -> Result<Claims<'a>, Rejected> {
        let (payload, given) = parts(text, buffer)?;
        let id = &payload[1];
        let (_, mac) = self
            .keys
            .iter()
            .find(|(known, _)| known == id)
            .ok_or(Rejected::UnknownKey)?;
        let mut expected = mac.clone();
        expected.update(payload);
        expected.update(&[purpose as u8]);
        expected
            .verify_truncated_left(given)
            .map_err(|_| Rejected::Forged)?;
        Reader(&payload[2..]).claims().ok_or(Rejected::Malformed)
    }
}

/// Reads a token that was verified before and kept since, whatever key signed it.
///
/// # Errors
/// [`Rejected::Malformed`].
pub fn reread<'a>(text: &str, buffer: &'a mut Vec<u8>) -> Result<Claims<'a>, Rejected> {
    let (payload, _) = parts(text, buffer)?;
    Reader(&payload[2..]).claims().ok_or(Rejected::Malformed)
}

/// Payload, of two bytes or more, and signature.
fn parts<'a>(text: &str, buffer: &'a mut Vec<u8>) -> Result<(&'a [u8], &'a [u8]), Rejected> {
    if text.len() > MAX_TEXT {
        return Err(Rejected::Malformed);
    }
    buffer.clear();
    URL_SAFE_NO_PAD
        .decode_vec(text, buffer)
        .map_err(|_| Rejected::Malformed)?;
    let split = buffer
        .len()
        .checked_sub(SIGNATURE)
        .ok_or(Rejected::Malformed)?;
    match buffer.split_at(split) {
        (payload @ [VERSION, _, ..], given) => Ok((payload, given)),
        _ => Err(Rejected::Malformed),
    }
}

/// What the tokens of one bid share, see [`Signer::draft`].
pub struct Draft {
    mac: Hmac<Sha256>,
    text: Vec<u8>,
    rest: [u8; 2],
    over: usize,
}

impl Draft {
    /// Appends the text of the token for `purpose` with `url` to `out`.
    pub fn sign(&self, purpose: Purpose, url: &str, out: &mut Vec<u8>) {
        let mut tail = Payload::new();
        tail.put(&self.rest[..self.over]);
        tail.text(url);
        let mut mac = self.mac.clone();
        mac.update(&tail.bytes()[self.over..]);
        // The last byte, so that the purposes share all that is before it.
        mac.update(&[purpose as u8]);
        let full = mac.finalize().into_bytes();
        tail.put(&full[..SIGNATURE]);
        out.extend_from_slice(&self.text);
        encode(tail.bytes(), out);
    }
}

/// Appends bytes as URL-safe base64.
fn encode(bytes: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + bytes.len().div_ceil(3) * 4, 0);
    let written = URL_SAFE_NO_PAD
        .encode_slice(bytes, &mut out[start..])
        .expect("base64 needs four bytes for three");
    out.truncate(start + written);
}

#[cfg(test)]
mod tests;
