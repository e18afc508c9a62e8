//! Values below `ext`, at paths that line items name: what exchanges agree on beside the
//! specification.

use super::signal::Signal;
use openrtb::request::Imp;
use openrtb::{BidRequest, Value};
use std::fmt;
use std::str::FromStr;

/// Longest path, in bytes.
const MAX_PATH: usize = 128;
/// Most elements of a list that are looked at.
const MOST: usize = 64;

/// Declares the objects whose `ext` may be named.
macro_rules! roots {
    ($( $name:ident = $path:literal ),+ $(,)?) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        enum Root { $( $name ),+ }

        impl Root {
            const ALL: &[Root] = &[$( Root::$name ),+];

            fn path(self) -> &'static str {
                match self { $( Self::$name => $path ),+ }
            }
        }
    };
}

roots! {
    Request = "ext",
    Site = "site.ext",
    SitePublisher = "site.publisher.ext",
    SiteContent = "site.content.ext",
    App = "app.ext",
    AppPublisher = "app.publisher.ext",
    AppContent = "app.content.ext",
    Dooh = "dooh.ext",
    Device = "device.ext",
    DeviceGeo = "device.geo.ext",
    User = "user.ext",
    Source = "source.ext",
    Regs = "regs.ext",
    Imp = "imp.ext",
    Banner = "imp.banner.ext",
    Video = "imp.video.ext",
    Audio = "imp.audio.ext",
    Native = "imp.native.ext",
    Pmp = "imp.pmp.ext",
}

/// A path such as `imp.ext.data.section` or `site.ext.amp`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExtPath {
    root: Root,
    keys: Vec<Box<str>>,
}

/// A text is no path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoPath {
    /// It does not begin with a place that has an `ext`.
    #[error("expected a path below one of {}", places())]
    Place,
    /// Nothing follows, or an empty part.
    #[error("expected the names of members after ext, apart by dots")]
    Member,
    /// It is too long.
    #[error("longer than {MAX_PATH} bytes")]
    Long,
}

fn places() -> String {
    Root::ALL
        .iter()
        .map(|root| root.path())
        .collect::<Vec<_>>()
        .join(", ")
}

impl FromStr for ExtPath {
    type Err = NoPath;

    fn from_str(text: &str) -> Result<Self, NoPath> {
        if text.len() > MAX_PATH {
            return Err(NoPath::Long);
        }
        let below = |root: &Root| {
            let rest = text.strip_prefix(root.path())?;
            (rest.is_empty() || rest.starts_with('.')).then_some((*root, rest))
        };
        let (root, rest) = Root::ALL.iter().find_map(below).ok_or(NoPath::Place)?;
        let keys = rest.strip_prefix('.').ok_or(NoPath::Member)?;
        let keys: Vec<Box<str>> = keys.split('.').map(Box::from).collect();
        if keys.iter().any(|key| key.is_empty()) {
            return Err(NoPath::Member);
        }
        Ok(Self { root, keys })
    }
}

impl fmt::Display for ExtPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.root.path())?;
        self.keys.iter().try_for_each(|key| write!(f, ".{key}"))
    }
}

impl ExtPath {
    /// Whether it belongs to each imp.
    pub(crate) fn of_imp(&self) -> bool {
        match self.root {
            Root::Imp | Root::Banner | Root::Video | Root::Audio | Root::Native | Root::Pmp => true,
            Root::Request
            | Root::Site
            | Root::SitePublisher
            | Root::SiteContent
            | Root::App
            | Root::AppPublisher
            | Root::AppContent
            | Root::Dooh
            | Root::Device
            | Root::DeviceGeo
            | Root::User
            | Root::Source
            | Root::Regs => false,
        }
    }

    /// Reads a path that belongs to the request.
    pub(crate) fn read_request(&self, request: &BidRequest<'_>, signal: &mut Signal<'_>) {
        let site = request.site;
        let app = request.app;
        let ext = match self.root {
            Root::Request => request.ext,
            Root::Site => site.and_then(|site| site.ext),
            Root::SitePublisher => site.and_then(|site| site.publisher?.ext),
            Root::SiteContent => site.and_then(|site| site.content?.ext),
            Root::App => app.and_then(|app| app.ext),
            Root::AppPublisher => app.and_then(|app| app.publisher?.ext),
            Root::AppContent => app.and_then(|app| app.content?.ext),
            Root::Dooh => request.dooh.and_then(|dooh| dooh.ext),
            Root::Device => request.device.and_then(|device| device.ext),
            Root::DeviceGeo => request.device.and_then(|device| device.geo?.ext),
            Root::User => request.user.and_then(|user| user.ext),
            Root::Source => request.source.and_then(|source| source.ext),
            Root::Regs => request.regs.and_then(|regs| regs.ext),
            Root::Imp | Root::Banner | Root::Video | Root::Audio | Root::Native | Root::Pmp => None,
        };
        self.read(ext, signal);
    }

    /// Reads a path that belongs to an imp.
    pub(crate) fn read_imp(&self, imp: &Imp<'_>, signal: &mut Signal<'_>) {
        let ext = match self.root {
            Root::Imp => imp.ext,
            Root::Banner => imp.banner.and_then(|banner| banner.ext),
            Root::Video => imp.video.and_then(|video| video.ext),
            Root::Audio => imp.audio.and_then(|audio| audio.ext),
            Root::Native => imp.native.and_then(|native| native.ext),
            Root::Pmp => imp.pmp.and_then(|pmp| pmp.ext),
            Root::Request
            | Root::Site
            | Root::SitePublisher
            | Root::SiteContent
            | Root::App
            | Root::AppPublisher
            | Root::AppContent
            | Root::Dooh
            | Root::Device
            | Root::DeviceGeo
            | Root::User
            | Root::Source
            | Root::Regs => None,
        };
        self.read(ext, signal);
    }

    fn read(&self, ext: Option<Value<'_>>, signal: &mut Signal<'_>) {
        let found = ext.and_then(|ext| self.keys.iter().try_fold(ext, |value, key| value.get(key)));
        if let Some(found) = found {
            scalar(found, signal);
            found
                .elements()
                .take(MOST)
                .for_each(|element| scalar(element, signal));
        }
    }
}

/// Texts as they are, whole numbers in digits, truth as `true` and `false`; an object or a
/// fraction is there, and no value that a line item can name.
fn scalar(value: Value<'_>, signal: &mut Signal<'_>) {
    if let Some(text) = value.as_str() {
        signal.text(text);
    } else if let Some(number) = value.as_i64() {
        signal.text(itoa::Buffer::new().format(number));
    } else if let Some(truth) = value.as_bool() {
        signal.text(if truth { "true" } else { "false" });
    } else if value.as_f64().is_some() || value.is_object() {
        signal.present();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_and_written() {
        for text in ["ext.a", "imp.ext.data.section", "site.publisher.ext.x.y"] {
            let path: ExtPath = text.parse().unwrap();
            assert_eq!(path.to_string(), text);
            assert_eq!(path.of_imp(), text.starts_with("imp."), "{text}");
        }
        for (text, expected) in [
            ("ext", NoPath::Member),
            ("imp.ext.", NoPath::Member),
            ("imp.ext.a..b", NoPath::Member),
            ("imp.data", NoPath::Place),
            ("extra.a", NoPath::Place),
            ("", NoPath::Place),
        ] {
            assert_eq!(text.parse::<ExtPath>(), Err(expected), "{text}");
        }
        let long = format!("ext.{}", "a".repeat(MAX_PATH));
        assert_eq!(long.parse::<ExtPath>(), Err(NoPath::Long));
    }
}
