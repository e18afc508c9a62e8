//! What is shown: creatives as plain values, and how the creatives of a line item take turns.

use crate::frequency::Cap;

/// The kind of an advertisement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Format {
    /// Display markup.
    #[default]
    Banner,
    /// VAST.
    Video,
    /// DAAST or VAST for audio.
    Audio,
    /// Assets as JSON.
    Native,
}

impl Format {
    /// Every format.
    pub const ALL: [Format; 4] = [Format::Banner, Format::Video, Format::Audio, Format::Native];

    /// The format's name in settings.
    pub fn label(self) -> &'static str {
        match self {
            Format::Banner => "banner",
            Format::Video => "video",
            Format::Audio => "audio",
            Format::Native => "native",
        }
    }

    /// `Bid.mtype` of the specification.
    pub fn mtype(self) -> i64 {
        match self {
            Format::Banner => 1,
            Format::Video => 2,
            Format::Audio => 3,
            Format::Native => 4,
        }
    }
}

/// What is shown. Its content is exactly one of `adm`, `template` and `native`.
#[derive(Clone, Debug, Default)]
pub struct Creative {
    /// Id, unique; how line items and the books name it.
    pub id: String,
    /// `Bid.crid`, under which exchanges review it; where it is empty, the id.
    pub crid: String,
    /// Id of the advertiser.
    pub advertiser: String,
    /// Kind of advertisement.
    pub format: Format,
    /// Width in device-independent pixels; 0 where it has none.
    pub w: u32,
    /// Height in device-independent pixels; 0 where it has none.
    pub h: u32,
    /// Markup with `${CLICK_URL}` and `${IMP_URL}` wherever they belong: HTML, VAST or DAAST.
    pub adm: String,
    /// What VAST is made from, instead of markup.
    pub template: Option<Template>,
    /// What a native answer is made from, instead of markup.
    pub native: Option<Box<Assets>>,
    /// Domains of the advertiser.
    pub adomain: Vec<String>,
    /// Where a click leads.
    pub landing_page: String,
    /// Store id of the application that it advertises, checked against `bapp`.
    pub bundle: Option<String>,
    /// Creative attributes (`AdCOM` list).
    pub attr: Vec<i64>,
    /// Categories, in taxonomy `cattax`.
    pub cat: Vec<String>,
    /// Taxonomy of `cat`; 1 is the default of the specification, and 0 counts as 1.
    pub cattax: i64,
    /// Interfaces (`AdCOM` list, such as 5 for MRAID 2) of which the place must have one; empty
    /// where it needs none.
    pub api: Vec<i64>,
    /// Its language as a BCP 47 tag such as `fr` or `fr-CA`; empty where it has none.
    pub language: String,
    /// Seconds after the bid within which it may be shown; 0 for what the exchange allows.
    pub exp_s: u32,
    /// How often it may be seen.
    pub frequency: Vec<Cap>,
    /// What its media file needs from a player; empty for banners and native. Of a banner only
    /// the types count: those of its resources, where the place lists what it takes.
    pub media: Media,
    /// Where it may be shown yet.
    pub approval: Approval,
}

/// What VAST is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Template {
    /// Inline: the media files, of which the player picks one.
    Files(Vec<File>),
    /// Wrapper: the address of another server's VAST.
    Tag(String),
}

/// A media file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct File {
    /// Its address.
    pub url: String,
    /// Its MIME type.
    pub mime: String,
    /// Width in pixels; 0 for audio.
    pub w: u32,
    /// Height in pixels; 0 for audio.
    pub h: u32,
    /// Kilobits per second; 0 where it is not known.
    pub bitrate_kbps: u32,
}

/// What a video or audio file needs from a player. What the markup itself says comes first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Media {
    /// MIME types, of which the player must take one, such as `video/mp4`. Where none is known,
    /// no place is known to take it.
    pub mimes: Vec<String>,
    /// Length in seconds; 0 where it is not known, which fits only where any length does.
    pub duration_s: u32,
    /// Protocol of the `AdCOM` list, such as 3 for VAST 3.0; 0 for what the markup says.
    pub protocol: i64,
}

/// What native answers are made from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assets {
    /// Titles of several lengths, of which the longest that fits is shown.
    pub titles: Vec<String>,
    /// Images of several kinds and sizes.
    pub images: Vec<Image>,
    /// Texts of several kinds, and of several lengths of a kind.
    pub data: Vec<Data>,
    /// A video.
    pub video: Option<Video>,
    /// The page that says why this advertisement is shown.
    pub privacy: Option<String>,
}

/// A native image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    /// What it shows: 1 an icon, 2 a logo, 3 the main image.
    pub kind: i64,
    /// Its address.
    pub url: String,
    /// Width in pixels.
    pub w: u32,
    /// Height in pixels.
    pub h: u32,
    /// Its MIME type; empty where it is not known.
    pub mime: String,
}

/// A native text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Data {
    /// What it says (list of Native 1.2), such as 1 for the sponsor.
    pub kind: i64,
    /// The text.
    pub value: String,
}

/// A native video.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Video {
    /// VAST.
    pub vast: String,
    /// What it needs from a player.
    pub media: Media,
}

/// Where a creative may be shown yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Approval {
    /// Whether exchanges that are not named must wait for it.
    pub withheld: bool,
    /// Exchanges for which the contrary holds.
    pub except: Vec<String>,
}

/// How the creatives of a line item take turns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Rotation {
    /// By lot, each as likely as the others.
    #[default]
    Even,
    /// By lot, each as likely as its weight says, in the order of the creatives.
    Weighted(Vec<u32>),
    /// One after the other for each user, as far as impressions are counted; by lot where
    /// nobody counts.
    Sequential,
}

/// The place within a pod.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PodPosition {
    /// Anywhere.
    #[default]
    Any,
    /// First only.
    First,
    /// Last only.
    Last,
}

/// How a line item is delivered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delivery {
    /// How its creatives take turns.
    pub rotation: Rotation,
    /// Deals that it buys under, and then nowhere else; empty for the open auction.
    pub deals: Vec<String>,
    /// Its place within a pod; with a wish, it buys where the seller guarantees the place.
    pub pod_position: PodPosition,
}
