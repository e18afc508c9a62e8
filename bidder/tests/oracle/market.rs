//! Generous buyers: line items of six advertisers in six currencies, in every format, with
//! creatives of every kind, and what is true of each creative.

use audience::{Generation, KeySeed, Lookup};
use bidder::catalog::{
    Advertiser, Assets, Campaign, Catalog, Creative, Data, Delivery, File, Format, Image, Input,
    LineFees, LineItem, Media, Pacing, Pricing, Rotation, Strategy, Targeting, Template, Video,
};
use bidder::plan::{CampaignDay, LocalTime, Tick};
use bidder::{Exchange, FrequencyCaps, Links, Pacers, Plan, Runtime, Snapshot};
use ledger::token::Signer;
use ledger::{Book, BudgetPath, Cpm, Currency, Draws, Micros, RateTable, Reservations};
use std::collections::HashMap;

/// 2026-11-23 12:00 UTC, a Monday.
pub(crate) const NOW_MS: i64 = 1_795_435_200_000;
pub(crate) const EXCHANGE_CURRENCY: &str = "USD";
/// The least bids of each format for the corpus: fewer mean that a rule refuses too much.
pub(crate) const EXPECTED: [(&str, usize); 4] = [
    ("banner", 500),
    ("video", 100),
    ("audio", 5),
    ("native", 30),
];

/// The least native requests of the corpus that are answered: the others are malformed, or ask
/// for what the market does not have.
pub(crate) const NATIVE_ANSWERED: usize = 20;

/// Advertisers: name, currency, price, labels of competitors, units of the currency for a euro.
const BUYERS: [(&str, &str, i64, &[&str], f64); 6] = [
    ("euro", "EUR", 40, &["autos"], 1.0),
    ("dollar", "USD", 45, &["autos", "travel"], 1.25),
    ("yen", "JPY", 990, &[], 160.0),
    ("franc", "CHF", 39, &["travel"], 0.95),
    ("pound", "GBP", 35, &[], 0.85),
    ("ruble", "RUB", 999, &[], 100.0),
];
const SIZES: [(u32, u32); 14] = [
    (300, 250),
    (300, 600),
    (728, 90),
    (320, 50),
    (300, 50),
    (320, 480),
    (160, 600),
    (600, 500),
    (128, 100),
    (320, 100),
    (300, 300),
    (970, 250),
    (290, 260),
    (640, 360),
];
pub(crate) const DEALS: [&str; 2] = ["some-deal-id", "deal-2"];

/// What is true of a creative.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fact {
    pub(crate) format: &'static str,
    pub(crate) advertiser: &'static str,
    pub(crate) rivals: &'static [&'static str],
    /// The most that is paid, in units of the advertiser's currency.
    pub(crate) most: f64,
    pub(crate) deals: Vec<&'static str>,
    pub(crate) domains: Vec<String>,
    pub(crate) cat: Vec<String>,
    pub(crate) cattax: i64,
    pub(crate) attr: Vec<i64>,
    pub(crate) apis: Vec<i64>,
    pub(crate) language: Option<&'static str>,
    /// Banner type: 1 text, 2 image, 3 script, 4 frame.
    pub(crate) kind: u8,
    pub(crate) mimes: Vec<&'static str>,
    /// Seconds.
    pub(crate) duration: i64,
    /// Kilobits per second; 0 where it is not known.
    pub(crate) bitrate: i64,
    pub(crate) file: String,
}

pub(crate) type Facts = HashMap<String, Fact>;

/// The worth of a price in euros, where its currency has a rate.
pub(crate) fn to_euros(price: f64, currency: &str) -> Option<f64> {
    let rate = BUYERS.iter().find(|buyer| buyer.1 == currency)?.4;
    Some(price / rate)
}

/// Everything that a decision needs.
pub(crate) struct Market {
    catalog: Catalog,
    plan: Plan,
    audience: Lookup,
    signer: Signer,
    links: Links,
    rates: RateTable,
    exchange: Exchange,
    reservations: Reservations,
    book: Book,
    caps: FrequencyCaps,
    facts: Facts,
}

