//! A market for the benches: advertisers, line items of a realistic mix with four budgets each,
//! half of them capped and half paced, and users with segments. Everything follows from a seed.

use audience::{Builder, Generation, IdKind, KeySeed, Lookup, SegmentId, UserKey};
use bidder::catalog::{
    Advertiser, Audience, Campaign, Catalog, Circle, Creative, Delivery, Dimension, Format, Hours,
    Input, LineFees, LineItem, Missing, Pacing, Pricing, Rule, Strategy, Subject, Targeting, Value,
};
use bidder::frequency::{self, Cap, Level, Scope, WithoutId};
use bidder::plan::{CampaignDay, LocalTime, Tick};
use bidder::{Exchange, FrequencyCaps, Funnel, Links, Pacers, Plan, Runtime, Snapshot};
use ledger::token::Signer;
use ledger::{Book, BudgetPath, BudgetSlot, Cpm, Currency, Draws, Micros, Reservations};
use load_tests::corpus::{self, Kind, Options, Random, User};

/// 2026-11-23 12:00 UTC, a Monday.
pub(crate) const NOW_MS: i64 = 1_795_435_200_000;

/// How long the pacers have run, in seconds.
const PACED_S: i64 = 300;
const USD: Currency = Currency(*b"USD");
const SEGMENTS: u64 = 5_000;
const COUNTRIES: [&str; 12] = [
    "FRA", "DEU", "ESP", "ITA", "POL", "GBR", "USA", "CAN", "NLD", "BEL", "SWE", "BRA",
];
const TOPICS: [&str; 8] = [
    "news",
    "sport",
    "cooking",
    "travel",
    "autos",
    "gardening",
    "science",
    "music",
];
const SIZES: [(u32, u32); 6] = [
    (300, 250),
    (728, 90),
    (320, 50),
    (160, 600),
    (300, 600),
    (970, 250),
];
const SYSTEMS: [&str; 4] = ["Windows", "Android", "iOS", "macOS"];

/// All that a decision needs.
pub(crate) struct Market {
    catalog: Catalog,
    plan: Plan,
    audience: Lookup,
    signer: Signer,
    links: Links,
    exchange: Exchange,
    reservations: Reservations,
    book: Book,
    caps: FrequencyCaps,
    funnel: Funnel,
    one: LineItem,
}

impl Market {
    /// A market of `line_items` and `users`.
    pub(crate) fn new(line_items: usize, users: u64) -> Self {
        let book = Book::default();
        let input = input(line_items, &book, &mut Random::new(7));
        let one = input.line_items[line_items / 2].clone();
        let catalog = Catalog::build(input, segment_of).expect("the market is sound");
        Self {
            plan: plan(&catalog, &book),
            catalog,
            audience: audience(users),
            signer: Signer::new(&[(1, [7; 32])]),
            links: Links::new("https://bid.example"),
            exchange: Exchange::new("demo", USD),
            reservations: Reservations::new(16 * 1024),
            book,
            caps: FrequencyCaps::new(4_000_000),
            funnel: Funnel::new(0, 32_768),
            one,
        }
    }

    /// The catalog after one line item changed its price and its targeting.
    #[allow(dead_code, reason = "one of the two benches only decides")]
    pub(crate) fn edited(&self, round: u64) -> Catalog {
        let mut one = self.one.clone();
        let mut random = Random::new(round);
        one.max_cpm = Cpm(200_000 + random.below(60_000) as i64 * 100);
        one.targeting = targeting(&mut random);
        let edited = self.catalog.with(&one, segment_of);
        edited.expect("the market is sound")
    }

    /// What nobody changes.
    pub(crate) fn snapshot(&self) -> Snapshot<'_> {
        Snapshot {
            catalog: &self.catalog,
            plan: &self.plan,
            audience: &self.audience,
            seed: KeySeed::default(),
            signer: &self.signer,
            links: &self.links,
            rates: None,
            exchange: &self.exchange,
            limits: openrtb::Limits::default(),
            appraisal: None,
        }
    }

    /// What bids take from.
    #[allow(dead_code, reason = "one of the two benches only selects")]
    pub(crate) fn runtime(&self) -> Runtime<'_> {
        Runtime {
            reservations: &self.reservations,
            book: &self.book,
            caps: &self.caps,
            epoch: 1,
            funnel: Some(&self.funnel),
        }
    }

    /// Ends all open bids, as their notices would.
    #[allow(dead_code, reason = "one of the two benches only selects")]
    pub(crate) fn settle(&self) {
        self.reservations.sweep(&self.book, u32::MAX, usize::MAX);
    }
}

