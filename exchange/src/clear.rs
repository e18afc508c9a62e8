//! Clearing: who wins a lot, and at what price. Pure arithmetic on micros.
//!
//! Ties are drawn by the auction's seed and the bids' identity, so that the outcome does not
//! depend on the order in which answers came.

use crate::catalog::Pricing;
use crate::draw::mix;
use crate::lot::Auction;
use crate::screen::{Loss, Offer};
use ledger::Cpm;

/// A bid that may win: at or above its floor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contender {
    /// What it bids, in the auction's currency.
    pub price: Cpm,
    /// Its floor: the lot's, or its deal's.
    pub floor: Cpm,
    /// Whether it pays its floor and no more: a deal at a fixed price (`deal.at` 3).
    pub fixed: bool,
    /// Hash of who bids what, for ties.
    pub identity: u64,
}

/// The outcome of a lot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cleared {
    /// Place of the winner among the contenders.
    pub winner: usize,
    /// What it pays: at least its floor, at most its bid.
    pub price: Cpm,
    /// The price at which the winner would have tied the runner-up, or its floor where there
    /// was none (`AUCTION_MIN_TO_WIN` of the winner).
    pub winner_min_to_win: Cpm,
    /// The price at which a loser would have tied: the winner's bid, and the clearing price
    /// where the second price is paid.
    pub loser_min_to_win: Cpm,
}

/// Finds the winner; `None` where nobody contends.
pub fn clear(contenders: &[Contender], pricing: Pricing, seed: u64) -> Option<Cleared> {
    let rank = |contender: &Contender| (contender.price, mix(seed ^ contender.identity));
    let (winner, best) = contenders
        .iter()
        .enumerate()
        .max_by_key(|(_, contender)| rank(contender))?;
    let others = contenders
        .iter()
        .enumerate()
        .filter(|(index, _)| *index != winner);
    let second = others.map(|(_, contender)| contender.price).max();
    let least = second.unwrap_or(best.floor).max(best.floor);
    let (price, loser_min_to_win) = match pricing {
        _ if best.fixed => (best.floor, best.price),
        Pricing::FirstPrice => (best.price, best.price),
        Pricing::SecondPrice { increment } => {
            let raised = Cpm(least.0.saturating_add(increment.0)).min(best.price);
            (raised, raised)
        }
    };
    Some(Cleared {
        winner,
        price,
        winner_min_to_win: least,
        loser_min_to_win,
    })
}

/// A lot that was sold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Award {
    /// Place of the lot.
    pub lot: usize,
    /// Place of the winning offer.
    pub offer: usize,
    /// The outcome.
    pub cleared: Cleared,
}

/// Clears every lot, and gives each offer that passed and did not win its reason.
pub fn award(auction: &Auction<'_>, offers: &mut [Offer<'_>]) -> Vec<Award> {
    let pricing = auction.pricing();
    let mut awards = Vec::with_capacity(auction.lots.len());
    let mut contenders = Vec::with_capacity(offers.len());
    let mut places = Vec::with_capacity(offers.len());
    for lot in 0..auction.lots.len() {
        contenders.clear();
        places.clear();
        for (place, offer) in offers
            .iter()
            .enumerate()
            .filter(|(_, offer)| offer.lot == Some(lot))
        {
            let Ok(standing) = offer.standing else {
                continue;
            };
            places.push(place);
            contenders.push(Contender {
                price: standing.price,
                floor: standing.floor,
                fixed: standing
                    .deal
                    .is_some_and(|deal| deal.at == Some(FIXED_PRICE)),
                identity: standing.identity,
            });
        }
        let Some(cleared) = clear(&contenders, pricing, auction.seed ^ lot as u64) else {
            continue;
        };
        let winner = places[cleared.winner];
        let to_deal = offers[winner]
            .standing
            .is_ok_and(|standing| standing.deal.is_some());
        for place in places.iter().filter(|place| **place != winner) {
            let open = offers[*place]
                .standing
                .is_ok_and(|standing| standing.deal.is_none());
            let lost = to_deal && open;
            offers[*place].standing = Err(if lost { Loss::LostToDeal } else { Loss::Outbid });
        }
        awards.push(Award {
            lot,
            offer: winner,
            cleared,
        });
    }
    awards
}

