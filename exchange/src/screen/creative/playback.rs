//! Whether a video or audio fits its imp: length, protocol and kinds of media files.
//!
//! What the bid says goes before what its markup says; markup that leads elsewhere says nothing of
//! its files. The markup is searched, not parsed: a player would be stricter.

use super::ensure;
use crate::catalog::Format;
use crate::lot::Lot;
use crate::screen::Loss;
use openrtb::response::Bid;

/// What an imp asks of what is played.
struct Asked<'a> {
    least: Option<i64>,
    most: Option<i64>,
    exact: &'a [i64],
    protocols: &'a [i64],
    mimes: &'a [&'a str],
}

/// Checks the length, which a pod bounds as a whole, and the protocol.
pub(super) fn check(
    lot: &Lot<'_>,
    format: Format,
    bid: &Bid<'_>,
    markup: &str,
) -> Result<(), Loss> {
    let asked = match format {
        Format::Banner | Format::Native => return Ok(()),
        Format::Video => lot.imp.video.map(|video| Asked {
            least: video.minduration,
            most: video.maxduration.or(video.poddur),
            exact: video.rqddurs.items(),
            protocols: video.protocols.items(),
            mimes: video.mimes.items(),
        }),
        Format::Audio => lot.imp.audio.map(|audio| Asked {
            least: audio.minduration,
            most: audio.maxduration.or(audio.poddur),
            exact: audio.rqddurs.items(),
            protocols: audio.protocols.items(),
            mimes: audio.mimes.items(),
        }),
    };
    let Some(asked) = asked else {
        return Ok(());
    };
    if let Some(length) = bid.dur.filter(|length| *length > 0) {
        let within = asked.least.is_none_or(|least| length >= least)
            && asked.most.is_none_or(|most| length <= most);
        let required = asked.exact.is_empty() || asked.exact.contains(&length);
        ensure(within && required, Loss::Duration)?;
    }
    if !asked.protocols.is_empty() {
        let protocol = bid.protocol.or_else(|| protocol(markup));
        let fits = protocol.is_none_or(|protocol| asked.protocols.contains(&protocol));
        ensure(fits, Loss::Protocol)?;
    }
    let mut kinds = media_files(markup).peekable();
    let taken = |kind: &str| {
        let kind = kind.split(';').next().unwrap_or_default().trim();
        asked
            .mimes
            .iter()
            .any(|mime| mime.trim().eq_ignore_ascii_case(kind))
    };
    let any = asked.mimes.is_empty() || kinds.peek().is_none() || kinds.any(taken);
    ensure(any, Loss::Mime)
}

/// The protocol that a VAST document speaks (AdCOM, creative subtypes); `None` where it does not
/// say.
fn protocol(markup: &str) -> Option<i64> {
    let root = elements(markup, "VAST").next()?;
    let inline = match attribute(root, "version")?.trim() {
        "1" | "1.0" => 1,
        "2" | "2.0" => 2,
        "3" | "3.0" => 3,
        "4" | "4.0" => 7,
        "4.1" => 11,
        "4.2" => 13,
        "4.3" => 15,
        _ => return None,
    };
    let wraps = elements(markup, "Wrapper").next().is_some();
    Some(match inline {
        1..=3 if wraps => inline + 3,
        _ if wraps => inline + 1,
        _ => inline,
    })
}

/// The kinds of the media files of a VAST document.
fn media_files(markup: &str) -> impl Iterator<Item = &str> {
    elements(markup, "MediaFile").filter_map(|element| attribute(element, "type"))
}

/// The start tags of an element, from behind its name to its end.
fn elements<'m>(markup: &'m str, name: &'m str) -> impl Iterator<Item = &'m str> {
    markup.split('<').filter_map(move |tag| {
        let rest = tag.strip_prefix(name)?;
        rest.starts_with([' ', '\t', '\r', '\n', '>', '/'])
            .then(|| {
                let end = rest.find('>').unwrap_or(rest.len());
                &rest[..end]
            })
    })
}

/// The value of an attribute in a start tag.
fn attribute<'t>(tag: &'t str, name: &str) -> Option<&'t str> {
    tag.match_indices(name).find_map(|(at, _)| {
        let apart = tag[..at].ends_with([' ', '\t', '\r', '\n']);
        let value = tag[at + name.len()..]
            .trim_start()
            .strip_prefix('=')?
            .trim_start();
        let quote = value
            .chars()
            .next()
            .filter(|quote| matches!(quote, '"' | '\''))?;
        let value = &value[1..];
        apart.then(|| value.find(quote).map(|end| &value[..end]))?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_tells_its_protocol_and_its_files() {
        let inline = |version: &str| format!("<?xml?><VAST version=\"{version}\"><Ad><InLine/>");
        let wrapped = |version: &str| format!("<VAST version='{version}'><Ad><Wrapper id=\"1\">");
        let versions = ["1.0", "2.0", "3.0", "4.0", "4.1", "4.2", "4.3"];
        assert_eq!(
            versions.map(|version| protocol(&inline(version)).unwrap()),
            [1, 2, 3, 7, 11, 13, 15]
        );
        assert_eq!(
            versions.map(|version| protocol(&wrapped(version)).unwrap()),
            [4, 5, 6, 8, 12, 14, 16]
        );
        for silent in [
            "<VAST>",
            "<VASTER version=\"3.0\">",
            "{}",
            "<VAST version=\"9\">",
        ] {
            assert_eq!(protocol(silent), None, "{silent}");
        }
        let files = "<MediaFiles><MediaFile delivery=\"x\" subtype=\"no\" type = 'video/mp4'>\
                     <MediaFile type=\"video/webm; codecs=vp9\"/><MediaFile>";
        let kinds: Vec<&str> = media_files(files).collect();
        assert_eq!(kinds, ["video/mp4", "video/webm; codecs=vp9"]);
    }
}