/// The plan after the pacers have run for a while: campaigns whose day's budget would last find
/// themselves taking part in everything, the others in half to a tenth of it.
fn plan(catalog: &Catalog, book: &Book) -> Plan {
    let budget = Micros(100_000_000);
    let clocks = vec![LocalTime::utc(NOW_MS); catalog.advertisers().len()];
    let mut days = vec![
        CampaignDay {
            budget: Some(budget),
            spent: Micros(budget.0 / 2),
            total: None,
            flex: None,
        };
        catalog.campaigns().len()
    ];
    let mut pacers = Pacers::default();
    let mut plan = Plan::idle(catalog);
    for second in (0..PACED_S).rev() {
        for (day, at) in days.iter_mut().zip(0..) {
            // What a campaign of this appetite spends in a second of full participation, as a
            // multiple of what it should: 0, 2, 4 … 10.
            let appetite = 2.0 * (at % 6) as f64;
            let spent = appetite * plan.pace(at).1 * budget.0 as f64 / 86_400.0;
            day.spent.0 += spent as i64;
        }
        for item in 0..catalog.line_items() {
            plan.add_traffic(item, 100);
        }
        let tick = Tick {
            now_ms: NOW_MS - second * 1_000,
            advertisers: &clocks,
            campaigns: &days,
            goals: &[],
        };
        plan = Plan::next(catalog, book, &mut pacers, tick);
    }
    plan
}

/// Requests of a kind, of `users` users on 3,200 domains.
pub(crate) fn requests(kind: Kind, count: u64, users: u64) -> Vec<String> {
    let options = Options {
        count,
        seed: 1,
        users,
        consented_at_s: 1_790_000_000,
    };
    corpus::requests(kind, options).collect()
}

fn audience(users: u64) -> Lookup {
    let mut random = Random::new(3);
    let mut builder = Builder::new(audience::Limits::default());
    let mut ids = Vec::new();
    for number in 0..users {
        let key = UserKey::new(
            KeySeed::default(),
            IdKind::BuyerUid,
            User(number).buyeruid().as_bytes(),
        );
        ids.clear();
        ids.extend((0..4 + random.below(17)).map(|_| segment(&mut random)));
        ids.sort_unstable();
        ids.dedup();
        builder
            .add(key.expect("the id is short"), &ids)
            .expect("the table has room");
    }
    builder.finish(Generation(1)).expect("the table has room")
}

/// The segment of a name.
fn segment_of(name: &str) -> Option<SegmentId> {
    name.strip_prefix("seg_")?.parse().ok().map(SegmentId)
}

/// Low numbers far more often than high ones.
fn segment(random: &mut Random) -> SegmentId {
    let draw = random.below(SEGMENTS);
    SegmentId((draw * draw / SEGMENTS) as u32)
}

