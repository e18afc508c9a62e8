//! What the exchange sells and to whom, as plain input types: publishers, placements, floors and
//! partners.
//!
//! The control plane compiles its resources into a [`Catalog`]; [`Market`](crate::Market)
//! checks it as a whole and turns it into dense tables. Nothing here is looked up during an
//! auction.

mod endpoint;
mod treatment;

pub use crate::deal::{At, Deal, Goal};
pub use crate::stored::{Requests, Stored};
pub use endpoint::Endpoint;
pub(crate) use endpoint::is_private;
pub use openrtb::reshape::{Rule, Shape};
pub use treatment::{MAX_RULES, Treatment};

use crate::floor::{Basis, Floors};
use ledger::{Cpm, Currency};
use openrtb::taxonomy::Categories;
use std::collections::HashSet;
use std::sync::Arc;

/// The most partners of a catalog: each auction looks at all of them.
pub const MAX_PARTNERS: usize = 64;

/// Everything that is sold, and everybody who buys.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    /// Who sells.
    pub publishers: Vec<Publisher>,
    /// What they sell.
    pub placements: Vec<Placement>,
    /// What they have agreed with buyers.
    pub deals: Vec<Deal>,
    /// What they say of creatives.
    pub reviews: Vec<Review>,
    /// Who buys, at most [`MAX_PARTNERS`].
    pub partners: Vec<Partner>,
    /// What compares their categories with those that are blocked or allowed.
    pub categories: Arc<Categories>,
}

/// How a winner's price is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pricing {
    /// The winner pays its bid.
    FirstPrice,
    /// The winner pays the second bid or the floor, whichever is higher, plus `increment`, and
    /// never more than its bid.
    SecondPrice {
        /// Added to the second price, in the currency of the auction; ordinarily 0.01 CPM.
        increment: Cpm,
    },
}

/// What loss notices tell of prices (`${AUCTION_MIN_TO_WIN}` and `${AUCTION_PRICE}` of a `lurl`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LossPrices {
    /// Nothing.
    None,
    /// What would have won, to bids that a higher price would have helped.
    #[default]
    MinToWin,
    /// That, and the clearing price to every bid for an imp that sold.
    Clearing,
}

/// A publisher: owner of sites, applications or screens.
#[derive(Clone, Debug)]
pub struct Publisher {
    /// Our id, `pub_…`, which requests carry in `site.publisher.id`.
    pub id: Arc<str>,
    /// Name for people.
    pub name: Arc<str>,
    /// Domains by which its sites are known where a request names no publisher.
    pub domains: Vec<Arc<str>>,
    /// Bundles by which its applications are known.
    pub bundles: Vec<Arc<str>>,
    /// Currency in which auctions run where the request asks for no other, and of its earnings.
    pub currency: Currency,
    /// The publisher's part of what buyers pay, in parts per million, at most 1,000,000.
    pub revenue_share_ppm: u32,
    /// How winners' prices are found.
    pub pricing: Pricing,
    /// The floor rules, compiled.
    pub floors: Option<Arc<Floors>>,
    /// Requests per second; 0 means no limit.
    pub max_qps: u32,
    /// Time for an auction whose request has no `tmax`, in milliseconds.
    pub tmax_ms: u32,
    /// Advertisers that may not buy here, by domain, besides the request's `badv`.
    pub blocked_advertisers: Vec<Arc<str>>,
    /// Categories that may not be shown here, besides the request's `bcat`.
    pub blocked_categories: Vec<Arc<str>>,
    /// Whether bids without `crid` are refused.
    pub requires_creative_id: bool,
    /// Whether only creatives that it has approved are shown.
    pub requires_approval: bool,
    /// The largest markup that it takes, in bytes.
    pub max_markup: usize,
    /// What losers learn of prices.
    pub loss_prices: LossPrices,
    /// What it says once about its requests.
    pub requests: Requests,
}

impl Publisher {
    /// Whether floor rules of a request are used: it has none of its own, and trusts its callers.
    pub fn takes_stated_floors(&self) -> bool {
        let floors = self.floors.as_deref();
        floors.is_none_or(|floors| !floors.displaces_stated())
    }
}

