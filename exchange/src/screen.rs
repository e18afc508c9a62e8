//! Screening: each bid passes, or is rejected for exactly one reason.
//!
//! The checks run in the order in which a buyer would want to hear of them: is it a bid on this
//! auction at all, may this seat buy, is the price good, may the creative be shown. The first
//! that fails is the reason.

mod creative;

pub(crate) use creative::format;

use crate::counters::labels;
use crate::deal::floor_of_length;
use crate::floor;
use crate::invite::admits_seat;
use crate::lot::{Auction, Lot};
use crate::market::Buyer;
use crate::price::{USD, from_wire};
use foldhash::fast::RandomState;
use ledger::{Cpm, Currency};
use openrtb::request::Deal;
use openrtb::response::{Bid, SeatBid};
use openrtb::{BidResponse, Flag};
use std::collections::HashSet;
use xxhash_rust::xxh3::Xxh3;

/// The most bids of one answer for each lot; an answer with more is no answer.
pub const MAX_BIDS_PER_LOT: usize = 16;

/// Longest id or address inside a bid, in bytes: they travel in signed tokens.
const MAX_TEXT: usize = 2048;
const MAX_ID: usize = 256;

labels! {
    /// Why a bid did not win.
    pub enum Loss {
        /// No id, no imp of this auction, or an id or address that is too long.
        Malformed = "malformed",
        /// The same bid id twice from one partner.
        Duplicate = "duplicate",
        /// The deal is not one of the imp's.
        UnknownDeal = "unknown_deal",
        /// Only deals may buy the imp.
        OpenBid = "open_bid",
        /// The seat may not buy here.
        Seat = "seat",
        /// No price, or one that cannot be meant.
        Price = "price",
        /// A currency that was not asked for, or without a rate.
        Currency = "currency",
        /// Below the imp's floor.
        BelowFloor = "below_floor",
        /// Below the deal's floor.
        BelowDealFloor = "below_deal_floor",
        /// No markup.
        NoMarkup = "no_markup",
        /// Markup that is larger than the publisher takes.
        MarkupSize = "markup_size",
        /// No creative id, which the publisher requires.
        NoCreativeId = "no_creative_id",
        /// A creative that the publisher has not approved yet.
        PendingApproval = "pending_approval",
        /// A creative that the publisher has rejected.
        Disapproved = "disapproved",
        /// A format that the imp does not take.
        Format = "format",
        /// A size that the imp does not take.
        Size = "size",
        /// A video or audio that is too short or too long.
        Duration = "duration",
        /// A protocol of video or audio that the imp does not take.
        Protocol = "protocol",
        /// Media files of kinds that the imp does not take, all of them.
        Mime = "mime",
        /// A language that the request does not allow.
        Language = "language",
        /// A blocked advertiser.
        Advertiser = "advertiser",
        /// An advertiser that the deal does not admit.
        NotInDeal = "not_in_deal",
        /// A blocked category.
        Category = "category",
        /// A blocked creative attribute.
        Attribute = "attribute",
        /// A blocked application.
        Bundle = "bundle",
        /// Insecure markup where secure markup is required.
        Insecure = "insecure",
        /// Outbid in the open auction or by a deal of the same kind.
        Outbid = "outbid",
        /// Outbid by a bid on a deal.
        LostToDeal = "lost_to_deal",
        /// Passed over for a deal that wins whatever others bid.
        LowerTier = "lower_tier",
        /// Of a group that is won or lost together, and another bid of it could not win.
        Group = "group",
    }
}

