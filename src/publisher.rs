//! The maintenance thread: watches for changes, compiles, balances leases, and publishes what
//! the data plane reads. It frees what nobody reads any more, so that no serving thread does.

pub(crate) mod partners;

use self::partners::{caller, own_bidder, price_form};
use crate::audience::Audience;
use crate::caps;
use crate::clock;
use crate::config::Settings;
use crate::leases::Leases;
use crate::node::{self, Node};
use crate::pacers;
use crate::purse::Purse;
use crate::rates::Rates;
use crate::shutdown::Shutdown;
use crate::snapshot::Snapshot;
use anyhow::{Context, Result, anyhow, ensure};
use bidder::notice::price::Form;
use bidder::plan::{CampaignDay, GoalDay, LocalTime, Tick};
use bidder::{Catalog, Exchange, Pacers, Plan};
use control::civil::civil;
use control::compile::{Crediting, compile};
use control::serving::Reason;
use exchange::Market;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use ledger::store::{SqliteStore, Store, StoreError};
use ledger::{BudgetKey, Day, Micros, RateTable};
use metrics::gauge;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// How often changes are looked for and leases balanced.
const TICK: Duration = Duration::from_millis(200);
/// After how long a fault that lasts is told again.
const TELL_AGAIN: Duration = Duration::from_mins(1);
/// How often the file of currency rates is looked at, and the age of rates.
const RATES_POLL: Duration = Duration::from_secs(5);
/// How often it is looked at whether exchanges wait for our answers.
const THROTTLE: Duration = Duration::from_secs(2);
/// How often the pacers are saved.
const SAVE: Duration = Duration::from_mins(1);
/// Places of the reservation table that one tick looks at.
const SWEEP: usize = 65_536;

/// The state of the maintenance thread.
pub struct Publisher {
    node: Arc<Node>,
    leases: Leases,
    audience: Arc<Audience>,
    audience_due: Timestamp,
    rates: Rates,
    rates_due: Timestamp,
    throttle_due: Timestamp,
    pacers: Pacers,
    save_due: Instant,
    state: State,
    generation: Option<u64>,
    floors_generation: u64,
    next_change: Option<Timestamp>,
    retired: Vec<Arc<Snapshot>>,
}

impl Publisher {
    /// The maintenance of `node`.
    pub fn new(node: Arc<Node>, rates: Rates) -> Self {
        let nothing = node.snapshot.load_full();
        let leases = leases(&node.settings, &nothing.purse);
        let state = State {
            purse: nothing.purse.clone(),
            rates: Arc::clone(&nothing.rates),
            rates_stale: false,
            market: Arc::clone(&nothing.market),
            catalog: Arc::clone(&nothing.catalog),
            exchanges: Arc::default(),
            withheld: Arc::default(),
            keys: Arc::default(),
            crediting: Arc::default(),
            zones: Vec::new(),
            campaigns: Vec::new(),
            flexible: HashMap::new(),
        };
        Self {
            node,
            leases,
            audience: Arc::clone(&nothing.audience),
            audience_due: Timestamp::UNIX_EPOCH,
            rates,
            rates_due: Timestamp::UNIX_EPOCH,
            throttle_due: Timestamp::UNIX_EPOCH,
            pacers: Pacers::default(),
            save_due: clock::now() + SAVE,
            state,
            generation: None,
            floors_generation: 0,
            next_change: None,
            retired: Vec::new(),
        }
    }

    /// Works in turns until the shutdown; `woken` cuts a pause short after a change by the API.
    /// `report` is told of faults: they leave what is published in use.
    pub fn run(
        mut self,
        woken: &Receiver<()>,
        shutdown: &Shutdown,
        report: impl Fn(&anyhow::Error),
    ) {
        let mut told = Told::default();
        self.pacers = pacers::restore(&self.node.settings.storage).unwrap_or_else(|error| {
            report(&error);
            Pacers::default()
        });
        while !shutdown.begun() {
            if let Err(error) = self.turn(&report)
                && told.is_news(&error, clock::now())
            {
                report(&error);
            }
            match woken.recv_timeout(TICK) {
                Ok(()) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => std::thread::sleep(TICK),
            }
        }
        if let Err(error) = pacers::save(&self.node.settings.storage, &self.pacers) {
            report(&error);
        }
        let now_s = i64::from(clock::unix_s());
        let surrendered = self.leases.surrender(&self.node.writer, now_s);
        if let Some(Err(error)) = surrendered {
            report(&anyhow::Error::new(error).context("leases could not be given back"));
        }
    }

