//! The traffic of a day of which only some hours are known.
//!
//! Traffic of the web follows the sun of its users, who need not live in the advertiser's zone:
//! the usual day is tried at each of 24 shifts, and a level day too, and each is weighed by how
//! well it explains the hours that are known. What comes out is the mean of them all, so that a
//! few hours of a first morning say what the evening may be like. Cost: some 25 × 24 logarithms,
//! once in a quarter of an hour, for campaigns without history alone.

/// A usual day of the web, by hour of its users, 1 on average: traffic sinks to a fifth at night
/// and stands highest over the working day.
const USUAL: [f64; 24] = [
    0.37, 0.25, 0.20, 0.21, 0.25, 0.34, 0.49, 0.72, 1.07, 1.42, 1.62, 1.67, 1.65, 1.63, 1.59, 1.54,
    1.46, 1.38, 1.30, 1.20, 1.07, 0.92, 0.75, 0.55,
];
/// How much an hour strays from its shape, as the deviation of its logarithm.
const STRAY: f64 = 0.2;
/// How likely it is that users live by the advertiser's clock, and that every hour is alike; the
/// other shifts share what is left.
const LIKELY: (f64, f64) = (0.5, 0.1);

/// Requests an hour for all 24 hours of a day, from those of the hours `known`, each with the
/// number of requests that it was learned from.
pub(super) fn complete(known: &[(usize, f64, f64)]) -> [f64; 24] {
    let mut filled = [0.0; 24];
    let mut best = f64::NEG_INFINITY;
    let candidates: Vec<(f64, f64, [f64; 24])> = (0..25)
        .map(|shift| {
            let (prior, shape) = candidate(shift);
            let (level, fit) = fit(known, &shape);
            let likely = prior.ln() + fit;
            best = best.max(likely);
            (likely, level, shape)
        })
        .collect();
    let mut all = 0.0;
    for (likely, level, shape) in candidates {
        let weight = (likely - best).exp();
        all += weight;
        for (filled, part) in filled.iter_mut().zip(shape) {
            *filled += weight * level.exp() * part;
        }
    }
    filled.map(|rate| rate / all)
}

/// A shape and how likely it is before anything is known: the usual day shifted, or a level day.
fn candidate(shift: usize) -> (f64, [f64; 24]) {
    match shift {
        0 => (LIKELY.0, USUAL),
        24 => (LIKELY.1, [1.0; 24]),
        _ => {
            let shape = std::array::from_fn(|hour| USUAL[(hour + shift) % 24]);
            ((1.0 - LIKELY.0 - LIKELY.1) / 23.0, shape)
        }
    }
}

/// The logarithm of the level at which a shape explains the known hours best, and how well it
/// then does, as a logarithm of likelihood.
fn fit(known: &[(usize, f64, f64)], shape: &[f64; 24]) -> (f64, f64) {
    let part = |&(hour, rate, requests): &(usize, f64, f64)| {
        let off = (rate.max(1e-6) / shape[hour % 24]).ln();
        (off, 1.0 / (STRAY * STRAY + 1.0 / (requests + 1.0)))
    };
    let (mut sum, mut weights) = (0.0, 0.0);
    for (off, weight) in known.iter().map(part) {
        sum += weight * off;
        weights += weight;
    }
    let level = if weights > 0.0 { sum / weights } else { 0.0 };
    let misses = known.iter().map(part);
    let squares: f64 = misses
        .map(|(off, weight)| weight * (off - level).powi(2))
        .sum();
    (level, -0.5 * squares)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shifted_day_is_recognised_by_its_morning() {
        for shift in [0, 5, 16] {
            let day: Vec<f64> = (0..24)
                .map(|hour| 700.0 * USUAL[(hour + shift) % 24])
                .collect();
            let known: Vec<_> = (0..10).map(|hour| (hour, day[hour], day[hour])).collect();
            let filled = complete(&known);
            let (rest, wanted): (f64, f64) = (filled[10..].iter().sum(), day[10..].iter().sum());
            assert!(
                (rest / wanted - 1.0).abs() < 0.15,
                "{shift}: {rest} for {wanted}"
            );
        }
    }

    #[test]
    fn without_anything_known_the_day_is_nearly_the_usual_one() {
        let filled = complete(&[]);
        assert!(filled.iter().all(|rate| *rate > 0.0));
        assert!((filled.iter().sum::<f64>() / 24.0 - 1.0).abs() < 0.02);
        assert!(filled[12] > 1.5 * filled[3]);
        let level: Vec<_> = (0..12).map(|hour| (hour, 50.0, 50.0)).collect();
        let filled = complete(&level);
        assert!(
            filled.iter().all(|rate| (rate - 50.0).abs() < 15.0),
            "{filled:?}"
        );
    }
}