impl Market {
    pub(crate) fn new() -> Self {
        let book = Book::default();
        let (input, facts) = input(&book);
        let catalog = Catalog::build(input, |_| None).unwrap_or_else(|faults| panic!("{faults:?}"));
        let clocks = vec![LocalTime::utc(NOW_MS); catalog.advertisers().len()];
        let campaigns = vec![CampaignDay::default(); catalog.campaigns().len()];
        let tick = Tick {
            now_ms: NOW_MS,
            advertisers: &clocks,
            campaigns: &campaigns,
            goals: &[],
        };
        let plan = Plan::next(&catalog, &book, &mut Pacers::default(), tick);
        let rates: Vec<(Currency, Micros)> = BUYERS[1..]
            .iter()
            .map(|buyer| (currency(buyer.1), Micros((buyer.4 * 1e6) as i64)))
            .collect();
        Self {
            plan,
            catalog,
            audience: Lookup::empty(Generation(0)),
            signer: Signer::new(&[(1, [7; 32])]),
            links: Links::new("https://bid.example"),
            rates: RateTable::new(currency("EUR"), &rates, "2026-11-23"),
            exchange: Exchange::new("demo", currency(EXCHANGE_CURRENCY)),
            reservations: Reservations::new(4_096),
            book,
            caps: FrequencyCaps::new(10_000),
            facts,
        }
    }

    pub(crate) fn snapshot(&self) -> Snapshot<'_> {
        Snapshot {
            catalog: &self.catalog,
            plan: &self.plan,
            audience: &self.audience,
            seed: KeySeed::default(),
            signer: &self.signer,
            links: &self.links,
            rates: Some(&self.rates),
            exchange: &self.exchange,
            limits: openrtb::Limits::default(),
            appraisal: None,
        }
    }

    pub(crate) fn runtime(&self) -> Runtime<'_> {
        Runtime {
            reservations: &self.reservations,
            book: &self.book,
            caps: &self.caps,
            epoch: 1,
            funnel: None,
        }
    }

    /// Ends all open bids, as their notices would.
    pub(crate) fn settle(&self) {
        self.reservations.sweep(&self.book, u32::MAX, usize::MAX);
    }

    pub(crate) fn facts(&self) -> &Facts {
        &self.facts
    }
}

fn currency(code: &str) -> Currency {
    code.parse().unwrap()
}

fn input(book: &Book) -> (Input, Facts) {
    let (mut input, mut facts) = (Input::default(), Facts::new());
    input.taxonomies = crate::categories::taxonomies();
    for (name, cur, price, rivals, _) in BUYERS {
        let advertiser = format!("adv_{name}");
        input.advertisers.push(Advertiser {
            id: advertiser.clone(),
            name: name.to_owned(),
            currency: currency(cur),
            domain: format!("{name}.example"),
            competitive: rivals.iter().map(|label| (*label).to_owned()).collect(),
        });
        input.campaigns.push(Campaign {
            id: format!("cmp_{name}"),
            advertiser: advertiser.clone(),
            start_ms: 0,
            end_ms: i64::MAX,
            pacing: Pacing::Asap,
        });
        for deal in [false, true] {
            for format in Format::ALL {
                let kind = if deal { "deal_" } else { "" };
                let owner = format!("{name}_{kind}{}", format.label());
                let mut shown = creatives(format, &owner);
                for (creative, fact) in &mut shown {
                    creative.advertiser.clone_from(&advertiser);
                    creative.adomain = vec![format!("shop.{name}.example")];
                    creative.landing_page = format!("https://{name}.example/?a=1&b=2");
                    fact.domains.clone_from(&creative.adomain);
                    (fact.format, fact.advertiser, fact.rivals) = (format.label(), name, rivals);
                    fact.most = price as f64;
                    fact.deals = if deal { DEALS.to_vec() } else { Vec::new() };
                    (fact.cat, fact.cattax) = (creative.cat.clone(), creative.cattax.max(1));
                    fact.attr.clone_from(&creative.attr);
                    fact.apis.clone_from(&creative.api);
                    facts.insert(creative.id.clone(), fact.clone());
                }
                let slot = book.add().unwrap();
                book.grant(slot, 1_000_000_000_000);
                input.line_items.push(LineItem {
                    id: format!("li_{owner}"),
                    campaign: format!("cmp_{name}"),
                    active: true,
                    strategy: Strategy::FixedCpm,
                    max_cpm: Cpm(price * 1_000_000),
                    pricing: Pricing::default(),
                    fees: LineFees::default(),
                    targeting: Targeting::default(),
                    frequency: Vec::new(),
                    creatives: shown.iter().map(|(one, _)| one.id.clone()).collect(),
                    delivery: Delivery {
                        rotation: Rotation::Even,
                        deals: DEALS
                            .iter()
                            .filter(|_| deal)
                            .map(|id| (*id).to_owned())
                            .collect(),
                        ..Delivery::default()
                    },
                    budget: BudgetPath::new(&[slot]),
                    draws: Draws {
                        line_item: true,
                        ..Draws::default()
                    },
                });
                input
                    .creatives
                    .extend(shown.into_iter().map(|(one, _)| one));
            }
        }
    }
    (input, facts)
}

