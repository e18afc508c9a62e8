//! The tables that are exported: their columns, what they mean, the version of their schema.

use serde_json::{Value, json};

/// Version of every table's schema. A new column at the end leaves it; a column that goes or
/// means something else raises it.
pub(super) const SCHEMA_VERSION: i64 = 1;

/// A table.
pub(super) struct Table {
    /// Its name, also of its folder.
    pub(super) name: &'static str,
    /// What a row is.
    pub(super) doc: &'static str,
    /// Its columns, in order.
    pub(super) columns: &'static [Column],
}

/// A column.
pub(super) struct Column {
    /// Its name; a unit stands last.
    pub(super) name: &'static str,
    /// What its cells hold.
    pub(super) kind: Kind,
    /// What it means.
    pub(super) doc: &'static str,
}

/// What a column's cells hold; none is ever null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Text; empty where it does not apply.
    Text,
    /// A whole number of 64 bits.
    Integer,
    /// True or false.
    Flag,
    /// A moment, to the millisecond.
    Time,
}

/// A cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cell<'r> {
    Text(&'r str),
    Integer(i64),
    Flag(bool),
    /// Unix milliseconds.
    Time(i64),
}

impl Cell<'_> {
    /// A moment as text.
    pub(super) fn rfc3339(self) -> String {
        let Cell::Time(ms) = self else {
            return String::new();
        };
        jiff::Timestamp::from_millisecond(ms)
            .unwrap_or_default()
            .to_string()
    }
}

const fn text(name: &'static str, doc: &'static str) -> Column {
    Column {
        name,
        kind: Kind::Text,
        doc,
    }
}

const fn integer(name: &'static str, doc: &'static str) -> Column {
    Column {
        name,
        kind: Kind::Integer,
        doc,
    }
}

const fn flag(name: &'static str, doc: &'static str) -> Column {
    Column {
        name,
        kind: Kind::Flag,
        doc,
    }
}

const fn time(name: &'static str, doc: &'static str) -> Column {
    Column {
        name,
        kind: Kind::Time,
        doc,
    }
}

const VERSION: Column = integer("schema_version", "Version of the row's schema.");
const KEY: &str = "32 hexadecimal digits; the events of one bid on one side share it.";

/// Places of the tables in [`TABLES`].
pub(super) const EVENTS: usize = 0;
pub(super) const REFUSALS: usize = 1;
pub(super) const ADJUSTMENTS: usize = 2;
pub(super) const AUCTIONS: usize = 3;
pub(super) const BIDS: usize = 4;
pub(super) const CONVERSIONS: usize = 5;

