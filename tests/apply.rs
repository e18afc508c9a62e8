//! `gavel check` and `gavel apply` through the real binary.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("gavel-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join("gavel.toml"), "[storage]\npath = \"state\"\n").unwrap();
        Self(path)
    }

    fn gavel(&self, arguments: &[&str]) -> Output {
        let binary = env!("CARGO_BIN_EXE_gavel");
        Command::new(binary)
            .args(arguments)
            .current_dir(&self.0)
            .output()
            .unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn demo(name: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    root.join("fixtures/demo").join(name).display().to_string()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn what_load_tests_make_up_is_applied() {
    let folder = Folder::new("corpus");
    let counts = load_tests::corpus::Counts {
        line_items: 120,
        segments: 50,
        publishers: 3,
    };
    load_tests::corpus::write_resources(&folder.0.join("resources.toml"), counts, 1).unwrap();
    let applied = folder.gavel(&["apply", "resources.toml"]);
    assert!(applied.status.success(), "{}", text(&applied.stderr));
    assert!(text(&applied.stdout).contains("+ line_items/li_119"));
}

#[test]
fn the_demo_is_applied_once_and_changes_are_shown() {
    let folder = Folder::new("apply");
    let buyers = demo("buyers.toml");
    let sellers = folder.0.join("sellers.toml");
    let open = fs::read_to_string(demo("sellers.toml")).unwrap();
    let open = open
        .replace("PARTNER_FAST", "127.0.0.1:9001")
        .replace("PARTNER_SLOW", "127.0.0.1:9002");
    fs::write(&sellers, &open).unwrap();

    let dry = folder.gavel(&["apply", "--dry-run", &buyers, "sellers.toml"]);
    assert!(dry.status.success(), "{}", text(&dry.stderr));
    assert!(
        text(&dry.stdout).contains("+ line_items/li_acme_fr_banner"),
        "{}",
        text(&dry.stdout)
    );
    let first = folder.gavel(&["apply", &buyers, "sellers.toml"]);
    assert_eq!(
        text(&first.stdout),
        text(&dry.stdout),
        "a dry run changes nothing"
    );
    let again = folder.gavel(&["apply", &buyers, "sellers.toml"]);
    assert!(again.status.success() && !text(&again.stdout).contains('+'));

    fs::write(&sellers, open.replace("max_qps = 5000", "max_qps = 4000")).unwrap();
    let changed = folder.gavel(&["apply", &buyers, "sellers.toml"]);
    assert!(
        text(&changed.stdout).contains("/max_qps: 5000 → 4000"),
        "{}",
        text(&changed.stdout)
    );
}

#[test]
fn faults_are_said_at_once_and_nothing_is_applied() {
    let folder = Folder::new("faults");
    let broken = "[[advertisers]]\nid = \"adv_x\"\nname = \"X\"\ncurrency = \"euro\"\n\
                  timezone = \"Europe/Paris\"\ndomain = \"x.example\"\n\n\
                  [[campaigns]]\nid = \"cmp_x\"\nadvertiser = \"adv_x\"\nname = \"X\"\n\
                  start = \"2026-01-01T00:00:00Z\"\nend = \"2025-01-01T00:00:00Z\"\n\
                  budget = { total = \"10\" }\n";
    fs::write(folder.0.join("broken.toml"), broken).unwrap();
    let refused = folder.gavel(&["apply", "broken.toml"]);
    let said = text(&refused.stderr);
    assert!(!refused.status.success() && refused.stdout.is_empty());
    assert!(said.contains("broken.toml:4"), "{said}");
    assert!(said.contains("broken.toml:13: /campaigns/0/end"), "{said}");
}

#[test]
fn check_names_every_faulty_key() {
    let folder = Folder::new("check");
    assert!(folder.gavel(&["check"]).status.success());
    fs::write(
        folder.0.join("gavel.toml"),
        "[data]\nlisen = \"x\"\nworkers = 900\n",
    )
    .unwrap();
    let faults = folder.gavel(&["check"]);
    let said = text(&faults.stderr);
    assert!(!faults.status.success());
    assert!(
        said.contains("line 2: data.lisen: unknown key; did you mean data.listen?"),
        "{said}"
    );
    assert!(said.contains("line 3: data.workers"), "{said}");
}

#[test]
fn check_names_every_file_that_is_not_what_it_should_be() {
    let folder = Folder::new("check-files");
    let write = |name: &str, text: &str| fs::write(folder.0.join(name), text).unwrap();
    write("token.keys", "1:short\n");
    write("places.mmdb", "none");
    write("rates.csv", "USD\n1.1\n");
    fs::create_dir_all(folder.0.join("prices")).unwrap();
    write("prices/demo.keys", "key\n");
    write(
        "gavel.toml",
        "tokens.key_file = \"token.keys\"\ngeo.database = \"places.mmdb\"\n\
         audience.file = \"nobody.tsv\"\ncurrency.file = \"rates.csv\"\n\
         bidder.price_keys = \"prices\"\ncontrol.admin_key_file = \"nowhere\"\n",
    );
    let checked = folder.gavel(&["check"]);
    let said = text(&checked.stderr);
    assert!(!checked.status.success());
    for fault in [
        "tokens.key_file: token.keys, line 1: expected id:64 hex digits",
        "geo.database: the geo database places.mmdb",
        "audience.file: nobody.tsv cannot be read",
        "currency.file: the currency rates in rates.csv: expected a line",
        "bidder.price_keys: prices/demo.keys: line 1: expected the encryption key",
        "control.admin_key_file: nowhere cannot be read",
    ] {
        assert!(said.contains(fault), "{fault}\n{said}");
    }
    write("gavel.toml", "currency.rates = \"USD=1.1\"\n");
    let said = text(&folder.gavel(&["check"]).stderr);
    assert!(
        said.contains("currency.date: rates need their day"),
        "{said}"
    );
}