type Shown = Vec<(Creative, Fact)>;

fn creatives(format: Format, owner: &str) -> Shown {
    match format {
        Format::Banner => banners(owner),
        Format::Video => films(owner, "video/mp4", "video/webm", &[6, 15, 30, 60, 120]),
        Format::Audio => films(owner, "audio/mp4", "audio/mpeg", &[5, 10, 15, 30]),
        Format::Native => natives(owner),
    }
}

fn creative(owner: &str, name: &str, format: Format) -> Creative {
    Creative {
        id: format!("cr_{owner}_{name}"),
        format,
        cat: vec!["IAB2-3".to_owned()],
        language: "en".to_owned(),
        ..Creative::default()
    }
}

fn banners(owner: &str) -> Shown {
    const IMAGE: &str = "<a href=\"${CLICK_URL}\"><img src=\"https://cdn.example/a.jpg\"></a>";
    const SCRIPT: &str = "<script src=\"https://cdn.example/a.js?c=${CLICK_URL}\"></script>";
    const INSECURE: &str = "<a href=\"${CLICK_URL}\"><img src=\"http://cdn.example/a.jpg\"></a>";
    let mut shown = Shown::new();
    for (at, (w, h)) in SIZES.into_iter().enumerate() {
        let mut add = |name: &str, adm: &str, fact: Fact, change: &dyn Fn(&mut Creative)| {
            let base = creative(owner, &format!("{name}{w}x{h}"), Format::Banner);
            let mut one = Creative {
                w,
                h,
                adm: adm.to_owned(),
                ..base
            };
            change(&mut one);
            shown.push((one, fact));
        };
        let fact = |kind, mimes: &[&'static str]| Fact {
            kind,
            mimes: mimes.to_vec(),
            language: Some("en"),
            ..Fact::default()
        };
        add("", IMAGE, fact(2, &["image/jpeg"]), &|one| {
            one.media.mimes = vec!["image/jpeg".to_owned()];
        });
        add("script_", SCRIPT, fact(3, &["text/html"]), &|one| {
            one.attr = vec![13, 14];
        });
        add("mraid_", SCRIPT, fact(3, &["text/html"]), &|one| {
            one.api = vec![3, 5];
        });
        add("plain_", INSECURE, fact(2, &["text/html"]), &|one| {
            one.attr = vec![3];
        });
        // Every other size in French and in another taxonomy.
        let other = if at % 2 == 0 { "fr-CA" } else { "fr" };
        let text = Fact {
            language: Some(other),
            ..fact(1, &["text/html"])
        };
        add("text_", "<a href='${CLICK_URL}'>Buy</a>", text, &|one| {
            other.clone_into(&mut one.language);
            (one.cat, one.cattax) = (vec!["2".to_owned()], 7);
        });
    }
    shown
}

