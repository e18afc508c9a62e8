//! The ceiling scenario through the real program; a mock partner plays bidder and exchange.

#![allow(missing_docs, clippy::unwrap_used, reason = "a test")]
#![cfg(feature = "tools")]

use std::net::TcpListener;
use std::process::Command;

use serde_json::Value;

fn load() -> Command {
    Command::new(env!("CARGO_BIN_EXE_gavel-load"))
}

fn output(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    format!("{}{errors}", String::from_utf8_lossy(&output.stdout))
}

#[test]
fn three_endpoints_are_measured_by_turns() {
    let dir = std::env::temp_dir().join(format!("ceiling-{}", std::process::id()));
    let corpus = dir.join("corpus");
    output(
        load()
            .args(["corpus", "--count", "20", "--out"])
            .arg(&corpus),
    );
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let (url, json) = (format!("http://127.0.0.1:{port}"), dir.join("out.json"));
    let text = output(
        load()
            .args(["ceiling", "--gavel", env!("CARGO_BIN_EXE_gavel-load")])
            .args([
                "--gavel-arguments",
                &format!("partner --listen 127.0.0.1:{port}"),
            ])
            .args(["--ready-url", &format!("{url}/readyz")])
            .args(["--bidder-url", &format!("{url}/openrtb2/bid/demo")])
            .args(["--exchange-url", &format!("{url}/openrtb2/auction")])
            .args([
                "--seconds",
                "0.4",
                "--warm-up-seconds",
                "0.1",
                "--repeats",
                "2",
            ])
            .args(["--connections", "4", "--json"])
            .arg(&json)
            .arg("--bodies")
            .arg(format!("{}:3", corpus.join("web-banner.jsonl").display()))
            .arg(corpus.join("native.jsonl")),
    );
    for line in ["1/2 bare", "2/2 exchange", "endpoint", "processor"] {
        assert!(text.contains(line), "{text}");
    }
    let result: Value = serde_json::from_str(&std::fs::read_to_string(&json).unwrap()).unwrap();
    let rows = result["result"]["rows"].as_array().unwrap();
    let names: Vec<_> = rows
        .iter()
        .map(|row| row["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["bare", "bidder", "exchange"]);
    assert_eq!(rows[0]["ratio_to_bare"], 1.0);
    for row in rows {
        assert_eq!(row["turns"].as_array().unwrap().len(), 2);
        assert_eq!(row["faults"], 0);
        assert!(
            row["answers_per_cpu_second"].as_f64().unwrap() > 100.0,
            "{row}"
        );
    }
    let bidder = rows[1]["turns"][0]["statuses"].as_object().unwrap();
    assert!(bidder.contains_key("200"), "{bidder:?}");
    // The server has ended with the measurement.
    assert!(TcpListener::bind(("127.0.0.1", port)).is_ok());
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn a_server_that_cannot_start_is_named() {
    let dir = std::env::temp_dir().join(format!("ceiling-none-{}", std::process::id()));
    let mut command = load();
    command
        .args(["ceiling", "--gavel", "/nonexistent/gavel"])
        .args([
            "--line-items",
            "1",
            "--users",
            "1",
            "--requests",
            "1",
            "--dir",
        ])
        .arg(&dir);
    let output = command.output().unwrap();
    assert!(!output.status.success());
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("/nonexistent/gavel"), "{errors}");
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn load_for_other_machines_is_refused() {
    let mut command = load();
    command.args([
        "run",
        "--url",
        "http://192.0.2.1:80/",
        "--rate",
        "1",
        "--bodies",
        "x",
    ]);
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && errors.contains("loopback"),
        "{errors}"
    );
}