    fn turn(&mut self, report: &dyn Fn(&anyhow::Error)) -> Result<()> {
        let now_s = clock::unix_s();
        let now = Timestamp::from_millisecond(clock::unix_ms())?;
        if !self.node.writer.is_healthy() {
            self.reopen()?;
        }
        if self.node.reread.swap(false, Ordering::AcqRel) {
            self.generation = None;
            (self.audience_due, self.rates_due) = (Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH);
        }
        let generation = self.node.resources.generation()?;
        let heard = self.listen(now)?;
        let rated = self.rate(now, report);
        let floors = self.node.floor_feeds.generation();
        let fetched = self.floors_generation != floors;
        let due = heard || rated || fetched || self.next_change.is_some_and(|change| change <= now);
        let mut compiled = Ok(());
        if self.generation != Some(generation) || due {
            compiled = self.compile(now, report);
            if compiled.is_ok() {
                self.generation = Some(generation);
                self.floors_generation = floors;
            } else if self.generation.is_none() || self.next_change.is_some_and(|at| at <= now) {
                // There is nothing to go on with, or its budgets are those of another day.
                return compiled;
            }
        }
        let balanced = self.leases.balance(&self.node.writer, i64::from(now_s));
        balanced.context("the ledger has ended")??;
        self.throttle(now);
        self.plan(now)?;
        let purse = &self.state.purse;
        purse.reservations.sweep(&purse.book, now_s, SWEEP);
        // A generation is freed here, by its last owner, once every request has moved on.
        self.retired.retain(|old| Arc::strong_count(old) > 1);
        if self.save_due <= clock::now() {
            self.save_due = clock::now() + SAVE;
            let saved = pacers::save(&self.node.settings.storage, &self.pacers);
            compiled = compiled.and(saved);
        }
        // What is published stays in use, with fresh leases and pacing, and the fault is told.
        compiled
    }

    /// Begins a new run after a commit has failed: the books are opened again, what the failed
    /// run had leased stays with its bids, and all budgets are leased anew.
    fn reopen(&mut self) -> Result<()> {
        let node = &self.node;
        let last = SqliteStore::last_run(&node::ledger_file(&node.settings.storage))?;
        ensure!(
            last == self.state.purse.epoch,
            "another process has opened the ledger in {}: this node has stopped bidding",
            node.settings.storage.display()
        );
        let store = node::open_ledger(&node.settings, &node.resources)?;
        let purse = Purse::new(store.epoch(), node.settings.reservations);
        let (book, open) = (Arc::clone(&purse.book), Arc::clone(&purse.reservations));
        // What the failed commit may have made durable all the same, nobody has counted yet.
        caps::catch_up(&node.caps, &store)?;
        let reopened = node.writer.reopen(Box::new(store), book, open);
        ensure!(reopened, "the ledger has ended");
        self.leases = leases(&node.settings, &purse);
        self.state.purse = purse;
        // Everything is compiled again, into places of the new purse.
        self.generation = None;
        Ok(())
    }

