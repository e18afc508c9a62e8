//! One line item in, out, or changed, without compiling the others again.

use super::compile::{Numbers, bound, made, slots};
use super::{Bound, Catalog, Flight, Invalid, Item, LineItem};
use crate::bits::Set;
use crate::fees::Fees;
use crate::index::{Entry, Groups};
use crate::modify;
use audience::SegmentId;
use std::cmp::Reverse;
use std::sync::Arc;

impl Catalog {
    /// The catalog with a line item, in place of the one of its id if there is one. Its campaign
    /// and creatives must be in the catalog already. Costs a copy of the index, some
    /// milliseconds for fifty thousand line items (`benches/select.rs`).
    ///
    /// # Errors
    /// Everything that is wrong with the line item, or with what it refers to.
    pub fn with(
        &self,
        one: &LineItem,
        mut segment: impl FnMut(&str) -> Option<SegmentId>,
    ) -> Result<Self, Vec<Invalid>> {
        let mut faults = one.own_faults();
        let mut unknown = |field: &str, id: &str| {
            faults.push(Invalid {
                field: format!("line_items[{}].{field}", one.id),
                problem: format!("{id:?} is unknown"),
            });
        };
        let campaign = self.campaigns().position(|id| id == one.campaign);
        if campaign.is_none() {
            unknown("campaign", &one.campaign);
        }
        let mut shown = Vec::new();
        for id in &one.creatives {
            match self.creatives.iter().position(|known| *known.id == **id) {
                Some(at) => shown.push(at as u32),
                None => unknown("creatives", id),
            }
        }
        let (Some(campaign), true) = (campaign, faults.is_empty()) else {
            return Err(faults);
        };
        let advertiser = self.campaigns[campaign].advertiser;
        let currency = self.advertisers[advertiser as usize].currency;
        let mut deals = Numbers((*self.deals).clone());
        let place = (campaign as u32, advertiser, currency);
        let fees = Fees::new(&one.fees, &one.targeting.audience, &mut segment);
        let made = made(one, place, (&shown, &self.creatives), fees, &mut deals);
        let slots = slots(&one.targeting, &made, &self.creatives);
        let groups = Groups::new(&one.targeting.audience, &mut segment);
        let modified = modify::segments(&one.pricing, &mut segment);
        let (mut items, mut bounds) = (self.items.clone(), self.bounds.clone());
        let removed = self.items.iter().position(|item| item.id == made.id);
        if let Some(at) = removed {
            items.remove(at);
            bounds.remove(at);
        }
        let order = |currency, cpm| (currency, Reverse(cpm));
        let own = order(currency, made.max_cpm);
        let at = bounds.partition_point(|bound| order(bound.currency, bound.cpm) <= own);
        bounds.insert(at, bound(&made));
        items.insert(at, Arc::new(made));
        let entry = Entry {
            at: at as u32,
            targeting: &one.targeting,
            groups,
            slots: &slots,
            pricing: &one.pricing,
            modified,
        };
        let removed = removed.map(|at| at as u32);
        Ok(Self {
            deals: Arc::new(deals.0),
            ..self.changed(items, bounds, removed, Some(entry))
        })
    }

    /// The catalog without a line item; the same one where it has none of that id.
    #[must_use]
    pub fn without(&self, line_item: &str) -> Self {
        let (mut items, mut bounds) = (self.items.clone(), self.bounds.clone());
        let removed = items.iter().position(|item| *item.id == *line_item);
        if let Some(at) = removed {
            items.remove(at);
            bounds.remove(at);
        }
        self.changed(items, bounds, removed.map(|at| at as u32), None)
    }

    fn changed(
        &self,
        items: Vec<Arc<Item>>,
        bounds: Vec<Bound>,
        removed: Option<u32>,
        entry: Option<Entry<'_>>,
    ) -> Self {
        let added = entry.as_ref().map(|entry| entry.at);
        let universe = items.len();
        let with_deals = |at: u32| !items[at as usize].deals.is_empty();
        let edited = |set: &Set, dealt: bool| {
            let added = added.map(|at| (at, with_deals(at) == dealt));
            set.edited(removed, added, universe)
        };
        let (dealt, open) = (edited(&self.dealt, true), edited(&self.open, false));
        let campaigns = self.campaigns_of(removed, added, &items);
        Self {
            dealt,
            open,
            advertisers: Arc::clone(&self.advertisers),
            campaigns,
            items,
            bounds,
            creatives: Arc::clone(&self.creatives),
            currencies: Arc::clone(&self.currencies),
            index: self.index.edited(removed, entry),
            blocks: Arc::clone(&self.blocks),
            deals: Arc::clone(&self.deals),
        }
    }
}

