mod shown;

use super::*;
use crate::apply::{Documents, Source, apply};
use crate::resource::exchange::BillableEvent;
use crate::store::Store;
use bidder::catalog::{Dimension, Value};

const DOCUMENTS: &str = r#"
[[advertisers]]
id = "adv_a"
name = "A"
currency = "EUR"
timezone = "Europe/Paris"
domain = "a.example"
budget = { total = "5000" }

[[campaigns]]
id = "cmp_a"
advertiser = "adv_a"
name = "C"
start = "2026-11-01T00:00:00Z"
end = "2026-11-23T20:00:00Z"
budget = { total = "1000", daily = "100" }
pacing = "asap"

[[line_items]]
id = "li_a"
campaign = "cmp_a"
name = "L"
bid = { max_cpm = "2.00" }
frequency = [{ max = 3, per = "day" }]
creatives = ["cr_a", "cr_b"]
budget = { total = "10" }

[line_items.targeting]
geo = { include = ["FRA"] }
devices = ["phone", "tv"]
sizes = ["300x250"]
hours = [{ days = ["tue"], from = 8, to = 10 }]
audience = { include = [["s1", "s2"]], exclude = ["s3"] }

[[line_items]]
id = "li_b"
campaign = "cmp_a"
name = "L"
bid = { max_cpm = "1.00" }
creatives = ["cr_a"]

[[creatives]]
id = "cr_a"
advertiser = "adv_a"
format = "banner"
w = 300
h = 250
adm = "<a>"
adomain = ["a.example"]
landing_page = "https://a.example/"

[[creatives]]
id = "cr_b"
advertiser = "adv_a"
format = "banner"
w = 300
h = 250
adm = "<b>"
adomain = ["a.example"]
landing_page = "https://a.example/"
status = "paused"

[[publishers]]
id = "pub_a"
name = "P"
domain = "p.example"
domains = ["q.example"]
currency = "EUR"
revenue_share = "0.85"
auction = "second_price"

[[placements]]
id = "plc_a"
publisher = "pub_a"
name = "Top"
tagid = "top"
floor = "0.5"

[floors.pub_a]
floorMin = 0.1

[[partners]]
id = "dsp_a"
name = "D"
endpoint = "http://127.0.0.1:9001/bid"
geo = { include = ["FRA"], exclude = ["DEU"] }

[[exchanges]]
id = "demo"
name = "demo"
currency = "EUR"
billable_event = "win"
"#;

fn records(documents: &str) -> Vec<Record> {
    let store = Store::in_memory().unwrap();
    let source = Source {
        name: "d.toml".to_owned(),
        text: documents.to_owned(),
    };
    let documents = Documents::read(&[source]).unwrap();
    apply(&store, &documents, "test", Timestamp::UNIX_EPOCH).unwrap_or_else(|e| panic!("{e}"));
    store.all().unwrap()
}

fn compiled(documents: &str, now: &str) -> Compiled {
    let mut next = 0;
    let mut slot = |_: &Budget| {
        next += 1;
        Some(BudgetSlot(next - 1))
    };
    compile(&records(documents), now.parse().unwrap(), &mut slot).unwrap()
}

#[test]
fn a_line_item_becomes_what_the_bidder_reads() {
    let compiled = compiled(DOCUMENTS, "2026-11-23T12:00:00Z");
    let [first, second] = compiled.bidder.line_items.as_slice() else {
        panic!("two line items")
    };
    assert_eq!(
        (first.id.as_str(), first.max_cpm.0, first.frequency[0].most),
        ("li_a", 2_000_000, 3)
    );
    assert_eq!(first.creatives, ["cr_a"], "the paused creative is left out");
    let devices = &first.targeting.rules[&Dimension::DeviceType.into()];
    assert_eq!(devices.include, [1, 4, 3, 6, 7].map(Value::Code));
    assert_eq!(first.targeting.sizes.include, [(300, 250)]);
    assert_eq!(first.targeting.audience.include, [["s1", "s2"]]);
    let open: Vec<u32> = (0..168)
        .filter(|hour| first.targeting.hours.contains(*hour))
        .collect();
    assert_eq!(open, [32, 33]);
    assert_eq!(second.targeting.hours, bidder::catalog::Hours::ALL);
    let keys: Vec<&str> = compiled.budgets.iter().map(|one| &*one.key).collect();
    assert_eq!(
        keys,
        [
            "line_item:li_a",
            "campaign:cmp_a:day:2026-11-23",
            "campaign:cmp_a",
            "advertiser:adv_a"
        ]
    );
    assert!(first.draws.line_item && !second.draws.line_item);
    assert_eq!((first.draws.count(), second.draws.count()), (4, 3));
    assert_eq!(first.budget.money()[1..], *second.budget.money());
    let limits: Vec<i64> = compiled
        .budgets
        .iter()
        .map(|budget| budget.limit.0)
        .collect();
    assert_eq!(
        limits,
        [10_000_000, 100_000_000, 1_000_000_000, 5_000_000_000]
    );
    assert_eq!(
        (compiled.zones.len(), compiled.bidder.advertisers.len()),
        (1, 1)
    );
    assert_eq!(compiled.bidder.creatives.len(), 1);
    assert!(compiled.not_serving.is_empty());
}

