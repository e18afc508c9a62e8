use crate::object::object;

object! {
    /// An allowed size of a banner (section 3.2.10).
    Format {
        w: Option<i64>,
        h: Option<i64>,
        wratio: Option<i64>,
        hratio: Option<i64>,
        wmin: Option<i64>,
    }
}
