//! Interstitial sizes: a full-screen imp takes every usual size that covers enough of the screen.
//!
//! `device.ext.prebid.interstitial` says which part of width and height is enough, in percent.
//! The screen is the imp's first size, or the device's where that is absent or 1×1. Sizes that
//! fit are added behind the imp's own. Cost: nothing for imps that are not full screen, else
//! forty comparisons.

use crate::intake::Refusal;
use bumpalo::Bump;
use openrtb::request::{Banner, Format, Imp};
use openrtb::{BidRequest, Flag, List, Value};

/// The most sizes that are added to an imp.
const MOST: usize = 10;

/// Usual sizes of display ads, the largest area first.
const USUAL: [(i64, i64); 40] = [
    (1024, 768),
    (768, 1024),
    (980, 600),
    (800, 600),
    (970, 415),
    (640, 480),
    (480, 640),
    (300, 1050),
    (480, 600),
    (970, 250),
    (580, 400),
    (640, 360),
    (360, 640),
    (500, 430),
    (320, 568),
    (320, 640),
    (300, 600),
    (375, 480),
    (320, 480),
    (480, 320),
    (375, 375),
    (336, 280),
    (160, 600),
    (970, 90),
    (300, 300),
    (320, 240),
    (300, 250),
    (120, 600),
    (728, 90),
    (250, 250),
    (240, 240),
    (580, 90),
    (200, 200),
    (468, 60),
    (320, 100),
    (180, 150),
    (234, 60),
    (320, 50),
    (300, 50),
    (120, 20),
];

/// The least part of the screen, in percent.
#[derive(Clone, Copy)]
struct Least {
    width: i64,
    height: i64,
}

/// Adds sizes to the full-screen imps of a request that says what is enough.
///
/// # Errors
/// A [`Refusal`] where a percentage is none.
pub fn fill<'a>(mut request: BidRequest<'a>, arena: &'a Bump) -> Result<BidRequest<'a>, Refusal> {
    let wanted = |imp: &Imp<'_>| imp.instl.is_some_and(Flag::is_set) && imp.banner.is_some();
    let (Some(device), true) = (request.device, request.imp.iter().any(wanted)) else {
        return Ok(request);
    };
    let prebid = device.ext.and_then(|ext| ext.get("prebid"));
    let Some(stated) = prebid.and_then(|prebid| prebid.get("interstitial")) else {
        return Ok(request);
    };
    let least = Least {
        width: percent(stated, "minwidthperc")?,
        height: percent(stated, "minheightperc")?,
    };
    let screen = device.w.zip(device.h);
    let imps = request.imp.iter().map(|imp| match imp.banner {
        Some(banner) if wanted(imp) => Imp {
            banner: Some(arena.alloc(sized(banner, screen, least, arena))),
            ..*imp
        },
        _ => *imp,
    });
    let imps = bumpalo::collections::Vec::from_iter_in(imps, arena);
    request.imp = List::new(imps.into_bump_slice());
    Ok(request)
}

fn percent(stated: Value<'_>, name: &str) -> Result<i64, Refusal> {
    let Some(value) = stated.get(name) else {
        return Ok(0);
    };
    let number = value.as_i64().filter(|percent| (0..=100).contains(percent));
    number.ok_or_else(|| {
        let field = format!("device.ext.prebid.interstitial.{name}");
        Refusal::malformed(field, "expected a whole number 0 to 100")
    })
}

