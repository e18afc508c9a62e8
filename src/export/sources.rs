//! Where the rows of the tables come from.

use super::table::{
    ADJUSTMENTS, AUCTIONS, BIDS, CONVERSIONS, Cell, EVENTS, REFUSALS, SCHEMA_VERSION,
};
use anyhow::Result;
use control::access::hexadecimal;
use ledger::Converted;
use ledger::posting::Column;
use ledger::statement::{Logged, Period};
use ledger::store::{AuctionFile, LoggedAuction, Refused, SqliteStore, loss_reason};

/// Takes a row of the table with the given place.
type Take<'t> = dyn FnMut(usize, &[Cell<'_>]) -> Result<()> + 't;

/// Visits the rows of all tables in a period.
///
/// # Errors
/// Where a log cannot be read, or `take` fails.
pub(super) fn visit(
    books: &SqliteStore,
    auctions: Option<&AuctionFile>,
    period: Period,
    take: &mut Take<'_>,
) -> Result<()> {
    books.events(period, |logged| event(logged, take))?;
    for refused in books.refused(period)? {
        refusal(&refused, take)?;
    }
    let adjustments = books.adjustments()?;
    for adjustment in adjustments.iter().filter(|one| period.contains(one.at_ms)) {
        let reverses = adjustment
            .reverses
            .map_or(String::new(), |key| hexadecimal(&key));
        for entry in &adjustment.entries {
            let (debit, credit) = match entry.column {
                Column::Debit => (entry.amount.0, 0),
                Column::Credit => (0, entry.amount.0),
            };
            let account = entry.account.to_string();
            take(
                ADJUSTMENTS,
                &[
                    Cell::Integer(SCHEMA_VERSION),
                    Cell::Integer(adjustment.id),
                    Cell::Text(&adjustment.reference),
                    Cell::Time(adjustment.at_ms),
                    Cell::Text(&adjustment.who),
                    Cell::Text(&adjustment.reason),
                    Cell::Text(&reverses),
                    Cell::Text(&account),
                    Cell::Text(adjustment.currency.code()),
                    Cell::Integer(debit),
                    Cell::Integer(credit),
                ],
            )?;
        }
    }
    books.each_conversion(period, |one| conversion(one, take))?;
    if let Some(auctions) = auctions {
        auctions.each(period, |logged| auction(logged, take))?;
    }
    Ok(())
}

fn event(logged: &Logged, take: &mut Take<'_>) -> Result<()> {
    let (event, key) = (&logged.event, hexadecimal(&logged.event.key));
    take(
        EVENTS,
        &[
            Cell::Integer(SCHEMA_VERSION),
            Cell::Integer(logged.seq),
            Cell::Text(event.kind.label()),
            Cell::Text(&key),
            Cell::Time(event.at_ms),
            Cell::Time(logged.booked_ms),
            Cell::Text(&event.exchange),
            Cell::Text(&event.seat),
            Cell::Text(&event.advertiser),
            Cell::Text(&event.line_item),
            Cell::Text(&event.creative),
            Cell::Text(&event.publisher),
            Cell::Text(&event.placement),
            Cell::Text(&event.partner),
            Cell::Text(event.currency.code()),
            Cell::Integer(event.bid.0),
            Cell::Integer(event.cpm.0),
            Cell::Integer(logged.cost.0),
            Cell::Flag(logged.funded),
            Cell::Integer(event.share_ppm),
            Cell::Integer(event.reason),
            Cell::Text(loss_reason(event)),
            Cell::Integer(event.multiplier.millionths()),
            Cell::Integer(event.multiplier.impressions() as i64),
            Cell::Integer(event.platform_ppm.into()),
            Cell::Text(&event.data),
            Cell::Integer(logged.platform_fee.0),
            Cell::Integer(logged.data_cost.0),
        ],
    )
}

fn refusal(refused: &Refused, take: &mut Take<'_>) -> Result<()> {
    let key = hexadecimal(&refused.key);
    take(
        REFUSALS,
        &[
            Cell::Integer(SCHEMA_VERSION),
            Cell::Text(&key),
            Cell::Text(&refused.kind),
            Cell::Text(&refused.fault),
            Cell::Time(refused.at_ms),
            Cell::Text(&refused.exchange),
            Cell::Text(&refused.seat),
            Cell::Text(&refused.line_item),
            Cell::Text(refused.currency.as_ref().map_or("", |code| code.code())),
            Cell::Integer(refused.bid.0),
            Cell::Integer(refused.cpm.0),
        ],
    )
}

fn conversion(one: &Converted, take: &mut Take<'_>) -> Result<()> {
    let key = one.key.map_or(String::new(), |key| hexadecimal(&key));
    take(
        CONVERSIONS,
        &[
            Cell::Integer(SCHEMA_VERSION),
            Cell::Integer(one.id),
            Cell::Text(&one.advertiser),
            Cell::Text(&one.order),
            Cell::Time(one.at_ms),
            Cell::Time(one.received_ms),
            Cell::Time(one.booked_ms),
            Cell::Text(&one.source),
            Cell::Text(one.currency.code()),
            Cell::Integer(one.value.0),
            Cell::Text(&one.credit),
            Cell::Text(&key),
            Cell::Time(one.touched_ms.unwrap_or(one.at_ms)),
            Cell::Text(&one.campaign),
            Cell::Text(&one.line_item),
            Cell::Text(&one.creative),
            Cell::Text(&one.exchange),
            Cell::Text(&one.publisher),
        ],
    )
}

fn auction(logged: &LoggedAuction, take: &mut Take<'_>) -> Result<()> {
    let record = &logged.record;
    take(
        AUCTIONS,
        &[
            Cell::Integer(SCHEMA_VERSION),
            Cell::Integer(logged.id),
            Cell::Text(&record.auction),
            Cell::Time(record.at_ms),
            Cell::Text(&record.publisher),
            Cell::Text(&record.country),
            Cell::Integer(i64::from(record.imps)),
            Cell::Text(record.currency.code()),
            Cell::Text(&logged.ended),
            Cell::Integer(record.bids.len() as i64),
        ],
    )?;
    for (bid, outcome) in record.bids.iter().zip(&logged.outcomes) {
        let won = bid.key != [0; 16];
        let key = if won {
            hexadecimal(&bid.key)
        } else {
            String::new()
        };
        take(
            BIDS,
            &[
                Cell::Integer(SCHEMA_VERSION),
                Cell::Integer(logged.id),
                Cell::Time(record.at_ms),
                Cell::Text(&bid.imp),
                Cell::Text(&bid.placement),
                Cell::Integer(bid.floor.0),
                Cell::Text(&bid.partner),
                Cell::Text(&bid.seat),
                Cell::Text(&bid.line_item),
                Cell::Text(&bid.creative),
                Cell::Integer(bid.bid.0),
                Cell::Text(bid.currency.code()),
                Cell::Text(outcome),
                Cell::Integer(bid.reason),
                Cell::Integer(bid.price.0),
                Cell::Text(record.currency.code()),
                Cell::Text(&key),
                Cell::Text(&bid.deal),
                Cell::Integer(bid.held_to.0),
            ],
        )?;
    }
    Ok(())
}
