//! Conversions: what an advertiser reports that somebody did, credited to what was shown to them.
//!
//! The last click before it within the advertiser's window gets the credit, whatever was viewed
//! since; without one the last view. An order counts once. A conversion is no money of ours: it
//! moves no account.

use crate::currency::Currency;
use crate::money::{MICROS, Micros};

const DAY_MS: i64 = 86_400_000;
/// Longest time from a click to a conversion, in days.
pub const MOST_CLICK_DAYS: u16 = 90;
/// Longest time from a view to a conversion, in days.
pub const MOST_VIEW_DAYS: u16 = 30;
/// How old a conversion may be when it is reported, in days.
pub const MOST_LATE_DAYS: u16 = 90;
/// For how long touches are kept, in days: whatever is reported late finds its click.
pub const TOUCH_DAYS: u16 = MOST_CLICK_DAYS + MOST_LATE_DAYS;
/// Longest number of an order, in bytes.
pub const MAX_ORDER: usize = 128;
/// The highest value of one conversion; 900,000 of them still add up within 64 bits.
pub const MAX_VALUE: Micros = Micros(10_000_000 * MICROS);
/// Most conversions that browsers may report with one token, whoever has it.
pub const MOST_OF_TOKEN: u32 = 100;

/// Something of an advertiser that was shown to somebody, as an event tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Touch {
    /// Whether it was clicked, not only seen.
    pub click: bool,
    /// Key of the user; 0 where it is not known.
    pub user: u64,
    /// The campaign.
    pub campaign: String,
}

/// How far back an advertiser credits conversions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    click_ms: i64,
    view_ms: i64,
}

impl Windows {
    /// Windows in days, each cut to the longest there is; 0 credits nothing.
    pub fn days(click: u16, view: u16) -> Self {
        Self {
            click_ms: i64::from(click.min(MOST_CLICK_DAYS)) * DAY_MS,
            view_ms: i64::from(view.min(MOST_VIEW_DAYS)) * DAY_MS,
        }
    }

    /// When the earliest touch that is credited may have been, for a conversion at `at_ms`; half
    /// open, so that a window of 0 is empty.
    pub fn since_ms(self, click: bool, at_ms: i64) -> i64 {
        at_ms - if click { self.click_ms } else { self.view_ms }
    }
}

impl Default for Windows {
    /// Thirty days after a click, one after a view.
    fn default() -> Self {
        Self::days(30, 1)
    }
}

/// Who reported a conversion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A browser, by the token of a click.
    Pixel,
    /// The advertiser's server.
    Upload,
}

impl Source {
    /// The source's name in the log.
    pub fn label(self) -> &'static str {
        match self {
            Source::Pixel => "pixel",
            Source::Upload => "upload",
        }
    }
}

/// A conversion as it is reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conversion {
    /// The advertiser.
    pub advertiser: String,
    /// Number of the order; an advertiser's order counts once.
    pub order: String,
    /// When it happened, unix milliseconds.
    pub at_ms: i64,
    /// When it was reported, unix milliseconds.
    pub received_ms: i64,
    /// Who reported it.
    pub source: Source,
    /// What it is worth to the advertiser; 0 where it does not say.
    pub value: Micros,
    /// The currency of the value.
    pub currency: Currency,
    /// Key of the bid whose click it came from; `None` where that is not known.
    pub bid: Option<[u8; 16]>,
    /// Keys of the user; empty where it is not known.
    pub users: Vec<u64>,
    /// How far back it is credited.
    pub windows: Windows,
}

/// What became of a conversion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credit {
    /// Credited to a click.
    Click,
    /// Credited to a view.
    View,
    /// Counted, and credited to nothing.
    None,
    /// The order was counted before; nothing changed.
    Duplicate,
    /// The token has reported as many as it may; nothing changed.
    TooMany,
}

impl Credit {
    /// Every credit, in order.
    pub const ALL: [Credit; 5] = [
        Credit::Click,
        Credit::View,
        Credit::None,
        Credit::Duplicate,
        Credit::TooMany,
    ];

    /// The place in [`Credit::ALL`], for an array of counters.
    pub fn index(self) -> usize {
        self as usize
    }

    /// The credit as a metric label and in answers.
    pub fn label(self) -> &'static str {
        match self {
            Credit::Click => "click",
            Credit::View => "view",
            Credit::None => "none",
            Credit::Duplicate => "duplicate",
            Credit::TooMany => "too_many",
        }
    }
}

/// A conversion as it was counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Converted {
    /// Its number, rising.
    pub id: i64,
    /// The advertiser.
    pub advertiser: String,
    /// Number of the order.
    pub order: String,
    /// When it happened, unix milliseconds.
    pub at_ms: i64,
    /// When it was reported, unix milliseconds.
    pub received_ms: i64,
    /// When it counts on statements, unix milliseconds.
    pub booked_ms: i64,
    /// Who reported it.
    pub source: String,
    /// What it is worth.
    pub value: Micros,
    /// The currency of the value.
    pub currency: Currency,
    /// `click`, `view` or `none`.
    pub credit: String,
    /// Key of the bid that is credited; `None` and empty texts where none is.
    pub key: Option<[u8; 16]>,
    /// When its touch was, unix milliseconds.
    pub touched_ms: Option<i64>,
    /// The campaign.
    pub campaign: String,
    /// The line item.
    pub line_item: String,
    /// The creative.
    pub creative: String,
    /// The exchange.
    pub exchange: String,
    /// The publisher.
    pub publisher: String,
}

/// Conversions of one line item, credit and currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    /// The line item; empty where none is credited.
    pub line_item: String,
    /// `click`, `view` or `none`.
    pub credit: String,
    /// The currency of the value.
    pub currency: Currency,
    /// How many.
    pub count: u64,
    /// What they are worth together.
    pub value: Micros,
}
