//! What happened: the events of the log, and what each does to the books.

mod charge;

pub use charge::Charge;

use crate::conversion::Touch;
use crate::currency::Currency;
use crate::exposure::Exposure;
use crate::money::{Cpm, Micros, Multiplier};
use crate::reservation::ReservationId;
use crate::token::{Claims, Side};

/// The kind of an event. Each happens at most once for its idempotency key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// An exchange billed an impression that we bought.
    Bill,
    /// An impression that we sold was shown.
    Sale,
    /// We won an auction.
    Win,
    /// We lost an auction.
    Loss,
    /// The pixel of our creative was loaded.
    Impression,
    /// The impression was in view.
    View,
    /// Our creative was clicked.
    Click,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 7] = [
        Kind::Bill,
        Kind::Sale,
        Kind::Win,
        Kind::Loss,
        Kind::Impression,
        Kind::View,
        Kind::Click,
    ];

    /// The kind's name in the log.
    pub fn label(self) -> &'static str {
        match self {
            Kind::Bill => "bill",
            Kind::Sale => "sale",
            Kind::Win => "win",
            Kind::Loss => "loss",
            Kind::Impression => "impression",
            Kind::View => "view",
            Kind::Click => "click",
        }
    }

    /// The other kind that says the same of an impression that we bought: that it was shown.
    pub fn also_shows(self) -> Option<Kind> {
        match self {
            Kind::Bill => Some(Kind::Impression),
            Kind::Impression => Some(Kind::Bill),
            Kind::Sale | Kind::Win | Kind::Loss | Kind::View | Kind::Click => None,
        }
    }

    /// Whether the kind moves money, and on which side.
    pub fn charges(self) -> Option<Side> {
        match self {
            Kind::Bill => Some(Side::Bidder),
            Kind::Sale => Some(Side::Exchange),
            Kind::Win | Kind::Loss | Kind::Impression | Kind::View | Kind::Click => None,
        }
    }
}

/// One event. Ids that do not apply are empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What happened.
    pub kind: Kind,
    /// Key of once-only settlement, see [`token::idempotency_key`](crate::token::idempotency_key).
    pub key: [u8; 16],
    /// Unix milliseconds.
    pub at_ms: i64,
    /// The exchange that sold.
    pub exchange: String,
    /// The buyer's seat.
    pub seat: String,
    /// The advertiser; empty on the exchange's side.
    pub advertiser: String,
    /// The line item, or the bid's `cid` on the exchange's side.
    pub line_item: String,
    /// The creative.
    pub creative: String,
    /// The publisher.
    pub publisher: String,
    /// The placement.
    pub placement: String,
    /// The partner that bought; empty on the bidder's side.
    pub partner: String,
    /// What was bid: the most that may be charged.
    pub bid: Cpm,
    /// The clearing price, or the bid where there is none.
    pub cpm: Cpm,
    /// Currency of the price.
    pub currency: Currency,
    /// How many impressions it counts for.
    pub multiplier: Multiplier,
    /// A sale's revenue share of the publisher, in millionths.
    pub share_ppm: i64,
    /// A bill's fee of the platform, in millionths of what the media cost.
    pub platform_ppm: u32,
    /// What a bill owes providers of data, as [`DataFees`] writes it.
    pub data: String,
    /// A loss's reason, as OpenRTB counts them.
    pub reason: i64,
    /// The budgets that a bill draws on, and the goal that a click counts for, by key: those of the
    /// bid's day, not of the notice's.
    pub budgets: Vec<String>,
    /// The reservation that a bill settles: the epoch of the node and its place there.
    pub reservation: Option<(u32, ReservationId)>,
    /// For whom and against what the impression counts.
    pub exposure: Exposure,
    /// Unix seconds until which its bid was held.
    pub held_until: u32,
    /// What it shows to somebody, for conversions; `None` where it shows nothing.
    pub touch: Option<Touch>,
}

