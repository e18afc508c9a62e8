//! For whom, where and when a line item is shown: one field for each dimension of the bidder.
//!
//! Each rule checks itself while it is read. Here are the rules that contradict each other:
//! a line item that could never serve is refused.

use super::rules::{Missing, Named, Rules, Term};
use super::terms::{Around, Bundle, Ratio, Scalar, Software, Span};
use super::words::{
    Connection, Context, Device, Feed, Linearity, MediaRating, Playback, Plcmt, Position, Start,
};
use crate::fault::Fault;
use crate::model::{
    Domain, Id, InTaxonomy, Iso639, Located, Path, Place, Postal, Size, Tag, Venue, Whole, choices,
    model,
};
use crate::resource::terms::Format;
use bidder::catalog::{self as bid, Dimension, Subject, Value};
use std::collections::BTreeMap;

choices! {
    /// A day of the week.
    pub enum Day {
        /// Monday.
        Monday = "mon",
        /// Tuesday.
        Tuesday = "tue",
        /// Wednesday.
        Wednesday = "wed",
        /// Thursday.
        Thursday = "thu",
        /// Friday.
        Friday = "fri",
        /// Saturday.
        Saturday = "sat",
        /// Sunday.
        Sunday = "sun",
    }
}

model! {
    /// Hours of some days.
    pub struct Hours {
        /// Days of the week; empty means every day.
        pub days: Vec<Day> = Vec::new(),
        /// First hour, from 0.
        pub from: Whole<0, 23>,
        /// Hour at which it ends, up to 24.
        pub to: Whole<1, 24>,
    }
}

impl Hours {
    /// The hours of the week, from Monday 00:00.
    pub fn of_week(&self) -> impl Iterator<Item = u32> {
        let of_day = |day: &u32| {
            let listed = self.days.iter().any(|listed| *listed as u32 == *day);
            listed || self.days.is_empty()
        };
        let hours = move |day: u32| (self.from.0..self.to.0).map(move |hour| day * 24 + hour);
        (0..7).filter(of_day).flat_map(hours)
    }
}

impl Term for Hours {
    fn values(&self, values: &mut Vec<Value>) {
        values.extend(self.of_week().map(|hour| Value::Code(i64::from(hour))));
    }

    fn covers(&self, other: &Self) -> bool {
        other
            .of_week()
            .all(|hour| self.of_week().any(|own| own == hour))
    }
}

model! {
    /// Segments of users.
    pub struct Audience {
        /// The user is in at least one segment of every list.
        pub include: Vec<Vec<Id>> = Vec::new(),
        /// The user is in none of these.
        pub exclude: Vec<Id> = Vec::new(),
        /// What becomes of a request without any id of the user.
        pub missing: Option<Missing> = None,
    }
}

