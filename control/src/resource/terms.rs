//! Words that several resources share.

use crate::model::{Country, choices, model};

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

model! {
    /// Countries that are included and excluded.
    pub struct Countries {
        /// Only these; empty means any.
        pub include: Vec<Country> = Vec::new(),
        /// Never these.
        pub exclude: Vec<Country> = Vec::new(),
    }
}