/// Claims whose currency is not a currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the token has no currency")]
pub struct NoCurrency;

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Written; it moves no money.
    Recorded,
    /// Written and posted.
    Charged {
        /// What it cost in all: what its budgets have lost, for a bill.
        cost: Micros,
    },
    /// Written and posted to the platform's own account: the budget was gone.
    OverDelivered {
        /// What it cost.
        cost: Micros,
    },
    /// Known already; nothing changed.
    Duplicate,
    /// Noted with its reason and not charged. The same bid may still be billed rightly.
    Refused {
        /// What is wrong with it.
        fault: Fault,
    },
}

/// What is wrong with an event that asks for money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Fault {
    /// The price is below zero.
    #[error("the price is negative")]
    Negative,
    /// The price is beyond [`MAX_CPM`].
    #[error("the price is beyond any market")]
    TooHigh,
    /// The exchange asks for more than was bid.
    #[error("the clearing price is above the bid")]
    AboveBid,
    /// The notice has no price.
    #[error("the price is missing")]
    NoPrice,
    /// The exchange left its macro in the notice.
    #[error("the price is a macro that was not filled in")]
    UnresolvedMacro,
    /// The exchange audits the creative: there was no impression.
    #[error("the price is an audit, not an impression")]
    Audit,
    /// The price is no decimal number.
    #[error("the price is not a decimal number")]
    NotANumber,
    /// The price does not decrypt.
    #[error("the price does not decrypt")]
    Unsealed,
    /// There is no key to decrypt the price with.
    #[error("there is no key for the prices of this exchange")]
    NoKey,
    /// The price was sealed at another time than that of the bid.
    #[error("the price was sealed at another time than that of the bid")]
    Stale,
    /// The notice counts more impressions than the request said, or no number of them.
    #[error("the multiplier is none, or above that of the bid request")]
    Multiplier,
    /// The bid answered a test.
    #[error("the bid answered a test request, which is never billed")]
    Test,
    /// The token is one of the other side of the trade.
    #[error("the token belongs to the other side of the trade")]
    OtherSide,
    /// The text is no token.
    #[error("the token is malformed")]
    Malformed,
    /// The token is signed with a key that this node does not have.
    #[error("the token is signed with an unknown key")]
    UnknownKey,
    /// The token's signature is wrong.
    #[error("the token is not authentic")]
    Forged,
    /// The token's time was over.
    #[error("the token has expired")]
    Expired,
    /// The notice names a seat that is not ours.
    #[error("the seat is unknown")]
    UnknownSeat,
    /// A budget of the bill is kept in another currency.
    #[error("the price is in another currency than the budget")]
    WrongCurrency,
    /// The publisher's share is not between nothing and everything.
    #[error("the revenue share is not between 0 and 1,000,000 millionths")]
    Share,
}

impl Fault {
    /// Every fault.
    pub const ALL: [Fault; 20] = [
        Fault::Negative,
        Fault::TooHigh,
        Fault::AboveBid,
        Fault::NoPrice,
        Fault::UnresolvedMacro,
        Fault::Audit,
        Fault::NotANumber,
        Fault::Unsealed,
        Fault::NoKey,
        Fault::Stale,
        Fault::Multiplier,
        Fault::Test,
        Fault::OtherSide,
        Fault::Malformed,
        Fault::UnknownKey,
        Fault::Forged,
        Fault::Expired,
        Fault::UnknownSeat,
        Fault::WrongCurrency,
        Fault::Share,
    ];

    /// The fault as a metric label and in the log.
    pub fn label(self) -> &'static str {
        match self {
            Fault::Negative => "negative",
            Fault::TooHigh => "absurd",
            Fault::AboveBid => "above_bid",
            Fault::NoPrice => "no_price",
            Fault::UnresolvedMacro => "unresolved_macro",
            Fault::Audit => "audit",
            Fault::NotANumber => "not_a_number",
            Fault::Unsealed => "unsealed",
            Fault::NoKey => "no_key",
            Fault::Stale => "stale",
            Fault::Multiplier => "multiplier",
            Fault::Test => "test",
            Fault::OtherSide => "other_side",
            Fault::Malformed => "malformed",
            Fault::UnknownKey => "unknown_key",
            Fault::Forged => "forged",
            Fault::Expired => "expired",
            Fault::UnknownSeat => "unknown_seat",
            Fault::WrongCurrency => "wrong_currency",
            Fault::Share => "share",
        }
    }
}

