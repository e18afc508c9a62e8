//! Response: the winning offers as a `BidResponse`, written straight into the output.
//!
//! Notices carry one token, the impression pixel and the click each one of their own, so that
//! what a browser can read opens no billing notice. Cost: three signatures a bid, about 0.5 µs
//! each, and copies of compiled markup.

use crate::NoBid;
use crate::catalog::{Catalog, Display, Item};
use crate::decide::Snapshot;
use crate::dimension::inventory::publisher_of;
use crate::draw::{Draw, Subject};
use crate::exchange::{Billable, Links, SeatUse};
use crate::fees::Bought;
use crate::frequency::People;
use crate::markup::Hole;
use crate::reserve::Form;
use ledger::token::{Claims, Purpose, Sale, Side};
use ledger::{Cpm, Currency, DataFees, Day, Exposure, Fees, Multiplier, ReservationId};
use openrtb::encode::Object;
use openrtb::list::SlotInPod;
use openrtb::native::NativeRequest;
use openrtb::request::{Deal, Imp};
use openrtb::{BidRequest, Encode};

/// `Claims::partner` of a bid for a request with `test` set: it is never billed.
pub const TEST_PARTNER: &str = "test";

/// Most bytes of an id of the request that a token carries.
const MAX_TOKEN_TEXT: usize = 128;

/// What the exchange tells with a win or a bill.
const PRICE: &str = "&p=${AUCTION_PRICE}&c=${AUCTION_CURRENCY}&s=${AUCTION_SEAT_ID}";
/// And where a showing counts for several impressions.
const SHOWING: &str = "&p=${AUCTION_PRICE}&c=${AUCTION_CURRENCY}&s=${AUCTION_SEAT_ID}\
                       &q=${AUCTION_MULTIPLIER}";
/// What it tells with a loss.
const LOSS: &str = "&r=${AUCTION_LOSS}&m=${AUCTION_MIN_TO_WIN}";

/// A bid that leaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Winner {
    /// Place of the imp in the request.
    pub(crate) imp: u32,
    pub(crate) item: u32,
    pub(crate) creative: u32,
    pub(crate) price: Cpm,
    pub(crate) bought: Bought,
    /// How many impressions a showing counts for.
    pub(crate) multiplier: Multiplier,
    pub(crate) form: Form,
    pub(crate) reservation: Option<ReservationId>,
}

/// The buffers of a response, reused from request to request.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    notice: Vec<u8>,
    impression: Vec<u8>,
    click: Vec<u8>,
    /// What providers of data get.
    data: String,
    /// A native response, before it becomes a text.
    native: Vec<u8>,
}

/// What all bids of a response share.
#[derive(Clone, Copy)]
pub(crate) struct Terms {
    pub(crate) currency: Currency,
    pub(crate) people: People,
    /// Unix seconds.
    pub(crate) expires_at: u32,
    pub(crate) epoch: u32,
    pub(crate) draw: Draw,
    pub(crate) test: bool,
}

/// A request with what its native placements ask for, by imp.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'r, 'a> {
    pub(crate) request: &'r BidRequest<'a>,
    pub(crate) natives: &'r [Option<NativeRequest<'r>>],
}

/// Appends the response.
pub(crate) fn bids(
    asked: Asked<'_, '_>,
    winners: &[Winner],
    terms: Terms,
    snapshot: &Snapshot<'_>,
    tokens: &mut Tokens,
    out: &mut Vec<u8>,
) {
    let (request, catalog) = (asked.request, snapshot.catalog);
    let seat = |winner: &Winner| seat(snapshot, &catalog.items[winner.item as usize]);
    let mut response = Object::open(out);
    request.id.unwrap_or_default().encode(response.key("id"));
    let out = response.key("seatbid");
    out.push(b'[');
    for (at, first) in winners.iter().enumerate() {
        let name = seat(first);
        if winners[..at].iter().any(|earlier| seat(earlier) == name) {
            continue;
        }
        separate(out, b'[');
        let mut seat_bid = Object::open(out);
        let list = seat_bid.key("bid");
        list.push(b'[');
        for (winner, at) in winners.iter().zip(0..).skip(at) {
            if seat(winner) == name {
                separate(list, b'[');
                bid(asked, (*winner, at), terms, snapshot, tokens, list);
            }
        }
        list.push(b']');
        name.encode(seat_bid.key("seat"));
        seat_bid.close();
    }
    out.push(b']');
    terms.currency.code().encode(response.key("cur"));
    response.close();
}

/// Appends the body of a no-bid.
pub(crate) fn no_bid(request: &BidRequest<'_>, reason: NoBid, out: &mut Vec<u8>) {
    let mut response = Object::open(out);
    request.id.unwrap_or_default().encode(response.key("id"));
    reason.nbr().encode(response.key("nbr"));
    response.close();
}

