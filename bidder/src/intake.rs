//! Intake: bytes to a request that is valid, and the request to [`Features`], that is to the
//! index's own numbers and the user's segments.
//!
//! Leniency: a country may come as alpha-2, a host in capitals, a site without a domain when its
//! page has one. Consent: no id of a user is looked at under COPPA, no advertising id under
//! `lmt`; what consent strings say is not read here.

use crate::catalog::Subject;
use crate::dimension::{Reader, Reading, Signal, media, place};
use crate::index::{Index, Place, RADIUS};
use audience::{IdKind, KeySeed, Lookup, SegmentId, SegmentSet, UserKey};
use ledger::Multiplier;
use openrtb::request::{Device, Imp};
use openrtb::{BidRequest, Fault, Flag, Keep, Limits, Problem, Scratch, validate};

/// Longest id of a request or imp, in bytes.
const MAX_ID: usize = 256;
/// Most ids of a user that are looked up.
const MAX_KEYS: usize = 16;
/// Most segments of a user that are looked at.
const MAX_SEGMENTS: usize = 1024;
/// Bits of a metric, in thousandths.
const METRIC_BITS: u32 = 20;

/// Decodes and validates a request, which is large: it stays where it was decoded.
///
/// # Errors
/// The fault, with the path of its field.
pub(crate) fn decode<'a>(
    scratch: &'a mut Scratch,
    body: &[u8],
    limits: Limits,
) -> Result<&'a BidRequest<'a>, Fault> {
    let request: &'a BidRequest<'a> = scratch.decode(body, limits, Keep::Known)?;
    validate::request(request)?;
    short_ids(request)?;
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
    /// Where the values of each place stand: for the request, where those of several imps are
    /// joined, and then for each imp. Only places in use are written, and read.
    spans: Vec<(u32, u32)>,
    /// How many places there are.
    places: usize,
    imps: u32,
    point: Option<(i32, i32)>,
    scratch: String,
    keys: Vec<UserKey>,
    segments: SegmentSet,
}

impl Default for Features {
    fn default() -> Self {
        Self {
            values: Vec::with_capacity(128),
            spans: Vec::new(),
            places: 0,
            imps: 0,
            point: None,
            scratch: String::with_capacity(256),
            keys: Vec::with_capacity(MAX_KEYS),
            segments: SegmentSet::with_limit(MAX_SEGMENTS),
        }
    }
}

/// A request that is read, and who asks.
#[derive(Clone, Copy)]
pub(crate) struct Call<'c, 'a> {
    pub(crate) request: &'c BidRequest<'a>,
    pub(crate) exchange: &'c str,
    /// Unix milliseconds.
    pub(crate) now_ms: i64,
}

impl Features {
    /// The values of the request that any line item mentions; of subjects that belong to an
    /// imp, those of all imps together.
    #[inline]
    pub(crate) fn of_request(&self, place: u16) -> &[u32] {
        self.at(usize::from(place))
    }

    /// The values that count for an imp.
    #[inline]
    pub(crate) fn values(&self, place: u16, imp: u32) -> &[u32] {
        self.at(self.places * (1 + imp as usize) + usize::from(place))
    }

    #[inline]
    fn at(&self, span: usize) -> &[u32] {
        let (start, end) = self.spans[span];
        &self.values[start as usize..end as usize]
    }

    /// How many imps the request has.
    pub(crate) fn imps(&self) -> u32 {
        self.imps
    }

    /// Where the user is, in millionths of a degree, where any line item asks.
    pub(crate) fn point(&self) -> Option<(i32, i32)> {
        self.point
    }

    /// Whether the user is in any segment of the group.
    pub(crate) fn in_any(&self, group: &[SegmentId]) -> bool {
        group.iter().any(|segment| self.segments.contains(*segment))
    }

    /// Whether the user is in the segment.
    pub(crate) fn has(&self, segment: SegmentId) -> bool {
        self.segments.contains(segment)
    }

    /// Whether the user has more segments than are looked at, so that absence proves nothing.
    pub(crate) fn segments_dropped(&self) -> bool {
        self.segments.dropped() > 0
    }

