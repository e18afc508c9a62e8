//! Seeded chance: everything random about a decision follows from the request's seed, so that a
//! recorded request replays bit for bit.

/// Spreads the bits of a number over 64 bits (the finaliser of `SplitMix64`).
#[inline]
pub(crate) fn mix(bits: u64) -> u64 {
    let bits = bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// The draw of a request for one `subject`, the same however often it is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Draw(pub(crate) u64);

/// What is drawn for; each has draws of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Subject {
    /// Whether a campaign takes part in this request.
    Campaign(u32),
    /// Which of equal bids for an imp wins: place of the imp, line item.
    Tie(u32, u32),
    /// Which creative of a line item is shown for an imp.
    Creative(u32, u32),
    /// The id of a bid, by its place among the bids of the response.
    BidId(u32),
    /// The number that keeps the markup of a bid out of caches.
    CacheBuster(u32),
    /// Whether the request is counted as traffic.
    Traffic,
    /// Whether the request of an exchange that does not wait is passed over.
    Throttle,
}

impl Draw {
    #[inline]
    pub(crate) fn bits(self, subject: Subject) -> u64 {
        let pair = |a: u32, b: u32| u64::from(a) << 32 | u64::from(b);
        let (kind, place) = match subject {
            Subject::Campaign(campaign) => (0x11, pair(0, campaign)),
            Subject::Tie(imp, item) => (0x22, pair(imp, item)),
            Subject::Creative(imp, item) => (0x33, pair(imp, item)),
            Subject::BidId(place) => (0x44, pair(place, 0)),
            Subject::CacheBuster(place) => (0x55, pair(place, 0)),
            Subject::Traffic => (0x66, 0),
            Subject::Throttle => (0x77, 0),
        };
        mix(mix(self.0 ^ kind) ^ place)
    }

    /// True in `threshold` of 2³² cases; `u32::MAX` means always.
    #[inline]
    pub(crate) fn passes(self, subject: Subject, threshold: u32) -> bool {
        threshold == u32::MAX || ((self.bits(subject) >> 32) as u32) < threshold
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_is_a_probability() {
        let quarter = u32::MAX / 4;
        let passes = |threshold| {
            let drawn = |seed: u64| Draw(seed).passes(Subject::Campaign(7), threshold);
            (0..40_000).filter(|&seed| drawn(seed)).count()
        };
        assert!((9_500..10_500).contains(&passes(quarter)));
        assert_eq!((passes(0), passes(u32::MAX)), (0, 40_000));
    }

    #[test]
    fn subjects_do_not_share_their_draws() {
        let draw = Draw(5);
        let mut bits = [
            draw.bits(Subject::Campaign(1)),
            draw.bits(Subject::Tie(0, 1)),
            draw.bits(Subject::Creative(0, 1)),
            draw.bits(Subject::BidId(1)),
            draw.bits(Subject::BidId(2)),
            draw.bits(Subject::CacheBuster(1)),
        ];
        assert_eq!(bits[0], Draw(5).bits(Subject::Campaign(1)));
        bits.sort_unstable();
        assert!(bits.windows(2).all(|pair| pair[0] != pair[1]));
    }
}
