//! Frequency caps over sockets: levels, households, requests that say nothing, parallel bids with
//! lost notices and a crash, an orderly restart, and what the API refuses.

use crate::client::{Answer, Client};
use crate::node::{Node, SMALL, banner_request};
use crate::notices::{bid, notice};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::{Duration, Instant};

const CONNECTIONS: usize = 64;
const USERS: usize = 40;
/// What the line item allows a user in a day, what its campaign allows a household, and what the
/// creative allows a user.
const PER_USER: usize = 12;
const PER_HOUSEHOLD: usize = 20;

/// [`SMALL`] with further fields of the line item, and of other documents.
fn resources(line_item: &str, campaign: &str) -> String {
    let own = format!("creatives = [\"cr_it\"]\n{line_item}");
    let above = format!("pacing = \"asap\"\n{campaign}");
    SMALL
        .replace("creatives = [\"cr_it\"]", &own)
        .replace("pacing = \"asap\"", &above)
}

fn request(id: &str, user: &Value) -> String {
    let mut request = banner_request(id);
    request["user"] = user.clone();
    request.to_string()
}

fn user(number: usize) -> Value {
    // Two users of a household.
    let household = format!("h{}", number / 2);
    json!({ "buyeruid": format!("u{number}"),
        "eids": [{ "source": "home.example", "uids": [{ "id": household }] }] })
}

fn ask(node: &Node, id: &str, user: &Value) -> Answer {
    let body = request(id, user);
    node.client().post("/openrtb2/bid/demo", body.as_bytes())
}

/// What the world has seen: impressions that were shown, whatever the node was told.
#[derive(Default)]
struct World {
    shown: Mutex<HashMap<usize, usize>>,
    told: Mutex<Vec<String>>,
}

/// One round of 64 connections: bids that are shown and billed, lost and told, or never told of.
/// Ends early where the node is killed.
fn play(node: SocketAddr, round: u64, world: &World, bids: usize) {
    std::thread::scope(|scope| {
        for connection in 0..CONNECTIONS {
            scope.spawn(move || {
                let seed = round * 1_000 + connection as u64;
                let mut random = SmallRng::seed_from_u64(seed);
                let Some(mut client) = Client::try_new(node) else {
                    return;
                };
                for number in 0..bids {
                    let who = random.random_range(0..USERS);
                    let body = request(&format!("{seed}-{number}"), &user(who));
                    let asked = client.try_post("/openrtb2/bid/demo", body.as_bytes());
                    let Some(answer) = asked else { return };
                    if answer.status == 200 {
                        let bid = &answer.json()["seatbid"][0]["bid"][0];
                        world.settle(who, bid, &mut client, &mut random);
                    }
                }
            });
        }
    });
}

impl World {
    /// What becomes of a bid.
    fn settle(&self, who: usize, bid: &Value, client: &mut Client, random: &mut SmallRng) {
        match random.random_range(0..10) {
            // Lost, and we are told.
            0..2 => drop(client.try_get(&notice(bid, "lurl", "", "102"))),
            // Lost, and nobody tells us: its place is held until it expires.
            2..4 => {}
            _ => {
                *self.shown.lock().unwrap().entry(who).or_default() += 1;
                let path = notice(bid, "burl", "1", "");
                // One in six is told only after the crash.
                if random.random_range(0..6) > 0 {
                    let _ = client.try_get(&path);
                }
                self.told.lock().unwrap().push(path);
            }
        }
    }
}

fn within_caps(world: &World) -> usize {
    let shown = world.shown.lock().unwrap();
    let mut homes: HashMap<usize, usize> = HashMap::new();
    for (who, count) in shown.iter() {
        assert!(*count <= PER_USER, "user {who} has seen {count}");
        *homes.entry(who / 2).or_default() += count;
    }
    for (home, count) in homes {
        assert!(count <= PER_HOUSEHOLD, "household {home} has seen {count}");
    }
    shown.values().sum()
}

