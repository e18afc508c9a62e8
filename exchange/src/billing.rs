//! Billing: what an impression that we sold does to the books.

use ledger::Event;
use ledger::event::Kind;
use ledger::token::{Claims, Side};

/// Why verified claims are no sale of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotASale {
    /// The token was issued by the buying side.
    #[error("the token is not of an impression that this exchange sold")]
    Side,
    /// The claims have no price or no currency.
    #[error("the token has no price that can be billed")]
    Price,
}

/// The ledger's event of a sale: the buyer owes the clearing price, of which the publisher earns
/// the share that it had when it sold, and the exchange keeps the rest. The ledger makes the three postings
/// of it in one transaction, once for its key.
///
/// The price is gross: what the buyer pays is what the response told the publisher, and the fee
/// comes out of the publisher's side.
///
/// # Errors
/// [`NotASale`], which is to be logged and never charged.
pub fn sale(claims: &Claims<'_>, now_ms: i64) -> Result<Event, NotASale> {
    if claims.side != Side::Exchange {
        return Err(NotASale::Side);
    }
    if claims.cpm < 0 {
        return Err(NotASale::Price);
    }
    let event = Event::of(Kind::Sale, claims, now_ms).map_err(|_| NotASale::Price)?;
    Ok(Event {
        share_ppm: i64::from(claims.sale.share_ppm.min(1_000_000)),
        ..event
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ledger::token::Sale;
    use ledger::{Cpm, Day, Draws, Exposure, Multiplier};

    fn claims() -> Claims<'static> {
        Claims {
            side: Side::Exchange,
            expires_at: 10,
            own_key: Some([7; 16]),
            reservation: None,
            cpm: 910_000,
            multiplier: Multiplier::ONE,
            currency: *b"EUR",
            fees: ledger::Fees::default(),
            day: Day(0),
            draws: Draws::default(),
            user: 0,
            exposure: Exposure::default(),
            sale: Sale {
                share_ppm: 850_000,
                allow_private: false,
            },
            exchange: "demo",
            seat: "s1",
            advertiser: "",
            campaign: "",
            auction: "a",
            imp: "1",
            bid: "b",
            line_item: "cid",
            creative: "crid",
            publisher: "pub_1",
            placement: "plc_1",
            partner: "dsp",
            url: "http://dsp.example/b",
        }
    }

    #[test]
    fn a_sale_says_who_owes_what_to_whom() {
        let event = sale(&claims(), 5).unwrap();
        assert_eq!(
            (event.kind, event.key, event.at_ms),
            (Kind::Sale, [7; 16], 5)
        );
        assert_eq!(
            (event.cpm, event.bid, event.share_ppm),
            (Cpm(910_000), Cpm(910_000), 850_000)
        );
        let names = [
            event.exchange,
            event.seat,
            event.line_item,
            event.publisher,
            event.partner,
        ];
        assert_eq!(names, ["demo", "s1", "cid", "pub_1", "dsp"]);
    }

    #[test]
    fn what_the_exchange_did_not_sell_is_not_billed() {
        let bought = Claims {
            side: Side::Bidder,
            ..claims()
        };
        assert_eq!(sale(&bought, 0), Err(NotASale::Side));
        let odd = Claims {
            currency: *b"eur",
            ..claims()
        };
        assert_eq!(sale(&odd, 0), Err(NotASale::Price));
        let odd = Claims {
            cpm: -1,
            ..claims()
        };
        assert_eq!(sale(&odd, 0), Err(NotASale::Price));
    }
}
