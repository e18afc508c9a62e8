//! The lists of codes that fields draw from (`AdCOM` 1.0, lists; OpenRTB 2.6, section 5), as
//! open enums.
//!
//! A code that a list does not know is kept in `Other` and written back: releases add codes,
//! and 500 and above belong to exchanges. A code of a list always reads as its name, so two
//! values are equal exactly if their codes are. Cost: one jump table.
//!
//! Fields that are compared with configured codes more often than with names stay plain `i64`
//! (`at`, `devicetype`, `mtype`, `plcmt`, `api`, `protocols`, `attr` and their like); `From`
//! gives the name where one is wanted.

mod auction;
mod content;
mod device;
mod media;
mod native;
mod reason;

pub use auction::{AuctionType, CategoryTaxonomy, MarkupType, MultiplierSource, RefreshTrigger};
pub use content::{ContentContext, MediaRating, ProductionQuality};
pub use device::{
    AgentType, ConnectionType, DeviceType, IpLocationService, LocationType, MatchMethod,
    UserAgentSource,
};
pub use media::{
    ApiFramework, BannerType, CompanionType, CreativeAttribute, DeliveryMethod, ExpandDirection,
    FeedType, Linearity, PlacementPosition, PlaybackEnd, PlaybackMethod, PodDedupe, PodSequence,
    Protocol, ServerInsertion, SlotInPod, StartDelay, VideoPlacement, VideoPlcmt,
    VolumeNormalization,
};
pub use native::{
    DataAssetType, EventMethod, EventType, ImageAssetType, NativeContext, NativeContextSubtype,
    NativePlacement,
};
pub use reason::{LossReason, NoBidReason};

/// Declares an open enum of a list: `Name { Known = code, }` and `Other(i64)`.
macro_rules! list {
    ($(#[$meta:meta])* $name:ident { $($known:ident = $code:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[allow(missing_docs, reason = "the names are the list's own words for the codes")]
        pub enum $name {
            $($known,)*
            /// A code that the list does not know, such as an exchange's own from 500 on.
            Other(i64),
        }

        impl $name {
            /// The codes that have a name here.
            pub const KNOWN: &'static [(i64, Self)] = &[$(($code, Self::$known)),*];

            /// The code as it stands in a message.
            pub fn code(self) -> i64 {
                match self {
                    $(Self::$known => $code,)*
                    Self::Other(code) => code,
                }
            }
        }

        impl From<i64> for $name {
            fn from(code: i64) -> Self {
                match code {
                    $($code => Self::$known,)*
                    other => Self::Other(other),
                }
            }
        }

        impl From<$name> for i64 {
            fn from(name: $name) -> Self {
                name.code()
            }
        }

        impl $crate::decode::Decode<'_> for $name {
            fn decode(
                cursor: &mut $crate::decode::Cursor<'_, '_>,
            ) -> Result<Self, $crate::Fault> {
                i64::decode(cursor).map(Self::from)
            }
        }

        impl $crate::Encode for $name {
            fn encode(&self, out: &mut Vec<u8>) {
                self.code().encode(out);
            }
        }
    };
}
use list;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    macro_rules! check {
        ($code:ident: $($name:ident)*) => {
            $(
                let read = $name::from($code);
                prop_assert_eq!(read.code(), $code);
                let known = $name::KNOWN.iter().find(|(known, _)| *known == $code);
                prop_assert_eq!(known.map_or($name::Other($code), |(_, name)| *name), read);
            )*
        };
    }

    proptest! {
        #[test]
        fn every_code_survives(code in prop_oneof![-3_i64..600, any::<i64>()]) {
            check!(code: AuctionType CategoryTaxonomy MarkupType MultiplierSource RefreshTrigger
                ContentContext MediaRating ProductionQuality AgentType ConnectionType DeviceType
                IpLocationService LocationType MatchMethod UserAgentSource ApiFramework BannerType
                CompanionType CreativeAttribute DeliveryMethod ExpandDirection FeedType Linearity
                PlacementPosition PlaybackEnd PlaybackMethod PodDedupe PodSequence Protocol
                ServerInsertion SlotInPod StartDelay VideoPlacement VideoPlcmt VolumeNormalization
                DataAssetType EventMethod EventType ImageAssetType NativeContext
                NativeContextSubtype NativePlacement LossReason NoBidReason);
        }
    }
}
