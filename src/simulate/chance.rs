//! Chance of a simulation: everything random follows from the seed.

use anyhow::{Result, bail};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use std::str::FromStr;
use std::time::Duration;

/// A seeded source of draws.
pub struct Chance(SmallRng);

impl Chance {
    /// A source of its own for each `part` of a simulation of a seed.
    pub fn new(seed: u64, part: u64) -> Self {
        Self(SmallRng::seed_from_u64(
            seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ part,
        ))
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0.random()
    }

    /// A number from 0 to below 1.
    pub fn unit(&mut self) -> f64 {
        self.0.random()
    }

    /// A number below `count`, which is not 0.
    pub fn below(&mut self, count: usize) -> usize {
        self.0.random_range(0..count)
    }

    /// A normal number of mean 0 and deviation 1.
    pub fn normal(&mut self) -> f64 {
        let (one, other) = (1.0 - self.unit(), self.unit());
        (-2.0 * one.ln()).sqrt() * (std::f64::consts::TAU * other).cos()
    }
}

/// How long a notice takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delay {
    /// Always the same.
    Fixed(Duration),
    /// Exponentially distributed, of this mean.
    Exponential(Duration),
}

impl Delay {
    /// A delay in milliseconds.
    pub fn draw(self, chance: &mut Chance) -> i64 {
        match self {
            Delay::Fixed(delay) => delay.as_millis() as i64,
            Delay::Exponential(mean) => {
                (-(1.0 - chance.unit()).ln() * mean.as_millis() as f64) as i64
            }
        }
    }
}

impl FromStr for Delay {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let Some((kind, delay)) = text.split_once(':') else {
            bail!("expected exp:10s or fixed:300s, found {text:?}");
        };
        let delay = duration(delay)?;
        match kind {
            "exp" => Ok(Delay::Exponential(delay)),
            "fixed" => Ok(Delay::Fixed(delay)),
            _ => bail!("expected exp or fixed before the colon, found {kind:?}"),
        }
    }
}

/// A duration such as `250ms`, `10s`, `5m` or `1h`.
///
/// # Errors
/// What else was found.
pub fn duration(text: &str) -> Result<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => bail!("expected a duration such as 250ms, 10s, 5m or 1h, found {text:?}"),
    };
    let number: u64 = number.parse()?;
    match number.checked_mul(unit_ms) {
        Some(ms) if ms <= 7 * 86_400_000 => Ok(Duration::from_millis(ms)),
        Some(_) | None => bail!("expected at most a week, found {text:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_are_read_and_drawn() {
        let fixed: Delay = "fixed:300s".parse().unwrap();
        assert_eq!(fixed.draw(&mut Chance::new(1, 1)), 300_000);
        let exponential: Delay = "exp:10s".parse().unwrap();
        let mut chance = Chance::new(1, 1);
        let sum: i64 = (0..20_000).map(|_| exponential.draw(&mut chance)).sum();
        assert!(
            (9_700..10_300).contains(&(sum / 20_000)),
            "{}",
            sum / 20_000
        );
        for (text, wanted) in [
            ("10s", "exp:10s or fixed:300s"),
            ("uniform:10s", "exp or fixed"),
            ("exp:10", "a duration"),
            ("exp:9999999h", "at most a week"),
        ] {
            let fault = text.parse::<Delay>().unwrap_err().to_string();
            assert!(fault.contains(wanted), "{fault}");
        }
    }
}
