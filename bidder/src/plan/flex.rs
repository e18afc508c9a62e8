//! Daily budgets that are so on average: a busy day may take more, the month may not.

use ledger::Micros;

/// A daily budget that is one on average: a day may take more, and the month may not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flex {
    /// The budget of an average day.
    pub daily: Micros,
    /// How many days of this month, before today, the campaign had a budget.
    pub days_before: u32,
    /// What may be spent in this month, and what was, today among it.
    pub month: (Micros, Micros),
}

impl Flex {
    /// What is to be spent today, of which `spent` was: the average of a day and what the days
    /// before have left, within the `most` of a day and what the month has left.
    pub(crate) fn aim(&self, most: Micros, spent: Micros) -> Micros {
        let (limit, so_far) = self.month;
        let before = (so_far.0 - spent.0).max(0);
        let due = i128::from(self.daily.0) * (i128::from(self.days_before) + 1);
        let aim = (due - i128::from(before)).max(self.daily.0.into());
        let left = (limit.0 - so_far.0).max(0) + spent.0;
        Micros(aim.min(most.0.min(left).into()) as i64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn flex(days_before: u32, so_far: i64) -> Flex {
        Flex {
            daily: Micros(100),
            days_before,
            month: (Micros(3_040), Micros(so_far)),
        }
    }

    #[test]
    fn what_earlier_days_left_is_due_within_the_most_of_a_day() {
        let most = Micros(200);
        for (days_before, so_far, spent, expected) in [
            // The first day of a campaign has its own budget.
            (0, 0, 0, 100),
            (0, 70, 70, 100),
            // Two days left 30 and 20.
            (2, 150, 0, 150),
            (2, 190, 40, 150),
            // Ten days of nothing are not due in one.
            (10, 0, 0, 200),
            // What was overspent is not taken back from a day.
            (3, 500, 0, 100),
            // The last of the month.
            (29, 2_980, 0, 60),
            (29, 3_020, 40, 60),
            (29, 3_100, 0, 0),
        ] {
            let aim = flex(days_before, so_far).aim(most, Micros(spent));
            assert_eq!(aim, Micros(expected), "{days_before} {so_far} {spent}");
        }
    }

    proptest! {
        /// However much of its aim each day finds traffic for, a month takes no more than its
        /// budget, a day no more than its most, and on average no more than was meant.
        #[test]
        fn a_month_keeps_its_average(found in prop::collection::vec(0_i64..=100, 1..31)) {
            let (most, mut so_far) = (Micros(200), 0);
            for (day, percent) in (0_u32..).zip(&found) {
                let aim = flex(day, so_far).aim(most, Micros(0)).0;
                prop_assert!(aim <= most.0);
                so_far += aim * percent / 100;
                prop_assert!(so_far <= 100 * (i64::from(day) + 1));
            }
            prop_assert!(so_far <= 3_040);
        }
    }
}
