//! What a line item bids: its price, how it changes with the request, and where it ends.

use super::Targeting;
use crate::fault::Fault;
use crate::model::{Amount, Factor, Floor, MaxCpm, Share, choices, model};
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

choices! {
    /// What an advertiser wants of an impression.
    pub enum Wanted {
        /// The impression itself.
        Impression = "impression",
        /// A click.
        Click = "click",
        /// A conversion.
        Conversion = "conversion",
    }
}

model! {
    /// What an impression is worth, from what it brings.
    pub struct Worth {
        /// What is wanted.
        pub goal: Wanted,
        /// What one of them is worth, in the advertiser's currency.
        pub amount: Amount,
        /// How many of them an impression brings on average, 0 to 1.
        pub rate: Share = Share(1_000_000),
    }
}

impl Worth {
    /// The same per thousand impressions, rounded down to a micro.
    pub fn cpm(&self) -> Cpm {
        let exact = i128::from(self.amount.0.0) * i128::from(self.rate.0) / 1_000;
        Cpm(i64::try_from(exact).unwrap_or(i64::MAX))
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
        /// What an impression is worth where nothing else says so, for a line item that bids a
        /// value; in place of `base_cpm`.
        pub worth: Option<Worth> = None,
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
        self.check_worth(at, faults);
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

    fn check_worth(&self, at: &str, faults: &mut Vec<Fault>) {
        let Some(worth) = &self.worth else {
            return;
        };
        let mut add = |field: &str, detail: String| {
            faults.push(Fault::new(format!("{at}/{field}"), detail));
        };
        if self.strategy == Strategy::FixedCpm {
            let detail = "needs the strategy `value`; a fixed price has base_cpm";
            add("worth", detail.to_owned());
        }
        if self.base_cpm.is_some() {
            add(
                "base_cpm",
                "is what worth comes to; leave one of them out".to_owned(),
            );
        }
        if worth.goal == Wanted::Impression && worth.rate.0 != 1_000_000 {
            let detail = "an impression brings one impression; leave it out";
            add("worth/rate", detail.to_owned());
        } else if worth.cpm() == Cpm(0) {
            let detail = "comes to nothing per thousand impressions: nothing would be bid";
            add("worth/rate", detail.to_owned());
        }
    }

    /// The price before modifiers, where it is not the most.
    pub fn base(&self) -> Option<Cpm> {
        let worth = self
            .worth
            .as_ref()
            .map(|worth| worth.cpm().min(self.max_cpm.0));
        self.base_cpm.map(|base| base.0).or(worth)
    }

    /// The bounds of the product of the factors.
    pub fn limits(&self) -> (buy::Factor, buy::Factor) {
        let standard = buy::Pricing::default();
        let limits = self.modifier_limits.as_ref();
        let given = limits.map(|limits| (buy::Factor(limits.min.0), buy::Factor(limits.max.0)));
        given.unwrap_or((standard.lowest, standard.highest))
    }
}
