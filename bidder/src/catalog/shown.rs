//! Creatives as the bid path reads them: markup ready to be copied, and what places ask about.

use super::{Creative, Format};
use crate::frequency::Cap;
use crate::markup::{Markup, Parts, banner_types, is_secure};
use crate::native::Native;
use crate::permit::{Categories, categories};
use crate::vast::{self, Described};
use openrtb::Encode;
use openrtb::encode::Object;
use openrtb::taxonomy::Taxonomies;
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_64;

/// A creative.
pub(crate) struct Display {
    pub(crate) id: Arc<str>,
    pub(crate) crid: Box<str>,
    pub(crate) format: Format,
    pub(crate) w: i64,
    pub(crate) h: i64,
    /// Markup for each protocol, the preferred one first; one of protocol 0 for banners, none
    /// for native. Empty where nothing could be made of it, which then fits nowhere.
    pub(crate) variants: Box<[Variant]>,
    pub(crate) native: Option<Box<Native>>,
    pub(crate) landing_page: Box<str>,
    /// Attributes below 64, as bits.
    pub(crate) attributes: u64,
    pub(crate) attr: Box<[i64]>,
    pub(crate) api: Box<[i64]>,
    /// Banner types, as bits.
    pub(crate) kinds: u8,
    pub(crate) cat: Box<[Box<str>]>,
    /// Its categories in each family of taxonomies that knows them all.
    pub(crate) categories: Box<[Categories]>,
    /// Its own domains, in lower case.
    pub(crate) domains: Box<[Box<str>]>,
    pub(crate) language: Box<str>,
    pub(crate) mimes: Box<[Box<str>]>,
    /// Kilobits per second of its files, where all are known.
    pub(crate) bitrates: Box<[i64]>,
    /// Its length; 0 where it has none or it is not known.
    pub(crate) seconds: i64,
    /// Hash of its media file's address.
    pub(crate) file: u64,
    /// Whether everything is loaded over https.
    pub(crate) secure: bool,
    /// Bytes of its longest markup, without what fills the holes.
    pub(crate) size: usize,
    /// Seconds within which it may be shown; 0 for what the exchange allows.
    pub(crate) exp_s: u32,
    /// How often it may be seen.
    pub(crate) frequency: Box<[Cap]>,
    /// The members of a bid that do not change from bid to bid, from the value of `adomain` on.
    pub(crate) tail: Box<[u8]>,
}

/// Markup of one protocol.
pub(crate) struct Variant {
    pub(crate) protocol: i64,
    pub(crate) markup: Markup,
}

/// What a creative's content becomes.
struct Content {
    texts: Vec<(i64, String)>,
    told: Described,
}

pub(crate) fn display(one: &Creative, taxonomies: &Taxonomies, known: &mut Parts) -> Display {
    let Content { texts, told } = content(one);
    let bit = |attr: &i64| if (0..64).contains(attr) { 1 << attr } else { 0 };
    let native = one.native.as_deref();
    let secure = texts.iter().all(|(_, text)| is_secure(text));
    let variants: Box<[Variant]> = texts
        .iter()
        .map(|text| variant(one.format, text, known))
        .collect();
    let sizes = variants.iter().map(|variant| variant.markup.size());
    let size = sizes.max().unwrap_or(0);
    let native_secure = native.is_none_or(Native::is_secure);
    let native = native.map(|assets| Box::new(Native::new(assets, known)));
    let boxed = |list: &[String]| list.iter().map(|text| Box::from(&**text)).collect();
    Display {
        id: Arc::from(&*one.id),
        crid: Box::from(crid(one)),
        format: one.format,
        w: one.w.into(),
        h: one.h.into(),
        variants,
        landing_page: Box::from(&*one.landing_page),
        attributes: one.attr.iter().fold(0, |bits, attr| bits | bit(attr)),
        attr: one.attr.clone().into_boxed_slice(),
        api: one.api.clone().into_boxed_slice(),
        kinds: banner_types(&one.adm),
        cat: boxed(&one.cat),
        categories: categories(one, taxonomies),
        domains: one
            .adomain
            .iter()
            .map(|domain| domain.to_ascii_lowercase().into_boxed_str())
            .collect(),
        language: Box::from(&*one.language),
        mimes: boxed(&told.mimes),
        bitrates: told.bitrates.iter().map(|rate| i64::from(*rate)).collect(),
        seconds: told.duration_s.into(),
        file: xxh3_64(told.file.as_bytes()),
        secure: secure && native_secure,
        size: native.as_ref().map_or(size, |native| native.size()),
        native,
        exp_s: one.exp_s,
        frequency: Box::from(&*one.frequency),
        tail: tail(one, told.duration_s),
    }
}

