//! Creatives as the bidder gets them.

use super::*;
use bidder::catalog::{Approval, Rotation, Template};

/// The documents, with a creative that `change` describes in the place of `cr_b`.
fn with(change: &str) -> Compiled {
    let (before, after) = DOCUMENTS.split_once("status = \"paused\"").unwrap();
    compiled(&format!("{before}{change}{after}"), "2026-11-23T12:00:00Z")
}

#[test]
fn rotation_deals_and_pods_reach_the_bidder() {
    let documents = DOCUMENTS.replacen(
        "creatives = [\"cr_a\", \"cr_b\"]",
        "creatives = [\"cr_b\", \"cr_a\"]\nrotation = \"weighted\"\nweights = [7, 3]\n\
         deals = [\"d\"]\npod = { position = \"last\" }",
        1,
    );
    let compiled = compiled(&documents, "2026-11-23T12:00:00Z");
    let delivery = &compiled.bidder.line_items[0].delivery;
    // The paused one keeps its weight from counting for another.
    assert_eq!(delivery.rotation, Rotation::Weighted(vec![3]));
    assert_eq!(delivery.deals, ["d"]);
    assert_eq!(delivery.pod_position, bidder::catalog::PodPosition::Last);
    let other = &compiled.bidder.line_items[1].delivery;
    assert_eq!(*other, bidder::catalog::Delivery::default());
}

#[test]
fn the_advertiser_speaks_for_its_creatives() {
    let documents = DOCUMENTS.replacen(
        "domain = \"a.example\"",
        "domain = \"a.example\"\niab_categories = [\"IAB2\"]\ncompetitive_labels = [\"cars\"]",
        1,
    );
    let compiled = compiled(&documents, "2026-11-23T12:00:00Z");
    assert_eq!(compiled.bidder.creatives[0].cat, ["IAB2"]);
    assert_eq!(compiled.bidder.advertisers[0].competitive, ["cars"]);
}

#[test]
fn an_approved_content_stands_in_for_a_later_one() {
    let earlier = r#"revision = 2
earlier = [{ advertiser = "adv_a", format = "banner", w = 300, h = 250, adm = "<old>",
    adomain = ["a.example"], landing_page = "https://a.example/", revision = 1 }]
approvals = [{ exchange = "demo", revision = 1, state = "approved" },
    { exchange = "demo", revision = 2, state = "pending" }]
"#;
    let documents = DOCUMENTS.replace(
        "billable_event = \"win\"",
        "billable_event = \"win\"\nrequires_approval = true\nmax_markup_bytes = 2048",
    );
    let records = records(&documents);
    let spliced = |body: &mut serde_json::Value| {
        let document: toml::Table = toml::from_str(earlier).unwrap();
        for (name, value) in document {
            body[name.as_str()] = serde_json::to_value(value).unwrap();
        }
        body["status"] = "active".into();
    };
    let mut records = records;
    let creative = records
        .iter_mut()
        .find(|record| record.id == "cr_b")
        .unwrap();
    spliced(&mut creative.body);
    let mut next = 0;
    let mut slot = |_: &Budget| {
        next += 1;
        Some(BudgetSlot(next - 1))
    };
    let now = "2026-11-23T12:00:00Z".parse().unwrap();
    let compiled = compile(&records, now, &mut slot).unwrap();
    let seller = &compiled.sellers[0];
    assert_eq!(
        (
            seller.settings.requires_approval,
            seller.settings.max_markup_bytes.map(|most| most.0)
        ),
        (true, Some(2_048))
    );
    let of = |id: &str| {
        let mut all = compiled.bidder.creatives.iter();
        let one = all.find(|one| one.id == id).unwrap();
        (one.crid.clone(), one.adm.clone(), one.approval.clone())
    };
    let demo = vec!["demo".to_owned()];
    let approval = |withheld| Approval {
        withheld,
        except: demo.clone(),
    };
    assert_eq!(of("cr_a").2, approval(false), "nobody approved it there");
    assert_eq!(
        of("cr_b"),
        ("cr_b.r2".to_owned(), "<b>".to_owned(), approval(false))
    );
    assert_eq!(
        of("cr_b.r1"),
        ("cr_b".to_owned(), "<old>".to_owned(), approval(true))
    );
    let item = &compiled.bidder.line_items[0];
    assert_eq!(item.creatives, ["cr_a", "cr_b", "cr_b.r1"]);
    assert_eq!(item.delivery.rotation, Rotation::Weighted(vec![1, 1, 0]));
}

#[test]
fn templates_and_assets_are_carried_over() {
    let base = with("").bidder.creatives[1].clone();
    assert_eq!((base.template, base.native), (None, None));
    let documents = DOCUMENTS.replace(
        "format = \"banner\"\nw = 300\nh = 250\nadm = \"<b>\"",
        "format = \"video\"\nduration_s = 15\nmedia = [{ url = \"https://c.example/v\", \
         mime = \"video/mp4\", w = 640, h = 360, bitrate_kbps = 800 }]\napi = [7]\nexp_s = 60\n\
         language = \"fr\"",
    );
    let documents = documents.replace("status = \"paused\"", "");
    let compiled = compiled(&documents, "2026-11-23T12:00:00Z");
    let one = compiled
        .bidder
        .creatives
        .iter()
        .find(|one| one.id == "cr_b")
        .unwrap();
    let Some(Template::Files(files)) = &one.template else {
        panic!("{one:?}")
    };
    assert_eq!(
        (files[0].bitrate_kbps, one.media.duration_s, one.exp_s),
        (800, 15, 60)
    );
    assert_eq!((&*one.language, &one.api[..]), ("fr", &[7][..]));
}