    fn compile(&mut self, now: Timestamp, report: &dyn Fn(&anyhow::Error)) -> Result<()> {
        let records = self.node.resources.all()?;
        let leases = &mut self.leases;
        let compiled =
            compile(&records, now, &mut |budget| leases.slot(&budget.key)).map_err(|faults| {
                let shown: Vec<String> = faults
                    .iter()
                    .map(|f| format!("{}: {}", f.pointer, f.detail))
                    .collect();
                anyhow!("the resources do not compile: {}", shown.join("; "))
            })?;
        let before = self.node.snapshot.load_full();
        let settings = &self.node.settings;
        let mut selling = compiled.exchange;
        selling.categories = Arc::clone(&self.node.categories);
        let now_s = clock::unix_s();
        self.node.floor_feeds.fill(&mut selling.publishers, now_s);
        if settings.local_bidder {
            selling.partners.push(own_bidder(&settings.exchange_name));
        }
        let rates = Arc::clone(&self.state.rates);
        let market = Market::compile(selling, (*rates).clone(), Some(&before.market))
            .map_err(|faults| anyhow!("the market does not compile: {faults:?}"))?;
        let payers: HashMap<&str, usize> = compiled
            .bidder
            .advertisers
            .iter()
            .map(|one| one.id.as_str())
            .zip(0..)
            .collect();
        let campaigns = compiled.bidder.campaigns.iter().map(|one| {
            // The catalog's own check names a campaign whose advertiser is missing.
            (
                one.id.clone(),
                payers
                    .get(one.advertiser.as_str())
                    .copied()
                    .unwrap_or_default(),
            )
        });
        let campaigns: Vec<(String, usize)> = campaigns.collect();
        let ids: HashSet<&str> = campaigns.iter().map(|(id, _)| &**id).collect();
        self.pacers.keep(&ids);
        let names = &self.audience.names;
        let mut buying = compiled.bidder;
        buying.taxonomies.clone_from(&self.node.taxonomies);
        let catalog = Catalog::build(buying, |segment| names.get(segment))
            .map_err(|faults| anyhow!("the catalog does not compile: {faults:?}"))?;
        let price_keys = settings.price_keys.as_deref();
        let callers = compiled.sellers.iter().map(|seller| {
            let form = price_form(seller, price_keys).unwrap_or_else(|error| {
                // Its bids go on; its notices are refused and noted until the keys are there.
                report(&error.context(format!("the prices of {} cannot be read", seller.id)));
                Form::Sealed(None)
            });
            let mut caller = caller(seller, form);
            // What was learnt of an exchange outlives its settings.
            if let Some(before) = self.state.exchanges.get(&seller.id) {
                caller.throttle = Arc::clone(&before.throttle);
            }
            (seller.id.clone(), caller)
        });
        self.node.caps.remember(catalog.longest_window_s());
        // Last, so that what does not compile leaves the budgets that are in use leased.
        let employed = self.leases.employ(&self.node.writer, compiled.budgets);
        employed.context("the ledger has ended")??;
        let flexible = self.flexible(now, &compiled.zones, &campaigns, compiled.flexible)?;
        self.state = State {
            purse: self.state.purse.clone(),
            rates,
            rates_stale: self.state.rates_stale,
            market: Arc::new(market),
            catalog: Arc::new(catalog),
            exchanges: Arc::new(callers.collect()),
            keys: Arc::new(compiled.keys),
            withheld: Arc::new(compiled.not_serving.into_iter().collect()),
            crediting: Arc::new(compiled.crediting),
            zones: compiled.zones,
            campaigns,
            flexible,
        };
        self.next_change = compiled.next_change;
        Ok(())
    }

    /// The daily budgets that are so on average, with the days of the month that are over.
    fn flexible(
        &self,
        now: Timestamp,
        zones: &[TimeZone],
        campaigns: &[(String, usize)],
        mut daily: HashMap<String, Micros>,
    ) -> Result<HashMap<String, (Micros, u32)>> {
        if daily.is_empty() {
            return Ok(HashMap::new());
        }
        let mut wanted = Vec::with_capacity(daily.len());
        for (campaign, advertiser) in campaigns {
            if let Some(daily) = daily.remove(campaign) {
                let today = civil(&zones[*advertiser], now).context("no such day")?;
                let day = Day(u32::try_from(today.day_number).unwrap_or_default());
                wanted.push((campaign.clone(), daily, day));
            }
        }
        let counted = self.node.writer.call(move |store| {
            let counted = wanted.into_iter().map(|(campaign, daily, day)| {
                let before = store.days_before(&campaign, day)?;
                Ok((campaign, (daily, before)))
            });
            counted.collect()
        });
        let counted: Result<_, StoreError> = counted.context("the ledger has ended")?;
        Ok(counted?)
    }

    /// Looks for a new generation of the audience and says whether there is one.
    fn listen(&mut self, now: Timestamp) -> Result<bool> {
        let settings = &self.node.settings;
        let Some(path) = settings.audience_file.as_deref() else {
            return Ok(false);
        };
        if self.audience_due > now {
            return Ok(false);
        }
        self.audience_due = now + settings.audience_poll;
        let (seed, shrink) = (self.node.user_seed, settings.audience_allow_shrink);
        let Some((next, _)) = self.audience.next(path, seed, shrink)? else {
            return Ok(false);
        };
        self.audience = next;
        Ok(true)
    }

    /// Looks for new rates and for old ones, and says whether others are to be used from now on.
    fn rate(&mut self, now: Timestamp, report: &dyn Fn(&anyhow::Error)) -> bool {
        if self.rates_due > now {
            return false;
        }
        self.rates_due = now + RATES_POLL;
        // A file that cannot be read leaves the rates in use, until they are too old.
        let read = self.rates.reread().unwrap_or_else(|error| {
            report(&error);
            false
        });
        let table = self.rates.at(now);
        let stale = self.rates.stale(now);
        gauge!("gavel_rates_stale").set(f64::from(u8::from(stale)));
        if stale && !self.state.rates_stale {
            report(&anyhow!(
                "the currency rates of {} are too old, nothing is converted",
                table.date()
            ));
        }
        let changed = read || stale != self.state.rates_stale;
        (self.state.rates, self.state.rates_stale) = (table, stale);
        changed
    }

