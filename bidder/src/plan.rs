//! The plan of about a second: who may bid now, and how often. Made off the path from the
//! catalog, the clock and the books; read on it as bits and thresholds.
//!
//! Civil time is worked out by whoever makes the [`Tick`]: it says each advertiser's offset from
//! UTC, which covers daylight saving. Cost: about a millisecond for a hundred thousand line
//! items.

mod flex;
mod goal;
mod idle;

pub use flex::Flex;
pub use goal::GoalDay;
pub use idle::Idle;

use crate::bits::{put, words_for};
use crate::catalog::{Catalog, Flight, Item, Pacing, Strategy};
use crate::draw::Draw;
use crate::pace::{Control, Day, Pacers, Seen, Traffic};
use ledger::store::BudgetState;
use ledger::{Book, BudgetKey, Micros, MonthOf};
use std::sync::Arc;

/// An advertiser's clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LocalTime {
    /// Seconds east of UTC, now.
    pub utc_offset_s: i32,
    /// First millisecond of the advertiser's day, unix time.
    pub day_start_ms: i64,
    /// First millisecond after it.
    pub day_end_ms: i64,
}

impl LocalTime {
    /// A clock on UTC.
    pub fn utc(now_ms: i64) -> Self {
        const DAY_MS: i64 = 86_400_000;
        let day_start_ms = now_ms.div_euclid(DAY_MS) * DAY_MS;
        Self {
            utc_offset_s: 0,
            day_start_ms,
            day_end_ms: day_start_ms + DAY_MS,
        }
    }

    fn local_s(&self, now_ms: i64) -> i64 {
        now_ms.div_euclid(1_000) + i64::from(self.utc_offset_s)
    }

    /// Days since 1970-01-01 on the advertiser's calendar.
    pub fn day(&self, now_ms: i64) -> u32 {
        u32::try_from(self.local_s(now_ms).div_euclid(86_400)).unwrap_or_default()
    }

    /// Milliseconds since the hour began on the advertiser's clock.
    fn since_hour_ms(&self, now_ms: i64) -> i64 {
        (now_ms + i64::from(self.utc_offset_s) * 1_000).rem_euclid(3_600_000)
    }

    /// Hours since Monday 00:00.
    fn hour_of_week(&self, now_ms: i64) -> u32 {
        // 1970-01-01 was a Thursday.
        (self.local_s(now_ms).div_euclid(3_600) + 72).rem_euclid(168) as u32
    }
}

/// What a campaign may spend and has spent, today and in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CampaignDay {
    /// What may be spent today; `None` where the campaign has no daily budget.
    pub budget: Option<Micros>,
    /// What was charged today; of no account without a daily budget.
    pub spent: Micros,
    /// What may be spent in all and what was. Without a daily budget a flight that ends is paced
    /// by its days: each may spend its share of what the days before have left. Without an end
    /// either, nothing is paced.
    pub total: Option<(Micros, Micros)>,
    /// Where the daily budget is flexible, how; `budget` is then the most of a day.
    pub flex: Option<Flex>,
}

impl CampaignDay {
    /// What the books tell of a campaign on a day of its advertiser: `state` of each of its
    /// budgets, and the budget of an average day with the days before where it is flexible.
    pub fn of<'s>(
        campaign: &str,
        day: ledger::Day,
        flexible: Option<(Micros, u32)>,
        state: impl Fn(BudgetKey<'_>) -> Option<&'s BudgetState>,
    ) -> Self {
        let today = state(BudgetKey::CampaignDay(campaign, day));
        let total = state(BudgetKey::Campaign(campaign));
        let month = state(BudgetKey::CampaignMonth(campaign, MonthOf(day)));
        let flex = flexible
            .zip(month)
            .map(|((daily, days_before), month)| Flex {
                daily,
                days_before,
                month: (month.limit, month.spent),
            });
        Self {
            budget: today.map(|state| state.limit),
            spent: today.map(|state| state.spent).unwrap_or_default(),
            total: total.map(|state| (state.limit, state.spent)),
            flex,
        }
    }
}

/// What a plan is made from, besides the catalog.
#[derive(Clone, Copy, Debug)]
pub struct Tick<'t> {
    /// Unix milliseconds.
    pub now_ms: i64,
    /// The clocks of the advertisers, in the order of the catalog.
    pub advertisers: &'t [LocalTime],
    /// The campaigns, in the order of the catalog.
    pub campaigns: &'t [CampaignDay],
    /// The line items with goals, by their place in the catalog, ascending.
    pub goals: &'t [(u32, GoalDay)],
}

