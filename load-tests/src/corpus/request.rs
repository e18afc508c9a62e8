//! One request: the parts that all kinds share, and what each kind adds.

use serde_json::{Map, Value, json};

use super::vocabulary::{
    CATEGORIES, COUNTRIES, Country, DESKTOP_AGENTS, EID_SOURCES, PHONES, SIZES, TOPICS,
};
use super::{Kind, Options, Random, User, consent};

const SITES: u64 = 400;

/// The request number `serial` of `kind`.
pub(super) fn text(kind: Kind, serial: u64, options: Options, random: &mut Random) -> String {
    let person = User(random.below(options.users));
    let country = random.pick(&COUNTRIES);
    let id = format!("{:016x}-{serial:x}", random.next_u64());
    let topic = random.below(TOPICS.len() as u64) as usize;
    let consent = || consent::string(options.consented_at_s, country.language);
    let (imp, place, device, eids, segments) = match kind {
        Kind::AppBanner => {
            let imp = vec![app_banner_imp(random)];
            (
                imp,
                ("app", app(topic, random)),
                phone(person, country, random),
                0,
                0,
            )
        }
        Kind::WebBanner => {
            let imp = web_banner_imps(random);
            let mut site = site(topic, country, random);
            site["content"] = article(topic, country, random);
            (imp, ("site", site), desktop(country, random), 5, 6)
        }
        Kind::WebPage => {
            let imp = vec![web_banner_imp("1", random), web_banner_imp("2", random)];
            let site = ("site", site(topic, country, random));
            (imp, site, desktop(country, random), 5, 6)
        }
        Kind::VideoDeals => {
            let imp = vec![video_imp(random)];
            let mut site = site(topic, country, random);
            site["content"] = content(topic, country, random);
            (imp, ("site", site), desktop(country, random), 6, 20)
        }
        Kind::Native => {
            let imp = vec![native_imp(random)];
            (
                imp,
                ("app", app(topic, random)),
                phone(person, country, random),
                1,
                2,
            )
        }
    };
    let mut user = user(person, eids, segments, random);
    let gdpr = u8::from(country.gdpr);
    let mut regs = json!({"coppa": 0, "gdpr": gdpr});
    match (country.gdpr, country.code) {
        (true, _) => user["consent"] = consent().into(),
        (false, "USA") => regs["us_privacy"] = "1YNN".into(),
        (false, _) => {}
    }
    let currency = if random.chance(70) {
        json!(["USD"])
    } else {
        json!(["USD", "EUR"])
    };
    let mut fields = vec![
        ("id", json!(id)),
        ("imp", json!(imp)),
        place,
        ("device", device),
        ("user", user),
        ("at", json!(random.pick(&[1, 1, 2]))),
        ("tmax", json!(random.pick(&[100, 120, 150, 250]))),
        ("cur", currency),
    ];
    let blocked: &[&str] = match kind {
        Kind::AppBanner | Kind::Native => &["IAB25", "IAB26"],
        Kind::WebBanner | Kind::WebPage | Kind::VideoDeals => {
            &["IAB24", "IAB25", "IAB26", "IAB7-39", "IAB9-9"]
        }
    };
    fields.push(("bcat", json!(blocked)));
    let rivals = if kind == Kind::AppBanner { 1 } else { 3 };
    let rivals = (0..rivals).map(|_| format!("rival-{}.example", random.below(90)));
    fields.push(("badv", json!(rivals.collect::<Vec<_>>())));
    fields.push(("source", source(kind, random)));
    fields.push(("regs", regs));
    object(&fields)
}

/// Keeps the order of fields, as senders do.
fn object(fields: &[(&str, Value)]) -> String {
    let fields: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("\"{name}\":{value}"))
        .collect();
    format!("{{{}}}", fields.join(","))
}

fn app_banner_imp(random: &mut Random) -> Value {
    let (w, h, name) = *random.pick(&SIZES[..3]);
    json!({
        "id": "1", "banner": {"w": w, "h": h, "pos": 1, "battr": [1, 3, 8], "api": [5, 6]},
        "displaymanager": "sdk", "displaymanagerver": "4.2.1", "instl": 0, "secure": 1,
        "tagid": format!("app-{name}"), "bidfloor": floor(random), "bidfloorcur": "USD",
    })
}

/// One, of ten pages in one more, as in what publishers send.
fn web_banner_imps(random: &mut Random) -> Vec<Value> {
    let imps = match random.below(100) {
        0..90 => 1,
        90..98 => 2,
        _ => 3,
    };
    (1..=imps)
        .map(|id: u8| web_banner_imp(&id.to_string(), random))
        .collect()
}

