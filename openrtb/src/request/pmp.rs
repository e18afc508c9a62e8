use crate::object::object;
use crate::request::Deal;
use crate::{Flag, List};

object! {
    /// The private marketplace of an impression (section 3.2.11).
    Pmp {
        private_auction: Option<Flag>,
        deals: List<'a, Deal<'a>>,
    }
}