impl Loss {
    /// The code of `AUCTION_LOSS` (AdCOM, loss reason codes).
    pub fn code(self) -> i64 {
        match self {
            Loss::Malformed | Loss::Duplicate | Loss::Currency => 3,
            Loss::UnknownDeal | Loss::OpenBid => 4,
            Loss::NoMarkup => 7,
            Loss::NoCreativeId => 8,
            Loss::Price => 9,
            Loss::BelowFloor => 100,
            Loss::BelowDealFloor => 101,
            Loss::Outbid | Loss::Group => 102,
            Loss::LostToDeal | Loss::LowerTier => 103,
            Loss::Seat => 104,
            Loss::Size => 203,
            Loss::Duration | Loss::MarkupSize => 200,
            Loss::PendingApproval => 201,
            Loss::Disapproved => 202,
            Loss::Format | Loss::Protocol | Loss::Mime => 204,
            Loss::Advertiser => 205,
            Loss::Insecure => 207,
            Loss::Language => 208,
            Loss::Category => 209,
            Loss::Attribute => 210,
            Loss::NotInDeal => 213,
            Loss::Bundle => 215,
        }
    }

    /// Whether a higher price would have helped: only then is a price to win told.
    pub fn is_about_price(self) -> bool {
        match self {
            Loss::BelowFloor | Loss::BelowDealFloor | Loss::Outbid | Loss::LostToDeal => true,
            Loss::Malformed
            | Loss::Duplicate
            | Loss::UnknownDeal
            | Loss::OpenBid
            | Loss::Seat
            | Loss::LowerTier
            | Loss::Group
            | Loss::Price
            | Loss::Currency
            | Loss::NoMarkup
            | Loss::MarkupSize
            | Loss::Mime
            | Loss::NoCreativeId
            | Loss::PendingApproval
            | Loss::Disapproved
            | Loss::Format
            | Loss::Size
            | Loss::Duration
            | Loss::Protocol
            | Loss::Language
            | Loss::Advertiser
            | Loss::NotInDeal
            | Loss::Category
            | Loss::Attribute
            | Loss::Bundle
            | Loss::Insecure => false,
        }
    }
}

/// A partner's answer, decoded.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// Place of the partner in the market.
    pub buyer: usize,
    /// What it answered.
    pub response: BidResponse<'a>,
}

/// A bid with what screening found.
#[derive(Clone, Copy, Debug)]
pub struct Offer<'a> {
    /// Place of the partner in the market.
    pub buyer: usize,
    /// The seat, or the partner's only one where the answer names none; may be empty.
    pub seat: &'a str,
    /// The bid, as it came.
    pub bid: &'a Bid<'a>,
    /// Currency of its price.
    pub currency: Currency,
    /// Its price in its own currency; 0 where it has none that can be meant.
    pub own_price: Cpm,
    /// Place of the lot; `None` where it is on none.
    pub lot: Option<usize>,
    /// Of which group of bids that are won or lost together.
    pub group: Option<u32>,
    /// What it is worth to the auction, or why it is out.
    pub standing: Result<Standing<'a>, Loss>,
}

/// A bid that passed.
#[derive(Clone, Copy, Debug)]
pub struct Standing<'a> {
    /// Its price in the auction's currency.
    pub price: Cpm,
    /// Its floor: the lot's, or its deal's.
    pub floor: Cpm,
    /// The deal that it is on.
    pub deal: Option<&'a Deal<'a>>,
    /// Hash of partner and bid, for ties.
    pub identity: u64,
}

/// What screening does not find in the auction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The highest price that is believed, per thousand, in the auction's currency.
    pub max_price: Cpm,
}

/// Whether a response answers this request, with no more bids than are looked at.
pub fn is_answer(auction: &Auction<'_>, response: &BidResponse<'_>) -> bool {
    let bids: usize = response.seatbid.iter().map(|seat| seat.bid.len()).sum();
    response.id == auction.request.id && bids <= auction.lots.len() * MAX_BIDS_PER_LOT
}

/// Whether the bid has no markup yet, because its partner answers the win notice with it.
pub(crate) fn awaits_markup(buyer: &Buyer, bid: &Bid<'_>) -> bool {
    buyer.partner.treatment.markup_from_nurl
        && bid.adm.is_none_or(|adm| adm.trim().is_empty())
        && bid.nurl.is_some_and(|nurl| !nurl.is_empty())
}

