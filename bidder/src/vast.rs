//! VAST and DAAST: what a document says of its media, our trackers put into it, and documents
//! made from a template.
//!
//! All of it happens when the catalog is built or a creative is checked; on the bid path the
//! result is text with holes ([`crate::markup`]).

mod inject;
mod template;

pub(crate) use inject::inject;
pub(crate) use template::written;

use roxmltree::{Document, Node};

/// The events of playback of a linear creative that we count, besides impression, view and
/// click; they come to the view's address with their name as `e`.
pub const EVENTS: [&str; 5] = [
    "start",
    "firstQuartile",
    "midpoint",
    "thirdQuartile",
    "complete",
];

/// Versions that we write, the preferred one first: protocol inline, as a wrapper, version.
pub(crate) const VERSIONS: [(i64, i64, &str); 6] = [
    (3, 6, "3.0"),
    (2, 5, "2.0"),
    (13, 14, "4.2"),
    (11, 12, "4.1"),
    (7, 8, "4.0"),
    (15, 16, "4.3"),
];
/// The protocols of DAAST 1.0, inline and as a wrapper.
pub(crate) const DAAST: (i64, i64) = (9, 10);

/// What a document says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Described {
    /// Protocol of the `AdCOM` list; 0 where its version is none that the list has.
    pub protocol: i64,
    /// Whether it leads to another server's document.
    pub wrapper: bool,
    /// MIME types of its media files, each once.
    pub mimes: Vec<String>,
    /// Length of its first linear creative in seconds, rounded up; 0 where it says none.
    pub duration_s: u32,
    /// Address of its first media file, or of the document that it leads to.
    pub file: String,
    /// Bit rates of its media files in kilobits per second, where all say one.
    pub bitrates: Vec<u32>,
}

/// Why a document is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VastFault {
    /// Not XML.
    #[error("is not XML: {0}")]
    Xml(String),
    /// XML of another kind.
    #[error("expected the root element VAST or DAAST, found {0}")]
    Root(String),
    /// Nothing is advertised.
    #[error("has no Ad with InLine or Wrapper, so there is nothing to show")]
    Empty,
    /// A wrapper that leads nowhere.
    #[error("has a Wrapper without {0}")]
    NoTag(&'static str),
    /// Inline without files.
    #[error("has an InLine without a MediaFile")]
    NoFile,
}

/// Reads what a document says of itself.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn describe(text: &str) -> Result<Described, VastFault> {
    let document = parse(text)?;
    let root = root(&document)?;
    let ad = ads(root).next().ok_or(VastFault::Empty)?;
    let wrapper = ad.has_tag_name_local("Wrapper");
    let daast = root.has_tag_name_local("DAAST");
    let mut told = Described {
        wrapper,
        protocol: protocol(
            daast,
            root.attribute("version").unwrap_or_default(),
            wrapper,
        ),
        ..Described::default()
    };
    let linear = descendant(ad, "Linear");
    let duration = linear.and_then(|linear| descendant(linear, "Duration"));
    told.duration_s = duration
        .and_then(|node| seconds(node.text().unwrap_or_default()))
        .unwrap_or(0);
    if wrapper {
        let tag = if daast {
            "DAASTAdTagURI"
        } else {
            "VASTAdTagURI"
        };
        told.file = content(descendant(ad, tag).ok_or(VastFault::NoTag(tag))?);
        if told.file.is_empty() {
            return Err(VastFault::NoTag(tag));
        }
        return Ok(told);
    }
    let files: Vec<Node<'_, '_>> = ad
        .descendants()
        .filter(|node| node.has_tag_name_local("MediaFile"))
        .collect();
    let first = files.first().ok_or(VastFault::NoFile)?;
    told.file = content(*first);
    for file in &files {
        let mime = file
            .attribute("type")
            .unwrap_or_default()
            .to_ascii_lowercase();
        if !mime.is_empty() && !told.mimes.contains(&mime) {
            told.mimes.push(mime);
        }
    }
    let rates = files
        .iter()
        .map(|file| file.attribute("bitrate")?.trim().parse().ok());
    told.bitrates = rates.collect::<Option<_>>().unwrap_or_default();
    Ok(told)
}

fn parse(text: &str) -> Result<Document<'_>, VastFault> {
    Document::parse(text).map_err(|error| VastFault::Xml(error.to_string()))
}

fn root<'d, 'i>(document: &'d Document<'i>) -> Result<Node<'d, 'i>, VastFault> {
    let root = document.root_element();
    if root.has_tag_name_local("VAST") || root.has_tag_name_local("DAAST") {
        Ok(root)
    } else {
        Err(VastFault::Root(root.tag_name().name().to_owned()))
    }
}

