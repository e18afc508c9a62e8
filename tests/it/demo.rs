//! `gavel demo` as a newcomer types it: it shows itself at work, ends when told to, and its
//! statement reconciles.

use crate::client::Client;
use crate::node::{BINARY, gavel};
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const ANY: &str = "127.0.0.1:0";

/// A folder of a test's own, in which the demo makes its own.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("gavel-demo-it-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn is_empty(&self) -> bool {
        fs::read_dir(&self.0).unwrap().next().is_none()
    }

    fn demo(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command.arg("demo").args(arguments).env("TMPDIR", &self.0);
        command
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The number in front of a word of the line above the statement.
fn count(text: &str, word: &str) -> u64 {
    let line = text.lines().find(|line| line.contains(" requests, "));
    let line = line.unwrap_or_else(|| panic!("no requests in\n{text}"));
    let words: Vec<&str> = line.split_whitespace().collect();
    let at = words
        .iter()
        .position(|found| found.trim_end_matches(',') == word);
    let at = at.unwrap_or_else(|| panic!("no {word} in\n{text}"));
    words[at - 1].parse().unwrap()
}

fn live_lines(text: &str) -> Vec<&str> {
    text.lines()
        .filter(|line| line.contains(" req/s "))
        .collect()
}

/// The sum that a comparison of the statement is about, in micros.
fn sum(text: &str, comparison: &str) -> u64 {
    let line = text.lines().find(|line| line.contains(comparison));
    let line = line.unwrap_or_else(|| panic!("no {comparison} in\n{text}"));
    assert!(line.starts_with("  yes  "), "{line}");
    let amount = line
        .split(comparison)
        .nth(1)
        .unwrap()
        .split_whitespace()
        .next();
    amount.unwrap().replace('.', "").parse().unwrap()
}

#[test]
fn the_demo_sells_bills_and_reconciles() {
    let folder = Folder::new("whole");
    let arguments = [
        "--seconds",
        "3",
        "--rate",
        "100",
        "--data",
        ANY,
        "--control",
        ANY,
    ];
    let Output {
        status,
        stdout,
        stderr,
    } = folder.demo(&arguments).output().unwrap();
    let text = String::from_utf8(stdout).unwrap();
    let stderr = String::from_utf8_lossy(&stderr);
    assert!(status.success(), "{status}\n{text}\n{stderr}");
    assert_eq!(stderr, "");
    let live = live_lines(&text);
    assert_eq!(live.len(), 3, "{text}");
    for line in &live {
        for part in ["fill", "decision p50", "p99", "spend", "publishers"] {
            assert!(line.contains(part), "{line}");
        }
    }
    // Money follows its notices, so a loaded machine may show it late; the statement has it all.
    for amount in ["spend", "publishers"] {
        let shown = live[2].split(amount).nth(1).unwrap().split_whitespace();
        let [figure, currency] = shown.take(2).collect::<Vec<_>>()[..] else {
            panic!("no amount of {amount} in {}", live[2])
        };
        assert!(figure.parse::<f64>().unwrap() >= 0.0, "{}", live[2]);
        assert_eq!(currency, "€");
    }
    assert!(count(&text, "requests") > 0, "{text}");
    let impressions = count(&text, "impressions");
    assert!(impressions > 0, "{text}");
    assert!(count(&text, "clicks") > 0, "{text}");
    assert!(sum(&text, "exchange receipts = bidder spend + partners' spend") > 0);
    assert!(sum(&text, "publisher earnings + exchange fee = receipts") > 0);
    assert!(sum(&text, "event log = balances") > impressions);
    assert_eq!(
        sum(&text, "impressions sold = ads that publishers showed"),
        impressions
    );
    for party in [
        "Acme Motors (adv_acme)",
        "Fast partner (dsp_fast)",
        "Slow partner (dsp_slow)",
        "The Daily Example (pub_news)",
        "Weather & Recipes (pub_weather)",
    ] {
        assert!(text.contains(party), "{party} took no part\n{text}");
    }
    assert!(text.contains("Reconciled: all "), "{text}");
    let wide = text.lines().find(|line| line.chars().count() > 100);
    assert_eq!(wide, None);
    assert!(folder.is_empty(), "the demo's directory stayed");
}

#[test]
fn an_interrupted_demo_ends_with_the_statement() {
    for signal in ["-INT", "-TERM"] {
        let folder = Folder::new(signal);
        let mut process = folder
            .demo(&["--rate", "50", "--data", ANY, "--control", ANY])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut text = String::new();
        while live_lines(&text).is_empty() {
            let line = lines
                .next()
                .unwrap_or_else(|| panic!("it ended by itself:\n{text}"));
            text += &line.unwrap();
            text.push('\n');
        }
        the_printed_key_opens_the_control_plane(&text);
        let sent = Command::new("kill")
            .args([signal, &process.id().to_string()])
            .status();
        assert!(sent.unwrap().success());
        for line in lines {
            text += &line.unwrap();
            text.push('\n');
        }
        assert!(process.wait().unwrap().success(), "{text}");
        assert!(count(&text, "impressions") > 0, "{text}");
        assert!(text.contains("Reconciled: all "), "{text}");
        assert!(folder.is_empty(), "the demo's directory stayed");
    }
}

fn the_printed_key_opens_the_control_plane(text: &str) {
    let said = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("no {name} in\n{text}"))
            .trim()
    };
    let control: SocketAddr = said("control plane")
        .strip_prefix("http://")
        .unwrap()
        .parse()
        .unwrap();
    let key = format!("Authorization: Bearer {}\r\n", said("admin key"));
    let mut client = Client::new(control);
    let found = client.request("GET", "/v1/advertisers", &key, b"");
    assert_eq!(found.status, 200);
    assert!(String::from_utf8(found.body).unwrap().contains("adv_acme"));
    assert_eq!(client.get("/v1/advertisers").status, 401);
}

