//! Substitution macros in notice URLs and markup (section 4.4).
//!
//! `${AUCTION_PRICE}` and its kin are replaced wherever they are found, without a look at the
//! syntax around them; a value that is absent becomes nothing, and `AUDIT` where the markup is
//! rendered for a test. Anything else in `${…}` is another's macro and stays as it is.
//!
//! [`expand`] scans a text once; [`Template`] keeps the result of the scan for a creative that
//! is served often. Neither looks into what it inserted, so a value cannot smuggle in a macro.

use memchr::memmem;

/// Where a text is used, which decides how values are escaped in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A notice URL: all but the unreserved characters of RFC 3986 are percent-encoded, so that
    /// the receiver's query parser gives back the value.
    Url,
    /// Markup: substitution is plain, as the specification asks. Only what would end an
    /// attribute, a tag or a script string (quotes, angle brackets, ampersand, backslash, white
    /// space, control and non-ASCII characters) is percent-encoded, since macros in markup stand
    /// in tracking URLs and values such as the request id come from outside.
    Markup,
}

/// The values to substitute. `None` is a value that is not known and becomes empty.
///
/// Amounts are exact decimal text, such as that of [`decimal`](crate::decimal), in the currency
/// and unit of the bid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Values<'a> {
    /// `${AUCTION_ID}`: the request's `id`.
    pub auction_id: Option<&'a str>,
    /// `${AUCTION_BID_ID}`: the response's `bidid`.
    pub bid_id: Option<&'a str>,
    /// `${AUCTION_IMP_ID}`: the `id` of the impression.
    pub imp_id: Option<&'a str>,
    /// `${AUCTION_SEAT_ID}`: the bidder's seat.
    pub seat_id: Option<&'a str>,
    /// `${AUCTION_AD_ID}`: the bid's `adid`.
    pub ad_id: Option<&'a str>,
    /// `${AUCTION_PRICE}`: the clearing price, after any discount.
    pub price: Option<&'a str>,
    /// `${AUCTION_CURRENCY}`: the currency of the bid, for confirmation.
    pub currency: Option<&'a str>,
    /// `${AUCTION_MBR}`: clearing price over bid price.
    pub mbr: Option<&'a str>,
    /// `${AUCTION_LOSS}`: the code of the loss reason.
    pub loss: Option<i64>,
    /// `${AUCTION_MIN_TO_WIN}`: the least price that would have won.
    pub min_to_win: Option<&'a str>,
    /// `${AUCTION_MULTIPLIER}`: impressions that one showing counts for.
    pub multiplier: Option<&'a str>,
    /// `${AUCTION_IMP_TS}`: when the impression was fulfilled, in Unix milliseconds.
    pub imp_ts: Option<i64>,
    /// `${AUCTION_DISCOUNT_PCT}`: the seller's discount, in percent.
    pub discount_pct: Option<&'a str>,
    /// `${AUCTION_DISCOUNT_CPM}`: the seller's discount, as a price per thousand.
    pub discount_cpm: Option<&'a str>,
    /// Whether the markup is rendered for a test or for ad quality: unknown values become
    /// `AUDIT`.
    pub audit: bool,
}

/// A macro of the specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(
    missing_docs,
    reason = "the specification's names, described at Values"
)]
pub enum Macro {
    Id,
    BidId,
    ImpId,
    SeatId,
    AdId,
    Price,
    Currency,
    Mbr,
    Loss,
    MinToWin,
    Multiplier,
    ImpTs,
    DiscountPct,
    DiscountCpm,
}

impl Macro {
    /// Every macro with its name, as written between `${` and `}`.
    pub const ALL: [(&'static str, Macro); 14] = [
        ("AUCTION_ID", Macro::Id),
        ("AUCTION_BID_ID", Macro::BidId),
        ("AUCTION_IMP_ID", Macro::ImpId),
        ("AUCTION_SEAT_ID", Macro::SeatId),
        ("AUCTION_AD_ID", Macro::AdId),
        ("AUCTION_PRICE", Macro::Price),
        ("AUCTION_CURRENCY", Macro::Currency),
        ("AUCTION_MBR", Macro::Mbr),
        ("AUCTION_LOSS", Macro::Loss),
        ("AUCTION_MIN_TO_WIN", Macro::MinToWin),
        ("AUCTION_MULTIPLIER", Macro::Multiplier),
        ("AUCTION_IMP_TS", Macro::ImpTs),
        ("AUCTION_DISCOUNT_PCT", Macro::DiscountPct),
        ("AUCTION_DISCOUNT_CPM", Macro::DiscountCpm),
    ];

    fn named(name: &str) -> Option<Self> {
        let found = Self::ALL.iter().find(|(known, _)| *known == name)?;
        Some(found.1)
    }
}

/// An encoding that exchange and bidder agreed on: appends the encoded form of the value for
/// the suffix `X` of `${MACRO:X}` and says whether it knows the suffix.
pub trait Encoding {
    /// Appends `value` encoded as `suffix` names it; `false` where the suffix is not agreed.
    fn encode(&self, suffix: &str, value: &str, out: &mut String) -> bool;
}

impl<F: Fn(&str, &str, &mut String) -> bool> Encoding for F {
    fn encode(&self, suffix: &str, value: &str, out: &mut String) -> bool {
        self(suffix, value, out)
    }
}

/// The only encoding that the specification itself mentions: `B64`, here the URL-safe alphabet
/// of RFC 4648 without padding, which survives a URL and markup unchanged.
#[derive(Clone, Copy, Debug, Default)]
pub struct Base64;

impl Encoding for Base64 {
    fn encode(&self, suffix: &str, value: &str, out: &mut String) -> bool {
        let known = suffix == "B64";
        if known {
            base64url(value.as_bytes(), out);
        }
        known
    }
}

/// Appends `text` with its macros replaced; the suffix `:B64` is understood.
///
/// A macro with a suffix that nobody agreed on stays as it is: its plain value might be what
/// the suffix was meant to hide.
pub fn expand(text: &str, values: &Values<'_>, place: Place, out: &mut String) {
    expand_with(text, values, place, &Base64, out);
}

/// Appends `text` with its macros replaced, suffixes by `encoding`.
pub fn expand_with(
    text: &str,
    values: &Values<'_>,
    place: Place,
    encoding: &impl Encoding,
    out: &mut String,
) {
    let mut rest = text;
    while let Some(found) = next_macro(rest) {
        out.push_str(&rest[..found.start]);
        let whole = &rest[found.start..found.end];
        substitute(
            found.name,
            found.suffix,
            whole,
            values,
            place,
            encoding,
            out,
        );
        rest = &rest[found.end..];
    }
    out.push_str(rest);
}

/// A text split at its macros once, for a creative that is compiled and served often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    text: Box<str>,
    /// Ends of literal and macro within the text, and where the suffix starts in between.
    slots: Box<[Slot]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Slot {
    start: usize,
    suffix: usize,
    end: usize,
    name: Macro,
}

impl Template {
    /// Splits `text` at its macros.
    pub fn parse(text: &str) -> Self {
        let mut slots = Vec::new();
        let mut from = 0;
        while let Some(found) = next_macro(&text[from..]) {
            slots.push(Slot {
                start: from + found.start,
                suffix: from + found.end - 1 - found.suffix.len(),
                end: from + found.end,
                name: found.name,
            });
            from += found.end;
        }
        Self {
            text: text.into(),
            slots: slots.into(),
        }
    }