fn input(line_items: usize, book: &Book, random: &mut Random) -> Input {
    let advertisers = line_items.div_ceil(50);
    let campaigns = line_items.div_ceil(5);
    let budget = |micros: i64| {
        let slot = book.add().expect("the book has room");
        book.grant(slot, micros);
        slot
    };
    let owner = |campaign: usize| format!("adv_{}", campaign % advertisers);
    let payer: Vec<BudgetSlot> = (0..advertisers).map(|_| budget(i64::MAX / 4)).collect();
    let flight: Vec<BudgetSlot> = (0..campaigns).map(|_| budget(i64::MAX / 4)).collect();
    let today: Vec<BudgetSlot> = (0..campaigns).map(|_| budget(i64::MAX / 4)).collect();
    let items = (0..line_items).map(|at| {
        let campaign = at % campaigns;
        let advertiser = campaign % advertisers;
        let own = budget(i64::MAX / 4);
        LineItem {
            id: format!("li_{at:08}"),
            campaign: format!("cmp_{campaign}"),
            active: true,
            strategy: Strategy::FixedCpm,
            max_cpm: Cpm(200_000 + random.below(60_000) as i64 * 100),
            pricing: Pricing::default(),
            fees: LineFees::default(),
            targeting: targeting(random),
            frequency: capped(at, random),
            creatives: creatives_of(advertiser, random),
            delivery: Delivery::default(),
            budget: BudgetPath::new(&[own, today[campaign], flight[campaign], payer[advertiser]]),
            draws: Draws {
                line_item: true,
                day: true,

                campaign: true,
                advertiser: true,
                ..Draws::default()
            },
        }
    });
    Input {
        line_items: items.collect(),
        advertisers: (0..advertisers)
            .map(|at| Advertiser {
                id: format!("adv_{at}"),
                name: format!("Advertiser {at}"),
                currency: USD,
                domain: format!("brand-{at}.example"),
                competitive: vec![],
            })
            .collect(),
        campaigns: (0..campaigns)
            .map(|at| Campaign {
                id: format!("cmp_{at}"),
                advertiser: owner(at),
                start_ms: 0,
                end_ms: i64::MAX,
                pacing: if at % 2 == 0 {
                    Pacing::Even
                } else {
                    Pacing::Asap
                },
            })
            .collect(),
        creatives: (0..advertisers)
            .flat_map(|advertiser| (0..SIZES.len()).map(move |size| creative(advertiser, size)))
            .collect(),
        ..Input::default()
    }
}

/// One or two sizes of the advertiser.
fn creatives_of(advertiser: usize, random: &mut Random) -> Vec<String> {
    let first = random.below(6);
    let second = (first + 1 + random.below(5)) % 6;
    let both = random.chance(40);
    let sizes = if both {
        vec![first, second]
    } else {
        vec![first]
    };
    sizes
        .iter()
        .map(|size| format!("cr_{advertiser}_{size}"))
        .collect()
}

fn creative(advertiser: usize, size: usize) -> Creative {
    let (w, h) = SIZES[size];
    Creative {
        id: format!("cr_{advertiser}_{size}"),
        advertiser: format!("adv_{advertiser}"),
        format: Format::Banner,
        w,
        h,
        adm: format!(
            "<a href=\"${{CLICK_URL}}\" target=\"_blank\"><img src=\"https://cdn.example/\
             {advertiser}/{size}.png\" width=\"{w}\" height=\"{h}\" alt=\"Brand {advertiser}\"></a>"
        ),
        adomain: vec![format!("brand-{advertiser}.example")],
        landing_page: format!("https://brand-{advertiser}.example/offer?c={size}"),
        cat: vec![format!("IAB{}-{}", 1 + advertiser % 23, 1 + size)],
        cattax: 1,
        ..Creative::default()
    }
}

fn some<T>(random: &mut Random, most: u64, mut draw: impl FnMut(&mut Random) -> T) -> Vec<T> {
    (0..=random.below(most)).map(|_| draw(random)).collect()
}

fn targeting(random: &mut Random) -> Targeting {
    let country = |random: &mut Random| Value::Text((*random.pick(&COUNTRIES)).to_owned());
    let site = |random: &mut Random| {
        Value::Text(format!(
            "{}-{}.example",
            random.pick(&TOPICS),
            random.below(400)
        ))
    };
    let group =
        |random: &mut Random| some(random, 4, |random| format!("seg_{}", segment(random).0));
    let mut targeting = Targeting::default();
    let mut add = |dimension: Dimension, rule| targeting.rules.insert(dimension.into(), rule);
    if random.chance(85) {
        add(Dimension::Geo, Rule::including(some(random, 3, country)));
    }
    match random.below(100) {
        0..20 => add(
            Dimension::Inventory,
            Rule::including(some(random, 30, site)),
        ),
        20..36 => add(
            Dimension::Inventory,
            Rule::excluding(some(random, 10, site)),
        ),
        _ => None,
    };
    if random.chance(40) {
        let types = [vec![2], vec![4, 5], vec![2, 4, 5], vec![3, 7]];
        let types = random.pick(&types).iter().copied().map(Value::Code);
        add(Dimension::DeviceType, Rule::including(types.collect()));
    }
    if random.chance(10) {
        let system = Value::Named((*random.pick(&SYSTEMS)).to_owned());
        add(Dimension::OperatingSystem, Rule::including(vec![system]));
    }
    if random.chance(60) {
        let groups = if random.chance(25) { 2 } else { 1 };
        targeting.audience = Audience {
            include: (0..groups).map(|_| group(random)).collect(),
            ..Audience::default()
        };
    }
    if random.chance(15) {
        targeting.audience.exclude = group(random);
    }
    if random.chance(30) {
        let from = random.below(12) as u32;
        let hours = (0..168).filter(|hour| (from..from + 12).contains(&(hour % 24)));
        targeting.hours = hours.fold(Hours::NONE, Hours::with);
    }
    refined(random, targeting)
}

