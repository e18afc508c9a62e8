//! The market: a catalog compiled into dense tables, immutable, shared by all workers.

use crate::catalog::{Catalog, Deal, Format, Invalid, Partner, Placement, Publisher};
use crate::counters::{Deliveries, PartnerEvent, Tally};
use crate::deal::Agreed;
use crate::fanout::{Habits, Traffic};
use crate::link::notice::{Kind, Notice};
use crate::link::{Quota, Timing};
use crate::screen::Loss;
use foldhash::fast::RandomState;
use ledger::RateTable;
use openrtb::reshape::Shape;
use openrtb::taxonomy::Categories;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

type Map<V> = HashMap<Arc<str>, V, RandomState>;

/// A publisher with its placements.
#[derive(Debug)]
pub struct Seller {
    /// The publisher.
    pub publisher: Publisher,
    /// Place in the market.
    pub index: usize,
    /// Its requests per second.
    pub quota: Arc<Quota>,
    /// Why bids on its imps did not win.
    pub losses: Arc<Tally<Loss>>,
    placements: Map<Placement>,
    deals: Vec<Agreed>,
    /// What it says of creatives, by partner and creative.
    reviews: Map<Map<bool>>,
}

impl Seller {
    /// Whether the creative of a partner may be shown; `None` where it was not reviewed.
    pub fn review(&self, partner: &str, creative: &str) -> Option<bool> {
        self.reviews.get(partner)?.get(creative).copied()
    }

    /// The placement that requests call `tagid`.
    pub fn placement(&self, tagid: &str) -> Option<&Placement> {
        self.placements.get(tagid)
    }

    /// The deals that it sells on.
    pub fn deals(&self) -> &[Agreed] {
        &self.deals
    }

    /// Its deal of that id.
    pub fn deal(&self, id: &str) -> Option<&Agreed> {
        self.deals.iter().find(|agreed| &*agreed.deal.id == id)
    }

    /// The placement of that id or tagid.
    pub fn placement_named(&self, name: &str) -> Option<&Placement> {
        // Ids are for set-ups without tagid, and looked through only there.
        let by_id = || self.placements.values().find(|one| &*one.id == name);
        self.placement(name).or_else(by_id)
    }
}

/// A partner with what the node knows of it.
#[derive(Debug)]
pub struct Buyer {
    /// The partner.
    pub partner: Partner,
    /// Its requests per second.
    pub quota: Arc<Quota>,
    /// Its requests per second for each publisher, in the market's order; empty where there is
    /// no such limit.
    pub publisher_quotas: Vec<Arc<Quota>>,
    /// The forms that its requests go through.
    pub shapes: Arc<[Shape]>,
    /// Its counters.
    pub events: Arc<Tally<PartnerEvent>>,
    /// What is known of it while the node runs.
    pub live: Arc<Live>,
}

/// What the node has learnt of a partner.
#[derive(Debug, Default)]
pub struct Live {
    /// How long its calls take.
    pub timing: Arc<Timing>,
    /// Calls under way.
    pub in_flight: AtomicU32,
    /// What became of its notices.
    pub deliveries: Arc<Deliveries>,
    /// On what it bids.
    pub habits: Habits,
    /// Why its bids did not win.
    pub losses: Tally<Loss>,
}

impl Buyer {
    /// Whether the partner buys a format.
    pub fn buys(&self, format: Format) -> bool {
        self.partner.formats.is_empty() || self.partner.formats.contains(&format)
    }

    /// Counts an answer on a kind of traffic, where kinds are told apart.
    pub fn learn(&self, traffic: Option<Traffic>, bid: bool) {
        if let Some(traffic) = traffic {
            self.live.habits.learn(traffic, bid);
        }
    }

    /// A notice to the partner.
    pub fn notice(&self, kind: Kind, url: String) -> Notice {
        let (id, allow_private) = (Arc::clone(&self.partner.id), self.partner.allow_private());
        Notice::new(kind, id, url, allow_private).counted(Arc::clone(&self.live.deliveries))
    }
}

