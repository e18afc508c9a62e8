//! Texts in documents, each its own type that exists only if it is well formed.

use super::codes::{COUNTRIES, CURRENCIES};
use super::{Model, refuse, shown};
use crate::fault::Fault;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use ledger::Currency;
use serde_json::{Value, json};

/// Declares a text: its longest form in bytes, an example for the API's description, and a
/// function that returns the normal form or says what was expected.
macro_rules! texts {
    ($(
        $(#[doc = $doc:literal])+
        $name:ident, $most:literal, $example:literal, $normal:expr;
    )+) => {
        $(
            $(#[doc = $doc])+
            #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
            pub struct $name(pub String);

            impl Model for $name {
                fn read(value: &Value, at: &str, faults: &mut Vec<Fault>) -> Option<Self> {
                    let normal: fn(&str) -> Result<String, &'static str> = $normal;
                    match $crate::model::text::text(value, $most, normal) {
                        Ok(text) => Some(Self(text)),
                        Err(detail) => $crate::model::refuse(faults, at, detail),
                    }
                }

                fn write(&self) -> Value {
                    self.0.clone().into()
                }

                fn schema() -> Value {
                    json!({ "type": "string", "maxLength": $most, "examples": [$example] })
                }
            }
        )+
    };
}

pub(crate) use texts;

texts! {
    /// A name for people.
    Name, 200, "Acme", name;
    /// An id of this or another system.
    Id, 64, "seg_autointent", id;
    /// An advertiser's number of an order.
    Order, 128, "A-1001", name;
    /// A token that this program has handed out.
    Token, 2048, "AwEA…", name;
    /// A placement's or bundle's id as requests carry it.
    Tag, 200, "news-top", name;
    /// A domain, in lower case.
    Domain, 253, "acme.example", domain;
    /// A country by its ISO 3166-1 alpha-3 code.
    Country, 64, "FRA", country;
    /// A country, or a region of one such as FRA-IDF.
    Place, 64, "FRA", place;
    /// A content category of the IAB's list 1.0, such as IAB2 or IAB2-3.
    Category, 64, "IAB2", category;
    /// A category in any taxonomy, by its id.
    CategoryId, 64, "IAB2-3", category_id;
    /// A language as a BCP 47 tag.
    Language, 35, "fr-CA", language;
    /// A timezone by its IANA name.
    Timezone, 64, "Europe/Paris", timezone;
    /// A MIME type.
    Mime, 100, "video/mp4", mime;
    /// An advertiser's page.
    Landing, 2048, "https://acme.example/", web_address;
    /// The address of an HTTP partner.
    Endpoint, 2048, "http://127.0.0.1:9001/bid", http_address;
    /// The markup of an advertisement.
    Markup, 65_536, "<a href=\"${CLICK_URL}\">…</a>", markup;
    /// SHA-256 in 64 hexadecimal digits.
    Sha256, 64, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", sha256;
}

pub(super) fn text(
    value: &Value,
    most: usize,
    normal: fn(&str) -> Result<String, &'static str>,
) -> Result<String, String> {
    let found = |expected: &str| format!("expected {expected}, found {}", shown(value));
    let text = value.as_str().ok_or_else(|| found("a text"))?;
    if text.len() > most {
        return Err(format!("{} bytes, at most {most} allowed", text.len()));
    }
    normal(text).map_err(found)
}

pub(super) fn name(text: &str) -> Result<String, &'static str> {
    let text = text.trim();
    if text.is_empty() || text.chars().any(char::is_control) {
        return Err("a text without control characters");
    }
    Ok(text.to_owned())
}

/// Whether a text may be an id.
pub(crate) fn is_id(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:".contains(&byte);
    (1..=64).contains(&text.len()) && text.bytes().all(allowed)
}

fn id(text: &str) -> Result<String, &'static str> {
    if is_id(text) {
        Ok(text.to_owned())
    } else {
        Err("letters, digits, and _ - . : only")
    }
}

fn domain(text: &str) -> Result<String, &'static str> {
    let text = text.to_ascii_lowercase();
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    if text.contains('.') && text.split('.').all(label) {
        Ok(text)
    } else {
        Err("a domain such as acme.example, without scheme or path")
    }
}

pub(super) fn listed(text: &str, codes: &str) -> bool {
    !text.contains(' ') && codes.split(' ').any(|code| code == text)
}

fn country(text: &str) -> Result<String, &'static str> {
    let known = listed(text, COUNTRIES);
    if known {
        Ok(text.to_owned())
    } else {
        Err("an ISO 3166-1 alpha-3 code such as FRA")
    }
}

