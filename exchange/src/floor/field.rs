//! The values that floor rules match on, read from a request that has been enriched.

use super::Field;
use openrtb::request::{Device, Imp, Publisher, Video};
use openrtb::{BidRequest, Value};
use std::borrow::Cow;

/// The value of a field, `None` where the request has none: only a wildcard matches that.
pub(super) fn value<'a>(
    field: Field,
    request: &BidRequest<'a>,
    imp: &Imp<'a>,
) -> Option<Cow<'a, str>> {
    if field == Field::Size {
        return size(imp).map(|(w, h)| Cow::Owned(format!("{w}x{h}")));
    }
    let text = match field {
        Field::SiteDomain => site_domain(request),
        Field::PubDomain => publisher(request).and_then(|publisher| publisher.domain),
        Field::Domain => site_domain(request)
            .or_else(|| publisher(request).and_then(|publisher| publisher.domain)),
        Field::Bundle => request.app.and_then(|app| app.bundle),
        Field::Channel => at(request.ext, &["prebid", "channel", "name"]),
        Field::MediaType => media_type(imp),
        Field::Size => None,
        Field::GptSlot => gpt_slot(imp),
        Field::AdUnitCode => at(imp.ext, &["gpid"])
            .or(imp.tagid)
            .or_else(|| at(imp.ext, &["data", "pbadslot"]))
            .or_else(|| at(imp.ext, &["prebid", "storedrequest", "id"])),
        Field::Country => request
            .device
            .and_then(|device| device.geo)
            .and_then(|geo| geo.country),
        Field::DeviceType => request.device.and_then(device_type),
    };
    text.filter(|text| !text.is_empty()).map(Cow::Borrowed)
}

fn at<'a>(value: Option<Value<'a>>, path: &[&str]) -> Option<&'a str> {
    path.iter()
        .try_fold(value?, |value, key| value.get(key))?
        .as_str()
}

fn site_domain<'a>(request: &BidRequest<'a>) -> Option<&'a str> {
    request
        .site
        .and_then(|site| site.domain)
        .or_else(|| request.app.and_then(|app| app.domain))
        .or_else(|| request.dooh.and_then(|dooh| dooh.domain))
}

fn publisher<'a>(request: &BidRequest<'a>) -> Option<&'a Publisher<'a>> {
    request
        .site
        .and_then(|site| site.publisher)
        .or_else(|| request.app.and_then(|app| app.publisher))
        .or_else(|| request.dooh.and_then(|dooh| dooh.publisher))
}

fn media_type(imp: &Imp<'_>) -> Option<&'static str> {
    match (imp.banner, imp.video, imp.audio, imp.native) {
        (Some(_), None, None, None) => Some("banner"),
        (None, Some(video), None, None) => Some(if is_instream(video) {
            "video"
        } else {
            "video-outstream"
        }),
        (None, None, Some(_), None) => Some("audio"),
        (None, None, None, Some(_)) => Some("native"),
        _ => None,
    }
}

/// `plcmt` is the newer word and wins; a video that says neither is outstream.
fn is_instream(video: &Video<'_>) -> bool {
    video.plcmt.or(video.placement) == Some(1)
}

fn size(imp: &Imp<'_>) -> Option<(i64, i64)> {
    let sized = |w: Option<i64>, h: Option<i64>| w.zip(h).filter(|(w, h)| *w > 0 && *h > 0);
    match (imp.banner, imp.video) {
        (Some(banner), _) => match banner.format.items() {
            [only] => sized(only.w, only.h),
            _ => sized(banner.w, banner.h),
        },
        (None, Some(video)) => sized(video.w, video.h),
        (None, None) => None,
    }
}

fn gpt_slot<'a>(imp: &Imp<'a>) -> Option<&'a str> {
    if at(imp.ext, &["data", "adserver", "name"]) == Some("gam")
        && let Some(slot) = at(imp.ext, &["data", "adserver", "adslot"])
    {
        return Some(slot);
    }
    at(imp.ext, &["data", "pbadslot"])
}

/// The device's type as the enrichment left it: AdCOM 2 desktop, 4 phone, 5 tablet. The older
/// value 1 is a phone or a tablet, which the user agent tells apart.
fn device_type(device: &Device<'_>) -> Option<&'static str> {
    match device.devicetype? {
        1 if crate::enrich::is_tablet(device.ua.unwrap_or_default()) => Some("tablet"),
        1 | 4 => Some("phone"),
        2 => Some("desktop"),
        5 => Some("tablet"),
        _ => None,
    }
}
