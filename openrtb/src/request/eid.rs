use crate::List;
use crate::list::MatchMethod;
use crate::object::object;
use crate::request::Uid;

object! {
    /// Identifiers of one source (section 3.2.27).
    Eid {
        inserter: Option<&'a str>,
        source: Option<&'a str>,
        matcher: Option<&'a str>,
        mm: Option<MatchMethod>,
        uids: List<'a, Uid<'a>>,
    }
}
