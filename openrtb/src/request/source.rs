use crate::Flag;
use crate::object::object;
use crate::request::SupplyChain;

object! {
    /// The upstream source of the request (section 3.2.2).
    Source {
        fd: Option<Flag>,
        tid: Option<&'a str>,
        pchain: Option<&'a str>,
        schain: Option<&'a SupplyChain<'a>>,
    }
    then crate::request::older::source
}
