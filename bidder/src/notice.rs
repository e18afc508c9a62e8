//! Notices: what an exchange reports about a bid, priced and checked.
//!
//! Whoever owns the socket verifies the token first; here its claims and the text of the macros
//! become a price, or the reason why nothing is charged. Then [`event`] makes the event that the
//! ledger writes.

pub mod price;

use self::price::is_macro;
use crate::TEST_PARTNER;
use crate::exchange::{Billable, Exchange};
use ledger::event::{Fault, Kind};
use ledger::token::{Claims, Side};
use ledger::{Cpm, Currency, Event};

/// Which address was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// `nurl`.
    Win,
    /// `burl`.
    Bill,
    /// `lurl`.
    Loss,
    /// The pixel.
    Impression,
    /// The click.
    Click,
}

impl Notice {
    /// The event of the ledger that the notice is: the one that the exchange bills is a charge.
    pub fn kind(self, billable: Billable) -> Kind {
        match (self, billable) {
            (Notice::Bill, Billable::Burl)
            | (Notice::Win, Billable::Win)
            | (Notice::Impression, Billable::Impression) => Kind::Bill,
            // A `burl` that we did not write says no more than that the bid was won.
            (Notice::Win | Notice::Bill, _) => Kind::Win,
            (Notice::Loss, _) => Kind::Loss,
            (Notice::Impression, _) => Kind::Impression,
            (Notice::Click, _) => Kind::Click,
        }
    }
}

/// Why a notice charges nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// The claims are not those of a bid of ours.
    #[error("the token belongs to the other side of the trade")]
    OtherSide,
    /// The bid answered a test.
    #[error("the bid answered a test request, which is never billed")]
    Test,
    /// There is no price.
    #[error("the price is missing")]
    NoPrice,
    /// The exchange did not fill in its macro.
    #[error("the price is a macro that was not filled in")]
    Unresolved,
    /// The exchange audits the creative (section 4.4).
    #[error("the price is an audit, not an impression")]
    Audit,
    /// The price is no decimal number.
    #[error("the price is not a decimal number")]
    NotANumber,
    /// The price is not sealed with the key that the exchange and we share.
    #[error("the price does not decrypt")]
    Unsealed,
    /// We have no key for the exchange's prices.
    #[error("there is no key for the prices of this exchange")]
    NoKey,
    /// The price was sealed before the bid or after now.
    #[error("the price was sealed at another time than that of the bid")]
    Stale,
    /// The price is below 0.
    #[error("the price is negative")]
    Negative,
    /// The price is beyond any market.
    #[error("the price is beyond any market")]
    Absurd,
    /// The price is higher than what was bid.
    #[error("the price is above the bid")]
    AboveBid,
    /// The currency is another than that of the bid.
    #[error("the currency is not that of the bid")]
    WrongCurrency,
}

impl Refusal {
    /// Every reason, in order.
    pub const ALL: [Refusal; 13] = [
        Refusal::OtherSide,
        Refusal::Test,
        Refusal::NoPrice,
        Refusal::Unresolved,
        Refusal::Audit,
        Refusal::NotANumber,
        Refusal::Unsealed,
        Refusal::NoKey,
        Refusal::Stale,
        Refusal::Negative,
        Refusal::Absurd,
        Refusal::AboveBid,
        Refusal::WrongCurrency,
    ];

    /// The place in [`Refusal::ALL`], for an array of counters.
    pub fn index(self) -> usize {
        self as usize
    }

    /// What the ledger notes of it; `None` where there is nothing of ours to be charged.
    pub fn fault(self) -> Option<Fault> {
        match self {
            Refusal::OtherSide | Refusal::Test | Refusal::Audit => None,
            Refusal::NoPrice
            | Refusal::Unresolved
            | Refusal::NotANumber
            | Refusal::Unsealed
            | Refusal::NoKey
            | Refusal::Stale => Some(Fault::Unreadable),
            Refusal::Negative => Some(Fault::Negative),
            Refusal::Absurd => Some(Fault::TooHigh),
            Refusal::AboveBid => Some(Fault::AboveBid),
            Refusal::WrongCurrency => Some(Fault::WrongCurrency),
        }
    }

