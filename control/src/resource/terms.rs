//! Words that several resources share.

use crate::model::{Country, Domain, Id, Place, Tag, choices, model};

choices! {
    /// Whether a document is in use.
    pub enum Status {
        /// In use.
        Active = "active",
        /// Kept, and out of use until it is active again.
        Paused = "paused",
        /// Put away.
        Archived = "archived",
    }
}

choices! {
    /// A kind of advertisement.
    pub enum Format {
        /// Display.
        Banner = "banner",
        /// Video.
        Video = "video",
        /// Audio.
        Audio = "audio",
        /// Native.
        Native = "native",
    }
}

model! {
    /// A sum of money that may be spent, in the advertiser's currency.
    pub struct Total {
        /// At most this much, over the whole life.
        pub total: crate::model::Amount,
    }
}

/// Declares values that are included and excluded.
macro_rules! rules {
    ($( $(#[doc = $doc:literal])+ $name:ident($value:ty); )+) => { $(
        model! {
            $(#[doc = $doc])+
            pub struct $name {
                /// Only these; empty means any.
                pub include: Vec<$value> = Vec::new(),
                /// Never these.
                pub exclude: Vec<$value> = Vec::new(),
            }
        }
    )+ };
}

rules! {
    /// Countries (`FRA`) and their regions (`FRA-IDF`).
    Places(Place);
    /// Countries.
    Countries(Country);
    /// Sites by their domains.
    Sites(Domain);
    /// Applications by their bundles, or other names as requests carry them.
    Tags(Tag);
    /// Ids of this or another system.
    Ids(Id);
}

model! {
    /// Segments of users.
    pub struct Audience {
        /// The user is in at least one segment of every list.
        pub include: Vec<Vec<Id>> = Vec::new(),
        /// The user is in none of these.
        pub exclude: Vec<Id> = Vec::new(),
    }
}
