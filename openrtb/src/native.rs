//! Native 1.2 requests, which travel as JSON inside a string or as an object.

use crate::decode::{Context, Cursor, Decode, decode_text};
use crate::fault::{Fault, Problem};
use crate::list::{
    DataAssetType, EventMethod, EventType, ImageAssetType, NativeContext, NativeContextSubtype,
    NativePlacement,
};
use crate::object::object;
use crate::request::{NativeMarkup, Video};
use crate::{Flag, Keep, Limits, List};
use bumpalo::Bump;

object! {
    /// The markup that a native placement asks for (Native 1.2, section 4.1).
    NativeRequest {
        ver: Option<&'a str>,
        layout: Option<i64>,
        adunit: Option<i64>,
        context: Option<NativeContext>,
        contextsubtype: Option<NativeContextSubtype>,
        plcmttype: Option<NativePlacement>,
        plcmtcnt: Option<i64>,
        seq: Option<i64>,
        assets: List<'a, Asset<'a>>,
        aurlsupport: Option<Flag>,
        durlsupport: Option<Flag>,
        eventtrackers: List<'a, EventTracker<'a>>,
        privacy: Option<Flag>,
    }
}

object! {
    /// One asset that is asked for (Native 1.2, section 4.2).
    Asset {
        id: Option<i64>,
        required: Option<Flag>,
        title: Option<&'a Title<'a>>,
        img: Option<&'a Image<'a>>,
        video: Option<&'a Video<'a>>,
        data: Option<&'a Data<'a>>,
    }
}

object! {
    /// A title (Native 1.2, section 4.3).
    Title {
        len: Option<i64>,
    }
}

object! {
    /// An image (Native 1.2, section 4.4).
    Image {
        kind "type": Option<ImageAssetType>,
        w: Option<i64>,
        wmin: Option<i64>,
        h: Option<i64>,
        hmin: Option<i64>,
        mimes: List<'a, &'a str>,
    }
}

object! {
    /// A piece of text such as a sponsor or a rating (Native 1.2, section 4.6).
    Data {
        kind "type": Option<DataAssetType>,
        len: Option<i64>,
    }
}

object! {
    /// A tracker that the placement supports (Native 1.2, section 4.7).
    EventTracker {
        event: Option<EventType>,
        methods: List<'a, EventMethod>,
    }
}

/// A request, or Native 1.0's object that wraps it in the one member `native`.
struct Unwrapped<'a>(NativeRequest<'a>);

impl<'a> Decode<'a> for Unwrapped<'a> {
    fn decode(cursor: &mut Cursor<'_, 'a>) -> Result<Self, Fault> {
        let start = cursor.position();
        for _ in 0..cursor.open_object()? {
            if cursor.key() == "native" {
                let request = cursor.read().map_err(|fault| fault.within("native"))?;
                return Ok(Self(request));
            }
            cursor.skip()?;
        }
        cursor.return_to(start);
        cursor.read().map(Self)
    }
}

/// Decodes native markup into `arena`.
///
/// # Errors
/// A [`Fault`] whose path is relative to the markup.
pub fn decode<'a>(
    markup: NativeMarkup<'a>,
    arena: &'a Bump,
    limits: Limits,
) -> Result<NativeRequest<'a>, Fault> {
    let context = Context {
        arena,
        limits,
        keep: Keep::Known,
    };
    let Unwrapped(request) = match markup {
        NativeMarkup::Text(text) => decode_text(text, &context)?,
        NativeMarkup::Object(value) => Cursor::new(value.nodes(), &context).read()?,
    };
    Ok(request)
}

