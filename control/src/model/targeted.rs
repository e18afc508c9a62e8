//! Texts that only targeting has.

use super::Model;
use super::codes::{COUNTRIES, LANGUAGES};
use super::text::{category, listed, name, texts};
use crate::fault::Fault;
use bidder::catalog::ExtPath;
use serde_json::{Value, json};

texts! {
    /// A language by its ISO 639-1 code.
    Iso639, 8, "fr", language;
    /// A place within a country, such as FRA:Paris.
    Located, 200, "FRA:Paris", located;
    /// A postal code of a country, or with a star its beginning, such as FRA:75*.
    Postal, 16, "FRA:75*", postal;
    /// A category of the IAB's content taxonomy 1.0 such as IAB2-3, or of another one by its
    /// `cattax` such as 6:483.
    InTaxonomy, 64, "IAB2-3", in_taxonomy;
    /// A venue of screens outside the home by its taxonomy and id, such as 1:205.
    Venue, 64, "1:205", venue;
    /// A path below some ext, such as imp.ext.data.section.
    Path, 128, "imp.ext.data.section", path;
}

fn language(text: &str) -> Result<String, &'static str> {
    let text = text.to_ascii_lowercase();
    if listed(&text, LANGUAGES) {
        Ok(text)
    } else {
        Err("an ISO 639-1 code such as fr")
    }
}

fn located(text: &str) -> Result<String, &'static str> {
    let expected = "a country and a name in it such as FRA:Paris";
    let (country, place) = text.split_once(':').ok_or(expected)?;
    if !listed(country, COUNTRIES) {
        return Err("an ISO 3166-1 alpha-3 code before the colon, as in FRA:Paris");
    }
    name(place).map(|place| format!("{country}:{place}"))
}

fn postal(text: &str) -> Result<String, &'static str> {
    let expected = "a postal code such as FRA:75001, or the beginning of some such as FRA:75*";
    let (country, code) = text.split_once(':').ok_or(expected)?;
    if !listed(country, COUNTRIES) {
        return Err("an ISO 3166-1 alpha-3 code before the colon, as in FRA:75001");
    }
    let code: String = code.split_whitespace().collect();
    let letters = code.strip_suffix('*').unwrap_or(&code);
    let known = letters
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if known && (1..=12).contains(&letters.len()) {
        Ok(format!("{country}:{}", code.to_ascii_uppercase()))
    } else {
        Err(expected)
    }
}

fn in_taxonomy(text: &str) -> Result<String, &'static str> {
    let Some((taxonomy, id)) = text.split_once(':') else {
        return category(text);
    };
    match taxonomy {
        "1" => category(id),
        // The taxonomies of the list, and those that exchanges agree on among themselves.
        "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9" => member(text, id),
        other if other.len() == 3 && other >= "500" && digits(other) => member(text, id),
        _ => Err("a taxonomy of 1 to 9, or 500 and above, before the colon, as in 6:483"),
    }
}

fn digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

fn member(text: &str, id: &str) -> Result<String, &'static str> {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if !id.is_empty() && id.bytes().all(letter) {
        Ok(text.to_owned())
    } else {
        Err("an id of letters and digits after the colon, as in 6:483")
    }
}

fn venue(text: &str) -> Result<String, &'static str> {
    match text.split_once(':') {
        Some(("1" | "2" | "3", id)) => member(text, id),
        _ => Err("a taxonomy of 1 to 3 and a venue in it such as 1:205"),
    }
}

fn path(text: &str) -> Result<String, &'static str> {
    match text.parse::<ExtPath>() {
        Ok(path) => Ok(path.to_string()),
        Err(_) => Err("a path to a member below an ext, such as imp.ext.data.section"),
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
        table::<Iso639>(&[("fr", "fr"), ("EN", "en")], &["xx", "fra", "fr en", ""]);
        table::<Located>(
            &[("FRA:Le Mans", "FRA:Le Mans")],
            &["Paris", "FR:Paris", "FRA:", "XXX:Paris"],
        );
        table::<Postal>(
            &[("GBR:sw1a 1aa", "GBR:SW1A1AA"), ("FRA:75*", "FRA:75*")],
            &["FRA:*", "75001", "FRA:7*5", "XXX:75", "FRA:1234567890123"],
        );
        table::<InTaxonomy>(
            &[
                ("IAB2", "IAB2"),
                ("1:IAB2-3", "IAB2-3"),
                ("6:483", "6:483"),
                ("500:x", "500:x"),
            ],
            &["2", "0:1", "10:1", "99:1", "6:", "6:a b", "1:483", "iab2"],
        );
        table::<Venue>(&[("1:205", "1:205")], &["205", "4:1", "1:"]);
        table::<Path>(&[("imp.ext.a.b", "imp.ext.a.b")], &["imp.a", "ext", "a b"]);
    }
}