/// `deal.at`: the deal's floor is its price (section 3.2.12).
const FIXED_PRICE: i64 = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn contender(micros: i64, floor: i64, identity: u64) -> Contender {
        Contender {
            price: Cpm(micros),
            floor: Cpm(floor),
            fixed: false,
            identity,
        }
    }

    const SECOND: Pricing = Pricing::SecondPrice {
        increment: Cpm(10_000),
    };

    /// The specification's example of `AUCTION_MIN_TO_WIN`: floor 0.85, bids 1.00, 0.90, 0.80;
    /// the last is below the floor and no contender.
    #[test]
    fn the_specifications_example_holds() {
        let bids = [
            contender(1_000_000, 850_000, 1),
            contender(900_000, 850_000, 2),
        ];
        let first = clear(&bids, Pricing::FirstPrice, 0).unwrap();
        assert_eq!((first.winner, first.price), (0, Cpm(1_000_000)));
        assert_eq!(first.winner_min_to_win, Cpm(900_000));
        assert_eq!(first.loser_min_to_win, Cpm(1_000_000));
        let second = clear(&bids, SECOND, 0).unwrap();
        assert_eq!((second.winner, second.price), (0, Cpm(910_000)));
        assert_eq!(second.winner_min_to_win, Cpm(900_000));
        assert_eq!(second.loser_min_to_win, Cpm(910_000));
    }

    #[test]
    fn alone_it_pays_the_floor_and_the_increment_never_exceeds_the_bid() {
        let alone = clear(&[contender(1_000_000, 850_000, 1)], SECOND, 0).unwrap();
        assert_eq!(
            (alone.price, alone.winner_min_to_win),
            (Cpm(860_000), Cpm(850_000))
        );
        let close = clear(&[contender(855_000, 850_000, 1)], SECOND, 0).unwrap();
        assert_eq!(close.price, Cpm(855_000));
        let fixed = Contender {
            fixed: true,
            ..contender(3_000_000, 2_000_000, 1)
        };
        let deal = clear(&[fixed, contender(2_500_000, 0, 2)], SECOND, 0).unwrap();
        assert_eq!((deal.winner, deal.price), (0, Cpm(2_000_000)));
        assert_eq!(clear(&[], SECOND, 0), None);
    }

    #[test]
    fn ties_are_drawn_evenly() {
        let bids = [
            contender(5, 0, 11),
            contender(5, 0, 22),
            contender(4, 0, 33),
        ];
        let wins = (0..1_000).filter(|seed| clear(&bids, SECOND, *seed).unwrap().winner == 0);
        let wins = wins.count();
        assert!((400..600).contains(&wins), "{wins}");
    }

    /// The naive model: sort, take the first, look at the next.
    fn model(contenders: &[Contender], increment: Option<i64>) -> (i64, i64) {
        let mut sorted: Vec<&Contender> = contenders.iter().collect();
        sorted.sort_by_key(|contender| std::cmp::Reverse(contender.price));
        let top = sorted[0].price.0;
        let next = sorted.get(1).map_or(0, |contender| contender.price.0);
        let price = |floor: i64| match increment {
            None => top,
            Some(increment) => (next.max(floor) + increment).min(top),
        };
        (top, price(sorted[0].floor.0))
    }

    proptest! {
        #[test]
        fn clearing_agrees_with_the_naive_model(
            bids in prop::collection::vec((0_i64..60, 1_i64..20), 1..12),
            floor in 0_i64..60,
            increment in prop::option::of(0_i64..5),
            seed: u64,
            turn in 0_usize..12,
        ) {
            let contenders: Vec<Contender> = bids
                .iter()
                .enumerate()
                .map(|(index, (over, _))| contender(floor + over, floor, index as u64))
                .collect();
            let pricing = increment.map_or(Pricing::FirstPrice, |increment| {
                Pricing::SecondPrice { increment: Cpm(increment) }
            });
            let cleared = clear(&contenders, pricing, seed).unwrap();
            let winner = contenders[cleared.winner];
            prop_assert_eq!((winner.price.0, cleared.price.0), model(&contenders, increment));
            prop_assert!(winner.floor <= cleared.price && cleared.price <= winner.price);
            prop_assert!(cleared.winner_min_to_win <= winner.price);
            prop_assert!(cleared.winner_min_to_win >= winner.floor);
            prop_assert!(cleared.loser_min_to_win >= cleared.winner_min_to_win);

            let mut turned = contenders.clone();
            turned.rotate_left(turn % contenders.len());
            let again = clear(&turned, pricing, seed).unwrap();
            prop_assert_eq!(turned[again.winner].identity, winner.identity);
            prop_assert_eq!(again.price, cleared.price);
        }
    }
}
