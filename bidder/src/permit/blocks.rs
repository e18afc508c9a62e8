//! Which creatives a blocked value concerns: advertisers, categories and applications become one
//! set of blocked creatives, once for each request.

use crate::bits::{Set, words_for};
use crate::catalog::{Advertiser, Creative};
use crate::dimension::inventory::suffixes;
use foldhash::fast::FixedState;
use openrtb::BidRequest;
use openrtb::list::CategoryTaxonomy;
use openrtb::taxonomy::{CONTENT_1, Mapped, Taxonomies, family};
use std::collections::HashMap;

type Creatives = HashMap<Box<str>, Set, FixedState>;

/// Which creatives a blocked value concerns.
#[derive(Debug)]
pub(crate) struct Blocks {
    /// By the domains of their advertisers, and every domain above.
    domains: Creatives,
    categories: Vec<Family>,
    /// Those with any category, of which a taxonomy that nobody can compare says nothing.
    categorised: Set,
    bundles: Creatives,
    /// Those that wait for an exchange's approval, by the exchange.
    unapproved: Creatives,
    /// Those that wait for the approval of exchanges that no creative names.
    withheld: Set,
    count: usize,
}

/// One family of taxonomies.
#[derive(Debug)]
struct Family {
    code: i64,
    /// By category, in the creatives' own taxonomy or mapped.
    creatives: Creatives,
    /// Those with a category of which this family says nothing.
    unmapped: Set,
}

#[derive(Default)]
struct Draft(HashMap<String, Vec<u32>>);

impl Draft {
    fn add(&mut self, value: &str, creative: u32) {
        let list = self.0.entry(value.to_owned()).or_default();
        if list.last() != Some(&creative) {
            list.push(creative);
        }
    }

    fn finish(self, count: usize) -> Creatives {
        let set = |(value, list)| (String::into_boxed_str(value), Set::new(list, count));
        self.0.into_iter().map(set).collect()
    }
}

/// The categories of a creative as one family knows them.
#[derive(Clone, Debug)]
pub(crate) struct Categories {
    pub(crate) family: i64,
    /// For each category itself and all above it.
    pub(crate) chains: Box<[Box<[Box<str>]>]>,
}

/// The categories of a creative in every family that knows all of them.
pub(crate) fn categories(creative: &Creative, taxonomies: &Taxonomies) -> Box<[Categories]> {
    let own = family(creative.cattax);
    let chain = |mapped: Mapped| mapped.up.into_iter().map(String::into_boxed_str).collect();
    let of = |asked: i64| {
        let mapped = creative
            .cat
            .iter()
            .map(|cat| taxonomies.map(own, cat, asked));
        let chains = mapped.map(|one| one.map(chain)).collect::<Option<_>>()?;
        Some(Categories {
            family: asked,
            chains,
        })
    };
    taxonomies.reachable(own).filter_map(of).collect()
}

impl Blocks {
    pub(crate) fn new(
        creatives: &[Creative],
        advertisers: &[Advertiser],
        advertiser_at: &HashMap<String, u32>,
        taxonomies: &Taxonomies,
    ) -> Self {
        let (mut domains, mut bundles) = (Draft::default(), Draft::default());
        let mut categorised = Vec::new();
        let count = creatives.len();
        for (creative, at) in creatives.iter().zip(0..) {
            let own = &advertisers[advertiser_at[&creative.advertiser] as usize].domain;
            for domain in creative.adomain.iter().chain([own]) {
                let domain = domain.to_ascii_lowercase();
                suffixes(&domain).for_each(|domain| domains.add(domain, at));
            }
            if let Some(bundle) = &creative.bundle {
                bundles.add(bundle, at);
            }
            if !creative.cat.is_empty() {
                categorised.push(at);
            }
        }
        Self {
            domains: domains.finish(count),
            bundles: bundles.finish(count),
            categories: families(creatives, taxonomies),
            categorised: Set::new(categorised, count),
            unapproved: unapproved(creatives).finish(count),
            withheld: Set::new(withheld(creatives), count),
            count,
        }
    }

