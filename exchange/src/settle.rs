//! Settlement: the response to the publisher, and the notices to the partners.
//!
//! The response has the winners only. Its price is gross: what the buyer pays, of which the
//! publisher earns its share. Markup has its macros filled; banners carry the exchange's own
//! impression pixel, and every bid carries the same address as `burl` for publishers who bill
//! server to server: whichever comes first is billed, the other is a repeat. The buyers' own
//! `nurl`, `burl` and `lurl` never reach the publisher: the exchange sends them itself, `burl`
//! out of the token when the impression was billed. Unknown fields and `ext` of a bid pass.

mod unsold;

pub use unsold::explain;

use crate::catalog::{Format, LossPrices};
use crate::clear::Award;
use crate::link::notice::{Device, Kind, Notice, Outbox};
use crate::lot::Auction;
use crate::price::to_wire;
use crate::screen::{Loss, Offer};
use bumpalo::Bump;
use ledger::token::{Claims, Purpose, Sale, Side, Signer, idempotency_key};
use ledger::{Cpm, Currency, Day, Draws, Exposure, Fees};
use openrtb::macros::{Place, Values, expand};
use openrtb::response::{Bid, SeatBid};
use openrtb::{BidResponse, List};

/// The longest `burl` that a token carries, its macros filled, in bytes.
const MAX_BILLING_URL: usize = 3_072;

/// What settlement signs and links with.
#[derive(Clone, Copy)]
pub struct Seal<'a> {
    /// Name of the exchange in tokens and the ledger.
    pub exchange: &'a str,
    /// Where browsers and publishers reach us: `https://host`, without a slash at the end.
    pub public_url: &'a str,
    /// Signs the tokens.
    pub signer: &'a Signer,
    /// Unix seconds after which an impression is not billed any more.
    pub expires_at: u32,
}

/// A sale as it is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sold {
    /// The imp's id.
    pub imp: String,
    /// Place of the partner in the market.
    pub buyer: usize,
    /// The buyer's seat.
    pub seat: String,
    /// The clearing price.
    pub price: Cpm,
    /// Its currency.
    pub currency: Currency,
}

/// Makes the response of the winners.
pub fn respond<'a>(
    auction: &Auction<'a>,
    offers: &[Offer<'a>],
    awards: &[Award],
    seal: &Seal<'_>,
    arena: &'a Bump,
) -> BidResponse<'a> {
    let mut seats = bumpalo::collections::Vec::with_capacity_in(awards.len(), arena);
    for award in awards {
        let offer = &offers[award.offer];
        let seat = if offer.seat.is_empty() {
            &*auction.market.buyers()[offer.buyer].partner.id
        } else {
            offer.seat
        };
        let bid = sold_bid(auction, offer, award, seal, arena);
        seats.push(SeatBid {
            bid: List::new(std::slice::from_ref(arena.alloc(bid))),
            seat: Some(seat),
            ..SeatBid::default()
        });
    }
    BidResponse {
        id: auction.request.id,
        seatbid: List::new(seats.into_bump_slice()),
        cur: Some(arena.alloc_str(auction.currency.code())),
        ..BidResponse::default()
    }
}

/// The sales for the record.
pub fn record(auction: &Auction<'_>, offers: &[Offer<'_>], awards: &[Award]) -> Vec<Sold> {
    let sold = |award: &Award| {
        let offer = &offers[award.offer];
        Sold {
            imp: auction.lots[award.lot]
                .imp
                .id
                .unwrap_or_default()
                .to_owned(),
            buyer: offer.buyer,
            seat: offer.seat.to_owned(),
            price: award.cleared.price,
            currency: auction.currency,
        }
    };
    awards.iter().map(sold).collect()
}

fn sold_bid<'a>(
    auction: &Auction<'a>,
    offer: &Offer<'a>,
    award: &Award,
    seal: &Seal<'_>,
    arena: &'a Bump,
) -> Bid<'a> {
    let texts = Texts::won(auction, offer, award);
    let values = texts.values(auction, offer);
    let mut markup = filled(offer.bid.adm.unwrap_or_default(), &values, Place::Markup);
    let mut burl = None;
    let lot = &auction.lots[award.lot];
    let format = crate::screen::format(lot, offer.bid, &markup);
    // Callers of several formats, such as Prebid Server, tell them apart by this alone.
    let found = format.ok().map(|format| match format {
        Format::Banner => 1,
        Format::Video => 2,
        Format::Audio => 3,
        Format::Native => 4,
    });
    if !auction.is_test() {
        let tracking = impression_url(auction, offer, award, &values, seal);
        if format == Ok(Format::Banner) {
            markup.push_str("<img src=\"");
            markup.push_str(&tracking);
            markup.push_str("\" width=\"1\" height=\"1\" style=\"display:none\" alt=\"\">");
        }
        burl = Some(&*arena.alloc_str(&tracking));
    }
    Bid {
        price: Some(to_wire(award.cleared.price)),
        adm: Some(arena.alloc_str(&markup)),
        burl,
        nurl: None,
        lurl: None,
        mtype: offer.bid.mtype.or(found),
        ..*offer.bid
    }
}