/// Everything that is sold and everybody who buys, ready for auctions.
#[derive(Debug)]
pub struct Market {
    sellers: Vec<Seller>,
    by_id: Map<u32>,
    by_domain: Map<u32>,
    by_bundle: Map<u32>,
    by_placement: Map<u32>,
    buyers: Vec<Buyer>,
    rates: RateTable,
    categories: Arc<Categories>,
}

impl Market {
    /// Compiles a catalog. Quotas and counters of publishers and partners that were in
    /// `previous` go on.
    ///
    /// # Errors
    /// Everything that is wrong with the catalog.
    pub fn compile(
        catalog: Catalog,
        rates: RateTable,
        previous: Option<&Market>,
    ) -> Result<Self, Vec<Invalid>> {
        let faults = catalog.faults();
        if !faults.is_empty() {
            return Err(faults);
        }
        let mut market = Self {
            sellers: Vec::with_capacity(catalog.publishers.len()),
            by_id: Map::default(),
            by_domain: Map::default(),
            by_bundle: Map::default(),
            by_placement: Map::default(),
            buyers: Vec::with_capacity(catalog.partners.len()),
            rates,
            categories: catalog.categories,
        };
        for publisher in catalog.publishers {
            market.add_seller(publisher, previous);
        }
        for placement in catalog.placements {
            if let Some(index) = market.by_id.get(&placement.publisher).copied() {
                let id = Arc::clone(&placement.id);
                market.by_placement.insert(id, index);
                let seller = &mut market.sellers[index as usize];
                seller
                    .placements
                    .insert(Arc::clone(&placement.tagid), placement);
            }
        }
        for review in catalog.reviews {
            if let Some(index) = market.by_id.get(&review.publisher).copied() {
                let reviews = &mut market.sellers[index as usize].reviews;
                let own = reviews.entry(review.partner).or_default();
                own.insert(review.creative, review.approved);
            }
        }
        for deal in catalog.deals {
            market.agree(deal, previous);
        }
        for partner in catalog.partners {
            let buyer = market.employ(partner, previous);
            market.buyers.push(buyer);
        }
        market.acquaint(previous);
        Ok(market)
    }

    /// Adds a deal to its publisher, which may be paused. What was counted of it goes on.
    fn agree(&mut self, deal: Deal, previous: Option<&Market>) {
        let Some(index) = self.by_id.get(&deal.publisher).copied() else {
            return;
        };
        let old = previous.and_then(|previous| previous.seller(&deal.publisher)?.deal(&deal.id));
        let progress = old.map(|old| Arc::clone(&old.progress)).unwrap_or_default();
        let deals = &mut self.sellers[index as usize].deals;
        deals.push(Agreed {
            deal,
            progress,
            buyers: Vec::new(),
        });
    }

    /// Gives every deal a count for each buyer who may see it. What was counted goes on.
    fn acquaint(&mut self, previous: Option<&Market>) {
        for seller in &mut self.sellers {
            let before = previous.and_then(|previous| {
                let seller = previous.seller(&seller.publisher.id)?;
                Some((previous, seller))
            });
            for agreed in &mut seller.deals {
                let known = |partner: &str| {
                    let (previous, seller) = before?;
                    let place = previous
                        .buyers
                        .iter()
                        .position(|one| &*one.partner.id == partner)?;
                    seller.deal(&agreed.deal.id)?.buyers.get(place)?.clone()
                };
                let count = |buyer: &Buyer| {
                    let partner = &buyer.partner.id;
                    let admitted = || agreed.deal.admits(partner).then(Arc::default);
                    known(partner).or_else(admitted)
                };
                let buyers = self.buyers.iter().map(count).collect();
                agreed.buyers = buyers;
            }
        }
    }

