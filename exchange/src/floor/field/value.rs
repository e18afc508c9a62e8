//! The values of the fields, read from a request that has been enriched and redacted: a rule
//! sees what buyers see.

use super::{Field, WEEKDAYS};
use openrtb::request::{Device, Imp, Publisher, Video};
use openrtb::{BidRequest, Value};

/// What a rule is matched against.
#[derive(Clone, Copy)]
pub(in crate::floor) struct Subject<'r, 'a> {
    /// The request.
    pub(in crate::floor) request: &'r BidRequest<'a>,
    /// The imp.
    pub(in crate::floor) imp: &'r Imp<'a>,
    /// The partner that is asked; `None` for what everybody is told.
    pub(in crate::floor) partner: Option<&'r str>,
    /// Seconds since 1970 on the publisher's clock.
    pub(in crate::floor) local_s: i64,
}

/// Room for values that are numbers.
pub(in crate::floor) type Buffer = [u8; 48];

/// The value of a field, `None` where the request has none: only a wildcard matches that.
pub(in crate::floor) fn value<'v, 'a: 'v>(
    field: Field,
    subject: Subject<'v, 'a>,
    buffer: &'v mut Buffer,
) -> Option<&'v str> {
    let Subject { request, imp, .. } = subject;
    let text = match field {
        Field::SiteDomain => site_domain(request),
        Field::PubDomain => publisher_domain(request),
        Field::Domain => site_domain(request).or_else(|| publisher_domain(request)),
        Field::Bundle => request.app.and_then(|app| app.bundle),
        Field::Channel => at(request.ext, &["prebid", "channel", "name"]),
        Field::MediaType => media_type(imp),
        Field::Size => {
            let (w, h) = size(imp)?;
            return Some(Digits::new(buffer).number(h).letter(b'x').number(w).text());
        }
        Field::GptSlot => gpt_slot(imp),
        Field::AdUnitCode => filled(at(imp.ext, &["gpid"]))
            .or(filled(imp.tagid))
            .or_else(|| filled(at(imp.ext, &["data", "pbadslot"])))
            .or_else(|| at(imp.ext, &["prebid", "storedrequest", "id"])),
        Field::Country => request
            .device
            .and_then(|device| device.geo)
            .and_then(|geo| geo.country),
        Field::DeviceType => request.device.and_then(device_type),
        Field::Partner => subject.partner,
        Field::Hour => {
            let hour = subject.local_s.rem_euclid(86_400) / 3_600;
            return Some(Digits::new(buffer).number(hour).text());
        }
        Field::Weekday => Some(weekday(subject.local_s)),
        Field::UserKnown => Some(if is_known(request) { "true" } else { "false" }),
        Field::Format => format(imp),
        Field::Viewability => {
            let tens = viewability(imp)?;
            return Some(Digits::new(buffer).number(tens).text());
        }
    };
    filled(text)
}

/// The day of the week, of seconds since 1970 on a clock.
pub(in crate::floor) fn weekday(local_s: i64) -> &'static str {
    // 1 January 1970 was a Thursday.
    let day = (local_s.div_euclid(86_400) + 3).rem_euclid(7);
    WEEKDAYS[day as usize]
}

fn filled(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
}

/// Writes numbers of 0 and more, from the right to the left.
struct Digits<'b> {
    buffer: &'b mut Buffer,
    begin: usize,
}

impl<'b> Digits<'b> {
    fn new(buffer: &'b mut Buffer) -> Self {
        let begin = buffer.len();
        Self { buffer, begin }
    }

    fn letter(mut self, letter: u8) -> Self {
        self.begin -= 1;
        self.buffer[self.begin] = letter;
        self
    }

    fn number(mut self, mut number: i64) -> Self {
        loop {
            self = self.letter(b'0' + (number % 10) as u8);
            number /= 10;
            if number == 0 {
                return self;
            }
        }
    }

    fn text(self) -> &'b str {
        std::str::from_utf8(&self.buffer[self.begin..]).unwrap_or_default()
    }
}

fn at<'a>(value: Option<Value<'a>>, path: &[&str]) -> Option<&'a str> {
    path.iter()
        .try_fold(value?, |value, key| value.get(key))?
        .as_str()
}

