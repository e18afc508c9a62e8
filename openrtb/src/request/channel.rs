use crate::object::object;

object! {
    /// The channel of the content (section 3.2.24).
    Channel {
        id: Option<&'a str>,
        name: Option<&'a str>,
        domain: Option<&'a str>,
    }
}
