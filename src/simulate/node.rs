//! One node of the bidder in virtual time: catalog, plan, leases, open bids and the ledger's
//! books, moved on by ticks as the maintenance thread of a node does it.

use super::books::Books;
use super::setup::Setup;
use anyhow::{Context, Result, anyhow};
use audience::{Generation, KeySeed, Lookup};
use bidder::plan::{CampaignDay, GoalDay, LocalTime, Tick};
use bidder::{
    Appraisal, Catalog, Decided, DecisionScratch, Exchange, FrequencyCaps, Links, Outcome, Pacers,
    Plan, Runtime, Snapshot,
};
use control::civil::civil;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use ledger::lease::adjustment;
use ledger::store::Budget;
use ledger::token::Signer;
use ledger::{Book, BudgetKey, BudgetSlot, Day, Micros, Reservations, Unit};
use std::collections::{HashMap, HashSet};

/// The least slice of a goal, as a node leases it.
const GOAL_SLICE: i64 = 100_000_000;
/// Bids that may be open at once.
const MOST_OPEN: usize = 1 << 17;
/// Users whose impressions are counted.
const MOST_USERS: usize = 1 << 20;
/// Least slice of a budget, and the share of what remains that a slice is.
const SLICE: (i64, i64) = (1_000_000, 25);

/// A node.
pub struct Node {
    setup: Setup,
    pub(super) books: Books,
    pub(super) exchange: Exchange,
    pub(super) signer: Signer,
    links: Links,
    pacers: Pacers,
    lookup: Lookup,
    /// What a crash takes.
    pub(super) memory: Memory,
    state: State,
    scratch: DecisionScratch,
    next_change_ms: i64,
}

/// What a node has in memory alone.
pub(super) struct Memory {
    pub(super) epoch: u32,
    pub(super) book: Book,
    pub(super) reservations: Reservations,
    caps: FrequencyCaps,
    slots: HashMap<String, BudgetSlot>,
    used: HashSet<String>,
}

impl Memory {
    fn new(epoch: u32) -> Self {
        Self {
            epoch,
            book: Book::default(),
            reservations: Reservations::new(MOST_OPEN),
            caps: FrequencyCaps::new(MOST_USERS),
            slots: HashMap::new(),
            used: HashSet::new(),
        }
    }

    fn slot(&mut self, budget: &Budget) -> Option<BudgetSlot> {
        if let Some(slot) = self.slots.get(&budget.key) {
            return Some(*slot);
        }
        let slot = self.book.add()?;
        self.slots.insert(budget.key.clone(), slot);
        Some(slot)
    }
}

/// What was compiled last, and planned with it.
struct State {
    catalog: Catalog,
    plan: Plan,
    zones: Vec<TimeZone>,
    /// Campaigns in the catalog's order, with the place of their advertiser.
    campaigns: Vec<(String, usize)>,
    /// Daily budgets that are so on average, by campaign.
    flexible: HashMap<String, Micros>,
    places: HashMap<String, u32>,
}

/// A line item of the catalog, as scores know it.
#[derive(Clone, Debug)]
pub struct Buyer {
    /// Its id.
    pub id: String,
    /// Id of its campaign.
    pub campaign: String,
    /// The most that it bids, where its price is fixed.
    pub fixed: Option<ledger::Cpm>,
    /// Timezone of its advertiser.
    pub zone: TimeZone,
}

impl Node {
    /// A node over `setup` that starts at `now_ms` (unix milliseconds).
    ///
    /// # Errors
    /// What does not compile.
    pub fn new(setup: Setup, exchange: Option<&str>, now_ms: i64) -> Result<Self> {
        let mut books = Books::default();
        let mut memory = Memory::new(books.open(now_ms / 1_000, 0));
        let compiled = setup.compile(now_ms, &mut |budget| memory.slot(budget))?;
        let exchange = setup.exchange(&compiled, exchange)?;
        let empty = Catalog::build(bidder::catalog::Input::default(), |_| None);
        let catalog = empty.map_err(|faults| anyhow!("{faults:?}"))?;
        let mut node = Self {
            setup,
            books,
            exchange,
            signer: Signer::new(&[(1, [7; 32])]),
            links: Links::new("http://simulate.invalid"),
            pacers: Pacers::default(),
            lookup: Lookup::empty(Generation(0)),
            memory,
            state: State {
                plan: Plan::idle(&catalog),
                catalog,
                zones: Vec::new(),
                campaigns: Vec::new(),
                flexible: HashMap::new(),
                places: HashMap::new(),
            },
            scratch: DecisionScratch::default(),
            next_change_ms: 0,
        };
        node.tick(now_ms)?;
        Ok(node)
    }

