//! Statements, closings and adjustments as an operator sees them.

use crate::client::Client;
use crate::node::{Node, SMALL, gavel};
use crate::notices::{bid, notice};
use ledger::event::Kind;
use ledger::store::{Budget, Funding, SqliteStore, Store};
use ledger::token::{Side, idempotency_key};
use ledger::{Cpm, Currency, Event, Micros, Multiplier};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

pub const EUR: Currency = Currency(*b"EUR");

/// A storage directory with [`SMALL`] in it and a ledger of November 2026, and nobody serving.
pub struct Office {
    pub folder: PathBuf,
}

pub fn ms(text: &str) -> i64 {
    let at: jiff::Timestamp = text.parse().unwrap();
    at.as_millisecond()
}

/// A bill of the advertiser in Paris.
pub fn bill(number: u32, cpm: i64, at_ms: i64) -> Event {
    Event {
        kind: Kind::Bill,
        key: idempotency_key(Side::Bidder, "demo", &number.to_string(), "1", "b"),
        at_ms,
        exchange: "demo".into(),
        seat: "adv_it".into(),
        advertiser: "adv_it".into(),
        line_item: "li_it".into(),
        creative: "cr_it".into(),
        publisher: String::new(),
        placement: String::new(),
        partner: String::new(),
        bid: Cpm(cpm),
        cpm: Cpm(cpm),
        currency: EUR,
        multiplier: Multiplier::ONE,
        share_ppm: 0,
        platform_ppm: 0,
        data: String::new(),
        reason: 0,
        budgets: vec!["line:li_it".into()],
        reservation: None,
        exposure: ledger::Exposure::default(),
        held_until: 0,
        touch: None,
    }
}

/// A sale of the publisher, bought by the bidder.
pub fn sale(number: u32, cpm: i64, at_ms: i64) -> Event {
    Event {
        kind: Kind::Sale,
        key: idempotency_key(Side::Exchange, "demo", &number.to_string(), "1", "b"),
        advertiser: String::new(),
        publisher: "pub_it".into(),
        placement: "top".into(),
        partner: "bidder".into(),
        share_ppm: 800_000,
        platform_ppm: 0,
        data: String::new(),
        budgets: Vec::new(),
        ..bill(number, cpm, at_ms)
    }
}

