//! Checksums of events: SQLite notices a torn log, not a bit that flips in a page long after.
//!
//! Each event is written with a hash of what is in its row, and whoever reads the row holds it to
//! it, so that no statement and no export is made of a damaged event. Balances and postings need
//! none: a replay of the log comes to the same or there is no statement.

use crate::event::Event;
use crate::money::Micros;
use xxhash_rust::xxh3::Xxh3;

/// The checksum of an event with what became of it: its media's `cost`, and `beside` it the
/// platform's fee and the data. When it counts is not in it: that is settled
/// within the transaction.
pub(super) fn of(event: &Event, funded: bool, cost: Micros, beside: (Micros, Micros)) -> i64 {
    let mut hash = Xxh3::new();
    let texts = [
        &event.exchange,
        &event.seat,
        &event.advertiser,
        &event.line_item,
        &event.creative,
        &event.publisher,
        &event.placement,
        &event.partner,
    ];
    for text in texts {
        hash.update(&(text.len() as u64).to_le_bytes());
        hash.update(text.as_bytes());
    }
    hash.update(&event.key);
    hash.update(&event.currency.0);
    let numbers = [
        event.at_ms,
        event.cpm.0,
        event.bid.0,
        event.multiplier.millionths(),
        event.share_ppm,
        event.reason,
        i64::from(funded),
        cost.0,
    ];
    for number in numbers {
        hash.update(&number.to_le_bytes());
    }
    hash.update(event.kind.label().as_bytes());
    // Most events have none, and those of before there were any had none.
    if !event.fees().are_none() || beside != (Micros(0), Micros(0)) {
        hash.update(&event.platform_ppm.to_le_bytes());
        hash.update(&beside.0.0.to_le_bytes());
        hash.update(&beside.1.0.to_le_bytes());
        hash.update(event.data.as_bytes());
    }
    hash.digest().cast_signed()
}