fn web_banner_imp(id: &str, random: &mut Random) -> Value {
    let (w, h, name) = *random.pick(&SIZES);
    let (w2, h2, _) = *random.pick(&SIZES);
    json!({
        "id": id,
        "banner": {
            "format": [{"w": w, "h": h}, {"w": w2, "h": h2}], "w": w, "h": h,
            "pos": random.below(4), "battr": [1, 3, 8, 13], "topframe": 1,
            "mimes": ["image/jpeg", "image/png", "text/html"],
        },
        "tagid": format!("/{}/page/{name}", 1000 + random.below(50)),
        "bidfloor": floor(random), "bidfloorcur": "USD", "secure": 1, "exp": 300,
        "ext": {"gpid": format!("/page/{name}#{id}"), "viewability": random.below(100)},
    })
}

fn video_imp(random: &mut Random) -> Value {
    let deals: Vec<Value> = (0..8).map(|n| deal(n, random)).collect();
    json!({
        "id": "1",
        "video": {
            "mimes": ["video/mp4", "video/webm", "application/javascript"], "minduration": 5,
            "maxduration": random.pick(&[15, 30, 60]), "startdelay": 0, "plcmt": 1, "linearity": 1,
            "protocols": [2, 3, 5, 6, 7, 8], "w": 1280, "h": 720, "skip": 1, "skipmin": 15,
            "skipafter": 5, "battr": [1, 3, 8, 13], "minbitrate": 300, "maxbitrate": 4000,
            "boxingallowed": 1, "playbackmethod": [1, 2], "playbackend": 1, "delivery": [2],
            "pos": 1, "api": [1, 2, 7], "companiontype": [1, 2],
            "companionad": [{"id": "c1", "w": 300, "h": 250, "pos": 3, "vcm": 0}],
        },
        "pmp": {"private_auction": 0, "deals": deals},
        "tagid": "player-top", "bidfloor": floor(random), "bidfloorcur": "USD", "secure": 1,
        "ext": {"gpid": "/watch/player-top", "viewability": 50 + random.below(50)},
    })
}

fn deal(number: u64, random: &mut Random) -> Value {
    json!({
        "id": format!("deal-{:06}", random.below(200_000)), "at": random.pick(&[1, 2, 3]),
        "bidfloor": json!(3 + random.below(12)), "bidfloorcur": "USD",
        "wseat": [format!("seat-{}", random.below(40)), format!("s{number}")],
        "wadomain": [format!("brand-{}.example", random.below(300))],
    })
}

fn native_imp(random: &mut Random) -> Value {
    let request = json!({"native": {
        "ver": "1.2", "context": 1, "plcmttype": 1, "plcmtcnt": 1, "privacy": 1,
        "assets": [
            {"id": 1, "required": 1, "title": {"len": 90}},
            {"id": 2, "required": 1, "img": {"type": 3, "wmin": 600, "hmin": 314}},
            {"id": 3, "required": 0, "img": {"type": 1, "wmin": 50, "hmin": 50}},
            {"id": 4, "required": 1, "data": {"type": 1, "len": 25}},
            {"id": 5, "required": 0, "data": {"type": 2, "len": 140}},
        ],
        "eventtrackers": [{"event": 1, "methods": [1, 2]}],
    }});
    json!({
        "id": "1", "native": {"request": request.to_string(), "ver": "1.2", "battr": [1, 3]},
        "tagid": format!("feed-{}", random.below(9)), "bidfloor": floor(random),
        "bidfloorcur": "USD", "secure": 1,
    })
}

/// Floors from 0.05 to 2.04, two places.
fn floor(random: &mut Random) -> Value {
    let cents = 5 + random.below(200);
    let text = format!("{}.{:02}", cents / 100, cents % 100);
    serde_json::from_str(&text).expect("a decimal number is JSON")
}

fn site(topic: usize, country: &Country, random: &mut Random) -> Value {
    let number = random.below(SITES);
    let domain = format!("{}-{number}.example", TOPICS[topic]);
    let article = random.below(1_000_000);
    let page = format!(
        "https://www.{domain}/{}/{article}-what-is-new-today",
        country.language
    );
    json!({
        "id": format!("site-{number}"), "name": format!("The {} pages", TOPICS[topic]),
        "domain": domain, "cat": [CATEGORIES[topic]], "sectioncat": [CATEGORIES[topic]],
        "pagecat": [CATEGORIES[topic], "IAB3"], "page": page, "mobile": 0, "privacypolicy": 1,
        "ref": format!("https://search.example/?q={}", TOPICS[topic]),
        "publisher": {"id": format!("pub_{}", number % 60), "name": "Example Media",
            "domain": format!("media-{}.example", number % 60)},
        "keywords": format!("{},today,{}", TOPICS[topic], country.city),
    })
}

