//! Revisions of a creative's content, and what exchanges say of them.
//!
//! A change of the content makes a new revision, which every exchange has to review anew. What
//! an exchange approved goes on serving there until it approves something later.

use super::Creative;
use crate::fault::Fault;
use crate::model::{Id, Model, Name, Whole, choices, model};
use crate::resource::Status;
use serde_json::{Value, json};

choices! {
    /// What an exchange says of a revision.
    pub enum Review {
        /// It has not decided.
        Pending = "pending",
        /// It may serve.
        Approved = "approved",
        /// It may not serve.
        Rejected = "rejected",
    }
}

model! {
    /// What an exchange says of a revision.
    pub struct Approval {
        /// Id of the exchange.
        pub exchange: Id,
        /// Number of the revision.
        pub revision: Whole<1, 1_000_000>,
        /// What it says.
        pub state: Review,
        /// Why it was rejected.
        pub reason: Option<Name> = None,
    }
}

/// An earlier content: a creative without approvals and earlier contents of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept(pub Box<Creative>);

impl Model for Kept {
    fn read(value: &Value, at: &str, faults: &mut Vec<Fault>) -> Option<Self> {
        Creative::read(value, at, faults).map(|creative| Self(Box::new(creative)))
    }

    fn write(&self) -> Value {
        self.0.write()
    }

    fn schema() -> Value {
        json!({ "type": "object", "description": "A creative as it was." })
    }
}

impl Creative {
    /// The number of its content.
    pub fn number(&self) -> u32 {
        self.revision.map_or(1, |revision| revision.0)
    }

    /// The creative as it follows the one that is stored: numbered, with the approvals that a
    /// body left out, and with the earlier contents that still serve somewhere.
    #[must_use]
    pub fn succeeding(mut self, before: Option<&Creative>) -> Self {
        let Some(before) = before else {
            (self.revision, self.earlier) = (Some(Whole(1)), Vec::new());
            return self;
        };
        self.approvals = self.approvals.or_else(|| before.approvals.clone());
        let last = before.number();
        let mut kept = before.earlier.clone();
        if self.content() == before.content() {
            self.revision = Some(Whole(last));
        } else {
            self.revision = Some(Whole(last + 1));
            let mut content = before.content();
            content.revision = Some(Whole(last));
            kept.push(Kept(Box::new(content)));
        }
        kept.retain(|kept| self.serves_somewhere(kept.0.number()));
        self.earlier = kept;
        self
    }

    /// Whether approvals differ from those of the stored one.
    pub fn reviews_differ(&self, before: Option<&Creative>) -> bool {
        let known = before.and_then(|before| before.approvals.as_ref());
        let given = self.approvals.as_ref();
        given.is_some_and(|given| known.map_or(!given.is_empty(), |known| known != given))
    }

    /// What an exchange says of a revision.
    pub fn review(&self, exchange: &str, revision: u32) -> Option<&Approval> {
        let mut all = self.approvals.iter().flatten();
        all.find(|one| one.exchange.0 == exchange && one.revision.0 == revision)
    }

    /// The revision that serves at an exchange, `strict` where that must have approved it first.
    pub fn serving(&self, exchange: &str, strict: bool) -> Option<u32> {
        let current = self.number();
        let state = self.review(exchange, current).map(|review| review.state);
        match (state, strict) {
            (Some(Review::Approved), _) | (None | Some(Review::Pending), false) => Some(current),
            (Some(Review::Rejected), _) | (None | Some(Review::Pending), true) => {
                self.approved_before(exchange, current)
            }
        }
    }

    /// The latest kept revision before `current` that an exchange approved.
    fn approved_before(&self, exchange: &str, current: u32) -> Option<u32> {
        let kept = self.earlier.iter().map(|kept| kept.0.number());
        kept.filter(|number| {
            let review = self.review(exchange, *number);
            *number < current && review.is_some_and(|review| review.state == Review::Approved)
        })
        .max()
    }

