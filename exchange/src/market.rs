//! The market: a catalog compiled into dense tables, immutable, shared by all workers.

use crate::catalog::{Catalog, Format, Invalid, Partner, Placement, Publisher};
use crate::counters::{PartnerEvent, Tally};
use crate::link::Quota;
use crate::link::notice::{Kind, Notice};
use foldhash::fast::RandomState;
use ledger::RateTable;
use std::collections::HashMap;
use std::sync::Arc;

type Map<V> = HashMap<Arc<str>, V, RandomState>;

/// A publisher with its placements.
#[derive(Debug)]
pub struct Seller {
    /// The publisher.
    pub publisher: Publisher,
    /// Its requests per second.
    pub quota: Arc<Quota>,
    placements: Map<Placement>,
}

impl Seller {
    /// The placement that requests call `tagid`.
    pub fn placement(&self, tagid: &str) -> Option<&Placement> {
        self.placements.get(tagid)
    }
}

/// A partner with what the node knows of it.
#[derive(Debug)]
pub struct Buyer {
    /// The partner.
    pub partner: Partner,
    /// Its requests per second.
    pub quota: Arc<Quota>,
    /// Its counters.
    pub events: Arc<Tally<PartnerEvent>>,
}

impl Buyer {
    /// Whether the partner buys a format.
    pub fn buys(&self, format: Format) -> bool {
        self.partner.formats.is_empty() || self.partner.formats.contains(&format)
    }

    /// A notice to the partner.
    pub fn notice(&self, kind: Kind, url: String) -> Notice {
        let allow_private = self.partner.allow_private();
        Notice::new(kind, url, allow_private, Arc::clone(&self.events))
    }
}

/// Everything that is sold and everybody who buys, ready for auctions.
#[derive(Debug)]
pub struct Market {
    sellers: Vec<Seller>,
    by_id: Map<u32>,
    by_domain: Map<u32>,
    by_bundle: Map<u32>,
    buyers: Vec<Buyer>,
    rates: RateTable,
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
            buyers: Vec::with_capacity(catalog.partners.len()),
            rates,
        };
        for publisher in catalog.publishers {
            market.add_seller(publisher, previous);
        }
        for placement in catalog.placements {
            if let Some(index) = market.by_id.get(&placement.publisher) {
                let seller = &mut market.sellers[*index as usize];
                seller
                    .placements
                    .insert(Arc::clone(&placement.tagid), placement);
            }
        }
        for partner in catalog.partners {
            let old = previous.and_then(|previous| previous.buyer(&partner.id));
            let quota = kept(old.map(|old| &old.quota), partner.max_qps);
            let events = old.map(|old| Arc::clone(&old.events)).unwrap_or_default();
            market.buyers.push(Buyer {
                partner,
                quota,
                events,
            });
        }
        Ok(market)
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
            quota,
            placements: Map::default(),
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
