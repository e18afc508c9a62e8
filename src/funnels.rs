//! What became of line items, hour by hour: the table that the data plane counts in, and those
//! of the hours before it.
//!
//! Each hour has a table of its own ([`Funnel`]), which snapshots carry. When an hour is over its
//! table is kept as it is until no request counts in it any more, and from then on by its used
//! cells alone. Nothing is written to disk: after a start the funnel is empty.

use bidder::Funnel;
use bidder::funnel::{Counts, FunnelKey};
use control::api::FUNNEL_HOURS;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// Pairs of line item and exchange that have a place in an hour: 4 MB.
const CELLS: usize = 32_768;

/// The tables of a node.
pub struct Funnels(Mutex<Kept>);

struct Kept {
    current: Arc<Funnel>,
    /// Hours that are over, in which a request may still count.
    closing: Vec<Arc<Funnel>>,
    past: VecDeque<Past>,
    /// Counts of past hours that found no room.
    dropped: u64,
}

/// An hour that is over.
struct Past {
    hour: u32,
    counts: Box<[(FunnelKey, Counts)]>,
}

impl Past {
    fn read(&self, key: FunnelKey) -> Counts {
        let found = self.counts.binary_search_by_key(&key, |(key, _)| *key);
        found.map(|at| self.counts[at].1).unwrap_or_default()
    }
}

impl Funnels {
    /// Nothing was counted yet; `hour` counts from 1970.
    pub fn new(hour: u32) -> Self {
        Self(Mutex::new(Kept {
            current: Arc::new(Funnel::new(hour, CELLS)),
            closing: Vec::new(),
            past: VecDeque::new(),
            dropped: 0,
        }))
    }

    /// The table of the hour, for the next snapshot; ends the hour before. Called by the
    /// publisher alone; costs 4 MB of zeroes once an hour.
    pub fn turn(&self, hour: u32) -> Arc<Funnel> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.current.hour() != hour {
            let next = Arc::new(Funnel::new(hour, CELLS));
            let ended = std::mem::replace(&mut kept.current, next);
            kept.closing.push(ended);
        }
        let closing = std::mem::take(&mut kept.closing);
        for funnel in closing {
            match Arc::try_unwrap(funnel) {
                Ok(ended) => kept.end(&ended),
                Err(in_use) => kept.closing.push(in_use),
            }
        }
        Arc::clone(&kept.current)
    }

    /// What was counted for a key, by hour; hours without any count are left out.
    pub fn read(&self, key: FunnelKey) -> Vec<(u32, Counts)> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let open = kept.closing.iter().chain([&kept.current]);
        let open = open.map(|funnel| (funnel.hour(), funnel.read(key)));
        let past = kept.past.iter().map(|past| (past.hour, past.read(key)));
        let all = past.chain(open);
        all.filter(|(_, counts)| *counts != Counts::default())
            .collect()
    }

    /// Counts that found no room, since the start.
    pub fn dropped(&self) -> u64 {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let open = kept.closing.iter().chain([&kept.current]);
        kept.dropped + open.map(|funnel| funnel.dropped()).sum::<u64>()
    }
}

impl Kept {
    fn end(&mut self, ended: &Funnel) {
        self.dropped += ended.dropped();
        self.past.push_back(Past {
            hour: ended.hour(),
            counts: ended.all().into_boxed_slice(),
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
        let funnels = Funnels::new(10);
        let key = FunnelKey::new("li", "x");
        let first = funnels.turn(10);
        first.count(key, Stage::Bid, 3);
        let second = funnels.turn(11);
        first.count(key, Stage::Bid, 1);
        second.count(key, Stage::Bid, 5);
        let bids = || -> Vec<(u32, u32)> {
            let mut read = funnels.read(key);
            read.sort_by_key(|(hour, _)| *hour);
            read.iter()
                .map(|(hour, counts)| (*hour, counts.at(Stage::Bid)))
                .collect()
        };
        assert_eq!(bids(), [(10, 4), (11, 5)]);
        drop(first);
        funnels.turn(11);
        assert_eq!(bids(), [(10, 4), (11, 5)]);
        drop(second);
        for hour in 12..11 + FUNNEL_HOURS as u32 {
            funnels.turn(hour);
        }
        assert_eq!(bids(), [(11, 5)], "a day is kept");
        funnels.turn(11 + FUNNEL_HOURS as u32);
        assert_eq!(bids(), []);
        assert!(funnels.read(FunnelKey::new("other", "x")).is_empty());
    }
}
