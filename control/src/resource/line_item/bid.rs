//! What a line item bids: its price, how it changes with the request, and where it ends.

use super::Targeting;
use crate::fault::Fault;
use crate::model::{Factor, Floor, MaxCpm, choices, model};
use bidder::catalog as buy;
use ledger::Cpm;

choices! {
    /// How a price is found.
    pub enum Strategy {
        /// Always the same, before modifiers.
        FixedCpm = "fixed_cpm",
        /// What the impression is worth, times the pacer's multiplier.
        Value = "value",
    }
}

model! {
    /// A factor for some requests.
    pub struct Modifier {
        /// Which requests, as in targeting: all parts must agree. Formats and sizes are those of
        /// the creative that is shown.
        pub when: Targeting,
        /// What the price is multiplied with.
        pub factor: Factor,
    }
}

model! {
    /// Bounds of the product of all factors that match.
    pub struct ModifierLimits {
        /// It is raised to this.
        pub min: Factor = Factor(buy::Pricing::default().lowest.0),
        /// It is lowered to this.
        pub max: Factor = Factor(buy::Pricing::default().highest.0),
    }
}

model! {
    /// What is bid.
    pub struct Bid {
        /// How the price is found.
        pub strategy: Strategy = Strategy::FixedCpm,
        /// The most that is paid per thousand impressions, in the advertiser's currency.
        pub max_cpm: MaxCpm,
        /// The price before modifiers; `max_cpm` where it is left out. Of a line item that bids a
        /// value it counts where nothing says what the impression is worth.
        pub base_cpm: Option<MaxCpm> = None,
        /// Below this price there is no bid.
        pub min_cpm: Option<Floor> = None,
        /// Factors of the price; those that match are multiplied.
        pub modifiers: Vec<Modifier> = Vec::new(),
        /// Bounds of their product.
        pub modifier_limits: Option<ModifierLimits> = None,
    }
}

impl Bid {
    /// Prices that could never be, and modifiers that never or always count.
    pub(super) fn check(&self, at: &str, faults: &mut Vec<Fault>) {
        let most = self.max_cpm.0;
        let mut above = |field: &str, cpm: Option<Cpm>| {
            if let Some(cpm) = cpm.filter(|cpm| *cpm > most) {
                let detail = format!("{cpm} is above max_cpm, which is {most}");
                faults.push(Fault::new(format!("{at}/{field}"), detail));
            }
        };
        above("base_cpm", self.base_cpm.map(|base| base.0));
        above("min_cpm", self.min_cpm.map(|least| least.0));
        let base = self.base_cpm.map_or(most, |base| base.0);
        if self.strategy == Strategy::FixedCpm
            && self.modifiers.is_empty()
            && self.min_cpm.is_some_and(|least| least.0 > base)
        {
            let detail = format!("is above the price, which is {base}: nothing would be bid");
            faults.push(Fault::new(format!("{at}/min_cpm"), detail));
        }
        if self.modifiers.len() > buy::Pricing::MOST {
            let (given, most) = (self.modifiers.len(), buy::Pricing::MOST);
            let detail = format!("{given} modifiers, at most {most}");
            faults.push(Fault::new(format!("{at}/modifiers"), detail));
        }
        for (index, modifier) in self.modifiers.iter().enumerate() {
            let when = format!("{at}/modifiers/{index}/when");
            if modifier.when == Targeting::any() {
                let detail = "matches every request: expected a rule, or change base_cpm";
                faults.push(Fault::new(when, detail));
            } else {
                modifier.when.check(&when, faults);
            }
        }
        if let Some(limits) = &self.modifier_limits {
            let at = format!("{at}/modifier_limits");
            if self.modifiers.is_empty() {
                faults.push(Fault::new(at, "there are no modifiers to be limited"));
            } else if limits.min > limits.max {
                faults.push(Fault::new(at, "expected min to be at most max"));
            }
        }
    }

    /// The bounds of the product of the factors.
    pub fn limits(&self) -> (buy::Factor, buy::Factor) {
        let standard = buy::Pricing::default();
        let limits = self.modifier_limits.as_ref();
        let given = limits.map(|limits| (buy::Factor(limits.min.0), buy::Factor(limits.max.0)));
        given.unwrap_or((standard.lowest, standard.highest))
    }
}
