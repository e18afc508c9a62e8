//! Intake: bytes to a request that is valid, and the request to [`Features`], that is to the
//! index's own numbers and the user's segments.
//!
//! Leniency: a country may come as alpha-2, a host in capitals, a site without a domain when its
//! page has one. Consent: no id of a user is looked at under COPPA, no advertising id under
//! `lmt`; what consent strings say is not read here.

use crate::catalog::Format;
use crate::index::{Dimension, Index, slot};
use audience::{IdKind, KeySeed, Lookup, SegmentId, SegmentSet, UserKey};
use ledger::Multiplier;
use openrtb::request::{Banner, Device, Geo, Imp};
use openrtb::{BidRequest, Fault, Flag, Keep, Limits, Problem, Scratch, validate};

/// Longest id of a request or imp, in bytes.
const MAX_ID: usize = 256;
/// Most ids of a user that are looked up.
const MAX_KEYS: usize = 16;
/// Most segments of a user that are looked at.
const MAX_SEGMENTS: usize = 1024;
/// Longest host name, in bytes.
const MAX_HOST: usize = 253;

/// Decodes and validates a request.
///
/// # Errors
/// The fault, with the path of its field.
pub(crate) fn decode<'a>(
    scratch: &'a mut Scratch,
    body: &[u8],
    limits: Limits,
) -> Result<BidRequest<'a>, Fault> {
    let request: BidRequest<'a> = scratch.decode(body, limits, Keep::Known)?;
    validate::request(&request)?;
    short_ids(&request)?;
    Ok(request)
}

/// Ids of auctions and imps travel whole in signed tokens.
fn short_ids(request: &BidRequest<'_>) -> Result<(), Fault> {
    let long = |id: Option<&str>| id.is_some_and(|id| id.len() > MAX_ID);
    let field = if long(request.id) {
        "id".to_owned()
    } else if let Some(index) = request.imp.iter().position(|imp| long(imp.id)) {
        format!("imp[{index}].id")
    } else {
        return Ok(());
    };
    let problem = format!("longer than {MAX_ID} bytes");
    Err(Fault::at(field, Problem::Value(problem)))
}

/// A request in the index's own numbers, reused from request to request.
#[derive(Debug)]
pub(crate) struct Features {
    values: Vec<u32>,
    ends: [u32; Dimension::ALL.len()],
    keys: Vec<UserKey>,
    segments: SegmentSet,
}

impl Default for Features {
    fn default() -> Self {
        Self {
            values: Vec::with_capacity(128),
            ends: [0; Dimension::ALL.len()],
            keys: Vec::with_capacity(MAX_KEYS),
            segments: SegmentSet::with_limit(MAX_SEGMENTS),
        }
    }
}

impl Features {
    /// The values of the request that any line item mentions.
    #[inline]
    pub(crate) fn values(&self, dimension: Dimension) -> &[u32] {
        let place = dimension as usize;
        let start = if place == 0 { 0 } else { self.ends[place - 1] };
        &self.values[start as usize..self.ends[place] as usize]
    }

    /// Whether the user is in any segment of the group.
    pub(crate) fn in_any(&self, group: &[SegmentId]) -> bool {
        group.iter().any(|segment| self.segments.contains(*segment))
    }

    /// Whether the user has more segments than are looked at, so that absence proves nothing.
    pub(crate) fn segments_dropped(&self) -> bool {
        self.segments.dropped() > 0
    }

    /// The key under which impressions of the user are counted.
    pub(crate) fn user(&self) -> Option<UserKey> {
        self.keys.first().copied()
    }

    /// Reads a request that came from `exchange`.
    pub(crate) fn read(
        &mut self,
        request: &BidRequest<'_>,
        exchange: &str,
        index: &Index,
        lookup: &Lookup,
        seed: KeySeed,
    ) {
        self.keys.clear();
        self.values.clear();
        read_keys(request, seed, &mut self.keys);
        lookup.segments_of(&self.keys, &mut self.segments);
        for dimension in Dimension::ALL {
            let values = &mut self.values;
            match dimension {
                Dimension::Geo => read_geo(request, index, values),
                Dimension::Inventory => read_inventory(request, index, values),
                Dimension::DeviceType => {
                    let kind = request.device.and_then(|device| device.devicetype);
                    values.extend(kind.and_then(|kind| index.device_types.get(&kind)));
                }
                Dimension::OperatingSystem => {
                    let os = request.device.and_then(|device| device.os);
                    with_lower(os.unwrap_or_default(), |os| {
                        values.extend(index.operating_systems.get(os));
                    });
                }
                Dimension::Audience => {
                    let segments = self.segments.as_slice();
                    values.extend(segments.iter().filter_map(|id| index.segments.get(id)));
                }
                Dimension::Exchange => values.extend(index.exchanges.get(exchange)),
                Dimension::Publisher => {
                    let publisher = publisher(request);
                    values.extend(publisher.and_then(|id| index.publishers.get(id)));
                }
                Dimension::Slot => {
                    request
                        .imp
                        .iter()
                        .for_each(|imp| read_slots(imp, index, values));
                    distinct(values, self.ends[Dimension::Publisher as usize] as usize);
                }
                Dimension::Placement => {}
            }
            self.ends[dimension as usize] = self.values.len() as u32;
        }
    }
}

