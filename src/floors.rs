//! Publishers' floors by address: fetched in the background, within limits of size, time and
//! rules, and kept until the next success.
//!
//! A fetch that fails changes nothing: the last good data goes on serving until it is too old,
//! and what went wrong is counted and shown. Addresses come from publishers, so no redirect is
//! followed and no private address is called unless the operator allows it. No auction waits for
//! any of this: the maintenance thread puts new data into the next snapshot.

mod fetch;
mod past;

pub use fetch::{Failure, run};
pub use past::past;

use exchange::catalog::{Invalid, Publisher};
use exchange::floor::{Data, Feed};
use jiff::Timestamp;
use metrics::{Counter, counter, describe_counter};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The pause after the first failure, in seconds; it doubles with each further one, up to the
/// feed's own period.
const FIRST_PAUSE_S: u32 = 30;

/// The most notes of a file that are kept to be shown.
const MOST_NOTES: usize = 20;

/// The feeds of all publishers.
pub struct Feeds {
    entries: Mutex<BTreeMap<Arc<str>, Entry>>,
    generation: AtomicU64,
    outcomes: Vec<(&'static str, Counter)>,
}

/// The feed of one publisher.
struct Entry {
    feed: Feed,
    due_s: u32,
    failures: u32,
    fetched: Option<Fetched>,
    failed: Option<(u32, Failure)>,
}

/// Data that was fetched.
struct Fetched {
    data: Arc<Data>,
    notes: Vec<Invalid>,
    at_s: u32,
}

impl Default for Feeds {
    fn default() -> Self {
        describe_counter!(
            "gavel_floor_fetches_total",
            "Fetches of publishers' floors by what became of them."
        );
        let outcomes = std::iter::once("fetched").chain(Failure::LABELS);
        let outcome = |name| {
            (
                name,
                counter!("gavel_floor_fetches_total", "outcome" => name),
            )
        };
        Self {
            entries: Mutex::default(),
            generation: AtomicU64::new(0),
            outcomes: outcomes.map(outcome).collect(),
        }
    }
}

impl Feeds {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A number that rises whenever other data is to be used.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Takes over which publishers have a feed, and gives each the data that was fetched last.
    /// A feed that is new or was changed is due at once; only one with another address loses
    /// its data.
    pub fn fill(&self, publishers: &mut [Publisher], now_s: u32) {
        let mut entries = self.lock();
        let mut known = std::mem::take(&mut *entries);
        for publisher in publishers {
            let Some(floors) = publisher.floors.as_deref() else {
                continue;
            };
            let Some(feed) = floors.feed.clone() else {
                continue;
            };
            let mut entry = known.remove(&publisher.id).unwrap_or_else(|| Entry {
                feed: feed.clone(),
                due_s: now_s,
                failures: 0,
                fetched: None,
                failed: None,
            });
            if entry.feed != feed {
                entry.due_s = now_s;
                entry.failures = 0;
                if entry.feed.url != feed.url {
                    entry.fetched = None;
                }
                entry.feed = feed;
            }
            if let Some(fetched) = &entry.fetched {
                let mut floors = floors.clone();
                floors.fetched = Some(Arc::clone(&fetched.data));
                publisher.floors = Some(Arc::new(floors));
            }
            entries.insert(Arc::clone(&publisher.id), entry);
        }
    }

    /// At most `room` feeds that are due, each of which is the caller's to fetch now. Data that
    /// is too old is dropped.
    fn due(&self, now_s: u32, room: usize) -> Vec<(Arc<str>, Feed)> {
        let mut due = Vec::new();
        for (publisher, entry) in self.lock().iter_mut() {
            let max_age_s = entry.feed.max_age_s;
            let is_old = |fetched: &mut Fetched| now_s.saturating_sub(fetched.at_s) > max_age_s;
            if entry.fetched.take_if(is_old).is_some() {
                self.generation.fetch_add(1, Ordering::Release);
            }
            if entry.due_s <= now_s && due.len() < room {
                // Longer than any fetch may take, should nobody report back.
                entry.due_s = now_s.saturating_add(entry.feed.period_s);
                due.push((Arc::clone(publisher), entry.feed.clone()));
            }
        }
        due
    }

    /// Takes over what became of a fetch.
    fn done(
        &self,
        publisher: &str,
        feed: &Feed,
        result: Result<(Data, Vec<Invalid>), Failure>,
        now_s: u32,
    ) {
        let label = result.as_ref().map_or_else(Failure::label, |_| "fetched");
        if let Some((_, counter)) = self.outcomes.iter().find(|(name, _)| *name == label) {
            counter.increment(1);
        }
        let mut entries = self.lock();
        // A feed that has changed meanwhile is fetched again anyway.
        let Some(entry) = entries
            .get_mut(publisher)
            .filter(|entry| entry.feed == *feed)
        else {
            return;
        };
        match result {
            Ok((data, mut notes)) => {
                notes.truncate(MOST_NOTES);
                entry.fetched = Some(Fetched {
                    data: Arc::new(data),
                    notes,
                    at_s: now_s,
                });
                entry.failures = 0;
                entry.due_s = now_s.saturating_add(feed.period_s);
                self.generation.fetch_add(1, Ordering::Release);
            }
            Err(failure) => {
                let pause = FIRST_PAUSE_S << entry.failures.min(10);
                entry.failures += 1;
                entry.due_s = now_s.saturating_add(pause.min(feed.period_s));
                entry.failed = Some((now_s, failure));
            }
        }
    }

    /// How a publisher's feed goes; `None` where it has none.
    pub fn status(&self, publisher: &str) -> Option<Value> {
        let entries = self.lock();
        let entry = entries.get(publisher)?;
        let fetched = entry.fetched.as_ref().map(|fetched| {
            let rules: usize = fetched
                .data
                .groups
                .iter()
                .map(|group| group.rules.len())
                .sum();
            let notes = fetched.notes.iter();
            let notes = notes.map(|note| json!({ "pointer": note.field, "detail": note.problem }));
            json!({
                "at": time(fetched.at_s),
                "groups": fetched.data.groups.len(),
                "rules": rules,
                "ignored": notes.collect::<Vec<_>>(),
            })
        });
        let failed = entry.failed.as_ref().map(|(at_s, failure)| {
            json!({
                "at": time(*at_s),
                "reason": failure.label(),
                "detail": failure.to_string(),
                "in_a_row": entry.failures,
            })
        });
        Some(json!({
            "url": &*entry.feed.url,
            "serving": fetched,
            "last_failure": failed,
            "next": time(entry.due_s),
        }))
    }
}

fn time(unix_s: u32) -> String {
    Timestamp::from_second(unix_s.into())
        .unwrap_or_default()
        .to_string()
}

#[cfg(test)]
mod tests;
