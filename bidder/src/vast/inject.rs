//! Our trackers in a document that the advertiser gave.

use super::{EVENTS, LocalName, VastFault, ads, descendant, parse, root};
use roxmltree::Node;
use std::fmt::Write as _;
use std::ops::Range;

/// The document with our trackers as macros: the impression in every advertisement, the events
/// of playback and the click in every linear creative. What the document places itself
/// (`${IMP_URL}`, `${CLICK_URL}`) is not placed again.
///
/// # Errors
/// Not a document with advertisements.
pub(crate) fn inject(text: &str) -> Result<String, VastFault> {
    let document = parse(text)?;
    let root = root(&document)?;
    let mut edits = Edits::default();
    let mut any = false;
    for ad in ads(root) {
        any = true;
        if !text.contains("${IMP_URL}") {
            impression(text, ad, &mut edits);
        }
        let linear = ad
            .descendants()
            .filter(|node| node.has_tag_name_local("Linear"));
        for linear in linear {
            let counted = text.contains("${CLICK_URL");
            let wrapper = ad.has_tag_name_local("Wrapper");
            if linear.has_children() {
                events(linear, text, &mut edits);
                if !counted {
                    clicks(linear, text, wrapper, &mut edits);
                }
            } else {
                let clicks = if counted {
                    String::new()
                } else {
                    video_clicks(wrapper)
                };
                edits.put_into(text, linear, &format!("{}{clicks}", tracking_events()));
            }
        }
    }
    if !any {
        return Err(VastFault::Empty);
    }
    Ok(edits.apply(text))
}

/// Replacements of parts of a text.
#[derive(Default)]
struct Edits(Vec<(Range<usize>, String)>);

impl Edits {
    fn before(&mut self, node: Node<'_, '_>, xml: &str) {
        let at = node.range().start;
        self.0.push((at..at, xml.to_owned()));
    }

    fn after(&mut self, node: Node<'_, '_>, xml: &str) {
        let at = node.range().end;
        self.0.push((at..at, xml.to_owned()));
    }

    /// Puts `xml` first into an element.
    fn put_into(&mut self, text: &str, node: Node<'_, '_>, xml: &str) {
        if let Some(first) = node.first_child() {
            return self.before(first, xml);
        }
        let range = node.range();
        let own = &text[range.clone()];
        // `<a/>` becomes `<a>…</a>`, and `<a></a>` is opened in its middle.
        if let Some(open) = own.strip_suffix("/>") {
            let name = open[1..]
                .split(|letter: char| letter.is_whitespace())
                .next()
                .unwrap_or_default();
            self.0.push((range, format!("{open}>{xml}</{name}>")));
        } else {
            let at = range.start + own.rfind("</").unwrap_or(own.len());
            self.0.push((at..at, xml.to_owned()));
        }
    }

    fn apply(mut self, text: &str) -> String {
        self.0.sort_by_key(|(range, _)| range.start);
        let mut out = String::with_capacity(text.len() + 2_048);
        let mut from = 0;
        for (range, xml) in self.0 {
            out.push_str(&text[from..range.start]);
            out.push_str(&xml);
            from = range.end;
        }
        out.push_str(&text[from..]);
        out
    }
}

fn child<'d, 'i>(node: Node<'d, 'i>, name: &str) -> Option<Node<'d, 'i>> {
    node.children().find(|child| child.has_tag_name_local(name))
}

fn impression(text: &str, ad: Node<'_, '_>, edits: &mut Edits) {
    const IMPRESSION: &str = "<Impression id=\"gavel\"><![CDATA[${IMP_URL}]]></Impression>";
    let place = child(ad, "Impression").or_else(|| child(ad, "Creatives"));
    match place {
        Some(place) => edits.before(place, IMPRESSION),
        None => edits.put_into(text, ad, IMPRESSION),
    }
}

/// One tracker for each event of playback.
pub(super) fn tracking() -> String {
    EVENTS.iter().fold(String::new(), |mut xml, event| {
        let written = write!(
            xml,
            "<Tracking event=\"{event}\"><![CDATA[${{VIEW_URL}}&e={event}]]></Tracking>"
        );
        written.expect("writing to a text never fails");
        xml
    })
}

fn tracking_events() -> String {
    format!("<TrackingEvents>{}</TrackingEvents>", tracking())
}

fn events(linear: Node<'_, '_>, text: &str, edits: &mut Edits) {
    if let Some(own) = child(linear, "TrackingEvents") {
        return edits.put_into(text, own, &tracking());
    }
    match child(linear, "Duration") {
        Some(duration) => edits.after(duration, &tracking_events()),
        None => edits.put_into(text, linear, &tracking_events()),
    }
}

