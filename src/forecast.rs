//! What a draft of a line item would get in a day: the sampled requests of the last one are
//! decided again by the bidder's own code, once for the draft alone and once for what is
//! published. On the control plane's thread; about 50 µs for each sampled request, of which
//! there are at most 6,144.

use crate::clock;
use crate::hours::Hours;
use crate::node::Node;
use crate::sample::{Kept, Sample};
use crate::snapshot::Snapshot;
use bidder::decide::{Explained, Price, Step, Taken, rehearse, taken};
use bidder::funnel::{FunnelKey, Stage};
use bidder::plan::{CampaignDay, LocalTime, Tick};
use bidder::{Catalog, DecisionScratch, Exchange, Pacers, Plan, Runtime};
use control::api::{Band, Draft, Forecast};
use control::civil::civil;
use jiff::Timestamp;
use ledger::{Cpm, RateTable, Reservations};
use std::collections::HashMap;
use std::sync::Arc;

const DAY_S: f64 = 86_400.0;
/// Standard deviations of a band that holds in 19 of 20 cases.
const WIDTH: f64 = 1.96;
/// With nothing seen in n tries, the most that is likely is this over n.
const OF_NONE: f64 = 3.0;

/// What a draft would get in a day.
///
/// # Errors
/// Why there is no forecast.
pub fn forecast(node: &Node, draft: Draft) -> Result<Forecast, String> {
    let snapshot = node.snapshot.load_full();
    let mut samples = node.hours.samples();
    samples.retain(|(_, sample)| sample.seen() > 0);
    let first = samples
        .iter()
        .map(|(hour, _)| i64::from(*hour) * 3_600)
        .min();
    let first = first.ok_or("no exchange has asked yet, so there is nothing to look at")?;
    let begun = node.hours.begun_s().max(first);
    let seconds = (i64::from(clock::unix_s()) - begun).max(1) as u64;
    let world = World::new(node, &snapshot, draft)?;
    let mut sums = Sums::default();
    let mut scratch = DecisionScratch::default();
    for (hour, sample) in &samples {
        world.hour(*hour, sample, &mut scratch, &mut sums)?;
    }
    let known = snapshot
        .exchanges
        .keys()
        .map(|name| (name.clone(), bought(&node.hours, name)));
    Ok(sums.told(seconds, &known.collect()))
}

/// Bids at an exchange and how many of them were billed.
fn bought(hours: &Hours, exchange: &str) -> (u64, u64) {
    let counts = hours.read(FunnelKey::exchange(exchange));
    let sum = |stage: Stage| {
        let each = counts.iter().map(|(_, counts)| u64::from(counts.at(stage)));
        each.sum::<u64>()
    };
    let bids = sum(Stage::Bid);
    (bids, sum(Stage::Billed).min(bids))
}

/// All that requests are decided again with.
struct World<'n> {
    node: &'n Node,
    snapshot: &'n Arc<Snapshot>,
    draft: Draft,
    catalog: Catalog,
    reservations: Reservations,
}

impl<'n> World<'n> {
    fn new(node: &'n Node, snapshot: &'n Arc<Snapshot>, mut draft: Draft) -> Result<Self, String> {
        let mut input = std::mem::take(&mut draft.compiled.bidder);
        input.taxonomies.clone_from(&node.taxonomies);
        let names = &snapshot.audience.names;
        let catalog = Catalog::build(input, |segment| names.get(segment))
            .map_err(|faults| format!("the draft does not compile: {faults:?}"))?;
        Ok(Self {
            node,
            snapshot,
            draft,
            catalog,
            reservations: Reservations::new(1),
        })
    }

    /// The plan of the draft at an hour: not paced, as if its flight had begun.
    fn plan(&self, now_ms: i64) -> Result<Plan, String> {
        let now = Timestamp::from_millisecond(now_ms).map_err(|error| error.to_string())?;
        let zones = self.draft.compiled.zones.iter();
        let clocks = zones.map(|zone| {
            let day = civil(zone, now).ok_or("no such day")?;
            Ok(LocalTime {
                utc_offset_s: zone.to_offset(now).seconds(),
                day_start_ms: day.day_start.as_millisecond(),
                day_end_ms: day.day_end.as_millisecond(),
            })
        });
        let clocks = clocks.collect::<Result<Vec<_>, &str>>()?;
        let campaigns = vec![CampaignDay::default(); self.catalog.campaigns().len()];
        let tick = Tick {
            now_ms,
            advertisers: &clocks,
            campaigns: &campaigns,
            goals: &[],
        };
        let (book, mut pacers) = (&self.draft.book, Pacers::default());
        Ok(Plan::next(&self.catalog, book, &mut pacers, tick))
    }

