//! What we know of the ad exchange that calls us.

use crate::notice::price::Form;
use crate::throttle::Throttle;
use ledger::Currency;
use ledger::token::Claims;
use openrtb::encode::escape;
use std::sync::Arc;

/// Which notice is charged. Exactly one is, for each exchange.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Billable {
    /// The billing notice, `burl`.
    #[default]
    Burl,
    /// The win notice, `nurl`.
    Win,
    /// The impression pixel in our markup.
    Impression,
}

/// How the exchange wants to be told that there is no bid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NoBidStyle {
    /// 204 without a body.
    #[default]
    Empty,
    /// 200 with `{"id":…,"nbr":…}`.
    Body,
}

/// Under which seat we bid.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SeatUse {
    /// Every advertiser is a seat of its own, named by its id.
    #[default]
    Advertiser,
    /// One seat that the exchange gave us.
    Single(Arc<str>),
}

/// The settings of one ad exchange.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// Its name in our addresses, targeting and books.
    pub id: Arc<str>,
    /// The currency of requests that allow none by name.
    pub currency: Currency,
    /// Which notice is charged.
    pub billable: Billable,
    /// Seconds that a bid holds its budget without hearing from the exchange: longer than the
    /// tail of its notices.
    pub reservation_s: u32,
    /// Seconds after that in which notices are still accepted, to be posted as late.
    pub grace_s: u32,
    /// Milliseconds of `tmax` that the network takes; a request that leaves no more gets no bid.
    pub tmax_margin_ms: u32,
    /// How to say that there is no bid.
    pub no_bid: NoBidStyle,
    /// Under which seat we bid.
    pub seat: SeatUse,
    /// How its notices write prices.
    pub price: Form,
    /// Most bytes of markup that it takes, without our addresses in it.
    pub most_markup: usize,
    /// How much of its requests is passed over because our answers come too late.
    pub throttle: Arc<Throttle>,
}

impl Exchange {
    /// Settings that suit most exchanges: `burl` is charged, ten minutes until a reservation
    /// expires and a day of grace, 10 ms of network, 204, the advertiser as seat.
    pub fn new(id: &str, currency: Currency) -> Self {
        Self {
            id: Arc::from(id),
            currency,
            billable: Billable::default(),
            reservation_s: 600,
            grace_s: 86_400,
            tmax_margin_ms: 10,
            no_bid: NoBidStyle::default(),
            seat: SeatUse::default(),
            price: Form::default(),
            most_markup: usize::MAX,
            throttle: Arc::default(),
        }
    }

    /// When (unix seconds) the bid of a token of this exchange was made, as long as its times are
    /// what they were.
    pub fn bid_at(&self, claims: &Claims<'_>) -> u32 {
        let expiry = self.reservation_expiry(claims);
        expiry.saturating_sub(self.reservation_s)
    }

    /// When (unix seconds) the reservation behind a token of this exchange expires, as long as
    /// its grace is what it was at the bid.
    pub fn reservation_expiry(&self, claims: &Claims<'_>) -> u32 {
        claims.expires_at.saturating_sub(self.grace_s)
    }
}

/// Where notices and pixels come back to us, ready to be copied into JSON.
#[derive(Clone, Debug)]
pub struct Links {
    pub(crate) win: Box<[u8]>,
    pub(crate) bill: Box<[u8]>,
    pub(crate) loss: Box<[u8]>,
    pub(crate) impression: Box<[u8]>,
    pub(crate) click: Box<[u8]>,
    pub(crate) view: Box<[u8]>,
    /// The last three as parameters of another address, percent-encoded.
    pub(crate) encoded: [Box<[u8]>; 3],
}

impl Links {
    /// Links under `base`, such as `https://bid.example`, without a slash at its end.
    pub fn new(base: &str) -> Self {
        let base = base.trim_end_matches('/');
        let link = |path: &str| {
            let mut out = Vec::new();
            escape(base, &mut out);
            out.extend_from_slice(path.as_bytes());
            out.into_boxed_slice()
        };
        let encoded = |path: &str| percent_encoded(&format!("{base}{path}"));
        Self {
            encoded: ["/t/click?t=", "/t/imp?t=", "/t/view?t="].map(encoded),
            view: link("/t/view?t="),
            win: link("/n/win?t="),
            bill: link("/n/bill?t="),
            loss: link("/n/loss?t="),
            impression: link("/t/imp?t="),
            click: link("/t/click?t="),
        }
    }
}

/// All but the unreserved characters of RFC 3986, percent-encoded.
fn percent_encoded(text: &str) -> Box<[u8]> {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = Vec::with_capacity(3 * text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(byte);
        } else {
            let (high, low) = (usize::from(byte >> 4), usize::from(byte & 15));
            out.extend_from_slice(&[b'%', HEX[high], HEX[low]]);
        }
    }
    out.into_boxed_slice()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_ready_for_json() {
        let links = Links::new("https://bid.example/\"x\"/");
        assert_eq!(&*links.win, br#"https://bid.example/\"x\"/n/win?t="#);
        assert_eq!(&*links.click, br#"https://bid.example/\"x\"/t/click?t="#);
        let encoded = b"https%3A%2F%2Fbid.example%2F%22x%22%2Ft%2Fclick%3Ft%3D";
        assert_eq!(&*links.encoded[0], encoded);
    }
}