/// Beside the document's own way to the landing page.
const COUNTED: &str = "<ClickTracking><![CDATA[${CLICK_URL}]]></ClickTracking>";
/// Instead of a way of its own.
const LEADING: &str = "<ClickThrough><![CDATA[${CLICK_URL}]]></ClickThrough>";

fn video_clicks(wrapper: bool) -> String {
    let xml = if wrapper { COUNTED } else { LEADING };
    format!("<VideoClicks>{xml}</VideoClicks>")
}

/// Where the document has its own way to the landing page we count beside it; else ours leads
/// there.
fn clicks(linear: Node<'_, '_>, text: &str, wrapper: bool, edits: &mut Edits) {
    let own = child(linear, "VideoClicks");
    let through = own.and_then(|own| descendant(own, "ClickThrough"));
    match (own, through) {
        (_, Some(through)) => edits.after(through, COUNTED),
        (Some(own), None) if wrapper => edits.put_into(text, own, COUNTED),
        (Some(own), None) => edits.put_into(text, own, LEADING),
        (None, None) => {
            let xml = video_clicks(wrapper);
            match (child(linear, "MediaFiles"), child(linear, "Duration")) {
                (Some(files), _) => edits.before(files, &xml),
                (None, Some(duration)) => edits.after(duration, &xml),
                (None, None) => edits.put_into(text, linear, &xml),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::inline;
    use super::*;
    use crate::vast::describe;

    fn parts(text: &str) -> Vec<String> {
        let injected = inject(text).unwrap();
        let document = parse(&injected).unwrap();
        let named = document.descendants().filter(Node::is_element);
        named
            .map(|node| node.tag_name().name().to_owned())
            .collect()
    }

    #[test]
    fn an_inline_document_gets_everything_in_its_place() {
        let text = inline(
            "<Duration>00:00:15</Duration><MediaFiles><MediaFile type=\"v/m\">u</MediaFile>\
             </MediaFiles>",
        );
        let all = parts(&text);
        let mut expected = vec![
            "VAST",
            "Ad",
            "InLine",
            "AdSystem",
            "Impression",
            "Impression",
        ];
        expected.extend([
            "Creatives",
            "Creative",
            "Linear",
            "Duration",
            "TrackingEvents",
        ]);
        expected.extend(["Tracking"; 5]);
        expected.extend(["VideoClicks", "ClickThrough", "MediaFiles", "MediaFile"]);
        assert_eq!(all, expected);
        assert_eq!(describe(&inject(&text).unwrap()), describe(&text));
    }

    #[test]
    fn what_is_there_is_kept_and_counted_beside() {
        let text = inline(
            "<Duration>00:00:15</Duration><TrackingEvents/><VideoClicks><ClickThrough>https://o/\
             </ClickThrough></VideoClicks><MediaFiles><MediaFile>u</MediaFile></MediaFiles>",
        );
        let injected = inject(&text).unwrap();
        assert!(injected.contains("</ClickThrough><ClickTracking><![CDATA[${CLICK_URL}]]>"));
        assert!(injected.contains("<TrackingEvents><Tracking event=\"start\">"));
        assert!(injected.contains("<![CDATA[${VIEW_URL}&e=complete]]>"));
        let placed = text
            .replace("https://o/", "${IMP_URL}")
            .replace("u</MediaFile>", "${CLICK_URL}</MediaFile>");
        let injected = inject(&placed).unwrap();
        assert_eq!(injected.matches("${IMP_URL}").count(), 2);
        assert_eq!(injected.matches("${CLICK_URL").count(), 1);
    }

    #[test]
    fn a_wrapper_and_several_advertisements_are_tracked() {
        let wrapper = "<Ad><Wrapper><VASTAdTagURI>https://o/</VASTAdTagURI><Creatives><Creative>\
                       <Linear/></Creative></Creatives></Wrapper></Ad>";
        let text = format!("<VAST version='2.0'>{wrapper}{wrapper}</VAST>");
        let injected = inject(&text).unwrap();
        assert_eq!(injected.matches("<Impression id=").count(), 2);
        assert_eq!(injected.matches("<ClickTracking>").count(), 2);
        assert!(describe(&injected).unwrap().wrapper);
        assert_eq!(inject("<VAST/>"), Err(VastFault::Empty));
    }

    proptest::proptest! {
        /// Whatever is given: an error, or XML that says the same of itself.
        #[test]
        fn nothing_breaks(inner in "[<>/A-Za-z =\"]{0,60}", framed in proptest::bool::ANY) {
            let framed = framed.then(|| {
                format!("<VAST version=\"3.0\"><Ad><InLine>{inner}</InLine></Ad></VAST>")
            });
            let text = framed.unwrap_or(inner);
            if let Ok(injected) = inject(&text) {
                proptest::prop_assert!(parse(&injected).is_ok(), "{}", injected);
                proptest::prop_assert_eq!(describe(&injected), describe(&text));
            }
        }
    }
}
