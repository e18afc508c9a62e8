//! Value: what an impression is worth to a line item.
//!
//! A fixed price says so itself. Predicted worth will come from a model that answers here.

use crate::catalog::Item;
use ledger::Cpm;

/// The most that the line item would pay for this impression, per thousand, in its advertiser's
/// currency.
pub(crate) fn of(item: &Item) -> Cpm {
    item.max_cpm
}
