//! Requests per second: a token bucket in one atomic number (the generic cell rate algorithm).
//!
//! It is shared by all workers without a lock and holds the rate exactly over any second; a tenth
//! of a second's worth may come at once. Cost: one compare-and-swap.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// How far ahead of the rate a burst may run, in nanoseconds.
const BURST_NS: u64 = 100_000_000;

const SECOND_NS: u64 = 1_000_000_000;

/// A limit of requests per second.
#[derive(Debug)]
pub struct Quota {
    per_second: u32,
    base: OnceLock<Instant>,
    /// When the bucket will be full again, in nanoseconds after `base`.
    full_at: AtomicU64,
}

impl Quota {
    /// At most `per_second` requests; 0 means no limit.
    pub fn new(per_second: u32) -> Self {
        Self {
            per_second,
            base: OnceLock::new(),
            full_at: AtomicU64::new(0),
        }
    }

    /// The rate, 0 where there is no limit.
    pub fn per_second(&self) -> u32 {
        self.per_second
    }

    /// Takes one request at `now`, or says that there is none left.
    pub fn take(&self, now: Instant) -> bool {
        if self.per_second == 0 {
            return true;
        }
        let base = *self.base.get_or_init(|| now);
        let now = now.saturating_duration_since(base).as_nanos() as u64;
        let cost = SECOND_NS / u64::from(self.per_second);
        let next = |full_at: u64| {
            let start = full_at.max(now);
            (start <= now + BURST_NS.saturating_sub(cost)).then_some(start + cost)
        };
        self.full_at
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, next)
            .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    fn start() -> Instant {
        tokio::time::Instant::now().into_std()
    }

    #[test]
    fn no_limit_is_no_limit() {
        let (quota, now) = (Quota::new(0), start());
        assert!((0..10_000).all(|_| quota.take(now)));
    }

    #[test]
    fn one_a_second_is_one_a_second() {
        let (quota, now) = (Quota::new(1), start());
        assert!(quota.take(now));
        assert!(!quota.take(now));
        assert!(!quota.take(now + Duration::from_millis(999)));
        assert!(quota.take(now + Duration::from_secs(1)));
    }

    proptest! {
        /// Over any ten seconds no more than the rate, plus one burst, gets through; and a
        /// sender who keeps to the rate is never refused.
        #[test]
        fn the_rate_holds(
            rate in 1_u32..500,
            gaps in prop::collection::vec(0_u64..20_000, 1..2000),
        ) {
            let (quota, base) = (Quota::new(rate), start());
            let mut now = base;
            let mut taken = 0_u64;
            for gap in gaps {
                now += Duration::from_micros(gap);
                taken += u64::from(quota.take(now));
            }
            let micros = (now - base).as_micros() as u64;
            let most = u64::from(rate) * (micros + 100_000) / 1_000_000 + 1;
            prop_assert!(taken <= most, "{} of {}", taken, most);

            let steady = Quota::new(rate);
            let step = Duration::from_nanos(SECOND_NS / u64::from(rate));
            for turn in 0..100 {
                prop_assert!(steady.take(base + step * turn));
            }
        }
    }
}
