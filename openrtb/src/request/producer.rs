use crate::List;
use crate::list::CategoryTaxonomy;
use crate::object::object;

object! {
    /// The producer of the content (section 3.2.17).
    Producer {
        id: Option<&'a str>,
        name: Option<&'a str>,
        cattax: Option<CategoryTaxonomy>,
        cat: List<'a, &'a str>,
        domain: Option<&'a str>,
    }
}
