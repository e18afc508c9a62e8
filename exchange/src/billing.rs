//! Billing: what an impression that we sold does to the books.

use ledger::event::Kind;
use ledger::token::{Claims, Side};
use ledger::{Cpm, Currency, Event};

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
/// `share_ppm` millionths and the exchange keeps the rest. The ledger makes the three postings
/// of it in one transaction, once for its key.
///
/// The price is gross: what the buyer pays is what the response told the publisher, and the fee
/// comes out of the publisher's side.
///
/// # Errors
/// [`NotASale`], which is to be logged and never charged.
pub fn sale(claims: &Claims<'_>, share_ppm: u32, now_ms: i64) -> Result<Event, NotASale> {
    if claims.side != Side::Exchange {
        return Err(NotASale::Side);
    }
    let code = std::str::from_utf8(&claims.currency).map_err(|_| NotASale::Price)?;
    let currency: Currency = code.parse().map_err(|_| NotASale::Price)?;
    if claims.cpm < 0 {
        return Err(NotASale::Price);
    }
    Ok(Event {
        kind: Kind::Sale,
        key: claims.key,
        at_ms: now_ms,
        exchange: claims.exchange.to_owned(),
        seat: claims.seat.to_owned(),
        advertiser: String::new(),
        line_item: claims.line_item.to_owned(),
        creative: claims.creative.to_owned(),
        publisher: claims.publisher.to_owned(),
        placement: claims.placement.to_owned(),
        partner: claims.partner.to_owned(),
        bid: Cpm(claims.cpm),
        cpm: Cpm(claims.cpm),
        currency,
        share_ppm: i64::from(share_ppm.min(1_000_000)),
        reason: 0,
        budgets: Vec::new(),
        reservation: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims() -> Claims<'static> {
        Claims {
            side: Side::Exchange,
            expires_at: 10,
            key: [7; 16],
            reservation: None,
            cpm: 910_000,
            currency: *b"EUR",
            user: 0,
            exchange: "demo",
            seat: "s1",
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
        let event = sale(&claims(), 850_000, 5).unwrap();
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
        assert_eq!(sale(&bought, 0, 0), Err(NotASale::Side));
        let odd = Claims {
            currency: *b"eur",
            ..claims()
        };
        assert_eq!(sale(&odd, 0, 0), Err(NotASale::Price));
        let odd = Claims {
            cpm: -1,
            ..claims()
        };
        assert_eq!(sale(&odd, 0, 0), Err(NotASale::Price));
    }
}
