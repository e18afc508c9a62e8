//! The catalog as the bid path reads it: dense tables, an index, markup ready to be copied.
//!
//! Cost: about a second for a hundred thousand line items, off the path.

use super::shown::display;
use super::{
    Creative, Display, Format, Input, Invalid, LineItem, Pacing, PodPosition, Rotation, Strategy,
    Targeting,
};
use crate::bits::Set;
use crate::index::{Builder, Groups, Index, slot};
use crate::markup::Parts;
use crate::permit::Blocks;
use audience::SegmentId;
use foldhash::fast::FixedState;
use ledger::{BudgetPath, BudgetSlot, Cpm, Currency, Draws, Micros};
use std::collections::HashMap;
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_64;

/// Everything to buy with, immutable. Campaigns and advertisers are known by their place in the
/// [`Input`] that it was built from. Line items stand in the order of their price, the highest
/// first, within one currency after the other, so that a decision can stop looking as soon as
/// nobody dearer is left.
pub struct Catalog {
    pub(crate) advertisers: Box<[Payer]>,
    pub(crate) campaigns: Box<[Flight]>,
    pub(crate) items: Box<[Item]>,
    /// The most that each line item bids, and in which currency.
    pub(crate) bounds: Box<[Bound]>,
    /// Segments, by line item.
    pub(crate) groups: Box<[Groups]>,
    pub(crate) creatives: Box<[Display]>,
    /// The currencies of the advertisers.
    pub(crate) currencies: Box<[Currency]>,
    pub(crate) index: Index,
    pub(crate) blocks: Blocks,
    /// Numbers of the deals that any line item buys under.
    pub(crate) deals: HashMap<Box<str>, u32, FixedState>,
    /// Line items that buy under deals, and those that buy in the open auction.
    pub(crate) dealt: Set,
    pub(crate) open: Set,
}

/// The most that a line item bids.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bound {
    pub(crate) cpm: Cpm,
    /// Place in the catalog's currencies.
    pub(crate) currency: u32,
}

/// Who pays.
pub(crate) struct Payer {
    pub(crate) id: Arc<str>,
    /// Place in the catalog's currencies.
    pub(crate) currency: u32,
    /// Labels that it shares with its competitors.
    pub(crate) competitive: Box<[u32]>,
}

/// When.
pub(crate) struct Flight {
    pub(crate) id: Arc<str>,
    pub(crate) advertiser: u32,
    pub(crate) start_ms: i64,
    pub(crate) end_ms: i64,
    pub(crate) pacing: Pacing,
    /// Hours in which any of its active line items may bid.
    pub(crate) hours: super::Hours,
    /// The most that one impression of any of them can cost.
    pub(crate) most: Micros,
    /// Whether any of them bids a value, and whether any has a fixed price.
    pub(crate) bids: (bool, bool),
    /// Its budget of the day, or else its total, among the leases.
    pub(crate) paced: Option<BudgetSlot>,
}

impl Flight {
    fn new(one: &super::Campaign, advertiser: u32) -> Self {
        Self {
            id: Arc::from(&*one.id),
            advertiser,
            start_ms: one.start_ms,
            end_ms: one.end_ms,
            pacing: one.pacing,
            hours: super::Hours::NONE,
            most: Micros(0),
            bids: (false, false),
            paced: None,
        }
    }

    /// Takes a line item of the campaign into account.
    fn add(&mut self, item: &Item) {
        if !item.active {
            return;
        }
        self.hours = self.hours.or(item.hours);
        self.most = self.most.max(item.max_cpm.most_per_impression());
        match item.strategy {
            Strategy::Value => self.bids.0 = true,
            Strategy::FixedCpm => self.bids.1 = true,
        }
        if item.draws.day || item.draws.campaign {
            // The narrowest budget comes first.
            let at = usize::from(item.draws.line_item);
            self.paced = item.budget.slots().get(at).copied();
        }
    }
}

