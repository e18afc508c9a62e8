//! What is wrong with a creative, each fault at its place.

use super::{Creative, Review};
use crate::fault::Fault;
use crate::model::is_category;
use crate::resource::terms::Format;
use bidder::vast;

pub(super) fn check(creative: &Creative, faults: &mut Vec<Fault>) {
    if creative.adomain.is_empty() {
        let detail = "expected at least one domain of the advertiser";
        faults.push(Fault::new("/adomain", detail));
    }
    if let Some(content) = content(creative, faults) {
        match (creative.format, content) {
            (Format::Banner, "/adm") => sides(creative, faults),
            (Format::Native, "/native") => native(creative, faults),
            (Format::Video | Format::Audio, "/adm") => markup(creative, faults),
            (Format::Video | Format::Audio, "/vast_tag") => tag(creative, faults),
            (Format::Video | Format::Audio, "/media") => files(creative, faults),
            (format, other) => {
                let detail = format!("is no content of {}: {}", format.word(), allowed(format));
                faults.push(Fault::new(other, detail));
            }
        }
    }
    categories(creative, faults);
    approvals(creative, faults);
}

fn allowed(format: Format) -> &'static str {
    match format {
        Format::Banner => "give adm",
        Format::Native => "give native",
        Format::Video | Format::Audio => "give adm, media or vast_tag",
    }
}

/// The one content, or a fault for each that is too many.
fn content(creative: &Creative, faults: &mut Vec<Fault>) -> Option<&'static str> {
    let given = [
        ("/adm", creative.adm.is_some()),
        ("/media", !creative.media.is_empty()),
        ("/vast_tag", creative.vast_tag.is_some()),
        ("/native", creative.native.is_some()),
    ];
    let mut given = given
        .into_iter()
        .filter(|(_, given)| *given)
        .map(|(at, _)| at);
    let Some(first) = given.next() else {
        let detail = format!("there is nothing to show: {}", allowed(creative.format));
        faults.push(Fault::new("/adm", detail));
        return None;
    };
    let mut only = Some(first);
    for other in given {
        let detail = format!("stands beside {}, a creative has one content", &first[1..]);
        faults.push(Fault::new(other, detail));
        only = None;
    }
    only
}

fn sides(creative: &Creative, faults: &mut Vec<Fault>) {
    for (pointer, side) in [("/w", creative.w), ("/h", creative.h)] {
        if side.is_none() {
            faults.push(Fault::new(pointer, "is required for a banner"));
        }
    }
}

/// VAST or DAAST that the advertiser gives must say, or have said beside it, what players ask.
fn markup(creative: &Creative, faults: &mut Vec<Fault>) {
    let Some(adm) = &creative.adm else { return };
    let told = match vast::describe(&adm.0) {
        Ok(told) => told,
        Err(fault) => return faults.push(Fault::new("/adm", fault.to_string())),
    };
    let missing = [
        (
            "/protocol",
            told.protocol == 0 && creative.protocol.is_none(),
        ),
        ("/mime", told.mimes.is_empty() && creative.mime.is_none()),
        (
            "/duration_s",
            told.duration_s == 0 && creative.duration_s.is_none(),
        ),
    ];
    for (pointer, _) in missing.into_iter().filter(|(_, missing)| *missing) {
        faults.push(Fault::new(
            pointer,
            "is required, the markup does not say it",
        ));
    }
    if let Some(own) = creative.duration_s.filter(|_| told.duration_s > 0)
        && own.0 != told.duration_s
    {
        let detail = format!(
            "expected {} as the markup says, found {}",
            told.duration_s, own.0
        );
        faults.push(Fault::new("/duration_s", detail));
    }
}

fn tag(creative: &Creative, faults: &mut Vec<Fault>) {
    let missing = [
        ("/mime", creative.mime.is_none()),
        ("/duration_s", creative.duration_s.is_none()),
    ];
    for (pointer, _) in missing.into_iter().filter(|(_, missing)| *missing) {
        let detail = "is required, since players ask for it and the tag does not say it";
        faults.push(Fault::new(pointer, detail));
    }
}

