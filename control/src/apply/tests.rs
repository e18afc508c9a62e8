use super::*;
use proptest::prelude::*;

const BUYER: &str = r#"
[[advertisers]]
id = "adv_a"
name = "A"
currency = "EUR"
timezone = "Europe/Paris"
domain = "a.example"

[[campaigns]]
id = "cmp_a"
advertiser = "adv_a"
name = "C"
start = 2026-01-01T00:00:00Z
budget = { total = 1000, daily = 99.5 }

[[line_items]]
id = "li_a"
campaign = "cmp_a"
name = "L"
bid = { max_cpm = "2.00" }
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
"#;

const SELLER: &str = r#"{"publishers":{"pub_a":{"name":"P","domain":"p.example","currency":"EUR",
    "revenue_share":"0.8"}},"floors":{"pub_a":{"floorMin":0.1}}}"#;

fn read(files: &[(&str, &str)]) -> Result<Documents, Vec<FileFault>> {
    let source = |(name, text): &(&str, &str)| Source {
        name: (*name).to_owned(),
        text: (*text).to_owned(),
    };
    Documents::read(&files.iter().map(source).collect::<Vec<_>>())
}

fn now() -> Timestamp {
    "2026-11-23T12:00:00Z".parse().unwrap()
}

fn applied(store: &Store, files: &[(&str, &str)]) -> Plan {
    apply(store, &read(files).unwrap(), "test", now()).unwrap()
}

fn faults(store: &Store, files: &[(&str, &str)]) -> Vec<String> {
    match read(files).and_then(|documents| match apply(store, &documents, "test", now()) {
        Err(ApplyError::Faults(faults)) => Err(faults),
        other => panic!("expected faults, got {other:?}"),
    }) {
        Err(faults) => faults.iter().map(FileFault::to_string).collect(),
        Ok(()) => unreachable!("faults are an error"),
    }
}

#[test]
fn files_are_applied_together_once() {
    let store = Store::in_memory().unwrap();
    let files = [("buyer.toml", BUYER), ("seller.json", SELLER)];
    let shown = plan(&store, &read(&files).unwrap(), now()).unwrap();
    assert_eq!(store.generation().unwrap(), 0, "a plan changes nothing");
    let plan = applied(&store, &files);
    assert_eq!(shown, plan);
    assert!(
        plan.to_string()
            .ends_with("6 created, 0 changed, 0 unchanged"),
        "{plan}"
    );
    let again = applied(&store, &files);
    assert!(!again.changes());
    assert_eq!(again.to_string(), "0 created, 0 changed, 6 unchanged");
    assert_eq!(
        store.generation().unwrap(),
        6,
        "an unchanged document is not written"
    );
}

#[test]
fn a_change_is_shown_by_field() {
    let store = Store::in_memory().unwrap();
    applied(&store, &[("b.toml", BUYER)]);
    let changed = BUYER
        .replace("\"2.00\"", "\"2.75\"")
        .replace("name = \"C\"", "name = \"D\"");
    let plan = applied(&store, &[("b.toml", &changed)]);
    let text = plan.to_string();
    assert!(
        text.contains("~ line_items/li_a\n    /bid/max_cpm: \"2.00\" → \"2.75\"\n"),
        "{text}"
    );
    assert!(text.contains("/name: \"C\" → \"D\""), "{text}");
    assert!(
        text.ends_with("0 created, 2 changed, 2 unchanged"),
        "{text}"
    );
}

#[test]
fn one_fault_and_nothing_is_applied() {
    let store = Store::in_memory().unwrap();
    let wrong = BUYER
        .replace("currency = \"EUR\"", "currency = \"XXY\"")
        .replace("w = 300", "w = 0")
        .replace("max_cpm = \"2.00\"", "max_cpm = nan");
    let told = faults(&store, &[("b.toml", &wrong)]);
    assert_eq!(
        told.len(),
        3,
        "no fault for references to what is faulty itself: {told:#?}"
    );
    assert!(
        told[0].starts_with("b.toml:5: /advertisers/0/currency: advertisers adv_a: "),
        "{told:#?}"
    );
    assert!(
        told[1].starts_with("b.toml:27: /creatives/0/w: "),
        "{told:#?}"
    );
    assert!(
        told[2].starts_with("b.toml:20: /line_items/0/bid/max_cpm: "),
        "{told:#?}"
    );
    assert_eq!(store.generation().unwrap(), 0);
}