/// A line item.
pub(crate) struct Item {
    pub(crate) id: Arc<str>,
    /// The id's hash, which stays the same from catalog to catalog.
    pub(crate) key: u64,
    pub(crate) campaign: u32,
    pub(crate) advertiser: u32,
    /// Place in the catalog's currencies.
    pub(crate) currency: u32,
    pub(crate) active: bool,
    pub(crate) strategy: Strategy,
    pub(crate) max_cpm: Cpm,
    pub(crate) daily_cap: Option<u16>,
    pub(crate) hours: super::Hours,
    pub(crate) budget: BudgetPath,
    pub(crate) draws: Draws,
    /// Those of its creatives that its targeting leaves.
    pub(crate) creatives: Box<[u32]>,
    pub(crate) rotation: Turns,
    /// Numbers of the deals that it buys under; empty for the open auction.
    pub(crate) deals: Box<[u32]>,
    pub(crate) pod_position: PodPosition,
}

/// How the creatives of a line item take turns.
#[derive(Clone, Debug)]
pub(crate) enum Turns {
    Even,
    /// The sum of the weights up to and with each creative.
    Weighted(Box<[u64]>),
    Sequential,
}

impl Catalog {
    /// Compiles an input. `segment` says the id of a segment's name, or `None` where no user has
    /// it: build again when a new audience has new names.
    ///
    /// # Errors
    /// Everything that is wrong with the input.
    pub fn build(
        input: Input,
        mut segment: impl FnMut(&str) -> Option<SegmentId>,
    ) -> Result<Self, Vec<Invalid>> {
        let faults = input.faults();
        if !faults.is_empty() {
            return Err(faults);
        }
        let Input {
            advertisers,
            campaigns,
            mut line_items,
            creatives,
            taxonomies,
        } = input;
        let place = |ids: Vec<&String>| -> HashMap<String, u32> {
            ids.into_iter().cloned().zip(0..).collect()
        };
        let advertiser_at = place(advertisers.iter().map(|one| &one.id).collect());
        let campaign_at = place(campaigns.iter().map(|one| &one.id).collect());
        let creative_at = place(creatives.iter().map(|one| &one.id).collect());
        let mut currencies: Vec<Currency> = advertisers.iter().map(|one| one.currency).collect();
        currencies.sort_unstable();
        currencies.dedup();
        let blocks = Blocks::new(&creatives, &advertisers, &advertiser_at, &taxonomies);
        let mut labels = Numbers::default();
        let mut deals = Numbers::default();
        let payers: Box<[Payer]> = advertisers
            .iter()
            .map(|one| Payer {
                id: Arc::from(&*one.id),
                currency: currencies.partition_point(|known| *known < one.currency) as u32,
                competitive: labels.of(&one.competitive),
            })
            .collect();
        let mut flights: Box<[Flight]> = campaigns
            .iter()
            .map(|one| Flight::new(one, advertiser_at[&one.advertiser]))
            .collect();
        line_items.sort_by_cached_key(|one| {
            let flight = &flights[campaign_at[&one.campaign] as usize];
            let currency = payers[flight.advertiser as usize].currency;
            (currency, std::cmp::Reverse(one.max_cpm))
        });
        let mut builder = Builder::default();
        let (mut items, mut groups) = (Vec::new(), Vec::new());
        for one in line_items {
            let own = Groups::new(&one.targeting.audience, &mut segment);
            let all = one.creatives.iter().map(|id| creative_at[id]);
            let wanted = |at: &u32| wanted(&one.targeting, &creatives[*at as usize]);
            let kept: Vec<(usize, u32)> = all.enumerate().filter(|(_, at)| wanted(at)).collect();
            let fitting: Box<[u32]> = kept.iter().map(|(_, at)| *at).collect();
            let turns = turns(&one.delivery.rotation, &kept);
            let own_deals = deals.of(&one.delivery.deals);
            builder.add(&one.targeting, &own, &slots(&fitting, &creatives));
            let campaign = campaign_at[&one.campaign];
            let advertiser = flights[campaign as usize].advertiser;
            let currency = payers[advertiser as usize].currency;
            let item = Item {
                rotation: turns,
                deals: own_deals,
                ..item(one, campaign, (advertiser, currency), fitting)
            };
            flights[campaign as usize].add(&item);
            items.push(item);
            groups.push(own);
        }
        let mut known = Parts::default();
        let shown = creatives.iter();
        let displays = shown
            .map(|one| display(one, &taxonomies, &mut known))
            .collect();
        let universe = items.len();
        let of = |dealt: bool| {
            let numbered = items.iter().zip(0..);
            let own = numbered.filter(|(item, _): &(&Item, u32)| item.deals.is_empty() != dealt);
            Set::new(own.map(|(_, at)| at).collect(), universe)
        };
        let (dealt, open) = (of(true), of(false));
        Ok(Self {
            dealt,
            open,
            advertisers: payers,
            campaigns: flights,
            bounds: items.iter().map(bound).collect(),
            items: items.into_boxed_slice(),
            groups: groups.into_boxed_slice(),
            creatives: displays,
            currencies: currencies.into_boxed_slice(),
            index: builder.finish(),
            blocks,
            deals: deals.0,
        })
    }

