//! The dimensions of targeting: one line of one table for each, with the form of its values and
//! the reader that finds them in a request.
//!
//! A reader says what it saw to a [`Signal`]; what it did not see at all is the value
//! [`MISSING`], which line items ask for or refuse like any other. Only dimensions that some
//! line item mentions are read.

pub(crate) mod agent;
mod content;
mod device;
mod ext;
pub(crate) mod inventory;
pub(crate) mod media;
pub(crate) mod place;
mod signal;
mod supply;

pub use ext::ExtPath;
pub(crate) use signal::{MISSING, Signal};

use audience::SegmentSet;
use openrtb::BidRequest;
use openrtb::request::Imp;

/// The form of a dimension's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text, letter by letter.
    Text,
    /// Text without regard to case.
    Lower,
    /// Categories with their taxonomy, such as `1:IAB2-3`.
    Category,
    /// Domains, which stand for their sub-domains too, and bundles.
    Inventory,
    /// Codes of a list, or 0 and 1.
    Code,
    /// Whole numbers below two to the power of `bits`; what is beyond counts as the last one.
    Number {
        /// How many bits the numbers have, at most 24.
        bits: u32,
    },
    /// Software by name and version, without regard to case.
    Version,
    /// Circles on the ground.
    Circle,
    /// Written in another part of [`Targeting`](crate::catalog::Targeting) than its rules.
    Apart,
}

/// What the readers of a whole request look at.
pub(crate) struct Reading<'r, 'a> {
    pub(crate) request: &'r BidRequest<'a>,
    /// The exchange that calls.
    pub(crate) exchange: &'r str,
    /// Unix milliseconds.
    pub(crate) now_ms: i64,
    /// The segments of the user.
    pub(crate) segments: &'r SegmentSet,
    /// Whether the request has any id of the user that may be looked at.
    pub(crate) identified: bool,
}

