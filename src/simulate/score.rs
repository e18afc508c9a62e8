//! How a simulation went: counts by line item and hour, and figures by budget and day.

use super::hindsight::Hindsight;
use super::node::Buyer;
use super::notices::{Charge, Origin};
use anyhow::{Context, Result};
use control::civil::{Civil, civil};
use jiff::Timestamp;
use ledger::{Cpm, Micros};
use serde::Serialize;
use std::collections::BTreeMap;

const HOUR_MS: i64 = 3_600_000;

/// Counts of an hour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Hour {
    /// Requests of the stream.
    pub requests: u64,
    /// Those that the line item could have bid on.
    pub eligible: u64,
    /// Bids.
    pub bids: u64,
    /// Auctions won.
    pub wins: u64,
    /// What was charged for them.
    pub spend: Micros,
    /// What the charged impressions are worth.
    pub value: Micros,
    /// What those cost whose bill never came.
    pub unbilled: Micros,
}

impl Default for Purse {
    fn default() -> Self {
        Self {
            hours: vec![(0, 0.0); 25],
            spent: 0.0,
            value: 0.0,
            over_delivered: 0,
            all: Hindsight::default(),
            left: Hindsight::default(),
        }
    }
}

/// What happened to the budget of a campaign on a day.
#[derive(Clone, Debug)]
pub struct Purse {
    /// Eligible requests and charged spend by hour since the day began.
    pub hours: Vec<(u64, f64)>,
    /// Charged, in micros.
    pub spent: f64,
    /// Value of what was charged to the budget, in micros.
    pub value: f64,
    /// Charged beyond the budget, in micros.
    pub over_delivered: i64,
    /// Everything that the campaign could have bought.
    pub all: Hindsight,
    /// The same without what other campaigns of the simulation bought.
    pub left: Hindsight,
}

/// All counts.
pub struct Scores {
    /// The line items, in the order of the catalog.
    pub buyers: Vec<Buyer>,
    /// By line item and hour (unix hours).
    pub hours: Vec<BTreeMap<i64, Hour>>,
    /// Requests by hour.
    requests: BTreeMap<i64, u64>,
    /// By campaign and date.
    pub purses: BTreeMap<(String, String), Purse>,
    /// The civil day of each line item, as last asked for.
    days: Vec<Option<Civil>>,
    /// Campaigns with the best value for the record at hand, and whether one of theirs won.
    record: Vec<(usize, Cpm, u64)>,
}

impl Scores {
    /// Nothing counted yet.
    pub fn new(buyers: Vec<Buyer>) -> Self {
        Self {
            hours: vec![BTreeMap::new(); buyers.len()],
            requests: BTreeMap::new(),
            purses: BTreeMap::new(),
            days: vec![None; buyers.len()],
            record: Vec::new(),
            buyers,
        }
    }

    /// A request of the stream.
    pub fn request(&mut self, at_ms: i64) {
        *self.requests.entry(at_ms.div_euclid(HOUR_MS)).or_default() += 1;
        self.record.clear();
    }

    /// The request could have been bid on by a line item, `weight` times.
    pub fn eligible(&mut self, line_item: usize, at_ms: i64, value: Cpm, weight: u64) {
        self.hour(line_item, at_ms).eligible += weight;
        self.record.push((line_item, value, weight));
    }

    /// A bid of a line item, and whether it won.
    pub fn bid(&mut self, line_item: usize, at_ms: i64, won: bool) {
        let hour = self.hour(line_item, at_ms);
        hour.bids += 1;
        hour.wins += u64::from(won);
    }

    /// An impression whose bill will never come.
    pub fn unbilled(&mut self, line_item: usize, at_ms: i64, cost: Micros) {
        self.hour(line_item, at_ms).unbilled.0 += cost.0;
    }

    /// A charge.
    ///
    /// # Errors
    /// Where the calendar ends.
    pub fn charge(&mut self, charge: Charge) -> Result<()> {
        let Charge {
            origin,
            cost,
            funded,
        } = charge;
        let Origin {
            line_item,
            at_ms,
            value,
        } = origin;
        let line_item = line_item as usize;
        let worth = value.0 / 1_000;
        let hour = self.hour(line_item, at_ms);
        if funded {
            hour.spend.0 += cost.0;
            hour.value.0 += worth;
        }
        let (purse, at) = self.purse(line_item, at_ms)?;
        if funded {
            purse.hours[at].1 += cost.0 as f64;
            purse.spent += cost.0 as f64;
            purse.value += value.0 as f64 / 1e3;
        } else {
            purse.over_delivered += cost.0;
        }
        Ok(())
    }

    /// Ends a record, which could be bought at `price` and was by the line item `winner`.
    ///
    /// # Errors
    /// Where the calendar ends.
    pub fn end(&mut self, at_ms: i64, price: Cpm, winner: Option<usize>) -> Result<()> {
        let record = std::mem::take(&mut self.record);
        let won = winner.map(|at| self.buyers[at].campaign.clone());
        for (place, &(line_item, value, weight)) in record.iter().enumerate() {
            // A campaign counts once, with the line item to which it is worth the most.
            let own = &self.buyers[line_item].campaign;
            let better = record.iter().enumerate().any(|(other, (at, worth, _))| {
                self.buyers[*at].campaign == *own
                    && (*worth > value || (*worth == value && other < place))
            });
            if better {
                continue;
            }
            let free = won.as_ref().is_none_or(|winner| winner == own);
            let (purse, hour) = self.purse(line_item, at_ms)?;
            purse.hours[hour].0 += weight;
            for _ in 0..weight {
                purse.all.add(value, price);
                if free {
                    purse.left.add(value, price);
                }
            }
        }
        self.record = record;
        Ok(())
    }

    /// The hours of a line item, with the requests of the stream filled in.
    pub fn filled(&self, line_item: usize) -> BTreeMap<i64, Hour> {
        let mut hours = self.hours[line_item].clone();
        for (hour, requests) in &self.requests {
            hours.entry(*hour).or_default().requests = *requests;
        }
        hours
    }

    fn hour(&mut self, line_item: usize, at_ms: i64) -> &mut Hour {
        let hours = &mut self.hours[line_item];
        hours.entry(at_ms.div_euclid(HOUR_MS)).or_default()
    }

    /// The purse of a line item's campaign on the day of a moment, and the hour of that day.
    fn purse(&mut self, line_item: usize, at_ms: i64) -> Result<(&mut Purse, usize)> {
        let buyer = &self.buyers[line_item];
        let known = self.days[line_item].filter(|day| {
            (day.day_start.as_millisecond()..day.day_end.as_millisecond()).contains(&at_ms)
        });
        let day = if let Some(day) = known {
            day
        } else {
            let at = Timestamp::from_millisecond(at_ms)?;
            civil(&buyer.zone, at).context("no such day")?
        };
        self.days[line_item] = Some(day);
        let hour = (at_ms - day.day_start.as_millisecond()) / HOUR_MS;
        let key = (buyer.campaign.clone(), day.date.to_string());
        let purse = self.purses.entry(key).or_default();
        Ok((purse, (hour as usize).min(24)))
    }
}
