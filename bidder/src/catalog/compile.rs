//! The catalog as the bid path reads it: dense tables, an index, markup ready to be copied.
//!
//! Cost: about a second for a hundred thousand line items, off the path.

use super::shown::display;
use super::{
    Dimension, Display, Format, Input, Invalid, LineItem, Missing, Pacing, PodPosition, Rotation,
    Strategy, Subject, Targeting, Value,
};
use crate::bits::Set;
use crate::dimension::media::{flexible_code, ratio_code, slot_code};
use crate::fees::Fees;
use crate::frequency::Cap;
use crate::funnel::line_item_key;
use crate::index::{Builder, Groups, Index};
use crate::markup::Parts;
use crate::modify::{self, Modifier, Priced};
use crate::permit::Blocks;
use audience::SegmentId;
use foldhash::fast::FixedState;
use ledger::{BudgetPath, BudgetSlot, Cpm, Currency, Draws, Micros};
use std::collections::HashMap;
use std::sync::Arc;

/// Everything to buy with, immutable. Campaigns and advertisers are known by their place in the
/// [`Input`] that it was built from. Line items stand in the order of their price, the highest
/// first, within one currency after the other, so that a decision can stop looking as soon as
/// nobody dearer is left.
pub struct Catalog {
    pub(crate) advertisers: Arc<[Payer]>,
    pub(crate) campaigns: Arc<[Flight]>,
    pub(crate) items: Vec<Arc<Item>>,
    /// The most that each line item bids, and in which currency.
    pub(crate) bounds: Vec<Bound>,
    pub(crate) creatives: Arc<[Display]>,
    /// The currencies of the advertisers.
    pub(crate) currencies: Arc<[Currency]>,
    pub(crate) index: Index,
    pub(crate) blocks: Arc<Blocks>,
    /// Numbers of the deals that any line item buys under.
    pub(crate) deals: Arc<HashMap<Box<str>, u32, FixedState>>,
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
#[derive(Clone)]
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

    /// Forgets every line item of the campaign.
    pub(super) fn clear(&mut self) {
        self.hours = super::Hours::NONE;
        self.most = Micros(0);
        self.bids = (false, false);
        self.paced = None;
    }

    /// Takes a line item of the campaign into account.
    pub(super) fn add(&mut self, item: &Item) {
        if !item.active {
            return;
        }
        self.hours = self.hours.or(item.hours);
        self.most = self.most.max(item.most());
        match item.strategy {
            Strategy::Value => self.bids.0 = true,
            Strategy::FixedCpm => self.bids.1 = true,
        }
        if item.draws.day || item.draws.campaign {
            // The narrowest budget comes first.
            let at = usize::from(item.draws.line_item);
            self.paced = item.budget.money().get(at).copied();
        }
    }
}

/// A line item.
pub(crate) struct Item {
    pub(crate) id: Arc<str>,
    /// Its part of the keys under which it is counted what becomes of it.
    pub(crate) key: u64,
    pub(crate) campaign: u32,
    pub(crate) advertiser: u32,
    /// Place in the catalog's currencies.
    pub(crate) currency: u32,
    pub(crate) active: bool,
    pub(crate) strategy: Strategy,
    pub(crate) max_cpm: Cpm,
    /// How its price follows from the request, where it does.
    pub(crate) priced: Option<Box<Priced>>,
    /// What it pays beside the media, where it does.
    pub(crate) fees: Option<Box<Fees>>,
    /// How often it may be seen, and with it its campaign and advertiser.
    pub(crate) frequency: Box<[Cap]>,
    /// The rule by which its creatives follow one another.
    pub(crate) sequence: Option<Cap>,
    pub(crate) hours: super::Hours,
    /// Whether it takes a banner's slot that leaves its size open.
    pub(crate) takes_open: bool,
    pub(crate) budget: BudgetPath,
    pub(crate) draws: Draws,
    /// Those of its creatives that its targeting leaves.
    pub(crate) creatives: Box<[u32]>,
    pub(crate) rotation: Turns,
    /// Numbers of the deals that it buys under; empty for the open auction.
    pub(crate) deals: Box<[u32]>,
    pub(crate) pod_position: PodPosition,
}

impl Item {
    /// The most that one impression can cost.
    pub(crate) fn most(&self) -> Micros {
        self.most_at(self.max_cpm)
    }