fn content(topic: usize, country: &Country, random: &mut Random) -> Value {
    json!({
        "id": format!("v-{}", random.below(1_000_000)), "title": "How it was made",
        "series": format!("All about {}", TOPICS[topic]), "season": "3", "episode": 7,
        "genre": TOPICS[topic], "cat": [CATEGORIES[topic]], "prodq": 1, "context": 1,
        "contentrating": "G", "livestream": 0, "len": 300 + random.below(2_000),
        "language": country.language, "keywords": format!("{},film", TOPICS[topic]),
        "network": {"id": "net-1", "name": "Example Network", "domain": "network.example"},
    })
}

fn article(topic: usize, country: &Country, random: &mut Random) -> Value {
    json!({
        "id": format!("a-{}", random.below(1_000_000)), "title": "What is new today",
        "cat": [CATEGORIES[topic]], "prodq": 1, "context": 5, "language": country.language,
        "keywords": format!("{},news,{}", TOPICS[topic], country.city), "userrating": "4.5",
        "producer": {"id": "desk-1", "name": "Example Desk", "domain": "desk.example"},
        "data": [{"id": "pages-1", "name": "pages.example", "segment": [
            {"id": (1 + random.below(700)).to_string()}, {"id": (1 + random.below(700)).to_string()},
        ], "ext": {"segtax": 7}}],
    })
}

fn app(topic: usize, random: &mut Random) -> Value {
    let number = random.below(SITES);
    json!({
        "id": format!("app-{number}"), "name": format!("{} daily", TOPICS[topic]),
        "bundle": format!("example.{}.n{number}", TOPICS[topic]),
        "storeurl": format!("https://store.example/app/{number}"), "cat": [CATEGORIES[topic]],
        "ver": "5.1", "publisher": {"id": format!("pub_{}", number % 60)},
    })
}

fn geo(country: &Country) -> Value {
    let degrees = |text: &str| -> Value { serde_json::from_str(text).expect("is a number") };
    json!({
        "country": country.code, "region": country.region, "city": country.city, "type": 2,
        "lat": degrees(country.lat), "lon": degrees(country.lon), "utcoffset": country.utc_offset,
    })
}

fn phone(person: User, country: &Country, random: &mut Random) -> Value {
    let (make, model, os, version, agent) = *random.pick(&PHONES);
    json!({
        "ua": agent, "ip": address(random), "geo": geo(country), "devicetype": 4, "make": make,
        "model": model, "os": os, "osv": version, "w": 1080, "h": 2400,
        "language": country.language, "connectiontype": random.pick(&[2, 6, 7]), "lmt": 0,
        "ifa": person.ifa(), "js": 1,
    })
}

fn desktop(country: &Country, random: &mut Random) -> Value {
    json!({
        "ua": random.pick(&DESKTOP_AGENTS), "ip": address(random), "geo": geo(country),
        "devicetype": 2, "w": 1920, "h": 1080, "pxratio": 1, "language": country.language,
        "connectiontype": 2, "dnt": 0, "lmt": 0, "js": 1,
        "sua": {"mobile": 0, "source": 2, "platform": {"brand": "Windows", "version": ["10"]},
            "browsers": [{"brand": "Chromium", "version": ["141", "0"]}]},
    })
}

fn address(random: &mut Random) -> String {
    let network = random.pick(&["192.0.2", "198.51.100", "203.0.113"]);
    format!("{network}.{}", 1 + random.below(254))
}

fn user(person: User, eids: usize, segments: u64, random: &mut Random) -> Value {
    let mut user = Map::new();
    user.insert("id".to_owned(), person.id().into());
    user.insert("buyeruid".to_owned(), person.buyeruid().into());
    if eids > 0 {
        let eid = |(issuer, source): (usize, &&str)| {
            let uid = json!({"id": person.eid(issuer as u64), "atype": 1});
            json!({"source": source, "uids": [uid]})
        };
        let eids: Vec<Value> = EID_SOURCES[..eids].iter().enumerate().map(eid).collect();
        user.insert("eids".to_owned(), eids.into());
    }
    if segments > 0 {
        let segment = |_| json!({"id": (1 + random.below(1_600)).to_string()});
        let segments: Vec<Value> = (0..segments).map(segment).collect();
        let data = json!([{"id": "provider-1", "name": "provider.example", "segment": segments,
            "ext": {"segtax": 4}}]);
        user.insert("data".to_owned(), data);
    }
    Value::Object(user)
}

fn source(kind: Kind, random: &mut Random) -> Value {
    let nodes = match kind {
        Kind::AppBanner | Kind::Native => 1,
        Kind::WebBanner | Kind::WebPage => 2,
        Kind::VideoDeals => 3,
    };
    let node = |n: u64| {
        let seller = format!("{}", 10_000 + random.below(900));
        json!({"asi": format!("seller-{n}.example"), "sid": seller, "hp": 1})
    };
    let nodes: Vec<Value> = (0..nodes).map(node).collect();
    json!({"schain": {"ver": "1.0", "complete": 1, "nodes": nodes}})
}