/// How many impressions a showing of the imp counts for; `None` where that is no number of them
/// that anybody should pay for.
pub(crate) fn multiplier(imp: &Imp<'_>) -> Option<Multiplier> {
    match imp.qty.and_then(|quantity| quantity.multiplier) {
        None => Some(Multiplier::ONE),
        Some(told) => openrtb::decimal::from_f64(told).and_then(Multiplier::new),
    }
}

/// The id of the publisher of the site, application or screen.
pub(crate) fn publisher<'a>(request: &BidRequest<'a>) -> Option<&'a str> {
    let site = request.site.and_then(|site| site.publisher);
    let app = || request.app.and_then(|app| app.publisher);
    let dooh = || request.dooh.and_then(|dooh| dooh.publisher);
    site.or_else(app)
        .or_else(dooh)
        .and_then(|publisher| publisher.id)
}

/// Removes repetitions from `values[from..]`.
fn distinct(values: &mut Vec<u32>, from: usize) {
    let mut kept = from;
    for at in from..values.len() {
        if !values[from..kept].contains(&values[at]) {
            values[kept] = values[at];
            kept += 1;
        }
    }
    values.truncate(kept);
}

/// Calls `with` with the text in lower case. A text longer than any host name is no name at all.
fn with_lower<T: Default>(text: &str, with: impl FnOnce(&str) -> T) -> T {
    if text.len() > MAX_HOST {
        return T::default();
    }
    if !text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return with(text);
    }
    let mut buffer = [0_u8; MAX_HOST];
    let lower = &mut buffer[..text.len()];
    lower.copy_from_slice(text.as_bytes());
    lower.make_ascii_lowercase();
    std::str::from_utf8(lower).map_or_else(|_| T::default(), with)
}

fn read_keys(request: &BidRequest<'_>, seed: KeySeed, keys: &mut Vec<UserKey>) {
    let set = |flag: Option<Flag>| flag.is_some_and(Flag::is_set);
    if request.regs.is_some_and(|regs| set(regs.coppa)) {
        return;
    }
    let mut add = |kind: IdKind<'_>, id: Option<&str>| {
        let key = id.and_then(|id| UserKey::new(seed, kind, id.as_bytes()).ok());
        if let Some(key) = key
            && keys.len() < MAX_KEYS
            && !keys.contains(&key)
        {
            keys.push(key);
        }
    };
    if let Some(user) = request.user {
        add(IdKind::BuyerUid, user.buyeruid);
        for eid in user.eids {
            let source = eid.source.unwrap_or_default();
            eid.uids
                .iter()
                .for_each(|uid| add(IdKind::Eid { source }, uid.id));
        }
    }
    let limited = |device: &Device<'_>| set(device.lmt);
    let ifa = request
        .device
        .filter(|device| !limited(device))
        .and_then(|device| device.ifa);
    add(IdKind::Ifa, ifa);
    add(IdKind::UserId, request.user.and_then(|user| user.id));
}

fn read_geo(request: &BidRequest<'_>, index: &Index, values: &mut Vec<u32>) {
    let of = |geo: Option<&Geo<'_>>| geo.is_some_and(|geo| geo.country.is_some());
    let device = request.device.and_then(|device| device.geo);
    let user = request.user.and_then(|user| user.geo);
    let geo = if of(device) { device } else { user };
    let Some(country) = geo.and_then(|geo| geo.country) else {
        return;
    };
    let mut code = [0_u8; 16];
    let Some(country) = alpha3(country, &mut code) else {
        return;
    };
    values.extend(index.geo.get(country));
    // ISO 3166-2 says `FR-IDF`, OpenRTB's own text `IDF`.
    let region = geo.and_then(|geo| geo.region).unwrap_or_default();
    let region = region.rsplit('-').next().unwrap_or_default();
    let mut key = [0_u8; 16];
    let end = 4 + region.len();
    if region.is_empty() || end > key.len() {
        return;
    }
    key[..3].copy_from_slice(country.as_bytes());
    key[3] = b'-';
    key[4..end].copy_from_slice(region.as_bytes());
    if let Ok(key) = std::str::from_utf8(&key[..end]) {
        values.extend(index.geo.get(key));
    }
}

