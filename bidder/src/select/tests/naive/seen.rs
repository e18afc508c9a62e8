//! What a request says about each subject, read from plain JSON.

use super::super::NOW_MS;
use super::Seen;
use crate::catalog::{Dimension, Subject, Version};
use serde_json::Value as Json;

struct Document<'d> {
    request: &'d Json,
    imp: &'d Json,
}

impl Document<'_> {
    fn at(&self, pointer: &str) -> Option<&Json> {
        let found = match pointer.strip_prefix("/imp") {
            Some(rest) => self.imp.pointer(rest),
            None => self.request.pointer(pointer),
        };
        found.filter(|value| !value.is_null())
    }

    fn text(&self, pointer: &str) -> Option<String> {
        let text = self.at(pointer)?.as_str()?;
        (!text.is_empty()).then(|| text.to_owned())
    }

    fn list(&self, pointer: &str) -> Vec<Json> {
        let list = self.at(pointer).and_then(Json::as_array);
        list.cloned().unwrap_or_default()
    }

    fn exact(&self, pointer: &str) -> Option<Seen> {
        self.text(pointer).map(|text| Seen::Texts(vec![text]))
    }

    fn lower(&self, pointers: &[&str]) -> Option<Seen> {
        some_texts(
            pointers
                .iter()
                .filter_map(|at| lower(&self.text(at)?))
                .collect(),
        )
    }

    fn codes(&self, pointers: &[&str]) -> Option<Seen> {
        let mut codes = Vec::new();
        for pointer in pointers {
            match self.at(pointer) {
                Some(Json::Array(list)) => codes.extend(list.iter().filter_map(Json::as_i64)),
                Some(value) => codes.extend(value.as_i64()),
                None => {}
            }
        }
        some_numbers(codes)
    }

    /// Beyond the last number of so many bits, it counts as that; below 0 it is none.
    fn number(&self, pointer: &str, bits: u32) -> Option<Seen> {
        let number = self.at(pointer)?.as_i64().filter(|number| *number >= 0)?;
        Some(Seen::Numbers(vec![number.min((1 << bits) - 1)]))
    }

    fn flag(&self, pointer: &str, implied: bool) -> Option<Seen> {
        let flag = self.at(pointer).and_then(Json::as_i64);
        let flag = flag.or(implied.then_some(0))?;
        Some(Seen::Numbers(vec![i64::from(flag == 1)]))
    }

    fn language(&self, first: &str, other: &str) -> Option<Seen> {
        let tag = self.text(first).or_else(|| self.text(other))?;
        some_texts(lower(tag.split('-').next()?).into_iter().collect())
    }

    fn country(&self) -> Option<(&'static str, String)> {
        let places = ["/device/geo", "/user/geo"];
        let geo = places
            .into_iter()
            .find(|geo| self.at(&format!("{geo}/country")).is_some())?;
        let country = match self.text(&format!("{geo}/country"))?.as_str() {
            "fr" => "FRA".to_owned(),
            "US" => "USA".to_owned(),
            other => other.to_owned(),
        };
        Some((geo, country))
    }

    /// Categories at a field, in the taxonomy of another one, with what is above them.
    fn categories(&self, field: &str, taxonomy: &str, default: i64) -> Vec<String> {
        let taxonomy = self.at(taxonomy).and_then(Json::as_i64).unwrap_or(default);
        let ids = self.list(field);
        let mut all = Vec::new();
        for id in ids.iter().filter_map(Json::as_str) {
            all.push(format!("{taxonomy}:{id}"));
            if let (1, Some((above, _))) = (taxonomy, id.split_once('-')) {
                all.push(format!("1:{above}"));
            }
        }
        all
    }

    fn metric(&self, kind: &str, bits: u32) -> Option<Seen> {
        let metrics = self.list("/imp/metric");
        let of_kind = metrics.iter().filter(|metric| metric["type"] == *kind);
        let values = of_kind.map(|metric| (metric["value"].as_f64().unwrap() * 1e3).round() as i64);
        some_numbers(values.map(|value| value.min((1 << bits) - 1)).collect())
    }
}

