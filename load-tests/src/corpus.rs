//! Realistic bid requests, made up from a seed.
//!
//! Five kinds, each in its own file of JSON lines: an app banner of 1.2 KB, a web banner and a
//! page of two of 2.7 KB, video with deals of 4.4 KB and native of 1.8 KB. Users, domains, countries, sizes,
//! floors and devices vary; every user id is computed from a number, so millions of users need no
//! memory. The same options always write the same bytes. Host names end in `.example`, addresses
//! come from the ranges reserved for documentation.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

mod consent;
mod random;
mod request;
mod resources;
mod user;
mod vocabulary;

pub use random::Random;
pub use resources::{Counts, write_resources};
pub use user::User;

/// One kind of request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "tools", derive(clap::ValueEnum))]
pub enum Kind {
    /// One banner in an app.
    AppBanner,
    /// Banners on a page, mostly one, with extended ids and a supply chain.
    WebBanner,
    /// In-stream video on a page, with private deals.
    VideoDeals,
    /// One native placement in an app.
    Native,
    /// Two banners on a page, with extended ids and a supply chain.
    WebPage,
}

/// What to make up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Requests of each kind.
    pub count: u64,
    /// Seed of everything.
    pub seed: u64,
    /// Distinct users that requests are drawn from.
    pub users: u64,
    /// When consent strings were given, in seconds since 1970.
    pub consented_at_s: u64,
}

/// One file that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Where.
    pub path: PathBuf,
    /// How many lines.
    pub lines: u64,
    /// How many bytes, line ends included.
    pub bytes: u64,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 5] = [
        Self::AppBanner,
        Self::WebBanner,
        Self::VideoDeals,
        Self::Native,
        Self::WebPage,
    ];

    /// The name of its file.
    pub fn file_name(self) -> &'static str {
        match self {
            Self::AppBanner => "app-banner.jsonl",
            Self::WebBanner => "web-banner.jsonl",
            Self::VideoDeals => "video-deals.jsonl",
            Self::Native => "native.jsonl",
            Self::WebPage => "web-page.jsonl",
        }
    }

    /// The size that its requests have on average, within seven percent.
    pub fn bytes(self) -> usize {
        match self {
            Self::AppBanner => 1_200,
            Self::WebBanner | Self::WebPage => 2_700,
            Self::VideoDeals => 4_400,
            Self::Native => 1_800,
        }
    }
}

/// The requests of one kind, without line ends.
pub fn requests(kind: Kind, options: Options) -> impl Iterator<Item = String> {
    let mut random = Random::new(options.seed ^ kind.bytes() as u64);
    (0..options.count).map(move |serial| request::text(kind, serial, options, &mut random))
}

/// Writes one file a kind into `dir`, which is created if need be.
///
/// # Errors
/// A file cannot be written.
pub fn write(dir: &Path, options: Options) -> io::Result<Vec<Written>> {
    fs::create_dir_all(dir)?;
    let file = |kind: Kind| write_kind(&dir.join(kind.file_name()), kind, options);
    Kind::ALL.into_iter().map(file).collect()
}

/// Writes the requests of one kind.
///
/// # Errors
/// The file cannot be written.
pub fn write_kind(path: &Path, kind: Kind, options: Options) -> io::Result<Written> {
    write_lines(path, requests(kind, options))
}

/// Writes a segment file in the tab format for the first `options.users` users: about twelve of
/// `segments` segments for each, the low numbers far more often than the high ones.
///
/// # Errors
/// The file cannot be written.
pub fn write_audience(path: &Path, options: Options, segments: u32) -> io::Result<Written> {
    let mut random = Random::new(options.seed ^ 0x5e6);
    let lines = (0..options.users).map(|n| user::audience_line(User(n), segments, &mut random));
    write_lines(path, lines)
}

fn write_lines(path: &Path, lines: impl Iterator<Item = String>) -> io::Result<Written> {
    let mut file = BufWriter::new(File::create(path)?);
    let mut written = Written {
        path: path.to_owned(),
        lines: 0,
        bytes: 0,
    };
    for line in lines {
        file.write_all(line.as_bytes())?;
        file.write_all(b"\n")?;
        written.lines += 1;
        written.bytes += line.len() as u64 + 1;
    }
    file.flush()?;
    Ok(written)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use serde_json::Value;

    const OPTIONS: Options = Options {
        count: 400,
        seed: 7,
        users: 1_000_000,
        consented_at_s: 1_790_000_000,
    };

    #[test]
    fn sizes_are_those_that_measurements_name() {
        for kind in Kind::ALL {
            let bytes: usize = requests(kind, OPTIONS).map(|text| text.len()).sum();
            let mean = bytes / 400;
            let off = mean.abs_diff(kind.bytes()) * 1_000 / kind.bytes();
            assert!(
                off <= 70,
                "{kind:?}: {mean} bytes on average, {off} per mille off"
            );
        }
    }

    #[test]
    fn the_seed_decides_every_byte() {
        for kind in Kind::ALL {
            let first: Vec<_> = requests(kind, OPTIONS).collect();
            assert!(requests(kind, OPTIONS).eq(first.iter().cloned()));
            let other = Options { seed: 8, ..OPTIONS };
            assert!(requests(kind, other).zip(&first).all(|(a, b)| a != *b));
        }
    }

    #[test]
    fn requests_are_json_with_what_openrtb_requires_and_they_vary() {
        for kind in Kind::ALL {
            let mut ids = HashSet::new();
            let mut users = HashSet::new();
            let mut countries = HashSet::new();
            for text in requests(kind, OPTIONS) {
                let request: Value = serde_json::from_str(&text).unwrap();
                assert!(!text.contains('\n'));
                ids.insert(request["id"].as_str().unwrap().to_owned());
                users.insert(request["user"]["buyeruid"].as_str().unwrap().to_owned());
                countries.insert(
                    request["device"]["geo"]["country"]
                        .as_str()
                        .unwrap()
                        .to_owned(),
                );
                let imps = request["imp"].as_array().unwrap();
                assert!(!imps.is_empty());
                for imp in imps {
                    assert!(imp["bidfloor"].is_number());
                    assert!(imp["id"].is_string());
                }
                assert_ne!(request.get("site").is_some(), request.get("app").is_some());
            }
            assert_eq!(ids.len(), 400);
            assert!(users.len() > 390, "{} users", users.len());
            assert!(countries.len() > 5, "{} countries", countries.len());
        }
    }

    #[test]
    fn an_audience_names_the_users_that_requests_carry() {
        let dir = std::env::temp_dir().join(format!("corpus-{}", std::process::id()));
        let options = Options {
            users: 50,
            ..OPTIONS
        };
        let written = write(&dir, options).unwrap();
        assert_eq!(written.len(), 5);
        let path = dir.join("audience.tsv");
        let audience = write_audience(&path, options, 500).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!((audience.lines, audience.bytes), (50, text.len() as u64));
        let ids: HashSet<&str> = text
            .lines()
            .filter_map(|line| line.split('\t').nth(1))
            .collect();
        for text in fs::read_to_string(&written[1].path).unwrap().lines() {
            let request: Value = serde_json::from_str(text).unwrap();
            assert!(ids.contains(request["user"]["buyeruid"].as_str().unwrap()));
        }
        fs::remove_dir_all(&dir).unwrap();
    }
}
