//! From a bid request to the text of a bid response, faults included.

use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;

use serde_json::Value;

use super::price::{self, decimal};
use super::{Profile, Settings, creative};

const IMPS_MAX: usize = 64;

/// What the partner has to say to a request.
pub(super) enum Reply {
    Bids { text: String, count: u64 },
    NoBid,
    Malformed,
}

/// Bids for every impression that the settings allow. `own` is where notices are to go.
pub(super) fn reply(settings: &Settings, own: SocketAddr, body: &[u8]) -> Reply {
    let Ok(request) = serde_json::from_slice::<Value>(body) else {
        return Reply::Malformed;
    };
    let id = request.get("id").and_then(Value::as_str);
    let imps = request.get("imp").and_then(Value::as_array);
    let (Some(id), Some(imps)) = (id, imps) else {
        return Reply::Malformed;
    };
    if settings.profile == Profile::NoBid || !is_welcome(settings, &request) {
        return Reply::NoBid;
    }
    let bids: Vec<String> = imps
        .iter()
        .take(IMPS_MAX)
        .enumerate()
        .filter_map(|(position, imp)| bid(settings, own, id, position, imp))
        .collect();
    if bids.is_empty() {
        return Reply::NoBid;
    }
    let id = if settings.profile == Profile::WrongId {
        "another-auction"
    } else {
        id
    };
    let currency = match settings.profile {
        Profile::WrongCur => "XTS",
        _ => &settings.currency,
    };
    let text = format!(
        "{{\"id\":{},\"cur\":{},\"seatbid\":[{{\"seat\":{},\"group\":{},\"bid\":[{}]}}]}}",
        quoted(id),
        quoted(currency),
        quoted(&settings.seat),
        u8::from(settings.together),
        bids.join(",")
    );
    Reply::Bids {
        text,
        count: bids.len() as u64,
    }
}

/// Whether seat, currency and advertiser are allowed by the request.
fn is_welcome(settings: &Settings, request: &Value) -> bool {
    let lists = |key: &str, wanted: &str| -> Option<bool> {
        let list = request.get(key)?.as_array()?;
        Some(list.iter().any(|entry| entry.as_str() == Some(wanted)))
    };
    lists("cur", &settings.currency).unwrap_or(true)
        && lists("wseat", &settings.seat).unwrap_or(true)
        && !lists("bseat", &settings.seat).unwrap_or(false)
        && !lists("badv", &settings.domain).unwrap_or(false)
}

fn bid(
    settings: &Settings,
    own: SocketAddr,
    request_id: &str,
    position: usize,
    imp: &Value,
) -> Option<String> {
    let imp_id = imp.get("id")?.as_str()?;
    let creative = creative::for_imp(imp, &settings.domain)?;
    let draw = draw(&settings.seat, request_id, imp_id);
    if draw % 100 >= u64::from(settings.bid_percent) {
        return None;
    }
    let price = price_text(settings, floor_micros(imp), draw / 100)?;
    let bid_id = format!("{}-{draw:016x}-{position}", settings.seat);
    let imp_id = if settings.profile == Profile::WrongImp {
        "another-imp"
    } else {
        imp_id
    };
    let mut text = format!(
        "{{\"id\":{},\"impid\":{},\"price\":{price},\"adid\":\"mock-ad\",\"crid\":\"mock-{}\",\
         \"cid\":\"mock-campaign\",\"adomain\":[{}],\"cat\":[\"IAB2\"],\"mtype\":{},\"adm\":{}",
        quoted(&bid_id),
        quoted(imp_id),
        creative.mtype,
        quoted(&settings.domain),
        creative.mtype,
        quoted(&creative.adm)
    );
    if creative.w > 0 {
        let _ = write!(text, ",\"w\":{},\"h\":{}", creative.w, creative.h);
    }
    let notices = [("nurl", "win"), ("burl", "bill"), ("lurl", "loss")];
    for (field, kind) in notices.into_iter().filter(|_| !settings.silent) {
        let _ = write!(
            text,
            ",\"{field}\":{}",
            quoted(&notice_url(own, kind, &bid_id))
        );
    }
    text.push('}');
    Some(text)
}

/// The partner's own bid id stands in the URL, so that a notice with wrong macros is still seen.
fn notice_url(own: SocketAddr, kind: &str, bid_id: &str) -> String {
    format!(
        "http://{own}/notice/{kind}?bid={bid_id}&auction=${{AUCTION_ID}}&imp=${{AUCTION_IMP_ID}}\
         &price=${{AUCTION_PRICE}}&cur=${{AUCTION_CURRENCY}}&loss=${{AUCTION_LOSS}}"
    )
}

