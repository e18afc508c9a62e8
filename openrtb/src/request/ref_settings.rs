use crate::object::object;

object! {
    /// What makes the placement refresh (section 3.2.34).
    RefSettings {
        reftype: Option<i64>,
        minint: Option<i64>,
    }
}