fn filled(text: &str, values: &Values<'_>, place: Place) -> String {
    let mut out = String::with_capacity(text.len() + 512);
    expand(text, values, place, &mut out);
    out
}

/// The address that bills the impression, for the pixel and for `burl`.
fn impression_url(
    auction: &Auction<'_>,
    offer: &Offer<'_>,
    award: &Award,
    values: &Values<'_>,
    seal: &Seal<'_>,
) -> String {
    let lot = &auction.lots[award.lot];
    let (bid, partner) = (offer.bid, &auction.market.buyers()[offer.buyer].partner);
    let publisher = &*auction.seller.publisher.id;
    let mut billing = filled(bid.burl.unwrap_or_default(), values, Place::Url);
    if billing.len() > MAX_BILLING_URL {
        billing.clear();
    }
    let (id, imp) = (
        auction.request.id.unwrap_or_default(),
        lot.imp.id.unwrap_or_default(),
    );
    let claims = Claims {
        side: Side::Exchange,
        expires_at: seal.expires_at,
        own_key: Some(sale_key(seal.exchange, auction, offer, award)),
        reservation: None,
        cpm: award.cleared.price.0,
        multiplier: lot.multiplier,
        currency: auction.currency.0,
        fees: Fees::default(),
        day: Day::default(),
        draws: Draws::default(),
        user: 0,
        exposure: Exposure::default(),
        sale: Sale {
            share_ppm: auction.seller.publisher.revenue_share_ppm,
            allow_private: partner.allow_private(),
        },
        exchange: seal.exchange,
        seat: offer.seat,
        advertiser: "",
        campaign: "",
        auction: id,
        imp,
        bid: bid.id.unwrap_or_default(),
        line_item: bid.cid.unwrap_or_default(),
        creative: bid.crid.unwrap_or_default(),
        publisher,
        placement: lot.placement.map_or("", |placement| &*placement.id),
        partner: &partner.id,
        url: &billing,
    };
    let mut token = Vec::with_capacity(512);
    seal.signer.sign(Purpose::Impression, &claims, &mut token);
    let token = std::str::from_utf8(&token).expect("a token is base64 text");
    format!("{}/t/imp?t={token}", seal.public_url)
}

/// Key of a sale in the event log. Publishers choose the ids of requests, partners those of bids:
/// only together with both names is a sale's key its own.
pub(crate) fn sale_key(
    exchange: &str,
    auction: &Auction<'_>,
    offer: &Offer<'_>,
    award: &Award,
) -> [u8; 16] {
    let imp = auction.lots[award.lot].imp.id.unwrap_or_default();
    let publisher = &auction.seller.publisher.id;
    let owner = format!("{publisher}/{}", auction.request.id.unwrap_or_default());
    let partner = &auction.market.buyers()[offer.buyer].partner.id;
    let bought = format!("{partner}/{}", offer.bid.id.unwrap_or_default());
    idempotency_key(Side::Exchange, exchange, &owner, imp, &bought)
}

/// Queues the win notices of the winners and the loss notices of all others.
pub fn notify(auction: &Auction<'_>, offers: &[Offer<'_>], awards: &[Award], outbox: &Outbox) {
    if auction.is_test() {
        return;
    }
    for (place, offer) in offers.iter().enumerate() {
        let won = awards.iter().find(|award| award.offer == place);
        if let Some(notice) = notice(auction, offer, won, awards) {
            outbox.put(notice);
        }
    }
}

/// The notice that an offer has won, where its buyer asks for one.
pub fn win_notice(auction: &Auction<'_>, offer: &Offer<'_>, award: &Award) -> Option<Notice> {
    let url = offer.bid.nurl.filter(|url| !url.is_empty())?;
    let texts = Texts::won(auction, offer, award);
    let url = filled(url, &texts.values(auction, offer), Place::Url);
    let notice = auction.market.buyers()[offer.buyer].notice(Kind::Win, url);
    Some(with_device(auction, offer, notice))
}