fn files(creative: &Creative, faults: &mut Vec<Fault>) {
    if creative.duration_s.is_none() {
        faults.push(Fault::new("/duration_s", "is required for media files"));
    }
    for (index, file) in creative.media.iter().enumerate() {
        let mime = &file.mime.0;
        let expected = match creative.format {
            Format::Audio => "audio/",
            Format::Video | Format::Banner | Format::Native => "video/",
        };
        let script = creative.format == Format::Video && mime == "application/javascript";
        if !mime.starts_with(expected) && !script {
            let detail = format!("expected a type of {expected}…, found {mime}");
            faults.push(Fault::new(format!("/media/{index}/mime"), detail));
        }
        if creative.format == Format::Video && (file.w.is_none() || file.h.is_none()) {
            let name = if file.w.is_none() { "w" } else { "h" };
            let pointer = format!("/media/{index}/{name}");
            faults.push(Fault::new(pointer, "is required for a video file"));
        }
    }
}

fn native(creative: &Creative, faults: &mut Vec<Fault>) {
    let Some(native) = &creative.native else {
        return;
    };
    let nothing = native.titles.is_empty()
        && native.images.is_empty()
        && native.data.is_empty()
        && native.video.is_none();
    if nothing {
        let detail = "expected at least one of titles, images, data, video";
        faults.push(Fault::new("/native", detail));
    }
    let Some(video) = &native.video else { return };
    match vast::describe(&video.vast.0) {
        Err(fault) => faults.push(Fault::new("/native/video/vast", fault.to_string())),
        Ok(told) => {
            let missing = [
                ("mime", told.mimes.is_empty() && video.mime.is_none()),
                (
                    "duration_s",
                    told.duration_s == 0 && video.duration_s.is_none(),
                ),
            ];
            for (name, _) in missing.into_iter().filter(|(_, missing)| *missing) {
                let pointer = format!("/native/video/{name}");
                faults.push(Fault::new(pointer, "is required, the VAST does not say it"));
            }
        }
    }
}

fn categories(creative: &Creative, faults: &mut Vec<Fault>) {
    for (index, cat) in creative.cat.iter().enumerate() {
        let first = creative.cattax.0 == 1;
        if first != is_category(&cat.0) {
            let detail = if first {
                format!(
                    "expected a category such as IAB2 or IAB2-3, found {}",
                    cat.0
                )
            } else {
                format!(
                    "{} is of taxonomy 1, cattax says {}",
                    cat.0, creative.cattax.0
                )
            };
            faults.push(Fault::new(format!("/cat/{index}"), detail));
        }
    }
}

