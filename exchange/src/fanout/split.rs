//! Splitting: an imp of several formats becomes one imp for each, for partners that read only
//! the first. Answers come back under the ids that were sent and are put back under the
//! publisher's.

use crate::catalog::Format;
use crate::lot::{self, Auction};
use bumpalo::Bump;
use openrtb::request::Imp;
use openrtb::response::{Bid, SeatBid};
use openrtb::{BidResponse, List};

/// What separates the publisher's id from the format.
const MARK: char = '~';

/// Whether the imps of this auction can be split: an id of the publisher's own that looks like
/// one of ours would be taken for it.
pub fn can_split(auction: &Auction<'_>) -> bool {
    let marked = |imp: &Imp<'_>| imp.id.is_some_and(|id| id.contains(MARK));
    !auction.lots.iter().any(|lot| marked(lot.imp))
}

/// The imps that an imp is split into; none where it has one format only.
pub fn split<'a>(imp: &Imp<'a>, arena: &'a Bump) -> Vec<Imp<'a>> {
    let formats: Vec<Format> = lot::formats(imp).collect();
    if formats.len() < 2 {
        return Vec::new();
    }
    let each = formats.into_iter().map(|format| {
        let id = imp.id.unwrap_or_default();
        let id = format!("{id}{MARK}{}", format.label());
        Imp {
            id: Some(arena.alloc_str(&id)),
            ..only(imp, |kept| kept == format)
        }
    });
    each.collect()
}

/// The imp with some of its formats.
pub fn only<'a>(imp: &Imp<'a>, keep: impl Fn(Format) -> bool) -> Imp<'a> {
    Imp {
        banner: imp.banner.filter(|_| keep(Format::Banner)),
        video: imp.video.filter(|_| keep(Format::Video)),
        audio: imp.audio.filter(|_| keep(Format::Audio)),
        native: imp.native.filter(|_| keep(Format::Native)),
        ..*imp
    }
}

/// The answer with its bids on the publisher's imps.
pub fn rejoined<'a>(
    auction: &Auction<'_>,
    response: BidResponse<'a>,
    arena: &'a Bump,
) -> BidResponse<'a> {
    if !can_split(auction) {
        return response;
    }
    let bid = |bid: &Bid<'a>| {
        let impid = bid.impid.map(|sent| match sent.rsplit_once(MARK) {
            Some((own, format)) if is_format(format) => own,
            _ => sent,
        });
        Bid { impid, ..*bid }
    };
    let seat = |seat: &SeatBid<'a>| SeatBid {
        bid: List::new(arena.alloc_slice_fill_iter(seat.bid.items().iter().map(bid))),
        ..*seat
    };
    let seats = response.seatbid.items().iter().map(seat);
    BidResponse {
        seatbid: List::new(arena.alloc_slice_fill_iter(seats)),
        ..response
    }
}

fn is_format(word: &str) -> bool {
    let formats = [Format::Banner, Format::Video, Format::Audio, Format::Native];
    formats.iter().any(|format| format.label() == word)
}