    /// Whether an exchange approved a revision and nothing later.
    fn serves_somewhere(&self, number: u32) -> bool {
        let approved = self
            .approvals
            .iter()
            .flatten()
            .filter(|one| one.state == Review::Approved);
        let mut latest = std::collections::BTreeMap::new();
        for one in approved {
            let known = latest.entry(one.exchange.0.as_str()).or_insert(0);
            *known = (*known).max(one.revision.0);
        }
        latest.values().any(|latest| *latest == number)
    }

    /// What an exchange reviews, without what may change in the meantime.
    fn content(&self) -> Self {
        Self {
            name: None,
            exp_s: None,
            frequency: Vec::new(),
            approvals: None,
            revision: None,
            earlier: Vec::new(),
            status: Status::Active,
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn creative(adm: &str, approvals: &Value) -> Creative {
        let body = json!({"advertiser": "adv_a", "format": "banner", "w": 300, "h": 250,
            "adm": adm, "adomain": ["a.example"], "landing_page": "https://a.example/",
            "approvals": approvals});
        Creative::read(&body, "", &mut Vec::new()).unwrap()
    }

    fn review(exchange: &str, revision: u32, state: &str) -> Value {
        json!({"exchange": exchange, "revision": revision, "state": state, "reason": "it flashes"})
    }

    #[test]
    fn an_edit_makes_a_revision_and_the_approved_one_goes_on_serving() {
        let first = creative("<a>", &json!([review("x", 1, "approved")])).succeeding(None);
        assert_eq!((first.number(), first.serving("x", true)), (1, Some(1)));
        assert_eq!(
            (first.serving("y", true), first.serving("y", false)),
            (None, Some(1))
        );
        let mut renamed = creative("<a>", &Value::Null).succeeding(Some(&first));
        renamed.name = Some(Name("new".to_owned()));
        assert_eq!(renamed.clone().succeeding(Some(&first)).number(), 1);
        let second = creative("<b>", &Value::Null).succeeding(Some(&renamed));
        assert_eq!((second.number(), second.earlier.len()), (2, 1));
        assert_eq!(
            (second.serving("x", true), second.serving("x", false)),
            (Some(1), Some(2))
        );
        assert_eq!(second.earlier[0].0.adm.as_ref().unwrap().0, "<a>");
        // The third supersedes the second, which nobody approved.
        let third = creative("<c>", &Value::Null).succeeding(Some(&second));
        let kept: Vec<u32> = third.earlier.iter().map(|kept| kept.0.number()).collect();
        assert_eq!((third.number(), kept), (3, vec![1]));
        let all = json!([review("x", 1, "approved"), review("x", 3, "approved")]);
        let approved = creative("<c>", &all).succeeding(Some(&third));
        assert_eq!(
            (approved.serving("x", true), approved.earlier.len()),
            (Some(3), 0)
        );
    }

    #[test]
    fn what_is_rejected_serves_nowhere_there() {
        let all = json!([review("x", 1, "rejected"), review("y", 1, "pending")]);
        let one = creative("<a>", &all).succeeding(None);
        assert_eq!(
            (one.serving("x", false), one.serving("x", true)),
            (None, None)
        );
        assert_eq!(
            (one.serving("y", false), one.serving("y", true)),
            (Some(1), None)
        );
    }

    #[test]
    fn only_another_list_is_a_change() {
        let all = json!([review("x", 1, "approved")]);
        let before = creative("<a>", &all);
        assert!(!creative("<a>", &all).reviews_differ(Some(&before)));
        assert!(!creative("<a>", &Value::Null).reviews_differ(Some(&before)));
        assert!(creative("<a>", &json!([])).reviews_differ(Some(&before)));
        assert!(!creative("<a>", &json!([])).reviews_differ(None));
        assert!(creative("<a>", &all).reviews_differ(None));
    }
}