    /// Concludes every few seconds how much of each exchange's requests is passed over.
    fn throttle(&mut self, now: Timestamp) {
        if now < self.throttle_due {
            return;
        }
        self.throttle_due = now.checked_add(THROTTLE).unwrap_or(Timestamp::MAX);
        for (id, exchange) in self.state.exchanges.iter() {
            exchange.throttle.turn();
            let skipped = f64::from(exchange.throttle.skipped_ppm()) / 1e6;
            gauge!("gavel_exchange_skipped_ratio", "exchange" => id.clone()).set(skipped);
        }
    }

    /// Plans the next moment and publishes it with everything else.
    fn plan(&mut self, now: Timestamp) -> Result<()> {
        let now_ms = now.as_millisecond();
        let days = self
            .state
            .zones
            .iter()
            .map(|zone| civil(zone, now).context("no such day"));
        let days = days.collect::<Result<Vec<_>>>()?;
        let clocks: Vec<LocalTime> = self
            .state
            .zones
            .iter()
            .zip(&days)
            .map(|(zone, day)| LocalTime {
                utc_offset_s: zone.to_offset(now).seconds(),
                day_start_ms: day.day_start.as_millisecond(),
                day_end_ms: day.day_end.as_millisecond(),
            })
            .collect();
        let catalog = &self.state.catalog;
        let campaigns: Vec<CampaignDay> = self
            .state
            .campaigns
            .iter()
            .map(|(campaign, advertiser)| {
                let day = Day(u32::try_from(days[*advertiser].day_number).unwrap_or_default());
                let flexible = self.state.flexible.get(campaign).copied();
                CampaignDay::of(campaign, day, flexible, |key| {
                    self.leases.state(&key.to_string())
                })
            })
            .collect();
        let goals = catalog.goals().map(|(at, line_item, draws, advertiser)| {
            let day = Day(clocks[advertiser as usize].day(now_ms));
            let state = |key: BudgetKey<'_>| self.leases.state(&key.to_string());
            (at, GoalDay::of((line_item, draws), day, state))
        });
        let tick = Tick {
            now_ms,
            advertisers: &clocks,
            campaigns: &campaigns,
            goals: &goals.collect::<Vec<_>>(),
        };
        let plan = Plan::next(catalog, &self.state.purse.book, &mut self.pacers, tick);
        let before = self.node.snapshot.load_full();
        let next = Snapshot {
            market: Arc::clone(&self.state.market),
            geo: before.geo.clone(),
            catalog: Arc::clone(catalog),
            plan,
            audience: Arc::clone(&self.audience),
            exchanges: Arc::clone(&self.state.exchanges),
            withheld: Arc::clone(&self.state.withheld),
            keys: Arc::clone(&self.state.keys),
            crediting: Arc::clone(&self.state.crediting),
            rates: Arc::clone(&self.state.rates),
            purse: self.state.purse.clone(),
            hour: self.node.hours.turn(clock::unix_s() / 3_600),
        };
        drop(before);
        self.retired.push(self.node.publish(Arc::new(next)));
        Ok(())
    }
}

/// What the operator was told last: the same fault again is no news for a minute.
#[derive(Default)]
struct Told(Option<(String, Instant)>);

impl Told {
    fn is_news(&mut self, error: &anyhow::Error, now: Instant) -> bool {
        let text = format!("{error:#}");
        let known = self.0.as_ref().is_some_and(|(told, at)| {
            *told == text && now.saturating_duration_since(*at) < TELL_AGAIN
        });
        if !known {
            self.0 = Some((text, now));
        }
        !known
    }
}

/// What was compiled last.
struct State {
    purse: Purse,
    rates: Arc<RateTable>,
    rates_stale: bool,
    market: Arc<Market>,
    catalog: Arc<Catalog>,
    exchanges: Arc<HashMap<String, Exchange>>,
    withheld: Arc<HashMap<String, Vec<Reason>>>,
    keys: Arc<HashSet<String>>,
    crediting: Arc<HashMap<String, Crediting>>,
    zones: Vec<TimeZone>,
    /// Campaigns in the catalog's order, with the place of their advertiser.
    campaigns: Vec<(String, usize)>,
    /// By campaign with a flexible daily budget, what an average day may spend, and how many days
    /// of this month were before today.
    flexible: HashMap<String, (Micros, u32)>,
}

fn leases(settings: &Settings, purse: &Purse) -> Leases {
    let (least, share) = (settings.min_slice.0, settings.lease_share_percent);
    Leases::new(Arc::clone(&purse.book), least, share)
}
