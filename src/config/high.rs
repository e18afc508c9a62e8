//! Typed settings from checked values.

use super::low::Values;
use bidder::frequency::Identity;
use ledger::{Currency, Micros};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// The settings of a node.
#[derive(Clone, Debug)]
#[allow(
    missing_docs,
    reason = "each field is documented as its key in gavel.example.toml"
)]
pub struct Settings {
    pub data_listen: SocketAddr,
    pub public_url: String,
    pub workers: usize,
    pub limits: openrtb::Limits,
    pub max_connections: usize,
    pub header_timeout: Duration,
    pub body_timeout: Duration,
    pub gzip_above: usize,
    pub control_listen: SocketAddr,
    pub admin_key_file: Option<PathBuf>,
    pub storage: PathBuf,
    pub commit_window: Duration,
    pub storage_queue: usize,
    pub log_auctions: bool,
    pub log_sample_ppm: u32,
    pub log_queue: usize,
    pub log_auction_days: u32,
    pub log_event_months: u32,
    pub token_key_file: Option<PathBuf>,
    pub tracking_seconds: u32,
    pub audience_file: Option<PathBuf>,
    pub audience_poll: Duration,
    pub audience_allow_shrink: bool,
    pub geo_database: Option<PathBuf>,
    /// Tables of categories, each with the `AdCOM` code of its taxonomy.
    pub taxonomies: [(i64, Option<PathBuf>); 3],
    pub exchange_name: String,
    pub tmax_ms: u32,
    pub max_tmax_ms: u32,
    pub network_margin_ms: u32,
    pub local_bidder: bool,
    pub nobid_body: bool,
    pub ca_file: Option<PathBuf>,
    pub max_bid_cpm: Micros,
    pub floors_allow_private: bool,
    pub notice_queue: usize,
    pub notices_in_flight: usize,
    pub notice_attempts: u32,
    pub notice_billing: Duration,
    pub notices_kept: usize,
    pub reservations: usize,
    pub price_keys: Option<PathBuf>,
    pub frequency_users: usize,
    pub frequency_save: Duration,
    pub identity: Identity,
    pub min_slice: Micros,
    pub lease_share_percent: i64,
    pub currency_base: Currency,
    pub currency_rates: Vec<(Currency, String)>,
    pub currency_date: String,
    pub currency_file: Option<PathBuf>,
    pub currency_max_age_days: i64,
}

impl Settings {
    /// Settings from values that [`read`](super::read) has checked.
    pub fn new(values: &Values) -> Self {
        let values = Checked(values);
        let listen: SocketAddr = values.parse("data.listen");
        let public_url = values.text("data.public_url");
        Self {
            data_listen: listen,
            public_url: if public_url.is_empty() {
                format!("http://{listen}")
            } else {
                public_url
            },
            workers: values.parse("data.workers"),
            limits: openrtb::Limits {
                body: values.parse::<usize>("data.max_body_kib") * 1024,
                imps: values.parse("data.max_imps"),
                ..openrtb::Limits::default()
            },
            max_connections: values.parse("data.max_connections"),
            header_timeout: values.millis("data.header_timeout_ms"),
            body_timeout: values.millis("data.body_timeout_ms"),
            gzip_above: values.parse("data.gzip_above_bytes"),
            control_listen: values.parse("control.listen"),
            admin_key_file: values.path("control.admin_key_file"),
            storage: PathBuf::from(values.text("storage.path")),
            commit_window: values.millis("storage.commit_window_ms"),
            storage_queue: values.parse("storage.queue"),
            log_auctions: values.parse("log.auctions"),
            log_sample_ppm: values.parse("log.sample_ppm"),
            log_queue: values.parse("log.queue"),
            log_auction_days: values.parse("log.auction_days"),
            log_event_months: values.parse("log.event_months"),
            token_key_file: values.path("tokens.key_file"),
            tracking_seconds: values.parse::<u32>("tokens.tracking_hours") * 3600,
            audience_file: values.path("audience.file"),
            audience_poll: Duration::from_secs(values.parse("audience.poll_s")),
            audience_allow_shrink: values.parse("audience.allow_shrink"),
            geo_database: values.path("geo.database"),
            taxonomies: [
                (1, values.path("taxonomies.content_1")),
                (9, values.path("taxonomies.content")),
                (8, values.path("taxonomies.ad_product")),
            ],
            exchange_name: values.text("exchange.name"),
            tmax_ms: values.parse("exchange.tmax_ms"),
            max_tmax_ms: values.parse("exchange.max_tmax_ms"),
            network_margin_ms: values.parse("exchange.network_margin_ms"),
            local_bidder: values.parse("exchange.local_bidder"),
            nobid_body: values.parse("exchange.nobid_body"),
            ca_file: values.path("exchange.ca_file"),
            max_bid_cpm: values.parse("exchange.max_bid_cpm"),
            floors_allow_private: values.parse("exchange.floors_allow_private"),
            notice_queue: values.parse("notices.queue"),
            notices_in_flight: values.parse("notices.in_flight"),
            notice_attempts: values.parse("notices.attempts"),
            notice_billing: Duration::from_hours(values.parse("notices.billing_hours")),
            notices_kept: values.parse("notices.kept"),
            reservations: values.parse("bidder.reservations"),
            price_keys: values.path("bidder.price_keys"),
            frequency_users: values.parse("bidder.frequency_users"),
            frequency_save: Duration::from_secs(values.parse("bidder.frequency_save_s")),
            identity: Identity {
                order: values.list("bidder.user_ids"),
                unified: values.list("bidder.unified_sources"),
                households: values.list("bidder.household_sources"),
            },
            min_slice: values.parse("bidder.min_slice"),
            lease_share_percent: values.parse("bidder.lease_share_percent"),
            currency_base: values.parse("currency.base"),
            currency_rates: values.rates("currency.rates"),
            currency_date: values.text("currency.date"),
            currency_file: values.path("currency.file"),
            currency_max_age_days: values.parse("currency.max_age_days"),
        }
    }
}

struct Checked<'v>(&'v Values);

impl Checked<'_> {
    fn text(&self, key: &str) -> String {
        self.0[key].clone()
    }

    fn parse<T: std::str::FromStr>(&self, key: &str) -> T {
        match self.0[key].parse() {
            Ok(value) => value,
            Err(_) => unreachable!("{key} was checked when the configuration was read"),
        }
    }

    fn millis(&self, key: &str) -> Duration {
        Duration::from_millis(self.parse(key))
    }

    fn path(&self, key: &str) -> Option<PathBuf> {
        let text = &self.0[key];
        (!text.is_empty()).then(|| PathBuf::from(text))
    }

    /// The words of a list.
    fn list<T: std::str::FromStr>(&self, key: &str) -> Vec<T> {
        let words = self.0[key].split(',').map(str::trim);
        let given = words.filter(|word| !word.is_empty());
        given.filter_map(|word| word.parse().ok()).collect()
    }

    fn rates(&self, key: &str) -> Vec<(Currency, String)> {
        let pairs = self.0[key]
            .split(',')
            .filter_map(|pair| pair.split_once('='));
        pairs
            .filter_map(|(currency, rate)| {
                Some((currency.trim().parse().ok()?, rate.trim().to_owned()))
            })
            .collect()
    }
}
