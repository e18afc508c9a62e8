//! Why a line item does not serve: as far as its documents say, and where they do not, as far as
//! the node's plan of this second says (hours, budgets). What depends on the request is told by
//! `POST /v1/explain`.

use crate::model::Size;
use crate::resource::{Advertiser, Campaign, Creative, LineItem, Status};
use bidder::Idle;
use bidder::catalog::{MAX_NAMED, MAX_VALUES};
use jiff::Timestamp;
use ledger::Currency;
use ledger::fees::MOST_PROVIDERS;
use serde_json::{Value, json};

/// One reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A document is paused.
    Paused(String),
    /// A document was put away, or never was.
    Archived(String),
    /// The campaign has not begun.
    NotStarted(Timestamp),
    /// The campaign is over.
    Ended(Timestamp),
    /// No creative is active.
    NoCreative,
    /// The line items before it name as many metrics and `ext` paths as a node looks for; this
    /// one is new.
    NoRoom(String),
    /// No active creative has one of the targeted formats and sizes.
    NoFittingCreative,
    /// A segment that it asks for is sold, but not in the advertiser's currency.
    NoDataPrice {
        /// The segment.
        segment: String,
        /// The currency.
        currency: Currency,
    },
    /// It asks for more segments that cost something than one impression can pay.
    TooMuchData(usize),
    /// The node does not bid for it now.
    Idle(Idle),
}

impl Reason {
    /// A word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Paused(_) => "paused",
            Self::Archived(_) => "archived",
            Self::NotStarted(_) => "not_started",
            Self::Ended(_) => "ended",
            Self::NoRoom(_) => "no_room_for_subject",
            Self::NoCreative => "no_active_creative",
            Self::NoFittingCreative => "no_fitting_creative",
            Self::NoDataPrice { .. } => "no_data_price",
            Self::TooMuchData(_) => "too_much_data",
            Self::Idle(idle) => idle.label(),
        }
    }

    /// A sentence for people.
    pub fn detail(&self) -> String {
        match self {
            Self::Paused(what) => format!("{what} is paused"),
            Self::Archived(what) => format!("{what} is archived"),
            Self::NotStarted(start) => format!("the campaign starts at {start}"),
            Self::Ended(end) => format!("the campaign ended at {end}"),
            Self::NoRoom(subject) => format!(
                "other line items already name {MAX_NAMED} metrics and ext paths, and not {subject}"
            ),
            Self::NoCreative => "none of its creatives is active".to_owned(),
            Self::NoFittingCreative => {
                "none of its active creatives has a targeted format and size".to_owned()
            }
            Self::NoDataPrice { segment, currency } => {
                format!("the segment {segment} has no price in {currency}")
            }
            Self::TooMuchData(parts) => format!(
                "{parts} parts of its audience cost something; an impression pays {MOST_PROVIDERS} at \
                 most, of at most {MAX_VALUES} segments"
            ),
            Self::Idle(idle) => idle.detail().to_owned(),
        }
    }
}

/// A line item and what it hangs on; what was put away is `None`.
#[derive(Clone, Debug)]
pub struct Chain<'d> {
    /// The line item's id.
    pub id: &'d str,
    /// The line item.
    pub line_item: &'d LineItem,
    /// Its campaign.
    pub campaign: Option<&'d Campaign>,
    /// The advertiser.
    pub advertiser: Option<&'d Advertiser>,
    /// Those of its creatives that are active.
    pub creatives: Vec<&'d Creative>,
}

impl Chain<'_> {
    /// Every reason at once; empty where it serves.
    pub fn reasons(&self, now: Timestamp) -> Vec<Reason> {
        let mut reasons = Vec::new();
        let campaign = self.campaign.map(|campaign| campaign.status);
        let advertiser_id = self.campaign.map(|campaign| campaign.advertiser.0.as_str());
        let advertiser = self.advertiser.map(|advertiser| advertiser.status);
        let mut links = vec![
            (
                format!("line item {}", self.id),
                Some(self.line_item.status),
            ),
            (format!("campaign {}", self.line_item.campaign.0), campaign),
        ];
        links.extend(advertiser_id.map(|id| (format!("advertiser {id}"), advertiser)));
        for (what, status) in links {
            match status {
                Some(Status::Active) => {}
                Some(Status::Paused) => reasons.push(Reason::Paused(what)),
                Some(Status::Archived) | None => reasons.push(Reason::Archived(what)),
            }
        }
        if let Some(campaign) = self.campaign {
            let start = campaign.start.filter(|start| start.0 > now);
            reasons.extend(start.map(|start| Reason::NotStarted(start.0)));
            let end = campaign.end.filter(|end| end.0 <= now);
            reasons.extend(end.map(|end| Reason::Ended(end.0)));
        }
        if self.creatives.is_empty() {
            reasons.push(Reason::NoCreative);
        } else if !self
            .creatives
            .iter()
            .any(|creative| fits(self.line_item, creative))
        {
            reasons.push(Reason::NoFittingCreative);
        }
        reasons
    }
}

fn fits(line_item: &LineItem, creative: &Creative) -> bool {
    let sides = creative.w.zip(creative.h);
    let size = sides.map(|(w, h)| Size { w: w.0, h: h.0 });
    line_item.targeting.wants(creative.format, size)
}

/// The reasons as the API shows them.
pub fn shown(reasons: &[Reason]) -> Value {
    let told: Vec<Value> = reasons
        .iter()
        .map(|reason| json!({ "code": reason.code(), "detail": reason.detail() }))
        .collect();
    let status = if told.is_empty() {
        "serving"
    } else {
        "not_serving"
    };
    json!({ "status": status, "reasons": told })
}