/// The country in three capitals.
fn alpha3<'c>(country: &str, code: &'c mut [u8; 16]) -> Option<&'c str> {
    let capitals = code.get_mut(..country.len())?;
    capitals.copy_from_slice(country.as_bytes());
    capitals.make_ascii_uppercase();
    let capitals = std::str::from_utf8(capitals).ok()?;
    match capitals.len() {
        3 => Some(capitals),
        2 => openrtb::country::alpha3(capitals),
        _ => None,
    }
}

fn read_inventory(request: &BidRequest<'_>, index: &Index, values: &mut Vec<u32>) {
    if let Some(bundle) = request.app.and_then(|app| app.bundle) {
        values.extend(index.apps.get(bundle));
    }
    let Some(site) = request.site else { return };
    let host = site
        .domain
        .or_else(|| site.page.and_then(host))
        .unwrap_or_default();
    with_lower(host, |host| {
        values.extend(suffixes(host).filter_map(|domain| index.sites.get(domain)));
    });
}

/// The host and every domain above it: `a.b.c`, `b.c`, `c`.
pub(crate) fn suffixes(host: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(host), |domain| Some(domain.split_once('.')?.1))
        .filter(|domain| !domain.is_empty())
}

/// The host of a page's address.
fn host(page: &str) -> Option<&str> {
    let (_, rest) = page.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?;
    host.split(':').next().filter(|host| !host.is_empty())
}

/// The sizes that a banner takes: those of `format`, and `w` × `h`.
pub(crate) fn sizes<'a>(banner: &'a Banner<'_>) -> impl Iterator<Item = (i64, i64)> + 'a {
    let own = banner.w.zip(banner.h);
    let formats = banner
        .format
        .iter()
        .filter_map(|format| format.w.zip(format.h));
    own.into_iter()
        .chain(formats)
        .filter(|(w, h)| *w > 0 && *h > 0)
}

fn read_slots(imp: &Imp<'_>, index: &Index, values: &mut Vec<u32>) {
    let slots = &index.slots;
    let any = |format: Format| slots.get(&slot(format, 0, 0));
    if let Some(banner) = imp.banner {
        let before = values.len();
        let mut sized = false;
        for (w, h) in sizes(banner) {
            sized = true;
            values.extend(slots.get(&slot(Format::Banner, w, h)));
        }
        if !sized && values.len() == before {
            // An interstitial may leave its size open.
            values.extend(any(Format::Banner));
        }
    }
    values.extend(imp.video.and_then(|_| any(Format::Video)));
    values.extend(imp.audio.and_then(|_| any(Format::Audio)));
    values.extend(imp.native.and_then(|_| any(Format::Native)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_found_in_pages() {
        for (page, expected) in [
            ("https://user@News.example:8443/a?b", Some("News.example")),
            ("http://news.example?x", Some("news.example")),
            ("news.example/a", None),
            ("https:///a", None),
        ] {
            assert_eq!(host(page), expected, "{page}");
        }
    }

    #[test]
    fn a_host_has_its_parents() {
        let all: Vec<_> = suffixes("a.b.c").collect();
        assert_eq!(all, ["a.b.c", "b.c", "c"]);
        assert_eq!(suffixes("").count(), 0);
        assert_eq!(suffixes("a..").collect::<Vec<_>>(), ["a..", "."]);
    }

    #[test]
    fn countries_are_read_in_either_length() {
        let mut code = [0; 16];
        for (country, expected) in [
            ("FRA", Some("FRA")),
            ("fr", Some("FRA")),
            ("XX", None),
            ("", None),
            ("FRANCE", None),
            ("a very long name of a country", None),
        ] {
            assert_eq!(alpha3(country, &mut code), expected, "{country}");
        }
    }

    #[test]
    fn lower_case_is_bounded() {
        assert_eq!(with_lower("News.É", str::to_owned), "news.É");
        assert_eq!(with_lower(&"A".repeat(300), str::to_owned), "");
    }
}
