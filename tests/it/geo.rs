//! Addresses become places: the exchange fills in `device.geo` before it asks, and the bidder's
//! targeting sees it.

use crate::corpus::corpus;
use crate::node::{Node, SMALL, banner_request};
use serde_json::json;

/// [`SMALL`] for users in the United Kingdom only.
fn british() -> String {
    SMALL.replace(
        "targeting = { formats",
        "targeting = { geo = { include = [\"GBR\"] }, formats",
    )
}

fn sell(node: &Node, id: &str, device: serde_json::Value) -> u16 {
    let mut request = banner_request(id);
    request["device"] = device;
    let body = request.to_string();
    node.client()
        .post("/openrtb2/auction", body.as_bytes())
        .status
}

#[test]
fn an_address_is_a_place() {
    let Some(data) = corpus("addresses to places") else {
        return;
    };
    let file = data.join("geo/GeoLite2-City-Test.mmdb");
    let node = Node::start(
        &british(),
        &format!("geo.database = \"{}\"\n", file.display()),
    );
    let london = [
        json!({ "ip": "81.2.69.160" }),
        json!({ "ip": "81.2.69.160", "geo": {} }),
    ];
    for device in london {
        assert_eq!(sell(&node, "london", device), 200);
    }
    let elsewhere = [
        json!({ "ip": "89.160.20.112" }),
        json!({ "ip": "10.0.0.1" }),
        json!({ "ip": "not an address" }),
        json!({ "ipv6": "2001:218::1" }),
        json!({}),
        // What the publisher says of the user comes before what the address says.
        json!({ "ip": "81.2.69.160", "geo": { "country": "SWE" } }),
    ];
    for device in elsewhere {
        assert_eq!(sell(&node, "elsewhere", device.clone()), 204, "{device}");
    }
}

#[test]
fn a_broken_database_breaks_nothing_else() {
    let Some(data) = corpus("broken databases") else {
        return;
    };
    for name in [
        "GeoIP2-City-Test-Broken-Double-Format.mmdb",
        "MaxMind-DB-test-broken-pointers-24.mmdb",
    ] {
        let file = data.join("geo").join(name);
        let configuration = format!("geo.database = \"{}\"\n", file.display());
        let node = Node::start(SMALL, &configuration);
        for last in 0..=255 {
            let device = json!({ "ip": format!("{}.2.69.{last}", last % 90 + 1) });
            assert_eq!(sell(&node, "broken", device), 200, "{name}");
        }
    }
}

#[test]
fn a_file_that_is_no_database_is_said_to_be_none() {
    let folder = std::env::temp_dir().join(format!("gavel-it-geo-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("places.mmdb"), "not a database").unwrap();
    let config = "geo.database = \"places.mmdb\"\nstorage.path = \"data\"\n\
                  data.listen = \"127.0.0.1:0\"\ncontrol.listen = \"127.0.0.1:0\"\n";
    std::fs::write(folder.join("gavel.toml"), config).unwrap();
    let served = crate::node::gavel(&folder, &["serve", "--config", "gavel.toml"]);
    let said = String::from_utf8_lossy(&served.stderr).into_owned();
    assert!(!served.status.success());
    assert!(
        said.contains("places.mmdb") && said.contains("geo database"),
        "{said}"
    );
    std::fs::remove_dir_all(&folder).unwrap();
}
