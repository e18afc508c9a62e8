//! The words from which requests are made up.

/// A country with what depends on it.
#[derive(Debug)]
pub(super) struct Country {
    pub(super) code: &'static str,
    pub(super) region: &'static str,
    pub(super) city: &'static str,
    pub(super) language: &'static str,
    /// Minutes east of UTC.
    pub(super) utc_offset: i32,
    pub(super) lat: &'static str,
    pub(super) lon: &'static str,
    /// Whether consent strings are expected.
    pub(super) gdpr: bool,
}

const fn country(
    code: &'static str,
    region: &'static str,
    city: &'static str,
    language: &'static str,
    utc_offset: i32,
    place: (&'static str, &'static str),
    gdpr: bool,
) -> Country {
    Country {
        code,
        region,
        city,
        language,
        utc_offset,
        lat: place.0,
        lon: place.1,
        gdpr,
    }
}

pub(super) const COUNTRIES: [Country; 10] = [
    country("FRA", "IDF", "Paris", "fr", 60, ("48.86", "2.35"), true),
    country("FRA", "ARA", "Lyon", "fr", 60, ("45.76", "4.84"), true),
    country("DEU", "BE", "Berlin", "de", 60, ("52.52", "13.4"), true),
    country("ESP", "MD", "Madrid", "es", 60, ("40.42", "-3.7"), true),
    country("ITA", "LOM", "Milano", "it", 60, ("45.46", "9.19"), true),
    country("POL", "MZ", "Warszawa", "pl", 60, ("52.23", "21.01"), true),
    country("GBR", "LND", "London", "en", 0, ("51.51", "-0.13"), true),
    country(
        "USA",
        "NY",
        "New York",
        "en",
        -300,
        ("40.71", "-74.01"),
        false,
    ),
    country(
        "USA",
        "CA",
        "San Jose",
        "en",
        -480,
        ("37.34", "-121.89"),
        false,
    ),
    country(
        "CAN",
        "QC",
        "Quebec",
        "fr",
        -300,
        ("46.81", "-71.21"),
        false,
    ),
];

pub(super) const TOPICS: [&str; 8] = [
    "news",
    "sport",
    "cooking",
    "travel",
    "autos",
    "gardening",
    "science",
    "music",
];

pub(super) const CATEGORIES: [&str; 8] = [
    "IAB12", "IAB17", "IAB8", "IAB20", "IAB2", "IAB10", "IAB15", "IAB1",
];

/// Width, height and the tag names of placements.
pub(super) const SIZES: [(u32, u32, &str); 6] = [
    (300, 250, "rectangle"),
    (728, 90, "leaderboard"),
    (320, 50, "mobile"),
    (160, 600, "tower"),
    (300, 600, "halfpage"),
    (970, 250, "billboard"),
];

pub(super) const DESKTOP_AGENTS: [&str; 3] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
     Chrome/141.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) \
     Version/18.5 Safari/605.1.15",
    "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0",
];

/// Make, model, system, version and agent of telephones.
pub(super) const PHONES: [(&str, &str, &str, &str, &str); 3] = [
    (
        "Google",
        "Pixel 9",
        "Android",
        "15",
        "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) \
         Chrome/141.0.0.0 Mobile Safari/537.36",
    ),
    (
        "Samsung",
        "SM-S931B",
        "Android",
        "15",
        "Mozilla/5.0 (Linux; Android 15; SM-S931B) AppleWebKit/537.36 (KHTML, like Gecko) \
         Chrome/140.0.0.0 Mobile Safari/537.36",
    ),
    (
        "Apple",
        "iPhone17,1",
        "iOS",
        "18.5",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 \
         (KHTML, like Gecko) Mobile/15E148",
    ),
];

pub(super) const EID_SOURCES: [&str; 6] = [
    "id.alpha.example",
    "sharedid.example",
    "match.beta.example",
    "login.gamma.example",
    "graph.delta.example",
    "epsilon.example",
];
