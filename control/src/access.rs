//! Who may do what: keys, roles and the accounts that they are bound to.

use crate::resource::key::Role;
use crate::resource::{Kind, Resource};
use crate::store::{StoreError, View};
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// Whoever presented a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Id of the key, for the audit trail.
    pub who: String,
    /// What it may do.
    pub role: Role,
    /// Accounts that it is bound to; an admin's list is empty and means all.
    pub accounts: Vec<String>,
}

/// What somebody wants to do with a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Look at it.
    Read,
    /// Create, change or put it away.
    Write,
}

impl Caller {
    /// The operator of this node.
    pub fn operator(who: &str) -> Self {
        Self {
            who: who.to_owned(),
            role: Role::Admin,
            accounts: Vec::new(),
        }
    }

    /// Whether the role allows this for documents of the kind that belong to its accounts.
    pub fn may(&self, deed: Deed, kind: Kind) -> bool {
        let buying = matches!(kind, Kind::Campaign | Kind::LineItem | Kind::Creative);
        let selling = matches!(
            kind,
            Kind::Placement | Kind::Deal | Kind::Review | Kind::Floors
        );
        let readable = buying || selling || matches!(kind, Kind::Advertiser | Kind::Publisher);
        match (self.role, deed) {
            (Role::Admin, _) => true,
            (Role::Viewer | Role::Advertiser | Role::Publisher, Deed::Read) => readable,
            (Role::Advertiser, Deed::Write) => buying,
            (Role::Publisher, Deed::Write) => selling,
            (Role::Viewer, Deed::Write) => false,
        }
    }

    /// Whether documents of the account are its own; the platform's are the admin's.
    pub fn owns(&self, account: &str) -> bool {
        match self.role {
            Role::Admin => true,
            Role::Advertiser | Role::Publisher | Role::Viewer => {
                self.accounts.iter().any(|own| own == account)
            }
        }
    }

    /// The accounts that lists are limited to; `None` for all.
    pub fn scope(&self) -> Option<Vec<String>> {
        match self.role {
            Role::Admin => None,
            Role::Advertiser | Role::Publisher | Role::Viewer => Some(self.accounts.clone()),
        }
    }
}

/// The caller whose secret this is. Secrets are 256 random bits, so that one round of SHA-256 is
/// enough, and looking the hash up tells nothing by its timing.
///
/// # Errors
/// Where the store does not answer.
pub fn authenticate(
    view: &View<'_>,
    admin_sha256: &[String],
    secret: &str,
) -> Result<Option<Caller>, StoreError> {
    let hash = hash(secret.as_bytes());
    if admin_sha256.contains(&hash) {
        return Ok(Some(Caller::operator("admin")));
    }
    let Some(record) = view.key_by_hash(&hash)? else {
        return Ok(None);
    };
    let Resource::Key(key) = record.resource()? else {
        return Ok(None);
    };
    if key.status != crate::resource::Status::Active {
        return Ok(None);
    }
    let accounts = key.accounts.iter().map(|id| id.0.clone()).collect();
    Ok(Some(Caller {
        who: record.id,
        role: key.role,
        accounts,
    }))
}

/// SHA-256 in hexadecimal digits.
pub fn hash(bytes: &[u8]) -> String {
    hexadecimal(&digest(bytes))
}

/// SHA-256.
pub(crate) fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Lower-case hexadecimal digits.
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