    /// The line items, in the order of the catalog.
    ///
    /// # Errors
    /// Where the resources do not compile.
    pub fn buyers(&self, now_ms: i64) -> Result<Vec<Buyer>> {
        let compiled = self.setup.compile(now_ms, &mut |_| Some(BudgetSlot(0)))?;
        let zones: HashMap<&str, &TimeZone> = compiled
            .bidder
            .advertisers
            .iter()
            .map(|one| one.id.as_str())
            .zip(&compiled.zones)
            .collect();
        let payer: HashMap<&str, &str> = compiled
            .bidder
            .campaigns
            .iter()
            .map(|one| (one.id.as_str(), one.advertiser.as_str()))
            .collect();
        let mut by_id: HashMap<&str, Buyer> = HashMap::new();
        for one in &compiled.bidder.line_items {
            let zone = payer
                .get(one.campaign.as_str())
                .and_then(|id| zones.get(id));
            by_id.insert(
                &one.id,
                Buyer {
                    id: one.id.clone(),
                    campaign: one.campaign.clone(),
                    fixed: (one.strategy == bidder::catalog::Strategy::FixedCpm)
                        .then_some(one.max_cpm),
                    zone: zone.map_or(TimeZone::UTC, |zone| (*zone).clone()),
                },
            );
        }
        let ids = self.state.catalog.line_item_ids();
        ids.map(|id| {
            by_id
                .remove(id)
                .with_context(|| format!("{id} has no campaign"))
        })
        .collect()
    }

    /// How many line items the catalog has.
    pub fn line_items(&self) -> usize {
        self.state.catalog.line_items()
    }

    /// The place of a line item in the catalog.
    pub fn place(&self, line_item: &str) -> Option<u32> {
        self.state.places.get(line_item).copied()
    }

    /// What a line item could have bid on since the last tick.
    pub fn eligible(&self, line_item: usize) -> u64 {
        self.state.plan.eligible_requests(line_item)
    }

    /// Maintains the node at `now_ms`: compiles where something has changed, frees what has
    /// expired, balances leases and makes the plan until the next tick. Whether it compiled.
    ///
    /// # Errors
    /// What does not compile.
    pub fn tick(&mut self, now_ms: i64) -> Result<bool> {
        let changed = now_ms >= self.next_change_ms;
        if changed {
            self.compile(now_ms)?;
        }
        let now_s = u32::try_from(now_ms / 1_000).unwrap_or_default();
        self.memory
            .reservations
            .sweep(&self.memory.book, now_s, MOST_OPEN);
        self.books.thaw(i64::from(now_s));
        self.balance();
        self.plan(now_ms)?;
        Ok(changed)
    }

    fn compile(&mut self, now_ms: i64) -> Result<()> {
        let memory = &mut self.memory;
        let compiled = self
            .setup
            .compile(now_ms, &mut |budget| memory.slot(budget))?;
        memory.used.clear();
        for budget in compiled.budgets {
            self.books.set_budget(&budget.key, budget.limit);
            memory.used.insert(budget.key);
        }
        let input = compiled.bidder;
        let payers: Vec<&String> = input.advertisers.iter().map(|one| &one.id).collect();
        let place = |id: &String| payers.iter().position(|payer| *payer == id);
        let campaigns = input.campaigns.iter();
        let campaigns = campaigns
            .map(|one| (one.id.clone(), place(&one.advertiser).unwrap_or_default()))
            .collect();
        let catalog = Catalog::build(input, |_| None)
            .map_err(|faults| anyhow!("the catalog does not compile: {faults:?}"))?;
        let ids = catalog.line_item_ids().map(str::to_owned);
        self.state = State {
            places: ids.zip(0..).collect(),
            plan: Plan::idle(&catalog),
            catalog,
            zones: compiled.zones,
            campaigns,
            flexible: compiled.flexible,
        };
        let next = compiled.next_change;
        self.next_change_ms = next.map_or(i64::MAX, Timestamp::as_millisecond);
        Ok(())
    }