/// Who may bid now, and how often.
pub struct Plan {
    pub(crate) active: Box<[u64]>,
    /// Line items in their flight and hours, whether or not they have a budget.
    pub(crate) eligible: Box<[u64]>,
    /// How each campaign bids.
    pub(crate) controls: Box<[Control]>,
    pub(crate) traffic: Arc<Traffic>,
    any_eligible: bool,
    /// Why each line item does not bid, whatever is asked.
    idle: Box<[Option<Idle>]>,
    days: Box<[u32]>,
    /// Hour of the week of each advertiser.
    hours: Box<[u8]>,
    active_line_items: usize,
}

impl Plan {
    /// A plan in which nobody bids, until the first tick.
    pub fn idle(catalog: &Catalog) -> Self {
        Self {
            active: vec![0; catalog.index.words].into_boxed_slice(),
            eligible: vec![0; catalog.index.words].into_boxed_slice(),
            controls: vec![Control::STOPPED; catalog.campaigns.len()].into_boxed_slice(),
            traffic: Arc::new(Traffic::new(0)),
            any_eligible: false,
            idle: vec![Some(Idle::NotPlanned); catalog.items.len()].into_boxed_slice(),
            days: vec![0; catalog.advertisers.len()].into_boxed_slice(),
            hours: vec![0; catalog.advertisers.len()].into_boxed_slice(),
            active_line_items: 0,
        }
    }

    /// The plan of a tick, which moves the pacers on.
    ///
    /// # Panics
    /// Where the tick has not exactly the advertisers and campaigns of the catalog.
    pub fn next(catalog: &Catalog, book: &Book, pacers: &mut Pacers, tick: Tick<'_>) -> Self {
        assert_eq!(
            tick.advertisers.len(),
            catalog.advertisers.len(),
            "a clock for each"
        );
        assert_eq!(
            tick.campaigns.len(),
            catalog.campaigns.len(),
            "a day for each"
        );
        let now_ms = tick.now_ms;
        let seen = pacers.harvest();
        let controls: Box<[Control]> = catalog
            .campaigns
            .iter()
            .zip(tick.campaigns)
            .map(|(flight, today)| {
                let clock = tick.advertisers[flight.advertiser as usize];
                let seen = seen.get(&flight.id).copied().unwrap_or_default();
                control(flight, book, pacers, (now_ms, clock), today, seen)
            })
            .collect();
        let empty = || vec![0; words_for(catalog.items.len())].into_boxed_slice();
        let (mut active, mut eligible) = (empty(), empty());
        let mut active_line_items = 0;
        let mut open = vec![false; catalog.campaigns.len()];
        let mut idle = vec![None; catalog.items.len()].into_boxed_slice();
        let mut goals = tick.goals.iter().peekable();
        for ((item, at), idle) in catalog.items.iter().zip(0..).zip(&mut idle) {
            let goal = goals.next_if(|(place, _)| *place == at);
            let clock = tick.advertisers[item.advertiser as usize];
            *idle = unready(catalog, item, now_ms, clock);
            if idle.is_some() {
                continue;
            }
            put(&mut eligible, at);
            let flight = &catalog.campaigns[item.campaign as usize];
            *idle = goal
                .and_then(|(_, goal)| goal.idle((item, flight), book, (now_ms, clock)))
                .or_else(|| broke(item, book, controls[item.campaign as usize]));
            if idle.is_none() {
                put(&mut active, at);
                open[item.campaign as usize] = true;
                active_line_items += 1;
            }
        }
        let traffic = Arc::new(Traffic::new(catalog.items.len()));
        pacers.watch(catalog, &traffic, &open);
        let days = tick
            .advertisers
            .iter()
            .map(|clock| clock.day(now_ms))
            .collect();
        let hours = tick
            .advertisers
            .iter()
            .map(|clock| clock.hour_of_week(now_ms) as u8)
            .collect();
        Self {
            any_eligible: eligible.iter().any(|word| *word != 0),
            idle,
            active,
            eligible,
            controls,
            traffic,
            days,
            hours,
            active_line_items,
        }
    }