    /// Reads a request.
    pub(crate) fn read(
        &mut self,
        call: Call<'_, '_>,
        index: &Index,
        lookup: &Lookup,
        seed: KeySeed,
    ) {
        let request = call.request;
        self.keys.clear();
        self.values.clear();
        read_keys(request, seed, &mut self.keys);
        lookup.segments_of(&self.keys, &mut self.segments);
        self.places = index.places.len();
        let imps = request.imp.len().max(1);
        self.imps = request.imp.len() as u32;
        let spans = self.places * (1 + imps);
        if self.spans.len() < spans {
            self.spans.resize(spans, (0, 0));
        }
        self.point = None;
        for &at in &index.in_use {
            let place = index.at(at);
            match &place.subject {
                Subject::Of(dimension) => match dimension.reader() {
                    Reader::Request(read) => {
                        let reading = Reading {
                            request,
                            exchange: call.exchange,
                            now_ms: call.now_ms,
                            segments: &self.segments,
                            identified: !self.keys.is_empty(),
                        };
                        let mut signal =
                            Signal::new(&place.names, &mut self.values, &mut self.scratch);
                        let start = signal.start();
                        read(&reading, &mut signal);
                        signal.finish();
                        self.whole(at, start, imps);
                    }
                    Reader::Imp(read) => self.each(at, index, &request.imp, read),
                },
                Subject::Metric(kind) => {
                    let read = |imp: &Imp<'_>, signal: &mut Signal<'_>| {
                        media::metric(imp, kind, METRIC_BITS, signal);
                    };
                    self.each(at, index, &request.imp, read);
                }
                Subject::Ext(path) if path.of_imp() => {
                    let read = |imp: &Imp<'_>, signal: &mut Signal<'_>| path.read_imp(imp, signal);
                    self.each(at, index, &request.imp, read);
                }
                Subject::Ext(path) => {
                    let mut signal = Signal::new(&place.names, &mut self.values, &mut self.scratch);
                    let start = signal.start();
                    path.read_request(request, &mut signal);
                    signal.finish();
                    self.whole(at, start, imps);
                }
            }
            if at == RADIUS {
                self.point = place::point(request);
            }
        }
    }

    /// What the request that was read says about the subject at a place, on an imp, for people.
    pub(crate) fn seen(
        &self,
        call: Call<'_, '_>,
        index: &Index,
        place: u16,
        imp: &Imp<'_>,
    ) -> Vec<String> {
        let Place { subject, names, .. } = index.at(place);
        let (mut values, mut scratch, mut told) = (Vec::new(), String::new(), Vec::new());
        let mut signal = Signal::new(names, &mut values, &mut scratch).telling(&mut told);
        match subject {
            Subject::Of(dimension) => match dimension.reader() {
                Reader::Request(read) => read(&self.reading(call), &mut signal),
                Reader::Imp(read) => read(imp, &mut signal),
            },
            Subject::Metric(kind) => media::metric(imp, kind, METRIC_BITS, &mut signal),
            Subject::Ext(path) if path.of_imp() => path.read_imp(imp, &mut signal),
            Subject::Ext(path) => path.read_request(call.request, &mut signal),
        }
        told
    }

    fn reading<'r, 'a>(&'r self, call: Call<'r, 'a>) -> Reading<'r, 'a> {
        Reading {
            request: call.request,
            exchange: call.exchange,
            now_ms: call.now_ms,
            segments: &self.segments,
            identified: !self.keys.is_empty(),
        }
    }

    /// Values of the request, which count for each of its imps.
    fn whole(&mut self, place: u16, start: u32, imps: usize) {
        let span = (start, self.values.len() as u32);
        for imp in 0..=imps {
            self.spans[self.places * imp + usize::from(place)] = span;
        }
    }

    /// Reads the values of each imp, and joins them.
    fn each(
        &mut self,
        place: u16,
        index: &Index,
        imps: &[Imp<'_>],
        read: impl Fn(&Imp<'_>, &mut Signal<'_>),
    ) {
        let first = self.values.len();
        let names = &index.at(place).names;
        for (at, imp) in imps.iter().enumerate() {
            let mut signal = Signal::new(names, &mut self.values, &mut self.scratch);
            let start = signal.start();
            read(imp, &mut signal);
            signal.finish();
            let span = (start, self.values.len() as u32);
            self.spans[self.places * (1 + at) + usize::from(place)] = span;
        }
        let start = self.values.len();
        let joined = if imps.len() > 1 {
            self.values.extend_from_within(first..);
            distinct(&mut self.values, start);
            start
        } else {
            first
        };
        self.spans[usize::from(place)] = (joined as u32, self.values.len() as u32);
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
