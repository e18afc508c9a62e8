//! Documents made from media files or from another server's address, in every version that
//! players ask for.

use super::inject::tracking;
use super::{DAAST, VERSIONS};
use crate::catalog::{Creative, File, Format, Template};
use std::fmt::Write as _;

/// A document for each protocol, the preferred one first.
pub(crate) fn written(creative: &Creative, template: &Template) -> Vec<(i64, String)> {
    let video = VERSIONS
        .iter()
        .map(|(inline, wrapper, version)| (*inline, *wrapper, *version));
    let audio = (creative.format == Format::Audio).then_some((DAAST.0, DAAST.1, "1.0"));
    let all = video.chain(audio);
    all.map(|(inline, wrapper, version)| {
        let root = if inline == DAAST.0 { "DAAST" } else { "VAST" };
        match template {
            Template::Files(files) => (inline, in_line(creative, files, root, version)),
            Template::Tag(tag) => (wrapper, wrapped(creative, tag, root, version)),
        }
    })
    .collect()
}

fn in_line(creative: &Creative, files: &[File], root: &str, version: &str) -> String {
    let id = attribute(crid(creative));
    let fourth = version.starts_with('4');
    let serving = if fourth && version != "4.0" {
        "<AdServingId>${CACHEBUSTER}</AdServingId>"
    } else {
        ""
    };
    let viewable = if fourth {
        "<ViewableImpression><Viewable><![CDATA[${VIEW_URL}]]></Viewable></ViewableImpression>"
    } else {
        ""
    };
    let universal = match version {
        "4.0" => {
            format!("<UniversalAdId idRegistry=\"unknown\" idValue=\"{id}\">{id}</UniversalAdId>")
        }
        _ if fourth => format!("<UniversalAdId idRegistry=\"unknown\">{id}</UniversalAdId>"),
        _ => String::new(),
    };
    let mut media = String::new();
    for file in files {
        let sides = match file.w {
            0 => String::new(),
            w => format!(" width=\"{w}\" height=\"{}\"", file.h),
        };
        let rate = match file.bitrate_kbps {
            0 => String::new(),
            rate => format!(" bitrate=\"{rate}\""),
        };
        let written = write!(
            media,
            "<MediaFile delivery=\"progressive\" type=\"{}\"{sides}{rate}>{}</MediaFile>",
            attribute(&file.mime),
            cdata(&file.url)
        );
        written.expect("writing to a text never fails");
    }
    let seconds = creative.media.duration_s;
    let (hours, minutes, rest) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    format!(
        "<{root} version=\"{version}\"><Ad id=\"{id}\"><InLine><AdSystem>Gavel</AdSystem>\
         <AdTitle>{id}</AdTitle>{serving}<Impression><![CDATA[${{IMP_URL}}]]></Impression>\
         {viewable}<Creatives><Creative id=\"{id}\">{universal}<Linear>\
         <Duration>{hours:02}:{minutes:02}:{rest:02}</Duration>\
         <TrackingEvents>{}</TrackingEvents>\
         <VideoClicks><ClickThrough><![CDATA[${{CLICK_URL}}]]></ClickThrough></VideoClicks>\
         <MediaFiles>{media}</MediaFiles></Linear></Creative></Creatives></InLine></Ad></{root}>",
        tracking()
    )
}

fn wrapped(creative: &Creative, tag: &str, root: &str, version: &str) -> String {
    let id = attribute(crid(creative));
    format!(
        "<{root} version=\"{version}\"><Ad id=\"{id}\"><Wrapper><AdSystem>Gavel</AdSystem>\
         <{root}AdTagURI>{}</{root}AdTagURI><Impression><![CDATA[${{IMP_URL}}]]></Impression>\
         <Creatives><Creative><Linear><TrackingEvents>{}</TrackingEvents><VideoClicks>\
         <ClickTracking><![CDATA[${{CLICK_URL}}]]></ClickTracking></VideoClicks></Linear>\
         </Creative></Creatives></Wrapper></Ad></{root}>",
        cdata(tag),
        tracking()
    )
}

fn crid(creative: &Creative) -> &str {
    if creative.crid.is_empty() {
        &creative.id
    } else {
        &creative.crid
    }
}

/// An address as character data. No address has the sign that ends a section.
fn cdata(address: &str) -> String {
    format!("<![CDATA[{}]]>", address.replace('>', "%3E"))
}

fn attribute(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vast::describe;

    fn creative(format: Format) -> Creative {
        let mut creative = Creative {
            id: "cr_\"<1>".to_owned(),
            format,
            ..Creative::default()
        };
        creative.media.duration_s = 3_675;
        creative
    }

    #[test]
    fn every_version_says_what_it_was_made_of() {
        let file = |name: &str, bitrate_kbps| File {
            url: format!("https://c.example/{name}?a=1&b=<]]>"),
            mime: format!("video/{name}"),
            w: 640,
            h: 360,
            bitrate_kbps,
        };
        let files = Template::Files(vec![file("mp4", 800), file("webm", 900)]);
        let all = written(&creative(Format::Video), &files);
        assert_eq!(all.len(), VERSIONS.len());
        for (protocol, text) in all {
            let told = describe(&text).unwrap_or_else(|fault| panic!("{fault}: {text}"));
            assert_eq!((told.protocol, told.wrapper), (protocol, false), "{text}");
            assert_eq!((told.duration_s, told.bitrates), (3_675, vec![800, 900]));
            assert_eq!(told.mimes, ["video/mp4", "video/webm"]);
            assert_eq!(told.file, "https://c.example/mp4?a=1&b=<]]%3E");
            for name in ["${IMP_URL}", "${CLICK_URL}", "${VIEW_URL}&e=midpoint"] {
                assert!(text.contains(name), "{name}");
            }
        }
    }

    #[test]
    fn a_wrapper_leads_to_its_tag_and_audio_speaks_daast_too() {
        let tag = Template::Tag("https://o.example/?a=1&b=2".to_owned());
        let all = written(&creative(Format::Audio), &tag);
        assert_eq!(all.len(), VERSIONS.len() + 1);
        for (protocol, text) in all {
            let told = describe(&text).unwrap_or_else(|fault| panic!("{fault}: {text}"));
            assert_eq!((told.protocol, told.wrapper), (protocol, true), "{text}");
            assert_eq!(told.file, "https://o.example/?a=1&b=2");
        }
    }
}
