//! Creatives into the bidder's: each with the earlier contents that still serve somewhere.

use super::Seller;
use super::buying::caps;
use crate::resource::creative::content::{DataKind, ImageKind, NativeVideo};
use crate::resource::creative::{Assets, MediaFile};
use crate::resource::terms::Format;
use crate::resource::{Advertiser, Creative};
use bidder::catalog as bid;
use bidder::frequency::{Cap, Level};

pub(super) fn kind(format: Format) -> bid::Format {
    match format {
        Format::Banner => bid::Format::Banner,
        Format::Video => bid::Format::Video,
        Format::Audio => bid::Format::Audio,
        Format::Native => bid::Format::Native,
    }
}

/// The id of a content: the first has the creative's own, so that exchanges know it under that;
/// each later one is new to them.
pub(super) fn revision_id(id: &str, revision: u32) -> String {
    format!("{id}.r{revision}")
}

/// The creative with its latest content, and behind it each kept one, each for the exchanges
/// where it serves.
pub(super) fn shown(
    id: &str,
    creative: &Creative,
    advertiser: Option<&Advertiser>,
    sellers: &[Seller],
) -> Vec<bid::Creative> {
    let serving = |revision: u32| {
        let there = sellers.iter().filter(move |seller| {
            creative.serving(&seller.id, seller.settings.requires_approval) == Some(revision)
        });
        there.map(|seller| seller.id.clone())
    };
    let latest = creative.number();
    let own: Vec<String> = serving(latest).collect();
    let elsewhere = sellers.iter().filter(|seller| !own.contains(&seller.id));
    // Every revision of a creative counts as the creative.
    let frequency: Vec<Cap> = caps(Level::Creative, id, &creative.frequency).collect();
    let mut all = vec![bid::Creative {
        frequency: frequency.clone(),
        approval: bid::Approval {
            withheld: false,
            except: elsewhere.map(|seller| seller.id.clone()).collect(),
        },
        ..one(id, (id, latest), creative, advertiser)
    }];
    for kept in &creative.earlier {
        let revision = kept.0.number();
        all.push(bid::Creative {
            frequency: frequency.clone(),
            approval: bid::Approval {
                withheld: true,
                except: serving(revision).collect(),
            },
            ..one(
                &revision_id(id, revision),
                (id, revision),
                &kept.0,
                advertiser,
            )
        });
    }
    all
}

fn one(
    id: &str,
    (reviewed, revision): (&str, u32),
    creative: &Creative,
    advertiser: Option<&Advertiser>,
) -> bid::Creative {
    let codes = |list: &[crate::model::Whole<1, 999>]| -> Vec<i64> {
        list.iter().map(|code| i64::from(code.0)).collect()
    };
    let mut cat: Vec<String> = creative.cat.iter().map(|cat| cat.0.clone()).collect();
    let mut cattax = i64::from(creative.cattax.0);
    if let Some(advertiser) = advertiser.filter(|_| cat.is_empty()) {
        // What is true of all its advertisements is true of this one.
        cat = advertiser
            .iab_categories
            .iter()
            .map(|cat| cat.0.clone())
            .collect();
        cattax = 1;
    }
    let tag = creative.vast_tag.as_ref();
    let template = match (tag, creative.media.is_empty()) {
        (Some(tag), _) => Some(bid::Template::Tag(tag.0.clone())),
        (None, false) => Some(bid::Template::Files(
            creative.media.iter().map(file).collect(),
        )),
        (None, true) => None,
    };
    bid::Creative {
        id: id.to_owned(),
        crid: match revision {
            1 => reviewed.to_owned(),
            later => revision_id(reviewed, later),
        },
        advertiser: creative.advertiser.0.clone(),
        format: kind(creative.format),
        w: creative.w.map_or(0, |side| side.0),
        h: creative.h.map_or(0, |side| side.0),
        adm: creative
            .adm
            .as_ref()
            .map(|adm| adm.0.clone())
            .unwrap_or_default(),
        template,
        native: creative
            .native
            .as_ref()
            .map(|native| Box::new(assets(native))),
        adomain: creative
            .adomain
            .iter()
            .map(|domain| domain.0.clone())
            .collect(),
        landing_page: creative.landing_page.0.clone(),
        bundle: creative.bundle.as_ref().map(|bundle| bundle.0.clone()),
        attr: codes(&creative.attr),
        cat,
        cattax,
        api: codes(&creative.api),
        language: creative
            .language
            .as_ref()
            .map(|tag| tag.0.clone())
            .unwrap_or_default(),
        exp_s: creative.exp_s.map_or(0, |seconds| seconds.0),
        frequency: Vec::new(),
        media: bid::Media {
            mimes: creative.mime.iter().map(|mime| mime.0.clone()).collect(),
            duration_s: creative.duration_s.map_or(0, |seconds| seconds.0),
            protocol: creative
                .protocol
                .map_or(0, |protocol| i64::from(protocol.0)),
        },
        approval: bid::Approval::default(),
    }
}

fn file(file: &MediaFile) -> bid::File {
    bid::File {
        url: file.url.0.clone(),
        mime: file.mime.0.clone(),
        w: file.w.map_or(0, |side| side.0),
        h: file.h.map_or(0, |side| side.0),
        bitrate_kbps: file.bitrate_kbps.map_or(0, |rate| rate.0),
    }
}

fn assets(native: &Assets) -> bid::Assets {
    bid::Assets {
        titles: native.titles.iter().map(|title| title.0.clone()).collect(),
        images: native
            .images
            .iter()
            .map(|image| bid::Image {
                kind: image_kind(image.kind),
                url: image.url.0.clone(),
                w: image.w.0,
                h: image.h.0,
                mime: image
                    .mime
                    .as_ref()
                    .map(|mime| mime.0.clone())
                    .unwrap_or_default(),
            })
            .collect(),
        data: native
            .data
            .iter()
            .map(|data| bid::Data {
                kind: data_kind(data.kind),
                value: data.value.0.clone(),
            })
            .collect(),
        video: native.video.as_ref().map(video),
        privacy: native.privacy.as_ref().map(|page| page.0.clone()),
    }
}

fn video(video: &NativeVideo) -> bid::Video {
    bid::Video {
        vast: video.vast.0.clone(),
        media: bid::Media {
            mimes: video.mime.iter().map(|mime| mime.0.clone()).collect(),
            duration_s: video.duration_s.map_or(0, |seconds| seconds.0),
            protocol: 0,
        },
    }
}

/// Codes of Native 1.2, section 7.5.
fn image_kind(kind: ImageKind) -> i64 {
    match kind {
        ImageKind::Icon => 1,
        ImageKind::Logo => 2,
        ImageKind::Main => 3,
    }
}

/// Codes of Native 1.2, section 7.4.
fn data_kind(kind: DataKind) -> i64 {
    match kind {
        DataKind::Sponsored => 1,
        DataKind::Description => 2,
        DataKind::Rating => 3,
        DataKind::Likes => 4,
        DataKind::Downloads => 5,
        DataKind::Price => 6,
        DataKind::SalePrice => 7,
        DataKind::Phone => 8,
        DataKind::Address => 9,
        DataKind::Description2 => 10,
        DataKind::DisplayUrl => 11,
        DataKind::CallToAction => 12,
    }
}