/// The highest price taken, a milliard per thousand: nine million impressions at that price still
/// fit an account.
pub const MAX_CPM: Cpm = Cpm(1_000_000_000_000_000);

/// The highest cost of a showing: what an impression at [`MAX_CPM`] costs, about.
const MAX_COST: i64 = MAX_CPM.0 / 1_000 + 2;

/// Why an event was not written. The sender may try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The writer's queue is full.
    #[error("the ledger is busy")]
    Busy,
    /// A commit failed; the ledger has stopped until it is reopened.
    #[error("the ledger has stopped")]
    Stopped,
}

impl Event {
    /// The event of a token's verified claims at `at_ms` (unix milliseconds), at the price of the
    /// token. What a notice adds (another price, a reason, a publisher's share) is set on it.
    ///
    /// # Errors
    /// Where the claims' currency is none, which no token of ours has.
    pub fn of(kind: Kind, claims: &Claims<'_>, at_ms: i64) -> Result<Self, NoCurrency> {
        let code = std::str::from_utf8(&claims.currency).map_err(|_| NoCurrency)?;
        let reservation = |(epoch, slot, generation)| (epoch, ReservationId { slot, generation });
        Ok(Self {
            kind,
            key: claims.key(),
            at_ms,
            exchange: claims.exchange.to_owned(),
            seat: claims.seat.to_owned(),
            advertiser: claims.advertiser.to_owned(),
            line_item: claims.line_item.to_owned(),
            creative: claims.creative.to_owned(),
            publisher: claims.publisher.to_owned(),
            placement: claims.placement.to_owned(),
            partner: claims.partner.to_owned(),
            bid: Cpm(claims.cpm),
            cpm: Cpm(claims.cpm),
            currency: code.parse().map_err(|_| NoCurrency)?,
            multiplier: claims.multiplier,
            share_ppm: 0,
            platform_ppm: claims.fees.platform_ppm,
            data: claims.fees.data.text().to_owned(),
            reason: 0,
            budgets: drawn(kind, claims),
            reservation: claims.reservation.map(reservation),
            exposure: claims.exposure,
            held_until: 0,
            touch: None,
        })
    }

    /// The event with what it shows to the user of the claims: a click, or a view.
    #[must_use]
    pub fn touching(self, claims: &Claims<'_>, click: bool) -> Self {
        Self {
            touch: Some(Touch {
                click,
                user: claims.user,
                campaign: claims.campaign.to_owned(),
            }),
            ..self
        }
    }

    /// What is wrong with the event by itself. Only events about our own money are held to it: a
    /// loss notice tells what others paid.
    pub fn fault(&self) -> Option<Fault> {
        match self.kind {
            Kind::Bill | Kind::Sale | Kind::Win => {}
            Kind::Loss | Kind::Impression | Kind::View | Kind::Click => return None,
        }
        if self.cpm < Cpm(0) {
            Some(Fault::Negative)
        } else if self.cpm > MAX_CPM || self.most().0 > MAX_COST {
            Some(Fault::TooHigh)
        } else if self.cpm > self.bid {
            Some(Fault::AboveBid)
        } else if !(0..=1_000_000).contains(&self.share_ppm) {
            Some(Fault::Share)
        } else {
            None
        }
    }
}

/// The keys of the budgets that an event draws on.
fn drawn(kind: Kind, claims: &Claims<'_>) -> Vec<String> {
    let (draws, line_item) = (claims.draws, claims.line_item);
    match kind {
        Kind::Bill => {
            let campaign = (claims.campaign, claims.day);
            let money = draws.keys(line_item, campaign, claims.advertiser);
            let all = money.chain(draws.goals(line_item, claims.day));
            all.map(|key| key.to_string()).collect()
        }
        Kind::Click => draws
            .click_goal(line_item)
            .map(|key| key.to_string())
            .into_iter()
            .collect(),
        Kind::Sale | Kind::Win | Kind::Loss | Kind::Impression | Kind::View => Vec::new(),
    }
}