    fn employ(&self, partner: Partner, previous: Option<&Market>) -> Buyer {
        let old = previous.and_then(|previous| Some((previous, previous.buyer(&partner.id)?)));
        let quota = kept(old.map(|(_, old)| &old.quota), partner.max_qps);
        let each = partner.treatment.max_publisher_qps;
        let publisher_quota = |seller: &Seller| {
            let known = old.and_then(|(previous, old)| {
                let before = previous.seller(&seller.publisher.id)?.index;
                old.publisher_quotas.get(before)
            });
            kept(known, each)
        };
        let limited = if each > 0 { &*self.sellers } else { &[] };
        let shapes: Arc<[Shape]> = partner
            .treatment
            .shapes(&partner.openrtb)
            .unwrap_or_default()
            .into();
        // Partners of the same form share it, so that they are sent the same bytes.
        let same = self.buyers.iter().find(|buyer| buyer.shapes == shapes);
        Buyer {
            quota,
            publisher_quotas: limited.iter().map(publisher_quota).collect(),
            shapes: same.map_or(shapes, |buyer| Arc::clone(&buyer.shapes)),
            events: old
                .map(|(_, old)| Arc::clone(&old.events))
                .unwrap_or_default(),
            live: old
                .map(|(_, old)| Arc::clone(&old.live))
                .unwrap_or_default(),
            partner,
        }
    }

    fn add_seller(&mut self, publisher: Publisher, previous: Option<&Market>) {
        let index = self.sellers.len() as u32;
        self.by_id.insert(Arc::clone(&publisher.id), index);
        for domain in &publisher.domains {
            self.by_domain.insert(domain.to_lowercase().into(), index);
        }
        for bundle in &publisher.bundles {
            self.by_bundle.insert(Arc::clone(bundle), index);
        }
        let old = previous.and_then(|previous| previous.seller(&publisher.id));
        let quota = kept(old.map(|old| &old.quota), publisher.max_qps);
        self.sellers.push(Seller {
            publisher,
            index: index as usize,
            quota,
            losses: old.map(|old| Arc::clone(&old.losses)).unwrap_or_default(),
            placements: Map::default(),
            deals: Vec::new(),
            reviews: Map::default(),
        });
    }

    /// The publisher of that id.
    pub fn seller(&self, id: &str) -> Option<&Seller> {
        self.by_id
            .get(id)
            .map(|index| &self.sellers[*index as usize])
    }

    /// The publisher of a domain, also where it is a subdomain of a registered one.
    pub fn seller_of_domain(&self, domain: &str) -> Option<&Seller> {
        let lowered = domain.to_lowercase();
        let mut rest = lowered.as_str();
        loop {
            if let Some(index) = self.by_domain.get(rest) {
                return Some(&self.sellers[*index as usize]);
            }
            rest = rest.split_once('.')?.1;
        }
    }

    /// The publisher of an application.
    pub fn seller_of_bundle(&self, bundle: &str) -> Option<&Seller> {
        self.by_bundle
            .get(bundle)
            .map(|index| &self.sellers[*index as usize])
    }

    /// The publisher of a placement's id.
    pub fn seller_of_placement(&self, id: &str) -> Option<&Seller> {
        let index = self.by_placement.get(id)?;
        Some(&self.sellers[*index as usize])
    }

    /// The partner of that id.
    pub fn buyer(&self, id: &str) -> Option<&Buyer> {
        // At most 64, and not on an auction's path.
        self.buyers.iter().find(|buyer| &*buyer.partner.id == id)
    }

    /// The partners, in the order of the catalog.
    pub fn buyers(&self) -> &[Buyer] {
        &self.buyers
    }

    /// The publishers, in the order of the catalog.
    pub fn sellers(&self) -> &[Seller] {
        &self.sellers
    }

    /// What compares categories with those that are blocked or allowed.
    pub fn categories(&self) -> &Categories {
        &self.categories
    }

    /// The rates between currencies.
    pub fn rates(&self) -> &RateTable {
        &self.rates
    }
}

fn kept(old: Option<&Arc<Quota>>, per_second: u32) -> Arc<Quota> {
    match old {
        Some(quota) if quota.per_second() == per_second => Arc::clone(quota),
        _ => Arc::new(Quota::new(per_second)),
    }
}
