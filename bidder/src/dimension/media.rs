//! The place on the page: its formats and sizes, and how its players play.

use super::signal::Signal;
use crate::catalog::Format;
use openrtb::list::{Linearity, PlacementPosition, StartDelay};
use openrtb::request::{Banner, Imp};
use openrtb::{Flag, List};

/// Longest side of which a ratio is known.
const MAX_SIDE: i64 = 0xffff;

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

/// The ratios of a banner's flexible sizes.
fn flexible<'a>(banner: &'a Banner<'_>) -> impl Iterator<Item = (i64, i64)> + 'a {
    let ratios = banner
        .format
        .iter()
        .filter_map(|one| one.wratio.zip(one.hratio));
    ratios.filter(|(w, h)| (1..=MAX_SIDE).contains(w) && (1..=MAX_SIDE).contains(h))
}

/// Whether a banner leaves its size open, as an interstitial may.
pub(crate) fn is_open(banner: &Banner<'_>) -> bool {
    banner.format.is_empty() && sizes(banner).next().is_none()
}

/// The slot of a banner of a ratio.
pub(crate) fn flexible_code(w: i64, h: i64) -> u64 {
    1 << 63 | ratio_code(w, h) as u64
}

/// The slot of a banner of a size, of a banner of any size (0 × 0), or of another format.
pub(crate) fn slot_code(format: Format, w: i64, h: i64) -> u64 {
    const MOST: i64 = 0xff_ffff;
    let side = |side: i64| side.clamp(0, MOST) as u64;
    (format as u64) << 48 | side(w) << 24 | side(h)
}

pub(super) fn slot(imp: &Imp<'_>, signal: &mut Signal<'_>) {
    // An imp without any format is nobody's.
    signal.present();
    let mut add = |format, w, h| signal.code(slot_code(format, w, h) as i64);
    if let Some(banner) = imp.banner {
        for (w, h) in sizes(banner) {
            add(Format::Banner, w, h);
        }
        if is_open(banner) {
            add(Format::Banner, 0, 0);
        }
        for (w, h) in flexible(banner) {
            signal.code(flexible_code(w, h) as i64);
        }
    }
    let mut add = |format, w, h| signal.code(slot_code(format, w, h) as i64);
    if imp.video.is_some() {
        add(Format::Video, 0, 0);
    }
    if imp.audio.is_some() {
        add(Format::Audio, 0, 0);
    }
    if imp.native.is_some() {
        add(Format::Native, 0, 0);
    }
}

pub(super) fn placement(imp: &Imp<'_>, signal: &mut Signal<'_>) {
    signal.text(imp.tagid.unwrap_or_default());
}

pub(super) fn position(imp: &Imp<'_>, signal: &mut Signal<'_>) {
    let positions = [
        imp.banner.and_then(|banner| banner.pos),
        imp.video.and_then(|video| video.pos),
    ];
    let known = |position: &PlacementPosition| *position != PlacementPosition::Unknown;
    for position in positions.into_iter().flatten().filter(known) {
        signal.code(position.code());
    }
}

pub(super) fn interstitial(imp: &Imp<'_>, signal: &mut Signal<'_>) {
    signal.flag(imp.instl, true);
}

pub(super) fn rewarded(imp: &Imp<'_>, signal: &mut Signal<'_>) {
    signal.flag(imp.rwdd, true);
}

/// Width to height in lowest terms.
pub(crate) fn ratio_code(w: i64, h: i64) -> i64 {
    let (mut a, mut b) = (w, h);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    ((w / a) << 32) | (h / a)
}

pub(super) fn ratio(imp: &Imp<'_>, signal: &mut Signal<'_>) {
    let mut add = |w: i64, h: i64| {
        if (1..=MAX_SIDE).contains(&w) && (1..=MAX_SIDE).contains(&h) {
            signal.code(ratio_code(w, h));
        }
    };
    if let Some(banner) = imp.banner {
        sizes(banner).for_each(|(w, h)| add(w, h));
        flexible(banner).for_each(|(w, h)| add(w, h));
    }
    if let Some((w, h)) = imp.video.and_then(|video| video.w.zip(video.h)) {
        add(w, h);
    }
}