    /// The hour of the week of an advertiser, in the order of the catalog; Monday 00:00 first.
    pub(crate) fn hour(&self, advertiser: u32) -> u32 {
        self.hours[advertiser as usize].into()
    }

    /// The day number of an advertiser, in the order of the catalog.
    pub(crate) fn day(&self, advertiser: u32) -> u32 {
        self.days[advertiser as usize]
    }

    /// Why a line item, in the order of the catalog, does not bid now, whatever is asked; `None`
    /// where it may.
    pub fn why_idle(&self, line_item: usize) -> Option<Idle> {
        self.idle.get(line_item).copied().flatten()
    }

    /// How many line items may bid.
    pub fn active_line_items(&self) -> usize {
        self.active_line_items
    }

    /// Whether a request is counted as traffic.
    pub(crate) fn counts(&self, draw: Draw) -> bool {
        self.any_eligible && self.traffic.samples(draw)
    }

    /// By what a campaign multiplies the values that it bids, and in which part of its requests
    /// its line items of a fixed price take part, 0 to 1; in the order of the catalog.
    pub fn pace(&self, campaign: usize) -> (f64, f64) {
        let control = self.controls[campaign];
        let fraction = |part: u32| f64::from(part) / f64::from(u32::MAX);
        (fraction(control.multiplier), fraction(control.fixed))
    }

    /// Adds requests that a line item could have bid on and that were counted elsewhere.
    pub fn add_traffic(&self, line_item: usize, requests: u32) {
        self.traffic.add(line_item, requests);
    }

    /// Requests that a line item could have bid on since the plan was made, in the order of the
    /// catalog; an estimate where a sample is counted.
    pub fn eligible_requests(&self, line_item: usize) -> u64 {
        self.traffic.read(line_item)
    }
}

/// How a campaign bids until the next tick.
fn control(
    flight: &Flight,
    book: &Book,
    pacers: &mut Pacers,
    (now_ms, clock): (i64, LocalTime),
    today: &CampaignDay,
    seen: Seen,
) -> Control {
    let start_ms = clock.day_start_ms.max(flight.start_ms);
    let end_ms = clock.day_end_ms.min(flight.end_ms);
    let pacer = pacers.of(&flight.id);
    let allowance = pacer.allowance(today, (start_ms, end_ms), flight.end_ms);
    let Some((budget, spent)) = allowance.filter(|_| flight.pacing != Pacing::Asap) else {
        return Control::FREE;
    };
    let day = Day {
        now_ms,
        start_ms,
        end_ms,
        midnight_ms: clock.day_end_ms,
        hour_of_week: clock.hour_of_week(now_ms),
        into_hour_ms: clock.since_hour_ms(now_ms),
        hours: flight.hours,
        budget,
        spent,
        reserved: Micros(flight.paced.map_or(0, |slot| book.reserved(slot))),
        requests: seen.requests,
        open: seen.open,
        most: flight.most,
        bids: flight.bids,
    };
    pacer.tick(flight.pacing, &day)
}

/// Why it is not in its flight and hours.
fn unready(catalog: &Catalog, item: &Item, now_ms: i64, clock: LocalTime) -> Option<Idle> {
    let flight = &catalog.campaigns[item.campaign as usize];
    if !item.active {
        Some(Idle::Inactive)
    } else if now_ms < flight.start_ms {
        Some(Idle::NotStarted)
    } else if now_ms >= flight.end_ms {
        Some(Idle::Ended)
    } else if item.hours.contains(clock.hour_of_week(now_ms)) {
        None
    } else {
        Some(Idle::OutsideHours)
    }
}

