use crate::object::object;
use crate::request::SupplyChainNode;
use crate::{Flag, List};

object! {
    /// The sellers between publisher and buyer (section 3.2.25).
    SupplyChain {
        complete: Option<Flag>,
        nodes: List<'a, SupplyChainNode<'a>>,
        ver: Option<&'a str>,
    }
}
