//! A sample of the requests of one hour, for forecasts: each request has the same chance to be
//! in it, however many there are.
//!
//! The data plane puts requests in and never waits: a place that another thread is just writing
//! is left alone. Cost: one atomic increment a request; for the few that are kept, one copy of
//! the body. Memory is bounded by places times the longest body that is kept.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError, TryLockError};

/// Requests that are kept of an hour.
pub const PLACES: usize = 256;
/// Longest body that is kept, in bytes; requests with longer ones are counted and not kept.
const MOST_BYTES: usize = 16 * 1024;

/// A request as it came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Id of the exchange that asked.
    pub exchange: String,
    /// When, unix milliseconds.
    pub at_ms: i64,
    /// The body, uncompressed.
    pub body: Vec<u8>,
}

/// The requests of an hour.
pub struct Sample {
    seen: AtomicU64,
    places: Box<[Mutex<Kept>]>,
}

impl Default for Sample {
    fn default() -> Self {
        Self {
            seen: AtomicU64::new(0),
            places: (0..PLACES).map(|_| Mutex::default()).collect(),
        }
    }
}

impl Sample {
    /// Shows a request to the sample; `chance` is random.
    pub fn show(&self, exchange: &str, at_ms: i64, body: &[u8], chance: u64) {
        let before = self.seen.fetch_add(1, Relaxed);
        let places = PLACES as u64;
        // The first ones fill it; the n-th takes any place with the chance of places in n.
        let at = if before < places {
            before
        } else {
            ((u128::from(chance) * u128::from(before + 1)) >> 64) as u64
        };
        let Some(place) = self.places.get(at as usize) else {
            return;
        };
        if body.len() > MOST_BYTES {
            return;
        }
        let mut kept = match place.try_lock() {
            Ok(kept) => kept,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        kept.exchange.clear();
        kept.exchange.push_str(exchange);
        kept.at_ms = at_ms;
        kept.body.clear();
        kept.body.extend_from_slice(body);
    }

    /// How many requests were shown.
    pub fn seen(&self) -> u64 {
        self.seen.load(Relaxed)
    }

    /// Those that are kept.
    pub fn kept(&self) -> Vec<Kept> {
        let copy = |place: &Mutex<Kept>| {
            let kept = place.lock().unwrap_or_else(PoisonError::into_inner);
            kept.clone()
        };
        let mut all: Vec<Kept> = self.places.iter().map(copy).collect();
        all.retain(|kept| !kept.body.is_empty());
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Spreads numbers over all of `u64`.
    fn chance(number: u64) -> u64 {
        let mut mixed = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed ^ mixed >> 31
    }

    #[test]
    fn every_request_has_the_same_chance() {
        let mut kept = [0_u32; 8];
        for round in 0..40 {
            let sample = Sample::default();
            for number in 0..4_000_u64 {
                let body = number.to_string();
                sample.show("x", 7, body.as_bytes(), chance(round * 4_000 + number));
            }
            let all = sample.kept();
            assert_eq!((all.len(), sample.seen()), (PLACES, 4_000));
            for one in all {
                let number: usize = std::str::from_utf8(&one.body).unwrap().parse().unwrap();
                kept[number / 500] += 1;
            }
        }
        // 1,280 of each eighth, give or take five standard deviations.
        assert!(
            kept.iter().all(|count| (1_110..1_450).contains(count)),
            "{kept:?}"
        );
    }

    #[test]
    fn long_bodies_are_counted_and_not_kept() {
        let sample = Sample::default();
        sample.show("x", 7, &vec![b' '; MOST_BYTES + 1], 0);
        sample.show("x", 8, b"{}", 0);
        assert_eq!(sample.seen(), 2);
        let only = Kept {
            exchange: "x".to_owned(),
            at_ms: 8,
            body: b"{}".to_vec(),
        };
        assert_eq!(sample.kept(), [only]);
    }
}