/// Looks once more whether a creative may be shown, now that its markup is there.
pub(crate) fn recheck(auction: &Auction<'_>, offer: &Offer<'_>) -> Result<(), Loss> {
    let standing = offer.standing?;
    let lot = offer.lot.ok_or(Loss::Malformed)?;
    let parties = (&auction.market.buyers()[offer.buyer], standing.deal);
    creative::check(auction, &auction.lots[lot], parties, offer.bid, false)
}

/// Screens every bid of every answer. Each comes out once, with its standing.
pub fn screen<'a>(
    auction: &Auction<'a>,
    answers: &'a [Answer<'a>],
    rules: Rules,
) -> Vec<Offer<'a>> {
    let mut offers = Vec::with_capacity(answers.len());
    let mut groups = 0;
    for answer in answers {
        let buyer = &auction.market.buyers()[answer.buyer];
        let mut seen = HashSet::with_hasher(RandomState::default());
        for seatbid in answer.response.seatbid.items() {
            let together = seatbid.group.is_some_and(Flag::is_set) && seatbid.bid.len() > 1;
            let group = together.then_some(groups);
            groups += u32::from(together);
            for bid in seatbid.bid.items() {
                let mut offer = offer(auction, buyer, answer, seatbid, bid);
                offer.group = group;
                offer.standing = if seen.insert(bid.id) {
                    standing(auction, buyer, answer, &offer, rules)
                } else {
                    Err(Loss::Duplicate)
                };
                offers.push(offer);
            }
        }
    }
    offers
}

fn offer<'a>(
    auction: &Auction<'a>,
    buyer: &'a Buyer,
    answer: &'a Answer<'a>,
    seatbid: &SeatBid<'a>,
    bid: &'a Bid<'a>,
) -> Offer<'a> {
    let only = match buyer.partner.seats.as_slice() {
        [only] => &**only,
        _ => "",
    };
    Offer {
        buyer: answer.buyer,
        seat: seatbid.seat.unwrap_or(only),
        bid,
        currency: answer
            .response
            .cur
            .map_or(Ok(USD), str::parse)
            .unwrap_or(USD),
        own_price: bid.price.and_then(from_wire).unwrap_or(Cpm(0)),
        lot: bid.impid.and_then(|imp| auction.lot(imp)),
        group: None,
        standing: Err(Loss::Malformed),
    }
}

fn standing<'a>(
    auction: &Auction<'a>,
    buyer: &Buyer,
    answer: &Answer<'_>,
    offer: &Offer<'a>,
    rules: Rules,
) -> Result<Standing<'a>, Loss> {
    let bid = offer.bid;
    let lot = match offer.lot {
        Some(index) if has_sound_texts(offer) => &auction.lots[index],
        _ => return Err(Loss::Malformed),
    };
    let deal = deal(auction, buyer, lot, bid)?;
    seat(auction, buyer, deal, offer.seat)?;
    let price = price(auction, answer, offer, rules)?;
    let (floor, below) = bid_floor(auction, offer, deal)?;
    if price < floor {
        return Err(below);
    }
    let awaited = awaits_markup(buyer, bid);
    creative::check(auction, lot, (buyer, deal), bid, awaited)?;
    let mut hash = Xxh3::new();
    hash.update(buyer.partner.id.as_bytes());
    hash.update(&[0]);
    hash.update(bid.id.unwrap_or_default().as_bytes());
    Ok(Standing {
        price,
        floor,
        deal,
        identity: hash.digest(),
    })
}