/// Every table.
pub(super) const TABLES: [Table; 6] = [
    Table {
        name: "events",
        doc: "What happened to bids and sales: bills, sales, wins, losses, impressions, views, \
              clicks. Each once for its key and kind.",
        columns: &[
            VERSION,
            integer("seq", "Place in the log, rising; there are gaps."),
            text("kind", "bill, sale, win, loss, impression, view or click."),
            text("key", KEY),
            time(
                "at",
                "When it happened; the day of the folder is that of it, in UTC.",
            ),
            time(
                "booked",
                "When it counts on statements: later than `at` where its month was closed.",
            ),
            text("exchange", "The exchange that sold."),
            text("seat", "The buyer's seat."),
            text("advertiser", "The advertiser; empty for a sale."),
            text("line_item", "The line item, or the bid's cid for a sale."),
            text("creative", "The creative, or the bid's crid for a sale."),
            text("publisher", "The publisher, where it is known."),
            text("placement", "The placement, where it is known."),
            text(
                "partner",
                "The partner that bought; empty on the bidder's side.",
            ),
            text("currency", "Currency of every amount."),
            integer("bid_cpm_micros", "What was bid, per thousand."),
            integer(
                "cpm_micros",
                "Clearing price per thousand, or the bid where none was told.",
            ),
            integer(
                "cost_micros",
                "What its media cost; 0 for what charges nothing.",
            ),
            flag(
                "funded",
                "Whether its budgets had the money; else it is over-delivery.",
            ),
            integer(
                "share_ppm",
                "The publisher's share of a sale, in millionths.",
            ),
            integer("reason", "Why a bid was lost, as OpenRTB counts it."),
            text("reason_name", "The same in words."),
            integer(
                "multiplier_millionths",
                "How many impressions it counts for, in millionths; 1,000,000 but for out-of-home.",
            ),
            integer(
                "impressions",
                "The same in whole impressions, as statements count.",
            ),
            integer(
                "platform_ppm",
                "The platform's fee on a bill, in millionths of the media's cost.",
            ),
            text(
                "data",
                "What a bill owes providers of data: their ids and prices in micros per thousand.",
            ),
            integer("platform_fee_micros", "What the platform got of a bill."),
            integer("data_cost_micros", "What providers of data got of a bill."),
        ],
    },
    Table {
        name: "refusals",
        doc: "Notices that were refused; the same bid may have been billed rightly.",
        columns: &[
            VERSION,
            text("key", KEY),
            text("kind", "What it would have been."),
            text("fault", "What was wrong with it."),
            time("at", "When it was refused."),
            text("exchange", "The exchange."),
            text("seat", "The seat."),
            text("line_item", "The line item."),
            text("currency", "Currency of both prices."),
            integer("bid_cpm_micros", "What was bid, per thousand."),
            integer("cpm_micros", "What was asked for, per thousand."),
        ],
    },
    Table {
        name: "adjustments",
        doc: "Corrections, a row for each account that one touches; the rows of one add up to 0 \
              between debit and credit.",
        columns: &[
            VERSION,
            integer("id", "Number of the correction, rising."),
            text("reference", "Its number for people."),
            time("at", "When it was made, and counts."),
            text("who", "Who made it."),
            text("reason", "Why."),
            text(
                "reverses",
                "Key of the charge that it takes back; else empty.",
            ),
            text("account", "The account."),
            text("currency", "Currency of the amount."),
            integer("debit_micros", "Debit."),
            integer("credit_micros", "Credit."),
        ],
    },
    Table {
        name: "auctions",
        doc: "Auctions of this exchange: all that sold, others by the rate of the configuration.",
        columns: &[
            VERSION,
            integer("id", "Number in the log, rising."),
            text("auction", "The publisher's id of the auction."),
            time("at", "When it was held, to the second."),
            text("publisher", "The publisher."),
            text("country", "Country by three letters, where it is known."),
            integer("imps", "Imps that were for sale."),
            text("currency", "Currency of floors and clearing prices."),
            text("ended", "sold, or why not."),
            integer("bids", "Bids in the table of bids."),
        ],
    },
    Table {
        name: "bids",
        doc: "The bids of the logged auctions, winners and losers with their reasons.",
        columns: &[
            VERSION,
            integer("auction_id", "The auction's id."),
            time("at", "When the auction was held, to the second."),
            text("imp", "The imp."),
            text("placement", "The placement, where the imp names one."),
            integer(
                "floor_cpm_micros",
                "The imp's floor per thousand, in `auction_currency`.",
            ),
            text("partner", "Who bid."),
            text("seat", "For which seat."),
            text("line_item", "The bid's cid."),
            text("creative", "The bid's crid."),
            integer(
                "bid_cpm_micros",
                "What was bid per thousand, in `bid_currency`.",
            ),
            text("bid_currency", "Currency of the bid."),
            text("outcome", "won, or why it lost."),
            integer("reason", "The loss as OpenRTB counts it; 0 for a winner."),
            integer(
                "price_cpm_micros",
                "What a winner pays per thousand, in `auction_currency`.",
            ),
            text("auction_currency", "Currency of floor and price."),
            text(
                "sale_key",
                "Key of the sale in the table of events; empty for a loser.",
            ),
            text(
                "deal",
                "The deal that the bid was on; empty for the open auction.",
            ),
            integer(
                "held_to_cpm_micros",
                "The floor per thousand that rules held the bid to, in `auction_currency`.",
            ),
        ],
    },
    Table {
        name: "conversions",
        doc: "Conversions that advertisers reported, each order once, with what they are credited \
              to.",
        columns: &[
            VERSION,
            integer("id", "Number in the log, rising."),
            text("advertiser", "The advertiser."),
            text("order_id", "The advertiser's number of the order."),
            time(
                "at",
                "When it happened; the day of the folder is that of it.",
            ),
            time("received", "When it was reported."),
            time("booked", "When it counts on statements."),
            text("source", "pixel or upload."),
            text("currency", "Currency of the value."),
            integer("value_micros", "What it is worth to the advertiser."),
            text("credit", "click, view or none."),
            text(
                "bid_key",
                "Key of the bid that is credited, as in the table of events.",
            ),
            time(
                "touched",
                "When it was seen or clicked; `at` where none is credited.",
            ),
            text("campaign", "The campaign that is credited."),
            text("line_item", "The line item."),
            text("creative", "The creative."),
            text("exchange", "The exchange."),
            text("publisher", "The publisher."),
        ],
    },
];

/// The tables for programs.
pub(super) fn schema() -> String {
    let kind = |kind| match kind {
        Kind::Text => "text",
        Kind::Integer => "int64",
        Kind::Flag => "boolean",
        Kind::Time => "timestamp, milliseconds, UTC",
    };
    let column = |column: &Column| json!({ "name": column.name, "type": kind(column.kind), "means": column.doc });
    let tables: Vec<Value> = TABLES
        .iter()
        .map(|table| {
            let columns: Vec<Value> = table.columns.iter().map(column).collect();
            json!({ "name": table.name, "means": table.doc, "columns": columns })
        })
        .collect();
    let schema = json!({ "schema_version": SCHEMA_VERSION, "tables": tables });
    format!("{schema:#}\n")
}
