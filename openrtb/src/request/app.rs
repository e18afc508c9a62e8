use crate::list::CategoryTaxonomy;
use crate::object::object;
use crate::request::{Content, Publisher};
use crate::{Flag, List};

object! {
    /// The application of the impression (section 3.2.14).
    App {
        id: Option<&'a str>,
        name: Option<&'a str>,
        bundle: Option<&'a str>,
        domain: Option<&'a str>,
        storeurl: Option<&'a str>,
        cattax: Option<CategoryTaxonomy>,
        cat: List<'a, &'a str>,
        sectioncat: List<'a, &'a str>,
        pagecat: List<'a, &'a str>,
        ver: Option<&'a str>,
        privacypolicy: Option<Flag>,
        paid: Option<Flag>,
        publisher: Option<&'a Publisher<'a>>,
        content: Option<&'a Content<'a>>,
        keywords: Option<&'a str>,
        kwarray: List<'a, &'a str>,
        inventorypartnerdomain: Option<&'a str>,
    }
}