#[test]
fn a_flexible_day_has_budgets_of_its_own_and_of_its_month() {
    let documents = DOCUMENTS.replace(
        r#"daily = "100" }"#,
        r#"daily = "100", flex = { daily = 1.5, period = "20.25" } }"#,
    );
    let compiled = compiled(&documents, "2026-11-23T12:00:00Z");
    let first = &compiled.bidder.line_items[0];
    assert!(first.draws.day && first.draws.month);
    let limits = compiled.budgets.iter();
    let limits: Vec<_> = limits.map(|one| (&*one.key, one.limit.0)).collect();
    assert_eq!(
        limits[1..3],
        [
            ("campaign:cmp_a:day:2026-11-23", 150_000_000),
            ("campaign:cmp_a:month:2026-11", 2_025_000_000),
        ]
    );
    assert_eq!(compiled.flexible["cmp_a"].0, 100_000_000);
}

#[test]
fn a_goal_is_held_beside_the_money() {
    let goals = |goal: &str| {
        let own = "budget = { total = \"10\" }\n";
        let documents = DOCUMENTS.replace(own, &format!("{own}goal = {goal}\n"));
        let compiled = compiled(&documents, "2026-11-23T12:00:00Z");
        let path = compiled.bidder.line_items[0].budget;
        let of_goals = compiled.budgets.iter();
        let of_goals = of_goals.filter(|one| ledger::Unit::of(&one.key) != ledger::Unit::Money);
        let of_goals = of_goals.map(|one| (one.key.clone(), one.limit.0 / 1_000_000));
        (path.money().len(), path.goals().len(), of_goals.collect())
    };
    let key = |key: &str, most: i64| (format!("line_item:li_a:{key}"), most);
    let (total, day) = ("impressions", "impressions:day:2026-11-23");
    let expected = |held, keys: Vec<(String, i64)>| (4, held, keys);
    assert_eq!(
        goals("{ impressions = 500, clicks = 7 }"),
        expected(2, vec![key(total, 500), key(day, 500), key("clicks", 7)])
    );
    assert_eq!(
        goals("{ impressions = 500, daily_impressions = 20 }"),
        expected(2, vec![key(total, 500), key(day, 20)])
    );
    assert_eq!(
        goals("{ daily_impressions = 20, clicks = 7 }"),
        expected(1, vec![key(day, 20), key("clicks", 7)])
    );
    assert_eq!(goals("{ clicks = 7 }"), expected(0, vec![key("clicks", 7)]));
}

#[test]
fn the_exchange_gets_sellers_floors_and_buyers() {
    let sold = compiled(DOCUMENTS, "2026-11-23T12:00:00Z");
    let publisher = &sold.exchange.publishers[0];
    assert_eq!(publisher.domains.len(), 2);
    assert_eq!(publisher.revenue_share_ppm, 850_000);
    let increment = ledger::Cpm(10_000);
    assert_eq!(
        publisher.pricing,
        exchange::catalog::Pricing::SecondPrice { increment }
    );
    assert_eq!(
        publisher.floors.as_ref().unwrap().min,
        Some(ledger::Cpm(100_000))
    );
    assert_eq!(
        sold.exchange.placements[0].floor,
        Some(ledger::Cpm(500_000))
    );
    let partner = &sold.exchange.partners[0];
    assert_eq!(
        (partner.countries.len(), partner.excluded_countries.len()),
        (1, 1)
    );
    assert!(matches!(&partner.route, exchange::catalog::Route::Http(at) if at.port == 9001));
    assert_eq!(sold.sellers[0].settings.billable_event, BillableEvent::Win);
    let paused = DOCUMENTS.replace("auction = \"second_price\"", "status = \"paused\"");
    let without = compiled(&paused, "2026-11-23T12:00:00Z").exchange;
    assert_eq!((without.publishers.len(), without.placements.len()), (0, 0));
}