/// The contents of the advertisements: `InLine` or `Wrapper` of each `Ad`.
fn ads<'d, 'i: 'd>(root: Node<'d, 'i>) -> impl Iterator<Item = Node<'d, 'i>> {
    root.children()
        .filter(|node| node.has_tag_name_local("Ad"))
        .flat_map(|ad| ad.children())
        .filter(|node| node.has_tag_name_local("InLine") || node.has_tag_name_local("Wrapper"))
}

/// Names without their namespaces, which VAST documents use loosely.
trait LocalName {
    fn has_tag_name_local(&self, name: &str) -> bool;
}

impl LocalName for Node<'_, '_> {
    fn has_tag_name_local(&self, name: &str) -> bool {
        self.is_element() && self.tag_name().name() == name
    }
}

fn descendant<'d, 'i>(node: Node<'d, 'i>, name: &str) -> Option<Node<'d, 'i>> {
    node.descendants()
        .find(|node| node.has_tag_name_local(name))
}

fn content(node: Node<'_, '_>) -> String {
    let texts = node.children().filter_map(|child| child.text());
    texts.collect::<String>().trim().to_owned()
}

fn protocol(daast: bool, version: &str, wrapper: bool) -> i64 {
    let version = version.trim();
    let pick = |inline: i64, wrapped: i64| if wrapper { wrapped } else { inline };
    if daast {
        return pick(DAAST.0, DAAST.1);
    }
    if version.starts_with("1.") {
        return pick(1, 4);
    }
    let known =
        |one: &&(i64, i64, &str)| version == one.2 || one.2.strip_suffix(".0") == Some(version);
    VERSIONS
        .iter()
        .find(known)
        .map_or(0, |(inline, wrapped, _)| pick(*inline, *wrapped))
}

/// `HH:MM:SS` with or without thousandths, rounded up.
fn seconds(text: &str) -> Option<u32> {
    let mut parts = text.trim().splitn(3, ':');
    let mut next = || parts.next();
    let (hours, minutes, rest) = (next()?, next()?, next()?);
    let (whole, fraction) = rest.split_once('.').unwrap_or((rest, "0"));
    let number = |text: &str| text.parse::<u32>().ok().filter(|number| *number < 100);
    let up = u32::from(fraction.bytes().any(|digit| digit != b'0'));
    Some(number(hours)? * 3_600 + number(minutes)? * 60 + number(whole)? + up)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A document around the content of a linear creative.
    pub(crate) fn inline(linear: &str) -> String {
        format!(
            "<VAST version=\"3.0\"><Ad><InLine><AdSystem>x</AdSystem><Impression>https://o/\
             </Impression><Creatives><Creative><Linear>{linear}</Linear></Creative></Creatives>\
             </InLine></Ad></VAST>"
        )
    }

    #[test]
    fn a_document_is_described() {
        let text = inline(
            "<Duration> 00:00:14.5 </Duration><MediaFiles><MediaFile type=\"video/MP4\" \
             bitrate=\"800\"><![CDATA[ https://c/a ]]></MediaFile><MediaFile type=\"video/webm\" \
             bitrate=\"900\">https://c/b</MediaFile></MediaFiles>",
        );
        let told = describe(&text).unwrap();
        assert_eq!(
            (told.protocol, told.duration_s, told.wrapper),
            (3, 15, false)
        );
        assert_eq!(told.mimes, ["video/mp4", "video/webm"]);
        assert_eq!(
            (&*told.file, &told.bitrates[..]),
            ("https://c/a", &[800, 900][..])
        );
    }

    #[test]
    fn what_cannot_be_shown_is_told() {
        let fault = |text: &str| describe(text).unwrap_err().to_string();
        for (text, expected) in [
            ("<VAST", "is not XML"),
            ("https://c/vast", "is not XML"),
            ("<VAST><Ad></VAST>", "is not XML"),
            ("<html/>", "found html"),
            ("<VAST version=\"3.0\"/>", "no Ad"),
            ("<VAST><Ad><InLine/></Ad></VAST>", "without a MediaFile"),
            ("<VAST><Ad><Wrapper/></Ad></VAST>", "without VASTAdTagURI"),
        ] {
            assert!(fault(text).contains(expected), "{text}: {}", fault(text));
        }
    }

    #[test]
    fn versions_are_protocols() {
        for (version, protocols) in [
            ("2.0", [2, 5]),
            ("3", [3, 6]),
            ("4.0", [7, 8]),
            ("4.3", [15, 16]),
            ("9", [0, 0]),
        ] {
            let told = [false, true].map(|wrapper| protocol(false, version, wrapper));
            assert_eq!(told, protocols, "{version}");
        }
        assert_eq!(protocol(true, "1.1", true), 10);
    }

    #[test]
    fn durations_are_read() {
        for (text, expected) in [
            ("00:00:30", Some(30)),
            ("01:01:01.000", Some(3_661)),
            ("00:00:00.1", Some(1)),
            ("30", None),
            ("00:00:-1", None),
        ] {
            assert_eq!(seconds(text), expected, "{text}");
        }
    }
}