    /// The line items of a currency.
    pub(crate) fn priced_in(&self, currency: u32) -> std::ops::Range<u32> {
        let before = |than: u32| self.bounds.partition_point(|bound| bound.currency < than) as u32;
        before(currency)..before(currency + 1)
    }

    /// How many line items there are.
    pub fn line_items(&self) -> usize {
        self.items.len()
    }

    /// Ids of the line items, by their place in the catalog.
    pub fn line_item_ids(&self) -> impl ExactSizeIterator<Item = &str> {
        self.items.iter().map(|one| &*one.id)
    }

    /// Ids of the campaigns, in the order of the input.
    pub fn campaigns(&self) -> impl ExactSizeIterator<Item = &str> {
        self.campaigns.iter().map(|one| &*one.id)
    }

    /// Ids of the advertisers, in the order of the input.
    pub fn advertisers(&self) -> impl ExactSizeIterator<Item = &str> {
        self.advertisers.iter().map(|one| &*one.id)
    }
}

/// The hash under which frequency caps know a line item.
pub fn line_item_key(id: &str) -> u64 {
    xxh3_64(id.as_bytes())
}

fn bound(item: &Item) -> Bound {
    Bound {
        cpm: item.max_cpm,
        currency: item.currency,
    }
}

fn wanted(targeting: &Targeting, creative: &Creative) -> bool {
    let format = targeting.formats.is_empty() || targeting.formats.contains(&creative.format);
    let size = (creative.w, creative.h);
    let sized = creative.format == Format::Banner && !targeting.sizes.is_empty();
    format && (!sized || targeting.sizes.contains(&size))
}

fn slots(fitting: &[u32], creatives: &[Creative]) -> Vec<u64> {
    let mut slots = Vec::new();
    for creative in fitting.iter().map(|at| &creatives[*at as usize]) {
        slots.push(slot(creative.format, 0, 0));
        if creative.format == Format::Banner {
            slots.push(slot(creative.format, creative.w.into(), creative.h.into()));
        }
    }
    slots
}

fn item(
    one: LineItem,
    campaign: u32,
    (advertiser, currency): (u32, u32),
    creatives: Box<[u32]>,
) -> Item {
    Item {
        key: line_item_key(&one.id),
        id: Arc::from(one.id),
        campaign,
        advertiser,
        currency,
        active: one.active,
        strategy: one.strategy,
        max_cpm: one.max_cpm,
        daily_cap: one.daily_cap,
        hours: one.targeting.hours,
        budget: one.budget,
        draws: one.draws,
        creatives,
        rotation: Turns::Even,
        deals: Box::default(),
        pod_position: one.delivery.pod_position,
    }
}

/// Names by number, in the order in which they are first met.
#[derive(Default)]
struct Numbers(HashMap<Box<str>, u32, FixedState>);

impl Numbers {
    fn of(&mut self, names: &[String]) -> Box<[u32]> {
        let number = |name: &String| {
            let next = self.0.len() as u32;
            *self.0.entry(Box::from(&**name)).or_insert(next)
        };
        names.iter().map(number).collect()
    }
}

/// The rotation over the creatives that are left, each with its place in the line item's list.
fn turns(rotation: &Rotation, kept: &[(usize, u32)]) -> Turns {
    match rotation {
        Rotation::Even => Turns::Even,
        Rotation::Sequential => Turns::Sequential,
        Rotation::Weighted(weights) => {
            let mut sum = 0;
            let ends = kept.iter().map(|(place, _)| {
                sum += u64::from(weights.get(*place).copied().unwrap_or(0));
                sum
            });
            Turns::Weighted(ends.collect())
        }
    }
}