    fn balance(&mut self) {
        let Memory {
            book, slots, used, ..
        } = &mut self.memory;
        slots.retain(|key, slot| {
            let available = book.available(*slot);
            let least = match Unit::of(key) {
                Unit::Money => SLICE.0,
                Unit::Impressions => GOAL_SLICE,
                Unit::Clicks => return used.contains(key),
            };
            let change = if used.contains(key) {
                let remaining = self
                    .books
                    .budget(key)
                    .map_or(0, |state| state.remaining().0);
                adjustment(remaining, available, least, SLICE.1)
            } else {
                -available
            };
            if change < 0 {
                self.books.lease(key, -book.withdraw(*slot, -change));
            } else if change > 0 {
                book.grant(*slot, self.books.lease(key, change));
            }
            used.contains(key) || book.reserved(*slot) > 0
        });
    }

    fn plan(&mut self, now_ms: i64) -> Result<()> {
        let now = Timestamp::from_millisecond(now_ms)?;
        let mut clocks = Vec::with_capacity(self.state.zones.len());
        let mut days = Vec::with_capacity(self.state.zones.len());
        for zone in &self.state.zones {
            let day = civil(zone, now).context("no such day")?;
            clocks.push(LocalTime {
                utc_offset_s: zone.to_offset(now).seconds(),
                day_start_ms: day.day_start.as_millisecond(),
                day_end_ms: day.day_end.as_millisecond(),
            });
            days.push(Day(u32::try_from(day.day_number).unwrap_or_default()));
        }
        let campaigns: Vec<CampaignDay> = self
            .state
            .campaigns
            .iter()
            .map(|(campaign, advertiser)| {
                let flexible = self.state.flexible.get(campaign).map(|daily| {
                    let before = self.books.days_before(campaign, days[*advertiser]);
                    (*daily, before)
                });
                CampaignDay::of(campaign, days[*advertiser], flexible, |key| {
                    self.books.budget(&key.to_string())
                })
            })
            .collect();
        let goals = self.state.catalog.goals();
        let goals = goals.map(|(at, line_item, draws, advertiser)| {
            let state = |key: BudgetKey<'_>| self.books.budget(&key.to_string());
            let day = days[advertiser as usize];
            (at, GoalDay::of((line_item, draws), day, state))
        });
        let tick = Tick {
            now_ms,
            advertisers: &clocks,
            campaigns: &campaigns,
            goals: &goals.collect::<Vec<_>>(),
        };
        let book = &self.memory.book;
        self.state.plan = Plan::next(&self.state.catalog, book, &mut self.pacers, tick);
        Ok(())
    }

    /// Decides on a request as the data plane does.
    ///
    /// # Errors
    /// The outcome where there is no bid.
    pub fn decide(
        &mut self,
        body: &str,
        appraisal: &Appraisal,
        (now_ms, seed): (i64, u64),
        out: &mut Vec<u8>,
    ) -> Result<Decided, Outcome> {
        let snapshot = Snapshot {
            catalog: &self.state.catalog,
            plan: &self.state.plan,
            audience: &self.lookup,
            seed: KeySeed::default(),
            signer: &self.signer,
            links: &self.links,
            rates: None,
            exchange: &self.exchange,
            limits: openrtb::Limits::default(),
            appraisal: Some(appraisal),
        };
        let runtime = Runtime {
            reservations: &self.memory.reservations,
            book: &self.memory.book,
            caps: &self.memory.caps,
            epoch: self.memory.epoch,
            funnel: None,
        };
        let scratch = &mut self.scratch;
        bidder::decide(
            body.as_bytes(),
            &snapshot,
            runtime,
            scratch,
            (now_ms, seed),
            out,
        )
    }

    /// Loses everything that is in memory alone and starts again: leases are frozen until their
    /// reservations have expired, the pacers' state is read back as it was saved at the last
    /// tick.
    ///
    /// # Errors
    /// Where the saved state cannot be read.
    pub fn crash(&mut self, now_ms: i64) -> Result<()> {
        let saved = serde_json::to_vec(&self.pacers)?;
        let hold_s = i64::from(self.exchange.reservation_s);
        self.memory = Memory::new(self.books.open(now_ms / 1_000, hold_s));
        self.pacers = serde_json::from_slice(&saved).context("the pacers' saved state")?;
        self.next_change_ms = 0;
        self.tick(now_ms)?;
        Ok(())
    }
}