/// Why pacing does not let it bid, or which budget has not what one bid can hold.
fn broke(item: &Item, book: &Book, control: Control) -> Option<Idle> {
    if control == Control::STOPPED {
        return Some(Idle::Stopped);
    }
    let least = match item.strategy {
        Strategy::FixedCpm => item.most().0,
        // What is bid is mostly far below the most; leases refuse what is not there.
        Strategy::Value => item.most_at(control.scale(item.max_cpm)).0 / 8,
    };
    let slots = item.budget.money();
    let poor = slots.iter().any(|slot| book.available(*slot) < least);
    poor.then_some(Idle::NoBudget)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{Hours, Input};
    use crate::sample;

    /// 2026-11-23 00:00 UTC, a Monday.
    const MONDAY_MS: i64 = 1_795_392_000_000;

    #[test]
    fn local_time_follows_the_offset() {
        let mut clock = LocalTime::utc(MONDAY_MS);
        assert_eq!(clock.day_start_ms, MONDAY_MS);
        assert_eq!(
            (clock.hour_of_week(MONDAY_MS), clock.day(MONDAY_MS)),
            (0, 20_780)
        );
        clock.utc_offset_s = -3_600;
        assert_eq!(
            (clock.hour_of_week(MONDAY_MS), clock.day(MONDAY_MS)),
            (167, 20_779)
        );
        clock.utc_offset_s = 19_800;
        assert_eq!(clock.hour_of_week(MONDAY_MS), 5);
    }

    fn plan(change: impl Fn(&mut Input, &Book)) -> Plan {
        planned(change, MONDAY_MS, &[])
    }

    fn planned(change: impl Fn(&mut Input, &Book), now_ms: i64, goals: &[(u32, GoalDay)]) -> Plan {
        let book = Book::default();
        let mut input = sample::input(&book, 1);
        change(&mut input, &book);
        let catalog = Catalog::build(input, |_| None).unwrap();
        Plan::next(
            &catalog,
            &book,
            &mut Pacers::default(),
            Tick {
                now_ms,
                advertisers: &[LocalTime::utc(now_ms)],
                campaigns: &[CampaignDay {
                    budget: Some(Micros(1_000)),
                    ..CampaignDay::default()
                }],
                goals,
            },
        )
    }

    #[test]
    fn a_goal_is_spread_over_the_day_and_ends_when_it_is_reached() {
        const NOON_MS: i64 = MONDAY_MS + 12 * 3_600_000;
        let told = |pacing: Pacing, goal: GoalDay| {
            let change = |input: &mut Input, _: &Book| input.campaigns[0].pacing = pacing;
            planned(change, NOON_MS, &[(0, goal)]).why_idle(0)
        };
        let today = |shown| GoalDay {
            today: Some((24_000_000, shown)),
            ..GoalDay::default()
        };
        let clicks = |so_far| GoalDay {
            clicks: Some((2_000_000, so_far)),
            ..GoalDay::default()
        };
        for (goal, paced, at_once) in [
            (today(11_500_000), None, None),
            (today(12_500_000), Some(Idle::AheadOfGoal), None),
            (
                today(24_000_000),
                Some(Idle::GoalReached),
                Some(Idle::GoalReached),
            ),
            (clicks(1_000_000), None, None),
            (
                clicks(2_000_000),
                Some(Idle::GoalReached),
                Some(Idle::GoalReached),
            ),
        ] {
            assert_eq!(told(Pacing::Even, goal), paced, "{goal:?}");
            assert_eq!(told(Pacing::Asap, goal), at_once, "{goal:?}");
        }
    }

    #[test]
    fn a_line_item_is_active_by_status_flight_hour_and_budget() {
        let told = |plan: &Plan| {
            assert_eq!(
                plan.active_line_items(),
                usize::from(plan.why_idle(0).is_none())
            );
            plan.why_idle(0)
        };
        assert_eq!(told(&plan(|_, _| ())), None);
        let paused = plan(|input, _| input.line_items[0].active = false);
        assert_eq!(told(&paused), Some(Idle::Inactive));
        let ended = plan(|input, _| input.campaigns[0].end_ms = MONDAY_MS);
        assert_eq!(told(&ended), Some(Idle::Ended));
        let late = plan(|input, _| input.campaigns[0].start_ms = MONDAY_MS + 1);
        assert_eq!(told(&late), Some(Idle::NotStarted));
        let hours = |hour: u32| {
            move |input: &mut Input, _: &Book| {
                input.line_items[0].targeting.hours = Hours::NONE.with(hour);
            }
        };
        assert_eq!(told(&plan(hours(0))), None);
        assert_eq!(told(&plan(hours(1))), Some(Idle::OutsideHours));
        let poor = plan(|input, book| {
            let slot = input.line_items[0].budget.money()[0];
            book.withdraw(slot, i64::MAX);
        });
        assert_eq!(told(&poor), Some(Idle::NoBudget));
    }

    #[test]
    fn only_even_campaigns_are_paced() {
        assert!(plan(|_, _| ()).pace(0).1 < 0.5);
        let asap = plan(|input, _| input.campaigns[0].pacing = Pacing::Asap);
        assert_eq!(asap.pace(0), (1.0, 1.0));
    }
}