impl Office {
    pub fn new(name: &str, events: &[Event]) -> Self {
        let name = format!("gavel-it-{}-{name}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(folder.join("data")).unwrap();
        let office = Self { folder };
        fs::write(
            office.folder.join("gavel.toml"),
            "[storage]\npath = \"data\"\n",
        )
        .unwrap();
        fs::write(office.folder.join("resources.toml"), SMALL).unwrap();
        office.run(&["apply", "resources.toml"]);
        let mut store = office.ledger();
        let budget = Budget {
            key: "line:li_it".into(),
            currency: EUR,
            limit: Micros(1_000_000_000),
        };
        store.set_budgets(&[budget]).unwrap();
        for batch in events.chunks(10_000) {
            store.apply(batch, &mut |_, _| Funding::Late).unwrap();
        }
        office
    }

    pub fn ledger(&self) -> SqliteStore {
        SqliteStore::open(&self.folder.join("data/ledger.sqlite"), 0, 0).unwrap()
    }

    /// What the program says, which must succeed.
    pub fn run(&self, arguments: &[&str]) -> String {
        let output = gavel(&self.folder, arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Why the program refuses.
    pub fn refused(&self, arguments: &[&str]) -> String {
        let output = gavel(&self.folder, arguments);
        assert!(!output.status.success(), "{arguments:?} was done");
        String::from_utf8(output.stderr).unwrap()
    }

    fn statement(&self, account: &str, month: &str) -> Value {
        let text = self.run(&[
            "statement",
            "--account",
            account,
            "--month",
            month,
            "--format",
            "json",
        ]);
        serde_json::from_str(&text).unwrap()
    }
}

impl Drop for Office {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

fn november() -> Vec<Event> {
    let noon = ms("2026-11-10T12:00:00Z");
    // Half past eleven in the evening of November in UTC is December in Paris.
    let edge = ms("2026-11-30T23:30:00Z");
    vec![
        bill(1, 2_000_000, noon),
        sale(1, 2_000_000, noon),
        bill(2, 1_500_000, noon),
        sale(2, 1_500_000, noon),
        bill(3, 1_000_000, edge),
        sale(3, 1_000_000, edge),
    ]
}

const CLOSE: [&str; 5] = ["close", "--month", "2026-11", "--by", "ann"];

#[test]
fn each_party_has_its_statement_by_its_own_clock() {
    let office = Office::new("parties", &november());
    let of = |account: &str, month: &str| office.statement(account, month)["lines"][0].clone();
    let advertiser = of("adv_it", "2026-11");
    assert_eq!(
        (&advertiser["impressions"], &advertiser["due"]),
        (&Value::from(2), &Value::from("0.0035"))
    );
    assert_eq!(advertiser["items"][0]["item"], "li_it");
    assert_eq!(of("adv_it", "2026-12")["net"], "0.001");
    let publisher = of("pub_it", "2026-11");
    assert_eq!(publisher["impressions"], 3);
    for (name, amount) in [
        ("gross", "0.0045"),
        ("fees", "0.0009"),
        ("net", "0.0036"),
        ("data_cost", "0.00"),
    ] {
        assert_eq!(publisher[name], amount, "{name}");
    }
    assert_eq!(publisher["items"][0]["item"], "top");
    assert_eq!(of("bidder", "2026-11")["account"], "buyer:bidder:adv_it");
    assert_eq!(of("exchange_fee", "2026-11")["due"], "0.0009");
    let sheet = office.statement("adv_it", "2026-11");
    assert_eq!(sheet["timezone"], "Europe/Paris");
    assert_eq!(sheet["from"], "2026-10-31T23:00:00Z");
    assert_eq!(sheet["closed"], Value::Null);
    let error = office.refused(&["statement", "--account", "adv_x"]);
    assert!(error.contains("adv_x"), "{error}");
    let error = office.refused(&["statement", "--account", "adv_it", "--month", "2026-13"]);
    assert!(error.contains("2026-13"), "{error}");
}

#[test]
fn every_format_says_the_same_and_says_it_again() {
    let office = Office::new("formats", &november());
    office.run(&[
        "adjust",
        "--reference",
        "CN-1",
        "--account",
        "publisher:pub_it",
        "--amount",
        "-0.0001",
        "--currency",
        "EUR",
        "--reason",
        "=1+1, <b>late</b>",
        "--by",
        "ann",
    ]);
    let written =
        |format: &str| office.run(&["statement", "--account", "pub_it", "--format", format]);
    let text = written("text");
    for part in [
        "impressions",
        "0.0036",
        "-0.0001",
        "0.0035",
        "agree to the micro",
        "CN-1",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let csv = written("csv");
    let rows: Vec<&str> = csv.lines().collect();
    assert_eq!(rows.len(), 4, "{csv}");
    let total = "all,UTC,total,publisher:pub_it,,EUR,3,0.0045,0.0009,0.00,0.0036,0,0.00,-0.0001,\
                 0.0035,,,,";
    assert_eq!(rows[1], total);
    assert!(rows[3].ends_with(",ann,\"'=1+1, <b>late</b>\""), "{csv}");
    let html = written("html");
    assert!(html.contains("=1+1, &lt;b&gt;late&lt;/b&gt;"), "{html}");
    assert!(
        html.contains("0.0035") && !html.contains("<script"),
        "{html}"
    );
    for format in ["text", "csv", "html", "json"] {
        assert_eq!(written(format), written(format), "{format}");
    }
    let error = office.refused(&["statement", "--account", "pub_it", "--format", "pdf"]);
    assert!(error.contains("text, json, csv or html"), "{error}");
}

#[test]
fn a_closed_month_is_not_changed_by_what_comes_later() {
    let office = Office::new("closed", &november());
    let early = office.refused(&["close", "--month", "2099-01", "--by", "ann"]);
    assert!(
        early.contains("next month to be closed is 2026-11"),
        "{early}"
    );
    // The test runs when it runs: the closing must not depend on the month of the day.
    let said = ledger_close(&office);
    let closed = office.statement("pub_it", "2026-11");
    assert_eq!(closed["closed"]["who"], "ann", "{said}");
    let again = office.refused(&CLOSE);
    assert!(again.contains("closed already"), "{again}");
    let mut store = office.ledger();
    let late = [sale(9, 4_000_000, ms("2026-11-11T00:00:00Z"))];
    store.apply(&late, &mut |_, _| Funding::Late).unwrap();
    drop(store);
    assert_eq!(office.statement("pub_it", "2026-11"), closed);
    let key = control::access::hexadecimal(&late[0].key);
    let reverse = [
        "adjust",
        "--reverse",
        &key,
        "--reference",
        "CN-9",
        "--reason",
        "fraud",
        "--by",
        "ann",
    ];
    let said = office.run(&reverse);
    assert!(said.contains("publisher:pub_it -0.0032 EUR"), "{said}");
    // The same command again changes nothing.
    assert_eq!(office.run(&reverse), said);
    assert_eq!(office.statement("pub_it", "2026-11"), closed);
    let whole = office.statement("pub_it", "2026-12");
    let line = &whole["lines"][0];
    assert_eq!(
        (&line["net"], &line["due"]),
        (&"0.0032".into(), &"0.00".into())
    );
    assert_eq!(whole["adjustments"][0]["reason"], "fraud");
    assert_eq!(whole["adjustments"][0]["reverses"], key.as_str());
}

/// Closes November as of the third of December, whatever day it is.
fn ledger_close(office: &Office) -> String {
    let zone = jiff::tz::TimeZone::get("Europe/Paris").unwrap();
    let zones = ledger::statement::Zones([("advertiser:adv_it".to_owned(), zone)].into());
    let closing = ledger::store::Closing {
        at_ms: ms("2026-12-03T00:00:00Z"),
        who: "ann".to_owned(),
    };
    let mut books = SqliteStore::correct(&office.folder.join("data/ledger.sqlite")).unwrap();
    books
        .close("2026-11".parse().unwrap(), &zones, &closing)
        .unwrap();
    closing.who
}

#[test]
fn the_command_closes_a_month_that_has_ended() {
    let noon = ms("2020-02-10T12:00:00Z");
    let office = Office::new("ended", &[bill(1, 2_000_000, noon)]);
    let said = office.run(&["close", "--month", "2020-02", "--by", "ann"]);
    assert!(said.contains("2020-02 is closed: 2 accounts"), "{said}");
    let text = office.run(&["statement", "--account", "adv_it", "--month", "2020-02"]);
    assert!(text.contains("by ann"), "{text}");
    let error = office.refused(&["close", "--month", "2099-02", "--by", "ann"]);
    assert!(
        error.contains("next month to be closed is 2020-03"),
        "{error}"
    );
    let nobody = office.refused(&["close", "--month", "2020-03", "--by", " "]);
    assert!(nobody.contains("--by"), "{nobody}");
}

#[test]
fn books_that_do_not_agree_make_no_statement() {
    let office = Office::new("wrong", &november());
    let file = office.folder.join("data/ledger.sqlite");
    tamper(&file, "UPDATE event SET cost = cost + 1 WHERE seq = 1");
    let error = office.refused(&["statement", "--account", "adv_it", "--month", "2026-11"]);
    assert!(
        error.contains("event 1, which does not match its checksum"),
        "{error}"
    );
    tamper(&file, "UPDATE event SET cost = cost - 1 WHERE seq = 1");
    tamper(
        &file,
        "UPDATE account SET debit = debit + 1 WHERE name = 'advertiser:adv_it'",
    );
    let error = office.refused(&["statement", "--account", "adv_it", "--month", "2026-11"]);
    assert!(error.contains("do not reconcile"), "{error}");
    tamper(
        &file,
        "UPDATE account SET debit = debit - 1 WHERE name = 'advertiser:adv_it'",
    );
    office.run(&["statement", "--account", "adv_it", "--month", "2026-11"]);
    tamper(&file, "DELETE FROM event WHERE seq = 6");
    let error = office.refused(&["statement", "--account", "pub_it", "--month", "2026-11"]);
    assert!(error.contains("buyer:bidder:adv_it EUR"), "{error}");
}

fn tamper(file: &Path, sql: &str) {
    rusqlite::Connection::open(file)
        .unwrap()
        .execute_batch(sql)
        .unwrap();
}

#[test]
fn a_running_node_is_stated_and_corrected_beside_its_work() {
    let node = Node::start(SMALL, "");
    let first = bid(&node, "statement-1");
    let second = bid(&node, "statement-2");
    assert_eq!(
        node.client().get(&notice(&first, "burl", "1.5", "")).status,
        200
    );
    let adjusted = gavel(
        &node.folder,
        &[
            "adjust",
            "--config",
            "gavel.toml",
            "--account",
            "advertiser:adv_it",
            "--amount",
            "-0.0005",
            "--currency",
            "EUR",
            "--reason",
            "goodwill",
            "--reference",
            "CN-1",
            "--by",
            "ann",
        ],
    );
    assert!(adjusted.status.success(), "{adjusted:?}");
    // The node goes on: its epoch is its own.
    assert_eq!(
        node.client().get(&notice(&second, "burl", "1", "")).status,
        200
    );
    let at = jiff::Timestamp::from_millisecond(first_moment(&node)).unwrap();
    let month = at
        .in_tz("Europe/Paris")
        .unwrap()
        .strftime("%Y-%m")
        .to_string();
    let path = format!("/v1/statements?account=adv_it&month={month}");
    let line = node.api("GET", &path, "").json()["lines"][0].clone();
    assert_eq!(
        (&line["impressions"], &line["due"]),
        (&2.into(), &"0.002".into())
    );
    for (format, kind) in [
        ("csv", "text/csv"),
        ("html", "text/html"),
        ("text", "text/plain"),
    ] {
        let answer = node.api("GET", &format!("{path}&format={format}"), "");
        assert_eq!(answer.status, 200);
        assert!(
            answer.header("content-type").unwrap().starts_with(kind),
            "{answer:?}"
        );
    }
    assert_eq!(
        node.api("GET", &format!("{path}&format=pdf"), "").status,
        400
    );
    let unknown = "/v1/statements?account=adv_none&month=2026-11";
    assert_eq!(node.api("GET", unknown, "").status, 404);
    let stranger = Client::new(node.control).get(&path);
    assert_eq!(stranger.status, 401);
}

fn first_moment(node: &Node) -> i64 {
    let file = node.folder.join("data/ledger.sqlite");
    let connection = rusqlite::Connection::open(file).unwrap();
    connection
        .query_row("SELECT min(at_ms) FROM event", [], |row| row.get(0))
        .unwrap()
}