    fn hour(
        &self,
        hour: u32,
        sample: &Sample,
        scratch: &mut DecisionScratch,
        sums: &mut Sums,
    ) -> Result<(), String> {
        let plan = self.plan(i64::from(hour) * 3_600_000)?;
        let (seen, kept) = (sample.seen(), sample.kept());
        let mut looks = Vec::new();
        for request in &kept {
            let exchange = self.snapshot.exchanges.get(&request.exchange);
            // What an exchange asked that is gone since will not come again.
            let look = exchange.and_then(|exchange| {
                let look = self.look(request, exchange, &plan, scratch)?;
                Some((request.exchange.clone(), look))
            });
            looks.push(look);
        }
        sums.add(seen, looks);
        Ok(())
    }

    /// Decides a request again.
    fn look(
        &self,
        request: &Kept,
        exchange: &Exchange,
        plan: &Plan,
        scratch: &mut DecisionScratch,
    ) -> Option<Look> {
        let (node, snapshot) = (self.node, self.snapshot);
        let published = bidder::Snapshot {
            catalog: &snapshot.catalog,
            plan: &snapshot.plan,
            audience: &snapshot.audience.lookup,
            seed: node.user_seed,
            signer: &node.signer,
            links: &node.links,
            rates: Some(&snapshot.rates),
            exchange,
            limits: node.settings.limits,
            appraisal: None,
        };
        let own = bidder::Snapshot {
            catalog: &self.catalog,
            plan,
            ..published
        };
        let runtime = Runtime {
            reservations: &self.reservations,
            book: &self.draft.book,
            caps: &node.caps,
            epoch: 0,
            funnel: None,
        };
        let now = (request.at_ms, request.at_ms as u64);
        let drafted = rehearse(&request.body, &own, runtime, scratch, now).ok()?;
        let look = Look::of(&drafted);
        if look.offer.is_none() {
            return Some(look);
        }
        let others = taken(&request.body, &published, runtime, scratch, now).ok()?;
        Some(look.against(&others, &snapshot.rates))
    }
}

/// What a request would be to a draft.
#[derive(Clone, Debug, Default, PartialEq)]
struct Look {
    /// Whether it is targeted.
    avail: bool,
    /// Its offer: place of the imp, what it costs in all, and the price in the currency of
    /// comparison.
    offer: Option<(u32, Cpm, Taken)>,
    /// Whether no other line item is dearer.
    leads: bool,
    /// What stops it.
    stopped: Option<String>,
}

impl Look {
    /// Of several imps the one on which it comes furthest counts.
    fn of(drafted: &Explained<'_>) -> Self {
        let mut look = Self::default();
        let offered = |imp: u32, price: &Price<'_>| Taken {
            imp,
            rank: price.rank,
            currency: price.compared_in,
        };
        for verdict in &drafted.verdicts {
            match &verdict.step {
                Step::Bid(price) | Step::Outbid { price, .. } => {
                    let offer = (verdict.imp, price.gross(), offered(verdict.imp, price));
                    (look.avail, look.stopped) = (true, None);
                    look.offer.get_or_insert(offer);
                }
                Step::Stopped { reason, .. } if look.offer.is_none() => {
                    look.stopped = Some(reason.label().to_owned());
                    look.avail = true;
                }
                Step::NotTargeted { subject, .. } if !look.avail => {
                    look.stopped = Some(subject.to_string());
                }
                Step::Idle(idle) if !look.avail => look.stopped = Some(idle.label().to_owned()),
                Step::Stopped { .. } | Step::NotTargeted { .. } | Step::Idle(_) => {}
            }
        }
        look
    }

    /// Says whether it leads among the offers that are taken now; one that cannot be compared
    /// counts as dearer.
    fn against(mut self, others: &[Taken], rates: &RateTable) -> Self {
        let Some((imp, _, own)) = self.offer else {
            return self;
        };
        let below = |other: &Taken| {
            let same = other.currency == own.currency;
            let converted = || rates.convert(other.rank, other.currency, own.currency);
            let rank = if same { Some(other.rank) } else { converted() };
            rank.is_some_and(|rank| rank <= own.rank)
        };
        self.leads = others.iter().filter(|other| other.imp == imp).all(below);
        if !self.leads {
            self.stopped = Some("outbid".to_owned());
        }
        self
    }
}

/// A figure that is added up hour by hour, with the variance of the sum.
#[derive(Clone, Copy, Debug, Default)]
struct Total {
    sum: f64,
    variance: f64,
}

