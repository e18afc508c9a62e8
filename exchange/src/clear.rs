//! Clearing: who wins a lot, and at what price. Pure arithmetic on micros.
//!
//! Ties are drawn by the auction's seed and the bids' identity, so that the outcome does not
//! depend on the order in which answers came.

mod groups;

use self::groups::Group;
use crate::catalog::Pricing;
use crate::deal::{At, OPEN_TIER};
use crate::draw::mix;
use crate::lot::Auction;
use crate::screen::{Loss, Offer, Standing};
use ledger::Cpm;
use openrtb::request::Deal;
use std::cmp::Reverse;

/// A bid that may win: at or above its floor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contender {
    /// What it bids, in the auction's currency.
    pub price: Cpm,
    /// Its floor: the lot's, or its deal's.
    pub floor: Cpm,
    /// How it pays where it wins on a deal that says so; else as the auction has it.
    pub at: Option<At>,
    /// Lower tiers win over higher ones, whatever they bid.
    pub tier: u8,
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
    let rank = |contender: &Contender| {
        let tie = mix(seed ^ contender.identity);
        (Reverse(contender.tier), contender.price, tie)
    };
    let (winner, best) = contenders
        .iter()
        .enumerate()
        .max_by_key(|(_, contender)| rank(contender))?;
    let others = contenders
        .iter()
        .enumerate()
        .filter(|(index, one)| *index != winner && one.tier == best.tier);
    let second = others.map(|(_, contender)| contender.price).max();
    let least = second.unwrap_or(best.floor).max(best.floor);
    let pricing = match (best.at, pricing) {
        (Some(At::FirstPrice), _) => Pricing::FirstPrice,
        (Some(At::SecondPrice), Pricing::FirstPrice) => Pricing::SecondPrice {
            increment: INCREMENT,
        },
        _ => pricing,
    };
    let (price, loser_min_to_win) = match pricing {
        _ if best.at == Some(At::Fixed) => (best.floor, best.price),
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
    part_groups(auction, offers);
    let pricing = auction.pricing();
    let mut awards = Vec::with_capacity(auction.lots.len());
    let mut contenders = Vec::with_capacity(offers.len());
    let mut places = Vec::with_capacity(offers.len());
    for lot in 0..auction.lots.len() {
        contend(auction, offers, lot, &mut contenders, &mut places);
        let Some(cleared) = clear(&contenders, pricing, auction.seed ^ lot as u64) else {
            continue;
        };
        let winner = places[cleared.winner];
        let to_deal = offers[winner]
            .standing
            .is_ok_and(|standing| standing.deal.is_some());
        let best = contenders[cleared.winner].tier;
        for (place, contender) in places.iter().zip(&contenders) {
            let open = offers[*place]
                .standing
                .is_ok_and(|standing| standing.deal.is_none());
            let loss = if contender.tier != best {
                Loss::LowerTier
            } else if to_deal && open {
                Loss::LostToDeal
            } else {
                Loss::Outbid
            };
            if *place != winner {
                offers[*place].standing = Err(loss);
            }
        }
        awards.push(Award {
            lot,
            offer: winner,
            cleared,
        });
    }
    awards
}

