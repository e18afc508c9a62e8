//! Why there is no bid. Not an error: most requests end here.

/// Why there is no bid, in the order of the phases: of several reasons the last one is told,
/// since it came closest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NoBid {
    /// `tmax` leaves no time to answer.
    InsufficientTime,
    /// The exchange has not waited for our answers of late, and some of its requests are passed
    /// over.
    Throttled,
    /// The imp is for the buyers of a deal only, and we are in none.
    PrivateAuction,
    /// None of our seats may buy here (`wseat`, `bseat`).
    SeatNotAllowed,
    /// No line item may bid now: status, flight, hours or budget.
    NothingActive,
    /// No active line item is targeted at this request.
    NotTargeted,
    /// The line item buys under deals only, and the imp offers none of them to it.
    NoDeal,
    /// The imp counts for no impressions, or for more than anybody looks at a screen.
    Multiplier,
    /// No creative fits the imp: format, size, duration, protocol.
    NoCreative,
    /// The exchange blocks the advertiser, category, application or attribute.
    Blocked,
    /// The creative is in no language that the request allows.
    LanguageNotAllowed,
    /// The exchange has not approved the creative yet.
    NotApproved,
    /// The imp takes secure resources only, and the markup loads others.
    NotSecure,
    /// No advertiser pays in a currency that the request allows, or no rate is known.
    CurrencyNotAllowed,
    /// Another bid for the request excludes this one: of the same line item, of a competitor, or
    /// in the same pod.
    Competing,
    /// The price is below the floor.
    BelowFloor,
    /// The price is below the least that the line item bids, or fees and data leave nothing of it.
    BelowMinimum,
    /// Pacing holds back.
    Paced,
    /// The line item needs a user id to count impressions, and there is none.
    UnknownUser,
    /// The user has seen enough today.
    FrequencyCapped,
    /// The line item's goal of impressions is reached, or held by open bids.
    GoalReached,
    /// No budget left on this node.
    NoBudget,
    /// Too many bids are open.
    ReservationsFull,
    /// The ledger has stopped: what would be bought now could not be charged.
    LedgerStopped,
}

impl NoBid {
    /// Every reason, in order.
    pub const ALL: [NoBid; 24] = [
        NoBid::InsufficientTime,
        NoBid::Throttled,
        NoBid::PrivateAuction,
        NoBid::SeatNotAllowed,
        NoBid::NothingActive,
        NoBid::NotTargeted,
        NoBid::NoDeal,
        NoBid::Multiplier,
        NoBid::NoCreative,
        NoBid::Blocked,
        NoBid::LanguageNotAllowed,
        NoBid::NotApproved,
        NoBid::NotSecure,
        NoBid::CurrencyNotAllowed,
        NoBid::Competing,
        NoBid::BelowFloor,
        NoBid::BelowMinimum,
        NoBid::Paced,
        NoBid::UnknownUser,
        NoBid::FrequencyCapped,
        NoBid::GoalReached,
        NoBid::NoBudget,
        NoBid::ReservationsFull,
        NoBid::LedgerStopped,
    ];

    /// The place in [`NoBid::ALL`], for an array of counters.
    pub fn index(self) -> usize {
        self as usize
    }

    /// The reason as a metric label.
    pub fn label(self) -> &'static str {
        match self {
            NoBid::InsufficientTime => "insufficient_time",
            NoBid::Throttled => "throttled",
            NoBid::PrivateAuction => "private_auction",
            NoBid::SeatNotAllowed => "seat_not_allowed",
            NoBid::NothingActive => "nothing_active",
            NoBid::NotTargeted => "not_targeted",
            NoBid::NoCreative => "no_creative",
            NoBid::NoDeal => "no_deal",
            NoBid::Multiplier => "multiplier",
            NoBid::Blocked => "blocked",
            NoBid::LanguageNotAllowed => "language_not_allowed",
            NoBid::NotApproved => "not_approved",
            NoBid::NotSecure => "not_secure",
            NoBid::CurrencyNotAllowed => "currency_not_allowed",
            NoBid::Competing => "competing",
            NoBid::BelowFloor => "below_floor",
            NoBid::BelowMinimum => "below_minimum",
            NoBid::Paced => "paced",
            NoBid::UnknownUser => "unknown_user",
            NoBid::FrequencyCapped => "frequency_capped",
            NoBid::GoalReached => "goal_reached",
            NoBid::NoBudget => "no_budget",
            NoBid::ReservationsFull => "reservations_full",
            NoBid::LedgerStopped => "ledger_stopped",
        }
    }

    /// `BidResponse.nbr` of the specification; 0 where its list has no word for the reason.
    pub fn nbr(self) -> i64 {
        match self {
            NoBid::ReservationsFull | NoBid::LedgerStopped => 1,
            NoBid::Multiplier => 2,
            NoBid::UnknownUser => 8,
            NoBid::FrequencyCapped => 9,
            NoBid::InsufficientTime => 15,
            NoBid::Throttled
            | NoBid::PrivateAuction
            | NoBid::SeatNotAllowed
            | NoBid::NothingActive
            | NoBid::NotTargeted
            | NoBid::NoCreative
            | NoBid::NoDeal
            | NoBid::Blocked
            | NoBid::LanguageNotAllowed
            | NoBid::NotApproved
            | NoBid::NotSecure
            | NoBid::CurrencyNotAllowed
            | NoBid::Competing
            | NoBid::BelowFloor
            | NoBid::BelowMinimum
            | NoBid::Paced
            | NoBid::GoalReached
            | NoBid::NoBudget => 0,
        }
    }
}

/// The reason that came closest to a bid.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Closest(Option<NoBid>);

impl Closest {
    pub(crate) fn note(&mut self, reason: NoBid) {
        self.0 = self.0.max(Some(reason));
    }

    /// Where no candidate was even looked at, all of them pay in other currencies.
    pub(crate) fn reason(self) -> NoBid {
        self.0.unwrap_or(NoBid::CurrencyNotAllowed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn indexes_and_labels_are_one_to_one() {
        for (place, reason) in NoBid::ALL.into_iter().enumerate() {
            assert_eq!(reason.index(), place);
        }
        let labels: HashSet<_> = NoBid::ALL.map(NoBid::label).into();
        assert_eq!(labels.len(), NoBid::ALL.len());
    }

    #[test]
    fn the_closest_reason_is_told() {
        let mut closest = Closest::default();
        assert_eq!(closest.reason(), NoBid::CurrencyNotAllowed);
        for reason in [NoBid::Blocked, NoBid::BelowFloor, NoBid::NoCreative] {
            closest.note(reason);
        }
        assert_eq!(closest.reason(), NoBid::BelowFloor);
    }
}
