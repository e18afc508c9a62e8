//! What the data plane reads: one immutable value, published whole. A request loads it once and
//! sees one state of everything.

use exchange::Market;
use exchange::enrich::GeoDatabase;
use std::sync::Arc;

/// One published state.
pub struct Snapshot {
    /// Who sells what to whom.
    pub market: Arc<Market>,
    /// Addresses to places, where there is a database.
    pub geo: Option<Arc<GeoDatabase>>,
}