fn site_domain<'a>(request: &BidRequest<'a>) -> Option<&'a str> {
    let site = request.site.and_then(|site| filled(site.domain));
    site.or_else(|| request.app.and_then(|app| filled(app.domain)))
        .or_else(|| request.dooh.and_then(|dooh| filled(dooh.domain)))
}

fn publisher_domain<'a>(request: &BidRequest<'a>) -> Option<&'a str> {
    let publisher: Option<&Publisher<'a>> = request
        .site
        .and_then(|site| site.publisher)
        .or_else(|| request.app.and_then(|app| app.publisher))
        .or_else(|| request.dooh.and_then(|dooh| dooh.publisher));
    publisher.and_then(|publisher| publisher.domain)
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

/// AdCOM, video placement subtypes.
fn format(imp: &Imp<'_>) -> Option<&'static str> {
    match (media_type(imp)?, imp.video) {
        (_, Some(video)) => Some(match video.plcmt {
            Some(1) => "video-instream",
            Some(2) => "video-accompanying",
            Some(3) => "video-interstitial",
            Some(4) => "video-standalone",
            _ => "video",
        }),
        (other, None) => Some(other),
    }
}

/// The only format of a banner, else the banner's own size, else the video's.
fn size(imp: &Imp<'_>) -> Option<(i64, i64)> {
    let sized = |w: Option<i64>, h: Option<i64>| w.zip(h).filter(|(w, h)| *w > 0 && *h > 0);
    let only = imp
        .banner
        .and_then(|banner| match banner.format.items() {
            [only] => Some(only),
            _ => None,
        })
        .and_then(|only| sized(only.w, only.h));
    only.or_else(|| imp.banner.and_then(|banner| sized(banner.w, banner.h)))
        .or_else(|| imp.video.and_then(|video| sized(video.w, video.h)))
}

fn gpt_slot<'a>(imp: &Imp<'a>) -> Option<&'a str> {
    let data = imp.ext?.get("data")?;
    let server = data.get("adserver");
    let of_server = |name: &str| server?.get(name)?.as_str();
    if of_server("name") == Some("gam")
        && let Some(slot) = filled(of_server("adslot"))
    {
        return Some(slot);
    }
    data.get("pbadslot")?.as_str()
}

/// The device's type as stated or as the enrichment left it (AdCOM: 2 desktop, 4 phone,
/// 5 tablet, 1 one of the latter), else by its user agent: what is neither a phone nor a tablet
/// is a desktop, since the schema has no other word.
fn device_type(device: &Device<'_>) -> Option<&'static str> {
    let by_agent = || {
        let ua = device.ua.filter(|ua| !ua.is_empty())?;
        Some(if crate::enrich::is_tablet(ua) {
            "tablet"
        } else if ua.contains("Mobi") {
            "phone"
        } else {
            "desktop"
        })
    };
    match device.devicetype {
        Some(1) => by_agent()
            .filter(|kind| *kind == "tablet")
            .or(Some("phone")),
        Some(2) => Some("desktop"),
        Some(4) => Some("phone"),
        Some(5) => Some("tablet"),
        _ => by_agent(),
    }
}

/// Whether buyers are shown an id by which they may know the user.
fn is_known(request: &BidRequest<'_>) -> bool {
    let user = request.user.is_some_and(|user| {
        filled(user.id).is_some()
            || filled(user.buyeruid).is_some()
            || user.eids.iter().any(|eid| !eid.uids.is_empty())
    });
    let device = request.device.and_then(|device| filled(device.ifa));
    // An advertising id of zeros is how a system says that there is none.
    user || device.is_some_and(|ifa| ifa.bytes().any(|byte| !matches!(byte, b'0' | b'-')))
}

fn viewability(imp: &Imp<'_>) -> Option<i64> {
    let metric = imp
        .metric
        .iter()
        .find(|metric| metric.kind == Some("viewability"))?;
    let share = metric.value.filter(|value| (0.0..=1.0).contains(value))?;
    // A share such as 0.3 is a hair less than it says.
    Some((share * 10.0 + 1e-9) as i64 * 10)
}

#[cfg(test)]
mod tests;