/// Finds the values of a dimension.
#[derive(Clone, Copy)]
pub(crate) enum Reader {
    /// Once for the request.
    Request(fn(&Reading<'_, '_>, &mut Signal<'_>)),
    /// For each imp.
    Imp(fn(&Imp<'_>, &mut Signal<'_>)),
}

/// Declares the dimensions. The name of each is also that of its field in the API; the order is
/// that in which the first failing rule is told.
macro_rules! dimensions {
    ($( $(#[doc = $doc:literal])+ $name:ident = $label:literal, $kind:expr, $level:ident($read:path); )+) => {
        /// What every request may speak about.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Dimension { $( $(#[doc = $doc])+ $name ),+ }

        impl Dimension {
            /// Every dimension, in order.
            pub const ALL: &[Dimension] = &[$( Dimension::$name ),+];

            /// The name of its field in the API.
            pub fn label(self) -> &'static str {
                match self { $( Self::$name => $label ),+ }
            }

            /// The form of its values.
            pub fn kind(self) -> Kind {
                match self { $( Self::$name => $kind ),+ }
            }

            pub(crate) fn reader(self) -> Reader {
                match self { $( Self::$name => Reader::$level($read) ),+ }
            }
        }
    };
}

dimensions! {
    /// Ids of the ad exchanges that call.
    Exchange = "exchanges", Kind::Text, Request(supply::exchange);
    /// Countries (`FRA`) and regions (`FRA-IDF`): `geo.country`, `geo.region`.
    Geo = "geo", Kind::Text, Request(place::geo);
    /// Metropolitan areas: `geo.metro`.
    Metro = "metros", Kind::Text, Request(place::metro);
    /// Cities with their country (`FRA:Paris`): `geo.city`.
    City = "cities", Kind::Lower, Request(place::city);
    /// Postal codes with their country (`FRA:75001`), or their beginnings (`FRA:75*`): `geo.zip`.
    PostalCode = "postal_codes", Kind::Lower, Request(place::postal_code);
    /// Circles: `geo.lat`, `geo.lon`.
    Radius = "radius", Kind::Circle, Request(place::radius);
    /// Hours of the week at the user's place, Monday 00:00 first: `geo.utcoffset`.
    UserHour = "user_hours", Kind::Code, Request(place::user_hour);
    /// Domains of sites and bundles of applications, two names of one thing: where it is shown.
    Inventory = "sites", Kind::Inventory, Request(inventory::inventory);
    /// `publisher.id` of the site, application or screen.
    Publisher = "publishers", Kind::Text, Request(inventory::publisher);
    /// `device.devicetype`.
    DeviceType = "devices", Kind::Code, Request(device::kind);
    /// `device.make`.
    Make = "makes", Kind::Lower, Request(device::make);
    /// `device.sua.model`, else `device.model`.
    Model = "models", Kind::Lower, Request(device::model);
    /// `device.sua.platform`, else `device.os` and `osv`, else `device.ua`.
    OperatingSystem = "operating_systems", Kind::Version, Request(device::operating_system);
    /// `device.sua.browsers`, else `device.ua`.
    Browser = "browsers", Kind::Version, Request(device::browser);
    /// `device.carrier`, `device.mccmnc`.
    Carrier = "carriers", Kind::Lower, Request(device::carrier);
    /// `device.connectiontype`.
    Connection = "connections", Kind::Code, Request(device::connection);
    /// Languages in two letters: `device.language`, else `device.langb`.
    Language = "languages", Kind::Lower, Request(device::language);
    /// Segments of the user; one group of them, the others are verified.
    Audience = "audience", Kind::Apart, Request(supply::audience);
    /// Seats that may buy: `wseat`.
    Seat = "seats", Kind::Text, Request(supply::seat);
    /// Nodes of the supply chain.
    SupplyNodes = "supply_nodes", Kind::Number { bits: 8 }, Request(supply::nodes);
    /// Whether the supply chain is complete.
    SupplyComplete = "supply_complete", Kind::Code, Request(supply::complete);
    /// Members of the supply chain: `asi`, and `asi/sid`.
    SupplyMember = "supply_members", Kind::Lower, Request(supply::member);
    /// Categories of site, application and content, with their taxonomy (`1:IAB2-3`).
    Category = "categories", Kind::Category, Request(content::category);
    /// Categories of the section.
    Section = "sections", Kind::Category, Request(content::section);
    /// Categories of the page or view.
    PageCategory = "page_categories", Kind::Category, Request(content::page_category);
    /// Keywords of site, application, screen and content.
    Keyword = "keywords", Kind::Lower, Request(content::keyword);
    /// `content.genre`, and `content.genres` with their taxonomy (`9:12`).
    Genre = "content_genres", Kind::Lower, Request(content::genre);
    /// `content.contentrating`.
    Rating = "content_ratings", Kind::Lower, Request(content::rating);
    /// `content.qagmediarating`.
    MediaRating = "content_media_ratings", Kind::Code, Request(content::media_rating);
    /// `content.livestream`.
    Livestream = "content_livestream", Kind::Code, Request(content::livestream);
    /// `content.series`.
    Series = "content_series", Kind::Lower, Request(content::series);
    /// `content.channel`: id, name or domain.
    Channel = "content_channels", Kind::Lower, Request(content::channel);
    /// `content.network`: id, name or domain.
    Network = "content_networks", Kind::Lower, Request(content::network);
    /// `content.len`, in seconds.
    ContentLength = "content_lengths", Kind::Number { bits: 16 }, Request(content::length);
    /// `content.language`, else `content.langb`.
    ContentLanguage = "content_languages", Kind::Lower, Request(content::language);
    /// `content.context`.
    ContentContext = "content_contexts", Kind::Code, Request(content::context);
    /// Venues of screens outside the home, with their taxonomy (`1:205`).
    Venue = "venues", Kind::Text, Request(content::venue);
    /// Format and size. Every line item asks for something here.
    Slot = "formats", Kind::Apart, Imp(media::slot);
    /// `imp.tagid`.
    Placement = "placements", Kind::Text, Imp(media::placement);
    /// `pos` of banner or video.
    Position = "positions", Kind::Code, Imp(media::position);
    /// `imp.instl`.
    Interstitial = "interstitial", Kind::Code, Imp(media::interstitial);
    /// `imp.rwdd`.
    Rewarded = "rewarded", Kind::Code, Imp(media::rewarded);
    /// Width to height in lowest terms, as `w << 32 | h`: of a banner's sizes, or the player's.
    Ratio = "ratios", Kind::Code, Imp(media::ratio);
    /// `imp.pmp.deals[].id`.
    Deal = "deals", Kind::Text, Imp(media::deal);
    /// Width of the player in pixels.
    PlayerWidth = "player_widths", Kind::Number { bits: 14 }, Imp(media::player_width);
    /// `video.maxduration`, in seconds.
    VideoDuration = "video_durations", Kind::Number { bits: 16 }, Imp(media::video_duration);
    /// `video.plcmt`.
    VideoPlcmt = "video_plcmt", Kind::Code, Imp(media::video_plcmt);
    /// `video.protocols`.
    VideoProtocol = "video_protocols", Kind::Code, Imp(media::video_protocol);
    /// `video.linearity`.
    VideoLinearity = "video_linearity", Kind::Code, Imp(media::video_linearity);
    /// `video.skip`.
    VideoSkippable = "video_skippable", Kind::Code, Imp(media::video_skippable);
    /// `video.playbackmethod`.
    VideoPlayback = "video_playback", Kind::Code, Imp(media::video_playback);
    /// `video.startdelay`: 0 before the content, -1 at any time within, -2 after it.
    VideoStart = "video_start_delays", Kind::Code, Imp(media::video_start);
    /// `audio.maxduration`, in seconds.
    AudioDuration = "audio_durations", Kind::Number { bits: 16 }, Imp(media::audio_duration);
    /// `audio.protocols`.
    AudioProtocol = "audio_protocols", Kind::Code, Imp(media::audio_protocol);
    /// `audio.startdelay`, as for video.
    AudioStart = "audio_start_delays", Kind::Code, Imp(media::audio_start);
    /// `audio.feed`.
    AudioFeed = "audio_feeds", Kind::Code, Imp(media::audio_feed);
    /// `imp.metric[].value` of type `viewability`, in thousandths.
    Viewability = "viewability", Kind::Number { bits: 10 }, Imp(media::viewability);
}
