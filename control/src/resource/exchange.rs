//! Exchanges: external sellers that call the bidder.

use super::Document;
use super::terms::Status;
use crate::model::{Cur, Id, Name, Whole, choices, model};

choices! {
    /// The event at which an impression is charged.
    pub enum BillableEvent {
        /// The billing notice.
        Burl = "burl",
        /// The win notice.
        Win = "win",
        /// The impression pixel.
        Impression = "impression",
    }
}

choices! {
    /// How an exchange writes the price in its notices.
    pub enum PriceForm {
        /// Currency units per thousand impressions, a decimal.
        Cpm = "cpm",
        /// Millionths of the currency unit per thousand impressions.
        CpmMicros = "cpm_micros",
        /// Currency units for the one impression, a decimal.
        PerImpression = "per_impression",
        /// Sealed with HMAC-SHA1 in 28 bytes, in millionths of the unit per thousand; the keys
        /// are in the node's directory of price keys.
        Sealed = "hmac_sha1",
    }
}

choices! {
    /// How an exchange wants to be told that there is no bid.
    pub enum NoBidStyle {
        /// 204 without a body.
        Empty = "204",
        /// 200 with a body that has the reason.
        Body = "body",
    }
}

model! {
    /// An exchange.
    pub struct Exchange {
        /// Name for people.
        pub name: Name,
        /// Currency of its notices; it never changes.
        pub currency: Cur,
        /// What is charged.
        pub billable_event: BillableEvent = BillableEvent::Burl,
        /// How long a bid without a notice stays reserved, in seconds.
        pub expiry_s: Whole<1, 86_400> = Whole(900),
        /// How the price in its notices is written.
        pub price: PriceForm = PriceForm::Cpm,
        /// How it is told that there is no bid.
        pub no_bid: NoBidStyle = NoBidStyle::Empty,
        /// The seat that it gave us; absent means that each advertiser is a seat of its own.
        pub seat: Option<Id> = None,
        /// Part of `tmax` that the way back takes, in milliseconds.
        pub tmax_margin_ms: Whole<0, 5_000> = Whole(10),
        /// Whether a creative's revision serves only once the exchange has approved it.
        pub requires_approval: bool = false,
        /// Most bytes of markup that it takes; absent for no limit of its own.
        pub max_markup_bytes: Option<Whole<1_024, 1_048_576>> = None,
        /// Whether it is answered.
        pub status: Status = Status::Active,
    }
}

impl Document for Exchange {
    fn status(&self) -> Status {
        self.status
    }
}