impl Total {
    /// Adds an hour of `seen` requests, of which `values` were looked at.
    fn add(&mut self, seen: u64, values: &[f64]) {
        let (all, looked) = (seen as f64, values.len() as f64);
        if values.is_empty() {
            return;
        }
        let mean = values.iter().sum::<f64>() / looked;
        self.sum += all * mean;
        if values.len() > 1 {
            let squares = values
                .iter()
                .map(|value| (value - mean).powi(2))
                .sum::<f64>();
            let rest = (1.0 - looked / all).max(0.0);
            self.variance += all * all * rest * squares / (looked - 1.0) / looked;
        }
    }

    /// The band of a day; `most` is what cannot be exceeded and `least_seen` what one value that
    /// was not seen could stand for.
    fn band(self, per_day: f64, not_seen: f64) -> Band {
        let half = WIDTH * self.variance.sqrt();
        let high = if self.sum > 0.0 {
            self.sum + half
        } else {
            not_seen
        };
        Band {
            low: (self.sum - half).max(0.0) * per_day,
            likely: self.sum * per_day,
            high: high * per_day,
        }
    }
}

/// What was seen of all hours.
#[derive(Default)]
struct Sums {
    requests: u64,
    sampled: u64,
    avails: Total,
    offers: Total,
    bids: Total,
    /// Bids and their prices, by exchange.
    leads: HashMap<String, (Total, Total)>,
    stopped: HashMap<String, f64>,
    dearest: f64,
}

impl Sums {
    /// Adds an hour; a request of no exchange that is there is worth nothing.
    fn add(&mut self, seen: u64, looks: Vec<Option<(String, Look)>>) {
        self.requests += seen;
        self.sampled += looks.len() as u64;
        let weight = seen as f64 / looks.len().max(1) as f64;
        let flags = |of: &dyn Fn(&Look) -> bool| -> Vec<f64> {
            let flag = |look: &Option<(String, Look)>| {
                f64::from(u8::from(look.as_ref().is_some_and(|(_, look)| of(look))))
            };
            looks.iter().map(flag).collect()
        };
        self.avails.add(seen, &flags(&|look| look.avail));
        self.offers.add(seen, &flags(&|look| look.offer.is_some()));
        self.bids.add(seen, &flags(&|look| look.leads));
        let mut names: Vec<&String> = looks.iter().flatten().map(|(name, _)| name).collect();
        names.sort_unstable();
        names.dedup();
        for name in names {
            let price = |look: &Option<(String, Look)>| match look {
                Some((own, look)) if own == name && look.leads => {
                    look.offer.map_or(0.0, |(_, price, _)| price.0 as f64 / 1e3)
                }
                _ => 0.0,
            };
            let prices: Vec<f64> = looks.iter().map(price).collect();
            self.dearest = prices.iter().copied().fold(self.dearest, f64::max);
            let made = prices.iter().map(|price| f64::from(u8::from(*price > 0.0)));
            let bids: Vec<f64> = made.collect();
            let (own_bids, own_spend) = self.leads.entry(name.clone()).or_default();
            own_bids.add(seen, &bids);
            own_spend.add(seen, &prices);
        }
        for (_, look) in looks.into_iter().flatten() {
            if let Some(rule) = look.stopped {
                *self.stopped.entry(rule).or_default() += weight;
            }
        }
    }

    /// A day of it. `known` are the bids at each exchange and those of them that were billed.
    fn told(self, seconds: u64, known: &HashMap<String, (u64, u64)>) -> Forecast {
        let per_day = DAY_S / seconds as f64;
        let unseen = OF_NONE * self.requests as f64 / self.sampled.max(1) as f64;
        let (mut wins, mut spend) = (Total::default(), Total::default());
        for (exchange, (bids, prices)) in &self.leads {
            let (made, billed) = known.get(exchange).copied().unwrap_or_default();
            // The share of wins before anything is known is anything from none to all.
            let (made, billed) = (made as f64 + 2.0, billed as f64 + 1.0);
            let share = billed / made;
            let doubt = share * (1.0 - share) / (made + 1.0);
            for (total, of) in [(&mut wins, bids), (&mut spend, prices)] {
                total.sum += of.sum * share;
                total.variance += of.variance * share * share + of.sum * of.sum * doubt;
            }
        }
        let scaled = self.stopped.into_iter();
        Forecast {
            requests: self.requests,
            sampled: self.sampled,
            seconds,
            avails: self.avails.band(per_day, unseen),
            offers: self.offers.band(per_day, unseen),
            bids: self.bids.band(per_day, unseen),
            wins: wins.band(per_day, unseen),
            spend: spend.band(per_day, unseen * self.dearest),
            known_bids: known.values().map(|(bids, _)| bids).sum(),
            stopped: scaled
                .map(|(rule, times)| (rule, times * per_day))
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests;
