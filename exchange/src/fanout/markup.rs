//! Markup that comes with the answer to a win notice: the exchange sends the notice itself,
//! within what is left of the auction, and a winner whose markup does not come in time loses.

use crate::clear::{self, Award};
use crate::link::{Links, Order};
use crate::lot::Auction;
use crate::screen::{self, Loss, Offer, Standing};
use crate::settle;
use bumpalo::Bump;
use openrtb::response::Bid;
use std::time::Instant;

/// How often winners without their markup are replaced by others.
const ROUNDS: usize = 3;

/// Clears every lot, and fetches the markup of winners that have none yet. What cannot be had
/// makes its bid lose, and the lot is cleared again.
pub async fn award<'a>(
    auction: &Auction<'a>,
    offers: &mut [Offer<'a>],
    links: &Links,
    deadline: Instant,
    arena: &'a Bump,
) -> Vec<Award> {
    if !offers.iter().any(|offer| awaits(auction, offer)) {
        return clear::award(auction, offers);
    }
    let mut standings: Vec<Result<Standing<'a>, Loss>> =
        offers.iter().map(|offer| offer.standing).collect();
    for round in 0..=ROUNDS {
        if auction.is_test() || round == ROUNDS {
            // A test tells nobody, so nobody can answer.
            for (standing, offer) in standings.iter_mut().zip(offers.iter()) {
                if standing.is_ok() && awaits(auction, offer) {
                    *standing = Err(Loss::NoMarkup);
                }
            }
        }
        for (offer, standing) in offers.iter_mut().zip(&standings) {
            offer.standing = *standing;
        }
        let awards = clear::award(auction, offers);
        let awaited = awards
            .iter()
            .filter(|award| awaits(auction, &offers[award.offer]));
        let awaited: Vec<Award> = awaited.copied().collect();
        let orders = awaited
            .iter()
            .map(|award| order(auction, &offers[award.offer], award));
        let answers = links.fetch(orders.collect(), deadline).await;
        let mut complete = true;
        for (award, answer) in awaited.iter().zip(answers) {
            let offer = &mut offers[award.offer];
            let filled = answer
                .as_deref()
                .and_then(|body| std::str::from_utf8(body).ok());
            let filled = filled.filter(|markup| !markup.trim().is_empty());
            let checked = filled.ok_or(Loss::NoMarkup).and_then(|markup| {
                offer.bid = arena.alloc(Bid {
                    adm: Some(arena.alloc_str(markup)),
                    nurl: None,
                    ..*offer.bid
                });
                screen::recheck(auction, offer)
            });
            if let Err(loss) = checked {
                standings[award.offer] = Err(loss);
                complete = false;
            }
        }
        if complete {
            return awards;
        }
    }
    // Not reached: the last round awards to nobody whose markup is missing.
    Vec::new()
}

/// Whether a bid's markup is still to come.
fn awaits(auction: &Auction<'_>, offer: &Offer<'_>) -> bool {
    let buyer = &auction.market.buyers()[offer.buyer];
    screen::awaits_markup(buyer, offer.bid)
}

fn order(auction: &Auction<'_>, offer: &Offer<'_>, award: &Award) -> Option<Order> {
    let notice = settle::win_notice(auction, offer, award)?;
    Some(Order {
        url: notice.url,
        allow_private: notice.allow_private,
        device: notice.device,
    })
}
