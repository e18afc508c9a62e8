use crate::List;
use crate::object::object;

object! {
    /// A browser or platform with its version (section 3.2.30).
    BrandVersion {
        brand: Option<&'a str>,
        version: List<'a, &'a str>,
    }
}
