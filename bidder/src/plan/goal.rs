//! Goals of a line item: so many impressions in all, so many on a day, so many clicks.
//!
//! The ledger holds impressions from the bid on, as it holds money, so a goal is never exceeded.
//! Here they are spread: a line item that is ahead of its hours waits for the next tick. Clicks
//! happen to a bid long after it was made; the goal of clicks stops new bids and nothing else.

use super::{Idle, LocalTime};
use crate::catalog::{Flight, Hours, Item, Pacing};
use ledger::store::BudgetState;
use ledger::{Book, BudgetKey, Day, Draws, Multiplier};

const HOUR_MS: i64 = 3_600_000;

/// How far ahead of its hours a line item may be, so that the first impressions need not wait.
const LEAD_MS: i64 = 60_000;

/// Millionths: the most that there may be, and what there was.
type Counted = Option<(i64, i64)>;

/// What the books tell of a line item's goals on a day of its advertiser.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GoalDay {
    /// Impressions in all.
    pub total: Counted,
    /// Impressions today. Where nothing is said of a day, it may take all.
    pub today: Counted,
    /// Clicks in all.
    pub clicks: Counted,
}

impl GoalDay {
    /// The goals of a line item that draws on them: `state` of each of its budgets.
    pub fn of<'s>(
        (line_item, draws): (&str, Draws),
        day: Day,
        state: impl Fn(BudgetKey<'_>) -> Option<&'s BudgetState>,
    ) -> Self {
        let counted = |drawn: bool, key: BudgetKey<'_>| {
            let state = drawn.then(|| state(key)).flatten()?;
            Some((state.limit.0, state.spent.0))
        };
        Self {
            total: counted(draws.impressions, BudgetKey::Impressions(line_item)),
            today: counted(
                draws.impressions_day,
                BudgetKey::ImpressionsDay(line_item, day),
            ),
            clicks: counted(draws.clicks, BudgetKey::Clicks(line_item)),
        }
    }

    /// Why a line item does not bid now, as far as its goals go.
    pub(super) fn idle(
        &self,
        (item, flight): (&Item, &Flight),
        book: &Book,
        (now_ms, clock): (i64, LocalTime),
    ) -> Option<Idle> {
        let reached = |counted: Counted| counted.is_some_and(|(most, so_far)| so_far >= most);
        let one = Multiplier::ONE.millionths();
        let mut goals = item.budget.goals().iter();
        if reached(self.total)
            || reached(self.today)
            || reached(self.clicks)
            || goals.any(|goal| book.available(*goal) < one)
        {
            return Some(Idle::GoalReached);
        }
        if flight.pacing == Pacing::Asap {
            return None;
        }
        let start_ms = clock.day_start_ms.max(flight.start_ms);
        let end_ms = clock.day_end_ms.min(flight.end_ms);
        let (aim, shown) = self.aim((start_ms, end_ms), flight.end_ms)?;
        let until = |until_ms| open_ms(item.hours, clock, (start_ms, until_ms));
        let (elapsed, all) = (until((now_ms + LEAD_MS).min(end_ms)), until(end_ms));
        let due = i128::from(aim) * i128::from(elapsed) / i128::from(all.max(1));
        (i128::from(shown) > due).then_some(Idle::AheadOfGoal)
    }

    /// How many impressions are to be had today and how many were; `None` where nothing is to be
    /// spread: nothing is said of a day, and the flight has no end.
    fn aim(&self, (start_ms, end_ms): (i64, i64), flight_end_ms: i64) -> Option<(i64, i64)> {
        let (most, shown) = self.today?;
        let Some((total, so_far)) = self.total else {
            return Some((most, shown));
        };
        let left = (total - (so_far - shown)).max(0);
        if most < total {
            return Some((most.min(left), shown));
        }
        if flight_end_ms == i64::MAX {
            return None;
        }
        let (day_ms, flight_ms) = (end_ms - start_ms, flight_end_ms - start_ms);
        let share = i128::from(left) * i128::from(day_ms.max(0)) / i128::from(flight_ms.max(1));
        Some((share as i64, shown))
    }
}

/// How many milliseconds of a part of a day lie in the hours of a line item.
fn open_ms(hours: Hours, clock: LocalTime, (from_ms, to_ms): (i64, i64)) -> i64 {
    let mut open = 0;
    let mut at = from_ms;
    while at < to_ms {
        let next = (at + HOUR_MS - clock.since_hour_ms(at)).min(to_ms);
        if hours.contains(clock.hour_of_week(at)) {
            open += next - at;
        }
        at = next;
    }
    open
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-23 00:00 UTC, a Monday.
    const MONDAY_MS: i64 = 1_795_392_000_000;
    const DAY_MS: i64 = 24 * HOUR_MS;

    #[test]
    fn a_day_aims_at_its_goal_or_at_its_share_of_the_flight() {
        let goal = |total, today| GoalDay {
            total,
            today,
            clicks: None,
        };
        let day = (MONDAY_MS, MONDAY_MS + DAY_MS);
        for (goal, flight_days, expected) in [
            (goal(None, Some((50, 7))), None, Some((50, 7))),
            (goal(Some((1_000, 300)), Some((50, 7))), None, Some((50, 7))),
            (goal(Some((1_000, 970)), Some((50, 7))), None, Some((37, 7))),
            // 700 are left for this day and six more.
            (
                goal(Some((1_000, 310)), Some((1_000, 10))),
                Some(7),
                Some((100, 10)),
            ),
            (goal(Some((1_000, 310)), Some((1_000, 10))), None, None),
        ] {
            let end = flight_days.map_or(i64::MAX, |days: i64| MONDAY_MS + days * DAY_MS);
            assert_eq!(goal.aim(day, end), expected, "{goal:?}");
        }
    }

    #[test]
    fn hours_that_are_closed_do_not_count() {
        let clock = LocalTime::utc(MONDAY_MS);
        let hours = [8, 9, 20].into_iter().fold(Hours::NONE, Hours::with);
        let until = |minutes: i64| {
            let to_ms = MONDAY_MS + minutes * 60_000;
            open_ms(hours, clock, (MONDAY_MS, to_ms)) / 60_000
        };
        assert_eq!(
            [480, 510, 600, 1_200, 1_215, 1_440].map(until),
            [0, 30, 120, 120, 135, 180]
        );
    }
}
