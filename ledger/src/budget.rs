//! Which budgets a bid draws on, and the keys under which the ledger knows them.
//!
//! A bid says it in four flags and a day, so that its token names the budgets of the bid and not
//! those of whenever its notice comes: a bill after midnight is charged to the day of its bid,
//! and a line item that has ended since is charged all the same.

use jiff::Span;
use jiff::civil::Date;
use std::fmt;

/// A day of some calendar, counted from 1970-01-01.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Day(pub u32);

impl Day {
    /// The date; `None` beyond the year 9999.
    fn date(self) -> Option<Date> {
        let since = Span::new().try_days(self.0);
        let date = since.and_then(|days| Date::constant(1970, 1, 1).checked_add(days));
        date.ok()
    }
}

impl fmt::Display for Day {
    /// As `2026-11-24`; a day beyond the year 9999 as its number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.date() {
            Some(date) => write!(f, "{date}"),
            None => write!(f, "{}", self.0),
        }
    }
}

/// The month of a day of the same calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MonthOf(pub Day);

impl fmt::Display for MonthOf {
    /// As `2026-11`; a month beyond the year 9999 as the number of the day.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.date() {
            Some(date) => write!(f, "{:04}-{:02}", date.year(), date.month()),
            None => write!(f, "{}", self.0.0),
        }
    }
}