#[test]
fn what_does_not_serve_is_left_out_with_its_reasons() {
    let ended = compiled(DOCUMENTS, "2026-11-23T20:00:00Z");
    assert!(ended.bidder.line_items.is_empty() && ended.budgets.is_empty());
    assert!(
        ended.bidder.advertisers.is_empty(),
        "nothing needs the advertiser"
    );
    assert_eq!(ended.not_serving.len(), 2);
    assert_eq!(ended.not_serving[0].1[0].code(), "ended");

    let early = compiled(DOCUMENTS, "2026-10-31T00:00:00Z");
    assert_eq!(
        early.bidder.line_items.len(),
        2,
        "the bidder keeps the flight itself"
    );
    assert_eq!(early.not_serving[0].1[0].code(), "not_started");

    let paused = DOCUMENTS.replace("timezone", "status = \"paused\"\ntimezone");
    let paused = compiled(&paused, "2026-11-23T12:00:00Z");
    assert!(paused.bidder.line_items.is_empty());
    assert_eq!(
        paused.not_serving[1].1[0].detail(),
        "advertiser adv_a is paused"
    );
}

#[test]
fn a_new_day_of_the_advertiser_is_a_new_budget() {
    let day = |now: &str| {
        let compiled = compiled(DOCUMENTS, now);
        let next = compiled.next_change.unwrap().to_string();
        (compiled.budgets[1].key.clone(), next)
    };
    let key = |date: &str| format!("campaign:cmp_a:day:{date}");
    assert_eq!(
        day("2026-11-21T22:59:59Z"),
        (key("2026-11-21"), "2026-11-21T23:00:00Z".to_owned())
    );
    assert_eq!(
        day("2026-11-21T23:00:00Z"),
        (key("2026-11-22"), "2026-11-22T23:00:00Z".to_owned())
    );
    let (last, next) = day("2026-11-23T12:00:00Z");
    assert_eq!(
        (last, next),
        (key("2026-11-23"), "2026-11-23T20:00:00Z".to_owned())
    );
}

#[test]
fn a_full_book_and_a_spoilt_record_are_told() {
    let now = "2026-11-23T12:00:00Z".parse().unwrap();
    let mut records = records(DOCUMENTS);
    let faults = compile(&records, now, &mut |_| None).unwrap_err();
    assert_eq!(faults[0].pointer, "/line_items/li_a");
    records[0].body["currency"] = "x".into();
    let faults = compile(&records, now, &mut |_| None).unwrap_err();
    assert_eq!(faults[0].pointer, "/advertisers/adv_a/currency");
}

#[test]
fn the_demo_is_taken_whole() {
    let sellers = include_str!("../../../fixtures/demo/sellers.toml")
        .replace("PARTNER_FAST", "127.0.0.1:9001")
        .replace("PARTNER_SLOW", "127.0.0.1:9002");
    let both = format!(
        "{}\n{sellers}",
        include_str!("../../../fixtures/demo/buyers.toml")
    );
    let compiled = compiled(&both, "2026-11-23T12:00:00Z");
    assert!(
        compiled.not_serving.is_empty(),
        "{:?}",
        compiled.not_serving
    );
    assert!(compiled.bidder.line_items.len() >= 3);
    assert!(
        compiled
            .exchange
            .publishers
            .iter()
            .all(|publisher| publisher.floors.is_some())
    );
    assert_eq!(compiled.exchange.partners.len(), 2);
}

