//! The fields that floor rules match on: the schema's and the exchange's own.
//!
//! A request's value of a field is text in lower case, as rules are kept; numbers are written
//! into a buffer of the caller, so that reading a value allocates nothing.

mod value;

pub(super) use value::{Subject, value, weekday};

/// A field that rules can match on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// Domain of the site, application or screen.
    SiteDomain,
    /// Domain of the publisher object.
    PubDomain,
    /// Domain of the site or, failing that, of the publisher object.
    Domain,
    /// Bundle of the application.
    Bundle,
    /// Name of the integration channel.
    Channel,
    /// The imp's media type: `banner`, `video` (in stream), `video-outstream`, `audio`, `native`.
    MediaType,
    /// The imp's size as `WxH`.
    Size,
    /// Slot of the ad server.
    GptSlot,
    /// The ad unit's code.
    AdUnitCode,
    /// The country, ISO 3166-1 alpha-3.
    Country,
    /// `phone`, `tablet` or `desktop`.
    DeviceType,
    /// Id of the partner that is asked.
    Partner,
    /// Hour of the day, `0` to `23`.
    Hour,
    /// Day of the week, `mon` to `sun`.
    Weekday,
    /// Whether the partner is shown an id of the user: `true` or `false`.
    UserKnown,
    /// The imp's format, videos told apart by `plcmt`: `banner`, `video-instream`,
    /// `video-accompanying`, `video-interstitial`, `video-standalone`, `video`, `audio`, `native`.
    Format,
    /// The measured viewability in tens of percent, rounded down: `0`, `10` … `90`, `100`.
    Viewability,
}

/// How many fields there are, and so the most that a rule can have.
pub const MAX_FIELDS: usize = 17;

/// The days of the week, Monday first.
pub(super) const WEEKDAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

const FORMATS: [&str; 8] = [
    "banner",
    "video-instream",
    "video-accompanying",
    "video-interstitial",
    "video-standalone",
    "video",
    "audio",
    "native",
];

impl Field {
    /// Every field with its name in a file.
    pub const ALL: [(&'static str, Field); MAX_FIELDS] = [
        ("siteDomain", Field::SiteDomain),
        ("pubDomain", Field::PubDomain),
        ("domain", Field::Domain),
        ("bundle", Field::Bundle),
        ("channel", Field::Channel),
        ("mediaType", Field::MediaType),
        ("size", Field::Size),
        ("gptSlot", Field::GptSlot),
        ("adUnitCode", Field::AdUnitCode),
        ("country", Field::Country),
        ("deviceType", Field::DeviceType),
        ("bidder", Field::Partner),
        ("hour", Field::Hour),
        ("weekday", Field::Weekday),
        ("userKnown", Field::UserKnown),
        ("format", Field::Format),
        ("viewability", Field::Viewability),
    ];

    /// The field of that name; `partner` is the exchange's own word for `bidder`.
    pub fn named(name: &str) -> Option<Self> {
        if name == "partner" {
            return Some(Field::Partner);
        }
        Self::ALL
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, field)| *field)
    }

    /// A rule's value of the field as requests are compared with it. The schema's own fields
    /// take any text; the exchange's own have closed sets of values.
    ///
    /// # Errors
    /// The values that are allowed, where this one could never match.
    pub(super) fn canonical(self, lowered: &str) -> Result<String, String> {
        let among = |known: &[&str]| {
            if known.contains(&lowered) {
                Ok(lowered.to_owned())
            } else {
                Err(known.join(", "))
            }
        };
        let number = |most: u32, step: u32, allowed: &str| {
            let number = lowered.parse::<u32>().ok();
            let fits = number.filter(|number| *number <= most && number % step == 0);
            fits.map(|number| number.to_string())
                .ok_or_else(|| allowed.to_owned())
        };
        match self {
            Field::MediaType if lowered == "video-instream" => Ok("video".to_owned()),
            Field::Hour => number(23, 1, "0 to 23"),
            Field::Viewability => number(100, 10, "0, 10, 20 and so on to 100"),
            Field::Weekday => among(&WEEKDAYS),
            Field::UserKnown => among(&["true", "false"]),
            Field::Format => among(&FORMATS),
            Field::SiteDomain
            | Field::PubDomain
            | Field::Domain
            | Field::Bundle
            | Field::Channel
            | Field::MediaType
            | Field::Size
            | Field::GptSlot
            | Field::AdUnitCode
            | Field::Country
            | Field::DeviceType
            | Field::Partner => Ok(lowered.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_could_never_match_are_told() {
        let canonical = |field: Field, text: &str| field.canonical(text).ok();
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(canonical(Field::MediaType, "video-instream"), some("video"));
        assert_eq!(canonical(Field::Size, "any text"), some("any text"));
        assert_eq!(canonical(Field::Hour, "07"), some("7"));
        assert_eq!(canonical(Field::Hour, "24"), None);
        assert_eq!(canonical(Field::Weekday, "sun"), some("sun"));
        assert_eq!(canonical(Field::Weekday, "holiday"), None);
        assert_eq!(canonical(Field::UserKnown, "yes"), None);
        assert_eq!(canonical(Field::Viewability, "70"), some("70"));
        assert_eq!(canonical(Field::Viewability, "75"), None);
        assert_eq!(
            Field::Format.canonical("popup").unwrap_err(),
            FORMATS.join(", ")
        );
    }

    #[test]
    fn every_field_has_one_name_and_partner_is_another_word_for_bidder() {
        for (name, field) in Field::ALL {
            assert_eq!(Field::named(name), Some(field));
        }
        assert_eq!(Field::named("partner"), Field::named("bidder"));
        assert_eq!(Field::named("planet"), None);
    }
}
