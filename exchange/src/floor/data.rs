//! The rules of a file as auctions read them: model groups, and where further ones come from.

use super::rules::Rules;
use crate::catalog::Endpoint;
use crate::draw::Draw;
use ledger::{Cpm, Currency};
use std::sync::Arc;

/// The content of a file's `data`, or of a fetched file.
#[derive(Clone, Debug)]
pub struct Data {
    /// In how many of a hundred auctions this is used where it was fetched; the others use what
    /// there would be without it (`useFetchDataRate`).
    pub use_percent: u8,
    /// The groups, one of which is drawn for each auction.
    pub groups: Vec<Group>,
}

/// A model group: a set of rules that is drawn with its weight.
#[derive(Clone, Debug)]
pub struct Group {
    /// The publisher's name for it.
    pub version: Arc<str>,
    /// Weight of the draw, 1 to 100.
    pub weight: u32,
    /// In how many of a hundred auctions the floors are skipped; absent means as the file says.
    pub skip_percent: Option<u8>,
    /// Currency of the prices.
    pub currency: Currency,
    /// Price where no rule matches.
    pub default: Option<Cpm>,
    /// Partners that are not told the floor; absent means as the file says.
    pub silent: Option<Silent>,
    /// The rules.
    pub rules: Rules,
}

/// Partners that are held to a floor without being told it (`noFloorSignalBidders`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Silent(pub(super) Arc<[Arc<str>]>);

impl Silent {
    /// Whether nobody is meant.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a partner is meant, by its id or by `*`.
    pub fn contains(&self, partner: &str) -> bool {
        let meant = |name: &Arc<str>| &**name == "*" || name.eq_ignore_ascii_case(partner);
        self.0.iter().any(meant)
    }
}

/// Where a publisher's floor data is fetched (`floorEndpoint`), with the limits of a fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feed {
    /// The address as the publisher wrote it.
    pub url: Arc<str>,
    /// The address taken apart. Whether it may be a private one is the node's decision.
    pub endpoint: Endpoint,
    /// Time from one fetch to the next, in seconds.
    pub period_s: u32,
    /// How long data that was fetched is used without another success, in seconds.
    pub max_age_s: u32,
    /// Time for a fetch, in milliseconds.
    pub timeout_ms: u32,
    /// The largest file, in bytes.
    pub max_bytes: usize,
    /// The most rules.
    pub max_rules: usize,
}

impl Data {
    /// Draws a group by its weight.
    pub(super) fn draw(&self, draw: &mut Draw) -> Option<&Group> {
        if let [only] = self.groups.as_slice() {
            return Some(only);
        }
        let total: u32 = self.groups.iter().map(|group| group.weight).sum();
        if total == 0 {
            return None;
        }
        let mut left = draw.below(total);
        self.groups
            .iter()
            .find(|group| match left.checked_sub(group.weight) {
                Some(rest) => {
                    left = rest;
                    false
                }
                None => true,
            })
    }
}