/// A placement: one place on a publisher's page, application or screen.
#[derive(Clone, Debug)]
pub struct Placement {
    /// Our id, `plc_…`.
    pub id: Arc<str>,
    /// Id of the publisher that it belongs to.
    pub publisher: Arc<str>,
    /// The id that requests carry in `imp.tagid`, unique for a publisher.
    pub tagid: Arc<str>,
    /// A price below which nothing is sold here, in the publisher's currency, whatever the
    /// rules say.
    pub floor: Option<Cpm>,
    /// What its imps begin with.
    pub stored: Option<Stored>,
}

/// What a publisher says of a creative.
#[derive(Clone, Debug)]
pub struct Review {
    /// Id of the publisher.
    pub publisher: Arc<str>,
    /// Id of the partner whose creative it is.
    pub partner: Arc<str>,
    /// The `crid` of its bids.
    pub creative: Arc<str>,
    /// Whether it may be shown.
    pub approved: bool,
}

/// A kind of ad that a partner buys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// Display.
    Banner,
    /// Video.
    Video,
    /// Audio.
    Audio,
    /// Native.
    Native,
}

impl Format {
    /// The name used in requests and resources.
    pub fn label(self) -> &'static str {
        match self {
            Format::Banner => "banner",
            Format::Video => "video",
            Format::Audio => "audio",
            Format::Native => "native",
        }
    }
}

/// Where a partner's bids come from.
#[derive(Clone, Debug)]
pub enum Route {
    /// The bidder of this process, over OpenRTB bytes.
    Local,
    /// An HTTP endpoint.
    Http(Endpoint),
}

/// A partner: a buyer that the exchange asks for bids.
#[derive(Clone, Debug)]
pub struct Partner {
    /// Our id.
    pub id: Arc<str>,
    /// Name for people.
    pub name: Arc<str>,
    /// Where its bids come from.
    pub route: Route,
    /// The version announced in `x-openrtb-version`, `2.5` or `2.6`.
    pub openrtb: Arc<str>,
    /// Requests per second over the whole node; 0 means no limit.
    pub max_qps: u32,
    /// Open connections of the node, of which each worker has its part.
    pub max_connections: u16,
    /// Time for its answer, in milliseconds; it never prolongs an auction.
    pub timeout_ms: u32,
    /// Seats that may bid; empty means any.
    pub seats: Vec<Arc<str>>,
    /// Formats that it buys; empty means any.
    pub formats: Vec<Format>,
    /// Banner sizes that it buys, width and height in pixels; empty means any.
    pub sizes: Vec<(u32, u32)>,
    /// Countries that it buys, ISO 3166-1 alpha-3; empty means any.
    pub countries: Vec<Arc<str>>,
    /// Countries that it does not buy.
    pub excluded_countries: Vec<Arc<str>>,
    /// How it is asked.
    pub treatment: Treatment,
}

impl Partner {
    /// Whether notices may go to a private address: where its endpoint may be one or is this
    /// process.
    pub fn allow_private(&self) -> bool {
        match &self.route {
            Route::Local => true,
            Route::Http(endpoint) => endpoint.allow_private,
        }
    }
}

/// A fault in a catalog.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct Invalid {
    /// Path of the field, such as `partners[2].endpoint`.
    pub field: String,
    /// What is wrong and what is allowed.
    pub problem: String,
}

impl Invalid {
    /// A fault at `field`.
    pub fn new(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            problem: problem.into(),
        }
    }
}

impl Catalog {
    /// Everything that is wrong with the catalog; empty where nothing is.
    pub fn faults(&self) -> Vec<Invalid> {
        let mut faults = Vec::new();
        if self.partners.len() > MAX_PARTNERS {
            let problem = format!(
                "{} given, at most {MAX_PARTNERS} allowed",
                self.partners.len()
            );
            faults.push(Invalid::new("partners", problem));
        }
        self.publisher_faults(&mut faults);
        self.placement_faults(&mut faults);
        self.partner_faults(&mut faults);
        let mut ids = HashSet::new();
        for (index, deal) in self.deals.iter().enumerate() {
            let at = |field: &str| format!("deals[{index}].{field}");
            unique(&mut ids, &deal.id, at("id"), &mut faults);
            let own = deal.faults().into_iter();
            faults.extend(own.map(|fault| Invalid::new(at(&fault.field), fault.problem)));
        }
        faults
    }

