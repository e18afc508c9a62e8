use crate::List;
use crate::object::object;
use crate::request::Segment;

object! {
    /// A data provider's view of a user or content (section 3.2.21).
    Data {
        id: Option<&'a str>,
        name: Option<&'a str>,
        cids: List<'a, &'a str>,
        segment: List<'a, Segment<'a>>,
    }
}
