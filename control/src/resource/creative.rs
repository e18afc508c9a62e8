//! Creatives: what is shown, and what publishers must know about it.

use super::terms::{Format, Status};
use super::{Document, Kind, Reference};
use crate::fault::Fault;
use crate::model::{Category, Domain, Id, Landing, Markup, Mime, Name, Tag, Whole, model};

model! {
    /// A creative.
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
        /// Its markup: HTML, VAST or a native response; `${CLICK_URL}` counts the click.
        pub adm: Markup,
        /// Domains of the advertiser, at least one.
        pub adomain: Vec<Domain>,
        /// The page that a click leads to.
        pub landing_page: Landing,
        /// Store id of the application that it advertises.
        pub bundle: Option<Tag> = None,
        /// MIME type of the media file of video or audio; absent means that any player will do.
        pub mime: Option<Mime> = None,
        /// Length of video or audio, in seconds; absent means that any slot will do.
        pub duration_s: Option<Whole<1, 86_400>> = None,
        /// Protocol of video or audio (AdCOM list), such as 3 for VAST 3.0.
        pub protocol: Option<Whole<1, 99>> = None,
        /// Creative attributes (AdCOM list), such as 1 for audio that starts by itself.
        pub attr: Vec<Whole<1, 999>> = Vec::new(),
        /// Categories of its content.
        pub cat: Vec<Category> = Vec::new(),
        /// Whether it is shown.
        pub status: Status = Status::Active,
    }
}

impl Document for Creative {
    fn check(&self, faults: &mut Vec<Fault>) {
        if self.adomain.is_empty() {
            faults.push(Fault::new(
                "/adomain",
                "expected at least one domain of the advertiser",
            ));
        }
        if self.format == Format::Banner {
            for (pointer, side) in [("/w", self.w), ("/h", self.h)] {
                if side.is_none() {
                    faults.push(Fault::new(pointer, "is required for a banner"));
                }
            }
        }
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
