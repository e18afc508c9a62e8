//! Creatives: what is shown, and what publishers must know about it.
//!
//! The content is one of markup (`adm`), media files or a tag from which VAST is made, and
//! native assets. A change of the content makes a new revision, which exchanges review anew
//! ([`revision`]); what is wrong with a content is found in [`faults`].

pub mod content;
mod faults;
pub mod revision;

pub use content::{Assets, MediaFile};
pub use revision::{Approval, Kept, Review};

use super::frequency::{self, Frequency};
use super::terms::{Format, Status};
use super::{Document, Kind, Reference};
use crate::fault::Fault;
use crate::model::{
    CategoryId, Domain, Id, Landing, Language, Markup, Mime, Name, Tag, Whole, model,
};

model! {
    /// A creative. Its content is one of `adm`, `media`, `vast_tag` and `native`.
    pub struct Creative {
        /// Id of its advertiser; it never changes.
        pub advertiser: Id,
        /// Name for people.
        pub name: Option<Name> = None,
        /// Kind of advertisement.
        pub format: Format,
        /// Width in pixels, of a banner or video.
        pub w: Option<Whole<1, 16_384>> = None,
        /// Height in pixels, of a banner or video.
        pub h: Option<Whole<1, 16_384>> = None,
        /// Its markup: HTML, VAST or DAAST; `${CLICK_URL}` counts the click.
        pub adm: Option<Markup> = None,
        /// Media files, of which VAST (and DAAST for audio) is made in every version.
        pub media: Vec<MediaFile> = Vec::new(),
        /// Address of another server's VAST, of which wrappers are made in every version.
        pub vast_tag: Option<Landing> = None,
        /// What native answers are made of.
        pub native: Option<Assets> = None,
        /// Domains of the advertiser, at least one.
        pub adomain: Vec<Domain>,
        /// The page that a click leads to.
        pub landing_page: Landing,
        /// Store id of the application that it advertises.
        pub bundle: Option<Tag> = None,
        /// MIME type of what is loaded, where the content does not say it: of a wrapper's media,
        /// or of a banner that is one image.
        pub mime: Option<Mime> = None,
        /// Length of video or audio in seconds, where the content does not say it.
        pub duration_s: Option<Whole<1, 86_400>> = None,
        /// Protocol of video or audio (AdCOM list), where the markup has no known version.
        pub protocol: Option<Whole<1, 99>> = None,
        /// Interfaces (AdCOM list, such as 5 for MRAID 2) of which the place must have one.
        pub api: Vec<Whole<1, 999>> = Vec::new(),
        /// Creative attributes (AdCOM list), such as 1 for audio that starts by itself.
        pub attr: Vec<Whole<1, 999>> = Vec::new(),
        /// Categories of its content.
        pub cat: Vec<CategoryId> = Vec::new(),
        /// Taxonomy of the categories (AdCOM list); 1 is the IAB's content taxonomy 1.0.
        pub cattax: Whole<1, 999> = Whole(1),
        /// Its language.
        pub language: Option<Language> = None,
        /// Seconds after the bid within which it may be shown; absent for what the exchange
        /// allows.
        pub exp_s: Option<Whole<1, 86_400>> = None,
        /// How often it may be seen, in whichever line item and revision.
        pub frequency: Vec<Frequency> = Vec::new(),
        /// What exchanges say of its revisions; only an admin writes it, and leaving it out
        /// keeps it.
        pub approvals: Option<Vec<Approval>> = None,
        /// Number of the content, 1 at first; counted here, whatever is given.
        pub revision: Option<Whole<1, 1_000_000>> = None,
        /// Earlier contents that an exchange approved and that go on serving there until a
        /// later one is approved; kept here, whatever is given.
        pub earlier: Vec<Kept> = Vec::new(),
        /// Whether it is shown.
        pub status: Status = Status::Active,
    }
}

impl Document for Creative {
    fn check(&self, faults: &mut Vec<Fault>) {
        faults::check(self, faults);
        frequency::check(&self.frequency, faults);
    }

    fn references(&self) -> Vec<Reference> {
        let id = self.advertiser.0.clone();
        vec![Reference {
            pointer: "/advertiser".to_owned(),
            kind: Kind::Advertiser,
            id,
        }]
    }

    fn status(&self) -> Status {
        self.status
    }
}