/// The dimensions that fewer line items mention, each in its share.
fn refined(random: &mut Random, targeting: Targeting) -> Targeting {
    let text = |text: &str| Value::Text(text.to_owned());
    let mut targeting = targeting;
    let mut add = |random: &mut Random, share, dimension: Dimension, rule: Rule<Value>| {
        if random.chance(share) {
            targeting.rules.insert(dimension.into(), rule);
        }
    };
    let served = |mut rule: Rule<Value>| {
        rule.missing = Some(Missing::Serve);
        rule
    };
    let languages = some(random, 2, |random| {
        let language: &&str = random.pick(&["fr", "de", "es", "en", "it"]);
        text(language)
    });
    add(
        random,
        25,
        Dimension::Language,
        served(Rule::including(languages)),
    );
    let refused = some(random, 4, |random| {
        text(&format!("1:IAB{}", 1 + random.below(26)))
    });
    add(random, 30, Dimension::Category, Rule::excluding(refused));
    let wanted = some(random, 3, |random| {
        let topic: &&str = random.pick(&TOPICS);
        text(topic)
    });
    add(random, 6, Dimension::Keyword, Rule::including(wanted));
    let positions = Rule::including(vec![Value::Code(1), Value::Code(3)]);
    add(random, 12, Dimension::Position, served(positions));
    let chain = Rule::including(vec![Value::Numbers(0, 1 + random.below(3) as u32)]);
    add(random, 20, Dimension::SupplyNodes, served(chain));
    let blocked = Rule::excluding(vec![text(&format!("seller-{}.example", random.below(40)))]);
    add(random, 15, Dimension::SupplyMember, blocked);
    let seen = Rule::including(vec![Value::Numbers(random.below(8) as u32 * 100, 1_000)]);
    add(random, 15, Dimension::Viewability, served(seen));
    let still = Rule::including(vec![Value::Code(0)]);
    add(random, 10, Dimension::Interstitial, still);
    let browsers = vec![
        Value::Named("Chrome".to_owned()),
        Value::Named("Chromium".to_owned()),
    ];
    add(
        random,
        5,
        Dimension::Browser,
        served(Rule::including(browsers)),
    );
    let wireless = Rule::including(vec![Value::Code(2)]);
    add(random, 5, Dimension::Connection, wireless);
    let from = random.below(12) as i64;
    let awake = (0..168).filter(|hour| (from..from + 12).contains(&(hour % 24)));
    let awake = awake.map(Value::Code).collect();
    add(
        random,
        10,
        Dimension::UserHour,
        served(Rule::including(awake)),
    );
    let circle = Value::Circle(Circle {
        lat_e6: 40_000_000 + random.below(15_000_000) as i32,
        lon_e6: random.below(20_000_000) as i32,
        radius_m: 5_000 + random.below(300_000) as u32,
    });
    add(random, 4, Dimension::Radius, Rule::including(vec![circle]));
    let deals = some(random, 3, |random| {
        text(&format!("deal-{}", random.below(500)))
    });
    add(random, 3, Dimension::Deal, Rule::including(deals));
    if random.chance(2) {
        let place = text(&format!("/page/top#{}", 1 + random.below(2)));
        let path = "imp.ext.gpid".parse().expect("the path is one");
        let rule = served(Rule::including(vec![place]));
        targeting.rules.insert(Subject::Ext(path), rule);
    }
    targeting
}

/// A cap on every second line item, of a day.
fn capped(at: usize, random: &mut Random) -> Vec<Cap> {
    let most = random.chance(50).then(|| 1 + random.below(5) as u16);
    let cap = most.map(|most| Cap {
        scope: Scope::of(Level::LineItem, &format!("li_{at:08}")),
        most,
        window_s: 86_400,
        by: frequency::Subject::User,
        without_id: WithoutId::Skip,
    });
    cap.into_iter().collect()
}
