//! The ways in which a mock partner behaves, good and bad.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;

/// What a mock partner does with a bid request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// Bids at once.
    Ok,
    /// Answers 204 at once.
    NoBid,
    /// Bids after a delay.
    Slow(Duration),
    /// Completes no TCP handshake.
    HangConnect,
    /// Reads the request and never answers.
    HangHeader,
    /// Sends the head and half of the body, then nothing.
    HangBody,
    /// Sends the head, then one byte of the body a second.
    Drip,
    /// Bids with ten megabytes of padding.
    BigBody,
    /// Bids under another request id.
    WrongId,
    /// Bids in a currency that the request does not allow.
    WrongCur,
    /// Bids for an impression that was not offered.
    WrongImp,
    /// Bids `NaN`, which is not JSON.
    PriceNan,
    /// Bids 1e308.
    PriceHuge,
    /// Bids −1.
    PriceNegative,
    /// Bids half of the floor.
    BelowFloor,
    /// Answers 500.
    Error500,
    /// Reads the request and resets the connection.
    Reset,
    /// Answers 302 with a location of its own.
    Redirect,
    /// Answers 200 with bytes that are not JSON.
    Garbage,
    /// Answers 200 with few bytes that decompress to ten megabytes.
    GzipBomb,
}

impl Profile {
    /// All profiles by name, except `slow`, which carries a number.
    pub const NAMED: [(&'static str, Self); 19] = [
        ("ok", Self::Ok),
        ("nobid", Self::NoBid),
        ("hang-connect", Self::HangConnect),
        ("hang-header", Self::HangHeader),
        ("hang-body", Self::HangBody),
        ("drip", Self::Drip),
        ("big-body", Self::BigBody),
        ("wrong-id", Self::WrongId),
        ("wrong-cur", Self::WrongCur),
        ("wrong-imp", Self::WrongImp),
        ("price-nan", Self::PriceNan),
        ("price-huge", Self::PriceHuge),
        ("price-negative", Self::PriceNegative),
        ("below-floor", Self::BelowFloor),
        ("500", Self::Error500),
        ("reset", Self::Reset),
        ("redirect", Self::Redirect),
        ("garbage", Self::Garbage),
        ("gzip-bomb", Self::GzipBomb),
    ];
}

/// A name that is no profile.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "profile {found:?} is unknown; allowed are slow=MILLISECONDS and {}",
    names()
)]
pub struct ProfileError {
    /// What was given.
    pub found: String,
}

impl FromStr for Profile {
    type Err = ProfileError;

    fn from_str(text: &str) -> Result<Self, ProfileError> {
        if let Some(millis) = text.strip_prefix("slow=").and_then(|ms| ms.parse().ok()) {
            return Ok(Self::Slow(Duration::from_millis(millis)));
        }
        let named = Self::NAMED.into_iter().find(|&(name, _)| name == text);
        named
            .map(|(_, profile)| profile)
            .ok_or_else(|| ProfileError {
                found: text.to_owned(),
            })
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::Slow(delay) = self {
            return write!(out, "slow={}", delay.as_millis());
        }
        let named = Self::NAMED
            .into_iter()
            .find(|&(_, profile)| profile == *self);
        out.write_str(named.expect("every other profile has a name").0)
    }
}

fn names() -> String {
    Profile::NAMED.map(|(name, _)| name).join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_reads_back_from_its_name() {
        let slow = Profile::Slow(Duration::from_millis(40));
        for profile in Profile::NAMED
            .into_iter()
            .map(|(_, profile)| profile)
            .chain([slow])
        {
            assert_eq!(profile.to_string().parse(), Ok(profile));
        }
    }

    #[test]
    fn an_unknown_name_is_refused_with_the_allowed_ones() {
        for found in ["", "okay", "slow", "slow=", "slow=-1"] {
            let error = found.parse::<Profile>().unwrap_err();
            assert!(error.to_string().contains("hang-body"), "{error}");
        }
    }
}