/// Declares the rules of targeting: field, form of its values, dimension of the bidder.
macro_rules! targeting {
    ($( $(#[doc = $doc:literal])+ $field:ident : $term:ty => $dimension:ident; )+) => {
        model! {
            /// For whom, where and when; whatever is left out means any.
            pub struct Targeting {
                $( $(#[doc = $doc])+ pub $field: Option<Rules<$term>> = None, )+
                /// Segments of users.
                pub audience: Option<Audience> = None,
                /// Kinds of advertisement.
                pub formats: Option<Rules<Format>> = None,
                /// Sizes of banners; a slot that leaves its size open carries no signal.
                pub sizes: Option<Rules<Size>> = None,
                /// Times of the week in the advertiser's timezone.
                pub hours: Vec<Hours> = Vec::new(),
                /// Bundles of applications; one list with the sites.
                pub apps: Option<Rules<Bundle>> = None,
                /// Measurements of the exchange by their type, in thousandths.
                pub metrics: Vec<Named<Tag, Span<1_000_000, 1>>> = Vec::new(),
                /// Values at paths below ext.
                pub ext: Vec<Named<Path, Scalar>> = Vec::new(),
            }
        }

        impl Targeting {
            /// Targeting that restricts nothing.
            pub fn any() -> Self {
                Self {
                    audience: None,
                    formats: None,
                    sizes: None,
                    hours: Vec::new(),
                    apps: None,
                    metrics: Vec::new(),
                    ext: Vec::new(),
                    $( $field: None, )+
                }
            }

            /// The rules of the bidder's dimensions, without those of applications.
            fn of_dimensions(&self) -> BTreeMap<Subject, bid::Rule<Value>> {
                let mut rules = BTreeMap::new();
                $( if let Some(own) = &self.$field {
                    rules.insert(Dimension::$dimension.into(), own.compiled());
                } )+
                rules
            }

            /// The fields that some request must say something to, with the place that has it.
            fn demanding(&self) -> Vec<(&'static str, Dimension)> {
                let mut fields = Vec::new();
                $( if self.$field.as_ref().is_some_and(Rules::demands) {
                    fields.push((stringify!($field), Dimension::$dimension));
                } )+
                fields
            }
        }

        /// Every field with the dimension that it is for.
        #[cfg(test)]
        pub(super) const FIELDS: &[(&str, Dimension)] =
            &[$( (stringify!($field), Dimension::$dimension) ),+];
    };
}

targeting! {
    /// Exchanges that call.
    exchanges: Id => Exchange;
    /// Countries, and regions of them.
    geo: Place => Geo;
    /// Metropolitan areas, by the code that requests carry.
    metros: Tag => Metro;
    /// Cities with their country.
    cities: Located => City;
    /// Postal codes with their country, or with a star their beginnings.
    postal_codes: Postal => PostalCode;
    /// Circles around points.
    radius: Around => Radius;
    /// Times of the week in the user's timezone.
    user_hours: Hours => UserHour;
    /// Domains of sites, which stand for their sub-domains too; one list with the applications.
    sites: Domain => Inventory;
    /// Publishers, by the id that requests carry.
    publishers: Tag => Publisher;
    /// Kinds of device.
    devices: Device => DeviceType;
    /// Makes of devices.
    makes: Tag => Make;
    /// Models of devices.
    models: Tag => Model;
    /// Operating systems, of any version or some.
    operating_systems: Software => OperatingSystem;
    /// Browsers, of any version or some.
    browsers: Software => Browser;
    /// Carriers, by name or by the code of country and network.
    carriers: Tag => Carrier;
    /// Connections to the network.
    connections: Connection => Connection;
    /// Languages of the device.
    languages: Iso639 => Language;
    /// Seats that the exchange lets buy.
    seats: Tag => Seat;
    /// How many nodes the supply chain has.
    supply_nodes: Span<255, 1> => SupplyNodes;
    /// Whether the supply chain is complete.
    supply_complete: bool => SupplyComplete;
    /// Members of the supply chain, by their system or by system/seller.
    supply_members: Tag => SupplyMember;
    /// Categories of the site or application, its section or page, or the content.
    categories: InTaxonomy => Category;
    /// Categories of the section.
    sections: InTaxonomy => Section;
    /// Categories of the page or view.
    page_categories: InTaxonomy => PageCategory;
    /// Keywords of the site, application, screen or content.
    keywords: Tag => Keyword;
    /// Genres of the content, by name or by taxonomy and id such as 9:12.
    content_genres: Tag => Genre;
    /// Ratings of the content, as requests carry them.
    content_ratings: Tag => Rating;
    /// Whom the content is suitable for.
    content_media_ratings: MediaRating => MediaRating;
    /// Whether the content is live.
    content_livestream: bool => Livestream;
    /// Series that the content belongs to.
    content_series: Tag => Series;
    /// Channels of the content, by id, name or domain.
    content_channels: Tag => Channel;
    /// Networks of the content, by id, name or domain.
    content_networks: Tag => Network;
    /// Length of the content in seconds.
    content_lengths: Span<65_535, 1> => ContentLength;
    /// Languages of the content.
    content_languages: Iso639 => ContentLanguage;
    /// Kinds of content.
    content_contexts: Context => ContentContext;
    /// Venues of screens outside the home.
    venues: Venue => Venue;
    /// Placements, by the tagid that imps carry.
    placements: Tag => Placement;
    /// Positions on the screen.
    positions: Position => Position;
    /// Whether it fills the screen.
    interstitial: bool => Interstitial;
    /// Whether the user is rewarded.
    rewarded: bool => Rewarded;
    /// Width to height, of banners and players.
    ratios: Ratio => Ratio;
    /// Deals that the imp is offered under.
    deals: Tag => Deal;
    /// Width of the player in pixels.
    player_widths: Span<16_383, 1> => PlayerWidth;
    /// The longest video that the player takes, in seconds.
    video_durations: Span<65_535, 1> => VideoDuration;
    /// How the video stands to the content around it.
    video_plcmt: Plcmt => VideoPlcmt;
    /// Protocols that the video player understands.
    video_protocols: Whole<1, 16> => VideoProtocol;
    /// Whether the video stops the content.
    video_linearity: Linearity => VideoLinearity;
    /// Whether the user can skip the video.
    video_skippable: bool => VideoSkippable;
    /// How the video begins.
    video_playback: Playback => VideoPlayback;
    /// When the video plays.
    video_start_delays: Start => VideoStart;
    /// The longest audio that the player takes, in seconds.
    audio_durations: Span<65_535, 1> => AudioDuration;
    /// Protocols that the audio player understands.
    audio_protocols: Whole<1, 16> => AudioProtocol;
    /// When the audio plays.
    audio_start_delays: Start => AudioStart;
    /// Kinds of audio.
    audio_feeds: Feed => AudioFeed;
    /// How much of such places was visible, in percent.
    viewability: Span<100, 10> => Viewability;
}

impl Targeting {
    /// The rules for the bidder.
    pub fn rules(&self) -> BTreeMap<Subject, bid::Rule<Value>> {
        let mut rules = self.of_dimensions();
        if let Some(apps) = &self.apps {
            let apps = apps.compiled();
            let all = rules.entry(Dimension::Inventory.into()).or_default();
            all.include.extend(apps.include);
            all.exclude.extend(apps.exclude);
            all.missing = all.missing.or(apps.missing);
        }
        for metric in &self.metrics {
            let subject = Subject::Metric(metric.name.0.clone());
            rules.insert(subject, metric.rules.compiled());
        }
        for own in &self.ext {
            let path = own.name.0.parse().expect("only paths are read");
            rules.insert(Subject::Ext(path), own.rules.compiled());
        }
        rules
    }

    /// Whether a creative's format and size are wanted.
    pub fn wants(&self, format: Format, size: Option<Size>) -> bool {
        let formats = self.formats.as_ref();
        let formatted = formats.is_none_or(|formats| formats.allows(&format));
        let sizes = self.sizes.as_ref().filter(|_| format == Format::Banner);
        let sized = sizes.is_none_or(|sizes| match size {
            Some(size) => sizes.allows(&size),
            None => sizes.include.is_empty(),
        });
        formatted && sized
    }

    /// Faults between rules, each of which is well formed by itself.
    pub(super) fn check(&self, at: &str, faults: &mut Vec<Fault>) {
        let mut add = |pointer: &str, detail: String| {
            faults.push(Fault::new(format!("{at}/{pointer}"), detail));
        };
        if let Some(audience) = &self.audience {
            check_audience(audience, &mut add);
        }
        for (index, hours) in self.hours.iter().enumerate() {
            check_hours(hours, &format!("hours/{index}"), &mut add);
        }
        if let Some(rules) = &self.user_hours {
            let (include, exclude) = (rules.included_at(), "/exclude");
            for (side, list) in [(include, &rules.include), (exclude, &rules.exclude)] {
                for (index, hours) in list.iter().enumerate() {
                    check_hours(hours, &format!("user_hours{side}/{index}"), &mut add);
                }
            }
        }
        self.check_inventory(&mut add);
        self.check_places(&mut add);
        self.check_formats(&mut add);
        let metrics: Vec<&str> = self.metrics.iter().map(|one| &*one.name.0).collect();
        check_twice(&metrics, "metrics", "type", &mut add);
        let paths: Vec<&str> = self.ext.iter().map(|one| &*one.name.0).collect();
        check_twice(&paths, "ext", "path", &mut add);
    }

    fn check_inventory(&self, add: &mut impl FnMut(&str, String)) {
        let sites = self.sites.as_ref();
        let apps = self.apps.as_ref();
        let policies = sites
            .and_then(|sites| sites.missing)
            .zip(apps.and_then(|apps| apps.missing));
        if let Some((sites, apps)) = policies
            && sites != apps
        {
            let detail = format!(
                "sites and applications are one list, and sites say {}",
                sites.word()
            );
            add("apps/missing", detail);
        }
        let inventory = sites.is_some_and(Rules::demands) || apps.is_some_and(Rules::demands);
        if inventory && self.venues.as_ref().is_some_and(Rules::demands) {
            let detail = "a request is for a screen outside the home or for one of the included \
                          sites or applications, never both";
            add("venues", detail.to_owned());
        }
    }

    /// Cities and postal codes outside the targeted countries match nothing.
    fn check_places(&self, add: &mut impl FnMut(&str, String)) {
        let Some(geo) = &self.geo else { return };
        let country_of = |place: &str| {
            place
                .split(['-', ':'])
                .next()
                .unwrap_or_default()
                .to_owned()
        };
        let outside = |place: &str| {
            let country = country_of(place);
            let refused = geo.exclude.iter().any(|excluded| excluded.0 == country);
            let mut asked = geo.include.iter();
            refused || geo.demands() && !asked.any(|asked| country_of(&asked.0) == country)
        };
        if let Some(cities) = self.cities.as_ref().filter(|cities| cities.demands()) {
            for (index, city) in cities
                .include
                .iter()
                .enumerate()
                .filter(|(_, city)| outside(&city.0))
            {
                let detail = format!("{} is outside the countries of geo", city.0);
                add(&format!("cities{}/{index}", cities.included_at()), detail);
            }
        }
        if let Some(codes) = self.postal_codes.as_ref().filter(|codes| codes.demands()) {
            for (index, code) in codes
                .include
                .iter()
                .enumerate()
                .filter(|(_, code)| outside(&code.0))
            {
                let detail = format!("{} is outside the countries of geo", code.0);
                add(
                    &format!("postal_codes{}/{index}", codes.included_at()),
                    detail,
                );
            }
        }
    }

    /// Rules about the players of formats that are not bought match nothing.
    fn check_formats(&self, add: &mut impl FnMut(&str, String)) {
        let Some(formats) = &self.formats else { return };
        if self.sizes.is_some() && !formats.allows(&Format::Banner) {
            let detail = "sizes are those of banners, which formats leaves out";
            add("sizes", detail.to_owned());
        }
        for (field, dimension) in self.demanding() {
            let kind = match dimension {
                Dimension::PlayerWidth => Format::Video,
                _ if field.starts_with("video_") => Format::Video,
                _ if field.starts_with("audio_") => Format::Audio,
                _ => continue,
            };
            if !formats.allows(&kind) {
                let detail = format!("is about {}, which formats leaves out", kind.word());
                add(field, detail);
            }
        }
    }
}

fn check_audience(audience: &Audience, add: &mut impl FnMut(&str, String)) {
    for (index, list) in audience.include.iter().enumerate() {
        if list.is_empty() {
            let detail = "expected at least one segment: nobody would match";
            add(&format!("audience/include/{index}"), detail.to_owned());
        } else if list
            .iter()
            .all(|segment| audience.exclude.contains(segment))
        {
            let detail = "every segment of the list is excluded: nobody would match";
            add(&format!("audience/include/{index}"), detail.to_owned());
        }
    }
    let open = audience.include.is_empty() && audience.exclude.is_empty();
    if open && audience.missing != Some(Missing::Skip) {
        let detail = "restricts nothing: leave it out, or name a segment to include or exclude";
        add("audience", detail.to_owned());
    }
}

fn check_hours(hours: &Hours, at: &str, add: &mut impl FnMut(&str, String)) {
    if hours.from.0 >= hours.to.0 {
        let detail = format!("expected an hour after from, {}", hours.from.0);
        add(&format!("{at}/to"), detail);
    }
}

fn check_twice(names: &[&str], list: &str, field: &str, add: &mut impl FnMut(&str, String)) {
    for (index, name) in names.iter().enumerate() {
        if names[..index].contains(name) {
            let detail = format!("`{name}` has a rule already");
            add(&format!("{list}/{index}/{field}"), detail);
        }
    }
}

#[cfg(test)]
mod tests;