fn lower(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| format!("lower {}", text.to_lowercase()))
}

fn some_texts(texts: Vec<String>) -> Option<Seen> {
    (!texts.is_empty()).then_some(Seen::Texts(texts))
}

fn some_numbers(numbers: Vec<i64>) -> Option<Seen> {
    (!numbers.is_empty()).then_some(Seen::Numbers(numbers))
}

/// What a request says about a subject; `None` where it says nothing.
pub(super) fn seen(subject: &Subject, request: &Json, imp: &Json) -> Option<Seen> {
    let document = Document { request, imp };
    match subject {
        Subject::Of(dimension) => of_dimension(*dimension, &document),
        Subject::Metric(kind) => document.metric(kind, 20),
        Subject::Ext(path) => {
            let pointer = format!("/{}", path.to_string().replace('.', "/"));
            let text = |value: &Json| match value {
                Json::String(text) => text.clone(),
                other => other.to_string(),
            };
            Some(Seen::Texts(match document.at(&pointer)? {
                Json::Array(list) => list.iter().map(text).collect(),
                value => vec![text(value)],
            }))
        }
    }
}

fn of_dimension(dimension: Dimension, document: &Document<'_>) -> Option<Seen> {
    let content = |field: &str| format!("/site/content/{field}");
    match dimension {
        Dimension::Exchange => Some(Seen::Texts(vec!["demo".to_owned()])),
        Dimension::Geo => {
            let (geo, country) = document.country()?;
            let region = document.text(&format!("{geo}/region"));
            let region = region.map(|region| region.replace("FR-", ""));
            let region = region.map(|region| format!("{country}-{region}"));
            Some(Seen::Texts(
                [Some(country), region].into_iter().flatten().collect(),
            ))
        }
        Dimension::Metro => document.exact("/device/geo/metro"),
        Dimension::City => {
            let (geo, country) = document.country()?;
            let city = document.text(&format!("{geo}/city"))?;
            some_texts(
                lower(&format!("{country}:{}", city.trim()))
                    .into_iter()
                    .collect(),
            )
        }
        Dimension::PostalCode => {
            let (geo, country) = document.country()?;
            let zip = document
                .text(&format!("{geo}/zip"))?
                .replace(' ', "")
                .to_lowercase();
            let place = |zip: &str| format!("lower {}:{zip}", country.to_lowercase());
            let starts = (1..=zip.len()).map(|end| format!("{}*", place(&zip[..end])));
            Some(Seen::Texts(starts.chain([place(&zip)]).collect()))
        }
        Dimension::Radius => {
            let at = |field: &str| document.at(&format!("/device/geo/{field}"))?.as_f64();
            let (lat, lon) = (at("lat")?, at("lon")?);
            (lat <= 90.0).then_some(Seen::Point(lat, lon))
        }
        Dimension::UserHour => {
            let offset = document.at("/device/geo/utcoffset")?.as_i64()?;
            let minutes = NOW_MS / 60_000 + offset;
            // Day 4 after 1970-01-01, a Thursday, was a Monday.
            let hour = (minutes - 4 * 1_440).rem_euclid(7 * 1_440) / 60;
            (offset.abs() <= 840).then(|| Seen::Numbers(vec![hour]))
        }
        Dimension::Inventory => {
            let bundle = document
                .text("/app/bundle")
                .map(|bundle| format!("bundle {bundle}"));
            let page = document.text("/site/page");
            let page = page.map(|page| {
                page["https://".len()..]
                    .split(':')
                    .next()
                    .unwrap()
                    .to_owned()
            });
            let host = document
                .text("/site/domain")
                .or(page)
                .map(|host| host.to_lowercase());
            let mut all: Vec<String> = bundle.into_iter().collect();
            if let Some(host) = host {
                let starts = host.match_indices('.').map(|(at, _)| at + 1).chain([0]);
                all.extend(starts.map(|at| format!("lower {}", &host[at..])));
            }
            some_texts(all)
        }
        Dimension::Publisher => {
            let site = document.at("/site/publisher").is_some();
            document.exact(if site {
                "/site/publisher/id"
            } else {
                "/app/publisher/id"
            })
        }
        Dimension::DeviceType => document.codes(&["/device/devicetype"]),
        Dimension::Make => document.lower(&["/device/make"]),
        Dimension::Model => {
            let hinted = document.lower(&["/device/sua/model"]);
            hinted.or_else(|| document.lower(&["/device/model"]))
        }
        Dimension::OperatingSystem | Dimension::Browser => software(dimension, document),
        Dimension::Carrier => document.lower(&["/device/carrier", "/device/mccmnc"]),
        Dimension::Connection => {
            let known = document.at("/device/connectiontype")? != 0;
            document
                .codes(&["/device/connectiontype"])
                .filter(|_| known)
        }
        Dimension::Language => document.language("/device/language", "/device/langb"),
        Dimension::Audience | Dimension::Slot => panic!("no rule is about it"),
        Dimension::Seat => {
            let seats = document.list("/wseat");
            some_texts(
                seats
                    .iter()
                    .map(|seat| seat.as_str().unwrap().to_owned())
                    .collect(),
            )
        }
        Dimension::SupplyNodes => {
            document.at("/source/schain")?;
            Some(Seen::Numbers(vec![
                document.list("/source/schain/nodes").len() as i64,
            ]))
        }
        Dimension::SupplyComplete => document.flag("/source/schain/complete", false),
        Dimension::SupplyMember => {
            let mut all = Vec::new();
            for node in document.list("/source/schain/nodes") {
                let (asi, sid) = (node["asi"].as_str().unwrap(), node["sid"].as_str().unwrap());
                all.extend(lower(asi));
                all.extend(lower(&format!("{asi}/{sid}")));
            }
            some_texts(all)
        }
        Dimension::Category => {
            let mut all = document.categories("/site/cat", "/site/cattax", 1);
            all.extend(document.categories("/site/sectioncat", "/site/cattax", 1));
            all.extend(document.categories("/site/pagecat", "/site/cattax", 1));
            all.extend(document.categories(&content("cat"), &content("cattax"), 1));
            some_texts(all)
        }
        Dimension::Section => {
            some_texts(document.categories("/site/sectioncat", "/site/cattax", 1))
        }
        Dimension::PageCategory => {
            some_texts(document.categories("/site/pagecat", "/site/cattax", 1))
        }
        Dimension::Keyword => {
            let text = document.text("/site/keywords").unwrap_or_default();
            let listed = document.list("/site/kwarray");
            let listed = listed.iter().map(|word| word.as_str().unwrap());
            some_texts(text.split(',').chain(listed).filter_map(lower).collect())
        }
        Dimension::Genre => {
            let mut all = document.categories(&content("genres"), &content("gtax"), 9);
            all = all
                .into_iter()
                .map(|genre| format!("lower {genre}"))
                .collect();
            let text = document.text(&content("genre")).unwrap_or_default();
            all.extend(text.split(',').filter_map(lower));
            some_texts(all)
        }
        Dimension::Rating => document.lower(&[&content("contentrating")]),
        Dimension::MediaRating => document.codes(&[&content("qagmediarating")]),
        Dimension::Livestream => document.flag(&content("livestream"), false),
        Dimension::Series => document.lower(&[&content("series")]),
        Dimension::Channel => document.lower(&[&content("channel/id"), &content("channel/name")]),
        Dimension::Network => document.lower(&[&content("network/id"), &content("network/domain")]),
        Dimension::ContentLength => document.number(&content("len"), 16),
        Dimension::ContentLanguage => document.language(&content("language"), "/none"),
        Dimension::ContentContext => document.codes(&[&content("context")]),
        Dimension::Venue => {
            some_texts(document.categories("/dooh/venuetype", "/dooh/venuetypetax", 1))
        }
        Dimension::Placement => document.exact("/imp/tagid"),
        Dimension::Position => {
            let positions = [
                document.at("/imp/banner/pos"),
                document.at("/imp/video/pos"),
            ];
            let positions = positions.into_iter().flatten().filter_map(Json::as_i64);
            some_numbers(positions.filter(|position| *position != 0).collect())
        }
        Dimension::Interstitial => document.flag("/imp/instl", true),
        Dimension::Rewarded => document.flag("/imp/rwdd", true),
        Dimension::Ratio => {
            let side = |pointer: &str| document.at(pointer).and_then(Json::as_i64);
            let mut all: Vec<(i64, i64)> = side("/imp/video/w")
                .zip(side("/imp/video/h"))
                .into_iter()
                .collect();
            for one in document.list("/imp/banner/format") {
                let of = |w: &str, h: &str| one[w].as_i64().zip(one[h].as_i64());
                all.extend(of("w", "h"));
                all.extend(of("wratio", "hratio"));
            }
            let common = |(w, h): &(i64, i64)| {
                (1..=*w)
                    .rev()
                    .find(|by| w % by == 0 && h % by == 0)
                    .unwrap()
            };
            some_numbers(
                all.iter()
                    .map(|both| ((both.0 / common(both)) << 32) | (both.1 / common(both)))
                    .collect(),
            )
        }
        Dimension::Deal => {
            let deals = document.list("/imp/pmp/deals");
            some_texts(
                deals
                    .iter()
                    .map(|deal| deal["id"].as_str().unwrap().to_owned())
                    .collect(),
            )
        }
        Dimension::PlayerWidth => document.number("/imp/video/w", 14),
        Dimension::VideoDuration => document.number("/imp/video/maxduration", 16),
        Dimension::VideoPlcmt => document.codes(&["/imp/video/plcmt"]),
        Dimension::VideoProtocol => document.codes(&["/imp/video/protocols"]),
        Dimension::VideoLinearity => document.codes(&["/imp/video/linearity"]),
        Dimension::VideoSkippable => document.flag("/imp/video/skip", false),
        Dimension::VideoPlayback => document.codes(&["/imp/video/playbackmethod"]),
        Dimension::VideoStart | Dimension::AudioStart => {
            let kind = if dimension == Dimension::VideoStart {
                "video"
            } else {
                "audio"
            };
            let delay = document.at(&format!("/imp/{kind}/startdelay"))?.as_i64()?;
            Some(Seen::Numbers(vec![if delay > 0 { -1 } else { delay }]))
        }
        Dimension::AudioDuration => document.number("/imp/audio/maxduration", 16),
        Dimension::AudioProtocol => document.codes(&["/imp/audio/protocols"]),
        Dimension::AudioFeed => document.codes(&["/imp/audio/feed"]),
        Dimension::Viewability => document.metric("viewability", 10),
    }
}

