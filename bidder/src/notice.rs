//! Notices: what an exchange reports about a bid, priced and checked.
//!
//! Whoever owns the socket verifies the token first; here its claims and the text of the macros
//! become a price, or the reason why nothing is charged. Then [`event`] makes the event that the
//! ledger writes.

pub mod price;

use self::price::{decimal, is_macro};
use crate::TEST_PARTNER;
use crate::exchange::{Billable, Exchange};
use ledger::event::{Fault, Kind};
use ledger::token::{Claims, Side};
use ledger::{Cpm, Currency, Event, Multiplier};

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
    /// The seat is another than that of the bid.
    #[error("the seat is not that of the bid")]
    UnknownSeat,
    /// The multiplier is none, or above what the bid request said.
    #[error("the multiplier is not a decimal above 0 and up to that of the bid request")]
    Multiplier,
}

impl Refusal {
    /// Every reason, in order.
    pub const ALL: [Refusal; 15] = [
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
        Refusal::UnknownSeat,
        Refusal::Multiplier,
    ];

    /// The place in [`Refusal::ALL`], for an array of counters.
    pub fn index(self) -> usize {
        self as usize
    }

    /// The fault under which the ledger keeps it.
    pub fn fault(self) -> Fault {
        match self {
            Refusal::OtherSide => Fault::OtherSide,
            Refusal::Test => Fault::Test,
            Refusal::NoPrice => Fault::NoPrice,
            Refusal::Unresolved => Fault::UnresolvedMacro,
            Refusal::Audit => Fault::Audit,
            Refusal::NotANumber => Fault::NotANumber,
            Refusal::Unsealed => Fault::Unsealed,
            Refusal::NoKey => Fault::NoKey,
            Refusal::Stale => Fault::Stale,
            Refusal::Negative => Fault::Negative,
            Refusal::Absurd => Fault::TooHigh,
            Refusal::AboveBid => Fault::AboveBid,
            Refusal::WrongCurrency => Fault::WrongCurrency,
            Refusal::UnknownSeat => Fault::UnknownSeat,
            Refusal::Multiplier => Fault::Multiplier,
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
            Refusal::UnknownSeat => "unknown_seat",
            Refusal::Multiplier => "multiplier",
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
    /// `${AUCTION_SEAT_ID}`, parameter `s`.
    pub seat: Option<&'f str>,
    /// `${AUCTION_MULTIPLIER}`, parameter `q`.
    pub multiplier: Option<&'f str>,
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
    let several = multiplier(claims, fields);
    let multiplier = match kind {
        Kind::Bill => several?,
        _ => several.unwrap_or(claims.multiplier),
    };
    let cpm = match (kind, notice) {
        (Kind::Bill, Notice::Impression) => Cpm(claims.cpm),
        (Kind::Bill, _) => told?,
        _ => told.unwrap_or(Cpm(claims.cpm)),
    };
    let reason = fields.reason.and_then(|reason| reason.parse().ok());
    let event = Event::of(kind, claims, at_ms).map_err(|_| Refusal::WrongCurrency)?;
    let event = match notice {
        Notice::Impression => event.touching(claims, false),
        Notice::Click => event.touching(claims, true),
        Notice::Win | Notice::Bill | Notice::Loss => event,
    };
    Ok(Event {
        cpm,
        multiplier,
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
    let seat = fields.seat.unwrap_or_default();
    if !seat.is_empty() && !is_macro(seat) && seat != claims.seat {
        return Err(Refusal::UnknownSeat);
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

/// How many impressions a notice counts: what the exchange says now, up to what its request said,
/// for which the money is held. An exchange that does not say means the request's.
fn multiplier(claims: &Claims<'_>, fields: Fields<'_>) -> Result<Multiplier, Refusal> {
    let told = fields.multiplier.unwrap_or_default();
    if told.is_empty() || is_macro(told) {
        return Ok(claims.multiplier);
    }
    let millionths = decimal(told, 6).map_err(|_| Refusal::Multiplier)?;
    let told = Multiplier::new(millionths.0).filter(|told| *told <= claims.multiplier);
    told.ok_or(Refusal::Multiplier)
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
            own_key: Some([1; 16]),
            reservation: Some((1, 2, 3)),
            cpm: 2_500_000,
            multiplier: Multiplier::ONE,
            currency: *b"EUR",
            fees: ledger::Fees::default(),
            day: Day(20_781),
            draws: Draws {
                day: true,
                campaign: true,
                ..Draws::default()
            },
            user: 7,
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
                ..Fields::default()
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
    fn a_seat_that_is_told_is_held_to_the_bid() {
        let exchange = exchange(Billable::Burl);
        let priced = |seat| {
            let fields = Fields {
                price: Some("2"),
                seat: Some(seat),
                ..Fields::default()
            };
            clearing_price(&exchange, &claims(), fields, 9)
        };
        for seat in ["acme", "", "${AUCTION_SEAT_ID}"] {
            assert_eq!(priced(seat), Ok(Cpm(2_000_000)), "{seat}");
        }
        assert_eq!(priced("other"), Err(Refusal::UnknownSeat));
    }

    #[test]
    fn no_more_impressions_are_billed_than_were_asked_for() {
        let ten = Multiplier::new(10_500_000).unwrap();
        let many = Claims {
            multiplier: ten,
            ..claims()
        };
        let counted = |claims: &Claims<'_>, told| {
            let fields = Fields {
                multiplier: told,
                ..Fields::default()
            };
            multiplier(claims, fields)
        };
        for told in [None, Some(""), Some("${AUCTION_MULTIPLIER}"), Some("10.5")] {
            assert_eq!(counted(&many, told), Ok(ten), "{told:?}");
        }
        assert_eq!(
            counted(&many, Some("3")),
            Ok(Multiplier::new(3_000_000).unwrap())
        );
        for told in ["10.500001", "0", "-1", "ten", "1e3", "99999999999999999999"] {
            let told = Some(told);
            assert_eq!(counted(&many, told), Err(Refusal::Multiplier), "{told:?}");
        }
        assert_eq!(counted(&claims(), Some("2")), Err(Refusal::Multiplier));
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
                reason: Some("102"),
                ..Fields::default()
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