fn crid(one: &Creative) -> &str {
    if one.crid.is_empty() {
        &one.id
    } else {
        &one.crid
    }
}

fn variant(format: Format, (protocol, text): &(i64, String), known: &mut Parts) -> Variant {
    let markup = match format {
        Format::Banner => Markup::banner(text, known),
        Format::Video | Format::Audio | Format::Native => Markup::new(text, known),
    };
    Variant {
        protocol: *protocol,
        markup,
    }
}

fn content(one: &Creative) -> Content {
    let media = &one.media;
    let declared = Described {
        mimes: media.mimes.clone(),
        duration_s: media.duration_s,
        protocol: media.protocol,
        ..Described::default()
    };
    match (one.format, &one.template) {
        (Format::Native, _) => Content {
            texts: Vec::new(),
            told: declared,
        },
        (Format::Banner, _) => {
            // Markup is a document unless its resources are named.
            let html = || vec!["text/html".to_owned()];
            let mimes = if media.mimes.is_empty() {
                html()
            } else {
                media.mimes.clone()
            };
            let told = Described { mimes, ..declared };
            let texts = vec![(0, one.adm.clone())];
            Content { texts, told }
        }
        (Format::Video | Format::Audio, Some(template)) => {
            let texts = vast::written(one, template);
            let first = texts.first().map(|(_, text)| vast::describe(text));
            let told = first.and_then(Result::ok).unwrap_or_default();
            let told = merged(told, &declared);
            Content { texts, told }
        }
        (Format::Video | Format::Audio, None) => given(one, &declared),
    }
}

/// Markup that the advertiser gave: with our trackers, as it describes itself.
fn given(one: &Creative, declared: &Described) -> Content {
    let read = vast::describe(&one.adm).and_then(|told| Ok((told, vast::inject(&one.adm)?)));
    match read {
        Ok((told, text)) => {
            let told = merged(told, declared);
            let texts = vec![(told.protocol, text)];
            Content { texts, told }
        }
        // Refused where it is set up; here one broken creative keeps no other from serving.
        Err(_) => Content {
            texts: Vec::new(),
            told: declared.clone(),
        },
    }
}

/// What the markup says, and what is declared where it says nothing.
fn merged(told: Described, declared: &Described) -> Described {
    let mimes = if told.mimes.is_empty() {
        declared.mimes.clone()
    } else {
        told.mimes
    };
    let duration_s = if told.duration_s == 0 {
        declared.duration_s
    } else {
        told.duration_s
    };
    let protocol = if told.protocol == 0 {
        declared.protocol
    } else {
        told.protocol
    };
    Described {
        protocol,
        mimes,
        duration_s,
        ..told
    }
}

fn texts(list: &[String]) -> Vec<&str> {
    list.iter().map(String::as_str).collect()
}

/// The constant members of a bid, without the name of the first.
fn tail(one: &Creative, seconds: u32) -> Box<[u8]> {
    let mut out = Vec::new();
    let mut object = Object::open(&mut out);
    texts(&one.adomain).as_slice().encode(object.key("adomain"));
    crid(one).encode(object.key("crid"));
    if let Some(bundle) = &one.bundle {
        bundle.as_str().encode(object.key("bundle"));
    }
    if !one.cat.is_empty() {
        one.cattax.max(1).encode(object.key("cattax"));
        texts(&one.cat).as_slice().encode(object.key("cat"));
    }
    if !one.attr.is_empty() {
        one.attr.as_slice().encode(object.key("attr"));
    }
    if !one.api.is_empty() {
        one.api.as_slice().encode(object.key("apis"));
    }
    match one.language.len() {
        0 => {}
        2 => one.language.as_str().encode(object.key("language")),
        _ => one.language.as_str().encode(object.key("langb")),
    }
    if one.w > 0 && one.h > 0 {
        i64::from(one.w).encode(object.key("w"));
        i64::from(one.h).encode(object.key("h"));
    }
    if seconds > 0 {
        i64::from(seconds).encode(object.key("dur"));
    }
    one.format.mtype().encode(object.key("mtype"));
    object.close();
    // Between the braces, behind the first name.
    let members = &out[br#"{"adomain":"#.len()..out.len() - 1];
    Box::from(members)
}