    /// The reason as a metric label.
    pub fn label(self) -> &'static str {
        match self {
            Refusal::OtherSide => "other_side",
            Refusal::Test => "test",
            Refusal::NoPrice => "no_price",
            Refusal::Unresolved => "unresolved_macro",
            Refusal::Audit => "audit",
            Refusal::NotANumber => "not_a_number",
            Refusal::Unsealed => "unsealed",
            Refusal::NoKey => "no_key",
            Refusal::Stale => "stale",
            Refusal::Negative => "negative",
            Refusal::Absurd => "absurd",
            Refusal::AboveBid => "above_bid",
            Refusal::WrongCurrency => "wrong_currency",
        }
    }
}

/// What came with a notice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fields<'f> {
    /// `${AUCTION_PRICE}`, parameter `p`.
    pub price: Option<&'f str>,
    /// `${AUCTION_CURRENCY}`, parameter `c`.
    pub currency: Option<&'f str>,
    /// `${AUCTION_LOSS}`, parameter `r`.
    pub reason: Option<&'f str>,
}

/// The event of a notice at `at_ms` (unix milliseconds), whose claims were verified.
///
/// A bill is charged at the clearing price; a pixel that is the bill has none and is charged at
/// the bid. A loss or a plain win needs no price that can be read.
///
/// # Errors
/// Why nothing is written.
pub fn event(
    notice: Notice,
    exchange: &Exchange,
    claims: &Claims<'_>,
    fields: Fields<'_>,
    at_ms: i64,
) -> Result<Event, Refusal> {
    if claims.side != Side::Bidder {
        return Err(Refusal::OtherSide);
    }
    if claims.partner == TEST_PARTNER {
        return Err(Refusal::Test);
    }
    let kind = notice.kind(exchange.billable);
    let told = clearing_price(exchange, claims, fields, at_ms);
    let cpm = match (kind, notice) {
        (Kind::Bill, Notice::Impression) => Cpm(claims.cpm),
        (Kind::Bill, _) => told?,
        _ => told.unwrap_or(Cpm(claims.cpm)),
    };
    let reason = fields.reason.and_then(|reason| reason.parse().ok());
    let event = Event::of(kind, claims, at_ms).map_err(|_| Refusal::WrongCurrency)?;
    Ok(Event {
        cpm,
        reason: reason.unwrap_or_default(),
        held_until: exchange.reservation_expiry(claims),
        ..event
    })
}

