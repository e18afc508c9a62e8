//! What a document must respect among the others: its references, its owner, and the fields that
//! never change. Used by the API for one document and by `apply` for many.

use crate::fault::{Fault, join};
use crate::resource::partner::{LOCAL_BIDDER, MAX_ACTIVE};
use crate::resource::{Kind, Resource, Status};
use crate::store::{Record, StoreError, View};
use jiff::Timestamp;
use serde_json::Value;

/// A document that passed every check, ready to be written.
#[derive(Debug)]
pub struct Checked {
    /// As it will be kept; its version is set on writing.
    pub record: Record,
    /// As it is kept now.
    pub before: Option<Record>,
    /// The typed document.
    pub resource: Resource,
    /// Names that it claims.
    pub claims: Vec<String>,
}

impl Checked {
    /// Whether writing it changes anything.
    pub fn changes(&self) -> bool {
        self.before.as_ref().is_none_or(|before| {
            before.body != self.record.body || before.archived != self.record.archived
        })
    }

    /// Writes it with the names that it claims, unless it is already so.
    ///
    /// # Errors
    /// Where the database refuses.
    pub fn write(self, view: &View<'_>, who: &str) -> Result<Record, StoreError> {
        let changes = self.changes();
        match self.before {
            Some(before) if !changes => {
                view.claim(before.kind, &before.id, &self.claims)?;
                Ok(before)
            }
            before => view.put(self.record, &self.claims, before.as_ref(), who),
        }
    }
}

/// Why a document is not taken.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// It is faulty.
    #[error("{} faults", .0.len())]
    Faults(Vec<Fault>),
    /// The store does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Vec<Fault>> for Refused {
    fn from(faults: Vec<Fault>) -> Self {
        Self::Faults(faults)
    }
}

/// Checks a body against what is stored. `allowed` says which accounts may be referred to: what
/// belongs to others is as unknown as what does not exist.
///
/// # Errors
/// Every fault at once.
pub fn check(
    view: &View<'_>,
    kind: Kind,
    id: &str,
    body: &Value,
    now: Timestamp,
    allowed: &dyn Fn(&str) -> bool,
) -> Result<Checked, Refused> {
    let mut faults: Vec<Fault> = kind.check_id(id).err().into_iter().collect();
    let before = view.get(kind, id)?;
    let mut body = body.clone();
    keep_secret_hash(kind, &mut body, before.as_ref());
    let resource = match Resource::read(kind, &body) {
        Ok(resource) => resource,
        Err(found) => {
            faults.extend(found);
            return Err(faults.into());
        }
    };
    let resource = succeed(resource, before.as_ref(), allowed, &mut faults)?;
    let body = resource.write();
    if let Some(before) = &before {
        let fixed = kind
            .fixed_fields()
            .iter()
            .filter(|field| before.body[**field] != body[**field]);
        faults.extend(fixed.map(|field| {
            Fault::new(
                join("", field),
                format!("never changes, it is {}", before.body[*field]),
            )
        }));
    }
    if kind == Kind::Key && body["sha256"].is_null() {
        let detail = "is required here; only POST /v1/keys makes a secret";
        faults.push(Fault::new("/sha256", detail));
    }
    if kind == Kind::Partner {
        partner(view, id, &resource, &mut faults)?;
    }
    let owner = owner(view, id, &resource, allowed, &mut faults)?;
    unique_names(view, id, &resource, &mut faults)?;
    if !faults.is_empty() {
        return Err(faults.into());
    }
    let archived = resource.status() == Status::Archived;
    let Owner { account, parent } = owner;
    let claims = match resource.status() {
        Status::Archived => Vec::new(),
        Status::Active | Status::Paused => resource
            .claims()
            .into_iter()
            .map(|claim| claim.name)
            .collect(),
    };
    let record = Record {
        kind,
        id: id.to_owned(),
        account,
        parent,
        version: 0,
        body,
        updated_at: now,
        archived,
    };
    Ok(Checked {
        record,
        before,
        resource,
        claims,
    })
}

