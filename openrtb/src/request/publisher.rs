use crate::List;
use crate::object::object;

object! {
    /// The publisher of the site, application or screen (section 3.2.15).
    Publisher {
        id: Option<&'a str>,
        name: Option<&'a str>,
        cattax: Option<i64>,
        cat: List<'a, &'a str>,
        domain: Option<&'a str>,
    }
}
