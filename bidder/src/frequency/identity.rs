//! By which id a user is counted: the first that a request has, in a configured order.
//!
//! Ids of a person come before ids of a device, so that a cap holds across devices where it can.
//! Under COPPA nobody is counted, under `lmt` no advertising id is looked at.

use super::cap::People;
use audience::{IdKind, KeySeed, UserKey};
use openrtb::BidRequest;
use openrtb::Flag;
use std::str::FromStr;
use thiserror::Error;

/// A kind of id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// An extended id of one of the sources that are called unified.
    Unified,
    /// Any other extended id.
    Eid,
    /// `user.buyeruid`.
    BuyerUid,
    /// `device.ifa`.
    Ifa,
    /// `user.id`.
    UserId,
}

impl Source {
    /// Every kind, in the usual order of precedence.
    pub const ALL: [Source; 5] = [
        Source::Unified,
        Source::Eid,
        Source::BuyerUid,
        Source::Ifa,
        Source::UserId,
    ];

    /// The kind's word in the configuration.
    pub fn word(self) -> &'static str {
        match self {
            Source::Unified => "unified",
            Source::Eid => "eid",
            Source::BuyerUid => "buyeruid",
            Source::Ifa => "ifa",
            Source::UserId => "user_id",
        }
    }
}

/// A word that is no kind of id.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0:?} is no kind of id, expected one of unified, eid, buyeruid, ifa, user_id")]
pub struct BadSource(pub String);

impl FromStr for Source {
    type Err = BadSource;

    fn from_str(word: &str) -> Result<Self, BadSource> {
        let known = Self::ALL.into_iter().find(|source| source.word() == word);
        known.ok_or_else(|| BadSource(word.to_owned()))
    }
}

/// By which ids people are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Kinds of id, the one that counts first at the front.
    pub order: Vec<Source>,
    /// Sources of extended ids that are unified ids, the best first; in lower case.
    pub unified: Vec<String>,
    /// Sources of extended ids that stand for a household, never for a user; in lower case.
    pub households: Vec<String>,
}

impl Default for Identity {
    fn default() -> Self {
        Self {
            order: Source::ALL.to_vec(),
            unified: Vec::new(),
            households: Vec::new(),
        }
    }
}

impl Identity {
    /// Who is asking. Costs a hash of the id that counts, 20 to 40 ns.
    pub fn people(&self, request: &BidRequest<'_>, seed: KeySeed) -> People {
        let set = |flag: Option<Flag>| flag.is_some_and(Flag::is_set);
        if request.regs.is_some_and(|regs| set(regs.coppa)) {
            return People::default();
        }
        People {
            user: self
                .order
                .iter()
                .find_map(|source| self.user(*source, request, seed)),
            household: of_sources(&self.households, request, seed),
        }
    }

    fn user(&self, source: Source, request: &BidRequest<'_>, seed: KeySeed) -> Option<UserKey> {
        let key = |kind: IdKind<'_>, id: Option<&str>| {
            id.and_then(|id| UserKey::new(seed, kind, id.as_bytes()).ok())
        };
        match source {
            Source::Unified => of_sources(&self.unified, request, seed),
            Source::Eid => eids(request)
                .filter(|(source, _)| {
                    let named = |list: &[String]| list.iter().any(|one| is(one, source));
                    !named(&self.households) && !named(&self.unified)
                })
                .find_map(|(source, id)| key(IdKind::Eid { source }, Some(id))),
            Source::BuyerUid => key(
                IdKind::BuyerUid,
                request.user.and_then(|user| user.buyeruid),
            ),
            Source::Ifa => {
                let limited = |flag: Option<Flag>| flag.is_some_and(Flag::is_set);
                let device = request.device.filter(|device| !limited(device.lmt));
                key(IdKind::Ifa, device.and_then(|device| device.ifa))
            }
            Source::UserId => key(IdKind::UserId, request.user.and_then(|user| user.id)),
        }
    }
}

