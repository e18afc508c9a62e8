//! Why a line item does not bid, whatever is asked.

/// Why a line item does not bid now, whatever is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Idle {
    /// No plan was made yet.
    NotPlanned,
    /// Its status.
    Inactive,
    /// Its flight has not begun.
    NotStarted,
    /// Its flight is over.
    Ended,
    /// Not in this hour of the advertiser's week.
    OutsideHours,
    /// Its goal is reached, or what is left of it is held by open bids.
    GoalReached,
    /// It has had more of its goal than was due by now.
    AheadOfGoal,
    /// The day's budget of its campaign is spent, or held by open bids.
    Stopped,
    /// One of its budgets has less left on this node than a bid holds.
    NoBudget,
}

impl Idle {
    /// Every reason, in the order in which they are looked for.
    pub const ALL: [Idle; 9] = [
        Idle::NotPlanned,
        Idle::Inactive,
        Idle::NotStarted,
        Idle::Ended,
        Idle::OutsideHours,
        Idle::GoalReached,
        Idle::AheadOfGoal,
        Idle::Stopped,
        Idle::NoBudget,
    ];

    /// A word for programs.
    pub fn label(self) -> &'static str {
        match self {
            Idle::NotPlanned => "not_planned",
            Idle::Inactive => "inactive",
            Idle::NotStarted => "not_started",
            Idle::Ended => "ended",
            Idle::OutsideHours => "outside_hours",
            Idle::GoalReached => "goal_reached",
            Idle::AheadOfGoal => "ahead_of_goal",
            Idle::Stopped => "budget_of_day_spent",
            Idle::NoBudget => "no_budget_left",
        }
    }

    /// A sentence for people.
    pub fn detail(self) -> &'static str {
        match self {
            Idle::NotPlanned => "this node has not planned it yet",
            Idle::Inactive => "it is not active",
            Idle::NotStarted => "its flight has not begun",
            Idle::Ended => "its flight is over",
            Idle::OutsideHours => "not in this hour of the advertiser's week",
            Idle::GoalReached => "its goal is reached, or what is left of it is held by open bids",
            Idle::AheadOfGoal => "it has had more of its goal than was due by now",
            Idle::Stopped => "what its campaign may spend today is spent, or held by open bids",
            Idle::NoBudget => "one of its budgets has less left on this node than one bid holds",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_reason_has_a_word_of_its_own() {
        let labels: HashSet<_> = Idle::ALL.map(Idle::label).into();
        let details: HashSet<_> = Idle::ALL.map(Idle::detail).into();
        assert_eq!(
            (labels.len(), details.len()),
            (Idle::ALL.len(), Idle::ALL.len())
        );
    }
}
