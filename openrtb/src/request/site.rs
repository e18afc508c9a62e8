use crate::list::CategoryTaxonomy;
use crate::object::object;
use crate::request::{Content, Publisher};
use crate::{Flag, List};

object! {
    /// The website of the impression (section 3.2.13).
    Site {
        id: Option<&'a str>,
        name: Option<&'a str>,
        domain: Option<&'a str>,
        cattax: Option<CategoryTaxonomy>,
        cat: List<'a, &'a str>,
        sectioncat: List<'a, &'a str>,
        pagecat: List<'a, &'a str>,
        page: Option<&'a str>,
        referrer "ref": Option<&'a str>,
        search: Option<&'a str>,
        mobile: Option<Flag>,
        privacypolicy: Option<Flag>,
        publisher: Option<&'a Publisher<'a>>,
        content: Option<&'a Content<'a>>,
        keywords: Option<&'a str>,
        kwarray: List<'a, &'a str>,
        inventorypartnerdomain: Option<&'a str>,
    }
}