#[test]
fn malformed_floors_are_told_rule_by_rule() {
    let store = Store::in_memory().unwrap();
    let publisher = r#"[[publishers]]
id = "pub_a"
name = "P"
domain = "p.example"
currency = "EUR"
revenue_share = "0.8"
"#;
    let file = |values: &str| {
        format!(
            "{publisher}[[floors.pub_a.data.modelGroups]]\n\
             schema = {{ fields = [\"size\", \"country\"] }}\n\
             [floors.pub_a.data.modelGroups.values]\n{values}"
        )
    };
    let told = faults(
        &store,
        &[(
            "f.toml",
            &file("\"300x250\" = 1\n\"*|fra\" = -1\n\"*|*\" = 0.5\n"),
        )],
    );
    let at = "/floors/pub_a/data/modelGroups/0/values";
    assert_eq!(
        told,
        [
            format!("f.toml:11: {at}/*|fra: floors pub_a: expected a price of 0 or more, found -1"),
            format!("f.toml:10: {at}/300x250: floors pub_a: the rule has 1 parts for 2 fields"),
        ]
    );
    let many: Vec<String> = (0..100_000)
        .map(|rule| format!("\"r{rule}|*\":1"))
        .collect();
    let many = format!(
        r#"{{"floors":{{"pub_a":{{"modelGroups":[{{"schema":{{"fields":["size","country"]}},
        "values":{{{}}}}}]}}}}}}"#,
        many.join(",")
    );
    let told = faults(&store, &[("p.toml", publisher), ("f.json", &many)]);
    assert_eq!(told.len(), 1);
    assert!(
        told[0].ends_with("values: floors pub_a: more than 10000 rules in a file"),
        "{told:#?}"
    );
    assert!(applied(&store, &[("f.toml", &file("\"300x250|*\" = 1\n"))]).changes());
}

#[test]
fn references_lead_across_files_and_into_the_store() {
    let store = Store::in_memory().unwrap();
    let cut = BUYER.find("[[campaigns]]").unwrap();
    let (first, second) = BUYER.split_at(cut);
    let told = faults(&store, &[("second.toml", second)]);
    assert!(
        told[0].contains("second.toml:3: /campaigns/0/advertiser: "),
        "{told:#?}"
    );
    assert!(applied(&store, &[("second.toml", second), ("first.toml", first)]).changes());
    assert!(!applied(&store, &[("second.toml", second)]).changes());
}

#[test]
fn the_form_of_files_is_told_with_its_place() {
    let store = Store::in_memory().unwrap();
    let told = faults(
        &store,
        &[
            ("kind.toml", "[[advertiser]]\nid = \"adv_a\""),
            ("id.toml", "[[advertisers]]\nname = \"a\""),
            (
                "double.toml",
                "\n[[exchanges]]\nid = \"x\"\n[[exchanges]]\nid = \"x\"",
            ),
            ("syntax.toml", "a = 1\nb = ["),
            ("syntax.json", "{\n\"a\":"),
            ("list.json", "[]"),
        ],
    );
    for wanted in [
        "kind.toml:1: /advertiser: unknown resource `advertiser`, did you mean `advertisers`?",
        "id.toml:1: /advertisers/0/id: is required",
        "double.toml:4: /exchanges/1: exchanges x stands twice, first in double.toml:2",
        "syntax.toml:2: ",
        "syntax.json:2: ",
        "list.json: : expected an object of resource kinds",
    ] {
        assert!(
            told.iter().any(|told| told.starts_with(wanted)),
            "{wanted}: {told:#?}"
        );
    }
}

#[test]
fn a_pause_outlives_files_that_do_not_speak_of_it() {
    let store = Store::in_memory().unwrap();
    applied(&store, &[("b.toml", BUYER)]);
    let status = |status: &str| format!("{BUYER}status = \"{status}\"\n");
    applied(&store, &[("b.toml", &status("paused"))]);
    assert!(!applied(&store, &[("b.toml", BUYER)]).changes());
    applied(&store, &[("b.toml", &status("archived"))]);
    let revived = applied(&store, &[("b.toml", BUYER)]).to_string();
    assert!(
        revived.contains("/status: \"archived\" → \"active\""),
        "{revived}"
    );
}