fn software(dimension: Dimension, document: &Document<'_>) -> Option<Seen> {
    let brand = |one: &Json| {
        let parts = one["version"].as_array().unwrap().iter();
        let version: Vec<&str> = parts.map(|part| part.as_str().unwrap()).collect();
        (
            one["brand"].as_str().unwrap().to_owned(),
            Version::lowest(&version.join(".")),
        )
    };
    let agent = document.text("/device/ua").unwrap_or_default();
    let from_agent = |iphone: (&str, &str), windows: (&str, &str)| {
        let known = if agent.contains("iPhone") {
            iphone
        } else if agent.contains("Edg/") {
            windows
        } else {
            return None;
        };
        Some(Seen::Software(vec![(
            known.0.to_owned(),
            Version::lowest(known.1),
        )]))
    };
    if dimension == Dimension::Browser {
        let hinted = document.list("/device/sua/browsers");
        if !hinted.is_empty() {
            return Some(Seen::Software(hinted.iter().map(brand).collect()));
        }
        return from_agent(("safari", "16.4"), ("edge", "118"));
    }
    if let Some(platform) = document.at("/device/sua/platform") {
        return Some(Seen::Software(vec![brand(platform)]));
    }
    if let Some(os) = document.text("/device/os") {
        let version = document.text("/device/osv");
        let version = version.and_then(|version| Version::lowest(&version));
        return Some(Seen::Software(vec![(os, version)]));
    }
    from_agent(("ios", "16.4"), ("windows", "10"))
}