/// The number of the bid as JSON text, or `None` if the floor is above it.
fn price_text(settings: &Settings, floor_micros: i64, draw: u64) -> Option<String> {
    match settings.profile {
        Profile::PriceNan => return Some("NaN".to_owned()),
        Profile::PriceHuge => return Some("1e308".to_owned()),
        Profile::PriceNegative => return Some("-1".to_owned()),
        Profile::BelowFloor => return Some(decimal((floor_micros / 2).max(1))),
        _ => {}
    }
    let spread = settings.price_micros / 100 * i64::from(settings.spread_percent.min(100));
    let span = spread.unsigned_abs() * 2 + 1;
    let price = settings.price_micros - spread + (draw % span).cast_signed();
    (price > 0 && price >= floor_micros).then(|| decimal(price))
}

/// The floor of an impression; one with more than six places is rounded up to the next micro.
fn floor_micros(imp: &Value) -> i64 {
    let Some(floor) = imp.get("bidfloor") else {
        return 0;
    };
    let text = floor.to_string();
    price::micros(&text).unwrap_or_else(|| {
        let micros = floor.as_f64().unwrap_or(0.0) * 1e6;
        micros.ceil() as i64
    })
}

/// A number that is the same whenever the same seat sees the same impression.
fn draw(seat: &str, request_id: &str, imp_id: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (seat, request_id, imp_id).hash(&mut hasher);
    hasher.finish()
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn settings(profile: Profile) -> Settings {
        Settings {
            profile,
            price_micros: 2_000_000,
            ..Settings::default()
        }
    }

    fn answer(settings: &Settings, request: &Value) -> Option<Value> {
        let own = SocketAddr::from(([127, 0, 0, 1], 9001));
        match reply(settings, own, request.to_string().as_bytes()) {
            Reply::Bids { text, .. } => Some(serde_json::from_str(&text).unwrap()),
            Reply::NoBid => None,
            Reply::Malformed => panic!("the request is well formed"),
        }
    }

    fn request(floor: &str) -> Value {
        let floor: Value = serde_json::from_str(floor).unwrap();
        json!({"id": "r\"1", "cur": ["USD"], "imp": [
            {"id": "1", "bidfloor": floor, "banner": {"w": 320, "h": 50}},
            {"id": "2", "video": {"w": 640, "h": 360, "maxduration": 30}},
            {"id": "3", "native": {"request":
                "{\"native\":{\"assets\":[{\"id\":7,\"title\":{\"len\":90}}]}}"}},
            {"id": "4"},
        ]})
    }

    #[test]
    fn a_bid_fits_each_format() {
        let answer = answer(&settings(Profile::Ok), &request("1.5")).unwrap();
        assert_eq!(answer["id"], "r\"1");
        let bids = answer["seatbid"][0]["bid"].as_array().unwrap();
        let summary: Vec<_> = bids
            .iter()
            .map(|bid| {
                (
                    bid["impid"].as_str().unwrap(),
                    bid["mtype"].as_u64().unwrap(),
                )
            })
            .collect();
        assert_eq!(summary, [("1", 1), ("2", 2), ("3", 4)]);
        assert_eq!((&bids[0]["w"], &bids[0]["price"]), (&json!(320), &json!(2)));
        assert!(bids[1]["adm"].as_str().unwrap().starts_with("<VAST"));
        let native: Value = serde_json::from_str(bids[2]["adm"].as_str().unwrap()).unwrap();
        assert_eq!(native["native"]["assets"][0]["id"], 7);
        let burl = bids[0]["burl"].as_str().unwrap();
        assert!(
            burl.starts_with("http://127.0.0.1:9001/notice/bill?bid="),
            "{burl}"
        );
    }

    #[test]
    fn floors_currency_seats_and_blocks_are_obeyed() {
        let ok = settings(Profile::Ok);
        let mut imp_one_only = request("2.0000001");
        imp_one_only["imp"].as_array_mut().unwrap().truncate(1);
        assert_eq!(answer(&ok, &imp_one_only), None);
        for (key, list) in [
            ("cur", "EUR"),
            ("wseat", "x"),
            ("bseat", "s1"),
            ("badv", "mock.test"),
        ] {
            let mut request = request("0");
            request[key] = json!([list]);
            assert_eq!(answer(&ok, &request), None, "{key}");
        }
    }

    #[test]
    fn spread_and_share_are_stable_and_bounded() {
        let settings = Settings {
            spread_percent: 50,
            bid_percent: 40,
            ..settings(Profile::Ok)
        };
        let mut bids = 0;
        for n in 0..500 {
            let request = json!({"id": n.to_string(), "imp": [{"id": "1", "banner": {}}]});
            let first = answer(&settings, &request);
            assert_eq!(first, answer(&settings, &request));
            if let Some(answer) = first {
                let price = answer["seatbid"][0]["bid"][0]["price"].as_f64().unwrap();
                assert!((1.0..=3.0).contains(&price), "{price}");
                bids += 1;
            }
        }
        assert!((130..=270).contains(&bids), "{bids} of 500 at 40 %");
    }

    #[test]
    fn below_the_floor_means_half_of_it() {
        let answer = answer(&settings(Profile::BelowFloor), &request("3")).unwrap();
        assert_eq!(answer["seatbid"][0]["bid"][0]["price"], json!(1.5));
    }
}