fn has_sound_texts(offer: &Offer<'_>) -> bool {
    let bid = offer.bid;
    let ids = [
        Some(offer.seat),
        bid.id,
        bid.cid,
        bid.crid,
        bid.adid,
        bid.dealid,
    ];
    let urls = [bid.nurl, bid.burl, bid.lurl];
    bid.id.is_some_and(|id| !id.is_empty())
        && ids.iter().flatten().all(|id| id.len() <= MAX_ID)
        && urls.iter().flatten().all(|url| url.len() <= MAX_TEXT)
}

fn deal<'a>(
    auction: &Auction<'_>,
    buyer: &Buyer,
    lot: &Lot<'a>,
    bid: &Bid<'_>,
) -> Result<Option<&'a Deal<'a>>, Loss> {
    let Some(id) = bid.dealid.filter(|id| !id.is_empty()) else {
        let private = lot.imp.pmp.and_then(|pmp| pmp.private_auction);
        let only_deals = private.is_some_and(Flag::is_set);
        return if only_deals {
            Err(Loss::OpenBid)
        } else {
            Ok(None)
        };
    };
    let agreed = auction.seller.deal(id);
    if agreed.is_some_and(|agreed| !agreed.deal.admits(&buyer.partner.id)) {
        return Err(Loss::UnknownDeal);
    }
    let deals = lot.imp.pmp.map(|pmp| pmp.deals.items()).unwrap_or_default();
    deals
        .iter()
        .find(|deal| deal.id == Some(id))
        .map(Some)
        .ok_or(Loss::UnknownDeal)
}

fn seat(
    auction: &Auction<'_>,
    buyer: &Buyer,
    deal: Option<&Deal<'_>>,
    seat: &str,
) -> Result<(), Loss> {
    let seats = &buyer.partner.seats;
    let known = seats.is_empty() || seats.iter().any(|known| &**known == seat);
    let in_deal = deal.is_none_or(|deal| deal.wseat.is_empty() || deal.wseat.contains(&seat));
    if known && in_deal && admits_seat(&auction.request, seat) {
        Ok(())
    } else {
        Err(Loss::Seat)
    }
}

/// The price in the auction's currency. Nothing is sold for nothing, except on a deal.
fn price(
    auction: &Auction<'_>,
    answer: &Answer<'_>,
    offer: &Offer<'_>,
    rules: Rules,
) -> Result<Cpm, Loss> {
    let price = offer.bid.price.and_then(from_wire).ok_or(Loss::Price)?;
    if price == Cpm(0) && offer.bid.dealid.is_none() {
        return Err(Loss::Price);
    }
    let code = answer.response.cur.unwrap_or(USD.code());
    let asked = auction.request.cur.items();
    let expected = if asked.is_empty() {
        code == auction.currency.code()
    } else {
        asked.contains(&code)
    };
    let currency = code
        .parse()
        .ok()
        .filter(|_| expected)
        .ok_or(Loss::Currency)?;
    let rates = auction.market.rates();
    let converted = rates
        .convert(price, currency, auction.currency)
        .ok_or(Loss::Currency)?;
    if converted > rules.max_price {
        Err(Loss::Price)
    } else {
        Ok(converted)
    }
}

/// The floor of a bid, and what it is called to be below it.
fn bid_floor(
    auction: &Auction<'_>,
    offer: &Offer<'_>,
    deal: Option<&Deal<'_>>,
) -> Result<(Cpm, Loss), Loss> {
    let lot = offer.lot.ok_or(Loss::Malformed)?;
    let floor = auction.floor(lot, offer.buyer);
    let Some(deal) = deal else {
        return Ok((floor.enforced, Loss::BelowFloor));
    };
    let of_length = floor_of_length(deal, offer.bid.dur);
    let own = floor::convert(
        deal.bidfloor.into_iter().chain(of_length).reduce(f64::max),
        deal.bidfloorcur,
        auction.currency,
        auction.market.rates(),
    );
    let own = own.map_err(|_| Loss::Currency)?;
    Ok((own.max(floor.deals), Loss::BelowDealFloor))
}

#[cfg(test)]
mod tests;
