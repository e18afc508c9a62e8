//! The OpenRTB 2.6 protocol (text 2.6-202606) and nothing else: no business rule, no socket,
//! no clock.
//!
//! Bytes become borrowed types in [`decode`], types become bytes in [`encode`]; both walk the
//! same declaration of an object, so a field cannot be read and forgotten on the way out.
//! Everything that outlives the input bytes lives in one arena per request, which is why every
//! type is `Copy` and a request costs no allocation once its [`Scratch`] has grown.

pub mod country;
pub mod decimal;
pub mod decode;
pub mod encode;
mod fault;
pub mod list;
pub mod macros;
pub mod merge;
pub mod native;
mod object;
pub mod request;
pub mod reshape;
pub mod response;
pub mod taxonomy;
pub mod validate;
mod value;

pub use decode::{Keep, Limits, Scratch};
pub use encode::Encode;
pub use fault::{Fault, Problem};
pub use request::BidRequest;
pub use response::BidResponse;
pub use value::{Flag, List, Value};

/// The version that is announced in `x-openrtb-version`, as major.minor (section 2.3).
pub const VERSION: &str = "2.6";

/// The names of the fields of an object, by the object's name in the specification.
pub fn fields_of(object: &str) -> Option<&'static [&'static str]> {
    Some(match object {
        "BidRequest" => BidRequest::FIELDS,
        "Source" => request::Source::FIELDS,
        "Regs" => request::Regs::FIELDS,
        "Imp" => request::Imp::FIELDS,
        "Metric" => request::Metric::FIELDS,
        "Banner" => request::Banner::FIELDS,
        "Video" => request::Video::FIELDS,
        "Audio" => request::Audio::FIELDS,
        "Native" => request::Native::FIELDS,
        "Format" => request::Format::FIELDS,
        "Pmp" => request::Pmp::FIELDS,
        "Deal" => request::Deal::FIELDS,
        "Site" => request::Site::FIELDS,
        "App" => request::App::FIELDS,
        "Publisher" => request::Publisher::FIELDS,
        "Content" => request::Content::FIELDS,
        "Producer" => request::Producer::FIELDS,
        "Device" => request::Device::FIELDS,
        "Geo" => request::Geo::FIELDS,
        "User" => request::User::FIELDS,
        "Data" => request::Data::FIELDS,
        "Segment" => request::Segment::FIELDS,
        "Network" => request::Network::FIELDS,
        "Channel" => request::Channel::FIELDS,
        "SupplyChain" => request::SupplyChain::FIELDS,
        "SupplyChainNode" => request::SupplyChainNode::FIELDS,
        "EID" => request::Eid::FIELDS,
        "UID" => request::Uid::FIELDS,
        "UserAgent" => request::UserAgent::FIELDS,
        "BrandVersion" => request::BrandVersion::FIELDS,
        "Qty" => request::Qty::FIELDS,
        "DOOH" => request::Dooh::FIELDS,
        "Refresh" => request::Refresh::FIELDS,
        "RefSettings" => request::RefSettings::FIELDS,
        "DurFloors" => request::DurFloors::FIELDS,
        "BidResponse" => BidResponse::FIELDS,
        "SeatBid" => response::SeatBid::FIELDS,
        "Bid" => response::Bid::FIELDS,
        _ => return None,
    })
}