/// Checks native markup against what Native 1.2 requires.
///
/// # Errors
/// A [`Fault`] whose path is relative to the markup.
pub(crate) fn validate(markup: Option<NativeMarkup<'_>>) -> Result<(), Fault> {
    let markup = match markup {
        None | Some(NativeMarkup::Text("")) => return Err(Fault::here(Problem::Missing)),
        Some(markup) => markup,
    };
    let arena = Bump::new();
    let request = decode(markup, &arena, Limits::default())?;
    context(&request)?;
    if request.assets.is_empty() {
        return Err(Fault::at("assets", Problem::Missing));
    }
    // Without ids an answer can only go by position; with some it cannot be told what is meant.
    let numbered = |asset: &Asset<'_>| asset.id.is_some();
    if request.assets.iter().any(numbered)
        && let Some(index) = request.assets.iter().position(|asset| !numbered(asset))
    {
        return Err(Fault::at(format!("assets[{index}].id"), Problem::Missing));
    }
    for (index, asset) in request.assets.iter().enumerate() {
        check_asset(asset).map_err(|fault| fault.within_index(index).within("assets"))?;
        let same = |other: &Asset<'_>| other.id.is_some() && other.id == asset.id;
        if request.assets[..index].iter().any(same) {
            let what = "ids of the assets of a request are unique".to_owned();
            return Err(Fault::at(
                format!("assets[{index}].id"),
                Problem::Value(what),
            ));
        }
    }
    for (index, tracker) in request.eventtrackers.iter().enumerate() {
        if tracker.methods.is_empty() {
            return Err(Fault::at(
                format!("eventtrackers[{index}].methods"),
                Problem::Missing,
            ));
        }
    }
    Ok(())
}

/// The subtypes are numbered by tens within their context; codes that no list has are tolerated.
fn context(request: &NativeRequest<'_>) -> Result<(), Fault> {
    let Some(subtype) = request.contextsubtype else {
        return Ok(());
    };
    let code = subtype.code();
    let what = match (request.context, subtype) {
        _ if code < 0 => format!("expected 0 or more, found {code}"),
        (None | Some(NativeContext::Other(_)), _) | (_, NativeContextSubtype::Other(_)) => {
            return Ok(());
        }
        (Some(context), _) if code / 10 == context.code() => return Ok(()),
        (Some(context), _) => format!("{code} is no part of context {}", context.code()),
    };
    Err(Fault::at("contextsubtype", Problem::Value(what)))
}

fn check_asset(asset: &Asset<'_>) -> Result<(), Fault> {
    let kinds = [
        asset.title.is_some(),
        asset.img.is_some(),
        asset.video.is_some(),
    ];
    let given = kinds.iter().filter(|given| **given).count() + usize::from(asset.data.is_some());
    if given != 1 {
        let what = "needs exactly one of title, img, video, data".to_owned();
        return Err(Fault::here(Problem::Value(what)));
    }
    if let Some(title) = asset.title {
        positive("len", title.len).map_err(|fault| fault.within("title"))?;
    }
    if let Some(image) = asset.img {
        let sizes = [
            ("w", image.w),
            ("h", image.h),
            ("wmin", image.wmin),
            ("hmin", image.hmin),
        ];
        for (name, value) in sizes {
            if value.is_some_and(|value| value < 0) {
                let what = "expected 0 or more".to_owned();
                return Err(Fault::at(format!("img.{name}"), Problem::Value(what)));
            }
        }
    }
    if let Some(video) = asset.video {
        let within = |fault: Fault| fault.within("video");
        positive("minduration", video.minduration).map_err(within)?;
        positive("maxduration", video.maxduration).map_err(within)?;
        for (name, empty) in [
            ("mimes", video.mimes.is_empty()),
            ("protocols", video.protocols.is_empty()),
        ] {
            if empty {
                return Err(Fault::at(format!("video.{name}"), Problem::Missing));
            }
        }
    }
    if let Some(data) = asset.data {
        positive("type", data.kind.map(DataAssetType::code))
            .map_err(|fault| fault.within("data"))?;
    }
    Ok(())
}

fn positive(name: &str, value: Option<i64>) -> Result<(), Fault> {
    match value {
        None => Err(Fault::at(name, Problem::Missing)),
        Some(value) if value <= 0 => Err(Fault::at(
            name,
            Problem::Value(format!("expected more than 0, found {value}")),
        )),
        Some(_) => Ok(()),
    }
}