    /// The most that one impression can cost where its price, fees and all, is `price`.
    pub(crate) fn most_at(&self, price: Cpm) -> Micros {
        match &self.fees {
            Some(fees) => fees.most_within(price),
            None => price.most_per_impression(),
        }
    }
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
        let payers: Arc<[Payer]> = advertisers
            .iter()
            .map(|one| Payer {
                id: Arc::from(&*one.id),
                currency: currencies.partition_point(|known| *known < one.currency) as u32,
                competitive: labels.of(&one.competitive),
            })
            .collect();
        let mut flights: Vec<Flight> = campaigns
            .iter()
            .map(|one| Flight::new(one, advertiser_at[&one.advertiser]))
            .collect();
        line_items.sort_by_cached_key(|one| {
            let flight = &flights[campaign_at[&one.campaign] as usize];
            let currency = payers[flight.advertiser as usize].currency;
            (currency, std::cmp::Reverse(one.max_cpm))
        });
        let mut known = Parts::default();
        let shown = creatives.iter();
        let shown = shown.map(|one| display(one, &taxonomies, &mut known));
        let creatives: Arc<[Display]> = shown.collect();
        let mut builder = Builder::default();
        let mut items = Vec::new();
        for one in line_items {
            let own = Groups::new(&one.targeting.audience, &mut segment);
            let modified = modify::segments(&one.pricing, &mut segment);
            let campaign = campaign_at[&one.campaign];
            let advertiser = flights[campaign as usize].advertiser;
            let currency = payers[advertiser as usize].currency;
            let all: Vec<u32> = one.creatives.iter().map(|id| creative_at[id]).collect();
            let place = (campaign, advertiser, currency);
            let fees = Fees::new(&one.fees, &one.targeting.audience, &mut segment);
            let made = made(&one, place, (&all, &creatives), fees, &mut deals);
            builder.add(
                &one.targeting,
                own,
                &slots(&one.targeting, &made, &creatives),
            );
            let modifiers = Modifier::all(&one.pricing, modified, &mut builder);
            builder.modify(modifiers);
            flights[campaign as usize].add(&made);
            items.push(Arc::new(made));
        }
        let universe = items.len();
        let of = |dealt: bool| {
            let numbered = items.iter().zip(0..);
            let own =
                numbered.filter(|(item, _): &(&Arc<Item>, u32)| item.deals.is_empty() != dealt);
            Set::new(own.map(|(_, at)| at).collect(), universe)
        };
        let (dealt, open) = (of(true), of(false));
        Ok(Self {
            dealt,
            open,
            advertisers: payers,
            campaigns: flights.into(),
            bounds: items.iter().map(|item: &Arc<Item>| bound(item)).collect(),
            items,
            creatives,
            currencies: currencies.into(),
            index: builder.finish(),
            blocks: Arc::new(blocks),
            deals: Arc::new(deals.0),
        })
    }

    /// The line items of a currency.
    pub(crate) fn priced_in(&self, currency: u32) -> std::ops::Range<u32> {
        let before = |than: u32| self.bounds.partition_point(|bound| bound.currency < than) as u32;
        before(currency)..before(currency + 1)
    }

    /// The longest window of any frequency rule, in seconds.
    pub fn longest_window_s(&self) -> u32 {
        let items = self.items.iter().flat_map(|item| &item.frequency);
        let creatives = self.creatives.iter().flat_map(|one| &one.frequency);
        let windows = items.chain(creatives).map(|rule| rule.window_s);
        windows.max().unwrap_or(0)
    }

    /// How many line items there are.
    pub fn line_items(&self) -> usize {
        self.items.len()
    }

    /// Ids of the line items, by their place in the catalog.
    pub fn line_item_ids(&self) -> impl ExactSizeIterator<Item = &str> {
        self.items.iter().map(|one| &*one.id)
    }

    /// The line items with goals: place, id, what they draw on and place of their advertiser.
    pub fn goals(&self) -> impl Iterator<Item = (u32, &Arc<str>, Draws, u32)> {
        let numbered = self.items.iter().zip(0..);
        numbered
            .filter(|(item, _)| item.draws.any_goal())
            .map(|(item, at)| (at, &item.id, item.draws, item.advertiser))
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

pub(super) fn bound(item: &Item) -> Bound {
    Bound {
        cpm: item.max_cpm,
        currency: item.currency,
    }
}

/// Whether the formats, sizes and ratios of a line item leave a creative.
fn wanted(targeting: &Targeting, creative: &Display) -> bool {
    let (w, h) = (creative.w, creative.h);
    if !targeting.formats.allows(&creative.format) {
        return false;
    }
    if creative.format != Format::Banner {
        return true;
    }
    let ratio = || Value::Code(ratio_code(w, h));
    let ratios = targeting.rules.get(&Subject::Of(Dimension::Ratio));
    targeting.sizes.allows(&(w as u32, h as u32)) && ratios.is_none_or(|rule| rule.allows(&ratio()))
}

/// Whether a line item takes a banner's slot that leaves its size open.
fn takes_open(targeting: &Targeting) -> bool {
    targeting.sizes.missing() == Missing::Serve
}

pub(super) fn slots(targeting: &Targeting, item: &Item, creatives: &[Display]) -> Vec<u64> {
    let mut slots = Vec::new();
    for creative in item.creatives.iter().map(|at| &creatives[*at as usize]) {
        let banner = creative.format == Format::Banner;
        if !banner || takes_open(targeting) {
            slots.push(slot_code(creative.format, 0, 0));
        }
        if banner {
            slots.push(slot_code(creative.format, creative.w, creative.h));
            slots.push(flexible_code(creative.w, creative.h));
        }
    }
    slots
}

/// A line item as the bid path reads it; `all` are the places of its creatives.
pub(super) fn made(
    one: &LineItem,
    (campaign, advertiser, currency): (u32, u32, u32),
    (all, creatives): (&[u32], &[Display]),
    fees: Option<Box<Fees>>,
    deals: &mut Numbers,
) -> Item {
    let wanted = |at: &u32| wanted(&one.targeting, &creatives[*at as usize]);
    let all = all.iter().copied().enumerate();
    let kept: Vec<(usize, u32)> = all.filter(|(_, at)| wanted(at)).collect();
    Item {
        id: Arc::from(&*one.id),
        key: line_item_key(&one.id),
        campaign,
        advertiser,
        currency,
        active: one.active,
        strategy: one.strategy,
        max_cpm: one.max_cpm,
        priced: Priced::new(&one.pricing, one.max_cpm),
        fees,
        frequency: Box::from(&*one.frequency),
        sequence: one.sequence().copied(),
        hours: one.targeting.hours,
        takes_open: takes_open(&one.targeting),
        budget: one.budget,
        draws: one.draws,
        creatives: kept.iter().map(|(_, at)| *at).collect(),
        rotation: turns(&one.delivery.rotation, &kept),
        deals: deals.of(&one.delivery.deals),
        pod_position: one.delivery.pod_position,
    }
}

/// Names by number, in the order in which they are first met.
#[derive(Default)]
pub(super) struct Numbers(pub(super) HashMap<Box<str>, u32, FixedState>);

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
