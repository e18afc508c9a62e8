//! What is told of a decision.

use crate::catalog::{Factor, Subject};
use crate::decide::Decided;
use crate::{Idle, NoBid};
use ledger::{Cpm, Currency};

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained<'s> {
    /// What the bidder answers.
    pub outcome: Result<Decided, NoBid>,
    /// What became of each line item on each imp: in the order of the imps, and within an imp in
    /// that of the catalog, which is by currency and price.
    pub verdicts: Vec<Verdict<'s>>,
    /// The offers that are taken, whoever they are of.
    pub taken: Vec<Taken>,
}

/// An offer that is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Place of the imp in the request.
    pub imp: u32,
    /// Its price in `currency`, the one in which offers are compared.
    pub rank: Cpm,
    /// The currency of comparison.
    pub currency: Currency,
}

/// What became of a line item on an imp.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict<'s> {
    /// Its id.
    pub line_item: &'s str,
    /// Place of the imp in the request.
    pub imp: u32,
    /// How far it came.
    pub step: Step<'s>,
}

/// How far a line item came: the first rule that stopped it, or its bid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step<'s> {
    /// It bids on nothing now.
    Idle(Idle),
    /// The first rule of its targeting, in the order of the dimensions, that does not hold.
    NotTargeted {
        /// What the rule is about.
        subject: Subject,
        /// What it wants, where it is not the rule that says so: formats and sizes are those of
        /// the creatives too.
        wanted: Option<String>,
        /// What the request says about it; nothing where it does not say.
        seen: Vec<String>,
    },
    /// A rule of the exchange, a cap, pacing or a budget.
    Stopped {
        /// Which one.
        reason: NoBid,
        /// What it takes.
        wanted: String,
        /// What there is.
        seen: String,
    },
    /// It made an offer and a dearer one was taken, or an equal one by lot.
    Outbid {
        /// Its offer.
        price: Price<'s>,
        /// The line item that bids instead, where it may be told.
        by: Option<&'s str>,
    },
    /// It bids.
    Bid(Price<'s>),
}

impl Step<'_> {
    /// The reason as a response would tell it; `None` where an offer was made.
    pub fn no_bid(&self) -> Option<NoBid> {
        match self {
            Step::Idle(_) => Some(NoBid::NothingActive),
            Step::NotTargeted { .. } => Some(NoBid::NotTargeted),
            Step::Stopped { reason, .. } => Some(*reason),
            Step::Outbid { .. } | Step::Bid(_) => None,
        }
    }
}

/// The price of an offer, step by step, per thousand in the advertiser's currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Price<'s> {
    /// The creative.
    pub creative: &'s str,
    /// Place of the deal in the imp; `None` in the open auction.
    pub deal: Option<u32>,
    /// The advertiser's currency.
    pub currency: Currency,
    /// The most that the line item bids.
    pub max_cpm: Cpm,
    /// What the impression is worth to it.
    pub value: Cpm,
    /// The product of the modifiers that match.
    pub factor: Factor,
    /// The value times the factor, at most what the line item bids.
    pub modified: Cpm,
    /// What is paid beside the media, where anything is.
    pub fees: Option<Beside>,
    /// That, less fees and data, times the pacer's multiplier.
    pub paced: Cpm,
    /// The least that is taken: of the deal, else of the media, else of the imp.
    pub floor: Cpm,
    /// What is bid.
    pub price: Cpm,
    /// The price in the currency in which offers are compared.
    pub rank: Cpm,
    /// That currency.
    pub compared_in: Currency,
}

impl Price<'_> {
    /// What the impression costs in all where the price is paid: fees and data too.
    pub fn gross(&self) -> Cpm {
        let Some(fees) = self.fees else {
            return self.price;
        };
        let fee = i128::from(self.price.0) * i128::from(fees.platform_ppm) / 1_000_000;
        let fee = i64::try_from(fee).unwrap_or(i64::MAX);
        Cpm(self.price.0.saturating_add(fee).saturating_add(fees.data.0))
    }
}

/// What is paid beside the media.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beside {
    /// The platform's fee, in millionths of the media.
    pub platform_ppm: u32,
    /// What providers of data get, per thousand.
    pub data: Cpm,
    /// What is left for the media.
    pub left: Cpm,
}
