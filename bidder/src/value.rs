//! Value: what an impression is worth to a line item.
//!
//! A fixed price says so itself. A line item that bids a value takes its worth from the
//! appraisal that comes with the request; without any, every impression is worth its base price,
//! which is its most where it has none.

use crate::catalog::{Item, Strategy};
use ledger::Cpm;

/// What the impression is worth to the line item before any factor, per thousand, in its
/// advertiser's currency.
///
/// `None` where the impression was appraised and is worth nothing to the line item.
pub(crate) fn of(item: &Item, at: u32, appraisal: Option<&Appraisal>) -> Option<Cpm> {
    match (item.strategy, appraisal) {
        (Strategy::FixedCpm, _) | (Strategy::Value, None) => {
            let base = item.priced.as_ref().map(|priced| priced.base);
            Some(base.unwrap_or(item.max_cpm))
        }
        (Strategy::Value, Some(appraisal)) => {
            let worth = appraisal.worth.iter().find(|(of, _)| *of == at);
            worth.map(|(_, worth)| *worth)
        }
    }
}

/// What an impression is worth to the line items that bid a value, where something has said so:
/// a model, or a recorded stream.
#[derive(Clone, Debug, Default)]
pub struct Appraisal {
    worth: Vec<(u32, Cpm)>,
}

impl Appraisal {
    /// Forgets the last impression.
    pub fn clear(&mut self) {
        self.worth.clear();
    }

    /// The impression is worth `worth` per thousand to the line item at a place of the catalog,
    /// in its advertiser's currency. Of two for the same line item the first counts.
    pub fn add(&mut self, line_item: u32, worth: Cpm) {
        self.worth.push((line_item, worth));
    }
}
