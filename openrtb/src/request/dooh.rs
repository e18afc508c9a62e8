use crate::List;
use crate::object::object;
use crate::request::{Content, Publisher};

object! {
    /// The out-of-home screen of the impression (section 3.2.32).
    Dooh {
        id: Option<&'a str>,
        name: Option<&'a str>,
        venuetype: List<'a, &'a str>,
        venuetypetax: Option<i64>,
        publisher: Option<&'a Publisher<'a>>,
        domain: Option<&'a str>,
        keywords: Option<&'a str>,
        content: Option<&'a Content<'a>>,
    }
}
