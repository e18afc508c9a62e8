//! Histograms of durations, shared and lock-free: a record costs one relaxed addition.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Buckets per power of two: a value is off by at most 1/16 of itself.
const FINE: usize = 16;
const POWERS: usize = 40;

/// A histogram of durations: log-linear buckets of nanoseconds, lock-free.
#[derive(Debug)]
pub struct Latency {
    buckets: Box<[AtomicU64]>,
}

impl Default for Latency {
    fn default() -> Self {
        Self {
            buckets: (0..FINE * POWERS).map(|_| AtomicU64::new(0)).collect(),
        }
    }
}

impl Latency {
    /// Counts one duration.
    pub fn record(&self, duration: Duration) {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.buckets[bucket(nanos)].fetch_add(1, Relaxed);
    }

    /// A copy of the counts, to take differences and quantiles from.
    pub fn counts(&self) -> Counts {
        Counts(
            self.buckets
                .iter()
                .map(|bucket| bucket.load(Relaxed))
                .collect(),
        )
    }
}

/// The counts of a [`Latency`] at one moment.
#[derive(Clone, Default)]
pub struct Counts(Vec<u64>);

impl Counts {
    /// What was counted since `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Counts) -> Counts {
        let before = |index: usize| earlier.0.get(index).copied().unwrap_or(0);
        Counts(
            self.0
                .iter()
                .enumerate()
                .map(|(i, n)| n.saturating_sub(before(i)))
                .collect(),
        )
    }

    /// How many durations were counted.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// How many durations lie in buckets that end at or below `limit`.
    pub fn within(&self, limit: Duration) -> u64 {
        let limit = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
        let below = (0..self.0.len()).take_while(|index| upper_edge(*index) <= limit);
        below.map(|index| self.0[index]).sum()
    }

    /// The sum of the durations, each counted at the upper edge of its bucket.
    pub fn sum(&self) -> Duration {
        let each = self.0.iter().enumerate();
        let nanos = each.map(|(index, count)| u128::from(upper_edge(index)) * u128::from(*count));
        Duration::from_nanos(u64::try_from(nanos.sum::<u128>()).unwrap_or(u64::MAX))
    }

    /// The upper edge of the bucket that holds the `quantile` (0 to 1); zero without counts.
    pub fn quantile(&self, quantile: f64) -> Duration {
        let total = self.total();
        let wanted = ((total as f64 * quantile).ceil() as u64).max(1);
        let mut seen = 0;
        for (index, count) in self.0.iter().enumerate() {
            seen += count;
            if total > 0 && seen >= wanted {
                return Duration::from_nanos(upper_edge(index));
            }
        }
        Duration::ZERO
    }
}

fn bucket(nanos: u64) -> usize {
    if nanos < FINE as u64 {
        return nanos as usize;
    }
    let power = 63 - nanos.leading_zeros() as usize;
    let fine = (nanos >> (power - 4)) as usize & (FINE - 1);
    ((power - 3) * FINE + fine).min(FINE * POWERS - 1)
}

fn upper_edge(index: usize) -> u64 {
    if index < FINE {
        return index as u64;
    }
    let (power, fine) = (index / FINE + 3, (index % FINE) as u64);
    ((FINE as u64 + fine + 1) << (power - 4)) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_within_a_sixteenth() {
        let latency = Latency::default();
        for micros in 1..=1000 {
            latency.record(Duration::from_micros(micros));
        }
        let counts = latency.counts();
        assert_eq!(counts.total(), 1000);
        for (quantile, exact) in [(0.5, 500.0), (0.99, 990.0), (1.0, 1000.0)] {
            let seen = counts.quantile(quantile).as_secs_f64() * 1e6;
            assert!(
                seen >= exact && seen <= exact * (1.0 + 1.0 / 16.0),
                "{quantile}: {seen}"
            );
        }
        assert_eq!(counts.since(&counts).quantile(0.5), Duration::ZERO);
        let within = counts.within(Duration::from_micros(500));
        assert!((469..=500).contains(&within), "{within}");
        let sum = counts.sum().as_secs_f64() * 1e6;
        assert!(
            (500_500.0..=500_500.0 * 17.0 / 16.0).contains(&sum),
            "{sum}"
        );
    }

    #[test]
    fn every_value_lies_within_its_bucket() {
        for shift in 0..43 {
            for offset in [0, 1, 3] {
                let nanos = (1u64 << shift) + offset;
                let index = bucket(nanos);
                assert!(
                    upper_edge(index) >= nanos || index == FINE * POWERS - 1,
                    "{nanos}"
                );
                assert!(index == 0 || upper_edge(index - 1) < nanos, "{nanos}");
            }
        }
    }
}