/// A budget, by what it limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BudgetKey<'a> {
    /// All that a line item may spend.
    LineItem(&'a str),
    /// What a campaign may spend on a day of its advertiser.
    CampaignDay(&'a str, Day),
    /// What a campaign may spend in the month of a day of its advertiser.
    CampaignMonth(&'a str, MonthOf),
    /// All that a campaign may spend.
    Campaign(&'a str),
    /// All that an advertiser may spend.
    Advertiser(&'a str),
    /// How many impressions a line item is to have.
    Impressions(&'a str),
    /// How many of them on a day of its advertiser.
    ImpressionsDay(&'a str, Day),
    /// How many clicks a line item is to have.
    Clicks(&'a str),
}

/// What a budget is counted in. A budget's key says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Micros of its currency.
    Money,
    /// Millionths of an impression, held from the bid on like money.
    Impressions,
    /// Millionths of a click: counted when they happen, held by nobody and never refused.
    Clicks,
}

impl Unit {
    /// The unit of the budget with this key.
    pub fn of(key: &str) -> Self {
        let mut parts = key.split(':');
        match (parts.next(), parts.nth(1)) {
            (Some("line_item"), Some("impressions")) => Self::Impressions,
            (Some("line_item"), Some("clicks")) => Self::Clicks,
            _ => Self::Money,
        }
    }
}

impl fmt::Display for BudgetKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LineItem(id) => write!(f, "line_item:{id}"),
            Self::CampaignDay(id, day) => write!(f, "campaign:{id}:day:{day}"),
            Self::CampaignMonth(id, month) => write!(f, "campaign:{id}:month:{month}"),
            Self::Campaign(id) => write!(f, "campaign:{id}"),
            Self::Advertiser(id) => write!(f, "advertiser:{id}"),
            Self::Impressions(id) => write!(f, "line_item:{id}:impressions"),
            Self::ImpressionsDay(id, day) => write!(f, "line_item:{id}:impressions:day:{day}"),
            Self::Clicks(id) => write!(f, "line_item:{id}:clicks"),
        }
    }
}

/// Which kinds of budget a bid draws on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Draws {
    /// The line item has a budget of its own.
    pub line_item: bool,
    /// The campaign has a daily budget.
    pub day: bool,
    /// The campaign's daily budget is flexible, and so it has one for the month.
    pub month: bool,
    /// The campaign has a total budget.
    pub campaign: bool,
    /// The advertiser has a budget.
    pub advertiser: bool,
    /// The line item has a goal of impressions.
    pub impressions: bool,
    /// The line item has a goal of impressions for each day.
    pub impressions_day: bool,
    /// The line item has a goal of clicks, which a click draws on and no bid.
    pub clicks: bool,
}

impl Draws {
    /// The budgets of money, the narrowest first, with the ids and the day filled in.
    pub fn keys<'a>(
        self,
        line_item: &'a str,
        (campaign, day): (&'a str, Day),
        advertiser: &'a str,
    ) -> impl Iterator<Item = BudgetKey<'a>> {
        [
            (self.line_item, BudgetKey::LineItem(line_item)),
            (self.day, BudgetKey::CampaignDay(campaign, day)),
            (self.month, BudgetKey::CampaignMonth(campaign, MonthOf(day))),
            (self.campaign, BudgetKey::Campaign(campaign)),
            (self.advertiser, BudgetKey::Advertiser(advertiser)),
        ]
        .into_iter()
        .filter_map(|(drawn, key)| drawn.then_some(key))
    }

    /// The goals of impressions, with the ids and the day filled in.
    pub fn goals(self, line_item: &str, day: Day) -> impl Iterator<Item = BudgetKey<'_>> {
        [
            (self.impressions, BudgetKey::Impressions(line_item)),
            (
                self.impressions_day,
                BudgetKey::ImpressionsDay(line_item, day),
            ),
        ]
        .into_iter()
        .filter_map(|(drawn, key)| drawn.then_some(key))
    }

    /// Whether there is a goal of any kind.
    pub fn any_goal(self) -> bool {
        self.impressions || self.impressions_day || self.clicks
    }

    /// The goal that a click draws on.
    pub fn click_goal(self, line_item: &str) -> Option<BudgetKey<'_>> {
        self.clicks.then_some(BudgetKey::Clicks(line_item))
    }

    /// How many budgets of money these are.
    pub fn count(self) -> usize {
        let flags = [
            self.line_item,
            self.day,
            self.month,
            self.campaign,
            self.advertiser,
        ];
        flags.into_iter().filter(|flag| *flag).count()
    }

    /// The flags as the bits of a token, in the order in which they came to be.
    pub(crate) fn bits(self) -> u8 {
        u8::from(self.line_item)
            | u8::from(self.day) << 1
            | u8::from(self.campaign) << 2
            | u8::from(self.advertiser) << 3
            | u8::from(self.month) << 4
            | u8::from(self.impressions) << 5
            | u8::from(self.impressions_day) << 6
            | u8::from(self.clicks) << 7
    }

    /// The flags of a token. Every bit has a meaning: a budget that is not drawn on would be one
    /// that is overspent.
    pub(crate) fn from_bits(bits: u8) -> Self {
        let set = |bit: u8| bits & (1 << bit) != 0;
        Self {
            line_item: set(0),
            day: set(1),
            campaign: set(2),
            advertiser: set(3),
            month: set(4),
            impressions: set(5),
            impressions_day: set(6),
            clicks: set(7),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_those_of_the_ledgers_file() {
        let all = Draws {
            line_item: true,
            day: true,
            month: true,
            campaign: true,
            advertiser: true,
            ..Draws::default()
        };
        let keys = |draws: Draws| -> Vec<String> {
            let keys = draws.keys("li_1", ("cmp_1", Day(20_781)), "adv_1");
            keys.map(|key| key.to_string()).collect()
        };
        let expected = [
            "line_item:li_1",
            "campaign:cmp_1:day:2026-11-24",
            "campaign:cmp_1:month:2026-11",
            "campaign:cmp_1",
            "advertiser:adv_1",
        ];
        assert_eq!(keys(all), expected);
        let some = Draws {
            line_item: false,
            advertiser: false,
            ..all
        };
        assert_eq!(keys(some), expected[1..4]);
        assert_eq!((all.count(), some.count()), (5, 3));
    }

    #[test]
    fn days_are_dates_of_the_calendar() {
        assert_eq!(Day(0).to_string(), "1970-01-01");
        assert_eq!(Day(19_782).to_string(), "2024-02-29");
        assert_eq!(Day(u32::MAX).to_string(), "4294967295");
        assert_eq!(MonthOf(Day(19_782)).to_string(), "2024-02");
        assert_eq!(MonthOf(Day(u32::MAX)).to_string(), "4294967295");
    }

    #[test]
    fn every_set_of_flags_comes_back() {
        for bits in 0..=u8::MAX {
            assert_eq!(Draws::from_bits(bits).bits(), bits);
        }
    }

    #[test]
    fn a_key_says_its_unit() {
        let goals = Draws {
            impressions: true,
            impressions_day: true,
            clicks: true,
            ..Draws::default()
        };
        let keys: Vec<String> = goals
            .goals("li_1", Day(20_781))
            .chain(goals.click_goal("li_1"))
            .map(|key| key.to_string())
            .collect();
        let expected = [
            "line_item:li_1:impressions",
            "line_item:li_1:impressions:day:2026-11-24",
            "line_item:li_1:clicks",
        ];
        assert_eq!(keys, expected);
        let units: Vec<Unit> = keys.iter().map(|key| Unit::of(key)).collect();
        assert_eq!(units, [Unit::Impressions, Unit::Impressions, Unit::Clicks]);
        for money in [
            "line_item:impressions",
            "campaign:clicks:day:2026-11-24",
            "campaign:cmp_1:month:2026-11",
            "advertiser:adv_1",
        ] {
            assert_eq!(Unit::of(money), Unit::Money, "{money}");
        }
    }
}
