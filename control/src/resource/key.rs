//! Keys of the API: who may do what. Only the hash of a key is kept.

use super::Document;
use super::terms::Status;
use crate::fault::Fault;
use crate::model::{Id, Name, Sha256, choices, model};

choices! {
    /// What a key may do.
    pub enum Role {
        /// Everything, on every account.
        Admin = "admin",
        /// Set up the campaigns, line items and creatives of its accounts.
        Advertiser = "advertiser",
        /// Set up the placements and floors of its accounts.
        Publisher = "publisher",
        /// Look at its accounts.
        Viewer = "viewer",
    }
}

model! {
    /// A key.
    pub struct Key {
        /// Name for people.
        pub name: Name,
        /// What it may do.
        pub role: Role,
        /// Ids of the advertisers and publishers that it may see; none for an admin.
        pub accounts: Vec<Id> = Vec::new(),
        /// SHA-256 of the secret; absent on creation means that a secret is made and shown once.
        pub sha256: Option<Sha256> = None,
        /// Whether it opens anything.
        pub status: Status = Status::Active,
    }
}

impl Document for Key {
    fn check(&self, faults: &mut Vec<Fault>) {
        match self.role {
            Role::Admin if !self.accounts.is_empty() => {
                let detail = "expected none for an admin, who may see every account";
                faults.push(Fault::new("/accounts", detail));
            }
            Role::Admin => {}
            Role::Advertiser | Role::Publisher | Role::Viewer => {
                if self.accounts.is_empty() {
                    faults.push(Fault::new("/accounts", "expected at least one account"));
                }
            }
        }
    }

    fn references(&self) -> Vec<super::Reference> {
        let kind = |id: &str| {
            let seller = id.starts_with(super::Kind::Publisher.prefix());
            if seller {
                super::Kind::Publisher
            } else {
                super::Kind::Advertiser
            }
        };
        let accounts = self
            .accounts
            .iter()
            .enumerate()
            .map(|(index, id)| super::Reference {
                pointer: format!("/accounts/{index}"),
                kind: kind(&id.0),
                id: id.0.clone(),
            });
        accounts.collect()
    }

    fn claims(&self) -> Vec<super::Claim> {
        let hash = self.sha256.iter();
        let claim = |hash: &Sha256| super::Claim {
            pointer: "/sha256".to_owned(),
            name: hash.0.clone(),
        };
        hash.map(claim).collect()
    }

    fn status(&self) -> Status {
        self.status
    }
}