impl Catalog {
    /// The campaigns after a line item of one went and another came: what they know of their
    /// line items is gathered again.
    fn campaigns_of(
        &self,
        removed: Option<u32>,
        added: Option<u32>,
        items: &[Arc<Item>],
    ) -> Arc<[Flight]> {
        let of = |at: Option<u32>, items: &[Arc<Item>]| at.map(|at| items[at as usize].campaign);
        let concerned = [of(removed, &self.items), of(added, items)];
        let mut flights = self.campaigns.to_vec();
        for campaign in concerned.into_iter().flatten() {
            flights[campaign as usize].clear();
        }
        for item in items
            .iter()
            .filter(|item| concerned.contains(&Some(item.campaign)))
        {
            flights[item.campaign as usize].add(item);
        }
        flights.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Hours;
    use crate::sample;
    use ledger::{Book, Cpm};

    #[test]
    fn line_items_keep_the_order_of_their_prices() {
        let book = Book::default();
        let catalog = Catalog::build(sample::input(&book, 3), |_| None).unwrap();
        let ids = |catalog: &Catalog| -> Vec<String> {
            let ids = catalog.items.iter().map(|item| item.id.to_string());
            ids.collect()
        };
        let before = ids(&catalog);
        let slot = book.add().unwrap();
        let priced = |id: &str, cpm| LineItem {
            max_cpm: Cpm(cpm),
            ..sample::line_item(id, slot)
        };
        let dearer = catalog
            .with(&priced(&before[2], 9_000_000), |_| None)
            .unwrap();
        assert_eq!(ids(&dearer), [&*before[2], &*before[0], &*before[1]]);
        let cheaper = dearer.with(&priced("li_new", 1), |_| None).unwrap();
        assert_eq!(ids(&cheaper).last().map(String::as_str), Some("li_new"));
        assert_eq!(ids(&cheaper.without("li_new")), ids(&dearer));
        assert_eq!(ids(&cheaper.without("li_unknown")), ids(&cheaper));
    }

    #[test]
    fn what_line_items_say_together_is_gathered_again() {
        let book = Book::default();
        let mut input = sample::input(&book, 3);
        let early = Catalog::build(input.clone(), |_| None).unwrap();
        input.line_items[1].delivery.deals = vec!["deal".to_owned()];
        input.line_items[1].max_cpm = Cpm(9_000_000);
        input.line_items[1].targeting.hours = Hours::NONE.with(7);
        let gone = input.line_items.pop().unwrap();
        let edited = early.without(&gone.id);
        let edited = edited.with(&input.line_items[1], |_| None).unwrap();
        let built = Catalog::build(input, |_| None).unwrap();
        let told = |catalog: &Catalog| {
            let flight = &catalog.campaigns[0];
            let (mut dealt, mut open) = (Vec::new(), Vec::new());
            catalog.dealt.list_common(&[u64::MAX], &mut dealt);
            catalog.open.list_common(&[u64::MAX], &mut open);
            let deals: Vec<Box<[u32]>> = catalog
                .items
                .iter()
                .map(|item| item.deals.clone())
                .collect();
            (dealt, open, deals, flight.hours, flight.most, flight.bids)
        };
        assert_eq!(told(&edited), told(&built));
        assert_eq!(told(&edited).0, [0], "the dearest buys under a deal");
    }

    #[test]
    fn what_a_line_item_refers_to_must_be_there() {
        let book = Book::default();
        let catalog = Catalog::build(sample::input(&book, 1), |_| None).unwrap();
        let mut one = sample::line_item("li_new", book.add().unwrap());
        one.campaign = "cmp_x".to_owned();
        one.creatives = vec!["cr_x".to_owned()];
        one.max_cpm = Cpm(0);
        let faults = catalog.with(&one, |_| None).err().unwrap();
        let fields: Vec<&str> = faults.iter().map(|fault| &*fault.field).collect();
        let expected = ["max_cpm", "campaign", "creatives"];
        assert_eq!(
            fields,
            expected.map(|field| format!("line_items[li_new].{field}"))
        );
    }
}
