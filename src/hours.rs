//! A day of traffic, hour by hour: what became of line items ([`Funnel`]), and a sample of the
//! requests ([`Sample`]).
//!
//! Snapshots carry the hour that the data plane counts in. When it is over its table is kept as
//! it is until no request counts in it any more, and from then on by its used cells alone.
//! Nothing is written to disk: after a start all is empty.

use crate::sample::Sample;
use bidder::Funnel;
use bidder::funnel::{Counts, FunnelKey};
use control::api::FUNNEL_HOURS;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// Pairs of line item and exchange that have a place in an hour: 4 MB.
const CELLS: usize = 32_768;

/// The hours of a node.
pub struct Hours(Mutex<Kept>);

/// What the data plane counts in.
pub struct Hour {
    /// What became of line items.
    pub funnel: Funnel,
    /// Some of the requests.
    pub sample: Arc<Sample>,
}

impl Hour {
    fn new(hour: u32) -> Arc<Self> {
        Arc::new(Self {
            funnel: Funnel::new(hour, CELLS),
            sample: Arc::default(),
        })
    }
}

struct Kept {
    current: Arc<Hour>,
    /// Hours that are over, in which a request may still count.
    closing: Vec<Arc<Hour>>,
    past: VecDeque<Past>,
    /// Counts of past hours that found no room.
    dropped: u64,
    /// Since when traffic is seen, unix seconds.
    begun_s: i64,
}

/// An hour that is over.
struct Past {
    hour: u32,
    counts: Box<[(FunnelKey, Counts)]>,
    sample: Arc<Sample>,
}

impl Past {
    fn read(&self, key: FunnelKey) -> Counts {
        let found = self.counts.binary_search_by_key(&key, |(key, _)| *key);
        found.map(|at| self.counts[at].1).unwrap_or_default()
    }
}

impl Hours {
    /// Nothing was counted yet; the time is in unix seconds.
    pub fn new(now_s: u32) -> Self {
        let hour = now_s / 3_600;
        Self(Mutex::new(Kept {
            current: Hour::new(hour),
            closing: Vec::new(),
            past: VecDeque::new(),
            dropped: 0,
            begun_s: i64::from(now_s),
        }))
    }

    /// The table of the hour, for the next snapshot; ends the hour before. Called by the
    /// publisher alone; costs 4 MB of zeroes once an hour.
    pub fn turn(&self, hour: u32) -> Arc<Hour> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.current.funnel.hour() != hour {
            let next = Hour::new(hour);
            let ended = std::mem::replace(&mut kept.current, next);
            kept.closing.push(ended);
        }
        let closing = std::mem::take(&mut kept.closing);
        for hour in closing {
            match Arc::try_unwrap(hour) {
                Ok(ended) => kept.end(ended),
                Err(in_use) => kept.closing.push(in_use),
            }
        }
        Arc::clone(&kept.current)
    }

    /// What was counted for a key, by hour; hours without any count are left out.
    pub fn read(&self, key: FunnelKey) -> Vec<(u32, Counts)> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let open = kept.closing.iter().chain([&kept.current]);
        let open = open.map(|hour| (hour.funnel.hour(), hour.funnel.read(key)));
        let past = kept.past.iter().map(|past| (past.hour, past.read(key)));
        let all = past.chain(open);
        all.filter(|(_, counts)| *counts != Counts::default())
            .collect()
    }

    /// Since when traffic is seen, unix seconds.
    pub fn begun_s(&self) -> i64 {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.begun_s
    }

    /// The samples, by hour.
    pub fn samples(&self) -> Vec<(u32, Arc<Sample>)> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let open = kept.closing.iter().chain([&kept.current]);
        let open = open.map(|hour| (hour.funnel.hour(), Arc::clone(&hour.sample)));
        let past = kept
            .past
            .iter()
            .map(|past| (past.hour, Arc::clone(&past.sample)));
        past.chain(open).collect()
    }

    /// Counts that found no room, since the start.
    pub fn dropped(&self) -> u64 {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let open = kept.closing.iter().chain([&kept.current]);
        kept.dropped + open.map(|hour| hour.funnel.dropped()).sum::<u64>()
    }
}

impl Kept {
    fn end(&mut self, ended: Hour) {
        let Hour { funnel, sample } = ended;
        self.dropped += funnel.dropped();
        self.past.push_back(Past {
            hour: funnel.hour(),
            counts: funnel.all().into_boxed_slice(),
            sample,
        });
        while self.past.len() >= FUNNEL_HOURS {
            self.past.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bidder::funnel::Stage;

    #[test]
    fn an_hour_is_kept_with_what_late_requests_count() {
        let hours = Hours::new(36_000);
        let key = FunnelKey::new("li", "x");
        let first = hours.turn(10);
        first.funnel.count(key, Stage::Bid, 3);
        let second = hours.turn(11);
        first.funnel.count(key, Stage::Bid, 1);
        second.funnel.count(key, Stage::Bid, 5);
        let bids = || -> Vec<(u32, u32)> {
            let mut read = hours.read(key);
            read.sort_by_key(|(hour, _)| *hour);
            read.iter()
                .map(|(hour, counts)| (*hour, counts.at(Stage::Bid)))
                .collect()
        };
        assert_eq!(bids(), [(10, 4), (11, 5)]);
        drop(first);
        hours.turn(11);
        assert_eq!(bids(), [(10, 4), (11, 5)]);
        drop(second);
        for hour in 12..11 + FUNNEL_HOURS as u32 {
            hours.turn(hour);
        }
        assert_eq!(bids(), [(11, 5)], "a day is kept");
        hours.turn(11 + FUNNEL_HOURS as u32);
        assert_eq!(bids(), []);
        assert!(hours.read(FunnelKey::new("other", "x")).is_empty());
    }
}
