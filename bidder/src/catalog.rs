//! What the bidder buys with: advertisers, campaigns, line items and creatives as plain values,
//! the way whoever keeps them hands them over. [`Input::faults`] says everything that is wrong.
//!
//! Nothing here is on the bid path; the compiled catalog is what these become there.

mod compile;
mod creative;
mod edit;
mod faults;
mod fees;
mod pricing;
mod shown;
mod targeting;

pub use openrtb::taxonomy::{Taxonomies, TaxonomyFault};

use crate::frequency::Cap;
use ledger::{BudgetPath, Cpm, Currency, Draws};

pub use compile::Catalog;
pub(crate) use compile::{Bound, Flight, Item, Turns};
pub use creative::{
    Approval, Assets, Creative, Data, Delivery, File, Format, Image, Media, PodPosition, Rotation,
    Template, Video,
};
pub use faults::{Invalid, MAX_CPM, MAX_ID, MAX_LINE_ITEMS, MAX_MARKUP, MAX_NAMED, MAX_VALUES};
pub use fees::{DataPrice, LineFees};
pub use pricing::{Factor, Modifier, Pricing};
pub(crate) use shown::Display;
pub use targeting::{
    Audience, Circle, Dimension, ExtPath, Hours, Kind, Missing, Rule, Subject, Targeting, Value,
    Version,
};

/// Everything to buy with. The order of each list is the dense index behind the build.
#[derive(Clone, Debug, Default)]
pub struct Input {
    /// Who pays.
    pub advertisers: Vec<Advertiser>,
    /// Flights.
    pub campaigns: Vec<Campaign>,
    /// What is bought, and at which price.
    pub line_items: Vec<LineItem>,
    /// What is shown.
    pub creatives: Vec<Creative>,
    /// What is known of categories.
    pub taxonomies: Taxonomies,
}

/// Who pays. Its time zone is applied outside: a tick brings local times.
#[derive(Clone, Debug)]
pub struct Advertiser {
    /// Id, unique; also the seat of its bids.
    pub id: String,
    /// Name for people.
    pub name: String,
    /// Currency of its prices and budgets.
    pub currency: Currency,
    /// Registered domain such as `acme.example`; checked against `badv` like every `adomain`.
    pub domain: String,
    /// Competitors share a label: no two advertisers with a label in common answer one request.
    pub competitive: Vec<String>,
}

/// How a campaign spreads its budget over the day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pacing {
    /// By its share of the day's traffic, until the end of the day.
    #[default]
    Even,
    /// By its share of the day's traffic, half as fast again at first and half as fast at last.
    FrontLoaded,
    /// As soon as possible.
    Asap,
    /// By probabilistic throttling; for comparison.
    Throttle,
    /// By a PID loop; for comparison.
    Pid,
    /// By mirror descent on the budget's dual, in the logarithm; for comparison.
    LogDual,
}

/// What a line item bids.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strategy {
    /// Always its `max_cpm`.
    #[default]
    FixedCpm,
    /// What the impression is worth, at most its `max_cpm`, times the pacer's multiplier.
    Value,
}

/// A flight.
#[derive(Clone, Debug)]
pub struct Campaign {
    /// Id, unique.
    pub id: String,
    /// Id of the advertiser.
    pub advertiser: String,
    /// First millisecond of the flight, unix time.
    pub start_ms: i64,
    /// First millisecond after the flight, unix time.
    pub end_ms: i64,
    /// How its daily budget is spread.
    pub pacing: Pacing,
}

/// What is bought, and at which price.
#[derive(Clone, Debug)]
pub struct LineItem {
    /// Id, unique.
    pub id: String,
    /// Id of the campaign.
    pub campaign: String,
    /// Whether it may bid at all.
    pub active: bool,
    /// How the price of its bids is found.
    pub strategy: Strategy,
    /// The most that it bids, in micros of the advertiser's currency per thousand.
    pub max_cpm: Cpm,
    /// How its price follows from the request.
    pub pricing: Pricing,
    /// What it pays beside the media.
    pub fees: LineFees,
    /// Where, when and to whom.
    pub targeting: Targeting,
    /// How often it may be seen, and with it its campaign and advertiser.
    pub frequency: Vec<Cap>,
    /// Ids of creatives of the same advertiser.
    pub creatives: Vec<String>,
    /// How its creatives take turns, and what else it asks of a place.
    pub delivery: Delivery,
    /// The budgets that every bid draws on.
    pub budget: BudgetPath,
    /// Which budgets these are, the narrowest first; how their tokens name them.
    pub draws: Draws,
}
