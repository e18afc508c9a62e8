//! Seeded chance: which floor group, whether to skip, who wins a tie.
//!
//! Everything follows from the auction's seed, so that a recorded auction replays bit for bit.

/// A sequence of draws (`SplitMix64`), one per auction.
#[derive(Clone, Debug)]
pub struct Draw(u64);

impl Draw {
    /// The sequence of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number below `bound`, which is above 0.
    pub fn below(&mut self, bound: u32) -> u32 {
        // The high part of a product is uniform to within 2^-32 for such small bounds.
        ((u128::from(self.bits()) * u128::from(bound)) >> 64) as u32
    }

    /// True in `percent` of a hundred cases.
    pub fn chance(&mut self, percent: u8) -> bool {
        self.below(100) < u32::from(percent)
    }
}

/// Spreads the bits of a number over 64 bits.
pub(crate) fn mix(bits: u64) -> u64 {
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_draws_the_same() {
        let draws = |seed| {
            let mut draw = Draw::new(seed);
            [draw.bits(), draw.bits(), u64::from(draw.below(7))]
        };
        assert_eq!(draws(3), draws(3));
        assert_ne!(draws(3), draws(4));
    }

    #[test]
    fn chance_means_what_it_says() {
        let mut draw = Draw::new(1);
        let hits = (0..10_000).filter(|_| draw.chance(30)).count();
        assert!((2_800..3_200).contains(&hits), "{hits}");
        assert!((0..1_000).all(|_| !draw.chance(0) && draw.chance(100)));
    }
}
