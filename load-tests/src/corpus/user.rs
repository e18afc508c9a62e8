//! Users by number: all ids follow from it.

use super::Random;
use super::random::mix;

/// The n-th user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct User(pub u64);

impl User {
    /// `user.buyeruid`.
    pub fn buyeruid(self) -> String {
        format!("b{:016x}", mix(self.0))
    }

    /// `user.id`.
    pub fn id(self) -> String {
        format!("u{:016x}", mix(self.0 ^ 0x1d))
    }

    /// `device.ifa`.
    pub fn ifa(self) -> String {
        let (high, low) = (mix(self.0 ^ 0x1fa), mix(!self.0));
        format!(
            "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xfff,
            low >> 52,
            low & 0xffff_ffff_ffff
        )
    }

    /// The id that the issuer number `issuer` gave.
    pub fn eid(self, issuer: u64) -> String {
        format!(
            "{:016x}{:08x}",
            mix(self.0 ^ (issuer << 56)),
            mix(self.0) as u32
        )
    }
}

/// One line of a segment file.
pub(super) fn audience_line(user: User, segments: u32, random: &mut Random) -> String {
    let count = 4 + random.below(17);
    let names: Vec<String> = (0..count)
        .map(|_| {
            // The square of a uniform draw prefers low numbers.
            let draw = random.below(u64::from(segments));
            format!("seg_{}", draw * draw / u64::from(segments))
        })
        .collect();
    format!("buyeruid\t{}\t{}", user.buyeruid(), names.join(","))
}
