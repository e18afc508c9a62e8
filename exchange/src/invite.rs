//! Invitation: which partners may see which imps.
//!
//! A partner is asked for the imps whose format and size it buys, in its countries, where the
//! request leaves it a seat. Whether it is fit to be asked now, that is breaker and quota, is
//! the fan-out's question. Cost: partners × imps comparisons of a few bytes.

use crate::catalog::Format;
use crate::counters::PartnerEvent;
use crate::lot::{self, Auction};
use crate::market::Buyer;
use bumpalo::Bump;
use openrtb::BidRequest;
use openrtb::request::Imp;

/// A partner with the imps that it may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Invitation<'a> {
    /// Place of the partner in the market.
    pub buyer: usize,
    /// Places of the lots, in order.
    pub lots: &'a [usize],
}

/// Who is invited.
pub fn invite<'a>(auction: &Auction<'_>, arena: &'a Bump) -> Vec<Invitation<'a>> {
    let mut invited = Vec::new();
    for (index, buyer) in auction.market.buyers().iter().enumerate() {
        let lots = auction.lots.iter().enumerate();
        let wanted = lots
            .filter(|(_, lot)| buys(buyer, lot.imp))
            .map(|(at, _)| at);
        let mut lots = bumpalo::collections::Vec::new_in(arena);
        if in_countries(buyer, &auction.request) && has_seat(buyer, &auction.request) {
            lots.extend(wanted);
        }
        if lots.is_empty() {
            auction.note(index, PartnerEvent::NotInvited);
        } else {
            invited.push(Invitation {
                buyer: index,
                lots: lots.into_bump_slice(),
            });
        }
    }
    invited
}

fn buys(buyer: &Buyer, imp: &Imp<'_>) -> bool {
    lot::formats(imp).any(|format| match format {
        Format::Banner => buyer.buys(format) && buys_size(buyer, imp),
        Format::Video | Format::Audio | Format::Native => buyer.buys(format),
    })
}

/// Ratios and full-screen imps without a size fit any partner.
fn buys_size(buyer: &Buyer, imp: &Imp<'_>) -> bool {
    let sizes = &buyer.partner.sizes;
    let Some(banner) = imp.banner.filter(|_| !sizes.is_empty()) else {
        return true;
    };
    let fits = |w: Option<i64>, h: Option<i64>| match (w, h) {
        (Some(w), Some(h)) => sizes
            .iter()
            .any(|(x, y)| (i64::from(*x), i64::from(*y)) == (w, h)),
        _ => true,
    };
    if banner.format.is_empty() {
        return fits(banner.w, banner.h);
    }
    banner.format.iter().any(|format| fits(format.w, format.h))
}

/// A partner that names countries is not asked where the country is unknown.
fn in_countries(buyer: &Buyer, request: &BidRequest<'_>) -> bool {
    let country = request
        .device
        .and_then(|device| device.geo)
        .and_then(|geo| geo.country);
    let among = |list: &[std::sync::Arc<str>]| {
        country.is_some_and(|country| list.iter().any(|one| one.eq_ignore_ascii_case(country)))
    };
    let partner = &buyer.partner;
    (partner.countries.is_empty() || among(&partner.countries))
        && !among(&partner.excluded_countries)
}

/// A partner whose seats are known is not asked where the request admits none of them.
fn has_seat(buyer: &Buyer, request: &BidRequest<'_>) -> bool {
    let seats = &buyer.partner.seats;
    seats.is_empty() || seats.iter().any(|seat| admits_seat(request, seat))
}

/// Whether the request's lists of seats admit a seat.
pub(crate) fn admits_seat(request: &BidRequest<'_>, seat: &str) -> bool {
    (request.wseat.is_empty() || request.wseat.contains(&seat)) && !request.bseat.contains(&seat)
}