#[test]
fn a_demo_whose_reader_leaves_ends_in_order() {
    let folder = Folder::new("pipe");
    let arguments = ["--rate", "50", "--data", ANY, "--control", ANY];
    let mut process = folder
        .demo(&arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = String::new();
    let mut stdout = BufReader::new(process.stdout.take().unwrap());
    stdout.read_line(&mut first).unwrap();
    assert!(first.starts_with("data plane"), "{first}");
    drop(stdout);
    let ended = process.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&ended.stderr), "");
    assert!(ended.status.success(), "{}", ended.status);
    assert!(folder.is_empty(), "the demo's directory stayed");
}

#[test]
fn bad_arguments_are_refused_with_what_is_allowed() {
    let cases = [
        (
            ["--rate", "0"],
            "invalid value '0' for '--rate <R>': 0 is not in 1..=10000",
        ),
        (["--rate", "-5"], "unexpected argument '-5'"),
        (
            ["--seconds", "x"],
            "invalid value 'x' for '--seconds <N>': invalid digit",
        ),
        (
            ["--seconds", "0"],
            "invalid value '0' for '--seconds <N>': 0 is not in 1..=86400",
        ),
        (
            ["--data", "8080"],
            "invalid value '8080' for '--data <ADDR>': expected an address such as 127.0.0.1:8080",
        ),
        (
            ["--control", "localhost"],
            "invalid value 'localhost' for '--control <ADDR>': expected an address such as",
        ),
    ];
    for (arguments, expected) in cases {
        let refused = gavel(Path::new("."), &[&["demo"], &arguments[..]].concat());
        let stderr = String::from_utf8(refused.stderr).unwrap();
        assert!(stderr.contains(expected), "{arguments:?}: {stderr}");
        assert_eq!(refused.status.code(), Some(2), "{arguments:?}");
        assert_eq!(refused.stdout, b"");
    }
}

#[test]
fn an_address_in_use_is_refused_before_anything_is_made() {
    let taken = TcpListener::bind(ANY).unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (option, other) in [("--data", "--control"), ("--control", "--data")] {
        let folder = Folder::new(option);
        let refused = folder
            .demo(&["--seconds", "1", option, &address, other, ANY])
            .output()
            .unwrap();
        let stderr = String::from_utf8(refused.stderr).unwrap();
        let expected = format!(
            "gavel: {option} {address}: another program listens there, perhaps another demo; \
             choose another port, or 0 for any\n"
        );
        assert_eq!(stderr, expected);
        assert_eq!(refused.status.code(), Some(1));
        assert!(folder.is_empty(), "something was left");
    }
}
