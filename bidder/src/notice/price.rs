//! The price in a notice: a decimal in the exchange's unit, or sealed with a key that only the
//! exchange and we have.
//!
//! The sealed form is the 28-byte scheme of the large exchanges: an initialisation vector of 16
//! bytes that begins with the second of sealing, 8 bytes of price combined with a pad
//! (HMAC-SHA1 of the vector under the encryption key), 4 bytes of signature (HMAC-SHA1 of price
//! and vector under the integrity key), in URL-safe base64. A price that does not open is never
//! read as a plain one. Cost: about 1 µs to open.

use super::Refusal;
use base64::Engine as _;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use ledger::Cpm;
use ledger::event::MAX_CPM;
use sha1::Sha1;
use std::ops::RangeInclusive;
use std::sync::Arc;

/// Seconds by which the clocks of an exchange and of ours may differ.
const SKEW_S: u32 = 600;
/// Bytes of a sealed price: vector, price, signature.
const VECTOR: usize = 16;
const PRICE: usize = 8;
const SIGNATURE: usize = 4;

/// How an exchange writes prices.
#[derive(Clone, Debug, Default)]
pub enum Form {
    /// A decimal in currency units per thousand impressions, as the specification says.
    #[default]
    Cpm,
    /// A decimal in millionths of the currency unit per thousand impressions.
    CpmMicros,
    /// A decimal in currency units for the one impression.
    PerImpression,
    /// Sealed, in millionths of the currency unit per thousand impressions; `None` where the
    /// node has no key for it, so that no price can be read.
    Sealed(Option<Arc<Seal>>),
}

impl Form {
    /// The price of a notice that came within `time` (unix seconds), the bid's to now.
    ///
    /// # Errors
    /// Why nothing is charged.
    pub fn read(&self, text: &str, time: RangeInclusive<u32>) -> Result<Cpm, Refusal> {
        if text.is_empty() {
            return Err(Refusal::NoPrice);
        }
        if is_macro(text) {
            return Err(Refusal::Unresolved);
        }
        if text == "AUDIT" {
            return Err(Refusal::Audit);
        }
        match self {
            Self::Cpm => decimal(text, 6),
            Self::CpmMicros => decimal(text, 0),
            Self::PerImpression => decimal(text, 9),
            Self::Sealed(None) => Err(Refusal::NoKey),
            Self::Sealed(Some(seal)) => seal.open(text, &time),
        }
    }
}

/// Whether a text is a macro of the specification that nobody filled in, plain or escaped once.
pub(super) fn is_macro(text: &str) -> bool {
    ["${", "%24%7B", "%24%7b"]
        .iter()
        .any(|start| text.starts_with(start))
}

/// A decimal of which `places` digits behind the point count, exactly; beyond them half to even.
/// Exponents are refused.
pub(super) fn decimal(text: &str, places: usize) -> Result<Cpm, Refusal> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let any = !whole.is_empty() || !fraction.is_empty();
    if !any || !plain(whole) || !plain(fraction) {
        return Err(Refusal::NotANumber);
    }
    let whole = whole.trim_start_matches('0');
    // Eighteen digits before the point and nine behind it stay far within 128 bits.
    if whole.len() > 18 {
        return Err(if negative {
            Refusal::Negative
        } else {
            Refusal::Absurd
        });
    }
    let digit = |byte: u8| i128::from(byte - b'0');
    let number = |part: &[u8]| part.iter().fold(0, |sum, byte| sum * 10 + digit(*byte));
    let fraction = fraction.as_bytes();
    let (kept, rest) = fraction.split_at(fraction.len().min(places));
    let missing = 10_i128.pow((places - kept.len()) as u32);
    let scale = 10_i128.pow(places as u32);
    let mut micros = number(whole.as_bytes()) * scale + number(kept) * missing;
    if let Some((first, rest)) = rest.split_first() {
        let more = rest.iter().any(|byte| *byte != b'0');
        let up = match digit(*first) {
            0..5 => false,
            5 => more || micros % 2 == 1,
            _ => true,
        };
        micros += i128::from(up);
    }
    match (negative, i64::try_from(micros)) {
        (true, Ok(0)) => Ok(Cpm(0)),
        (true, _) => Err(Refusal::Negative),
        (false, Ok(micros)) if Cpm(micros) <= MAX_CPM => Ok(Cpm(micros)),
        (false, _) => Err(Refusal::Absurd),
    }
}

/// The two keys of an exchange's sealed prices.
#[derive(Clone)]
pub struct Seal {
    encryption: Hmac<Sha1>,
    integrity: Hmac<Sha1>,
}

impl std::fmt::Debug for Seal {
    /// Without the keys.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seal")
    }
}

/// Why a text holds no keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "line {line}: expected {what} as URL-safe base64 of 32 bytes, as the exchange hands it out"
)]
pub struct NoSeal {
    line: usize,
    what: &'static str,
}