/// The notice with the device, as far as the partner may know it, where it is to be told.
fn with_device(auction: &Auction<'_>, offer: &Offer<'_>, notice: Notice) -> Notice {
    let told = auction.market.buyers()[offer.buyer]
        .partner
        .treatment
        .device_headers;
    let device = auction.request.device.filter(|_| told);
    notice.about(device.map(|device| Device {
        ip: device.ip.or(device.ipv6).map(str::to_owned),
        user_agent: device.ua.map(str::to_owned),
    }))
}

/// The notice of one offer, where its buyer asks for one.
fn notice(
    auction: &Auction<'_>,
    offer: &Offer<'_>,
    won: Option<&Award>,
    awards: &[Award],
) -> Option<Notice> {
    let loss = match (won, offer.standing) {
        (Some(award), _) => return win_notice(auction, offer, award),
        (None, Err(loss)) => loss,
        (None, Ok(_)) => return None,
    };
    let url = offer.bid.lurl.filter(|url| !url.is_empty())?;
    let award = awards.iter().find(|award| Some(award.lot) == offer.lot);
    let texts = Texts::lost(auction, offer, loss, award);
    let url = filled(url, &texts.values(auction, offer), Place::Url);
    Some(auction.market.buyers()[offer.buyer].notice(Kind::Loss, url))
}

/// The texts of an offer's macros: amounts in the currency of the bid.
struct Texts {
    price: Option<String>,
    min_to_win: Option<String>,
    mbr: Option<String>,
    loss: i64,
    multiplier: Option<String>,
}

impl Texts {
    fn won(auction: &Auction<'_>, offer: &Offer<'_>, award: &Award) -> Self {
        // Converting there and back must not charge more than was bid.
        let price =
            own_price(auction, offer, award.cleared.price).map(|price| price.min(offer.own_price));
        let min_to_win = own_price(auction, offer, award.cleared.winner_min_to_win);
        Self {
            mbr: price.and_then(|price| ratio(price, offer.own_price)),
            price: price.map(|price| price.to_string()),
            min_to_win: min_to_win.map(|price| price.to_string()),
            loss: 0,
            multiplier: multiplier(auction, offer),
        }
    }

    /// A loser learns what the publisher lets it: the price to win only where price was the
    /// reason, and what the winner pays only where the imp sold.
    fn lost(auction: &Auction<'_>, offer: &Offer<'_>, loss: Loss, award: Option<&Award>) -> Self {
        let told = auction.seller.publisher.loss_prices;
        let floor = offer.lot.map(|lot| auction.floor(lot, offer.buyer));
        let needed = match award {
            Some(award) => Some(award.cleared.loser_min_to_win),
            None => floor.map(|floor| floor.enforced),
        };
        let needed = needed.filter(|_| told != LossPrices::None && loss.is_about_price());
        let min_to_win = needed.and_then(|price| own_price(auction, offer, price));
        let cleared = award.filter(|_| told == LossPrices::Clearing);
        let price = cleared.and_then(|award| own_price(auction, offer, award.cleared.price));
        Self {
            price: price.map(|price| price.to_string()),
            min_to_win: min_to_win.map(|price| price.to_string()),
            mbr: None,
            loss: loss.code(),
            multiplier: multiplier(auction, offer),
        }
    }

    fn values<'v>(&'v self, auction: &Auction<'v>, offer: &'v Offer<'v>) -> Values<'v> {
        Values {
            auction_id: auction.request.id,
            bid_id: offer.bid.id,
            imp_id: offer.bid.impid,
            seat_id: Some(offer.seat),
            ad_id: offer.bid.adid,
            price: self.price.as_deref().filter(|_| !auction.is_test()),
            currency: Some(offer.currency.code()),
            mbr: self.mbr.as_deref(),
            loss: Some(self.loss),
            min_to_win: self.min_to_win.as_deref(),
            multiplier: self.multiplier.as_deref(),
            imp_ts: None,
            discount_pct: None,
            discount_cpm: None,
            audit: auction.is_test(),
        }
    }
}

/// A price of the auction in the currency of the bid.
fn own_price(auction: &Auction<'_>, offer: &Offer<'_>, price: Cpm) -> Option<Cpm> {
    auction
        .market
        .rates()
        .convert(price, auction.currency, offer.currency)
}

/// Clearing price over bid price at six decimals.
fn ratio(price: Cpm, bid: Cpm) -> Option<String> {
    let exact = (i128::from(price.0) * 1_000_000).checked_div(i128::from(bid.0))?;
    i64::try_from(exact)
        .ok()
        .map(|micros| Cpm(micros).to_string())
}

fn multiplier(auction: &Auction<'_>, offer: &Offer<'_>) -> Option<String> {
    let lot = &auction.lots[offer.lot?];
    lot.imp.qty?;
    Some(Cpm(lot.multiplier.millionths()).to_string())
}