    fn publisher_faults(&self, faults: &mut Vec<Invalid>) {
        let (mut ids, mut domains, mut bundles) = (HashSet::new(), HashSet::new(), HashSet::new());
        for (index, publisher) in self.publishers.iter().enumerate() {
            let at = |field: &str| format!("publishers[{index}].{field}");
            unique(&mut ids, &publisher.id, at("id"), faults);
            for domain in &publisher.domains {
                unique(&mut domains, domain, at("domains"), faults);
            }
            for bundle in &publisher.bundles {
                unique(&mut bundles, bundle, at("bundles"), faults);
            }
            if publisher.revenue_share_ppm > 1_000_000 {
                let problem = "expected a share between 0 and 1";
                faults.push(Invalid::new(at("revenue_share"), problem));
            }
            let floors = publisher.floors.as_deref();
            let is_net = floors.is_some_and(|floors| floors.basis == Basis::Net);
            if is_net && publisher.revenue_share_ppm == 0 {
                let problem = "floors on what the publisher earns need a revenue_share above 0";
                faults.push(Invalid::new(at("floors"), problem));
            }
            if publisher.tmax_ms == 0 {
                faults.push(Invalid::new(at("tmax_ms"), "expected more than 0"));
            }
            if let Pricing::SecondPrice { increment } = publisher.pricing
                && increment < Cpm(0)
            {
                faults.push(Invalid::new(at("increment"), "expected 0 or more"));
            }
        }
    }

    fn placement_faults(&self, faults: &mut Vec<Invalid>) {
        let publishers: HashSet<&str> = self
            .publishers
            .iter()
            .map(|publisher| &*publisher.id)
            .collect();
        let (mut ids, mut tags) = (HashSet::new(), HashSet::new());
        for (index, placement) in self.placements.iter().enumerate() {
            let at = |field: &str| format!("placements[{index}].{field}");
            unique(&mut ids, &placement.id, at("id"), faults);
            if !publishers.contains(&*placement.publisher) {
                let problem = format!("{:?} is no publisher", placement.publisher);
                faults.push(Invalid::new(at("publisher"), problem));
            }
            if !tags.insert((&placement.publisher, &placement.tagid)) {
                let problem = format!("{:?} stands twice for its publisher", placement.tagid);
                faults.push(Invalid::new(at("tagid"), problem));
            }
            if placement.floor.is_some_and(|floor| floor < Cpm(0)) {
                faults.push(Invalid::new(at("floor"), "expected 0 or more"));
            }
        }
    }

    fn partner_faults(&self, faults: &mut Vec<Invalid>) {
        let mut ids = HashSet::new();
        for (index, partner) in self.partners.iter().enumerate() {
            let at = |field: &str| format!("partners[{index}].{field}");
            unique(&mut ids, &partner.id, at("id"), faults);
            if !["2.5", "2.6"].contains(&&*partner.openrtb) {
                let problem = format!("expected 2.5 or 2.6, found {:?}", partner.openrtb);
                faults.push(Invalid::new(at("openrtb"), problem));
            }
            if partner.timeout_ms == 0 {
                faults.push(Invalid::new(at("timeout_ms"), "expected more than 0"));
            }
            if partner.max_connections == 0 {
                faults.push(Invalid::new(at("max_connections"), "expected more than 0"));
            }
            if partner.treatment.explore_percent > 100 {
                faults.push(Invalid::new(at("explore_percent"), "expected 0 to 100"));
            }
            if let Err(fault) = partner.treatment.shapes(&partner.openrtb) {
                faults.push(Invalid::new(at(&fault.field), fault.problem));
            }
            for country in partner.countries.iter().chain(&partner.excluded_countries) {
                if country.len() != 3 || !country.bytes().all(|byte| byte.is_ascii_uppercase()) {
                    let problem = format!("expected ISO 3166-1 alpha-3, found {country:?}");
                    faults.push(Invalid::new(at("countries"), problem));
                }
            }
        }
    }
}

fn unique<'a>(
    seen: &mut HashSet<&'a str>,
    value: &'a str,
    field: String,
    faults: &mut Vec<Invalid>,
) {
    if value.is_empty() {
        faults.push(Invalid::new(field, "is empty"));
    } else if !seen.insert(value) {
        faults.push(Invalid::new(field, format!("{value:?} stands twice")));
    }
}