impl Seal {
    /// The keys of a text of two lines: encryption key, integrity key.
    ///
    /// # Errors
    /// Which line is not a key.
    pub fn new(text: &str) -> Result<Self, NoSeal> {
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let mut key = |line, what| {
            let text = lines.next().unwrap_or_default().trim_end_matches('=');
            let bytes = URL_SAFE_NO_PAD.decode(text).unwrap_or_default();
            (bytes.len() == 32)
                .then(|| Hmac::new_from_slice(&bytes).ok())
                .flatten()
                .ok_or(NoSeal { line, what })
        };
        Ok(Self {
            encryption: key(1, "the encryption key")?,
            integrity: key(2, "the integrity key")?,
        })
    }

    /// The price in a sealed text, whose time must lie in `time`, give or take the clocks.
    fn open(&self, text: &str, time: &RangeInclusive<u32>) -> Result<Cpm, Refusal> {
        let mut message = [0; VECTOR + PRICE + SIGNATURE + 2];
        let engine = if text.ends_with('=') {
            URL_SAFE
        } else {
            URL_SAFE_NO_PAD
        };
        let length = engine
            .decode_slice(text, &mut message)
            .map_err(|_| Refusal::Unsealed)?;
        let Some((vector, rest)) = message[..length].split_first_chunk::<VECTOR>() else {
            return Err(Refusal::Unsealed);
        };
        let Some((sealed, signature)) = rest.split_first_chunk::<PRICE>() else {
            return Err(Refusal::Unsealed);
        };
        if signature.len() != SIGNATURE {
            return Err(Refusal::Unsealed);
        }
        let mut mac = self.encryption.clone();
        mac.update(vector);
        let pad = mac.finalize().into_bytes();
        let price: [u8; PRICE] = std::array::from_fn(|at| sealed[at] ^ pad[at]);
        let mut mac = self.integrity.clone();
        mac.update(&price);
        mac.update(vector);
        // Compared in constant time.
        mac.verify_truncated_left(signature)
            .map_err(|_| Refusal::Unsealed)?;
        let [a, b, c, d, ..] = *vector;
        let sealed_at = u32::from_be_bytes([a, b, c, d]);
        let (from, to) = (time.start(), time.end());
        let fresh = from.saturating_sub(SKEW_S)..=to.saturating_add(SKEW_S);
        if !fresh.contains(&sealed_at) {
            return Err(Refusal::Stale);
        }
        match i64::try_from(u64::from_be_bytes(price)) {
            Ok(micros) if Cpm(micros) <= MAX_CPM => Ok(Cpm(micros)),
            Ok(_) | Err(_) => Err(Refusal::Absurd),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: RangeInclusive<u32> = 1_000..=2_000;

    fn parse(text: &str) -> Result<Cpm, Refusal> {
        Form::Cpm.read(text, NOW)
    }

    #[test]
    fn prices_are_read_exactly() {
        for (text, micros) in [
            ("2.5", 2_500_000),
            ("0", 0),
            (".5", 500_000),
            ("3.", 3_000_000),
            ("-0.0", 0),
            ("00012.000001", 12_000_001),
            ("0.0000005", 0),
            ("0.0000015", 2),
            ("0.00000050000001", 1),
            ("0.9999999", 1_000_000),
        ] {
            assert_eq!(parse(text), Ok(Cpm(micros)), "{text}");
        }
    }

    #[test]
    fn what_is_no_price_is_refused_with_its_reason() {
        for (text, refusal) in [
            ("", Refusal::NoPrice),
            ("${AUCTION_PRICE}", Refusal::Unresolved),
            ("%24%7BAUCTION_PRICE%7D", Refusal::Unresolved),
            ("AUDIT", Refusal::Audit),
            ("1e3", Refusal::NotANumber),
            ("1,5", Refusal::NotANumber),
            ("+1", Refusal::NotANumber),
            (" 1", Refusal::NotANumber),
            (".", Refusal::NotANumber),
            ("NaN", Refusal::NotANumber),
            ("-0.01", Refusal::Negative),
            ("-9999999999999999999", Refusal::Negative),
            ("9999999999999999999", Refusal::Absurd),
            ("999999999999", Refusal::Absurd),
        ] {
            assert_eq!(parse(text), Err(refusal), "{text}");
        }
    }

    proptest! {
        #[test]
        fn six_decimals_come_back(micros in 0i64..1_000_000_000_000) {
            let text = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
            prop_assert_eq!(parse(&text), Ok(Cpm(micros)));
        }

        #[test]
        fn no_text_breaks_it(text in ".{0,40}") {
            if let Ok(cpm) = parse(&text) {
                prop_assert!(cpm >= Cpm(0));
            }
        }
    }

    #[test]
    fn units_are_converted_exactly() {
        let micros = |text| Form::CpmMicros.read(text, NOW);
        assert_eq!(micros("2500000"), Ok(Cpm(2_500_000)));
        assert_eq!(micros("2.5"), Ok(Cpm(2)));
        let one = |text| Form::PerImpression.read(text, NOW);
        assert_eq!(one("0.0025"), Ok(Cpm(2_500_000)));
        assert_eq!(one("0.000000001"), Ok(Cpm(1)));
        assert_eq!(one("0.0000000005"), Ok(Cpm(0)));
    }

    /// Seals as an exchange does.
    fn seal(keys: (&[u8; 32], &[u8; 32]), at_s: u32, price: u64) -> String {
        let mac = |key: &[u8; 32], parts: [&[u8]; 2]| -> [u8; 20] {
            let mut mac = Hmac::<Sha1>::new_from_slice(key).unwrap();
            for part in parts {
                mac.update(part);
            }
            mac.finalize().into_bytes().into()
        };
        let mut vector = [7; VECTOR];
        vector[..4].copy_from_slice(&at_s.to_be_bytes());
        let plain = price.to_be_bytes();
        let pad = mac(keys.0, [&vector, b""]);
        let hidden: Vec<u8> = plain
            .iter()
            .zip(pad)
            .map(|(byte, pad)| byte ^ pad)
            .collect();
        let signature = mac(keys.1, [&plain, &vector]);
        URL_SAFE_NO_PAD.encode([&vector[..], &hidden, &signature[..4]].concat())
    }

    fn keys(encryption: [u8; 32], integrity: [u8; 32]) -> Form {
        let line = |key: [u8; 32]| URL_SAFE.encode(key);
        let text = format!("{}\n{}\n", line(encryption), line(integrity));
        Form::Sealed(Some(Arc::new(Seal::new(&text).unwrap())))
    }

    #[test]
    fn a_sealed_price_opens_with_its_keys_and_in_its_time_only() {
        let form = keys([1; 32], [2; 32]);
        let sealed = seal((&[1; 32], &[2; 32]), 1_500, 1_900);
        assert_eq!(sealed.len(), 38);
        assert_eq!(form.read(&sealed, NOW), Ok(Cpm(1_900)));
        assert_eq!(form.read(&format!("{sealed}=="), NOW), Ok(Cpm(1_900)));
        assert_eq!(form.read(&sealed, 2_101..=9_000), Err(Refusal::Stale));
        assert_eq!(form.read(&sealed, 0..=899), Err(Refusal::Stale));
        assert_eq!(form.read(&sealed, 2_100..=9_000), Ok(Cpm(1_900)));
        for other in [keys([3; 32], [2; 32]), keys([1; 32], [3; 32])] {
            assert_eq!(other.read(&sealed, NOW), Err(Refusal::Unsealed));
        }
        assert_eq!(Form::Sealed(None).read(&sealed, NOW), Err(Refusal::NoKey));
        // Plain text is no way round the seal.
        for plain in ["1.9", "0", "AAAA", "!"] {
            assert_eq!(form.read(plain, NOW), Err(Refusal::Unsealed), "{plain}");
        }
        let absurd = seal((&[1; 32], &[2; 32]), 1_500, u64::MAX);
        assert_eq!(form.read(&absurd, NOW), Err(Refusal::Absurd));
    }

    #[test]
    fn every_altered_character_is_noticed() {
        let form = keys([1; 32], [2; 32]);
        let sealed = seal((&[1; 32], &[2; 32]), 1_500, 1_900);
        for at in 0..sealed.len() {
            let mut altered = sealed.clone().into_bytes();
            altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
            let altered = String::from_utf8(altered).unwrap();
            assert_eq!(form.read(&altered, NOW), Err(Refusal::Unsealed), "{at}");
        }
    }

    #[test]
    fn keys_that_are_none_are_named_by_their_line() {
        let good = URL_SAFE.encode([1; 32]);
        let error = |text: &str| Seal::new(text).unwrap_err().to_string();
        assert!(error("").starts_with("line 1: expected the encryption key"));
        assert!(error(&format!("{good}\nshort")).starts_with("line 2: expected the integrity"));
    }

    /// The vectors that an exchange publishes; their vector's time is text, so any time will do.
    #[test]
    fn published_vectors_open() {
        let Some(folder) = std::env::var_os("GAVEL_CORPUS") else {
            return;
        };
        let file = std::path::Path::new(&folder).join("price/google_price_vectors.json");
        let text = std::fs::read_to_string(file).unwrap();
        let vectors: serde_json::Value = serde_json::from_str(&text).unwrap();
        let key = |name: &str| vectors[name].as_str().unwrap();
        let seal = Seal::new(&format!("{}\n{}", key("e_key"), key("i_key"))).unwrap();
        let form = Form::Sealed(Some(Arc::new(seal)));
        for vector in vectors["vectors"].as_array().unwrap() {
            let sealed = vector["enc"].as_str().unwrap();
            let price = vector["price"].as_i64().unwrap();
            assert_eq!(form.read(sealed, 0..=u32::MAX), Ok(Cpm(price)));
        }
    }
}
