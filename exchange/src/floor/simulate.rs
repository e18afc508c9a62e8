//! What a draft of a publisher's floors would have sold, over recorded auctions.
//!
//! A pure function: each recorded imp is cleared twice by the live path's own [`clear`], once
//! over the floor that was in force and once over the floor that the draft gives it through the
//! live path's own [`Plan`]. The recorded bids are taken as they were, so the answer is about
//! the past: buyers adapt to floors, and whoever shows these figures has to say so. Cost: a
//! lookup and two passes over the bids for each imp.

use super::field::{Subject, value};
use super::plan::Asked;
use super::rules::Probe;
use super::stated::Least;
use super::{Field, Floor, MAX_FIELDS, NoRate, Plan, Source, Stated};
use crate::catalog::Publisher;
use crate::clear::{Contender, clear};
use crate::deal::OPEN_TIER;
use crate::draw::Draw;
use ledger::{Cpm, Currency, RateTable};
use openrtb::BidRequest;
use std::collections::HashMap;

/// A recorded auction.
#[derive(Clone, Debug)]
pub struct Auction {
    /// When it was held, in Unix seconds.
    pub at_s: u32,
    /// Seed of its draws.
    pub seed: u64,
    /// Its imps.
    pub imps: Vec<Imp>,
}

/// A recorded imp. Prices are in the currency of the simulation.
#[derive(Clone, Debug)]
pub struct Imp {
    /// Values of the fields in the order of [`Field::ALL`]; `None` where the request had none.
    /// Those of the partner and of the clock are not read: every bid has its own, and the draft.
    pub values: [Option<Box<str>>; MAX_FIELDS],
    /// The request's own floor.
    pub request: Cpm,
    /// The placement's own floor.
    pub placement: Cpm,
    /// The bids of the open auction that only a floor can have rejected.
    pub bids: Vec<Bid>,
}

/// A recorded bid.
#[derive(Clone, Debug)]
pub struct Bid {
    /// Who bid.
    pub partner: Box<str>,
    /// Its gross price.
    pub price: Cpm,
    /// The floor that it was held to.
    pub floor: Cpm,
}

/// Between the values of fields, in a record.
const SEPARATOR: char = '\u{1f}';

/// Longest value in a record, in bytes.
const MAX_VALUE: usize = 128;

/// The values of all fields of an imp in the order of [`Field::ALL`], in lower case, for a record.
/// Those of the clock and of the partner are left out: the auction has the one and its bids the
/// other.
pub fn recorded(request: &BidRequest<'_>, imp: &openrtb::request::Imp<'_>) -> String {
    let subject = Subject {
        request,
        imp,
        partner: None,
        local_s: 0,
    };
    let mut out = String::with_capacity(96);
    for (place, (_, field)) in Field::ALL.into_iter().enumerate() {
        if place > 0 {
            out.push(SEPARATOR);
        }
        if matches!(field, Field::Hour | Field::Weekday) {
            continue;
        }
        let mut buffer = [0; 48];
        let text = value(field, subject, &mut buffer).unwrap_or_default();
        let kept = &text[..text.floor_char_boundary(MAX_VALUE)];
        let sound = kept.chars().filter(|letter| *letter != SEPARATOR);
        out.extend(sound.flat_map(char::to_lowercase));
    }
    out
}

/// The values of a record.
pub fn values(recorded: &str) -> [Option<Box<str>>; MAX_FIELDS] {
    let mut parts = recorded.split(SEPARATOR);
    std::array::from_fn(|_| parts.next().filter(|text| !text.is_empty()).map(Box::from))
}

/// What imps sold for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sales {
    /// Imps that were sold.
    pub sold: u64,
    /// The sum of their clearing prices per thousand, in micros, before fees.
    pub gross: i128,
}

/// Imps under the floors that were in force and under the draft.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compared {
    /// Imps.
    pub imps: u64,
    /// As it was.
    pub now: Sales,
    /// With the draft.
    pub draft: Sales,
}

/// The answer of a simulation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Simulated {
    /// Auctions in the sample.
    pub auctions: u64,
    /// Imps of which the draft's floor has a currency without a rate; they are in no other count.
    pub without_rate: u64,
    /// All imps.
    pub all: Compared,
    /// Half the width of the band that holds the change of `gross` in 19 of 20 samples, by the
    /// normal approximation over auctions; `None` with fewer than two.
    pub half_width: Option<i128>,
    /// By the draft's rule, most imps first.
    pub rules: Vec<(String, Compared)>,
}

