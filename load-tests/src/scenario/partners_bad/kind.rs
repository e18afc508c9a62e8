//! The ways in which partners are bad.

use std::time::Duration;

use anyhow::bail;

use crate::partner::Profile;

/// One way, in which six of ten partners are bad.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kind {
    /// Its name.
    pub name: &'static str,
    /// What the bad partners do, each its own where there are several.
    pub profiles: Vec<Profile>,
    /// Whether they are called with TLS, which they do not speak.
    pub tls: bool,
    /// Whether they are asked to compress.
    pub gzip: bool,
    /// Whether it is a failure, which opens breakers, or a bid that is merely rejected.
    pub is_failure: bool,
}

impl Kind {
    fn new(name: &'static str, profile: Profile, is_failure: bool) -> Self {
        Self {
            name,
            profiles: vec![profile],
            tls: false,
            gzip: profile == Profile::GzipBomb,
            is_failure,
        }
    }

    /// Six partners that merely do not bid.
    pub fn healthy() -> Self {
        Self::new("none", Profile::NoBid, false)
    }

    /// Every kind.
    pub fn all() -> Vec<Self> {
        let failing = [
            ("hang-connect", Profile::HangConnect),
            ("hang-header", Profile::HangHeader),
            ("hang-body", Profile::HangBody),
            ("drip", Profile::Drip),
            ("big-body", Profile::BigBody),
            ("gzip-bomb", Profile::GzipBomb),
            ("wrong-id", Profile::WrongId),
            ("price-nan", Profile::PriceNan),
            ("500", Profile::Error500),
            ("reset", Profile::Reset),
            ("redirect", Profile::Redirect),
            ("garbage", Profile::Garbage),
            ("late", Profile::Slow(Duration::from_millis(400))),
        ];
        let rejected = [
            ("wrong-cur", Profile::WrongCur),
            ("wrong-imp", Profile::WrongImp),
            ("price-huge", Profile::PriceHuge),
            ("price-negative", Profile::PriceNegative),
            ("below-floor", Profile::BelowFloor),
        ];
        let failing = failing.map(|(name, profile)| Self::new(name, profile, true));
        let rejected = rejected.map(|(name, profile)| Self::new(name, profile, false));
        let tls = Self {
            tls: true,
            ..Self::new("bad-tls", Profile::Ok, true)
        };
        let mixed = Self {
            profiles: vec![
                Profile::HangHeader,
                Profile::Drip,
                Profile::BigBody,
                Profile::WrongId,
                Profile::Error500,
                Profile::Reset,
            ],
            ..Self::new("mixed", Profile::HangHeader, true)
        };
        failing
            .into_iter()
            .chain(rejected)
            .chain([tls, mixed])
            .collect()
    }

    /// The kinds of these names; all where there is none.
    ///
    /// # Errors
    /// A name that is no kind's.
    pub fn chosen(names: &[String]) -> anyhow::Result<Vec<Self>> {
        let all = Self::all();
        for name in names {
            if !all.iter().any(|kind| kind.name == name) {
                let known: Vec<&str> = all.iter().map(|kind| kind.name).collect();
                bail!("{name:?} is no kind; allowed are {}", known.join(", "));
            }
        }
        let wanted = |kind: &Kind| names.is_empty() || names.iter().any(|name| name == kind.name);
        Ok(all.into_iter().filter(wanted).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_chosen_by_name() {
        let chosen = Kind::chosen(&["drip".to_owned(), "bad-tls".to_owned()]).unwrap();
        let names: Vec<&str> = chosen.iter().map(|kind| kind.name).collect();
        assert_eq!(names, ["drip", "bad-tls"]);
        let error = Kind::chosen(&["drop".to_owned()]).unwrap_err().to_string();
        assert!(error.contains("hang-body"), "{error}");
        assert!(Kind::chosen(&[]).unwrap().len() >= 12);
    }
}
