//! Creative markup, compiled: JSON text with holes for our addresses, so that a bid only copies.
//!
//! `${CLICK_URL}`, `${IMP_URL}` and `${VIEW_URL}` are our addresses for a click, an impression
//! and a view, `${CACHEBUSTER}` is a number that differs from bid to bid. An address is
//! percent-encoded where it is a parameter of another address, which is where text of an address
//! and `=` stand right before it, and wherever the macro says so: `${CLICK_URL_ENC}`. The
//! exchange's own macros (`${AUCTION_PRICE}`) stay as they are.

use openrtb::encode::escape;
use std::collections::HashSet;
use std::sync::Arc;

const IMPRESSION: &str = "${IMP_URL}";

/// Loaded with the banner where the markup does not place `${IMP_URL}` itself.
const PIXEL: &str = concat!(
    r#"<img src="${IMP_URL}" width="1" height="1" alt="" "#,
    r#"style="position:absolute;left:-9999px">"#
);

/// What belongs into a hole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hole {
    Click { encoded: bool },
    Impression { encoded: bool },
    View { encoded: bool },
    CacheBuster,
}

/// The macros. The encoded form of a name comes before the name that it begins with.
const MACROS: [(&str, Hole); 7] = [
    ("${CLICK_URL_ENC}", Hole::Click { encoded: true }),
    ("${CLICK_URL}", Hole::Click { encoded: false }),
    ("${IMP_URL_ENC}", Hole::Impression { encoded: true }),
    (IMPRESSION, Hole::Impression { encoded: false }),
    ("${VIEW_URL_ENC}", Hole::View { encoded: true }),
    ("${VIEW_URL}", Hole::View { encoded: false }),
    ("${CACHEBUSTER}", Hole::CacheBuster),
];

impl Hole {
    /// The hole where it stands behind `before`.
    fn behind(self, before: &str) -> Self {
        match self {
            Hole::Click { encoded } => Hole::Click {
                encoded: encoded || is_parameter(before),
            },
            Hole::Impression { encoded } => Hole::Impression {
                encoded: encoded || is_parameter(before),
            },
            Hole::View { encoded } => Hole::View {
                encoded: encoded || is_parameter(before),
            },
            Hole::CacheBuster => self,
        }
    }
}

/// Whether what comes next is a parameter of an address: `https://other.example/?to=`.
fn is_parameter(before: &str) -> bool {
    let signs = |letter: char| letter.is_whitespace() || "\"'<>()[]".contains(letter);
    let word = before.rsplit(signs).next().unwrap_or_default();
    word.ends_with('=') && word.contains("//") && word.contains('?')
}

/// Markup as the inside of a JSON string.
#[derive(Clone, Debug)]
pub(crate) struct Markup {
    /// Text before each hole.
    parts: Box<[(Arc<[u8]>, Hole)]>,
    /// Text after the last hole.
    end: Arc<[u8]>,
}

/// Parts of markup, each kept once: the versions of a template differ in few of theirs, and
/// trackers stand in all of them.
#[derive(Default)]
pub(crate) struct Parts(HashSet<Arc<[u8]>>);

impl Parts {
    /// The text as the inside of a JSON string.
    fn json(&mut self, text: &str) -> Arc<[u8]> {
        let mut out = Vec::with_capacity(text.len());
        escape(text, &mut out);
        if let Some(known) = self.0.get(&*out) {
            return Arc::clone(known);
        }
        let part: Arc<[u8]> = Arc::from(out);
        self.0.insert(Arc::clone(&part));
        part
    }
}

impl Markup {
    /// Compiles the markup of a banner, with a pixel where it has no place for one.
    pub(crate) fn banner(adm: &str, known: &mut Parts) -> Self {
        if adm.contains("${IMP_URL") {
            Self::new(adm, known)
        } else {
            Self::new(&format!("{adm}{PIXEL}"), known)
        }
    }

    /// Compiles a text.
    ///
    /// A hole in an attribute, in character data or in a string of native JSON needs no further
    /// escaping: our addresses are made of URL-safe characters.
    pub(crate) fn new(text: &str, known: &mut Parts) -> Self {
        let mut parts = Vec::new();
        let mut from = 0;
        let mut at = 0;
        while let Some(ahead) = text[at..].find("${") {
            let here = at + ahead;
            let found = MACROS
                .iter()
                .find(|(name, _)| text[here..].starts_with(name));
            let Some((name, hole)) = found else {
                at = here + 2;
                continue;
            };
            parts.push((known.json(&text[from..here]), hole.behind(&text[..here])));
            at = here + name.len();
            from = at;
        }
        Self {
            parts: parts.into_boxed_slice(),
            end: known.json(&text[from..]),
        }
    }

    /// Appends the markup with its quotes; what `fill` appends is JSON-ready.
    pub(crate) fn write(&self, fill: impl Fn(Hole, &mut Vec<u8>), out: &mut Vec<u8>) {
        out.push(b'"');
        for (text, hole) in &self.parts {
            out.extend_from_slice(text);
            fill(*hole, out);
        }
        out.extend_from_slice(&self.end);
        out.push(b'"');
    }

    /// Whether a click address is asked for.
    pub(crate) fn clicks(&self) -> bool {
        let asks = |hole: &Hole| matches!(hole, Hole::Click { .. });
        self.parts.iter().any(|(_, hole)| asks(hole))
    }

