use crate::object::object;

object! {
    /// A segment of a data provider (section 3.2.22).
    Segment {
        id: Option<&'a str>,
        name: Option<&'a str>,
        value: Option<&'a str>,
    }
}