fn sized<'a>(
    banner: &Banner<'a>,
    screen: Option<(i64, i64)>,
    least: Least,
    arena: &'a Bump,
) -> Banner<'a> {
    let size = |format: &Format<'_>| format.w.zip(format.h);
    let first = banner.format.first().and_then(size);
    let own = first
        .or(banner.w.zip(banner.h))
        .filter(|own| *own != (1, 1));
    let Some((wide, high)) = own.or(screen) else {
        return *banner;
    };
    let fits = |(w, h): &&(i64, i64)| {
        (*w <= wide && *h <= high)
            && w.saturating_mul(100) >= wide.saturating_mul(least.width)
            && h.saturating_mul(100) >= high.saturating_mul(least.height)
    };
    let kept = banner.format.iter().copied();
    let mut formats = bumpalo::collections::Vec::new_in(arena);
    formats.extend(kept.filter(|format| size(format) != Some((1, 1))));
    let known = formats.len();
    for (w, h) in USUAL.iter().filter(fits) {
        let stands = formats.iter().any(|format| size(format) == Some((*w, *h)));
        if !stands && formats.len() < known + MOST {
            formats.push(Format {
                w: Some(*w),
                h: Some(*h),
                ..Format::default()
            });
        }
    }
    if formats.is_empty() {
        return *banner;
    }
    Banner {
        format: List::new(formats.into_bump_slice()),
        // A size of 1×1 meant the whole screen and is no size to fill.
        w: banner.w.filter(|w| *w != 1),
        h: banner.h.filter(|h| *h != 1),
        ..*banner
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use openrtb::{Keep, Limits, Scratch};

    fn sizes(imp: &str, device: &str) -> Result<Vec<(i64, i64)>, Refusal> {
        let json = format!(r#"{{"id":"1","imp":[{imp}],"device":{device}}}"#);
        let (mut scratch, arena) = (Scratch::default(), Bump::new());
        let limits = Limits::default();
        let request = scratch.decode(json.as_bytes(), limits, Keep::All).unwrap();
        let request = fill(request, &arena)?;
        let formats = request.imp[0].banner.unwrap().format;
        let size = |format: &Format<'_>| (format.w.unwrap(), format.h.unwrap());
        Ok(formats.iter().map(size).collect())
    }

    const PHONE: &str = r#"{"w":320,"h":600,"ext":{"prebid":{"interstitial":{
        "minwidthperc":80,"minheightperc":60}}}}"#;

    #[test]
    fn sizes_that_cover_enough_of_the_screen_are_added() {
        for imp in [
            r#"{"instl":1,"banner":{}}"#,
            r#"{"instl":1,"banner":{"format":[{"w":1,"h":1}]}}"#,
            r#"{"instl":1,"banner":{"w":1,"h":1}}"#,
        ] {
            let wanted = [(320, 568), (300, 600), (320, 480)];
            assert_eq!(sizes(imp, PHONE).unwrap(), wanted, "{imp}");
        }
        let own = r#"{"instl":1,"banner":{"format":[{"w":320,"h":480},{"w":320,"h":50}]}}"#;
        let wanted = [(320, 480), (320, 50), (300, 300)];
        assert_eq!(
            sizes(own, PHONE).unwrap(),
            wanted,
            "the first size is the screen"
        );
    }

    #[test]
    fn every_added_size_is_within_the_screen_and_enough_of_it() {
        for (w, h, wide, high) in [(800, 600, 50, 50), (1024, 1024, 0, 0), (375, 812, 90, 50)] {
            let device = format!(
                r#"{{"w":{w},"h":{h},"ext":{{"prebid":{{"interstitial":{{
                "minwidthperc":{wide},"minheightperc":{high}}}}}}}}}"#
            );
            let added = sizes(r#"{"instl":1,"banner":{}}"#, &device).unwrap();
            assert!((1..=MOST).contains(&added.len()), "{added:?}");
            for (x, y) in added {
                assert!(x <= w && y <= h && x * 100 >= w * wide && y * 100 >= h * high);
            }
        }
    }

    #[test]
    fn other_imps_and_silent_devices_stay_as_they_are() {
        let not_full = r#"{"banner":{"format":[{"w":1,"h":1}]}}"#;
        assert_eq!(sizes(not_full, PHONE).unwrap(), [(1, 1)]);
        let full = r#"{"instl":1,"banner":{"format":[{"w":1,"h":1}]}}"#;
        assert_eq!(sizes(full, r#"{"w":320,"h":600}"#).unwrap(), [(1, 1)]);
        let sizeless = r#"{"ext":{"prebid":{"interstitial":{"minwidthperc":1}}}}"#;
        assert_eq!(sizes(r#"{"instl":1,"banner":{}}"#, sizeless).unwrap(), []);
    }

    #[test]
    fn what_is_no_percentage_is_refused() {
        for bad in ["101", "-1", "\"80\"", "1.5"] {
            let device = format!(
                r#"{{"w":1,"h":1,"ext":{{"prebid":{{"interstitial":{{"minheightperc":{bad}}}}}}}}}"#
            );
            let refused = sizes(r#"{"instl":1,"banner":{}}"#, &device).unwrap_err();
            assert_eq!(
                refused.field,
                "device.ext.prebid.interstitial.minheightperc"
            );
        }
    }
}