/// A comma, unless the list has just been opened.
fn separate(out: &mut Vec<u8>, open: u8) {
    if out.last() != Some(&open) {
        out.push(b',');
    }
}

pub(crate) fn seat<'s>(snapshot: &Snapshot<'s>, item: &Item) -> &'s str {
    match &snapshot.exchange.seat {
        SeatUse::Advertiser => &snapshot.catalog.advertisers[item.advertiser as usize].id,
        SeatUse::Single(seat) => seat,
    }
}

fn bid(
    asked: Asked<'_, '_>,
    (winner, at): (Winner, u32),
    terms: Terms,
    snapshot: &Snapshot<'_>,
    tokens: &mut Tokens,
    out: &mut Vec<u8>,
) {
    let (request, catalog): (_, &Catalog) = (asked.request, snapshot.catalog);
    let item = &catalog.items[winner.item as usize];
    let creative = &catalog.creatives[winner.creative as usize];
    let imp = &request.imp[winner.imp as usize];
    let id = hex(terms.draw.bits(Subject::BidId(at)));
    let id = std::str::from_utf8(&id).expect("hexadecimal digits are text");
    sign(
        request,
        winner,
        terms,
        (imp, item, creative, id),
        snapshot,
        tokens,
    );
    let links = snapshot.links;
    let mut bid = Object::open(out);
    id.encode(bid.key("id"));
    imp.id.unwrap_or_default().encode(bid.key("impid"));
    decimal(winner.price, bid.key("price"));
    let mut notice = |name: &str, link: &[u8], macros: &str| {
        let out = bid.key(name);
        out.push(b'"');
        for part in [link, &tokens.notice, macros.as_bytes(), b"\""] {
            out.extend_from_slice(part);
        }
    };
    let price = match winner.multiplier {
        Multiplier::ONE => PRICE,
        _ => SHOWING,
    };
    notice("nurl", &links.win, price);
    if snapshot.exchange.billable == Billable::Burl {
        notice("burl", &links.bill, price);
    }
    notice("lurl", &links.loss, LOSS);
    let native = asked
        .natives
        .get(winner.imp as usize)
        .and_then(Option::as_ref);
    let filling = Filling {
        links,
        number: terms.draw.bits(Subject::CacheBuster(at)),
    };
    markup(creative, winner, (imp, native), filling, tokens, &mut bid);
    item.id.as_ref().encode(bid.key("cid"));
    let deal = deal(imp, winner).and_then(|deal| deal.id);
    if let Some(deal) = deal {
        deal.encode(bid.key("dealid"));
    }
    if winner.form.slot != SlotInPod::Any {
        winner.form.slot.code().encode(bid.key("slotinpod"));
    }
    let most = snapshot.exchange.reservation_s;
    let expires = [most, creative.exp_s]
        .into_iter()
        .filter(|seconds| *seconds > 0);
    i64::from(expires.min().unwrap_or(most)).encode(bid.key("exp"));
    bid.key("adomain").extend_from_slice(&creative.tail);
    bid.close();
}

/// What fills the holes of markup, besides the tokens.
#[derive(Clone, Copy)]
struct Filling<'f> {
    links: &'f Links,
    number: u64,
}

/// Writes the markup, and the protocol where it speaks one.
fn markup(
    creative: &Display,
    winner: Winner,
    (imp, native): (&Imp<'_>, Option<&NativeRequest<'_>>),
    filling: Filling<'_>,
    tokens: &mut Tokens,
    bid: &mut Object<'_>,
) {
    if let (Some(own), Some(request)) = (&creative.native, native) {
        let mut text = std::mem::take(&mut tokens.native);
        text.clear();
        let ver = imp.native.and_then(|native| native.ver);
        let fill = |hole, out: &mut Vec<u8>| fill(hole, filling, tokens, out);
        own.write(request, ver, fill, &mut text);
        // Texts in, texts out: what is compiled and what is linked are both.
        String::from_utf8_lossy(&text)
            .as_ref()
            .encode(bid.key("adm"));
        tokens.native = text;
        return;
    }
    let Some(variant) = creative.variants.get(usize::from(winner.form.variant)) else {
        return;
    };
    let fill = |hole, out: &mut Vec<u8>| fill(hole, filling, tokens, out);
    variant.markup.write(fill, bid.key("adm"));
    if variant.protocol > 0 {
        variant.protocol.encode(bid.key("protocol"));
    }
}

fn fill(hole: Hole, filling: Filling<'_>, tokens: &Tokens, out: &mut Vec<u8>) {
    let links = filling.links;
    let [click, impression, view] = &links.encoded;
    let (link, token) = match hole {
        Hole::Click { encoded: false } => (&links.click, &tokens.click),
        Hole::Click { encoded: true } => (click, &tokens.click),
        Hole::Impression { encoded: false } => (&links.impression, &tokens.impression),
        Hole::Impression { encoded: true } => (impression, &tokens.impression),
        Hole::View { encoded: false } => (&links.view, &tokens.impression),
        Hole::View { encoded: true } => (view, &tokens.impression),
        Hole::CacheBuster => return ((filling.number >> 1) as i64).encode(out),
    };
    out.extend_from_slice(link);
    out.extend_from_slice(token);
}