/// Those who may win a lot, with their places among the offers.
fn contend(
    auction: &Auction<'_>,
    offers: &[Offer<'_>],
    lot: usize,
    contenders: &mut Vec<Contender>,
    places: &mut Vec<usize>,
) {
    contenders.clear();
    places.clear();
    for (place, offer) in offers.iter().enumerate() {
        let (Ok(standing), true) = (offer.standing, offer.lot == Some(lot)) else {
            continue;
        };
        places.push(place);
        contenders.push(Contender {
            price: standing.price,
            floor: standing.floor,
            at: standing.deal.and_then(at),
            tier: tier(auction, standing),
            identity: standing.identity,
        });
    }
}

/// Gives the bids of groups that cannot win as a whole their reason.
fn part_groups(auction: &Auction<'_>, offers: &mut [Offer<'_>]) {
    let Some(last) = offers.iter().filter_map(|offer| offer.group).max() else {
        return;
    };
    let mut groups = vec![Group::default(); last as usize + 1];
    for (place, offer) in offers.iter().enumerate() {
        if let Some(group) = offer.group {
            let standing = offer.lot.zip(offer.standing.ok());
            let bid = standing.map(|(lot, own)| (lot, own.price, own.identity));
            groups[group as usize].add(place, bid);
        }
    }
    let winners = |out: &[bool]| -> Vec<Option<usize>> {
        let (mut contenders, mut places) = (Vec::new(), Vec::new());
        let left = |place: &usize| {
            offers[*place]
                .group
                .is_none_or(|group| !out[group as usize])
        };
        let winner = |lot: usize| {
            contend(auction, offers, lot, &mut contenders, &mut places);
            let pairs = places.iter().copied().zip(contenders.iter().copied());
            let (places, left): (Vec<usize>, Vec<Contender>) =
                pairs.filter(|(place, _)| left(place)).unzip();
            let cleared = clear(&left, auction.pricing(), auction.seed ^ lot as u64)?;
            Some(places[cleared.winner])
        };
        (0..auction.lots.len()).map(winner).collect()
    };
    let out = groups::losing(&groups, auction.seed, winners);
    for offer in offers {
        if offer.standing.is_ok() && offer.group.is_some_and(|group| out[group as usize]) {
            offer.standing = Err(Loss::Group);
        }
    }
}

/// What a second price on a deal is raised by in an auction at first price.
const INCREMENT: Cpm = Cpm(10_000);

/// How a deal is paid, where it says so (`deal.at`, section 3.2.12).
fn at(deal: &Deal<'_>) -> Option<At> {
    match deal.at {
        Some(1) => Some(At::FirstPrice),
        Some(2) => Some(At::SecondPrice),
        Some(3) => Some(At::Fixed),
        _ => None,
    }
}

/// The tier of a bid: its deal's, where that is one of ours.
fn tier(auction: &Auction<'_>, standing: Standing<'_>) -> u8 {
    let id = standing.deal.and_then(|deal| deal.id);
    let agreed = id.and_then(|id| auction.seller.deal(id));
    agreed.map_or(OPEN_TIER, |agreed| agreed.deal.tier)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn contender(micros: i64, floor: i64, identity: u64) -> Contender {
        Contender {
            price: Cpm(micros),
            floor: Cpm(floor),
            at: None,
            tier: OPEN_TIER,
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
            at: Some(At::Fixed),
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
        sorted.sort_by_key(|contender| Reverse(contender.price));
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

        /// Whoever is in the lowest tier wins as if nobody else had bid.
        #[test]
        fn the_lowest_tier_is_an_auction_by_itself(
            bids in prop::collection::vec((1_i64..60, 1_u8..4), 1..12),
            second: bool,
            seed: u64,
        ) {
            let all: Vec<Contender> = bids
                .iter()
                .enumerate()
                .map(|(index, (price, tier))| Contender {
                    tier: *tier,
                    ..contender(*price, 1, index as u64)
                })
                .collect();
            let pricing = if second { SECOND } else { Pricing::FirstPrice };
            let lowest = all.iter().map(|one| one.tier).min().unwrap();
            let mut alone = all.clone();
            alone.retain(|one| one.tier == lowest);
            let (cleared, wanted) = (clear(&all, pricing, seed), clear(&alone, pricing, seed));
            let (cleared, wanted) = (cleared.unwrap(), wanted.unwrap());
            prop_assert_eq!(all[cleared.winner], alone[wanted.winner]);
            prop_assert_eq!(cleared.price, wanted.price);
            prop_assert_eq!(cleared.winner_min_to_win, wanted.winner_min_to_win);
        }
    }
}