/// The first id of any of the sources, in their order.
fn of_sources(sources: &[String], request: &BidRequest<'_>, seed: KeySeed) -> Option<UserKey> {
    sources.iter().find_map(|wanted| {
        let own = eids(request).filter(|(source, _)| is(wanted, source));
        own.into_iter()
            .find_map(|(source, id)| UserKey::new(seed, IdKind::Eid { source }, id.as_bytes()).ok())
    })
}

fn is(wanted: &str, source: &str) -> bool {
    wanted.eq_ignore_ascii_case(source)
}

/// Extended ids with their sources.
fn eids<'a>(request: &BidRequest<'a>) -> impl Iterator<Item = (&'a str, &'a str)> {
    let user = request.user.into_iter();
    user.flat_map(|user| user.eids.iter()).flat_map(|eid| {
        let source = eid.source.unwrap_or_default();
        eid.uids
            .iter()
            .filter_map(move |uid| Some((source, uid.id?)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use audience::IdentityError;
    use openrtb::{Keep, Limits, Scratch};
    use serde_json::{Value, json};

    fn key(kind: IdKind<'_>, id: &str) -> Option<UserKey> {
        let key: Result<UserKey, IdentityError> =
            UserKey::new(KeySeed::default(), kind, id.as_bytes());
        key.ok()
    }

    fn people(identity: &Identity, change: impl FnOnce(&mut Value)) -> People {
        let mut body = json!({
            "id": "r", "imp": [{ "id": "1" }],
            "user": { "id": "x", "buyeruid": "b", "eids": [
                { "source": "Home.example", "uids": [{ "id": "h" }] },
                { "source": "other.example", "uids": [{}, { "id": "o" }] },
                { "source": "uid.example", "uids": [{ "id": "p" }] },
            ] },
            "device": { "ifa": "38400000-8cf0-11bd-b23e-10b96e40000d" },
        });
        change(&mut body);
        let (mut scratch, text) = (Scratch::default(), body.to_string());
        let request: BidRequest<'_> = scratch
            .decode(text.as_bytes(), Limits::default(), Keep::Known)
            .unwrap();
        identity.people(&request, KeySeed::default())
    }

    fn identity() -> Identity {
        Identity {
            unified: vec!["best.example".to_owned(), "UID.example".to_owned()],
            households: vec!["home.example".to_owned()],
            ..Identity::default()
        }
    }

    #[test]
    fn the_first_id_in_the_order_counts_and_a_household_is_no_user() {
        let eid = |source, id| key(IdKind::Eid { source }, id);
        let gone = |body: &mut Value, from: usize| {
            let eids = body["user"]["eids"].as_array_mut().unwrap();
            eids.truncate(from);
        };
        let found = people(&identity(), |_| ());
        assert_eq!(found.user, eid("uid.example", "p"));
        assert_eq!(found.household, eid("home.example", "h"));
        let found = people(&identity(), |body| gone(body, 2));
        assert_eq!(found.user, eid("other.example", "o"));
        let found = people(&identity(), |body| gone(body, 1));
        assert_eq!(found.user, key(IdKind::BuyerUid, "b"));
        let device = |body: &mut Value| body["user"] = json!({ "id": "x" });
        let ifa = "38400000-8CF0-11BD-B23E-10B96E40000D";
        assert_eq!(people(&identity(), device).user, key(IdKind::Ifa, ifa));
        let limited = people(&identity(), |body| {
            device(body);
            body["device"]["lmt"] = 1.into();
        });
        assert_eq!(limited.user, key(IdKind::UserId, "x"));
        let child = people(&identity(), |body| body["regs"] = json!({ "coppa": 1 }));
        assert_eq!(child, People::default());
    }

    #[test]
    fn the_order_is_configured_by_words() {
        let order = ["ifa", "user_id"].map(|word| word.parse().unwrap());
        let found = people(
            &Identity {
                order: order.to_vec(),
                ..identity()
            },
            |body| body["device"] = json!({}),
        );
        assert_eq!(found.user, key(IdKind::UserId, "x"));
        let error = "cookie".parse::<Source>().unwrap_err().to_string();
        assert!(
            error.contains("\"cookie\"") && error.contains("unified"),
            "{error}"
        );
    }
}
