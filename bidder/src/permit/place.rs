//! What a place takes: sizes and types of banners, players of video and audio, native assets.

use super::Spot;
use crate::catalog::{Display, Format};
use crate::dimension::media::sizes;
use openrtb::list::Linearity;
use openrtb::request::{Audio, Banner, Device, Format as Size, Video};
use openrtb::{Flag, List};

/// The creative attribute of what may be skipped.
const SKIPPABLE: u64 = 1 << 16;

/// A creative fits: which of its variants, and which attributes the place blocks.
pub(crate) struct Fit<'a> {
    pub(crate) variant: u8,
    pub(crate) battr: List<'a, i64>,
}

/// Whether a creative fits a spot.
pub(crate) fn fits<'a>(spot: &Spot<'_, 'a>, creative: &Display) -> Option<Fit<'a>> {
    let imp = spot.imp;
    let (variant, battr) = match creative.format {
        Format::Banner => {
            let one = imp.banner?;
            let device = spot.request.device;
            let interstitial = imp.instl.is_some_and(Flag::is_set);
            (banner(one, interstitial, device, creative)?, one.battr)
        }
        Format::Video => (video(imp.video?, creative)?, imp.video?.battr),
        Format::Audio => (audio(imp.audio?, creative)?, imp.audio?.battr),
        Format::Native => {
            let own = creative.native.as_ref()?;
            let variant = own.fits(spot.native?).then_some(0)?;
            (variant, imp.native?.battr)
        }
    };
    Some(Fit { variant, battr })
}

fn banner(
    banner: &Banner<'_>,
    interstitial: bool,
    device: Option<&Device<'_>>,
    creative: &Display,
) -> Option<u8> {
    let sized = is_sized(banner, interstitial, device, creative);
    let kind = |kind: &openrtb::list::BannerType| (kind.code() as u64) < 8;
    let blocked = banner
        .btype
        .iter()
        .filter(|code| kind(code))
        .any(|code| creative.kinds >> code.code() & 1 == 1);
    let taken = !blocked && mimes(&banner.mimes, creative) && api(&banner.api, creative);
    (sized && taken).then_some(0)
}

fn is_sized(
    banner: &Banner<'_>,
    interstitial: bool,
    device: Option<&Device<'_>>,
    creative: &Display,
) -> bool {
    let (w, h) = (creative.w, creative.h);
    if banner.format.is_empty() && sizes(banner).next().is_none() {
        return interstitial && on_screen(device, w, h);
    }
    sizes(banner).any(|size| size == (w, h))
        || banner.format.iter().any(|format| has_ratio(format, w, h))
}

/// Whether the imp has a place of the creative's format and size, whatever else it asks.
#[cfg(test)]
pub(crate) fn has_place(imp: &openrtb::request::Imp<'_>, creative: &Display) -> Option<()> {
    match creative.format {
        Format::Banner => {
            let open = |one: &Banner<'_>| is_sized(one, true, None, creative);
            imp.banner.filter(|one| open(one)).map(|_| ())
        }
        Format::Video => imp.video.map(|_| ()),
        Format::Audio => imp.audio.map(|_| ()),
        Format::Native => imp.native.map(|_| ()),
    }
}

/// A flexible size: any of the ratio that is wide enough (section 3.2.10).
fn has_ratio(format: &Size<'_>, w: i64, h: i64) -> bool {
    let (Some(wide @ 1..), Some(high @ 1..)) = (format.wratio, format.hratio) else {
        return false;
    };
    w.checked_mul(high) == h.checked_mul(wide) && w >= format.wmin.unwrap_or(0)
}

/// An interstitial that leaves its size open takes what is no larger than the screen, held
/// either way.
fn on_screen(device: Option<&Device<'_>>, w: i64, h: i64) -> bool {
    let size = device.and_then(|device| device.w.zip(device.h));
    match size {
        Some((wide @ 1.., high @ 1..)) => (w <= wide && h <= high) || (w <= high && h <= wide),
        _ => true,
    }
}

fn video(video: &Video<'_>, creative: &Display) -> Option<u8> {
    let linear = !matches!(video.linearity, Some(Linearity::NonLinear));
    let skips = creative.attributes & SKIPPABLE != 0;
    let may_skip = video.skip.is_none_or(Flag::is_set);
    let player = Player {
        mimes: &video.mimes,
        protocols: &video.protocols,
        exact: &video.rqddurs,
        bounds: (video.minduration, video.maxduration),
        pod: video.poddur,
        bitrates: (video.minbitrate, video.maxbitrate),
        api: &video.api,
    };
    (linear && (may_skip || !skips)).then_some(())?;
    player.takes(creative)
}

fn audio(audio: &Audio<'_>, creative: &Display) -> Option<u8> {
    let player = Player {
        mimes: &audio.mimes,
        protocols: &audio.protocols,
        exact: &audio.rqddurs,
        bounds: (audio.minduration, audio.maxduration),
        pod: audio.poddur,
        bitrates: (audio.minbitrate, audio.maxbitrate),
        api: &audio.api,
    };
    player.takes(creative)
}

struct Player<'p> {
    mimes: &'p [&'p str],
    protocols: &'p [i64],
    exact: &'p [i64],
    bounds: (Option<i64>, Option<i64>),
    pod: Option<i64>,
    bitrates: (Option<i64>, Option<i64>),
    api: &'p [i64],
}

impl Player<'_> {
    /// The variant of the creative that the player takes.
    fn takes(&self, creative: &Display) -> Option<u8> {
        let fits = lasts(self.exact, self.bounds, creative.seconds)
            && self
                .pod
                .is_none_or(|pod| pod <= 0 || creative.seconds <= pod)
            && mimes(self.mimes, creative)
            && self.streams(creative)
            && api(self.api, creative);
        let speaks =
            |protocol: i64| self.protocols.is_empty() || self.protocols.contains(&protocol);
        let variant = || {
            creative
                .variants
                .iter()
                .position(|one| speaks(one.protocol))
        };
        fits.then(variant)?.and_then(|at| u8::try_from(at).ok())
    }

    /// Whether some file has a bit rate that the player takes; unknown rates are not checked.
    fn streams(&self, creative: &Display) -> bool {
        let least = self.bitrates.0.filter(|least| *least > 0);
        let most = self.bitrates.1.filter(|most| *most > 0);
        let rates = &creative.bitrates;
        let taken = |rate: &i64| {
            least.is_none_or(|least| *rate >= least) && most.is_none_or(|most| *rate <= most)
        };
        rates.is_empty() || rates.iter().any(taken)
    }
}

/// Whether a length fits; one that is not known (0) fits only where any does.
pub(crate) fn lasts(
    exact: &[i64],
    (least, most): (Option<i64>, Option<i64>),
    seconds: i64,
) -> bool {
    if exact.is_empty() {
        let known = seconds > 0 || most.is_none();
        known
            && least.is_none_or(|least| seconds >= least)
            && most.is_none_or(|most| seconds <= most)
    } else {
        exact.contains(&seconds)
    }
}

/// Whether a place that lists types takes one of the creative's.
fn mimes(listed: &[&str], creative: &Display) -> bool {
    let own = &creative.mimes;
    let taken = |mime: &&str| own.iter().any(|own| own.eq_ignore_ascii_case(mime));
    listed.is_empty() || listed.iter().any(taken)
}

/// Whether the place has one of the interfaces that the creative needs.
fn api(listed: &[i64], creative: &Display) -> bool {
    creative.api.is_empty() || creative.api.iter().any(|api| listed.contains(api))
}