#[test]
fn line_items_name_so_many_paths_and_the_next_one_says_why_it_waits() {
    let naming = |at: usize| {
        format!(
            "[[line_items]]\nid = \"li_x{at:03}\"\ncampaign = \"cmp_a\"\nname = \"x\"\n\
             bid = {{ max_cpm = \"1\" }}\ncreatives = [\"cr_a\"]\n\
             targeting = {{ ext = [{{ path = \"ext.p{at}\", include = [\"x\"] }}] }}\n"
        )
    };
    let more: String = (0..=bidder::catalog::MAX_NAMED).map(naming).collect();
    let documents = format!("{DOCUMENTS}{more}");
    let compiled = compiled(&documents, "2026-11-23T12:00:00Z");
    let last = compiled.not_serving.iter().find(|(id, _)| id == "li_x064");
    let reasons = &last.expect("there is no room for it").1;
    assert_eq!(reasons, &[Reason::NoRoom("ext/ext.p64".to_owned())]);
    let bought = |id: &str| compiled.bidder.line_items.iter().any(|one| one.id == id);
    assert!(bought("li_x063") && !bought("li_x064"));
}

/// Documents of segments `s0`, `s1`, … that cost a cent more each, and of one that is excluded.
fn segments(count: usize) -> String {
    let segment = |id: &str, cents: usize, excluded: bool| {
        format!(
            "[[segments]]\nid = \"{id}\"\nname = \"{id}\"\nprovider = \"prv_a\"\n\
             data_cpm = [{{ currency = \"EUR\", cpm = \"0.{cents:02}\" }}]\n\
             paid_when_excluded = {excluded}\n"
        )
    };
    let each = (0..count).map(|at| segment(&format!("s{at}"), at + 1, false));
    each.chain([segment("out", 50, true)]).collect()
}

/// A line item that asks for one segment of each of these groups.
fn asking(groups: &[&[&str]], exclude: &[&str]) -> String {
    format!(
        "[[line_items]]\nid = \"li_data\"\ncampaign = \"cmp_a\"\nname = \"x\"\n\
         bid = {{ max_cpm = \"1\" }}\ncreatives = [\"cr_a\"]\n\
         targeting = {{ audience = {{ include = {groups:?}, exclude = {exclude:?} }} }}\n"
    )
}

#[test]
fn prices_of_segments_become_fees_of_who_asks_for_them() {
    let documents = DOCUMENTS.replacen(
        "budget = { total = \"5000\" }",
        "budget = { total = \"5000\" }\nplatform_fee = \"0.125\"",
        1,
    );
    let asking = asking(&[&["s1", "free"], &["s0", "s1"]], &["s2", "out"]);
    let documents = format!("{documents}{}{asking}", segments(3));
    let compiled = compiled(&documents, "2026-11-23T12:00:00Z");
    let bought = compiled.bidder.line_items.iter();
    let fees = |id: &str| {
        bought
            .clone()
            .find(|one| one.id == id)
            .unwrap()
            .fees
            .clone()
    };
    let own = fees("li_data");
    assert_eq!(own.platform_ppm, 125_000);
    let prices = own.data.iter();
    let prices: Vec<_> = prices
        .map(|price| (&*price.segment, price.cpm.0, price.excluded))
        .collect();
    let expected = [
        ("s1", 20_000, false),
        ("s0", 10_000, false),
        ("out", 500_000, true),
    ];
    assert_eq!(
        prices, expected,
        "each once, those that are excluded where they ask for it"
    );
    assert!(fees("li_b").data.is_empty(), "it asks for nobody");
}

#[test]
fn more_data_than_an_impression_pays_is_told() {
    let names: Vec<String> = (0..9).map(|at| format!("s{at}")).collect();
    let groups: Vec<Vec<&str>> = names.iter().map(|name| vec![name.as_str()]).collect();
    let groups: Vec<&[&str]> = groups.iter().map(Vec::as_slice).collect();
    let not_serving = |groups: &[&[&str]], exclude: &[&str]| {
        let documents = format!("{DOCUMENTS}{}{}", segments(9), asking(groups, exclude));
        let compiled = compiled(&documents, "2026-11-23T12:00:00Z");
        let mut told = compiled.not_serving.into_iter();
        told.find(|(id, _)| id == "li_data")
            .map(|(_, reasons)| reasons)
    };
    assert_eq!(
        not_serving(&groups, &[]),
        Some(vec![Reason::TooMuchData(9)])
    );
    assert_eq!(not_serving(&groups[..8], &[]), None);
    assert_eq!(
        not_serving(&groups[..8], &["out"]),
        Some(vec![Reason::TooMuchData(9)])
    );
}
