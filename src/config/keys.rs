//! Every key of the configuration.

use super::low::{Key, Kind};

const fn key(name: &'static str, kind: Kind, default: &'static str, doc: &'static str) -> Key {
    Key {
        name,
        kind,
        default,
        doc,
    }
}

/// The keys in the order of `gavel.example.toml`; the part before the dot is the section.
pub(super) const KEYS: &[Key] = &[
    key(
        "data.listen",
        Kind::Address,
        "127.0.0.1:8080",
        "Address of the data plane: bid requests, notices and tracking.",
    ),
    key(
        "data.public_url",
        Kind::Url,
        "",
        "How exchanges and browsers reach the data plane; empty means http://LISTEN.",
    ),
    key(
        "data.workers",
        Kind::Integer(0, 256),
        "0",
        "Serving threads, each with its own runtime and listener; 0 means one per core.",
    ),
    key(
        "data.max_body_kib",
        Kind::Integer(1, 16_384),
        "256",
        "Largest request body, in KiB, after decompression. Larger ones get 413.",
    ),
    key(
        "data.max_imps",
        Kind::Integer(1, 1_000),
        "64",
        "Most imps of one request. More get 413.",
    ),
    key(
        "data.max_connections",
        Kind::Integer(1, 1_000_000),
        "10000",
        "Most open connections of one worker; further ones are closed at once.",
    ),
    key(
        "data.header_timeout_ms",
        Kind::Integer(100, 600_000),
        "30000",
        "Time in which a client must send its request line and headers, and for which a connection may be idle.",
    ),
    key(
        "data.body_timeout_ms",
        Kind::Integer(100, 600_000),
        "5000",
        "Time in which a client must send the body.",
    ),
    key(
        "data.gzip_above_bytes",
        Kind::Integer(0, 1_048_576),
        "4096",
        "Answers larger than this are compressed for clients that accept gzip.",
    ),
    key(
        "control.listen",
        Kind::Address,
        "127.0.0.1:8081",
        "Address of the control plane: /v1, /metrics and the console.",
    ),
    key(
        "control.admin_key_file",
        Kind::Path,
        "",
        "File with the admin key of the control plane; empty means a key made at first start and printed once.",
    ),
    key(
        "storage.path",
        Kind::Path,
        "data",
        "Directory of the ledger and of the resources.",
    ),
    key(
        "storage.commit_window_ms",
        Kind::Integer(0, 100),
        "2",
        "How long the writer gathers events before it syncs, in milliseconds.",
    ),
    key(
        "storage.queue",
        Kind::Integer(16, 1_000_000),
        "65536",
        "Most events that wait for the writer; beyond it notices get 503.",
    ),
    key(
        "tokens.key_file",
        Kind::Path,
        "",
        "File with the token keys, one `id:64 hex digits` a line, newest first; empty means a key kept in the storage directory.",
    ),
    key(
        "tokens.tracking_hours",
        Kind::Integer(1, 720),
        "24",
        "How long impression and click tokens stay valid.",
    ),
    key(
        "audience.file",
        Kind::Path,
        "",
        "File of users and segments, one user a line; empty means no audience.",
    ),
    key(
        "audience.poll_s",
        Kind::Integer(1, 86_400),
        "5",
        "How often the file is looked at for a new generation.",
    ),
    key(
        "audience.allow_shrink",
        Kind::Bool,
        "false",
        "Accept a new generation with less than half the users of the old.",
    ),
    key(
        "geo.database",
        Kind::Path,
        "",
        "MaxMind database (city or country) for requests without geo; empty means none.",
    ),
    key(
        "taxonomies.content_1",
        Kind::Path,
        "",
        "The IAB's table of content taxonomy 1.0, by whose names categories are mapped; empty means they are not.",
    ),
    key(
        "taxonomies.content",
        Kind::Path,
        "",
        "The IAB's table of a content taxonomy from 2.0 on, whose categories keep their numbers; empty means none.",
    ),
    key(
        "taxonomies.ad_product",
        Kind::Path,
        "",
        "The IAB's table of ad product taxonomy 2.0; empty means none.",
    ),
    key(
        "exchange.name",
        Kind::Text,
        "demo",
        "Name under which this exchange calls its own bidder and signs its tokens.",
    ),
    key(
        "exchange.tmax_ms",
        Kind::Integer(1, 10_000),
        "150",
        "Time for an auction where the request has no tmax, in milliseconds.",
    ),
    key(
        "exchange.max_tmax_ms",
        Kind::Integer(1, 10_000),
        "1000",
        "Longest auction, whatever the request asks for.",
    ),
    key(
        "exchange.network_margin_ms",
        Kind::Integer(0, 1_000),
        "5",
        "Part of tmax left for the way back to the publisher.",
    ),
    key(
        "exchange.local_bidder",
        Kind::Bool,
        "true",
        "Whether this node's bidder takes part in this node's auctions.",
    ),
    key(
        "exchange.nobid_body",
        Kind::Bool,
        "false",
        "Answer `{\"id\":…,\"nbr\":…}` with 200 instead of 204 when nothing is sold.",
    ),
    key(
        "exchange.ca_file",
        Kind::Path,
        "",
        "PEM file of the authorities that certificates of partners must come from; empty means those that browsers trust.",
    ),
    key(
        "exchange.max_bid_cpm",
        Kind::Money,
        "1000",
        "Highest bid that is believed, per thousand impressions.",
    ),
    key(
        "exchange.floors_allow_private",
        Kind::Bool,
        "false",
        "Whether publishers' floors may be fetched from loopback and private addresses.",
    ),
    key(
        "notices.queue",
        Kind::Integer(16, 1_000_000),
        "16384",
        "Most notices to partners that wait in memory; beyond it they are dropped and counted.",
    ),
    key(
        "notices.in_flight",
        Kind::Integer(1, 10_000),
        "64",
        "Most notices under way at once; a partner may take a quarter of them.",
    ),
    key(
        "notices.attempts",
        Kind::Integer(1, 20),
        "5",
        "How often a win or loss notice is tried.",
    ),
    key(
        "notices.billing_hours",
        Kind::Integer(1, 720),
        "24",
        "How long a billing notice is tried.",
    ),
    key(
        "notices.kept",
        Kind::Integer(16, 100_000_000),
        "1000000",
        "Most notices that wait on disk; beyond it billing reports get 503 and other notices are dropped.",
    ),
    key(
        "bidder.reservations",
        Kind::Integer(1_024, 134_217_728),
        "1048576",
        "Most open reservations; beyond it the bidder does not bid.",
    ),
    key(
        "bidder.price_keys",
        Kind::Path,
        "",
        "Directory with a file ID.keys for each exchange that seals its prices: encryption key, then integrity key, each a line of URL-safe base64.",
    ),
    key(
        "bidder.frequency_entries",
        Kind::Integer(1_024, 1_000_000_000),
        "4194304",
        "Most (user, line item) pairs counted for frequency caps; beyond it capped line items do not bid.",
    ),
    key(
        "bidder.min_slice",
        Kind::Money,
        "0.5",
        "Smallest lease slice of a budget, in its currency.",
    ),
    key(
        "bidder.lease_share_percent",
        Kind::Integer(1, 100),
        "25",
        "Part of what remains of a budget that one lease slice takes.",
    ),
    key(
        "currency.base",
        Kind::Currency,
        "EUR",
        "Currency that the rates are quoted in.",
    ),
    key(
        "currency.rates",
        Kind::Rates,
        "",
        "How much of each currency one unit of the base buys, for example \"USD=1.09,GBP=0.85\".",
    ),
    key(
        "currency.date",
        Kind::Text,
        "",
        "Day of the rates, such as 2026-11-24; needed where there are any.",
    ),
    key(
        "currency.file",
        Kind::Path,
        "",
        "File of daily rates in the CSV form of the European Central Bank, read again when it changes; takes the place of rates and date.",
    ),
    key(
        "currency.max_age_days",
        Kind::Integer(0, 3_650),
        "5",
        "Rates older than this convert nothing: bids and floors in other currencies are refused rather than guessed.",
    ),
];
