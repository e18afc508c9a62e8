//! The house rules that a machine can hold; the reasons are in ARCHITECTURE.md.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

const CRATES: [&str; 8] = [
    "src",
    "openrtb",
    "audience",
    "ledger",
    "exchange",
    "bidder",
    "control",
    "load-tests",
];

/// The most lines of a source file. Tests at its end count: they belong to what they test.
const MOST_LINES: usize = 500;

fn sources() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut open: Vec<PathBuf> = CRATES
        .iter()
        .chain(&["tests", "benches"])
        .map(|folder| root.join(folder))
        .collect();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            if path.ends_with("target") {
                continue;
            }
            open.extend(
                fs::read_dir(&path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            found.push((path.strip_prefix(root).unwrap().to_owned(), text));
        }
    }
    assert!(found.len() > 50, "the sources were not found");
    found
}

/// Fails with every place at once.
fn assert_none(rule: &str, places: impl Iterator<Item = String>) {
    let places: Vec<String> = places.collect();
    assert!(places.is_empty(), "{rule}:\n{}", places.join("\n"));
}

fn lines_where(holds: impl Fn(&Path, &str) -> bool) -> impl Iterator<Item = String> {
    sources().into_iter().flat_map(move |(path, text)| {
        let numbered = text.lines().enumerate();
        let found: Vec<String> = numbered
            .filter(|(_, line)| holds(&path, line))
            .map(|(index, line)| format!("{}:{}: {}", path.display(), index + 1, line.trim()))
            .collect();
        found
    })
}

#[test]
fn files_stay_readable() {
    let long = sources().into_iter().filter_map(|(path, text)| {
        let lines = text.lines().count();
        (lines > MOST_LINES).then(|| format!("{}: {lines} lines", path.display()))
    });
    assert_none("files have at most 500 lines", long);
}

#[test]
fn modules_are_named_for_what_they_hold() {
    let vague = [
        "mod.rs",
        "utils.rs",
        "util.rs",
        "common.rs",
        "helpers.rs",
        "misc.rs",
    ];
    let found = sources().into_iter().filter_map(|(path, _)| {
        let name = path.file_name()?.to_str()?.to_owned();
        vague
            .contains(&name.as_str())
            .then(|| path.display().to_string())
    });
    assert_none("no mod.rs, no utils, common or helpers", found);
}

#[test]
fn dependencies_point_inwards() {
    let allowed: [(&str, &[&str]); 6] = [
        ("openrtb", &[]),
        ("audience", &[]),
        ("ledger", &[]),
        ("exchange", &["openrtb", "ledger"]),
        ("bidder", &["openrtb", "audience", "ledger"]),
        (
            "control",
            &["openrtb", "ledger", "exchange", "bidder", "audience"],
        ),
    ];
    for (name, may) in allowed {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join(name)
            .join("Cargo.toml");
        let text = fs::read_to_string(manifest).unwrap();
        let dependencies = text.split("[dev-dependencies]").next().unwrap();
        for other in CRATES
            .iter()
            .filter(|other| **other != name && !may.contains(other))
        {
            let used = dependencies
                .lines()
                .any(|line| line.split(['.', '=', ' ']).next() == Some(*other));
            assert!(!used, "{name} must not depend on {other}");
        }
    }
}

#[test]
fn only_src_and_the_links_know_hyper() {
    let found = lines_where(|path, line| {
        let inner = ["openrtb", "audience", "ledger", "bidder", "exchange"]
            .iter()
            .any(|folder| path.starts_with(folder));
        let link = path.starts_with("exchange/src/link")
            || path == Path::new("exchange/src/link.rs")
            || path.starts_with("exchange/tests");
        inner && !link && line.contains("hyper::")
    });
    assert_none("sockets belong to src and exchange/src/link", found);
}

#[test]
fn only_openrtb_knows_json_on_the_bid_path() {
    let found = lines_where(|path, line| {
        let exempt = path.starts_with("openrtb") || path == Path::new("tests/tidy.rs");
        !exempt && line.contains("simd_json::")
    });
    assert_none("simd-json is openrtb's", found);
}

#[test]
fn nothing_is_left_for_later() {
    // Spelled in parts, so that this file does not find itself.
    let marks = [
        concat!("to", "do!("),
        concat!("unimplem", "ented!("),
        concat!("FIX", "ME"),
        concat!("#[ig", "nore"),
    ];
    let found = lines_where(move |_, line| marks.iter().any(|mark| line.contains(mark)));
    assert_none("no stubs and no ignored tests", found);
}

#[test]
fn tests_assert() {
    let found = lines_where(|path, line| {
        path != Path::new("tests/tidy.rs")
            && line.trim_start().starts_with("matches!(")
            && line.trim_end().ends_with(';')
    });
    assert_none("a bare matches! asserts nothing", found);
}
