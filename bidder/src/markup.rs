//! Creative markup, compiled: JSON text with holes for the click and impression addresses, so
//! that a bid only copies.

use crate::catalog::{Creative, Format};
use openrtb::encode::escape;

const CLICK: &str = "${CLICK_URL}";
const IMPRESSION: &str = "${IMP_URL}";

/// Loaded with the banner where the markup does not place `${IMP_URL}` itself.
const PIXEL: &str = concat!(
    r#"<img src="${IMP_URL}" width="1" height="1" alt="" "#,
    r#"style="position:absolute;left:-9999px">"#
);

/// What belongs into a hole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hole {
    Click,
    Impression,
}

/// Markup as the inside of a JSON string.
#[derive(Clone, Debug)]
pub(crate) struct Markup {
    /// Text before each hole.
    parts: Box<[(Box<[u8]>, Hole)]>,
    /// Text after the last hole.
    end: Box<[u8]>,
    /// Whether all resources of the markup are loaded over https.
    pub(crate) secure: bool,
}

impl Markup {
    /// Compiles the markup of a creative.
    ///
    /// A hole inside a string of native JSON or in an attribute needs no further escaping: the
    /// addresses are made of URL-safe characters.
    pub(crate) fn new(creative: &Creative) -> Self {
        let mut adm = creative.adm.clone();
        if creative.format == Format::Banner && !adm.contains(IMPRESSION) {
            adm.push_str(PIXEL);
        }
        let mut parts = Vec::new();
        let mut rest = &*adm;
        loop {
            let next = [(CLICK, Hole::Click), (IMPRESSION, Hole::Impression)]
                .into_iter()
                .filter_map(|(name, hole)| Some((rest.find(name)?, name, hole)))
                .min_by_key(|(at, ..)| *at);
            let Some((at, name, hole)) = next else { break };
            parts.push((json(&rest[..at]), hole));
            rest = &rest[at + name.len()..];
        }
        Self {
            parts: parts.into_boxed_slice(),
            end: json(rest),
            secure: secure(&creative.adm),
        }
    }

    /// Appends the markup with its quotes; both addresses are JSON-ready.
    pub(crate) fn write(
        &self,
        click: impl Fn(&mut Vec<u8>),
        impression: impl Fn(&mut Vec<u8>),
        out: &mut Vec<u8>,
    ) {
        out.push(b'"');
        for (text, hole) in &self.parts {
            out.extend_from_slice(text);
            match hole {
                Hole::Click => click(out),
                Hole::Impression => impression(out),
            }
        }
        out.extend_from_slice(&self.end);
        out.push(b'"');
    }

    /// Whether a click address is asked for.
    pub(crate) fn clicks(&self) -> bool {
        self.parts.iter().any(|(_, hole)| *hole == Hole::Click)
    }

    /// Whether an impression address is asked for.
    pub(crate) fn impressions(&self) -> bool {
        self.parts.iter().any(|(_, hole)| *hole == Hole::Impression)
    }
}

fn json(text: &str) -> Box<[u8]> {
    let mut out = Vec::with_capacity(text.len());
    escape(text, &mut out);
    out.into_boxed_slice()
}

/// The names of XML vocabularies look like addresses and are never loaded.
const VOCABULARIES: &str = "http://www.w3.org/";

fn secure(adm: &str) -> bool {
    let lower = adm.to_ascii_lowercase();
    // Native markup may escape the slashes inside its JSON.
    let lower = lower.replace("\\/", "/");
    let mut found = lower.match_indices("http://");
    found.all(|(at, _)| lower[at..].starts_with(VOCABULARIES))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::catalog::Media;

    pub(crate) fn creative(format: Format, adm: &str) -> Creative {
        Creative {
            id: "cr_1".to_owned(),
            advertiser: "adv_1".to_owned(),
            format,
            w: 300,
            h: 250,
            adm: adm.to_owned(),
            adomain: vec!["acme.example".to_owned()],
            landing_page: "https://acme.example/".to_owned(),
            bundle: None,
            attr: Vec::new(),
            cat: Vec::new(),
            cattax: 1,
            media: Media::default(),
        }
    }

    fn written(format: Format, adm: &str) -> String {
        let mut out = Vec::new();
        let markup = Markup::new(&creative(format, adm));
        let click = |out: &mut Vec<u8>| out.extend_from_slice(b"https://c");
        let impression = |out: &mut Vec<u8>| out.extend_from_slice(b"https://i");
        markup.write(click, impression, &mut out);
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn holes_are_filled_and_the_rest_is_untouched() {
        let adm = "<a href=\"${CLICK_URL}\">\u{1}é\\</a><img src='${IMP_URL}'>${AUCTION_PRICE}";
        assert_eq!(
            written(Format::Banner, adm),
            "<a href=\"https://c\">\u{1}é\\</a><img src='https://i'>${AUCTION_PRICE}"
        );
    }

    #[test]
    fn a_banner_gets_its_pixel_and_nothing_else_does() {
        let banner = written(Format::Banner, "<b>x</b>");
        assert!(banner.starts_with("<b>x</b><img src=\"https://i\""));
        assert_eq!(written(Format::Video, "<VAST/>"), "<VAST/>");
        assert_eq!(written(Format::Native, ""), "");
    }

    #[test]
    fn plain_http_is_seen() {
        let secure = |adm| Markup::new(&creative(Format::Native, adm)).secure;
        assert!(secure("<img src=https://a.example/x>"));
        assert!(secure("<svg xmlns=\"http://www.w3.org/2000/svg\"/>"));
        assert!(!secure("<img src=HTTP://a.example/x>"));
        assert!(!secure(r#"{"url":"http:\/\/a.example\/x"}"#));
    }
}
