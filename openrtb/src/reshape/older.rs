//! OpenRTB 2.6 to 2.5: what became a field since then goes back under `ext`, and what 2.5 has no
//! place for is left out.
//!
//! `video.plcmt` stays: buyers of every version have come to ask for it by that name.

use super::Rule;

/// Fields with a place under `ext` in 2.5, by the object that they are in.
const UNDER_EXT: [(&str, &[&str]); 5] = [
    ("source", &["schain"]),
    ("regs", &["gdpr", "us_privacy", "gpp", "gpp_sid"]),
    ("user", &["consent", "eids"]),
    ("device", &["sua"]),
    ("imp", &["rwdd"]),
];

/// Fields that 2.5 does not have, by the object that they are in; `""` is the request.
const NEWER: [(&str, &[&str]); 18] = [
    ("", &["dooh", "wlangb", "acat", "cattax"]),
    ("imp", &["ssai", "qty", "dt", "refresh"]),
    (
        "imp.video",
        &[
            "maxseq",
            "poddur",
            "podid",
            "podseq",
            "rqddurs",
            "slotinpod",
            "mincpmpersec",
            "poddedupe",
            "durfloors",
        ],
    ),
    (
        "imp.audio",
        &[
            "poddur",
            "podid",
            "podseq",
            "rqddurs",
            "slotinpod",
            "mincpmpersec",
            "durfloors",
        ],
    ),
    ("imp.pmp.deals", &["guar", "mincpmpersec", "durfloors"]),
    ("site", &["cattax", "kwarray", "inventorypartnerdomain"]),
    ("app", &["cattax", "kwarray", "inventorypartnerdomain"]),
    ("site.publisher", &["cattax"]),
    ("app.publisher", &["cattax"]),
    ("site.content", CONTENT),
    ("app.content", CONTENT),
    ("site.content.producer", &["cattax"]),
    ("app.content.producer", &["cattax"]),
    ("site.content.data", &["cids"]),
    ("app.content.data", &["cids"]),
    ("device", &["langb"]),
    ("user", &["kwarray"]),
    ("user.data", &["cids"]),
];

const CONTENT: &[&str] = &[
    "cattax",
    "kwarray",
    "langb",
    "network",
    "channel",
    "genres",
    "gtax",
    "realtime",
    "firstbroadcast",
];

/// The rules that make a 2.5 request of a 2.6 one.
pub(super) fn rules() -> Vec<Rule> {
    let moved = UNDER_EXT.iter().flat_map(|(object, fields)| {
        fields.iter().map(move |field| Rule::Move {
            from: format!("{object}.{field}"),
            to: format!("{object}.ext.{field}"),
        })
    });
    let removed = NEWER.iter().flat_map(|(object, fields)| {
        fields.iter().map(move |field| {
            Rule::Remove(if object.is_empty() {
                (*field).to_owned()
            } else {
                format!("{object}.{field}")
            })
        })
    });
    moved.chain(removed).collect()
}