pub(super) fn deal(imp: &Imp<'_>, signal: &mut Signal<'_>) {
    let deals = imp.pmp.map(|pmp| pmp.deals.items()).unwrap_or_default();
    deals
        .iter()
        .filter_map(|deal| deal.id)
        .for_each(|id| signal.text(id));
}

pub(super) fn player_width(imp: &Imp<'_>, signal: &mut Signal<'_>) {
    if let Some(w) = imp.video.and_then(|video| video.w).filter(|w| *w > 0) {
        signal.number(w, 14);
    }
}

pub(super) fn video_duration(imp: &Imp<'_>, signal: &mut Signal<'_>) {
    if let Some(seconds) = imp.video.and_then(|video| video.maxduration) {
        signal.number(seconds, 16);
    }
}

pub(super) fn video_plcmt(imp: &Imp<'_>, signal: &mut Signal<'_>) {
    if let Some(plcmt) = imp.video.and_then(|video| video.plcmt) {
        signal.code(plcmt);
    }
}

fn protocols(protocols: Option<List<'_, i64>>, signal: &mut Signal<'_>) {
    let protocols = protocols.unwrap_or_default();
    protocols.items().iter().for_each(|code| signal.code(*code));
}

pub(super) fn video_protocol(imp: &Imp<'_>, signal: &mut Signal<'_>) {
    protocols(imp.video.map(|video| video.protocols), signal);
}

pub(super) fn video_linearity(imp: &Imp<'_>, signal: &mut Signal<'_>) {
    if let Some(linearity) = imp.video.and_then(|video| video.linearity) {
        signal.code(Linearity::code(linearity));
    }
}

pub(super) fn video_skippable(imp: &Imp<'_>, signal: &mut Signal<'_>) {
    let skip: Option<Flag> = imp.video.and_then(|video| video.skip);
    signal.flag(skip, false);
}

pub(super) fn video_playback(imp: &Imp<'_>, signal: &mut Signal<'_>) {
    let methods = imp
        .video
        .map(|video| video.playbackmethod)
        .unwrap_or_default();
    methods
        .items()
        .iter()
        .for_each(|method| signal.code(method.code()));
}

/// 0 before the content, -1 and -2 for anywhere within and after it; every offset is within.
fn start(delay: Option<StartDelay>, signal: &mut Signal<'_>) {
    if let Some(delay) = delay {
        let code = delay.code();
        signal.code(if code > 0 { -1 } else { code });
    }
}

pub(super) fn video_start(imp: &Imp<'_>, signal: &mut Signal<'_>) {
    start(imp.video.and_then(|video| video.startdelay), signal);
}

pub(super) fn audio_duration(imp: &Imp<'_>, signal: &mut Signal<'_>) {
    if let Some(seconds) = imp.audio.and_then(|audio| audio.maxduration) {
        signal.number(seconds, 16);
    }
}

pub(super) fn audio_protocol(imp: &Imp<'_>, signal: &mut Signal<'_>) {
    protocols(imp.audio.map(|audio| audio.protocols), signal);
}

pub(super) fn audio_start(imp: &Imp<'_>, signal: &mut Signal<'_>) {
    start(imp.audio.and_then(|audio| audio.startdelay), signal);
}

pub(super) fn audio_feed(imp: &Imp<'_>, signal: &mut Signal<'_>) {
    if let Some(feed) = imp.audio.and_then(|audio| audio.feed) {
        signal.code(feed.code());
    }
}

pub(super) fn viewability(imp: &Imp<'_>, signal: &mut Signal<'_>) {
    metric(imp, "viewability", 10, signal);
}

/// The values of one type of metric, in thousandths.
pub(crate) fn metric(imp: &Imp<'_>, kind: &str, bits: u32, signal: &mut Signal<'_>) {
    let of_kind = imp.metric.iter().filter(|one| one.kind == Some(kind));
    for value in of_kind.filter_map(|one| one.value) {
        // Rounding makes 0.6 of the wire the 600 of a rule; no metric is that exact.
        signal.number((value * 1e3).round() as i64, bits);
    }
}
