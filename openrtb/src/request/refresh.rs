use crate::List;
use crate::object::object;
use crate::request::RefSettings;

object! {
    /// How the placement refreshes (section 3.2.33).
    Refresh {
        refsettings: List<'a, RefSettings<'a>>,
        count: Option<i64>,
    }
}