/// A creative is numbered after the one that is stored. What exchanges say of it is recorded by
/// admins alone, to whom what has no account belongs too.
fn succeed(
    resource: Resource,
    before: Option<&Record>,
    allowed: &dyn Fn(&str) -> bool,
    faults: &mut Vec<Fault>,
) -> Result<Resource, StoreError> {
    let Resource::Creative(creative) = resource else {
        return Ok(resource);
    };
    let before = match before.map(Record::resource).transpose()? {
        Some(Resource::Creative(before)) => Some(before),
        _ => None,
    };
    let before = before.as_deref();
    if creative.reviews_differ(before) && !allowed("") {
        let detail = "is written by admins only; leave it out to keep it as it is";
        faults.push(Fault::new("/approvals", detail));
    }
    let creative = creative.succeeding(before);
    let latest = creative.number();
    for (index, one) in creative.approvals.iter().flatten().enumerate() {
        if one.revision.0 > latest {
            let detail = format!("the latest is {latest}, found {}", one.revision.0);
            faults.push(Fault::new(format!("/approvals/{index}/revision"), detail));
        }
    }
    Ok(Resource::Creative(Box::new(creative)))
}

/// A key's hash is not shown, so a body that was read and written back does not carry it.
fn keep_secret_hash(kind: Kind, body: &mut Value, before: Option<&Record>) {
    let Some(before) = before.filter(|_| kind == Kind::Key) else {
        return;
    };
    if let Some(object) = body.as_object_mut()
        && object.get("sha256").is_none_or(Value::is_null)
    {
        object.insert("sha256".to_owned(), before.body["sha256"].clone());
    }
}

struct Owner {
    account: String,
    parent: String,
}

fn owner(
    view: &View<'_>,
    id: &str,
    resource: &Resource,
    allowed: &dyn Fn(&str) -> bool,
    faults: &mut Vec<Fault>,
) -> Result<Owner, StoreError> {
    let kind = resource.kind();
    let mut account = match kind {
        Kind::Advertiser | Kind::Publisher | Kind::Floors => id.to_owned(),
        Kind::Campaign
        | Kind::LineItem
        | Kind::Creative
        | Kind::Placement
        | Kind::Deal
        | Kind::Review
        | Kind::Partner
        | Kind::Exchange
        | Kind::Segment
        | Kind::Key => String::new(),
    };
    if kind == Kind::Floors && view.get(Kind::Publisher, id)?.is_none_or(|_| !allowed(id)) {
        faults.push(Fault::new("/id", format!("there is no publisher `{id}`")));
    }
    let owned = matches!(
        kind,
        Kind::Campaign
            | Kind::LineItem
            | Kind::Creative
            | Kind::Placement
            | Kind::Deal
            | Kind::Review
    );
    let mut parent = String::new();
    for (index, reference) in resource.references().into_iter().enumerate() {
        let target = view.get(reference.kind, &reference.id)?;
        let Some(target) = target.filter(|target| allowed(&target.account)) else {
            let detail = format!("`{}` is not among {}", reference.id, reference.kind);
            faults.push(Fault::new(reference.pointer, detail));
            continue;
        };
        if !owned {
            continue;
        }
        if index == 0 {
            account = target.account;
            parent = target.id;
        } else if !account.is_empty() && target.account != account {
            let detail = format!("`{}` does not belong to {account}", target.id);
            faults.push(Fault::new(reference.pointer, detail));
        }
    }
    Ok(Owner { account, parent })
}

/// What the exchange's market could not hold beside its own bidder. It is compiled whole or not
/// at all, so that one partner too many would keep every later change off the bid path.
fn partner(
    view: &View<'_>,
    id: &str,
    resource: &Resource,
    faults: &mut Vec<Fault>,
) -> Result<(), StoreError> {
    if id == LOCAL_BIDDER {
        let detail = format!("`{id}` is the exchange's own bidder, choose another id");
        faults.push(Fault::new("/id", detail));
    }
    if resource.status() != Status::Active {
        return Ok(());
    }
    let others = view.active(Kind::Partner, id)?;
    if others >= MAX_ACTIVE {
        let detail = format!("{others} partners are active, at most {MAX_ACTIVE} may be");
        faults.push(Fault::new("/status", detail));
    }
    Ok(())
}

/// Names by which requests find something must lead to one thing only.
fn unique_names(
    view: &View<'_>,
    id: &str,
    resource: &Resource,
    faults: &mut Vec<Fault>,
) -> Result<(), StoreError> {
    for claim in resource.claims() {
        let holder = view.holder(resource.kind(), &claim.name)?;
        if let Some(holder) = holder.filter(|holder| holder != id) {
            faults.push(Fault::new(
                claim.pointer,
                format!("is already used by {holder}"),
            ));
        }
    }
    Ok(())
}
