use crate::List;
use crate::list::CategoryTaxonomy;
use crate::object::object;

object! {
    /// The publisher of the site, application or screen (section 3.2.15).
    Publisher {
        id: Option<&'a str>,
        name: Option<&'a str>,
        cattax: Option<CategoryTaxonomy>,
        cat: List<'a, &'a str>,
        domain: Option<&'a str>,
    }
}
