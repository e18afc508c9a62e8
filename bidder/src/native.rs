//! Native: assets matched to those that a request asks for, written as a native response.
//!
//! For each asset that is asked for, the best of the creative's that meets every demand: the
//! longest text that is not too long, the largest image where a least size is named and the one
//! of exactly the size where one is. Without every required asset there is no answer. Cost:
//! a walk over the creative's assets for each asset, and the copy of compiled JSON.

use crate::catalog::{Assets, Data, Image};
use crate::markup::{Hole, Markup, Parts};
use crate::permit::place::lasts;
use crate::vast;
use openrtb::Encode;
use openrtb::encode::Object;
use openrtb::list::{EventMethod, EventType};
use openrtb::native::{self as wire, Asset, NativeRequest};

/// A creative's assets, the longest or largest of a kind first.
#[derive(Debug)]
pub(crate) struct Native {
    titles: Box<[Text]>,
    images: Box<[Image]>,
    data: Box<[(i64, Text)]>,
    video: Option<Film>,
    privacy: Option<Box<str>>,
}

#[derive(Debug)]
struct Text {
    text: Box<str>,
    letters: i64,
}

#[derive(Debug)]
struct Film {
    markup: Markup,
    mimes: Box<[Box<str>]>,
    protocol: i64,
    seconds: i64,
}