#[test]
fn parallel_bids_lost_notices_and_a_crash_exceed_no_cap() {
    let rules = format!("frequency = [{{ max = {PER_USER}, per = \"day\" }}]");
    let above =
        format!("frequency = [{{ max = {PER_HOUSEHOLD}, window_s = 172800, by = \"household\" }}]");
    let configuration = "bidder.household_sources = \"home.example\"\n\
        bidder.frequency_save_s = 1\ndata.workers = 2\n";
    let mut node = Node::start(&resources(&rules, &above), configuration);
    let world = World::default();
    play(node.data, 1, &world, 6);
    let before = within_caps(&world);
    assert!(before > USERS, "the load was none: {before}");
    // Saved at some moment in the middle, at least once.
    std::thread::sleep(Duration::from_millis(1_300));
    let address = node.data;
    std::thread::scope(|scope| {
        scope.spawn(|| play(address, 2, &world, 200));
        std::thread::sleep(Duration::from_millis(400));
        node.kill();
    });
    node.restart();
    let holding = node.metric("gavel_caps_holding");
    assert_eq!(holding, 1, "open bids of the crashed run are unknown");
    play(node.data, 3, &world, 6);
    let told = std::mem::take(&mut *world.told.lock().unwrap());
    let mut client = node.client();
    for path in told {
        // Acknowledged ones again, late ones for the first time.
        assert_eq!(client.get(&path).status, 200);
    }
    play(node.data, 4, &world, 12);
    let after = within_caps(&world);
    assert!(after > before, "{after} of {before}");
    // Everybody who has seen the cap is refused for it.
    let full = world
        .shown
        .lock()
        .unwrap()
        .iter()
        .find_map(|(who, count)| (*count == PER_USER).then_some(*who));
    if let Some(who) = full {
        let answer = ask(&node, "full", &user(who));
        assert_eq!(answer.header("x-openrtb-nbr"), Some("9"));
    }
}

#[test]
fn an_orderly_restart_keeps_open_bids_and_holds_nothing_back() {
    let mut node = Node::start(
        &resources("frequency = [{ max = 2, per = \"week\" }]", ""),
        "",
    );
    let first = bid(&node, "first");
    let second = bid(&node, "second");
    let mut client = node.client();
    assert_eq!(client.get(&notice(&first, "burl", "1", "")).status, 200);
    node.terminate();
    node.restart();
    assert_eq!(node.metric("gavel_caps_holding"), 0);
    let who = json!({ "id": "u1" });
    let answer = ask(&node, "third", &who);
    assert_eq!(
        answer.header("x-openrtb-nbr"),
        Some("9"),
        "one shown, one open"
    );
    // The open one is billed, and its pixel comes too: one impression.
    let mut client = node.client();
    assert_eq!(client.get(&notice(&second, "burl", "1", "")).status, 200);
    assert_eq!(ask(&node, "fourth", &who).status, 204);
    // A crash now knows of both; nobody else is free until the bids of the crash must be over.
    node.crash_and_restart();
    assert_eq!(ask(&node, "fifth", &who).status, 204);
    assert_eq!(ask(&node, "sixth", &json!({ "id": "u2" })).status, 204);
    let held = "gavel_caps_held_back_total{reason=\"unknown\"}";
    assert!(node.metric(held) > 0);
}

