//! What a request says about floors itself: `ext.prebid.floors`, and `floorMin` of an imp.
//!
//! It comes from whoever calls, so it is read leniently and within limits: what cannot be read
//! is as if it were not there. A publisher that does not trust its callers turns the merging off
//! in its file. Cost: a few comparisons; rules in a request are compiled for that one auction,
//! 1 to 1.4 µs each (measured with 8 and 200), and only where the publisher has none.

use super::Data;
use super::schema::parse_data;
use crate::price::from_wire;
use ledger::{Cpm, Currency};
use openrtb::request::Imp;
use openrtb::{BidRequest, Encode, Value};

/// The most rules that a request may bring.
pub const MAX_STATED_RULES: usize = 100;

/// What a request says about floors.
#[derive(Clone, Debug, Default)]
pub struct Stated {
    /// `enabled` is false, or the caller has skipped floors already.
    pub(super) disabled: bool,
    pub(super) skip_percent: Option<u8>,
    pub(super) least: Least,
    pub(super) enforce: Option<bool>,
    pub(super) enforce_percent: Option<u8>,
    pub(super) deals: Option<bool>,
    pub(super) data: Option<Data>,
}

/// The least price of rules.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Least {
    pub(super) price: Option<Cpm>,
    /// Absent means the drawn group's.
    pub(super) currency: Option<Currency>,
}

impl Stated {
    /// Reads what a request says; `with_data` also its rules, where the publisher has none.
    pub fn read(request: &BidRequest<'_>, with_data: bool) -> Self {
        let Some(floors) = floors(request.ext) else {
            return Self::default();
        };
        let flag = |value: Option<Value<'_>>| value.and_then(Value::as_bool);
        let enforcement = floors.get("enforcement");
        let of_enforcement = |name: &str| enforcement.and_then(|value| value.get(name));
        Self {
            disabled: flag(floors.get("enabled")) == Some(false)
                || flag(floors.get("skipped")) == Some(true),
            skip_percent: percent(floors.get("skipRate")),
            least: Least::read(floors),
            enforce: flag(of_enforcement("enforcePBS")),
            enforce_percent: percent(of_enforcement("enforceRate")),
            deals: flag(of_enforcement("floorDeals")),
            data: floors.get("data").filter(|_| with_data).and_then(data),
        }
    }
}

impl Least {
    fn read(floors: Value<'_>) -> Self {
        let price = floors.get("floorMin").and_then(Value::as_f64);
        let currency = floors.get("floorMinCur").and_then(Value::as_str);
        Self {
            price: price.and_then(from_wire),
            currency: currency.and_then(|code| code.parse().ok()),
        }
    }

    /// What an imp says for itself.
    pub(super) fn of_imp(imp: &Imp<'_>) -> Self {
        floors(imp.ext).map(Self::read).unwrap_or_default()
    }

    /// This, or the other where this says nothing; a price without a currency is in the
    /// other's.
    pub(super) fn or(self, other: Self) -> Self {
        if self.price.is_none() {
            return other;
        }
        Self {
            currency: self.currency.or(other.currency),
            ..self
        }
    }
}

fn floors(ext: Option<Value<'_>>) -> Option<Value<'_>> {
    ext?.get("prebid")?.get("floors")
}

fn percent(value: Option<Value<'_>>) -> Option<u8> {
    let percent = u8::try_from(value?.as_i64()?).ok()?;
    Some(percent).filter(|percent| *percent <= 100)
}

fn data(value: Value<'_>) -> Option<Data> {
    let mut json = Vec::with_capacity(1024);
    value.encode(&mut json);
    parse_data(&json, MAX_STATED_RULES)
        .ok()
        .map(|parsed| parsed.0)
}
