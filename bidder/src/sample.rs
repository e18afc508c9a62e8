//! Inputs and surroundings for tests.

use crate::catalog::{
    Advertiser, Campaign, Catalog, Creative, DataPrice, Delivery, Format, Input, LineFees,
    LineItem, Pacing, Pricing, Strategy, Targeting, Taxonomies,
};
use crate::frequency::{Cap, Level, Scope, Subject, WithoutId};
use crate::plan::{CampaignDay, LocalTime, Tick};
use crate::{Exchange, FrequencyCaps, Links, Pacers, Plan, Runtime, Snapshot};
use audience::{Generation, KeySeed, Lookup, SegmentId};
use ledger::token::Signer;
use ledger::{Book, BudgetPath, Cpm, Currency, Draws, RateTable, Reservations};

pub(crate) const EUR: Currency = Currency(*b"EUR");
/// 2026-11-23 12:00 UTC, a Monday.
pub(crate) const NOW_MS: i64 = 1_795_392_000_000 + 12 * 3_600_000;

/// One advertiser, one campaign as soon as possible, one banner of 300 × 250, and `count` line
/// items at 2.50 EUR with a budget of 1,000 EUR.
pub(crate) fn input(book: &Book, count: usize) -> Input {
    let slot = book.add().unwrap();
    book.grant(slot, 1_000_000_000);
    Input {
        advertisers: vec![Advertiser {
            id: "adv_acme".to_owned(),
            name: "Acme".to_owned(),
            currency: EUR,
            domain: "acme.example".to_owned(),
            competitive: Vec::new(),
        }],
        campaigns: vec![Campaign {
            id: "cmp_1".to_owned(),
            advertiser: "adv_acme".to_owned(),
            start_ms: 0,
            end_ms: i64::MAX,
            pacing: Pacing::Even,
        }],
        line_items: (0..count)
            .map(|at| line_item(&format!("li_{at}"), slot))
            .collect(),
        creatives: vec![Creative {
            id: "cr_1".to_owned(),
            advertiser: "adv_acme".to_owned(),
            format: Format::Banner,
            w: 300,
            h: 250,
            adm: "<a href=\"${CLICK_URL}\"><img src=\"https://cdn.example/a.png\"></a>".to_owned(),
            adomain: vec!["shop.acme.example".to_owned()],
            landing_page: "https://acme.example/?q=1".to_owned(),
            attr: vec![3],
            cat: vec!["IAB2-3".to_owned()],
            ..Creative::default()
        }],
        taxonomies: Taxonomies::default(),
    }
}

pub(crate) fn line_item(id: &str, slot: ledger::BudgetSlot) -> LineItem {
    LineItem {
        id: id.to_owned(),
        campaign: "cmp_1".to_owned(),
        active: true,
        strategy: Strategy::FixedCpm,
        max_cpm: Cpm(2_500_000),
        pricing: Pricing::default(),
        fees: LineFees::default(),
        targeting: Targeting::default(),
        frequency: Vec::new(),
        creatives: vec!["cr_1".to_owned()],
        delivery: Delivery::default(),
        budget: BudgetPath::new(&[slot]),
        draws: Draws {
            line_item: true,
            ..Draws::default()
        },
    }
}

/// What a provider asks for a segment, per thousand.
pub(crate) fn price(segment: &str, provider: &str, micros: i64) -> DataPrice {
    DataPrice {
        segment: segment.to_owned(),
        provider: provider.to_owned(),
        cpm: Cpm(micros),
        excluded: false,
    }
}

/// A rule for a line item: so many impressions for each user in 24 hours.
pub(crate) fn per_day(line_item: &str, most: u16) -> Cap {
    Cap {
        scope: Scope::of(Level::LineItem, line_item),
        most,
        window_s: 86_400,
        by: Subject::User,
        without_id: WithoutId::Skip,
    }
}

/// Everything that a decision needs, with no pacing.
pub(crate) struct World {
    pub(crate) catalog: Catalog,
    pub(crate) plan: Plan,
    pub(crate) audience: Lookup,
    pub(crate) signer: Signer,
    pub(crate) links: Links,
    pub(crate) rates: Option<RateTable>,
    pub(crate) exchange: Exchange,
    pub(crate) reservations: Reservations,
    pub(crate) book: Book,
    pub(crate) caps: FrequencyCaps,
}

impl World {
    /// A world around the input that `change` leaves of [`input`].
    pub(crate) fn new(count: usize, change: impl FnOnce(&mut Input, &Book)) -> Self {
        let book = Book::default();
        let mut input = input(&book, count);
        change(&mut input, &book);
        let catalog = Catalog::build(input, segment).unwrap();
        let plan = plan(&catalog, &book);
        Self {
            plan,
            catalog,
            audience: Lookup::empty(Generation(0)),
            signer: Signer::new(&[(1, [7; 32])]),
            links: Links::new("https://bid.example"),
            rates: None,
            exchange: Exchange::new("demo", EUR),
            reservations: Reservations::new(1_024),
            book,
            caps: FrequencyCaps::new(1_000),
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
            rates: self.rates.as_ref(),
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
            epoch: 5,
            funnel: None,
        }
    }
}

/// A plan of now in which every campaign takes part in everything.
pub(crate) fn plan(catalog: &Catalog, book: &Book) -> Plan {
    let clocks = vec![LocalTime::utc(NOW_MS); catalog.advertisers().len()];
    let campaigns = vec![CampaignDay::default(); catalog.campaigns().len()];
    let tick = Tick {
        now_ms: NOW_MS,
        advertisers: &clocks,
        campaigns: &campaigns,
        goals: &[],
    };
    Plan::next(catalog, book, &mut Pacers::default(), tick)
}

/// `seg_7` is segment 7; other names are nobody's.
pub(crate) fn segment(name: &str) -> Option<SegmentId> {
    name.strip_prefix("seg_")?.parse().ok().map(SegmentId)
}