fn place(text: &str) -> Result<String, &'static str> {
    let region = |text: &str| {
        (1..=3).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    let known = match text.split_once('-') {
        Some((country, rest)) => listed(country, COUNTRIES) && region(rest),
        None => listed(text, COUNTRIES),
    };
    let expected = "an ISO 3166-1 alpha-3 code such as FRA, or a region such as FRA-IDF";
    if known {
        Ok(text.to_owned())
    } else {
        Err(expected)
    }
}

pub(super) fn category(text: &str) -> Result<String, &'static str> {
    let number = |text: &str| {
        (1..=3).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    let well_formed = text
        .strip_prefix("IAB")
        .is_some_and(|rest| match rest.split_once('-') {
            Some((group, member)) => number(group) && number(member),
            None => number(rest),
        });
    if well_formed {
        Ok(text.to_owned())
    } else {
        Err("a category such as IAB2 or IAB2-3")
    }
}

/// Whether a text is a category of the IAB's content taxonomy 1.0.
pub(crate) fn is_category(text: &str) -> bool {
    category(text).is_ok()
}

fn category_id(text: &str) -> Result<String, &'static str> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if !text.is_empty() && text.bytes().all(allowed) {
        Ok(text.to_owned())
    } else {
        Err("the id of a category such as IAB2-3 or 52")
    }
}

fn language(text: &str) -> Result<String, &'static str> {
    let mut parts = text.split('-');
    let first = parts.next().unwrap_or_default();
    let primary = (2..=3).contains(&first.len()) && first.bytes().all(|b| b.is_ascii_alphabetic());
    let part = |part: &str| {
        (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    if primary && parts.all(part) {
        Ok(text.to_owned())
    } else {
        Err("a language such as fr or fr-CA")
    }
}

fn timezone(text: &str) -> Result<String, &'static str> {
    match TimeZone::get(text) {
        Ok(zone) => Ok(zone.iana_name().unwrap_or(text).to_owned()),
        Err(_) => Err("an IANA timezone such as Europe/Paris"),
    }
}

fn plain_url(text: &str, scheme: &str) -> bool {
    text.strip_prefix(scheme).is_some_and(|rest| {
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        !host.is_empty()
            && !host.contains('@')
            && rest
                .chars()
                .all(|char| !char.is_whitespace() && !char.is_control())
    })
}

fn web_address(text: &str) -> Result<String, &'static str> {
    if plain_url(text, "https://") || plain_url(text, "http://") {
        Ok(text.to_owned())
    } else {
        Err("an address such as https://acme.example/")
    }
}

fn http_address(text: &str) -> Result<String, &'static str> {
    if plain_url(text, "http://") || plain_url(text, "https://") {
        Ok(text.to_owned())
    } else {
        Err("an address such as https://dsp.example/bid")
    }
}

fn mime(text: &str) -> Result<String, &'static str> {
    let part = |part: &str| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-+._".contains(&byte);
        !part.is_empty() && part.bytes().all(allowed)
    };
    match text.split_once('/') {
        Some((kind, rest)) if part(kind) && part(rest) => Ok(text.to_ascii_lowercase()),
        _ => Err("a MIME type such as video/mp4"),
    }
}

fn markup(text: &str) -> Result<String, &'static str> {
    if text.trim().is_empty() {
        Err("markup")
    } else {
        Ok(text.to_owned())
    }
}

fn sha256(text: &str) -> Result<String, &'static str> {
    if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        Ok(text.to_ascii_lowercase())
    } else {
        Err("64 hexadecimal digits")
    }
}

/// A currency of ISO 4217.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cur(pub Currency);

impl Model for Cur {
    fn read(value: &Value, at: &str, faults: &mut Vec<Fault>) -> Option<Self> {
        let code = value.as_str().filter(|code| listed(code, CURRENCIES));
        let currency = code.and_then(|code| code.parse().ok()).map(Self);
        let found = || {
            format!(
                "expected an ISO 4217 code such as EUR, found {}",
                shown(value)
            )
        };
        currency.or_else(|| refuse(faults, at, found()))
    }

    fn write(&self) -> Value {
        self.0.code().into()
    }

    fn schema() -> Value {
        json!({ "type": "string", "pattern": "^[A-Z]{3}$", "examples": ["EUR"] })
    }
}

/// A point in time, RFC 3339.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant(pub Timestamp);

impl Model for Instant {
    fn read(value: &Value, at: &str, faults: &mut Vec<Fault>) -> Option<Self> {
        let time = value.as_str().and_then(|text| text.parse().ok());
        let expected = || {
            let found = shown(value);
            format!("expected a time with its offset such as 2026-11-23T00:00:00Z, found {found}")
        };
        time.map(Self).or_else(|| refuse(faults, at, expected()))
    }