#[test]
fn what_decides_on_money_never_changes() {
    let store = Store::in_memory().unwrap();
    applied(&store, &[("b.toml", BUYER)]);
    let told = faults(&store, &[("b.toml", &BUYER.replace("\"EUR\"", "\"USD\""))]);
    assert!(
        told[0].contains("/currency: advertisers adv_a: never changes, it is \"EUR\""),
        "{told:#?}"
    );
}

#[test]
fn a_name_that_requests_use_leads_to_one_document() {
    let store = Store::in_memory().unwrap();
    applied(&store, &[("s.json", SELLER)]);
    let other = SELLER.replace("pub_a", "pub_b");
    let told = faults(&store, &[("o.json", &other)]);
    assert!(
        told[0].contains("/domain: publishers pub_b: is already used by pub_a"),
        "{told:#?}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever stands in a file, its faults name the file.
    #[test]
    fn any_file_is_read_or_told(
        text in "[\\[\\]{}a-z_=\"0-9., \\n]{0,80}",
        cut in 0usize..600,
        name in "[ab]\\.(toml|json)",
    ) {
        for text in [text.as_str(), &BUYER[..cut.min(BUYER.len())]] {
            if let Err(faults) = read(&[(&name, text)]) {
                prop_assert!(!faults.is_empty());
                prop_assert!(faults.iter().all(|fault| fault.place().starts_with(&name)));
            }
        }
    }

    /// Whatever was applied before, applying twice changes nothing the second time.
    #[test]
    fn applying_twice_is_applying_once(
        cpms in prop::collection::vec(1u32..1_000_000_000, 1..6),
        before in prop::collection::vec(1u32..1_000_000_000, 0..6),
        paused in any::<bool>(),
    ) {
        let file = |cpms: &[u32]| {
            let line_item = |(index, cpm): (usize, &u32)| {
                let cpm = ledger::Cpm(i64::from(*cpm));
                let status = if paused && index == 0 { "paused" } else { "active" };
                format!("[[line_items]]\nid = \"li_{index}\"\ncampaign = \"cmp_a\"\n\
                    name = \"N\"\nbid = {{ max_cpm = \"{cpm}\" }}\ncreatives = [\"cr_a\"]\n\
                    status = \"{status}\"\n")
            };
            let items = cpms.iter().enumerate().map(line_item);
            std::iter::once(BUYER.to_owned()).chain(items).collect::<String>()
        };
        let store = Store::in_memory().unwrap();
        applied(&store, &[("before.toml", &file(&before))]);
        let wanted = file(&cpms);
        let documents = read(&[("wanted.toml", &wanted)]).unwrap();
        let planned = plan(&store, &documents, now()).unwrap();
        let first = apply(&store, &documents, "test", now()).unwrap();
        prop_assert_eq!(planned, first);
        let generation = store.generation().unwrap();
        let second = apply(&store, &documents, "test", now()).unwrap();
        prop_assert!(!second.changes(), "{}", second);
        prop_assert_eq!(store.generation().unwrap(), generation);
    }
}

#[test]
fn documents_exchange_their_names_in_any_order() {
    let store = Store::in_memory().unwrap();
    let file = |first: &str, second: &str| {
        let publisher = |id: &str, domain: &str| {
            format!(
                "[[publishers]]\nid = \"{id}\"\nname = \"P\"\ndomain = \"{domain}\"\n\
                 currency = \"EUR\"\nrevenue_share = \"0.8\"\n"
            )
        };
        publisher("pub_a", first) + &publisher("pub_b", second)
    };
    let before = file("a.example", "b.example");
    applied(&store, &[("p.toml", &before)]);
    let after = file("b.example", "a.example");
    let swapped = applied(&store, &[("p.toml", &after)]).to_string();
    assert!(
        swapped.ends_with("0 created, 2 changed, 0 unchanged"),
        "{swapped}"
    );
    // Unchanged documents still hold their names.
    assert!(!applied(&store, &[("p.toml", &after)]).changes());
    let third = after.replace("pub_b", "pub_c");
    let told = faults(&store, &[("p.toml", &third)]);
    assert!(
        told.len() == 1 && told[0].contains("already used by pub_b"),
        "{told:?}"
    );
    let both = file("c.example", "c.example");
    let told = faults(&store, &[("p.toml", &both)]);
    assert!(
        told.len() == 1 && told[0].contains("already used by pub_a"),
        "{told:?}"
    );
}