fn approvals(creative: &Creative, faults: &mut Vec<Fault>) {
    let all = creative.approvals.as_deref().unwrap_or_default();
    for (index, one) in all.iter().enumerate() {
        let same = |other: &&super::Approval| {
            (&other.exchange, other.revision) == (&one.exchange, one.revision)
        };
        if all[..index].iter().any(|other| same(&other)) {
            let (exchange, revision) = (&one.exchange.0, one.revision.0);
            let detail = format!("revision {revision} is judged twice for {exchange}");
            faults.push(Fault::new(format!("/approvals/{index}"), detail));
        }
        if one.state == Review::Rejected && one.reason.is_none() {
            let pointer = format!("/approvals/{index}/reason");
            faults.push(Fault::new(pointer, "is required for a rejection"));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::resource::{Kind, Resource};
    use serde_json::{Value, json};

    const VAST: &str = "<VAST version=\"3.0\"><Ad><InLine><Creatives><Creative><Linear><Duration>\
        00:00:15</Duration><MediaFiles><MediaFile type=\"video/mp4\">https://c.example/v\
        </MediaFile></MediaFiles></Linear></Creative></Creatives></InLine></Ad></VAST>";

    fn told(format: &str, change: &Value) -> Vec<String> {
        let mut body = json!({"advertiser": "adv_a", "format": format,
            "adomain": ["a.example"], "landing_page": "https://a.example/"});
        for (name, value) in change.as_object().unwrap() {
            body[name] = value.clone();
        }
        let faults = Resource::read(Kind::Creative, &body)
            .err()
            .unwrap_or_default();
        assert!(faults.iter().all(|fault| !fault.detail.is_empty()));
        faults.into_iter().map(|fault| fault.pointer).collect()
    }

    #[test]
    fn each_content_is_taken_in_its_format() {
        let image = json!({"kind": "main", "url": "https://c.example/i", "w": 600, "h": 300});
        let file = json!({"url": "https://c.example/v", "mime": "video/mp4", "w": 640, "h": 360});
        let sound = json!({"url": "https://c.example/a", "mime": "audio/mpeg"});
        for (format, body) in [
            (
                "banner",
                json!({"adm": "<b>", "w": 300, "h": 250, "api": [5], "attr": [3]}),
            ),
            ("video", json!({"adm": VAST})),
            ("video", json!({"media": [file], "duration_s": 15})),
            (
                "video",
                json!({"vast_tag": "https://o.example/", "mime": "video/mp4",
                "duration_s": 15}),
            ),
            (
                "audio",
                json!({"media": [sound], "duration_s": 15, "language": "fr-CA"}),
            ),
            (
                "native",
                json!({"native": {"titles": ["Title"], "images": [image],
                "video": {"vast": VAST}}, "cat": ["52"], "cattax": 7}),
            ),
        ] {
            assert_eq!(told(format, &body), Vec::<String>::new(), "{format} {body}");
        }
    }

    #[test]
    fn each_fault_has_its_place() {
        let wrapper = "<VAST><Ad><Wrapper><VASTAdTagURI>https://o/</VASTAdTagURI></Wrapper></Ad>\
                       </VAST>";
        let cases: [(&str, Value, &[&str]); 17] = [
            ("banner", json!({}), &["/adm"]),
            ("banner", json!({"adm": "<b>"}), &["/w", "/h"]),
            (
                "banner",
                json!({"adm": "<b>", "vast_tag": "https://o/", "native": {}}),
                &["/vast_tag", "/native"],
            ),
            ("native", json!({"adm": "{}"}), &["/adm"]),
            ("native", json!({"native": {}}), &["/native"]),
            (
                "native",
                json!({"native": {"video": {"vast": "x"}}}),
                &["/native/video/vast"],
            ),
            (
                "native",
                json!({"native": {"images": [{"kind": "main", "w": 0}]}}),
                &[
                    "/native/images/0/url",
                    "/native/images/0/w",
                    "/native/images/0/h",
                ],
            ),
            ("video", json!({"adm": "https://o.example/vast"}), &["/adm"]),
            (
                "video",
                json!({"adm": "<VAST version=\"3.0\"/>"}),
                &["/adm"],
            ),
            (
                "video",
                json!({"adm": wrapper}),
                &["/protocol", "/mime", "/duration_s"],
            ),
            (
                "video",
                json!({"adm": VAST, "duration_s": 30}),
                &["/duration_s"],
            ),
            (
                "video",
                json!({"vast_tag": "https://o.example/"}),
                &["/mime", "/duration_s"],
            ),
            (
                "video",
                json!({"media": [{"url": "https://o/", "mime": "audio/mp4"}]}),
                &["/duration_s", "/media/0/mime", "/media/0/w"],
            ),
            (
                "audio",
                json!({"media": [{"url": "https://o/", "mime": "video/mp4"}],
                "duration_s": 9}),
                &["/media/0/mime"],
            ),
            ("video", json!({"adm": VAST, "cat": ["52"]}), &["/cat/0"]),
            (
                "video",
                json!({"adm": VAST, "cat": ["52", "IAB2"], "cattax": 7}),
                &["/cat/1"],
            ),
            (
                "video",
                json!({"adm": VAST, "language": "french", "approvals": [
                {"exchange": "x", "revision": 1, "state": "rejected"},
                {"exchange": "x", "revision": 1, "state": "perhaps"}]}),
                &["/language", "/approvals/1/state"],
            ),
        ];
        for (format, body, pointers) in cases {
            assert_eq!(told(format, &body), pointers, "{format} {body}");
        }
        let twice = json!({"adm": VAST, "approvals": [
            {"exchange": "x", "revision": 1, "state": "rejected"},
            {"exchange": "x", "revision": 1, "state": "approved"}]});
        assert_eq!(
            told("video", &twice),
            ["/approvals/0/reason", "/approvals/1"]
        );
    }
}
