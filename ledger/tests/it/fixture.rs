//! What the tests share: a file, a bill, a sale, a budget.

use ledger::event::Kind;
use ledger::store::{Budget, Funding, SqliteStore};
use ledger::token::{Side, idempotency_key};
use ledger::{Cpm, Currency, Event, Micros, Multiplier};
use std::path::{Path, PathBuf};

/// The currency of the tests.
pub(crate) const EUR: Currency = Currency(*b"EUR");

/// A ledger's file that goes with its test.
pub(crate) struct File(PathBuf);

impl File {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("ledger-{}-{name}", std::process::id()));
        let file = Self(path);
        file.remove();
        file
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn open(&self, now_s: i64) -> SqliteStore {
        SqliteStore::open(&self.0, now_s, 600).unwrap()
    }

    fn remove(&self) {
        for suffix in ["", "-wal", "-shm"] {
            let mut name = self.0.clone().into_os_string();
            name.push(suffix);
            let _ = std::fs::remove_file(name);
        }
    }
}

impl Drop for File {
    fn drop(&mut self) {
        self.remove();
    }
}

pub(crate) fn bill(number: u32, cpm: i64) -> Event {
    let auction = number.to_string();
    Event {
        kind: Kind::Bill,
        key: idempotency_key(Side::Bidder, "x", &auction, "1", "b"),
        at_ms: 0,
        exchange: "x".into(),
        seat: "adv_a".into(),
        advertiser: "adv_a".into(),
        line_item: "li_a".into(),
        creative: String::new(),
        publisher: String::new(),
        placement: String::new(),
        partner: String::new(),
        bid: Cpm(cpm),
        cpm: Cpm(cpm),
        currency: EUR,
        multiplier: Multiplier::ONE,
        share_ppm: 0,
        platform_ppm: 0,
        data: String::new(),
        reason: 0,
        budgets: vec!["line:li_a".into()],
        reservation: None,
        exposure: ledger::Exposure::default(),
        held_until: 0,
        touch: None,
    }
}

pub(crate) fn sale(number: u32, cpm: i64, share_ppm: i64) -> Event {
    let auction = number.to_string();
    Event {
        kind: Kind::Sale,
        key: idempotency_key(Side::Exchange, "x", &auction, "1", "b"),
        publisher: "pub_p".into(),
        partner: "bidder".into(),
        share_ppm,
        budgets: Vec::new(),
        ..bill(number, cpm)
    }
}

pub(crate) fn budget(limit: i64) -> Budget {
    Budget {
        key: "line:li_a".into(),
        currency: EUR,
        limit: Micros(limit),
    }
}

pub(crate) fn late(_: &Event, _: Micros) -> Funding {
    Funding::Late
}

pub(crate) fn frozen(_: &Event, _: Micros) -> Funding {
    Funding::Frozen { epoch: 1 }
}