/// Sells `auctions` again with the floors of `publisher`, and keeps the `top` rules with most
/// imps. `market` is the currency of all recorded prices, with the rates of the draft's.
pub fn simulate(
    publisher: &Publisher,
    auctions: &[Auction],
    market: (Currency, &RateTable),
    top: usize,
) -> Simulated {
    let stated = Stated::default();
    let mut told = Simulated::default();
    let mut rules: HashMap<String, Compared> = HashMap::new();
    let mut changes = Changes::default();
    for auction in auctions {
        let plan = Plan::draw(
            publisher,
            &stated,
            auction.at_s,
            &mut Draw::new(auction.seed),
        );
        let mut change = 0;
        for (place, imp) in auction.imps.iter().enumerate() {
            let seed = auction.seed ^ place as u64;
            let Ok((compared, source)) = sell(publisher, &plan, imp, seed, market) else {
                told.without_rate += 1;
                continue;
            };
            change += compared.draft.gross - compared.now.gross;
            told.all.add(compared);
            rules.entry(words(source)).or_default().add(compared);
        }
        changes.add(change);
    }
    told.auctions = auctions.len() as u64;
    told.half_width = changes.half_width();
    told.rules = rules.into_iter().collect();
    told.rules
        .sort_unstable_by(|(a, x), (b, y)| y.imps.cmp(&x.imps).then_with(|| a.cmp(b)));
    told.rules.truncate(top);
    told
}

/// Sells an imp over both floors, and says where the draft's comes from.
fn sell<'f>(
    publisher: &Publisher,
    plan: &Plan<'f>,
    imp: &Imp,
    seed: u64,
    market: (Currency, &RateTable),
) -> Result<(Compared, Source<'f>), NoRate> {
    let floor = |partner: Option<&str>| floor_of(plan, imp, partner, market);
    let general = floor(None)?;
    let mut drafted = Vec::with_capacity(imp.bids.len());
    for bid in &imp.bids {
        let own = if plan.is_per_partner() {
            floor(Some(&bid.partner))?
        } else {
            general
        };
        drafted.push((bid.price, own.enforced));
    }
    let recorded: Vec<(Cpm, Cpm)> = imp.bids.iter().map(|bid| (bid.price, bid.floor)).collect();
    let compared = Compared {
        imps: 1,
        now: sales(&recorded, publisher, seed),
        draft: sales(&drafted, publisher, seed),
    };
    Ok((compared, general.source))
}

/// The floor of a recorded imp, as a partner is told it or everybody whom no rule names.
pub(super) fn floor_of<'f>(
    plan: &Plan<'f>,
    imp: &Imp,
    partner: Option<&str>,
    market: (Currency, &RateTable),
) -> Result<Floor<'f>, NoRate> {
    let (hour, weekday) = plan.clock();
    let asked = Asked {
        partner,
        placement: imp.placement,
        of_imp: Least::default(),
    };
    let read = |field, probe: &mut Probe<'_>| {
        let text = match field {
            Field::Partner => partner,
            Field::Hour => Some(&*hour),
            Field::Weekday => Some(weekday),
            _ => imp.value(field),
        };
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            probe.is(text);
        }
    };
    plan.floor_by(read, |_| Ok(imp.request), asked, market)
}

/// What an imp sells for to bids, each with its floor.
pub(super) fn sales(bids: &[(Cpm, Cpm)], publisher: &Publisher, seed: u64) -> Sales {
    let above = bids.iter().filter(|(price, floor)| price >= floor);
    let contenders: Vec<Contender> = above
        .map(|(price, floor)| Contender {
            price: *price,
            floor: *floor,
            at: None,
            tier: OPEN_TIER,
            identity: 0,
        })
        .collect();
    let cleared = clear(&contenders, publisher.pricing, seed);
    cleared.map_or(Sales::default(), |cleared| Sales {
        sold: 1,
        gross: i128::from(cleared.price.0),
    })
}

impl Imp {
    pub(super) fn value(&self, field: Field) -> Option<&str> {
        let place = Field::ALL.iter().position(|(_, known)| *known == field)?;
        self.values[place].as_deref()
    }
}

impl Compared {
    fn add(&mut self, other: Self) {
        self.imps += other.imps;
        for (own, more) in [(&mut self.now, other.now), (&mut self.draft, other.draft)] {
            own.sold += more.sold;
            own.gross += more.gross;
        }
    }
}

fn words(source: Source<'_>) -> String {
    match source {
        Source::Rule(rule) => rule.to_owned(),
        other => crate::counters::Label::label(other.event()).to_owned(),
    }
}

/// The changes of auctions, for the error of their sum.
#[derive(Default)]
struct Changes {
    count: i128,
    sum: i128,
    squares: i128,
}

impl Changes {
    fn add(&mut self, change: i128) {
        self.count += 1;
        self.sum = self.sum.saturating_add(change);
        let square = change.saturating_mul(change);
        self.squares = self.squares.saturating_add(square);
    }

    /// 1.96 standard errors of the sum, rounded down.
    fn half_width(&self) -> Option<i128> {
        if self.count < 2 {
            return None;
        }
        let spread = self.count.saturating_mul(self.squares);
        let spread = spread.saturating_sub(self.sum.saturating_mul(self.sum));
        let variance = spread.max(0) / (self.count - 1);
        Some(variance.isqrt().saturating_mul(196) / 100)
    }
}

#[cfg(test)]
mod tests;