/// The deal that a bid is under.
fn deal<'a>(imp: &Imp<'a>, winner: Winner) -> Option<Deal<'a>> {
    let at = winner.form.deal? as usize;
    imp.pmp?.deals.items().get(at).copied()
}

/// Signs what this bid needs; the markup says whether it has a place for pixel and click.
fn sign(
    request: &BidRequest<'_>,
    winner: Winner,
    terms: Terms,
    (imp, item, creative, bid): (&Imp<'_>, &Item, &Display, &str),
    snapshot: &Snapshot<'_>,
    tokens: &mut Tokens,
) {
    let (exchange, catalog) = (&snapshot.exchange.id, snapshot.catalog);
    let auction = request.id.unwrap_or_default();
    let imp_id = imp.id.unwrap_or_default();
    tokens.data.clear();
    let mut fees = Fees::default();
    if let Some(own) = &item.fees {
        own.write(winner.bought, &mut tokens.data);
        fees.platform_ppm = own.platform_ppm();
        fees.data = DataFees::read(&tokens.data).unwrap_or_default();
    }
    let claims = Claims {
        side: Side::Bidder,
        expires_at: terms.expires_at.saturating_add(snapshot.exchange.grace_s),
        own_key: None,
        reservation: winner
            .reservation
            .map(|id| (terms.epoch, id.slot, id.generation)),
        cpm: winner.price.0,
        multiplier: winner.multiplier,
        currency: terms.currency.0,
        fees,
        day: Day(snapshot.plan.day(item.advertiser)),
        draws: item.draws,
        user: terms.people.user.map_or(0, |user| user.0),
        // A test is shown to nobody.
        exposure: if terms.test {
            Exposure::default()
        } else {
            let rules = item.frequency.iter().chain(&creative.frequency);
            terms.people.exposure(rules)
        },
        sale: Sale::default(),
        exchange,
        seat: seat(snapshot, item),
        advertiser: &catalog.advertisers[item.advertiser as usize].id,
        campaign: &catalog.campaigns[item.campaign as usize].id,
        auction,
        imp: imp_id,
        bid,
        line_item: &item.id,
        creative: &creative.id,
        publisher: cut(publisher_of(request).unwrap_or_default()),
        placement: cut(imp.tagid.unwrap_or_default()),
        partner: if terms.test { TEST_PARTNER } else { "" },
        url: "",
    };
    let draft = snapshot.signer.draft(&claims);
    tokens.notice.clear();
    draft.sign(Purpose::Notice, "", &mut tokens.notice);
    tokens.impression.clear();
    let (impressions, clicks) = needs(creative, winner);
    if impressions {
        draft.sign(Purpose::Impression, "", &mut tokens.impression);
    }
    tokens.click.clear();
    if clicks {
        draft.sign(Purpose::Click, &creative.landing_page, &mut tokens.click);
    }
}

/// Whether the markup has places for our impression and click addresses.
fn needs(creative: &Display, winner: Winner) -> (bool, bool) {
    let variant = creative.variants.get(usize::from(winner.form.variant));
    let native = creative.native.is_some();
    variant.map_or((native, native), |variant| {
        (variant.markup.impressions(), variant.markup.clicks())
    })
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_TOKEN_TEXT)]
}

fn hex(bits: u64) -> [u8; 16] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    std::array::from_fn(|at| DIGITS[(bits >> (60 - 4 * at)) as usize & 15])
}

/// Appends a price of 0 or more as a JSON number, exact to the micro.
fn decimal(price: Cpm, out: &mut Vec<u8>) {
    (price.0 / 1_000_000).encode(out);
    let mut fraction = price.0 % 1_000_000;
    if fraction == 0 {
        return;
    }
    out.push(b'.');
    let mut place = 100_000;
    while fraction > 0 {
        out.push(b'0' + (fraction / place) as u8);
        fraction %= place;
        place /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_written_to_the_micro() {
        for (micros, expected) in [
            (2_500_000, "2.5"),
            (1, "0.000001"),
            (1_000_000, "1"),
            (12_345_678_900, "12345.6789"),
            (100_010, "0.10001"),
            (0, "0"),
        ] {
            let mut out = Vec::new();
            decimal(Cpm(micros), &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }

    #[test]
    fn ids_are_sixteen_digits() {
        assert_eq!(&hex(0x0123_4567_89ab_cdef), b"0123456789abcdef");
    }

    #[test]
    fn long_ids_are_cut_between_characters() {
        let long = format!("{}é", "x".repeat(127));
        assert_eq!(cut(&long).len(), 127);
        assert_eq!(cut("short"), "short");
    }
}