    /// Leaves in `blocked` the creatives that the request blocks.
    pub(crate) fn apply(&self, request: &BidRequest<'_>, blocked: &mut Vec<u64>) {
        blocked.clear();
        blocked.resize(words_for(self.count), 0);
        let mut block = |creatives: &Creatives, value: &str| {
            if let Some(set) = creatives.get(value) {
                set.add_to(blocked);
            }
        };
        for domain in request.badv {
            if domain.bytes().any(|byte| byte.is_ascii_uppercase()) {
                block(&self.domains, &domain.to_ascii_lowercase());
            } else {
                block(&self.domains, domain);
            }
        }
        request
            .bapp
            .iter()
            .for_each(|bundle| block(&self.bundles, bundle));
        if request.bcat.is_empty() {
            return;
        }
        let asked = asked(request);
        match self.categories.iter().find(|family| family.code == asked) {
            Some(family) => {
                request
                    .bcat
                    .iter()
                    .for_each(|cat| block(&family.creatives, cat));
                family.unmapped.add_to(blocked);
            }
            None => self.categorised.add_to(blocked),
        }
    }

    /// Leaves in `waiting` the creatives that wait for the exchange's approval, or nothing where
    /// none does.
    pub(crate) fn waiting(&self, exchange: &str, waiting: &mut Vec<u64>) {
        waiting.clear();
        let set = self.unapproved.get(exchange).unwrap_or(&self.withheld);
        if set.count() > 0 {
            waiting.resize(words_for(self.count), 0);
            set.add_to(waiting);
        }
    }
}

fn families(creatives: &[Creative], taxonomies: &Taxonomies) -> Vec<Family> {
    let count = creatives.len();
    let mut codes: Vec<i64> = vec![CONTENT_1];
    let own = creatives.iter().map(|creative| family(creative.cattax));
    codes.extend(own.flat_map(|own| taxonomies.reachable(own)));
    codes.sort_unstable();
    codes.dedup();
    let family_of = |asked: i64| {
        let (mut draft, mut unmapped) = (Draft::default(), Vec::new());
        // The same few categories come back with creative after creative.
        let mut known: HashMap<(i64, &str), Option<Mapped>> = HashMap::new();
        for (creative, at) in creatives.iter().zip(0..) {
            let own = family(creative.cattax);
            for cat in &creative.cat {
                let mapped = known
                    .entry((own, cat))
                    .or_insert_with(|| taxonomies.map(own, cat, asked));
                // Where nobody knows what lies above, a list may name it all the same.
                match mapped.as_ref().filter(|_| taxonomies.knows(asked)) {
                    Some(Mapped { up, below }) => {
                        up.iter().chain(below).for_each(|cat| draft.add(cat, at));
                    }
                    None => unmapped.push(at),
                }
            }
        }
        unmapped.dedup();
        Family {
            code: asked,
            creatives: draft.finish(count),
            unmapped: Set::new(unmapped, count),
        }
    };
    codes.into_iter().map(family_of).collect()
}

/// The creatives that wait for each exchange that any creative names.
fn unapproved(creatives: &[Creative]) -> Draft {
    let mut draft = Draft::default();
    let named = creatives.iter().flat_map(|one| &one.approval.except);
    for exchange in named {
        draft.0.entry(exchange.clone()).or_default();
    }
    for (exchange, waiting) in &mut draft.0 {
        for (creative, at) in creatives.iter().zip(0..) {
            let named = creative.approval.except.contains(exchange);
            if creative.approval.withheld != named {
                waiting.push(at);
            }
        }
    }
    draft
}

fn withheld(creatives: &[Creative]) -> Vec<u32> {
    let numbered = creatives.iter().zip(0..);
    numbered
        .filter(|(creative, _)| creative.approval.withheld)
        .map(|(_, at)| at)
        .collect()
}

/// The family of the taxonomy that a request's lists are in (section 3.2.1).
pub(crate) fn asked(request: &BidRequest<'_>) -> i64 {
    family(request.cattax.map_or(CONTENT_1, CategoryTaxonomy::code))
}
