//! The event log as it leaves the program: exports, retention, the auction log, discrepancies.

use crate::node::{Node, SMALL, banner_request, gavel};
use crate::notices::{bid, metric, notice};
use crate::statements::{Office, bill, ms, sale};
use ledger::event::{Fault, Kind};
use ledger::statement::Zones;
use ledger::store::{Closing, Funding, SqliteStore, Store};
use ledger::{Cpm, DeadLetter, Event, Micros};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

const EXPORT: [&str; 9] = [
    "export",
    "--from",
    "2026-11-24",
    "--to",
    "2026-11-25",
    "--format",
    "jsonl,csv",
    "--out",
    "out",
];

/// A user whose id must not be found on the disk.
const USER: &str = "user-7f3a9c41";

fn rows(file: &Path) -> Vec<Value> {
    let text =
        fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn loss(number: u32, at_ms: i64) -> Event {
    Event {
        kind: Kind::Loss,
        reason: 102,
        ..bill(number, 1_000_000, at_ms)
    }
}

fn two_days() -> Vec<Event> {
    let (one, two) = (ms("2026-11-24T23:59:59.999Z"), ms("2026-11-25T00:00:00Z"));
    vec![
        bill(1, 2_000_000, one),
        sale(1, 2_000_000, two),
        loss(2, two),
    ]
}

#[test]
fn a_log_is_exported_by_day_and_again_in_its_place() {
    let office = Office::new("export", &two_days());
    let out = office.folder.join("out");
    let said = office.run(&EXPORT);
    assert!(said.starts_with("3 events, 0 refusals"), "{said}");
    let first = rows(&out.join("events/date=2026-11-24/events.jsonl"));
    let second = rows(&out.join("events/date=2026-11-25/events.jsonl"));
    assert_eq!((first.len(), second.len()), (1, 2));
    let bill = &first[0];
    for (name, value) in [
        ("schema_version", Value::from(1)),
        ("kind", "bill".into()),
        ("at", "2026-11-24T23:59:59.999Z".into()),
        ("advertiser", "adv_it".into()),
        ("cpm_micros", 2_000_000.into()),
        ("cost_micros", 2_000.into()),
        ("funded", true.into()),
        ("currency", "EUR".into()),
    ] {
        assert_eq!(bill[name], value, "{name}");
    }
    assert_eq!(second[1]["reason_name"], "outbid");
    let csv = fs::read_to_string(out.join("events/date=2026-11-25/events.csv")).unwrap();
    let schema: Value =
        serde_json::from_str(&fs::read_to_string(out.join("schema.json")).unwrap()).unwrap();
    let columns = schema["tables"][0]["columns"].as_array().unwrap();
    let names: Vec<&str> = columns
        .iter()
        .map(|one| one["name"].as_str().unwrap())
        .collect();
    assert_eq!(csv.lines().next().unwrap(), names.join(","));
    assert_eq!(csv.lines().count(), 3);
    // The same days again are the same bytes; a day that has lost its rows loses its files.
    let before = fs::read(out.join("events/date=2026-11-25/events.jsonl")).unwrap();
    office.run(&EXPORT);
    assert_eq!(
        fs::read(out.join("events/date=2026-11-25/events.jsonl")).unwrap(),
        before
    );
    fs::create_dir_all(out.join("refusals/date=2026-11-24")).unwrap();
    let stale = out.join("refusals/date=2026-11-24/refusals.csv");
    fs::write(&stale, "old").unwrap();
    office.run(&EXPORT);
    assert!(!stale.exists());
    let error = office.refused(&[
        "export",
        "--from",
        "2026-11-25",
        "--to",
        "2026-11-24",
        "--format",
        "csv",
        "--out",
        "out",
    ]);
    assert!(error.contains("is after --to"), "{error}");
    let error = office.refused(&[
        "export",
        "--from",
        "2026-11-25",
        "--to",
        "2026-11-25",
        "--format",
        "xml",
        "--out",
        "out",
    ]);
    assert!(error.contains("parquet, csv, jsonl"), "{error}");
}

/// Reads back what was written, with the reader of the same crate; other readers are tried in the
/// documentation's measurements.
#[cfg(feature = "parquet")]
#[test]
fn parquet_has_the_rows_and_types_of_the_other_formats() {
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::RowAccessor;
    let office = Office::new("parquet", &two_days());
    let mut export = EXPORT;
    export[6] = "parquet";
    office.run(&export);
    let out = office.folder.join("out");
    let file = fs::File::open(out.join("events/date=2026-11-24/events.parquet")).unwrap();
    let reader = SerializedFileReader::new(file).unwrap();
    let row = reader.get_row_iter(None).unwrap().next().unwrap().unwrap();
    assert_eq!(row.get_string(2).unwrap(), "bill");
    assert_eq!(
        row.get_timestamp_millis(4).unwrap(),
        ms("2026-11-24T23:59:59.999Z")
    );
    assert_eq!(row.get_long(17).unwrap(), 2_000);
    assert!(row.get_bool(18).unwrap());
    let metadata = reader.metadata().file_metadata();
    let pairs = metadata.key_value_metadata().unwrap();
    assert!(pairs.iter().any(|pair| pair.key == "gavel.schema_version"));
}

#[test]
fn what_was_not_closed_is_not_pruned() {
    let at = |month: u32| ms(&format!("2020-{month:02}-10T12:00:00Z"));
    let events: Vec<Event> = (1..=6)
        .map(|month| bill(month, 2_000_000, at(month)))
        .collect();
    let office = Office::new("prune", &events);
    let keep = |months: u32| {
        let config = format!("[storage]\npath = \"data\"\n[log]\nevent_months = {months}\n");
        fs::write(office.folder.join("gavel.toml"), config).unwrap();
    };
    keep(3);
    let error = office.refused(&["prune"]);
    assert!(
        error.contains("log.event_months") && error.contains("0 or a whole number from 4 to 240"),
        "{error}"
    );
    keep(4);
    assert!(office.run(&["prune"]).starts_with("deleted 0 events"));
    let mut books = SqliteStore::correct(&office.folder.join("data/ledger.sqlite")).unwrap();
    for month in 1..=5 {
        let closing = Closing {
            at_ms: ms(&format!("2020-{:02}-01T12:00:00Z", month + 1)),
            who: "ann".to_owned(),
        };
        let month = format!("2020-{month:02}").parse().unwrap();
        books.close(month, &Zones::default(), &closing).unwrap();
    }
    drop(books);
    let statement = |month: &str| {
        office.run(&[
            "statement",
            "--account",
            "adv_it",
            "--month",
            month,
            "--format",
            "json",
        ])
    };
    let closed = statement("2020-01");
    let open = statement("2020-06");
    // Five months are closed and four are kept.
    let said = office.run(&["prune"]);
    assert!(said.starts_with("deleted 1 events"), "{said}");
    assert!(office.run(&["prune"]).starts_with("deleted 0 events"));
    let pruned: Value = serde_json::from_str(&statement("2020-01")).unwrap();
    let before: Value = serde_json::from_str(&closed).unwrap();
    assert_eq!(pruned["lines"], before["lines"]);
    assert_eq!(pruned["checked_against_log"], false);
    assert_eq!(statement("2020-06"), open);
    let whole = office.run(&["statement", "--account", "adv_it"]);
    assert!(whole.contains("agree to the micro"), "{whole}");
    // The node opens such books, and a bill of a kept month is still known.
    let mut store = office.ledger();
    let again = store
        .apply(&[events[1].clone()], &mut |_, _| Funding::Late)
        .unwrap();
    assert_eq!(again, [ledger::Outcome::Duplicate]);
}

#[test]
fn another_partys_counts_are_compared_by_day_and_reason() {
    let noon = ms("2026-11-24T12:00:00Z");
    let mut events: Vec<Event> = (0..10)
        .map(|number| bill(number, 2_000_000, noon))
        .collect();
    let win = Event {
        kind: Kind::Win,
        ..bill(50, 2_000_000, noon)
    };
    events.push(win);
    events.extend((100..104).map(|number| sale(number, 2_000_000, noon)));
    let office = Office::new("discrepancy", &events);
    let dear = bill(60, 2_000_000, noon);
    let dear = Event {
        cpm: Cpm(9_000_000),
        ..dear
    };
    let letter = DeadLetter::of(&dear, Fault::AboveBid, "");
    office.ledger().refuse(&[letter]).unwrap();
    let counts = "date,impressions,gross,currency\n2026-11-24,13,0.026,EUR\n";
    fs::write(office.folder.join("counts.csv"), counts).unwrap();
    let report = |party: &[&str], format: &str| {
        let mut arguments = vec!["discrepancy", "--counts", "counts.csv", "--format", format];
        arguments.extend(party);
        office.run(&arguments)
    };
    let json: Value = serde_json::from_str(&report(&["--exchange", "demo"], "json")).unwrap();
    let day = &json["days"][0];
    assert_eq!(
        (&day["ours"]["impressions"], &day["more"]),
        (&10.into(), &3.into())
    );
    for reason in ["refused_above_bid", "won_not_billed", "unexplained"] {
        assert_eq!(day["reasons"][reason], 1, "{reason}");
    }
    assert_eq!(day["price_difference"], "0.00");
    let text = report(&["--partner", "bidder"], "text");
    assert!(
        text.contains("2026-11-24            4           13         +9"),
        "{text}"
    );
    let csv = report(&["--exchange", "demo"], "csv");
    assert_eq!(csv.lines().count(), 4, "{csv}");
    let mistyped = [
        "discrepancy",
        "--exchange",
        "dmeo",
        "--counts",
        "counts.csv",
    ];
    let error = office.refused(&mistyped);
    assert!(
        error.contains("no account of \"dmeo\"; it has demo"),
        "{error}"
    );
    fs::write(
        office.folder.join("counts.csv"),
        "date,impressions\n1.2.26,x\n",
    )
    .unwrap();
    let error = office.refused(&[
        "discrepancy",
        "--exchange",
        "demo",
        "--counts",
        "counts.csv",
    ]);
    assert!(error.contains("line 2: date: expected a day"), "{error}");
    let error = office.refused(&["discrepancy", "--counts", "counts.csv"]);
    assert!(error.contains("--exchange"), "{error}");
    let total = Micros(10 * 2_000);
    assert_eq!(json["total"]["ours"]["gross"], total.to_string().as_str());
}

#[test]
fn auctions_that_sold_are_logged_and_others_by_the_rate() {
    let node = Node::start(SMALL, "[log]\nsample_ppm = 0\n");
    let sold = |id: &str| {
        let mut body = banner_request(id);
        body["user"]["id"] = USER.into();
        node.client()
            .post("/openrtb2/auction", body.to_string().as_bytes())
    };
    let start = Instant::now();
    while sold("logged-1").status != 200 {
        assert!(start.elapsed() < Duration::from_secs(8), "nothing is sold");
        std::thread::sleep(Duration::from_millis(20));
    }
    // An imp that nobody buys: not kept at this rate.
    let mut odd = banner_request("unsold-1");
    odd["imp"][0]["banner"] = serde_json::json!({ "w": 1, "h": 1 });
    let answer = node
        .client()
        .post("/openrtb2/auction", odd.to_string().as_bytes());
    assert_eq!(answer.status, 204);
    let bought = bid(&node, "outside-1");
    assert_eq!(
        node.client()
            .get(&notice(&bought, "burl", "1.5", ""))
            .status,
        200
    );
    let today = jiff::Timestamp::from_millisecond(now_ms()).unwrap();
    let today = today.strftime("%Y-%m-%d").to_string();
    let auctions = |format: &str| {
        let arguments = [
            "export", "--from", &today, "--to", &today, "--format", format, "--out", "out",
        ];
        let output = gavel(&node.folder, &arguments);
        assert!(output.status.success(), "{output:?}");
        let file = format!("out/auctions/date={today}/auctions.jsonl");
        fs::read_to_string(node.folder.join(file)).unwrap_or_default()
    };
    let start = Instant::now();
    while auctions("jsonl").is_empty() {
        assert!(
            start.elapsed() < Duration::from_secs(8),
            "nothing is logged"
        );
        std::thread::sleep(Duration::from_millis(100));
    }
    let file = |table: &str| {
        rows(
            &node
                .folder
                .join(format!("out/{table}/date={today}/{table}.jsonl")),
        )
    };
    let logged = file("auctions");
    let ids: Vec<&str> = logged
        .iter()
        .map(|row| row["auction"].as_str().unwrap())
        .collect();
    assert_eq!(ids, ["logged-1"]);
    assert_eq!(logged[0]["ended"], "sold");
    assert_eq!(
        metric(&node, "gavel_auction_log_total{outcome=\"queued\"}"),
        1
    );
    assert_eq!(
        metric(&node, "gavel_auction_log_total{outcome=\"shed\"}"),
        0
    );
    let bids = file("bids");
    assert_eq!((bids.len(), &bids[0]["outcome"]), (1, &"won".into()));
    assert_eq!(bids[0]["line_item"], "li_it");
    assert_eq!(bids[0]["sale_key"].as_str().unwrap().len(), 32);
    assert!(file("events").iter().any(|row| row["kind"] == "bill"));
    for name in ["auctions.sqlite", "auctions.sqlite-wal"] {
        let bytes = fs::read(node.folder.join("data").join(name)).unwrap_or_default();
        let user = bytes
            .windows(USER.len())
            .any(|part| part == USER.as_bytes());
        assert!(!user, "a user is in {name}");
    }
}

fn now_ms() -> i64 {
    let now = std::time::SystemTime::now();
    let since = now.duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}
