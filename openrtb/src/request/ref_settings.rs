use crate::list::RefreshTrigger;
use crate::object::object;

object! {
    /// What makes the placement refresh (section 3.2.34).
    RefSettings {
        reftype: Option<RefreshTrigger>,
        minint: Option<i64>,
    }
}
