use crate::object::object;

object! {
    /// The network of the content (section 3.2.23).
    Network {
        id: Option<&'a str>,
        name: Option<&'a str>,
        domain: Option<&'a str>,
    }
}
