use crate::object::object;
use crate::request::Text;
use crate::{Flag, List};

object! {
    /// Legal regulations that apply to the request (section 3.2.3).
    Regs {
        coppa: Option<Flag>,
        gdpr: Option<Flag>,
        us_privacy: Option<Text<'a>>,
        gpp: Option<Text<'a>>,
        gpp_sid: List<'a, i64>,
    }
    then crate::request::older::regs
}