/// Templates of files, given markup, a wrapper, and one that needs VPAID.
fn films(owner: &str, first: &'static str, second: &'static str, lengths: &[u32]) -> Shown {
    let format = if first.starts_with("video") {
        Format::Video
    } else {
        Format::Audio
    };
    let mut shown = Shown::new();
    for seconds in lengths {
        let url = format!("https://cdn.example/{owner}/{seconds}");
        let file = |mime: &str, bitrate_kbps| File {
            url: format!("{url}.{}", &mime[6..]),
            mime: mime.to_owned(),
            w: 640,
            h: 360,
            bitrate_kbps,
        };
        let mut one = creative(owner, &format!("files_{seconds}"), format);
        one.template = Some(Template::Files(vec![file(first, 800), file(second, 800)]));
        one.media.duration_s = *seconds;
        one.attr = if *seconds == 30 { vec![16] } else { vec![] };
        let fact = Fact {
            mimes: vec![first, second],
            duration: i64::from(*seconds),
            bitrate: 800,
            file: format!("{url}.{}", &first[6..]),
            language: Some("en"),
            ..Fact::default()
        };
        shown.push((one, fact.clone()));
        let mut tag = creative(owner, &format!("tag_{seconds}"), format);
        tag.template = Some(Template::Tag(format!(
            "https://ads.example/vast?x=1&o={owner}"
        )));
        tag.media = Media {
            mimes: vec![first.to_owned()],
            duration_s: *seconds,
            protocol: 0,
        };
        let fact = Fact {
            mimes: vec![first],
            bitrate: 0,
            file: format!("https://ads.example/vast?x=1&o={owner}"),
            ..fact
        };
        shown.push((tag, fact));
    }
    let mut given = creative(owner, "given", format);
    given.adm = format!(
        "<?xml version=\"1.0\"?><VAST version=\"3.0\"><Ad id=\"1\"><InLine><AdSystem>x</AdSystem>\
         <AdTitle>t</AdTitle><Impression><![CDATA[https://other.example/i]]></Impression><Creatives>\
         <Creative><Linear><Duration>00:00:20</Duration><MediaFiles><MediaFile \
          delivery=\"progressive\" type=\"{first}\" width=\"640\" height=\"360\">\
         <![CDATA[https://cdn.example/{owner}/g]]>\
         </MediaFile></MediaFiles></Linear></Creative></Creatives></InLine></Ad></VAST>"
    );
    "fr-CA".clone_into(&mut given.language);
    let fact = Fact {
        mimes: vec![first],
        duration: 20,
        file: format!("https://cdn.example/{owner}/g"),
        language: Some("fr-CA"),
        ..Fact::default()
    };
    shown.push((given, fact.clone()));
    let mut script = creative(owner, "vpaid", format);
    script.adm = shown[shown.len() - 1].0.adm.replace("3.0", "2.0");
    (script.api, script.attr, script.cat) = (vec![1, 2], vec![13], vec!["IAB7-1".to_owned()]);
    let fact = Fact {
        language: Some("en"),
        ..fact
    };
    shown.push((script, fact));
    shown
}

fn natives(owner: &str) -> Shown {
    let image = |kind, name: &str, w, h| Image {
        kind,
        url: format!("https://cdn.example/{owner}/{name}_{w}.png"),
        w,
        h,
        mime: "image/png".to_owned(),
    };
    let data = |kind, value: &str| Data {
        kind,
        value: value.to_owned(),
    };
    let mut one = creative(owner, "native", Format::Native);
    one.native = Some(Box::new(Assets {
        titles: vec!["Short".to_owned(), "A title of \"middle\" length é".to_owned()],
        images: vec![
            image(3, "main", 1_200, 800),
            image(3, "main", 120, 100),
            image(3, "main", 225, 150),
            image(1, "icon", 128, 128),
            image(1, "icon", 20, 20),
        ],
        data: vec![
            data(1, "Acme"),
            data(2, "What it is"),
            data(12, "Buy now"),
            data(6, "9.99"),
        ],
        video: Some(Video {
            vast: "<VAST version=\"2.0\"><Ad><InLine><AdSystem>x</AdSystem><AdTitle>t</AdTitle>\
                   <Impression>https://o.example/</Impression><Creatives><Creative><Linear>\
                   <Duration>00:00:08</Duration><MediaFiles>\
                   <MediaFile type=\"video/mp4\">https://c.example/v</MediaFile></MediaFiles></Linear></Creative></Creatives></InLine></Ad></VAST>"
                .to_owned(),
            media: Media::default(),
        }),
        privacy: Some("https://why.example/".to_owned()),
    }));
    let fact = Fact {
        language: Some("en"),
        ..Fact::default()
    };
    vec![(one, fact)]
}