    fn write(&self) -> Value {
        self.0.to_string().into()
    }

    fn schema() -> Value {
        json!({ "type": "string", "format": "date-time", "examples": ["2026-11-23T00:00:00Z"] })
    }
}

/// Width and height in pixels, written `300x250`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Size {
    /// Width in pixels.
    pub w: u32,
    /// Height in pixels.
    pub h: u32,
}

impl Size {
    fn parse(text: &str) -> Option<Self> {
        let side = |text: &str| -> Option<u32> {
            let digits = text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse()
                .ok()
                .filter(|side| digits && (1..=16_384).contains(side))
        };
        let (w, h) = text.split_once('x')?;
        Some(Self {
            w: side(w)?,
            h: side(h)?,
        })
    }
}

impl Model for Size {
    fn read(value: &Value, at: &str, faults: &mut Vec<Fault>) -> Option<Self> {
        let size = value.as_str().and_then(Self::parse);
        let found = || format!("expected a size such as 300x250, found {}", shown(value));
        size.or_else(|| refuse(faults, at, found()))
    }

    fn write(&self) -> Value {
        format!("{}x{}", self.w, self.h).into()
    }

    fn schema() -> Value {
        json!({ "type": "string", "pattern": r"^\d+x\d+$", "examples": ["300x250"] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T: Model>(text: &str) -> Option<String> {
        let mut faults = Vec::new();
        let value = T::read(&text.into(), "/x", &mut faults);
        assert_eq!(value.is_none(), faults.len() == 1, "{text}");
        value.map(|value| value.write().as_str().unwrap().to_owned())
    }

    fn table<T: Model>(good: &[(&str, &str)], bad: &[&str]) {
        for (given, kept) in good {
            assert_eq!(read::<T>(given).as_deref(), Some(*kept), "{given}");
        }
        for given in bad {
            assert_eq!(read::<T>(given), None, "{given}");
        }
    }

    #[test]
    fn each_text_knows_its_form() {
        table::<Domain>(
            &[("Acme.Example", "acme.example"), ("a-b.co.uk", "a-b.co.uk")],
            &[
                "acme",
                "https://acme.example",
                "a..b",
                "-a.b",
                "a.b/",
                "",
                "é.fr",
            ],
        );
        table::<Country>(
            &[("FRA", "FRA")],
            &["FR", "fra", "XXX", "France", "FRA BEL", ""],
        );
        table::<Place>(
            &[("FRA", "FRA"), ("FRA-IDF", "FRA-IDF")],
            &["FR", "FRA-", "fra", "XXX-1"],
        );
        table::<Category>(
            &[("IAB2", "IAB2"), ("IAB1-5", "IAB1-5")],
            &["IAB", "iab2", "IAB2-", "2"],
        );
        table::<CategoryId>(&[("IAB2-3", "IAB2-3"), ("52", "52")], &["", "a b", "é"]);
        table::<Language>(
            &[("fr", "fr"), ("zh-Hans-TW", "zh-Hans-TW")],
            &["", "f", "french", "fr-", "fr_CA", "12"],
        );
        table::<Timezone>(
            &[("Europe/Paris", "Europe/Paris"), ("UTC", "UTC")],
            &["Paris", "CET+1", "Europe/Atlantis", ""],
        );
        table::<Size>(
            &[("300x250", "300x250")],
            &["300*250", "300x", "x", "0x0", "+3x4", "3x99999"],
        );
        table::<Cur>(&[("EUR", "EUR")], &["eur", "EURO", "XYZ", "€", "EUR USD"]);
        table::<Landing>(
            &[("https://a.example/?q=${X}", "https://a.example/?q=${X}")],
            &[
                "a.example",
                "javascript:alert(1)",
                "https://",
                "https://u@h/",
                "https://a b/",
            ],
        );
        table::<Endpoint>(
            &[
                ("http://h:1/b", "http://h:1/b"),
                ("https://h/", "https://h/"),
            ],
            &["ftp://h", "h:1"],
        );
        table::<Name>(&[(" A ", "A")], &["", "  ", "a\u{0}b"]);
        table::<Id>(&[("seg_1", "seg_1")], &["", "a b", "a/b", &"x".repeat(65)]);
    }

    #[test]
    fn times_carry_their_offset() {
        table::<Instant>(
            &[
                ("2026-11-23T01:00:00+01:00", "2026-11-23T00:00:00Z"),
                ("2026-11-23T00:00:00Z", "2026-11-23T00:00:00Z"),
            ],
            &[
                "2026-11-23",
                "2026-11-23T00:00:00",
                "tomorrow",
                "2026-13-01T00:00:00Z",
            ],
        );
    }
}
