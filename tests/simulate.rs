//! `gavel simulate` through the real binary.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

struct Folder(PathBuf);

impl Folder {
    /// A folder with a generated stream of two days and the resources that go with it.
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("gavel-sim-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        let folder = Self(path);
        let made = folder.gavel("--generate . --days 2 --requests 9000 --seed 5");
        assert!(made.status.success(), "{}", text(&made.stderr));
        folder
    }

    fn gavel(&self, arguments: &str) -> Output {
        let binary = env!("CARGO_BIN_EXE_gavel");
        Command::new(binary)
            .arg("simulate")
            .args(arguments.split_whitespace())
            .current_dir(&self.0)
            .output()
            .unwrap()
    }

    /// The report of the generated stream with these options too.
    fn report(&self, options: &str) -> Value {
        let base = "--apply setup.toml --stream stream.jsonl --report json";
        let done = self.gavel(&format!("{base} {options}"));
        assert!(done.status.success(), "{}", text(&done.stderr));
        serde_json::from_slice(&done.stdout).unwrap()
    }

    fn complaint(&self, options: &str) -> String {
        let done = self.gavel(options);
        assert!(!done.status.success(), "{options} was accepted");
        text(&done.stderr)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn micros(value: &Value) -> i64 {
    let (whole, part) = value.as_str().unwrap().split_once('.').unwrap();
    format!("{whole}{part:0<6}").parse().unwrap()
}

/// Nothing is overspent, and what line items spent is what their budgets were charged.
fn adds_up(report: &Value) {
    for budget in report["budgets"].as_array().unwrap() {
        assert_eq!(budget["overspend"], "0.00", "{budget}");
        assert_eq!(budget["over"], 0.0);
        assert!(micros(&budget["spend"]) <= micros(&budget["budget"]));
    }
    let sum = |list: &Value, of: fn(&Value) -> &Value| -> i64 {
        let list = list.as_array().unwrap();
        list.iter().map(|one| micros(of(one))).sum()
    };
    let by_item = sum(&report["line_items"], |one| &one["total"]["spend"]);
    assert_eq!(by_item, sum(&report["budgets"], |one| &one["spend"]));
    for item in report["line_items"].as_array().unwrap() {
        assert_eq!(
            sum(&item["hours"], |hour| &hour["spend"]),
            micros(&item["total"]["spend"])
        );
        let total = |name: &str| item["total"][name].as_u64().unwrap();
        assert!(total("requests") >= total("eligible"));
        assert!(total("eligible") >= total("bids") && total("bids") >= total("wins"));
        assert!(total("wins") > 0, "{item}");
    }
}

#[test]
fn a_stream_with_late_and_lost_notices_and_crashes_overspends_nothing() {
    let folder = Folder::new("faults");
    let faults = "--tick 60s --notice-delay fixed:300s --notice-loss 0.02 --seed 3 \
                  --crash-at 2026-01-05T12:00:00Z --crash-at 2026-01-06T20:30:00Z";
    let mut report = folder.report(faults);
    adds_up(&report);
    let lost: i64 = report["line_items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| micros(&item["total"]["unbilled"]))
        .sum();
    assert!(lost > 0, "no notice was lost");
    // The same seed gives the same report, but for the time that it took.
    let mut again = folder.report(faults);
    again["seconds"] = 0.into();
    report["seconds"] = 0.into();
    assert_eq!(report, again);
}

/// Part of all spend that fell into the first half of a day.
fn before_noon(report: &Value) -> f64 {
    let items = report["line_items"].as_array().unwrap();
    let hours = items
        .iter()
        .flat_map(|item| item["hours"].as_array().unwrap());
    let (mut before, mut all) = (0, 0);
    for hour in hours {
        let spend = micros(&hour["spend"]);
        all += spend;
        if hour["hour"].as_str().unwrap()[11..13] < *"12" {
            before += spend;
        }
    }
    before as f64 / all as f64
}

#[test]
fn pacers_differ_and_auctions_too() {
    let folder = Folder::new("pacers");
    let value = |report: &Value| report["summary"]["value_mean"].as_f64().unwrap();
    let even = folder.report("--pacer even --warm-up 1 --tick 60s");
    let asap = folder.report("--pacer asap --warm-up 1 --tick 60s");
    adds_up(&even);
    adds_up(&asap);
    assert!(
        value(&even) > value(&asap) + 20.0,
        "{} {}",
        value(&even),
        value(&asap)
    );
    assert!(before_noon(&asap) > 0.95, "{}", before_noon(&asap));
    let share = before_noon(&even);
    assert!(0.2 < share && share < 0.6, "{share}");
    // Who pays its bid gets less for its money.
    let first = folder.report("--pacer even --warm-up 1 --tick 60s --auction first");
    adds_up(&first);
    assert!(value(&first) < value(&even));
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let folder = Folder::new("faulty");
    let base = "--apply setup.toml --stream stream.jsonl";
    for (options, wanted) in [
        ("--stream stream.jsonl", "--apply"),
        (
            "--apply setup.toml --stream none.jsonl",
            "none.jsonl cannot be opened",
        ),
        (
            "--apply none.toml --stream stream.jsonl",
            "none.toml cannot be read",
        ),
        (&format!("{base} --pacer best"), "log-dual"),
        (
            &format!("{base} --notice-delay 10s"),
            "exp:10s or fixed:300s",
        ),
        (&format!("{base} --notice-loss 2"), "expected 0 to 1"),
        (&format!("{base} --tick 1h"), "expected 200ms to 60s"),
        (&format!("{base} --exchange ex_none"), "no exchange ex_none"),
    ] {
        let said = folder.complaint(options);
        assert!(said.contains(wanted), "{options}: {said}");
    }
    let stream = fs::read_to_string(folder.0.join("stream.jsonl")).unwrap();
    let first = stream.lines().next().unwrap();
    for (second, wanted) in [
        ("{}", "faulty.jsonl:2: missing field"),
        (
            &first.replace("2026-01-05", "2025-01-05"),
            "faulty.jsonl:2: at: is earlier",
        ),
    ] {
        fs::write(
            folder.0.join("faulty.jsonl"),
            format!("{first}\n{second}\n"),
        )
        .unwrap();
        let said = folder.complaint("--apply setup.toml --stream faulty.jsonl");
        assert!(said.contains(wanted), "{said}");
    }
    fs::write(
        folder.0.join("faulty.toml"),
        "[[campaigns]]\nid = \"cmp_1\"\n",
    )
    .unwrap();
    let said = folder.complaint("--apply faulty.toml --stream stream.jsonl");
    assert!(said.contains("faulty.toml:1: /campaigns/0"), "{said}");
}
