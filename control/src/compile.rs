//! Documents into what the bidder and the exchange read, and the budgets that the ledger must
//! know. A pure function over one state of the store: the same documents at the same time give
//! the same catalogs. Linear in the documents; runs on the maintenance thread after a change.

mod buying;
mod fees;
mod selling;
mod shown;

use crate::civil::civil;
use crate::fault::Fault;
use crate::resource::{Advertiser, Campaign, Creative, Exchange, Kind, Resource, Segment, Status};
use crate::serving::Reason;
use crate::store::Record;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use ledger::store::Budget;
use ledger::{BudgetSlot, Currency, Micros, Windows};
use std::collections::{HashMap, HashSet};

/// An external exchange that calls the bidder.
#[derive(Clone, Debug, PartialEq)]
pub struct Seller {
    /// Id, as in `/openrtb2/bid/{exchange}`.
    pub id: String,
    /// Its settings.
    pub settings: Exchange,
}

/// How the conversions of an advertiser are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crediting {
    /// How far back they are credited.
    pub windows: Windows,
    /// The currency of a value that names none.
    pub currency: Currency,
}

impl Crediting {
    /// What an advertiser has settled.
    pub fn of(advertiser: &Advertiser) -> Self {
        let days = |days: u32| u16::try_from(days).unwrap_or(u16::MAX);
        let windows = advertiser
            .attribution
            .as_ref()
            .map(|set| Windows::days(days(set.post_click_days.0), days(set.post_view_days.0)));
        Self {
            windows: windows.unwrap_or_default(),
            currency: advertiser.currency.0,
        }
    }
}

/// What the documents become.
#[derive(Debug, Default)]
pub struct Compiled {
    /// What the bidder buys with.
    pub bidder: bidder::catalog::Input,
    /// The timezone of each advertiser, in the order of `bidder.advertisers`.
    pub zones: Vec<TimeZone>,
    /// How the conversions of each advertiser are counted, of those too that do not buy now.
    pub crediting: HashMap<String, Crediting>,
    /// Who may call the bidder.
    pub sellers: Vec<Seller>,
    /// What the exchange sells and to whom; the node adds its own bidder as a partner.
    pub exchange: exchange::catalog::Catalog,
    /// Every budget that a line item draws on, each once.
    pub budgets: Vec<Budget>,
    /// The daily budgets that are so on average, by campaign.
    pub flexible: HashMap<String, Micros>,
    /// The hashes of the keys that are in use.
    pub keys: HashSet<String>,
    /// Line items that do not serve, by id, with the reasons. Those that only wait for their
    /// campaign's start are in the catalog all the same.
    pub not_serving: Vec<(String, Vec<Reason>)>,
    /// When the result would differ without any change of a document: the next end of a
    /// campaign or of an advertiser's day.
    pub next_change: Option<Timestamp>,
}

impl Compiled {
    fn changes_at(&mut self, time: Timestamp) {
        self.next_change = Some(self.next_change.map_or(time, |known| known.min(time)));
    }
}

/// Compiles every document that was not put away. `slot` gives the index of a budget in the
/// node's book, always the same for the same key; `None` where the book is full.
///
/// # Errors
/// Everything that is wrong. Documents that passed the API's checks give no fault, unless the
/// catalogs' own limits are exceeded together.
pub fn compile(
    records: &[Record],
    now: Timestamp,
    slot: &mut dyn FnMut(&Budget) -> Option<BudgetSlot>,
) -> Result<Compiled, Vec<Fault>> {
    let world = World::read(records)?;
    let mut compiled = Compiled::default();
    let mut faults = Vec::new();
    buying::compile(&world, now, slot, &mut compiled, &mut faults);
    selling::compile(&world, now, &mut compiled, &mut faults);
    let buying = compiled.bidder.faults().into_iter();
    faults.extend(buying.map(|invalid| Fault::new(path(&invalid.field), invalid.problem)));
    let selling = compiled.exchange.faults().into_iter();
    faults.extend(selling.map(|invalid| Fault::new(path(&invalid.field), invalid.problem)));
    if faults.is_empty() {
        Ok(compiled)
    } else {
        Err(faults)
    }
}

/// `line_items[2].creatives` as a pointer.
fn path(field: &str) -> String {
    let steps = field.split(['.', '[', ']']).filter(|step| !step.is_empty());
    steps.fold(String::new(), |pointer, step| {
        crate::fault::join(&pointer, step)
    })
}

/// The documents by kind and id.
struct World<'r> {
    by_id: HashMap<Kind, HashMap<&'r str, Resource>>,
    order: Vec<(Kind, &'r str)>,
}

impl<'r> World<'r> {
    fn read(records: &'r [Record]) -> Result<Self, Vec<Fault>> {
        let mut faults = Vec::new();
        let mut world = Self {
            by_id: HashMap::new(),
            order: Vec::new(),
        };
        for record in records.iter().filter(|record| !record.archived) {
            let key = (record.kind, record.id.as_str());
            match Resource::read(record.kind, &record.body) {
                Ok(resource) => {
                    world
                        .by_id
                        .entry(key.0)
                        .or_default()
                        .insert(key.1, resource);
                    world.order.push(key);
                }
                Err(found) => faults.extend(found.into_iter().map(|fault| {
                    let at = format!("/{}/{}{}", record.kind, record.id, fault.pointer);
                    Fault::new(at, fault.detail)
                })),
            }
        }
        if faults.is_empty() {
            Ok(world)
        } else {
            Err(faults)
        }
    }

    /// Documents in the order of the records.
    fn iter(&self) -> impl Iterator<Item = (&'r str, &Resource)> {
        self.order
            .iter()
            .map(|(kind, id)| (*id, &self.by_id[kind][id]))
    }

    fn get(&self, kind: Kind, id: &str) -> Option<&Resource> {
        self.by_id.get(&kind)?.get(id)
    }

    fn advertiser(&self, id: &str) -> Option<&Advertiser> {
        match self.get(Kind::Advertiser, id) {
            Some(Resource::Advertiser(advertiser)) => Some(advertiser),
            _ => None,
        }
    }

    fn campaign(&self, id: &str) -> Option<&Campaign> {
        match self.get(Kind::Campaign, id) {
            Some(Resource::Campaign(campaign)) => Some(campaign),
            _ => None,
        }
    }

    fn active_creative(&self, id: &str) -> Option<&Creative> {
        match self.get(Kind::Creative, id) {
            Some(Resource::Creative(creative)) if creative.status == Status::Active => {
                Some(creative)
            }
            _ => None,
        }
    }

    fn active_segment(&self, id: &str) -> Option<&Segment> {
        match self.get(Kind::Segment, id) {
            Some(Resource::Segment(segment)) if segment.status == Status::Active => Some(segment),
            _ => None,
        }
    }

    fn floors(&self, publisher: &str) -> Option<&crate::resource::Floors> {
        match self.get(Kind::Floors, publisher) {
            Some(Resource::Floors(floors)) => Some(floors),
            _ => None,
        }
    }
}

/// The zone of an advertiser; UTC where its name has gone from the zones that we carry.
pub fn zone(advertiser: &Advertiser) -> TimeZone {
    TimeZone::get(&advertiser.timezone.0).unwrap_or(TimeZone::UTC)
}

#[cfg(test)]
mod tests;