/// The clearing price of a win or billing notice.
///
/// An empty currency and an unresolved `${AUCTION_CURRENCY}` mean the currency of the bid, since
/// exchanges often leave it out.
fn clearing_price(
    exchange: &Exchange,
    claims: &Claims<'_>,
    fields: Fields<'_>,
    at_ms: i64,
) -> Result<Cpm, Refusal> {
    let currency = fields.currency.unwrap_or_default();
    let own = Currency(claims.currency);
    if !currency.is_empty() && !is_macro(currency) && currency != own.code() {
        return Err(Refusal::WrongCurrency);
    }
    let now_s = u32::try_from(at_ms / 1_000).unwrap_or_default();
    let text = fields.price.unwrap_or_default();
    let cpm = exchange.price.read(text, exchange.bid_at(claims)..=now_s)?;
    if cpm.0 > claims.cpm {
        Err(Refusal::AboveBid)
    } else {
        Ok(cpm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ledger::token::Sale;
    use ledger::{Day, Draws, Exposure, ReservationId};

    fn claims() -> Claims<'static> {
        Claims {
            side: Side::Bidder,
            expires_at: 1,
            key: [1; 16],
            reservation: Some((1, 2, 3)),
            cpm: 2_500_000,
            currency: *b"EUR",
            day: Day(20_781),
            draws: Draws {
                day: true,
                campaign: true,
                ..Draws::default()
            },
            exposure: Exposure::default(),
            sale: Sale::default(),
            exchange: "demo",
            seat: "acme",
            advertiser: "adv_acme",
            campaign: "cmp_1",
            auction: "a",
            imp: "1",
            bid: "b",
            line_item: "li_1",
            creative: "cr_1",
            publisher: "",
            placement: "",
            partner: "",
            url: "",
        }
    }

    fn exchange(billable: Billable) -> Exchange {
        Exchange {
            billable,
            ..Exchange::new("demo", Currency(*b"EUR"))
        }
    }

    #[test]
    fn a_price_is_held_to_the_bid() {
        let exchange = exchange(Billable::Burl);
        let price = |price, currency| {
            let fields = Fields {
                price: Some(price),
                currency: Some(currency),
                reason: None,
            };
            clearing_price(&exchange, &claims(), fields, 9)
        };
        assert_eq!(price("2.5", "EUR"), Ok(Cpm(2_500_000)));
        assert_eq!(price("2.5", ""), Ok(Cpm(2_500_000)));
        assert_eq!(price("2.5", "${AUCTION_CURRENCY}"), Ok(Cpm(2_500_000)));
        assert_eq!(price("2.500001", "EUR"), Err(Refusal::AboveBid));
        assert_eq!(price("2.5", "USD"), Err(Refusal::WrongCurrency));
    }

    #[test]
    fn one_notice_of_an_exchange_is_the_bill() {
        let notices = [
            Notice::Win,
            Notice::Bill,
            Notice::Loss,
            Notice::Impression,
            Notice::Click,
        ];
        for billable in [Billable::Burl, Billable::Win, Billable::Impression] {
            let bills = notices
                .iter()
                .filter(|notice| notice.kind(billable) == Kind::Bill);
            assert_eq!(bills.count(), 1);
        }
    }

    #[test]
    fn an_event_is_made_of_its_claims() {
        let make = |notice, billable, claims: &Claims<'_>, price| {
            let fields = Fields {
                price: Some(price),
                currency: None,
                reason: Some("102"),
            };
            event(notice, &exchange(billable), claims, fields, 9)
        };
        let bill = make(Notice::Bill, Billable::Burl, &claims(), "1.5").unwrap();
        assert_eq!(
            (bill.kind, bill.cpm, bill.bid),
            (Kind::Bill, Cpm(1_500_000), Cpm(2_500_000))
        );
        assert_eq!(
            bill.reservation,
            Some((
                1,
                ReservationId {
                    slot: 2,
                    generation: 3
                }
            ))
        );
        assert_eq!((&*bill.advertiser, bill.at_ms), ("adv_acme", 9));
        // The day is that of the bid, whatever day it is now.
        assert_eq!(
            bill.budgets,
            ["campaign:cmp_1:day:2026-11-24", "campaign:cmp_1"]
        );
        let by_pixel = Billable::Impression;
        let pixel = make(Notice::Impression, by_pixel, &claims(), "").unwrap();
        assert_eq!((pixel.kind, pixel.cpm), (Kind::Bill, Cpm(2_500_000)));
        let loss = make(Notice::Loss, Billable::Burl, &claims(), "").unwrap();
        assert_eq!((loss.kind, loss.reason), (Kind::Loss, 102));
        let refused = |claims: &Claims<'_>, price| {
            make(Notice::Bill, Billable::Burl, claims, price).unwrap_err()
        };
        assert_eq!(refused(&claims(), "9"), Refusal::AboveBid);
        let test = Claims {
            partner: TEST_PARTNER,
            ..claims()
        };
        assert_eq!(refused(&test, "1"), Refusal::Test);
        let sold = Claims {
            side: Side::Exchange,
            ..claims()
        };
        assert_eq!(refused(&sold, "1"), Refusal::OtherSide);
    }

    #[test]
    fn refusals_count_for_themselves() {
        for (place, refusal) in Refusal::ALL.into_iter().enumerate() {
            assert_eq!(refusal.index(), place);
        }
    }
}
