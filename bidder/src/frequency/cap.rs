//! What is capped, for whom, and what becomes of requests that do not say who is asking.

use audience::UserKey;
use ledger::Exposure;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// The longest window: 90 days, in seconds.
pub const MAX_WINDOW_S: u32 = 90 * 86_400;
/// The highest cap.
pub const MAX_IMPRESSIONS: u16 = 1_000;
/// The most rules of one advertiser, campaign, line item or creative.
pub const MAX_CAPS: usize = 8;

/// Bits of an exposure's scope: whose counts it moves.
const BY_USER: u32 = 1 << 24;
const BY_HOUSEHOLD: u32 = 1 << 25;
const SCOPE: u32 = BY_USER - 1;

/// What impressions are counted of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Everything of an advertiser.
    Advertiser,
    /// Everything of a campaign.
    Campaign,
    /// A line item.
    LineItem,
    /// A creative, in whichever line item and revision.
    Creative,
}

/// Who sees impressions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Subject {
    /// One user.
    #[default]
    User,
    /// Everybody of one household together.
    Household,
}

/// What becomes of a request without the id that a rule counts by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WithoutId {
    /// No bid.
    #[default]
    Skip,
    /// A bid that this rule neither limits nor counts.
    Serve,
}

/// What is counted, in 24 bits. Two things of one user that share a scope are counted together,
/// which can only show less; with ten capped things a user, to one in 370,000 users.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Scope(pub(super) u32);

impl Scope {
    /// The scope of the thing called `id`. The same in every run, because it is kept in files.
    pub fn of(level: Level, id: &str) -> Self {
        let hash = xxh3_64_with_seed(id.as_bytes(), level as u64);
        Self((hash as u32 & SCOPE).max(1))
    }
}

/// At most so many impressions of a thing in any window of this length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cap {
    /// What is counted.
    pub scope: Scope,
    /// The most impressions, 1 to [`MAX_IMPRESSIONS`].
    pub most: u16,
    /// Seconds that an impression counts, 1 to [`MAX_WINDOW_S`].
    pub window_s: u32,
    /// Who sees them.
    pub by: Subject,
    /// Where the request does not say who.
    pub without_id: WithoutId,
}

impl Cap {
    /// What is wrong with the rule.
    pub(crate) fn fault(&self) -> Option<String> {
        if self.most == 0 || self.most > MAX_IMPRESSIONS {
            Some(format!("expected a cap of 1 to {MAX_IMPRESSIONS}"))
        } else if self.window_s == 0 || self.window_s > MAX_WINDOW_S {
            Some(format!("expected a window of 1 to {MAX_WINDOW_S} seconds"))
        } else {
            None
        }
    }
}

/// Who is asking.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct People {
    /// The user, by the first id that there is.
    pub user: Option<UserKey>,
    /// The household.
    pub household: Option<UserKey>,
}

impl People {
    /// The key under which counts are kept. Never 0.
    pub(super) fn key(self, by: Subject) -> Option<u64> {
        let whole = match by {
            Subject::User => self.user?,
            Subject::Household => self.household?,
        };
        Some(whole.0.max(1))
    }

    /// Whether every rule can be kept or asks for nothing.
    pub(crate) fn satisfy<'r>(self, mut rules: impl Iterator<Item = &'r Cap>) -> bool {
        rules.all(|rule| rule.without_id == WithoutId::Serve || self.key(rule.by).is_some())
    }

    /// Whose counts an impression moves under these rules.
    pub(crate) fn exposure<'r>(self, rules: impl Iterator<Item = &'r Cap>) -> Exposure {
        let mut exposure = Exposure::default();
        for rule in rules {
            let (key, bit) = match rule.by {
                Subject::User => (self.key(rule.by), BY_USER),
                Subject::Household => (self.key(rule.by), BY_HOUSEHOLD),
            };
            let Some(key) = key else { continue };
            match rule.by {
                Subject::User => exposure.user = key,
                Subject::Household => exposure.household = key,
            }
            let own = |kept: &&mut u32| **kept == 0 || **kept & SCOPE == rule.scope.0;
            // There are as many places as levels.
            if let Some(place) = exposure.scopes.iter_mut().find(own) {
                *place |= rule.scope.0 | bit;
            }
        }
        exposure
    }
}

/// The counts of a subject that an exposure moves: its key and its scopes.
pub(super) fn moved(
    exposure: &Exposure,
    by: Subject,
) -> Option<(u64, impl Iterator<Item = Scope> + Clone)> {
    let (key, bit) = match by {
        Subject::User => (exposure.user, BY_USER),
        Subject::Household => (exposure.household, BY_HOUSEHOLD),
    };
    let own = exposure
        .scopes
        .into_iter()
        .filter(move |scope| scope & bit != 0);
    let scopes = own.map(|scope| Scope(scope & SCOPE));
    (key != 0 && scopes.clone().next().is_some()).then_some((key, scopes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(scope: u32, by: Subject, without_id: WithoutId) -> Cap {
        Cap {
            scope: Scope(scope),
            most: 1,
            window_s: 1,
            by,
            without_id,
        }
    }

    #[test]
    fn an_exposure_says_whose_counts_move() {
        let rules = [
            rule(7, Subject::User, WithoutId::Skip),
            rule(7, Subject::Household, WithoutId::Serve),
            rule(9, Subject::Household, WithoutId::Serve),
        ];
        let people = People {
            user: Some(UserKey(5)),
            household: Some(UserKey(6)),
        };
        let exposure = people.exposure(rules.iter());
        let of = |by| {
            let (key, scopes) = moved(&exposure, by).unwrap();
            (key, scopes.map(|scope| scope.0).collect::<Vec<_>>())
        };
        assert_eq!(of(Subject::User), (5, vec![7]));
        assert_eq!(of(Subject::Household), (6, vec![7, 9]));
        let alone = People {
            household: None,
            ..people
        };
        assert!(alone.satisfy(rules.iter()));
        assert!(moved(&alone.exposure(rules.iter()), Subject::Household).is_none());
        assert!(!People::default().satisfy(rules.iter()));
    }

    /// Scopes are kept in files, so a change of their definition must not go unnoticed.
    #[test]
    fn the_definition_of_a_scope_is_pinned() {
        let hash = xxh3_64_with_seed(b"li_1", 2) & 0x00ff_ffff;
        assert_eq!(u64::from(Scope::of(Level::LineItem, "li_1").0), hash);
        let other = Scope::of(Level::Creative, "li_1");
        assert_ne!(other, Scope::of(Level::LineItem, "li_1"));
    }
}