    /// The text as it was parsed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether nothing is to be replaced, so that the text may be used as it is.
    pub fn is_plain(&self) -> bool {
        self.slots.is_empty()
    }

    /// Whether the text has macro `name`, with or without a suffix.
    pub fn mentions(&self, name: Macro) -> bool {
        self.slots.iter().any(|slot| slot.name == name)
    }

    /// Appends the text with its macros replaced; the suffix `:B64` is understood.
    pub fn expand(&self, values: &Values<'_>, place: Place, out: &mut String) {
        self.expand_with(values, place, &Base64, out);
    }

    /// Appends the text with its macros replaced, suffixes by `encoding`.
    pub fn expand_with(
        &self,
        values: &Values<'_>,
        place: Place,
        encoding: &impl Encoding,
        out: &mut String,
    ) {
        let mut from = 0;
        for slot in &self.slots {
            out.push_str(&self.text[from..slot.start]);
            let suffix = &self.text[slot.suffix..slot.end - 1];
            let whole = &self.text[slot.start..slot.end];
            substitute(slot.name, suffix, whole, values, place, encoding, out);
            from = slot.end;
        }
        out.push_str(&self.text[from..]);
    }
}

struct Found<'t> {
    start: usize,
    end: usize,
    name: Macro,
    suffix: &'t str,
}

/// The first macro of the specification in `text`.
fn next_macro(text: &str) -> Option<Found<'_>> {
    for start in memmem::find_iter(text.as_bytes(), b"${AUCTION_") {
        let inner = &text[start + 2..];
        let length = inner.find('}')?;
        let (name, suffix) = match inner[..length].split_once(':') {
            Some((name, suffix)) => (name, suffix),
            None => (&inner[..length], ""),
        };
        if let Some(name) = Macro::named(name) {
            let end = start + 2 + length + 1;
            return Some(Found {
                start,
                end,
                name,
                suffix,
            });
        }
    }
    None
}

fn substitute(
    name: Macro,
    suffix: &str,
    whole: &str,
    values: &Values<'_>,
    place: Place,
    encoding: &impl Encoding,
    out: &mut String,
) {
    let mut digits = itoa::Buffer::new();
    let value = match name {
        Macro::Id => values.auction_id,
        Macro::BidId => values.bid_id,
        Macro::ImpId => values.imp_id,
        Macro::SeatId => values.seat_id,
        Macro::AdId => values.ad_id,
        Macro::Price => values.price,
        Macro::Currency => values.currency,
        Macro::Mbr => values.mbr,
        Macro::Loss => values.loss.map(|code| digits.format(code) as &str),
        Macro::MinToWin => values.min_to_win,
        Macro::Multiplier => values.multiplier,
        Macro::ImpTs => values.imp_ts.map(|at| digits.format(at) as &str),
        Macro::DiscountPct => values.discount_pct,
        Macro::DiscountCpm => values.discount_cpm,
    };
    let value = match value {
        Some(value) => value,
        // Never encoded: whoever audits must recognise it.
        None if values.audit => return out.push_str("AUDIT"),
        None => return,
    };
    if suffix.is_empty() {
        percent_encode(value, place, out);
    } else if !encoding.encode(suffix, value, out) {
        out.push_str(whole);
    }
}

fn percent_encode(value: &str, place: Place, out: &mut String) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in value.bytes() {
        let stays = match place {
            Place::Url => byte.is_ascii_alphanumeric() || b"-._~".contains(&byte),
            Place::Markup => byte.is_ascii_graphic() && !b"\"'<>&\\`".contains(&byte),
        };
        if stays {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
}

fn base64url(bytes: &[u8], out: &mut String) {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..=chunk.len() {
            let value = bits >> (18 - 6 * digit) & 63;
            out.push(char::from(DIGITS[value as usize]));
        }
    }
}

#[cfg(test)]
mod tests;