/// What an asset is answered with.
enum Answer<'n> {
    Title(&'n Text),
    Image(&'n Image),
    Data(&'n Text),
    Video(&'n Film),
}

impl Native {
    pub(crate) fn new(assets: &Assets, known: &mut Parts) -> Self {
        let text = |text: &String| Text {
            letters: text.chars().count() as i64,
            text: Box::from(&**text),
        };
        let mut titles: Vec<Text> = assets.titles.iter().map(text).collect();
        titles.sort_by_key(|title| std::cmp::Reverse(title.letters));
        let mut images = assets.images.clone();
        images.sort_by_key(|image| std::cmp::Reverse(u64::from(image.w) * u64::from(image.h)));
        let one = |one: &Data| (one.kind, text(&one.value));
        let mut data: Vec<(i64, Text)> = assets.data.iter().map(one).collect();
        data.sort_by_key(|(_, text)| std::cmp::Reverse(text.letters));
        Self {
            titles: titles.into_boxed_slice(),
            images: images.into_boxed_slice(),
            data: data.into_boxed_slice(),
            video: assets.video.as_ref().and_then(|video| film(video, known)),
            privacy: assets.privacy.as_deref().map(Box::from),
        }
    }

    /// Whether the request can be answered: with every required asset, and with any at all.
    pub(crate) fn fits(&self, request: &NativeRequest<'_>) -> bool {
        let mut answered = 0;
        for asset in request.assets {
            if self.answer(asset).is_some() {
                answered += 1;
            } else if asset.required.is_some_and(openrtb::Flag::is_set) {
                return false;
            }
        }
        answered > 0
    }

    fn answer(&self, asset: &Asset<'_>) -> Option<Answer<'_>> {
        if let Some(title) = asset.title {
            let fits = |one: &&Text| title.len.is_none_or(|most| one.letters <= most);
            return self.titles.iter().find(fits).map(Answer::Title);
        }
        if let Some(image) = asset.img {
            let fitting = self.images.iter().find(|own| shows(image, own));
            return fitting.map(Answer::Image);
        }
        if let Some(data) = asset.data {
            let kind = data.kind?.code();
            let most = data.len.filter(|most| *most > 0);
            let fits =
                |own: &&(i64, Text)| own.0 == kind && most.is_none_or(|most| own.1.letters <= most);
            return self
                .data
                .iter()
                .find(fits)
                .map(|(_, text)| Answer::Data(text));
        }
        let (video, film) = (asset.video?, self.video.as_ref()?);
        let taken = |mime: &&str| film.mimes.iter().any(|own| own.eq_ignore_ascii_case(mime));
        let bounds = (video.minduration, video.maxduration);
        let fits = video.mimes.iter().any(taken)
            && video.protocols.contains(&film.protocol)
            && lasts(&video.rqddurs, bounds, film.seconds);
        fits.then_some(Answer::Video(film))
    }

    /// Appends the response for a request that fits, as the JSON that the markup carries.
    ///
    /// `ver` is the version of the placement, where its request names none: until 1.0 the
    /// response stands inside an object of one member.
    pub(crate) fn write(
        &self,
        request: &NativeRequest<'_>,
        ver: Option<&str>,
        fill: impl Fn(Hole, &mut Vec<u8>),
        out: &mut Vec<u8>,
    ) {
        let wrapped = matches!(request.ver.or(ver), Some("1" | "1.0"));
        if wrapped {
            out.extend_from_slice(b"{\"native\":");
        }
        let mut native = Object::open(out);
        let version = request.ver.or(ver).unwrap_or("1.2");
        version.encode(native.key("ver"));
        let list = native.key("assets");
        list.push(b'[');
        for (asset, place) in request.assets.iter().zip(0..) {
            if let Some(answer) = self.answer(asset) {
                if list.last() != Some(&b'[') {
                    list.push(b',');
                }
                write_asset(&answer, asset.id.unwrap_or(place), &fill, list);
            }
        }
        list.push(b']');
        let mut link = Object::open(native.key("link"));
        address(Hole::Click { encoded: false }, &fill, link.key("url"));
        link.close();
        trackers(request, &fill, &mut native);
        let privacy = self.privacy.as_deref();
        let wanted = request.privacy.is_some_and(openrtb::Flag::is_set);
        if let Some(privacy) = privacy.filter(|_| wanted) {
            privacy.encode(native.key("privacy"));
        }
        native.close();
        if wrapped {
            out.push(b'}');
        }
    }

    /// The most bytes that a response can have, roughly: everything at once.
    pub(crate) fn size(&self) -> usize {
        let texts = self
            .titles
            .iter()
            .chain(self.data.iter().map(|(_, text)| text));
        let texts: usize = texts.map(|text| text.text.len() + 32).sum();
        let images: usize = self.images.iter().map(|image| image.url.len() + 64).sum();
        let video = self.video.as_ref().map_or(0, |film| film.markup.size());
        texts + images + video + 256
    }

    /// Whether everything is loaded over https.
    pub(crate) fn is_secure(assets: &Assets) -> bool {
        let images = assets.images.iter().map(|image| &*image.url);
        let video = assets.video.iter().map(|video| &*video.vast);
        images.chain(video).all(crate::markup::is_secure)
    }
}

fn film(video: &crate::catalog::Video, known: &mut Parts) -> Option<Film> {
    let told = vast::describe(&video.vast).ok()?;
    let text = vast::inject(&video.vast).ok()?;
    let or = |own: i64, other: i64| if own > 0 { own } else { other };
    let mimes = if told.mimes.is_empty() {
        &video.media.mimes
    } else {
        &told.mimes
    };
    Some(Film {
        markup: Markup::new(&text, known),
        mimes: mimes.iter().map(|mime| Box::from(&**mime)).collect(),
        protocol: or(told.protocol, video.media.protocol),
        seconds: or(told.duration_s.into(), video.media.duration_s.into()),
    })
}

/// Whether an image is what is asked for. A least size allows for scaling; a size alone is
/// meant exactly (Native 1.2, section 4.4).
fn shows(asked: &wire::Image<'_>, own: &Image) -> bool {
    let side = |exact: Option<i64>, least: Option<i64>, own: u32| {
        let own = i64::from(own);
        match (
            exact.filter(|side| *side > 0),
            least.filter(|side| *side > 0),
        ) {
            (_, Some(least)) => own >= least,
            (Some(exact), None) => own == exact,
            (None, None) => true,
        }
    };
    let kind = asked.kind.is_none_or(|kind| kind.code() == own.kind);
    // Both names are in use for one type.
    let plain = |mime: &str| mime.to_ascii_lowercase().replace("jpg", "jpeg");
    let typed = asked.mimes.is_empty()
        || asked
            .mimes
            .iter()
            .any(|mime| plain(mime) == plain(&own.mime));
    kind && typed && side(asked.w, asked.wmin, own.w) && side(asked.h, asked.hmin, own.h)
}

fn write_asset(
    answer: &Answer<'_>,
    id: i64,
    fill: &impl Fn(Hole, &mut Vec<u8>),
    out: &mut Vec<u8>,
) {
    let mut asset = Object::open(out);
    id.encode(asset.key("id"));
    let name = match answer {
        Answer::Title(_) => "title",
        Answer::Image(_) => "img",
        Answer::Data(_) => "data",
        Answer::Video(_) => "video",
    };
    let mut inner = Object::open(asset.key(name));
    match answer {
        Answer::Title(title) => title.text.as_ref().encode(inner.key("text")),
        Answer::Data(data) => data.text.as_ref().encode(inner.key("value")),
        Answer::Image(image) => {
            image.url.as_str().encode(inner.key("url"));
            if image.w > 0 && image.h > 0 {
                i64::from(image.w).encode(inner.key("w"));
                i64::from(image.h).encode(inner.key("h"));
            }
        }
        Answer::Video(film) => film.markup.write(fill, inner.key("vasttag")),
    }
    inner.close();
    asset.close();
}

fn address(hole: Hole, fill: &impl Fn(Hole, &mut Vec<u8>), out: &mut Vec<u8>) {
    out.push(b'"');
    fill(hole, out);
    out.push(b'"');
}

/// The impression in the style that the placement supports: event trackers where it names them
/// (1.2), else the plain list of before, which every version has.
fn trackers(
    request: &NativeRequest<'_>,
    fill: &impl Fn(Hole, &mut Vec<u8>),
    native: &mut Object<'_>,
) {
    let supports = |event: EventType| {
        let same = |one: &wire::EventTracker<'_>| {
            one.event == Some(event) && one.methods.contains(&EventMethod::Image)
        };
        request.eventtrackers.iter().any(same)
    };
    let mut events = [
        (EventType::Impression, Hole::Impression { encoded: false }),
        (EventType::Viewable50, Hole::View { encoded: false }),
    ]
    .into_iter()
    .filter(|(event, _)| supports(*event))
    .peekable();
    if events.peek().is_some() {
        let list = native.key("eventtrackers");
        list.push(b'[');
        for (event, hole) in events {
            if list.last() != Some(&b'[') {
                list.push(b',');
            }
            let mut tracker = Object::open(list);
            event.code().encode(tracker.key("event"));
            EventMethod::Image.code().encode(tracker.key("method"));
            address(hole, fill, tracker.key("url"));
            tracker.close();
        }
        list.push(b']');
    }
    if !supports(EventType::Impression) {
        let list = native.key("imptrackers");
        list.push(b'[');
        address(Hole::Impression { encoded: false }, fill, list);
        list.push(b']');
    }
}

#[cfg(test)]
mod tests;
