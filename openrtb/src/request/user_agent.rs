use crate::list::UserAgentSource;
use crate::object::object;
use crate::request::BrandVersion;
use crate::{Flag, List};

object! {
    /// The structured user agent (section 3.2.29).
    UserAgent {
        browsers: List<'a, BrandVersion<'a>>,
        platform: Option<&'a BrandVersion<'a>>,
        mobile: Option<Flag>,
        architecture: Option<&'a str>,
        bitness: Option<&'a str>,
        model: Option<&'a str>,
        source: Option<UserAgentSource>,
    }
}
