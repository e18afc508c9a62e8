//! The resources: what people set up. One table says everything that is general about them.

pub mod advertiser;
pub mod campaign;
pub mod creative;
pub mod deal;
pub mod exchange;
pub mod floors;
pub mod frequency;
pub mod key;
pub mod line_item;
pub mod partner;
pub mod placement;
pub mod publisher;
pub mod review;
pub mod segment;
pub mod terms;

pub use advertiser::Advertiser;
pub use campaign::Campaign;
pub use creative::Creative;
pub use deal::Deal;
pub use exchange::Exchange;
pub use floors::Floors;
pub use key::Key;
pub use line_item::LineItem;
pub use partner::Partner;
pub use placement::Placement;
pub use publisher::Publisher;
pub use review::Review;
pub use segment::Segment;
pub use terms::Status;

use crate::fault::Fault;
use crate::model::Model;
use serde_json::Value;
use std::fmt;

/// A reference of a document to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// JSON pointer of the reference.
    pub pointer: String,
    /// Kind of what is referred to.
    pub kind: Kind,
    /// Id of what is referred to.
    pub id: String,
}

/// A name that only one document of a kind may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// JSON pointer of the name.
    pub pointer: String,
    /// The name, with what makes it unique.
    pub name: String,
}

/// What every kind of resource can say about itself.
pub trait Document: Model {
    /// Faults between fields, each of which is well formed by itself.
    fn check(&self, _faults: &mut Vec<Fault>) {}

    /// Documents that must exist for this one; the first is its parent.
    fn references(&self) -> Vec<Reference> {
        Vec::new()
    }

    /// Names by which requests find it, each for one document of the kind only.
    fn claims(&self) -> Vec<Claim> {
        Vec::new()
    }

    /// Whether it is in use.
    fn status(&self) -> Status;
}

/// Declares every kind: a new resource is one line here and one file.
macro_rules! kinds {
    ($(
        $kind:ident, $path:literal, $prefix:literal, $strict:literal, [$($fixed:literal),*];
    )+) => {
        /// A kind of resource.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Kind { $( #[doc = concat!("Documents under `/v1/", $path, "`.")] $kind ),+ }

        impl Kind {
            /// Every kind, parents before children.
            pub const ALL: &[Kind] = &[$( Kind::$kind ),+];

            /// The name in URLs, files and the store.
            pub fn path(self) -> &'static str {
                match self { $( Kind::$kind => $path ),+ }
            }

            /// How generated ids begin.
            pub fn prefix(self) -> &'static str {
                match self { $( Kind::$kind => $prefix ),+ }
            }

            /// Whether every id must begin so.
            pub fn prefix_required(self) -> bool {
                match self { $( Kind::$kind => $strict ),+ }
            }

            /// Fields that never change once a document exists: they decide whose it is and
            /// in which money it is counted.
            pub fn fixed_fields(self) -> &'static [&'static str] {
                match self { $( Kind::$kind => &[$($fixed),*] ),+ }
            }

            /// JSON Schema of its bodies.
            pub fn schema(self) -> Value {
                match self { $( Kind::$kind => $kind::schema() ),+ }
            }
        }

        /// A document of any kind.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Resource {
            $( #[doc = concat!("One of `/v1/", $path, "`.")] $kind(Box<$kind>) ),+
        }

        impl Resource {
            fn read_fields(kind: Kind, body: &Value, faults: &mut Vec<Fault>) -> Option<Self> {
                match kind {
                    $( Kind::$kind => {
                        let document = $kind::read(body, "", faults)?;
                        document.check(faults);
                        Some(Resource::$kind(Box::new(document)))
                    } )+
                }
            }

            /// Its kind.
            pub fn kind(&self) -> Kind {
                match self { $( Resource::$kind(_) => Kind::$kind ),+ }
            }

            /// Its normal form.
            pub fn write(&self) -> Value {
                match self { $( Resource::$kind(document) => document.write() ),+ }
            }

            /// Documents that must exist for this one; the first is its parent.
            pub fn references(&self) -> Vec<Reference> {
                match self { $( Resource::$kind(document) => document.references() ),+ }
            }

            /// Names that no other document of the kind may have.
            pub fn claims(&self) -> Vec<Claim> {
                match self { $( Resource::$kind(document) => document.claims() ),+ }
            }

            /// Whether it is in use.
            pub fn status(&self) -> Status {
                match self { $( Resource::$kind(document) => document.status() ),+ }
            }
        }
    };
}

kinds! {
    Segment, "segments", "seg_", false, [];
    Advertiser, "advertisers", "adv_", true, ["currency"];
    Campaign, "campaigns", "cmp_", true, ["advertiser"];
    Creative, "creatives", "cr_", true, ["advertiser"];
    LineItem, "line_items", "li_", true, ["campaign"];
    Publisher, "publishers", "pub_", true, ["currency"];
    Placement, "placements", "plc_", true, ["publisher"];
    Deal, "deals", "deal_", false, ["publisher"];
    Review, "creative_reviews", "rev_", true, ["publisher"];
    Floors, "floors", "pub_", true, [];
    Partner, "partners", "dsp_", false, [];
    Exchange, "exchanges", "ex_", false, ["currency"];
    Key, "keys", "key_", true, [];
}

impl Kind {
    /// The kind of a path segment.
    pub fn at(path: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.path() == path)
    }

    /// Says what is wrong with an id of this kind.
    ///
    /// # Errors
    /// The fault at `/id`.
    pub fn check_id(self, id: &str) -> Result<(), Fault> {
        if !crate::model::is_id(id) {
            let detail = format!("expected 1 to 64 letters, digits or _ - . :, found `{id}`");
            return Err(Fault::new("/id", detail));
        }
        if self.prefix_required() && !id.starts_with(self.prefix()) {
            let detail = format!(
                "expected an id that begins with {}, found `{id}`",
                self.prefix()
            );
            return Err(Fault::new("/id", detail));
        }
        Ok(())
    }

    /// A fresh id from 256 bits of entropy, of which 80 are used.
    pub fn fresh_id(self, entropy: &[u8; 32]) -> String {
        const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
        let letters = entropy
            .iter()
            .take(16)
            .map(|byte| LETTERS[usize::from(byte & 31)] as char);
        self.prefix().chars().chain(letters).collect()
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.path())
    }
}

impl Resource {
    /// Reads a body of `kind`.
    ///
    /// # Errors
    /// Everything that is wrong with it by itself, each fault with its pointer.
    pub fn read(kind: Kind, body: &Value) -> Result<Self, Vec<Fault>> {
        let mut faults = Vec::new();
        match Self::read_fields(kind, body, &mut faults) {
            Some(resource) if faults.is_empty() => Ok(resource),
            _ => Err(faults),
        }
    }
}

#[cfg(test)]
mod tests;
