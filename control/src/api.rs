//! The REST API under `/v1`, the same for every kind of resource: one set of handlers over the
//! table of [`Kind`]s. Each answer is computed from one state of the store.
//!
//! Handlers block for the disk, a few hundred microseconds each, on the control plane's thread;
//! the data plane has threads of its own.

mod body;
mod collection;
mod conversions;
mod deals;
mod explain;
mod floors;
mod forecast;
mod format;
mod funnel;
mod item;
mod merge;
mod notices;
mod openapi;
mod presentation;
mod problem;
mod system;
mod versions;

pub use conversions::{ConvertedUser, NewConversion, Reported, UserIdKind};
pub use deals::{DealBuyer, DealReport};
pub use explain::{Ask, NotExplained};
pub use floors::Past;
pub use forecast::{Band, Draft, Forecast};
pub use format::{Format, NoFormat};
pub use funnel::{FunnelRow, HOURS as FUNNEL_HOURS};
pub use merge::merge_patch;
pub use openapi::document as openapi_document;
pub use problem::Problem;

use crate::access::{Caller, Deed, authenticate};
use crate::fault::Fault;
use crate::resource::Kind;
use crate::serving::Reason;
use crate::store::Store;
use axum::Router;
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::routing::{get, post};
use bidder::decide::Explained;
use jiff::Timestamp;
use ledger::statement::Period;
use serde_json::Value;
use std::sync::Arc;

/// What the API asks of the node that it runs in.
pub trait Hooks: Send + Sync + 'static {
    /// The time.
    fn now(&self) -> Timestamp;

    /// 256 random bits.
    fn entropy(&self) -> [u8; 32];

    /// Documents have changed: publish them.
    fn on_change(&self);

    /// Reads the configuration again and publishes it, or keeps what is.
    ///
    /// # Errors
    /// What is wrong with the configuration.
    fn reload(&self) -> Result<(), Vec<Fault>>;

    /// The billing statement of an account for a month, `YYYY-MM`, written in a format; `None`
    /// without such an account.
    ///
    /// # Errors
    /// Why it cannot be given.
    fn statement(
        &self,
        account: &str,
        month: &str,
        format: Format,
    ) -> Result<Option<String>, String>;

    /// Counts conversions, each order once, and says what each is credited to.
    ///
    /// # Errors
    /// What is wrong with them, or why they cannot be counted now.
    fn convert(&self, reported: &[Reported]) -> Result<Vec<&'static str>, NotConverted>;

    /// Conversions of an advertiser, the newest before a number first; each has its `id`.
    ///
    /// # Errors
    /// Why they cannot be given.
    fn conversions(
        &self,
        advertiser: &str,
        before: Option<i64>,
        most: u32,
    ) -> Result<Vec<Value>, String>;

    /// Conversions of an advertiser that count in a period, added up.
    ///
    /// # Errors
    /// Why they cannot be given.
    fn converted(&self, advertiser: &str, period: Period) -> Result<Vec<Value>, String>;

    /// Refused notices, the newest first; each has at least its `id`, a number.
    ///
    /// # Errors
    /// Why they cannot be given.
    fn refused_notices(&self, wanted: &Letters) -> Result<Vec<Value>, String>;

    /// Judges refused notices again, the oldest first, and says what came of it.
    ///
    /// # Errors
    /// Why that is not possible.
    fn replay_notices(&self, wanted: &Letters) -> Result<Value, String>;

    /// What became of fetching a publisher's floors; `None` where they are not fetched.
    fn floor_feed(&self, publisher: &str) -> Option<Value>;

    /// Explains what becomes of a bid request, and tells it once.
    ///
    /// # Errors
    /// Why it cannot.
    fn explain(
        &self,
        ask: &Ask<'_>,
        told: &mut dyn FnMut(&Explained<'_>),
    ) -> Result<(), NotExplained>;

    /// What a draft would get in a day, from the traffic of the last one.
    ///
    /// # Errors
    /// Why there is no forecast.
    fn forecast(&self, draft: Draft) -> Result<Forecast, String>;

    /// What was counted of a publisher's deal; `None` where it is not offered by this node.
    fn deal(&self, publisher: &str, deal: &str) -> Option<DealReport>;

    /// The logged auctions of a publisher in the last days, to try floors on.
    ///
    /// # Errors
    /// Why they cannot be read.
    fn past(&self, publisher: &str, days: u32) -> Result<Past, String>;

    /// What became of a line item, by exchange and hour, in any order.
    fn funnel(&self, line_item: &str) -> Vec<FunnelRow>;

    /// Why this node does not bid for a line item now, whatever is asked: what its plan says of
    /// one that is published, or else what kept it from being published.
    fn withheld(&self, line_item: &str) -> Vec<Reason>;

    /// What is not ready; empty where everything is.
    fn not_ready(&self) -> Vec<String>;

    /// Metrics in Prometheus text.
    fn metrics(&self) -> String;
}