    /// Whether an impression or view address is asked for.
    pub(crate) fn impressions(&self) -> bool {
        let asks = |hole: &Hole| matches!(hole, Hole::Impression { .. } | Hole::View { .. });
        self.parts.iter().any(|(_, hole)| asks(hole))
    }

    /// Bytes of the text without what fills the holes.
    pub(crate) fn size(&self) -> usize {
        self.parts.iter().map(|(text, _)| text.len()).sum::<usize>() + self.end.len()
    }
}

/// The names of XML vocabularies look like addresses and are never loaded.
const VOCABULARIES: [&str; 2] = ["http://www.w3.org/", "http://www.iab.com/vast"];

/// Whether all resources of the markup are loaded over https.
pub(crate) fn is_secure(adm: &str) -> bool {
    let lower = adm.to_ascii_lowercase();
    // JSON inside may escape its slashes.
    let lower = lower.replace("\\/", "/");
    let mut found = lower.match_indices("http://");
    found.all(|(at, _)| {
        VOCABULARIES
            .iter()
            .any(|name| lower[at..].starts_with(name))
    })
}

/// The banner types (list 5.2 of `AdCOM`'s predecessor) that markup is of, as bits: 1 text,
/// 2 image, 3 script, 4 frame.
pub(crate) fn banner_types(adm: &str) -> u8 {
    let lower = adm.to_ascii_lowercase();
    let has = |names: &[&str]| names.iter().any(|name| lower.contains(name));
    let script = u8::from(has(&["<script", "javascript:"])) << 3;
    let frame = u8::from(has(&["<iframe"])) << 4;
    match script | frame {
        0 if has(&["<img", "<svg", "<picture", "<canvas", "<video"]) => 1 << 2,
        0 => 1 << 1,
        dynamic => dynamic,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(markup: &Markup) -> String {
        let mut out = Vec::new();
        let fill = |hole: Hole, out: &mut Vec<u8>| {
            let text = match hole {
                Hole::Click { encoded: false } => "https://c",
                Hole::Click { encoded: true } => "https%3A%2F%2Fc",
                Hole::Impression { encoded: false } => "https://i",
                Hole::Impression { encoded: true } => "https%3A%2F%2Fi",
                Hole::View { .. } => "https://v",
                Hole::CacheBuster => "77",
            };
            out.extend_from_slice(text.as_bytes());
        };
        markup.write(fill, &mut out);
        serde_json::from_slice(&out).unwrap()
    }

    fn banner(adm: &str) -> Markup {
        Markup::banner(adm, &mut Parts::default())
    }

    #[test]
    fn parts_are_kept_once() {
        let mut known = Parts::default();
        let [one, other] =
            ["a", "b"].map(|text| Markup::new(&format!("{text}${{IMP_URL}}the same"), &mut known));
        assert!(Arc::ptr_eq(&one.end, &other.end));
        assert_eq!(known.0.len(), 3);
    }

    #[test]
    fn holes_are_filled_and_the_rest_is_untouched() {
        let adm = "<a href=\"${CLICK_URL}\">\u{1}é\\</a><img src='${IMP_URL}'>${AUCTION_PRICE}${";
        assert_eq!(
            filled(&banner(adm)),
            "<a href=\"https://c\">\u{1}é\\</a><img src='https://i'>${AUCTION_PRICE}${"
        );
    }

    #[test]
    fn addresses_within_addresses_are_encoded() {
        for (text, expected) in [
            (
                "'https://o/?to=${CLICK_URL}'",
                "'https://o/?to=https%3A%2F%2Fc'",
            ),
            (
                "'//o/?a=1&to=${CLICK_URL}&b'",
                "'//o/?a=1&to=https%3A%2F%2Fc&b'",
            ),
            ("<a href=${CLICK_URL}>", "<a href=https://c>"),
            ("c='${CLICK_URL_ENC}'", "c='https%3A%2F%2Fc'"),
            (
                "?i=${IMP_URL_ENC}&n=${CACHEBUSTER}",
                "?i=https%3A%2F%2Fi&n=77",
            ),
            ("https://o/${CLICK_URL}", "https://o/https://c"),
        ] {
            assert_eq!(filled(&Markup::new(text, &mut Parts::default())), expected);
        }
    }

    #[test]
    fn a_banner_gets_its_pixel_once() {
        let text = filled(&banner("<b>x</b>"));
        assert!(text.starts_with("<b>x</b><img src=\"https://i\""));
        assert_eq!(filled(&banner("${IMP_URL_ENC}")), "https%3A%2F%2Fi");
    }

    #[test]
    fn plain_http_is_seen() {
        assert!(is_secure("<img src=https://a.example/x>"));
        assert!(is_secure("<VAST xmlns=\"http://www.iab.com/VAST\"/>"));
        assert!(is_secure("<svg xmlns=\"http://www.w3.org/2000/svg\"/>"));
        assert!(!is_secure("<img src=HTTP://a.example/x>"));
        assert!(!is_secure(r#"{"url":"http:\/\/a.example\/x"}"#));
    }

    #[test]
    fn banner_types_are_seen() {
        for (adm, types) in [
            ("<a>Buy</a>", 1 << 1),
            ("<IMG src=x>", 1 << 2),
            ("<script src=x></script><img>", 1 << 3),
            ("<iframe><script>", 1 << 3 | 1 << 4),
        ] {
            assert_eq!(banner_types(adm), types, "{adm}");
        }
    }
}