#[test]
fn a_window_ends_and_begins_anew() {
    let rule = "frequency = [{ max = 1, window_s = 2 }, { max = 2, per = \"hour\" }]";
    let node = Node::start(&resources(rule, ""), "");
    let show = |id: &str| {
        let shown = bid(&node, id);
        let told = node.client().get(&notice(&shown, "burl", "1", ""));
        assert_eq!(told.status, 200);
        Instant::now()
    };
    show("first");
    let who = json!({ "id": "u1" });
    assert_eq!(ask(&node, "soon", &who).status, 204);
    // `bid` asks until the two seconds are over.
    let second = show("second");
    while second.elapsed() < Duration::from_millis(2_100) {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(ask(&node, "third", &who).status, 204, "two an hour");
}

#[test]
fn creatives_take_over_and_levels_add_up() {
    let other = SMALL.replace("id = \"cr_it\"", "id = \"cr_other\"");
    let from = other.find("[[creatives]]").unwrap();
    let to = other.find("[[publishers]]").unwrap();
    let rule = "landing_page = \"https://it.example/\"\n\
        frequency = [{ max = 1, per = \"day\", without_id = \"serve\" }]";
    let resources = resources(
        "",
        "frequency = [{ max = 3, per = \"day\", without_id = \"serve\" }]",
    )
    .replace(
        "creatives = [\"cr_it\"]",
        // By lot, so that the capped one comes first unless one in ten thousand is drawn.
        "creatives = [\"cr_it\", \"cr_other\"]\nrotation = \"weighted\"\nweights = [10000, 1]",
    )
    .replace("landing_page = \"https://it.example/\"", rule);
    let node = Node::start(&format!("{resources}\n{}", &other[from..to]), "");
    let mut seen: Vec<String> = (0..3)
        .map(|number| {
            let bid = bid(&node, &format!("n{number}"));
            bid["crid"].as_str().unwrap().to_owned()
        })
        .collect();
    seen.sort();
    assert_eq!(
        seen.iter().filter(|crid| *crid == "cr_it").count(),
        1,
        "{seen:?}"
    );
    let who = json!({ "id": "u1" });
    assert_eq!(ask(&node, "n4", &who).status, 204, "the campaign's cap");
    // Whoever has no id is neither limited nor counted where the rules say so.
    assert!((0..6).all(|number| ask(&node, &format!("a{number}"), &json!({})).status == 200));
}

#[test]
fn ids_count_in_their_order() {
    let rule = "frequency = [{ max = 1, per = \"day\" }]";
    let configuration = "bidder.unified_sources = \"uid.example\"\n";
    let node = Node::start(&resources(rule, ""), configuration);
    let eid = |source: &str, id: &str| json!({ "source": source, "uids": [{ "id": id }] });
    let unified = |id: &str| eid("UID.example", id);
    bid(&node, "warm");
    let steps = [
        // A new person on a known browser, then the same person elsewhere.
        (
            json!({ "buyeruid": "b1", "eids": [eid("x.example", "e1"), unified("p1")] }),
            200,
        ),
        (json!({ "buyeruid": "b2", "eids": [unified("p1")] }), 204),
        (
            json!({ "buyeruid": "b1", "eids": [eid("x.example", "e1")] }),
            200,
        ),
        (
            json!({ "buyeruid": "b3", "eids": [eid("x.example", "e1")] }),
            204,
        ),
        (json!({ "buyeruid": "b1" }), 200),
        (json!({ "buyeruid": "b1", "id": "other" }), 204),
        (json!({}), 204),
    ];
    for (at, (user, expected)) in steps.into_iter().enumerate() {
        let answer = ask(&node, &format!("s{at}"), &user);
        assert_eq!(answer.status, expected, "step {at}: {user}");
    }
    let nobody = ask(&node, "nobody", &json!({}));
    assert_eq!(nobody.header("x-openrtb-nbr"), Some("8"));
}

#[test]
fn every_fault_of_a_rule_is_named() {
    let node = Node::start(SMALL, "");
    let rules = json!([
        { "max": 0, "per": "day" },
        { "max": 1, "window_s": 0 },
        { "max": 1, "window_s": 7_776_001 },
        { "max": 1, "per": "day", "without_id": "deny" },
    ]);
    for path in [
        "line_items/li_it",
        "campaigns/cmp_it",
        "advertisers/adv_it",
        "creatives/cr_it",
    ] {
        let body = json!({ "frequency": rules }).to_string();
        let answer = node.api("PATCH", &format!("/v1/{path}"), &body);
        assert_eq!(answer.status, 422, "{path}: {answer:?}");
        let told = answer.json().to_string();
        for pointer in [
            "/frequency/0/max",
            "/frequency/1/window_s",
            "/frequency/2/window_s",
            "/frequency/3/without_id",
        ] {
            assert!(told.contains(pointer), "{path}: {pointer} in {told}");
        }
        let many: Vec<Value> = (1..=9)
            .map(|n| json!({ "max": n, "window_s": 60 * n }))
            .collect();
        let body = json!({ "frequency": many }).to_string();
        let answer = node.api("PATCH", &format!("/v1/{path}"), &body);
        assert!(
            answer.json().to_string().contains("9 rules, at most 8"),
            "{answer:?}"
        );
    }
    let fine = json!({ "frequency": [{ "max": 3, "per": "day", "by": "household" }] });
    let answer = node.api("PATCH", "/v1/campaigns/cmp_it", &fine.to_string());
    assert!(answer.status < 300, "{answer:?}");
}

#[test]
fn what_was_shown_since_the_last_save_is_counted_again() {
    let rule = "frequency = [{ max = 11, per = \"day\" }]";
    let configuration = "bidder.frequency_save_s = 3600\n";
    let mut node = Node::start(&resources(rule, ""), configuration);
    for number in 0..3 {
        let shown = bid(&node, &format!("shown-{number}"));
        let told = node.client().get(&notice(&shown, "burl", "1", ""));
        assert_eq!(told.status, 200);
    }
    node.crash_and_restart();
    bid_of(&node, "other", &json!({ "id": "u2" }));
    // Three were shown and eight may be open: for whoever has seen none there is room.
    let answer = ask(&node, "again", &json!({ "id": "u1" }));
    assert_eq!(answer.header("x-openrtb-nbr"), Some("9"));
    // A second crash knows of the three from the file or from the ledger, not from both.
    node.terminate();
    node.restart();
    node.crash_and_restart();
    let raised = json!({ "frequency": [{ "max": 12, "per": "day" }] }).to_string();
    let answer = node.api("PATCH", "/v1/line_items/li_it", &raised);
    assert_eq!(answer.status, 200, "{answer:?}");
    bid_of(&node, "raised", &json!({ "id": "u1" }));
}

/// Asks for a user until there is a bid.
fn bid_of(node: &Node, id: &str, user: &Value) {
    let start = Instant::now();
    while ask(node, id, user).status != 200 {
        assert!(
            start.elapsed() < Duration::from_secs(8),
            "no bid for {user}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}
