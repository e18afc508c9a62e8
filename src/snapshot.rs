//! What the data plane reads: one immutable value, published whole. A request loads it once and
//! sees one state of everything.

use crate::audience::Audience;
use crate::hours::Hour;
use crate::purse::Purse;
use bidder::{Catalog, Exchange, Plan};
use control::compile::Crediting;
use control::serving::Reason;
use exchange::Market;
use exchange::enrich::GeoDatabase;
use ledger::{Currency, RateTable};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// One published state.
pub struct Snapshot {
    /// Who sells what to whom.
    pub market: Arc<Market>,
    /// Addresses to places, where there is a database.
    pub geo: Option<Arc<GeoDatabase>>,
    /// What there is to buy with.
    pub catalog: Arc<Catalog>,
    /// Who may bid now; made from `catalog`.
    pub plan: Plan,
    /// User → segments.
    pub audience: Arc<Audience>,
    /// Who may call the bidder, by name.
    pub exchanges: Arc<HashMap<String, Exchange>>,
    /// Why line items are not in the catalog, by id.
    pub withheld: Arc<HashMap<String, Vec<Reason>>>,
    /// The hashes of the control API's keys that are in use.
    pub keys: Arc<HashSet<String>>,
    /// How the conversions of each advertiser are counted.
    pub crediting: Arc<HashMap<String, Crediting>>,
    /// Rates of the day.
    pub rates: Arc<RateTable>,
    /// What may be spent; the catalog's budgets are places in it.
    pub purse: Purse,
    /// Where it is counted what becomes of line items.
    pub hour: Arc<Hour>,
}

impl Snapshot {
    /// Nothing is sold and nobody buys.
    pub fn empty(purse: Purse, geo: Option<Arc<GeoDatabase>>, hour: Arc<Hour>) -> Self {
        let rates = Arc::new(RateTable::new(Currency(*b"EUR"), &[], ""));
        let market = Market::compile(
            exchange::catalog::Catalog::default(),
            (*rates).clone(),
            None,
        )
        .expect("an empty market has no faults");
        let catalog = Catalog::build(bidder::catalog::Input::default(), |_| None)
            .expect("an empty catalog has no faults");
        Self {
            market: Arc::new(market),
            geo,
            plan: Plan::idle(&catalog),
            catalog: Arc::new(catalog),
            audience: Arc::new(Audience::empty()),
            exchanges: Arc::default(),
            withheld: Arc::default(),
            keys: Arc::default(),
            crediting: Arc::default(),
            rates,
            purse,
            hour,
        }
    }
}
