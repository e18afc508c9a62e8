//! What a line item pays beside the media: the platform, and the providers of the segments that it
//! asks for.

use super::World;
use crate::resource::Advertiser;
use crate::serving::Reason;
use bidder::catalog::{Audience, DataPrice, LineFees, MAX_VALUES};
use ledger::fees::MOST_PROVIDERS;
use std::collections::BTreeSet;

/// The fees of a line item with this audience, or why nobody could charge them.
pub(super) fn of(
    world: &World<'_>,
    audience: &Audience,
    advertiser: &Advertiser,
) -> Result<LineFees, Reason> {
    let mut fees = LineFees {
        platform_ppm: advertiser.platform_fee.0,
        data: Vec::new(),
    };
    let included = audience.include.iter().flatten().map(|id| (id, false));
    let excluded = audience.exclude.iter().map(|id| (id, true));
    let mut known = BTreeSet::new();
    for (id, excluded) in included.chain(excluded) {
        let Some(segment) = world.active_segment(id) else {
            continue;
        };
        if (excluded && !segment.paid_when_excluded) || !known.insert(id) {
            continue;
        }
        let currency = advertiser.currency;
        let price = segment
            .data_cpm
            .iter()
            .find(|price| price.currency == currency);
        let price = price.ok_or_else(|| Reason::NoDataPrice {
            segment: id.clone(),
            currency: currency.0,
        })?;
        fees.data.push(DataPrice {
            segment: id.clone(),
            provider: segment.provider.0.clone(),
            cpm: price.cpm.0,
            excluded: segment.paid_when_excluded,
        });
    }
    let parts = fees.parts(audience);
    if parts > MOST_PROVIDERS || fees.data.len() > MAX_VALUES {
        return Err(Reason::TooMuchData(parts));
    }
    Ok(fees)
}
