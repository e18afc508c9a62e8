//! The plan of about a second: who may bid now, and how often. Made off the path from the
//! catalog, the clock and the books; read on it as bits and thresholds.
//!
//! Civil time is worked out by whoever makes the [`Tick`]: it says each advertiser's offset from
//! UTC, which covers daylight saving. Cost: about a millisecond for a hundred thousand line
//! items.

use crate::bits::{put, words_for};
use crate::catalog::{Catalog, Item, Pacing};
use crate::pace::{Day, Pacers, threshold};
use ledger::{Book, Micros};

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
    fn day(&self, now_ms: i64) -> u32 {
        u32::try_from(self.local_s(now_ms).div_euclid(86_400)).unwrap_or_default()
    }

    /// Hours since Monday 00:00.
    fn hour_of_week(&self, now_ms: i64) -> u32 {
        // 1970-01-01 was a Thursday.
        (self.local_s(now_ms).div_euclid(3_600) + 72).rem_euclid(168) as u32
    }
}

/// What a campaign may spend and has spent today.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CampaignDay {
    /// What may be spent today; `None` where nothing limits it, which is not paced.
    pub budget: Option<Micros>,
    /// What was charged today.
    pub spent: Micros,
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
}

/// Who may bid now, and how often.
pub struct Plan {
    pub(crate) active: Box<[u64]>,
    /// Thresholds of participation, by campaign.
    pub(crate) participation: Box<[u32]>,
    days: Box<[u32]>,
    active_line_items: usize,
}

impl Plan {
    /// A plan in which nobody bids, until the first tick.
    pub fn idle(catalog: &Catalog) -> Self {
        Self {
            active: vec![0; catalog.index.words].into_boxed_slice(),
            participation: vec![0; catalog.campaigns.len()].into_boxed_slice(),
            days: vec![0; catalog.advertisers.len()].into_boxed_slice(),
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
        let participation: Box<[u32]> = catalog
            .campaigns
            .iter()
            .zip(tick.campaigns)
            .map(|(flight, today)| {
                let clock = tick.advertisers[flight.advertiser as usize];
                match (flight.pacing, today.budget) {
                    (Pacing::Even, Some(budget)) => {
                        let day = Day {
                            start_ms: clock.day_start_ms,
                            // A flight that ends today has to be spent by then.
                            end_ms: clock.day_end_ms.min(flight.end_ms),
                            budget,
                            spent: today.spent,
                        };
                        threshold(pacers.of(&flight.id).tick(now_ms, day))
                    }
                    (Pacing::Asap, _) | (Pacing::Even, None) => u32::MAX,
                }
            })
            .collect();
        let mut active = vec![0; words_for(catalog.items.len())].into_boxed_slice();
        let mut active_line_items = 0;
        for (item, at) in catalog.items.iter().zip(0..) {
            let clock = tick.advertisers[item.advertiser as usize];
            if is_active(catalog, item, book, now_ms, clock)
                && participation[item.campaign as usize] > 0
            {
                put(&mut active, at);
                active_line_items += 1;
            }
        }
        let days = tick
            .advertisers
            .iter()
            .map(|clock| clock.day(now_ms))
            .collect();
        Self {
            active,
            participation,
            days,
            active_line_items,
        }
    }

    /// The day number of an advertiser, in the order of the catalog.
    pub(crate) fn day(&self, advertiser: u32) -> u32 {
        self.days[advertiser as usize]
    }

    /// The smallest day number of any advertiser, for
    /// [`FrequencyCaps::sweep`](crate::FrequencyCaps::sweep).
    pub fn oldest_day(&self) -> u32 {
        self.days.iter().copied().min().unwrap_or_default()
    }

    /// How many line items may bid.
    pub fn active_line_items(&self) -> usize {
        self.active_line_items
    }

    /// The participation of a campaign in the order of the catalog, 0 to 1.
    pub fn participation(&self, campaign: usize) -> f64 {
        f64::from(self.participation[campaign]) / f64::from(u32::MAX)
    }
}

fn is_active(catalog: &Catalog, item: &Item, book: &Book, now_ms: i64, clock: LocalTime) -> bool {
    let flight = &catalog.campaigns[item.campaign as usize];
    let least = item.max_cpm.most_per_impression().0;
    item.active
        && (flight.start_ms..flight.end_ms).contains(&now_ms)
        && item.hours.contains(clock.hour_of_week(now_ms))
        && item
            .budget
            .slots()
            .iter()
            .all(|slot| book.available(*slot) >= least)
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
        let book = Book::default();
        let mut input = sample::input(&book, 1);
        change(&mut input, &book);
        let catalog = Catalog::build(input, |_| None).unwrap();
        Plan::next(
            &catalog,
            &book,
            &mut Pacers::default(),
            Tick {
                now_ms: MONDAY_MS,
                advertisers: &[LocalTime::utc(MONDAY_MS)],
                campaigns: &[CampaignDay {
                    budget: Some(Micros(1_000)),
                    spent: Micros(0),
                }],
            },
        )
    }

    #[test]
    fn a_line_item_is_active_by_status_flight_hour_and_budget() {
        assert_eq!(plan(|_, _| ()).active_line_items(), 1);
        assert_eq!(
            plan(|input, _| input.line_items[0].active = false).active_line_items(),
            0
        );
        let ended = plan(|input, _| input.campaigns[0].end_ms = MONDAY_MS);
        assert_eq!(ended.active_line_items(), 0);
        let late = plan(|input, _| input.campaigns[0].start_ms = MONDAY_MS + 1);
        assert_eq!(late.active_line_items(), 0);
        let hours = |hour: u32| {
            move |input: &mut Input, _: &Book| {
                input.line_items[0].targeting.hours = Hours::NONE.with(hour);
            }
        };
        assert_eq!(plan(hours(0)).active_line_items(), 1);
        assert_eq!(plan(hours(1)).active_line_items(), 0);
        let poor = plan(|input, book| {
            let slot = input.line_items[0].budget.slots()[0];
            book.withdraw(slot, i64::MAX);
        });
        assert_eq!(poor.active_line_items(), 0);
    }

    #[test]
    fn only_even_campaigns_are_paced() {
        assert!(plan(|_, _| ()).participation(0) < 0.5);
        let asap = plan(|input, _| input.campaigns[0].pacing = Pacing::Asap);
        assert_eq!(asap.participation(0), 1.0);
    }
}