/// Why conversions were not counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotConverted {
    /// What is wrong with them: the place in the list, the field, and what is allowed.
    Faults(Vec<(usize, &'static str, String)>),
    /// The ledger does not take them now.
    Unavailable(String),
}

/// Which refused notices are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Letters {
    /// Only those of a reason, which is a known one.
    pub reason: Option<String>,
    /// Only those of an exchange.
    pub exchange: Option<String>,
    /// Only those with these numbers; empty means any.
    pub ids: Vec<i64>,
    /// Only those whose bid was not charged since.
    pub open: bool,
    /// Where the page begins: before this number in a list, after it in a replay.
    pub from: Option<i64>,
    /// The most of them.
    pub limit: u32,
}

/// Settings of the API.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Hashes (SHA-256, hexadecimal) of the operator's keys.
    pub admin_sha256: Vec<String>,
    /// Largest body, in bytes.
    pub max_body_bytes: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            admin_sha256: Vec::new(),
            max_body_bytes: 1 << 20,
        }
    }
}

pub(crate) struct Api {
    store: Arc<Store>,
    hooks: Arc<dyn Hooks>,
    settings: Settings,
}

/// The control plane's router: `/v1`, `/livez`, `/readyz` and `/metrics`.
pub fn router(store: Arc<Store>, hooks: Arc<dyn Hooks>, settings: Settings) -> Router {
    let api = Arc::new(Api {
        store,
        hooks,
        settings,
    });
    Router::new()
        .route("/v1/{kind}", get(collection::list).post(collection::create))
        .route(
            "/v1/{kind}/{id}",
            get(item::read)
                .put(item::replace)
                .patch(item::patch)
                .delete(item::archive),
        )
        .route("/v1/floors/simulate", post(floors::simulated))
        .route("/v1/floors/suggest", post(floors::suggested))
        .route("/v1/floors/{id}/status", get(versions::status))
        .route("/v1/floors/{id}/versions", get(versions::list))
        .route("/v1/floors/{id}/versions/{version}", get(versions::show))
        .route(
            "/v1/floors/{id}/versions/{version}/restore",
            post(versions::restore),
        )
        .route("/v1/line_items/{id}/funnel", get(funnel::show))
        .route("/v1/deals/{id}/report", get(deals::report))
        .route("/v1/explain", post(explain::explain))
        .route("/v1/forecast", post(forecast::forecast))
        .route(
            "/v1/conversions",
            get(conversions::list).post(conversions::report),
        )
        .route("/v1/reports/conversions", get(conversions::sums))
        .route("/v1/notices/refused", get(notices::list))
        .route("/v1/notices/refused/replay", post(notices::replay))
        .route("/v1/reload", post(system::reload))
        .route("/v1/statements", get(system::statement))
        .route("/v1/audit", get(system::audit))
        .route("/v1/openapi.json", get(openapi::show))
        .route("/livez", get(system::live))
        .route("/readyz", get(system::ready))
        .route("/metrics", get(system::metrics))
        .fallback(problem::no_route)
        .method_not_allowed_fallback(problem::no_method)
        .with_state(api)
}

impl Api {
    /// Who is calling.
    fn caller(&self, parts: &Parts) -> Result<Caller, Problem> {
        let value = parts
            .headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok());
        let secret = value.and_then(|value| {
            let (scheme, secret) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| secret.trim())
        });
        let Some(secret) = secret else {
            return Err(Problem::unauthorized(
                "give a key in `Authorization: Bearer KEY`",
            ));
        };
        let admin = &self.settings.admin_sha256;
        let caller = self.store.read(|view| authenticate(view, admin, secret))?;
        caller.ok_or_else(|| Problem::unauthorized("the key is unknown or archived"))
    }

    /// Who is calling, if they may do this to documents of the kind.
    fn permitted(&self, parts: &Parts, path: &str, deed: Deed) -> Result<(Caller, Kind), Problem> {
        let caller = self.caller(parts)?;
        let Some(kind) = Kind::at(path) else {
            let known: Vec<&str> = Kind::ALL.iter().map(|kind| kind.path()).collect();
            let detail = format!(
                "there is no resource `{path}`{}",
                crate::fault::suggestion(path, &known)
            );
            return Err(Problem::new(StatusCode::NOT_FOUND, detail));
        };
        if !caller.may(deed, kind) {
            let deed = match deed {
                Deed::Read => "look at",
                Deed::Write => "change",
            };
            let detail = format!("the role {} may not {deed} {kind}", caller.role.word());
            return Err(Problem::new(StatusCode::FORBIDDEN, detail));
        }
        Ok((caller, kind))
    }

    /// Who is calling, if they run the node.
    fn operator(&self, parts: &Parts) -> Result<Caller, Problem> {
        let caller = self.caller(parts)?;
        if caller.scope().is_some() {
            let detail = format!("the role {} may not do this", caller.role.word());
            return Err(Problem::new(StatusCode::FORBIDDEN, detail));
        }
        Ok(caller)
    }
}

#[cfg(test)]
mod tests;
