//! What line items may say about each subject.

use crate::catalog::{Circle, Dimension, Subject, Value, Version};

fn texts(list: &[&str]) -> Vec<Value> {
    list.iter()
        .map(|text| Value::Text((*text).to_owned()))
        .collect()
}

fn codes(list: &[i64]) -> Vec<Value> {
    list.iter().copied().map(Value::Code).collect()
}

fn numbers(list: &[(u32, u32)]) -> Vec<Value> {
    list.iter()
        .map(|(from, to)| Value::Numbers(*from, *to))
        .collect()
}

fn versions(name: &str, from: &str, to: &str) -> Value {
    let from = Version::lowest(from).unwrap_or(Version::MIN);
    let to = Version::highest(to).unwrap_or(Version::MAX);
    Value::Versions(name.to_owned(), from, to)
}

fn ext(path: &str) -> Subject {
    Subject::Ext(path.parse().unwrap())
}

/// What line items may say about each subject.
pub(in super::super) fn vocabulary() -> Vec<(Subject, Vec<Value>)> {
    let circle = |lat: i32, lon: i32, radius_m| {
        let (lat_e6, lon_e6) = (lat * 1_000_000, lon * 1_000_000);
        Value::Circle(Circle {
            lat_e6,
            lon_e6,
            radius_m,
        })
    };
    let named = |name: &str| Value::Named(name.to_owned());
    let bundle = |bundle: &str| Value::Bundle(bundle.to_owned());
    let mut inventory = texts(&["news.example", "a.news.example", "Shop.example", "example"]);
    inventory.extend([bundle("com.news"), bundle("com.Game")]);
    let categories = texts(&["1:IAB2", "1:IAB2-3", "1:IAB9", "6:483"]);
    let mut all: Vec<(Subject, Vec<Value>)> = Vec::new();
    let mut add = |dimension: Dimension, values| all.push((dimension.into(), values));
    add(Dimension::Exchange, texts(&["demo", "other"]));
    add(
        Dimension::Geo,
        texts(&["FRA", "DEU", "USA", "FRA-IDF", "USA-CA"]),
    );
    add(Dimension::Metro, texts(&["501", "803"]));
    add(
        Dimension::City,
        texts(&["FRA:Paris", "USA:paris", "FRA:Évry"]),
    );
    add(
        Dimension::PostalCode,
        texts(&["FRA:75*", "FRA:75001", "GBR:sw1a1aa", "USA:9*"]),
    );
    add(
        Dimension::Radius,
        vec![
            circle(48, 2, 150_000),
            circle(48, 2, 2_000),
            circle(0, 180, 300_000),
        ],
    );
    add(Dimension::UserHour, codes(&[0, 11, 12, 13, 167]));
    add(Dimension::Inventory, inventory);
    add(Dimension::Publisher, texts(&["pub_1", "pub_2"]));
    add(Dimension::DeviceType, codes(&[1, 2, 4]));
    add(Dimension::Make, texts(&["Apple", "samsung"]));
    add(Dimension::Model, texts(&["iPhone", "SM-S911B"]));
    add(
        Dimension::OperatingSystem,
        vec![
            named("iOS"),
            named("Windows"),
            named("OS X"),
            versions("iOS", "15", "16.4"),
            versions("android", "12", ""),
        ],
    );
    add(
        Dimension::Browser,
        vec![
            named("Chrome"),
            named("Safari"),
            named("edge"),
            versions("chrome", "110", "119"),
        ],
    );
    add(Dimension::Carrier, texts(&["Orange", "208-01"]));
    add(Dimension::Connection, codes(&[2, 6, 7]));
    add(Dimension::Language, texts(&["fr", "EN"]));
    add(Dimension::Seat, texts(&["s1", "s2"]));
    add(Dimension::SupplyNodes, numbers(&[(0, 1), (2, 2), (1, 255)]));
    add(Dimension::SupplyComplete, codes(&[1]));
    add(
        Dimension::SupplyMember,
        texts(&["ssp.example", "ssp.example/7", "Other.example"]),
    );
    add(Dimension::Category, categories.clone());
    add(Dimension::Section, categories.clone());
    add(Dimension::PageCategory, categories);
    add(Dimension::Keyword, texts(&["cars", "Red wine", "élan"]));
    add(Dimension::Genre, texts(&["drama", "9:12"]));
    add(Dimension::Rating, texts(&["TV-MA", "pg"]));
    add(Dimension::MediaRating, codes(&[1, 3]));
    add(Dimension::Livestream, codes(&[0, 1]));
    add(Dimension::Series, texts(&["The Show"]));
    add(Dimension::Channel, texts(&["ch1", "News channel"]));
    add(Dimension::Network, texts(&["net1"]));
    add(
        Dimension::ContentLength,
        numbers(&[(0, 600), (600, 600), (601, 65_535)]),
    );
    add(Dimension::ContentLanguage, texts(&["fr", "en"]));
    add(Dimension::ContentContext, codes(&[1, 2]));
    add(Dimension::Venue, texts(&["1:205", "2:transit"]));
    add(Dimension::Placement, texts(&["top", "side", "foot"]));
    add(Dimension::Position, codes(&[1, 3, 7]));
    add(Dimension::Interstitial, codes(&[0, 1]));
    add(Dimension::Rewarded, codes(&[0, 1]));
    add(Dimension::Ratio, codes(&[6 << 32 | 5, 16 << 32 | 9]));
    add(Dimension::Deal, texts(&["d1", "d2"]));
    add(Dimension::PlayerWidth, numbers(&[(0, 399), (400, 16_383)]));
    add(
        Dimension::VideoDuration,
        numbers(&[(0, 15), (15, 30), (31, 65_535)]),
    );
    add(Dimension::VideoPlcmt, codes(&[1, 2, 4]));
    add(Dimension::VideoProtocol, codes(&[3, 7]));
    add(Dimension::VideoLinearity, codes(&[1, 2]));
    add(Dimension::VideoSkippable, codes(&[0, 1]));
    add(Dimension::VideoPlayback, codes(&[1, 2]));
    add(Dimension::VideoStart, codes(&[0, -1, -2]));
    add(Dimension::AudioDuration, numbers(&[(0, 15), (16, 60)]));
    add(Dimension::AudioProtocol, codes(&[9]));
    add(Dimension::AudioStart, codes(&[0, -1]));
    add(Dimension::AudioFeed, codes(&[1, 3]));
    add(Dimension::Viewability, numbers(&[(600, 1_023), (0, 299)]));
    all.push((Subject::Metric("ctr".to_owned()), numbers(&[(10, 500)])));
    all.push((ext("imp.ext.data.section"), texts(&["sport", "5", "true"])));
    all.push((ext("site.ext.amp"), texts(&["1", "yes"])));
    all
}
